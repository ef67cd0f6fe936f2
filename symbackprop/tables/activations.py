"""Elementwise functions, one row each: mathematics, slope, stable NumPy form, kinks.

What one can do: look a row up by name or alias (``activation``), write its SymPy form (``template``), evaluate it
or its slope numerically (``evaluator``), and paste its NumPy text into a program (``Activation.numpy``).
Tests compare every row with itself: slope against the derivative of ``define``, NumPy text against ``define``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import sympy as sp

from symbackprop.errors import SpecError, nearest
from symbackprop.index import function

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

HELPERS: Mapping[str, str] = {
    "_sigmoid": '''\
def _sigmoid(x):
    """1 / (1 + exp(-x)), without overflow."""
    return 0.5 * (1 + np.tanh(0.5 * x))
''',
    "_gelu_gate": '''\
def _gelu_gate(x):
    """The factor of x in the tanh approximation of gelu, between 0 and 1."""
    return 0.5 * (1 + np.tanh(0.7978845608028654 * (x + 0.044715 * x**3)))
''',
    # Chebyshev fit, in 60 digits, of Phi(-u) exp(u^2/2) / t in s = 2t - 1 with t = 4 / (4 + u), u >= 0; written out in
    # powers of s, whose coefficients add up to 0.5 in absolute value, so Horner's scheme loses nothing.
    "_normal_cdf": '''\
def _normal_cdf(x):
    """Phi(x), the distribution function of the standard normal, to the last digits of a double."""
    u = np.maximum(x, -x)
    t = 4 / (4 + u)
    s = 2 * t - 1
    tail = 0 * s
    for c in (
        8.508280771623737e-11, 2.999445507813274e-11, -9.326612704670926e-10, 1.4684066912467977e-10,
        5.356900960863089e-09, -4.461231943245354e-09, -2.1716617539994733e-08, 3.994349035559805e-08,
        6.811574237786468e-08, -2.5619627541381934e-07, -1.5745918346230922e-07, 1.4804027614809944e-06,
        1.7916469102987802e-07, -8.786277975709413e-06, -4.770615878536427e-07, 5.7773754340693565e-05,
        3.333607735295814e-05, -0.00040770461685247714, -0.0008699230917619934, 0.001885047241846578,
        0.015099143722729469, 0.04663046448990915, 0.09678435018555373, 0.15197416049297308, 0.18882128260393788,
    ):
        tail = tail * s + c
    tail = tail * t * np.exp(-0.5 * u * u)
    return np.where(x > 0, 1 - tail, tail)
''',
}
"""Functions that the NumPy texts of some rows call, as source; they need ``np`` alone and keep the dtype of arrays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Activation:
    """All that is known about one elementwise function y = f(x).

    ``define``: the mathematics, in SymPy's own functions.
    ``slope``: f'(x) as a handout shows it; may use y, and ``function("sigmoid")`` for other rows.
    ``numpy``, ``numpy_slope``: expressions in ``{x}`` (and ``{y}``), which stand for names or calls; stable, and
    of the dtype of ``{x}``; ``helpers`` names what they call in ``HELPERS``.
    ``analytic``: the NumPy text also takes complex arguments near the real axis (away from kinks), so a complex step
    differentiates it.
    ``kinks``: points where f' does not exist, each with the value chosen there.
    ``domain``: float32 arguments for which the value is a finite float32 number.
    ``native``: SymPy's own form stands in templates; every other row is the inert ``function(name)``.
    """

    name: str
    define: Callable[[Any], Any]
    slope: Callable[[Any, Any], Any]
    latex: str
    numpy: str
    numpy_slope: str
    source: str
    helpers: tuple[str, ...] = ()
    analytic: bool = True
    kinks: tuple[tuple[Any, Any], ...] = ()
    domain: tuple[float, float] = (-1e4, 1e4)
    native: bool = False
    aliases: tuple[str, ...] = ()

    @property
    def from_output(self) -> bool:
        """True where the slope is a function of the output alone, as ``y(1-y)`` of the sigmoid."""
        x, y = sp.symbols("x y", real=True)
        expression = self.slope(x, y)
        return y in expression.free_symbols and x not in expression.free_symbols


def _normal_cdf(x: Any) -> Any:
    return (1 + sp.erf(x / sp.sqrt(2))) / 2


def _gelu_gate(x: Any) -> Any:
    return (1 + sp.tanh(sp.sqrt(2 / sp.pi) * (x + sp.Rational(44715, 1000000) * x**3))) / 2


def _gelu_tanh_slope(x: Any, _: Any) -> Any:
    inner = sp.sqrt(2 / sp.pi) * (x + sp.Rational(44715, 1000000) * x**3)
    gate = function("sigmoid")(2 * inner)
    return gate + x * gate * (1 - gate) * 2 * inner.diff(x)


_TINY = 1e-30
_LARGEST_EXP = 88.0
_GOODFELLOW = "Goodfellow, Bengio & Courville 2016, Deep Learning"

