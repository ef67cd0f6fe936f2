"""Verdicts on hand-built statements from documents that people wrote: right ones, their usual faults, conventions."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from symbackprop import gallery, spec
from symbackprop.affine import Affine, size, var
from symbackprop.handwritten import expression as ex
from symbackprop.verify.conventions import Let, Setting
from symbackprop.verify.judge import Verdict, Worlds, judge
from symbackprop.verify.judge_names import recognised

NETWORKS = Path(__file__).parents[1] / "data" / "networks"


@dataclass
class Statement:
    members: tuple[ex.Node, ...]
    relations: tuple[str, ...] = ()
    conditions: tuple[ex.Condition, ...] = ()
    shape: tuple[Affine, ...] | None = None


@cache
def worlds(name: str) -> Worlds:
    path = gallery.path(name) if name in gallery.names() else NETWORKS / f"{name}.toml"
    return Worlds(spec.load(str(path)))


def verdict(net: str, *members: ex.Node, relations: tuple[str, ...] = (), **setting: Any) -> Verdict:
    return judge(Statement(members, relations), Setting(**setting), worlds(net))


def q(tensor: str, *family: Affine | int, el: tuple[Any, ...] = ()) -> ex.Quantity:
    return ex.Quantity(
        tensor=tensor,
        family=tuple(Affine(f) if isinstance(f, int) else f for f in family),
        element=tuple(Affine(e) if isinstance(e, int) else e for e in el),
    )


def times(*factors: ex.Node, sign: str = "juxtaposition") -> ex.Product:
    return ex.Product(factors=factors, signs=("juxtaposition", *(sign,) * (len(factors) - 1)))  # type: ignore[arg-type]


def mixed(*parts: Any) -> ex.Product:
    """Factors with signs between: mixed(a, "circ", b)."""
    return ex.Product(factors=tuple(parts[::2]), signs=("juxtaposition", *parts[1::2]))


def minus(a: ex.Node, b: ex.Node) -> ex.Sum:
    return ex.Sum(terms=(a, b), signs=(1, -1))


def plus(*terms: ex.Node) -> ex.Sum:
    return ex.Sum(terms=terms, signs=(1,) * len(terms))


def num(value: Any) -> ex.Number:
    return ex.Number(value=Fraction(value))


def d(of: str | ex.Node, by: ex.Node) -> ex.Derivative:
    return ex.Derivative(of=q(of) if isinstance(of, str) else of, by=by)


def t(node: ex.Node) -> ex.Transpose:
    return ex.Transpose(of=node)


def total(letter: str | None, body: ex.Node, lo: Affine | None = None, hi: Affine | None = None) -> ex.BigOperator:
    return ex.BigOperator(kind="sum", letter=letter, lo=lo, hi=hi, body=body)


def slope(argument: ex.Node, name: str = "f", *family: Affine) -> ex.Call:
    return ex.Call(function=name, arguments=(argument,), order=1, family=family)


i, j, k, l, n, L = var("i"), var("j"), var("k"), var("l"), size("n"), size("L")  # noqa: E741


# ---- layers as subscripts, one output -----------------------------------------------------------------------------


def s0(at: Affine) -> ex.Node:
    return times(q("W", at), q("z", at - 1))


ERROR = times(num(2), minus(q("yhat"), q("y")), slope(s0(n + 1)))
K = {"k": Let(letters=("i",), value=d("MSE", q("s", i)))}


def kk(at: Affine) -> ex.Named:
    return ex.Named(name="k", index=(at,))


def test_right_at_the_output() -> None:
    found = verdict("seed_000", kk(n + 1), ERROR, lets=K)
    assert found.verdict == "right"
    assert found.evidence is not None
    assert found.evidence.kind == "equal modulo p"


def test_one_row_matrix_as_a_vector() -> None:
    found = verdict(
        "seed_000", d("MSE", q("W", n + 1)), times(*ERROR.factors, q("z", n)), times(kk(n + 1), q("z", n)), lets=K
    )
    assert found.verdict == "right-under-convention"
    assert "vector" in (found.convention or "")
    hadamard = times(kk(n + 1), mixed(q("W", n + 1), "circ", slope(s0(n))))
    again = verdict("seed_000", d("MSE", q("W", n)), mixed(hadamard, "otimes", q("z", n - 1)), lets=K)
    assert again.verdict == "right-under-convention"


def test_recursion_needs_the_next_layer_and_a_transpose() -> None:
    right = mixed(times(t(q("W", i + 1)), kk(i + 1)), "circ", slope(s0(i)))
    assert verdict("seed_000", kk(i), right, lets=K).verdict == "right"
    posted = mixed(times(t(kk(i + 1)), q("W", i)), "circ", slope(s0(i)))
    found = verdict("seed_000", kk(i), posted, lets=K)
    assert found.verdict == "wrong"
    assert found.misfit is not None
    same_layer = mixed(times(t(q("W", i)), kk(i + 1)), "circ", slope(s0(i)))
    assert verdict("seed_000", kk(i), same_layer, lets=K).verdict == "wrong"
    argument = mixed(times(t(q("W", i + 1)), kk(i + 1)), "circ", slope(s0(i + 1)))
    assert verdict("seed_000", kk(i), argument, lets=K).verdict == "wrong"


def test_differentials_fix_the_precedence() -> None:
    dz, dw = ex.Differential(of=q("z", i)), ex.Differential(of=q("W", i))
    first = mixed(slope(s0(i)), "circ", dw, "juxtaposition", q("z", i - 1))
    second = mixed(slope(s0(i)), "circ", q("W", i), "juxtaposition", ex.Differential(of=q("z", i - 1)))
    found = verdict("seed_000", dz, plus(first, second))
    assert found.verdict == "right"
    assert found.settles == "juxtaposition"
    posted = mixed(t(q("W", i + 1)), "juxtaposition", d("MSE", q("z", i + 1)), "circ", slope(s0(i + 1)))
    loose = verdict("seed_000", d("MSE", q("z", i)), posted)
    assert loose.verdict == "right-under-convention"
    assert "⊙" in (loose.convention or "")
    assert verdict("seed_000", d("MSE", q("z", i)), posted, precedence="juxtaposition").verdict == "wrong"


def test_inner_products_of_differentials() -> None:
    claim = ex.Differential(of=q("MSE"))
    body = mixed(
        *(x for f in ERROR.factors for x in (f, "juxtaposition")), q("W", n + 1), "cdot", ex.Differential(of=q("z", n))
    )
    found = verdict("seed_000", body, claim=claim, products={"cdot": "inner"})
    assert found.verdict == "right-under-convention"
    wrong = plus(mixed(t(q("h")), "juxtaposition", ex.Named(name="A"), "cdot", ex.Differential(of=q("W"))),
                 mixed(ex.Named(name="A"), "juxtaposition", t(q("W")), "cdot", ex.Differential(of=q("h"))))  # fmt: skip
    right = plus(mixed(ex.Named(name="A"), "juxtaposition", t(q("h")), "cdot", ex.Differential(of=q("W"))),
                 mixed(t(q("W")), "juxtaposition", ex.Named(name="A"), "cdot", ex.Differential(of=q("h"))))  # fmt: skip
    lets = {"A": Let(value=d("MSE", q("l")))}
    options: dict[str, Any] = {"claim": claim, "products": {"cdot": "inner"}, "lets": lets}
    assert verdict("seed_000_linear", wrong, **options).verdict == "wrong"
    assert verdict("seed_000_linear", right, **options).verdict == "right"


def test_ellipses_in_products() -> None:
    first = ex.Elided(first=t(q("W", i + 1)), second=None, last=t(q("W", n)), sign="juxtaposition")
    slopes = ex.Elided(first=slope(s0(n)), second=None, last=slope(s0(i + 1)), sign="circ")
    posted = mixed(first, "juxtaposition", ex.Named(name="kz"), "circ", slopes)
    lets = {"kz": Let(value=d("MSE", q("z", n)))}
    assert verdict("seed_000", d("MSE", q("z", i)), posted, lets=lets).verdict == "wrong"
    diagonal = times(t(q("W", i + 1)), ex.Operation(name="diag", arguments=(slope(s0(i + 1)),)))
    last = times(t(q("W", n)), ex.Operation(name="diag", arguments=(slope(s0(n)),)))
    right = times(ex.Elided(first=diagonal, second=None, last=last, sign="juxtaposition"), ex.Named(name="kz"))
    assert verdict("seed_000", d("MSE", q("z", i)), right, lets=lets).verdict == "right"


def test_derivative_by_an_expression() -> None:
    assert verdict("seed_000", d("MSE", s0(n + 1)), ERROR).verdict == "right"


# ---- layouts and contractions --------------------------------------------------------------------------------------


def test_layouts_are_named() -> None:
    found = verdict("seed_001", d(q("Yhat"), q("H2")), t(q("Wy")))
    assert found.verdict == "right-under-convention"
    assert "denominator" in (found.convention or "")
    assert verdict("seed_001", d(q("Yhat"), q("H2")), q("Wy")).verdict == "right"
    stated = verdict("seed_001", d(q("Yhat"), q("H2")), t(q("Wy")), layout_vectors="denominator")
    assert stated.verdict == "right"
    chain = mixed(d(q("Yhat"), q("H2")), "dot", d("loss", q("Yhat")))
    assert verdict("seed_001", d("loss", q("H2")), chain).verdict == "right-under-convention"


def test_derivatives_by_tensors_contract() -> None:
    wx, h2 = q("Wx"), q("H2")
    right = mixed(d("loss", h2), "dot", d(h2, wx))
    assert verdict("seed_001", d("loss", wx), right).verdict == "right"
    inner = plus(times(q("Wh"), wx, q("X1")), times(wx, q("X2")))
    turned = mixed(d(q("Yhat"), h2), "dot", d("loss", q("Yhat")), "dot", d(inner, wx))
    assert verdict("seed_001", d("loss", wx), turned).verdict == "right-under-convention"
    chain = times(d(h2, q("H1")), d(q("H1"), wx))
    assert verdict("seed_001", d(times(q("Wh"), wx, q("X1")), wx), chain).verdict == "right"
    turned_chain = t(times(t(d(q("H1"), wx)), t(d(h2, q("H1")))))
    assert verdict("seed_001", d(times(q("Wh"), wx, q("X1")), wx), turned_chain).verdict == "right"
    wrong = times(t(q("Wh")), t(q("X1")))
    assert verdict("seed_001", d(times(q("Wh"), wx, q("X1")), wx), wrong).verdict == "wrong"


def test_explicit_partial_derivatives() -> None:
    row = q("Wx", el=(j, ex.Slice()))
    terms = [times(d("L", q(h, el=(j,))), d(q(h, el=(j,)), row)) for h in ("H1", "H2")]
    found = verdict("seed_001_answer2", d("L", row), plus(*terms))
    assert found.verdict == "right-under-convention"
    assert "explicit" in (found.convention or "")
    ranged = total("k", times(d("L", q("H2", el=(k,))), q("Wx", el=(k, j))), Affine(1), n)
    assert verdict("seed_001_answer2", d("L", q("H1", el=(j,))), ranged).verdict == "wrong"
    fixed = total("k", times(d("L", q("H2", el=(k,))), q("Wh", el=(k, j))), Affine(1), n)
    assert verdict("seed_001_answer2", d("L", q("H1", el=(j,))), fixed).verdict == "right"


# ---- layers as superscripts, index form ----------------------------------------------------------------------------


def a(at: Affine, *el: Affine) -> ex.Quantity:
    return q("a", at, el=el)


def dsigma(at: Affine, *el: Affine) -> ex.Call:
    return slope(q("z", at, el=el), "sigma", at)


def size_n(at: Affine) -> Affine:
    return size("n", at)


def test_elements_of_a_layer() -> None:
    left = d("C", q("W", l, el=(i, j)))
    right = mixed(a(l - 1, j), "juxtaposition", dsigma(l, i), "cdot", d("C", a(l, i)))
    assert verdict("seed_002", left, right).verdict == "right"
    chain = mixed(
        d(q("z", l, el=(i,)), q("W", l, el=(i, j))), "cdot", d(a(l, i), q("z", l, el=(i,))), "cdot", d("C", a(l, i))
    )
    assert verdict("seed_002", left, chain).verdict == "right"
    swapped = mixed(a(L - 1, i), "juxtaposition", dsigma(L, i), "juxtaposition", d("C", a(L, i)))
    found = verdict("seed_002", d("C", q("W", L, el=(i, j))), swapped)
    assert found.verdict == "wrong"
    assert verdict("seed_002", d("C", a(L, i)), times(num(2), minus(a(L, i), q("y", el=(i,))))).verdict == "right"
    half = verdict("seed_002", d("C", a(L, i)), minus(a(L, i), q("y", el=(i,))))
    assert half.verdict == "right-under-convention"
    assert "factor" in (half.convention or "")
    assert verdict("seed_002", d("C", a(L, i)), times(num(3), minus(a(L, i), q("y", el=(i,))))).verdict == "wrong"
    assert verdict("seed_002", d("C", a(L, i)), times(num(-2), minus(a(L, i), q("y", el=(i,))))).verdict == "wrong"


def test_a_chain_names_its_first_wrong_member() -> None:
    left = d("C", a(l - 1, k))
    first = mixed(d(q("z", l, el=(j,)), a(l - 1, k)), "cdot", d(a(l, j), q("z", l, el=(j,))), "cdot", d("C", a(l, j)))
    second = mixed(q("W", l, el=(j, k)), "juxtaposition", dsigma(l, j), "cdot", d("C", a(l, j)))
    links = [total("j", body, Affine(1), size_n(l)) for body in (first, second)]
    assert verdict("seed_002", left, *links).verdict == "right"
    bad = total("j", mixed(q("W", l, el=(j, k)), "juxtaposition", dsigma(l, j)), Affine(1), size_n(l))
    found = verdict("seed_002", left, links[0], bad, links[1])
    assert found.verdict == "wrong"
    assert found.wrong_member == 2
    assert found.counterexample is not None
    assert set(found.counterexample.letters) == {"l", "k"}


def test_matrix_form_of_a_layer() -> None:
    inner = mixed(dsigma(l), "odot", d("C", a(l)))
    assert verdict("seed_002", d("C", a(l - 1)), times(t(q("W", l)), inner)).verdict == "right"
    found = verdict("seed_002", d("C", a(l - 1)), times(q("W", l), inner))
    assert found.verdict == "wrong"
    assert found.misfit is not None
    posted = times(q("W", l), mixed(slope(q("z", l), "sigma", l + 1), "odot", d("C", a(l + 1))))
    assert verdict("seed_002", d("C", a(l)), posted).verdict == "wrong"
    assert verdict("seed_002", d("C", q("W", l)), times(d("C", q("b", l)), t(a(l - 1)))).verdict == "right"
    assert verdict("seed_002", d("C", q("W", l)), times(d("C", q("b", l)), a(l - 1))).verdict == "wrong"
    turned = verdict("seed_002", d("C", q("W", l)), times(a(l - 1), t(d("C", q("b", l)))))
    assert turned.verdict in {"wrong", "right-under-convention"}


def test_sum_over_examples_starts_at_one() -> None:
    nabla = [ex.Derivative(of=m, by=ex.Operation(name="parameters", arguments=())) for m in
             (q("C"), q("Ck", el=(0,)), q("Ck", el=(1,)), q("Ck", el=(2,)), q("Ck", el=(size("N"),)))]  # fmt: skip
    relation: dict[str, Any] = {"relations": ("\\approx",)}
    meaning = Setting(relations={"\\approx": "positive multiple"})
    posted = ex.Sum(terms=(ex.Elided(first=nabla[1], second=nabla[2], last=nabla[4], sign="plus"),), signs=(1,))
    assert judge(Statement((nabla[0], posted), **relation), meaning, worlds("seed_002_batch")).verdict == "wrong"
    fixed = ex.Sum(terms=(ex.Elided(first=nabla[2], second=nabla[3], last=nabla[4], sign="plus"),), signs=(1,))
    assert judge(Statement((nabla[0], fixed), **relation), meaning, worlds("seed_002_batch")).verdict == "right"


# ---- rows, batches, factors ----------------------------------------------------------------------------------------


N = ex.Letter(form=size("N"))
SCALED = {
    "O": Let(value=times(N, d("MSE", q("O_in")))),
    "E": Let(value=times(N, d("MSE", q("H_out")))),
    "D": Let(value=times(N, d("MSE", q("H_in")))),
}


def name(text: str) -> ex.Named:
    return ex.Named(name=text)


def test_batch_in_rows() -> None:
    assert verdict("seed_003", name("E"), times(name("O"), t(q("W2"))), lets=SCALED).verdict == "right"
    output = minus(num(1), q("H_out"))
    assert (
        verdict("seed_003", name("D"), times(name("E"), q("H_out"), output, sign="odot"), lets=SCALED).verdict
        == "right"
    )
    mean = ex.Quotient(over=num(1), under=N)
    assert verdict("seed_003", d("MSE", q("W1")), times(mean, t(q("X")), name("D")), lets=SCALED).verdict == "right"
    missing = verdict("seed_003", d("MSE", q("W1")), times(t(q("X")), name("D")), lets=SCALED)
    assert missing.verdict != "right"
    assert verdict("seed_003", name("E"), times(name("O"), q("W2")), lets=SCALED).verdict == "wrong"
    slopes = verdict("seed_003", d(q("H_out"), q("H_in")), times(q("H_out"), output))
    assert slopes.verdict == "right-under-convention"


def test_missing_mean_and_sum() -> None:
    lets = {"D3": Let(value=d("L", q("z2"))), "D2": Let(value=d("L", q("z1")))}
    found = verdict("wildml", name("D3"), minus(q("yhat"), q("y")), lets=lets)
    assert found.verdict == "right-under-convention"
    assert "N" in (found.convention or "")
    assert verdict("wildml", d("L", q("b2")), name("D3"), lets=lets).verdict == "wrong"
    square = ex.Power(base=ex.Call(function="tanh", arguments=(q("z1"),)), exponent=num(2))
    good = mixed(minus(num(1), square), "circ", name("D3"), "juxtaposition", t(q("W2")))
    assert verdict("wildml", name("D2"), good, lets=lets).verdict == "right"
    other = ex.Power(base=ex.Call(function="tanh", arguments=(q("z2"),)), exponent=num(2))
    bad = mixed(minus(num(1), other), "circ", name("D3"), "juxtaposition", t(q("W2")))
    assert verdict("wildml", name("D2"), bad, lets=lets).verdict == "wrong"
    ones = ex.Operation(name="ones", arguments=())
    rows = verdict("wildml", d("L", q("b2")), times(t(ones), name("D3")), lets=lets)
    assert rows.verdict == "right"


# ---- scalar notation -----------------------------------------------------------------------------------------------


def test_scalar_notation() -> None:
    zk, zh, yj = q("z", el=(k,)), q("zhat", el=(k,)), q("y", el=(j,))
    delta = {
        "dk": Let(letters=("k",), value=d("L", q("s_z", el=(k,)))),
        "dj": Let(letters=("j",), value=d("L", q("s_y", el=(j,)))),
    }
    dk, dj = ex.Named(name="dk", index=(k,)), ex.Named(name="dj", index=(j,))
    wb = q("w_b", el=(j, k))
    assert verdict("seed_004", dk, times(minus(zk, zh), zk, minus(num(1), zk)), lets=delta).verdict == "right"
    assert (
        verdict("seed_004", dj, times(total("k", times(dk, wb)), yj, minus(num(1), yj)), lets=delta).verdict == "right"
    )
    assert verdict("seed_004", dj, times(dk, wb, yj, minus(num(1), yj)), lets=delta).verdict == "wrong"
    square = ex.Power(base=minus(zk, zh), exponent=num(2))
    half = ex.Quotient(over=num(1), under=num(2))
    chain = (
        d("L", yj),
        times(half, ex.Derivative(of=total("k", square), by=yj)),
        times(half, total("k", ex.Derivative(of=square, by=yj))),
        total("k", times(d(zk, yj), minus(zk, zh))),
    )
    assert verdict("seed_004", *chain).verdict == "right"
    x = ex.Letter(form=var("x"))
    sigma = ex.Call(function="sigmoid", arguments=(x,))
    slope_x = ex.Call(function="sigmoid", arguments=(x,), order=1)
    assert verdict("seed_004", slope_x, times(sigma, minus(num(1), sigma)), scalars=frozenset({"x"})).verdict == "right"
    assert verdict("seed_004", slope_x, times(sigma, plus(num(1), sigma)), scalars=frozenset({"x"})).verdict == "wrong"


def test_cases_with_conditions() -> None:
    m = size("M")
    yj = q("a", l, el=(j,))
    slope_j = times(yj, minus(num(1), yj))
    top = times(minus(yj, q("yhat", el=(j,))), slope_j)
    below = times(total("k", times(d("L", q("s", l + 1, el=(k,))), q("w", l + 1, el=(j, k)))), slope_j)
    letter = ex.Letter(form=l)
    cases = ex.Cases(rows=(
        (top, (ex.Condition(left=letter, sign="=", right=ex.Letter(form=m)),)),
        (below, (ex.Condition(left=letter, sign="<", right=ex.Letter(form=m)),)),
    ))  # fmt: skip
    found = verdict("seed_004_general", d("L", q("s", l, el=(j,))), cases, ranges={"l": (Affine(1), m)})
    assert found.verdict == "right"
    prose = ex.Cases(rows=((top, None), (below, None)))
    assert verdict("seed_004_general", d("L", q("s", l, el=(j,))), prose).verdict == "undecided"


# ---- softmax, recurrences, cells -----------------------------------------------------------------------------------


def test_softmax() -> None:
    yi, yj = q("A", el=(i,)), q("A", el=(j,))
    equal = (ex.Condition(left=ex.Letter(form=i), sign="=", right=ex.Letter(form=j)),)
    cases = ex.Cases(rows=((times(yi, minus(num(1), yi)), equal), (times(num(-1), yi, yj), ())))
    assert verdict("softmax_ce", d(yi, q("Z", el=(j,))), cases).verdict == "right"
    assert verdict("softmax_ce", d("E", q("Z")), minus(q("A"), q("T"))).verdict == "right"
    loss = times(
        num(-1), total(None, times(q("T", el=(i,)), ex.Quotient(over=num(1), under=yi), d(yi, q("Z", el=(j,)))))
    )
    assert verdict("softmax_ce", d("E", q("Z", el=(j,))), loss).verdict == "right"
    matrix = minus(ex.Operation(name="diag", arguments=(q("A"),)), times(q("A"), t(q("A"))))
    assert verdict("softmax_ce", d(q("A"), q("Z")), matrix).verdict == "right"
    delta = ex.Operation(name="kronecker", arguments=(ex.Letter(form=i), ex.Letter(form=j)))
    assert verdict("softmax_ce", d(yi, q("Z", el=(j,))), times(yi, minus(delta, yj))).verdict == "right"
    assert verdict("softmax_ce", d(yi, q("Z", el=(j,))), times(yj, minus(delta, yj))).verdict == "wrong"


def test_matrix_with_dots() -> None:
    def z(at: Affine) -> ex.Node:
        return q("A", el=(at,))

    last = size("c") - 1
    dots = ex.Operation(name="dots", arguments=())

    def entry(r: Affine, c: Affine) -> ex.Node:
        return times(z(r), minus(num(1), z(r))) if r == c else times(num(-1), z(r), z(c))

    rows = [Affine(0), Affine(1), last]
    table = [(entry(r, rows[0]), entry(r, rows[1]), dots, entry(r, rows[2])) for r in rows]
    array = ex.Array(rows=(table[0], table[1], (dots,) * 4, table[2]))
    assert verdict("softmax_ce", d(q("A"), q("Z")), array, base=0).verdict == "right"
    table[0] = (table[0][0], entry(Affine(1), last), dots, table[0][3])
    bad = ex.Array(rows=(table[0], table[1], (dots,) * 4, table[2]))
    assert verdict("softmax_ce", d(q("A"), q("Z")), bad, base=0).verdict != "right"
    kk_ = var("k")
    one, two = Affine(1), Affine(2)
    lets = {"d": Let(letters=("k",), value=d("J", q("z", kk_)))}

    def entry_k(r: Affine, c: Affine) -> ex.Node:
        return times(ex.Named(name="d", index=(kk_ + 1,), element=(r,)), q("a", kk_, el=(c,)))

    pattern = ex.Array(rows=(
        (entry_k(one, one), entry_k(one, two), dots), (entry_k(two, one), entry_k(two, two), dots), (dots, dots, dots),
    ))  # fmt: skip
    outer = times(ex.Named(name="d", index=(kk_ + 1,)), t(q("a", kk_)))
    assert verdict("cs224n_notes3", pattern, outer, claim=d("J", q("W", kk_)), lets=lets).verdict == "right"


def test_recurrence() -> None:
    t_ = var("t")
    unit = q("h", t_ + 1, el=(i,))
    left = d(unit, q("h", t_, el=(j,)))
    square = ex.Power(base=unit, exponent=num(2))
    assert verdict("rnn_tanh", left, minus(num(1), times(square, q("W", el=(i, j))))).verdict == "wrong"
    assert verdict("rnn_tanh", left, times(minus(num(1), square), q("W", el=(i, j)))).verdict == "right"
    e4 = q("E", 4)
    product = ex.BigOperator(kind="product", letter="j", lo=k + 1, hi=Affine(4), body=d(q("s", j), q("s", j - 1)))
    body = mixed(d(e4, q("s", 4)), "dot", product, "juxtaposition", d(q("s", k), q("W")))
    through = total("k", body, Affine(1), Affine(4))
    found = verdict("rnn_linear_softmax", d(e4, q("W")), through)
    assert found.verdict == "right-under-convention"
    assert "explicit" in (found.convention or "")


CELL = {
    "da": Let(value=d("L", q("a_next"))), "dc": Let(value=d("L", q("c_out"))), "do": Let(value=d("L", q("p_o"))),
    "df": Let(value=d("L", q("p_f"))), "dcp": Let(value=d("L", q("c_prev"))), "dWf": Let(value=d("L", q("W_f"))),
    "dap": Let(value=d("L", q("a_prev"))), "du": Let(value=d("L", q("p_u"))), "dct": Let(value=d("L", q("p_c"))),
}  # fmt: skip


def test_lstm() -> None:
    tanh_c = ex.Call(function="tanh", arguments=(q("c_next"),))
    gate = q("G_o")
    seven = times(name("da"), tanh_c, gate, minus(num(1), gate), sign="star")
    assert verdict("lstm", name("do"), seven, lets=CELL).verdict == "right"
    stacked = t(ex.Array(rows=((q("a_prev"),), (q("x"),))))
    weights = verdict("lstm", name("dWf"), times(name("df"), stacked, sign="star"), lets=CELL)
    assert weights.verdict == "right-under-convention"
    rest = minus(num(1), ex.Power(base=tanh_c, exponent=num(2)))
    sixteen = plus(times(name("dc"), q("G_f")), times(gate, rest, q("G_f"), name("da"), sign="star"))
    found = verdict("lstm", name("dcp"), sixteen, lets=CELL)
    assert found.verdict == "right-under-convention"
    assert "juxtaposition" in (found.convention or "")
    blocks = [q(w, el=(ex.Slice(), ex.Slice(lo=Affine(1), hi=size("na")))) for w in ("W_f", "W_u", "W_c", "W_o")]
    terms = [times(t(w), name(g), sign="star") for w, g in zip(blocks, ("df", "du", "dct", "do"), strict=True)]
    assert verdict("lstm", name("dap"), plus(*terms), lets=CELL).verdict == "right-under-convention"
    assert verdict("lstm", name("dap"), plus(*terms), lets=CELL, products={"star": "matrix"}).verdict == "right"
    assert verdict("lstm", name("dap"), plus(*terms[:3]), lets=CELL).verdict == "wrong"


# ---- least squares -------------------------------------------------------------------------------------------------


X, W_, Y = q("X"), q("w"), q("y")
RESIDUAL = minus(Y, times(X, W_))


def test_least_squares() -> None:
    claim = d("L", W_)
    rows = verdict("least_squares", claim, times(num(2), minus(times(t(W_), t(X), X), times(t(Y), X))))
    assert rows.verdict == "right-under-convention"
    assert "numerator" in (rows.convention or "")
    assert (
        verdict("least_squares", claim, minus(times(t(X), X, W_), times(t(X), Y))).verdict == "right-under-convention"
    )
    assert verdict("least_squares", times(num(2), RESIDUAL, times(num(-1), X)), claim=claim).verdict == "wrong"
    theirs = times(num(2), t(RESIDUAL), times(num(-1), X))
    assert (
        verdict("least_squares", claim, theirs, layout_vectors="numerator", layout_matrices="numerator").verdict
        == "right"
    )
    shifted = minus(times(X, W_), Y)
    loss = times(t(shifted), shifted)
    product = times(t(d(shifted, W_)), d(loss, shifted))
    assert verdict("least_squares", product, times(num(2), t(X), shifted), claim=claim).verdict == "right"
    mixed_up = minus(minus(times(num(2), t(X), X, W_), times(t(X), Y)), times(t(Y), X))
    assert verdict("least_squares", claim, mixed_up).verdict == "wrong"


def test_updates() -> None:
    rate = ex.Unknown(name="\\eta")
    gradient = times(num(2), t(X), minus(times(X, W_), Y))
    down = ex.Update(target=W_, value=minus(W_, times(rate, gradient)), kind="assign")
    assert verdict("least_squares", down).verdict == "right"
    up = ex.Update(target=W_, value=plus(W_, times(rate, gradient)), kind="assign")
    assert verdict("least_squares", up).verdict == "wrong"
    step = ex.Update(target=W_, value=times(num(-1), rate, gradient), kind="increment")
    assert verdict("least_squares", step).verdict == "right"
    halved = ex.Update(target=W_, value=times(num(-1), rate, t(X), Y), kind="increment")
    assert verdict("least_squares", halved).verdict == "wrong"


def test_accumulation() -> None:
    target = name("G")
    gradient = times(num(2), t(X), minus(times(X, W_), Y))
    added = plus(target, gradient)
    options: dict[str, Any] = {"claim": d("L", W_), "accumulate": True}
    assert verdict("least_squares", target, added, **options).verdict == "right"
    assert verdict("least_squares", target, plus(target, times(t(X), Y)), **options).verdict == "wrong"


# ---- faults that shapes do not show ----------------------------------------------------------------------------------


def test_faults_where_all_sizes_are_equal() -> None:
    back, wh, x1 = d("L", q("H2")), q("Wh"), q("X1")
    assert verdict("seed_001_answer2", d("L", q("H1")), times(t(wh), back)).verdict == "right"
    assert verdict("seed_001_answer2", d("L", q("H1")), times(wh, back)).verdict == "wrong"
    assert verdict("seed_001_answer2", d("L", wh), times(back, t(q("H1")))).verdict == "right"
    assert verdict("seed_001_answer2", d("L", wh), times(back, t(q("H2")))).verdict == "wrong"
    assert verdict("seed_001_answer2", d("L", wh), times(q("H1"), t(back))).verdict != "right"
    shared = plus(times(d("L", q("H1")), t(x1)), times(back, t(q("X2"))))
    assert verdict("seed_001_answer2", d("L", q("Wx")), shared).verdict == "right"
    one_use = times(back, t(q("X2")))
    assert verdict("seed_001_answer2", d("L", q("Wx")), one_use).verdict != "right"
    swapped = plus(times(d("L", q("H1")), t(q("X2"))), times(back, t(x1)))
    assert verdict("seed_001_answer2", d("L", q("Wx")), swapped).verdict == "wrong"


def test_a_recursion_has_no_constant_of_the_loss() -> None:
    lets = {"d": Let(letters=("l",), value=d("C", q("z", l)))}
    inner = mixed(times(t(q("W", l + 1)), ex.Named(name="d", index=(l + 1,))), "odot", dsigma(l))
    assert verdict("seed_002", ex.Named(name="d", index=(l,)), inner, lets=lets).verdict == "right"
    assert verdict("seed_002", ex.Named(name="d", index=(l,)), times(num(2), inner), lets=lets).verdict == "wrong"
    negative = times(num(-1), inner)
    assert verdict("seed_002", ex.Named(name="d", index=(l,)), negative, lets=lets).verdict == "wrong"


def test_what_is_too_large_is_undecided() -> None:
    many = total("k", q("w", el=(i,)), Affine(1), Affine(10**9))
    found = verdict("least_squares", q("w", el=(i,)), many)
    assert found.verdict == "undecided"
    ones = ex.Operation(name="ones", arguments=(ex.Letter(form=Affine(10**9)),))
    assert verdict("least_squares", W_, ones).verdict == "undecided"


def test_biases_lie_along_their_axis_whatever_the_sizes() -> None:
    layer = plus(times(a(l - 1), t(q("W", l))), q("b", l))
    assert verdict("seed_002_batch", q("z", l), layer).verdict == "right"


def test_products_over_steps_are_ordered() -> None:
    chain = ex.BigOperator(kind="product", letter="j", lo=k + 1, hi=n, body=times(
        ex.Operation(name="diag", arguments=(slope(s0(j)),)), q("W", j)))  # fmt: skip
    assert verdict("seed_000", d(q("z", n), q("z", k)), chain).verdict == "right"
    turned = ex.BigOperator(kind="product", letter="j", lo=k + 1, hi=n, body=times(
        t(q("W", j)), ex.Operation(name="diag", arguments=(slope(s0(j)),))))  # fmt: skip
    assert verdict("seed_000", t(d(q("z", n), q("z", k))), turned).verdict == "right"
    other = ex.BigOperator(kind="product", letter="j", lo=k + 1, hi=n, body=times(
        q("W", j), ex.Operation(name="diag", arguments=(slope(s0(j)),))))  # fmt: skip
    assert verdict("seed_000", d(q("z", n), q("z", k)), other).verdict == "wrong"


# ---- what cannot be judged -----------------------------------------------------------------------------------------


def test_unknown_names_are_unreadable() -> None:
    found = verdict("least_squares", d("L", W_), times(t(X), ex.Unknown(name="i_t")))
    assert found.verdict == "unreadable"
    assert "i_t" in found.message


def test_index_outside_its_range_is_wrong() -> None:
    beyond = times(t(q("W", L + 1)), d("C", a(L)))
    assert verdict("seed_002", d("C", a(L)), beyond).verdict == "wrong"


def test_an_index_that_never_fits_is_wrong() -> None:
    found = verdict("seed_002", d("C", a(l)), times(t(q("W", l + L + 1)), d("C", a(l))))
    assert found.verdict == "wrong"
    assert "outside its range" in found.message


def test_shapes_that_are_stated_are_checked() -> None:
    gradient = d("L", W_)
    right = Statement((gradient, times(num(2), t(X), minus(times(X, W_), Y))), shape=(n,))
    assert judge(right, Setting(), worlds("least_squares")).verdict == "right"
    wrong = Statement(right.members, shape=(size("m"),))
    found = judge(wrong, Setting(), worlds("least_squares"))
    assert found.verdict == "wrong"
    assert found.message == "the shape is n × 1, not m"
    alone = Statement((q("X"),), shape=(size("m"), n))
    assert judge(alone, Setting(), worlds("least_squares")).verdict == "right"


def test_approximations_hold_to_their_digits() -> None:
    third = ex.Quotient(over=num(1), under=num(3))
    near, far = (ex.Number(value=Fraction(x), digits=4) for x in ("0.3333", "0.3335"))
    assert verdict("least_squares", third, near, relations=("\\approx",)).verdict == "right"
    assert verdict("least_squares", third, far, relations=("\\approx",)).verdict == "wrong"
    assert verdict("least_squares", d("L", W_), W_, relations=("\\approx",)).verdict == "undecided"


@pytest.mark.parametrize("net", ["seed_000", "seed_002", "ufldl", "wildml", "lstm"])
def test_same_form_is_evidence(net: str) -> None:
    w = worlds(net)
    parameter = w.network.parameters[0]
    family = tuple(var("l") for _ in w.network.tensors[parameter].family)
    left = d(w.network.loss, ex.Quantity(tensor=parameter, family=family))
    found = verdict(net, left, left)
    assert found.verdict == "right"
    assert found.evidence is not None
    assert found.evidence.kind == "same form"


# ---- names that are defined and never declared -----------------------------------------------------------------------


def test_a_definition_is_recognised_as_an_adjoint() -> None:
    base = mixed(times(num(2), minus(a(L), q("y"))), "odot", dsigma(L))
    assert recognised(base, Setting(), worlds("seed_002")) == d("C", q("z", L))
    element = times(minus(q("z", el=(k,)), q("zhat", el=(k,))), q("z", el=(k,)), minus(num(1), q("z", el=(k,))))
    assert recognised(element, Setting(), worlds("seed_004")) == d("L", q("s_z", el=(k,)))
    scaled = recognised(minus(q("yhat"), q("y")), Setting(), worlds("wildml"))
    assert scaled == times(N, d("L", q("z2")))
    assert recognised(times(num(3), minus(q("yhat"), q("y"))), Setting(), worlds("wildml")) is None
