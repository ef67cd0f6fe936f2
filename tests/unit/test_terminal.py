"""The terminal writer: readable, within its columns, complete."""

from __future__ import annotations

import pytest

from symbackprop import gallery, notation, spec
from symbackprop.adjoint import derive
from symbackprop.document import handout
from symbackprop.emit import terminal
from symbackprop.emit.mathtext import Printer


def text_of(name: str, preset: str | None = None) -> str:
    """The terminal text of a gallery network."""
    network = spec.load(str(gallery.path(name)))
    chosen = notation.load(preset or network.notation)
    derivation = derive(network, chosen.choices)
    return terminal.write(handout.build(derivation, chosen), Printer(derivation, chosen, target="unicode"))


@pytest.mark.parametrize("name", gallery.names())
def test_lines_keep_within_the_columns(name: str) -> None:
    text = text_of(name)
    wide = [line for line in text.splitlines() if terminal._wide(line) > terminal.COLUMNS + 8]
    assert [line for line in wide if "  " not in line.strip()] == []
    assert "\\" not in text


def test_seed_003_says_which_index_is_summed_and_what_is_transposed() -> None:
    text = " ".join(text_of("seed_003").split())
    assert (
        "We sum over k, the second index of O_delta and the second of W₂: rows of the one meet rows of the other."
        in text
    )
    assert "so W₂ is transposed" in text
    assert "three paths through each of the 5 examples, 15 in all" in text


def test_seed_001_adds_up_over_the_uses_of_a_shared_weight() -> None:
    text = " ".join(text_of("seed_001").split())
    assert "is read by H_j¹ and by H_j²; the derivative adds up over these uses" in text


def test_seed_002_tells_the_last_layer_from_the_others() -> None:
    text = text_of("seed_002")
    assert "for ℓ = L" in text
    assert "for ℓ < L" in text
