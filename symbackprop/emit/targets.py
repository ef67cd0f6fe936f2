"""The ways in which mathematics is written, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from symbackprop.emit.target_latex import Latex
from symbackprop.emit.target_markdown import Markdown
from symbackprop.emit.target_mathml import MathML
from symbackprop.emit.target_typst import Typst
from symbackprop.emit.target_unicode import Unicode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from symbackprop.emit.target import Target

TARGETS: Mapping[str, Target] = {target.name: target for target in (Latex(), Unicode(), MathML(), Typst(), Markdown())}
