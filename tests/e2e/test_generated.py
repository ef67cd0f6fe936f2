"""generated/ holds what the example networks give today, byte for byte; ``make generated`` rewrites it."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from symbackprop import api, gallery

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "generated"
SUFFIXES = ("py", "tex", "toml", "txt")


def outputs(name):
    """Every file of one network by its suffix."""
    derived = api.derive(str(gallery.path(name)))
    material = api.material(derived)
    report = material.report
    assert report.passed, str(report)
    return {
        "py": material.code,
        "tex": api.handout_latex(derived, material=material),
        "toml": derived.network.toml,
        "txt": f"{derived.text()}\n{report}\n",
    }


@pytest.mark.parametrize("name", gallery.names())
def test_output_of_the_example_networks_is_what_is_committed(name, request):
    found = outputs(name)
    for suffix in SUFFIXES:
        path = FOLDER / f"{name}.{suffix}"
        if request.config.getoption("--update-golden"):
            FOLDER.mkdir(exist_ok=True)
            path.write_bytes(found[suffix].encode())
        assert path.exists(), f"generated/{path.name} is missing; type: make generated"
        assert path.read_bytes().decode() == found[suffix], f"generated/{path.name} differs; see: make generated"


def test_nothing_else_lies_there():
    expected = {f"{name}.{suffix}" for name in gallery.names() for suffix in SUFFIXES}
    assert {path.name for path in FOLDER.iterdir()} == expected


@pytest.mark.parametrize("name", gallery.names())
def test_generated_files_are_clean(name):
    for suffix in SUFFIXES:
        text = (FOLDER / f"{name}.{suffix}").read_text(encoding="utf-8")
        assert text.endswith("\n")
        assert not text.endswith("\n\n")
        assert "\r" not in text
        assert all(line == line.rstrip() for line in text.splitlines())
    assert ast.parse((FOLDER / f"{name}.py").read_text(encoding="utf-8"), feature_version=(3, 8))


@pytest.mark.parametrize("name", gallery.names())
def test_network_in_full_gives_the_same_results(name):
    again = api.derive(api.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8")))
    assert again.code() == (FOLDER / f"{name}.py").read_text(encoding="utf-8")
    assert again.network.toml == (FOLDER / f"{name}.toml").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("seed", ["1", "2718"])
def test_output_does_not_depend_on_hash_order(seed, tmp_path):
    environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT), "PATH": str(tmp_path)}
    paths = [str(gallery.path(name)) for name in gallery.names()]
    subprocess.run(
        [sys.executable, "-m", "symbackprop", "build", *paths, "-o", "out"],
        cwd=tmp_path,
        env=environment,
        check=True,
        capture_output=True,
    )
    for name in gallery.names():
        for suffix in ("py", "tex", "toml"):
            built = (tmp_path / "out" / f"{name}.{suffix}").read_bytes()
            assert built == (FOLDER / f"{name}.{suffix}").read_bytes(), f"{name}.{suffix}"
