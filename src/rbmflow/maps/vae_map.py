"""The variational autoencoder: Gaussian latent variables, learnt from a bound of the likelihood."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from rbmflow._doors import AnyKey, key_of
from rbmflow._types import Key
from rbmflow.maps.coding import Coder, sizes
from rbmflow.maps.machine_kind import machine
from rbmflow.model import Model
from rbmflow.settings import MachineSettings


class VAE(Coder):
    r"""Latent variables :math:`z \sim N(\mu(v), \sigma^2(v))`, then :math:`v' \sim p(v' | z)`, see `Coder`.

    References
    ----------
    D. P. Kingma, M. Welling, ICLR 2014, arXiv:1312.6114.
    """

    @classmethod
    def random(cls, key: AnyKey, model: Model, settings: MachineSettings) -> VAE:
        """Untrained networks with `hidden` latent variables, and hidden layers of `width` units, `depth` a side."""
        for_encoder, for_decoder = jax.random.split(key_of(key))
        numbers, inner = sizes(model.states, model.lattice.shape), (settings.width, settings.depth)
        encoder = eqx.nn.MLP(numbers, 2 * settings.hidden, *inner, jax.nn.tanh, key=for_encoder)
        decoder = eqx.nn.MLP(settings.hidden, numbers, *inner, jax.nn.tanh, key=for_decoder)
        return cls(encoder, decoder, model.states, model.lattice.shape, settings.output, settings.flipped)

    def latent(self, numbers: Float[Array, "n number"]) -> tuple[Float[Array, "n code"], Float[Array, "n code"]]:
        """Means and logarithms of the standard deviations of the latent variables."""
        mean, log_width = jnp.split(jax.vmap(self.encoder)(numbers), 2, axis=-1)
        return mean, log_width

    def code(self, key: Key, numbers: Float[Array, "n number"]) -> Float[Array, "n code"]:
        """Latent variables drawn for every configuration."""
        mean, log_width = self.latent(numbers)
        return mean + jnp.exp(log_width) * jax.random.normal(key, mean.shape)

    def divergence(self, numbers: Float[Array, "n number"]) -> Float[Array, " n"]:
        r"""Nats from the latent variables to the prior, :math:`\sum (\sigma^2 + \mu^2 - 1 - 2 \ln \sigma) / 2`."""
        mean, log_width = self.latent(numbers)
        return 0.5 * jnp.sum(jnp.exp(2 * log_width) + mean**2 - 1 - 2 * log_width, axis=-1)


machine("vae", recipe="ELBO")(VAE.random)
