"""Bad input, as text: what a student reads when a network file is wrong."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from symbackprop import spec
from symbackprop.errors import SpecError

DEFAULT = {
    "name": "net",
    "loss": "C",
    "parameters": '["W"]',
    "forward": "C = sum(X@W-Y)",
    "extra": "",
    "shapes": 'X = "N d"\nW = "d h"\nY = "N h"',
    "tail": "",
}


def file_text(changes):
    """A network file; forward starts in line 5."""
    part = {**DEFAULT, **changes}
    part = {key: value.rstrip("\n") for key, value in part.items()}
    return (
        f'name = "{part["name"]}"\nloss = "{part["loss"]}"\nparameters = {part["parameters"]}\n'
        f'forward = """\n{part["forward"]}\n"""\n{part["extra"]}\n[shapes]\n{part["shapes"]}\n{part["tail"]}'
    )


CASES = tomllib.loads((Path(__file__).parents[1] / "data" / "messages.toml").read_text(encoding="utf-8"))["case"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: next(iter(case.values())).strip()[:40])
def test_message_says_where_and_what_to_do(case):
    changes, message = {k: v for k, v in case.items() if k != "message"}, case["message"].strip()
    with pytest.raises(SpecError) as caught:
        spec.loads(file_text(changes))
    found = str(caught.value)
    assert found == message or (message.endswith("…") and found.startswith(message[:-1]))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('name = "a\nloss = 3', "line 1, column 10: not TOML: illegal character '\\n'"),
        ('name = "a"\n\n\nloss = = 3', "line 4, column 8: not TOML: invalid value"),
        (
            'name = "a"\nloss = 3\nparameters = ["W"]\nforward = ""',
            "line 2: 'loss' must be text in quotes, not a number",
        ),
        (
            'name = "a"\nloss = "C"\nforward = "C = 1"',
            "'parameters' is missing; a network file needs name, loss, parameters and forward",
        ),
        ("a = " + "[" * 5000, "not TOML that can be read: nested too deeply"),
        ('a = "', "line 1, column 6: not TOML: unterminated string"),
    ],
)
def test_message_about_toml(text, message):
    with pytest.raises(SpecError) as caught:
        spec.loads(text)
    assert str(caught.value).replace("line 1: not TOML: unterminated string", message) == message


@pytest.mark.parametrize(
    ("forward", "message"),
    [
        ("C = 1e999999 * sum(X)", "line 5, column 5: '1e999999' is not a decimal number within the limits"),
        ("C = " + "9" * 61, "line 5, column 5: a number of 61 digits; the limit is 60"),
        ("C = sum(X**401)", "line 5, column 9: the power 401 is beyond the limit of 400"),
        ("C = 2**(1/1000) * sum(X)", "line 5, column 5: the power 1/1000 is beyond the limit of 400"),
        ("C = " + "abs(" * 70 + "X" + ")" * 70, "line 5, column 249: nested more than 60 deep; give parts names"),
        (
            "C = " + "(" * 900 + "X" + ")" * 900,
            "line 5, column 205: not an expression of the forward language",
        ),
        ("C = sum(X" + " + X" * 6000 + ")", "line 5, column "),
        ("C = " + "-" * 9000 + "1", "line 5, column "),
        ("\n".join(f"a{k} = X" for k in range(10_001)), "line 10005, column 1: more than 10000 statements"),
    ],
    ids=lambda text: text[:20],
)
def test_limits_have_messages(forward, message):
    """Python's parser draws some of the lines, at other places in other versions."""
    with pytest.raises(SpecError) as caught:
        spec.loads(file_text({"forward": forward}))
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    "spelling",
    [r"\input{x}", r"\write18{x}", r"\catcode", r"\def\x{}", r"\csname", r"\url{x}", "x%", "$x$", "a\nb", "#1", "a&b",
     "~", "é", "{x", "x}", "}{", "x^", "x_", "a^b^c", r"\left(x", "x\\", "", " ", "x" * 201, r"\href{a}{b}",
     "<script>\x00"],
)  # fmt: skip
def test_spelling_that_is_no_mathematics_is_refused(spelling):
    with pytest.raises(SpecError, match=r"^\[latex\] X = "):
        spec.network(
            name="net", forward="C = sum(X)", loss="C", parameters=["X"], shapes={"X": "n"}, latex={"X": spelling}
        )


@pytest.mark.parametrize(
    "spelling",
    [r"\hat{y}", r"\Gamma_f^{\langle t \rangle}", r"\vec{\mathbf{a}}^{(\ell)}", "x_t", r"\tilde c^{\langle t \rangle}",
     "MSE", r"\frac{a}{b}", r"W^{[1]}", r"\mathrm{softmax}", "n_l", r"x'", r"w_{i,j}", r"\|x\|", "A^*"],
)  # fmt: skip
def test_spelling_of_mathematics_is_taken(spelling):
    network = spec.network(
        name="net", forward="C = sum(X)", loss="C", parameters=["X"], shapes={"X": "n"}, latex={"X": spelling}
    )
    assert network.latex == {"X": (spelling,)}
