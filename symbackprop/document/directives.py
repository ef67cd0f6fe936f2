"""What a handout leaves open for a program that reads it back: directives, from the objects that are printed.

    notation rows                         how names are written, where the network file says another notation
    transposed W1, W2                     matrices that are printed as the transpose of the network file's
    let O_{delta} = N * dMSE/dO_in        names that the notation gives to error signals
    let s_i = s[i]                        and to arrays that have none in the network file
    vectors rows                          how arrays of one axis lie
    partial explicit                      ∂reader/∂element holds fixed what else the reader reads

A person finds the same in the table of symbols.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from symbackprop.document.blocks import Directive, Entry, Whole
from symbackprop.document.view import inverse
from symbackprop.index import Ref, adjoint_name, is_adjoint, primal_name
from symbackprop.notation.preset import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Collection

    from symbackprop.affine import Affine
    from symbackprop.document.blocks import Formula
    from symbackprop.document.view import View
    from symbackprop.index import Term


def stated(view: View, used: Collection[str]) -> list[Directive]:
    """The directives at the top of a handout that shows the tensors and adjoints in ``used``."""
    found: list[Directive] = []
    if view.preset.name != (view.network.notation or DEFAULT):
        found.append(Directive((f"notation {view.preset.name}",)))
    turned = [name for name, order in view.layout.items() if order != tuple(range(len(order)))]
    if turned:
        found.append(Directive((f"transposed {', '.join(turned)}",)))
    for tensor in view.network.tensors.values():
        if not tensor.named and tensor.name in used:
            found += _lets(view, tensor.name)
    for chain in view.derivation.chains.values():
        if adjoint_name(chain.tensor) in used and view.has_own_name(chain.tensor):
            found += _lets(view, adjoint_name(chain.tensor))
    return [*found, Directive((f"vectors {view.preset.orientation.vectors}",)), Directive(("partial explicit",))]


def _lets(view: View, name: str) -> list[Directive]:
    """The names of a whole array and of its elements."""
    tensor = view.network.tensors[primal_name(name)]
    element = view.element(name)
    family, own = element.index[: len(tensor.family)], element.index[len(tensor.family) :]
    found = [_let(view, Whole(name, family), Ref(name, family))]
    return [*found, _let(view, Entry(element), element, own)] if own else found


def _let(view: View, shown: Formula, ref: Ref, own: tuple[Affine, ...] = ()) -> Directive:
    """A name for a tensor or for ∂loss/∂(tensor), times the constant that error signals leave out."""
    family = ref.index[: len(ref.index) - len(own)]
    text = primal_name(ref.tensor) + "".join(f"[{form}]" for form in family)
    if own:  # indices as they are stored, which is how they are printed
        order = view.layout.get(primal_name(ref.tensor)) or tuple(range(len(own)))
        text += f"[{','.join(str(own[k]) for k in order)}]"
    if is_adjoint(ref.tensor):
        scale = view.derivation.scale
        text = (f"{plain(inverse(scale))} * " if scale is not None else "") + f"d{view.network.loss}/d{text}"
    return Directive(("let ", shown, f" = {text}"))


def plain(term: Term) -> str:
    """A constant in the names of the network file."""
    factors = [str(factor) for factor in term.factors]
    return " * ".join(factors if term.coefficient == 1 and factors else [f"({term.coefficient})", *factors])
