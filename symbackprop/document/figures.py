"""Where figures stand in a handout, each with the sentence that sends the reader to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from symbackprop.document import chart, meeting, neurons
from symbackprop.document import tree as trees
from symbackprop.document.blocks import Block, Figure, Paragraph, See
from symbackprop.errors import UnsupportedError

if TYPE_CHECKING:
    from symbackprop.document.view import View


LONG = 14
"""Letters of a name beyond which figures with an entry in every place cannot be read."""


def network(view: View) -> list[Block]:
    """The network: its neurons where it is small and dense, else its arrays."""
    return _sent_to(_neurons(view) or chart.figure(view), " shows the whole network.")


def _neurons(view: View) -> Figure | None:
    try:
        return neurons.figure(view, view.graph, view.followed) if _legible(view) and view.followed else None
    except UnsupportedError:
        return None


def tree(view: View) -> list[Block]:
    """The paths of the entry that is followed."""
    shown = trees.figure(view.graph, view.followed) if _legible(view) and view.followed else None
    return _sent_to(shown, trees.SENTENCE)


def lines(view: View) -> list[Block]:
    """The matrix products of the backward pass."""
    return _sent_to(meeting.figure(view) if _legible(view) else None, meeting.SENTENCE)


def _legible(view: View) -> bool:
    """True where an entry fits its place."""
    return all(view.letters(name) <= LONG for name in view.network.tensors)


def _sent_to(figure: Figure | None, sentence: str) -> list[Block]:
    """A figure after the sentence that begins with a reference to it."""
    return [] if figure is None else [Paragraph((See(figure.label), sentence)), figure]
