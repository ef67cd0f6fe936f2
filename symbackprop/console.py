"""Standard output and error of a command, and how it ends.

``run`` turns everything that can go wrong into one message and an exit code: 0 done, and all right; 1 a check failed;
2 input not understood, wrong usage, or a result that could not be written; 130 and 143 when interrupted or terminated;
141 when the reader of a pipe went away.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import time
from typing import TYPE_CHECKING, Any, Self

import click

from symbackprop.errors import DerivationError, OutputError, SymbackpropError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

DONE, FAILED, MISUSED, INTERRUPTED, BROKEN_PIPE, TERMINATED = 0, 1, 2, 130, 141, 143
PATIENCE = 1.0
"""Seconds after which a progress bar appears."""


def columns() -> int:
    """Columns of text: 100, or as many as a narrower terminal has."""
    return min(100, max(40, shutil.get_terminal_size((100, 24)).columns)) if _is_terminal(sys.stdout) else 100


def guard() -> None:
    """Let interruption and termination unwind the program, so that temporary files are removed."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, _terminated)


def _terminated(_number: int, _frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once is enough: the program is already unwinding
    raise SystemExit(TERMINATED)


def run(command: Callable[[], Any]) -> int:
    """The exit code of a command; its failure is said on standard error."""
    try:
        code = command()
        if sys.stdout is not None:
            sys.stdout.flush()
    except (Exception, KeyboardInterrupt) as error:
        if os.environ.get("SYMBACKPROP_TRACEBACK"):
            raise
        code, message = _end(error)
        if isinstance(error, OSError | KeyboardInterrupt | click.Abort):
            _drop_output()
        if isinstance(error, click.exceptions.NoArgsIsHelpError):
            click.echo(message, err=True)
        elif message:
            complain(message)
    return code if isinstance(code, int) else DONE


def _end(error: BaseException) -> tuple[int, str]:
    """Exit code and message for what ended a command."""
    for kinds, code, message in _ENDS:
        if isinstance(error, kinds):
            return code, message(error)
    what = f"{type(error).__name__}: {error}"
    return MISUSED, f"internal error: {what} (set SYMBACKPROP_TRACEBACK=1 to see where)"


def _usage(error: click.ClickException) -> str:
    message = error.format_message()
    context = getattr(error, "ctx", None)
    if context is None or isinstance(error, click.exceptions.NoArgsIsHelpError):
        return message
    return f"{message} (see '{context.command_path} --help')"


_ENDS: tuple[tuple[tuple[type[BaseException], ...], int, Callable[[Any], str]], ...] = (
    ((BrokenPipeError,), BROKEN_PIPE, lambda _: ""),
    ((KeyboardInterrupt, click.Abort), INTERRUPTED, lambda _: ""),
    ((click.ClickException,), MISUSED, _usage),
    ((DerivationError,), FAILED, str),
    ((SymbackpropError,), MISUSED, str),
    ((OSError,), MISUSED, lambda error: f"cannot write: {error.strerror or error}"),
    ((MemoryError, RecursionError), MISUSED, lambda _: "too large or too deeply nested for this machine"),
)
"""The first kind that fits decides how a command ends."""


def _drop_output() -> None:
    """Send what is still buffered nowhere, so that the interpreter does not try again on its way out."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _is_terminal(stream: Any) -> bool:
    return stream is not None and stream.isatty()


def _in_colour(stream: Any) -> bool:
    return _is_terminal(stream) and not os.environ.get("NO_COLOR")


def styled(text: str, **style: Any) -> str:
    """The text in a style where standard output is a terminal that wants colour."""
    return click.style(text, **style) if _in_colour(sys.stdout) else text


def complain(message: str) -> None:
    """One message on standard error; where that is gone there is nobody to tell."""
    name = click.style("symbackprop:", bold=True) if _in_colour(sys.stderr) else "symbackprop:"
    with contextlib.suppress(OSError, ValueError):
        if sys.stderr is not None:
            click.echo(f"{name} {message}", err=True, color=_in_colour(sys.stderr))


def write(content: str | bytes) -> None:
    """A result on standard output, as UTF-8.

    Raises: OutputError where standard output is closed; OSError where it takes no more.
    """
    if sys.stdout is None:
        message = "cannot write: standard output is closed"
        raise OutputError(message)
    data = content.encode("utf-8") if isinstance(content, str) else content
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


class Progress:
    """A bar on standard error, on a terminal alone, once a command takes more than a moment."""

    def __init__(self, total: int) -> None:
        self._total, self._done, self._start = total, 0, time.monotonic()
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.pause()

    def pause(self) -> None:
        """Remove the bar, so that something else can be printed; the next step brings it back."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def step(self, what: str) -> None:
        """Say what is being done now."""
        wanted = sys.stderr is not None and sys.stderr.isatty() and time.monotonic() - self._start > PATIENCE
        if self._bar is None and wanted:
            from rich.console import Console
            from rich.progress import Progress as Bar

            self._bar = Bar(console=Console(stderr=True), transient=True)
            self._bar.start()
            self._task = self._bar.add_task(what, total=self._total)
        if self._bar is not None:
            self._bar.update(self._task, description=what, completed=self._done)
        self._done += 1
