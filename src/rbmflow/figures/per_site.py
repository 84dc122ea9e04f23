"""Figures of what needs no thermometer: energy, moments of the magnetization, domains, along the flow."""

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from rbmflow.figures import marks, panels
from rbmflow.figures.plot import figure

MOMENTS = {
    "magnetization_2": "$m^2$",
    "magnetization_4": "$m^4$",
    "domains": "domains per site",
    "step_distance": "spins turned a step,\nper site",
}


@figure(
    section="energy",
    needs="energy_mean energy_error null_energy abs_magnetization_mean abs_magnetization_error null_abs_magnetization",
    caption="Energy per site (in units of J) and absolute magnetization per site, averaged over {chains} chains, "
    "against the iteration. {band} Dotted: the null. These need no thermometer. A triangle at the edge is a value "
    "beyond the axis.",
)
def energy_flow(results: xr.Dataset) -> Figure:
    """Energy and absolute magnetization per site, against the iteration of the flow."""
    ranges = {"energy": (-2.06, 0.2), "abs_magnetization": (-0.03, 1.03)}
    drawn, columns = panels.machine_columns(results, ("energy per site $(J)$", r"$|m|$ per site"), "iteration", 4.3)
    for column, here in columns:
        for axes, (name, limits) in zip(column, ranges.items(), strict=True):
            axes.set_ylim(*limits)
            null = float(here[f"null_{name}"])
            axes.axhline(null, **marks.NULL)
            panels.flow_lines(axes, here, name)
            marks.side_labels(axes, {"null": null})
    panels.start_legend(drawn, results)
    return drawn


@figure(
    section="energy",
    needs=tuple(f"{name}_{part}" for name in MOMENTS for part in ("mean", "error")),
    caption="Moments of the magnetization, domains (connected sets of equal spins) and spins turned over in one "
    "iteration, all per site, averaged over {chains} chains, against the iteration. {band} Look whether "
    "configurations still change where their averages do not.",
)
def flow_observables(results: xr.Dataset) -> Figure:
    """Moments of m, number of domains and step distance, against the iteration of the flow."""
    drawn, columns = panels.machine_columns(results, tuple(MOMENTS.values()), "iteration", 6.4)
    for column, here in columns:
        for axes, name in zip(column, MOMENTS, strict=True):
            of_all = results[f"{name}_mean"].values
            top = max(np.nanmax(of_all) if np.isfinite(of_all).any() else 1.0, 0.05)
            axes.set_ylim(-0.04 * top, 1.08 * top)
            panels.flow_lines(axes, here, name)
            marks.say_empty(axes, here[f"{name}_mean"].values)
    panels.start_legend(drawn, results)
    return drawn
