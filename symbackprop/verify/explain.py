"""One sentence about a mistake that a student understands, made from the change and the network.

Each kind of change has a sentence; what it says about shapes, layers and indices is read off the forward equations.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from symbackprop.affine import Affine
from symbackprop.handwritten import expression as ex
from symbackprop.index import Ref, refs_of
from symbackprop.verify.codes import CODES
from symbackprop.verify.edits import forms
from symbackprop.verify.report_unicode import to_unicode

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from symbackprop.network import Network
    from symbackprop.verify.edits import Change
    from symbackprop.verify.repair_text import Writer


class Explainer:
    """Says changes in words; ``writer`` prints nodes as the author writes."""

    def __init__(self, network: Network, writer: Writer) -> None:
        self.network, self.writer = network, writer

    def sentence(self, changes: Sequence[Change]) -> str:
        """All changes, the first with its reason."""
        said = (self.one(change) for change in changes if change.cost)
        return " ".join(dict.fromkeys(said))

    def one(self, change: Change) -> str:
        """One change."""
        maker = _SENTENCES.get(change.row)
        said = maker(self, change) if maker is not None else ""
        return said or self._plain(change)

    # -- words ---------------------------------------------------------------------------------------------------------

    def shown(self, node: ex.Node) -> str:
        """A node on one line of Unicode."""
        from symbackprop.verify.repair_text import Unprintable  # noqa: PLC0415 - one use

        try:
            return to_unicode(self.writer.text(node))
        except Unprintable:
            return to_unicode(node.source) or "this part"

    def _plain(self, change: Change) -> str:
        title = CODES[change.code].title
        after, before = self.shown(change.after), self.shown(change.shown)
        return _sentence(f"{title}: {after} belongs in the place of {before}")

    def maps(self, node: ex.Node) -> str:
        """What a matrix does forwards: "W⁽ˡ⁾ maps layer l-1 to l", "W is h × d"; "" where nothing is known."""
        leaf = next((n for n in ex.walk(node) if isinstance(n, ex.Quantity)), None)
        if leaf is None or leaf.tensor not in self.network.tensors:
            return ""
        tensor = self.network.tensors[leaf.tensor]
        if len(tensor.axes) != 2:  # noqa: PLR2004 - a matrix
            return ""
        mapping = {b.var: form for b, form in zip(tensor.family, leaf.family, strict=False)}
        rows, columns = (axis.substitute(mapping) for axis in tensor.axes)
        ends = self._layers(leaf)
        if ends is not None:
            source, target = ends
            if source == target:
                return f"{self.shown(leaf)} stays within {_layer_word(target)}"
            return f"{self.shown(leaf)} maps {_layer_word(source)} to {_shown_form(target)}"
        return f"{self.shown(leaf)} is {_shown_form(rows)} × {_shown_form(columns)}"

    def _layers(self, leaf: ex.Quantity) -> tuple[Affine, Affine] | None:
        """The layer that a member of a family of weights reads, and the one it feeds."""
        if len(leaf.family) != 1:
            return None
        for equation in self.network.equations:
            if len(self.network.tensors[equation.lhs.tensor].family) != 1:
                continue
            for term in equation.terms:
                refs = [ref for factor in term.factors for ref in refs_of(factor)]
                own = next((r for r in refs if r.tensor == leaf.tensor), None)
                other = next((r for r in refs if r.tensor != leaf.tensor and _loops(self.network, r) == 1), None)
                if own is None or other is None:
                    continue
                shift = leaf.family[0] - own.index[0]
                letters = own.index[0].variables
                if not letters or (shift.variables & letters):
                    letter = next(iter(letters), "")
                    image = {letter: leaf.family[0] - (own.index[0].substitute({letter: Affine()}))} if letter else {}
                    return other.index[0].substitute(image), equation.lhs.index[0].substitute(image)
                return other.index[0] + shift, equation.lhs.index[0] + shift
        return None

    # -- sentences -----------------------------------------------------------------------------------------------------

    def transpose(self, change: Change) -> str:
        """A transpose that is missing."""
        what = self.maps(change.before)
        reason = (
            f"{what} forwards; on the way back its transpose acts" if what else "on the way back its transpose acts"
        )
        if not isinstance(change.before, ex.Quantity | ex.Named):
            reason = f"{self.shown(change.before)} has the axes of the result the other way round"
        return _sentence(f"{reason}, so {self.shown(change.after)} belongs here")

    def no_transpose(self, change: Change) -> str:
        """A transpose too many."""
        what = self.maps(change.after)
        return _sentence(
            f"{what + ': ' if what else ''}{self.shown(change.after)} is needed as it lies, without the transpose"
        )

    def turned_product(self, change: Change) -> str:
        """A product that has to be turned."""
        return _sentence(
            f"the transpose of a product turns its factors and their order: {self.shown(change.after)} belongs here "
            f"in the place of {self.shown(change.before)}"
        )

    def order(self, change: Change) -> str:
        """Factors in another order."""
        return _sentence(
            f"matrix products do not commute: {self.shown(change.after)} is meant, not {self.shown(change.before)}"
        )

    def order_turned(self, change: Change) -> str:
        """Factors the other way round, one of them turned."""
        return _sentence(
            "on the way back a matrix acts by its transpose and stands on the other side: "
            f"{self.shown(change.after)} belongs here, not {self.shown(change.before)}"
        )

    def brackets(self, change: Change) -> str:
        """What has to be done first."""
        part = self.shown(change.part or change.after)
        if change.code == "SB101":
            return _sentence(
                f"the matrix in front acts on the whole product {part}, so that product is taken first, in brackets"
            )
        return _sentence(f"brackets are missing: {part} is taken first, and what follows multiplies all of it")

    def brackets_of_sum(self, change: Change) -> str:
        """A sum that needs brackets."""
        return _sentence(
            "a product binds tighter than a sum: the factor belongs to all of "
            f"{self.shown(change.part or change.after)}"
        )

    def no_brackets(self, change: Change) -> str:
        """Brackets too many."""
        return _sentence(
            f"the brackets around {self.shown(change.shown)} change what is multiplied; they do not belong here"
        )

    def product(self, change: Change) -> str:
        """Another kind of product."""
        before, after = change.before, change.after
        if isinstance(before, ex.Product) and isinstance(after, ex.Product):
            place = next(k for k, (a, b) in enumerate(zip(before.signs, after.signs, strict=True)) if a != b)
            kind = {"juxtaposition": "the matrix product", "otimes": "the outer product"}.get(
                after.signs[place], "entrywise"
            )
            pair = f"{self.shown(before.factors[place - 1])} and {self.shown(before.factors[place])}"
            return _sentence(
                f"between {pair} the product is {kind}: "
                f"{CODES['SB104'].sentence[0].lower()}{CODES['SB104'].sentence[1:-1]}"
            )
        return ""

    def diag(self, change: Change) -> str:
        """Diag that is missing."""
        return _sentence(
            f"among matrices the slopes {self.shown(change.shown)} of an entrywise function stand as a "
            "diagonal matrix, diag(…)"
        )

    def layer(self, change: Change) -> str:
        """Another layer or time."""
        before, after = self.shown(change.before), self.shown(change.after)
        if change.code == "SB210":
            return _sentence(f"the slope is taken where its function was: at {after}, not at {before}")
        what = self.maps(change.before)
        if what:
            return _sentence(f"{what}; here {after} is needed, in the place of {before}")
        word = "function" if isinstance(change.before, ex.Call) else "value"
        return _sentence(f"the {word} of another layer or step belongs here: {after} in the place of {before}")

    def swapped(self, change: Change) -> str:
        """Indices of one array exchanged."""
        use = self._use(change.before)
        return _sentence(
            f"{use + ', so ' if use else ''}the indices are swapped: {self.shown(change.after)} belongs here, "
            f"not {self.shown(change.before)}"
        )

    def _use(self, node: ex.Node) -> str:
        """In which forward equation an array stands with which indices."""
        leaf = next((n for n in ex.walk(node) if isinstance(n, ex.Quantity)), None)
        if leaf is None:
            return ""
        for equation in self.network.equations:
            for term in equation.terms:
                for factor in term.factors:
                    for ref in refs_of(factor):
                        if ref.tensor == leaf.tensor and len(leaf.element) == 2:  # noqa: PLR2004 - a matrix
                            return self._leads(equation.lhs, ref)
        return ""

    def _leads(self, lhs: Ref, ref: Ref) -> str:
        first, second = ref.index[-2:]
        target = set(lhs.index[_loops(self.network, lhs) :])
        if first in target and second not in target:
            return "the first index of this array is the entry it leads to, the second the one it comes from"
        if second in target and first not in target:
            return "the first index of this array is the entry it comes from, the second the one it leads to"
        return ""

    def element(self, change: Change) -> str:
        """Another index."""
        return _sentence(
            f"the index names another entry than on the other side: {self.shown(change.after)} is meant, not "
            f"{self.shown(change.before)}"
        )

    def sum_missing(self, change: Change) -> str:
        """A sum that is missing."""
        letter = next((n.letter for n in ex.walk(change.after) if isinstance(n, ex.BigOperator) and n.letter), None)
        over = f" over {letter}" if letter else ""
        return _sentence(
            f"the effect runs along several paths and their terms add up: a sum{over} is missing, "
            f"{self.shown(change.after)}"
        )

    def range(self, change: Change) -> str:
        """Another range."""
        return _sentence(f"the sum runs over the wrong range: {self.shown(change.after)}")

    def sum_letter(self, change: Change) -> str:
        """A letter that is taken."""
        old = getattr(change.before, "letter", "")
        return _sentence(
            f"the letter {old} stands for two things here; the sum needs its own: {self.shown(change.after)}"
        )

    def array(self, change: Change) -> str:
        """Another array."""
        before, after = self.shown(change.before), self.shown(change.after)
        if change.code == "SB210":
            return _sentence(f"the slope is taken where its function was: at {after}, not at {before}")
        if (
            isinstance(change.before, ex.Quantity)
            and isinstance(change.after, ex.Quantity)
            and not change.before.element
        ):
            own, other = (self.network.tensors.get(n.tensor) for n in (change.before, change.after))
            if own is not None and other is not None and own.role == other.role == "parameter":
                return _sentence(f"{before} is another parameter; {after} was used in this step")
        return _sentence(f"{before} is the wrong array here; the forward equations have {after} in this place")

    def everywhere(self, change: Change) -> str:
        """Another array throughout."""
        names = [
            {n.tensor: n for n in ex.walk(side) if isinstance(n, ex.Quantity)} for side in (change.before, change.after)
        ]
        old = next((n for name, n in names[0].items() if name not in names[1]), None)
        new = next((n for name, n in names[1].items() if name not in names[0]), None)
        if old is None or new is None:
            return ""
        whole = f"{to_unicode(self.writer.whole(new.tensor))} belongs throughout in the place of "
        whole += to_unicode(self.writer.whole(old.tensor))
        reason = ": the slope is written through the output of the function, not through its argument"
        return _sentence(whole + (reason if change.code == "SB210" else ""))

    def declared(self, change: Change) -> str:
        """A name that nothing declares."""
        name = change.before.name if isinstance(change.before, ex.Unknown) else self.shown(change.before)
        return _sentence(f"nothing declares {to_unicode(name)}; {self.shown(change.after)} makes the formula right")

    def slope(self, change: Change) -> str:
        """F and f′."""
        if change.code == "SB217":
            return _sentence(f"the function itself stands where its slope belongs: {self.shown(change.after)}")
        if isinstance(change.after, ex.Call) and change.after.order:
            return _sentence(f"the slope {self.shown(change.after)} belongs here, not {self.shown(change.before)}")
        return _sentence(f"the function itself belongs here, not its slope: {self.shown(change.after)}")

    def function(self, change: Change) -> str:
        """Another function."""
        return _sentence(
            f"another function acts in this step: {self.shown(change.after)}, not {self.shown(change.before)}"
        )

    def constant(self, change: Change) -> str:
        """A number."""
        return _sentence(
            f"a constant is wrong: {self.shown(change.after)} in the place of {self.shown(change.before)}; "
            "the factors of the loss stay in every gradient"
        )

    def case(self, change: Change) -> str:
        """The value of one of several cases."""
        return _sentence(f"in this case the value is {self.shown(change.after)}, not {self.shown(change.before)}")

    def sign(self, change: Change) -> str:
        """A sign."""
        return _sentence(f"the sign is wrong: {self.shown(change.after)}, not {self.shown(change.before)}")

    def no_factor(self, change: Change) -> str:
        """A factor too many."""
        return _sentence(
            f"the factor {self.shown(change.shown)} does not belong here: "
            + (
                "it is what is differentiated by, and the derivative is what stands beside it"
                if change.code == "SB217"
                else "no step of the chain rule gives it"
            )
        )

    def factor(self, change: Change) -> str:
        """A factor that is missing."""
        what = (
            "the derivative that comes back from above"
            if isinstance(change.part, ex.Derivative | ex.Named)
            else "a step of the chain rule"
        )
        if isinstance(change.part, ex.Call) and change.part.order:
            what = "the slope of the activation"
        return _sentence(f"the factor {self.shown(change.shown)} is missing: {what}")

    def upstream(self, change: Change) -> str:
        """A derivative by a matrix as a factor."""
        if change.part is None:
            return ""
        return _sentence(
            f"a derivative by a matrix has more axes than a matrix; it stands for what {self.shown(change.part)}, the "
            f"derivative that comes back from above, is multiplied by: together they are {self.shown(change.after)}"
        )

    def no_term(self, change: Change) -> str:
        """A term too many."""
        return _sentence(f"the term {self.shown(change.shown)} does not belong here")

    def term(self, change: Change) -> str:
        """A term that is missing."""
        if isinstance(change.part, ex.Number):
            return _sentence(f"the term {self.shown(change.shown)} is missing")
        return _sentence(
            f"a term is missing, {self.shown(change.shown)}: a quantity that is used several times gathers "
            "one term from each use"
        )

    def delta(self, change: Change) -> str:
        """A delta."""
        return _sentence(f"entries with different indices do not depend on each other here: {self.shown(change.after)}")


def _sentence(text: str) -> str:
    """Capital letters for words alone, not for a symbol that comes first."""
    first = text[0].upper() if re.match(r"(?:a|[a-z]{2,}) ", text) else text[0]
    return first + text[1:].rstrip(".") + "."


def _shown_form(form: Affine) -> str:
    return str(form).replace("-", "−")


def _layer_word(form: Affine) -> str:
    """``layer l-1`` or ``step t-1``."""
    letters = form.variables
    word = "step" if letters & {"t", "s", "tau"} and "l" not in letters else "layer"
    return f"{word} {_shown_form(form)}"


def _loops(network: Network, ref: Ref) -> int:
    tensor = network.tensors.get(ref.tensor)
    return len(tensor.family) if tensor is not None else 0


_SENTENCES: dict[str, Callable[[Explainer, Change], str]] = {
    "transpose": Explainer.transpose,
    "no transpose": Explainer.no_transpose,
    "transposed product": Explainer.turned_product,
    "order": Explainer.order,
    "order and transpose": Explainer.order_turned,
    "brackets": Explainer.brackets,
    "no brackets": Explainer.no_brackets,
    "brackets of a sum": Explainer.brackets_of_sum,
    "product": Explainer.product,
    "diag": Explainer.diag,
    "diags": Explainer.diag,
    "layer": Explainer.layer,
    "layers": Explainer.layer,
    "swapped": Explainer.swapped,
    "swapped letters": Explainer.swapped,
    "element": Explainer.element,
    "letter": Explainer.element,
    "sum": Explainer.sum_missing,
    "nested sum": Explainer.sum_missing,
    "sum letter": Explainer.sum_letter,
    "range": Explainer.range,
    "array": Explainer.array,
    "array everywhere": Explainer.everywhere,
    "declared": Explainer.declared,
    "slope": Explainer.slope,
    "function": Explainer.function,
    "argument": Explainer.array,
    "constant": Explainer.constant,
    "case": Explainer.case,
    "sign": Explainer.sign,
    "no factor": Explainer.no_factor,
    "factor": Explainer.factor,
    "upstream": Explainer.upstream,
    "no term": Explainer.no_term,
    "term": Explainer.term,
    "delta": Explainer.delta,
}
__all__ = ["Explainer", "forms"]
