"""Every wrong formula of the corpus has its mistake named and a fix that is right in its place."""

from __future__ import annotations

import contextlib
import importlib.util
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from symbackprop.errors import SpecError
from symbackprop.handwritten.formula import plain
from symbackprop.handwritten.resolve import statements
from symbackprop.verify.classify import diagnose
from symbackprop.verify.codes import ERROR_KINDS
from symbackprop.verify.conventions import tried
from symbackprop.verify.judge import holds
from symbackprop.verify.pipeline import open_session

_SPEC = importlib.util.spec_from_file_location("corpus_for_repairs", Path(__file__).with_name("corpus.py"))
assert _SPEC is not None
assert _SPEC.loader is not None
corpus = importlib.util.module_from_spec(_SPEC)
sys.modules[_SPEC.name] = corpus
_SPEC.loader.exec_module(corpus)

WRONG = [item for item in corpus.expected() if item["verdict"] == "wrong"]
UNNAMED = {
    "w044": {"SB209", "SB210", "SB212"},
}
"""Mistakes that stay unnamed: a formula with four of them, one a symbol that nothing declares, has no small repair; the
undeclared symbol is named, and the right formula is given."""
OTHER_FIX = {
    "s000-a7": "its dots within brackets are no pattern of two ends; the fix names the product by its signal",
    "w019": "the letter tells inputs o_i from outputs o_j, so that o_k may be either; the fix does without it",
    "w027": "its line holds three claims, each of which is mended by itself; the fix joins them into one",
    "w041": "a member of the chain that no small change mends is left out; the fix rewrites it",
}
"""Items whose expected fix is not the formula with the smallest change, with the reason."""


@pytest.fixture(scope="module")
def sessions():
    return {}


def claims_of(sessions, document):
    if document not in sessions:
        session = open_session(str(corpus.DOCUMENTS / document))
        sessions[document] = session, list(session.claims())
    return sessions[document]


def judged_instead(session, claim, text):
    """The statement that a text is in the place of a claim, and its verdict."""
    context = claim.context
    (read, *_) = statements(plain(text), context)
    return session.verdict(read, claim.setting)


@pytest.mark.parametrize("item", WRONG, ids=[f"{item['document']}:{item['id']}" for item in WRONG])
def test_mistake_is_named_and_mended(item, sessions):
    session, claims = claims_of(sessions, item["document"])
    here = [c for c in claims if c.line == item["line"] and not c.verdict.is_right]
    found = [diagnose(claim, session.worlds) for claim in here]
    assert found
    named = {code for diagnostic in found for code in diagnostic.changes}
    wanted = {ERROR_KINDS[kind] for kind in item["error_kind"]} - UNNAMED.get(item["id"], set())
    assert wanted <= named, (wanted, named)
    unread = {"SB401"} if "unreadable" in item["also_accept"] else set()
    assert any(diagnostic.code in wanted | unread for diagnostic in found)
    for claim, diagnostic in zip(here, found, strict=True):
        assert diagnostic.fix is not None, diagnostic.message
        statement, verdict = judged_instead(session, claim, diagnostic.fix)
        assert verdict.is_right, (diagnostic.fix, verdict.message)
        if item["fix"] and item["id"] not in OTHER_FIX:
            assert_equal_in_value(session, claim, statement, item["fix"])


def assert_equal_in_value(session, claim, statement, text):
    """The expected fix is right about the same quantity, or has the last member of the one found."""
    with contextlib.suppress(SpecError):
        if judged_instead(session, claim, text)[1].is_right:
            return
    (expected, *_) = statements(plain(text.rpartition("=")[2]), claim.context)
    pair = replace(
        statement, members=(statement.members[-1], expected.members[-1]), relations=("=",), alternatives=(), shape=None
    )
    setting = replace(claim.setting, claim=None)
    readings = tried(session.network, setting, pair.members)
    assert holds(pair, setting, session.worlds, readings), (statement.members[-1].source, text)
