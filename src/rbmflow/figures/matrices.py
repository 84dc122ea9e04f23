"""Figures of the weights as a whole: W W^T, its eigenvalues, and the numbers that sum them up, along the training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import MaxNLocator

from rbmflow.figures.axes import in_first_column, labels, new_figure, panel_grid, plain
from rbmflow.figures.style import DIVERGING, INK, NEUTRAL, WIDTH, styled

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

DATA = "#B3589A"
"""Colour of what belongs to the training data; no start has it."""

LEAST_EDGE = 1e-6
"""A lower edge below this is not drawn: it is zero, but for rounding, where both layers are of one size."""

MACHINE_LINES = ((INK, "-"), (DATA, (0, (5, 1.5))), ("#C28E00", "-."), ("#5B8FC7", (0, (1, 1.2))))
"""Colour and dashes of the machines of one figure."""

AVERAGED = ("weight_measure_mean", "weight_measure_error")

ALONG_TRAINING = {
    "resemblance": "resemblance: correlation",
    "resemblance_cosine": "resemblance: cosine",
    "neighbour_ratio": "$W W^T$: neighbours / diagonal",
    "translation_share": "translation-invariant share",
    "effective_ratio": "effective modes / random",
    "first_share": "share of first eigenvalue",
    "above_edge": "eigenvalues above random edge",
    "largest_gain": "largest eigenvalue",
    "leading_uniformity": "first mode on uniform vector",
    "purity": "purity of modes in $|k|$",
    "mode_extent": "extent of modes",
    "hidden_extent": "extent of hidden units",
}
"""The measures that are drawn, with their titles."""


@styled
def weight_products(results: xr.Dataset) -> Figure:
    r"""Draw the matrix product of the weights with themselves for the first seed of every machine.

    .. math:: (W W^T)_{ij} = \sum_\alpha W_{i\alpha} W_{j\alpha}

    Every panel has its own scale, symmetric about zero, that ends at the 99.5th percentile of the absolute entries.

    Parameters
    ----------
    results
        The results of a run.

    Returns
    -------
    Figure
        Heat maps over pairs of visible units, which count the sites row by row.
    """
    machines = labels(results, "machine")
    columns = min(len(machines), 4)
    rows = -(-len(machines) // columns)
    side = min(WIDTH / columns, 3.3)
    figure = new_figure(0.2 + rows * (side + 0.45), side * columns)
    for axes, machine in zip(panel_grid(figure, len(machines), columns), machines, strict=True):
        product = results["weight_product"].sel(machine=machine).values
        scale = float(np.nanpercentile(np.abs(product), 99.5)) or 1.0
        exact = "none" if len(product) <= 400 else "auto"  # a large matrix is drawn at the resolution of a screen
        image = axes.imshow(product, cmap=DIVERGING, vmin=-scale, vmax=scale, interpolation=exact)
        axes.set_title(plain(machine))
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
        axes.spines[:].set_visible(False)
        axes.set_xlabel("visible unit")
        bar = figure.colorbar(image, ax=axes, location="bottom", shrink=0.9, aspect=28, extend="both", pad=0.03)
        bar.outline.set_visible(False)  # pyright: ignore[reportCallIssue]
        bar.ax.xaxis.set_major_locator(MaxNLocator(5, symmetric=True))
        if in_first_column(axes):
            axes.set_ylabel("visible unit")
    return figure


@styled
def product_profiles(results: xr.Dataset) -> Figure:
    """Draw W W^T averaged over translations, and below it the exact two-point function of the training mixture.

    Parameters
    ----------
    results
        The results of a run.

    Returns
    -------
    Figure
        Both against the distance on the torus, zero left out; one point a class of equivalent displacements.
    """
    machines = labels(results, "machine")
    figure = new_figure(4.2)
    grid = figure.subplots(2, len(machines), sharex=True, squeeze=False)
    distance = results["distance"].values[1:]
    for (upper, lower), machine in zip(grid.T, machines, strict=True):
        here = results.sel(machine=machine).isel(displacement=slice(1, None))
        mean, error = here["product_profile_mean"].values, here["product_profile_error"].values
        bars = np.where(np.isfinite(error), error, 0.0)
        upper.axhline(0.0, color=INK, linewidth=0.6)
        upper.errorbar(distance, mean, bars, fmt="o", color=NEUTRAL, markersize=3, linewidth=0.8)
        lower.plot(distance, here["two_point_profile"].values, "o", color=DATA, markersize=3)
        lower.set_ylim(-0.05, 1.08)
        alike = results[["weight_final_mean", "weight_final_error"]].sel(machine=machine, final_measure="resemblance")
        upper.set_title(f"{plain(machine)}: {_told(*(float(alike[name]) for name in alike.data_vars))}")
        lower.set_xlabel("distance (lattice spacings)")
        lower.set_xlim(0, None)
    grid[0, 0].set_ylabel("$W W^T$, mean over pairs")
    grid[1, 0].set_ylabel("two-point function of the data")
    return figure


def _told(mean: float, error: float) -> str:
    if not np.isfinite(mean):
        return "no correlation"
    return f"$\\rho$ = {mean:.3f}" + (f" ± {error:.3f}" if np.isfinite(error) else "")


@styled
def spectra(results: xr.Dataset) -> Figure:
    """Draw the squared singular values of the weights against their index, beside those of chance and of the data.

    Parameters
    ----------
    results
        The results of a run.

    Returns
    -------
    Figure
        Eigenvalues of W W^T, one line a seed, on a logarithmic axis; the Marchenko-Pastur edges of the initial
        weights; the eigenvalues of the exact covariance of the data. Zeros are left out.
    """
    machines = labels(results, "machine")
    columns = min(len(machines), 4)
    figure = new_figure(0.7 + 2.3 * -(-len(machines) // columns))
    panels = panel_grid(figure, len(machines), columns)
    for axes, machine in zip(panels, machines, strict=True):
        here = results.sel(machine=machine)
        squares = here["singular_value"].transpose("seed", "mode").values ** 2
        for number, eigenvalues in enumerate(np.where(squares > 0, squares, np.nan)):
            index, name = np.arange(1, eigenvalues.size + 1), "" if number else "weights"
            axes.semilogy(
                index, eigenvalues, ".-", color=NEUTRAL, alpha=0.75, markersize=2.5, linewidth=0.7, label=name
            )
        data = here["data_eigenvalue"].values
        data = np.where(data > 1e-9, data, np.nan)
        axes.plot(np.arange(1, data.size + 1), data, "x", color=DATA, markersize=2.5, markeredgewidth=0.7, label="data")
        for name, edge in (("random weights", "initial_edge_upper"), ("", "initial_edge_lower")):
            level = float(here[edge].mean())
            if level > LEAST_EDGE:
                axes.axhline(level, color=INK, linewidth=0.8, linestyle=(0, (1, 1.6)), label=name)
        axes.set_title(plain(machine))
        axes.set_xlabel("index $k$")
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        axes.tick_params(labelleft=in_first_column(axes))
        if in_first_column(axes):
            axes.set_ylabel("eigenvalue")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper right", ncols=3)
    return figure


@styled
def weights_along_training(results: xr.Dataset) -> Figure:
    """Draw the numbers that sum up the weights against training time, one panel a number, one line a machine.

    Parameters
    ----------
    results
        The results of a run.

    Returns
    -------
    Figure
        Mean over seeds with a band of one standard error, at every checkpoint; the untrained machine stands at 0.
    """
    machines = labels(results, "machine")
    figure = new_figure(6.4)
    panels = figure.subplots(3, 4, sharex=True).ravel()
    for axes, (measure, title) in zip(panels, ALONG_TRAINING.items(), strict=True):
        for number, machine in enumerate(machines):
            here = results.sel(machine=machine, measure=measure)
            update, mean, error = (here[n].values for n in ("weight_update", *AVERAGED))
            colour, dashes = MACHINE_LINES[number % len(MACHINE_LINES)]
            axes.plot(update, mean, color=colour, linestyle=dashes, linewidth=1.0, label=plain(machine))
            axes.fill_between(update, mean - error, mean + error, color=colour, alpha=0.2, linewidth=0)
        axes.set_title(title)
        axes.set_xscale("symlog", linthresh=1.0)
        axes.margins(x=0.03)
    for axes in panels[::4]:
        axes.set_ylabel("mean over seeds")
    for axes in panels[-4:]:
        axes.set_xlabel("gradient updates")
    panels[0].set_xlim(left=0)
    panels[0].set_xticks([0, *(10**power for power in range(1, 8, 2) if 10**power < panels[0].get_xlim()[1])])
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper right", ncols=len(machines))
    return figure
