"""Characters of mathematics: what LaTeX's commands, accents and alphabets are in Unicode."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

GREEK = {
    "alpha": "α",
    "beta": "β",
    "gamma": "γ",
    "delta": "δ",
    "epsilon": "ε",
    "varepsilon": "ε",
    "zeta": "ζ",
    "eta": "η",
    "theta": "θ",
    "vartheta": "ϑ",
    "iota": "ι",
    "kappa": "κ",
    "lambda": "λ",
    "mu": "μ",
    "nu": "ν",
    "xi": "ξ",
    "pi": "π",
    "rho": "ρ",
    "sigma": "σ",
    "tau": "τ",
    "upsilon": "υ",
    "phi": "φ",
    "varphi": "φ",
    "chi": "χ",
    "psi": "ψ",
    "omega": "ω",
    "Gamma": "Γ",
    "Delta": "Δ",
    "Theta": "Θ",
    "Lambda": "Λ",
    "Xi": "Ξ",
    "Pi": "Π",
    "Sigma": "Σ",
    "Upsilon": "Υ",
    "Phi": "Φ",
    "Psi": "Ψ",
    "Omega": "Ω",
    "ell": "ℓ",
}
COMMANDS = {
    "partial": "∂",
    "odot": "⊙",
    "circ": "∘",
    "otimes": "⊗",
    "cdot": "·",
    "times": "×",
    "top": "ᵀ",
    "langle": "⟨",
    "rangle": "⟩",
    "prime": "′",
    "star": "⋆",
    "ast": "∗",
    "infty": "∞",
    "nabla": "∇",
    "dagger": "†",
    "_": "_",
    "mid": "|",
    "ge": "≥",
    "ne": "≠",
    "in": "∈",
    "dots": "…",
    "cdots": "⋯",
    "vdots": "⋮",
    "ddots": "⋱",
    "leftarrow": "←",
    "le": "≤",
    ",": " ",
    "{": "{",
    "}": "}",
    "|": "‖",
    "tanh": "tanh",
    "log": "log",
    "exp": "exp",
    "max": "max",
    "sin": "sin",
    "cos": "cos",
}
COMBINING = {
    "hat": "\u0302",
    "widehat": "\u0302",
    "tilde": "\u0303",
    "widetilde": "\u0303",
    "bar": "\u0304",
    "overline": "\u0304",
    "dot": "\u0307",
    "ddot": "\u0308",
    "vec": "\u20d7",
    "check": "\u030c",
    "breve": "\u0306",
    "acute": "\u0301",
    "grave": "\u0300",
}


def character(token: str) -> str:
    """A token of LaTeX as Unicode; a command without a sign of its own by its name."""
    if not token.startswith("\\"):
        return "′" if token == "'" else token
    name = token[1:]
    return GREEK.get(name) or COMMANDS.get(name) or name


ALPHABETS: Mapping[str, tuple[int, int, int | None]] = {
    "mathbf": (0x1D400, 0x1D41A, 0x1D7CE),
    "mathit": (0x1D434, 0x1D44E, None),
    "boldsymbol": (0x1D468, 0x1D482, 0x1D7CE),
    "bm": (0x1D468, 0x1D482, 0x1D7CE),
    "mathcal": (0x1D49C, 0x1D4B6, None),
    "mathscr": (0x1D49C, 0x1D4B6, None),
    "mathfrak": (0x1D504, 0x1D51E, None),
    "mathbb": (0x1D538, 0x1D552, 0x1D7D8),
    "mathsf": (0x1D5A0, 0x1D5BA, 0x1D7E2),
    "mathtt": (0x1D670, 0x1D68A, 0x1D7F6),
}
"""Where the capitals, small letters and digits of an alphabet begin."""
_ELSEWHERE = {
    0x1D455: 0x210E,
    0x1D49D: 0x212C,
    0x1D4A0: 0x2130,
    0x1D4A1: 0x2131,
    0x1D4A3: 0x210B,
    0x1D4A4: 0x2110,
    0x1D4A7: 0x2112,
    0x1D4A8: 0x2133,
    0x1D4AD: 0x211B,
    0x1D4BA: 0x212F,
    0x1D4BC: 0x210A,
    0x1D4C4: 0x2134,
    0x1D506: 0x212D,
    0x1D50B: 0x210C,
    0x1D50C: 0x2111,
    0x1D515: 0x211C,
    0x1D51D: 0x2128,
    0x1D53A: 0x2102,
    0x1D53F: 0x210D,
    0x1D545: 0x2115,
    0x1D547: 0x2119,
    0x1D548: 0x211A,
    0x1D549: 0x211D,
    0x1D551: 0x2124,
}
"""Letters that Unicode had before it had their alphabet."""
_GREEK_BOLD = {"mathbf": (0x1D6A8, 0x1D6C2), "boldsymbol": (0x1D71C, 0x1D736), "bm": (0x1D71C, 0x1D736)}


def styled(text: str, font: str) -> str:
    """Text in an alphabet; characters that it lacks stay as they are.

    >>> styled("W1", "mathbf"), styled("L", "mathcal"), styled("h", "mathit")
    ('𝐖𝟏', 'ℒ', 'ℎ')
    """
    if font not in ALPHABETS:
        return text
    return "".join(_styled(char, font) for char in text)


def _styled(char: str, font: str) -> str:
    capitals, small, digits = ALPHABETS[font]
    code = ord(char)
    if "A" <= char <= "Z":
        code = capitals + code - ord("A")
    elif "a" <= char <= "z":
        code = small + code - ord("a")
    elif "0" <= char <= "9" and digits is not None:
        code = digits + code - ord("0")
    elif font in _GREEK_BOLD and "Α" <= char <= "Ω":
        code = _GREEK_BOLD[font][0] + code - ord("Α")
    elif font in _GREEK_BOLD and "α" <= char <= "ω":
        code = _GREEK_BOLD[font][1] + code - ord("α")
    return chr(_ELSEWHERE.get(code, code))
