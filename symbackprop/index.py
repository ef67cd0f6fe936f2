"""Indexed equations: the one form that everything else is derived from or is a view of.

``T[idx] = sum of terms``; a term is a rational coefficient, bound (summed) indices, conditions on
indices and a tuple of factors. Factors are frozen nodes of ours around SymPy scalar templates:

    Ref(tensor, index)      one element; family (layer, time) indices come first, then element indices
    Apply(template, args)   a scalar function: a SymPy expression in the slots ``_0, _1, …`` and what fills them
    Along(name, arg, …)     a function of a whole axis: softmax, log-sum-exp, maximum
    Opaque(name, args)      an opaque scalar function of whole tensors (a loss that is not named)

What one can do: build them (``element``, ``apply``, ``product``), substitute indices, compare up to the
names of bound indices and the order of factors (``Term.key``), and walk over the elements they read.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

import sympy as sp

from symbackprop.affine import Affine, Bound, Cond, Var, var
from symbackprop.errors import DerivationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

LOCAL = "_"
"""Prefix of the placeholders for the axes inside ``Along`` and ``Opaque`` (``_0``, ``_1``, …)."""
ADJOINT = "∂"
"""Prefix of the name of an adjoint tensor; names in network files are ASCII, so none collides."""


def adjoint_name(tensor: str) -> str:
    """Name of the adjoint ∂loss/∂``tensor``."""
    return ADJOINT + tensor


def is_adjoint(tensor: str) -> bool:
    """True for the name of an adjoint (or of a partial derivative of an opaque loss)."""
    return tensor.startswith(ADJOINT)


def primal_name(tensor: str) -> str:
    """The tensor whose adjoint this is."""
    return tensor.removeprefix(ADJOINT)


def partial_name(function: str, position: int) -> str:
    """Name of ∂function/∂(argument number ``position``) of an opaque loss; it has that argument's axes."""
    return f"{ADJOINT}{function}/{position}"


# ---------------------------------------------------------------------------------------------------------------------
# Scalar functions as inert SymPy classes: SymPy differentiates, and never rewrites or evaluates them.


@cache
def function(name: str, order: int = 0) -> Any:
    """The inert SymPy function ``name``, or its derivative of that order, of its last argument.

    Arguments before the last are the family indices of a function per layer (``sigma[l]``).

    >>> f, x = function("f"), slot(0)
    >>> f(x).diff(x)
    f'(_0)
    """

    def fdiff(self: Any, argindex: int = 1) -> Any:
        if argindex != len(self.args):
            return sp.S.Zero
        return function(name, order + 1)(*self.args)

    return type(name + "'" * order, (sp.Function,), {"fdiff": fdiff, "row": name, "order": order, "is_real": True})


@cache
def slot(position: int) -> sp.Symbol:
    """Placeholder number ``position`` of a template; real, so that SymPy keeps to real rules."""
    return sp.Symbol(f"_{position}", real=True)


class Where(sp.Function):  # type: ignore[misc]
    """``where(c, a, b)``: ``a`` where ``c`` is not 0, else ``b``; the slope by ``c`` is 0."""

    nargs = (3,)

    def fdiff(self, argindex: int = 1) -> Any:
        """The derivative picks the branch."""
        if argindex == 1:
            return sp.S.Zero
        chosen = (1, 0) if argindex == 2 else (0, 1)  # noqa: PLR2004 - the second argument
        return Where(self.args[0], *chosen)


class Compare(sp.Function):  # type: ignore[misc]
    """``Compare(op, a, b)``: 1 where ``a op b`` holds, else 0; op is a SymPy symbol named > >= < <= == !=."""

    nargs = (3,)

    def fdiff(self, argindex: int = 1) -> Any:  # noqa: ARG002 - SymPy's signature
        """Zero away from the jump, and zero at it by choice."""
        return sp.S.Zero


# ---------------------------------------------------------------------------------------------------------------------
# Factors


