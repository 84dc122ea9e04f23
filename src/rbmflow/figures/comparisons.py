"""Figures of what is known beside what is read: exact draws, and the renormalization group."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from rbmflow.figures import marks, panels, style
from rbmflow.figures.plot import figure

TEMPERATURES = ("#08306b", "#5e3c99", "#222222", "#e66101", "#8c2d04", "#0072B2", "#009E73", "#7A9A01")
"""Colours of the temperatures of block spins, from cold to hot, T_c dark; further ones begin again."""


@figure(
    section="thermometers",
    by="run",
    needs="calibration calibration_error usable_from usable_to critical_temperature",
    caption="Readings from held-out exact configurations against their true temperature, with one standard error. "
    "Upper row: the reading and the line of a perfect thermometer; lower row: the difference. A triangle is a reading "
    "beyond the axis. Shaded: the range in which the thermometer can be used, where deviation and error together are "
    "below a tenth of the temperature. Look at the difference near T_c (upright line) before trusting the same "
    "difference in a flow.",
)
def calibration(results: xr.Dataset) -> Figure:
    """What each thermometer reads from held-out exact configurations, against their temperature."""
    titles, top = marks.thermometer_titles(results), marks.top_temperature(results)
    true = results["temperature"].values.astype(float)
    x, look = marks.positions(true, top), style.Look(style.NEUTRAL, "o")
    infinite, finite = bool(np.isinf(true).any()), np.isfinite(true)
    names = "reading $(J/k_B)$", "reading − temperature"
    drawn, grid = panels.panel_grid(titles, names, "temperature of the data $(J/k_B)$", 4.2, pad=18)
    spans = results["calibration"].transpose("temperature", "thermometer").values[finite] - true[finite, None]
    reach = 1.15 * np.abs(spans[np.isfinite(spans)]).max(initial=0.05)
    critical = float(results["critical_temperature"])
    for place, (upper, lower) in enumerate(grid.T):
        here = results.isel(thermometer=place)
        reading, error = here["calibration"].values, here["calibration_error"].values
        marks.temperature_axis(upper, top, "y", infinite=infinite)
        marks.temperature_axis(lower, top, "x", infinite=infinite)
        upper.plot([0, top], [0, top], color=style.INK, linewidth=0.6)
        lower.axhline(0.0, color=style.INK, linewidth=0.6)
        marks.draw_readings(upper, x, marks.positions(reading, top), error, look)
        lower.set_ylim(-reach, reach)
        lower.errorbar(true[finite], spans[:, place], error[finite], fmt=".", color=style.NEUTRAL, linewidth=0.8)
        first, last = (float(here[name]) for name in ("usable_from", "usable_to"))
        for axes in (upper, lower):
            if np.isfinite(first):
                axes.axvspan(first, min(last, top), color=style.NEUTRAL, alpha=0.1, linewidth=0)
            axes.axvline(critical, **marks.CRITICAL)
        marks.side_labels(upper, {marks.T_C: critical}, "x")
        marks.say_empty(upper, marks.positions(reading, top))
    return drawn


@figure(
    section="manifold",
    needs="off_distance_mean off_distance_error off_floor off_p_value temperature_mean temperature_error",
    caption="Upper rows: what each thermometer reads minus T(E), against the iteration. The band is the errors of "
    "both readings together, each one standard error of {n} and the chains joined. A triangle is a difference beyond "
    "the axis or infinite; a gap, one that cannot be had. Last row: energy distance between configurations of the "
    "flow and exact draws at their own T(E), one configuration a chain, of at most 500 chains, by energy, |m| and the "
    "longest wave together: 0 is the same distribution, 1 the largest distance there is. Dashed: 99 of 100 ensembles "
    "of one distribution stay below. {seed_bars}",
)
def off_manifold(results: xr.Dataset) -> Figure:
    """How far flows are off equilibrium: differences of thermometers, and the distance from true draws."""
    others = [name for name in marks.labels(results, "thermometer") if name != "energy"]
    names = [f"{marks.thermometer_title(results, name)}\n$- T(E)$ $(J/k_B)$" for name in others]
    height = 0.8 + 1.35 * (len(others) + 1)
    drawn, columns = panels.machine_columns(results, (*names, "distance from\ntrue draws"), "iteration", height)
    distances = results["off_distance_mean"].sel(feature="joint").values
    top = max(1.1 * float(np.nan_to_num(distances).max(initial=0.0)), 0.02)
    for column, here in columns:
        of_energy = here.sel(thermometer="energy")
        for axes, name in zip(column, others, strict=False):
            axes.set_ylim(-1.05, 1.05)
            axes.axhline(0.0, color=style.INK, linewidth=0.6)
            other = here.sel(thermometer=name)
            with np.errstate(invalid="ignore"):
                gap = other["temperature_mean"] - of_energy["temperature_mean"]
            gap_error = np.hypot(other["temperature_error"], of_energy["temperature_error"])
            both = here[["iteration"]].assign(gap_mean=gap, gap_error=gap_error)
            panels.flow_lines(axes, both, "gap")
            marks.say_empty(axes, gap.values)
        _draw_distance(column[-1], here.sel(feature="joint"), top)
    panels.start_legend(drawn, results)
    return drawn


def _draw_distance(axes: Axes, here: xr.Dataset, top: float) -> None:
    axes.set_ylim(-0.03 * top, top)
    floor = here["off_floor"].mean("start").values
    axes.plot(here["compared"].values, floor, color=style.INK, linewidth=0.8, linestyle="--")
    for _, look, at in panels.by_start(here):
        mean, error = at["off_distance_mean"].values, np.nan_to_num(at["off_distance_error"].values)
        bar = {"fmt": look.marker, "linestyle": "-", "linewidth": 0.8, "markersize": 3}
        axes.errorbar(at["compared"].values, mean, error, color=look.colour, **bar)


@figure(
    section="renormalization",
    by="run",
    padded=1,
    needs="blocked_read blocked_read_error blocked_energy blocked_energy_error blocked_abs_magnetization "
    "blocked_abs_magnetization_error temperature_mean temperature_error critical_temperature",
    caption="T(E) of configurations of the model on large lattices under block-spin transformations, by blocks of two "
    "cells along each side, read at every size, and beside it T(E) along the flow of the first machine. Sites of one "
    "kind in the cell are blocked by themselves. Bands in the first two panels: one standard error over "
    "configurations; in the last: {bar}. Level line: T_c, if it is known. A triangle is a reading beyond the axis. "
    "Where there is a T_c, the majority rule has its fixed point near it, so temperatures on either side go away from "
    "it. Decimation in more than one dimension has none: the spins that are left are as far apart as they were, so "
    "they look hotter at T_c too. Look whether the last panel goes the other way.",
)
def renormalization(results: xr.Dataset) -> Figure:
    """Temperature of block-spin transformations, beside that along the flow of the first machine."""
    sides = [int(side) for side in results["side"].values]
    starts = results["blocked_temperature"].values.astype(float)
    colours = [TEMPERATURES[place % len(TEMPERATURES)] for place in range(len(starts))]
    top, critical = marks.top_temperature(results), float(results["critical_temperature"])
    here = results.sel(thermometer="energy")
    (name, flow), rules = panels.by_machine(here)[0], marks.labels(results, "rule")
    titles = [{"majority": "RG, majority rule"}.get(rule, f"RG, {rule}") for rule in rules]
    of_blocks, xlabel = {"sharex": False, "sharey": True}, "side of the block-spin lattice (cells)"
    drawn, grid = panels.panel_grid([*titles, f"RBM flow, {name}"], ["$T(E)$ $(J/k_B)$"], xlabel, 3.4, **of_blocks)
    for axes in grid[0]:
        marks.temperature_axis(axes, top, "y")
        axes.axhline(critical, **marks.CRITICAL)
    steps = np.arange(len(sides))
    for axes, rule in zip(grid[0], rules, strict=False):
        for place, colour in enumerate(colours):
            at = here.sel(rule=rule).isel(blocked_temperature=place)
            mean, error = at["blocked_read"].values, at["blocked_read_error"].values
            marks.draw_readings(axes, steps, mean, error, style.Look(colour, "o"))
            axes.plot(steps, np.where(mean <= top, mean, np.nan), "o", color=colour, markersize=3)
        axes.set_xticks(steps, map(str, sides))
    last = grid[0, -1]
    panels.flow_lines(last, flow, "temperature")
    last.set_xlabel("iteration")
    marks.side_labels(last, {marks.T_C: critical})
    shown = {f"RG at T = {start:.4g}": colour for start, colour in zip(starts, colours, strict=True)}
    shown |= {f"RBM from {start}": look.colour for start, look in style.start_looks(results).items()}
    handles = [Line2D([], [], color=colour, linewidth=1.8) for colour in shown.values()]
    drawn.legend(handles, shown, loc="outside lower center", ncols=panels.legend_columns(len(shown), 5))
    return drawn


@figure(
    section="renormalization",
    by="run",
    needs="stability_exponent stability_exponent_error stability_known",
    caption="Exponents of block spins of the model of this run at T_c: logarithms of the largest even and odd "
    "eigenvalue of the stability matrix to the base of the change of scale, each step by itself, against the side of "
    "the lattice that it ends at. Bars: one standard error by the jackknife over independent runs. Level line: the "
    "known exponent. The first steps are off by couplings that have not died out, the last ones by "
    "the size of the lattice.",
)
def stability(results: xr.Dataset) -> Figure:
    """Exponents y_T and y_h of block spins at every step."""
    sides = results["blocked_to"].values.tolist()
    names, shared = ("even: $y_T$", "odd: $y_h$"), {"sharey": False}
    drawn, [row] = panels.panel_grid(names, ["exponent"], "side after the step (cells)", 3.2, **shared)
    for place, axes in enumerate(row):
        here = results.isel(sector=place, rank=0)
        axes.axhline(float(here["stability_known"]), **marks.CRITICAL)
        mean, error = (here[f"stability_exponent{one}"].values for one in ("", "_error"))
        axes.errorbar(range(len(sides)), mean, error, fmt="o-", color=style.INK, linewidth=0.8, markersize=4)
        axes.set_xticks(range(len(sides)), map(str, sides))
        axes.margins(x=0.15, y=0.25)
        marks.side_labels(axes, {"known": float(here["stability_known"])})
    return drawn
