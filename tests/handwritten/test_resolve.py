"""What hand-written formulas say: every formula of the documents, and one of each construction of the language."""

from __future__ import annotations

import random
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from symbackprop import spec
from symbackprop.affine import Affine
from symbackprop.handwritten import document, quantities
from symbackprop.handwritten import expression as ex
from symbackprop.handwritten.context import context_of
from symbackprop.handwritten.formula import plain
from symbackprop.handwritten.names import Declared
from symbackprop.handwritten.reader import Context
from symbackprop.handwritten.resolve import statements
from symbackprop.handwritten.tokens import ReadError

DOCUMENTS = Path(__file__).parent.parent / "data" / "corpus" / "documents"
AWKWARD = Path(__file__).parent.parent / "data" / "awkward"
EXPECTED = Path(__file__).parent.parent / "data" / "reading" / "documents.txt"


def listed(parts):
    shown = []
    for part in parts:
        if isinstance(part, Affine):
            shown.append(str(part))
        else:
            shown.append(":" if part.lo is None and part.hi is None else f"{part.lo}..{part.hi}")
    return "[" + ",".join(shown) + "]" if shown else ""


def show(node):  # noqa: C901, PLR0911, PLR0912 - one line a kind of node
    """A node on one line, every bracket written."""
    match node:
        case ex.Number():
            return str(node.value)
        case ex.Letter():
            return f"'{node.form}'"
        case ex.Quantity():
            return node.tensor + listed(node.family) + listed(node.element)
        case ex.Named():
            return f"«{node.name}»" + listed(node.index) + (f"|{listed(node.element)}" if node.element else "")
        case ex.Unknown():
            return f"?{node.name}?"
        case ex.Call():
            inside = ", ".join(map(show, node.arguments))
            return node.function + "'" * node.order + (listed(node.family) + "(" + inside + ")")
        case ex.Product():
            signs = [" " if sign == "juxtaposition" else f" {sign} " for sign in node.signs[1:]]
            return "(" + "".join(a + b for a, b in zip(map(show, node.factors), [*signs, ""], strict=True)) + ")"
        case ex.Sum():
            terms = zip(node.terms, node.signs, strict=True)
            return "{" + " ".join(("+" if s > 0 else "-") + show(t) for t, s in terms) + "}"
        case ex.Quotient():
            return f"<{show(node.over)} / {show(node.under)}>"
        case ex.Power():
            return f"{show(node.base)}^{show(node.exponent)}"
        case ex.Transpose():
            return show(node.of) + "ᵀ"
        case ex.BigOperator():
            ends = "" if node.lo is None and node.hi is None else f"={node.lo}..{node.hi}"
            tests = "".join(f" [{show(c)}]" for c in node.excluded)
            return f"{node.kind}({node.letter}{ends}{tests}: {show(node.body)})"
        case ex.Elided():
            ends = [node.first, node.second, node.last] if node.second else [node.first, node.last]
            return f"elided {node.sign}({' … '.join(map(show, ends))})"
        case ex.Derivative():
            sign = "∂⁺" if node.explicit else "∂"
            return f"{sign}{show(node.of) if node.of else ''}/∂{show(node.by)}"
        case ex.Differential():
            return f"d{show(node.of)}"
        case ex.Array():
            return "[" + "; ".join(", ".join(map(show, row)) for row in node.rows) + "]"
        case ex.Operation():
            condition = show(node.condition) if node.condition else ""
            return f"{node.name}({', '.join(map(show, node.arguments))}{condition})"
        case ex.Condition():
            return f"{show(node.left)} {node.sign} {show(node.right)}"
        case ex.Cases():
            rows = [(v, "?" if c is None else ", ".join(map(show, c)) or "else") for v, c in node.rows]
            return "cases(" + "; ".join(f"{show(v)} if {c}" for v, c in rows) + ")"
        case ex.Update():
            return f"{node.kind} {show(node.target)} by {show(node.value)}"
    raise AssertionError(node)


def line(statement):
    """A statement on one line."""
    text = show(statement.members[0])
    if isinstance(statement.members[0], ex.Update):
        return "; ".join(map(show, statement.members))
    for relation, member in zip(statement.relations, statement.members[1:], strict=True):
        text += f" {relation} {show(member)}"
    if statement.shape is not None:
        text += " in R(" + ", ".join(map(str, statement.shape)) + ")"
    if statement.conditions:
        text += " for " + ", ".join(map(show, statement.conditions))
    return text


