"""The autoencoder: a code in between, learnt from reconstructions."""

from __future__ import annotations

import equinox as eqx
import jax
from jaxtyping import Array, Float

from rbmflow._doors import AnyKey, key_of
from rbmflow._types import Key
from rbmflow.maps.coding import Coder, sizes
from rbmflow.maps.machine_kind import machine
from rbmflow.model import Model
from rbmflow.settings import MachineSettings


class Autoencoder(Coder):
    r"""Multilayer perceptrons to a code and back, :math:`v' \sim p(v' | g(f(v)))`, see `Coder`.

    References
    ----------
    D. Giataganas, C.-Y. Huang, F.-L. Lin, New J. Phys. 24, 043040 (2022), arXiv:2107.00734 (their flows).
    """

    @classmethod
    def random(cls, key: AnyKey, model: Model, settings: MachineSettings) -> Autoencoder:
        """Untrained networks with `hidden` code units, and hidden layers of `width` units, `depth` on each side."""
        for_encoder, for_decoder = jax.random.split(key_of(key))
        numbers, inner = sizes(model.states, model.lattice.shape), (settings.width, settings.depth)
        encoder = eqx.nn.MLP(
            numbers, settings.hidden, *inner, jax.nn.tanh, final_activation=jax.nn.tanh, key=for_encoder
        )
        decoder = eqx.nn.MLP(settings.hidden, numbers, *inner, jax.nn.tanh, key=for_decoder)
        return cls(encoder, decoder, model.states, model.lattice.shape, settings.output, settings.flipped)

    def code(self, key: Key, numbers: Float[Array, "n number"]) -> Float[Array, "n code"]:
        """Activations of the code units."""
        return jax.vmap(self.encoder)(numbers)


machine("autoencoder", recipe="Reconstruction")(Autoencoder.random)
