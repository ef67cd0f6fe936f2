"""What is wrong with the layout of a handout: read from TeX's log and from where things stand in the PDF.

    python tests/layout/check_layout.py handout.pdf --log handout.log

Prints a line for each finding and exits with 1 where there are any. The PDF alone tells most (``of_pdf``), whatever
made it; the log (``of_log``) adds what only TeX knows. Boxes of glyphs are those of their outlines, so that things
touch where a reader sees them touch.
"""

from __future__ import annotations

import argparse
import ctypes
import re
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import combinations, pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pypdfium2 as pdfium
import pypdfium2.raw as pdf

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MM = 72 / 25.4
TEXT_WIDTH = 162 * MM
TOP, BOTTOM = 22 * MM, 25 * MM
"""The text block of a handout, centred on paper of any size; below it stands the foot."""
HANG = 10 * MM
"""Numbers of sections hang this far into the left margin."""
SLACK = 2.5
"""Points that punctuation and tints may stick out."""
PAGE_EDGE = 14.0
"""Points beside the edge of the paper that printers leave white."""
FULL, FEW = 0.70, 0.2
"""Share of a page that must be filled, and of one that may end early."""
HARMLESS = 0.45
"""Share of the smaller of two glyphs' boxes that may lie in the other's, as with slanted letters and their scripts."""
LIGHT = 0.75
"""Luminance of tints: text may cross their edges."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong on a page; page 0 is the log."""

    kind: str
    page: int
    words: str

    def __str__(self) -> str:
        place = f"page {self.page}" if self.page else "log"
        return f"{place}: {self.kind}: {self.words}"


# ---------------------------------------------------------------------------------------------------------------------
# The log

_COMPLAINTS = {
    "overfull box": r"Overfull \\[hv]box[^\n]*",
    "undefined reference": r"LaTeX Warning: (?:Reference|Citation)[^\n]*|There were undefined references[^\n]*",
    "missing glyph": r"Missing character[^\n]*",
    "font substituted": r"LaTeX Font Warning: (?:Font shape|Size substitution|Some font shapes)[^\n]*",
    "moved note": r"LaTeX Warning: Marginpar[^\n]*",
}


def of_log(log: str) -> list[Finding]:
    """Complaints of TeX; its lines are put together again where it wrapped them at column 79."""
    text = re.sub(r"(?<=[^\n]{79})\n", "", log)
    return [Finding(kind, 0, hit) for kind, form in _COMPLAINTS.items() for hit in re.findall(form, text)]


# ---------------------------------------------------------------------------------------------------------------------
# What stands on a page

Box = tuple[float, float, float, float]
"""Left, top, right, bottom, in points from the page's top left corner."""


@dataclass(frozen=True, slots=True)
class Glyph:
    """A visible character; ``order`` says when it is painted."""

    text: str
    box: Box
    baseline: float
    font: str
    order: int

    @property
    def core(self) -> Box:
        """The box without its outermost parts."""
        left, top, right, bottom = self.box
        dx, dy = 0.15 * (right - left), 0.15 * (bottom - top)
        return left + dx, top + dy, right - dx, bottom - dy

    @property
    def bold(self) -> bool:
        """True for letters of a bold font of running text."""
        return (
            self.text.isalpha() and bool(re.search("Bold|Medi|BX", self.font)) and not re.search("Math|San", self.font)
        )


@dataclass(frozen=True, slots=True)
class Drawing:
    """A path: its box, its edges where they are to be seen, and whether its inside hides what is below it."""

    box: Box
    edges: tuple[Box, ...]
    filled: bool
    order: int


@dataclass(slots=True)
class Page:
    """Everything visible on one page."""

    number: int
    width: float
    height: float
    glyphs: list[Glyph] = field(default_factory=list)
    drawings: list[Drawing] = field(default_factory=list)

    @property
    def block(self) -> Box:
        """The text block."""
        side = (self.width - TEXT_WIDTH) / 2
        return side, TOP, self.width - side, self.height - BOTTOM

    def lines(self) -> list[list[Glyph]]:
        """Lines of text inside the block from top to bottom, scripts with the line that they belong to."""
        inside = sorted((g for g in self.glyphs if g.box[3] <= self.block[3] + SLACK), key=lambda g: g.baseline)
        found: list[list[Glyph]] = []
        for glyph in inside:
            if found and glyph.baseline - found[-1][-1].baseline < 6:
                found[-1].append(glyph)
            else:
                found.append([glyph])
        return [sorted(line, key=lambda g: g.box[0]) for line in found]


