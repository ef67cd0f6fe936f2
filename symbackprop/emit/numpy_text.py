"""Matrix nodes as NumPy expressions, with as few brackets and new axes as a careful person would write.

``NodeWriter.write(node)`` gives the text and which axes the array really has: a bias of axis h inside a sum of axes
(N, h) stays ``b``, because NumPy repeats it. ``exact`` is for places that need all axes.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import singledispatchmethod
from typing import TYPE_CHECKING, Any

from symbackprop.affine import Affine, Cond, Size, Var, var
from symbackprop.emit.numpy_scalar import ATOM, PRODUCT, SIGN, SUM, ScalarWriter, Text, fraction
from symbackprop.emit.stable import stable_logarithms
from symbackprop.errors import UnsupportedError
from symbackprop.matrix import (
    Add,
    AlongAxis,
    Axis,
    Broadcast,
    Concat,
    Einsum,
    Elementwise,
    FamilySum,
    Gather,
    Hadamard,
    Leaf,
    Lookup,
    Mask,
    MatMul,
    Node,
    Number,
    OpaqueCall,
    Outer,
    Pad,
    Pick,
    Scale,
    ScatterAdd,
    Slice,
    SumOver,
    Transpose,
)
from symbackprop.tables.activations import ACTIVATION

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from symbackprop.emit.numpy_names import Names
    from symbackprop.index import Ref
    from symbackprop.lift import Surroundings

Dims = tuple["str | None", ...]
MATRIX = 2


@dataclass(frozen=True, slots=True)
class Piece:
    """Code and its NumPy axes: labels, None for an axis of length 1 that stands for a missing label."""

    text: Text
    dims: Dims = ()

    @property
    def labels(self) -> frozenset[str]:
        """Labels that are really there."""
        return frozenset(label for label in self.dims if label is not None)


@dataclass(slots=True)
class Used:
    """What a function's body refers to."""

    sizes: dict[str, None] = field(default_factory=dict)
    tensors: dict[str, None] = field(default_factory=dict)
    functions: dict[tuple[str, int], None] = field(default_factory=dict)
    helpers: dict[str, None] = field(default_factory=dict)
    dtype: bool = False