@dataclass(frozen=True, slots=True)
class Ref:
    """One element of a tensor; the indices of its family come first."""

    tensor: str
    index: tuple[Affine, ...] = ()

    @property
    def key(self) -> tuple[object, ...]:
        """Sort key."""
        return (0, self.tensor, tuple(a.key for a in self.index))

    def __str__(self) -> str:
        return self.tensor + (f"[{', '.join(map(str, self.index))}]" if self.index else "")


@dataclass(frozen=True, slots=True)
class Value:
    """An index or a size used as a number, as an argument of a template."""

    form: Affine

    @property
    def key(self) -> tuple[object, ...]:
        """Sort key."""
        return (1, self.form.key)

    def __str__(self) -> str:
        return str(self.form)


@dataclass(frozen=True, slots=True)
class Apply:
    """A scalar function of elements: ``template`` over slots ``_0, _1, …`` filled by ``args``."""

    template: Any
    args: tuple[Ref | Value, ...]

    @property
    def key(self) -> tuple[object, ...]:
        """Sort key, the same for every order of the arguments."""
        sign, key = _signed_key(self)
        return (*key, sign)

    def __str__(self) -> str:
        names = {slot(k): sp.Symbol(str(arg), real=True) for k, arg in enumerate(self.args)}
        return f"({sp.sstr(self.template.xreplace(names))})"


@lru_cache(maxsize=65536)
def _signed_key(factor: Apply) -> tuple[int, tuple[object, ...]]:
    """Sign and key: arguments sorted, then sums with a positive leading term (y - a is -1 times a - y)."""
    order = sorted(range(len(factor.args)), key=lambda k: factor.args[k].key)
    image = {slot(old): slot(new) for new, old in enumerate(order)}
    number, bases = _split(factor.template.xreplace(image))
    template = sp.Mul(abs(number), *(base**exponent for base, exponent in bases), evaluate=False)
    return (-1 if number < 0 else 1), (2, str(template), tuple(factor.args[k].key for k in order))


@dataclass(frozen=True, slots=True)
class Along:
    """A function of whole axes of one tensor: entry ``at`` of softmax, or (``at`` None) a reduction such as max.

    ``arg`` holds the placeholders ``_0, _1, …`` where the axes run; ``sizes`` are their lengths.
    """

    name: str
    arg: Ref
    sizes: tuple[Affine, ...]
    at: tuple[Affine, ...] | None = None

    @property
    def key(self) -> tuple[object, ...]:
        """Sort key."""
        at = None if self.at is None else tuple(a.key for a in self.at)
        return (3, self.name, self.arg.key, tuple(s.key for s in self.sizes), str(at))

    def __str__(self) -> str:
        entry = "" if self.at is None else f"[{', '.join(map(str, self.at))}]"
        return f"{self.name}({self.arg}){entry}"


@dataclass(frozen=True, slots=True)
class Opaque:
    """A scalar function of whole tensors, of which only ∂/∂(argument) is known.

    The element indices of each argument are the placeholders ``_0, _1, …``.
    """

    name: str
    args: tuple[Ref, ...]

    @property
    def key(self) -> tuple[object, ...]:
        """Sort key."""
        return (4, self.name, tuple(a.key for a in self.args))

    def __str__(self) -> str:
        return f"{self.name}({', '.join(a.tensor for a in self.args)})"


Factor = Ref | Apply | Along | Opaque


def refs_of(factor: Factor) -> tuple[Ref, ...]:
    """The elements a factor reads, in order."""
    if isinstance(factor, Ref):
        return (factor,)
    if isinstance(factor, Apply):
        return tuple(arg for arg in factor.args if isinstance(arg, Ref))
    if isinstance(factor, Along):
        return (factor.arg,)
    return factor.args


