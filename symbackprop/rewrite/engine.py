"""Applies rules to an equation, records each application as a step and has it checked.

A rule never prints, and the engine knows no rule by name: it takes the table in order, applies each rule until it
no longer fits, and asks the ``check`` it was given to compare both sides numerically.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from symbackprop.derivation import Step
from symbackprop.errors import DerivationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from symbackprop.derivation import Chain, Choices
    from symbackprop.index import Apply, Equation
    from symbackprop.network import Fact, Network

LIMIT = 100
"""Applications of one rule to one equation; more means that it does not end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What rules may look at: the network, the choices, the chains found so far and those to be put in.

    ``elementwise`` lists, by the tensor they read first, the forward equations ``a = g(…)`` of one scalar function.
    """

    network: Network
    choices: Choices
    chains: Mapping[str, Chain]
    put_in: frozenset[str]
    facts_used: dict[str, Fact]
    elementwise: Mapping[str, tuple[tuple[Equation, Apply], ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A named rewriting: its formula, the rewriting itself (None where it does not fit) and why it ends."""

    name: str
    formula: str
    rewrite: Callable[[Equation, Context], tuple[Equation, str] | None]
    shrinks: str


def simplify(
    equation: Equation, rules: tuple[Rule, ...], context: Context, check: Callable[[Step], None]
) -> tuple[Step, ...]:
    """The steps that the rules make of an equation, each checked.

    Raises: DerivationError where a rule does not end or a step fails its check.
    """
    steps: list[Step] = []
    for rule in rules:
        for _ in range(LIMIT):
            outcome = rule.rewrite(equation, context)
            if outcome is None:
                break
            after, note = outcome
            step = Step(rule=rule.name, formula=rule.formula, before=equation, after=after, note=note)
            check(step)
            steps.append(step)
            equation = after
        else:
            message = f"the rule '{rule.name}' does not end on {equation.lhs}"
            raise DerivationError(message)
    return tuple(steps)
