"""How a value with its error, a machine, and what keeps it from a T* are written, everywhere."""

import math
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import numpy as np

from rbmflow.settings import GIVEN


def with_error(value: float, error: float) -> str:
    """Write a value with its error in parentheses, two digits of it: 2.412(15) is 2.412 ± 0.015."""
    if math.isnan(value):
        return "no reading"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    if not math.isfinite(error):
        return f"{value:z.3f}({'n/a' if math.isnan(error) else 'inf'})"
    if error < 5e-7:
        return f"{value:z.3f}(0)"
    decimals = max(0, 1 - int(f"{error:.1e}".split("e")[1]))
    if decimals <= 1:
        return f"{value:z.{decimals}f}({error:.{decimals}f})"
    return f"{value:z.{decimals}f}({round(error * 10**decimals)})"


def stretches(temperatures: Iterable[float]) -> str:
    """Write temperatures, to four digits, by the ends of every stretch without a hole of more than 1.

    Examples
    --------
    >>> stretches([0, 0.5, 1, 4, 5])
    '0..1 and 4..5'
    >>> stretches([2.269185, 3, 3.5, 6.01334])
    '2.269..3.5 and 6.013'
    """
    values = np.array(list(temperatures), float)
    parts = np.split(values, np.flatnonzero(np.diff(values) > 1) + 1)
    return " and ".join("..".join(f"{end:.4g}" for end in dict.fromkeys((part[0], part[-1]))) for part in parts)


def made_of(recipe: Mapping[str, Any]) -> str:
    """Write what a machine has learnt from and its size, as it is told beside its name for the first time.

    Examples
    --------
    >>> made_of({"machine.hidden": 64, "temperatures": [4, 5, 6], "sampling.temperatures": [0, 2, 4, 5, 6]})
    'T = 4..6, 64 hidden'
    >>> made_of({"machine.kind": "given 1f0", "temperatures": [0, 1], "sampling.temperatures": [0, 1]})
    "all T, a map of one's own"
    """
    weights, data, learnt = recipe.get("weights", "trained"), recipe.get("data", "ising"), recipe["temperatures"]
    every = learnt == recipe.get("sampling.temperatures") and learnt[0] == 0
    grid = "all T" if every else f"T = {stretches(learnt)}"
    told = [grid if weights == "trained" else f"{weights} weights", _network(recipe)]
    return ", ".join(told if data == "ising" else [data, *told])


def _network(recipe: Mapping[str, Any]) -> str:
    """What a machine is: its hidden units, of an RBM; its kind; of what is judged a map of one's own."""
    kind = recipe.get("machine.kind", "rbm")
    if kind == "rbm":
        return f"{recipe['machine.hidden']} hidden"
    return "a map of one's own" if kind.startswith(GIVEN) else kind


def why_moving(
    doubts: Collection[str], apart: tuple[float, float], drifts: Iterable[tuple[float, float]], errors: float = 3.0
) -> str:
    """Say why flows have not converged: of the `convergence.DOUBTS` that there are the one that tells most.

    `apart` is the difference of the starts and `drifts` the motion of each, with errors: what is not shown to be small
    need not be large.
    """
    if "range" in doubts:
        return "not converged: infinite readings"
    if "apart" in doubts and abs(apart[0]) > errors * apart[1]:
        return "not converged: cold and hot differ"
    if "drift" in doubts and any(abs(value) > errors * error for value, error in drifts):
        return "not converged: still moving"
    return "not converged: " + (
        "no motion is seen, but the errors would hide it" if {"apart", "drift"} & set(doubts) else "starts on one side"
    )