def forms_of(factor: Factor) -> Iterator[Affine]:
    """All affine forms inside a factor."""
    if isinstance(factor, Ref):
        yield from factor.index
    elif isinstance(factor, Apply):
        for arg in factor.args:
            if isinstance(arg, Ref):
                yield from arg.index
            else:
                yield arg.form
    elif isinstance(factor, Along):
        yield from factor.arg.index
        yield from factor.sizes
        yield from factor.at or ()
    else:
        for arg in factor.args:
            yield from arg.index


def variables_of(factor: Factor) -> frozenset[str]:
    """Running indices of a factor, without the placeholders inside ``Along`` and ``Opaque``."""
    found: set[str] = set()
    for form in forms_of(factor):
        found |= form.variables
    return frozenset(name for name in found if not name.startswith(LOCAL))


def map_forms(factor: Factor, change: Callable[[Affine], Affine]) -> Factor:
    """The factor with every affine form changed."""
    if isinstance(factor, Ref):
        return Ref(factor.tensor, tuple(map(change, factor.index)))
    if isinstance(factor, Apply):
        args = tuple(
            Ref(a.tensor, tuple(map(change, a.index))) if isinstance(a, Ref) else Value(change(a.form))
            for a in factor.args
        )
        return factor if args == factor.args else Apply(factor.template, args)
    if isinstance(factor, Along):
        arg = Ref(factor.arg.tensor, tuple(map(change, factor.arg.index)))
        at = None if factor.at is None else tuple(map(change, factor.at))
        return Along(factor.name, arg, tuple(map(change, factor.sizes)), at)
    return Opaque(factor.name, tuple(Ref(a.tensor, tuple(map(change, a.index))) for a in factor.args))


def substitute(factor: Factor, mapping: Mapping[str, Affine]) -> Factor:
    """Replace running indices in a factor."""
    return map_forms(factor, lambda form: form.substitute(mapping))


# ---------------------------------------------------------------------------------------------------------------------
# Terms


@dataclass(frozen=True, slots=True)
class Term:
    """``coefficient * Σ_bounds [conditions] Π factors``; ``use`` says which use of a tensor it comes from.

    Build with ``product``, which keeps the normal form: no numbers inside factors, equal bases merged.
    """

    coefficient: sp.Rational = sp.S.One
    bounds: tuple[Bound, ...] = ()
    conditions: frozenset[Cond] = frozenset()
    factors: tuple[Factor, ...] = ()
    use: str = field(default="", compare=False)

    @property
    def body_key(self) -> tuple[object, ...]:
        """What the term is apart from its coefficient and sign, up to names of bound indices and order of factors."""
        return _term_key(self)

    @property
    def sign(self) -> int:
        """-1 where the factors hold an odd number of sums that are written with a negative leading term."""
        sign = 1
        for factor in self.factors:
            if isinstance(factor, Apply):
                sign *= _signed_key(factor)[0]
        return sign

    @property
    def key(self) -> tuple[object, ...]:
        """What the term is, up to names of bound indices, order of factors and turned differences."""
        return (self.body_key, str(self.coefficient * self.sign))

    @property
    def variables(self) -> frozenset[str]:
        """Free running indices."""
        found: set[str] = set()
        for factor in self.factors:
            found |= variables_of(factor)
        for cond in self.conditions:
            found |= cond.form.variables
        for bound in self.bounds:
            found |= bound.lo.variables | bound.hi.variables
        return frozenset(found) - {bound.var for bound in self.bounds}

    def substitute(self, mapping: Mapping[str, Affine]) -> Term:
        """Replace free indices; bound ones are renamed first where they would capture."""
        mapping = {name: form for name, form in mapping.items() if name not in {b.var for b in self.bounds}}
        images: set[str] = set()
        for form in mapping.values():
            images |= form.variables
        clash = [b.var for b in self.bounds if b.var in images]
        term = self
        if clash:
            taken = images | self.variables | {b.var for b in self.bounds}
            term = term.rename_bounds({name: fresh(name, taken) for name in clash})
        return term.substitute_within(mapping) if mapping else term

    def substitute_within(self, mapping: Mapping[str, Affine]) -> Term:
        """Replace indices by forms that may mention the term's own bound ones (a delta solved inside a sum)."""
        return replace(
            self,
            bounds=tuple(b.substitute(mapping) for b in self.bounds),
            conditions=frozenset(c.substitute(mapping) for c in self.conditions),
            factors=tuple(substitute(f, mapping) for f in self.factors),
        )

    def rename_bounds(self, names: Mapping[str, str]) -> Term:
        """Other names for bound indices."""
        return self.substitute_within({old: var(new) for old, new in names.items()})

    def __str__(self) -> str:
        body = "*".join(map(str, self.factors)) or "1"
        if self.conditions:
            body = "".join(f"[{c}]" for c in sorted(self.conditions, key=lambda c: c.key)) + "*" + body
        if self.bounds:
            body = f"Sum({body}, {', '.join(b.var for b in self.bounds)})"
        if self.coefficient == 1:
            return body
        return f"-{body}" if self.coefficient == -1 else f"{self.coefficient}*{body}"


