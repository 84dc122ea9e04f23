"""What the ends of machines might be, and how well each hypothesis says it: python docs/results/hypotheses.py FOLDER.

Writes `distances.md` and `comparison.md` from the `machines.nc` of a study's folder; `make.py` does so too.
"""

import itertools
import json
import sys
from pathlib import Path

import numpy as np
import xarray as xr
from scipy import optimize

import rbmflow as rf
from rbmflow._format import with_error

BINS = (0.0, 0.1, 0.3, 1.0, np.inf)
"""Excess of machines over that of one temperature, between which they are taken together."""

SCATTER = (1e-4, 10.0)
"""Bounds of the scatter about a hypothesis, in J/k_B."""


def equal_entropy(temperatures, length):
    """The temperature whose entropy is the mean of those of the training temperatures."""
    model = rf.ising(rf.square(length))

    def entropy(temperature):
        if temperature == 0:
            return np.log(2) / length**2
        energy, log_partition = rf.exact.energy(model, temperature), rf.exact.log_partition(model, temperature)
        return float(energy / temperature + log_partition / length**2)

    mean = np.mean([entropy(one) for one in temperatures])
    return optimize.brentq(lambda one: entropy(one) - mean, 0.3, 20.0)


def hypotheses(machines):
    """What T* of each machine is by every hypothesis, J/k_B, of the dataset of machines side by side."""
    told = [json.loads(str(one)) for one in machines["recipe"].values]
    grids = [(tuple(one["temperatures"]), int(size)) for one, size in zip(told, machines["length"].values, strict=True)]
    entropies = {grid: equal_entropy(*grid) for grid in set(grids)}
    return {
        "T_c": machines["critical_temperature"].values,
        "C maximum": machines["specific_heat_peak_temperature"].values,
        "median of the grid": np.array([np.median(grid) for grid, _ in grids]),
        "mean entropy of the grid": np.array([entropies[grid] for grid in grids]),
        "mixture": machines["mixture_temperature"].values,
    }


def fitted(away, error):
    """The largest log likelihood of distances that are normal with the errors and one scatter, and that scatter."""

    def cost(log_scatter):
        variance = error**2 + np.exp(2 * log_scatter)
        return 0.5 * np.sum(np.log(2 * np.pi * variance) + away**2 / variance)

    best = optimize.minimize_scalar(cost, bounds=tuple(np.log(SCATTER)), method="bounded")
    return -float(best.fun), float(np.exp(best.x))


def scatter_and_likelihood(away, error):
    """For each hypothesis the scatter of T* about it, and ln of its largest likelihood below that of the best."""
    found = [fitted(one, error) for one in away]
    best = max(likelihood for likelihood, _ in found)
    return [f"{scatter:.3f} ({likelihood - best:.1f})" for likelihood, scatter in found]


def mean_distances(away, error):
    """For each hypothesis the mean distance of T* from it, and its standard error over machines."""
    away = np.abs(away)
    return [with_error(float(one.mean()), float(one.std(ddof=1) / np.sqrt(one.size))) for one in away]


def write(folder):
    """Write both tables of the machines side by side in a folder, by bins of excess."""
    machines = xr.open_dataset(folder / "machines.nc")
    learnt = machines["excess"].values / machines["ising_divergence"].values
    star, error = (machines[f"stationary_temperature{end}"].values for end in ("", "_error"))
    candidates = hypotheses(machines)
    away = np.array([star - one for one in candidates.values()])
    known = np.isfinite(star + error)
    bins = [(low, high, known & (learnt >= low) & (learnt < high)) for low, high in itertools.pairwise(BINS)]
    for name, told in (("distances", mean_distances), ("comparison", scatter_and_likelihood)):
        lines = [["excess over that of one T", "recipes", *candidates], ["---"] * (len(candidates) + 2)]
        for low, high, here in bins:
            if here.sum() > 2:
                lines.append([f"{low:g} to {high:g}", str(here.sum()), *told(away[:, here], error[here])])
        text = "".join("| " + " | ".join(line) + " |\n" for line in lines)
        (folder / f"{name}.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