@cache
def network(name):
    paths = [folder / f"{name}.toml" for folder in (DOCUMENTS, AWKWARD)]
    return spec.load(str(next(path for path in paths if path.exists())))


def read(name, text, **options):
    options["lets"] = tuple(
        Declared(head=head, letters=letters, rank=rank) for head, letters, rank in options.get("lets", ())
    )
    return statements(plain(text), Context(network=network(name), **options))


def read_document(path):
    """Every formula that is not ignored, with the statements it holds."""
    found = document.open_document(path)
    net = spec.load(str(DOCUMENTS / (found.net or path.name.replace("-selfcontained.tex", ".toml"))))
    found = quantities.bind(found, net)
    for entry in found.entries:
        if not entry.directives.ignore and not entry.inline:
            try:
                yield entry, statements(entry.formula, context_of(net, entry.directives))
            except ReadError as error:
                yield entry, error


def transcript():
    """All formulas of all documents as they are read; the file of expected readings is this text, looked through."""
    lines = []
    for path in sorted(DOCUMENTS.glob("*.tex")):
        for entry, found in read_document(path):
            place = f"{path.name}:{entry.formula.line}: "
            lines += [place + str(found)] if isinstance(found, ReadError) else [place + line(each) for each in found]
    return "\n".join(lines) + "\n"


def test_the_documents_say_what_their_authors_meant():
    assert transcript() == EXPECTED.read_text(encoding="utf-8")


def test_what_nothing_declares_is_unknown_and_nothing_else_is():
    unknown = {
        node.name
        for path in sorted(DOCUMENTS.glob("*.tex"))
        for _, found in read_document(path)
        if not isinstance(found, ReadError)
        for statement in found
        if not isinstance(statement, ReadError)
        for member in statement.members
        for node in ex.walk(member)
        if isinstance(node, ex.Unknown)
    }
    assert unknown == {"i_t", r"\tilde c_{prev}"}


