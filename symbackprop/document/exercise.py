"""What exercises are made from and what they are: a question with its answer, both blocks.

``Setting`` holds what a kind of exercise may look at.
Formulas about a changed network are shown by ``elsewhere``: who reads the page back knows the page's network alone.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from symbackprop import adjoint
from symbackprop.document.blocks import Directive, Display, Elsewhere, Row
from symbackprop.document.graph import Element
from symbackprop.document.view import View
from symbackprop.oracle import members

if TYPE_CHECKING:
    from collections.abc import Iterator

    from symbackprop.document.blocks import Block, Formula, Spans
    from symbackprop.document.material import Material
    from symbackprop.network import Network

CHANGED = "ignore: about a changed network"


@dataclass(frozen=True, slots=True, kw_only=True)
class Posed:
    """A question with its answer."""

    title: str
    points: int
    question: tuple[Block, ...]
    answer: tuple[Block, ...]
    hint: Spans = ()


@dataclass(frozen=True)
class Setting:
    """A derivation as its handout shows it, with what was made elsewhere."""

    view: View
    material: Material

    @property
    def network(self) -> Network:
        return self.view.network

    @property
    def seed(self) -> int:
        """A number that depends on the network alone."""
        return zlib.crc32(self.network.toml.encode())

    def entries(self) -> Iterator[Element]:
        """For each parameter an entry with different indices, of its first and its last member."""
        graph, followed = self.view.graph, self.view.followed
        if graph is None:
            return
        for name in self.network.parameters:
            ends = members(self.network, name, graph.values.sizes)
            for at in dict.fromkeys((*ends[:1], *ends[-1:])):
                extents = graph.shape(name, at)
                index = tuple(min(k + 1, extent - 1) for k, extent in enumerate(extents))
                element = Element(name, (*at, *index))
                if followed is None or element != followed.element:
                    yield element


def changed(view: View, network: Network) -> View:
    """The same view of a changed network, derived anew."""
    derivation = adjoint.derive(network, view.derivation.choices)
    layout = {name: view.layout[name] for name in network.tensors if name in view.layout}
    return View(derivation, view.preset, view.options, layout)


def under(view: View, body: Formula) -> Elsewhere:
    """A formula about the derivation of a view, for a page about another."""
    return Elsewhere(view.derivation, view.preset, body, view.layout)


def elsewhere(view: View, *bodies: Formula) -> tuple[Block, ...]:
    """A display about the derivation of a view, which the reader of the page does not judge."""
    return Directive((CHANGED,)), Display(tuple(Row(under(view, body)) for body in bodies))
