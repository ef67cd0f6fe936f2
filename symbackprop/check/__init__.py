"""Gradient checks: the gradients of an emitted module against numeric derivatives of its own forward pass.

``check(derivation, source)`` runs the module's text from memory at random values and returns a ``Report`` with a row
for each parameter. Opaque functions get smooth stand-ins, facts hold in all values drawn, large sizes are replaced by
small ones, and points near a kink are drawn again; what was done is said in the report's notes.

``worked(derivation, source, layout)`` runs it at data that are pleasant to follow by hand.
"""

from symbackprop.check.example import worked
from symbackprop.check.gradients import check
from symbackprop.check.report import TOLERANCE, Report, Row

__all__ = ["TOLERANCE", "Report", "Row", "check", "worked"]
