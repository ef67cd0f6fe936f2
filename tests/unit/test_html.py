"""HTML handouts: well-formed, escaped, without script or network; formulas fit every screen in a real browser."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import pytest

from symbackprop import api, gallery
from symbackprop.emit import layout as y
from symbackprop.emit.target import name_of
from symbackprop.emit.targets import TARGETS
from symbackprop.notation.glyph import spelling

AWKWARD = sorted((Path(__file__).parents[1] / "data" / "awkward").glob("*.toml"))
SOURCES = [*map(gallery.path, gallery.names()), *AWKWARD]
VOID = {"meta", "br", "hr", "img", "link"}
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
MEASURE = """<script>
const wide = [];
for (const node of document.querySelectorAll("math, table, pre, h1, p")) {
  const box = node.getBoundingClientRect();
  if (box.width && (box.right > innerWidth + 1 || box.left < -1)) wide.push(node.textContent.slice(0, 60));
}
const loaded = performance.getEntriesByType("resource").map(e => e.name).filter(n => !n.startsWith("data:"));
document.body.innerHTML = "";
document.title = "done";
const said = document.createElement("pre");
said.id = "said";
said.textContent = JSON.stringify({ wide, loaded, inner: innerWidth, page: document.documentElement.scrollWidth });
document.body.append(said);
</script>"""


@cache
def page(source: Path) -> str:
    return api.derive(str(source)).html()


class Checker(HTMLParser):
    """Tags that do not match, anchors, addresses."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.ids: list[str] = []
        self.targets: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value)
            if name in {"href", "src"}:
                self.targets.append(value)
            if name.startswith("on"):
                self.wrong.append(f"{tag} {name}")

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f"</{tag}> at {self.getpos()}")


@pytest.mark.parametrize("source", SOURCES, ids=lambda p: p.stem)
def test_page_is_well_formed_and_needs_nothing_else(source):
    text = page(source)
    checker = Checker()
    checker.feed(text)
    assert checker.wrong == []
    assert checker.open == []
    assert "script" not in checker.tags
    assert {"h1", "h2", "math", "table", "caption", "th"} <= checker.tags
    assert len(set(checker.ids)) == len(checker.ids)
    assert {target.removeprefix("#") for target in checker.targets} <= set(checker.ids)
    assert re.findall(r"url\((?!data:)|@import|https?:", text) == []


def test_text_of_users_is_text():
    text = page(AWKWARD[0]) + page(AWKWARD[1])
    assert "&lt;script&gt;" in text
    assert "<script" not in text
    assert "🙂" in text
    assert r"\input{/etc/passwd}" in text


def test_same_network_gives_the_same_page():
    source = str(gallery.path("seed_002"))
    assert api.derive(source).html() == api.derive(source).html()


@pytest.mark.parametrize(
    ("box", "markup"),
    [
        (y.symbol("x"), "<mi>x</mi>"),
        (y.symbol(r"\sigma", "'"), "<msup><mi>σ</mi><mo>′</mo></msup>"),
        (name_of(spelling(r"\mathbf{W}_{12}^{(2)}")), "<msubsup><mi>𝐖</mi><mn>12</mn><mrow>"),
        (name_of(spelling(r"\hat{y}")), '<mover accent="true"><mi>y</mi><mo stretchy="false">^</mo></mover>'),
        (y.beside(y.MINUS, y.symbol("x")), '<mrow><mo form="prefix">−</mo><mi>x</mi></mrow>'),
        (y.spaced([y.symbol("a"), y.MINUS, y.symbol("b")]), '<mi>a</mi><mo form="infix">−</mo><mi>b</mi>'),
        (y.spaced([y.symbol("a"), y.symbol("b")]), "<mi>a</mi><mo>&#x2062;</mo><mi>b</mi>"),
        (y.spaced([y.symbol("a"), y.Sign("<"), y.symbol("b")]), '<mo form="infix">&lt;</mo>'),
        (y.Words("a < b & c"), "<mtext>a &lt; b &amp; c</mtext>"),
        (y.Norm(y.symbol("x"), 0, frobenius=True), "<mi>F</mi><mn>2</mn></msubsup>"),
    ],
)
def test_boxes_as_mathml(box, markup):
    assert markup in TARGETS["mathml"].show(box)


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no Chromium: install the package chromium")
@pytest.mark.parametrize("width", [1200, 768, 400])
@pytest.mark.parametrize("source", SOURCES, ids=lambda p: p.stem)
def test_nothing_is_wider_than_the_screen_or_loaded(source, width, tmp_path):
    file = tmp_path / "page.html"
    file.write_text(page(source).replace("</body>", f"{MEASURE}</body>"), encoding="utf-8")
    said = browse(file, width, tmp_path)
    assert said["wide"] == []
    assert said["loaded"] == []
    assert said["page"] <= said["inner"]


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no Chromium: install the package chromium")
def test_a_formula_that_is_too_wide_is_noticed(tmp_path):
    file = tmp_path / "page.html"
    wide = '<main><math displaystyle="true"><mi>' + "W" * 200 + "</mi></math></main>"
    file.write_text(f"<!DOCTYPE html><html><body>{wide}{MEASURE}</body></html>", encoding="utf-8")
    assert browse(file, 768, tmp_path)["wide"]


def browse(file: Path, width: int, folder: Path) -> dict[str, object]:
    """What the measuring script says; the page stands in a frame, since a window has a least width."""
    frame = folder / "frame.html"
    frame.write_text(
        f'<!DOCTYPE html><body style="margin:0"><iframe id="f" src="{file.name}" width="{width}" height="900" '
        "style='border:0'></iframe><script>window.onload = () => { document.body.textContent = "
        'document.getElementById("f").contentDocument.getElementById("said").textContent; }</script></body>',
        encoding="utf-8",
    )
    done = subprocess.run(
        [
            BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files",
            f"--user-data-dir={folder / 'profile'}", "--window-size=1600,1000", "--virtual-time-budget=5000",
            "--dump-dom", frame.as_uri(),
        ],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    found = re.search(r"<body[^>]*>(\{.*\})</body>", done.stdout, re.DOTALL)
    assert found, done.stdout[-2000:] + done.stderr[-2000:]
    return dict(json.loads(found[1]))
