"""Figures of the flows: temperatures, class probabilities, energy and magnetization, ends, configurations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from rbmflow.figures.axes import (
    C_MAX,
    CRITICAL,
    NULL,
    PEAK,
    T_C,
    THERMOMETERS,
    draw_readings,
    in_first_column,
    labels,
    new_figure,
    panel_grid,
    plain,
    positions,
    say_empty,
    side_labels,
    temperature_axis,
    top_temperature,
)
from rbmflow.figures.style import SPIN_COLOURS, WIDTH, start_looks, styled, tints

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def start_legend(figure: Figure, results: xr.Dataset) -> None:
    """Write the names of the starts in their colours above a figure."""
    looks = start_looks(results)
    handles = [Line2D([], [], color=look.colour, linewidth=1.8) for look in looks.values()]
    names = [f"from {start}" for start in looks]
    figure.legend(handles, names, loc="outside upper center", ncols=min(len(names), 8))


@styled
def temperature_flow(results: xr.Dataset) -> Figure:
    """Draw the temperature that each thermometer reads against the iteration of the flow.

    One row a machine, one column a thermometer, one colour a start. The band is the joined standard error. T_c is
    the solid line, the finite-size maximum of the specific heat the dashed one, the mixture of the machine's training
    temperatures (the null) the dotted one. Readings beyond the axis are triangles at its edge, missing ones gaps.

    Parameters
    ----------
    results
        The results of a run. Select machines first (`results.isel(machine=...)`) for a shorter figure.

    Returns
    -------
    Figure
        Temperatures in J/k_B.
    """
    machines, thermometers = labels(results, "machine"), labels(results, "thermometer")
    figure = new_figure(0.9 + 1.75 * len(machines))
    grid = figure.subplots(len(machines), len(thermometers), sharex=True, sharey=True, squeeze=False)
    top = top_temperature(results)
    for row, machine in zip(grid, machines, strict=True):
        for axes, thermometer in zip(row, thermometers, strict=True):
            here = results.sel(machine=machine, thermometer=thermometer)
            temperature_axis(axes, top, "y")
            lines = _reference_temperatures(here)
            for value, line in zip(lines.values(), (CRITICAL, PEAK, NULL), strict=True):
                axes.axhline(value, **line)
            for start, look in start_looks(results).items():
                flow = here.sel(start=start)
                mean, error = flow["temperature_mean"], flow["temperature_error"]
                draw_readings(axes, flow["iteration"].values, mean.values, error.values, look)
            say_empty(axes, np.nan_to_num(here["temperature_mean"].values, nan=np.nan, posinf=0.0, neginf=0.0))
            if axes is row[-1]:
                side_labels(axes, lines)
        row[0].set_ylabel(f"{plain(machine)}\ntemperature $(J/k_B)$")
    for axes, thermometer in zip(grid[0], thermometers, strict=True):
        axes.set_title(THERMOMETERS.get(thermometer, thermometer))
    for axes in grid[-1]:
        axes.set_xlabel("iteration")
    start_legend(figure, results)
    return figure


def _reference_temperatures(here: xr.Dataset) -> dict[str, float]:
    """Return T_c, C_max and the null of one machine and thermometer, under their labels."""
    return {
        T_C: float(here["critical_temperature"]),
        C_MAX: float(here["specific_heat_peak_temperature"]),
        "null": float(here["null_temperature"]),
    }


def shown_iterations(results: xr.Dataset) -> list[int]:
    """Return the iterations whose class probabilities are drawn: the first, 1, 2, 5, 10, ... and the last."""
    iterations = [int(i) for i in results["iteration"].values]
    wanted = [0, 1, 2, *(m * 10**p for p in range(7) for m in (5, 10, 20) if m * 10**p > 2)]
    shown = [i for i in iterations if i in set(wanted)]
    last = iterations[-1]
    if shown and shown[-1] != last and shown[-1] > 0.8 * last:
        shown.pop()
    return sorted({*shown, iterations[0], last})


@styled
def class_probabilities(results: xr.Dataset, classifier: str) -> Figure:
    """Draw the class probabilities averaged over the chains, against temperature, at several iterations.

    One row a machine, one column a start; lines go from light to dark along the flow. The dotted line is the null: the
    same average for the exact mixture of the machine's training temperatures. The upright lines are T_c and C_max.

    Parameters
    ----------
    results
        The results of a run.
    classifier
        Which class probabilities: a name on the axis `classifier`, `"neural"` or `"bayes"`.

    Returns
    -------
    Figure
        Probabilities of the classes, which sum to one.

    References
    ----------
    Iso, Shiba, Yokoo, arXiv:1801.07172: the way in which the flow is drawn there.
    """
    machines, looks = labels(results, "machine"), start_looks(results)
    figure = new_figure(0.9 + 1.7 * len(machines), max(WIDTH, 2.0 * len(looks)))
    grid = figure.subplots(len(machines), len(looks), sharex=True, sharey="row", squeeze=False)
    bins, top = results["bin"].values, top_temperature(results)
    x, iterations = positions(bins, top), shown_iterations(results)
    few = "." if len(bins) < 10 else ""
    for row, machine in zip(grid, machines, strict=True):
        here = results.sel(machine=machine, classifier=classifier)
        null = here["null_probability"].values
        for axes, (start, look) in zip(row, looks.items(), strict=True):
            temperature_axis(axes, top, infinite=bool(np.isinf(bins).any()))
            axes.axvline(float(results["critical_temperature"]), **CRITICAL)
            axes.axvline(float(results["specific_heat_peak_temperature"]), **PEAK)
            axes.plot(x, null, marker=few, **NULL)
            for iteration, shade in zip(iterations, tints(look.colour, len(iterations)), strict=True):
                flow = here.sel(start=start, iteration=iteration)
                mean, error = flow["probability_mean"].values, flow["probability_error"].values
                axes.fill_between(x, mean - error, mean + error, color=shade, alpha=0.22, linewidth=0)
                axes.plot(x, mean, color=shade, marker=few)
        row[0].set_ylim(bottom=0.0)
        row[0].set_ylabel(f"{plain(machine)}\nclass probability")
        side_labels(row[-1], {"null": null[-1]})
    _finish_class_probabilities(grid, results, iterations)
    return figure


def _finish_class_probabilities(grid, results: xr.Dataset, iterations: list[int]) -> None:
    """Write titles, temperature names and the key of the shades round the panels."""
    references = {
        T_C: float(results["critical_temperature"]),
        C_MAX: float(results["specific_heat_peak_temperature"]),
    }
    for axes, (start, look) in zip(grid[0], start_looks(results).items(), strict=True):
        axes.set_title(f"from {start}", color=look.colour, pad=18)
        side_labels(axes, references, "x", gap=0.11)
    for axes in grid[-1]:
        axes.set_xlabel("temperature of the class $(J/k_B)$")
    shades = tints("#777777", len(iterations))
    handles = [Line2D([], [], color=shade, linewidth=1.8) for shade in shades]
    names = [f"iteration {iterations[0]}", *map(str, iterations[1:])]
    grid[0, 0].figure.legend(handles, names, loc="outside upper center", ncols=len(names), columnspacing=1.2)


@styled
def energy_flow(results: xr.Dataset) -> Figure:
    """Draw energy and absolute magnetization per site against the iteration of the flow.

    One column a machine; the band is the joined standard error, the dotted line the null.

    Parameters
    ----------
    results
        The results of a run.

    Returns
    -------
    Figure
        Energies per site in units of J.
    """
    machines = labels(results, "machine")
    figure = new_figure(4.3, max(WIDTH, 2.2 * len(machines)))
    grid = figure.subplots(2, len(machines), sharex=True, sharey="row", squeeze=False)
    rows = (
        ("energy", "energy per site $(J)$", (-2.06, 0.2)),
        ("abs_magnetization", r"$|m|$ per site", (-0.03, 1.03)),
    )
    for axes_row, (name, label, limits) in zip(grid, rows, strict=True):
        for axes, machine in zip(axes_row, machines, strict=True):
            here = results.sel(machine=machine)
            axes.set_ylim(*limits)
            null = float(here[f"null_{name}"])
            axes.axhline(null, **NULL)
            for start, look in start_looks(results).items():
                flow = here.sel(start=start)
                mean, error = flow[f"{name}_mean"].values, flow[f"{name}_error"].values
                draw_readings(axes, flow["iteration"].values, mean, error, look)
            side_labels(axes, {"null": null})
        axes_row[0].set_ylabel(label)
    for axes, machine in zip(grid[0], machines, strict=True):
        axes.set_title(plain(machine))
    for axes in grid[1]:
        axes.set_xlabel("iteration")
    start_legend(figure, results)
    return figure


@styled
def flow_ends(results: xr.Dataset) -> Figure:
    """Draw where every flow ended, thermometer by thermometer, beside T_c, C_max and the null.

    One panel a machine, each with its own temperature range. Error bars are joined standard errors. An open
    symbol belongs to a machine and thermometer whose flows have not converged, so it is no T*. A triangle
    that points right at the edge stands for an infinite reading; a reading that cannot be had is not drawn.

    Parameters
    ----------
    results
        The results of a run.

    Returns
    -------
    Figure
        Temperatures in J/k_B.
    """
    machines, thermometers = labels(results, "machine"), labels(results, "thermometer")
    columns = min(len(machines), 2)
    figure = new_figure(0.8 + 1.9 * -(-len(machines) // columns))
    panels = panel_grid(figure, len(machines), columns, share_x=False)
    for axes, machine in zip(panels, machines, strict=True):
        _draw_ends(axes, results.sel(machine=machine))
        axes.set_title(plain(machine), pad=18)
        axes.set_yticks(range(len(thermometers)), [THERMOMETERS.get(t, t) for t in thermometers])
        axes.set_ylim(len(thermometers) - 0.5, -0.5)
        axes.tick_params(axis="y", length=0, labelleft=in_first_column(axes))
    for axes in panels[-columns:]:
        axes.set_xlabel("temperature at the end of the flow $(J/k_B)$")
    looks = start_looks(results)
    handles = [Line2D([], [], color=k.colour, marker=k.marker, linewidth=1) for k in looks.values()]
    figure.legend(handles, [f"from {s}" for s in looks], loc="outside upper center", ncols=min(len(looks), 8))
    return figure


def _draw_ends(axes: Axes, here: xr.Dataset) -> None:
    """Draw the ends of one machine's flows into a panel, and give it the range that holds them."""
    references = {
        T_C: float(here["critical_temperature"]),
        C_MAX: float(here["specific_heat_peak_temperature"]),
    }
    ends, errors = here["end_temperature"], here["end_error"].fillna(0.0)
    nulls = here["null_temperature"].values
    values = np.concatenate([(ends - errors).values.ravel(), (ends + errors).values.ravel(), nulls])
    values = np.concatenate([values[np.isfinite(values)], list(references.values())])
    margin = max(0.08 * np.ptp(values), 0.05)
    low, high = values.min() - margin, values.max() + margin
    axes.set_xlim(low, high)
    for value, line in zip(references.values(), (CRITICAL, PEAK), strict=True):
        axes.axvline(value, **line)
    side_labels(axes, {**references, "null": nulls[0]}, "x", gap=0.09)
    looks = start_looks(here)
    for row, thermometer in enumerate(labels(here, "thermometer")):
        at = here.sel(thermometer=thermometer)
        axes.plot([nulls[row]] * 2, [row - 0.42, row + 0.42], **NULL)
        for place, (start, look) in zip(_offsets(len(looks)), looks.items(), strict=True):
            end, error = float(at["end_temperature"].sel(start=start)), float(at["end_error"].sel(start=start))
            face = look.colour if bool(at["converged"]) else "white"
            if np.isposinf(end):
                axes.plot(high, row + place, ">", color=look.colour, markerfacecolor=face, clip_on=False)
            elif np.isfinite(end):
                bar = {"xerr": error if np.isfinite(error) else None, "linewidth": 1}
                axes.errorbar(end, row + place, fmt=look.marker, color=look.colour, mfc=face, **bar)


