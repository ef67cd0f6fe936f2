"""Commands as people use them: processes, streams, exit codes, files."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from symbackprop import console, gallery
from symbackprop.cli import commands

SEED = str(gallery.path("seed_003"))
SMALL = "mlp:2-3-2"


def command(*arguments, **options):
    """A finished process of the command line, in text mode."""
    settings = {"capture_output": True, "text": True, "encoding": "utf-8", "timeout": 120, **options}
    return subprocess.run([sys.executable, "-m", "symbackprop", *arguments], check=False, **settings)


@pytest.fixture
def run(capfdbinary, tmp_path, monkeypatch):
    """The command line inside this process: as ``command``, without the time that a start takes."""
    monkeypatch.chdir(tmp_path)

    def inside(*arguments):
        code = console.run(lambda: commands.main(list(arguments), prog_name="symbackprop", standalone_mode=False))
        seen = capfdbinary.readouterr()
        return SimpleNamespace(returncode=code, stdout=seen.out.decode(), stderr=seen.err.decode())

    return inside


@pytest.fixture
def no_tex(monkeypatch, tmp_path):
    """No program is found on the path."""
    monkeypatch.setenv("PATH", str(tmp_path))


def without_tex(folder):
    """An environment in which no program is found but Python's own."""
    (folder / "empty").mkdir()
    return {**os.environ, "PATH": str(folder / "empty")}


@pytest.fixture
def net(tmp_path):
    """A network file whose text a test may change."""

    def write(old="", new="", *, name="net.toml"):
        text = Path(SEED).read_text(encoding="utf-8")
        assert old in text
        path = tmp_path / name
        path.write_text(text.replace(old, new) if old else text, encoding="utf-8")
        return path

    return write


def refused(done, *fragments, code=2):
    """One clear message on standard error, nothing on standard output, no traceback."""
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert "internal error" not in done.stderr
    assert done.stderr.startswith("symbackprop: ")
    for fragment in fragments:
        assert fragment in done.stderr
    return done.stderr


# ---------------------------------------------------------------------------------------------------------------------
# The main job


def test_build_writes_everything_and_prints_the_check(run, tmp_path, no_tex):
    done = run("build", SEED, SMALL, "-o", str(tmp_path / "new" / "out"))
    assert done.returncode == 0, done.stderr
    out = tmp_path / "new" / "out"
    names = {path.name for path in out.iterdir()}
    endings = (".tex", ".pdf", ".html", "-slides.tex", ".ipynb", ".py", ".toml")
    assert names == {name + ending for name in ("seed_003", "mlp_2_3_2") for ending in endings}
    assert (out / "seed_003.pdf").read_bytes().startswith(b"%PDF")
    assert "W1         < 1e-9" in done.stdout
    assert "largest relative error < 1e-9" in done.stdout
    assert done.stderr == ""
    assert str(out / "seed_003.py") in done.stdout


