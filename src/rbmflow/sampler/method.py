"""What a way to draw configurations is, and what a Markov chain asks of its update."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from jaxtyping import Array, Float, Int8, UInt32

from rbmflow._types import Key
from rbmflow.critical import temperature_scale
from rbmflow.exact.infinite import correlation_length, critical_temperature
from rbmflow.model import Model, no_square_ising
from rbmflow.sampler.multispin import aligned_bonds_and_up_spins, unpack

POINTS = 32
"""Most states that are recorded at a time."""
RECORD_BYTES = 2**27
"""Most that they take."""


class Method:
    """A way to draw configurations, as a value."""

    name: ClassVar[str]

    def refusal(self, model: Model) -> str | None:
        """Why this method cannot draw from the model, or None if it can."""
        return no_square_ising(model)


class ExactMethod(Method):
    """A method that draws independent configurations."""

    def seconds(self, model: Model, temperature: float, draws: int) -> float:
        """Rough CPU time of draws at one temperature, infinite where it cannot draw."""
        raise NotImplementedError

    def draw(
        self, generator: np.random.Generator, model: Model, temperature: float, draws: int
    ) -> Int8[np.ndarray, "draw *lattice"]:
        """Independent configurations at one temperature in J/k_B, neither 0 nor infinity."""
        raise NotImplementedError


class ChainMethod(Method):
    """A method that moves Markov chains."""

    bundle: ClassVar[int]
    """Replicas that a CPU moves together."""

    def sweep(self, model: Model, temperature: float) -> Kernel:
        """The compiled update at a temperature above 0."""
        raise NotImplementedError

    def expected(self, model: Model, temperature: float) -> tuple[float, float]:
        """Autocorrelation time in steps and CPU seconds of a step of one replica, roughly; temperature above 0."""
        raise NotImplementedError


def as_of_square(model: Model, temperature: float) -> float:
    """Temperature of the square Ising model with the same T / T_c, roughly."""
    return temperature * critical_temperature() / temperature_scale(model)


def extent(model: Model, temperature: float) -> float:
    """Side of the largest domains, about: what slows down chains. A field ends them, at T_c as |h|^(-8/15).

    Correlation lengths are taken from the square lattice at the same T / T_c.
    """
    lattice = model.lattice
    side = min(lattice.cells) * lattice.basis ** (1 / len(lattice.cells))
    length = min(side, 3 * correlation_length(as_of_square(model, temperature)))
    return min(length, abs(model.field) ** (-8 / 15)) if model.field else length


class Kernel:
    """A Markov update at one temperature on replicas, whose spins are the bits of words unless it says otherwise."""

    model: Model

    @property
    def bundle(self) -> int:
        """Replicas that are moved by one call."""
        raise NotImplementedError

    @property
    def points(self) -> int:
        """States of a bundle that are recorded by one call."""
        return max(1, min(POINTS, RECORD_BYTES // (self.model.lattice.sites * self.bundle // 8)))

    def start(self, key: Key, replicas: int, first: Int8[np.ndarray, " replica"] | None) -> Any:
        """The first state: all sites of a replica have its label, or (None) random ones in all."""
        raise NotImplementedError

    def advance(self, state: Any, count: int) -> Any:
        """The state `count` steps later, the same bits however steps are divided into calls."""
        raise NotImplementedError

    def record(self, state: Any, every: int, count: int) -> tuple[Any, UInt32[Array, "site point word"]]:
        """The state after `count` (at most `points`) times `every` steps, and the spins after each of these times."""
        raise NotImplementedError

    def planes(self, state: Any) -> UInt32[Array | np.ndarray, "site word"]:
        """The spins in the order of the lattice, 32 replicas a word."""
        raise NotImplementedError

    def spins(self, planes: UInt32[Array | np.ndarray, "site ..."]) -> Int8[np.ndarray, "replica *lattice"]:
        """Configurations of the replicas of all words."""
        return np.asarray(unpack(planes)).reshape(-1, *self.model.lattice.shape)

    def observe(self, planes: UInt32[Array | np.ndarray, "site ..."]) -> Float[np.ndarray, "2 replica"]:
        """Energy and magnetization per site of the replicas of all words."""
        lattice, coupling = self.model.lattice, self.model.coupling
        aligned, up = aligned_bonds_and_up_spins(planes, lattice)
        magnetization = 2 * np.asarray(up, float) / lattice.sites - 1
        bonds = (2 * np.asarray(aligned, float) - lattice.sites // lattice.basis * len(lattice.bonds)) / lattice.sites
        return np.stack([-coupling * bonds - self.model.field * magnetization, magnetization])
