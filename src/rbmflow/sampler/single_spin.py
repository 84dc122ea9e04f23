"""Single-spin updates: a spin flips with a probability given by its neighbours, in 32 replicas at once."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Int8, Int32, UInt32
from scipy.special import expit

from rbmflow._types import Key
from rbmflow.lattice import Lattice
from rbmflow.model import Model, no_even_ising
from rbmflow.random import Streams, split, threefry_words
from rbmflow.sampler.method import ChainMethod, Kernel, extent
from rbmflow.sampler.multispin import ALL, REPLICAS, below, digits

LANES_OF_GPU = 2**20
"""Words that keep a GPU busy; a core is by the sites of a single word."""

FEW_SITES = 32
"""Sites up to which configurations that Metropolis cannot leave have a weight."""

TRIED = 0.75
"""Probability with which a move is tried there."""


class Replicas(eqx.Module):
    """The state of a bundle of chains: spins of 32 replicas a word, in the order of the kernel's sites."""

    words: UInt32[Array, "site word"]
    streams: tuple[Streams, ...]
    sweeps: UInt32[Array, ""]


class LocalSweep(Kernel, eqx.Module):
    """One sweep of a single-spin update, colour after colour, on all replicas.

    Parameters
    ----------
    model
        The model.
    neighbours
        For each colour the rows of the neighbours, int32 [site of the colour, end].
    rows
        Row of each site: the rows are ordered by colour.
    masks
        Digits of the distinct flip probabilities that are neither 0 nor 1.
    classes
        For each of these, and first for probability 1, the cases (spin, aligned neighbours) it belongs to.
    """

    model: Model = eqx.field(static=True)
    neighbours: tuple[Int32[Array, "_ end"], ...]
    rows: Int32[Array, " site"]
    masks: UInt32[Array, "probability plane"]
    classes: tuple[tuple[tuple[int, int], ...], ...] = eqx.field(static=True)

    @classmethod
    def of(cls, model: Model, flip: Float[np.ndarray, "2 aligned"]) -> LocalSweep:
        """The sweep that flips a spin with probability `flip[spin up, aligned neighbours]`."""
        neighbours, rows = _by_colour(model.lattice)
        values = [value for value in np.unique(flip) if 0 < value < 1]
        cases = [tuple((int(s), int(a)) for s, a in np.argwhere(flip == value)) for value in (1.0, *values)]
        return cls(model, neighbours, rows, digits(np.array(values)), tuple(cases))

    def start(self, key: Key, replicas: int, first: Int8[np.ndarray, " replica"] | None) -> Replicas:
        """The first state."""
        words = replicas // REPLICAS
        *keys, last = split(key, len(self.neighbours) + 1)
        streams = tuple(
            Streams.seeded(one, (len(block), words)) for one, block in zip(keys, self.neighbours, strict=True)
        )
        shape = (self.rows.size, words)
        if first is None:
            return Replicas(jax.device_put(threefry_words(last, shape)), streams, jax.device_put(np.uint32(0)))
        signs = np.packbits(first > 0, bitorder="little").view(np.uint32)
        return Replicas(jax.device_put(np.broadcast_to(signs, shape)), streams, jax.device_put(np.uint32(0)))

    def __call__(self, state: Replicas) -> Replicas:
        """One sweep."""
        words, first = state.words, 0
        for neighbours, streams in zip(self.neighbours, state.streams, strict=True):
            spins = words[first : first + neighbours.shape[0]]
            aligned = _aligned(spins, [words[ends] for ends in neighbours.T])
            drawn = [jnp.full_like(spins, ALL), *below(streams.at(state.sweeps), self.masks)]
            flip = jnp.zeros_like(spins)
            for cases, chosen in zip(self.classes, drawn, strict=True):
                flip = flip | (chosen & _either(spins, aligned, cases))
            words = words.at[first : first + spins.shape[0]].set(spins ^ flip)
            first += spins.shape[0]
        return Replicas(words, state.streams, state.sweeps + 1)

    @property
    def bundle(self) -> int:
        """One word on a CPU; on a GPU enough of them."""
        return REPLICAS * (1 if jax.default_backend() == "cpu" else max(1, LANES_OF_GPU // self.rows.size))

    def planes(self, state: Replicas) -> UInt32[Array, "site word"]:
        """The spins in the order of the lattice."""
        return state.words[self.rows]

    def advance(self, state: Replicas, count: int) -> Replicas:
        """The state `count` sweeps later."""
        # As an array, so that another number is not compiled anew.
        return _advanced(self, state, np.int32(count))

    def record(self, state: Replicas, every: int, count: int) -> tuple[Replicas, UInt32[Array, "site point word"]]:
        """The states so many times, so many sweeps apart."""
        return _recorded(self, state, np.int32(every), np.int32(count), self.points)


@functools.lru_cache
def _by_colour(lattice: Lattice) -> tuple[tuple[Array, ...], Array]:
    """Rows of the neighbours of each colour, and the row of each site, in the order of the colours."""
    colours = lattice.colours
    rows = np.empty(lattice.sites, np.int32)
    rows[np.concatenate(colours)] = np.arange(rows.size)
    neighbours = (jax.device_put(rows[lattice.neighbours[sites]]) for sites in colours)
    return tuple(neighbours), jax.device_put(rows)


@jax.jit
def _advanced(kernel: LocalSweep, state: Replicas, sweeps: ArrayLike) -> Replicas:
    return jax.lax.fori_loop(0, sweeps, lambda _, at: kernel(at), state)


@functools.partial(jax.jit, static_argnames="points")
def _recorded(
    kernel: LocalSweep, state: Replicas, every: ArrayLike, count: ArrayLike, points: int
) -> tuple[Replicas, UInt32[Array, "site point word"]]:
    def point(at: Array, held: tuple[Replicas, Array]) -> tuple[Replicas, Array]:
        later = _advanced(kernel, held[0], every)
        return later, held[1].at[:, at].set(kernel.planes(later))

    sites, words = state.words.shape
    return jax.lax.fori_loop(0, count, point, (state, jnp.zeros((sites, points, words), jnp.uint32)))


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
