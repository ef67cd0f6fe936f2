"""Formulas, their places and chains, in every kind of document."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symbackprop.errors import SpecError
from symbackprop.handwritten.document import net_path, open_document, read


def found(text, kind="tex"):
    return [(entry.formula.text, entry.formula.line, entry.formula.column) for entry in read(text, kind).entries]


def texts(text, kind="tex"):
    return [" ".join(entry.formula.text.split()) for entry in read(text, kind).entries]


@pytest.mark.parametrize(
    "name",
    [
        "equation",
        "equation*",
        "align",
        "align*",
        "gather",
        "gather*",
        "multline",
        "multline*",
        "eqnarray",
        "eqnarray*",
        "displaymath",
        "flalign*",
    ],
)
def test_an_environment_holds_a_formula_at_its_place(name):
    assert found(f"text\n\\begin{{{name}}}\n  a = b\n\\end{{{name}}}\n") == [("a = b", 3, 3)]


@pytest.mark.parametrize(("opening", "closing"), [("\\[", "\\]"), ("$$", "$$"), ("\\(", "\\)"), ("$", "$")])
def test_delimiters_hold_a_formula(opening, closing):
    assert found(f"so {opening}a = b{closing} holds") == [("a = b", 1, 4 + len(opening))]


def test_rows_are_formulas_and_chains_are_joined():
    text = r"""\begin{align}
A &= B \\
  &= C \label{eq:c} \\[2pt]
