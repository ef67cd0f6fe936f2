"""What is said about claims, in every form."""

from __future__ import annotations

import json
import re
import shutil
import subprocess

import pytest

from symbackprop import spec
from symbackprop.errors import SpecError
from symbackprop.handwritten import document
from symbackprop.verify import codes, report, sarif
from symbackprop.verify.classify import Diagnostic, diagnose, unread_code
from symbackprop.verify.pipeline import Session
from symbackprop.verify.report_unicode import marked, placed, to_unicode
from symbackprop.verify.run import judged

TEXT = rf"""\documentclass{{article}}
\begin{{document}}
% symbackprop: {codes.LET}
The signals are
\begin{{align}}
\delta^{{(L)}} &= 2 (a^{{(L)}} - y) \odot f'(z^{{(L)}}) \\
\delta^{{(l)}} &= ((W^{{(l)}})^T \delta^{{(l+1)}}) \odot f'(z^{{(l)}})
\end{{align}}
and the gradients $\frac{{\partial C}}{{\partial W^{{(l)}}}} = (a^{{(l-1)}})^T \delta^{{(l)}}$ in all layers.

With $\frac{{\partial C}}{{\partial b^{{(l)}}}} = \delta^{{(l)}} q$ and
% symbackprop: expect wrong
\[ \frac{{\partial C}}{{\partial b^{{(l)}}}} = -\delta^{{(l)}} \]
\end{{document}}
"""


@pytest.fixture(scope="module")
def found():
    session = Session(document.read(TEXT, "tex"), spec.loads(codes.EXAMPLE))
    return [diagnose(claim, session.worlds, source=session.document.text) for claim in session.claims()]


def test_diagnostics_have_exactly_the_fields_of_the_output(found):
    fields = ["line", "column", "claim", "quantity", "verdict", "code", "message", "fix", "evidence"]
    assert all(list(d.as_dict()) == fields for d in found)
    data = json.loads(json.dumps(report.json_object("notes.tex", "example", found)))
    assert list(data) == ["file", "network", "claims"]
    assert [(c["line"], c["verdict"], c["code"]) for c in data["claims"][:3]] == [
        (6, "right", None),
        (7, "wrong", "SB201"),
        (9, "wrong", "SB101"),
    ]


def test_scripts_in_messages_are_set_as_scripts():
    assert report.latex_text("W^[l+1] and d_out") == r"W\textsuperscript{[l+1]} and d\textsubscript{out}"
    assert report.latex_text("x_(t,q)ᵀ") == r"x\textsubscript{t,q}\textsuperscript{T}"


def test_formulas_of_the_page_are_cut_where_the_mistake_is(found):
    wrong = next(d for d in found if d.code == "SB201")
    parts = report.pieces(wrong)
    assert "".join(text for text, _ in parts) == to_unicode(wrong.text)
    assert [text for text, here in parts if here] == ["W⁽ˡ⁾"]


def test_rules_of_the_log_explain_themselves(found):
    log = sarif.log([("notes.tex", found)], "1")
    rules = log["runs"][0]["tool"]["driver"]["rules"]
    assert all(rule["help"]["text"].startswith(rule["id"]) for rule in rules)


def test_a_document_without_derivatives_needs_no_network():
    text = "We pay $5 or $6 and $$e = m c^2$$ holds."
    assert judged(document.read(text, "md")).diagnostics == ()


def test_what_a_document_leaves_open_is_asked_for_by_name():
    text = r"""Let $x \in \mathbb{R}^n$.
\[ h = V x \]
\[ E = \sum_i h_i \]
\[ \frac{\partial E}{\partial x} = V^\top \mathbf{1} \]"""
    with pytest.raises(SpecError, match=r"line 2: .*'V' is not declared; define it, or write '\$V"):
        judged(document.read(text, "tex"))


def test_refuted_claims_have_evidence_that_says_so(found):
    assert all(d.evidence.startswith("refuted") for d in found if d.verdict == "wrong")


def test_terminal_points_at_the_factor(found):
    text = report.terminal("notes.tex", found)
    lines = text.splitlines()
    at = next(k for k, line in enumerate(lines) if line.startswith("notes.tex:7"))
    formula, carets = lines[at + 1], lines[at + 2]
    assert formula[carets.index("^") : len(carets)] == "W⁽ˡ⁾"
    assert "fix: δ⁽ˡ⁾ = ((W⁽ˡ⁺¹⁾)ᵀ δ⁽ˡ⁺¹⁾) ⊙ f′(z⁽ˡ⁾)" in text
    assert "\x1b" not in text
    assert lines[-1].startswith("notes.tex: 1 right")


