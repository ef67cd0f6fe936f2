"""Limits on what a network file may hold, named in one place; each has its own message where it is met.

They are far above what a person writes and keep a mistaken or hostile file from taking all time or memory.
"""

from __future__ import annotations

FILE_BYTES = 5_000_000
NAME_LENGTH = 100
STATEMENTS = 10_000
NESTING = 60
"""Depth of parentheses, calls and loops in one statement."""
NODES = 20_000
"""Parts of one statement's expression."""
DIGITS = 60
"""Digits of one number as written."""
EXPONENT = 400
"""Largest decimal exponent of a number as written, and largest constant power of a number."""
LAYERS = 1_000
"""Layers of an ``mlp:`` shorthand, each of which is written out."""
SIZE = 10**12
"""Largest size or width that is believed."""
