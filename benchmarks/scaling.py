"""Derive and print all gradients of ever deeper networks, side by side with what else there is, in one run.

    python benchmarks/scaling.py [--depths 2,4,8,16,32] [--seconds 30]

The network is unrolled: every layer has weights, a bias and widths of its own, and the activations alternate. Each
contender runs in a process of its own, so that one cannot warm the caches of another; importing is not counted, and one
that has not finished in the given time stops there. Timed is what it takes to get printable formulas (or code):

- symbackprop: load, derive (every step checked), LaTeX at index and matrix level for every signal and gradient
- PyTensor: grad, rewriting by compilation with linker=py, pretty print of every rewritten gradient
- numpy2ad: source of the gradient function (it has no formulas, and takes sigmoid spelt out)
- SymPy Indexed: Sum over IndexedBase, diff by an element of the first weights, LaTeX: one weight matrix of all
- naive SymPy: width 2 unrolled into scalars, diff by every weight, LaTeX
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

DEPTHS = (2, 4, 8, 16, 32)
ACTIVATIONS = ("sigmoid", "tanh")
WARM_UP = 2


def activation(layer: int) -> str:
    return ACTIVATIONS[layer % len(ACTIVATIONS)]


def symbackprop(depth: int) -> int:
    from symbackprop import api

    lines, shapes = [], ['x = "n0"', f'y = "n{depth}"']
    for k in range(1, depth + 1):
        lines += [f"z{k} = W{k} @ a{k - 1} + b{k}" if k > 1 else "z1 = W1 @ x + b1", f"a{k} = {activation(k)}(z{k})"]
        shapes += [f'W{k} = "n{k} n{k - 1}"', f'b{k} = "n{k}"']
    names = ", ".join(f'"W{k}", "b{k}"' for k in range(1, depth + 1))
    network = api.loads(
        f'name = "deep"\nloss = "C"\nparameters = [{names}]\nforward = """\n'
        + "\n".join(lines)
        + f'\nC = sum((a{depth} - y)**2)\n"""\n[shapes]\n'
        + "\n".join(shapes)
        + "\n"
    )
    derived = api.derive(network)
    chains = derived.derivation.chains
    named = [name for name in chains if chains[name].named]
    return sum(len(derived[name].latex(level)) for name in named for level in ("index", "matrix"))


def pytensor(depth: int) -> int:
    import pytensor as pt_module
    import pytensor.tensor as pt
    from pytensor.printing import pp

    pt_module.config.cxx = ""
    functions = {"sigmoid": pt.sigmoid, "tanh": pt.tanh}
    x, y = pt.dvector("x"), pt.dvector("y")
    a, parameters = x, []
    for k in range(1, depth + 1):
        weights, bias = pt.dmatrix(f"W{k}"), pt.dvector(f"b{k}")
        parameters += [weights, bias]
        a = functions[activation(k)](weights @ a + bias)
    loss = ((a - y) ** 2).sum()
    gradients = pt_module.grad(loss, parameters)
    compiled = pt_module.function([x, y, *parameters], gradients, mode=pt_module.compile.mode.Mode(linker="py"))
    return sum(len(pp(output)) for output in compiled.maker.fgraph.outputs)