LAYERS = [
    # derivatives of every form
    (r"{\partial C_0 \over \partial b^l}", "∂C/∂b[l]"),
    (r"\partial C_0 / \partial b^{(\ell)}", "∂C/∂b[l]"),
    (r"dC_0/dW^{(\ell)}", "∂C/∂W[l]"),
    (r"\frac{\mathrm{d} C_0}{\mathrm d W^{(\ell)}}", "∂C/∂W[l]"),
    (r"\nabla_{W^{(\ell)}} C_0", "∂C/∂W[l]"),
    (r"\nabla C_0", "∂C/∂parameters()"),
    (r"\partial_{y} C_0", "∂C/∂y"),
    (r"\frac{\partial}{\partial y_i} C_0 + 1", "{+∂C/∂y[i] +1}"),
    (r"2 \frac{\partial}{\partial y_i} a_i^{(L)} y_i - 1", "{+(2 ∂(a[L][i] y[i])/∂y[i]) -1}"),
    (r"\frac{\partial^2 C_0}{\partial a_i^{(L)} \partial y_j}", "∂∂C/∂y[j]/∂a[L][i]"),
    (r"\frac{\partial^2 C_0}{\partial y_i^2}", "∂∂C/∂y[i]/∂y[i]"),
    (r"\frac{\partial (W^{(1)} x)}{\partial x}", "∂(W[1] x)/∂x"),
    (r"\left.\frac{\partial C_0}{\partial y}\right|_{\text{explicit}}", "∂⁺C/∂y"),
    (r"\frac{\partial^+ C_0}{\partial y}", "∂⁺C/∂y"),
    (r"\mathrm{d}C_0 = 2 (a^{(L)} - y)^T da^{(L)}", "dC = (2 {+a[L] -y}ᵀ da[L])"),
    # layers, names, transposes, powers
    (r"\mathbf{W}^{[\ell]}", "W[l]"),
    (r"W^{\ell+1}_{ij}", "W[l+1][i,j]"),
    (r"{W^{(\ell)}}^T W^{(\ell)\top} W^{(\ell),T} (W^{(\ell)})^{\mathsf T}", "(W[l]ᵀ W[l]ᵀ W[l]ᵀ W[l]ᵀ)"),
    (r"(W^{(1)})^{-1} (W^{(1)})^{-T}", "(W[1]^-1 W[1]^-1ᵀ)"),
    (r"(a_i^{(L)} - y_i)^2", "{+a[L][i] -y[i]}^2"),
    (r"(a^{(L)} - y)^{\circ 2}", "{+a[L] -y}^2"),
    (r"w_{1,2}^{(\ell)} w_{12}^{(\ell)}", "(W[l][1,2] W[l][1,2])"),
    (r"W^{(\ell)}_{i:} W^{(\ell)}_{:,j}", "(W[l][i,:] W[l][:,j])"),
    # functions
    (r"\dot{\sigma}^{(\ell)}(z_i^{(\ell)})", "sigma'[l](z[l][i])"),
    (r"\sigma'^{(\ell)}(z^{(\ell)})", "sigma'[l](z[l])"),
    (r"\sigma^{(\ell)\prime}(z^{(\ell)})", "sigma'[l](z[l])"),
    (r"\tanh^2 y_i + \tanh(y)^2", "{+tanh(y[i])^2 +tanh(y)^2}"),
    (r"\log y_i \exp(y)", "(log(y[i]) exp(y))"),
    (r"e^{-y_i}", "exp({-y[i]})"),
    (r"softmax(y) \mathrm{softmax}(y) \text{softmax}(y)", "(softmax(y) softmax(y) softmax(y))"),
    (r"softmax_k(y)", "element(softmax(y), 'k')"),
    (r"\max_k y_k", "max(k: y[k])"),
    # products and quotients
    (
        r"x \odot y \circ x \otimes y \cdot x \times y * x .* y",
        "(x odot y circ x otimes y cdot x times y star x entrywise y)",
    ),
    (r"x . y.", "(x dot y)"),
    (r"x \cdot -y", "(x cdot {-y})"),
    (r"1/2 \sum_i y_i^2", "(<1 / 2> sum(i: y[i]^2))"),
    (r"x ./ y", "<x / y>"),
    (r"\frac12 y", "(<1 / 2> y)"),
    (r"W^{(\ell+1)T} \cdots W^{(L)T} y", "(elided juxtaposition(W[l+1]ᵀ … W[L]ᵀ) y)"),
    (r"W^{(1)} W^{(2)} \dots W^{(L)}", "elided juxtaposition(W[1] … W[2] … W[L])"),
    (r"W^{(1)} \odot \dots \odot W^{(L)}", "elided odot(W[1] … W[L])"),
    (r"W^{(2)} x \dots W^{(L)} x", "elided juxtaposition((W[2] x) … (W[L] x))"),
    # sums
    (r"\sum_{j=1}^{n_\ell} z_j^{(\ell)} y_j - 1", "{+sum(j=1..n[l]: (z[l][j] y[j])) -1}"),
    (r"\sum_{i,j} w_{ij}^{(\ell)}", "sum(i: sum(j: W[l][i,j]))"),
    (r"\sum_{j \ne i} y_j", "sum(j ['j' ≠ 'i']: y[j])"),
    (r"\sum_{1 \le k < n_L} y_k", "sum(k=1..n[L]-1: y[k])"),
    (r"\sum y_i", "sum(None: y[i])"),
    (r"\sum_{k \in \{1, \dots, n_L\}} y_k", "sum(k=1..n[L]: y[k])"),
    (r"\prod_{k=\ell+1}^{L} W^{(k)} x", "(product(k=l+1..L: W[k]) x)"),
    (r"y_1 + y_2 + \dots + y_{n_L}", "elided plus(y[1] … y[2] … y[n[L]])"),
    # operations
    (r"\operatorname{diag}(y) diag(y) \mathrm{tr}(y y^T)", "(diag(y) diag(y) trace((y yᵀ)))"),
    (r"\|y\|_2^2 \lVert y \rVert ||y||^2", "(norm(y)^2 norm(y) norm(y)^2)"),
    (r"\langle x, y \rangle", "inner(x, y)"),
    (r"\delta_{ij} \delta^i_m", "(kronecker('i', 'j') kronecker('m', 'i'))"),
    (
        r"\mathbb{1}(i=j) \mathbf 1_{i = j} 1\{i=j\} [i=j]",
        "(indicator('i' = 'j') indicator('i' = 'j') indicator('i' = 'j') indicator('i' = 'j'))",
    ),
    (r"\mathbf{1}^T y", "(ones()ᵀ y)"),
    (r"[X^T y]_{i}", "element((?X?ᵀ y), 'i')"),
    (r"(W^{(\ell)})_{ij} (W^{(\ell)T})_{ij}", "(W[l][i,j] W[l][j,i])"),
    (r"\begin{pmatrix} y_1 & 0 \\ \vdots & \ddots \end{pmatrix}", "[y[1], 0; dots(), dots()]"),
    (r"\begin{cases} 1 & \text{if } i = j \\ 0, & \text{otherwise} \end{cases}", "cases(1 if 'i' = 'j'; 0 if else)"),
    (r"\left\{ \begin{array}{ll} 1 & i=j \\ 0 & i \neq j \end{array} \right.", "cases(1 if 'i' = 'j'; 0 if 'i' ≠ 'j')"),
    # statements
    (r"W^{(\ell)} \leftarrow W^{(\ell)} - \eta x", r"assign W[l] by {+W[l] -(?\eta? x)}"),
    (r"\Delta W^{(\ell)} = -\eta x", r"increment W[l] by {-(?\eta? x)}"),
    (r"W^{(\ell)} += x", "accumulate W[l] by x"),
    (r"z^{(\ell)} = x \in \mathbb{R}^{n_\ell \times n_{\ell-1}}.", "z[l] = x in R(n[l], n[l-1])"),
    (r"z^{(\ell)} = x, \quad \ell = 1, \dots, L", "z[l] = x for 'l' ≥ '1', 'l' ≤ 'L'"),
    (r"z^{(\ell)} = x \quad \text{for } \ell = L, \dots, 2", "z[l] = x for 'l' ≥ '2', 'l' ≤ 'L'"),
    # decoration
    (r"\boxed{\underbrace{x}_{\text{input}} + {\color{blue} y}} \tag{3}", "{+x +y}"),
    (r"\bigg( x \bigg)\, \left[ y \right]^\top", "(x yᵀ)"),
]


