"""A machine: an autoencoder whose way back has the weights of its way in."""

import equinox as eqx
import jax
import jax.numpy as jnp

import rbmflow as rf


@rf.machine("tied autoencoder", recipe="Reconstruction")
class TiedAutoencoder(eqx.Module):
    weights: jax.Array
    shape: tuple = eqx.field(static=True)

    def __init__(self, key, model, settings):
        self.shape = model.lattice.shape
        self.weights = 0.1 * jax.random.normal(key, (model.lattice.sites, settings.hidden))

    def fields(self, rows):
        return jnp.tanh(rows @ self.weights) @ self.weights.T

    def logits(self, key, spins):  # What the recipe asks for: [sample, site, state].
        fields = self.fields(spins.reshape(len(spins), -1).astype(jnp.float32))
        return jnp.stack([-fields, fields], axis=-1)

    def start(self, spins):
        return jnp.asarray(spins.reshape(len(spins), -1), jnp.float32)

    def step(self, key, state):
        up = jax.random.bernoulli(key, jax.nn.sigmoid(2 * self.fields(state)))
        rows = jnp.where(up, 1, -1)
        return rows.astype(jnp.float32), rows.astype(jnp.int8).reshape(-1, *self.shape)
