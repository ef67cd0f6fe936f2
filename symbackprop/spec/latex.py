"""``[latex]``: spellings of names. A list of allowed commands, balanced braces, and keys that name something."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from symbackprop.spec.calls import known_functions
from symbackprop.spec.families import brackets
from symbackprop.spec.names import unknown
from symbackprop.spec.syntax import base_name, parse_expression

if TYPE_CHECKING:
    from collections.abc import Mapping

    from symbackprop.errors import SpecError
    from symbackprop.index import Tensor
    from symbackprop.spec.declared import Declared
    from symbackprop.spec.lower import World

_GREEK = (
    "alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi pi varpi rho varrho "
    "sigma varsigma tau upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega"
)
_FONTS = (
    "mathrm mathbf mathit mathsf mathtt mathcal mathbb mathfrak mathscr boldsymbol bm text textrm textit operatorname"
)
_ACCENTS = (
    "hat widehat tilde widetilde bar overline underline vec dot ddot check breve acute grave mathring overrightarrow "
    "overleftarrow"
)
_SIGNS = (
    "ell hbar imath jmath partial nabla infty prime circ star ast dagger ddagger top bot perp langle rangle lfloor "
    "rfloor lceil rceil lvert rvert lVert rVert vert Vert cdot cdots ldots dots times pm mp oplus otimes odot mid "
    "parallel to rightarrow leftarrow in sum prod int sqrt frac left right quad qquad thinspace displaystyle aleph Re "
    "Im wp emptyset varnothing sharp flat natural square diamond bullet , ; : ! { } _ |"
)
_WORDS = "exp log ln max min arg det dim tanh sinh cosh sin cos tan sup inf lim Pr argmax argmin"
ALLOWED = frozenset(f"{_GREEK} {_FONTS} {_ACCENTS} {_SIGNS} {_WORDS}".split()) | {" "}
"""Commands that a spelling may use, without the backslash."""

_TOKEN = re.compile(r"\\([A-Za-z]+|.)", re.DOTALL)
_PLAIN = re.compile(r"[A-Za-z0-9 _^{}()\[\]+\-*/=<>,.;:!'|]*\Z")
_SCRIPTS = re.compile(r"[\^_]\s*(\Z|[}^_])|\^[^{\\]?\^|_[^{\\]?_")
_LONGEST = 200


def check(declared: Declared, world: World, tensors: Mapping[str, Tensor]) -> dict[str, tuple[str, ...]]:
    """The spellings of ``[latex]``, each harmless and each for something that exists.

    Raises: SpecError.
    """
    for key, spellings in declared.latex.items():
        _check_key(key, world, tensors)
        for text in spellings:
            reason = problem(text)
            if reason:
                raise _at(world, key, f"[latex] {key} = '{text[:60]}': {reason}")
    return dict(declared.latex)


def problem(text: str) -> str | None:
    r"""Why a spelling is refused, or None.

    >>> problem(r"\hat{y}"), problem(r"\input{x}")
    (None, '\\input is not among the allowed commands of mathematics')
    """
    return _characters(text) or _balance(text)


def _characters(text: str) -> str | None:
    if not text.strip():
        return "it is empty"
    if len(text) > _LONGEST:
        return f"it is longer than {_LONGEST} characters"
    for match in _TOKEN.finditer(text):
        if match[1] not in ALLOWED:
            return f"\\{match[1]} is not among the allowed commands of mathematics"
    rest = _TOKEN.sub("", text)
    bad = next((c for c in rest if not _PLAIN.match(c)), None)
    if bad == "\\":
        return "it ends in a backslash"
    return bad and f"the character {bad!r} is not allowed; write mathematics in ASCII without $, %, #, & or ~"


def _balance(text: str) -> str | None:
    depth = 0
    for character in re.sub(r"\\[{}]", "", text):
        depth += {"{": 1, "}": -1}.get(character, 0)
        if depth < 0:
            break
    if depth != 0:
        return "its braces do not balance"
    if len(re.findall(r"\\left(?![A-Za-z])", text)) != len(re.findall(r"\\right(?![A-Za-z])", text)):
        return "\\left and \\right do not balance"
    if _SCRIPTS.search(re.sub(r"\\_", "", text)):
        return "a ^ or _ stands twice or without anything behind it"
    return None


def _check_key(key: str, world: World, tensors: Mapping[str, Tensor]) -> None:
    node = parse_expression(key, world.source, "[latex] key")
    name, groups = base_name(node), brackets(node)
    functions = known_functions(world.functions)
    letters = {*world.declared.indices, *(b.var for t in tensors.values() for b in t.family)}
    known = {*tensors, *world.size_names, *functions, *letters, *world.declared.sizes}
    if name not in known:
        raise _at(world, key, f"[latex] {key} names nothing; {unknown('name', name or key, known)}")
    if name in tensors and groups:
        tensor = tensors[name]
        family = len(tensor.family)
        element = groups[family:]
        if len(groups) < family or len(element) > 1:
            letters_text = "".join(f"[{b.var}]" for b in tensor.family)
            raise _at(world, key, f"[latex] {key}: write {name}{letters_text} or an element of it")
        if element and len(element[0]) != len(tensor.axes):
            count = len(tensor.axes)
            raise _at(world, key, f"[latex] {key}: '{name}' has {count} element indices, not {len(element[0])}")
    for group in groups:
        for item in group:
            if isinstance(item, ast.Slice) and (item.lower is not None or item.upper is not None):
                raise _at(world, key, f"[latex] {key}: a slice in a pattern is written ':'")
            if not isinstance(item, ast.Name | ast.Slice | ast.Constant):
                raise _at(world, key, f"[latex] {key}: an index in a pattern is a letter, a number or ':'")


def _at(world: World, key: str, message: str) -> SpecError:
    error = world.source.error(message)
    error.line = world.source.key_line(key, "latex")
    return error
