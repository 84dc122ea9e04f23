"""Figures of training time: where the flows end and how much a machine has learnt, at every checkpoint."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import numpy as np

from rbmflow.figures.along_flow import start_legend
from rbmflow.figures.axes import C_MAX, CRITICAL, NULL, PEAK, T_C, labels, new_figure, plain, say_empty, side_labels
from rbmflow.figures.style import NEUTRAL, WIDTH, start_looks, styled

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LOWEST, HIGHEST = 0.5, 6.0
"""Range of temperatures that is drawn, in J/k_B; ends beyond are triangles at its edge."""


@styled
def training_time(results: xr.Dataset) -> Figure:
    """Draw T(E) at the end of the flows and the excess nats of every checkpoint, against the gradient updates.

    Above, one symbol a checkpoint and start: filled if the machine of that checkpoint has converged. The full line is
    T_c, the dashed one the maximum of the specific heat, the dotted one the training mixture. Below, the excess of
    the same machines over their mixture. Error bars and bands are joined standard errors.

    Parameters
    ----------
    results
        The results of a run with flows along the training.

    Returns
    -------
    Figure
        Temperatures in J/k_B and nats, one column a machine; the untrained machine stands at 0 updates.
    """
    machines = labels(results, "machine")
    figure = new_figure(4.3, max(WIDTH, 2.2 * len(machines)))
    grid = figure.subplots(2, len(machines), sharex=True, sharey="row", squeeze=False)
    for (upper, lower), machine in zip(grid.T, machines, strict=True):
        here = results.sel(machine=machine)
        upper.set_title(plain(machine))
        _draw_ends(upper, here)
        _draw_excess(lower, here)
        lower.set_xscale("symlog", linthresh=1.0)
        lower.set_xlim(left=0)
        lower.set_xlabel("gradient updates")
        lower.set_xticks([0, *(10**power for power in range(1, 8, 2) if 10**power < lower.get_xlim()[1])])
    grid[0, 0].set_ylabel("$T(E)$ at the end $(J/k_B)$")
    grid[1, 0].set_ylabel("excess (nats)")
    start_legend(figure, results)
    return figure


def _draw_ends(axes: Axes, here: xr.Dataset) -> None:
    axes.set_ylim(LOWEST, HIGHEST)
    references = {
        T_C: float(here["critical_temperature"]),
        C_MAX: float(here["specific_heat_peak_temperature"]),
        "null": float(here["null_temperature"].sel(thermometer="energy")),
    }
    for value, line in zip(references.values(), (CRITICAL, PEAK, NULL), strict=True):
        axes.axhline(value, **line)
    update, converged = here["checkpoint_end_update"].values, here["checkpoint_converged"].values == 1
    for start, look in start_looks(here).items():
        flow = here.sel(start=start)
        end, error = flow["checkpoint_end_temperature"].values, flow["checkpoint_end_error"].values
        inside = _with_error(axes, update, end, error, look.colour)
        for chosen, face in ((converged, look.colour), (~converged, "white")):
            axes.plot(
                update[chosen], inside[chosen], look.marker, color=look.colour, markerfacecolor=face, markersize=4
            )
    say_empty(axes, here["checkpoint_end_temperature"].values)
    side_labels(axes, references)


def _with_error(axes: Axes, update: np.ndarray, end: np.ndarray, error: np.ndarray, colour: str) -> np.ndarray:
    """Draw line and error bars, triangles at the edge for what lies beyond the axis; return what lies inside."""
    inside = np.where((end >= LOWEST) & (end <= HIGHEST), end, np.nan)
    axes.errorbar(update, inside, np.nan_to_num(error), color=colour, linewidth=0.8)
    for beyond, edge, marker in ((end > HIGHEST, HIGHEST, "^"), (end < LOWEST, LOWEST, "v")):
        if beyond.any():
            at_edge = np.full(beyond.sum(), edge)
            axes.plot(update[beyond], at_edge, marker, color=colour, markersize=3, clip_on=False)
    return inside


def _draw_excess(axes: Axes, here: xr.Dataset) -> None:
    update, mean, error = (here[f"checkpoint_excess_{part}"].values for part in ("update", "mean", "mean_error"))
    if np.isfinite(mean).any():
        axes.set_yscale("log")
        drawable = np.where(mean > 0, mean, np.nan)
        axes.plot(update, drawable, ".-", color=NEUTRAL)
        low = np.maximum(mean - error, 0.1 * np.abs(mean))
        axes.fill_between(update, low, mean + error, color=NEUTRAL, alpha=0.22, linewidth=0)
    say_empty(axes, mean)


@styled
def study_training_time(study: xr.Dataset) -> Figure:
    """Draw T(E) at the end of the flows against training time, one panel a machine of a study.

    The mean over all starts at every checkpoint, with its standard error. The full line is T_c of the infinite
    lattice, the dashed one the maximum of the specific heat, the dotted one the machine's training mixture.

    Parameters
    ----------
    study
        Machines side by side, as `claims.study` gives them.

    Returns
    -------
    Figure
        Temperatures in J/k_B.
    """
    names = labels(study, "machine")
    columns = 5
    rows = -(-len(names) // columns)
    figure = new_figure(0.5 + 1.75 * rows)
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for axes in grid.ravel()[len(names) :]:
        axes.set_axis_off()
    for axes, name in zip(grid.ravel(), names, strict=False):
        here = study.sel(machine=name)
        axes.set_ylim(LOWEST, HIGHEST)
        candidates = ("critical_temperature", "specific_heat_peak_temperature", "mixture_temperature")
        for candidate, line in zip(candidates, (CRITICAL, PEAK, NULL), strict=True):
            axes.axhline(float(here[candidate]), **line)
        update, end, error = (here[f"checkpoint_{part}"].values for part in ("update", "end", "end_error"))
        inside = _with_error(axes, update, end, error, NEUTRAL)
        axes.plot(update, inside, ".", color=NEUTRAL, markersize=4)
        say_empty(axes, end)
        axes.set_xscale("symlog", linthresh=1.0)
        axes.set_xlim(left=0)
        axes.set_title("\n".join(textwrap.wrap(plain(name), 30)), fontsize=7)
    last = grid[0, 0].get_xlim()[1]
    grid[0, 0].set_xticks([0, *(10**power for power in range(1, 8, 2) if 10**power < last)])
    for axes in grid[:, 0]:
        axes.set_ylabel("$T(E)$ $(J/k_B)$")
    figure.supxlabel("gradient updates", fontsize=8)
    return figure
