"""Names as mathematics: elements, whole arrays, derivatives, indices, conditions, shapes.

The lower half of the printer: everything that has no sum in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from symbackprop.affine import Affine, Cond, Size, Var, var
from symbackprop.derivation import Derivation
from symbackprop.emit import layout as y
from symbackprop.emit.layout import ADD, ATOM, PRODUCT, Piece
from symbackprop.emit.target import SIGNS, name_of
from symbackprop.emit.targets import TARGETS
from symbackprop.index import LOCAL, Equation, Ref, primal_name
from symbackprop.notation.glyph import Item, Mark, Pattern, Scripted, Symbol, named, spelling
from symbackprop.notation.letters import assign, equation_families, family_count
from symbackprop.notation.preset import Preset, load
from symbackprop.notation.spelling import Spelling, primal_element, single_letter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from symbackprop.network import Network


@dataclass(frozen=True, slots=True)
class Frame:
    """How indices are printed here: their letters, and which count from the preset's base."""

    letters: Mapping[str, str]
    families: frozenset[str]
    base: int

    def form(self, form: Affine) -> Affine:
        """The form over printed letters, in printed counting."""
        return form.substitute(
            {name: var(own) - (0 if name in self.families else self.base) for name, own in self.letters.items()}
        )


class NamePrinter:
    """Prints the names of one network in one notation; ``layout`` gives stored orders where arrays are re-laid."""

    def __init__(
        self,
        subject: Network | Derivation,
        preset: Preset | str | None = None,
        target: str = "latex",
        *,
        layout: Mapping[str, tuple[int, ...]] | None = None,
    ) -> None:
        network = subject.network if isinstance(subject, Derivation) else subject
        self.network = network
        self.preset = preset if isinstance(preset, Preset) else load(preset or network.notation)
        self.target = TARGETS[target]
        self.spelling = Spelling(network, self.preset, layout)

    def frames(self, equation: Equation) -> tuple[Frame, ...]:
        """How each term's indices are printed (one frame where there is no term)."""
        families = equation_families(self.spelling, equation)
        return tuple(
            Frame(m, own, self.preset.indices.base)
            for m, own in zip(assign(self.spelling, equation), families, strict=True)
        )

    # -- signs ---------------------------------------------------------------------------------------------------------

    @property
    def transpose_sign(self) -> tuple[Item, ...]:
        """The preset's sign of transposition."""
        return spelling(r"\top" if self.target.name == "unicode" else self.preset.signs.transpose).nucleus

    ones = Pattern((Mark("mathbf", (Symbol("1"),)),))
    """The vector of ones; its length is a subscript."""

    @staticmethod
    def is_bracketed(sup: Sequence[Item]) -> bool:
        r"""True for a superscript such as ``(\ell)``, which another may follow."""
        return sup[0] in {Symbol("("), Symbol(r"\langle")}

    # -- names and derivatives -----------------------------------------------------------------------------------------

    def number(self, form: Affine, frame: Frame) -> Piece:
        """A size or an index used as a number."""
        shown = frame.form(form)
        single = len(shown.terms) + (shown.const != 0) <= 1 and not shown.const < 0
        plain = single and all(c == 1 for _, c in shown.terms)
        return Piece(self.form(shown), ATOM if plain else PRODUCT if single else ADD)

    def show(self, box: y.Box) -> str:
        """A box as text of the target."""
        return self.target.show(box)

    def ref(self, ref: Ref, frame: Frame | None = None, *, bold: Sequence[int] = ()) -> y.Box:
        r"""An element, ``w_{ij}^{(\ell)}``, or a derivative by one; indices at some places may be bold."""
        frame = frame or self._ref_frame(ref)
        pattern = self.named(ref, frame, bold=bold)
        return self.reference(ref, frame).box if pattern is None else name_of(pattern, of=ref.tensor)

    def _ref_frame(self, ref: Ref) -> Frame:
        names = sorted({v for form in ref.index for v in form.variables})
        families = frozenset(v for form in ref.index[: family_count(self.spelling, ref.tensor)] for v in form.variables)
        return Frame({name: name for name in names}, families, self.preset.indices.base)

    def reference(self, ref: Ref, frame: Frame) -> Piece:
        """An element as a piece; a derivative where its adjoint has no name."""
        pattern = self.named(ref, frame)
        if pattern is not None:
            return Piece(name_of(pattern, of=ref.tensor))
        return self.derivative(*self.head(ref), frame)

    def head(self, ref: Ref) -> tuple[str, Ref]:
        """What is differentiated, by which element, for an adjoint without a name."""
        function, slash, _ = primal_name(ref.tensor).partition("/")
        return function if slash else self.network.loss, primal_element(self.network, ref)

    def derivative(self, loss: str, ref: Ref, frame: Frame) -> Piece:
        """``∂loss/∂element``; ``loss`` is a tensor or an opaque function."""
        pattern = self.named(ref, frame)
        assert pattern is not None, ref  # noqa: S101 - only adjoints lack a name
        top = self.spelling.tensor(loss) if loss in self.network.tensors else self.spelling.function(loss)
        return self.quotient(name_of(top or named(loss), of=loss), name_of(pattern, of=ref.tensor))

    def quotient(self, above: y.Box, below: y.Box) -> Piece:
        """``∂above/∂below``."""
        return self.target.frac(Piece(y.beside(y.PARTIAL, above)), Piece(y.beside(y.PARTIAL, below)))

    def named(self, ref: Ref, frame: Frame, *, bold: Sequence[int] = ()) -> Pattern | None:
        """The name of an element with its indices in place; of a whole array where all axes are placeholders."""
        count = family_count(self.spelling, ref.tensor)
        family, axes = ref.index[:count], ref.index[count:]
        local = [single_letter(form).startswith(LOCAL) for form in axes]
        if axes and all(local):
            pattern = self.spelling.tensor(ref.tensor)
            return pattern and pattern.fill([self.affine(frame.form(form)) for form in family])
        shown = tuple(self._letter_shown(form, frame) for form in ref.index)
        pattern = self.spelling.element(ref.tensor, shown) if "/" not in ref.tensor else None
        values = [self.affine(frame.form(form)) for form in family]
        values += [
            (Symbol(":"),) if hidden else self.affine(frame.form(form) + frame.base)
            for form, hidden in zip(axes, local, strict=True)
        ]
        shown_values = [(Mark("boldsymbol", value),) if k in bold else value for k, value in enumerate(values)]
        return pattern and pattern.fill(shown_values)

    def _letter_shown(self, form: Affine, frame: Frame) -> str:
        return frame.letters.get(single_letter(form), "")

    def tensor(self, name: str, family: Sequence[Affine] | None = None, frame: Frame | None = None) -> y.Box:
        """The whole array, at given family indices or with their letters."""
        return self.array(Ref(name, tuple(family) if family is not None else self._own_family(name)), frame).box

    def _own_family(self, name: str) -> tuple[Affine, ...]:
        tensor = self.network.tensors.get(primal_name(name))
        letters = self.spelling.letters
        return tuple(
            var(letters.get((primal_name(name), k)) or b.hint or b.var)
            for k, b in enumerate(tensor.family if tensor else ())
        )

    def array(self, ref: Ref, frame: Frame | None = None) -> Piece:
        """A whole array with family indices alone; a derivative by the array where its adjoint has no name."""
        frame = frame or self._ref_frame(ref)
        pattern = self.whole(ref, frame)
        if pattern is not None:
            return Piece(name_of(pattern, of=ref.tensor))
        loss, by = self.head(ref)
        count = family_count(self.spelling, by.tensor)
        return self.array_derivative(loss, Ref(by.tensor, by.index[:count]), frame)

    def whole(self, ref: Ref, frame: Frame) -> Pattern | None:
        """The name of a whole array; None for a derivative."""
        pattern = self.spelling.tensor(ref.tensor) if "/" not in ref.tensor else None
        return pattern and pattern.fill([self.affine(frame.form(form)) for form in ref.index])

    def array_derivative(self, loss: str, ref: Ref, frame: Frame) -> Piece:
        """``∂loss/∂array``."""
        pattern = self.whole(ref, frame)
        assert pattern is not None, ref  # noqa: S101 - only adjoints lack a name
        top = self.spelling.tensor(loss) if loss in self.network.tensors else self.spelling.function(loss)
        return self.quotient(name_of(top or named(loss), of=loss), name_of(pattern, of=ref.tensor))

    # -- indices, conditions, shapes -----------------------------------------------------------------------------------

    def affine(self, form: Affine) -> tuple[Item, ...]:
        """An index over printed letters, as items of a name."""
        items: list[Item] = []
        for atom, c in sorted(form.terms, key=lambda pair: (pair[1] < 0, isinstance(pair[0], Size))):
            if items or c < 0:
                items.append(Symbol("-" if c < 0 else "+"))
            if abs(c) != 1:
                items += map(Symbol, str(abs(c)))
            items += self._atom(atom)
        if form.const or not items:
            if items or form.const < 0:
                items.append(Symbol("-" if form.const < 0 else "+"))
            items += map(Symbol, str(abs(form.const)))
        return tuple(items)

    def _atom(self, atom: Var | Size) -> tuple[Item, ...]:
        if isinstance(atom, Var):
            return self.spelling.letter(atom.name)
        pattern = self.spelling.size(atom.name, len(atom.at)).fill([self.affine(form) for form in atom.at])
        return (Scripted(pattern.nucleus, pattern.sub, pattern.sup),) if pattern.sub or pattern.sup else pattern.nucleus

    def form(self, form: Affine) -> y.Box:
        """An index over printed letters."""
        return y.Name(self.affine(form))

    def letter(self, name: str) -> y.Box:
        """A running letter."""
        return y.Name(self.spelling.letter(name))

    def condition(self, cond: Cond, frame: Frame) -> y.Box:
        r"""A condition on indices: ``\ell = L``, ``\ell < L``, ``2 \mid t - k``."""
        form = frame.form(cond.form)
        if cond.kind == "mod":
            return y.spaced([y.Digits(str(cond.modulus)), SIGNS["mid"], self.form(form)])
        if cond.kind == ">=":
            strict = form.const < 0 and bool(form.terms)
            form = form + 1 if strict else form
        positive = Affine(max(form.const, 0), tuple((a, c) for a, c in form.terms if c > 0))
        negative = positive - form
        flip = not any(isinstance(a, Var) for a, _ in positive.terms) and bool(negative.terms)
        left, right = (negative, positive) if flip else (positive, negative)
        if cond.kind == ">=":
            sign = ("lt" if flip else "gt") if strict else ("le" if flip else "ge")
        else:
            sign = "eq" if cond.kind == "==" else "ne"
        return y.spaced([self.form(left), SIGNS[sign], self.form(right)])

    def conditions(self, conditions: Sequence[Cond], frame: Frame) -> y.Box:
        """Several conditions, with commas."""
        return y.listed([self.condition(cond, frame) for cond in conditions])

    def shape(self, name: str, *, bare: bool = False) -> y.Box:
        r"""The shape of a tensor as a set: ``\mathbb{R}^{n \times m}``, axes in stored order; ``bare``: the sizes."""
        tensor = self.network.tensors[primal_name(name)]
        order = self.spelling.layout.get(primal_name(name), tuple(range(len(tensor.axes))))
        own = {b.var: form for b, form in zip(tensor.family, self._own_family(name), strict=True)}
        sizes = [self.form(tensor.axes[k].substitute(own)) for k in order]
        if not sizes:
            return SIGNS["reals"]
        shown = y.separated(sizes, SIGNS["times"])
        return shown if bare else y.Power(SIGNS["reals"], shown)

    def range(self, letter: str, lower: y.Box, upper: y.Box) -> y.Box:
        r"""A letter with its values, ``\ell = 1, \dots, L``."""
        head = [self.letter(letter), y.EQUALS]
        if lower == upper:
            return y.spaced([*head, lower])
        return y.spaced([*head, y.beside(lower, y.COMMA), y.beside(SIGNS["dots"], y.COMMA), upper])
