"""What a map is."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Int8

from rbmflow._checks import Problems
from rbmflow._types import Key
from rbmflow.maps.gibbs_map import Gibbs
from rbmflow.rbm import RBM


@runtime_checkable
class Map(Protocol):
    """What `iterate` takes: configurations int8 [chain, lattice ...] to a state, and states to the next configurations.

    A map may also say

    - `states`, the labels that it returns, where they are not the Ising spins -1 and +1;
    - `shape`, that of the only lattice that it fits, or None;
    - `seeded(key, state)`, the state with random numbers of its own for the whole flow, called once before the first
      step. Its steps then leave their keys alone;
    - `compiled = False` if a step must see arrays of NumPy, outside any compiled loop.

    Arrays that decide what it does belong on leaves, as those of an `equinox.Module` are.
    """

    def start(self, spins: Int8[np.ndarray, "chain *lattice"]) -> Any:
        """State of a flow at its start, a pytree of arrays whose shapes no step changes."""
        ...

    def step(self, key: Key, state: Any) -> tuple[Any, Int8[Array | np.ndarray, "chain *lattice"]]:
        """The next state, and its configurations; the key is one for this iteration alone."""
        ...


def map_of(given: Any) -> Map:
    """A map: a machine stands for its Gibbs steps, and anything else must have the two methods of `Map`."""
    if isinstance(given, RBM):
        return Gibbs(given)
    methods = isinstance(given, Map) and not isinstance(given, type)
    allowed = "it must be a machine, or have the methods start(spins) and step(key, state)"
    Problems.only(methods, "map", type(given).__name__, allowed)
    numbers = jax.tree.leaves(eqx.filter(given, eqx.is_inexact_array))
    finite = all(np.isfinite(leaf).all() for leaf in numbers)
    Problems.only(finite, "map", "weights that are not finite", "its training must not have diverged")
    return given
