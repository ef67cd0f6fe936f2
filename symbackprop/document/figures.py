"""Where figures stand in a handout, each with the sentence that sends the reader to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from symbackprop.document import neurons
from symbackprop.document.blocks import Block, Paragraph, See

if TYPE_CHECKING:
    from symbackprop.document.view import View


def network(view: View) -> list[Block]:
    """The network: its neurons where it is small and dense."""
    shown = neurons.figure(view, view.graph, view.followed) if view.graph and view.followed else None
    if shown is None:
        return []
    return [Paragraph((See(shown.label), " shows the whole network.")), shown]
