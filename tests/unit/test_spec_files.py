"""Network files: all examples load, what is written back is the same network, encodings and kinds of files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from symbackprop import gallery, spec
from symbackprop.errors import SpecError

FOLDER = Path(__file__).parents[1] / "data" / "networks"
FILES = [*(gallery.path(name) for name in gallery.names()), *sorted(FOLDER.glob("*.toml"))]


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_written_network_is_read_back_equal(path):
    network = spec.load(path)
    again = spec.loads(network.toml, source=network.source)
    assert again.toml == network.toml
    # Lines are places in the file, and the canonical file has others.
    assert again == network


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_equations_stand_after_what_they_read(path):
    network = spec.load(path)
    computed = {equation.lhs.tensor for equation in network.equations}
    assert [e for _, e in network.walk()] != []
    assert sorted(map(str, (e for _, e in network.walk()))) == sorted(map(str, network.equations))
    assert computed | {*network.inputs, *network.parameters} == set(network.tensors)
    assert network.tensors[network.loss].role == "loss"


@pytest.mark.parametrize(
    ("name", "inputs", "batch", "shape"),
    [
        ("seed_000", ("x", "y"), None, {"W": ("q[i]", "q[i-1]"), "z": ("q[i]",), "yhat": ("q[n+1]",)}),
        ("seed_001", ("X1", "X2"), None, {"H1": ("h",), "Yhat": ("o",), "loss": ()}),
        ("seed_002", ("x", "y"), None, {"a": ("n[l]",), "z": ("n[l]",), "C": ()}),
        ("seed_002_batch", ("X", "Y"), "N", {"a": ("N", "n[l]"), "z": ("N", "n[l]"), "Ck": ("N",)}),
        ("seed_003", ("X", "Y"), "N", {"H_in": ("N", "h"), "O_out": ("N", "o")}),
        ("seed_004", ("x", "zhat"), None, {"s_y": ("J",), "z": ("K",)}),
        ("seed_004_general", ("x", "yhat"), None, {"s": ("n[l]",), "a": ("n[l]",)}),
        ("cs224n_notes3", ("x",), None, {"a": ("n[k-1]",), "z": ("n[k-1]",), "W": ("n[k]", "n[k-1]")}),
        ("ufldl", ("x", "y"), None, {"a": ("s[l]",), "z": ("s[l]",), "b": ("s[l+1]",)}),
        ("lstm", ("a_prev", "c_prev", "x"), "m", {"cat": ("na+nx", "m"), "G_f": ("na", "m")}),
        ("staged_softmax", ("x", "ydot"), None, {"z1": ("h",), "PL": ()}),
        ("rnn_linear_softmax", ("s0", "x", "y"), None, {"s": ("n",), "yhat": ("o",), "E": ()}),
        ("least_squares", ("X", "y"), "m", {"r": ("m",)}),
        ("wildml", ("x", "y"), "N", {"yhat": ("N", "o")}),
    ],
)
def test_axes_are_inferred(name, inputs, batch, shape):
    path = next(p for p in FILES if p.stem == name)
    network = spec.load(path)
    assert (network.inputs, network.batch) == (inputs, batch)
    assert {t: tuple(map(str, network.tensors[t].axes)) for t in shape} == shape


@pytest.mark.parametrize(
    ("name", "ranges"),
    [
        ("seed_000", {"z": "i=0..n+1", "s": "i=1..n+1", "W": "i=1..n+1"}),
        ("seed_002", {"a": "l=0..L", "W": "l=1..L"}),
        ("cs224n_notes3", {"a": "k=1..K", "z": "k=2..K", "W": "k=1..K-1"}),
        ("ufldl", {"a": "l=1..n_l", "W": "l=1..n_l-1"}),
        ("rnn_tanh", {"h": "t=0..T", "x": "t=0..T-1", "s": "t=1..T"}),
        ("staged_softmax", {"x": "n=1..N", "PL": "n=1..N"}),
    ],
)
def test_range_of_a_family_is_what_is_assigned_and_read(name, ranges):
    network = spec.load(next(p for p in FILES if p.stem == name))
    assert {t: str(*network.tensors[t].family) for t in ranges} == ranges


TEXT = gallery.path("seed_003").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "data",
    [TEXT.encode(), b"\xef\xbb\xbf" + TEXT.encode(), TEXT.replace("\n", "\r\n").encode()],
    ids=["plain", "byte order mark", "carriage returns"],
)
def test_any_line_ends_and_a_byte_order_mark_are_read(tmp_path, data):
    path = tmp_path / "net.toml"
    path.write_bytes(data)
    assert spec.load(path).toml == spec.load(gallery.path("seed_003")).toml


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (TEXT.encode("utf-16"), "is in UTF-16; save it as UTF-8"),
        (TEXT.encode("utf-32"), "is in UTF-32; save it as UTF-8"),
        (
            b'name = "a"\ntitle = "caf\xe9"\n',
            "byte 0xe9 is not UTF-8 (Latin-1 or Windows-1252?); save the file as UTF-8",
        ),
        (b" " * 5_000_001, "is longer than the limit of 5 MB"),
    ],
    ids=["utf-16", "utf-32", "latin-1", "long"],
)
def test_other_encodings_and_long_files_are_refused_by_name(tmp_path, data, message):
    path = tmp_path / "net.toml"
    path.write_bytes(data)
    with pytest.raises(SpecError) as caught:
        spec.load(path)
    assert caught.value.message == message
    assert caught.value.source == str(path)


def test_only_regular_files_are_read(tmp_path):
    os.mkfifo(tmp_path / "pipe.toml")
    for path, message in [
        (tmp_path, "is a folder; only regular files are read"),
        (tmp_path / "pipe.toml", "is no regular file; only regular files are read"),
        (tmp_path / "none.toml", "cannot be read: No such file or directory"),
        ("a\x00b", "cannot be read: embedded null byte"),
    ]:
        with pytest.raises(SpecError) as caught:
            spec.load(path)
        assert caught.value.message == message


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ('name = "n"\nloss = "C"\nparameters = ["W"]\nforward = """\nC = sum(W @ v)\n"""\n', 5, 13),
        ('name = "n"\nloss = "C"\nparameters = ["W"]\nforward = """C = sum(W @ v)"""\n', 4, 26),
        ('name = "n"\nloss = "C"\nparameters = ["W"]\nforward = "C = sum(W @ v)"\n', 4, 24),
        ("name = 'n'\nloss = 'C'\nparameters = ['W']\nforward = '''\n   C = sum(W @ v)'''\n", 5, 16),
        ('name = "n"\nloss = "C"\nparameters = ["W"]\nforward = """\n\\\n   C = \\u0073um(W @ v)"""\n', 6, 21),
        (
            'name = "n"\nforward = """\n# [shapes]\n\n  h = W\n  C = sum(h @ v)"""\nloss = "C"\nparameters = ["W"]\n',
            6,
            15,
        ),
    ],
)
def test_errors_in_forward_point_into_the_file(text, line, column):
    with pytest.raises(SpecError, match="no tensor, size or index 'v'") as caught:
        spec.loads(text + '[shapes]\nW = "m n"\n', source="net.toml")
    assert (caught.value.line, caught.value.column) == (line, column)


