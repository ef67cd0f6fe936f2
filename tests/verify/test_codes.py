"""The table of codes, and its examples judged."""

from __future__ import annotations

import pytest

from symbackprop import spec
from symbackprop.handwritten import document
from symbackprop.verify import codes
from symbackprop.verify.classify import diagnose
from symbackprop.verify.pipeline import Session

LAYERED = [code for code in codes.CODES.values() if code.wrong]


def claims(formula, ranges=""):
    text = f"% symbackprop: {codes.LET}\n{ranges}\\[\n{formula}\n\\]\n"
    session = Session(document.read(text, "tex"), spec.loads(codes.EXAMPLE))
    return session, list(session.claims())


def test_codes_are_in_order_and_named_once():
    assert list(codes.CODES) == sorted(codes.CODES)
    assert len(codes.BY_NAME) == len(codes.CODES)
    assert {code.group for code in codes.CODES.values()} == {"shapes", "values", "conventions", "reading"}


def test_every_kind_of_error_has_a_code():
    assert set(codes.ERROR_KINDS.values()) <= set(codes.CODES)


@pytest.mark.parametrize("code", LAYERED, ids=lambda code: code.code)
def test_right_example_is_right(code):
    _, found = claims(code.right)
    assert [judged.verdict.verdict for judged in found] == ["right"]


@pytest.mark.parametrize("code", LAYERED, ids=lambda code: code.code)
def test_wrong_example_is_not_right(code):
    _, found = claims(code.wrong)
    assert all(judged.verdict.verdict not in {"right", "right-under-convention"} for judged in found)


@pytest.mark.parametrize("code", [c for c in LAYERED if c.group != "reading"], ids=lambda code: code.code)
def test_wrong_example_has_its_code(code):
    session, found = claims(code.wrong)
    diagnostic = diagnose(found[0], session.worlds)
    assert diagnostic.code == code.code, diagnostic.message


def test_explanations_hold_the_example():
    text = codes.explain("sb203")
    assert "SB203" in text
    assert codes.CODES["SB203"].right in text
    assert codes.explain("swapped-indices") == text


def test_an_unknown_code_names_the_nearest():
    with pytest.raises(KeyError, match="SB203"):
        codes.explain("SB2O3")


def test_table_has_a_row_a_code():
    assert codes.table().count("\n") == len(codes.CODES) + 2


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("numerator layout", "SB301"),
        ("vectors are rows", "SB302"),
        ("* is the matrix product", "SB306"),
        ("⊙ and ∘ bind tighter than juxtaposition", "SB307"),
        ("something else", "SB309"),
    ],
)
def test_conventions_have_codes(words, code):
    assert codes.of_convention(words) == code
