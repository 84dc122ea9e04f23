"""The denoiser: a network that guesses configurations from noisy ones, at one noise level a step."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int8

from rbmflow._doors import AnyKey, key_of
from rbmflow._types import Key
from rbmflow.maps.coding import Coder, sizes
from rbmflow.maps.machine_kind import machine
from rbmflow.model import Model
from rbmflow.settings import MachineSettings, NoiseName


class Denoiser(Coder):
    r"""Noise, then a guess of what was there before it.

    .. math:: \tilde v \sim r_f(\tilde v|v), \qquad v' \sim p_f(v'|\tilde v).

    A fraction f of the sites is hit: "flipped" gives each a random label, so that nothing tells which they are, and all
    sites are guessed; "masked" takes the labels away, and the other sites stay as they are. Iteration t has the level
    :math:`f_t` of `noise_levels`, the last one from there on. The network is told the level, and learns all of them at
    once, each configuration at one drawn for it; see `Coder` for its parts. Where sites are independent, the perfect
    guess :math:`p_f(v'|\tilde v) \propto p(v')\, r_f(\tilde v|v')` leaves their law p as it is.

    References
    ----------
    P. Vincent, H. Larochelle, I. Lajoie, Y. Bengio, P.-A. Manzagol, J. Mach. Learn. Res. 11, 3371 (2010); J. Austin,
    D. D. Johnson, J. Ho, D. Tarlow, R. van den Berg, NeurIPS 2021, arXiv:2107.03006 (levels of both kinds of noise).
    """

    noise: NoiseName = eqx.field(static=True)
    noise_levels: tuple[float, ...] = eqx.field(static=True)

    @classmethod
    def random(cls, key: AnyKey, model: Model, settings: MachineSettings) -> Denoiser:
        """Untrained networks with `hidden` code units, and hidden layers of `width` units, `depth` on each side."""
        for_encoder, for_decoder = jax.random.split(key_of(key))
        numbers, inner = sizes(model.states, model.lattice.shape), (settings.width, settings.depth)
        encoder = eqx.nn.MLP(
            numbers + 1, settings.hidden, *inner, jax.nn.tanh, final_activation=jax.nn.tanh, key=for_encoder
        )
        decoder = eqx.nn.MLP(settings.hidden, numbers, *inner, jax.nn.tanh, key=for_decoder)
        about = model.states, model.lattice.shape, settings.output, 0.0
        return cls(encoder, decoder, *about, settings.noise, settings.noise_levels)

    def code(self, key: Key, numbers: Float[Array, "n number"]) -> Float[Array, "n code"]:
        """Activations of the code units, of configurations and their noise levels."""
        return jax.vmap(self.encoder)(numbers)

    def guess(
        self, key: Key, state: Float[Array, "n site state"], level: Float[Array, " n"]
    ) -> Float[Array, "n site state"]:
        """Logarithms of the probabilities that are guessed from configurations after noise of these levels."""
        for_sites, for_labels = jax.random.split(key)
        hit = jax.random.bernoulli(for_sites, level[:, None], state.shape[:2])[..., None]
        kinds = state.shape[2]
        if self.noise == "masked":
            noisy = jnp.where(hit, 1 / kinds, state)
        else:
            labels = jax.random.randint(for_labels, state.shape[:2], 0, kinds)
            noisy = jnp.where(hit, jax.nn.one_hot(labels, kinds), state)
        numbers = jnp.concatenate([self.numbers(noisy), level[:, None]], axis=1)
        guessed = self.decoded(self.code(key, numbers))
        # Finite, so that certain labels have no part in a cross-entropy and its gradient.
        known = jnp.log(jnp.maximum(state, jnp.finfo(state.dtype).tiny))
        return jnp.where(hit, guessed, known) if self.noise == "masked" else guessed

    def logits(self, key: Key, spins: Int8[Any, "n *lattice"]) -> Float[Array, "n site state"]:
        """Logarithms of the probabilities that are guessed from configurations, each at a level drawn for it."""
        for_level, for_noise = jax.random.split(key)
        level = jax.random.choice(for_level, jnp.asarray(self.noise_levels), (len(spins),))
        return self.guess(for_noise, self.certain(spins), level)

    def start(self, spins: Int8[Any, "chain *lattice"]) -> Any:
        """The configurations, each label with certainty, and no iteration yet."""
        return self.certain(spins), jnp.zeros((), jnp.int32)

    def step(self, key: Key, state: Any) -> tuple[Any, Int8[Array, "chain *lattice"]]:
        """Noise of the level of this iteration, and draw, round or hand on what is guessed."""
        here, done = state
        for_noise, for_output = jax.random.split(key)
        # An index beyond the last one is the last one.
        level = jnp.broadcast_to(jnp.asarray(self.noise_levels)[done], len(here))
        onward, spins = self.drawn(for_output, self.guess(for_noise, here, level))
        return (onward, done + 1), spins


machine("denoiser", recipe="Reconstruction")(Denoiser.random)
