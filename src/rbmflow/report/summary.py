"""A run in numbers for programs: what `rbmflow show RUN --json` prints."""

import json
import math
from collections.abc import Mapping
from typing import Any

import xarray as xr

from rbmflow._checks import InvalidInput, Problem
from rbmflow.report.tables import names

END = {
    "temperature": "end_temperature",
    "error": "end_error",
    "interval_95": "end_interval",
    "chain_error": "end_chain_error",
    "drift": "drift",
    "drift_error": "drift_error",
}
"""What is told of the end of a flow by a thermometer, and the variable of the results that it is."""

WEIGHTS = {"value": "weight_final_mean", "error": "weight_final_error"}
"""The same of each number that sums up the weights, where machines have any."""

FIXED_POINT = {"temperature": "fixed_point", "error": "fixed_point_error", "chain_error": "fixed_point_chain_error"}
"""The same of T*."""

RELAXATION = {"time": "relaxation_time", "error": "relaxation_time_error", "iterations_needed": "iterations_needed"}
"""The same of how fast the starts come together."""


def number(value: Any) -> float | str | None:
    """Return a number that JSON can hold: NaN becomes null, infinity the string "inf"."""
    value = float(value)
    if math.isnan(value):
        return None
    return value if math.isfinite(value) else ("inf" if value > 0 else "-inf")


def summary(results: xr.Dataset, run: Mapping[str, Any]) -> dict[str, Any]:
    """Return the numbers of a run for programs; the page *Numbers of a run for programs* tells what each key means.

    NaN is null, infinity the string "inf"; temperatures in J/k_B, energies per site in J, times in seconds. `run` is
    the record kept beside the results.
    """
    references = ("critical_temperature", "specific_heat_peak_temperature", "specific_heat_peak_error")
    return {
        "schema": 3,
        "run": run.get("run"),
        "spec": run.get("name"),
        **{name: results.attrs.get(name) for name in ("title", "model", "lattice")},
        **{name: run.get(name) for name in ("started", "seconds", "compute_seconds", "cpu_seconds")},
        "seeds": results.sizes["seed"],
        "chains": int(results["chains"]),
        "iterations": int(results["iteration"].values[-1]),
        "references": {name: number(results[name]) for name in references if name in results},
        "thermometers": names(results, "thermometer"),
        "machines": [_machine(results.isel(machine=row)) for row in range(results.sizes["machine"])],
        "classifiers": _classifiers(results),
        "flags": flags(results, run),
    }


def _machine(here: xr.Dataset) -> dict[str, Any]:
    weights = "weight_final_mean" in here
    return {
        "machine": str(here["machine"].values),
        "type": str(here["machine_type"].values),
        "hidden": int(here["hidden_units"]),
        "artifacts": names(here, "artifact"),
        "recipe": json.loads(str(here["recipe"].values), parse_constant={"Infinity": "inf"}.get),
        **({"leading_uniformity": [number(v) for v in here["leading_uniformity"].values]} if weights else {}),
        "null": _along(here, "thermometer", "null_temperature"),
        "null_energy": number(here["null_energy"]),
        "null_abs_magnetization": number(here["null_abs_magnetization"]),
        "flows": [
            {"start": start, "end": _along(here.isel(start=row), "thermometer", END)}
            for row, start in enumerate(names(here, "start"))
        ],
        "converged": {name: value == 1 for name, value in _along(here, "thermometer", "converged").items()},
        "relaxation": _along(here, "thermometer", RELAXATION),
        **({"weights": _along(here, "final_measure", WEIGHTS)} if weights else {}),
        "fixed_point": _along(here, "thermometer", FIXED_POINT),
    }


def _along(here: xr.Dataset, axis: str, told: str | Mapping[str, str]) -> dict[str, Any]:
    """One variable, or several under their keys, by the names along an axis."""
    if isinstance(told, str):
        return {name: number(value) for name, value in zip(names(here, axis), here[told].values, strict=True)}
    values = {key: _along(here, axis, variable) for key, variable in told.items()}
    return {name: {key: values[key][name] for key in told} for name in names(here, axis)}


def _classifiers(results: xr.Dataset) -> dict[str, Any]:
    measured = ("cross_entropy", "accuracy")
    best = {name: number(results[f"bayes_{name}_exact"]) for name in measured}
    return {**_along(results, "classifier", {name: name for name in measured}), "exact": best}


def flags(results: xr.Dataset, run: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return the quality flags of a run: those of its results, and what its record says of how they were made."""
    text = results.attrs.get("flags", "[]")
    try:
        found = [*json.loads(text), *(run.get("flags") or [])]
        return [{name: str(flag[name]) for name in ("where", "what", "message")} for flag in found]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise InvalidInput(Problem("flags", text, "it must be a JSON list of {where, what, message}")) from None
