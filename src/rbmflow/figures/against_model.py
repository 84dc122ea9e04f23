"""Figures of machines of one temperature each: what they have in place of their model, against the temperature."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from rbmflow.figures import marks, panels, style
from rbmflow.figures.along_training import MACHINE_LINES
from rbmflow.figures.plot import figure

SECTION = "Machines of one temperature"

NOTHING = 1e-6
"""Couplings below this are rounding, as odd ones of a machine without biases are, and drawn as nothing."""

QUANTITIES = {
    "energy": "energy $E$",
    "abs_magnetization": "$|m|$",
    "specific_heat": "specific heat $C$",
    "susceptibility": r"susceptibility $\chi$ of $|m|$",
    "entropy": r"entropy $s$, $\ln Z + \langle F \rangle$",
    "pseudo_entropy": "entropy $s$, pseudo-likelihood",
}

CLUSTERS = {
    "field": "field",
    "bond": "pairs on a bond",
    "other pairs": "other pairs",
    "corner": "three sites of a plaquette",
    "plaquette": "plaquettes",
}


@figure(
    section=SECTION,
    padded=1,
    by="run",
    needs="thermodynamics_mean thermodynamics_mean_error thermodynamics_exact training_temperature",
    caption="Per site, from chains of each machine, against the one temperature that it has learnt; the entropy by the "
    "partition function and by the pseudo-likelihood, which is never above it. Error bars: {bar}. Black: the model, "
    "exact. Look at the specific heat and at the entropy, which few hidden units miss.",
)
def thermodynamics(results: xr.Dataset) -> Figure:
    """Thermodynamics of machines of one temperature each, against the exact one of the model."""
    return _against_exact(results, "thermodynamics", "quantity", QUANTITIES)


INDICATORS = {
    "largest_eigenvalue": "largest eigenvalue",
    "first_share": "its share",
    "effective_modes": "effective modes",
}


@figure(
    section=SECTION,
    padded=1,
    by="run",
    needs="weight_final_mean weight_final_error training_temperature specific_heat_peak_temperature "
    "thermodynamics_mean",
    caption="Numbers that could mark the transition in the weights, against the one temperature that each machine has "
    "learnt: the largest eigenvalue of W Wᵀ, its share in their sum, and their participation ratio. {seed_bars} "
    "Dashed: the maximum of the specific heat of this lattice. Look for an extremum, or the steepest change, at the "
    "line.",
    of=lambda results: results.isel(machine=np.isfinite(results["training_temperature"].values)),
)
def weight_indicators(results: xr.Dataset) -> Figure:
    """Numbers derived from the weights of machines of one temperature each, against that temperature."""
    xlabel = "training temperature $(J/k_B)$"
    drawn, [row] = panels.panel_grid(list(INDICATORS.values()), ["of $W W^T$"], xlabel, 2.8, sharey=False)
    for axes, name in zip(row, INDICATORS, strict=True):
        here = results.sel(final_measure=name)
        for x, mean, error, look in _by_size(here, "weight_final_mean", "weight_final_error"):
            axes.errorbar(x, mean, error, **look)
        axes.axvline(float(results["specific_heat_peak_temperature"]), **marks.PEAK)
        marks.say_empty(axes, here["weight_final_mean"].values)
    panels.label_legend(drawn, row[0], 4)
    return drawn


@figure(
    section=SECTION,
    padded=1,
    by="run",
    needs="coupling_mean coupling_mean_error coupling_exact training_temperature",
    caption="Mean effective couplings of each machine over all clusters of a sort, in units of k_B T, against the one "
    "temperature that it has learnt. {seed_bars} Black: the model, 1/T on a bond and nothing elsewhere. Look "
    "how far bonds are below it, and what other pairs and larger clusters have in their place.",
)
def couplings(results: xr.Dataset) -> Figure:
    """Effective couplings of machines of one temperature each, against those of the model."""
    return _against_exact(results, "coupling", "cluster", CLUSTERS)


def _against_exact(results: xr.Dataset, name: str, axis: str, titles: Mapping[str, str]) -> Figure:
    """A panel an entry of the axis, with a line for each type and number of hidden units."""
    across = 1 if style.in_column() else 3
    rows = -(-len(titles) // across)
    xlabel = "training temperature $(J/k_B)$"
    drawn, grid = panels.panel_grid([""] * across, [""] * rows, xlabel, 0.6 + 2.1 * rows, sharey=False)
    cells, ordered = (
        grid.ravel(),
        results.isel(machine=np.argsort(results["training_temperature"].values, kind="stable")),
    )
    for axes, (entry, title) in zip(cells, titles.items(), strict=False):
        here = ordered.sel({axis: entry})
        x, exact = here["training_temperature"].values, here[f"{name}_exact"].values
        axes.plot(x, exact, ".-", color=style.INK, linewidth=1.0, label="exact")
        for at, mean, error, look in _by_size(here, f"{name}_mean", f"{name}_mean_error"):
            axes.errorbar(at, mean, error, **look)
        axes.set_ylabel(title)
        if np.nanmax(np.abs([*exact, *here[f"{name}_mean"].values])) < NOTHING:
            axes.set_ylim(-0.1, 0.1)
        marks.say_empty(axes, here[f"{name}_mean"].values)
    for place in range(len(titles), cells.size):
        cells[place - across].tick_params(labelbottom=True)
        cells[place - across].set_xlabel(xlabel)
        cells[place].remove()
    panels.label_legend(drawn, cells[0], len(cells[0].get_legend_handles_labels()[1]))
    return drawn


def _by_size(
    here: xr.Dataset, value: str, error: str
) -> list[tuple[np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]]:
    """Temperatures, values, errors and look of every type and number of hidden units, along the temperature."""
    ordered = here.isel(machine=np.argsort(here["training_temperature"].values, kind="stable"))
    told = (ordered[one].values for one in ("machine_type", "hidden_units"))
    names, found = [f"{kind}-{size}" for kind, size in zip(*told, strict=True)], []
    for number, group in enumerate(dict.fromkeys(names)):
        own = np.array([one == group for one in names])
        colour, _ = MACHINE_LINES[1 + number % (len(MACHINE_LINES) - 1)]
        look = {"color": colour, "marker": style.MARKERS[number % len(style.MARKERS)], "markersize": 3}
        look |= {"linewidth": 0.6, "label": marks.plain(group)}
        x, mean, scatter = (ordered[one].values[own] for one in ("training_temperature", value, error))
        found.append((x, mean, np.nan_to_num(scatter), look))
    return found
