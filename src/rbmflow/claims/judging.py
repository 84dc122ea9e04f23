"""From the results of a run or a sweep to its machines, each once, and from these to verdicts."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr

from rbmflow._checks import InvalidInput, Problem, Problems
from rbmflow._format import stretches
from rbmflow._variables import STUDY, described
from rbmflow.claims.declaration import CLAIMS, Claim
from rbmflow.claims.judgement import SIGNIFICANCE, Verdict
from rbmflow.claims.machines import Machine

NEEDED = ("artifact", "recipe", "machine_type", "chains", "temperature_mean", "update")
"""Variables without which nothing is known of a machine; what else is missing is unknown."""


def verdicts(*results: xr.Dataset, claims: Iterable[Claim] | None = None) -> list[Verdict]:
    """Judge claims by the machines of a run, or of all points of a sweep.

    A machine that counts for a claim counts for none that this one excludes. All tests have one level, by Holm's
    step-down: 0.27 %, over the number of claims that stay undecided, so that any is decided wrongly by chance in
    0.27 % of reports. S. Holm, Scand. J. Stat. 6, 65 (1979).

    Parameters
    ----------
    results
        The results of the run, or of every point.
    claims
        What is judged; all that are registered if not given.

    Returns
    -------
    list of Verdict
        One for each claim; `not tested` where the machines have nothing that its rule could decide on.

    Raises
    ------
    InvalidInput
        If results do not say what their machines are.

    Examples
    --------
    >>> {verdict.verdict for verdict in verdicts()}
    {'not tested'}
    """
    machines = distinct(machines_of(*results))
    machines = machines if len(results) < 2 else named(machines)
    asked = list(CLAIMS.values() if claims is None else claims)
    judged = _apart([claim(machines) for claim in asked])
    undecided, before = sum(bool(verdict.judgements) for verdict in judged), 0
    while undecided not in (0, before):
        judged = _apart([claim(machines, SIGNIFICANCE / undecided) for claim in asked])
        undecided, before = sum(verdict.verdict == "open" for verdict in judged), undecided
    return judged


def _apart(judged: Sequence[Verdict]) -> list[Verdict]:
    """The verdicts with no machine for two claims that exclude each other: it is open on the one that is excluded."""
    taken: dict[str, dict[str, str]] = {}
    for verdict in judged:
        for excluded in verdict.excludes:
            taken.setdefault(excluded, {}).update((row.of, verdict.id) for row in verdict.of("supports"))
    return [verdict.without(taken.get(verdict.id, {})) for verdict in judged]


def machines_of(*results: xr.Dataset) -> list[Machine]:
    """Return the machines of the results of a run, or of several.

    Raises
    ------
    InvalidInput
        If a dataset does not say what its machines are.

    Examples
    --------
    >>> machines_of(results)[0].end  # doctest: +SKIP
    Measured(value=2.41, error=0.015, freedom=2)
    """
    for one in results:
        told = "they must be an xarray.Dataset, such as run.results"
        Problems.only(isinstance(one, xr.Dataset), "results", type(one).__name__, told)
        lacking = [name for name in NEEDED if name not in one.variables]
        if lacking:
            raise InvalidInput(Problem("results without", lacking, "claims need these to know a machine"))
    rows = [one.isel(machine=row) for one in results for row in range(one.sizes["machine"])]
    return [Machine(str(row["machine"].values), row) for row in rows]


def distinct(machines: Iterable[Machine]) -> list[Machine]:
    """Return every machine once, whichever points have it; of several measurements that with the most behind it.

    The seeds that fewer of them have are among those that more have.
    """
    best: dict[str, Machine] = {}
    for machine in machines:
        known = best.setdefault(machine.artifact, machine)
        if machine.effort > known.effort:
            best[machine.artifact] = machine
    return list(best.values())


def named(machines: Sequence[Machine]) -> list[Machine]:
    """Return the same machines, all different, each called by what it was made with otherwise than most of its type."""
    of_type: dict[str, list[Mapping[str, Any]]] = {}
    for machine in machines:
        of_type.setdefault(machine.kind, []).append(machine.recipe)
    usual = {
        kind: {name: Counter(str(recipe[name]) for recipe in recipes).most_common(1)[0][0] for name in recipes[0]}
        for kind, recipes in of_type.items()
    }
    told = [_told(machine.recipe, usual[machine.kind]) for machine in machines]
    names = [f"{machine.name} ({one})" if one else machine.name for machine, one in zip(machines, told, strict=True)]
    # Different machines have different names, whatever sets them apart.
    twice = {name for name, count in Counter(names).items() if count > 1}
    return [
        replace(machine, name=f"{name} #{machine.artifact[:6]}" if name in twice else name)
        for machine, name in zip(machines, names, strict=True)
    ]


_SYMBOLS = {
    "lattice.length": "L = {}",
    "training.epochs": "{} epochs",
    "training.steps": "k = {}",
    "training.estimator": "{}",
    "temperatures": "T = {}",
}
"""How settings are told that have a symbol; the others by their last name."""

_UNTOLD = ("machine.hidden", "sampling.temperatures")
"""What stands in the label of a machine, and what says nothing of it beside its own training temperatures."""


def _told(recipe: Mapping[str, Any], usual: Mapping[str, str]) -> str:
    """What of a recipe is not usual, for people."""
    other = [name for name, value in recipe.items() if str(value) != usual[name] and name not in _UNTOLD]
    words = [_SYMBOLS.get(name, f"{name.rsplit('.', 1)[-1]} {{}}") for name in other]
    return ", ".join(word.format(_value(recipe[name])) for word, name in zip(words, other, strict=True))


def _value(value: Any) -> str:
    """A value for people; a list is one of temperatures."""
    if isinstance(value, list) and value:
        return stretches(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def study(machines: Sequence[Machine]) -> xr.Dataset:
    """Return what was measured of every machine, side by side, ready to be drawn.

    Parameters
    ----------
    machines
        At least one; all different.

    Returns
    -------
    xr.Dataset
        Axes `machine start`, and `checkpoint` along the training, padded with NaN.

    Examples
    --------
    >>> study(named(distinct(machines_of(*points)))).sizes["machine"]  # doctest: +SKIP
    17
    """
    starts = list(dict.fromkeys(flow.start for machine in machines for flow in machine.flows))
    table = xr.concat([_row(machine) for machine in machines], "machine", join="outer", combine_attrs="drop")
    return described(table.reindex(start=starts).drop_vars(["checkpoint", "kept"]), STUDY)


LAW = (
    *("update", "checkpoint_excess_mean", "checkpoint_excess_mean_error"),
    *("checkpoint_stationary_temperature_mean", "checkpoint_stationary_temperature_mean_error"),
    *("predicted_temperature_mean", "predicted_temperature_error"),
)
"""What a study has of the machines along a training, on the axis `kept`."""


def _row(machine: Machine) -> xr.Dataset:
    """One machine of a study."""
    training = [(update, end.value, end.error) for update, end in machine.checkpoints]
    update, checkpoint_end, checkpoint_error = np.reshape(training, (-1, 3)).T
    known = {
        "artifact": machine.artifact,
        "recipe": json.dumps(machine.recipe),
        "hidden_units": machine.hidden,
        "length": machine.length,
        "updates": machine.updates,
        "seeds": machine.seeds,
        "critical_temperature": machine.critical,
        "specific_heat_peak_temperature": machine.number("specific_heat_peak_temperature"),
        "mixture_temperature": machine.number("null_temperature"),
        "converged": machine.end is not None,
        "end_temperature": ("start", [flow.end.value for flow in machine.flows]),
        "end_error": ("start", [flow.end.error for flow in machine.flows]),
        "excess": machine.number("excess_mean"),
        "excess_error": machine.number("excess_mean_error"),
        "ising_divergence": machine.number("ising_divergence"),
        "relaxation_time": machine.number("relaxation_time"),
        "stationary_temperature": machine.number("stationary_temperature_mean"),
        "stationary_temperature_error": machine.number("stationary_temperature_mean_error"),
        **{name: ("kept", machine.results[name].values) for name in LAW if name in machine.results},
        "energy_from_mixture": machine.energy_from_mixture.value,
        "energy_from_mixture_error": machine.energy_from_mixture.error,
        "checkpoint_update": ("checkpoint", update),
        "checkpoint_end": ("checkpoint", checkpoint_end),
        "checkpoint_end_error": ("checkpoint", checkpoint_error),
    }
    coordinates = {"start": [flow.start for flow in machine.flows], "checkpoint": range(len(training))}
    coordinates["kept"] = range(machine.results.sizes["checkpoint"])
    return xr.Dataset(known, coordinates | {"machine": machine.name})