def pages(path: Path | str | bytes) -> list[Page]:
    """The pages of a PDF."""
    with pdfium.PdfDocument(path) as document:
        return [_page(number, page) for number, page in enumerate(document, 1)]


def _page(number: int, page: pdfium.PdfPage) -> Page:
    width, height = page.get_size()
    found = Page(number, width, height)
    order: dict[int | None, int] = {}
    for k, item in enumerate(page.get_objects(max_depth=4)):
        order[_address(item.raw)] = k
        if item.type == pdf.FPDF_PAGEOBJ_PATH:
            found.drawings += _drawing(item, height, k)
        elif item.type == pdf.FPDF_PAGEOBJ_IMAGE:
            found.drawings.append(Drawing(_flipped(item.get_bounds(), height), (), filled=True, order=k))
    found.glyphs = list(_glyphs(page.get_textpage(), height, order))
    return found


def _address(pointer: ctypes.c_void_p) -> int | None:
    return ctypes.cast(pointer, ctypes.c_void_p).value


def _flipped(bounds: Box, height: float) -> Box:
    left, bottom, right, top = bounds
    return left, height - top, right, height - bottom


def _glyphs(text: pdfium.PdfTextPage, height: float, order: dict[int | None, int]) -> Iterator[Glyph]:
    """Visible characters; what one glyph shows (a ligature, the halves of a surrogate pair) counts once."""
    fonts: dict[int | None, str] = {}
    x, y = ctypes.c_double(), ctypes.c_double()
    before: tuple[int | None, Box] | None = None
    for k in range(text.count_chars()):
        char = _character(text, k)
        if char.isspace() or pdf.FPDFText_IsGenerated(text, k) == 1:
            continue
        owner = pdf.FPDFText_GetTextObject(text, k)
        key, box = _address(owner), text.get_charbox(k)
        if before == (key, box):
            continue
        before = (key, box)
        if key not in fonts:
            fonts[key] = _font(owner)
        pdf.FPDFText_GetCharOrigin(text, k, x, y)
        yield Glyph(char, _flipped(box, height), height - y.value, fonts[key], order.get(key, 0))


def _character(text: pdfium.PdfTextPage, k: int) -> str:
    """A character; two halves of one that lies beyond the first 65536 are put together."""
    first, second = (pdf.FPDFText_GetUnicode(text, at) for at in (k, k + 1))
    if 0xD800 <= first < 0xDC00:
        return chr(0x10000 + (first - 0xD800) * 0x400 + (second - 0xDC00))
    return chr(first) if not 0xDC00 <= first < 0xE000 else "\ufffd"


def _font(owner: ctypes.c_void_p) -> str:
    name = ctypes.create_string_buffer(256)
    pdf.FPDFFont_GetBaseFontName(pdf.FPDFTextObj_GetFont(owner), name, 256)
    return name.value.decode("latin-1")


def _drawing(item: pdfium.PdfObject, height: float, order: int) -> Iterator[Drawing]:
    """A path that paints something: strokes and dark areas show their edges, light areas none."""
    mode, stroked = ctypes.c_int(), ctypes.c_int()
    pdf.FPDFPath_GetDrawMode(item.raw, mode, stroked)
    if not mode.value and not stroked.value:
        return
    box = _flipped(item.get_bounds(), height)
    wide = ctypes.c_float()
    pdf.FPDFPageObj_GetStrokeWidth(item.raw, wide)
    line = stroked.value and not (wide.value > 3 and _luminance(item, pdf.FPDFPageObj_GetStrokeColor) > LIGHT)
    area = mode.value and _luminance(item, pdf.FPDFPageObj_GetFillColor) < LIGHT
    if mode.value and min(box[2] - box[0], box[3] - box[1]) < 1.5:  # a rule
        across, down = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
        flat = box[2] - box[0] > box[3] - box[1]
        edges: Iterable[Box] = [(box[0], down, box[2], down) if flat else (across, box[1], across, box[3])]
        yield Drawing(box, tuple(edges), filled=False, order=order)
        return
    edges = tuple(_outline(item, height)) if line or area else ()
    yield Drawing(box, edges, filled=bool(mode.value), order=order)


