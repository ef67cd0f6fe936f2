"""Index arithmetic: affine forms over running indices and symbolic sizes, ranges, conditions.

An index of a tensor element is an affine form such as ``l-1``, ``2*t+k`` or ``n[l]-1``.
The forms are our own small integers-only type: they are made, compared and hashed all the time,
and SymPy needs ten times as long for that. ``Scope`` proves what the ranges imply.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from symbackprop.errors import DerivationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping


@dataclass(frozen=True, slots=True)
class Var:
    """A running index: the letter of an element, a layer or a time step."""

    name: str

    @property
    def key(self) -> tuple[object, ...]:
        """Sort key; variables come before sizes."""
        return (0, self.name)

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Size:
    """A symbolic size, ``N``, or a member of a family of sizes, ``n[l]``."""

    name: str
    at: tuple[Affine, ...] = ()

    @property
    def key(self) -> tuple[object, ...]:
        """Sort key."""
        return (1, self.name, tuple(a.key for a in self.at))

    def __str__(self) -> str:
        return self.name + "".join(f"[{a}]" for a in self.at)


Atom = Var | Size


@dataclass(frozen=True, slots=True)
class Affine:
    """``const + sum(coefficient * atom)`` with integer coefficients, atoms sorted.

    >>> l, n = var("l"), size("n", var("l") - 1)
    >>> print(2 * l + 1 - l, n - 1, (l - l).const)
    l+1 n[l-1]-1 0
    """

    const: int = 0
    terms: tuple[tuple[Atom, int], ...] = ()

    @property
    def key(self) -> tuple[object, ...]:
        """Sort key."""
        return (tuple((atom.key, c) for atom, c in self.terms), self.const)

    def __add__(self, other: Affine | int) -> Affine:
        if isinstance(other, int):
            return Affine(self.const + other, self.terms)
        if not other.terms:
            return Affine(self.const + other.const, self.terms)
        return _collect(self.const + other.const, (*self.terms, *other.terms))

    __radd__ = __add__

    def __neg__(self) -> Affine:
        return Affine(-self.const, tuple((a, -c) for a, c in self.terms))

    def __sub__(self, other: Affine | int) -> Affine:
        return self + (-other)

    def __rsub__(self, other: int) -> Affine:
        return -self + other

    def __mul__(self, factor: int) -> Affine:
        if factor == 0:
            return Affine()
        return Affine(self.const * factor, tuple((a, c * factor) for a, c in self.terms))

    __rmul__ = __mul__

    @property
    def is_constant(self) -> bool:
        """True for a plain integer."""
        return not self.terms

    @property
    def variables(self) -> frozenset[str]:
        """Names of the running indices, those inside sizes (``n[l]``) included."""
        found: set[str] = set()
        for atom, _ in self.terms:
            if isinstance(atom, Var):
                found.add(atom.name)
            else:
                for form in atom.at:
                    found |= form.variables
        return frozenset(found)

    @property
    def linear(self) -> dict[str, int]:
        """Coefficient of each running index that occurs outside sizes."""
        return {atom.name: c for atom, c in self.terms if isinstance(atom, Var)}

    @property
    def sizes(self) -> frozenset[str]:
        """Names of the sizes that occur."""
        found: set[str] = set()
        for atom, _ in self.terms:
            if isinstance(atom, Size):
                found.add(atom.name)
                for form in atom.at:
                    found |= form.sizes
        return frozenset(found)

    @property
    def single(self) -> Atom | None:
        """The atom, if the form is that atom alone."""
        if self.const == 0 and len(self.terms) == 1 and self.terms[0][1] == 1:
            return self.terms[0][0]
        return None

    def substitute(self, mapping: Mapping[str, Affine]) -> Affine:
        """Replace running indices, all at once, those inside sizes too."""
        if not self.terms or not mapping:
            return self
        result = Affine(self.const)
        changed = False
        for atom, c in self.terms:
            if isinstance(atom, Var):
                image = mapping.get(atom.name)
                if image is not None:
                    result, changed = result + image * c, True
                    continue
            elif atom.at:
                at = tuple(form.substitute(mapping) for form in atom.at)
                if at != atom.at:
                    result, changed = result + Affine(0, ((Size(atom.name, at), c),)), True
                    continue
            result += Affine(0, ((atom, c),))
        return result if changed else self

    def evaluate(self, env: Mapping[str, int], sizes: Callable[[str, tuple[int, ...]], int]) -> int:
        """The integer at given running indices; ``sizes(name, at)`` gives the sizes. Arrays of indices work too."""
        total = self.const
        for atom, c in self.terms:
            if isinstance(atom, Var):
                total = total + c * env[atom.name]  # not in place: it may be an array
            else:
                total = total + c * sizes(atom.name, tuple(form.evaluate(env, sizes) for form in atom.at))
        return total

    def __str__(self) -> str:
        """Text that the network file's grammar reads back."""
        out = ""
        for atom, c in self.terms:
            sign = "-" if c < 0 else ("+" if out else "")
            out += sign + (str(atom) if abs(c) == 1 else f"{abs(c)}*{atom}")
        if self.const or not out:
            out += f"{self.const:+d}" if out else str(self.const)
        return out


