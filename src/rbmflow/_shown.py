"""What a notebook shows of a record or a thermometer: a figure in a line, and text with a small one."""

from __future__ import annotations

import abc
import html
from typing import TYPE_CHECKING, Literal

from rbmflow._registry import FIGURES

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class Shown:
    """Something with a figure of its own, which a notebook shows where it is the last line of a cell."""

    @abc.abstractmethod
    def _pictured(self) -> tuple[str, xr.Dataset]:
        """Name of its figure, and the data that this needs."""

    def plot(self, *, ax: Axes | None = None, width: Literal["page", "column"] = "page") -> Figure:
        """Draw its figure: into axes of a figure of matplotlib, or as one that is no wider than a page or a column."""
        name, data = self._pictured()
        return FIGURES[name](data, ax=ax, width=width)

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(repr(self))}</pre>{self.plot()._repr_html_()}"
