"""Exercises: every solution recomputed by other means, wrong ones found, and what a lecturer may leave out."""

from __future__ import annotations

import functools
import math
import re
from pathlib import Path

import numpy as np
import pytest

from symbackprop import api, gallery
from symbackprop.check import mutants
from symbackprop.check.gradients import check as gradient_check
from symbackprop.document import blocks as b
from symbackprop.document import directives, exercises, program, shapes, variants
from symbackprop.document import exercises_changes as changes
from symbackprop.document import exercises_matrices as matrices
from symbackprop.document import exercises_paths as paths
from symbackprop.document.exercise import Setting, changed
from symbackprop.document.view import View
from symbackprop.emit import latex
from symbackprop.emit.mathtext import Printer
from symbackprop.emit.numpy import emit_module
from symbackprop.errors import DerivationError
from symbackprop.handwritten import document as documents
from symbackprop.index import adjoint_name
from symbackprop.oracle import Values
from symbackprop.verify import pipeline

DATA = Path(__file__).parents[1] / "data" / "networks"
QUICK = ("seed_001", "seed_003", "seed_004", "mlp:3-3-3")
MORE = (
    "seed_000",
    "seed_002",
    "seed_002_batch",
    "seed_004_general",
    "mlp:784-100-10,sigmoid,softmax,cross_entropy",
    "rnn_tanh",
    "lstm",
    "wildml",
)
EVERY = (*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in MORE))
FEW, MANY = 5, 8
PRIMES = (2, 3, 5, 7, 11, 13, 17, 19)


def source(name):
    if name.startswith("mlp:"):
        return name
    return str(gallery.path(name) if name in gallery.names() else DATA / f"{name}.toml")


@functools.cache
def made(name):
    """A derivation with its view, its material and its exercises."""
    derived = api.derive(source(name))
    view = View(derived.derivation, derived.preset, api.options(), derived.layout)
    setting = Setting(view, api.material(derived))
    return derived, setting, exercises.chosen(setting)


def posed(name, title):
    return next((each for each in made(name)[2] if each.title == title), None)


def displays(posed_, part):
    return [block for block in getattr(posed_, part) if isinstance(block, b.Display)]


def words(blocks):
    return " ".join(s for each in blocks if isinstance(each, b.Paragraph) for s in each.spans if isinstance(s, str))


# ---------------------------------------------------------------------------------------------------------------------
# What there is


@pytest.mark.parametrize("name", EVERY)
def test_a_network_has_five_to_eight_exercises_in_order(name):
    _, setting, found = made(name)
    assert FEW <= len(found) <= MANY
    assert all(each.points > 0 and each.question and each.answer and each.title.endswith(".") for each in found)
    assert [each.title for each in exercises.chosen(setting)] == [each.title for each in found]


def test_every_kind_is_asked_somewhere():
    asked = {each.title for name in (*QUICK, "rnn_tanh") for each in made(name)[2]}
    assert asked >= {
        "Warm-up.",
        "Count.",
        "By hand.",
        "Shapes.",
        "Biases.",
        "Another factor.",
        "Weight decay.",
        "Another activation.",
        "Softmax.",
        "The other convention.",
        "Two bugs.",
    }


@pytest.mark.parametrize(
    ("options", "headings", "breaks"),
    [
        ({}, ["Exercises", "Solutions"], 1),
        ({"solutions": False}, ["Exercises"], 0),
        ({"exercises": False}, [], 0),
        ({"audience": "reference"}, [], 0),
    ],
)
def test_exercises_and_solutions_can_be_left_out(options, headings, breaks):
    derived, setting, _ = made("seed_003")
    tree = api.document(derived, api.options(**options), setting.material)
    found = [block.text[0] for block in tree.blocks if isinstance(block, b.Heading) and block.level == 1]
    assert [text for text in found if text in {"Exercises", "Solutions"}] == headings
    assert sum(isinstance(block, b.NewPage) for block in tree.blocks) == breaks
    assert any(isinstance(block, b.Exercise) for block in tree.blocks) == bool(headings)
    assert any(isinstance(block, b.Solution) for block in tree.blocks) == (len(headings) > 1)


def test_the_same_network_gives_the_same_exercises():
    one, two = (api.derive(source("seed_003")) for _ in range(2))
    assert one.latex() == two.latex()


