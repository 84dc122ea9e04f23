"""Figures of the weights: W W^T, singular values, leading visible vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import MaxNLocator

from rbmflow.figures.axes import in_first_column, labels, new_figure, panel_grid, plain
from rbmflow.figures.style import DIVERGING, NEUTRAL, WIDTH, styled

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure


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
def spectra(results: xr.Dataset) -> Figure:
    """Draw the squared singular values of the weights against their index, one line a seed.

    Parameters
    ----------
    results
        The results of a run.

    Returns
    -------
    Figure
        Eigenvalues of W W^T on a logarithmic axis; zeros are left out.
    """
    machines = labels(results, "machine")
    columns = min(len(machines), 4)
    figure = new_figure(0.4 + 2.2 * -(-len(machines) // columns))
    panels = panel_grid(figure, len(machines), columns)
    for axes, machine in zip(panels, machines, strict=True):
        squares = results["singular_value"].sel(machine=machine).transpose("seed", "mode").values ** 2
        for eigenvalues in np.where(squares > 0, squares, np.nan):
            index = np.arange(1, eigenvalues.size + 1)
            axes.semilogy(index, eigenvalues, ".-", color=NEUTRAL, alpha=0.75, markersize=2.5, linewidth=0.7)
        axes.set_title(plain(machine))
        axes.set_xlabel("index $k$")
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        axes.tick_params(labelleft=in_first_column(axes))
        if in_first_column(axes):
            axes.set_ylabel(r"squared singular value $\sigma_k^2$")
    return figure


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
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
            if np.isfinite(vector).all():
                scale = float(np.abs(vector).max()) or 1.0
                axes.imshow(vector, cmap=DIVERGING, vmin=-scale, vmax=scale)
                axes.set_title(f"k = {k + 1}, σ² = {values[k] ** 2:.3g}", fontsize=7.5)
            else:
                axes.text(0.5, 0.5, "no such mode", ha="center", va="center", color="#999999", fontsize=7)
        row[0].set_ylabel(plain(machine))
    return figure
