"""Notations: how a derivation is written, as data.

``names()`` lists the presets, ``load(name)`` gives one, ``layout(network, preset, relay=…)`` says how arrays are stored
under it and ``relaid`` is the network stored so. A preset is one TOML file of this folder; a new one needs no program
text.
"""

from symbackprop.notation.layout import layout, relaid
from symbackprop.notation.preset import DEFAULT, Preset, load, names

__all__ = ["DEFAULT", "Preset", "layout", "load", "names", "relaid"]
