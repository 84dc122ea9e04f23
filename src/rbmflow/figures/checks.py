"""Figures that say whether the instruments work: thermometer calibration and training curves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rbmflow.figures.axes import (
    CRITICAL,
    T_C,
    THERMOMETERS,
    draw_readings,
    labels,
    new_figure,
    plain,
    positions,
    say_empty,
    side_labels,
    temperature_axis,
    top_temperature,
)
from rbmflow.figures.style import INK, NEUTRAL, WIDTH, Look, styled

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure


@styled
def calibration(results: xr.Dataset) -> Figure:
    """Draw what each thermometer reads from held-out exact configurations, against their temperature.

    Upper row: the reading, with the line of a perfect thermometer. Lower row: reading minus temperature. The shaded
    range is that in which the thermometer can be used: reading and error are within a tenth of the temperature.

    Parameters
    ----------
    results
        The results of a run.

    Returns
    -------
    Figure
        Temperatures in J/k_B, one column a thermometer.
    """
    thermometers, top = labels(results, "thermometer"), top_temperature(results)
    true = results["temperature"].values.astype(float)
    x, look = positions(true, top), Look(NEUTRAL, "o")
    infinite = bool(np.isinf(true).any())
    figure = new_figure(4.2)
    grid = figure.subplots(2, len(thermometers), sharex=True, sharey="row", squeeze=False)
    finite = np.isfinite(true)
    spans = results["calibration"].values[finite] - true[finite, None]
    reach = 1.15 * np.abs(spans[np.isfinite(spans)]).max(initial=0.05)
    for (upper, lower), thermometer in zip(grid.T, thermometers, strict=True):
        here = results.sel(thermometer=thermometer)
        reading, error = here["calibration"].values, here["calibration_error"].values
        temperature_axis(upper, top, "y", infinite=infinite)
        temperature_axis(lower, top, "x", infinite=infinite)
        upper.plot([0, top], [0, top], color=INK, linewidth=0.6)
        lower.axhline(0.0, color=INK, linewidth=0.6)
        draw_readings(upper, x, positions(reading, top), error, look)
        lower.set_ylim(-reach, reach)
        difference = reading[finite] - true[finite]
        lower.errorbar(true[finite], difference, error[finite], fmt=".", color=NEUTRAL, linewidth=0.8)
        first, last = (float(here[name]) for name in ("usable_from", "usable_to"))
        for axes in (upper, lower):
            if np.isfinite(first):
                axes.axvspan(first, min(last, top), color=NEUTRAL, alpha=0.1, linewidth=0)
            axes.axvline(float(results["critical_temperature"]), **CRITICAL)
        side_labels(upper, {T_C: float(results["critical_temperature"])}, "x")
        say_empty(upper, positions(reading, top))
        upper.set_title(THERMOMETERS.get(thermometer, thermometer), pad=18)
        lower.set_xlabel("temperature of the data $(J/k_B)$")
    grid[0, 0].set_ylabel("reading $(J/k_B)$")
    grid[1, 0].set_ylabel("reading − temperature")
    return figure


@styled
def training_curves(results: xr.Dataset) -> Figure:
    """Draw reconstruction error and size of the weights against the training epoch, one line a seed.

    Parameters
    ----------
    results
        The results of a run.

    Returns
    -------
    Figure
        One column a machine.
    """
    machines = labels(results, "machine")
    figure = new_figure(3.9, max(WIDTH, 2.0 * len(machines)))
    grid = figure.subplots(2, len(machines), sharex=True, sharey="row", squeeze=False)
    epochs = results["epoch"].values
    for row, name, label in zip(
        grid, ("reconstruction", "weight_norm"), ("reconstruction error", "norm of $W$"), strict=True
    ):
        for axes, machine in zip(row, machines, strict=True):
            curves = results[name].sel(machine=machine).transpose("seed", "epoch").values
            axes.plot(epochs, curves.T, color=NEUTRAL, alpha=0.75, linewidth=0.9)
            say_empty(axes, curves)
        row[0].set_ylabel(label)
    for axes, machine in zip(grid[0], machines, strict=True):
        axes.set_title(plain(machine))
    for axes in grid[1]:
        axes.set_xlabel("epoch")
    return figure
