"""Files that are complete or absent: staged beside their place, then renamed.

    with Staged(inputs=[Path("net.toml")]) as files:
        files.add(Path("out/net.tex"), text)
        files.add(Path("out/net.py"), code)

Nothing appears under a final name unless all were written in full; on any error, interruption included, the
temporary files are removed.
"""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, Self, TypeVar

from symbackprop.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType

P = ParamSpec("P")
T = TypeVar("T")

_DEVICES = ("/dev/", "/proc/")


def place(output: str, filename: str) -> Path:
    """Where a result goes: ``output`` is a file, or a folder where it ends in a slash or is one.

    >>> str(place("results/", "net.py")), str(place("other.py", "net.py"))
    ('results/net.py', 'other.py')
    """
    if output.endswith(("/", os.sep)) or Path(output).is_dir():
        return Path(output) / filename
    return Path(output)


class Staged:
    """Files that appear together when the block ends without an error.

    ``inputs``: files that were read, which no result may replace.
    """

    def __init__(self, inputs: Iterable[Path] = ()) -> None:
        self._inputs = tuple(inputs)
        self._waiting: list[tuple[Path, Path]] = []
        self._folders: list[Path] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                for temporary, final in self._waiting:
                    _attempt(final, os.replace, temporary, final)
                self._folders.clear()
        finally:
            self._discard()

    def add(self, path: Path, content: str | bytes) -> None:
        """Stage one file; missing folders are made.

        Raises: OutputError where it cannot be written or would replace an input.
        """
        data = content.encode() if isinstance(content, str) else content
        refuse_inputs(path, self._inputs)
        if _is_device(path):
            _attempt(path, _write_through, path, data)
            return
        if path.is_dir() and not path.is_symlink():
            message = f"cannot write {path}: it is a folder"
            raise OutputError(message)
        if any(final == path for _, final in self._waiting):
            message = f"two results would be called {path}"
            raise OutputError(message)
        self._make_folder(path.parent)
        handle, name = _attempt(path, tempfile.mkstemp, ".tmp", f".{path.name[:80]}.", path.parent)
        self._waiting.append((Path(name), path))
        _attempt(path, _fill, handle, data)

    def _make_folder(self, folder: Path) -> None:
        missing = []
        while not folder.exists() and folder != folder.parent:
            missing.append(folder)
            folder = folder.parent
        for new in reversed(missing):
            _attempt(new, os.mkdir, new)
            self._folders.append(new)

    def _discard(self) -> None:
        """Remove what is still temporary, and folders made for it."""
        for temporary, _ in self._waiting:
            with contextlib.suppress(OSError):
                temporary.unlink()
        for folder in reversed(self._folders):
            with contextlib.suppress(OSError):
                folder.rmdir()
        self._waiting.clear()


def refuse_inputs(path: Path, inputs: Iterable[Path]) -> None:
    """Raise OutputError if ``path`` is one of the files that were read, under whatever name."""
    for source in inputs:
        with contextlib.suppress(OSError):
            if path.exists() and path.samefile(source):
                message = f"{path} is the input itself and is not overwritten; choose another place with -o"
                raise OutputError(message)


def _attempt(path: Path, action: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """The action's result; what the system refuses becomes an OutputError that names the file."""
    try:
        return action(*args, **kwargs)
    except OSError as error:
        message = f"cannot write {path}: {error.strerror or error}"
        raise OutputError(message) from None


def _fill(handle: int, data: bytes) -> None:
    """Write everything to the disk, so that a full one is noticed before the name is taken."""
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
        mask = os.umask(0)
        os.umask(mask)
        os.fchmod(file.fileno(), 0o666 & ~mask)


def _is_device(path: Path) -> bool:
    """True for what is written to, not replaced: terminals, pipes, /dev/null."""
    if str(path.absolute()).startswith(_DEVICES):
        return True
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _write_through(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
