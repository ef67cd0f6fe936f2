"""Example networks, one file each: ``names()`` lists them, ``path(name)`` says where one is.

README, tests and ``generated/`` all use these.
"""

from __future__ import annotations

from pathlib import Path

_FOLDER = Path(__file__).parent


def names() -> tuple[str, ...]:
    """Names of the example networks, sorted.

    >>> names()[:2]
    ('seed_000', 'seed_000_compact')
    """
    return tuple(sorted(file.stem for file in _FOLDER.glob("*.toml")))


def path(name: str) -> Path:
    """The network file of an example.

    Raises: KeyError for a name that is not in ``names()``.
    """
    if name not in names():
        message = f"no example network '{name}'; there are {', '.join(names())}"
        raise KeyError(message)
    return _FOLDER / f"{name}.toml"
