"""Products of many parts, some labels summed: which become entrywise, matrix, outer products, and which an einsum.

``Products.multiply`` merges parts with equal sets of labels, then eliminates summed labels one by one, the one with the
smallest result first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from symbackprop.affine import size
from symbackprop.plan import Contracted, Crossed, Entrywise, Plan, Product, Stacked, Stored, Summed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from symbackprop.matrix import Axis

MATRIX = 2


class Products:
    """Multiplies; ``vectors`` says where a vector stands beside a matrix.

    "columns": right of it; "rows": left of it, unless one of the matrix's axes is the batch's; "as written": where it
    stands in the equation.
    """

    def __init__(self, vectors: str, batch: str | None) -> None:
        self.vectors, self.batch = vectors, batch

    def multiply(self, parts: Sequence[Plan], labels: Mapping[str, Axis], summed: set[str]) -> Plan:
        """The product of parts, summed over some labels: bounds are eliminated by smallest result."""
        work = merged(list(parts))
        left = [label for label in labels if label in summed]
        while left:
            results = {label: [p.labels for p in work if label in p.labels] for label in left}
            label = min(left, key=lambda name, results=results: len(frozenset().union(*results[name])))  # type: ignore[misc]
            left.remove(label)
            inside = [p for p in work if label in p.labels]
            if not inside:
                continue
            place = work.index(inside[0])
            work = [p for p in work if p not in inside]
            others = frozenset().union(*(p.labels for p in work)) if work else frozenset()
            plan = self.eliminate(inside, labels[label], [name for name in left if name not in others], labels)
            gone = {name for name in left if name not in plan.labels and any(name in p.labels for p in inside)}
            left = [name for name in left if name not in gone]
            work.insert(min(place, len(work)), plan)
            work = merged(work)
        return self.spread_product(work, labels)

    def eliminate(self, parts: list[Plan], axis: Axis, alone: Sequence[str], labels: Mapping[str, Axis]) -> Plan:
        """The product of parts that all have ``axis``, summed over it.

        ``alone`` are further summed labels that no other part has: an einsum sums over them at once.
        """
        if len(parts) > MATRIX or (len(parts) == MATRIX and _nested(parts)):
            parts = absorbed(parts)
        if len(parts) == 1:
            plan = parts[0]
            inner = self.inner(plan, axis)
            return inner if inner is not None else Summed(x=plan, over=frozenset({axis.label}))
        outer = [part.labels - {axis.label} for part in parts]
        if len(parts) == MATRIX and not outer[0] & outer[1] and max(map(len, outer)) <= 1:
            return self.product(parts[0], parts[1], axis)
        inside = frozenset().union(*(part.labels for part in parts))
        gone = {axis.label, *(name for name in alone if name in inside)}
        if len(parts) == MATRIX and not outer[0] & outer[1] and min(map(len, outer)) <= 1 and len(gone) == 1:
            stack, right = sorted(parts, key=lambda plan: -len(plan.labels))
            return Stacked(stack=stack, right=right, summed=axis)
        return Contracted(parts=tuple(p for p in parts), to=tuple(labels[x] for x in labels if x in inside - gone))

    def inner(self, plan: Plan, axis: Axis) -> Plan | None:
        """The inner product of two vectors that are tensors and nothing else."""
        if not isinstance(plan, Entrywise) or plan.template is not None or plan.adds or len(plan.parts) != MATRIX:
            return None
        if any(part.axes != (axis,) or not isinstance(part, Stored) for part in plan.parts):
            return None
        return Product(left=plan.parts[0], right=plan.parts[1], summed=axis)

    def product(self, a: Plan, b: Plan, axis: Axis) -> Plan:
        """A matrix product; with one vector, the sides follow the orientation of vectors."""
        sizes = (len(a.labels), len(b.labels))
        if sizes in {(1, MATRIX), (MATRIX, 1)} and self.vectors != "as written":
            vector, matrix = (a, b) if sizes[0] == 1 else (b, a)
            batch = None if self.batch is None else size(self.batch)
            rows = self.vectors == "rows" and not any(each.extent == batch for each in matrix.axes)
            a, b = (vector, matrix) if rows else (matrix, vector)
        return Product(left=a, right=b, summed=axis)

    def spread_product(self, work: list[Plan], labels: Mapping[str, Axis]) -> Plan:
        """The product of parts, nothing summed: entrywise, with repetition, outer, or an einsum."""
        if len(work) == 1:
            return work[0]
        union = frozenset().union(*(p.labels for p in work))
        if any(p.labels == union for p in work):
            return Entrywise(parts=_flat(work))
        if len(work) == MATRIX and all(len(p.labels) == 1 for p in work):
            return Crossed(left=work[0], right=work[1])
        return Contracted(parts=tuple(p for p in work), to=tuple(labels[name] for name in labels if name in union))


def _flat(parts: Sequence[Plan]) -> tuple[Plan, ...]:
    """Factors of an entrywise product, products inside taken apart."""
    found: list[Plan] = []
    for part in parts:
        if isinstance(part, Entrywise) and part.template is None and not part.adds:
            found += part.parts
        else:
            found.append(part)
    return tuple(found)


def merged(parts: list[Plan]) -> list[Plan]:
    """Parts with equal sets of labels become one entrywise product, where the first of them stood."""
    groups: dict[frozenset[str], list[Plan]] = {}
    for part in parts:
        groups.setdefault(part.labels, []).append(part)
    return [group[0] if len(group) == 1 else Entrywise(parts=_flat(group)) for group in groups.values()]


def _nested(parts: Sequence[Plan]) -> bool:
    """True where one of two parts has all labels of the other and both have more than one."""
    small, large = sorted((part.labels for part in parts), key=len)
    return small <= large and len(small) > 1


def absorbed(parts: list[Plan]) -> list[Plan]:
    """Parts whose labels lie within those of another are multiplied into it, repeated along what they lack."""
    result = list(parts)
    while len(result) > 1:
        for part in sorted(result, key=lambda p: len(p.labels)):
            hosts = [other for other in result if other is not part and part.labels <= other.labels]
            if hosts and not (len(result) == MATRIX and not _nested(result)):
                host = min(hosts, key=lambda p: (len(p.labels), result.index(p)))
                pair = [p for p in result if p is part or p is host]
                place = result.index(pair[0])
                result = [p for p in result if p is not part and p is not host]
                result.insert(place, Entrywise(parts=_flat(pair)))
                break
        else:
            break
    return result
