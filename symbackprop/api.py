"""The pipeline on one screen: load, derive, print, emit, check. The only module that knows all stages.

net = load("net.toml")            # or loads(text), or from_parts(forward=…, shapes=…, …)
d = derive(net, notation="rows")
d["W1"].matrix                    # any adjoint at any level; displays itself in a notebook
d.latex(), d.code(), d.check()
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

from symbackprop import adjoint, notation, spec, typeset
from symbackprop.check import check as gradient_check
from symbackprop.check import worked
from symbackprop.check.mutants import planted
from symbackprop.document import handout
from symbackprop.document.material import Material
from symbackprop.document.options import Options
from symbackprop.emit import html as html_writer
from symbackprop.emit import latex as latex_writer
from symbackprop.emit import markdown as markdown_writer
from symbackprop.emit import notebook as notebook_writer
from symbackprop.emit import slides as slides_writer
from symbackprop.emit import terminal as terminal_writer
from symbackprop.emit import typst as typst_writer
from symbackprop.emit.mathtext import Printer
from symbackprop.emit.numpy import emit_module
from symbackprop.errors import SpecError, nearest
from symbackprop.lift import lift
from symbackprop.symbolic import to_sympy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from symbackprop.check import Report
    from symbackprop.derivation import Chain, Derivation
    from symbackprop.document.blocks import Document
    from symbackprop.index import Equation
    from symbackprop.network import Network
    from symbackprop.notation import Preset


NO_EXAMPLE = (
    "No example in numbers is shown: none of the data that were tried, short decimals in small arrays, has a finite "
    "loss with no kink nearby."
)
"""What a handout says in the place of numbers."""


def load(source: str) -> Network:
    """The network of a file or a shorthand such as ``mlp:4-2-3``.

    Raises: SpecError with the place and what to do.
    """
    return spec.load(source)


def loads(text: str) -> Network:
    """The network of a network file's text."""
    return spec.loads(text)


def from_parts(**parts: Any) -> Network:
    """A network from its parts, named like the keys and tables of a network file (``forward``, ``shapes``, …)."""
    return spec.network(**parts)


def derive(source: Network | str, notation: str | None = None, *, relay: bool = False) -> Derived:
    """The derivation of all gradients, in a notation (default: the network's own).

    ``relay`` stores tensors of two axes as the notation lays them (rows or columns as examples, weights input- or
    output-first) instead of as the network file does.

    Raises: SpecError for an unknown notation or a network that cannot be read.
    """
    net = load(source) if isinstance(source, str) else source
    preset = _preset(notation or net.notation)
    return Derived(network=net, preset=preset, derivation=adjoint.derive(net, preset.choices), relay=relay)


def _preset(name: str | None) -> Preset:
    return notation.load(name)


@dataclass(frozen=True, eq=False)
class Derived:
    """A derivation in a notation: look at it, print it, emit code from it, check that code."""

    network: Network
    preset: Preset
    derivation: Derivation
    relay: bool = False

    @cached_property
    def layout(self) -> Mapping[str, tuple[int, ...]]:
        """How arrays are stored: tensor -> order of its element axes."""
        return notation.layout(self.network, self.preset, relay=self.relay)

    @cached_property
    def printer(self) -> Printer:
        """Prints equations as LaTeX in this notation."""
        return self.printer_for("latex")

    def printer_for(self, target: str) -> Printer:
        """Prints equations in this notation, as a writer with that target needs them."""
        return Printer(self.derivation, self.preset, target, layout=self.layout)

    def __getitem__(self, tensor: str) -> Formula:
        """The adjoint ∂loss/∂``tensor``: a parameter's gradient or an error signal.

        Raises: KeyError that names the nearest tensor with an adjoint.
        """
        try:
            return Formula(self, self.derivation.chains[tensor])
        except KeyError:
            message = f"no adjoint of '{tensor}'; {nearest(tensor, self.derivation.chains)}"
            raise KeyError(message) from None

    def __iter__(self) -> Any:
        return iter(self.derivation.chains)

    def latex(self, **chosen: Any) -> str:
        """The handout as a LaTeX document, code and gradient check included; ``chosen`` as in ``options``."""
        return handout_latex(self, wanted := options(**chosen), material(self, wanted))

    def html(self, **chosen: Any) -> str:
        """The handout as one HTML file, code and gradient check included; ``chosen`` as in ``options``."""
        return handout_html(self, wanted := options(**chosen), material(self, wanted))

    def text(self, **chosen: Any) -> str:
        """The derivation as readable plain text; ``chosen`` as in ``options``."""
        return terminal(self, options(**chosen))

    def code(self) -> str:
        """A NumPy module with the loss and all gradients."""
        return code(self)

    def check(self, source: str | None = None, seed: int = 0) -> Report:
        """The emitted gradients against numeric ones."""
        return check(self, self.code() if source is None else source, seed)

    def _repr_latex_(self) -> str:
        rows = r" \\ ".join(self[p].latex("matrix").replace("=", "&=", 1) for p in self.network.parameters)
        return rf"$$\begin{{aligned}} {rows} \end{{aligned}}$$"