def test_exit_codes(found):
    right = Diagnostic(line=1, column=1, claim="", quantity="", verdict="right")
    convention = Diagnostic(line=1, column=1, claim="", quantity="", verdict="right-under-convention", code="SB301")
    unread = Diagnostic(line=1, column=1, claim="", quantity="", verdict="unreadable", code="SB404")
    meant = Diagnostic(line=1, column=1, claim="", quantity="", verdict="wrong", code="SB101", expected=True)
    unmeant = Diagnostic(line=1, column=1, claim="", quantity="", verdict="right", expected=True)
    assert report.exit_code(found) == 1
    assert report.exit_code([right, convention, meant]) == 0
    assert report.exit_code([convention], strict=True) == 1
    assert report.exit_code([right, unread]) == 2
    assert report.exit_code([unmeant, unread]) == 1
    assert report.exit_code([]) == 0
    assert report.counted([]) == "no claims found"


def test_github_commands_are_one_line_each():
    d = Diagnostic(
        line=3, column=4, claim="", quantity="", verdict="wrong", code="SB101", message="50 % of\nit", fix="a = b"
    )
    text = report.github("a,b:c.tex", [d])
    place = "file=a%2Cb%3Ac.tex,line=3,col=4,title=SB101 factors in the wrong order"
    assert text == f"::error {place}::50 %25 of%0Ait%0AFix: a = b\n"


def test_sarif_results_refer_to_rules(found):
    log = sarif.log([("my notes.tex", found)], "1.2.3")
    run = log["runs"][0]
    rules = run["tool"]["driver"]["rules"]
    assert log["version"] == "2.1.0"
    assert len({rule["id"] for rule in rules}) == len(rules)
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in {"error", "warning", "note"}
        place = result["locations"][0]["physicalLocation"]
        assert place["artifactLocation"]["uri"] == "my%20notes.tex"
        assert place["region"]["startLine"] >= 1
    assert {"SB201", "SB101"} <= {result["ruleId"] for result in run["results"]}


def test_page_escapes_and_keeps_the_document(found):
    page = report.html("<notes>.tex", "example", TEXT, found)
    assert "<notes>" not in page
    shown = re.sub(r'<a class="number"[^>]*>\d+</a>|<[^>]+>', "", re.search(r"<pre>(.*)</pre>", page, re.DOTALL)[1])
    for entity, char in (("&#39;", "'"), ("&lt;", "<"), ("&gt;", ">"), ("&#34;", '"'), ("&amp;", "&")):
        shown = shown.replace(entity, char)
    assert shown == TEXT
    assert page.count("<article") == len(found)


def test_segments_cover_the_text(found):
    parts = report.segments(TEXT, found)
    assert "".join(part.text for part in parts) == TEXT
    assert any(part.here and part.text == "W^{(l)}" for part in parts)


def test_notes_stand_behind_displays_and_paragraphs(found):
    copy = report.annotated(TEXT, found)
    assert copy.index(r"\end{align}") < copy.index("SB201")
    assert "SB201" not in copy[: copy.index(r"\end{align}")]
    assert copy.index("in all layers.") < copy.index("SB101")
    assert r"\usepackage{amsmath}" in copy
    without = re.sub(r"\n\\begin\{quote\}.*?\\end\{quote\}\n", "", copy, flags=re.DOTALL)
    assert re.sub(r"\\usepackage\{[a-z]+\}\n", "", without) == TEXT


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs TeX")
def test_annotated_copy_compiles(found, tmp_path):
    copy = report.annotated(TEXT, found)
    (tmp_path / "copy.tex").write_text(copy, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "copy.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]


def test_a_document_without_faults_is_left_alone():
    assert report.annotated("text", []) == "text"


@pytest.mark.parametrize(
    ("latex", "shown"),
    [
        (r"W^{(\ell+1)\top}", "W⁽ˡ⁺¹⁾ᵀ"),
        (r"\hat{y}_t", "y\u0302ₜ"),
        (r"\frac{a+b}{2}", "(a+b)/2"),
        (r"\left(\sum_{j=1}^{n} w_{ij}\right)", "(∑ⱼ₌₁ⁿ wᵢⱼ)"),
        (r"\mathbf{x}^{\langle t \rangle}", "x⁽ᵗ⁾"),
        (r"x_{q,B}", "x_(q,B)"),
        (r"\unknown{x", "unknownx"),
        (r"a}b", "ab"),
    ],
)
def test_latex_as_unicode(latex, shown):
    assert to_unicode(latex) in {shown, shown.replace("⁽ᵗ⁾", "⟨ᵗ⟩")}


def test_deep_braces_end():
    assert placed("{" * 10000 + "x")


def test_carets_stand_under_the_part():
    line, carets = marked(r"\delta = \hat{y} W^T", 9, 16)
    assert carets == "    ^"
    assert line == "δ = y\u0302 Wᵀ"


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("'q' is not declared; did you mean 'a'?", "SB401"),
        ("this bracket never closes", "SB402"),
        ("'f(z)' stands above a bar with '\\partial' below, which is no derivative", "SB403"),
        ("a slice of an expression is not read", "SB404"),
    ],
)
def test_unread_formulas_have_codes(message, code):
    assert unread_code(message) == code


def test_cases_are_told_apart_on_one_line():
    text = r"f = \begin{cases} a - y & z > 0 \\ 0 & z \le 0 \end{cases}"
    assert to_unicode(text) == "f = {a - y, z > 0; 0, z ≤ 0}"
