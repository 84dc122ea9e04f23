"""One look for every figure: the style file, the colour of each start, and SVG text."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import matplotlib
from matplotlib.colors import to_hex, to_rgb

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

STYLE_FILE = Path(__file__).with_name("rbmflow.mplstyle")
WIDTH = 10.0
"""Width of a figure in inches; a report shows it at natural size."""

INK = "#222222"
NEUTRAL = "#4c5b6b"
"""Colour of what belongs to no start: training curves, spectra, thermometers."""

DATA = "#B3589A"
"""Colour of what belongs to the training data; no start has it."""

DIVERGING = "PuOr_r"
"""Colour map of signed numbers, with white at zero; its hues are no start's."""

NEEDLESS = (
    r"<metadata>.*?</metadata>",
    r"<style.*?</style>",  # would reach beyond the drawing
    r"<!--.*?-->",
    r'(?<=<g) id="[^"]*"',
    r' id="image\w+"',
    r"^ +",
)
"""What an SVG from matplotlib can do without, as patterns."""

SPIN_COLOURS = ("#f3efe6", "#2d3a46")
"""Spin down, spin up."""

_COLD, _HOT = "#0072B2", "#D55E00"
_GREENS = ("#009E73", "#7A9A01", "#00594C", "#9FB56B", "#4FC3A1")
_MARKERS = ("o", "s", "D", "P", "X")


class Look(NamedTuple):
    """Colour and marker of one start, the same in every figure."""

    colour: str
    marker: str


def start_looks(results: xr.Dataset) -> dict[str, Look]:
    """Return the look of every start of a run: cold blue, hot vermilion, others greens in their order."""
    looks = {"cold": Look(_COLD, "^"), "hot": Look(_HOT, "v")}
    others = [start for start in map(str, results["start"].values) if start not in looks]
    for i, start in enumerate(others):
        looks[start] = Look(_GREENS[i % len(_GREENS)], _MARKERS[i % len(_MARKERS)])
    return {start: looks[start] for start in map(str, results["start"].values)}


def tints(colour: str, count: int) -> list[str]:
    """Return `count` colours of one hue from light to the colour itself, then darker."""
    red, green, blue = to_rgb(colour)
    shades: list[str] = []
    for i in range(count):
        lightness = 0.72 - 1.05 * (i / max(count - 1, 1))  # 0 is the colour, 1 white, negative darker
        if lightness >= 0:
            mixed = tuple(c + (1 - c) * lightness for c in (red, green, blue))
        else:
            mixed = tuple(c * (1 + lightness) for c in (red, green, blue))
        shades.append(to_hex(mixed))  # pyright: ignore[reportArgumentType]
    return shades


def to_svg(figure: Figure, name: str = "figure") -> str:
    """Return a figure as one `<svg>` element that can stand inside an HTML page.

    The same figure gives the same text. The size is left to the page: the element carries a `viewBox` and its
    natural size as `style`, and every id starts with `name`, so that many drawings can share a page.

    Parameters
    ----------
    figure
        A figure of this package, or any other.
    name
        Prefix of all ids; different for each drawing of a page.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> to_svg(Figure(figsize=(2, 1)), "empty")[:4]
    '<svg'
    """
    text = io.StringIO()
    with matplotlib.rc_context(fname=STYLE_FILE):
        nothing = {"Creator": None, "Date": None, "Format": None, "Type": None}
        figure.savefig(text, format="svg", metadata=nothing, dpi=200)
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :].strip()
    for needless in NEEDLESS:
        svg = re.sub(needless, "", svg, flags=re.DOTALL | re.MULTILINE)
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
