"""Figures of the modes of the weights: as waves, against temperature, and how they grow along the flow."""

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator

from rbmflow.figures import marks, panels, style
from rbmflow.figures.plot import figure

SEQUENTIAL = "cividis"
"""Colour map of shares, from 0 dark to 1 light."""

MODE_LOOKS = (
    *(("#0072B2", "-"), ("#D55E00", "--"), ("#009E73", "-.")),
    *(("#CC79A7", ":"), ("#56B4E9", (0, (5, 1, 1, 1))), ("#E69F00", (0, (1, 2)))),
)
"""Colour and dashes of the leading modes, as many as the results have."""

SMALLEST_PROJECTION = 1e-6
"""Smaller projections are not drawn: ground states have none but on the uniform vector."""


@figure(
    section="vectors",
    padded=1,
    needs="mode_power wavenumber",
    caption="Share of every wavenumber |k| in every mode, mean over {n}; each column adds up to one. The data are "
    "invariant under translations, so ideal modes are waves, and those of one |k| mix freely: a pure mode has one "
    "bright cell. Look whether short wavenumbers come first.",
)
def fourier_content(results: xr.Dataset) -> Figure:
    """Share of every wavenumber in every mode, averaged over seeds."""
    names = ("index $k$ of the mode", "wavenumber (rad / spacing)")
    drawn, cells = panels.machine_panels(results, (0.4, 2.5), *names, sharex=False)
    wavenumber = results["wavenumber"].values
    ticks = np.unique(np.linspace(0, wavenumber.size - 1, 7).astype(int))
    image = None
    for axes, here in cells:
        power = here["mode_power"].transpose("mode", "shell").values
        power = power[np.isfinite(power).all(axis=1)]
        # Modes are counted from 1, shells from 0.
        extent = (0.5, max(power.shape[0], 1) + 0.5, -0.5, power.shape[1] - 0.5)
        image = axes.imshow(power.T, cmap=SEQUENTIAL, vmin=0, vmax=1, origin="lower", aspect="auto", extent=extent)
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.set_yticks(ticks, [f"{wavenumber[tick]:.2f}" for tick in ticks])
    every = [axes for axes, _ in cells]
    bar = drawn.colorbar(image, ax=every, label="share of the mode", aspect=30, pad=0.01)  # pyright: ignore[reportArgumentType]
    bar.outline.set_visible(False)  # pyright: ignore[reportCallIssue]
    return drawn


@figure(
    section="projections",
    padded=1,
    needs="projection_mean projection_error critical_temperature",
    caption="Mean squared projection of configurations on each of the leading modes against their temperature, "
    "logarithmic axis: exact where the two-point function is, else over the draws. {seed_band} Independent "
    "spins have 1 (line), aligned ones the number of sites on the uniform vector. Look which modes tell "
    "temperatures apart, and where each is largest. Projections below 10⁻⁶ are not drawn.",
)
def projections(results: xr.Dataset) -> Figure:
    """Mean squared projection of configurations on the leading modes, against their temperature."""
    names = ("temperature of the data $(J/k_B)$", "mean squared projection")
    drawn, cells = panels.machine_panels(results, (0.7, 2.5), *names, pad=18)
    top, temperatures = marks.top_temperature(results), results["temperature"].values.astype(float)
    x, critical = marks.positions(temperatures, top), float(results["critical_temperature"])
    for axes, machine in cells:
        here = machine.transpose("leading", "temperature", ...)
        axes.set_yscale("log")
        marks.temperature_axis(axes, top, infinite=bool(np.isinf(temperatures).any()))
        axes.axvline(critical, **marks.CRITICAL)
        axes.axhline(1.0, color=style.INK, linewidth=0.6)
        rows = zip(here["projection_mean"].values, here["projection_error"].values, MODE_LOOKS, strict=False)
        for number, (mean, error, (colour, dashes)) in enumerate(rows):
            mean = np.where(mean > SMALLEST_PROJECTION, mean, np.nan)
            axes.plot(x, mean, color=colour, linestyle=dashes, linewidth=1.2, label=f"k = {number + 1}")
            axes.fill_between(x, np.maximum(mean - error, SMALLEST_PROJECTION), mean + error, color=colour, alpha=0.2)
        marks.side_labels(axes, {marks.T_C: critical}, "x")
    panels.label_legend(drawn, cells[0][0], len(MODE_LOOKS))
    return drawn


@figure(
    section="growth",
    padded=1,
    needs="growth_sampled growth_mean_field predicted_gain gain gain_error",
    caption="Two half steps of the flow, from random visible and from random hidden spins, multiply mode k by its "
    "predicted gain, the product of their correlators ⟨vhᵀ⟩⟨hvᵀ⟩; one symbol for each mode and seed. Above: the gain "
    "of the first sampled iteration from T = ∞ (1000 chains), with the line of the prediction. Middle: mean squared "
    "projection along the same flow, 1 at the start. Below: the same of the mean-field map itself from a start a "
    "hundred times smaller, relative to it. Right of the upright line modes should grow. Look whether the symbols in "
    "the upper row follow the line or only its order.",
)
def mode_growth(results: xr.Dataset) -> Figure:
    """How every mode grows along the flow, against what half steps from random spins predict."""
    names = ("gain, first iteration", "squared projection", "mean field, relative")
    xlabel = "predicted gain $u_k^T K u_k$"
    drawn, columns = panels.machine_columns(results, names, xlabel, 6.2, 0.0, sharex="col", sharey=False)
    last = results.sizes["growth_iteration"] - 1
    light, dark = style.tints(style.NEUTRAL, 4)[1], style.INK
    for (upper, middle, lower), machine in columns:
        here = machine.transpose("growth_iteration", "seed", "mode", ...)
        predicted = here["predicted_gain"].values.ravel()
        # Single weights that have run away lie far to the right of all others.
        predicted = np.where(predicted > 1e-6, predicted, np.nan)
        upper.plot(predicted, here["gain"].values.ravel(), ".", color=style.NEUTRAL, markersize=3)
        reach = np.geomspace(np.nanmin(predicted, initial=1.0), np.nanmax(predicted, initial=1.0), 100)
        upper.plot(reach, reach, color=style.INK, linewidth=0.6)
        gains = here["gain"].values
        upper.set_ylim(min(np.nanmin(gains, initial=0.0), -0.05), 1.15 * np.nanmax(gains, initial=1.0))
        for axes, name in ((middle, "growth_sampled"), (lower, "growth_mean_field")):
            for at, colour, marker in ((1, light, "."), (last, dark, "x")):
                values = here[name].isel(growth_iteration=at).values.ravel()
                values = np.where(values > 0, values, np.nan)
                shown_as = {"color": colour, "markersize": 3, "markeredgewidth": 0.6, "label": f"iteration {at}"}
                axes.semilogy(predicted, values, marker, **shown_as)
            axes.axhline(1.0, color=style.INK, linewidth=0.6)
        for axes in (upper, middle, lower):
            axes.set_xscale("log")
            axes.xaxis.set_minor_locator(NullLocator())
            axes.axvline(1.0, color=style.INK, linewidth=0.6, linestyle=(0, (1, 1.6)))
    panels.label_legend(drawn, columns[0][0][1], 2)
    return drawn
