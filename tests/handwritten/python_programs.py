"""Hand-written backward passes for tests: they are really run here, and their gradients compared with the derivative.

Every file of ``tests/data/python`` names its network in its first line. ``CALLS`` says how it is called and which of
its values are the gradients of the parameters; tensors of the network stand under their names, a family as a list from
its first member on, and ``derivative`` holds what the gradient from outside is.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from symbackprop import spec
from symbackprop.oracle import members
from symbackprop.verify.world import Worlds

FOLDER = Path(__file__).parent.parent / "data" / "python"
COLUMNS = frozenset(
    ("columns_course", "columns_exact", "columns_globals", "stack_model", "stack_lists", "deep_nielsen", "chars_rnn",
     "logistic_columns")
)  # fmt: skip
"""Programs that keep arrays of one axis as columns."""
ROWS = frozenset(("labels_script",))
"""Programs that keep biases as rows."""
_TWO = "result = dict(W1=dW1, b1=db1, W2=dW2, b2=db2)"
_LISTS = "result = {**{('W', k + 1): g for k, g in enumerate(dW)}, **{('b', k + 1): g for k, g in enumerate(db)}}"
_PARAMS = "dict(W1=W1, b1=b1, W2=W2, b2=b2)"
_NUMBERED = "{f'{n}{k + 1}': v for n, vs in (('W', W), ('b', b)) for k, v in enumerate(vs)}"
CALLS = {
    "two_script": _TWO,
    "two_dicts": f"result = backward({_PARAMS}, forward({_PARAMS}, X), X, Y)",
    "two_class": (
        "net = TwoLayers(2, 3, 4); net.W1, net.b1, net.W2, net.b2 = W1, b1, W2, b2; net.forward(X); net.backward(Y);"
        "result = dict(W1=net.dW1, b1=net.db1, W2=net.dW2, b2=net.db2)"
    ),
    "two_tuple": f"dW1, db1, dW2, db2 = gradients(X, Y, W1, b1, W2, b2); {_TWO}",
    "two_einsum": _TWO,
    "two_examples": f"dW1, db1, dW2, db2 = all_gradients(X, Y, W1, b1, W2, b2); {_TWO}",
    "two_names": "result = compute_gradients(X, Y, W1, b1, W2, b2)",
    "two_sum_first": "result = dict(W1=grad_W1, b1=grad_b1, W2=grad_W2, b2=grad_b2)",
    "labels_net": (
        f"net = TwoLayerNet(2, 3, 4); net.params = {_PARAMS}; result = net.loss(X, y, reg)[1]"
    ),
    "labels_script": _TWO,
    "labels_layers": f"result = loss_and_grads({_PARAMS}, X, y, reg)[1]",
    "columns_course": (
        "A1 = np.tanh(W1 @ X + b1); A2 = 1 / (1 + np.exp(-(W2 @ A1 + b2)));"
        f"g = backward_propagation({_PARAMS}, dict(A1=A1, A2=A2), X, Y); result = {{k[1:]: v for k, v in g.items()}}"
    ),
    "columns_exact": f"dW1, db1, dW2, db2 = propagate(W1, b1, W2, b2, X, Y); {_TWO}",
    "columns_globals": "result = dict(W1=G[0], b1=G[1], W2=G[2], b2=G[3])",
    "stack_model": (
        "result = {(n, k + 1): gradients[f'd{n}{k + 1}'] for k in range(len(W)) for n in 'Wb'}"
    ),
    "stack_lists": _LISTS,
    "deep_nielsen": (
        "net = Network([2, 3]); net.weights, net.biases, net.num_layers = W, b, len(W) + 1;"
        f"db, dW = net.backprop(x, y); {_LISTS}"
    ),
    "deep_numbered": (
        f"g = gradients({_NUMBERED}, x, y, len(W));"
        "result = {(n, k + 1): g[f'd{n}{k + 1}'] for k in range(len(W)) for n in 'Wb'}"
    ),
    "deep_recursive": _LISTS,
    "deep_layers": _LISTS,
    "deep_rows_loop": _LISTS,
    "chars_rnn": "result = dict(Wxh=dWxh, Whh=dWhh, Why=dWhy, bh=dbh, by=dby)",
    "chars_lists": (
        "dWxh, dWhh, dWhy, dbh, dby = bptt(xs, targets, h0, Wxh, Whh, Why, bh, by);"
        "result = dict(Wxh=dWxh, Whh=dWhh, Why=dWhy, bh=dbh, by=dby)"
    ),
    "lstm_step": "result = dict(Wx=dWx, Wh=dWh, b=db, x=dx, prev_h=dprev_h, prev_c=dprev_c)",
    "gru_step": (
        "result = dict(zip(('Wz', 'Uz', 'Wr', 'Ur', 'Wh', 'Uh', 'h_prev'),"
        " gru_backward(x, h_prev, y, Wz, Uz, Wr, Ur, Wh, Uh)))"
    ),
    "logistic_vector": "_, dw, db = cost_and_gradient(w, b, X, y); result = dict(w=dw, b=db)",
    "logistic_loops": "result = dict(w=dw, b=db)",
    "logistic_columns": "result = dict(w=dw, b=db)",
    "ridge_closed": "result = dict(w=dw, b=db)",
    "ridge_comprehension": "dw, db = gradient(X, y, w, b, lam); result = dict(w=dw, b=db)",
    "ridge_update": "result = dict(w=(start['w'] - w) / 0.01, b=(start['b'] - b) / 0.01)",
    "syn_short": "result = dict(syn0=start['syn0'] - syn0, syn1=start['syn1'] - syn1)",
    "batch_norm_steps": "result = dict(x=dx, gamma=dgamma, beta=dbeta)",
    "batch_norm_closed": "result = dict(x=dx, gamma=dgamma, beta=dbeta)",
    "layer_norm_rows": "result = dict(zip(('x', 'gamma', 'beta'), layernorm_backward(dout, x, gamma)))",
    "softmax_jacobian": "result = dict(W=dW)",
    "softmax_entries": "result = dict(W=dW)",
    "tied_weights": "result = dict(W=dW, b=db, c=dc)",
    "embed_add_at": "result = dict(E=dE, W=dW)",
    "embed_loop": "dE, dW = gradients(E, W, ids, y); result = dict(E=dE, W=dW)",
    "attention_rows": "result = dict(zip(('Wq', 'Wk', 'Wv'), attention_backward(X, Wq, Wk, Wv, dO)))",
    "conv_loops": "result = dict(w=dw, b=db)",
    "conv_windows": "result = dict(w=dw, b=db)",
    "linear_naive": "result = dict(W=softmax_loss_naive(W, X, y, reg)[1])",
    "linear_onehot": "result = dict(W=dW)",
    "residual_block": "result = dict(zip(('W1', 'b1', 'W2', 'x'), block_backward(x, y, W1, b1, W2)))",
    "neuron_scalars": "result = dict(w1=dE_dw1, w2=dE_dw2, b=dE_db)",
    "hinge_svm": "result = dict(zip(('w', 'b'), svm_gradient(w, b, X, y, lam)))",
    "hinge_examples": "result = dict(zip(('w', 'b'), svm_gradient(w, b, X, y, lam)))",
}  # fmt: skip
_STEPS = 2_000


@cache
def setting(name):
    """The network of a program and its worlds."""
    first = (FOLDER / f"{name}.py").read_text().split("\n", 1)[0]
    return _network(first.rpartition("=")[2].strip())


@cache
def _network(path):
    network = spec.load(str(FOLDER / path))
    return network, Worlds(network=network)


def text(name):
    """The text of a program."""
    return (FOLDER / f"{name}.py").read_text()


@dataclass(frozen=True)
class Values:
    """The tensors of a world as a program has them, and the derivatives of the loss by them."""

    arrays: dict
    truth: dict


def values(name, world):
    """Numbers for a program."""
    network, _ = setting(name)
    arrays, truth = {}, {}
    for tensor, about in network.tensors.items():
        if not about.named:
            continue
        every = list(members(network, tensor, world.sizes))
        for at in every:
            gradient = np.asarray(world.derivative((network.loss, ()), (tensor, at)), dtype=float)
            truth[(tensor, *at) if at else tensor] = gradient
        if about.family:
            arrays[tensor] = [_laid(name, world.value(tensor, at)) for at in every]
        else:
            arrays[tensor] = _laid(name, world.value(tensor, ()))
    for tensor in ("next_h", "out_c", "out", "O"):
        if tensor in truth:
            arrays[f"d{tensor}"] = truth[tensor]
    for size in {**network.sizes, **dict.fromkeys(network.depths)}:
        if isinstance(world.sizes.get(size), int):
            arrays.setdefault(size, world.sizes[size])
    return Values(arrays, truth)


def _laid(name, array):
    array = np.array(array)
    if array.ndim == 0:
        return array.item()
    if array.ndim == 1 and array.dtype.kind == "f":
        return array[:, None] if name in COLUMNS else array[None, :] if name in ROWS else array
    return array


class _Prepared(ast.NodeTransformer):
    """The program without what would replace the values of the network, and with one round of training."""

    def __init__(self, leaves):
        self.leaves = leaves

    def visit_Module(self, node):
        node.body = [self.visit(each) for each in node.body if not self._draws(each)]
        return node

    def _draws(self, node):
        return isinstance(node, ast.Assign) and "np.random" in ast.unparse(node.value)

    def visit_For(self, node):
        if isinstance(node.target, ast.Name) and node.target.id in {"epoch", "step", "j"} and any(
            isinstance(n, ast.Constant) and n.value in {3, 1000, 60000} for n in ast.walk(node.iter)
        ):  # fmt: skip
            node.iter = ast.parse("range(1)", mode="eval").body
        return node


def gradients(name, source, world):
    """What a program gives as gradients, by tensor and member.

    Raises: whatever the program raises.
    """
    network, _ = setting(name)
    found = values(name, world)
    tree = _Prepared({*network.inputs, *network.parameters}).visit(ast.parse(source))
    if name == "columns_globals":
        tree.body.append(ast.parse("pass").body[0])
        backward = next(n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == "backward")
        backward.body += ast.parse("global G\nG = gradient_W1, gradient_b1, gradient_W2, gradient_b2").body
    space = {"np": np, **{k: _copied(v) for k, v in found.arrays.items()}, "start": found.arrays}
    space["__name__"] = name
    tree = ast.fix_missing_locations(tree)
    with np.errstate(all="ignore"):
        exec(compile(tree, name, "exec"), space)
        exec(compile(CALLS[name], "call", "exec"), space)
    return space["result"]


def _copied(value):
    return [_copied(each) for each in value] if isinstance(value, list) else np.copy(value) if np.ndim(value) else value


def ratio(given, expected):
    """The constant by which a value differs from the right one; None where they differ otherwise."""
    given, expected = np.asarray(given, dtype=float), np.asarray(expected, dtype=float)
    if [n for n in given.shape if n != 1] != [n for n in expected.shape if n != 1]:
        return None
    given = given.reshape(expected.shape)
    scale = max(1.0, float(np.max(np.abs(expected), initial=0.0)))
    if not np.all(np.isfinite(given)):
        return None
    if np.max(np.abs(given - expected), initial=0.0) <= 1e-9 * scale:
        return 1.0
    found = float(np.sum(given * expected) / np.sum(expected**2)) if np.any(expected) else 0.0
    close = np.max(np.abs(given - found * expected), initial=0.0) <= 1e-9 * scale
    return found if close and found else None
