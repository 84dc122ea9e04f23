"""Any function on NumPy arrays as a map, such as one that asks a model of PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Int8

from rbmflow._checks import Problems
from rbmflow._types import Key
from rbmflow.random import host_generator


class _Host:
    compiled: ClassVar[bool] = False

    def __init__(self, function: Callable[[np.random.Generator, np.ndarray], Any], states: tuple[int, ...]):
        self.function, self.states = function, states

    def start(self, spins: Int8[np.ndarray, "chain *lattice"]) -> np.ndarray:
        return spins

    def step(self, key: Key, state: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        told = self.function(host_generator(key), state.copy())
        Problems.only(told is not None, "function", None, "it must return the next configurations")
        spins = np.asanyarray(told.detach().cpu() if hasattr(told, "detach") else told)
        return spins, spins


def host(function: Callable[[np.random.Generator, np.ndarray], Any], states: Sequence[int] = (-1, 1)) -> _Host:
    """A map that calls `function(generator, spins)` at every iteration, outside all that JAX compiles.

    Parameters
    ----------
    function
        Gets a NumPy generator, seeded anew for every iteration, and configurations int8 [chain, lattice ...]; returns
        the next ones, as an array of NumPy or JAX or a tensor of PyTorch. What it draws elsewhere does not come again
        with the same key.
    states
        Labels of the model.

    Examples
    --------
    >>> import rbmflow as rf
    >>> turned = rf.host(lambda generator, spins: -spins)
    >>> rf.iterate(0, turned, rf.cold(1, rf.ising(rf.square(4)), 5), 2).spins.shape
    (5, 4, 4)
    """
    problems = Problems()
    problems.unless(callable(function), "function", function, "it must be a function of a NumPy generator and spins")
    labels = problems.wholes("states", states, -128, 127)
    problems.done()
    return _Host(function, labels)
