"""Every formula we print is accepted by TeX, in every notation."""

from __future__ import annotations

from pathlib import Path

import pytest

from symbackprop import adjoint, notation, spec, typeset
from symbackprop.emit.mathtext import Printer
from symbackprop.lift import lift

ROOT = Path(__file__).parents[2]
NETWORKS = sorted(
    [
        *(ROOT / "symbackprop/gallery").glob("*.toml"),
        *(ROOT / "tests/data/notation").glob("*.toml"),
        *(ROOT / "tests/data/networks").glob("*.toml"),
    ]
)
HEAD = r"""\documentclass{article}
\usepackage{amsmath,amssymb}
\usepackage[paperwidth=60cm,paperheight=100cm,margin=1cm]{geometry}
\begin{document}
"""


@pytest.mark.slow
@pytest.mark.skipif(typeset.maker() != "pdflatex", reason="no pdflatex")
@pytest.mark.parametrize("name", notation.names())
def test_all_formulas_are_typeset(name):
    preset = notation.load(name)
    lines = [HEAD]
    for path in NETWORKS:
        derivation = adjoint.derive(spec.load(str(path)), preset.choices)
        printer = Printer(derivation, preset)
        for equation in (*derivation.network.equations, *(c.equation for c in derivation.chains.values())):
            cases = lift(equation, derivation, vectors=preset.orientation.vectors)
            lines += [
                rf"\[ {printer.equation(equation)} \]",
                rf"\[ {printer.matrix(equation, cases)} \]",
                rf"\({printer.show(printer.shape(equation.lhs.tensor))}\)",
                "",
            ]
        lines.append(rf"\[ {preset.example} \]")
    lines.append(r"\end{document}")
    assert typeset.from_latex("\n".join(lines)).startswith(b"%PDF")
