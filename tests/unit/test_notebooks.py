"""The notebook writer: valid files, cells that run one after the other and print the check, the same bytes twice."""

from __future__ import annotations

import asyncio
import json
import warnings
from dataclasses import replace
from pathlib import Path

import nbclient
import nbformat
import pytest

from symbackprop import api, gallery
from symbackprop.verify.run import run

NETWORKS = Path(__file__).parents[1] / "data" / "networks"


def notebook(source: str, **chosen: object) -> tuple[str, api.Derived]:
    """The text of a notebook and the derivation it is of."""
    derived = api.derive(source)
    options = api.options(**chosen)
    return api.handout_notebook(derived, options, api.material(derived, options)), derived


def executed(text: str, folder: Path) -> nbformat.NotebookNode:
    """The notebook run from start to end by a fresh kernel, in a folder where there is nothing of ours."""
    book = nbformat.reads(text, as_version=4)
    with warnings.catch_warnings():  # what the kernel's libraries warn of is theirs
        warnings.simplefilter("ignore")
        client = nbclient.NotebookClient(book, timeout=120, resources={"metadata": {"path": str(folder)}})
        client.execute(env={"PYTHONSAFEPATH": "1"})
        asyncio.set_event_loop(None)
    return book


def outputs(book: nbformat.NotebookNode) -> str:
    return "".join(output.get("text", "") for cell in book.cells for output in cell.get("outputs", ()))


@pytest.mark.parametrize("source", [str(gallery.path("seed_003")), "mlp:3-2-2"])
def test_notebook_is_valid_and_the_same_twice(source: str) -> None:
    text, _ = notebook(source)
    nbformat.validate(nbformat.reads(text, as_version=4))
    assert text == notebook(source)[0]
    assert json.loads(text)["nbformat_minor"] == 5
    assert "symbackprop" not in "".join(
        line for cell in json.loads(text)["cells"] if cell["cell_type"] == "code" for line in cell["source"]
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "source", [*map(str, map(gallery.path, gallery.names())), "mlp:4-2-3", str(NETWORKS / "lstm.toml")]
)
def test_notebook_runs_from_start_to_end_and_prints_its_check(source: str, tmp_path: Path) -> None:
    text, derived = notebook(source)
    printed = outputs(executed(text, tmp_path)).splitlines()
    for parameter in derived.network.parameters:
        assert f"{parameter:<12} right" in printed


@pytest.mark.slow
def test_notebook_stops_at_a_gradient_that_is_wrong(tmp_path: Path) -> None:
    derived = api.derive(str(gallery.path("seed_003")))
    made = api.material(derived)
    wrong = made.code.replace("dW2 = H_out.T @ O_delta / N", "dW2 = H_out.T @ O_delta")
    assert wrong != made.code
    text = api.handout_notebook(derived, api.options(exercises=False), replace(made, code=wrong, bugs=()))
    with pytest.raises(nbclient.exceptions.CellExecutionError, match="AssertionError"):
        executed(text, tmp_path)


def test_without_code_there_is_nothing_to_run() -> None:
    text, _ = notebook("mlp:3-2-2", code=False)
    assert {cell["cell_type"] for cell in json.loads(text)["cells"]} == {"markdown"}


def test_every_claim_of_a_notebooks_text_is_right(tmp_path: Path) -> None:
    text, derived = notebook(str(gallery.path("seed_003")), code=False)
    (tmp_path / "a.ipynb").write_text(text, encoding="utf-8")
    (tmp_path / "seed_003.toml").write_text(derived.network.toml, encoding="utf-8")
    report = run(str(tmp_path / "a.ipynb"))
    assert len(report.diagnostics) > 30
    assert all(each.verdict == ("wrong" if each.expected else "right") for each in report.diagnostics)
