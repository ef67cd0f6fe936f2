"""The Markdown writer: text that means nothing but itself, and mathematics that no reader of Markdown takes apart."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from symbackprop import api, gallery
from symbackprop.emit import layout as y
from symbackprop.emit.markdown import MarkdownWriter, escape
from symbackprop.emit.target_markdown import Markdown

NETWORKS = Path(__file__).parents[1] / "data" / "networks"
SOURCES = [
    *map(str, map(gallery.path, gallery.names())),
    "mlp:3-2-2",
    *(pytest.param(str(path), marks=pytest.mark.slow) for path in sorted(NETWORKS.glob("*.toml"))),
]
PLAIN = MarkdownIt("commonmark").enable("table")
"""A reader of Markdown that knows no mathematics."""
HOSTILE = r"*a* _b_ `c` ~~d~~ # [e](f) ![g](h) <b>i</b> <!-- j --> | k & \l \* &amp; <script>n</script> \input{m}"


def seen(text: str) -> str:
    """What a reader of the rendered page sees, tags left out."""
    parts = []
    for token in PLAIN.parse(text):
        children = token.children or ()
        parts += [{"softbreak": "\n", "html_inline": ""}.get(child.type, child.content) for child in children]
        parts.append("\n")
    return "".join(parts)


@pytest.mark.parametrize("text", [HOSTILE, "5$ or $x$", "a_b_c **", "]( ![", "שלום 😀"])
def test_escaped_text_is_seen_as_it_is(text: str) -> None:
    assert seen(f"Here {escape(text)}.").strip() == f"Here {text}."


@pytest.mark.parametrize("text", ["- a", "1. a", "# a", "=== a", "+ a", "12) a"])
def test_paragraphs_become_no_lists(text: str) -> None:
    page = api.handout_markdown(api.derive("mlp:3-2-2"), api.options(course=text))
    kinds = [token.type for token in PLAIN.parse(page)]
    assert kinds[1] == "paragraph_open"
    assert text in seen(page)


@pytest.mark.parametrize("source", SOURCES)
def test_mathematics_survives_a_reader_that_knows_none(source: str) -> None:
    page = api.handout_markdown(api.derive(source))
    shown = re.sub("<!--.*?-->", "", page)
    formulas = re.findall(r"\$\$\n.*?\n\$\$|\$[^$\n]+\$", shown, re.DOTALL)
    assert len(formulas) > 20
    text = seen(page)
    assert [formula for formula in formulas if formula not in text] == []


def test_mathematics_needs_no_package_and_no_sign_of_markdown() -> None:
    page = api.handout_markdown(api.derive(str(gallery.path("seed_004_general"))))
    formulas = "".join(re.findall(r"\$\$\n.*?\n\$\$|\$[^$\n]+\$", page, re.DOTALL))
    assert not re.search(r"\\(bm|operatorname|factor|pathmark|fitted|eqref)\b|\\[^A-Za-z]|\]\(", formulas)


def test_rows_of_cases_end_in_a_command_of_letters() -> None:
    box = y.Cases(((y.symbol("a"), y.symbol("b")), (y.symbol("c"), y.Words("otherwise"))))
    assert Markdown().show(box) == r"\begin{cases} a & b \cr c & \text{otherwise} \end{cases}"


def test_code_may_hold_backticks() -> None:
    writer = MarkdownWriter(api.derive("mlp:3-2-2").printer_for("markdown"))
    assert writer.listing("x = '```'\n", "python") == "````python\nx = '```'\n````"
    assert writer.code("a`b") == "``a`b``"