def fresh(stem: str, taken: set[str] | frozenset[str]) -> str:
    """A name like ``stem`` that is not taken; adds it where ``taken`` is a set.

    >>> fresh("i", {"i", "i1"})
    'i2'
    """
    root = stem.rstrip("0123456789")
    name = next(n for n in itertools.chain((stem,), (f"{root}{k}" for k in itertools.count(1))) if n not in taken)
    if isinstance(taken, set):
        taken.add(name)
    return name


def _unsigned(factor: Factor) -> tuple[object, ...]:
    return _signed_key(factor)[1] if isinstance(factor, Apply) else factor.key


@lru_cache(maxsize=65536)
def _term_key(term: Term) -> tuple[object, ...]:
    """Canonical form by refinement: bound indices get colours from where they occur, until nothing changes."""
    colours: dict[str, str] = {b.var: f"#{b.lo}..{b.hi}" for b in term.bounds}
    for _ in range(len(colours) + 1):
        mapping = {name: var(colour) for name, colour in colours.items()}
        parts = [(str(_unsigned(substitute(f, mapping))), f) for f in term.factors]
        seen: dict[str, list[str]] = {name: [] for name in colours}
        for text, factor in parts:
            for name in variables_of(factor) & colours.keys():
                marked = substitute(factor, {**mapping, name: var("#!")})
                seen[name].append(text + str(_unsigned(marked)))
        for cond in term.conditions:
            for name in cond.form.variables & colours.keys():
                seen[name].append(str(cond.substitute({**mapping, name: var("#!")}).key))
        ranked = sorted({(colours[n], tuple(sorted(s))) for n, s in seen.items()})
        place = {pair: k for k, pair in enumerate(ranked)}
        new = {n: f"#{place[colours[n], tuple(sorted(s))]}" for n, s in seen.items()}
        if len(set(new.values())) == len(new) or new == colours:
            colours = new
            break
        colours = new
    order = sorted(colours, key=lambda n: (colours[n], n))
    final = {name: var(f"#{k}") for k, name in enumerate(order)}
    bounds = tuple(
        sorted(
            (f"#{k}", str(term_bound.substitute(final)))
            for k, name in enumerate(order)
            for term_bound in term.bounds
            if term_bound.var == name
        )
    )
    factors = tuple(sorted(str(_unsigned(substitute(f, final))) for f in term.factors))
    conditions = tuple(sorted(str(c.substitute(final).key) for c in term.conditions))
    return (bounds, conditions, factors)