class NodeWriter:
    """Writes nodes; ``lines`` collects what has to stand before the expression (grids of running indices)."""

    def __init__(self, names: Names, around: Surroundings) -> None:
        self.names, self.around = names, around
        self.used = Used()
        self.lines: list[str] = []
        self.grids: dict[tuple[Axis, ...], dict[str, str]] = {}

    # -- indices and sizes --------------------------------------------------------------------------------------------

    def affine(self, form: Affine, letters: dict[str, str] | None = None) -> Text:
        """An affine form as code; ``letters`` renames running indices."""
        positive = [self.multiple(atom, c, letters) for atom, c in form.terms if c > 0]
        negative = [self.multiple(atom, -c, letters) for atom, c in form.terms if c < 0]
        if form.const > 0:
            positive.append(Text(str(form.const)))
        elif form.const < 0:
            negative.append(Text(str(-form.const)))
        if not positive and not negative:
            return Text("0")
        if not positive:
            if len(negative) == 1:
                return Text(f"-{negative[0].within(SIGN)}", SIGN)
            positive = [Text("0")]
        if len(positive) == 1 and not negative:
            return positive[0]
        out = " + ".join(t.code for t in positive) + "".join(f" - {t.code}" for t in negative)
        return Text(out, SUM)

    def multiple(self, atom: Var | Size, times: int, letters: dict[str, str] | None) -> Text:
        if isinstance(atom, Var):
            text = (letters or {}).get(atom.name) or self.names.letter(atom.name)
        else:
            text = self.size(atom)
        return Text(text) if times == 1 else Text(f"{times} * {text}", PRODUCT)

    def size(self, size: Size) -> str:
        """A size as code."""
        if not size.at:
            self.used.sizes[size.name] = None
            return self.names.size(size.name)
        self.used.sizes.setdefault("", None)
        return f'sizes["{size.name}", {", ".join(self.affine(form).code for form in size.at)}]'

    def shape(self, axes: Iterable[Axis]) -> str:
        """A shape as a tuple."""
        parts = [self.affine(axis.extent).code for axis in axes]
        return f"({parts[0]},)" if len(parts) == 1 else f"({', '.join(parts)})"

    def condition(self, cond: Cond, letters: dict[str, str] | None = None) -> Text:
        """A condition on indices as code."""
        if cond.kind == "mod":
            return Text(f"({self.affine(cond.form, letters).code}) % {cond.modulus} == 0", 4)
        alone = [name for name, c in cond.form.linear.items() if abs(c) == 1]
        if len(alone) == 1 and len(cond.form.linear) == 1:
            return self.isolated(cond, alone[0], letters)
        left = Affine(max(cond.form.const, 0), tuple((a, c) for a, c in cond.form.terms if c > 0))
        right = left - cond.form
        return Text(f"{self.affine(left, letters).code} {cond.kind} {self.affine(right, letters).code}", 4)

    def isolated(self, cond: Cond, name: str, letters: dict[str, str] | None) -> Text:
        """``t < T`` for ``T - t - 1 >= 0``."""
        slope = cond.form.linear[name]
        rest = (cond.form - var(name) * slope) * -slope
        op = cond.kind
        if op == ">=":
            op, strict = (">=", ">") if slope == 1 else ("<=", "<")  # type: ignore[assignment]
            if rest.terms and rest.const == slope:
                op, rest = strict, rest - slope  # type: ignore[assignment]
        return Text(f"{self.affine(var(name), letters).code} {op} {self.affine(rest, letters).code}", 4)

    def element(self, ref: Ref) -> str:
        """A tensor, or a member of a family."""
        self.used.tensors[ref.tensor] = None
        at = ", ".join(self.affine(form).code for form in ref.index)
        return self.names.tensor(ref.tensor) + (f"[{at}]" if at else "")

    # -- axes ---------------------------------------------------------------------------------------------------------

    def exact(self, node: Node) -> Text:
        """Code of an array that has all axes of the node."""
        piece = self.write(node)
        if piece.dims == node.labels:
            return piece.text
        return Text(f"np.broadcast_to({piece.text.code}, {self.shape(node.axes)})")

    def aligned(self, piece: Piece, to: Sequence[str]) -> Piece:
        """The piece with its axes where NumPy finds them beside axes ``to``."""
        wanted: list[str | None] = [label if label in piece.labels else None for label in to]
        while wanted and wanted[0] is None:
            wanted.pop(0)
        if tuple(wanted) == piece.dims:
            return piece
        parts: list[str] = []
        have = list(piece.dims)
        for label in wanted:
            while have and have[0] is None and label is not None:
                have.pop(0)
                parts.append("0")
            if label is None and have and have[0] is None:
                have.pop(0)
                parts.append(":")
            elif label is None:
                parts.append("None")
            else:
                have.pop(0)
                parts.append(":")
        parts += ["0"] * len(have)
        while len(parts) > 1 and parts[-1] == ":":
            parts.pop()
        return Piece(Text(f"{piece.text.within(ATOM)}[{', '.join(parts)}]"), tuple(wanted))

    def beside(self, node: Node, to: Sequence[str], *, times: bool = False) -> Piece:
        """A part of an entrywise operation over axes ``to``: sums keep their axes where that saves new ones.

        In a product (``times``) with numbers, truth values need not be made numbers first.
        """
        inner = node.x if isinstance(node, Broadcast) else node
        if times and isinstance(inner, Mask):
            present = next((axes for axes in self.grids if tuple(a.label for a in axes) == tuple(to)), None)
            if present is None:
                return self.aligned(Piece(self.test(inner, self.grid(inner.axes)), inner.labels), to)
            test = self.test(inner, self.grids[present])  # of the axes of that grid, so nothing has to be aligned
            return Piece(test, self.joined([Piece(test, inner.labels)], to))
        if isinstance(inner, (SumOver, AlongAxis)) and not (isinstance(inner, AlongAxis) and inner.keeps):
            own = inner.x.labels
            fits = len(own) == len(to) and all(
                mine == other or (mine in inner.over and other not in own) for mine, other in zip(own, to, strict=True)
            )
            kept = tuple(label if label in inner.labels else None for label in own)
            if fits and inner.labels and kept[0] is not None:
                if isinstance(inner, AlongAxis):
                    return Piece(Text(self.along(inner, keepdims=True)), kept)
                return Piece(Text(self.sum(inner, keepdims=True)), kept)
        return self.aligned(self.write(inner), to)

    def joined(self, pieces: Iterable[Piece], to: Sequence[str]) -> Dims:
        """Axes of an entrywise result."""
        present = frozenset().union(*(piece.labels for piece in pieces))
        wanted: list[str | None] = [label if label in present else None for label in to]
        while wanted and wanted[0] is None:
            wanted.pop(0)
        return tuple(wanted)

    # -- nodes --------------------------------------------------------------------------------------------------------

    @singledispatchmethod
    def write(self, node: Node) -> Piece:
        """Code of a node."""
        message = f"no NumPy form of a node of type {type(node).__name__}"
        raise UnsupportedError(message)

    @write.register
    def _(self, node: Leaf) -> Piece:
        return Piece(Text(self.element(node.ref)), node.labels)

    @write.register
    def _(self, node: Number) -> Piece:
        if not node.axes:
            return Piece(self.affine(node.form))
        self.used.dtype = True
        letters: dict[str, str] = {}
        for place, axis in enumerate(node.axes):
            new = ", ".join(["None"] * place + [":"] + ["None"] * (len(node.axes) - 1 - place))
            grid = f"np.arange({self.affine(axis.extent).code}, dtype=dtype)"
            letters[axis.label] = grid if len(node.axes) == 1 else f"{grid}[{new}]"
        return Piece(self.affine(node.form, letters), node.labels)

    @write.register
    def _(self, node: Transpose) -> Piece:
        text = self.exact(node.x)
        if len(node.to) == MATRIX:
            return Piece(Text(f"{text.within(ATOM)}.T"), node.to)
        order = tuple(node.x.labels.index(label) for label in node.to)
        return Piece(Text(f"np.transpose({text.code}, {order})"), node.to)

    @write.register
    def _(self, node: MatMul) -> Piece:
        left, right = self.exact(node.a), self.exact(node.b)
        first = left.code if isinstance(node.a, MatMul) else left.within(SIGN)
        return Piece(Text(f"{first} @ {right.within(SIGN)}", PRODUCT), node.labels)

    @write.register
    def _(self, node: Outer) -> Piece:
        return Piece(Text(f"np.outer({self.exact(node.a).code}, {self.exact(node.b).code})"), node.labels)

    @write.register
    def _(self, node: Hadamard) -> Piece:
        times = any(not isinstance(f.x if isinstance(f, Broadcast) else f, Mask) for f in node.factors)
        pieces = [self.beside(factor, node.labels, times=times) for factor in node.factors]
        first = node.factors[0]
        head = pieces[0].text.within(SIGN if _has_matmul(first) else PRODUCT)
        code = " * ".join([head, *(piece.text.within(SIGN) for piece in pieces[1:])])
        return Piece(Text(code, PRODUCT), self.joined(pieces, node.labels))

    @write.register
    def _(self, node: Add) -> Piece:
        pieces: list[Piece] = []
        out = ""
        for term in sorted(node.terms, key=_is_negative):
            inner = term.x if isinstance(term, Broadcast) else term
            negative = _is_negative(term)
            if negative and out:
                assert isinstance(inner, Scale)  # noqa: S101 - what makes it negative
                positive = replace(inner, coefficient=-inner.coefficient)
                alone = positive.coefficient == 1 and not positive.scalars
                piece = self.beside(positive.x if alone else positive, node.labels)
                out += f" - {piece.text.within(PRODUCT)}"
            else:
                piece = self.beside(inner, node.labels)
                out += (" + " if out else "") + piece.text.within(PRODUCT if out else SUM)
            pieces.append(piece)
        return Piece(Text(out, SUM), self.joined(pieces, node.labels))

    @write.register
    def _(self, node: Scale) -> Piece:
        inner = self.write(node.x)
        over: list[Text] = []
        under: list[Text] = []
        for scalar in node.scalars:
            template = getattr(scalar, "template", None)
            if template is not None and template.is_Pow and template.exp.is_number and template.exp.is_negative:
                assert isinstance(scalar, Elementwise)  # noqa: S101 - it has a template
                under.append(self.write(Elementwise(template=1 / template, args=scalar.args, over=())).text)
            else:
                over.append(self.write(scalar).text)
        one = isinstance(node.x, Number) and node.x.form == Affine(1) and (over or under or node.coefficient != 1)
        if not one:
            over.append(inner.text)
        text = fraction(abs(node.coefficient), over, under)
        if node.coefficient < 0:
            text = Text("-" + text.within(PRODUCT), SIGN)
        return Piece(text, inner.dims)

    @write.register
    def _(self, node: SumOver) -> Piece:
        return Piece(Text(self.sum(node)), node.labels)

    def sum(self, node: SumOver, *, keepdims: bool = False) -> str:
        """A sum over axes."""
        keep = ", keepdims=True" if keepdims else ""
        axis = "" if set(node.over) == set(node.x.labels) else f", axis={_axes(node.x, node.over)}"
        return f"np.sum({self.exact(node.x).code}{axis}{keep})"

    @write.register
    def _(self, node: FamilySum) -> Piece:
        loops = " ".join(f"for {self.names.letter(b.var)} in {self.range(b.lo, b.hi)}" for b in node.bounds)
        tests = [self.condition(cond).code for cond in sorted(node.conditions, key=lambda c: c.key)]
        test = f" if {' and '.join(tests)}" if tests else ""
        body = self.exact(node.x)
        if not node.axes:
            return Piece(Text(f"sum({body.code} {loops}{test})"))
        self.used.dtype = True
        return Piece(Text(f"sum(({body.code} {loops}{test}), np.zeros({self.shape(node.axes)}, dtype))"), node.labels)

    def range(self, lo: Affine, hi: Affine, *, down: bool = False) -> str:
        """The range of a loop."""
        if down:
            return f"range({self.affine(hi).code}, {self.affine(lo - 1).code}, -1)"
        start = "" if lo == Affine() else f"{self.affine(lo).code}, "
        return f"range({start}{self.affine(hi + 1).code})"

    @write.register
    def _(self, node: Broadcast) -> Piece:
        return self.aligned(self.write(node.x), node.labels)

    @write.register
    def _(self, node: Elementwise) -> Piece:
        template, args = stable_logarithms(node, self.names.network, self.around)
        labels = node.labels
        hot = self.one_hot(template, args, labels)
        if hot is not None:
            return hot
        pieces = [self.beside(arg, labels) for arg in args]
        slots = {f"_{k}": piece.text for k, piece in enumerate(pieces)}
        plain = {f"_{k}" for k, arg in enumerate(args) if isinstance(arg, Number) and not arg.axes}
        text = ScalarWriter(slots, self.call, plain).write(template)
        if "dtype)" in text.code:
            self.used.dtype = True
        return Piece(text, self.joined(pieces, labels))

    def one_hot(self, template: Any, args: tuple[Node, ...], labels: tuple[str, ...]) -> Piece | None:
        """``np.eye(K)[y]`` for rows that are 1 at the place y and 0 elsewhere."""
        if getattr(template, "row", None) != "onehot":
            return None
        ids, at = (args[int(arg.name[1:])] for arg in template.args)
        self.used.dtype = True
        axis = at.axes[0] if isinstance(at, Number) and at.axes else None
        if axis is not None and at.form == var(axis.label) and labels == (*ids.labels, axis.label):  # type: ignore[attr-defined]
            return Piece(Text(f"np.eye({self.affine(axis.extent).code}, dtype=dtype)[{self.exact(ids).code}]"), labels)
        pieces = [self.beside(ids, labels), self.beside(at, labels)]
        code = f"np.asarray({pieces[0].text.code} == {pieces[1].text.code}, dtype)"
        return Piece(Text(code), self.joined(pieces, labels))

    def call(self, name: str, order: int, args: list[Text]) -> Text:
        """A call of an elementwise function, or of its slope."""
        entry = self.names.network.functions.get(name)
        inner = ", ".join(arg.code for arg in args[-1:])
        if entry is not None and entry.kind == "opaque" and entry.family:
            self.used.functions[name, order] = None
            at = ", ".join(arg.code for arg in args[:-1])
            return Text(f"{self.names.function(name, order)}[{at}]({inner})")
        if entry is not None:
            self.used.functions[name, order] = None
            return Text(f"{self.names.function(name, order)}({inner})")
        row = ACTIVATION[name]
        text = row.numpy if order == 0 else row.numpy_slope
        if "{y}" not in text and text.count("{x}") == 1 and text.startswith("np.") and text.endswith("({x})"):
            return Text(text.format(x=inner))
        self.used.functions[name, order] = None
        return Text(f"{self.names.function(name, order)}({inner})")

    @write.register
    def _(self, node: AlongAxis) -> Piece:
        return Piece(Text(self.along(node)), node.labels)

    def along(self, node: AlongAxis, *, keepdims: bool = False) -> str:
        """A call of a function of an axis."""
        keep = ", keepdims=True" if keepdims else ""
        axis = _axes(node.x, node.over)
        x = self.exact(node.x).code
        if node.name == "max":
            return f"np.max({x}, axis={axis}{keep})"
        name = {"argmax": "first_max"}.get(node.name, node.name)
        self.used.helpers[name] = None
        last = axis == str(len(node.x.axes) - 1)
        return f"{name}({x}{'' if last else f', axis={axis}'}{keep})"

    @write.register
    def _(self, node: OpaqueCall) -> Piece:
        self.used.functions[node.name, 0] = None
        return Piece(Text(f"{self.names.function(node.name)}({', '.join(self.exact(arg).code for arg in node.args)})"))

    @write.register(Slice)
    @write.register(Pick)
    def _(self, node: Slice | Pick) -> Piece:
        places: dict[str, str] = {}
        base: Node = node
        while isinstance(base, (Slice, Pick)):
            places[base.label] = self.place(base)
            base = base.x
        parts = [places.get(label, ":") for label in base.labels]
        while parts and parts[-1] == ":":
            parts.pop()
        code = self.exact(base).within(ATOM) + (f"[{', '.join(parts)}]" if parts else "")
        return Piece(Text(code), node.labels)

    def place(self, node: Slice | Pick) -> str:
        """The index of a slice or of one entry."""
        if isinstance(node, Pick):
            return self.affine(node.at).code
        stop = node.start + node.extent
        start = "" if node.start == Affine() else self.affine(node.start).code
        return f"{start}:" + ("" if stop == node.x.extents[node.label] else self.affine(stop).code)

    @write.register
    def _(self, node: Pad) -> Piece:
        widths = ["(0, 0)"] * len(node.axes)
        place = node.labels.index(node.label)
        widths[place] = f"({self.affine(node.before).code}, {self.affine(node.after).code})"
        shown = widths[0] if len(widths) == 1 else f"({', '.join(widths)})"
        return Piece(Text(f"np.pad({self.exact(node.x).code}, {shown})"), node.labels)

    @write.register
    def _(self, node: Concat) -> Piece:
        parts = ", ".join(self.exact(part).code for part in node.parts)
        place = node.labels.index(node.label)
        return Piece(Text(f"np.concatenate([{parts}]{f', axis={place}' if place else ''})"), node.labels)

    @write.register
    def _(self, node: Lookup) -> Piece:
        table, ids = self.exact(node.table), self.exact(node.ids).code
        place = node.table.labels.index(node.label)
        code = f"np.take({table.code}, {ids}, axis={place})" if place else f"{table.within(ATOM)}[{ids}]"
        return Piece(Text(code), node.labels)

    @write.register
    def _(self, node: ScatterAdd) -> Piece:
        self.used.helpers["scatter_add"] = None
        at = self.affine(node.at.extent).code
        return Piece(Text(f"scatter_add({self.exact(node.x).code}, {self.exact(node.ids).code}, {at})"), node.labels)

    @write.register
    def _(self, node: Gather) -> Piece:
        letters = self.grid(node.axes)
        parts: list[str] = []
        for form, axis in zip(node.index, node.x.axes, strict=True):
            text = self.affine(form, letters).code
            inside = node.sure or (form.single is not None and form.const == 0 and _full(form, node.axes, axis))
            parts.append(text if inside else f"np.clip({text}, 0, {self.affine(axis.extent - 1).code})")
        return Piece(Text(f"{self.exact(node.x).within(ATOM)}[{', '.join(parts)}]"), node.labels)

    @write.register
    def _(self, node: Mask) -> Piece:
        self.used.dtype = True
        return Piece(Text(f"np.asarray({self.test(node, self.grid(node.axes)).code}, dtype)"), node.labels)

    def test(self, node: Mask, letters: dict[str, str]) -> Text:
        """A mask as truth values."""
        tests = [self.condition(cond, letters).code for cond in sorted(node.conditions, key=lambda c: c.key)]
        code = tests[0] if len(tests) == 1 else " & ".join(f"({test})" for test in tests)
        return Text(code, 4 if len(tests) == 1 else 8)

    def grid(self, axes: tuple[Axis, ...]) -> dict[str, str]:
        """Names of running indices that stand as an open grid before the expression."""
        if axes not in self.grids:
            again = f"{len(self.grids)}" if self.grids else ""
            letters = {a.label: self.names.letter(_letter(a.label) + again) for a in axes}
            left = ", ".join(letters.values()) + ("," if len(axes) == 1 else "")
            right = ", ".join(f":{self.affine(axis.extent).code}" for axis in axes)
            self.lines.append(f"{left} = np.ogrid[{right}{',' if len(axes) == 1 else ''}]")
            self.grids[axes] = letters
        return self.grids[axes]

    @write.register
    def _(self, node: Einsum) -> Piece:
        letters = _einsum_letters([axis.label for axis in (*node.axes, *node.summed)])
        left = ",".join("".join(letters[label] for label in factor.labels) for factor in node.factors)
        right = "".join(letters[label] for label in node.labels)
        factors = ", ".join(self.exact(factor).code for factor in node.factors)
        best = ", optimize=True" if len(node.factors) > MATRIX else ""
        return Piece(Text(f'np.einsum("{left}->{right}", {factors}{best})'), node.labels)


