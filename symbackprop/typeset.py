"""PDF: from LaTeX where TeX is installed, else from Typst where its package is.

``from_latex`` runs pdflatex in a folder of its own, without shell escape, until references settle; ``from_typst`` runs
inside the process. The same text gives the same bytes.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from symbackprop.errors import OutputError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from concurrent.futures import Future

RUNS = 5
SECONDS = 300
FEW = 0.2
"""Share of a last page that is not worth its paper."""
TEX = "install TeX Live (on Debian: texlive-latex-extra texlive-fonts-recommended lmodern)"
HOW_TO = f"for a PDF run pip install 'symbackprop[pdf]', or {TEX}"
_RERUN = re.compile(rb"Rerun to get|may have changed|Rerun LaTeX|Please rerun")
_SETTINGS = {
    "openout_any": "p",
    "openin_any": "p",  # files of the folder and of TeX alone
    "SOURCE_DATE_EPOCH": "0",
    "FORCE_SOURCE_DATE": "1",  # no dates
    "max_print_line": "1000",
}


_RUNNING: set[subprocess.Popen[bytes]] = set()
"""What runs now, so that it can be ended."""


def maker() -> Literal["pdflatex", "typst"] | None:
    """What makes a PDF here: pdflatex where it is on the path, else the typst package, else nothing."""
    if shutil.which("pdflatex") is not None:
        return "pdflatex"
    return "typst" if importlib.util.find_spec("typst") is not None else None


def from_typst(text: str, **options: Any) -> bytes:
    """The typeset Typst document; it can read no file. ``options`` are those of ``typst.compile``.

    Where the last page, or one that ends early, holds but a few lines, the document is set again, tighter.

    Raises: OutputError with Typst's complaint.
    """
    import typst  # noqa: PLC0415 - an extra, imported only when used

    with tempfile.TemporaryDirectory(prefix="symbackprop-") as folder:
        source = Path(folder) / "handout.typ"
        source.write_text(text, encoding="utf-8")
        try:
            compiler = typst.Compiler(str(source), root=folder)
            loose: Any = compiler.compile(**options)
            if not _ends_early(compiler):
                return bytes(loose)
            tight: bytes = typst.compile(str(source), root=folder, sys_inputs={"tight": "yes"}, **options)
        except typst.TypstError as error:
            message = f"Typst failed: {error}"
            raise OutputError(message) from None
        return tight


def _ends_early(compiler: Any) -> bool:
    """True where a page holds but a few lines, by what the document notes of the ends of its parts."""
    noted = json.loads(compiler.query("<end>", field="value"))
    return any(end["page"] > 2 and end["share"] < FEW for end in noted)  # noqa: PLR2004 - short ones are what they are


def from_latex(text: str) -> bytes:
    """The typeset LaTeX document.

    Raises: UnsupportedError without TeX; OutputError with TeX's first complaint.
    """
    return set_latex(text)[0]


def set_latex(text: str) -> tuple[bytes, str]:
    """The typeset LaTeX document and the log of the last run; raises as ``from_latex`` does.

    Where text refers to labels, a run without a PDF comes first and finds them.
    """
    program = need_latex()
    with tempfile.TemporaryDirectory(prefix="symbackprop-") as name:
        folder = Path(name)
        (folder / "handout.tex").write_text(text, encoding="utf-8")
        if "\\label{" in text:
            _run(program, folder, "-draftmode")
        for _ in range(RUNS):
            log = _run(program, folder)
            if not _RERUN.search(log):
                break
        return (folder / "handout.pdf").read_bytes(), log.decode("latin-1")


def _run(program: str, folder: Path, *options: str) -> bytes:
    """The log of one run; the program's group ends with us, so an interruption leaves nothing behind."""
    command = [program, "-no-shell-escape", "-interaction=nonstopmode", "-halt-on-error", *options, "handout.tex"]
    try:
        with subprocess.Popen(  # noqa: S603 - a fixed command on a file of our own
            command,
            cwd=folder,
            env={**os.environ, **_SETTINGS},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as running:
            _RUNNING.add(running)
            try:
                log, _ = running.communicate(timeout=SECONDS)
            finally:
                running.kill()
                _RUNNING.discard(running)
    except subprocess.TimeoutExpired:
        message = f"pdflatex did not end within {SECONDS} s"
        raise OutputError(message) from None
    except OSError as error:
        message = f"pdflatex cannot be run: {error.strerror}"
        raise OutputError(message) from None
    if running.returncode:
        message = f"pdflatex failed: {_complaint(log)}"
        raise OutputError(message)
    return log


def at_once(makers: Mapping[str, Callable[[], bytes]]) -> dict[str, bytes | OutputError]:
    """What each maker gives, or why it could not, made side by side; an interruption ends all of them."""
    with ThreadPoolExecutor(max(1, len(makers))) as pool:
        waiting = {name: pool.submit(make) for name, make in makers.items()}
        try:
            return {name: _outcome(future) for name, future in waiting.items()}
        except BaseException:
            for running in tuple(_RUNNING):
                running.kill()
            raise


def need_latex() -> str:
    """The path of pdflatex.

    Raises: UnsupportedError where it is not installed.
    """
    program = shutil.which("pdflatex")
    if program is None:
        message = f"no pdflatex found; {TEX}"
        raise UnsupportedError(message)
    return program


def _outcome(future: Future[bytes]) -> bytes | OutputError:
    try:
        return future.result()
    except OutputError as error:
        return error


def _complaint(log: bytes) -> str:
    """The first error of a log, with the place it names."""
    lines = log.decode("utf-8", "replace").splitlines()
    start = next((k for k, line in enumerate(lines) if line.startswith("!")), None)
    if start is None:
        return "no reason given"
    return " ".join(line.strip() for line in lines[start : start + 3] if line.strip())[:300]
