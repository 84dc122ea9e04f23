"""A run in numbers: the table of the ends of the flows, and the summary for programs."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from rbmflow._checks import InvalidInput, Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import xarray as xr

HEADINGS = {"neural": "neural", "bayes": "Bayes", "energy": "T(E)", "magnetization": "T(|m|)", "correlation": "T(xi/L)"}
"""Column heading of each thermometer; one that is not here is called by its own name."""

FEATURES = {"energy": "E", "abs_magnetization": "|m|", "joint": "E, |m|, longest wave"}
"""Column heading of what is compared with true configurations."""

NO_END = "no T*"
"""What stands where flows have not converged."""

CLOSING_ROWS = ("null mixture", "T*")
"""The rows of `ends_table` that follow the starts of a machine."""


def with_error(value: float, error: float) -> str:
    """Write a value with its error in parentheses, two digits of it: 2.412(15) is 2.412 ± 0.015.

    Examples
    --------
    >>> with_error(2.4123, 0.0153)
    '2.412(15)'
    >>> with_error(2.4123, math.nan)
    '2.412(n/a)'
    >>> with_error(math.nan, 0.1)
    'no reading'
    """
    if math.isnan(value):
        return "no reading"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    if not math.isfinite(error):
        return f"{value:.3f}({'n/a' if math.isnan(error) else 'inf'})"
    if error < 5e-7:
        return f"{value:.3f}(0)"
    decimals = max(0, 1 - int(f"{error:.1e}".split("e")[1]))
    if decimals <= 1:
        return f"{value:.{decimals}f}({error:.{decimals}f})"
    return f"{value:.{decimals}f}({round(error * 10**decimals)})"


def likelihood_table(results: xr.Dataset) -> list[list[str]]:
    """Return how good each machine is as text: excess nats, autocorrelation times, overlaps, agreement.

    Means over seeds, the excess with its joined error; no rows where a run did not measure it.

    Parameters
    ----------
    results
        The results of a run.
    """
    if "excess" not in results:
        return []
    rows = []
    for machine in results["machine"].values:
        row = results.sel(machine=machine)
        # A divergence cannot be negative, so such a number never stands alone.
        below = " (below zero: not a divergence)" if float(row["excess_mean"]) < 0 else ""
        cells = [str(machine), with_error(float(row["excess_mean"]), float(row["excess_mean_error"])) + below]
        cells += [f"{float(row[name].mean(skipna=False)):.1f}" for name in ("tau_energy", "tau_abs_magnetization")]
        cells += [
            f"{float(row[name].mean(skipna=False)):.3f}" for name in ("energy_overlap", "abs_magnetization_overlap")
        ]
        agree = row["cold_and_hot_agree"].values
        rows.append([*cells, "unknown" if math.isnan(agree.sum()) else f"{int(agree.sum())} of {agree.size}"])
    return rows


def ends_table(results: xr.Dataset) -> tuple[list[str], list[list[str]]]:
    """Return the ends of the flows as text: one row a machine and start, then the null, then T*.

    The end is the mean over the last quarter of the flow, with its joined error of seeds and chains: `2.412(15)` is
    2.412 ± 0.015. Where the flows of a machine have not converged by a thermometer, there is no T*, and the last row
    says so; else T* is the mean over the starts.

    Parameters
    ----------
    results
        The results of a run.

    Returns
    -------
    header : list of str
        `machine`, `start`, then one heading a thermometer.
    rows : list of list of str
        As many cells a row as there are headings. Temperatures in J/k_B.

    Examples
    --------
    >>> header, rows = ends_table(results)  # doctest: +SKIP
    >>> rows[0]  # doctest: +SKIP
    ['V-64', 'cold', '2.412(15)', '2.405(12)', '2.398(10)', '2.371(18)']
    """
    thermometers = [str(t) for t in results["thermometer"].values]
    header = ["machine", "start", *(HEADINGS.get(t, t) for t in thermometers)]
    rows: list[list[str]] = []
    for machine in map(str, results["machine"].values):
        here = results.sel(machine=machine)
        for start in map(str, results["start"].values):
            at = here.sel(start=start)
            pairs = zip(at["end_temperature"].values, at["end_error"].values, strict=True)
            rows.append([machine, start, *(with_error(float(v), float(e)) for v, e in pairs)])
        nulls = (float(v) for v in here["null_temperature"].values)
        rows.append([machine, CLOSING_ROWS[0], *("-" if math.isnan(v) else f"{v:.3f}" for v in nulls)])
        pairs = zip(here["fixed_point"].values, here["fixed_point_error"].values, strict=True)
        told = (with_error(float(v), float(e)) for v, e in pairs)
        verdicts = [text if bool(c) else NO_END for text, c in zip(told, here["converged"].values, strict=True)]
        rows.append([machine, CLOSING_ROWS[1], *verdicts])
    return header, rows


def drift_table(results: xr.Dataset) -> tuple[list[str], list[list[str]]]:
    """Return how far each flow still moved over its last half, as text in the form of `ends_table`."""
    return _by_start(results, lambda at: zip(at["drift"].values, at["drift_error"].values, strict=True), with_error)


def settling_table(results: xr.Dataset) -> tuple[list[str], list[list[str]]]:
    """Return the iterations that each flow needed, the error of its end, and the part of it that chains alone give."""

    def told(needed: float, joined: float, of_chains: float) -> str:
        errors = "; ".join("n/a" if math.isnan(e) else f"{e:.2g}" for e in (joined, of_chains))
        return "no end" if math.isnan(needed) else f"{needed:.0f} ({errors})"

    names = ("iterations_needed", "end_error", "end_chain_error")
    return _by_start(results, lambda at: zip(*(at[name].values for name in names), strict=True), told)


def _by_start(
    results: xr.Dataset, numbers: Callable[[xr.Dataset], Iterable[tuple]], told: Callable[..., str]
) -> tuple[list[str], list[list[str]]]:
    """Return a table with one row a machine and start and one column a thermometer."""
    thermometers = [str(t) for t in results["thermometer"].values]
    header = ["machine", "start", *(HEADINGS.get(t, t) for t in thermometers)]
    rows = []
    for machine in map(str, results["machine"].values):
        for start in map(str, results["start"].values):
            at = results.sel(machine=machine, start=start)
            rows.append([machine, start, *(told(*map(float, row)) for row in numbers(at))])
    return header, rows


def off_table(results: xr.Dataset) -> tuple[list[str], list[list[str]]]:
    """Return how far the last configurations are from true ones: distance and p-value, by what is compared."""
    features = [str(name) for name in results["feature"].values]
    header = ["machine", "start", *(f"{FEATURES.get(name, name)}" for name in features)]
    rows = []
    for machine in map(str, results["machine"].values):
        for start in map(str, results["start"].values):
            at = results.sel(machine=machine, start=start).isel(compared=-1)
            pairs = zip(at["off_distance_mean"].values, at["off_p_value"].values, strict=True)
            rows.append([machine, start, *(f"{d:.3f}, p = {p:.2g}" for d, p in pairs)])
    return header, rows


def measures_table(results: xr.Dataset) -> tuple[list[str], list[list[str]]]:
    """Return the numbers that sum up the weights as text: one row a number, one column a machine."""
    header = ["", *(str(machine) for machine in results["machine"].values)]
    rows = []
    for name, meaning in zip(results["final_measure"].values, results["meaning"].values, strict=True):
        here = results.sel(final_measure=name)
        pairs = zip(here["weight_final_mean"].values, here["weight_final_error"].values, strict=True)
        cells = ("-" if math.isnan(value) else with_error(float(value), float(error)) for value, error in pairs)
        rows.append([str(meaning), *cells])
    return header, rows


def number(value: Any) -> float | str | None:
    """Return a number that JSON can hold: NaN becomes null, infinity the string "inf"."""
    value = float(value)
    if math.isnan(value):
        return None
    return value if math.isfinite(value) else ("inf" if value > 0 else "-inf")


def summary(results: xr.Dataset, run: Mapping[str, Any]) -> dict[str, Any]:
    """Return the numbers of a run for programs: what `rbmflow show RUN --json` prints.

    Keys of the answer (NaN is null, infinity the string "inf"; temperatures in J/k_B)::

        schema       2; a change that could break a reader raises it
        run          id of the run
        spec         name of its spec
        title, model, lattice
        started      ISO date and time, or null
        seconds, compute_seconds   wall time of the run, sum over its steps; or null
        seeds, chains, iterations  how many
        references   {"critical_temperature", "specific_heat_peak_temperature"}
        thermometers names, in order
        machines     one entry a machine:
                       machine, type, hidden, leading_uniformity: [one a seed]
                       artifacts: [hash of the machine of each seed], recipe: {dotted field: value}
                       null: {thermometer: temperature}
                       null_energy, null_abs_magnetization
                       flows: [{"start", "end": {thermometer: {"temperature", "error", "interval_95",
                                                                "chain_error", "drift", "drift_error",
                                                                "iterations_needed"}}}]
                       converged: {thermometer: true or false}
                       weights: {measure: {"value", "error"}}, after training
                       fixed_point: {thermometer: {"temperature", "error", "chain_error"}}, null without T*
        classifiers  {name: {"cross_entropy", "accuracy"}}, and "exact" for the best possible
        flags        [{"where", "what", "message"}]

    Parameters
    ----------
    results
        The results of a run.
    run
        The record kept beside them.

    Examples
    --------
    >>> summary(results, run)["machines"][0]["converged"]["energy"]  # doctest: +SKIP
    True
    """
    return {
        "schema": 2,
        "run": run.get("run"),
        "spec": run.get("name"),
        "title": results.attrs.get("title"),
        "model": results.attrs.get("model"),
        "lattice": results.attrs.get("lattice"),
        "started": run.get("started"),
        "seconds": run.get("seconds"),
        "compute_seconds": run.get("compute_seconds"),
        "seeds": results.sizes["seed"],
        "chains": int(results["chains"]),
        "iterations": int(results["iteration"].values[-1]),
        "references": {
            "critical_temperature": number(results["critical_temperature"]),
            "specific_heat_peak_temperature": number(results["specific_heat_peak_temperature"]),
        },
        "thermometers": [str(t) for t in results["thermometer"].values],
        "machines": [_machine(results.sel(machine=machine)) for machine in results["machine"].values],
        "classifiers": _classifiers(results),
        "flags": flags(results, run),
    }


FIXED_POINT = {
    "temperature": "fixed_point",
    "error": "fixed_point_error",
    "chain_error": "fixed_point_chain_error",
}
"""Name in the summary and in the results of what is told of T*."""


def _machine(here: xr.Dataset) -> dict[str, Any]:
    thermometers = [str(t) for t in here["thermometer"].values]
    quantities = {
        "temperature": "end_temperature",
        "error": "end_error",
        "interval_95": "end_interval",
        "chain_error": "end_chain_error",
        "drift": "drift",
        "drift_error": "drift_error",
        "iterations_needed": "iterations_needed",
    }
    flows = []
    for start in here["start"].values:
        at = here.sel(start=start)
        end = {t: {key: number(at[name].sel(thermometer=t)) for key, name in quantities.items()} for t in thermometers}
        flows.append({"start": str(start), "end": end})
    return {
        "machine": str(here["machine"].values),
        "type": str(here["machine_type"].values),
        "hidden": int(here["hidden_units"]),
        "artifacts": [str(one) for one in here["artifact"].values],
        "recipe": json.loads(str(here["recipe"].values), parse_constant={"Infinity": "inf"}.get),
        "leading_uniformity": [number(v) for v in here["leading_uniformity"].values],
        "null": {t: number(here["null_temperature"].sel(thermometer=t)) for t in thermometers},
        "null_energy": number(here["null_energy"]),
        "null_abs_magnetization": number(here["null_abs_magnetization"]),
        "flows": flows,
        "converged": {t: bool(here["converged"].sel(thermometer=t)) for t in thermometers},
        "weights": {
            str(name): {
                "value": number(here["weight_final_mean"].sel(final_measure=name)),
                "error": number(here["weight_final_error"].sel(final_measure=name)),
            }
            for name in here["final_measure"].values
        },
        "fixed_point": {
            t: {key: number(here[name].sel(thermometer=t)) for key, name in FIXED_POINT.items()} for t in thermometers
        },
    }


def _classifiers(results: xr.Dataset) -> dict[str, dict[str, float | str | None]]:
    measured = {
        str(name): {
            "cross_entropy": number(results["cross_entropy"].sel(classifier=name)),
            "accuracy": number(results["accuracy"].sel(classifier=name)),
        }
        for name in results["classifier"].values
    }
    exact = {
        "cross_entropy": number(results["bayes_cross_entropy_exact"]),
        "accuracy": number(results["bayes_accuracy_exact"]),
    }
    return {**measured, "exact": exact}


def flags(results: xr.Dataset, run: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return the quality flags of a run: those of its results, and what its record says of how they were made.

    Raises
    ------
    InvalidInput
        If what stands for them is no list of flags.
    """
    text = results.attrs.get("flags", "[]")
    try:
        found = [*json.loads(text), *(run.get("flags") or [])]
        return [{name: str(flag[name]) for name in ("where", "what", "message")} for flag in found]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise InvalidInput(Problem("flags", text, "it must be a JSON list of {where, what, message}")) from None
