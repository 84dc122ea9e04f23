"""Figures of a run: one function a figure, each from labelled results to a matplotlib figure.

A figure is an attribute of this package, `figures.spectra(results)`; `figures.spectra.table(results)` gives the numbers
behind it, `to_svg` the text that a web page can hold. They compute nothing but layout.
"""

from typing import Any

from rbmflow.figures import marks, panels, style  # noqa: F401  (before a look-up of figures can ask for them)
from rbmflow.figures.plot import FIGURES as FIGURES, Plot as Plot, figure as figure
from rbmflow.figures.style import start_looks as start_looks
from rbmflow.figures.svg_text import to_svg as to_svg


def __getattr__(name: str) -> Any:
    if name.startswith("__") or name not in FIGURES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return FIGURES[name]


def __dir__() -> list[str]:
    return [*globals(), *FIGURES]
