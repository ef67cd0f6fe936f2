"""What exercises are made from and what they are: a question with its answer, both blocks.

``Setting`` holds what a kind of exercise may look at; what takes time in it is made when it is first asked for.
Formulas about a changed network are shown by ``elsewhere``: who reads the page back knows the page's network alone.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from symbackprop import adjoint
from symbackprop.document.blocks import Directive, Display, Elsewhere, Row
from symbackprop.document.graph import Element
from symbackprop.document.paths import Unrolled
from symbackprop.document.scalar import followed
from symbackprop.document.view import View
from symbackprop.errors import UnsupportedError
from symbackprop.oracle import members

if TYPE_CHECKING:
    from collections.abc import Iterator

    from symbackprop.document.blocks import Block, Formula, Spans
    from symbackprop.document.material import Material
    from symbackprop.document.scalar import Target
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

    @cached_property
    def graph(self) -> Unrolled | None:
        """The network at its sizes; None where it is too large."""
        return unrolled(self.view)

    @cached_property
    def followed(self) -> Target | None:
        """The entry whose paths the text follows."""
        try:
            return followed(self.graph, self.network.parameters) if self.graph else None
        except UnsupportedError:
            return None

    def entries(self) -> Iterator[Element]:
        """For each parameter an entry with different indices, of its first and its last member."""
        graph = self.graph
        if graph is None:
            return
        for name in self.network.parameters:
            ends = members(self.network, name, graph.values.sizes)
            for at in dict.fromkeys((*ends[:1], *ends[-1:])):
                extents = graph.shape(name, at)
                index = tuple(min(k + 1, extent - 1) for k, extent in enumerate(extents))
                element = Element(name, (*at, *index))
                if self.followed is None or element != self.followed.element:
                    yield element


def unrolled(view: View) -> Unrolled | None:
    """A network at its sizes; None where it is too large."""
    try:
        return Unrolled(view.network, slopes=view.derivation.choices.slopes)
    except UnsupportedError:
        return None


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
