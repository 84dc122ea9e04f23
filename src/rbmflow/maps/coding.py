"""What maps that go through a code have in common: labels as numbers, and configurations drawn from what is decoded."""

from __future__ import annotations

import abc
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int8

from rbmflow._types import Key
from rbmflow.settings import OutputName


class Coder(eqx.Module):
    """A network that encodes configurations of a lattice, decodes them, and draws the next ones from the result.

    A site is -1 or +1 where the model has two states, else one of its labels in a one-hot code. Of `output`, "sampled"
    draws every site from its softmax, "rounded" takes the most probable label, and "mean" hands the means on, from
    which the configurations of the flow are drawn. `flipped` is the fraction of sites that get a random label first.
    """

    encoder: eqx.nn.MLP
    decoder: eqx.nn.MLP
    states: tuple[int, ...] = eqx.field(static=True)
    shape: tuple[int, ...] = eqx.field(static=True)
    output: OutputName = eqx.field(static=True)
    flipped: float = eqx.field(static=True)

    @abc.abstractmethod
    def code(self, key: Key, numbers: Float[Array, "n number"]) -> Float[Array, "n code"]:
        """The code of configurations as numbers."""

    def numbers(self, probabilities: Float[Array, "n site state"]) -> Float[Array, "n number"]:
        """Configurations, or their means, as the network sees them."""
        own = probabilities[..., 1:] * 2 - 1 if len(self.states) == 2 else probabilities
        return own.reshape(len(own), -1)

    def certain(self, spins: Int8[Any, "n *lattice"]) -> Float[Array, "n site state"]:
        """Probabilities of the labels of configurations that are known."""
        return one_hot(spins, self.states)

    def decoded(self, code: Float[Array, "n code"]) -> Float[Array, "n site state"]:
        """Logarithms of the probabilities of every label at every site."""
        fields = jax.vmap(self.decoder)(code)
        fields = fields.reshape(len(code), int(np.prod(self.shape)), -1)
        if len(self.states) == 2:
            fields = jnp.concatenate([-fields, fields], axis=-1)
        return jax.nn.log_softmax(fields)

    def logits(self, key: Key, spins: Int8[Any, "n *lattice"]) -> Float[Array, "n site state"]:
        """Logarithms of the probabilities that are decoded from configurations."""
        return self.decoded(self.code(key, self.numbers(self.certain(spins))))

    def start(self, spins: Int8[Any, "chain *lattice"]) -> Any:
        """The configurations, each label with certainty."""
        return self.certain(spins)

    def step(self, key: Key, state: Any) -> tuple[Any, Int8[Array, "chain *lattice"]]:
        """Encode, decode, and draw, round or hand on."""
        for_noise, for_labels, for_code, for_output = jax.random.split(key, 4)
        if self.flipped:
            hit = jax.random.bernoulli(for_noise, self.flipped, state.shape[:2])
            noise = jax.random.randint(for_labels, state.shape[:2], 0, len(self.states))
            state = jnp.where(hit[..., None], jax.nn.one_hot(noise, len(self.states)), state)
        return self.drawn(for_output, self.decoded(self.code(for_code, self.numbers(state))))

    def drawn(
        self, key: Key, log_probability: Float[Array, "chain site state"]
    ) -> tuple[Float[Array, "chain site state"], Int8[Array, "chain *lattice"]]:
        """What goes on, and the configurations: drawn, rounded, or drawn from means that go on."""
        rounded = self.output == "rounded"
        drawn = jnp.argmax(log_probability, -1) if rounded else jax.random.categorical(key, log_probability)
        spins = jnp.asarray(self.states, jnp.int8)[drawn].reshape(len(drawn), *self.shape)
        onward = jnp.exp(log_probability) if self.output == "mean" else jax.nn.one_hot(drawn, len(self.states))
        return onward, spins


def one_hot(spins: Int8[Any, "n *lattice"], states: tuple[int, ...]) -> Float[Array, "n site state"]:
    """1 for the label that every site has, 0 for the others."""
    rows = jnp.reshape(jnp.asarray(spins), (len(spins), -1))
    return jnp.stack([rows == state for state in states], axis=-1).astype(jnp.float32)


def sizes(states: tuple[int, ...], shape: tuple[int, ...]) -> int:
    """Numbers that stand for a configuration."""
    return int(np.prod(shape)) * (1 if len(states) == 2 else len(states))
