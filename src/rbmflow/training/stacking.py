"""Greedy training of a stack: each machine learns from hidden units that the one below draws of its data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from rbmflow._checks import Problems
from rbmflow._doors import AnyKey, Configurations, rows_of
from rbmflow._own_settings import own_settings
from rbmflow._types import Key
from rbmflow.gibbs import GibbsNoise, sample_hidden
from rbmflow.maps.stack_map import Stack
from rbmflow.random import fold_in, key_for, split
from rbmflow.rbm import RBM
from rbmflow.training.history import History
from rbmflow.training.train import train


@own_settings
def train_stack(
    key: AnyKey, data: Configurations, hidden: Sequence[int], **training: Any
) -> tuple[Stack, list[History]]:
    """Train machines on top of one another, each as `train` does with these arguments.

    Parameters
    ----------
    key
        The same key gives the same stack.
    data
        Configurations as `train` takes them.
    hidden
        Hidden units of every machine, the lowest first.
    training
        What `train` takes besides, the same for all.

    Raises
    ------
    InvalidInput
        As `train`, or if there are no hidden units.

    Examples
    --------
    >>> import rbmflow as rf
    >>> model = rf.ising(rf.square(4))
    >>> stack, histories = rf.train_stack(0, rf.sample(1, model, [2.0], 200), (8, 4), epochs=1)
    >>> rf.iterate(2, stack, rf.hot(3, model, 5), 3).spins.shape
    (5, 4, 4)
    """
    problems = Problems()
    layers = problems.wholes("hidden", hidden, 1)
    problems.unless(len(layers) > 0, "hidden", hidden, "there must be at least one layer")
    told = "hidden units, from which the upper machines learn, have none, so it must be left out"
    problems.unless(training.get("symmetries") is None, "symmetries", training.get("symmetries"), told)
    problems.done()
    whole = key_for(key, "train_stack")
    return greedily(whole, data, layers, lambda place, key, data, units: train(key, data, hidden=units, **training))


def greedily(
    key: Key,
    data: Configurations,
    hidden: Sequence[int],
    fit: Callable[[int, Key, Configurations, int], tuple[RBM, History]],
) -> tuple[Stack, list[History]]:
    """Stack of machines that `fit(place, key, data, hidden units)` trains one after the other."""
    machines, histories = [], []
    for place, units in enumerate(hidden):
        for_training, for_noise = split(fold_in(key, place))
        machine, history = fit(place, for_training, data, units)
        rows = rows_of(data, machine.sites, states=machine.units.states)
        fields = machine.hidden_fields(machine.units.from_spins(rows))
        _, drawn = sample_hidden(machine, GibbsNoise.seeded(for_noise, machine, len(rows)), fields)
        data = np.asarray(jax.device_get(machine.hidden_units.to_spins(drawn)))
        machines.append(machine)
        histories.append(history)
    return Stack(tuple(machines)), histories
