"""Every block of the README is run: commands give the output shown, files are read, Python examples hold."""

from __future__ import annotations

import doctest
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from symbackprop import catalogue, notation

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)


def blocks(kind):
    return [text for name, text in BLOCKS if name == kind]


def commands():
    """(command line, output shown) of every console block, in order."""
    for text in blocks("console"):
        for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
            line, _, shown = part.partition("\n")
            yield line, shown


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    """A folder with the README's files."""
    folder = tmp_path_factory.mktemp("readme")
    for text in blocks("toml"):
        name = re.match(r"# (\S+\.toml)", text)
        assert name, "a TOML block starts with its file's name"
        (folder / name[1]).write_text(text, encoding="utf-8")
    for text in blocks("latex"):
        name = re.match(r"% (\S+\.tex)", text)
        assert name, "a LaTeX block starts with its file's name"
        (folder / name[1]).write_text(text, encoding="utf-8")
    return folder


def matches(shown, seen):
    """Equal, where a line ``…`` stands for any lines and ``…`` within a line for any text."""
    lines = (
        r"(?:.*\n)*?" if line == "…" else re.escape(line).replace("…", ".*") + r"\n" for line in shown.splitlines()
    )
    return re.fullmatch("".join(lines), seen) is not None


def test_every_block_is_of_a_kind_that_is_run():
    assert {name for name, _ in BLOCKS} == {"console", "latex", "python", "toml", "sh", "py"}


def test_commands_give_the_output_shown(room):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for line, shown in commands():
        words = shlex.split(line)
        if words[0] == "symbackprop":
            words = [sys.executable, "-m", *words]
        else:
            assert words[0] in {"cat", "ls", "python", "head", "sed"}, line
            words = [sys.executable, *words[1:]] if words[0] == "python" else words
        done = subprocess.run(words, cwd=room, env=environment, capture_output=True, text=True, check=False)
        seen = done.stdout + done.stderr
        assert matches(shown, seen), f"$ {line}\n{seen}"


def test_python_examples_hold(room, monkeypatch):
    monkeypatch.chdir(room)
    for number, text in enumerate(blocks("python")):
        test = doctest.DocTestParser().get_doctest(text, {}, f"README block {number}", "README.md", 0)
        assert test.examples
        result = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(test)
        assert result.failed == 0


def test_row_shown_is_the_row_of_the_table():
    source = (ROOT / "symbackprop" / "tables" / "activations.py").read_text(encoding="utf-8")
    lines = {line.strip() for line in source.splitlines()}
    for text in blocks("py"):
        assert {line.strip() for line in text.splitlines() if line.strip() != ")"} <= lines


def test_shell_commands_are_those_of_the_makefile():
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    for text in blocks("sh"):
        for line in text.splitlines():
            words = shlex.split(line, comments=True)
            assert words[0] == "make"
            assert words[1] in targets


def test_continuous_integration_calls_the_test_command():
    assert (ROOT / ".ci" / "run").read_text(encoding="utf-8").rstrip().endswith("\nmake check")
    assert any(line.startswith("make check") for text in blocks("sh") for line in text.splitlines())


TABLES = re.compile(r"(<!-- tables -->\n).*(<!-- end of tables -->)", re.DOTALL)
HEADS = {"losses": ("Loss", "Formula"), "elementwise functions": ("Function", "Value")}


def tables():
    """What there is, as tables of the README."""
    found = []
    for title, rows in catalogue.sections():
        first, second = HEADS.get(title, ("Call", title.capitalize()))
        found.append(f"| {first} | {second} |\n| --- | --- |")
        escaped = ((name, text.replace("*", r"\*")) for name, text in rows)
        found[-1] += "".join(f"\n| `{name}` | {text} |" for name, text in escaped)
    presets = [f"| `{name}` | {notation.load(name).title} |" for name in notation.names()]
    found.append("\n".join(["| Notation | |\n| --- | --- |", *presets]))
    return "\n\n".join(found)


def test_tables_are_those_of_the_code(request):
    wanted = TABLES.sub(lambda match: f"{match[1]}\n{tables()}\n\n{match[2]}", README)
    if request.config.getoption("--update-golden"):
        (ROOT / "README.md").write_text(wanted, encoding="utf-8")
    else:
        assert wanted == README, "type: make generated"


@pytest.mark.slow
def test_first_command_sets_up_and_runs_the_main_job(tmp_path):
    done = subprocess.run(
        ["make", "example", f"VENV={tmp_path / 'venv'}", f"PYTHON3={sys.executable}", f"OUT={tmp_path / 'out'}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "out" / "seed_003.py").exists()
    assert "largest relative error < 1e-9" in done.stdout
