"""One look for every figure: the style, the colour of each start, and SVG text."""

import contextlib
import io
import re
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
import xarray as xr
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure

STYLE_FILE = Path(__file__).with_name("rbmflow.mplstyle")
STYLE = matplotlib.rc_params_from_file(STYLE_FILE, use_default_template=False)
WIDTH = 10.0
"""Width of a figure in inches; a report shows it at natural size."""

COLUMN = 8.6 / 2.54
"""Width in inches of a column of a journal."""

_SMALL: dict[Any, float] = dict.fromkeys(
    ("font.size", "axes.titlesize", "axes.labelsize", "xtick.labelsize", "ytick.labelsize", "legend.fontsize"), 7.0
)

_width: ContextVar[str] = ContextVar("width", default="page")

INK, NEUTRAL, DATA = "#222222", "#4c5b6b", "#B3589A"
"""Colours of text and lines, of what belongs to no start (training curves, spectra, thermometers), and of the data."""

FAINT = "#999999"
"""Colour of what is not there, and of lines that lead from a label to its value."""

DIVERGING = "PuOr_r"
"""Colour map of signed numbers, with white at zero; its hues are no start's."""

SPIN_COLOURS = ("#f3efe6", "#2d3a46")
"""Spin down, spin up."""

_COLD, _HOT = "#0072B2", "#D55E00"
_GREENS = ("#009E73", "#7A9A01", "#00594C", "#9FB56B", "#4FC3A1")
MARKERS = ("o", "s", "D", "P", "X")

NEEDLESS = re.compile(
    r"""<metadata>.*?</metadata> | <style.*?</style> | <!--.*?--> | (?<=<g)\ id="[^"]*" | \ id="image\w+" | ^\ +""",
    re.DOTALL | re.MULTILINE | re.VERBOSE,
)
"""What an SVG from matplotlib can do without; its `<style>` would reach beyond the drawing."""


@contextlib.contextmanager
def as_wide_as(width: str) -> Iterator[None]:
    """Have figures of this style be as wide as a "page", or as a "column" of a journal."""
    before = _width.set(width)
    try:
        with matplotlib.rc_context(STYLE), matplotlib.rc_context(_SMALL if width == "column" else {}):
            yield
    finally:
        _width.reset(before)


def in_column() -> bool:
    """Whether the figure at hand is for a column of a journal."""
    return _width.get() == "column"


class Drawn(Figure):
    """A figure that every notebook shows, whatever it does with others."""

    def _repr_html_(self) -> str:
        return to_svg(self)


class Look(NamedTuple):
    """Colour and marker of one start, the same in every figure."""

    colour: str
    marker: str


def start_looks(results: xr.Dataset) -> dict[str, Look]:
    """Return the look of every start of a run: cold blue, hot vermilion, others greens in their order."""
    starts = [str(start) for start in results["start"].values]
    looks = {"cold": Look(_COLD, "^"), "hot": Look(_HOT, "v")}
    for i, start in enumerate(start for start in starts if start not in ("cold", "hot")):
        looks[start] = Look(_GREENS[i % len(_GREENS)], MARKERS[i % len(MARKERS)])
    return {start: looks[start] for start in starts}


def tints(colour: str, count: int) -> list[str]:
    """Return `count` colours of one hue from light to the colour itself, then darker."""
    shades: list[str] = []
    for i in range(count):
        lightness = 0.72 - 1.05 * (i / max(count - 1, 1))  # 0 is the colour, 1 white, negative darker
        towards = 1.0 if lightness >= 0 else 0.0
        red, green, blue = (part + (towards - part) * abs(lightness) for part in to_rgb(colour))
        shades.append(to_hex((red, green, blue)))
    return shades


def to_svg(figure: Figure, name: str = "figure") -> str:
    """Return a figure as one `<svg>` element that can stand inside an HTML page.

    The same figure gives the same text. The size is left to the page: the element carries a `viewBox` and its
    natural size as `style`, and every id starts with `name`, which is different for each drawing of a page.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> to_svg(Figure(figsize=(2, 1)), "empty")[:4]
    '<svg'
    """
    text, canvas, dpi = io.StringIO(), figure.canvas, figure.dpi
    with matplotlib.rc_context(STYLE):
        try:
            figure.dpi = 200
            # Figure.savefig would draw everything twice, the first time for the layout alone.
            FigureCanvasSVG(figure).print_svg(text, metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
        finally:
            figure.set_canvas(canvas)
            figure.dpi = dpi
    svg = text.getvalue()
    svg = NEEDLESS.sub("", svg[svg.index("<svg") :].strip())
    svg = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", svg)
    # A hundredth of a point is finer than any screen, and makes a page much smaller.
    svg = re.sub(r'\b(?:d|x|y)="[^"]*"', lambda path: re.sub(r"-?\d+\.\d{3,}", _hundredths, path[0]), svg)
    width = figure.get_figwidth() * 96
    look = f"width: {width:.0f}px; stroke-linejoin: round; stroke-linecap: butt"
    opening, rest = svg.split(">", 1)
    opening = re.sub(r' (?:width|height)="[^"]*"', "", opening)
    return opening.replace("<svg", f'<svg role="img" style="{look}"', 1) + ">" + rest


def _hundredths(number: re.Match[str]) -> str:
    return f"{float(number[0]):.2f}".rstrip("0").rstrip(".")