def test_build_without_anything_that_makes_a_pdf_says_how_to_get_one(run, tmp_path, monkeypatch):
    monkeypatch.setattr("symbackprop.typeset.maker", lambda: None)
    done = run("build", SMALL, "-o", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert not list(tmp_path.glob("*.pdf"))
    assert done.stderr.count("\n") == 1
    assert "no PDF was made: for a PDF run pip install 'symbackprop[pdf]'" in done.stderr


def test_slides_are_latex_or_a_pdf_which_needs_tex(run, tmp_path, no_tex):
    assert run("derive", SMALL, "--to", "slides", "-o", f"{tmp_path}/").returncode == 0
    assert "{beamer}" in (tmp_path / "mlp_2_3_2-slides.tex").read_text(encoding="utf-8")
    refused(
        run("derive", SMALL, "--to", "slides", "-o", str(tmp_path / "x.pdf")), "no pdflatex found; install TeX Live"
    )


def test_fragment_has_no_preamble(run, tmp_path):
    assert run("derive", SMALL, "--fragment", "-o", f"{tmp_path}/").returncode == 0
    text = (tmp_path / "mlp_2_3_2-fragment.tex").read_text(encoding="utf-8")
    assert r"\documentclass" not in text
    assert text.startswith("% mlp_2_3_2: a derivation without a preamble")


def test_typst_makes_the_same_pdf_twice(run, tmp_path, no_tex):
    for folder in ("a", "b"):
        assert run("derive", SEED, "-o", str(tmp_path / folder / "x.pdf")).returncode == 0
    assert (tmp_path / "a" / "x.pdf").read_bytes() == (tmp_path / "b" / "x.pdf").read_bytes()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_build_makes_the_same_pdf_twice(tmp_path):
    for folder in ("a", "b"):
        assert command("build", SEED, "-o", str(tmp_path / folder)).returncode == 0
    first = (tmp_path / "a" / "seed_003.pdf").read_bytes()
    assert first.startswith(b"%PDF")
    assert first == (tmp_path / "b" / "seed_003.pdf").read_bytes()


def test_built_module_runs_by_itself_without_us(tmp_path):
    assert command("build", SEED, "-o", str(tmp_path), env=without_tex(tmp_path)).returncode == 0
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    done = subprocess.run(
        [sys.executable, "-P", str(tmp_path / "seed_003.py")],
        capture_output=True,
        text=True,
        cwd=elsewhere,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "W1" in done.stdout


def test_built_network_file_builds_again(run, tmp_path, no_tex):
    assert run("build", SEED, "-o", str(tmp_path / "a")).returncode == 0
    again = run("build", str(tmp_path / "a" / "seed_003.toml"), "-o", str(tmp_path / "b"))
    assert again.returncode == 0, again.stderr
    for suffix in ("py", "tex", "toml"):
        assert (tmp_path / "a" / f"seed_003.{suffix}").read_bytes() == (
            tmp_path / "b" / f"seed_003.{suffix}"
        ).read_bytes()


def test_derive_prints_plain_text_that_can_be_read(run):
    done = run("derive", SEED)
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    assert "\\frac" not in done.stdout
    assert "∂MSE/∂W" in done.stdout


def test_derive_writes_latex_to_standard_output_and_to_files(run, tmp_path):
    done = run("derive", SEED, "--to", "tex")
    assert done.returncode == 0, done.stderr
    assert "\n\\documentclass" in done.stdout
    assert run("derive", SEED, "-o", str(tmp_path / "sub" / "h.tex")).returncode == 0
    assert (tmp_path / "sub" / "h.tex").read_text(encoding="utf-8") == done.stdout
    assert run("derive", SEED, "--to", "tex", "-o", f"{tmp_path}/").returncode == 0
    assert (tmp_path / "seed_003.tex").exists()


def test_levels_are_chosen(run):
    assert run("derive", SEED, "--levels", "matrix").stdout != run("derive", SEED, "--levels", "index").stdout


def test_code_goes_to_standard_output(run, tmp_path):
    done = run("code", SEED)
    assert done.returncode == 0, done.stderr
    compile(done.stdout, "code", "exec")
    assert run("code", SEED, "-o", str(tmp_path / "m.py")).returncode == 0
    assert (tmp_path / "m.py").read_text(encoding="utf-8") == done.stdout


def test_notation_lays_arrays_out(run):
    rows, columns = (run("code", SEED, "--notation", name).stdout for name in ("rows", "columns"))
    assert '"W1": ("d", "h")' in rows
    assert '"W1": ("h", "d")' in columns


@pytest.mark.parametrize("notation", ["rows", "columns", "deltas", "scalar", "subscript-layers", "superscript-names"])
def test_every_notation_is_checked(run, notation):
    done = run("check", SEED, "--notation", notation)
    assert done.returncode == 0, done.stderr


def test_check_prints_a_row_a_parameter_and_json(run):
    table = run("check", SEED, "--seed", "4")
    assert table.returncode == 0, table.stderr
    assert [line.split()[0] for line in table.stdout.splitlines()[2:4]] == ["W1", "W2"]
    data = json.loads(run("check", SEED, "--json").stdout)
    assert data["passed"] is True
    assert [row["parameter"] for row in data["parameters"]] == ["W1", "W2"]


def test_shorthand_serves_wherever_a_file_does(run):
    assert run("check", "mlp:5-4-3,sigmoid,softmax,cross_entropy").returncode == 0


def test_notations_and_layers_list_what_there_is(run):
    listed = run("notations").stdout
    for name in ("rows", "columns", "scalar", "subscript-layers", "superscript-names"):
        assert f"\n{name}" in f"\n{listed}"
    functions = run("layers").stdout
    for name in ("sigmoid", "leaky_relu", "cross_entropy", "softmax"):
        assert name in functions


# ---------------------------------------------------------------------------------------------------------------------
# Help, version, what is not there yet


@pytest.mark.parametrize("name", ["build", "derive", "code", "check", "verify", "notations", "layers"])
def test_help_of_every_command_has_an_example(run, name):
    done = run(name, "--help")
    assert done.returncode == 0
    assert "Example" in done.stdout
    assert f"symbackprop {name}" in done.stdout


def test_version_and_help_load_nothing_heavy():
    for argument in ("--version", "--help"):
        done = subprocess.run(
            [sys.executable, "-X", "importtime", "-m", "symbackprop", argument],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0
        loaded = {line.rsplit("|", 1)[-1].strip() for line in done.stderr.splitlines()}
        assert "click" in loaded
        assert not loaded & {"sympy", "numpy", "jinja2", "lark", "rich"}


@pytest.mark.parametrize(
    ("arguments", "fragment"),
    [
        (("code", SMALL, "--style", "fast"), "style 'fast' is not yet supported; supported: teaching"),
        (("code", SMALL, "--target", "torch"), "target 'torch' is not yet supported; supported: numpy"),
        (("verify",), "verify needs a FILE"),
        (("verify", "nowhere.tex"), "nowhere.tex: cannot be read: No such file"),
        (("verify", "nowhere.tex", "nowhere.md"), "nowhere.md: cannot be read: No such file"),
        (("verify", "nowhere.tex", "--format", "jsn"), "no format 'jsn'; did you mean 'json'"),
        (("verify", "a.tex", "b.tex", "--annotate", "c.tex"), "--annotate writes one copy"),
        (("verify", "--explain", "SB999"), "no code 'SB999'"),
        (("derive", SMALL, "--to", "pdff"), "did you mean 'pdf'"),
        (("derive", SMALL, "--fragment", "--to", "md"), "--fragment is LaTeX, so it does not go with --to md"),
        (("derive", SMALL, "--levels", "matrx"), "no level 'matrx'; did you mean 'matrix'"),
        (("derive", SMALL, "--levels", ","), "no level is named"),
        (("derive", SMALL, "--notation", "row"), "did you mean 'rows'"),
        (("code", SMALL, "--style", "slow"), "no style 'slow'"),
        (("bild", SMALL), "no command 'bild'; did you mean 'build'"),
        (("build", SMALL), "Missing option '-o'"),
        (("check", SMALL, "--seed", "x"), "--seed"),
        (("check",), "Missing argument"),
        (("check", "nothing.toml"), "nothing.toml"),
        (("check", "mlp:"), "mlp"),
        (("check", "."), ".: is a folder; only regular files are read"),
        (("check", "/dev/zero"), "/dev/zero: is no regular file"),
    ],
)
def test_misuse_is_refused_with_one_message(run, arguments, fragment, tmp_path):
    refused(run(*arguments), fragment)
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------------------------------------------------------------
# Bad input


@pytest.mark.parametrize(
    ("old", "new", "fragments"),
    [
        ("H_in  = X @ W1", "H_in  = X @ W9", ("W9", "line")),
        ("H_out = sigmoid(H_in)", "H_out = sigmod(H_in)", ("sigmod", "did you mean 'sigmoid'")),
        ('notation = "rows"', 'notation = "rowz"', ("rowz", "rows")),
        ("H_in  = X @ W1", "H_in  = X @ W2", ("line 9, column 9", "X @ W2", "(N, d) @ (h, o)")),
        ('loss = "MSE"', 'loss = "O_out"', ("O_out",)),
        ('loss = "MSE"', 'loss = "MSEE"', ("MSEE", "MSE")),
        ("H_in  = X @ W1", "H_in  = X @ W1 + O_in @ W2.T", ("O_in",)),
        ("O_out = sigmoid(O_in)", "O_out = sigmoid(O_in)\nO_in = O_out", ("O_in",)),
        ('name = "seed_003"', 'name = "seed 003"', ("seed 003",)),
        ('name = "seed_003"', 'name = "class"', ("class",)),
        ('name = "seed_003"', 'name = "numpy"', ("numpy",)),
        ('name = "seed_003"', 'name = "../x"', ("../x",)),
        ('name = "seed_003"', "name = ", ("line 2",)),
        ('name = "seed_003"', 'nam = "seed_003"', ("nam", "name")),
        ("sigmoid(H_in)", "sigmoid.__class__(H_in)", ("line",)),
        ("sigmoid(H_in)", "[z for z in H_in]", ("line",)),
        ("sigmoid(H_in)", "__import__('os')", ("__import__",)),
        ("sigmoid(H_in)", "(lambda z: z)(H_in)", ("line",)),
        ("sigmoid(H_in)", "sigmoid(H_in", ("line",)),
        ("[sizes]", "[sizs]", ("sizs", "sizes")),
        ("N = 5", "N = 0", ("N",)),
        ("N = 5", "N = -1", ("N",)),
        ("N = 5", "N = 2.5", ("N",)),
        ("N = 5", "N = 5\nM = 4", ("M",)),
        ('"W1[i,j]" = "w_{1ij}"', '"W1[i,j]" = "\\\\input{/etc/passwd}"', ("input",)),
        ('"W1[i,j]" = "w_{1ij}"', '"W1[i,j]" = "w_{1ij"', ("W1",)),
        ('W1 = "d h"', 'W1 = "d h"\nlambda = "d"', ("lambda",)),
        ('W1 = "d h"', 'W1 = "d h"\n"<b>" = "d"', ("<b>",)),
    ],
)
def test_bad_network_is_refused_with_one_message(run, net, old, new, fragments):
    refused(run("check", str(net(old, new))), *fragments)


def test_bytes_that_are_no_text_are_refused(run, tmp_path):
    path = tmp_path / "net.toml"
    path.write_bytes('name = "näme"'.encode("latin-1"))
    refused(run("check", str(path)), "UTF-8")
    path.write_bytes(Path(SEED).read_text(encoding="utf-8").encode("utf-16"))
    refused(run("check", str(path)))


def test_byte_order_mark_and_other_line_ends_are_read(run, tmp_path):
    path = tmp_path / "net.toml"
    path.write_bytes(b"\xef\xbb\xbf" + Path(SEED).read_bytes().replace(b"\n", b"\r\n"))
    assert run("check", str(path)).returncode == 0


def test_sizes_of_a_billion_are_derived_and_checked_small(run, net):
    path = net("N = 5\nd = 4", "N = 1000000000\nd = 1000000000")
    done = run("check", str(path))
    assert done.returncode == 0, done.stderr
    assert "instead of 1000000000" in done.stdout
    assert run("derive", str(path), "--levels", "index,matrix").returncode == 0


# ---------------------------------------------------------------------------------------------------------------------
# Output


def test_output_never_replaces_the_input(run, net, tmp_path):
    path = net(name="seed_003.toml")
    before = path.read_bytes()
    for arguments in (
        ("build", str(path), "-o", str(tmp_path)),
        ("code", str(path), "-o", str(path)),
    ):
        refused(run(*arguments), "is the input itself")
    (tmp_path / "alias.toml").symlink_to(path)
    refused(run("code", str(path), "-o", str(tmp_path / "alias.toml")), "is the input itself")
    assert path.read_bytes() == before
    assert {p.name for p in tmp_path.iterdir()} == {"seed_003.toml", "alias.toml"}


def test_link_is_replaced_not_followed(run, tmp_path):
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "m.py").symlink_to(tmp_path / "precious")
    assert run("code", SMALL, "-o", str(tmp_path / "m.py")).returncode == 0
    assert (tmp_path / "precious").read_text() == "precious"
    assert not (tmp_path / "m.py").is_symlink()


def test_two_networks_of_one_name_are_refused(run, net, tmp_path):
    refused(run("build", SEED, str(net()), "-o", str(tmp_path / "out")), "two networks are called 'seed_003'")
    assert not (tmp_path / "out").exists()


def test_folder_that_cannot_be_made_is_one_message(run, tmp_path, no_tex):
    (tmp_path / "file").write_text("")
    refused(run("build", SMALL, "-o", str(tmp_path / "file" / "out")), "cannot write")
    refused(run("code", SMALL, "-o", str(tmp_path / "file" / "m.py")), "cannot write")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_unwritable_folder_is_one_message(run, tmp_path):
    tmp_path.chmod(0o500)
    refused(run("code", SMALL, "-o", str(tmp_path / "m.py")), "cannot write", "Permission denied")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
def test_full_device_is_one_message():
    with Path("/dev/full").open("w") as full:
        done = command("code", SMALL, stdout=full, stderr=subprocess.PIPE, capture_output=False)
    assert done.returncode == 2
    assert done.stderr == "symbackprop: cannot write: No space left on device\n"
    refused(command("code", SMALL, "-o", "/dev/full"), "No space left on device")


def test_closed_standard_output_is_one_message():
    line = f'"{sys.executable}" -m symbackprop code {SMALL} >&-'
    done = subprocess.run(["/bin/sh", "-c", line], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "symbackprop: cannot write: standard output is closed\n"


@pytest.mark.slow
def test_reader_of_a_pipe_may_go_away():
    line = f'"{sys.executable}" -m symbackprop derive {SEED}; echo "code $?" >&2'
    done = subprocess.run(["/bin/bash", "-c", f"({line}) | head -c 1"], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    assert done.stderr.strip() in {"code 0", "code 141"}


@pytest.mark.parametrize(("number", "codes"), [(signal.SIGINT, {130, -2}), (signal.SIGTERM, {143, -15})])
@pytest.mark.parametrize("delay", [0.3, *(pytest.param(d, marks=pytest.mark.slow) for d in (0.9, 1.5, 4.0))])
def test_interruption_leaves_no_traceback_and_nothing_half_written(tmp_path, number, codes, delay):
    out, room = tmp_path / "out", tmp_path / "tmp"
    room.mkdir()
    nets = [str(gallery.path(name)) for name in gallery.names()]
    process = subprocess.Popen(
        [sys.executable, "-m", "symbackprop", "build", *nets, "-o", str(out)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(room)},
    )
    time.sleep(delay)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode in codes
    assert "Traceback" not in errors
    left = {path.name for path in out.iterdir()} if out.exists() else set()
    assert not [name for name in left if name.startswith(".") or name.endswith(".tmp")]
    assert all((out / name).stat().st_size for name in left)
    assert list(room.iterdir()) == []


@pytest.mark.slow
def test_colour_is_for_terminals_that_want_it():
    assert "\x1b" not in command("notations").stdout
    for variables, wanted in (({}, True), ({"NO_COLOR": "1"}, False)):
        assert ("\x1b" in on_a_terminal(["notations"], variables)) is wanted


def on_a_terminal(arguments, variables):
    """What a terminal sees of a command."""
    import pty

    environment = {k: v for k, v in os.environ.items() if k != "NO_COLOR"} | {"TERM": "xterm"} | variables
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "symbackprop", *arguments], stdout=slave, stderr=subprocess.DEVNULL, env=environment
    )
    os.close(slave)
    seen = b""
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:
            break
        if not part:
            break
        seen += part
    process.wait(timeout=60)
    os.close(master)
    return seen.decode()


@pytest.mark.slow
def test_messages_do_not_depend_on_the_locale():
    done = command("derive", SEED, env={**os.environ, "LC_ALL": "C", "PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0, done.stderr
    assert "∂" in done.stdout