_ROWS = (
    Activation(
        name="identity",
        define=lambda x: x,
        slope=lambda _x, _y: sp.S.One,
        latex=r"\operatorname{id}",
        numpy="{x}",
        numpy_slope="np.ones_like({x})",
        native=True,
        aliases=("linear",),
        source="definition",
    ),
    Activation(
        name="sigmoid",
        define=lambda x: 1 / (1 + sp.exp(-x)),
        slope=lambda _x, y: y * (1 - y),
        latex=r"\sigma",
        numpy="0.5 * (1 + np.tanh(0.5 * {x}))",
        numpy_slope="{y} * (1 - {y})",
        aliases=("logistic",),
        source=f"{_GOODFELLOW}, section 3.10",
    ),
    Activation(
        name="tanh",
        define=sp.tanh,
        slope=lambda _x, y: 1 - y**2,
        latex=r"\tanh",
        numpy="np.tanh({x})",
        numpy_slope="1 - {y}**2",
        source=f"{_GOODFELLOW}, section 6.3.2",
    ),
    Activation(
        name="relu",
        define=lambda x: sp.Piecewise((x, x > 0), (0, True)),
        slope=lambda x, _y: sp.Piecewise((1, x > 0), (0, True)),
        latex=r"\operatorname{ReLU}",
        numpy="np.maximum({x}, 0)",
        numpy_slope="np.heaviside({x}, 0)",
        kinks=((0, 0),),
        source=f"{_GOODFELLOW}, section 6.3.1",
    ),
    Activation(
        name="leaky_relu",
        define=lambda x: sp.Piecewise((x, x > 0), (x / 100, True)),
        slope=lambda x, _y: sp.Piecewise((1, x > 0), (sp.Rational(1, 100), True)),
        latex=r"\operatorname{LReLU}",
        numpy="np.maximum({x}, 0.01 * {x})",
        numpy_slope="0.01 + 0.99 * np.heaviside({x}, 0)",
        kinks=((0, sp.Rational(1, 100)),),
        source="Maas, Hannun & Ng 2013, Rectifier nonlinearities improve neural network acoustic models",
    ),
    Activation(
        name="elu",
        define=lambda x: sp.Piecewise((x, x > 0), (sp.exp(x) - 1, True)),
        slope=lambda x, y: sp.Piecewise((1, x > 0), (y + 1, True)),
        latex=r"\operatorname{ELU}",
        numpy="np.where({x} > 0, {x}, np.expm1(np.minimum({x}, 0)))",
        numpy_slope="np.exp(np.minimum({x}, 0))",
        source="Clevert, Unterthiner & Hochreiter 2016, arXiv:1511.07289, with alpha = 1",
    ),
    Activation(
        name="softplus",
        define=lambda x: sp.log(1 + sp.exp(x)),
        slope=lambda x, _y: function("sigmoid")(x),
        latex=r"\operatorname{softplus}",
        numpy="np.maximum({x}, 0) + np.log1p(np.exp(np.minimum({x}, -{x})))",
        numpy_slope="0.5 * (1 + np.tanh(0.5 * {x}))",
        source=f"{_GOODFELLOW}, section 3.10",
    ),
    Activation(
        name="log_sigmoid",
        define=lambda x: -sp.log(1 + sp.exp(-x)),
        slope=lambda x, _y: function("sigmoid")(-x),
        latex=r"\log\sigma",
        numpy="np.minimum({x}, 0) - np.log1p(np.exp(np.minimum({x}, -{x})))",
        numpy_slope="0.5 * (1 - np.tanh(0.5 * {x}))",
        source=f"{_GOODFELLOW}, section 3.10",
    ),
    Activation(
        name="gelu",
        define=lambda x: x * _normal_cdf(x),
        slope=lambda x, _y: _normal_cdf(x) + x * sp.exp(-(x**2) / 2) / sp.sqrt(2 * sp.pi),
        latex=r"\operatorname{GELU}",
        numpy="{x} * _normal_cdf({x})",
        numpy_slope="_normal_cdf({x}) + 0.3989422804014327 * {x} * np.exp(-0.5 * {x}**2)",
        helpers=("_normal_cdf",),
        source="Hendrycks & Gimpel 2016, arXiv:1606.08415, section 2",
    ),
    Activation(
        name="gelu_tanh",
        define=lambda x: x * _gelu_gate(x),
        slope=_gelu_tanh_slope,
        latex=r"\operatorname{GELU}_{\tanh}",
        numpy="{x} * _gelu_gate({x})",
        numpy_slope=(
            "_gelu_gate({x}) + 1.5957691216057308 * {x} * (1 + 0.134145 * {x}**2)"
            " * _gelu_gate({x}) * (1 - _gelu_gate({x}))"
        ),
        helpers=("_gelu_gate",),
        source="Hendrycks & Gimpel 2016, arXiv:1606.08415, section 2",
    ),
    Activation(
        name="silu",
        define=lambda x: x / (1 + sp.exp(-x)),
        slope=lambda x, y: function("sigmoid")(x) + y * (1 - function("sigmoid")(x)),
        latex=r"\operatorname{SiLU}",
        numpy="{x} * _sigmoid({x})",
        numpy_slope="_sigmoid({x}) + {y} * (1 - _sigmoid({x}))",
        helpers=("_sigmoid",),
        aliases=("swish",),
        source="Elfwing, Uchibe & Doya 2018, arXiv:1702.03118",
    ),
    Activation(
        name="exp",
        define=sp.exp,
        slope=lambda _x, y: y,
        latex=r"\exp",
        numpy="np.exp({x})",
        numpy_slope="{y}",
        domain=(-1e4, _LARGEST_EXP),
        native=True,
        source="definition",
    ),
    Activation(
        name="log",
        define=sp.log,
        slope=lambda x, _y: 1 / x,
        latex=r"\log",
        numpy="np.log({x})",
        numpy_slope="1 / {x}",
        domain=(_TINY, 1e4),
        native=True,
        aliases=("ln",),
        source="definition",
    ),
    Activation(
        name="sqrt",
        define=sp.sqrt,
        slope=lambda _x, y: 1 / (2 * y),
        latex=r"\operatorname{sqrt}",
        numpy="np.sqrt({x})",
        numpy_slope="0.5 / {y}",
        domain=(_TINY, 1e4),
        native=True,
        source="definition",
    ),
    Activation(
        name="square",
        define=lambda x: x**2,
        slope=lambda x, _y: 2 * x,
        latex=r"\operatorname{sq}",
        numpy="{x}**2",
        numpy_slope="2 * {x}",
        native=True,
        source="definition",
    ),
    Activation(
        name="abs",
        define=sp.Abs,
        slope=lambda x, _y: sp.sign(x),
        latex=r"\operatorname{abs}",
        numpy="np.abs({x})",
        numpy_slope="np.sign({x})",
        analytic=False,
        kinks=((0, 0),),
        source="definition",
    ),
    Activation(
        name="sign",
        define=sp.sign,
        slope=lambda _x, _y: sp.S.Zero,
        latex=r"\operatorname{sign}",
        numpy="np.sign({x})",
        numpy_slope="np.zeros_like({x})",
        analytic=False,
        kinks=((0, 0),),
        source="definition",
    ),
    Activation(
        name="step",
        define=lambda x: sp.Piecewise((1, x > 0), (0, True)),
        slope=lambda _x, _y: sp.S.Zero,
        latex=r"\operatorname{step}",
        numpy="np.heaviside({x}, 0)",
        numpy_slope="np.zeros_like({x})",
        analytic=False,
        kinks=((0, 0),),
        source="definition, 0 at 0",
    ),
    Activation(
        name="sin",
        define=sp.sin,
        slope=lambda x, _y: sp.cos(x),
        latex=r"\sin",
        numpy="np.sin({x})",
        numpy_slope="np.cos({x})",
        source="definition",
    ),
    Activation(
        name="cos",
        define=sp.cos,
        slope=lambda x, _y: -sp.sin(x),
        latex=r"\cos",
        numpy="np.cos({x})",
        numpy_slope="-np.sin({x})",
        source="definition",
    ),
)

