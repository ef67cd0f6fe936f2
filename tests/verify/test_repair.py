"""Planted mistakes are named, and their fixes are right when they are read again."""

from __future__ import annotations

import re

import pytest

from symbackprop import spec
from symbackprop.affine import var
from symbackprop.handwritten import document
from symbackprop.verify import codes, run, verify
from symbackprop.verify.classify import diagnose
from symbackprop.verify.pipeline import Session
from symbackprop.verify.repair_index import letters_in, reindexed

LETS = f"% symbackprop: {codes.LET}\n% symbackprop: let \\delta_i^{{(l)}} = dC/dz[l][i]\n"
NETWORK = spec.loads(codes.EXAMPLE)

PLANTED = [
    (r"\delta^{(l)} = ((W^{(l)})^T \delta^{(l+1)}) \odot f'(z^{(l)})", {"SB201"}),
    (r"\delta^{(l)} = (W^{(l+1)})^T (\delta^{(l+1)} \odot f'(z^{(l)}))", {"SB101", "SB212", "SB201"}),
    (r"\frac{\partial C}{\partial W^{(l)}} = (a^{(l-1)})^T \delta^{(l)}", {"SB101"}),
    (r"\frac{\partial C}{\partial W^{(l)}} = \delta^{(l)} a^{(l-1)}", {"SB102"}),
    (r"\frac{\partial C}{\partial W^{(l)}} = \delta^{(l)} (a^{(l)})^T", {"SB201"}),
    (r"\frac{\partial C}{\partial w_{ij}^{(l)}} = \delta_j^{(l)} a_i^{(l-1)}", {"SB203", "SB202"}),
    (r"\frac{\partial C}{\partial b^{(l)}} = -\delta^{(l)}", {"SB215"}),
    (r"\frac{\partial C}{\partial a_i^{(l)}} = \sum_j w_{ij}^{(l)} \delta_j^{(l+1)}", {"SB203", "SB201"}),
    (r"\delta_i^{(L)} = 2 (a_i^{(L)} - y_i) f'(a_i^{(L)})", {"SB210"}),
    (r"\delta_i^{(L)} = 2 (a_i^{(L)} - y_i) f(z_i^{(L)})", {"SB217"}),
    (r"\delta_i^{(L)} = 2 (a_i^{(L)} - y_i)", {"SB208"}),
    (r"\delta_i^{(L)} = (y_i - a_i^{(L)}) 2 f'(z_i^{(L)})", {"SB215"}),
    (r"\delta_i^{(l)} = f'(z_i^{(l)}) w_{ji}^{(l+1)} \delta_j^{(l+1)}", {"SB213"}),
    (r"\frac{\partial C}{\partial b_i^{(l)}} = \delta_i^{(l)} a_i^{(l)}", {"SB209"}),
    (r"\frac{\partial a_i^{(l)}}{\partial z_j^{(l)}} = f'(z_i^{(l)})", {"SB214"}),
    (r"\frac{\partial C}{\partial a^{(L)}} = 2 a^{(L)} - y", {"SB212", "SB216"}),
    (r"\delta_i^{(L)} = 2 a_i^{(L)} - y_i f'(z_i^{(L)})", {"SB212"}),
    (r"\delta_i^{(L)} = 2 (a_i^{(L)} - y_i + y_i) f'(z_i^{(L)})", {"SB219"}),
    (r"\delta^{(l)} = \delta^{(l+1)} \odot f'(z^{(l)})", {"SB208"}),
    (r"\frac{\partial C}{\partial b^{(l)}} = \frac{1}{2} \delta^{(l)}", {"SB216"}),
]


def judged(formula):
    session = Session(document.read(f"{LETS}\\[\n{formula}\n\\]\n", "tex"), NETWORK)
    return session, list(session.claims())


@pytest.mark.parametrize(("formula", "expected"), PLANTED)
def test_mistake_is_named_and_its_fix_is_right(formula, expected):
    session, found = judged(formula)
    assert found[0].verdict.verdict == "wrong"
    diagnostic = diagnose(found[0], session.worlds)
    assert diagnostic.code in expected, (diagnostic.code, diagnostic.message, diagnostic.fix)
    assert diagnostic.fix is not None
    _, again = judged(diagnostic.fix)
    assert again[0].verdict.verdict == "right", (diagnostic.fix, again[0].verdict.message)
    assert diagnostic.message.endswith(".")
    assert not re.search(r"\\[a-z]", diagnostic.message), "formulas in sentences are Unicode"


