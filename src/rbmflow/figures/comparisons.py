"""Figures of flows beside what is known: exact draws at their own temperature, and the renormalization group."""

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
    """How far flows are off the Ising manifold: differences of thermometers, and the distance from true draws."""
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
    caption="T(E) of Ising configurations on large lattices under block-spin transformations of 2 × 2 blocks, read at "
    "every size, and beside it T(E) along the flow of the first machine. Bands in the first two panels: one standard "
    "error over configurations; in the last: {bar}. Level line: T_c. A triangle is a reading beyond the axis. The "
    "majority rule has its fixed point near T_c, so temperatures on either side go away from it. Decimation of the "
    "square lattice has none: the spins that are left are as far apart as they were, so they look hotter at T_c too. "
    "Look whether the last panel goes the other way.",
)
def renormalization(results: xr.Dataset) -> Figure:
    """Temperature of block-spin transformations, beside that along the flow of the first machine."""
    drawn = panels.new_figure(3.4)
    grid = drawn.subplots(1, 3, sharey=True)
    sides = [int(side) for side in results["side"].values]
    starts = results["blocked_temperature"].values.astype(float)
    colours = [TEMPERATURES[place % len(TEMPERATURES)] for place in range(len(starts))]
    top, critical = marks.top_temperature(results), float(results["critical_temperature"])
    for axes in grid:
        marks.temperature_axis(axes, top, "y")
        axes.axhline(critical, **marks.CRITICAL)
    here = results.sel(thermometer="energy")
    steps = np.arange(len(sides))
    for axes, rule in zip(grid, marks.labels(results, "rule"), strict=False):
        for place, colour in enumerate(colours):
            at = here.sel(rule=rule).isel(blocked_temperature=place)
            mean, error = at["blocked_read"].values, at["blocked_read_error"].values
            marks.draw_readings(axes, steps, mean, error, style.Look(colour, "o"))
            axes.plot(steps, np.where(mean <= top, mean, np.nan), "o", color=colour, markersize=3)
        axes.set_xticks(range(len(sides)), [f"{side}" for side in sides])
        axes.set_xlabel("side of the block-spin lattice (sites)")
        axes.set_title({"majority": "RG, majority rule"}.get(rule, f"RG, {rule}"))
    name, flow = panels.by_machine(here)[0]
    panels.flow_lines(grid[2], flow, "temperature")
    grid[2].set_title(f"RBM flow, {name}")
    grid[2].set_xlabel("iteration")
    grid[0].set_ylabel("$T(E)$ $(J/k_B)$")
    marks.side_labels(grid[2], {marks.T_C: critical})
    shown = {f"RG at T = {start:.4g}": colour for start, colour in zip(starts, colours, strict=True)}
    shown |= {f"RBM from {start}": look.colour for start, look in style.start_looks(results).items()}
    handles = [Line2D([], [], color=colour, linewidth=1.8) for colour in shown.values()]
    drawn.legend(handles, shown, loc="outside lower center", ncols=min(len(shown), 5))
    return drawn
