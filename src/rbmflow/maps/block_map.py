"""Block spins as a map: a renormalization step, and its embedding in the lattice that it came from."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Int8

from rbmflow._checks import Problems
from rbmflow._types import Key
from rbmflow.maps.machine_kind import machine
from rbmflow.model import Model
from rbmflow.renormalization import majority_rule
from rbmflow.settings import MachineSettings


class BlockSpins(eqx.Module):
    """The majority rule on blocks of cells, and every block filled with its spin: a control that learns nothing.

    From the second iteration on nothing moves, since a block of equal spins is its own majority.

    Parameters
    ----------
    block
        Cells of a block along each side.
    model
        The model of the spins, where these are no Ising spins on a square lattice.

    Raises
    ------
    InvalidInput
        If there is no such block, or no such model.
    """

    block: int = eqx.field(static=True, default=2)
    model: Model | None = eqx.field(static=True, default=None)

    def __check_init__(self):
        problems = Problems()
        problems.whole("block", self.block, 2)
        problems.kind("model", self.model, (Model, type(None)), "model, such as ising(square(10))")
        problems.done()

    @property
    def states(self) -> tuple[int, ...]:
        """Labels of the states."""
        return (-1, 1) if self.model is None else self.model.states

    @property
    def shape(self) -> tuple[int, ...] | None:
        """Shape of the lattice, if a model has told it."""
        return None if self.model is None else self.model.lattice.shape

    def start(self, spins: Int8[Any, "chain *lattice"]) -> Int8[Array, "chain *lattice"]:
        """The configurations themselves."""
        return jnp.asarray(spins)

    def step(
        self, key: Key, state: Int8[Array, "chain *lattice"]
    ) -> tuple[Int8[Array, "chain *lattice"], Int8[Array, "chain *lattice"]]:
        """Block and embed."""
        filled = majority_rule(key, state, self.block, self.model)
        for axis in range(1, 3 if self.model is None else 1 + len(self.model.lattice.cells)):
            filled = jnp.repeat(filled, self.block, axis=axis)
        return filled, filled


@machine("block spins")
def block_spins(key: Key, model: Model, settings: MachineSettings) -> BlockSpins:
    """The map of a spec, which has no settings."""
    return BlockSpins(model=model)
