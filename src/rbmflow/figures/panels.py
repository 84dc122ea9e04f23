"""Small multiples: panels for machines, quantities and starts, with their names, legends and references."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator
from numpy.typing import NDArray

from rbmflow.figures.marks import C_MAX, CRITICAL, NULL, PEAK, T_C, draw_readings, plain
from rbmflow.figures.style import COLUMN, WIDTH, Drawn, in_column, start_looks, tints

GREY = "#777777"
"""The hue of a legend that holds for starts of every colour."""


IN_STACK = 1.25
"""Height in inches of each of several panels below one another in a column of a journal."""


def new_figure(height: float, width: float = WIDTH) -> Figure:
    """Return an empty figure that belongs to no window; in a column it is never wider than that."""
    return Drawn(figsize=(min(width, COLUMN) if in_column() else width, height))


def by_machine(results: xr.Dataset) -> list[tuple[str, xr.Dataset]]:
    """Every machine by its row, with its name: names are for people, and may be anything."""
    rows = range(results.sizes["machine"])
    return [(plain(str(results["machine"].values[row])), results.isel(machine=row)) for row in rows]


def by_start(here: xr.Dataset) -> Iterator[tuple[str, Any, xr.Dataset]]:
    """Every start with its name and look, and what belongs to it."""
    for row, (start, look) in enumerate(start_looks(here).items()):
        yield start, look, here.isel(start=row)


def panel_grid(
    tops: Sequence[str],
    sides: Sequence[str],
    xlabel: str,
    height: float,
    width: float = WIDTH,
    pad: float | None = None,
    **shared: Any,
) -> tuple[Figure, NDArray[np.object_]]:
    """Panels with shared axes, the names of the columns so many points above and those of the rows at the left.

    In a column of a journal all stand below one another, each with its names.
    """
    options: dict[str, Any] = {"sharex": True, "sharey": "row", **shared}
    stacked = in_column() and len(tops) > 1 and any(tops)
    figure = new_figure(0.8 + IN_STACK * len(sides) * len(tops) if stacked else height, width)
    if stacked:
        grid = figure.subplots(len(sides) * len(tops), 1, squeeze=False, sharex=options["sharex"] is True)
        grid = grid.reshape(len(sides), len(tops))
        for first, *others in grid if options["sharey"] else ():
            for axes in others:
                axes.sharey(first)
    else:
        grid = figure.subplots(len(sides), len(tops), squeeze=False, **options)
    for row in grid if stacked else grid[:1]:
        for axes, name in zip(row, tops, strict=True):
            axes.set_title(name, pad=pad)
    for column in grid.T if stacked else grid.T[:1]:
        for axes, name in zip(column, sides, strict=True):
            axes.set_ylabel(name)
    for axes in grid[-1, -1:] if stacked else grid[-1]:
        axes.set_xlabel(xlabel)
    return figure, grid


def machine_columns(
    results: xr.Dataset, names: Sequence[str], xlabel: str, height: float, least: float = 2.2, **shared: Any
) -> tuple[Figure, list[tuple[Any, xr.Dataset]]]:
    """One column a machine, at least so many inches wide, one row a quantity; the columns, from top to bottom."""
    machines = by_machine(results)
    width = max(WIDTH, least * len(machines))
    figure, grid = panel_grid([name for name, _ in machines], names, xlabel, height, width, **shared)
    return figure, [(column, here) for column, (_, here) in zip(grid.T, machines, strict=True)]


def machine_rows(
    results: xr.Dataset, tops: Sequence[str], ylabel: str, xlabel: str, each: float, **further: Any
) -> tuple[Figure, list[tuple[Any, xr.Dataset]]]:
    """One row a machine, so many inches high, with named columns; the rows, from left to right."""
    machines = by_machine(results)
    sides = [f"{name}\n{ylabel}" for name, _ in machines]
    figure, grid = panel_grid(tops, sides, xlabel, 0.9 + each * len(machines), **further)
    return figure, [(row, here) for row, (_, here) in zip(grid, machines, strict=True)]


def machine_panels(
    results: xr.Dataset,
    height: tuple[float, float],
    xlabel: str,
    ylabel: str = "",
    most: int = 4,
    *,
    narrow: tuple[int, float] | None = None,
    width: float = WIDTH,
    pad: float | None = None,
    **shared: Any,
) -> tuple[Figure, list[tuple[Axes, xr.Dataset]]]:
    """One panel a machine, `most` in a row, its title so many points above; spare places of the last row stay free.

    `height` is that of the figure and of each row beside it; `narrow` is how many stand in a row of a column of a
    journal, where there is usually one, and how high that is.
    """
    machines = by_machine(results)
    if narrow and in_column():
        most, height = narrow[0], (height[0], narrow[1])
    columns = 1 if in_column() and not narrow else min(len(machines), most)
    rows = -(-len(machines) // columns)
    options: dict[str, Any] = {"sharex": True, "sharey": True, **shared}
    figure, grid = panel_grid([""] * columns, [ylabel] * rows, "", height[0] + height[1] * rows, width, **options)
    for axes in grid.flat[len(machines) :]:
        axes.remove()
    panels = [(axes, here) for axes, (_, here) in zip(grid.flat, machines, strict=False)]
    for (axes, _), (name, _) in zip(panels, machines, strict=True):
        axes.set_title(name, pad=pad)
        axes.set_xlabel(xlabel)
        axes.tick_params(labelbottom=True)
    return figure, panels


def flow_lines(axes: Axes, here: xr.Dataset, name: str) -> None:
    """Draw a mean and its error along the flow, a line a start; the axis range must be set before."""
    for _, look, flow in by_start(here):
        mean, error = flow[f"{name}_mean"].values, flow[f"{name}_error"].values
        draw_readings(axes, flow["iteration"].values, mean, error, look)


def shaded_lines(axes: Axes, x: Any, flow: xr.Dataset, name: str, colour: str, marker: str) -> None:
    """Draw a mean with its error against something else, a line an iteration, from light to dark."""
    for row, shade in enumerate(tints(colour, flow.sizes["iteration"])):
        mean, error = (flow[f"{name}_{part}"].isel(iteration=row).values for part in ("mean", "error"))
        axes.fill_between(x, mean - error, mean + error, color=shade, alpha=0.22, linewidth=0)
        axes.plot(x, mean, color=shade, marker=marker)


def references(here: xr.Dataset, *further: str) -> dict[str, float]:
    """T_c, the maximum of the specific heat, and what else is asked for, under their labels."""
    names = {T_C: "critical_temperature", C_MAX: "specific_heat_peak_temperature", "mixture": "null_temperature"}
    return {label: float(here[names[label]]) for label in (T_C, C_MAX, *further)}


def reference_lines(axes: Axes, values: dict[str, float], along: str = "y") -> None:
    """Draw T_c solid, the maximum of the specific heat dashed, the null dotted."""
    for value, line in zip(values.values(), (CRITICAL, PEAK, NULL), strict=False):
        (axes.axhline if along == "y" else axes.axvline)(value, **line)


def start_handles(results: xr.Dataset, *, markers: bool) -> list[Line2D]:
    """The names of the starts in their colours, for a legend."""
    handles = []
    for start, look in start_looks(results).items():
        shown_as: dict[str, Any] = {"marker": look.marker, "linewidth": 1} if markers else {"linewidth": 1.8}
        handles.append(Line2D([], [], color=look.colour, label=f"from {start}", **shown_as))
    return handles


def start_legend(figure: Figure, results: xr.Dataset, *, markers: bool = False) -> None:
    """Write the names of the starts above a figure."""
    handles = start_handles(results, markers=markers)
    figure.legend(handles=handles, loc="outside upper left", ncols=legend_columns(len(handles)))


def legend_columns(names: int, most: int = 8) -> int:
    """How many names of a legend stand beside one another."""
    return min(names, 2 if in_column() else most)


def beside() -> Any:
    """Where a legend of many rows stands."""
    return "outside lower left" if in_column() else "outside right upper"


def label_legend(figure: Figure, axes: Axes, columns: int) -> None:
    """Write the labels of one panel above a figure, for all panels."""
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper right", ncols=legend_columns(columns))


def iteration_legend(figure: Figure, iterations: Sequence[int]) -> None:
    """Write which iterations the shades of `shaded_lines` stand for."""
    handles = [Line2D([], [], color=shade, linewidth=1.8) for shade in tints(GREY, len(iterations))]
    names = [f"iteration {iterations[0]}", *map(str, iterations[1:])]
    columns = 4 if in_column() else len(names)
    figure.legend(handles, names, loc="outside upper left", ncols=columns, columnspacing=1.2)


def update_axis(axes: Axes, *, ticks: bool = True) -> None:
    """Give a level axis of gradient updates: logarithmic beyond 1, with the untrained machine at 0."""
    axes.set_xscale("symlog", linthresh=1.0)
    axes.set_xlim(left=0)
    axes.xaxis.set_minor_locator(NullLocator())  # ticks that have no length take long all the same
    if ticks:
        axes.set_xticks([0, *(10**power for power in range(1, 8, 2) if 10**power < axes.get_xlim()[1])])


def shown_iterations(results: xr.Dataset) -> list[int]:
    """Return the iterations that are drawn where there is no room for all: 0, 1, 2, 5, 10, ... and the last."""
    iterations = [int(i) for i in results["iteration"].values]
    wanted = [0, 1, 2, *(m * 10**p for p in range(7) for m in (5, 10, 20) if m * 10**p > 2)]
    shown = [i for i in iterations if i in set(wanted)]
    last = iterations[-1]
    if shown and shown[-1] != last and shown[-1] > 0.8 * last:
        shown.pop()
    return sorted({*shown, iterations[0], last})


def few_iterations(results: xr.Dataset) -> xr.Dataset:
    """Return the results at `shown_iterations`."""
    return results.sel(iteration=shown_iterations(results))


def offsets(count: int, reach: float) -> np.ndarray:
    """Return how far the symbols of the starts stand from the middle of their row."""
    return np.linspace(-reach, reach, count) if count > 1 else np.zeros(1)
