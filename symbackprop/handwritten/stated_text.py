"""What a document states, as the text of a network file."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from symbackprop.affine import Affine
from symbackprop.handwritten.stated_shapes import Declarations
from symbackprop.spec.letters import default_batch

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from symbackprop.handwritten.document import Document
    from symbackprop.handwritten.stated_names import Name

_Loop = tuple[str, Affine, Affine]
_Statement = tuple[_Loop | None, str]
_PARAMETERS = frozenset(("W", "w", "b", "U", "V", "\\theta", "\\Theta", "\\beta", "\\omega", "\\Omega", "K", "B"))
_ACTIVATIONS = {
    "1 / (1 + exp(-x))": "sigmoid",
    "1 / (exp(-x) + 1)": "sigmoid",
    "exp(x) / (1 + exp(x))": "sigmoid",
    "tanh(x)": "tanh",
}


class NetworkText(Declarations):
    """Names, functions and statements written down; ``letter_names`` are the index letters they use."""

    def __init__(self, document: Document) -> None:
        super().__init__(document)
        self.letter_names: dict[tuple[str, Affine], str] = {}

    def _loss(self, defined: list[Name]) -> Name | None:
        """The last scalar that no other equation uses."""
        texts = [text.partition("=")[2] for _, text in self.statements]
        scalars = [name for name in defined if name.axes == () and not name.letter]
        free = [name for name in scalars if not any(re.search(rf"\b{name.identifier}\b", text) for text in texts)]
        found = free or scalars
        return found[-1] if found else None

    def _toml(self, leaves: list[Name], loss: Name) -> str:
        parameters = [leaf for leaf in leaves if self._is_parameter(leaf)] or leaves
        parameters = parameters or leaves
        forward = list(self._forward_lines())
        self._forget_unused("\n".join(forward))
        lines = [
            'name = "document"',
            f'loss = "{loss.identifier}"',
            f"parameters = {json.dumps([leaf.identifier for leaf in parameters])}",
            "",
            'forward = """',
            *forward,
            '"""',
            "",
            "[shapes]",
        ]
        for leaf in leaves:
            name = f"{leaf.identifier}[{leaf.letter}]" if leaf.letter else leaf.identifier
            lines.append(f'{json.dumps(name)} = "{" ".join(map(str, leaf.axes or ()))}"')
        functions = {
            name: function.kind for name, function in self.functions.items() if not is_activation(function.kind)
        }
        if functions:
            lines += ["", "[functions]"]
            for name, kind in functions.items():
                layered = next((each for each in self.spelled if each.startswith(f"{name}[")), name)
                lines.append(f"{json.dumps(layered)} = {json.dumps(kind)}")
        if self.letter_names:
            lines += ["", "[indices]"]
            lines += [f'{name} = "{axis}"' for (_, axis), name in self.letter_names.items()]
        if self.sizes:
            lines += ["", "[sizes]", *_sizes(self.sizes)]
        lines += ["", "[latex]"]
        lines += [f"{json.dumps(name)} = {json.dumps(text)}" for name, text in self._spellings().items()]
        return "\n".join(lines) + "\n"

    def _forget_unused(self, forward: str) -> None:
        """Functions of which the document says a slope alone are none of the network's."""
        for name in [each for each in self.functions if not re.search(rf"\b{each}(\[[^\]]*\])*\(", forward)]:
            del self.functions[name]
            for spelled in [each for each in self.spelled if re.split(r"\[", each)[0] == name]:
                del self.spelled[spelled]

    def _forward_lines(self) -> Iterator[str]:
        """Statements, with those of one loop together; members that need no other equation come first."""
        last: _Loop | None = None
        defined = [re.escape(re.split(r"[ \[]", text)[0]) for _, text in self.statements]
        computed = re.compile(rf"\b(?:{'|'.join(defined)})\b")

        def is_later(statement: _Statement) -> bool:
            left, _, right = statement[1].partition(" = ")
            return statement[0] is not None or "[" not in left or computed.search(right) is not None

        for loop, text in _ordered(_interleaved(sorted(self.statements, key=is_later))):
            if loop is not None and loop != last:
                yield f"for {loop[0]} in {loop[1]}..{loop[2]}:"
            last = loop
            yield f"    {text}" if loop is not None else text

    def _spellings(self) -> dict[str, list[str]]:
        """How each name is written: as it is defined, with what it depends on in brackets, and its examples."""
        found = {name: [text] for name, text in self.spelled.items() if not name.endswith("(")}
        for name, text in self.spelled.items():
            if name.endswith("(") and name[:-1] in found:
                found[name[:-1]].append(text)
        batch = self._batch() or ""
        for each in self.names.values():
            axes = [str(axis) for axis in each.axes or ()]
            if len(axes) == 2 and batch in axes and not each.letter:  # noqa: PLR2004 - a matrix of examples
                found |= self._examples(each, axes.index(batch))
        return found

    def _examples(self, name: Name, place: int) -> dict[str, list[str]]:
        """``x^{(i)}`` and ``a^{[2](i)}``, the examples of the matrices ``X`` and ``A^{[2]}``, unless that is a name."""
        script = re.fullmatch(r"([A-Z])(?:\^\{?(\[[^\]]*\])\}?)?", name.latex.strip())
        if script is None:
            return {}
        small = script[1].lower()
        if any(re.match(rf"{small}(?![A-Za-z])", text) for text in self.spelled.values()):
            return {}
        key = f"{name.identifier}[{'i,:' if place == 0 else ':,i'}]"
        return {key: [f"{small}^{{{script[2] or ''}(i)}}"]}

    def _batch(self) -> str | None:
        """The axis of examples, as the network will have it."""
        leaves = [(name, tensor) for name in self.names.values() if name.leaf and (tensor := name.tensor()) is not None]
        inputs = [tensor for name, tensor in leaves if not self._is_parameter(name)]
        found = default_batch(inputs, [tensor for name, tensor in leaves if self._is_parameter(name)])
        return None if found is None else str(found)

    def _is_parameter(self, leaf: Name) -> bool:
        """True for what the document differentiates by, and for the usual letters of weights."""
        stem = re.split(r"[_^]", leaf.latex)[0].strip()
        plain = re.sub(r"\\(?:vec|mathbf|boldsymbol|bm|mathrm)\s*|[{}]", "", stem)
        if plain in _PARAMETERS:
            return True
        pattern = re.compile(rf"(?:\\partial|\\nabla_?)\s*\{{?\(?\s*{re.escape(stem)}(?![A-Za-z])")
        return any(pattern.search(entry.formula.text) for entry in self.document.entries)