% claim: d
D &= E \nonumber
\end{align}"""
    assert [(" ".join(t.split()), line) for t, line, _ in found(text)] == [("A = B = C", 2), ("D = E", 5)]


def test_a_row_that_starts_with_a_sign_goes_on():
    text = "\\begin{align*}\nA &= B \\\\\n&\\quad + C \\\\\n- D &= E \\\\ F &= G( \\\\ & x)\n\\end{align*}"
    assert texts(text) == ["A = B \\quad + C", "- D = E", "F = G( x)"]


def test_a_left_side_on_its_own_row_starts_anew_where_what_goes_on_is_indented():
    text = r"\begin{align*} & A \\ &\qquad = B \\ &\qquad\quad C \\ & D \\ &\qquad = E \end{align*}"
    assert texts(text) == [r"A \qquad = B \qquad\quad C", r"D \qquad = E"]


def test_a_box_that_sets_the_size_of_a_row_is_no_bracket():
    text = r"""\newcommand{\fitted}[2]{\adjustbox{max width=#1}{$\displaystyle #2$}}
\begin{align*} & \fitted{2em}{A \leftarrow B} \\ & \fitted{2em}{C = (D} \\ &\fitted{2em}{\qquad + E)} \end{align*}"""
    assert texts(text) == [r"A \leftarrow B", r"C = (D \qquad + E)"]


def test_several_formulas_of_one_row_are_apart_and_texts_stay():
    text = "\\begin{align} a &= b & c &= d && \\text{for } l = 1, 2 \\end{align}"
    assert texts(text) == ["a = b", "c = d \\quad \\text{for } l = 1, 2"]


def test_nested_environments_stay_inside():
    text = "\\[ M = \\begin{pmatrix} a & b \\\\ c & d \\end{pmatrix} \\]\n"
    text += "\\[ x = \\begin{cases} 1 & i=j \\\\ 0 \\end{cases} \\]"
    assert len(found(text)) == 2
    assert r"a & b \\ c & d" in found(text)[0][0]


def test_rows_of_an_environment_that_is_the_whole_display_are_formulas():
    text = "\\begin{equation}\n\\begin{split}\na &= b \\\\\n &= c\n\\end{split}\n\\end{equation}"
    assert [(" ".join(t.split()), line) for t, line, _ in found(text)] == [("a = b = c", 2)]
    assert texts("\\[\\left\\{\\begin{aligned} a &= b \\\\ c &= d \\end{aligned}\\right.\\]") == ["a = b", "c = d"]


def test_inline_formulas_count_where_they_relate_two_sides():
    text = "Let $n$ be $\\sum_{i=1}^n x_i$, $\\approx$ a sign, $W \\in \\mathbb{R}^{n}$ and $x = \\text{as $y = 2$}$."
    assert texts(text) == ["W \\in \\mathbb{R}^{n}", "x = \\text{as $y = 2$}"]


def test_a_bare_inline_formula_answers_a_claim_of_its_paragraph():
    text = "% symbackprop: claim dC/dW\nThe gradient by $W$ is $\\delta x^T$.\n\nLater $A B$."
    document = read(text)
    assert [entry.formula.text for entry in document.entries] == ["\\delta x^T"]
    assert document.entries[0].directives.claim is not None


def test_comments_are_no_text_and_keep_places():
    text = "\\[\n% claim: one\na % $b = c$\n= d\n\\]"
    assert found(text) == [("a \n= d", 3, 1)]


def test_verbatim_is_skipped():
    text = "\\begin{verbatim}\n$a = b$\n\\end{verbatim}\n\\verb|$c = d$| "
    text += "\\begin{lstlisting}\n\\[ e = f \\]\n\\end{lstlisting}"
    assert found(text) == []


def test_only_the_body_counts_but_directives_of_the_preamble_hold():
    text = "% symbackprop: net = a.toml\n$a = b$\n\\begin{document}\n$c = d$\n\\end{document}\n$e = f$"
    assert texts(text) == ["c = d"]
    assert read(text).net == "a.toml"


def test_ignore_holds_for_the_whole_environment_or_for_one_row():
    text = (
        "% symbackprop: ignore\n\\begin{align} a &= b \\\\ c &= d \\end{align}\n"
        "\\begin{align} a &= b \\\\\n% symbackprop: ignore\nc &= d \\\\ e &= f \\end{align}"
    )
    assert [entry.directives.ignore for entry in read(text).entries] == [True, True, False, True, False]


def test_claim_holds_for_the_next_formula_alone():
    document = read("% symbackprop: claim dC/dW\n\\[ a \\]\n\\[ b = c \\]")
    assert [entry.directives.claim is not None for entry in document.entries] == [True, False]


def test_lets_hold_in_document_order():
    document = read("% symbackprop: let k = dC/dz\n\\[ k = 1 \\]\n% symbackprop: let {k} = dC/da\n\\[ k = 2 \\]")
    values = [[let.value.formula.text for let in entry.directives.lets] for entry in document.entries]
    assert values == [["dC/dz"], ["dC/da"]]


@pytest.mark.parametrize(
    "text", ["\\[ a = b\n\n$c = d$", "\\begin{align} a &= b\n\n$c = d$", "$a = {b\n\n$c = d$", "$$a = b\n\n$c = d$"]
)
def test_what_is_never_closed_is_a_problem_and_the_rest_is_read(text):
    document = read(text)
    assert "c = d" in [entry.formula.text for entry in document.entries]
    assert [problem.line for problem in document.problems] == [1]
    assert "never closed" in document.problems[0].message


def test_ten_thousand_braces_are_read():
    document = read("\\[ " + "{" * 10_000 + "a = b" + "}" * 10_000 + " \\]\n\n\\[ c = d \\]")
    assert document.entries[-1].formula.text == "c = d"


# ---- Markdown -----------------------------------------------------------------------------------------------------


def test_markdown_has_its_own_delimiters():
    text = (
        "# Title\n\nIt costs 5$ or 6$, `$no = code$`, but $a = b$ holds.\n\n$$\nc = d\n$$\n\n"
        "```math\ne = f\n```\n\n```python\n$g = h$\n```\n\n$`i = j`$ and \\$k = l\\$ and \\\\[ m = n \\\\]\n"
    )
    assert [(t, line) for t, line, _ in found(text, "md")] == [
        ("a = b", 3),
        ("c = d", 6),
        ("e = f", 10),
        ("i = j", 17),
        ("m = n", 17),
    ]


def test_markdown_comments_are_directives():
    document = read(
        "<!-- symbackprop: net = n.toml -->\n<!-- symbackprop: ignore --> $a = b$\n\n$c = d$ 100% sure $e = f$", "md"
    )
    assert document.net == "n.toml"
    assert [entry.directives.ignore for entry in document.entries] == [True, False, False]


def test_markdown_environments_and_quotes():
    assert texts("> $$\n> a = b\n> $$\n\n\\begin{align}\nc &= d \\\\\n&= e\n\\end{align}\n", "md") == [
        "a = b",
        "c = d = e",
    ]


# ---- notebooks ----------------------------------------------------------------------------------------------------


def notebook(*cells):
    listed = [{"cell_type": kind, "metadata": {}, "source": source.splitlines(keepends=True)} for kind, source in cells]
    return json.dumps({"cells": listed, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}, indent=1)


def test_a_notebook_gives_formulas_with_lines_of_its_file():
    text = notebook(
        ("markdown", "# x\n<!-- symbackprop: net = n.toml -->\n$$a = b$$"),
        ("code", "dW = x\n$y$"),
        ("markdown", "and\n$é = d$"),
    )
    document = read(text, "ipynb")
    assert [entry.formula.text for entry in document.entries] == ["a = b", "é = d"]
    lines = text.split("\n")
    assert all(
        word in lines[entry.formula.line - 1] for entry, word in zip(document.entries, ("a = b", "= d"), strict=True)
    )
    assert [cell.text for cell in document.cells] == ["dW = x\n$y$"]
    assert document.net == "n.toml"


@pytest.mark.parametrize("text", ["{", "[]", '{"cells": 3}', "[" * 100_000])
def test_what_is_no_notebook_is_refused(text):
    with pytest.raises(SpecError, match="not a notebook"):
        read(text, "ipynb")


# ---- files --------------------------------------------------------------------------------------------------------


def test_bad_files_are_refused_by_name(tmp_path):
    (tmp_path / "latin.tex").write_bytes(b"\\[ \xe9 \\]")
    (tmp_path / "long.tex").write_bytes(b"a" * 5_000_001)
    for name, message in (
        ("latin.tex", "UTF-8"),
        ("long.tex", "5 MB"),
        ("none.tex", "cannot be read"),
        (".", "folder"),
    ):
        with pytest.raises(SpecError, match=message):
            open_document(tmp_path / name)


@pytest.mark.parametrize(
    "file",
    [
        "/etc/passwd",
        "../n.toml",
        "~/n.toml",
        "$HOME/n.toml",
        "http://x/n.toml",
        "C:/n.toml",
        "a/../../n.toml",
        "a\\b.toml",
        "%HOME%/n",
        "link/n.toml",
    ],
)
def test_networks_outside_the_folder_are_refused(tmp_path, file):
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path)
    with pytest.raises(SpecError, match="net ="):
        net_path(str(folder / "d.tex"), file)
    assert net_path(str(folder / "d.tex"), "sub/n.toml") == (folder / "sub" / "n.toml").resolve()


@pytest.mark.parametrize("kind", ["tex", "md"])
@pytest.mark.parametrize(
    "opening", ["$", "${", r"\[ a ", r"\begin{align}", r"\begin{split}", "$$ a", r"\( a", "`$ ", "{"]
)
def test_files_of_opening_marks_are_read(kind, opening):
    read(opening * (200_000 // len(opening)), kind)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                "$",
                "$$",
                r"\[",
                r"\]",
                r"\begin{align}",
                r"\end{align}",
                r"\\",
                "&",
                "=",
                "a",
                "{",
                "}",
                "\n\n",
                "\n",
                "%",
                "% symbackprop: let k = x\n",
                "% symbackprop: claim\n",
                r"\newcommand{\x}[1]{#1}",
                r"\x",
                r"\def\y#1{",
                r"\left(",
                "<!-- symbackprop: ignore -->",
                "```math\n",
                "```\n",
                "`",
                r"\text{a $b$}",
                r"\begin{cases}",
                r"\end{cases}",
                "#1",
            ]
        ),
        max_size=40,
    ),
    st.sampled_from(["tex", "md"]),
)
def test_any_text_is_read_without_a_crash(parts, kind):
    document = read("".join(parts), kind)
    for entry in document.entries:
        formula = entry.formula
        assert len(formula.text) == len(formula.starts) == len(formula.ends)
        assert 0 <= formula.span.start <= formula.span.end <= len(document.text)