def numpy2ad(depth: int) -> int:
    import numpy2ad as module

    formulas = {"sigmoid": "1.0 / (1.0 + np.exp(-{z}))", "tanh": "2.0 / (1.0 + np.exp(-2.0 * {z})) - 1.0"}
    names = [name for k in range(1, depth + 1) for name in (f"W{k}", f"b{k}")]
    lines = ["import numpy as np", f"def f({', '.join(['x', 'y', *names])}):"]
    for k in range(1, depth + 1):
        lines.append(f"    z{k} = W{k} @ {f'a{k - 1}' if k > 1 else 'x'} + b{k}")
        lines.append(f"    a{k} = " + formulas[activation(k)].format(z=f"z{k}"))
    lines += [f"    e = a{depth} - y", "    return e * e"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "deep_network.py"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        spec = importlib.util.spec_from_file_location("deep_network", path)
        room = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(room)
        return len(module.transform(room.f))


def sympy_indexed(depth: int) -> int:
    import sympy as sp

    formulas = {"sigmoid": lambda z: 1 / (1 + sp.exp(-z)), "tanh": lambda z: 2 / (1 + sp.exp(-2 * z)) - 1}
    sizes = sp.symbols(f"n0:{depth + 1}", integer=True, positive=True)

    def neuron(layer: int, index: Any) -> Any:
        if layer == 0:
            return sp.IndexedBase("x", shape=(sizes[0],))[index]
        below = sp.Symbol(f"j{layer}", integer=True)
        weights = sp.IndexedBase(f"W{layer}", shape=(sizes[layer], sizes[layer - 1]))
        bias = sp.IndexedBase(f"b{layer}", shape=(sizes[layer],))
        total = sp.Sum(weights[index, below] * neuron(layer - 1, below), (below, 0, sizes[layer - 1] - 1))
        return formulas[activation(layer)](total + bias[index])

    i = sp.Symbol("i", integer=True)
    y = sp.IndexedBase("y", shape=(sizes[depth],))
    loss = sp.Sum((neuron(depth, i) - y[i]) ** 2, (i, 0, sizes[depth] - 1))
    p, q = sp.symbols("p q", integer=True)
    return len(sp.latex(loss.diff(sp.IndexedBase("W1", shape=(sizes[1], sizes[0]))[p, q])))


def sympy_naive(depth: int) -> int:
    import sympy as sp

    formulas = {"sigmoid": lambda z: 1 / (1 + sp.exp(-z)), "tanh": lambda z: 2 / (1 + sp.exp(-2 * z)) - 1}
    width = 2
    a = sp.Matrix(sp.symbols(f"x0:{width}"))
    y = sp.Matrix(sp.symbols(f"y0:{width}"))
    parameters: list[Any] = []
    for k in range(1, depth + 1):
        weights = sp.Matrix(width, width, sp.symbols(f"W{k}_0:{width}_0:{width}"))
        bias = sp.Matrix(sp.symbols(f"b{k}_0:{width}"))
        parameters += [*weights, *bias]
        a = (weights * a + bias).applyfunc(formulas[activation(k)])
    loss = sum(e**2 for e in a - y)
    return sum(len(sp.latex(sp.diff(loss, parameter))) for parameter in parameters)


CONTENDERS: dict[str, Callable[[int], int]] = {
    "symbackprop": symbackprop,
    "PyTensor": pytensor,
    "numpy2ad": numpy2ad,
    "SymPy Indexed (one matrix)": sympy_indexed,
    "naive SymPy (width 2)": sympy_naive,
}
NEEDS = {"PyTensor": "pytensor", "numpy2ad": "numpy2ad"}


def measure(name: str, depth: int) -> dict[str, float]:
    """Seconds and characters, after a warm-up at the smallest depth."""
    sys.setrecursionlimit(20000)
    CONTENDERS[name](WARM_UP)
    start = time.perf_counter()
    characters = CONTENDERS[name](depth)
    return {"seconds": time.perf_counter() - start, "characters": characters}


def in_a_process(name: str, depth: int, seconds: float) -> dict[str, float] | str:
    command = [sys.executable, __file__, "--one", name, "--depths", str(depth)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        return f"> {seconds:.0f} s"
    if done.returncode:
        return (done.stderr.strip().splitlines() or ["failed"])[-1][:60]
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--depths", default=",".join(map(str, DEPTHS)))
    parser.add_argument("--seconds", type=float, default=30.0, help="limit for each contender and depth")
    parser.add_argument("--one", choices=CONTENDERS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    depths = [int(depth) for depth in options.depths.split(",")]
    if options.one:
        print(json.dumps(measure(options.one, depths[0])))
        return
    stopped: dict[str, str] = {}
    results: dict[str, dict[int, dict[str, float]]] = {name: {} for name in CONTENDERS}
    for depth in depths:
        for name in CONTENDERS:
            if name in stopped:
                continue
            if name in NEEDS and importlib.util.find_spec(NEEDS[name]) is None:
                stopped[name] = "not installed"
                continue
            found = in_a_process(name, depth, options.seconds)
            if isinstance(found, str):
                stopped[name] = f"{found} at depth {depth}"
            else:
                results[name][depth] = found
    report(depths, results, stopped)


def report(depths: list[int], results: dict[str, dict[int, dict[str, float]]], stopped: dict[str, str]) -> None:
    width = max(map(len, CONTENDERS)) + 2
    for what, form in (("seconds", "{:.3f}"), ("characters", "{:.0f}")):
        print(f"\n{what}".ljust(width + 1) + "".join(f"{f'depth {d}':>14}" for d in depths))
        for name, row in results.items():
            cells = [form.format(row[d][what]) if d in row else "-" for d in depths]
            print(name.ljust(width) + "".join(f"{cell:>14}" for cell in cells))
    ours = results["symbackprop"]
    print("\ntime, in times of symbackprop's".ljust(width))
    for name, row in results.items():
        cells = [f"{row[d]['seconds'] / ours[d]['seconds']:.2f}" if d in row and d in ours else "-" for d in depths]
        print(name.ljust(width) + "".join(f"{cell:>14}" for cell in cells))
    for name, reason in stopped.items():
        print(f"{name}: stopped ({reason})")


if __name__ == "__main__":
    main()
