"""What we hand out works elsewhere: the wheel in an empty environment, modules on the oldest Python and NumPy."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from symbackprop import gallery

ROOT = Path(__file__).resolve().parents[2]
GENERATED = sorted((ROOT / "generated").glob("*.py"))
OLDEST_PYTHON = (3, 8)
OLDEST_NUMPY = "1.20.0"
"""What the first lines of every generated module promise."""

PROBE = """
import sys, runpy, warnings
import numpy as np

warnings.simplefilter("error")
assert "symbackprop" not in sys.modules
try:
    runpy.run_path(sys.argv[1], run_name="__main__")
except SystemExit as end:
    assert end.code == 0
assert not [m for m in sys.modules if m.split(".")[0] in ("sympy", "symbackprop", "jinja2")]
print("numpy", np.__version__)
"""


def done(*arguments, **options):
    """Standard output of a process that has to succeed."""
    result = subprocess.run(list(map(str, arguments)), capture_output=True, text=True, check=False, **options)
    assert result.returncode == 0, f"{result.stdout}\n{result.stderr}"
    return result.stdout


def interpreter(version):
    """A Python of exactly that minor version, or None."""
    name = f"python{version[0]}.{version[1]}"
    folder = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = [*sorted(folder.glob(f"{version[0]}.{version[1]}.*/bin/python")), shutil.which(name)]
    for candidate in filter(None, found):
        result = subprocess.run([candidate, "-c", "import venv, ensurepip"], capture_output=True, check=False)
        if result.returncode == 0:
            return str(candidate)
    return None


def environment(python, folder, *packages):
    """The interpreter of a new environment with these packages."""
    done(python, "-m", "venv", folder)
    new = folder / "bin" / "python"
    done(new, "-m", "pip", "install", "-q", "--disable-pip-version-check", *packages)
    return new


@pytest.fixture(scope="session")
def oldest(tmp_path_factory):
    """The oldest Python with the oldest NumPy that generated code promises to run on."""
    python = interpreter(OLDEST_PYTHON)
    if python is None:
        pytest.skip(f"no Python {'.'.join(map(str, OLDEST_PYTHON))} here to run generated code with")
    return environment(python, tmp_path_factory.mktemp("oldest") / "venv", f"numpy=={OLDEST_NUMPY}")


@pytest.mark.parametrize("path", GENERATED, ids=lambda path: path.stem)
def test_generated_code_is_of_the_oldest_python(path):
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text, feature_version=OLDEST_PYTHON)
    promise = ".".join(map(str, OLDEST_PYTHON)), ".".join(OLDEST_NUMPY.split(".")[:2])
    assert "runs on Python {} and NumPy {} or newer".format(*promise) in " ".join(text.split())
    imported = {a.name for node in ast.walk(tree) if isinstance(node, ast.Import) for a in node.names}
    assert imported == {"numpy"}
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]


@pytest.mark.slow
@pytest.mark.parametrize("path", GENERATED, ids=lambda path: path.stem)
def test_generated_code_runs_on_the_oldest_python_and_numpy(path, oldest, tmp_path):
    (tmp_path / "probe.py").write_text(PROBE)
    seen = done(oldest, tmp_path / "probe.py", path, cwd=tmp_path)
    assert f"numpy {OLDEST_NUMPY}" in seen


@pytest.mark.slow
def test_wheel_works_in_an_empty_environment(tmp_path):
    done(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path / "dist", cwd=ROOT)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    new = environment(sys.executable, tmp_path / "venv", wheel)
    room = tmp_path / "room"
    room.mkdir()
    script = tmp_path / "venv" / "bin" / "symbackprop"
    assert done(script, "--version", cwd=room).startswith("symbackprop 0.")
    where = done(new, "-c", "import symbackprop; print(symbackprop.__file__)", cwd=room)
    assert str(tmp_path / "venv") in where
    nothing = {**os.environ, "PATH": str(room)}
    done(script, "build", gallery.path("seed_001"), "mlp:4-2-3", "-o", room / "out", cwd=room, env=nothing)
    assert len(list((room / "out").iterdir())) == 12
    names = done(new, "-c", "from symbackprop import gallery; print(*gallery.names())", cwd=room).split()
    assert tuple(names) == gallery.names()