def _full(form: Affine, over: tuple[Axis, ...], axis: Axis) -> bool:
    """True where a running index covers an axis and no more."""
    return any(form == var(each.label) and each.extent == axis.extent for each in over)


def _letter(label: str) -> str:
    """A letter for a running index; those without a name of their own are called q, r, s."""
    return "qrstuvw"[int(label[1:]) % 7] if label[0] in "_@#" else label


def _has_matmul(node: Node) -> bool:
    inner = node.x if isinstance(node, Broadcast) else node
    return isinstance(inner, MatMul)


def _is_negative(node: Node) -> bool:
    inner = node.x if isinstance(node, Broadcast) else node
    return isinstance(inner, Scale) and bool(inner.coefficient < 0)


def _axes(node: Node, labels: Sequence[str]) -> str:
    places = sorted(node.labels.index(label) for label in labels)
    return str(places[0]) if len(places) == 1 else f"({', '.join(map(str, places))})"


def _einsum_letters(labels: Sequence[str]) -> dict[str, str]:
    """One letter for each label, its own first where that is free."""
    found: dict[str, str] = {}
    for label in labels:
        wanted = [c for c in label if c.isascii() and c.isalpha()] + list("abcdefghijklmnopqrstuvwxyz")
        found.setdefault(label, next(c for c in wanted if c not in found.values()))
    return found