@dataclass(frozen=True)
class Formula:
    """The adjoint of one tensor: as an equation, at each level of notation, in SymPy, with its steps."""

    derived: Derived
    chain: Chain

    @property
    def equation(self) -> Equation:
        """The indexed equation."""
        return self.chain.equation

    @property
    def steps(self) -> tuple[Any, ...]:
        """How it was found."""
        return self.chain.steps

    @property
    def sympy(self) -> Any:
        """An ordinary SymPy ``Eq``."""
        return to_sympy(self.equation)

    @property
    def index(self) -> str:
        """LaTeX in index notation."""
        return self.latex("index")

    @property
    def matrix(self) -> str:
        """LaTeX in matrix notation."""
        return self.latex("matrix")

    def latex(self, level: str = "matrix") -> str:
        """LaTeX at a level: "index" or "matrix".

        Raises: SpecError for another level.
        """
        printer = self.derived.printer
        if level == "index":
            return str(printer.equation(self.equation))
        if level == "matrix":
            lifted = lift(
                self.equation, self.derived.derivation, self.derived.layout, self.derived.preset.orientation.vectors
            )
            return str(printer.matrix(self.equation, lifted))
        message = f"no level '{level}' of a formula; {nearest(level, ('index', 'matrix'))}"
        raise SpecError(message)

    def __str__(self) -> str:
        return str(self.equation)

    def _repr_latex_(self) -> str:
        return f"$$\\displaystyle {self.matrix}$$"


def code(derived: Derived) -> str:
    """The generated NumPy module in the teaching style."""
    return emit_module(derived.derivation, layout=derived.layout, preset=derived.preset)


def check(derived: Derived, source: str, seed: int = 0) -> Report:
    """Gradient check of a module's text, run from memory."""
    return gradient_check(derived.derivation, source, seed, layout=derived.layout)


def options(**chosen: Any) -> Options:
    """What is chosen of a handout, by the names of ``document.options.Options``.

    Raises: SpecError for a wrong value, with the nearest right one.
    """
    unknown = next((name for name in chosen if name not in Options.__slots__), None)
    if unknown is not None:
        message = f"a handout has no option '{unknown}'; {nearest(unknown, Options.__slots__)}"
        raise SpecError(message)
    if "levels" in chosen:
        chosen["levels"] = tuple(chosen["levels"])  # any sequence will do
    return Options(**chosen)


def material(derived: Derived, options: Options | None = None, source: str | None = None, seed: int = 0) -> Material:
    """What the handout of a derivation shows beside formulas: code, check, an example in numbers, bugs."""
    options = options or Options()
    text = derived.code() if source is None else source
    report = derived.check(text, seed)
    wanted = options.numbers and options.audience == "full" and report.passed
    example = worked(derived.derivation, text, derived.layout, options.target) if wanted else None
    missing = "" if example is not None or not wanted else NO_EXAMPLE
    asked = options.exercises and options.audience == "full" and report.passed
    bugs = planted(derived.derivation, text, layout=derived.layout) if asked else ()
    return Material(code=text, report=report, worked=example, unworked=missing, bugs=bugs)


@lru_cache(maxsize=1)
def document(derived: Derived, options: Options | None = None, material: Material | None = None) -> Document:
    """The handout as a tree of blocks that holds objects, not markup; kept for the next writer of the same one."""
    return handout.build(derived.derivation, derived.preset, options, material, layout=derived.layout)


def handout_latex(derived: Derived, options: Options | None = None, material: Material | None = None) -> str:
    """The handout as a LaTeX document."""
    return latex_writer.write(document(derived, options, material), derived.printer)


def handout_fragment(derived: Derived, options: Options | None = None, material: Material | None = None) -> str:
    """The handout as LaTeX without a preamble, for a document of another author."""
    return latex_writer.write_fragment(document(derived, options, material), derived.printer)


def handout_slides(derived: Derived, options: Options | None = None, material: Material | None = None) -> str:
    """Slides as a LaTeX document for beamer."""
    return slides_writer.write(document(derived, options, material), derived.printer)


def slides_pdf(derived: Derived, options: Options | None = None, material: Material | None = None) -> bytes:
    """Slides as a PDF.

    Raises: UnsupportedError without TeX; OutputError where they cannot be set.
    """
    return typeset.from_latex(handout_slides(derived, options, material))


def handout_html(derived: Derived, options: Options | None = None, material: Material | None = None) -> str:
    """The handout as one HTML file."""
    return html_writer.write(document(derived, options, material), derived.printer_for("mathml"))


def handout_typst(derived: Derived, options: Options | None = None, material: Material | None = None) -> str:
    """The handout as a Typst document."""
    return typst_writer.write(document(derived, options, material), derived.printer_for("typst"))


def handout_markdown(derived: Derived, options: Options | None = None, material: Material | None = None) -> str:
    """The handout as Markdown."""
    return markdown_writer.write(document(derived, options, material), derived.printer_for("markdown"))


def handout_notebook(derived: Derived, options: Options | None = None, material: Material | None = None) -> str:
    """The handout as a notebook that runs the code and its check."""
    code = material.code if material is not None else ""
    printers = derived.printer_for("markdown"), derived.printer_for("mathml")
    return notebook_writer.write(document(derived, options, material), *printers, code)


def handout_pdf(derived: Derived, options: Options | None = None, material: Material | None = None) -> bytes:
    """The handout as a PDF, set by TeX where it is installed, else by Typst.

    Raises: UnsupportedError where there is neither; OutputError where it cannot be set.
    """
    if typeset.maker() == "typst":
        return typeset.from_typst(handout_typst(derived, options, material))
    return typeset.from_latex(handout_latex(derived, options, material))


def terminal(derived: Derived, options: Options | None = None) -> str:
    """The derivation as plain text for a terminal."""
    return terminal_writer.write(document(derived, options), derived.printer_for("unicode"))


HANDOUTS: Mapping[str, Callable[..., str | bytes]] = {
    "tex": handout_latex,
    "pdf": handout_pdf,
    "html": handout_html,
    "fragment": handout_fragment,
    "slides": handout_slides,
    "slides.pdf": slides_pdf,
    "md": handout_markdown,
    "ipynb": handout_notebook,
}
"""What makes a handout in each format, from a derivation, options and material."""
