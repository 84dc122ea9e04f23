"""Figures of the modes of the weights: as images, as waves, against temperature, along the flow; hidden units."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import MaxNLocator, NullFormatter

from rbmflow.figures.axes import (
    CRITICAL,
    T_C,
    in_first_column,
    labels,
    new_figure,
    panel_grid,
    plain,
    positions,
    side_labels,
    temperature_axis,
    top_temperature,
)
from rbmflow.figures.style import DIVERGING, INK, NEUTRAL, styled, tints

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

SEQUENTIAL = "cividis"
"""Colour map of shares, from 0 dark to 1 light."""


@styled
def leading_vectors(results: xr.Dataset) -> Figure:
    """Draw the leading visible singular vectors of every machine's first seed as images of the lattice.

    Every image has its own scale, symmetric about zero. A vector and its negative are the same mode.

    Parameters
    ----------
    results
        The results of a run.

    Returns
    -------
    Figure
        One row a machine, one column a mode; the squared singular value stands above each image.
    """
    machines, count = labels(results, "machine"), results.sizes["leading"]
    ly, lx = results.sizes["y"], results.sizes["x"]
    side = min(7.8 / count, 2.0)
    figure = new_figure(0.1 + len(machines) * (side * ly / lx * 0.94 + 0.28), 0.3 + side * count)
    grid = figure.subplots(len(machines), count, squeeze=False)
    for row, machine in zip(grid, machines, strict=True):
        here = results.sel(machine=machine).isel(seed=0)
        values = here["singular_value"].values
        for k, axes in enumerate(row):
            vector = here["leading_vector"].isel(leading=k).transpose("y", "x").values
            _image(axes, vector, f"k = {k + 1}, σ² = {values[k] ** 2:.3g}" if k < len(values) else "", "no such mode")
        row[0].set_ylabel(plain(machine))
    return figure


def _image(axes: Axes, values: NDArray[np.float64], title: str, otherwise: str) -> None:
    """Draw one image of the lattice with a scale of its own, symmetric about zero."""
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    if not np.isfinite(values).all():
        axes.text(0.5, 0.5, otherwise, ha="center", va="center", color="#999999", fontsize=7)
        return
    scale = float(np.abs(values).max()) or 1.0
    axes.imshow(values, cmap=DIVERGING, vmin=-scale, vmax=scale)
    axes.set_title(title, fontsize=7.5)


@styled
def receptive_fields(results: xr.Dataset) -> Figure:
    r"""Draw the weights of the strongest hidden units of every machine's first seed, and their correlators.

    Strength is the norm of a column of W. Every image has its own scale, symmetric about zero.

    Parameters
    ----------
    results
        The results of a run.

    Returns
    -------
    Figure
        Two rows a machine: weights, and :math:`\langle v h \rangle` over the training configurations.
    """
    machines, count = labels(results, "machine"), results.sizes["leading"]
    ly, lx = results.sizes["y"], results.sizes["x"]
    rows = [(machine, name) for machine in machines for name in ("receptive_field", "receptive_correlator")]
    side = min(7.8 / count, 1.15)
    figure = new_figure(0.1 + len(rows) * (side * ly / lx * 0.94 + 0.28), 0.5 + side * count)
    for row, (machine, name) in zip(figure.subplots(len(rows), count, squeeze=False), rows, strict=True):
        here = results[name].sel(machine=machine).transpose("leading", "y", "x").values
        for axes, values in zip(row, here, strict=True):
            _image(axes, values, f"± {np.abs(values).max():.2g}", "no such unit")
        row[0].set_ylabel(f"{plain(machine)}\n" + ("$W$" if name == "receptive_field" else "$\\langle v h\\rangle$"))
    return figure


@styled
def fourier_content(results: xr.Dataset) -> Figure:
    """Draw the share of every wavenumber in every mode, averaged over seeds.

    Parameters
    ----------
    results
        The results of a run.

    Returns
    -------
    Figure
        One heat map a machine: modes along, shells of equal wavenumber upwards; a column adds up to one.
    """
    machines = labels(results, "machine")
    columns = min(len(machines), 4)
    figure = new_figure(0.4 + 2.5 * -(-len(machines) // columns))
    wavenumber = results["wavenumber"].values
    ticks = np.unique(np.linspace(0, wavenumber.size - 1, 7).astype(int))
    panels = panel_grid(figure, len(machines), columns, share_x=False)
    for axes, machine in zip(panels, machines, strict=True):
        power = results["mode_power"].sel(machine=machine).transpose("mode", "shell").values
        power = power[np.isfinite(power).all(axis=1)]
        image = axes.imshow(
            power.T, cmap=SEQUENTIAL, vmin=0, vmax=1, origin="lower", aspect="auto", extent=_cells(power.shape)
        )
        axes.set_title(plain(machine))
        axes.set_xlabel("index $k$ of the mode")
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.set_yticks(ticks, [f"{wavenumber[tick]:.2f}" for tick in ticks])
        axes.tick_params(labelleft=in_first_column(axes))
        if in_first_column(axes):
            axes.set_ylabel("wavenumber (rad / spacing)")
    bar = figure.colorbar(image, ax=panels, label="share of the mode", aspect=30, pad=0.01)  # pyright: ignore[reportPossiblyUnboundVariable]
    bar.outline.set_visible(False)  # pyright: ignore[reportCallIssue]
    return figure


def _cells(shape: tuple[int, ...]) -> tuple[float, float, float, float]:
    """Extent of a picture of modes counted from 1 and shells counted from 0."""
    return 0.5, max(shape[0], 1) + 0.5, -0.5, shape[1] - 0.5


@styled
def projections(results: xr.Dataset) -> Figure:
    """Draw the exact mean squared projection of configurations on the leading modes, against their temperature.

    Parameters
    ----------
    results
        The results of a run.

    Returns
    -------
    Figure
        One line a mode with a band of one standard error over seeds; 1 is that of independent spins.
    """
    machines, top = labels(results, "machine"), top_temperature(results)
    columns = min(len(machines), 4)
    figure = new_figure(0.7 + 2.5 * -(-len(machines) // columns))
    temperatures = results["temperature"].values.astype(float)
    x, critical = positions(temperatures, top), float(results["critical_temperature"])
    panels = panel_grid(figure, len(machines), columns)
    for axes, machine in zip(panels, machines, strict=True):
        here = results.sel(machine=machine).transpose("leading", "temperature", ...)
        axes.set_yscale("log")
        temperature_axis(axes, top, infinite=bool(np.isinf(temperatures).any()))
        axes.axvline(critical, **CRITICAL)
        axes.axhline(1.0, color=INK, linewidth=0.6)
        rows = zip(here["projection_mean"].values, here["projection_error"].values, MODE_LOOKS, strict=False)
        for number, (mean, error, (colour, dashes)) in enumerate(rows):
            mean = np.where(mean > SMALLEST_PROJECTION, mean, np.nan)
            axes.plot(x, mean, color=colour, linestyle=dashes, linewidth=1.2, label=f"k = {number + 1}")
            axes.fill_between(x, np.maximum(mean - error, SMALLEST_PROJECTION), mean + error, color=colour, alpha=0.2)
        side_labels(axes, {T_C: critical}, "x")
        axes.set_title(plain(machine), pad=18)
        axes.set_xlabel("temperature of the data $(J/k_B)$")
        axes.tick_params(labelleft=in_first_column(axes))
        if in_first_column(axes):
            axes.set_ylabel("mean squared projection")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper right", ncols=len(MODE_LOOKS))
    return figure


MODE_LOOKS = (
    *(("#0072B2", "-"), ("#D55E00", "--"), ("#009E73", "-.")),
    *(("#CC79A7", ":"), ("#56B4E9", (0, (5, 1, 1, 1))), ("#E69F00", (0, (1, 2)))),
)
"""Colour and dashes of the leading modes, as many as the results have."""

SMALLEST_PROJECTION = 1e-6
"""Smaller projections are not drawn: ground states have none but on the uniform vector."""


@styled
def mode_growth(results: xr.Dataset) -> Figure:
    """Draw how every mode grows along the flow, against what the linearised mean-field map predicts.

    Upper row: gain in the first sampled iteration from T = inf. Middle: mean squared projection after the first and
    the last iteration of that flow. Lower: the same of the mean-field map from a small start, relative to it.

    Parameters
    ----------
    results
        The results of a run.

    Returns
    -------
    Figure
        One column a machine, one symbol a mode and seed, on a logarithmic axis that gains below 1e-6 are left
        out of; the upright line parts shrinking from growing modes.
    """
    machines = labels(results, "machine")
    figure = new_figure(6.2)
    grid = figure.subplots(3, len(machines), sharex="col", squeeze=False)
    last = results.sizes["growth_iteration"] - 1
    light, dark = tints(NEUTRAL, 4)[1], INK
    for column, machine in zip(grid.T, machines, strict=True):
        here = results.sel(machine=machine).transpose("growth_iteration", "seed", "mode", ...)
        predicted = here["predicted_gain"].values.ravel()
        # Single weights that have run away lie far to the right of all others.
        predicted = np.where(predicted > 1e-6, predicted, np.nan)
        upper, middle, lower = column
        upper.plot(predicted, here["gain"].values.ravel(), ".", color=NEUTRAL, markersize=3)
        reach = np.geomspace(np.nanmin(predicted, initial=1.0), np.nanmax(predicted, initial=1.0), 100)
        upper.plot(reach, reach, color=INK, linewidth=0.6)
        gains = here["gain"].values
        upper.set_ylim(min(np.nanmin(gains, initial=0.0), -0.05), 1.15 * np.nanmax(gains, initial=1.0))
        for axes, name in ((middle, "growth_sampled"), (lower, "growth_mean_field")):
            for at, colour, marker in ((1, light, "."), (last, dark, "x")):
                values = here[name].isel(growth_iteration=at).values.ravel()
                values = np.where(values > 0, values, np.nan)
                style = {"color": colour, "markersize": 3, "markeredgewidth": 0.6}
                axes.semilogy(predicted, values, marker, label=f"iteration {at}", **style)
            axes.axhline(1.0, color=INK, linewidth=0.6)
        for axes in column:
            axes.set_xscale("log")
            axes.xaxis.set_minor_formatter(NullFormatter())
            axes.axvline(1.0, color=INK, linewidth=0.6, linestyle=(0, (1, 1.6)))
        upper.set_title(plain(machine))
        lower.set_xlabel("predicted gain $\\sigma_k^2$")
    names = ("gain, first iteration", "squared projection", "mean field, relative")
    for axes, name in zip(grid[:, 0], names, strict=True):
        axes.set_ylabel(name)
    figure.legend(*grid[1, 0].get_legend_handles_labels(), loc="outside upper right", ncols=2)
    return figure
