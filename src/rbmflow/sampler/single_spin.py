"""Single-spin updates: a spin flips with a probability given by its neighbours, in 32 replicas at once."""

from __future__ import annotations

from dataclasses import dataclass

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int8, UInt32
from scipy.special import expit

from rbmflow._types import Key
from rbmflow.model import Model, no_even_ising
from rbmflow.random import Generator, split, threefry_words
from rbmflow.sampler.colour_sweep import Bundle, ColourSweep, by_colour
from rbmflow.sampler.method import ChainMethod, extent
from rbmflow.sampler.multispin import ALL, REPLICAS, below, digits

FEW_SITES = 32
"""Sites up to which configurations that Metropolis cannot leave have a weight."""

TRIED = 0.75
"""Probability with which a move is tried there."""


class LocalSweep(ColourSweep):
    """One sweep of a single-spin update, 32 replicas in the bits of a word.

    Parameters
    ----------
    masks
        Digits of the distinct flip probabilities that are neither 0 nor 1.
    classes
        For each of these, and first for probability 1, the cases (spin, aligned neighbours) it belongs to.
    """

    masks: UInt32[Array, "probability plane"]
    classes: tuple[tuple[tuple[int, int], ...], ...] = eqx.field(static=True)

    @classmethod
    def of(cls, model: Model, flip: Float[np.ndarray, "2 aligned"]) -> LocalSweep:
        """The sweep that flips a spin with probability `flip[spin up, aligned neighbours]`."""
        values = [value for value in np.unique(flip) if 0 < value < 1]
        cases = [tuple((int(s), int(a)) for s, a in np.argwhere(flip == value)) for value in (1.0, *values)]
        return cls(model, *by_colour(model.lattice), digits(np.array(values)), tuple(cases))

    def start(self, key: Key, replicas: int, first: Int8[np.ndarray, " replica"] | None) -> Bundle:
        """The first state."""
        *keys, last = split(key, len(self.neighbours) + 1)
        shape = (self.rows.size, replicas // REPLICAS)
        if first is None:
            return self.seeded(keys, threefry_words(last, shape))
        signs = np.packbits(first > 0, bitorder="little").view(np.uint32)
        return self.seeded(keys, np.broadcast_to(signs, shape))

    def updated(self, sites: Array, colour: int, own: Array, generator: Generator) -> Array:
        """Spins flipped where the random number of their case says so."""
        aligned = _aligned(own, [sites[ends] for ends in self.neighbours[colour].T])
        drawn = [jnp.full_like(own, ALL), *below(generator, self.masks)]
        flip = jnp.zeros_like(own)
        for cases, chosen in zip(self.classes, drawn, strict=True):
            flip = flip | (chosen & _either(own, aligned, cases))
        return own ^ flip

    def planes(self, state: Bundle) -> UInt32[Array, "site word"]:
        """The spins in the order of the lattice."""
        return state.sites[self.rows]


def _aligned(spins: Array, neighbours: list[Array]) -> list[Array]:
    """Words whose bits say that 0, 1, 2, ... of the neighbours are aligned with the spin, counted one by one."""
    exactly = [jnp.full_like(spins, ALL)]
    for neighbour in neighbours:
        same = ~(spins ^ neighbour)
        among = zip(exactly[1:], exactly, strict=False)
        exactly = [exactly[0] & ~same, *((more & ~same) | (fewer & same) for more, fewer in among), exactly[-1] & same]
    return exactly


def _either(spins: Array, aligned: list[Array], cases: tuple[tuple[int, int], ...]) -> Array:
    """Words whose bits say that one of the cases (spin, aligned neighbours) holds."""
    found = jnp.zeros_like(spins)
    for count, word in enumerate(aligned):
        signs = {spin for spin, number in cases if number == count}
        if signs == {0, 1}:
            found = found | word
        elif signs:
            found = found | (word & (spins if signs == {1} else ~spins))
    return found


def energy_of_a_flip(model: Model) -> Float[np.ndarray, "2 aligned"]:
    r"""Energy that flipping a spin costs, by spin (down, up) and number of aligned neighbours a of z.

    .. math:: \Delta E = 2 J (2 a - z) + 2 h s
    """
    ends, spin = model.lattice.neighbours.shape[1], np.array([-1.0, 1.0])
    return 2 * model.coupling * (2 * np.arange(ends + 1) - ends) + 2 * model.field * spin[:, None]


class SingleSpin(ChainMethod):
    """A single-spin update of Ising spins on any lattice in any field."""

    bundle = REPLICAS

    def refusal(self, model: Model) -> str | None:
        """That there are other spins, several couplings or sites of unlike numbers of bonds, or None."""
        return no_even_ising(model)

    def flip_probability(self, model: Model, temperature: float) -> Float[np.ndarray, "2 aligned"]:
        """Probability of a flip by spin (down, up) and number of aligned neighbours."""
        raise NotImplementedError

    def expected(self, model: Model, temperature: float) -> tuple[float, float]:
        """Critical slowing down with z = 2.17; measured on one core."""
        fast, slow, seconds = self.pace(temperature)
        return fast + slow * extent(model, temperature) ** 2.17, seconds * model.lattice.sites

    def pace(self, temperature: float) -> tuple[float, float, float]:
        """Autocorrelation time of fast modes, that of slow ones over side^2.17, seconds of an update of a site."""
        raise NotImplementedError

    def sweep(self, model: Model, temperature: float) -> LocalSweep:
        """The compiled update at a temperature above 0."""
        return LocalSweep.of(model, self.flip_probability(model, temperature))


@dataclass(frozen=True)
class Metropolis(SingleSpin):
    r"""Metropolis sweeps, one colour of sites after another, 32 replicas in the bits of a word.

    .. math:: p_{\mathrm{flip}} = \min(1, e^{-\Delta E / T})

    Every site of one colour is tried at once (they are not neighbours), so a sweep is a sequence of detailed-balance
    moves and leaves the Boltzmann distribution unchanged. Even sides make a checkerboard; an odd side takes three
    colours. Moves that cost nothing are always made, so that some configurations, each of whose sites has as many
    neighbours up as down, turn into each other alone; they have a weight of about 2^-N, and on lattices of up to 32
    sites, where they would be missed, every move is made with 3/4 of its probability. Probabilities are rounded to
    24 bits: absolute error at most 2^-25.

    References
    ----------
    N. Metropolis et al., J. Chem. Phys. 21, 1087 (1953), doi:10.1063/1.1699114.
    """

    name = "metropolis"

    def pace(self, temperature: float) -> tuple[float, float, float]:
        """The hotter it is, the more spins flip in every sweep, and back in the next."""
        return 0.5 + temperature / 20, 0.02, 0.3e-9

    def flip_probability(self, model: Model, temperature: float) -> Float[np.ndarray, "2 aligned"]:
        """At most 1, of few sites at most 3/4."""
        tried = TRIED if model.lattice.sites <= FEW_SITES else 1.0
        return tried * np.exp(np.minimum(0, -energy_of_a_flip(model) / temperature))


@dataclass(frozen=True)
class HeatBath(SingleSpin):
    r"""Heat-bath sweeps (Gibbs sampling, Glauber rates), laid out as `Metropolis`.

    .. math:: p_{\mathrm{flip}} = \frac{1}{1 + e^{\Delta E / T}}

    At high temperature it decorrelates in one sweep, where Metropolis flips nearly every spin each time.

    References
    ----------
    R. J. Glauber, J. Math. Phys. 4, 294 (1963), doi:10.1063/1.1703954.
    """

    name = "heat-bath"

    def pace(self, temperature: float) -> tuple[float, float, float]:
        """The same at every temperature."""
        return 0.7, 0.055, 0.36e-9

    def flip_probability(self, model: Model, temperature: float) -> Float[np.ndarray, "2 aligned"]:
        """That of the local equilibrium."""
        return expit(-energy_of_a_flip(model) / temperature)