def _collect(const: int, pairs: Iterable[tuple[Atom, int]]) -> Affine:
    total: dict[Atom, int] = {}
    for atom, c in pairs:
        total[atom] = total.get(atom, 0) + c
    kept = [(atom, c) for atom, c in total.items() if c]
    kept.sort(key=lambda pair: pair[0].key)
    return Affine(const, tuple(kept))


def var(name: str) -> Affine:
    """The form of one running index."""
    return Affine(0, ((Var(name), 1),))


def size(name: str, *at: Affine) -> Affine:
    """The form of one size, ``size("n", var("l"))`` for ``n[l]``."""
    return Affine(0, ((Size(name, at), 1),))


def const(value: int) -> Affine:
    """A constant form."""
    return Affine(value)


@dataclass(frozen=True, slots=True)
class Bound:
    """A running index with its inclusive range; ``hint`` is the author's letter, outside equality."""

    var: str
    lo: Affine
    hi: Affine
    hint: str = field(default="", compare=False)

    @property
    def extent(self) -> Affine:
        """Number of values."""
        return self.hi - self.lo + 1

    def substitute(self, mapping: Mapping[str, Affine]) -> Bound:
        """Replace indices in the limits and, where it maps to an index, the bound one itself."""
        name = self.var
        image = mapping.get(name)
        if image is not None:
            atom = image.single
            if not isinstance(atom, Var):
                message = f"bound index {name} cannot become {image}"
                raise DerivationError(message)
            name = atom.name
        return Bound(name, self.lo.substitute(mapping), self.hi.substitute(mapping), self.hint)

    def __str__(self) -> str:
        return f"{self.var}={self.lo}..{self.hi}"


@dataclass(frozen=True, slots=True)
class Cond:
    """A condition on indices: ``form >= 0``, ``== 0``, ``!= 0`` or ``form % modulus == 0``."""

    kind: Literal[">=", "==", "!=", "mod"]
    form: Affine
    modulus: int = 0

    def substitute(self, mapping: Mapping[str, Affine]) -> Cond:
        """Replace indices; equalities keep a positive first coefficient, so that they compare equal."""
        return condition(self.kind, self.form.substitute(mapping), self.modulus)

    @property
    def key(self) -> tuple[object, ...]:
        """Sort key."""
        return (self.kind, self.form.key, self.modulus)

    def holds(self, env: Mapping[str, int], sizes: Callable[[str, tuple[int, ...]], int]) -> bool:
        """Truth at given indices."""
        value = self.form.evaluate(env, sizes)
        if self.kind == ">=":
            return value >= 0
        if self.kind == "==":
            return value == 0
        if self.kind == "!=":
            return value != 0
        return value % self.modulus == 0

    def negated(self) -> Cond:
        """The opposite; a congruence has none among these kinds."""
        if self.kind == ">=":
            return condition(">=", -self.form - 1)
        if self.kind == "==":
            return condition("!=", self.form)
        if self.kind == "!=":
            return condition("==", self.form)
        message = "a congruence cannot be negated"
        raise DerivationError(message)

    def __str__(self) -> str:
        if self.kind == "mod":
            return f"{self.form} % {self.modulus} == 0"
        positive = Affine(max(self.form.const, 0), tuple((a, c) for a, c in self.form.terms if c > 0))
        negative = positive - self.form
        return f"{positive} {self.kind} {negative}"


def condition(kind: Literal[">=", "==", "!=", "mod"], form: Affine, modulus: int = 0) -> Cond:
    """A condition in its normal form.

    >>> print(condition("==", var("L") - var("l")))
    L == l
    """
    if kind in {"==", "!="} and form.terms and form.terms[0][1] < 0:
        form = -form
    return Cond(kind, form, modulus)


