"""Gibbs chains of a machine: their random numbers and their steps."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float, UInt32

from rbmflow._types import Key
from rbmflow.random import Generator, Streams, split
from rbmflow.rbm import RBM


class GibbsNoise(eqx.Module):
    """The random numbers of a batch of Gibbs chains: one lane a hidden unit or site, and chain."""

    hidden: Generator
    visible: Generator

    @classmethod
    def seeded(cls, key: Key, machine: RBM, chains: int) -> GibbsNoise:
        """Generators of so many chains of a machine."""
        return cls(*_of_layers(Generator, key, machine, chains))


class GibbsStreams(eqx.Module):
    """The random numbers of a batch of chains as a function of a count, all that is carried; see `Streams`."""

    hidden: Streams
    visible: Streams
    count: UInt32[Array, ""]

    @classmethod
    def seeded(cls, key: Key, machine: RBM, chains: int) -> GibbsStreams:
        """Streams of so many chains of a machine, at count 0."""
        return cls(*_of_layers(Streams, key, machine, chains), jax.device_put(np.uint32(0)))

    def now(self) -> GibbsNoise:
        """Generators of this count."""
        return GibbsNoise(self.hidden.at(self.count), self.visible.at(self.count))

    def next(self) -> GibbsStreams:
        """The same streams one count later."""
        return GibbsStreams(self.hidden, self.visible, self.count + 1)


def _of_layers[R: (Generator, Streams)](kind: type[R], key: Key, machine: RBM, chains: int) -> tuple[R, R]:
    """Random numbers for the hidden units and the sites of every chain."""
    for_hidden, for_visible = split(key)
    sites, hidden = machine.sites, machine.weights.shape[1]
    return kind.seeded(for_hidden, (chains, hidden)), kind.seeded(for_visible, (chains, sites))


def sample_hidden(
    machine: RBM, noise: GibbsNoise, fields: Float[Array, "chain hidden"]
) -> tuple[GibbsNoise, Float[Array, "chain hidden"]]:
    """Draw h from p(h | v), given the hidden fields of v."""
    generator, symmetric = noise.hidden.symmetric()
    return GibbsNoise(generator, noise.visible), machine.hidden_units.sample(fields, symmetric)


def sample_visible(
    machine: RBM, noise: GibbsNoise, hidden: Float[Array, "chain hidden"]
) -> tuple[GibbsNoise, Float[Array, "chain visible"]]:
    """Draw v from p(v | h)."""
    generator, symmetric = noise.visible.symmetric()
    return GibbsNoise(noise.hidden, generator), machine.units.sample(machine.visible_fields(hidden), symmetric)


MOST_UNROLLED = 16
"""Gibbs steps up to which each of them is compiled; more are a loop."""


def gibbs_steps(
    machine: RBM,
    noise: GibbsNoise,
    visible: Float[Array, "chain visible"],
    fields: Float[Array, "chain hidden"],
    steps: int,
) -> tuple[GibbsNoise, Float[Array, "chain visible"], Float[Array, "chain hidden"]]:
    """Go k steps v -> h -> v' from v and its hidden fields; the fields returned are those of the last v'."""

    def step(_: Any, state: tuple) -> tuple:
        noise, _, fields = state
        noise, hidden = sample_hidden(machine, noise, fields)
        noise, visible = sample_visible(machine, noise, hidden)
        # Without it the compiler draws the same numbers again wherever the configurations are read.
        visible = jax.lax.optimization_barrier(visible)
        return noise, visible, machine.hidden_fields(visible)

    state = noise, visible, fields
    if steps > MOST_UNROLLED:
        return jax.lax.fori_loop(0, steps, step, state)
    for number in range(steps):
        state = step(number, state)
    return state
