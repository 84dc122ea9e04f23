"""What theory says of a training beforehand; the rules were written before the study was run."""

import math
from collections.abc import Sequence

import numpy as np

from rbmflow.claims.declaration import claim
from rbmflow.claims.judgement import Judgement, Measured, Side, all_of, within
from rbmflow.claims.machines import Machine
from rbmflow.claims.rules import each

AGREEMENT = 0.1
"""Window of a predicted T*, in J/k_B: half of what CD and exact gradients are apart at L = 4."""

SWINGING = 0.5
"""Part of the learning rate at which the uniform wave is no longer stable, up to which trainings are judged."""

FEWEST = 3
"""Checkpoints within the range of the training temperatures, of which there must be so many."""


@claim(
    id="law-predicted",
    words="T* of the stationary law along a training follows from the data and the first weights, nothing being fitted",
    source="this study",
    needs=("predicted_temperature_mean", "predicted_rate", "checkpoint_stationary_temperature_mean"),
    figure=("predicted_law", "study_predicted"),
)
def law_predicted(machines: Sequence[Machine]) -> list[Judgement]:
    """T* of p(v) against its prediction at all checkpoints where the latter is within the training temperatures, three
    or more, of machines on the square whose rate is at most half of the largest stable one there, or by CD, of which
    that is not known. Supports: within 0.1 at each. Contradicts: outside that by more than its error at one of them.
    """

    def rule(machine: Machine) -> tuple[Side, str]:
        away = _differences(machine)
        side = all_of(within(one, 0.0, AGREEMENT) for one in away)
        furthest = max(away, key=lambda one: abs(one.value))
        mean = math.sqrt(np.mean([one.value**2 for one in away]))
        return side, f"furthest {furthest}, root mean square {mean:.3f}, {len(away)} checkpoints"

    of_square = [machine for machine in machines if machine.is_of_square_ising]
    return each([m for m in of_square if len(_differences(m)) >= FEWEST and _is_stable(m)], rule)


def _differences(machine: Machine) -> list[Measured]:
    """Measured minus predicted T* at every checkpoint that is judged."""
    if "predicted_temperature_mean" not in machine.results:
        return []
    star = "checkpoint_stationary_temperature_mean"
    names = ("predicted_temperature_mean", "predicted_temperature_error", star, f"{star}_error")
    rows = [machine.results[name].values for name in names]
    low, high = machine.temperatures[0], machine.temperatures[-1]
    return [
        Measured(float(star - theory), float(math.hypot(error, spread)), machine.seeds - 1)
        for theory, spread, star, error in zip(*rows, strict=True)
        if low <= theory <= high and math.isfinite(star)
    ]


def _is_stable(machine: Machine) -> bool:
    """Whether the learning rate is small enough for the mean gradient to be followed."""
    largest = machine.results["predicted_rate"].values
    smallest = np.nanmin(largest) if np.isfinite(largest).any() else math.inf
    return bool(machine.recipe["training.learning_rate"] <= SWINGING * smallest)