def _ordered(statements: list[_Statement]) -> list[_Statement]:
    """Statements in an order in which each comes after those whose values it reads, else as they stand."""
    left: list[_Statement] = list(statements)
    found: list[_Statement] = []
    while left:
        last = found[-1][0] if found else None
        ready = [each for each in left if not any(_reads(each, other) for other in left if other is not each)]
        chosen = next((each for each in ready if each[0] == last), ready[0] if ready else left[0])
        left = [each for each in left if each is not chosen]
        found.append(chosen)
    return found


def _reads(statement: _Statement, other: _Statement) -> bool:
    """True where a statement needs another one first; of its own loop, what that gives in the same round."""
    loop, text = statement
    left, _, right = text.partition(" = ")
    name, index, _ = re.match(r"(\w+)(\[[^\]]*\])?(.*)", other[1].partition(" = ")[0]).groups()  # type: ignore[union-attr]
    same = loop is not None and loop == other[0]
    if not same and re.match(rf"{re.escape(name)}\b", left):
        return False
    pattern = rf"(?<!\w){re.escape(name)}" + (re.escape(index) if same and index else r"(?!\w)")
    return re.search(pattern, right) is not None


def _interleaved(statements: list[_Statement]) -> list[_Statement]:
    """Loops that need each other, as one; the last members of the longer come after it as equations of their own.

    ``u[l] = … h[l-1]`` for l = 1..L with ``h[l] = …`` for l = 1..L-1 is a loop to L-1 and ``u[L] = … h[L-1]``.
    """
    result: list[_Statement] = []
    later: list[_Statement] = []
    for loop, text in statements:
        ends = [
            other[2]
            for other, inner in statements
            if loop is not None
            and other is not None
            and loop[:2] == other[:2]
            and re.search(rf"\b{re.escape(inner.split('[')[0])}\[", text.partition(" = ")[2])
            and (loop[2] - other[2]).is_constant
            and loop[2].const > other[2].const
        ]
        if loop is not None and ends:
            letter, lo, hi = loop
            end = min(ends, key=lambda form: form.const)
            loop = (letter, lo, end)  # noqa: PLW2901 - what stays in the loop
            for k in range(hi.const - end.const):
                member = str(end + (k + 1))
                later.append((None, re.sub(rf"(?<=\[){re.escape(letter)}(?=[]+-])", member, text)))
        result.append((loop, text))
    last = max((k for k, (loop, _) in enumerate(result) if loop is not None), default=-1) + 1
    return [*result[:last], *later, *result[last:]]


def _sizes(sizes: Mapping[str, Any]) -> Iterator[str]:
    for name, value in sizes.items():
        if isinstance(value, dict):
            inside = ", ".join(f"{k} = {number}" for k, number in value.items())
            yield f"{name} = {{ {inside} }}"
        else:
            yield f"{name} = {value}"


def known_activation(text: str) -> str | None:
    """The usual name of an activation, by its formula."""
    return _ACTIVATIONS.get(text)


def is_activation(kind: str) -> bool:
    """True for the name of an activation that has a formula here."""
    return kind in _ACTIVATIONS.values()
