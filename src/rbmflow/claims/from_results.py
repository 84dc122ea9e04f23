"""From the results of a run to what the rules know of its machines."""

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr

from rbmflow._checks import InvalidInput, Problem
from rbmflow.claims.judgement import Measured
from rbmflow.claims.machines import UNKNOWN, BlockSpins, Machine, StartedFlow
from rbmflow.convergence import DOUBTS, quarters

MEASURES = {
    "resemblance": "resemblance",
    "first_share": "largest_share",
    "above_edge": "above_edge",
    "effective_ratio": "flatness",
    "leading_uniformity": "leading_overlap",
}
"""Measures of the weights in the results, and what the rules call them."""

NEEDED = ("artifact", "recipe", "machine_type", "chains", "temperature_mean", "weight_update")
"""Variables without which nothing is known of a machine; what else is missing is unknown."""


def machines_of(*results: xr.Dataset) -> list[Machine]:
    """Return what the rules know of every machine of a run, or of several.

    Parameters
    ----------
    results
        The results of each run. Block spins of one serve the machines of all on the lattice that they end on.

    Raises
    ------
    InvalidInput
        If a dataset does not say what its machines are.

    Examples
    --------
    >>> machines_of(results)[0].end  # doctest: +SKIP
    Measured(value=2.41, error=0.015, samples=3)
    """
    for one in results:
        lacking = [name for name in NEEDED if name not in one.variables]
        if lacking:
            raise InvalidInput(Problem("results without", lacking, "claims need these to know a machine"))
    blocks = {(block.length, block.rule): block for one in results for block in _blocks_of(one)}
    machines = [_machine(one.isel(machine=row)) for one in results for row in range(one.sizes["machine"])]
    return [replace(m, blocks=tuple(b for (length, _), b in blocks.items() if length == m.length)) for m in machines]


def _machine(here: xr.Dataset) -> Machine:
    by_energy, seeds = _read_by(here, "energy"), here.sizes["seed"]
    known = {str(name): place for place, name in enumerate(here.get("final_measure", xr.DataArray([])).values)}
    measures: dict[str, Any] = {
        ours: _measured(here.isel(final_measure=known[name]), "weight_final_mean", "weight_final_error")
        for name, ours in MEASURES.items()
        if name in known
    }
    return Machine(
        name=str(here["machine"].values),
        artifact=str(here["artifact"].values[0]),
        kind=str(here["machine_type"].values),
        recipe=json.loads(str(here["recipe"].values)),
        updates=int(np.nanmax(here["weight_update"].values)),
        effort=(seeds, here.sizes["iteration"] - 1, int(here["chains"])),
        flows=tuple(_flow(by_energy, here, row) for row in range(here.sizes["start"])),
        mean_end=_measured(by_energy, "mean_end", "mean_end_error"),
        doubts=frozenset(doubt for doubt in DOUBTS if bool(by_energy.get(f"doubt_{doubt}", True))),
        critical=_number(here, "critical_temperature"),
        specific_heat_peak=_number(here, "specific_heat_peak_temperature"),
        mixture_temperature=_number(by_energy, "null_temperature"),
        energy_from_mixture=_energy_from_mixture(here),
        excess=_measured(here, "excess_mean", "excess_mean_error"),
        two_sample=tuple(float(p) for p in here.get("off_p_of_seed", xr.DataArray([])).values.ravel() if p == p),
        checkpoints=_checkpoints(here),
        results=here,
        **measures,
    )


def _read_by(here: xr.Dataset, thermometer: str) -> xr.Dataset:
    """What one thermometer reads; without readings where the run has no such thermometer."""
    there = thermometer in here["thermometer"].values.tolist()
    return here.sel(thermometer=thermometer) if there else here.drop_dims("thermometer")


def _number(here: xr.Dataset, name: str) -> float:
    return float(here[name]) if name in here else math.nan


def _measured(here: xr.Dataset, value: str, error: str) -> Measured:
    return Measured(_number(here, value), _number(here, error), here.sizes["seed"])


def _flow(by_energy: xr.Dataset, here: xr.Dataset, row: int) -> StartedFlow:
    at, neural = by_energy.isel(start=row), math.nan
    if "neural" in here.get("classifier", xr.DataArray([])).values.tolist():
        last = here["probability_mean"].sel(classifier="neural").isel(start=row, iteration=-1).values
        neural = float(here["bin"].values[int(np.argmax(last))])
    return StartedFlow(
        start=str(here["start"].values[row]),
        begin=_number(at.isel(iteration=0), "temperature_mean"),
        end=_measured(at, "end_temperature", "end_error"),
        drift=_measured(at, "drift", "drift_error"),
        neural_class=neural,
        # Iterations are whole numbers told from seeds together: their error is not known.
        iterations=Measured(_number(at, "iterations_needed"), math.nan),
    )


def _energy_from_mixture(here: xr.Dataset) -> Measured:
    """E per site over the last quarter of all starts, minus that of the training mixture."""
    if not {"energy_mean", "energy_error", "null_energy"} <= set(here.variables):
        return UNKNOWN
    last = here.isel(iteration=quarters(here.sizes["iteration"])[1])
    error = float(np.sqrt((last["energy_error"] ** 2).mean()))
    return Measured(float(last["energy_mean"].mean()) - float(here["null_energy"]), error, here.sizes["seed"])


def _checkpoints(here: xr.Dataset) -> tuple[tuple[int, Measured], ...]:
    """T(E) at the end by updates, all starts together; nothing where the training was not followed."""
    names = ("checkpoint_end_update", "checkpoint_mean_end", "checkpoint_mean_end_error")
    if not set(names) <= set(here.variables):
        return ()
    rows = zip(*(here[name].values.tolist() for name in names), strict=True)
    known = [row for row in rows if math.isfinite(row[0]) and math.isfinite(row[1])]
    return tuple((int(update), Measured(end, error, here.sizes["seed"])) for update, end, error in known)


def _blocks_of(results: xr.Dataset) -> Sequence[BlockSpins]:
    """How far block spins moved away from T_c, by rule; nothing if the run has none.

    The change is that of abs(T(E) - T_c) between the largest and the smallest lattice, for the starts nearest to T_c
    on either side.
    """
    if not {"blocked_read", "blocked_read_error", "critical_temperature"} <= set(results.variables):
        return ()
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
    by_energy = _read_by(here, "energy")
    read, errors = (by_energy[name].values for name in ("blocked_read", "blocked_read_error"))
    before, after = abs(read[0] - critical), abs(read[-1] - critical)
    return Measured(float(after - before), float(np.hypot(errors[0], errors[-1])))