@pytest.mark.parametrize(("text", "meaning"), LAYERS)
def test_the_language(text, meaning):
    (statement,) = read("seed_002", text)
    assert line(statement) == meaning


OTHERS = [
    ("seed_004", r"s_j + s_k", "{+s_y[j] +s_z[k]}"),
    ("seed_004", r"z_k(1 - z_k)", "(z[k] {+1 -z[k]})"),
    ("seed_004", r"\sigma(s_k)(1 - \sigma(s_k))", "(sigmoid(s_z[k]) {+1 -sigmoid(s_z[k])})"),
    ("seed_004", r"\mathcal{L}(w^a, w^b)", "L"),
    ("seed_004", r"\frac{d\sigma}{dx} = \sigma(x)", "∂sigmoid(x)/∂x = sigmoid(x)"),
    ("seed_004", r"y_{j'} w_{j'k}^b", "(y[j'] w_b[j',k])"),
    ("seed_003", r"x^{(e)}", "X[e,:]"),
    ("seed_003", r"dW_2 = H_{out}^T", "dW2 = H_outᵀ"),
    ("seed_003", r"\frac{1}{N} \mathbf{1}_N^T X", "(<1 / 'N'> ones('N')ᵀ X)"),
    ("seed_003", r"x_1/2N", "<?x_1? / (2 'N')>"),
    ("wildml", r"y_{n,i} \log\hat y_{n,i}", "(y[n,i] log(yhat[n,i]))"),
    ("wildml", r"\hat{y}_n - y_n", "{+yhat[n,:] -y[n,:]}"),
    ("wildml", "dW2 = a1^T dz2", "dW2 = (a1ᵀ dz2)"),
    ("rnn_tanh", r"h_{t+1,i}^{2}", "h[t+1][i]^2"),
    ("rnn_tanh", r"h_t^T h_t", "(h[t]ᵀ h[t])"),
    (
        "rnn_tanh",
        r"\frac{\partial h_T}{\partial h_{T-1}} \cdots \frac{\partial h_1}{\partial h_0}",
        "elided juxtaposition(∂h[T]/∂h[T-1] … ∂h[1]/∂h[0])",
    ),
    ("lstm", r"W_f[a_{prev}, x_t]", "(W_f concat(a_prev, x))"),
    ("lstm", r"\begin{pmatrix} a_{prev} \\ x_t \end{pmatrix}^T", "[a_prev; x]ᵀ"),
    ("softmax_ce", r"\mathbf 1\{T_i = 1\}", "indicator(T[i] = '1')"),
    (
        "softmax_ce",
        r"\frac{\partial A_i}{\partial Z_j} = A_i(\delta_{ij} - A_j)",
        "∂A[i]/∂Z[j] = (A[i] {+kronecker('i', 'j') -A[j]})",
    ),
    ("cs224n_notes3", r"\nabla_{a^{(K)}} \ell", "∂ell(a[K])/∂a[K]"),
    ("cs224n_notes3", r"J(W,b;x)", "J"),
    ("seed_000", r"MSE'(\hat y)", "∂MSE/∂yhat"),
    ("seed_000", "∂MSE/∂Wᵢ = Wᵢ₊₁ᵀ ŷ²", "∂MSE/∂W[i] = (W[i+1]ᵀ yhat^2)"),
    ("least_squares", r"w^t X", "(wᵀ X)"),
    ("wildml", r"\underset{N \times h}{a_1}^{\circ 2}", "a1^2"),
    ("thirty_parameters", "h_{15,11}", "h15[1,1]"),
    ("thirty_parameters", "h_{10,eh}", "h10[e,h]"),
    ("thirty_parameters", "w_{212}", "W2[1,2]"),
    (
        "long_names",
        r"\sum_{j=1}^{\mathit{hidden}_{size}} \mathit{first}_{layer,activation,values,ej}",
        "sum(j=1..hidden_size: first_layer_activation_values[e,j])",
    ),
]


