"""One look for every figure: the style, and the colour of each start."""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
import xarray as xr
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
        from rbmflow.figures.svg_text import to_svg

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
