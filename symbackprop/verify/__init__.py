"""Judging derivations that people wrote by hand, explaining what is wrong, and mending it.

The package is called like a function: ``symbackprop.verify(text, network)`` gives a report.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from symbackprop.network import Network
    from symbackprop.verify.run import Report


def verify(text: str, network: Network | str | None = None, *, kind: str = "", fix: bool = True) -> Report:
    r"""The report on a document's text: its claims with verdict, explanation, fix and evidence.

    ``network`` is a network, a network file or a shorthand; without it the document states its own. ``kind`` is "tex",
    "md", "ipynb" or "py" (found from the text where it is not given).

    >>> report = verify(r"\[ \frac{\partial C}{\partial \hat y} = \frac{2}{N n_2} (\hat y - y) \]", "mlp:4-2-3")
    >>> [d.verdict for d in report]
    ['right']

    Raises: SpecError where the text or the network cannot be read.
    """
    # the judge is loaded when first asked, so that importing the package costs nothing
    from symbackprop.handwritten import document  # noqa: PLC0415
    from symbackprop.verify.run import judged  # noqa: PLC0415

    found = document.read(text, kind or document.guess(text))  # type: ignore[arg-type]
    return judged(found, network, fix=fix)


class _Callable(ModuleType):
    """The package itself; a module that is called like its function of the same name."""

    def __call__(self, text: str, network: Network | str | None = None, *, kind: str = "", fix: bool = True) -> Report:
        return verify(text, network, kind=kind, fix=fix)


sys.modules[__name__].__class__ = _Callable
