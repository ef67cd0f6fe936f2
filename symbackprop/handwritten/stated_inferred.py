r"""Shapes of names that a document uses and never declares, from their place in an equation.

``y`` in ``\hat{y} - y`` is like ``\hat{y}``; ``y_k`` beside ``\hat{y}_k`` has the axis that k counts; ``\lambda``
before a norm is a number. What the place does not settle stays unknown.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from symbackprop.handwritten import shapes
from symbackprop.handwritten.expression import Product, Quotient, Sum, Unknown, children, walk
from symbackprop.handwritten.forward_text import NotForwardError, Writer, letter_sizes
from symbackprop.handwritten.names import letter_name
from symbackprop.handwritten.parse import parse
from symbackprop.handwritten.tokens import ReadError
from symbackprop.notation.glyph import GREEK

if TYPE_CHECKING:
    from collections.abc import Iterator

    from symbackprop.affine import Affine
    from symbackprop.handwritten.expression import Node
    from symbackprop.handwritten.shapes import Head
    from symbackprop.network import Network

_WITHIN = frozenset(("odot", "circ", "entrywise"))


def inferred(node: Node, network: Network) -> Iterator[tuple[Head, tuple[Affine, ...]]]:
    """Unknown names of the right side of an equation whose axes its other parts settle; elements by their array."""
    sizes = letter_sizes(node, network)
    for unknown in dict.fromkeys(each for each in walk(node) if isinstance(each, Unknown)):
        head = _head(unknown.name)
        if head is None:
            continue
        letters = [letter_name(token) for script in head.scripts for token in script.inside if token != ","]
        if letters:
            if all(letter in sizes for letter in letters):
                stem = re.split(r"[_^]", head.text)[0].strip()
                yield replace(head, scripts=(), text=stem), tuple(sizes[letter] for letter in letters)
            continue
        axes = _beside(node, unknown, network)
        if axes is None and head.nucleus[0].removeprefix("\\") in GREEK and _multiplies(node, unknown):
            axes = ()
        if axes is not None:
            yield head, axes


def _head(text: str) -> Head | None:
    try:
        return shapes.head_of(parse(text).items, text)
    except ReadError:
        return None


def _beside(node: Node, unknown: Unknown, network: Network) -> tuple[Affine, ...] | None:
    """The axes of another term of the same sum, or of another factor of the same entrywise product."""
    for each in walk(node):
        parts = each.terms if isinstance(each, Sum) else each.factors if isinstance(each, Product) else ()
        if unknown not in parts or (isinstance(each, Product) and not _WITHIN & set(each.signs)):
            continue
        for part in parts:
            if part == unknown or any(isinstance(inner, Unknown) for inner in walk(part)):
                continue
            try:
                axes = Writer(network, {}).equation(part, {}).axes
            except (NotForwardError, KeyError):
                continue
            if axes:
                return axes
    return None


def _multiplies(node: Node, unknown: Unknown) -> bool:
    """True where the name is a factor, or stands above or below a fraction bar."""
    return any(isinstance(each, Product | Quotient) and unknown in children(each) for each in walk(node))
