"""Recipes for maps that are not RBMs: losses whose gradient is that of the network."""

from __future__ import annotations

import abc
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int8, UInt32

from rbmflow._checks import Problems
from rbmflow._types import Key
from rbmflow.maps.coding import one_hot
from rbmflow.training.estimator import Estimator, recipe


class Loss(Estimator):
    """A recipe that makes a function of a map and a batch small; what is carried is a key."""

    @abc.abstractmethod
    def loss(
        self, key: Key, learner: Any, spins: Int8[Array, "sample *lattice"]
    ) -> tuple[Float[Array, ""], Float[Array, ""]]:
        """What is to be made small, and the fraction of sites that the map's most probable output changes."""

    def start(self, key: Key, machine: Any, batch: int) -> UInt32[Array, " word"]:
        """The words of a key."""
        return jax.random.key_data(key)

    def gradient(self, machine: Any, chains: UInt32[Array, " word"], visible: Array) -> tuple[Any, Any, Array]:
        """Gradient of minus the loss."""
        key, onward = jax.random.split(jax.random.wrap_key_data(chains))
        told = eqx.filter_value_and_grad(lambda learner: self.loss(key, learner, visible), has_aux=True)(machine)
        (_, changed), gradient = told
        return jax.random.key_data(onward), jax.tree.map(jnp.negative, gradient), changed


def _states(learner: Any) -> tuple[int, ...]:
    return getattr(learner, "states", (-1, 1))


def _cross_entropy(learner: Any, logits: Array, spins: Array) -> tuple[Array, Array]:
    """Mean over sites of minus the log-probability of the true labels, and the fraction of sites changed."""
    true = one_hot(spins, _states(learner))
    told = f"logits(key, spins) must return [sample, site, state], {list(true.shape)} for so many"
    Problems.only(jnp.shape(logits) == true.shape, "shape of logits", jnp.shape(logits), told)
    nats = -jnp.sum(true * jax.nn.log_softmax(logits), axis=-1)
    return jnp.mean(nats), jnp.mean(jnp.argmax(logits, -1) != jnp.argmax(true, -1), dtype=jnp.float32)


@recipe("Reconstruction")
class Reconstruction(Loss):
    """Cross-entropy of configurations and what `learner.logits(key, spins)` [sample, site, state] makes of them."""

    def loss(self, key: Key, learner: Any, spins: Array) -> tuple[Array, Array]:
        """Nats a site."""
        return _cross_entropy(learner, learner.logits(key, spins), spins)


@recipe("Denoising")
class Denoising(Loss):
    """`Reconstruction` from configurations of which a fraction of sites, the map's `flipped`, got a random label.

    P. Vincent et al., J. Mach. Learn. Res. 11, 3371 (2010).
    """

    def loss(self, key: Key, learner: Any, spins: Array) -> tuple[Array, Array]:
        """Nats a site."""
        for_sites, for_labels, for_code = jax.random.split(key, 3)
        hit = jax.random.bernoulli(for_sites, learner.flipped, spins.shape)
        labels = jnp.asarray(_states(learner), spins.dtype)
        noisy = jnp.where(hit, jax.random.choice(for_labels, labels, spins.shape), spins)
        return _cross_entropy(learner, learner.logits(for_code, noisy), spins)


@recipe("ELBO")
class ELBO(Loss):
    r"""Minus the bound :math:`E[\ln p(v|z)] - D(q(z|v) \| p(z))` of a `VAE`, in nats a site."""

    def loss(self, key: Key, learner: Any, spins: Array) -> tuple[Array, Array]:
        """Nats a site."""
        numbers = learner.numbers(learner.certain(spins))
        nats, changed = _cross_entropy(learner, learner.decoded(learner.code(key, numbers)), spins)
        sites = spins.reshape(len(spins), -1).shape[1]
        return nats + jnp.mean(learner.divergence(numbers)) / sites, changed
