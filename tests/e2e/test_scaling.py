"""A derivation costs the same at any width and any depth of a family, and grows linearly with different layers."""

from __future__ import annotations

import pytest

from symbackprop import api, gallery

ACTIVATIONS = ("sigmoid", "tanh")


def unrolled(depth):
    """A network of ``depth`` layers, each with names and widths of its own."""
    lines, shapes = [], ['x = "n0"', f'y = "n{depth}"']
    for k in range(1, depth + 1):
        below = f"a{k - 1}" if k > 1 else "x"
        lines += [f"z{k} = W{k} @ {below} + b{k}", f"a{k} = {ACTIVATIONS[k % 2]}(z{k})"]
        shapes += [f'W{k} = "n{k} n{k - 1}"', f'b{k} = "n{k}"']
    names = ", ".join(f'"W{k}", "b{k}"' for k in range(1, depth + 1))
    forward = "\n".join([*lines, f"C = sum((a{depth} - y)**2)"])
    return api.loads(
        f'name = "deep"\nloss = "C"\nparameters = [{names}]\nforward = """\n{forward}\n"""\n[shapes]\n'
        + "\n".join(shapes)
    )


def formulas(derived):
    """LaTeX of every named adjoint at the index and matrix levels."""
    chains = derived.derivation.chains
    named = [name for name in chains if chains[name].named]
    return [derived[name].latex(level) for name in named for level in ("index", "matrix")]


@pytest.fixture
def widths(tmp_path):
    def at(**sizes):
        text = gallery.path("seed_003").read_text(encoding="utf-8")
        for name, size in sizes.items():
            lines = [f"{name} = {size}" if line.startswith(f"{name} = ") else line for line in text.splitlines()]
            text = "\n".join(lines)
        return api.derive(api.loads(text))

    return at


def test_steps_and_characters_do_not_depend_on_widths(widths):
    narrow, wide = widths(N=4, d=4, h=4, o=4), widths(N=4096, d=4096, h=4096, o=4096)
    pages = [each.text(levels=("index", "matrix")) for each in (narrow, wide)]
    derived = [page.split("From the loss backwards")[-1].split("Transposes and shapes")[0] for page in pages]
    assert len(derived[0]) > 1000
    assert derived[0] == derived[1]
    counts = [{n: len(c.steps) for n, c in d.derivation.chains.items()} for d in (narrow, wide)]
    assert counts[0] == counts[1]
    codes = {d.code().split("def _example")[0] for d in (narrow, wide)}
    assert len(codes) == 1


@pytest.mark.parametrize("depth", [0, 1, 2, 50])
def test_steps_and_characters_do_not_depend_on_the_depth_of_a_family(depth):
    text = gallery.path("seed_004_general").read_text(encoding="utf-8")
    sizes = {"M = 3": f"M = {depth}", "n = [2, 4, 5, 6]": f"n = {[3] * (depth + 1)}"}
    for old, new in sizes.items():
        assert old in text
        text = text.replace(old, new)
    derived = api.derive(api.loads(text))
    assert formulas(derived) == formulas(api.derive(str(gallery.path("seed_004_general"))))


def test_formulas_of_different_layers_grow_linearly():
    shallow, deep = formulas(api.derive(unrolled(4))), formulas(api.derive(unrolled(32)))
    assert len(deep) == 8 * len(shallow)
    assert max(map(len, deep)) <= 1.2 * max(map(len, shallow))
    assert sum(map(len, deep)) <= 9 * sum(map(len, shallow))
