"""PDF from LaTeX, where TeX is installed.

``pdf(text)`` runs pdflatex in a folder of its own, without shell escape, until references settle; the same text gives
the same bytes.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from symbackprop.errors import OutputError, UnsupportedError

RUNS = 4
SECONDS = 300
HOW_TO = "for a PDF install TeX Live (on Debian: texlive-latex-extra texlive-fonts-recommended lmodern)"
_RERUN = re.compile(rb"Rerun to get|may have changed|Rerun LaTeX|Please rerun")
_SETTINGS = {
    "openout_any": "p",
    "openin_any": "p",  # files of the folder and of TeX alone
    "SOURCE_DATE_EPOCH": "0",
    "FORCE_SOURCE_DATE": "1",  # no dates
    "max_print_line": "1000",
}


def is_available() -> bool:
    """True where pdflatex is on the path."""
    return shutil.which("pdflatex") is not None


def pdf(text: str) -> bytes:
    """The typeset document.

    Raises: UnsupportedError without TeX; OutputError with TeX's first complaint.
    """
    program = shutil.which("pdflatex")
    if program is None:
        message = f"no pdflatex found; {HOW_TO}"
        raise UnsupportedError(message)
    with tempfile.TemporaryDirectory(prefix="symbackprop-") as name:
        folder = Path(name)
        (folder / "handout.tex").write_text(text, encoding="utf-8")
        for _ in range(RUNS):
            log = _run(program, folder)
            if not _RERUN.search(log):
                break
        return (folder / "handout.pdf").read_bytes()


def _run(program: str, folder: Path) -> bytes:
    """The log of one run; the program's group ends with us, so an interruption leaves nothing behind."""
    command = [program, "-no-shell-escape", "-interaction=nonstopmode", "-halt-on-error", "handout.tex"]
    try:
        done = subprocess.run(  # noqa: S603 - a fixed command on a file of our own
            command,
            cwd=folder,
            env={**os.environ, **_SETTINGS},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        message = f"pdflatex did not end within {SECONDS} s"
        raise OutputError(message) from None
    except OSError as error:
        message = f"pdflatex cannot be run: {error.strerror}"
        raise OutputError(message) from None
    if done.returncode:
        message = f"pdflatex failed: {_complaint(done.stdout)}"
        raise OutputError(message)
    return done.stdout


def _complaint(log: bytes) -> str:
    """The first error of a log, with the place it names."""
    lines = log.decode("utf-8", "replace").splitlines()
    start = next((k for k, line in enumerate(lines) if line.startswith("!")), None)
    if start is None:
        return "no reason given"
    return " ".join(line.strip() for line in lines[start : start + 3] if line.strip())[:300]