# ---------------------------------------------------------------------------------------------------------------------
# Formulas about changed networks


def judged(formula):
    """The verdicts on a formula of another derivation, read back as a page about that derivation's network."""
    view = View(formula.derivation, formula.preset, api.options(), formula.layout or {})
    used = {*view.network.tensors, *(adjoint_name(name) for name in view.derivation.chains)}
    page = b.Document(
        title="", subtitle="", blocks=(*directives.stated(view, used), b.Display((b.Row(formula.formula),)))
    )
    text = latex.write(page, Printer(view.derivation, view.preset, layout=view.layout))
    found = pipeline.session(documents.read(text, "tex"), view.network)
    assert not found.document.problems
    return [claim.verdict.verdict for claim in found.claims()]


def elsewhere(blocks):
    found = []
    for block in blocks:
        for row in block.rows if isinstance(block, b.Display) else ():
            found += [row.formula] if isinstance(row.formula, b.Elsewhere) else []
    return found


@pytest.mark.parametrize("name", EVERY)
def test_formulas_about_changed_networks_are_right_for_these(name):
    formulas = [formula for each in made(name)[2] for formula in elsewhere((*each.question, *each.answer))]
    verdicts = [verdict for formula in formulas for verdict in judged(formula)]
    assert len(verdicts) >= len(formulas) > 1
    assert set(verdicts) == {"right"}


def test_a_formula_of_one_network_is_wrong_for_another():
    formula = elsewhere(posed("seed_003", "Another activation.").answer)[-1]
    derived, _, _ = made("seed_003")
    assert set(judged(formula)) == {"right"}
    assert "wrong" in judged(b.Elsewhere(derived.derivation, derived.preset, formula.formula, derived.layout))


def variant(name, change):
    """The view of a changed network and its module."""
    _, setting, _ = made(name)
    network = change(setting.network)
    view = changed(setting.view, network)
    return view, emit_module(view.derivation, layout=view.layout, preset=view.preset)


def bias(network):
    return variants.with_bias(network, *variants.product_with_weight(network))[0]


def activation(network):
    equation = next(e for e in network.equations if variants.activation_of(e))
    return variants.with_activation(network, equation, "tanh")


VARIANTS = {
    "bias": bias,
    "activation": activation,
    "softmax": lambda network: variants.with_softmax(network)[0],
    "penalty": lambda network: variants.with_penalty(network, network.parameters[0])[0],
}


@pytest.mark.parametrize("change", VARIANTS)
@pytest.mark.parametrize("name", ["seed_003", "seed_004"])
def test_changed_networks_pass_the_gradient_check(name, change):
    view, module = variant(name, VARIANTS[change])
    assert gradient_check(view.derivation, module, layout=view.layout).passed


def test_unlike_networks_have_no_such_variants():
    _, setting, _ = made("seed_001")
    assert variants.with_softmax(setting.network) is None
    assert not variants.has_biases(setting.network)
    assert variants.has_biases(made("mlp:3-3-3")[1].network)


@pytest.mark.parametrize("name", QUICK)
def test_a_factor_of_the_loss_is_one_of_every_gradient(name):
    derived, setting, _ = made(name)
    constant = 3
    times = variants.product(constant)
    view = changed(setting.view, variants.with_loss_times(setting.network, times))
    ours = mutants.Bench(derived.network, derived.code(), derived.layout).right
    theirs = mutants.Bench(
        derived.network, emit_module(view.derivation, layout=view.layout, preset=view.preset), derived.layout
    ).right
    for parameter, arrays in ours.items():
        for one, other in zip(arrays, theirs[parameter], strict=True):
            np.testing.assert_allclose(other, constant * one, rtol=1e-10)


@pytest.mark.parametrize("name", QUICK)
def test_formulas_that_are_said_to_stay_are_printed_the_same(name):
    _, setting, _ = made(name)
    view = changed(setting.view, activation(setting.network)) if posed(name, "Another activation.") else setting.view
    moved, stayed = changes.compared(setting.view, view)
    printers = [Printer(each.derivation, each.preset, layout=each.layout) for each in (setting.view, view)]

    def printed(printer, each, tensor):
        return printer.equation(each.derivation.chains[tensor].equation)

    for chain in (*moved, *stayed):
        texts = [printed(p, v, chain.tensor) for p, v in zip(printers, (setting.view, view), strict=True)]
        assert (texts[0] == texts[1]) == (chain in stayed)


