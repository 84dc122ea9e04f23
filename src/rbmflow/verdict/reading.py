"""From the results of a run to what the rules know of its machines."""

from __future__ import annotations

import json
import math

import numpy as np
import xarray as xr

from rbmflow.verdict.judgement import Measured
from rbmflow.verdict.machines import UNKNOWN, BlockSpins, Machine, StartedFlow

DOUBTS = ("range", "drift", "apart", "one_sided")

MEASURES = {
    "resemblance": "resemblance",
    "first_share": "largest_share",
    "above_edge": "above_edge",
    "effective_ratio": "flatness",
    "leading_uniformity": "leading_overlap",
}
"""Measures of the weights in the results, and what the rules call them."""


def machines_of(results: xr.Dataset, named: str = "") -> list[Machine]:
    """Return what the rules know of every machine of a run.

    Parameters
    ----------
    results
        The results of a run.
    named
        What tells this run from others of a study, put behind the label of each machine.

    Examples
    --------
    >>> judge(machines_of(results))[0].verdict  # doctest: +SKIP
    'fails'
    """
    return [_machine(results.sel(machine=label), f"{label}{named}") for label in results["machine"].values]


def _machine(here: xr.Dataset, name: str) -> Machine:
    by_energy = here.sel(thermometer="energy")
    seeds = here.sizes["seed"]
    known = here.attrs
    final = {ours: _of_measure(here, theirs) for theirs, ours in MEASURES.items()}
    p_values = here["off_p_of_seed"].values.ravel()
    return Machine(
        name=name,
        hidden=int(here["hidden_units"]),
        length=int(known["length"]),
        estimator=str(known["estimator"]),
        gibbs_steps=int(known["steps"]),
        updates=int(np.nanmax(here["weight_update"].values)),
        temperatures=tuple(json.loads(str(here["training_temperatures"].values))),
        data=str(here["data"].values),
        flows=tuple(_flow(by_energy, here, str(start), seeds) for start in here["start"].values),
        doubts=frozenset(doubt for doubt in DOUBTS if bool(by_energy[f"doubt_{doubt}"])),
        critical=float(here["critical_temperature"]),
        specific_heat_peak=float(here["specific_heat_peak_temperature"]),
        mixture_temperature=float(by_energy["null_temperature"]),
        energy_from_mixture=_energy_from_mixture(here),
        excess=_over_seeds(here["excess"].values) if "excess" in here else UNKNOWN,
        two_sample=tuple(float(p) for p in p_values if math.isfinite(p)),
        ladder=_ladder(here) if "ladder_update" in here else (),
        **final,
    )


def _over_seeds(values: np.ndarray) -> Measured:
    error = values.std(ddof=1) / math.sqrt(values.size) if values.size > 1 else math.nan
    return Measured(float(values.mean()), float(error), values.size)


def _of_measure(here: xr.Dataset, name: str) -> Measured:
    return _over_seeds(here["weight_final"].sel(final_measure=name).values)


def _flow(by_energy: xr.Dataset, here: xr.Dataset, start: str, seeds: int) -> StartedFlow:
    at = by_energy.sel(start=start)
    error = _joined(float(at["end_error"]), float(at["end_chain_error"]))
    probability = here["probability_mean"].sel(start=start, classifier="neural").isel(iteration=-1)
    return StartedFlow(
        start=start,
        begin=float(at["temperature_mean"].isel(iteration=0)),
        end=Measured(float(at["end_temperature"]), error, seeds),
        drift=Measured(float(at["drift"]), float(at["drift_error"]), seeds),
        neural_class=float(here["bin"].values[int(np.argmax(probability.values))]),
        # Iterations are whole numbers told from seeds together: their error is not known.
        iterations=Measured(float(at["iterations_needed"]), math.nan),
    )


def _joined(of_seeds: float, of_chains: float) -> float:
    """Error over seeds, which has that of the chains in it; the latter alone where one seed cannot tell."""
    if not math.isfinite(of_seeds):
        return of_chains
    return max(of_seeds, of_chains) if math.isfinite(of_chains) else of_seeds


def _energy_from_mixture(here: xr.Dataset) -> Measured:
    """E per site over the last quarter of all starts, minus that of the training mixture."""
    quarter = max(1, (here.sizes["iteration"] - 1) // 4)
    energy = here["energy_mean"].isel(iteration=slice(-quarter, None)).mean()
    error = float(np.sqrt((here["energy_error"].isel(iteration=slice(-quarter, None)) ** 2).mean()))
    return Measured(float(energy) - float(here["null_energy"]), error, here.sizes["seed"])


def _ladder(here: xr.Dataset) -> tuple[tuple[int, Measured], ...]:
    """T(E) at the end by updates, all starts together."""
    found = []
    for rung in range(here.sizes["checkpoint"]):
        at = here.isel(checkpoint=rung)
        update, ends = float(at["ladder_update"]), at["ladder_end_temperature"].values
        if math.isfinite(update) and np.isfinite(ends).all():
            pairs = zip(at["ladder_end_error"].values, at["ladder_end_chain_error"].values, strict=True)
            errors = [_joined(float(of_seeds), float(of_chains)) for of_seeds, of_chains in pairs]
            error = math.sqrt(sum(e**2 for e in errors) / len(errors))
            found.append((int(update), Measured(float(ends.mean()), error, here.sizes["seed"])))
    return tuple(found)


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
        found.append(BlockSpins(rule, changes))
    return found


def _change(here: xr.Dataset, critical: float) -> Measured:
    read = here["blocked_read"].sel(thermometer="energy").values
    errors = here["blocked_read_error"].sel(thermometer="energy").values
    before, after = abs(read[0] - critical), abs(read[-1] - critical)
    return Measured(float(after - before), float(np.hypot(errors[0], errors[-1])))