def test_parts_and_text_give_the_same_network():
    parts = spec.network(
        name="line",
        forward="yhat = X @ w + b\nC = mse(yhat, y)",
        loss="C",
        parameters=("w", "b"),
        shapes={"X": "N d", "w": "d", "b": "", "y": "N"},
        sizes={"N": 4, "d": 2},
        latex={"yhat": [r"\hat{y}", "f"], "b": "b_0"},
    )
    again = spec.loads(parts.toml)
    assert again.toml == parts.toml
    assert list(map(str, again.equations)) == list(map(str, parts.equations))
    assert parts.latex == {"yhat": (r"\hat{y}", "f"), "b": ("b_0",)}


@pytest.mark.parametrize(
    ("text", "equations"),
    [
        ("mlp:4-2-3", ["z1[e, j] = Sum(X[e, i]*W1[i, j], i) + b1[j]", "a1[e, j] = (sigmoid(z1[e, j]))",
                       "yhat[e, k] = Sum(a1[e, j]*W2[j, k], j) + b2[k]",
                       "C = Sum(((-y[e, k] + yhat[e, k])**2)*(1/N)*(1/n2), e, k)"]),
        ("mlp:784-10,sigmoid,softmax,cross_entropy",
         ["z1[e, j] = Sum(X[e, i]*W1[i, j], i) + b1[j]", "yhat[e, j] = softmax(z1[e, _0])[j]",
          "C = -Sum(y[e, j]*(log(yhat[e, j]))*(1/N), e, j)"]),
    ],
)  # fmt: skip
def test_shorthand_is_a_network_with_biases_and_a_batch(text, equations):
    network = spec.load(text)
    assert list(map(str, network.equations)) == equations
    assert network.batch == "N"
    assert spec.loads(network.toml, source=text) == network


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mlp:4", "'4' is no list of widths from 1 up"),
        ("mlp:4-0-2", "'4-0-2' is no list of widths from 1 up"),
        ("mlp:4-2,sigmod", "no activation 'sigmod'; did you mean 'sigmoid'"),
        ("mlp:4-2,tanh,tanh,ms", "no loss 'ms'; did you mean 'mse'?"),
        ("mlp:4-2,tanh,tanh,mse,more", "'more' is one word too many"),
        ("mlp:" + "-".join(["2"] * 1002), "1001 layers; the limit for written-out layers is 1000"),
    ],
)
def test_shorthand_that_is_none_is_refused(text, message):
    with pytest.raises(SpecError) as caught:
        spec.load(text)
    assert caught.value.message.startswith(message)