def _luminance(item: pdfium.PdfObject, colour_of: object) -> float:
    red, green, blue, opacity = (ctypes.c_uint() for _ in range(4))
    colour_of(item.raw, red, green, blue, opacity)  # type: ignore[operator]
    return (0.21 * red.value + 0.72 * green.value + 0.07 * blue.value) / 255


def _outline(item: pdfium.PdfObject, height: float) -> Iterator[Box]:
    """The straight pieces of a path; a curve as the lines between its control points."""
    matrix = item.get_matrix()
    last = start = None
    x, y = ctypes.c_float(), ctypes.c_float()
    for k in range(pdf.FPDFPath_CountSegments(item.raw)):
        segment = pdf.FPDFPath_GetPathSegment(item.raw, k)
        pdf.FPDFPathSegment_GetPoint(segment, x, y)
        right, up = matrix.on_point(x.value, y.value)
        here = (right, height - up)
        if pdf.FPDFPathSegment_GetType(segment) == pdf.FPDF_SEGMENT_MOVETO:
            start = here
        elif last is not None:
            yield (*last, *here)
        last = here
        if pdf.FPDFPathSegment_GetClose(segment) and start is not None and start != here:
            yield (*here, *start)
            last = start


# ---------------------------------------------------------------------------------------------------------------------
# Findings on pages


def of_pdf(path: Path | str | bytes) -> list[Finding]:
    """Everything wrong that can be seen in the PDF alone."""
    found: list[Finding] = []
    known = pages(path)
    for page in known:
        found += [*missing(page), *outside(page), *overprinted(page), *struck(page)]
    for page in known[:-1]:
        found += orphans(page)
    for page, below in pairwise(known):
        if _is_solutions(below):
            found += short(page, FEW)
            break  # what comes after may end where it ends
        found += short(page, FULL)
    return found


def missing(page: Page) -> Iterator[Finding]:
    """Characters that the font does not have."""
    for glyph in page.glyphs:
        if glyph.text in "\x00\ufffd":
            yield Finding("missing glyph", page.number, _place(glyph.box))
            return


def outside(page: Page) -> Iterator[Finding]:
    """Glyphs and drawings off the paper or beside the text block; the foot stands below it."""
    left, _, right, bottom = page.block
    seen = {}
    for item in (*page.glyphs, *page.drawings):
        x0, y0, x1, y1 = item.box
        words = repr(item.text) if isinstance(item, Glyph) else "a drawing"
        off = x0 < PAGE_EDGE or y0 < PAGE_EDGE or x1 > page.width - PAGE_EDGE or y1 > page.height - PAGE_EDGE
        if off:
            seen.setdefault("off the page", (words, item.box))
        elif x0 < left - HANG or x1 > right + SLACK or (y0 < bottom - SLACK and y1 > bottom + 3 * SLACK):
            seen.setdefault("outside the text block", (words, item.box))
    for kind, (words, box) in seen.items():
        yield Finding(kind, page.number, f"{words} {_place(box)}")


_COMPOSED = frozenset("\u0338\u0337/̸−-→←=_ˆ˜¯´`¨˙|∥~^")
"""What is printed over or touches other glyphs to make one sign of two, and accents."""