@lru_cache(maxsize=65536)
def _split(template: Any) -> tuple[Any, tuple[tuple[Any, Any], ...]]:
    """A template as (rational coefficient, ((base, exponent), …)), contents and signs of sums taken out."""
    coefficient = sp.S.One
    bases: list[tuple[Any, Any]] = []
    for part in sp.Mul.make_args(template):
        base, exponent = part.as_base_exp() if not isinstance(part, sp.exp) else (part, sp.S.One)
        if not exponent.is_number:  # a**b of two elements is one factor: its exponent has arguments too
            base, exponent = part, sp.S.One
        if base.is_Rational and exponent.is_Integer:
            coefficient *= base**exponent
            continue
        if isinstance(base, sp.Add) and exponent.is_Integer:
            content, base = base.primitive()
            if _leading_sign(base) < 0:
                content, base = -content, -base
            coefficient *= content**exponent
        bases.append((base, exponent))
    return coefficient, tuple(bases)


def _leading_sign(total: Any) -> int:
    """Sign of the term with the first slot in a sum (a bare number counts as before all): 1 - a, a - y, not y - a."""

    def place(part: Any) -> tuple[int, str]:
        slots = [int(s.name[1:]) for s in part.free_symbols if s.name.startswith(LOCAL)]  # not the signs of Compare
        return (min(slots) if slots else -1, str(part))

    first = min(total.args, key=place)
    return -1 if first.could_extract_minus_sign() else 1


def _expression(template: Any) -> Any:
    """Numbers as SymPy numbers; text is never parsed here."""
    return template if isinstance(template, sp.Basic) else sp.Rational(template)


def _rebase(template: Any, args: tuple[Ref | Value, ...]) -> tuple[Any, tuple[Ref | Value, ...]]:
    """Drop unused arguments, join equal ones and number the slots from 0."""
    used = [k for k in range(len(args)) if slot(k) in template.free_symbols]
    kept: list[Ref | Value] = []
    image: dict[Any, Any] = {}
    for k in used:
        if args[k] not in kept:
            kept.append(args[k])
        target = slot(kept.index(args[k]))
        if target != slot(k):
            image[slot(k)] = target
    return (template.xreplace(image) if image else template), tuple(kept)


def factors_of(template: Any, args: tuple[Ref | Value, ...]) -> tuple[sp.Rational, list[tuple[Factor, Any]]]:
    """A template with its arguments as a coefficient and (base factor, exponent) pairs, in order."""
    template, args = _rebase(_expression(template), args)
    coefficient, bases = _split(template)
    pairs: list[tuple[Factor, Any]] = []
    for base, exponent in bases:
        inner, filled = _rebase(base, args)
        if inner == slot(0) and isinstance(filled[0], Ref):
            pairs.append((filled[0], exponent))
        elif inner == slot(0) and filled[0].form.is_constant:  # type: ignore[union-attr]
            coefficient *= sp.Integer(filled[0].form.const) ** exponent  # type: ignore[union-attr]
        else:
            pairs.append((Apply(inner, filled), exponent))
    return coefficient, pairs


def product(
    coefficient: Any = 1,
    factors: Iterable[Factor] = (),
    *,
    bounds: Iterable[Bound] = (),
    conditions: Iterable[Cond] = (),
    use: str = "",
) -> Term:
    """A term in normal form: numbers gathered in the coefficient, equal bases merged (``a * a**-1`` vanishes).

    >>> a, y = Ref("a"), Ref("y")
    >>> print(product(2, [apply(2 * slot(0) - 2 * slot(1), a, y), a, apply(1 / slot(0), a)]))
    4*(a - y)
    """
    total = sp.Rational(coefficient)
    order: list[Factor] = []
    exponents: dict[tuple[object, ...], Any] = {}
    for factor in factors:
        pairs: list[tuple[Factor, Any]]
        if isinstance(factor, Apply):
            number, pairs = factors_of(factor.template, factor.args)
            total *= number
        else:
            pairs = [(factor, sp.S.One)]
        for base, exponent in pairs:
            key = base.key
            if key not in exponents:
                order.append(base)
                exponents[key] = sp.S.Zero
            exponents[key] += exponent
    result: list[Factor] = []
    for base in order:
        exponent = exponents[base.key]
        if exponent == 0:
            continue
        if exponent == 1:
            result.append(base)
        elif isinstance(base, Apply):
            result.append(Apply(base.template**exponent, base.args))
        elif isinstance(base, Ref):
            result.append(Apply(slot(0) ** exponent, (base,)))
        else:
            message = f"a power of {base} needs a name of its own"
            raise DerivationError(message)
    return Term(total, tuple(bounds), frozenset(conditions), tuple(result), use)


