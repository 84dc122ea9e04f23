"""Figures of what a flow is besides a temperature: further observables, correlations, distance from true ensembles."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.lines import Line2D

from rbmflow.figures.along_flow import shown_iterations, start_legend
from rbmflow.figures.axes import (
    CRITICAL,
    NULL,
    THERMOMETERS,
    draw_readings,
    labels,
    new_figure,
    plain,
    say_empty,
    side_labels,
    temperature_axis,
    top_temperature,
)
from rbmflow.figures.style import INK, WIDTH, Look, start_looks, styled, tints

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

OBSERVABLES = {
    "magnetization_2": "$m^2$",
    "magnetization_4": "$m^4$",
    "domains": "domains per site",
    "step_distance": "spins turned a step,\nper site",
}

TEMPERATURES = ("#08306b", "#5e3c99", "#222222", "#e66101", "#8c2d04", "#0072B2", "#009E73", "#7A9A01")
"""Colours of the temperatures of block spins, from cold to hot, T_c dark; further ones begin again."""


@styled
def flow_observables(results: xr.Dataset) -> Figure:
    """Draw the moments of m, the number of domains and the step distance against the iteration.

    One column a machine, one colour a start; the band is the joined standard error.

    Parameters
    ----------
    results
        The results of a run.

    Returns
    -------
    Figure
        Numbers per site.
    """
    machines = labels(results, "machine")
    figure = new_figure(6.4, max(WIDTH, 2.2 * len(machines)))
    grid = figure.subplots(len(OBSERVABLES), len(machines), sharex=True, sharey="row", squeeze=False)
    for row, (name, label) in zip(grid, OBSERVABLES.items(), strict=True):
        here = results[f"{name}_mean"].values
        top = np.nanmax(here) if np.isfinite(here).any() else 1.0
        for axes, machine in zip(row, machines, strict=True):
            axes.set_ylim(-0.04 * max(top, 0.05), 1.08 * max(top, 0.05))
            for start, look in start_looks(results).items():
                flow = results.sel(machine=machine, start=start)
                mean, error = flow[f"{name}_mean"].values, flow[f"{name}_error"].values
                draw_readings(axes, flow["iteration"].values, mean, error, look)
            say_empty(axes, results.sel(machine=machine)[f"{name}_mean"].values)
        row[0].set_ylabel(label)
    for axes, machine in zip(grid[0], machines, strict=True):
        axes.set_title(plain(machine))
    for axes in grid[-1]:
        axes.set_xlabel("iteration")
    start_legend(figure, results)
    return figure


@styled
def correlations(results: xr.Dataset) -> Figure:
    """Draw the two-point function along an axis of the lattice at several iterations.

    One row a machine, one column a start; lines go from light to dark along the flow. The band is the standard error
    over seeds, the dotted line the mixture of the training configurations (null).

    Parameters
    ----------
    results
        The results of a run.

    Returns
    -------
    Figure
        Displacements in lattice spacings.
    """
    machines, looks = labels(results, "machine"), start_looks(results)
    figure = new_figure(0.9 + 1.7 * len(machines), max(WIDTH, 2.0 * len(looks)))
    grid = figure.subplots(len(machines), len(looks), sharex=True, sharey=True, squeeze=False)
    distance, iterations = np.arange(results.sizes["dx"]), shown_iterations(results)
    for row, machine in zip(grid, machines, strict=True):
        here = results.sel(machine=machine).isel(dy=0)
        null = here["null_correlation"].values
        for axes, (start, look) in zip(row, looks.items(), strict=True):
            axes.set_ylim(-0.08, 1.05)
            axes.axhline(0.0, color=INK, linewidth=0.4)
            axes.plot(distance, null, **NULL)
            for iteration, shade in zip(iterations, tints(look.colour, len(iterations)), strict=True):
                flow = here.sel(start=start, iteration=iteration)
                mean, error = flow["correlation_mean"].values, flow["correlation_error"].values
                axes.fill_between(distance, mean - error, mean + error, color=shade, alpha=0.22, linewidth=0)
                axes.plot(distance, mean, color=shade, marker=".")
        row[0].set_ylabel(f"{plain(machine)}\n$\\langle s_0 s_r \\rangle$")
        side_labels(row[-1], {"null": null[-1]})
    for axes, (start, look) in zip(grid[0], looks.items(), strict=True):
        axes.set_title(f"from {start}", color=look.colour)
    for axes in grid[-1]:
        axes.set_xlabel("displacement along an axis (sites)")
    shades = tints("#777777", len(iterations))
    handles = [Line2D([], [], color=shade, linewidth=1.8) for shade in shades]
    names = [f"iteration {iterations[0]}", *map(str, iterations[1:])]
    figure.legend(handles, names, loc="outside upper center", ncols=len(names), columnspacing=1.2)
    return figure


@styled
def off_manifold(results: xr.Dataset) -> Figure:
    """Draw how far flows are off the Ising manifold: differences of thermometers, and the distance from true draws.

    Upper rows: what each thermometer reads minus T(E), against the iteration; zero on the manifold. Last row: energy
    distance between configurations of the flow and exact ones at their T(E), in E, |m| and the longest wave jointly;
    below the dashed line 99 of 100 equal ensembles are found. One column a machine, one colour a start.

    Parameters
    ----------
    results
        The results of a run.

    Returns
    -------
    Figure
        Temperatures in J/k_B; the distance lies between 0 and 1.
    """
    machines = labels(results, "machine")
    others = [name for name in labels(results, "thermometer") if name != "energy"]
    figure = new_figure(0.8 + 1.35 * (len(others) + 1), max(WIDTH, 2.2 * len(machines)))
    grid = figure.subplots(len(others) + 1, len(machines), sharex=True, sharey="row", squeeze=False)
    joint = results.sel(feature="joint")
    highest = float(np.nan_to_num(joint["off_distance_mean"].values).max(initial=0.0))
    for column, machine in zip(grid.T, machines, strict=True):
        for axes, name in zip(column, others, strict=False):
            axes.set_ylim(-1.05, 1.05)
            axes.axhline(0.0, color=INK, linewidth=0.6)
            here, of_energy = (results.sel(machine=machine, thermometer=one) for one in (name, "energy"))
            with np.errstate(invalid="ignore"):
                gap = here["temperature_mean"] - of_energy["temperature_mean"]
            for start, look in start_looks(results).items():
                errors = (one["temperature_error"].sel(start=start).values for one in (here, of_energy))
                error = np.hypot(*errors)
                draw_readings(axes, here["iteration"].values, gap.sel(start=start).values, error, look)
            say_empty(axes, gap.values)
        _draw_distance(column[-1], joint.sel(machine=machine), max(1.1 * highest, 0.02))
        column[0].set_title(plain(machine))
        column[-1].set_xlabel("iteration")
    for axes, name in zip(grid[:, 0], others, strict=False):
        axes.set_ylabel(f"{THERMOMETERS.get(name, name)}\n$- T(E)$ $(J/k_B)$")
    grid[-1, 0].set_ylabel("distance from\ntrue draws")
    start_legend(figure, results)
    return figure


def _draw_distance(axes: Axes, here: xr.Dataset, top: float) -> None:
    axes.set_ylim(-0.03 * top, top)
    axes.plot(here["compared"].values, here["off_floor"].mean("start").values, color=INK, linewidth=0.8, linestyle="--")
    for start, look in start_looks(here).items():
        at = here.sel(start=start)
        mean, error = at["off_distance_mean"].values, np.nan_to_num(at["off_distance_error"].values)
        bar = {"fmt": look.marker, "linestyle": "-", "linewidth": 0.8, "markersize": 3}
        axes.errorbar(at["compared"].values, mean, error, color=look.colour, **bar)


@styled
def renormalization(results: xr.Dataset) -> Figure:
    """Draw the temperature of block-spin transformations beside that of the flow of the first machine.

    The first two panels follow configurations of several temperatures through the steps of the renormalization group,
    with majority rule and with decimation; error bars are standard errors over draws. The last has T(E) along the flow
    of the machine, with the joined standard error. The level line is T_c.

    Parameters
    ----------
    results
        The results of a run that has block spins.

    Returns
    -------
    Figure
        Temperatures in J/k_B.
    """
    figure = new_figure(3.4)
    grid = figure.subplots(1, 3, sharey=True)
    sides = [int(side) for side in results["side"].values]
    starts = results["blocked_temperature"].values.astype(float)
    top = top_temperature(results)
    critical = float(results["critical_temperature"])
    here = results.sel(thermometer="energy")
    for axes, rule in zip(grid, labels(results, "rule"), strict=False):
        temperature_axis(axes, top, "y")
        axes.axhline(critical, **CRITICAL)
        for place in range(len(starts)):
            at = here.sel(rule=rule).isel(blocked_temperature=place)
            look = Look(TEMPERATURES[place % len(TEMPERATURES)], "o")
            mean, error = at["blocked_read"].values, at["blocked_read_error"].values
            draw_readings(axes, np.arange(len(sides)), mean, error, look)
            axes.plot(np.arange(len(sides)), np.where(mean <= top, mean, np.nan), "o", color=look.colour, markersize=3)
        axes.set_xticks(range(len(sides)), [f"{side}" for side in sides])
        axes.set_xlabel("side of the block-spin lattice (sites)")
    grid[0].set_title("RG, majority rule")
    grid[1].set_title("RG, decimation")
    machine = labels(results, "machine")[0]
    flow = here.sel(machine=machine)
    temperature_axis(grid[2], top, "y")
    grid[2].axhline(critical, **CRITICAL)
    for start, look in start_looks(results).items():
        at = flow.sel(start=start)
        mean, error = at["temperature_mean"].values, at["temperature_error"].values
        draw_readings(grid[2], at["iteration"].values, mean, error, look)
    grid[2].set_title(f"RBM flow, {plain(machine)}")
    grid[2].set_xlabel("iteration")
    grid[0].set_ylabel("$T(E)$ $(J/k_B)$")
    side_labels(grid[2], {"$T_c$": critical})
    handles = [Line2D([], [], color=TEMPERATURES[i % len(TEMPERATURES)], linewidth=1.8) for i in range(len(starts))]
    handles += [Line2D([], [], color=look.colour, linewidth=1.8) for look in start_looks(results).values()]
    names = [f"RG at T = {start:.4g}" for start in starts] + [f"RBM from {start}" for start in start_looks(results)]
    figure.legend(handles, names, loc="outside lower center", ncols=min(len(names), 5))
    return figure
