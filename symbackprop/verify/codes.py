r"""The kinds of mistakes, each with its stable code: what ``--explain`` prints and every verdict names.

SB1xx are mistakes that shapes can show, SB2xx mistakes of value, SB3xx conventions, SB4xx reading. A code belongs to
the kind of mistake, not to the way in which it was found: a missing transpose is SB102 for a square matrix too.
"""

from __future__ import annotations

import difflib
import textwrap
from dataclasses import dataclass
from typing import Literal

Group = Literal["shapes", "values", "conventions", "reading"]
GROUPS: dict[str, Group] = {"1": "shapes", "2": "values", "3": "conventions", "4": "reading"}
EXAMPLE = """\
name = "example"
notation = "deltas"
loss = "C"
parameters = ["W", "b"]
forward = '''
a[0] = x
for l in 1..L:
    z[l] = W[l] @ a[l-1] + b[l]
    a[l] = f(z[l])
C = sum((a[L] - y)**2)
'''

[shapes]
x = "n[0]"
y = "n[L]"
"W[l]" = "n[l] n[l-1]"
"b[l]" = "n[l]"

[functions]
f = "opaque"

[sizes]
L = 3
n = [2, 4, 5, 3]

[latex]
"n[l]" = "n_l"
"W[l]" = "W^{(l)}"
"W[l][i,j]" = "w_{ij}^{(l)}"
"a[l]" = "a^{(l)}"
"a[l][i]" = "a_i^{(l)}"
"z[l]" = "z^{(l)}"
"z[l][i]" = "z_i^{(l)}"
"b[l]" = "b^{(l)}"
"b[l][i]" = "b_i^{(l)}"
"""
"""The network of the examples: layers z = W a + b, a = f(z), and the squared loss of one sample."""
SIGNAL = r"\delta^{(l)}"
LET = "let \\delta^{(l)} = dC/dz[l]"
"""What the examples mean by δ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """One kind of mistake; ``wrong`` and ``right`` are LaTeX about the network ``EXAMPLE`` ("" where none fits)."""

    code: str
    name: str
    title: str
    sentence: str
    wrong: str = ""
    right: str = ""

    @property
    def group(self) -> Group:
        """Shapes, values, conventions or reading."""
        return GROUPS[self.code[2]]


_ROWS: tuple[tuple[str, str, str, str, str, str], ...] = (
    (
        "SB101", "wrong-order-of-factors", "factors in the wrong order",
        ("Matrix products do not commute: a factor stands where it acts on the wrong thing, or a product is "
        "taken too early."),
        r"\frac{\partial C}{\partial W^{(l)}} = (a^{(l-1)})^T \delta^{(l)}",
        r"\frac{\partial C}{\partial W^{(l)}} = \delta^{(l)} (a^{(l-1)})^T",
    ),
    (
        "SB102", "missing-transpose", "a transpose is missing",
        "Backwards, a linear map acts by its transpose: what maps n to m forwards maps m to n on the way back.",
        r"\delta^{(l)} = (W^{(l+1)} \delta^{(l+1)}) \odot f'(z^{(l)})",
        r"\delta^{(l)} = ((W^{(l+1)})^T \delta^{(l+1)}) \odot f'(z^{(l)})",
    ),
    (
        "SB103", "spurious-transpose", "a transpose too many",
        "The array is needed as it lies; the transpose swaps its axes for nothing.",
        r"z^{(l)} = (W^{(l)})^T a^{(l-1)} + b^{(l)}",
        r"z^{(l)} = W^{(l)} a^{(l-1)} + b^{(l)}",
    ),
    (
        "SB104", "wrong-product", "the wrong kind of product",
        ("An activation acts on every entry by itself, so its slope multiplies entry by entry; a linear map "
        "is a matrix product."),
        r"\delta^{(l)} = ((W^{(l+1)})^T \odot \delta^{(l+1)}) \odot f'(z^{(l)})",
        r"\delta^{(l)} = ((W^{(l+1)})^T \delta^{(l+1)}) \odot f'(z^{(l)})",
    ),
    (
        "SB105", "missing-diag", "diag is missing",
        "In a product of matrices the slopes of an entrywise function stand as a diagonal matrix.",
        r"\frac{\partial z^{(l+1)}}{\partial z^{(l)}} = W^{(l+1)} f'(z^{(l)})",
        r"\frac{\partial z^{(l+1)}}{\partial z^{(l)}} = W^{(l+1)} \operatorname{diag}(f'(z^{(l)}))",
    ),
    (
        "SB190", "shapes-do-not-fit", "the shapes do not fit",
        "Two arrays are combined whose sizes differ, and no small change of the formula makes it right.",
        "", "",
    ),
    (
        "SB201", "wrong-layer-index", "the wrong layer or time step",
        "An error signal at layer l comes from layer l+1, over the weights that lead there.",
        r"\delta^{(l)} = ((W^{(l)})^T \delta^{(l+1)}) \odot f'(z^{(l)})",
        r"\delta^{(l)} = ((W^{(l+1)})^T \delta^{(l+1)}) \odot f'(z^{(l)})",
    ),
    (
        "SB202", "wrong-index", "the wrong index",
        "An index on one side must mean the same node on the other side.",
        r"\frac{\partial C}{\partial w_{ij}^{(l)}} = \delta_i^{(l)} a_i^{(l-1)}",
        r"\frac{\partial C}{\partial w_{ij}^{(l)}} = \delta_i^{(l)} a_j^{(l-1)}",
    ),
    (
        "SB203", "swapped-indices", "two indices are swapped",
        "The first index of a weight is the node it leads to, or the one it comes from, as the forward equations say.",
        r"\frac{\partial C}{\partial a_i^{(l)}} = \sum_j w_{ij}^{(l+1)} \delta_j^{(l+1)}",
        r"\frac{\partial C}{\partial a_i^{(l)}} = \sum_j w_{ji}^{(l+1)} \delta_j^{(l+1)}",
    ),
    (
        "SB204", "index-out-of-range", "an index outside its range",
        "There is no such layer, step or node; a recursion needs its base case.",
        r"\frac{\partial C}{\partial a^{(L)}} = (W^{(L+1)})^T \delta^{(L+1)}",
        r"\frac{\partial C}{\partial a^{(L)}} = 2 (a^{(L)} - y)",
    ),
    (
        "SB205", "index-clash", "one letter for two indices",
        "A letter under a sum sign is used up by that sum; another sum, or the left side, needs a letter of its own.",
        r"\frac{\partial C}{\partial a_i^{(l)}} = \sum_i w_{ii}^{(l+1)} \delta_i^{(l+1)}",
        r"\frac{\partial C}{\partial a_i^{(l)}} = \sum_j w_{ji}^{(l+1)} \delta_j^{(l+1)}",
    ),
    (
        "SB206", "wrong-summation-range", "the sum runs over the wrong range",
        "The sum must run over everything that the quantity acts on, no more and no less.",
        r"\frac{\partial C}{\partial a_i^{(l)}} = \sum_{j=2}^{n_{l+1}} w_{ji}^{(l+1)} \delta_j^{(l+1)}",
        r"\frac{\partial C}{\partial a_i^{(l)}} = \sum_{j=1}^{n_{l+1}} w_{ji}^{(l+1)} \delta_j^{(l+1)}",
    ),
    (
        "SB207", "wrong-symbol", "the wrong array",
        ("Another array belongs here: the derivative of a product holds the other factor, at the node where "
        "it was used."),
        r"\frac{\partial C}{\partial W^{(l)}} = \delta^{(l)} (z^{(l-1)})^T",
        r"\frac{\partial C}{\partial W^{(l)}} = \delta^{(l)} (a^{(l-1)})^T",
    ),
    (
        "SB208", "missing-factor", "a factor of the chain rule is missing",
        "Every step between the two ends of the derivative gives one factor; one of them is left out.",
        r"\delta^{(L)} = 2 (a^{(L)} - y)",
        r"\delta^{(L)} = 2 (a^{(L)} - y) \odot f'(z^{(L)})",
    ),
    (
        "SB209", "spurious-factor", "a factor too many",
        "This factor belongs to no step between the two ends of the derivative.",
        r"\frac{\partial C}{\partial b^{(l)}} = \delta^{(l)} \odot f'(z^{(l)})",
        r"\frac{\partial C}{\partial b^{(l)}} = \delta^{(l)}",
    ),
    (
        "SB210", "wrong-derivative-argument", "the slope is taken at the wrong place",
        "The slope of an activation is taken where the activation was: at its own argument, in its own layer.",
        r"\delta^{(L)} = 2 (a^{(L)} - y) \odot f'(a^{(L)})",
        r"\delta^{(L)} = 2 (a^{(L)} - y) \odot f'(z^{(L)})",
    ),
    (
        "SB211", "wrong-function", "the wrong function or slope",
        "Another function belongs here: on the way back each layer gives the slope of its own activation.",
        "", "",
    ),
    (
        "SB212", "missing-parentheses", "parentheses are missing",
        "A product binds tighter than a sum, and in a product what stands in brackets is done first.",
        r"\delta^{(L)} = 2 a^{(L)} - y \odot f'(z^{(L)})",
        r"\delta^{(L)} = 2 (a^{(L)} - y) \odot f'(z^{(L)})",
    ),
    (
        "SB213", "missing-sum", "a sum is missing",
        "What acts on the loss along several paths gathers a term from each of them.",
        r"\frac{\partial C}{\partial a_i^{(l)}} = w_{ji}^{(l+1)} \delta_j^{(l+1)}",
        r"\frac{\partial C}{\partial a_i^{(l)}} = \sum_j w_{ji}^{(l+1)} \delta_j^{(l+1)}",
    ),
    (
        "SB214", "missing-delta", "a Kronecker delta is missing",
        "Entries with different indices do not depend on each other here: the derivative is zero unless they agree.",
        r"\frac{\partial a_i^{(l)}}{\partial z_j^{(l)}} = f'(z_i^{(l)})",
        r"\frac{\partial a_i^{(l)}}{\partial z_j^{(l)}} = \delta_{ij} f'(z_i^{(l)})",
    ),
    (
        "SB215", "wrong-sign", "the wrong sign",
        "A sign got lost or was taken twice; the derivative of a difference keeps the minus of its second part.",
        r"\delta^{(L)} = 2 (y - a^{(L)}) \odot f'(z^{(L)})",
        r"\delta^{(L)} = 2 (a^{(L)} - y) \odot f'(z^{(L)})",
    ),
    (
        "SB216", "wrong-constant", "a constant is wrong or missing",
        "The constants of the loss, the 2 of a square and the 1/N of a mean stay in every gradient.",
        r"\frac{\partial C}{\partial a^{(L)}} = 3 (a^{(L)} - y)",
        r"\frac{\partial C}{\partial a^{(L)}} = 2 (a^{(L)} - y)",
    ),
    (
        "SB217", "not-differentiated", "a part was not differentiated",
        "The function itself stands where its derivative belongs.",
        r"\delta^{(L)} = 2 (a^{(L)} - y) \odot f(z^{(L)})",
        r"\delta^{(L)} = 2 (a^{(L)} - y) \odot f'(z^{(L)})",
    ),
    (
        "SB218", "missing-term", "a term is missing",
        "A quantity that is used in several places gathers one term from each use.",
        "", "",
    ),
    (
        "SB219", "spurious-term", "a term too many",
        "This term belongs to no use of the quantity.",
        r"\frac{\partial C}{\partial b^{(l)}} = \delta^{(l)} + b^{(l)}",
        r"\frac{\partial C}{\partial b^{(l)}} = \delta^{(l)}",
    ),
    (
        "SB290", "wrong-value", "the value is wrong",
        "The shapes fit and the value is another; no small change of the formula makes it right.",
        "", "",
    ),
    (
        "SB301", "layout", "right in one layout of derivatives",
        "Derivatives by vectors and matrices can be laid out along the numerator or along the denominator.",
        "", "",
    ),
    (
        "SB302", "vector-orientation", "right for another orientation of vectors",
        "The formula holds if vectors lie the other way, or if a matrix of one row or column is taken for a vector.",
        "", "",
    ),
    (
        "SB303", "tensor-derivative-as-matrix", "a derivative by a matrix as a factor",
        ("A derivative of a vector by a matrix has three axes; the product stands for its contraction with "
        "the upstream gradient."),
        "", "",
    ),
    (
        "SB304", "explicit-derivative", "right for explicit partial derivatives",
        "The formula holds if the partial derivative keeps everything else fixed; the total effect is another.",
        "", "",
    ),
    (
        "SB305", "factor-of-the-loss", "right up to a constant of the loss",
        "The formula leaves out, or holds, a constant factor of the loss.",
        "", "",
    ),
    (
        "SB306", "product-sign", "right for another meaning of a product sign",
        "The formula holds if a product sign means another product than usual.",
        "", "",
    ),
    (
        "SB307", "precedence", "right if ⊙ binds tighter than juxtaposition",
        ("Whether ⊙ and ∘ or the product without a sign is done first is not settled; the formula needs the "
        "other order."),
        "", "",
    ),
    (
        "SB308", "off-by-one-definition", "a definition shifted by one",
        "The formula holds if the name is defined one layer or step further.",
        "", "",
    ),
    (
        "SB309", "convention", "right under a convention",
        "The formula holds under a convention that the document does not state.",
        "", "",
    ),
    (
        "SB401", "undeclared-symbol", "a symbol that nothing declares",
        "The symbol is no name of the network and of no declaration before it.",
        r"\frac{\partial C}{\partial W^{(l)}} = \delta^{(l)} (q^{(l-1)})^T",
        r"\frac{\partial C}{\partial W^{(l)}} = \delta^{(l)} (a^{(l-1)})^T",
    ),
    (
        "SB402", "malformed", "malformed mathematics",
        "Brackets do not match, or something is missing between two signs.",
        r"\frac{\partial C}{\partial a^{(L)}} = 2 (a^{(L)} - )",
        r"\frac{\partial C}{\partial a^{(L)}} = 2 (a^{(L)} - y)",
    ),
    (
        "SB403", "malformed-derivative", "a malformed derivative",
        "A fraction with a differential below its bar needs one above it, too.",
        (r"\frac{\partial C}{\partial z_i^{(l)}} = \frac{\partial C}{\partial a_i^{(l)}} "
        r"\frac{f(z_i^{(l)})}{\partial z_i^{(l)}}"),
        (r"\frac{\partial C}{\partial z_i^{(l)}} = \frac{\partial C}{\partial a_i^{(l)}} \frac{\partial "
        r"f(z_i^{(l)})}{\partial z_i^{(l)}}"),
    ),
    (
        "SB404", "not-read", "a formula that could not be read",
        "The formula has a form that is not understood; the message says where.",
        "", "",
    ),
    (
        "SB405", "undecided", "a claim that could not be decided",
        "The formula was read, but what it claims could not be settled.",
        "", "",
    ),
    (
        "SB406", "directive", "a statement or directive that could not be understood",
        "The comment line is no directive, or what the document states does not make a network.",
        "", "",
    ),
    (
        "SB407", "missing-claim", "a required claim is missing",
        "A claim was asked for that the document does not hold.",
        "", "",
    ),
)  # fmt: skip

CODES: dict[str, Code] = {
    row[0]: Code(code=row[0], name=row[1], title=row[2], sentence=row[3], wrong=row[4], right=row[5]) for row in _ROWS
}
BY_NAME: dict[str, str] = {code.name: code.code for code in CODES.values()}

ERROR_KINDS: dict[str, str] = {
    "wrong-order-of-factors": "SB101",
    "missing-transpose": "SB102",
    "spurious-transpose": "SB103",
    "matmul-instead-of-hadamard": "SB104",
    "hadamard-instead-of-matmul": "SB104",
    "missing-diag": "SB105",
    "wrong-layer-index": "SB201",
    "wrong-time-index": "SB201",
    "wrong-index": "SB202",
    "swapped-indices": "SB203",
    "index-out-of-range": "SB204",
    "index-clash": "SB205",
    "wrong-summation-range": "SB206",
    "wrong-matrix": "SB207",
    "wrong-symbol": "SB207",
    "missing-upstream-factor": "SB208",
    "spurious-factor": "SB209",
    "wrong-derivative-argument": "SB210",
    "wrong-function": "SB211",
    "missing-parentheses": "SB212",
    "missing-sum": "SB213",
    "missing-delta": "SB214",
    "wrong-sign": "SB215",
    "missing-constant-factor": "SB216",
    "missing-1/N": "SB216",
    "not-differentiated": "SB217",
    "missing-term": "SB218",
    "tensor-derivative-as-matrix": "SB303",
    "off-by-one-definition": "SB308",
    "undeclared-symbol": "SB401",
    "malformed": "SB402",
    "malformed-derivative": "SB403",
}
"""What the collections of hand-written formulas call a mistake, and its code here."""

_CONVENTIONS = (
    ("layout", "SB301"), ("one row or column", "SB302"), ("vectors are", "SB302"), ("contraction", "SB303"),
    ("derivatives by tensors", "SB303"), ("explicit", "SB304"), ("factor", "SB305"), ("batch", "SB305"),
    ("bind tighter", "SB307"), ("shifted", "SB308"), ("⊗ is", "SB306"), (" is entrywise", "SB306"),
    (" is the matrix product", "SB306"), (" is the inner product", "SB306"), (" is the outer product", "SB306"),
)  # fmt: skip


def of_convention(words: str) -> str:
    """The code of a convention said in words.

    >>> of_convention("numerator layout"), of_convention("up to the factor 2 of the loss")
    ('SB301', 'SB305')
    """
    return next((code for mark, code in _CONVENTIONS if mark in words), "SB309")


def explain(code: str) -> str:
    """A code in full, with an example, for a terminal.

    Raises: KeyError that names the nearest code.
    """
    row = CODES.get(code.strip().upper()) or CODES.get(BY_NAME.get(code.strip().lower(), ""))
    if row is None:
        near = difflib.get_close_matches(code.upper(), CODES, n=1)
        message = f"no code '{code}'{f'; did you mean {near[0]}?' if near else ''} Known: {', '.join(CODES)}"
        raise KeyError(message)
    lines = [f"{row.code}  {row.title}  ({row.group}; {row.name})", "", *textwrap.wrap(row.sentence, 100)]
    if row.wrong:
        lines += ["", "wrong:  " + row.wrong, "right:  " + row.right]
        lines += [
            "",
            "in a network with z^{(l)} = W^{(l)} a^{(l-1)} + b^{(l)}, a^{(l)} = f(z^{(l)}), C = \\|a^{(L)} - y\\|^2",
        ]
        if r"\delta^" in row.wrong + row.right or r"\delta_" in row.wrong + row.right:
            lines += [r"and \delta^{(l)} = \partial C / \partial z^{(l)}"]
    return "\n".join(lines) + "\n"


def table() -> str:
    """All codes as a Markdown table."""
    rows = ["| code | name | mistake |", "| --- | --- | --- |"]
    return "\n".join([*rows, *(f"| {c.code} | `{c.name}` | {c.title} |" for c in CODES.values())]) + "\n"