ACTIVATION: Mapping[str, Activation] = {row.name: row for row in _ROWS}
ALIAS: Mapping[str, str] = {alias: row.name for row in _ROWS for alias in row.aliases}
assert len({*ACTIVATION, *ALIAS}) == len(_ROWS) + sum(len(row.aliases) for row in _ROWS), "a name stands for two rows"  # noqa: S101


def names() -> tuple[str, ...]:
    """Names and aliases of all rows."""
    return tuple(sorted({*ACTIVATION, *ALIAS}))


def activation(name: str) -> Activation:
    """The row of that name or alias.

    Raises: SpecError that names the nearest rows and all there are.

    >>> activation("swish").name
    'silu'
    """
    row = ACTIVATION.get(ALIAS.get(name, name))
    if row is None:
        message = f"no activation '{name}'; {nearest(name, names())}"
        raise SpecError(message)
    return row


def template(name: str, argument: Any) -> Any:
    """The form in which a row stands in the templates of equations.

    >>> x = sp.Symbol("x", real=True)
    >>> template("sigmoid", x), template("square", x)
    (sigmoid(x), x**2)
    """
    row = activation(name)
    return row.define(argument) if row.native else function(row.name)(argument)


@cache
def evaluator(name: str, order: int = 0) -> Callable[[Any], Any]:
    """NumPy function of a row (``order`` 0) or of its slope (1); complex arguments work where the row is analytic.

    >>> float(evaluator("sigmoid")(0.0)), float(evaluator("sigmoid", 1)(0.0))
    (0.5, 0.25)
    """
    row = activation(name)
    if order not in (0, 1):
        message = f"'{row.name}' has a value (order 0) and a slope (order 1), none of order {order}"
        raise SpecError(message)
    text = "".join(HELPERS[helper] for helper in row.helpers)
    value, slope = row.numpy.format(x="x"), row.numpy_slope.format(x="x", y="y")
    text += f"def f(x):\n    return {value}\ndef slope(x):\n    y = f(x)\n    return {slope}\n"
    room: dict[str, Any] = {"np": np}
    exec(compile(text, f"<activation {row.name}>", "exec"), room)  # noqa: S102 - the text is the table's own
    return room["slope" if order else "f"]  # type: ignore[no-any-return]
