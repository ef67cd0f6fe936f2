"""The tables of docs/verify.md are those of the code and of the corpus."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import pytest

from symbackprop.verify import codes

PAGE = Path(__file__).parents[2] / "docs" / "verify.md"
_SPEC = importlib.util.spec_from_file_location("corpus_for_docs", Path(__file__).with_name("corpus.py"))
assert _SPEC is not None
assert _SPEC.loader is not None
corpus = importlib.util.module_from_spec(_SPEC)
sys.modules[_SPEC.name] = corpus
_SPEC.loader.exec_module(corpus)


def between(mark: str, table: str, page: str) -> str:
    """The page with a table between its marks."""
    pattern = re.compile(rf"(<!-- {mark} -->\n).*?(<!-- end of {mark} -->)", re.DOTALL)
    return pattern.sub(lambda found: f"{found[1]}\n{table.strip()}\n\n{found[2]}", page)


@pytest.mark.parametrize("mark", ["codes", "corpus"])
def test_tables_are_current(mark, request):
    page = PAGE.read_text(encoding="utf-8")
    wanted = between(mark, codes.table() if mark == "codes" else corpus.table(corpus.outcomes()), page)
    if request.config.getoption("--update-golden"):
        PAGE.write_text(wanted, encoding="utf-8")
    else:
        assert wanted == page, "type: make generated"
