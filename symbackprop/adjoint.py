"""The reverse sweep: from a network to its derivation, every step recorded and checked when made.

``derive`` visits tensors from the loss to the parameters, writes the chain rule for each (``chainrule``), applies the
rules (``rewrite.rules``) and decides which adjoints keep a name. Cost is linear in the number of equations; a family
of layers or time steps is one equation whatever its length.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import sympy as sp

from symbackprop.affine import Size, const
from symbackprop.chainrule import active_tensors, chain_rule, readers
from symbackprop.derivation import Chain, Choices, Derivation, Step
from symbackprop.errors import DerivationError, SpecError
from symbackprop.index import (
    Along,
    Apply,
    Equation,
    Factor,
    Opaque,
    Ref,
    Tensor,
    Term,
    Value,
    adjoint_name,
    is_adjoint,
    partial_name,
    primal_name,
    product,
    refs_of,
    slot,
)
from symbackprop.oracle import Interpreter, Values, draw, stand_in_sizes
from symbackprop.rewrite.cases import cases
from symbackprop.rewrite.delta import contract_all
from symbackprop.rewrite.engine import Context, simplify
from symbackprop.rewrite.rules import RULES, elementwise_definitions, reads

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from symbackprop.network import Fact, Network

CHECK_LARGEST = 6
"""Sizes at which steps are checked stay below this where the network is free to choose."""
DRAWS = 24
"""Points that are tried until the forward pass is defined; the second half of them positive."""
TOLERANCE = 1e-9
"""Largest difference of the two sides of a step, relative to the largest entry; rounding stays far below."""


def derive(network: Network, choices: Choices | None = None) -> Derivation:
    """The derivation of ∂loss/∂(parameter) for every parameter.

    Shapes: the adjoint of a tensor has its family and axes.
    Source: Griewank & Walther 2008, chapter 3.
    Raises: DerivationError where a step fails its numeric check.
    """
    return _Sweep(network, choices or Choices()).run()


class _Sweep:
    """State of one derivation."""

    def __init__(self, network: Network, choices: Choices) -> None:
        self.network, self.choices = network, choices
        self.active = active_tensors(network)
        self.chains: dict[str, Chain] = {}
        self.put_in: set[str] = set()
        self.pending: set[str] = set()
        self.facts: dict[str, Fact] = {}
        self.candidates = _candidates(network, self.active, choices)
        reading = readers(network)
        starts = {n: chain_rule(network, n, self.active, reading.get(n, ())) for n in self._names()}
        self.starts = _needed(starts, network)
        self.elementwise = elementwise_definitions(network)
        self.checker = Checker(network, self.starts)

    def _names(self) -> list[str]:
        """Tensors that get a chain: hidden ones from the loss downwards, then the parameters."""
        order = [n for n in _definition_order(self.network) if n in self.active and n != self.network.loss]
        hidden = [n for n in reversed(order) if n not in self.network.parameters]
        return [*hidden, *self.network.parameters]

    def run(self) -> Derivation:
        hidden = [n for n in self._names() if n not in self.network.parameters]
        for name in hidden:
            self.chain(name)
        by_rank = sorted(self.network.parameters, key=lambda p: len(self.network.tensors[p].axes))
        for name in by_rank if self.choices.signals == "activation" else self.network.parameters:
            self.chain(name)
        scale = _scale(self.network, self.choices, self.chains)
        if scale is not None:
            self.chains = {name: self._scaled(chain, scale) for name, chain in self.chains.items()}
        ordered = _in_order(hidden, self.network.parameters, self.chains)
        return Derivation(
            network=self.network,
            choices=self.choices,
            tensors=_with_adjoints(self.network, ordered),
            chains=ordered,
            scale=scale,
            data={"facts": tuple(self.facts.values())},
            warnings=tuple(
                f"the loss {self.network.loss} does not depend on {p}: its gradient is zero"
                for p in self.network.parameters
                if p not in self.active
            ),
        )

    def chain(self, name: str) -> Chain:
        """The chain of one adjoint; those that are put into it are derived first."""
        if name in self.chains:
            return self.chains[name]
        self.pending.add(name)
        start = self.starts[name]
        for read in sorted(reads(start)):
            upstream = primal_name(read)
            if is_adjoint(read) and upstream in self.candidates and upstream not in self.pending:
                self.chain(upstream)
        context = Context(
            network=self.network,
            choices=self.choices,
            chains=self.chains,
            put_in=frozenset(self.put_in),
            facts_used=self.facts,
            elementwise=self.elementwise,
        )
        steps = simplify(start, RULES, context, self.checker.check)
        chain = Chain(tensor=name, start=start, steps=steps)
        if self._is_put_in(name, chain):
            self.put_in.add(name)
            chain = replace(chain, named=False)
        self.chains[name] = chain
        self.pending.discard(name)
        return chain

    def _is_put_in(self, name: str, chain: Chain) -> bool:
        if name in self.network.parameters:
            return False
        read = reads(chain.equation)
        if adjoint_name(name) in read:
            return False
        if not read and all(not t.bounds and not t.conditions for t in chain.equation.terms):
            return True
        wanted = self.candidates.get(name)
        if wanted is None or (wanted == "explicit" and any(_is_signal(r, self.network) for r in read)):
            return False
        if wanted == "copy":
            return True
        if wanted == "factor":  # its reader uses it twice: only what needs no sum may stand there twice
            return all(not t.bounds for t in chain.equation.terms)
        return all(len(region.terms) <= 1 for region in cases(chain.equation, self.network.depths))

    def _scaled(self, chain: Chain, scale: Term) -> Chain:
        """Signals become ∂loss/∂· divided by the constant, gradients get it back."""
        before = chain.equation
        if chain.tensor in self.network.parameters:
            factors, number = scale.factors, scale.coefficient
            changed = tuple(
                _times(t, number, factors)
                if any(_is_signal(r.tensor, self.network) for f in t.factors for r in refs_of(f))
                else t
                for t in before.terms
            )
            rule, formula = "constant restored", "dC/dW = c (signal ...), where the signals are dC/d. / c"
        else:
            inverse = [Apply(1 / f.template, f.args) for f in scale.factors if isinstance(f, Apply)]
            changed = tuple(
                t
                if any(_is_signal(r.tensor, self.network) for f in t.factors for r in refs_of(f))
                else _times(t, 1 / scale.coefficient, inverse)
                for t in before.terms
            )
            rule, formula = "constant pulled out", "signal = (dC/d.) / c"
        if changed == before.terms:
            return chain
        step = Step(rule=rule, formula=formula, before=before, after=replace(before, terms=changed), note=str(scale))
        self.checker.check_scaled(step, scale, self.network.parameters)
        return replace(chain, steps=(*chain.steps, step))


def _times(term: Term, number: Any, factors: Iterable[Factor]) -> Term:
    """A term with constants in front."""
    return product(
        term.coefficient * number,
        (*factors, *term.factors),
        bounds=term.bounds,
        conditions=term.conditions,
        use=term.use,
    )


def _needed(starts: dict[str, Equation], network: Network) -> dict[str, Equation]:
    """The chain rules, each for those members of a family only that another one reads (not for the input's a[0])."""
    contracted = {name: contract_all(start, network.scope()) for name, start in starts.items()}
    reads_at: dict[str, list[tuple[str, Equation, Term, Ref]]] = {}
    for name, equation in contracted.items():
        for term in equation.terms:
            for factor in term.factors:
                if isinstance(factor, Ref) and is_adjoint(factor.tensor):
                    reads_at.setdefault(primal_name(factor.tensor), []).append((name, equation, term, factor))
    result = dict(starts)
    for name, start in starts.items():
        if name in network.parameters:
            continue
        ranges = list(start.ranges)
        for position in range(len(network.tensors[name].family)):
            first = _first_read(name, position, reads_at.get(name, ()))
            lo = ranges[position].lo
            if first is not None and lo.is_constant and first > lo.const:
                ranges[position] = replace(ranges[position], lo=const(first))
        result[name] = replace(start, ranges=tuple(ranges))
    return result


def _first_read(name: str, position: int, uses: Iterable[tuple[str, Equation, Term, Ref]]) -> int | None:
    """The smallest index at which others read a family; None where that is not a plain number."""
    found: list[int] = []
    for reader, equation, term, ref in uses:
        form = ref.index[position]
        bounds = {b.var: b for b in (*equation.ranges, *term.bounds)}
        (letter, c), *more = form.linear.items() or [("", 0)]
        if more or c != 1 or form.sizes:
            return None
        if reader == name and form.const >= 0 and letter == equation.ranges[position].var:
            continue
        lo = bounds[letter].lo
        if not lo.is_constant:
            return None
        found.append(lo.const + form.const)
    return min(found, default=None)


def _is_signal(tensor: str, network: Network) -> bool:
    """True for an adjoint that is neither a gradient of a parameter nor a partial of an opaque loss."""
    return is_adjoint(tensor) and "/" not in tensor and primal_name(tensor) not in network.parameters


def _definition_order(network: Network) -> list[str]:
    return list(dict.fromkeys([*network.inputs, *network.parameters, *(e.lhs.tensor for e in network.equations)]))


def _candidates(network: Network, active: frozenset[str], choices: Choices) -> dict[str, str]:
    """Adjoints that lose their name if their final form allows it, each with what it must be for that.

    "copy" and "always" may always; "factor" without sums of its own; "explicit" without other signals.
    """
    kinds: dict[str, list[str]] = {}
    for equation in network.equations:
        kinds.setdefault(equation.lhs.tensor, []).append(_kind(equation))
    reading = readers(network)
    found: dict[str, str] = {}
    for name in active - set(network.parameters):
        kind = _candidate(network, kinds, name, choices)
        if choices.signals == "activation" and _only_reader_is_activation(reading.get(name, ())):
            kind = "always"
        if kind:
            found[name] = kind
    return found


def _candidate(network: Network, kinds: Mapping[str, list[str]], name: str, choices: Choices) -> str:
    own = set(kinds.get(name, ()))
    if not own or not own <= {"copy", "activation", "along"}:
        return ""
    if own == {"copy"}:
        return "copy"
    if "along" in own:
        return "factor"
    if choices.signals == "pre-activation":
        return "always"
    return "explicit" if choices.signals == "all" or _reads_axis_function(network, kinds, name) else ""


def _kind(equation: Equation) -> str:
    if len(equation.terms) != 1:
        return "other"
    term = equation.terms[0]
    if term.bounds or term.conditions or len(term.factors) != 1:
        return "other"
    factor = term.factors[0]
    if isinstance(factor, Ref):
        return "copy" if term.coefficient == 1 else "other"
    if isinstance(factor, Along):
        return "along"
    if isinstance(factor, Apply) and sum(isinstance(a, Ref) for a in factor.args) == 1:
        return "activation"
    return "other"


def _reads_axis_function(network: Network, defined: Mapping[str, list[str]], name: str) -> bool:
    """A function of softmax's output, such as its logarithm: part of the loss rather than a layer."""
    sources = [r.tensor for e in network.definitions(name) for t in e.terms for f in t.factors for r in refs_of(f)]
    return any("along" in defined.get(source, ()) for source in sources)


def _only_reader_is_activation(reading: tuple[Equation, ...]) -> bool:
    return len({e.lhs.tensor for e in reading}) == 1 and all(_kind(e) == "activation" for e in reading)


def _scale(network: Network, choices: Choices, chains: Mapping[str, Chain]) -> Term | None:
    """The constant that all explicit terms of the signals share, as far as the choices pull it out."""
    if choices.pull == "none":
        return None
    explicit = [
        t
        for c in chains.values()
        if c.tensor not in network.parameters
        for t in c.equation.terms
        if not any(_is_signal(r.tensor, network) for f in t.factors for r in refs_of(f))
    ]
    if not explicit:
        return None
    batch = network.batch if choices.pull == "batch" else None
    shared = [
        factor
        for factor in explicit[0].factors
        if _is_size_factor(factor, batch) and all(any(f.key == factor.key for f in t.factors) for t in explicit)
    ]
    number = sp.S.One
    if choices.pull == "all":
        number = _content(explicit)
    scale = product(number, shared)
    return None if not scale.factors and scale.coefficient == 1 else scale


def _content(terms: Iterable[Term]) -> Any:
    numbers = [abs(t.coefficient) for t in terms]
    numerator = sp.igcd(*(n.p for n in numbers), 0)
    denominator = sp.ilcm(*(n.q for n in numbers), 1)
    return sp.Rational(numerator, denominator)


def _is_size_factor(factor: Factor, batch: str | None) -> bool:
    """A power of sizes alone; with ``batch``, of that size."""
    if not isinstance(factor, Apply) or not all(isinstance(a, Value) for a in factor.args):
        return False
    atoms = [a.form.single for a in factor.args if isinstance(a, Value)]
    if batch is not None:
        return factor.template == 1 / slot(0) and atoms == [Size(batch)]
    return all(isinstance(a, Size) and not a.at for a in atoms)


def _in_order(hidden: list[str], parameters: tuple[str, ...], chains: Mapping[str, Chain]) -> dict[str, Chain]:
    """Order of computation: what an adjoint reads comes before it, a gradient as soon as it can be had."""
    order: dict[str, Chain] = {}
    visiting: set[str] = set()

    def visit(name: str) -> None:
        if name in order or name in visiting or name not in chains:
            return
        visiting.add(name)
        for read in sorted(reads(chains[name].equation)):
            if is_adjoint(read):
                visit(primal_name(read))
        order[name] = chains[name]

    for name in hidden:
        visit(name)
        for parameter in parameters:
            needed = [primal_name(r) for r in reads(chains[parameter].equation) if is_adjoint(r) and "/" not in r]
            if needed and all(n in order or n in parameters for n in needed):
                visit(parameter)
    for parameter in parameters:
        visit(parameter)
    return order


def _with_adjoints(network: Network, chains: Mapping[str, Chain]) -> dict[str, Tensor]:
    tensors = dict(network.tensors)
    for name in chains:
        source = network.tensors[name]
        family = tuple(replace(b, lo=r.lo) for b, r in zip(source.family, chains[name].start.ranges, strict=False))
        own = adjoint_name(name)
        tensors[own] = replace(source, name=own, family=family, role="adjoint", below=None)
    for equation in network.equations:
        for term in equation.terms:
            for factor in term.factors:
                if isinstance(factor, Opaque):
                    lhs = network.tensors[equation.lhs.tensor]
                    for k, arg in enumerate(factor.args):
                        tensors[partial_name(factor.name, k)] = _partial(network, lhs, factor, k, arg)
    return tensors


def _partial(network: Network, lhs: Tensor, factor: Opaque, k: int, arg: Ref) -> Tensor:
    source = network.tensors[arg.tensor]
    family = {b.var: f for b, f in zip(source.family, arg.index, strict=False)}
    axes = tuple(axis.substitute(family) for axis in source.axes)
    return Tensor(name=partial_name(factor.name, k), axes=axes, family=lhs.family, role="partial")


# ---------------------------------------------------------------------------------------------------------------------
# Numeric checks of steps


def _where_defined(network: Network) -> Values:
    """Values at which every tensor of the forward pass is finite: as drawn, else positive ones.

    Raises: SpecError where a few dozen points have none.
    """
    sizes = stand_in_sizes(network, CHECK_LARGEST)
    for attempt in range(DRAWS):
        values = draw(network, seed=1 + attempt, sizes=sizes, scale=0.7)
        if attempt >= DRAWS // 2:
            drawn = {name for name in (*network.inputs, *network.parameters) if network.tensors[name].below is None}
            free = drawn - {fact.tensor for fact in network.facts}
            arrays = {key: np.abs(a) + 0.1 * attempt if key[0] in free else a for key, a in values.arrays.items()}
            values = replace(values, arrays=arrays)
        interpreter = Interpreter(network, values)
        with np.errstate(all="ignore"):
            results = (a for equation in network.equations for a in interpreter.equation(equation).values())
            if all(np.all(np.isfinite(a)) for a in results):
                return values
    message = (
        "no random values were found at which every function of the forward pass is defined, so no step could be "
        "checked; is a logarithm or a root taken of something negative? A fact such as 'x > 0' restricts what is drawn"
    )
    raise SpecError(message, source=network.source)


class Checker:
    """Compares both sides of a step on random values: consistent forward values, true adjoints, different sizes."""

    def __init__(self, network: Network, starts: Mapping[str, Equation]) -> None:
        self.network = network
        self.values = _where_defined(network)
        contracted = {adjoint_name(n): [contract_all(start, network.scope())] for n, start in starts.items()}
        self.interpreter = Interpreter(network, self.values, contracted)
        self.seen: dict[Equation, dict[tuple[int, ...], Any]] = {}
        self.count = 0

    def check(self, step: Step) -> None:
        """Both sides of a step agree.

        Raises: DerivationError with the step and the largest difference.
        """
        self._compare(step, self._value(step.before), self._value(step.after))

    def check_scaled(self, step: Step, scale: Term, parameters: tuple[str, ...]) -> None:
        """A step after which signals are divided by ``scale``."""
        constant = float(np.asarray(self.interpreter.equation(Equation(lhs=Ref("scale"), terms=(scale,)))[()]))
        expected = self._value(step.before)  # reads, and so computes, every adjoint that is scaled below
        scaled = Interpreter(self.network, self.values)
        scaled.memo.update(
            {
                key: array / constant
                if is_adjoint(key[0]) and "/" not in key[0] and primal_name(key[0]) not in parameters
                else array
                for key, array in self.interpreter.memo.items()
            }
        )
        if primal_name(step.before.lhs.tensor) not in parameters:
            expected = {at: array / constant for at, array in expected.items()}
        self._compare(step, expected, scaled.equation(step.after))

    def _value(self, equation: Equation) -> dict[tuple[int, ...], Any]:
        if equation not in self.seen:
            self.seen[equation] = self.interpreter.equation(equation)
        return self.seen[equation]

    def _compare(self, step: Step, left: Mapping[tuple[int, ...], Any], right: Mapping[tuple[int, ...], Any]) -> None:
        self.count += 1
        for at, array in left.items():
            largest = max(float(np.max(np.abs(array), initial=0.0)), 1e-6)
            difference = float(np.max(np.abs(array - right[at]), initial=0.0))
            if not difference <= TOLERANCE * largest:
                message = (
                    f"the step '{step.rule}' changed the value of {step.before.lhs} at {list(at)} by {difference:.2g} "
                    f"(largest entry {largest:.2g})\n  before: {step.before}\n  after:  {step.after}"
                )
                raise DerivationError(message)