def overprinted(page: Page) -> Iterator[Finding]:
    """Pairs of glyphs one over the other."""
    cells: dict[tuple[int, int], list[Glyph]] = defaultdict(list)
    for glyph in page.glyphs:
        if glyph.text in _COMPOSED or re.search(r"CMEX|LMMathExtension|PazoMath-Ext|msam", glyph.font, re.IGNORECASE):
            continue
        x0, y0, x1, y1 = glyph.box
        for column in range(int(x0 // 12), int(x1 // 12) + 1):
            for line in range(int(y0 // 12), int(y1 // 12) + 1):
                cells[column, line].append(glyph)
    for glyphs in cells.values():
        for one, other in combinations(glyphs, 2):
            area = _common(one.box, other.box)
            if area > HARMLESS * min(_area(one.box), _area(other.box)):
                yield Finding("overprinted", page.number, f"{one.text!r} and {other.text!r} {_place(one.box)}")
                return


def _area(box: Box) -> float:
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def _common(one: Box, other: Box) -> float:
    """The area in which two boxes overlap."""
    return _area((max(one[0], other[0]), max(one[1], other[1]), min(one[2], other[2]), min(one[3], other[3])))


def struck(page: Page) -> Iterator[Finding]:
    """Text through which a line runs that nothing hides, or over which an area is painted."""
    areas = [d for d in page.drawings if d.filled and _area(d.box)]
    by_line: dict[int, list[Glyph]] = defaultdict(list)
    for glyph in page.glyphs:
        for k in range(int(glyph.core[1] // 12), int(glyph.core[3] // 12) + 1):
            by_line[k].append(glyph)
    for drawing in page.drawings:
        for edge in drawing.edges:
            for glyph in _met(edge, by_line):
                hidden = any(drawing.order < a.order < glyph.order and _within(glyph.core, a.box) for a in areas)
                if not hidden:
                    yield Finding("struck through", page.number, f"{glyph.text!r} {_place(glyph.box)}")
                    return
    for area in areas:
        for glyph in page.glyphs:
            if glyph.order < area.order and _within(glyph.core, area.box):
                yield Finding("struck through", page.number, f"{glyph.text!r} is covered {_place(glyph.box)}")
                return


def _met(edge: Box, by_line: dict[int, list[Glyph]]) -> Iterator[Glyph]:
    """Glyphs whose core a segment crosses."""
    top, bottom = sorted((edge[1], edge[3]))
    left, right = sorted((edge[0], edge[2]))
    for k in range(int(top // 12), int(bottom // 12) + 1):
        for glyph in by_line.get(k, ()):
            core = glyph.core
            if (
                core[0] < right
                and core[2] > left
                and core[1] < bottom + 0.01
                and core[3] > top
                and _crosses(edge, core)
            ):
                yield glyph


def _crosses(edge: Box, box: Box) -> bool:
    """True where a segment has points in a box (Liang and Barsky)."""
    start, end = 0.0, 1.0
    for axis in (0, 1):
        at, step = edge[axis], edge[axis + 2] - edge[axis]
        low, high = box[axis] - at, box[axis + 2] - at
        if step == 0:
            if low > 0 or high < 0:
                return False
            continue
        first, second = sorted((low / step, high / step))
        start, end = max(start, first), min(end, second)
    return start < end


def _within(inner: Box, outer: Box) -> bool:
    return outer[0] <= inner[0] and outer[1] <= inner[1] and outer[2] >= inner[2] and outer[3] >= inner[3]


def orphans(page: Page) -> Iterator[Finding]:
    """Headings, and lines that announce what follows, as last thing of a page."""
    lines = page.lines()
    if not lines or any(d.box[3] > lines[-1][0].box[3] + 12 and d.edges for d in _inside(page)):
        return
    letters = [g for g in lines[-1] if g.text.isalnum()]
    words = "".join(g.text for g in lines[-1])
    bold = [g for g in letters if g.bold]
    points = re.fullmatch(r"\d+points?", "".join(g.text for g in letters if not g.bold))
    if len(bold) > 3 and (len(bold) >= 0.5 * len(letters) or points):
        yield Finding("orphan heading", page.number, words)
    elif words.endswith(":") and len(letters) > 3 and "Mono" not in lines[-1][-1].font:  # no program either
        yield Finding("orphan lead-in", page.number, words)


def short(page: Page, least: float) -> Iterator[Finding]:
    """A page that ends too early."""
    _, top, _, bottom = page.block
    ends = [item.box[3] for item in (*page.glyphs, *_inside(page)) if item.box[3] <= bottom + 3 * SLACK]
    share = (max(ends, default=top) - top) / (bottom - top)
    if share < least:
        yield Finding("short page", page.number, f"{share:.0%} full")


def _inside(page: Page) -> list[Drawing]:
    return [d for d in page.drawings if d.box[3] <= page.block[3] + 3 * SLACK]


def _is_solutions(page: Page) -> bool:
    """True where a page opens with the heading of the solutions."""
    lines = page.lines()
    return bool(lines) and "".join(g.text for g in lines[0]).lstrip("0123456789").startswith("Solutions")


def _place(box: Box) -> str:
    return f"at {box[0]:.0f}, {box[1]:.0f}"


def main() -> int:
    """The findings of the files named on the command line."""
    parser = argparse.ArgumentParser(description="What is wrong with the layout of a handout.")
    parser.add_argument("pdf", type=Path)
    parser.add_argument("--log", type=Path)
    chosen = parser.parse_args()
    found = of_pdf(chosen.pdf)
    if chosen.log:
        found += of_log(chosen.log.read_text(encoding="latin-1"))
    sys.stdout.writelines(f"{finding}\n" for finding in found)
    return int(bool(found))


if __name__ == "__main__":
    raise SystemExit(main())