def apply(template: Any, *args: Ref | Value) -> Factor:
    """One scalar factor; a bare slot gives the element itself."""
    template, filled = _rebase(_expression(template), args)
    if template == slot(0) and isinstance(filled[0], Ref):
        return filled[0]
    return Apply(template, filled)


def renormalised(term: Term) -> Term:
    """The term put in normal form again."""
    return product(term.coefficient, term.factors, bounds=term.bounds, conditions=term.conditions, use=term.use)


# ---------------------------------------------------------------------------------------------------------------------
# Tensors and equations


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """A named array, or a family of arrays over layers or time steps.

    ``family`` are its loop indices with their ranges; ``axes`` the sizes of its element axes, which may
    mention those loop indices (``n[l]``). ``role`` is input, parameter, hidden, loss, adjoint or partial
    (of an opaque loss). ``named`` is False for an intermediate to which we gave the name.
    """

    name: str
    axes: tuple[Affine, ...] = ()
    family: tuple[Bound, ...] = ()
    role: str = "hidden"
    named: bool = True
    below: Affine | None = None
    """For integer inputs (labels): the values are 0 … below-1."""

    def ranges(self, index: tuple[Var, ...]) -> tuple[Bound, ...]:
        """Ranges of all its indices under the given names, family first."""
        mapping = {b.var: Affine(0, ((v, 1),)) for b, v in zip(self.family, index, strict=False)}
        bounds = [
            Bound(v.name, b.lo.substitute(mapping), b.hi.substitute(mapping), b.hint)
            for b, v in zip(self.family, index, strict=False)
        ]
        bounds += [
            Bound(v.name, Affine(), a.substitute(mapping) - 1)
            for a, v in zip(self.axes, index[len(self.family) :], strict=True)
        ]
        return tuple(bounds)

    @property
    def rank(self) -> int:
        """Number of indices, family included."""
        return len(self.family) + len(self.axes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Equation:
    """``lhs = sum of terms`` for all values of ``ranges`` (the free indices, outermost first)."""

    lhs: Ref
    terms: tuple[Term, ...]
    ranges: tuple[Bound, ...] = ()
    line: int | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        free = {b.var for b in self.ranges}
        for term in self.terms:
            stray = term.variables - free
            assert not stray, f"{self.lhs}: index {sorted(stray)} of {term} is bound nowhere"  # noqa: S101

    @property
    def key(self) -> tuple[object, ...]:
        """What the right side is, up to the order of terms and the names of bound indices."""
        return tuple(sorted(str(term.key) for term in self.terms))

    def __str__(self) -> str:
        """Readable text.

        >>> i, d = var("i"), Bound("i", Affine(), Affine(3))
        >>> print(Equation(lhs=Ref("z"), terms=(product(1, [Ref("w", (i,)), Ref("x", (i,))], bounds=[d]),)))
        z = Sum(w[i]*x[i], i)
        """
        text = " + ".join(map(str, self.terms)) or "0"
        return f"{self.lhs} = {text}".replace("+ -", "- ")


def collect(terms: Iterable[Term]) -> tuple[Term, ...]:
    """Like terms added up, in the order of their first appearance; those that cancel vanish."""
    order: list[tuple[object, ...]] = []
    found: dict[tuple[object, ...], Term] = {}
    for term in terms:
        key = term.body_key
        if key in found:
            kept = found[key]
            found[key] = replace(kept, coefficient=kept.coefficient + term.coefficient * (term.sign * kept.sign))
        else:
            order.append(key)
            found[key] = term
    return tuple(found[key] for key in order if found[key].coefficient != 0)