# ---------------------------------------------------------------------------------------------------------------------
# Paths


@pytest.mark.parametrize("name", QUICK)
def test_counts_are_those_of_a_list_of_all_paths(name):
    setting = made(name)[1]
    graph = setting.view.graph
    element = max(setting.entries(), key=graph.count)
    said = words(posed(name, "Count.").answer)
    listed = graph.paths(element)
    assert graph.count(element) == len(listed)
    _, larger = paths._larger(setting, graph, element, len(listed))
    assert f" there are {len(larger.paths(element))}" in said
    links, factors = paths._links(graph, element)
    assert links == len({link for path in listed for link in path.links})
    assert factors == sum(len(path.links) for path in listed)
    assert re.search(rf"\b{links} and .* \b{factors} and ", said)


# ---------------------------------------------------------------------------------------------------------------------
# By hand


def value(formula):
    """A formula of numbers as a number."""
    match formula:
        case b.Number(text=text):
            return float(text)
        case b.Bracket(body=body):
            return value(body)
        case b.Times(factors=factors):
            return math.prod(map(value, factors))
        case b.Plus(parts=parts):
            return sum(map(value, parts))
        case b.Sum(terms=(term,)):
            assert not term.factors
            return float(term.coefficient)
    raise AssertionError(formula)


def agrees(display):
    """True where the products add up to the result, as rounded."""
    _, products, result = display.rows[0].formula.parts
    places = len(result.text.partition(".")[2])
    return abs(value(products) - value(result)) <= 0.5 * 10.0**-places + 1e-12


@pytest.mark.parametrize("name", EVERY)
def test_an_entry_by_hand_adds_up(name):
    exercise = posed(name, "By hand.")
    if exercise is None:
        assert not made(name)[1].material.worked or name not in QUICK
        return
    display = displays(exercise, "answer")[-1]
    assert agrees(display)
    left, products, result = display.rows[0].formula.parts
    wrong = b.Number(str(value(result) + 0.01))
    assert not agrees(b.Display((b.Row(b.Equal((left, products, wrong))),)))


# ---------------------------------------------------------------------------------------------------------------------
# Shapes, conventions


@pytest.mark.parametrize("name", ["seed_001", "mlp:3-3-3"])
def test_one_product_alone_fits_where_all_sizes_differ(name):
    setting = made(name)[1]
    view = setting.view
    found = next(each for each in shapes.products(view) if each.fits and each.tensor in view.network.parameters)
    choices = matrices._choices(found, setting.seed % matrices.CHOICES, rows=view.rows)
    names = sorted({size for form in found.result for size in form.sizes} | {"N", "d", "h", "o", "n", "n0", "n1", "n2"})
    lookup = Values(sizes=dict(zip(names, PRIMES, strict=False)), arrays={}).size

    def fits(pair):
        left, right = (np.zeros([form.evaluate({}, lookup) for form in factor.dims]) for factor in pair)
        wanted = tuple(form.evaluate({}, lookup) for form in found.result)
        return left.shape[1] == right.shape[0] and (left @ right).shape == wanted

    assert len(choices) == len(set(choices)) == matrices.CHOICES
    assert [fits(pair) for pair in choices].count(True) == 1
    right = next(letter for letter, pair in zip(matrices.LETTERS, choices, strict=True) if fits(pair))
    assert f"Only ({right})." in words(posed(name, "Shapes.").answer)


def test_equal_sizes_are_said_to_hide_a_mistake():
    assert "would run as well" in words(posed("mlp:3-3-3", "Shapes.").answer)
    assert "would run as well" not in words(posed("seed_001", "Shapes.").answer)


@pytest.mark.parametrize("name", QUICK)
def test_the_other_convention_turns_every_weight(name):
    view = made(name)[1].view
    other = matrices.turned(view)
    for parameter in view.network.parameters:
        rank = len(view.network.tensors[parameter].axes)
        order = tuple(view.layout.get(parameter) or range(rank))
        assert other.layout[parameter] == order[::-1]
    assert {view.preset.orientation.vectors, other.preset.orientation.vectors} == {"rows", "columns"}