def _offsets(count: int):
    """Return how far the symbols of the starts stand from the middle of their row."""
    return np.linspace(-0.25, 0.25, count) if count > 1 else [0.0]


@styled
def configurations(results: xr.Dataset, machine: str) -> Figure:
    """Draw one chain of a machine's first seed along the flow: one row a start, one column a snapshot.

    Parameters
    ----------
    results
        The results of a run.
    machine
        Which machine.

    Returns
    -------
    Figure
        Spins up dark, spins down light.
    """
    looks, snapshots = start_looks(results), [int(s) for s in results["snapshot"].values]
    pitch = 1.1  # from one lattice to the next, in widths of a lattice
    columns, rows = pitch * np.arange(len(snapshots)), pitch * np.arange(len(looks))
    height = results.sizes["y"] / results.sizes["x"]
    side = min(9.5 / (pitch * len(snapshots)), 1.2)
    figure = new_figure(0.35 + side * height * pitch * len(looks), 0.4 + side * pitch * len(snapshots))
    axes = figure.subplots()
    colours = ListedColormap(SPIN_COLOURS)
    for row, (start, look) in zip(rows, looks.items(), strict=True):
        for column, snapshot in zip(columns, snapshots, strict=True):
            spins = results["example"].sel(machine=machine, start=start, snapshot=snapshot).transpose("y", "x")
            corner = column, row * height
            extent = (column, column + 1, corner[1] + height, corner[1])
            axes.imshow(spins.values, cmap=colours, vmin=-1, vmax=1, extent=extent)
            axes.add_patch(Rectangle(corner, 1, height, fill=False, edgecolor=look.colour, linewidth=1.0))
    axes.set_xlim(-0.01, columns[-1] + 1.01)
    axes.set_ylim((rows[-1] + 1.01) * height, -0.01 * height)
    axes.xaxis.tick_top()
    axes.set_xticks(columns + 0.5, [f"iteration {snapshots[0]}", *map(str, snapshots[1:])])
    axes.set_yticks((rows + 0.5) * height, [f"from {s}" for s in looks], rotation=90, va="center")
    for text, look in zip(axes.get_yticklabels(), looks.values(), strict=True):
        text.set_color(look.colour)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return figure