def test_fix_keeps_what_the_author_wrote():
    session, found = judged(r"\delta^{(l)} = \left( (W^{(l)})^{T} \,\delta^{(l+1)} \right) \odot f'(z^{(l)})")
    fix = diagnose(found[0], session.worlds).fix
    assert fix == r"\delta^{(l)} = \left( (W^{(l+1)})^{T} \,\delta^{(l+1)} \right) \odot f'(z^{(l)})"


def test_no_fix_is_searched_where_none_is_wanted():
    session, found = judged(PLANTED[0][0])
    assert diagnose(found[0], session.worlds, fix=False).fix is None


def test_where_no_small_change_helps_the_right_formula_is_given():
    session, found = judged(r"\frac{\partial C}{\partial W^{(l)}} = y y^T y y^T + x x^T")
    diagnostic = diagnose(found[0], session.worlds, work=3000)
    assert diagnostic.code in {"SB190", "SB290"}
    assert diagnostic.fix is not None
    assert r"\frac{\partial C}{\partial W^{(" in diagnostic.fix


@pytest.mark.parametrize(
    ("text", "old", "new", "expected"),
    [
        (r"W_{i+1}^T", ("i+1",), ("i",), r"W_{i}^T"),
        (r"w_{ij}", ("i", "j"), ("j", "i"), r"w_{ji}"),
        (r"w_{ij}", ("i", "j"), ("i+1", "j"), r"w_{i+1,j}"),
        (r"a^l_k", ("l", "k"), ("l-1", "k"), r"a^{l-1}_k"),
        (r"x_{i\ell}", ("i", "l"), ("i", "k"), r"x_{ik}"),
    ],
)
def test_indices_change_in_place(text, old, new, expected):
    def form(shown):
        letter, sign, number = re.fullmatch(r"([a-z])(?:([+-])(\d))?", shown).groups()
        return var(letter) + (int(sign + number) if sign else 0)

    assert reindexed(text, tuple(map(form, old)), tuple(map(form, new)), letters_in(text)) == expected


def test_every_small_change_can_be_written_and_said():
    from symbackprop.verify.classify import known_names
    from symbackprop.verify.explain import Explainer
    from symbackprop.verify.repair import Search
    from symbackprop.verify.repair_check import Outcome

    for formula, _ in PLANTED[:6]:
        session, found = judged(formula)
        names = known_names(found[0].setting, session.network)
        search = Search(session.network, found[0].statement, lambda _: Outcome("wrong"), names=names)
        explainer = Explainer(session.network, search.writer)
        for _, change in search._changes(search.members, None):
            text = search.writer.text(change.after)
            assert text.count("{") == text.count("}")
            assert explainer.one(change)


def test_letters_of_commands_are_not_taken_for_arguments():
    text = r"""$x \in \mathbb{R}^n$, $W \in \mathbb{R}^{m \times n}$, $y \in \mathbb{R}^m$
\[ u = W x, \quad a = \sigma(u), \quad E = \sum_i (a_i - y_i)^2 \]
\[ \frac{\partial E}{\partial u} = 2 (a - y) \odot \sigma'(a) \]"""
    (claim,) = run.judged(document.read(text, "tex"))
    assert claim.fix == r"\frac{\partial E}{\partial u} = 2 (a - y) \odot \sigma'(u)"


RELU = spec.loads("""
name = "r"
loss = "C"
parameters = ["W"]
forward = '''
z = W @ x
a = relu(z)
C = sum((a - y)**2) / 2
'''
[shapes]
W = "k d"
x = "d"
y = "k"
""")


@pytest.mark.parametrize(
    ("value", "otherwise", "fix"),
    [
        ("x", "0", r"\begin{cases} \frac{\partial C}{\partial a} & z > 0 \\ 0 & z \le 0 \end{cases}"),
        ("a - y", "5", r"\begin{cases} a - y & z > 0 \\ 0 & z \le 0 \end{cases}"),
    ],
)
def test_the_value_of_one_case_is_mended(value, otherwise, fix):
    cases = rf"\begin{{cases}} {value} & z > 0 \\ {otherwise} & z \le 0 \end{{cases}}"
    (found,) = verify(rf"\[ \frac{{\partial C}}{{\partial z}} = {cases} \]", RELU)
    assert (found.verdict, found.fix) == ("wrong", rf"\frac{{\partial C}}{{\partial z}} = {fix}")
