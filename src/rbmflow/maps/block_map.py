"""Block spins as a map: a renormalization step, and its embedding in the lattice that it came from."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Int8

from rbmflow._types import Key
from rbmflow.maps.kinds import machine
from rbmflow.model import Model
from rbmflow.renormalization import majority_rule
from rbmflow.settings import MachineSettings


class BlockSpins(eqx.Module):
    """The majority rule on blocks of two by two, and every block filled with its spin: a control that learns nothing.

    From the second iteration on nothing moves, since a block of equal spins is its own majority.
    """

    block: int = eqx.field(static=True, default=2)

    def start(self, spins: Int8[Any, "chain y x"]) -> Int8[Array, "chain y x"]:
        """The configurations themselves."""
        return jnp.asarray(spins)

    def step(self, key: Key, state: Int8[Array, "chain y x"]) -> tuple[Int8[Array, "chain y x"], Any]:
        """Block and embed."""
        blocked = majority_rule(key, state, self.block)
        filled = jnp.repeat(jnp.repeat(blocked, self.block, axis=-1), self.block, axis=-2)
        return filled, filled


@machine("block spins")
def block_spins(key: Key, model: Model, settings: MachineSettings) -> BlockSpins:
    """The map of a spec, which has no settings."""
    return BlockSpins()
