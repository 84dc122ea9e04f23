"""Figures of the weights as a whole: W W^T, its average over translations, its eigenvalues."""

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from rbmflow._format import with_error
from rbmflow.figures import panels, style
from rbmflow.figures.plot import figure

LEAST_EDGE = 1e-6
"""A lower edge below this is not drawn: it is zero, but for rounding, where both layers are of one size."""


@figure(
    section="product",
    needs="weight_product",
    caption="The matrix product W Wᵀ of the first seed, by pairs of visible units; units count the sites row by row "
    "(of more than 1024 sites the first ones are shown). Each panel has its own scale, symmetric about zero, which "
    "ends at the 99.5th percentile of the absolute entries. "
    "Look for a bright diagonal, for bands at the distance of neighbours (1 and the row length), and for a uniform "
    "background.",
)
def weight_products(results: xr.Dataset) -> Figure:
    r"""Matrix product of the weights with themselves, for the first seed of every machine.

    .. math:: (W W^T)_{ij} = \sum_\alpha W_{i\alpha} W_{j\alpha}
    """
    columns = min(results.sizes["machine"], 4)
    side = min(style.WIDTH / columns, 3.3)
    height, width = (0.2, side + 0.45), side * columns
    drawn, cells = panels.machine_panels(results, height, "visible unit", "visible unit", width=width)
    for axes, here in cells:
        product = here["weight_product"].values
        scale = float(np.nanpercentile(np.abs(product), 99.5)) or 1.0
        exact = "none" if len(product) <= 400 else "auto"  # a large matrix is drawn at the resolution of a screen
        image = axes.imshow(product, cmap=style.DIVERGING, vmin=-scale, vmax=scale, interpolation=exact)
        axes.tick_params(labelleft=True)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MaxNLocator(4, integer=True))
        axes.spines[:].set_visible(False)
        bar = drawn.colorbar(image, ax=axes, location="bottom", shrink=0.9, aspect=28, extend="both", pad=0.03)
        bar.outline.set_visible(False)  # pyright: ignore[reportCallIssue]
        bar.ax.xaxis.set_major_locator(MaxNLocator(5, symmetric=True))
    return drawn


@figure(
    section="product",
    needs="product_profile_mean product_profile_error two_point_profile distance weight_final_mean weight_final_error",
    caption="Above: W Wᵀ averaged over all pairs of sites at one displacement (and over displacements that a symmetry"
    " of the torus makes the same), against the distance. {seed_bars} Below: the two-point function ⟨s_i s_j⟩"
    " of the machine's training mixture, exact where it is known, else over its draws, on the same axis. "
    "Distance 0 is left out of both. ρ is the correlation coefficient of the two over all displacements but "
    "zero; there is none if the data are constant. Look whether W Wᵀ reaches as far as the correlations do.",
)
def product_profiles(results: xr.Dataset) -> Figure:
    """W W^T averaged over translations, and below it the two-point function of the training mixture."""
    names = ("$W W^T$, mean over pairs", "two-point function of the data")
    drawn, columns = panels.machine_columns(results, names, "distance (lattice spacings)", 4.2, 0.0, sharey=False)
    for ((upper, lower), here), (name, _) in zip(columns, panels.by_machine(results), strict=True):
        at = here.isel(displacement=slice(1, None))
        mean, error = at["product_profile_mean"].values, at["product_profile_error"].values
        bars, distance = np.where(np.isfinite(error), error, 0.0), at["distance"].values
        upper.axhline(0.0, color=style.INK, linewidth=0.6)
        upper.errorbar(distance, mean, bars, fmt="o", color=style.NEUTRAL, markersize=3, linewidth=0.8)
        lower.plot(distance, at["two_point_profile"].values, "o", color=style.DATA, markersize=3)
        lower.set_ylim(min(-0.05, 1.1 * float(at["two_point_profile"].min())), 1.08)
        alike = here.sel(final_measure="resemblance")
        mean, error = float(alike["weight_final_mean"]), float(alike["weight_final_error"])
        told = f"$\\rho$ = {with_error(mean, error)}" if np.isfinite(mean) else "no correlation"
        upper.set_title(f"{name}: {told}")
        lower.set_xlim(0, None)
    return drawn


@figure(
    section="spectrum",
    padded=2,
    needs="singular_value data_eigenvalue initial_edge_lower initial_edge_upper",
    caption="Eigenvalues of W Wᵀ against their index, largest first, logarithmic axis; one line for each of {n}. "
    "Crosses: the eigenvalues of the covariance of the training mixture (the structure factor), whose sum is "
    "the number of sites, of units with more states times one less than these. Dotted lines: the edges "
    "between which the eigenvalues of the untrained weights lie (Marchenko–Pastur; one line where the lower "
    "edge is zero). Look whether they fall gradually, stay level, or leave one alone at the top, and how many"
    " stand above the upper edge.",
)
def spectra(results: xr.Dataset) -> Figure:
    """Squared singular values of the weights against their index, beside those of chance and of the data."""
    drawn, cells = panels.machine_panels(results, (0.7, 2.3), "index $k$", "eigenvalue")
    for axes, here in cells:
        squares = here["singular_value"].transpose("seed", "mode").values ** 2
        for number, eigenvalues in enumerate(np.where(squares > 0, squares, np.nan)):
            index, name = np.arange(1, eigenvalues.size + 1), "" if number else "weights"
            thin = {"markersize": 2.5, "linewidth": 0.7}
            axes.semilogy(index, eigenvalues, ".-", color=style.NEUTRAL, alpha=0.75, label=name, **thin)
        data = here["data_eigenvalue"].values
        data = np.where(data > 1e-9, data, np.nan)
        index = np.arange(1, data.size + 1)
        axes.plot(index, data, "x", color=style.DATA, markersize=2.5, markeredgewidth=0.7, label="data")
        for name, edge in (("random weights", "initial_edge_upper"), ("", "initial_edge_lower")):
            level = float(here[edge].mean())
            if level > LEAST_EDGE:
                axes.axhline(level, color=style.INK, linewidth=0.8, linestyle=(0, (1, 1.6)), label=name)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    panels.label_legend(drawn, cells[0][0], 3)
    return drawn