# ---------------------------------------------------------------------------------------------------------------------
# Bugs


def module_with(derived, code, lines):
    """The module's text with other lines in its backward pass."""
    head, old, tail = program.backward(code)
    start = code.index(head)
    end = code.index(tail, start) + len(tail)
    body = "\n".join(f"    {line}" for line in lines)
    more = "\n".join(mutants._named(derived.network, head, "\n".join(lines)))
    assert len(old) == len(lines)
    return f"{code[:start]}{head}\n{more}\n{body}\n\n{tail}{code[end:]}"


@pytest.mark.parametrize("name", EVERY)
def test_each_bug_alone_fails_the_gradient_check(name):
    derived, setting, _ = made(name)
    code, planted = setting.material.code, setting.material.bugs
    _, lines, _ = program.backward(code)
    assert derived.check(module_with(derived, code, lines)).passed
    assert len(planted) == len({bug.right for bug in planted}) == mutants.PLANTED
    for bug in planted:
        wrong = [bug.wrong if line == bug.right else line for line in lines]
        assert wrong != lines
        bench = mutants.Bench(derived.network, code, derived.layout)
        gradients = bench.run(wrong)
        assert gradients is not None, "NumPy raises an error"
        assert not mutants._agree(gradients[bug.gradient], bench.right[bug.gradient])


@pytest.mark.parametrize("name", ["seed_003", "seed_004"])
def test_bugs_fail_the_gradient_check_of_the_module(name):
    derived, setting, _ = made(name)
    code = setting.material.code
    _, lines, _ = program.backward(code)
    for bug in setting.material.bugs:
        wrong = [bug.wrong if line == bug.right else line for line in lines]
        try:
            assert not derived.check(module_with(derived, code, wrong)).passed
        except DerivationError as error:
            assert "shapes" in str(error)  # noqa: PT017 - a gradient of the wrong shape is found as well


@pytest.mark.parametrize(
    ("line", "spoiled"),
    [
        ("dW2 = H_out.T @ O_delta / N", ""),
        ("dW2 = (H_out.T @ O_delta) / N * 1", ""),
        ("dW2 = H_out @ O_delta / N", ""),
        ("dW2 = H_out.T @ O_delta", "W2"),
        ("dW2 = H_out.T @ O_delta / N * (1 + 1e-9)", ""),
        ("dW2 = np.full(W2.shape, np.nan)", ""),
    ],
)
def test_harmless_and_loud_changes_are_no_bugs(line, spoiled):
    derived, setting, _ = made("seed_003")
    bench = mutants.Bench(derived.network, setting.material.code, derived.layout)
    place = next(k for k, old in enumerate(bench.lines) if old.startswith("dW2"))
    assert bench.spoiled([mutants.Mutant(place, "", line, "")]) == spoiled


@pytest.mark.parametrize(
    ("line", "wrong", "kind"),
    [
        ("dW = a.T @ d / N", "dW = a @ d / N", "transpose"),
        ("dW = a.T @ d / N", "dW = d @ a.T / N", "order"),
        ("dW = a.T @ d / N", "dW = a.T @ d", "division"),
        ("dW = np.outer(a, d)", "dW = np.outer(d, a)", "order"),
        ("d = 2 * (a - y) * e", "d = 2 * (y - a) * e", "sign"),
        ("d = e * H_out * (1 - H_out)", "d = e * H_in * (1 - H_in)", "slope"),
        ("d = e * (1 - H_out**2)", "d = e * (1 - H_in**2)", "slope"),
        ("d = e * sigmoid_prime(H_in)", "d = e * sigmoid_prime(H_out)", "slope"),
        ("d = e * sigmoid_prime(H_in)", "d = e", "factor"),
        ("d[l] = W[l + 1].T @ d[l + 1]", "d[l] = W[l].T @ d[l + 1]", "layer"),
        ("dW = np.outer(a, d) + np.outer(b, e)", "dW = np.outer(a, d)", "term"),
        ("dW += np.outer(a, d)", "dW = np.outer(a, d)", "accumulation"),
    ],
)
def test_mistakes_that_are_planted(line, wrong, kind):
    network = made("seed_003")[1].network
    found = {(each.kind, each.line) for each in mutants.mutants(network, [line])}
    assert (kind, wrong) in found
    assert all(each != line for _, each in found)
