"""What a way to draw configurations is, and what a Markov chain asks of its update."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from jaxtyping import Array, Bool, Float, Int8, UInt32

from rbmflow._types import Key
from rbmflow.model import Model, no_square_ising
from rbmflow.sampler.multispin import aligned_bonds_and_up_spins, unpack


class Method:
    """A way to draw configurations, as a value."""

    name: ClassVar[str]

    def refusal(self, model: Model) -> str | None:
        """Why this method cannot draw from the model, or None if it can."""
        return no_square_ising(model)


class ChainMethod(Method):
    """A method that moves Markov chains."""

    def sweep(self, model: Model, temperature: float) -> Kernel:
        """The compiled update at a temperature above 0."""
        raise NotImplementedError


class Kernel:
    """A Markov update at one temperature on many replicas, whose spins are the bits of words."""

    word: ClassVar[int]
    """Replicas in a word: they come in multiples of it."""
    replicas: ClassVar[tuple[int, int]]
    """Fewest and most replicas that are worth running side by side."""
    model: Model

    def start(self, key: Key, replicas: int, up: Bool[np.ndarray, " replica"] | None) -> Any:
        """The first state: all spins of a replica up or down, or (None) random in all."""
        raise NotImplementedError

    def advance(self, state: Any, count: int) -> Any:
        """The state `count` steps later, the same bits however steps are divided into calls and words among cores."""
        raise NotImplementedError

    def planes(self, state: Any) -> UInt32[Array, "site word"]:
        """The spins in the order of the lattice, 32 replicas a word."""
        raise NotImplementedError

    def spins(self, state: Any) -> Int8[np.ndarray, "replica y x"]:
        """Configurations of all replicas."""
        return np.asarray(unpack(self.planes(state))).reshape(-1, *self.model.lattice.shape)

    def observe(self, state: Any) -> tuple[Float[np.ndarray, " replica"], Float[np.ndarray, " replica"]]:
        """Energy and magnetization per site of all replicas."""
        sites = self.model.lattice.sites
        aligned, up = aligned_bonds_and_up_spins(self.planes(state).reshape(*self.model.lattice.shape, -1))
        magnetization = 2 * np.asarray(up, float) / sites - 1
        return 2 - 2 * np.asarray(aligned, float) / sites - self.model.field * magnetization, magnetization