@pytest.mark.parametrize(("name", "text", "meaning"), OTHERS)
def test_names_decide_what_signs_mean(name, text, meaning):
    (statement,) = read(name, text)
    assert line(statement) == meaning


def test_several_statements_in_one_formula():
    found = read("seed_004", r"s_k = y_k, \text{ where } y_j = x_j, \text{ and } z_k = \sigma(s_k)")
    assert [line(each) for each in found] == ["s_z[k] = y[k]", "y[j] = x[j]", "z[k] = sigmoid(s_z[k])"]


def test_conditions_and_further_statements_after_a_comma():
    found = read("seed_002", r"z^{(1)} = x, \quad z^{(\ell)} = y \text{ for } \ell = 2, \dots, L, \quad y = x")
    assert [line(each) for each in found] == ["z[1] = x", "z[l] = y for 'l' ≥ '2', 'l' ≤ 'L'", "y = x"]


def test_a_declared_name_wins_and_takes_indices():
    lets = [(r"\delta^{(k)}", ("k",), 1)]
    (statement,) = read("cs224n_notes3", r"\delta^{(k+1)}_i", lets=lets)
    assert line(statement) == r"«\delta^{(k)}»[k+1]|[i]"


def test_a_colon_is_a_slice_where_a_name_is_declared_for_entries_too():
    lets = [("s_p", (), 2), ("s_{p,em}", ("e", "m"), 0)]
    (statement,) = read("wildml", "s_{p,e,:}", lets=lets)
    assert line(statement) == "«s_p»|[e,:]"


def test_an_index_with_an_offset_in_a_declared_name():
    (statement,) = read("seed_000", "k_{i}", lets=[("k_{i-1}", ("i",), 1)])
    assert line(statement) == "«k_{i-1}»[i+1]"


def test_the_letter_of_an_index_tells_declared_names_apart():
    lets = [(r"\delta_j", ("j",), 0), (r"\delta_k", ("k",), 0)]
    (statement,) = read("seed_004", r"\delta_j + \delta_{k'}", lets=lets)
    assert line(statement) == r"{+«\delta_j»[j] +«\delta_k»[k']}"


def test_a_prime_is_what_the_document_says():
    text = r"y'X"
    (statement,) = read("least_squares", text, prime="transpose")
    assert line(statement) == "(yᵀ X)"
    with pytest.raises(ReadError, match="prime"):
        read("least_squares", text, prime="derivative")


def test_a_declared_index_hides_a_tensor():
    (statement,) = read("softmax_layer", "o_b", indices={"b": "J"})
    assert line(statement) == "oj[b]"


def test_a_left_side_that_cannot_be_read_is_left_to_the_directive():
    text = r"\oint = x"
    (statement,) = read("seed_002", text, claimed=True)
    assert show(statement.members[1]) == "x"


def test_other_readings_follow_the_best():
    (statement,) = read("seed_002", r"\sum_i y_i + x_i")
    assert [show(m) for m in statement.members] == ["{+sum(i: y[i]) +x[i]}"]
    assert [[show(m) for m in other] for other in statement.alternatives] == [["sum(i: {+y[i] +x[i]})"]]


def test_nodes_know_their_text():
    text = r"2(\vec a^{(L)} - y) \odot \dot\sigma^{(L)}(z^{(L)})"
    (statement,) = read("seed_002", text)
    product = statement.members[0]
    sources = [factor.source for factor in product.factors]
    assert sources == ["2", r"\vec a^{(L)} - y", r"\dot\sigma^{(L)}(z^{(L)})"]
    for node in ex.walk(product):
        if node.span is not None:
            assert text[node.span.start : node.span.end].strip() == node.source.strip()


