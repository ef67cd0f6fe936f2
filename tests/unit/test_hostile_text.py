"""A lecturer's words are text in every writer, whatever characters they have."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import pytest
from markdown_it import MarkdownIt

from symbackprop import api
from symbackprop.emit.latex import escape

HOSTILE = (
    "50% of a_b #1 & {x} ~ ^",
    r"\input{secret} \write18{touch x} \end{document}",
    "<script>alert(1)</script></title></style> <!-- -->",
    "[a](http://b) ![c](d) `e` *f* **g** $h$ $$i$$ \\(j\\)",
    "\"quotes\" 'single' “typographic” `ticks`",
    'emoji 😀 and שלום and ∂Σ"; #panic("x")',
    "bell \x07 escape \x1b[31m zero \x00 turn \u202e line\nnext\u2028last",
)
TEXT = " and ".join(HOSTILE)
FIELDS = ("title", "course", "author", "date")


@pytest.fixture(scope="module")
def derived() -> api.Derived:
    return api.derive("mlp:2-2-1")


def page(derived: api.Derived, form: str) -> str:
    options = api.options(**{name: f"{name} {TEXT}" for name in FIELDS}, exercises=False, numbers=False)
    if form == "txt":
        return api.terminal(derived, options)
    if form == "typst":
        return api.handout_typst(derived, options)
    made = api.HANDOUTS[form](derived, options, None)
    assert isinstance(made, str)
    return made


class Seen(HTMLParser):
    """Words and elements of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self.elements: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.elements.append(tag)

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def visible(text: str) -> str:
    """The text without control characters and with single blanks."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def shown_in_html(page: str) -> tuple[str, set[str]]:
    seen = Seen()
    seen.feed(page)
    return visible("".join(seen.words)), set(seen.elements)


@pytest.mark.parametrize("form", ["tex", "slides"])
def test_in_latex(form: str, derived: api.Derived) -> None:
    made = page(derived, form)
    assert all(str(escape(f"{name} {TEXT}")) in made for name in FIELDS[1:])
    for command in (r"\input{secret}", r"\write18", "\x00", "\x1b", "\u202e"):
        assert command not in made
    assert made.count(r"\end{document}") == 1


def test_in_a_fragment(derived: api.Derived) -> None:
    made = page(derived, "fragment")
    assert r"\write18" not in made
    assert r"\input{secret}" not in made


def test_in_html(derived: api.Derived) -> None:
    made = page(derived, "html")
    words, elements = shown_in_html(made)
    assert "script" not in elements
    assert all(visible(f"{name} {TEXT}") in words for name in ("title", "course"))
    assert not re.search(r"[\x00-\x08\x0b-\x1f\u202e]", made)


def test_in_typst(derived: api.Derived) -> None:
    made = page(derived, "typst")
    shown = visible(f"title {TEXT}").replace("\\", "\\\\").replace('"', '\\"')
    assert shown in visible(made)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\u202e]", made)


@pytest.mark.parametrize("form", ["md", "ipynb"])
def test_in_markdown_and_notebooks(form: str, derived: api.Derived) -> None:
    made = page(derived, form)
    if form == "ipynb":
        made = "".join(json.loads(made)["cells"][0]["source"])
    rendered = MarkdownIt("commonmark").render(made.split("\n\n## ")[0])
    words, elements = shown_in_html(rendered)
    assert not elements & {"script", "a", "img"}
    assert all(visible(f"{name} {TEXT}") in words for name in ("title", "course"))
    assert "<script" not in rendered
    assert not re.search(r"[\x00-\x08\x0b-\x1f\u202e]", rendered)


def test_in_a_terminal(derived: api.Derived) -> None:
    made = page(derived, "txt")
    assert visible(f"title {TEXT}") in visible(made)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\u202e]", made)
