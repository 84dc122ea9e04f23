"""Judging the machines of a run or a sweep: each once, told apart by what it was made with."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import xarray as xr

from rbmflow.claims.declaration import CLAIMS, Claim
from rbmflow.claims.from_results import machines_of
from rbmflow.claims.judgement import Verdict
from rbmflow.claims.machines import Machine


def judge(*results: xr.Dataset, claims: Iterable[Claim] | None = None) -> list[Verdict]:
    """Judge claims by the machines of a run, or of all points of a sweep.

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
    >>> {verdict.verdict for verdict in judge()}
    {'not tested'}
    """
    machines = distinct(machines_of(*results))
    machines = machines if len(results) < 2 else named(machines)
    return [claim(machines) for claim in (CLAIMS.values() if claims is None else claims)]


def distinct(machines: Iterable[Machine]) -> list[Machine]:
    """Return every machine once, whichever points have it; of several measurements that with the most behind it.

    Parameters
    ----------
    machines
        Of any runs. The seeds that fewer of them have are among those that more have.
    """
    best: dict[str, Machine] = {}
    for machine in machines:
        known = best.setdefault(machine.artifact, machine)
        if machine.effort > known.effort:
            best[machine.artifact] = machine
    return list(best.values())


def named(machines: Sequence[Machine]) -> list[Machine]:
    """Return the same machines, each called by what it was made with otherwise than most of its type.

    Parameters
    ----------
    machines
        All different.
    """
    of_type: dict[str, list[Machine]] = {}
    for machine in machines:
        of_type.setdefault(machine.kind, []).append(machine)
    usual = {kind: _commonest([machine.recipe for machine in of_kind]) for kind, of_kind in of_type.items()}
    told = [_told(machine.recipe, usual[machine.kind]) for machine in machines]
    names = [f"{machine.name} ({one})" if one else machine.name for machine, one in zip(machines, told, strict=True)]
    # Different machines have different names, whatever sets them apart.
    twice = {name for name, count in Counter(names).items() if count > 1}
    return [
        replace(machine, name=f"{name} #{machine.artifact[:6]}" if name in twice else name)
        for machine, name in zip(machines, names, strict=True)
    ]


def _commonest(recipes: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The value, as text, that most have; the first of several."""
    columns = {name: [str(recipe[name]) for recipe in recipes] for name in recipes[0]}
    return {name: max(dict.fromkeys(values), key=values.count) for name, values in columns.items()}


_SYMBOLS = {
    "model.length": "L = {}",
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
    return ", ".join(
        _SYMBOLS.get(name, f"{name.rsplit('.', 1)[-1]} {{}}").format(_value(recipe[name])) for name in other
    )


def _value(value: Any) -> str:
    """A value for people; of a list of temperatures the ends of every stretch without a hole of more than 1."""
    if isinstance(value, list) and value:
        holes = [at for at in range(1, len(value)) if value[at] - value[at - 1] > 1]
        stretches = [value[first:end] for first, end in zip([0, *holes], [*holes, len(value)], strict=True)]
        return " and ".join(f"{one[0]:g}..{one[-1]:g}" if len(one) > 1 else f"{one[0]:g}" for one in stretches)
    return f"{value:g}" if isinstance(value, float) else str(value)
