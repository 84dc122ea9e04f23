"""From the results of a run to what the rules know of its machines."""

from __future__ import annotations

import json
import math

import numpy as np
import xarray as xr

from rbmflow.claims.judgement import Measured
from rbmflow.claims.machines import UNKNOWN, BlockSpins, Machine, StartedFlow
from rbmflow.convergence import DOUBTS

MEASURES = {
    "resemblance": "resemblance",
    "first_share": "largest_share",
    "above_edge": "above_edge",
    "effective_ratio": "flatness",
    "leading_uniformity": "leading_overlap",
}
"""Measures of the weights in the results, and what the rules call them."""


def machines_of(results: xr.Dataset) -> list[Machine]:
    """Return what the rules know of every machine of a run.

    Parameters
    ----------
    results
        The results of a run.

    Examples
    --------
    >>> judge(machines_of(results))[0].verdict  # doctest: +SKIP
    'fails'
    """
    return [_machine(results.isel(machine=row)) for row in range(results.sizes["machine"])]


def _machine(here: xr.Dataset) -> Machine:
    by_energy, seeds = here.sel(thermometer="energy"), here.sizes["seed"]
    p_values = here["off_p_of_seed"].values.ravel()
    measures = {}
    for name, ours in MEASURES.items():
        measures[ours] = _measured(here.sel(final_measure=name), "weight_final_mean", "weight_final_error")
    return Machine(
        name=str(here["machine"].values),
        artifact=str(here["artifact"].values[0]),
        kind=str(here["machine_type"].values),
        recipe=json.loads(str(here["recipe"].values)),
        updates=int(np.nanmax(here["weight_update"].values)),
        effort=(seeds, here.sizes["iteration"] - 1, int(here["chains"])),
        flows=tuple(_flow(by_energy, here, str(start)) for start in here["start"].values),
        mean_end=_measured(by_energy, "mean_end", "mean_end_error"),
        doubts=frozenset(doubt for doubt in DOUBTS if bool(by_energy[f"doubt_{doubt}"])),
        critical=float(here["critical_temperature"]),
        specific_heat_peak=float(here["specific_heat_peak_temperature"]),
        mixture_temperature=float(by_energy["null_temperature"]),
        energy_from_mixture=_energy_from_mixture(here),
        excess=_measured(here, "excess_mean", "excess_mean_error") if "excess_mean" in here else UNKNOWN,
        two_sample=tuple(float(p) for p in p_values if math.isfinite(p)),
        checkpoints=_checkpoints(here) if "checkpoint_end_update" in here else (),
        **measures,
    )


def _measured(here: xr.Dataset, value: str, error: str) -> Measured:
    return Measured(float(here[value]), float(here[error]), here.sizes["seed"])


def _flow(by_energy: xr.Dataset, here: xr.Dataset, start: str) -> StartedFlow:
    at = by_energy.sel(start=start)
    probability = here["probability_mean"].sel(start=start, classifier="neural").isel(iteration=-1)
    return StartedFlow(
        start=start,
        begin=float(at["temperature_mean"].isel(iteration=0)),
        end=_measured(at, "end_temperature", "end_error"),
        drift=_measured(at, "drift", "drift_error"),
        neural_class=float(here["bin"].values[int(np.argmax(probability.values))]),
        # Iterations are whole numbers told from seeds together: their error is not known.
        iterations=Measured(float(at["iterations_needed"]), math.nan),
    )


def _energy_from_mixture(here: xr.Dataset) -> Measured:
    """E per site over the last quarter of all starts, minus that of the training mixture."""
    quarter = max(1, (here.sizes["iteration"] - 1) // 4)
    energy = here["energy_mean"].isel(iteration=slice(-quarter, None)).mean()
    error = float(np.sqrt((here["energy_error"].isel(iteration=slice(-quarter, None)) ** 2).mean()))
    return Measured(float(energy) - float(here["null_energy"]), error, here.sizes["seed"])


def _checkpoints(here: xr.Dataset) -> tuple[tuple[int, Measured], ...]:
    """T(E) at the end by updates, all starts together."""
    names = ("checkpoint_end_update", "checkpoint_mean_end", "checkpoint_mean_end_error")
    rows = zip(*(here[name].values.tolist() for name in names), strict=True)
    known = [row for row in rows if math.isfinite(row[0]) and math.isfinite(row[1])]
    return tuple((int(update), Measured(end, error, here.sizes["seed"])) for update, end, error in known)


def blocks_of(results: xr.Dataset) -> list[BlockSpins]:
    """Return how far block spins moved away from T_c, by rule; nothing if the run has none.

    The change is that of abs(T(E) - T_c) between the largest and the smallest lattice, for the starts nearest to T_c
    on either side.
    """
    if "blocked_read" not in results:
        return []
    critical = float(results["critical_temperature"])
    starts = results["blocked_temperature"].values
    found = []
    for rule in map(str, results["rule"].values):
        changes = {}
        for side, chosen in (("below", starts[starts < critical - 0.01]), ("above", starts[starts > critical + 0.01])):
            if chosen.size:
                nearest = float(chosen[np.argmin(np.abs(chosen - critical))])
                changes[side] = _change(results.sel(rule=rule, blocked_temperature=nearest), critical)
        found.append(BlockSpins(rule, int(results.attrs["length"]), changes))
    return found


def _change(here: xr.Dataset, critical: float) -> Measured:
    read = here["blocked_read"].sel(thermometer="energy").values
    errors = here["blocked_read_error"].sel(thermometer="energy").values
    before, after = abs(read[0] - critical), abs(read[-1] - critical)
    return Measured(float(after - before), float(np.hypot(errors[0], errors[-1])))
