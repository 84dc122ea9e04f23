"""What a run, or a whole sweep, says of the claims: verdicts and machines side by side, as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import xarray as xr

from rbmflow.verdict import blocks_of, judge, machines_of, study

type Verdicts = list[dict[str, Any]]


def verdicts_of(results: xr.Dataset) -> Verdicts:
    """Return a verdict on every claim by the machines of one run.

    Parameters
    ----------
    results
        The results of the run.
    """
    return [asdict(verdict) for verdict in judge(machines_of(results), blocks_of(results))]


def verdicts_of_sweep(points: Sequence[tuple[Mapping[str, Any], xr.Dataset]]) -> tuple[Verdicts, xr.Dataset]:
    """Return a verdict on every claim by the machines of all points of a sweep, and these machines side by side.

    Parameters
    ----------
    points
        For each point the values of its swept fields and its results; at least one.
    """
    # Which other machines a point has says nothing of this one.
    fields = {field for values, _ in points for field in values if not field.endswith("also_hidden")}
    changing = [f for f in fields if len({str(values.get(f)) for values, _ in points}) > 1]
    base = {f: _commonest([str(values.get(f)) for values, _ in points]) for f in changing}
    machines, blocks = [], []
    for values, results in points:
        told = [_told(f, values[f]) for f in values if f in base and str(values[f]) != base[f]]
        machines += machines_of(results, f" ({', '.join(filter(None, told))})" if any(told) else "")
        blocks += blocks_of(results)
    return [asdict(verdict) for verdict in judge(machines, blocks)], study(machines)


def _commonest(values: list[str]) -> str:
    return max(dict.fromkeys(values), key=values.count)


_SYMBOLS = {
    "model.length": "L = {}",
    "machine.hidden": "",  # in the label of the machine
    "training.epochs": "{} epochs",
    "training.steps": "k = {}",
    "training.estimator": "{}",
    "temperatures": "T = {}",
    "minimum": "T >= {}",
    "maximum": "T <= {}",
}
"""How fields are told that have a symbol, by their whole or their last name."""


def _told(field: str, value: Any) -> str:
    """A field and its value for people."""
    last = field.rsplit(".", 1)[-1]
    return _SYMBOLS.get(field, _SYMBOLS.get(last, f"{last} {{}}")).format(_value(value))


def _value(value: Any) -> str:
    """A value for people; of a list of temperatures the ends of every stretch without a hole of more than 1."""
    if isinstance(value, list) and value and all(isinstance(entry, int | float) for entry in value):
        holes = [at for at in range(1, len(value)) if value[at] - value[at - 1] > 1]
        stretches = [value[first:end] for first, end in zip([0, *holes], [*holes, len(value)], strict=True)]
        return " and ".join(f"{stretch[0]:g}..{stretch[-1]:g}" for stretch in stretches)
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
