"""What a figure is: its drawing, its place in a report, its caption, and the variables that it needs."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import update_wrapper
from typing import Any

import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rbmflow._checks import InvalidInput, Problem, Problems, listed, one_of
from rbmflow._registry import FIGURES
from rbmflow.figures import panels, style

MACHINES_IN_A_FIGURE = 4
"""More machines than this make further figures, so that each fits a screen and a printed page."""


@dataclass(eq=False)
class Plot:
    """A figure that can be drawn of results, by calling it with them.

    Names of machines, starts, thermometers or classifiers choose what is drawn: `spectra(results, machine="V-64")`.
    With `width="column"` the figure is as wide as a column of a journal, 8.6 cm, its panels stand below one another,
    and no letter is smaller than 7 points. A figure of a single panel can be drawn into axes of one's own, `ax=`.

    Parameters
    ----------
    name
        What it is called by, in claims, in anchors and in names of files.
    draw
        It computes nothing but layout.
    section
        Id of a section of the report, or the title of a new one at its end.
    shows
        One line for lists of figures.
    caption
        Plain text; `T_c` becomes a subscript. A report fills in what is known of the run: `{seeds}`, `{n}` (with the
        word), `{chains}`, `{band}` and `{bar}` (what they are), `{seed_band}` and `{seed_bar}` (of the seeds alone).
    needs
        The variables of the results that it draws. The axes of the first are the rows of its table.
    by
        Of what there is a figure each: of `machines`, up to four of them; of the entries of an axis (`machine`,
        `classifier`, ...); of a `run`.
    padded
        Rows of the table in which so many of the first variables are all missing are left out.
    of
        The part of the results that is drawn, such as a few iterations.
    page
        What it is of: a `run`, the machines of a whole `sweep` side by side (see `claims.study`), its `points` (see
        `rbmflow.runs.side_by_side`), or a `record`.
    panel
        Width and height in inches of a figure of a single panel; its drawing takes the data and the axes.
    narrow
        Whether a page shows it with `width="column"` on a phone.

    Raises
    ------
    InvalidInput
        If the results lack a variable that it needs, or what was chosen; if there is no such width, or axes are given
        for a figure of several panels.
    """

    name: str
    draw: Callable[..., Any]
    section: str
    shows: str
    caption: str
    needs: tuple[str, ...]
    by: str = "machines"
    padded: int = 0
    of: Callable[[xr.Dataset], xr.Dataset] | None = None
    page: str = "run"
    panel: tuple[float, float] | None = None
    narrow: bool = False

    def __post_init__(self):
        update_wrapper(self, self.draw)

    def __call__(self, results: xr.Dataset, *, width: str = "page", ax: Axes | None = None, **chosen: Any) -> Figure:
        """Draw it, of all that the results have or of what is chosen."""
        problems = Problems()
        problems.one_of("width", width, ("page", "column"))
        problems.unless(ax is None or self.panel is not None, "ax", ax, f"the figure {self.name} has several panels")
        problems.done()
        part = self._part(results, chosen)
        with style.as_wide_as(width):
            if self.panel is None:
                return self.draw(part)
            if ax is None:
                ax = panels.new_figure(self.panel[1], self.panel[0]).subplots()
            self.draw(part, ax)
            return ax.get_figure(root=True)  # pyright: ignore[reportReturnType]

    def missing(self, results: xr.Dataset) -> str:
        """One sentence that names the variables it needs and the results do not have; empty if there are none."""
        names = [f"`{name}`" for name in self._lacking(results)]
        return f"the figure {self.name} needs {', '.join(names)}, which the results do not have" if names else ""

    def table(self, results: xr.Dataset, **chosen: Any) -> pd.DataFrame:
        """Return the numbers behind the figure, one row a point: its coordinates, then its values.

        Needed variables with other axes than the first are left out; of a symmetric matrix each pair comes once.

        Examples
        --------
        >>> figures.spectra.table(results).columns.tolist()  # doctest: +SKIP
        ['machine', 'seed', 'mode', 'singular_value']
        """
        part = self._part(results, chosen)
        if not part[self.needs[0]].dims:
            part = part[list(self.needs)].expand_dims("value")
        axes = [str(dim) for dim in part[self.needs[0]].dims]
        names = [name for name in self.needs if name not in axes and set(part[name].dims) <= set(axes)]
        part = part[names].drop_vars([name for name in part.coords if name not in (*axes, *names)], errors="ignore")
        table = part.to_dataframe(axes).reset_index()
        if self.padded:
            table = table.dropna(subset=names[: self.padded], how="all")
        if {"visible", "visible_other"} <= set(axes):
            table = table.loc[table["visible"] <= table["visible_other"]]
        return table.loc[:, [*axes, *names]]

    def parts(self, results: xr.Dataset) -> Iterator[tuple[str, xr.Dataset]]:
        """What is drawn of a run, a figure each, with the entry of the axis that it is `by`.

        Parts in which the first variable is missing altogether are left out.
        """
        axis = "" if self.by in ("machines", "run") else self.by
        grouped = self.by not in ("run", "machine") and "machine" in results.sizes
        machines = results.sizes["machine"] if grouped else 1
        # As even as can be: five machines make figures of three and two.
        each = -(-machines // -(-machines // MACHINES_IN_A_FIGURE))
        for entry in range(results.sizes[axis] if axis else 1):
            of_entry = results.isel({axis: [entry]}) if axis else results
            for first in range(0, machines, each):
                part = of_entry.isel(machine=slice(first, first + each)) if grouped else of_entry
                if bool(part[self.needs[0]].notnull().any()):
                    yield str(part[axis].values[0]) if axis else "", part

    def _lacking(self, results: xr.Dataset) -> list[str]:
        return [name for name in self.needs if name not in results.variables]

    def _part(self, results: xr.Dataset, chosen: dict[str, Any]) -> xr.Dataset:
        if lacking := self._lacking(results):
            raise InvalidInput(Problem("results without", lacking, f"the figure {self.name} needs all of these"))
        for axis, names in chosen.items():
            wanted = listed(names) or (names,)
            there = results[axis].values.tolist() if axis in results.coords else []
            for name in wanted:
                if name not in there:
                    raise InvalidInput(Problem(axis, name, one_of(name, there)))
            # By rows: two machines may have one name.
            results = results.isel({axis: [row for name in wanted for row, one in enumerate(there) if one == name]})
        return self.of(results) if self.of else results


def figure(
    *, section: str, caption: str, needs: str | tuple[str, ...], shows: str = "", **further: Any
) -> Callable[[Callable[..., Any]], Plot]:
    """Declare a figure beside its drawing: it is in every report from then on, with its numbers.

    Parameters
    ----------
    section, shows, caption
        As of `Plot`; `shows` is the first line of the drawing's docstring if it is not given.
    needs
        Names of variables, in one text or as a tuple.
    further
        `by`, `padded`, `of`, `page`, `panel` and `narrow` of `Plot`, where they differ from the usual.

    Raises
    ------
    InvalidInput
        If another figure has the name of the function.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> @figure(section="energy", caption="Where it ends.", needs="mean_end")
    ... def ends_alone(results):
    ...     '''Draw nothing but the ends.'''
    ...     drawn = Figure()
    ...     drawn.subplots().plot(results["mean_end"], ".")
    ...     return drawn
    >>> ends_alone.shows
    'Draw nothing but the ends.'
    """

    def declared(draw: Callable[..., Any]) -> Plot:
        told = shows or (draw.__doc__ or "").partition("\n")[0]
        needed = tuple(needs.split() if isinstance(needs, str) else needs)
        return FIGURES.add(draw.__name__, Plot(draw.__name__, draw, section, told, caption, needed, **further))

    return declared
