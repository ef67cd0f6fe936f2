"""LaTeX without a preamble: it needs what it says, defines what it uses, and leaves what is around it as it was."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from symbackprop import api, gallery, typeset
from symbackprop.emit import latex

TEMPLATES = Path(__file__).parents[2] / "templates"
DEFINED = re.compile(r"\\new(?:command|environment|tcolorbox)\{\\?(\w+)\}")


def defined_in(*names: str) -> set[str]:
    """The names these templates define together, each once."""
    found = DEFINED.findall("".join((TEMPLATES / name).read_text() for name in names))
    assert len(found) == len(set(found))
    return set(found)


def fragment(source: str) -> str:
    derived = api.derive(source)
    return api.handout_fragment(derived, None, api.material(derived))


def test_fragment_opens_and_closes_one_group_and_names_its_packages() -> None:
    text = fragment("mlp:3-2-2")
    assert r"\documentclass" not in text
    assert r"\begin{document}" not in text
    assert text.rstrip().endswith(r"\endgroup")
    assert len(re.findall(r"^\\begingroup$", text, re.MULTILINE)) == 1
    assert re.search(r"^%   \\usepackage\{lmodern,textcomp,amsmath", text, re.MULTILINE)


def test_what_is_defined_is_forgotten_first_and_labels_are_the_networks_own() -> None:
    text = fragment("mlp:3-2-2")
    defined = re.findall(r"^\\new(?:command|environment|tcolorbox|savebox)\{\\?(\w+)\}", text, re.MULTILINE)
    assert len(defined) > 10
    assert [name for name in defined if rf"\csname {name}\endcsname\relax" not in text.partition("Okabe")[0]] == []
    labels = re.findall(r"\\label\{(\w+):", text)
    assert set(labels) == {"mlp_3_2_2"}


def test_what_the_writer_writes_is_defined_in_every_template() -> None:
    written = {"lead", "broad", "code", "chip", "factor", "pathmark", "tall", "stacked", "keybox", "handoutfigure"}
    for own in ("handout.tex.j2", "fragment.tex.j2", "slides.tex.j2"):
        shared = () if own == "handout.tex.j2" else ("macros.tex.j2",)
        assert written - defined_in(own, *shared) == set(), own
    beside = defined_in("handout.tex.j2") & set(re.findall(r"\w+", Path(latex.__file__).read_text()))
    assert beside - defined_in("macros.tex.j2", "fragment.tex.j2") == set()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex: install texlive-latex-extra")
def test_fragments_typeset_in_a_plain_article_that_uses_the_same_names() -> None:
    parts = [fragment(str(gallery.path(name))) for name in ("seed_003", "seed_001")]
    packages = re.findall(r"^%   (\\usepackage.*)$", parts[0], re.MULTILINE)
    head = [
        r"\documentclass{article}\usepackage[T1]{fontenc}\usepackage[utf8]{inputenc}",
        *packages,
        r"\newcommand{\code}{mine}\newenvironment{exercise}{}{}\newenvironment{keybox}{}{}",
        r"\newcommand{\unchanged}{mine}\begin{document}",
    ]
    check = r"\ifx\code\unchanged\else\errmessage{code is another}\fi"
    pdf, log = typeset.set_latex("\n".join([*head, parts[0], check, parts[1], check, r"\end{document}"]))
    assert pdf.startswith(b"%PDF")
    assert re.findall(r"LaTeX Warning: (?:Reference|Label|There were).*|Missing character.*", log) == []
