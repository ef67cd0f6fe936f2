"""symbackprop derives backpropagation: handouts, code and checks from one network file.

    d = derive("net.toml")      # or derive("mlp:4-2-3"), derive(loads(text)), derive(from_parts(forward=…, …))
    d["W1"]                     # the gradient of W1, at every level of notation
    d.latex(), d.code(), d.check()
    verify(text, network)       # judge a derivation that a person wrote

The names below are loaded when first used, so that importing the package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from symbackprop import verify
    from symbackprop.api import Derived, Formula, derive, from_parts, load, loads
    from symbackprop.errors import DerivationError, ShapeError, SpecError, SymbackpropError, UnsupportedError

__all__ = [
    "DerivationError",
    "Derived",
    "Formula",
    "ShapeError",
    "SpecError",
    "SymbackpropError",
    "UnsupportedError",
    "derive",
    "from_parts",
    "load",
    "loads",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        message = f"module 'symbackprop' has no attribute '{name}'"
        raise AttributeError(message)
    if name == "verify":  # a package that is called like a function
        return importlib.import_module("symbackprop.verify")
    home = "symbackprop.errors" if name.endswith("Error") else "symbackprop.api"
    return getattr(importlib.import_module(home), name)