def _no_size(name: str, at: tuple[int, ...]) -> int:
    message = f"a constant form has no size {name}{list(at) or ''}"
    raise DerivationError(message)


@dataclass(frozen=True, slots=True)
class Scope:
    """Ranges in force: what they imply about affine forms. Sizes are at least 1, depths at least 0.

    Bounds stand from the outermost to the innermost; limits of later ones may mention earlier ones.

    >>> scope = Scope((Bound("l", const(1), size("L")),), depths=frozenset({"L"}))
    >>> scope.nonnegative(var("l") - 1), scope.nonnegative(size("L") - var("l") - 1)
    (True, False)
    """

    bounds: tuple[Bound, ...] = ()
    depths: frozenset[str] = frozenset()
    conditions: tuple[Cond, ...] = ()

    def with_bounds(self, bounds: Iterable[Bound]) -> Scope:
        """More ranges, inside the present ones."""
        return Scope((*self.bounds, *bounds), self.depths, self.conditions)

    def assuming(self, conditions: Iterable[Cond]) -> Scope:
        """More conditions that may be used."""
        return Scope(self.bounds, self.depths, (*self.conditions, *conditions))

    def lower(self, form: Affine) -> int | None:
        """A number that ``form`` never goes below, or None where the ranges give none."""
        for bound in reversed(self.bounds):
            c = form.linear.get(bound.var, 0)
            if c:
                limit = bound.lo if c > 0 else bound.hi
                form = form + (limit - var(bound.var)) * c
        total = form.const
        for atom, c in form.terms:
            if c < 0 or isinstance(atom, Var):
                return None
            total += c * (0 if atom.name in self.depths else 1)
        return total

    def nonnegative(self, form: Affine) -> bool:
        """True where ``form >= 0`` follows (from the ranges and, one at a time, the conditions)."""
        low = self.lower(form)
        if low is not None and low >= 0:
            return True
        for cond in self.conditions:
            if cond.kind == ">=":
                low = self.lower(form - cond.form)
                if low is not None and low >= 0:
                    return True
            elif cond.kind == "==":
                for sign in (1, -1):
                    low = self.lower(form + cond.form * sign)
                    if low is not None and low >= 0:
                        return True
            elif cond.kind == "!=":
                for side in (cond.form, -cond.form):  # never 0 and never below it: at least 1
                    least, low = self.lower(side), self.lower(form - side + 1)
                    if least is not None and least >= 0 and low is not None and low >= 0:
                        return True
        return False

    def solved(self) -> tuple[Scope, dict[str, Affine]]:
        """The scope with its equalities solved for an index each, and what those indices are (``l = L``)."""
        for cond in self.conditions:
            if cond.kind != "==":
                continue
            for name, c in cond.form.linear.items():
                solution = (cond.form - var(name) * c) * -c
                if abs(c) != 1 or name in solution.variables or name not in {b.var for b in self.bounds}:
                    continue
                mapping = {name: solution}
                own = next(b for b in self.bounds if b.var == name)
                limits = (condition(">=", solution - own.lo), condition(">=", own.hi - solution))
                rest = tuple(c.substitute(mapping) for c in self.conditions if c != cond)
                bounds = tuple(b.substitute(mapping) for b in self.bounds if b.var != name)
                scope, more = Scope(bounds, self.depths, (*rest, *limits)).solved()
                return scope, {name: solution.substitute(more), **more}
        return self, {}

    def decide(self, cond: Cond) -> bool | None:  # noqa: PLR0911 - one return a kind of condition
        """True or False where the ranges and the conditions in force decide, else None."""
        if cond in self.conditions:
            return True
        scope, mapping = self.solved()
        if mapping:
            return scope.decide(cond.substitute(mapping))
        form = cond.form
        if form.is_constant:
            return cond.holds({}, _no_size)
        if cond.kind == ">=":
            if self.nonnegative(form):
                return True
            return False if self.nonnegative(-form - 1) else None
        if cond.kind in {"==", "!="}:
            apart = self.nonnegative(form - 1) or self.nonnegative(-form - 1)
            if apart or any(c.kind == "!=" and c.form == form for c in self.conditions):
                return cond.kind == "!="
            if self.nonnegative(form) and self.nonnegative(-form):
                return cond.kind == "=="
            return None
        if all(c % cond.modulus == 0 for _, c in form.terms):
            return form.const % cond.modulus == 0
        return None