@pytest.mark.parametrize(
    ("text", "repair"),
    [
        ("2(x - y", "'(' has no partner"),
        ("x - y)", "')' has no partner"),
    ],
)
def test_evident_repairs_are_recorded(text, repair):
    (statement,) = read("seed_000", text)
    assert any(repair in each for each in statement.repairs)


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("((x - y", 1, "has no partner"),
        (r"x + ", 3, "a term is missing"),
        (r"x = \frac{1}{2", 13, "this brace is not closed"),
        (r"x = }", 5, "closes nothing"),
        (r"x \odot", 3, "nothing follows"),
        (r"f'", 1, "argument"),
        (r"x = = y", 5, "nothing"),
        (r"\begin{tikzpicture} x \end{tikzpicture}", 1, "tikzpicture"),
        (r"x = \frac{f(y)}{\partial y}", 5, "no derivative"),
        ("x = y \u4e00", 7, "is not read in a formula"),
        (r"\sum_{\frac12} x", 7, "no index"),
    ],
)
def test_what_cannot_be_read_is_an_error_at_its_place(text, column, message):
    with pytest.raises(ReadError, match=message) as caught:
        read("seed_000", text)
    assert (caught.value.line, caught.value.column) == (1, column)


def test_nesting_and_length_are_bounded():
    for text in ("{" * 10_000 + "x" + "}" * 10_000, "(" * 5_000, "x" * 50_000, r"\frac{" * 5_000):
        with pytest.raises(ReadError):
            read("seed_000", text)


PIECES = [
    r"\frac", "{", "}", "(", ")", "[", "]", r"\partial", "d", r"\sum_k", r"\prod_{j=1}^n", "_i", "^T", r"^{(\ell)}",
    "W", "x", "z", "a", "+", "-", "=", r"\odot", r"\circ", r"\cdot", "*", "/", ".", ",", "'", r"\dots",
    r"\text{where}", r"\begin{cases}", r"\end{cases}", "&", r"\\", "|", r"\|", r"\left", r"\right", r"\hat",
    r"\vec{a}", r"\nabla", r"\delta_{ij}", "1", "2", r"\mathbf{1}", r"\sigma", r"\tanh", "softmax", "e^", "^2", "_",
    r"\in", r"\mathbb{R}", r"\over", r"\sqrt", r"\langle", r"\rangle", "^{-1}", ":", ";", r"\Delta", r"\eta",
    r"\max_i", r"\left.", r"\right|", "ᵀ", "ŷ", "#1", "$", "^",
]  # fmt: skip


def test_any_text_is_read_or_refused_at_a_place():
    chance = random.Random(3)
    formulas = [
        entry.formula.text
        for path in sorted(DOCUMENTS.glob("seed_00*.tex"))
        for entry in document.open_document(path).entries
    ]
    for _ in range(1500):
        text = chance.choice(formulas) if chance.random() < 0.5 else ""
        for _ in range(chance.randint(1, 8)):
            at = chance.randrange(len(text) + 1)
            text = text[:at] + chance.choice(PIECES) + " " * chance.randint(0, 1) + text[at + chance.randint(0, 3) :]
        try:
            found = read("seed_002", text)
        except ReadError as error:
            assert error.line is not None  # noqa: PT017 - most are refused, and each must say where
        else:
            assert found
            for statement in found:
                assert all(isinstance(member, ex.Node) for member in statement.members)
                assert replace(statement, repairs=()) is not None


LONG = {
    "letters": "x" * 9900,
    "terms": "x+" * 4900 + "x",
    "exponent": "x^{" + "1+" * 4900 + "1}",
    "subscript": "z_{" + "i" * 9000 + "}",
    "functions": "f(" * 78 + "x" + ")" * 78,
    "quotients": r"\frac{1}{" * 78 + "x" + "}" * 78,
    "gradients": r"\nabla " * 1000 + "x",
    "sums": r"\sum_i " * 1000 + "x",
    "dots": r"x \dots " * 1000 + "x",
    "slashes": "x/" * 4000 + "x",
    "differentials": "d" * 4900 + "x",
    "members": "x=" * 4900 + "x",
}


@pytest.mark.parametrize("name", sorted(LONG))
def test_long_and_deep_formulas_are_read_or_refused(name):
    try:
        assert read("seed_000", LONG[name])
    except ReadError as error:
        assert error.line == 1  # noqa: PT017 - some are refused, with a place
