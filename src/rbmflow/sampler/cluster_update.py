"""Cluster updates: connected sets of equal spins turn over together, so critical slowing down all but vanishes."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int8, UInt32, UInt64

from rbmflow._checks import Problems
from rbmflow._types import Key
from rbmflow.model import Ising
from rbmflow.sampler.multispin import aligned_bonds_and_up_spins, unpack
from rbmflow.sampler.sharing import share_out

type Update = Callable[..., None]

DIGITS = 32
LANES = 64


class Walkers(NamedTuple):
    """The state of cluster chains on the host: spins of 64 replicas a word, and generators for each word."""

    words: UInt64[np.ndarray, "word y x"]
    lanes: UInt64[np.ndarray, "word 4 lane"]


def _random_words(key: Key, shape: tuple[int, ...]) -> UInt64[np.ndarray, "..."]:
    return np.array(jax.random.bits(key, (*shape, 2), jnp.uint32)).view(np.uint64)[..., 0]


def _digits(probability: float) -> UInt64[np.ndarray, " digit"]:
    """Binary digits of a probability below 1 as masks 0 or ~0, most significant first; none for probability 0."""
    level = min(round(probability * 2**DIGITS), 2**DIGITS - 1)
    masks = [0xFFFF_FFFF_FFFF_FFFF * (level >> place & 1) for place in reversed(range(DIGITS))]
    return np.array(masks if level else [], np.uint64)


@dataclass(frozen=True)
class ClusterUpdate:
    r"""A cluster update at one temperature, as `chains` drives it.

    Equal neighbours are bonded with probability p and sites along the field are tied to a ghost spin,

    .. math:: p = 1 - e^{-2/T}, \qquad p_{\mathrm{ghost}} = 1 - e^{-2|h|/T}.
    """

    model: Ising
    temperature: float
    update: Update
    steps: int = 1

    word = 64

    @property
    def bond_probability(self) -> float:
        """Probability that two equal neighbours belong together."""
        return -np.expm1(-2 / self.temperature)

    @property
    def ghost_probability(self) -> float:
        """Probability that a spin along the field is tied to the ghost spin."""
        return -np.expm1(-2 * abs(self.model.field) / self.temperature)

    @property
    def replicas(self) -> tuple[int, int]:
        """Fewest and most replicas side by side: words take turns, so each costs its own thermalisation."""
        return 64, 512

    def start(self, key: Key, replicas: int, up: Bool[np.ndarray, " replica"] | None) -> Walkers:
        """All spins of a replica up or down, or (None) random in all; `replicas` is a multiple of 64."""
        seed, last = jax.random.split(key)
        shape = (replicas // self.word, *self.model.lattice.shape)
        lanes = _random_words(seed, (shape[0], 4, LANES))
        if up is None:
            return Walkers(_random_words(last, shape), lanes)
        signs = np.packbits(up.reshape(-1, self.word), axis=1, bitorder="little").view(np.uint64)
        return Walkers(np.broadcast_to(signs[:, :, None], shape).copy(), lanes)

    def advance(self, state: Walkers, count: int) -> Walkers:
        """The state `count` updates later; words are shared out among the cores."""
        words, lanes = state.words.copy(), state.lanes.copy()
        favoured = np.uint64(0xFFFF_FFFF_FFFF_FFFF if self.model.field > 0 else 0)
        bond, ghost = _digits(self.bond_probability), _digits(self.ghost_probability)

        def block(rows: slice) -> None:
            self.update(words[rows], lanes[rows], bond, ghost, favoured, np.int64(count * self.steps))

        share_out(block, len(words))
        return Walkers(words, lanes)

    def _planes(self, state: Walkers) -> UInt32[np.ndarray, "site word"]:
        """The same bits as words of 32 replicas, as `multispin` has them."""
        halves = state.words.reshape(len(state.words), -1, 1).view(np.uint32)
        return np.ascontiguousarray(halves.swapaxes(0, 1)).reshape(halves.shape[1], -1)

    def spins(self, state: Walkers) -> Int8[np.ndarray, "replica y x"]:
        """Configurations of all replicas."""
        return np.asarray(unpack(jnp.asarray(self._planes(state)))).reshape(-1, *self.model.lattice.shape)

    def observe(self, state: Walkers) -> tuple[Float[np.ndarray, " replica"], Float[np.ndarray, " replica"]]:
        """Energy and magnetization per site of all replicas."""
        sites = self.model.lattice.sites
        planes = jnp.asarray(self._planes(state)).reshape(*self.model.lattice.shape, -1)
        aligned, up = aligned_bonds_and_up_spins(planes)
        magnetization = 2 * np.asarray(up, float) / sites - 1
        return 2 - 2 * np.asarray(aligned, float) / sites - self.model.field * magnetization, magnetization


def _refusal() -> str | None:
    if importlib.util.find_spec("numba") is None:
        return "cluster updates need the package numba; Metropolis() draws without it"
    return None


@dataclass(frozen=True)
class SwendsenWang:
    r"""Swendsen-Wang updates: every cluster of bonded spins turns over with probability 1/2.

    A field acts through a ghost spin: clusters tied to it stay. Bond probabilities are exact to 2^-33.

    References
    ----------
    R. H. Swendsen, J.-S. Wang, Phys. Rev. Lett. 58, 86 (1987), doi:10.1103/PhysRevLett.58.86.
    """

    name = "swendsen-wang"

    def refusal(self, model: Ising) -> str | None:
        """Why this method cannot draw from the model, or None if it can."""
        return _refusal()

    def sweep(self, model: Ising, temperature: float) -> ClusterUpdate:
        """The compiled update at a temperature above 0."""
        from rbmflow.sampler import _cluster_kernels

        return ClusterUpdate(model, temperature, _cluster_kernels.swendsen_wang)


@dataclass(frozen=True)
class Wolff:
    r"""Wolff updates: the cluster of one random site turns over, in 64 replicas at once.

    A step is a fixed number of clusters. (Stopping after a number of flipped spins would weigh configurations by
    their cluster sizes and bias :math:`\langle |m| \rangle` upwards.) A field acts through a ghost spin: a cluster
    tied to it stays. The bonds of the whole lattice are drawn for every cluster, bit by bit for all replicas; this
    costs less than the walk over the sites of one large cluster, and more than that over a small one.

    Parameters
    ----------
    clusters
        Clusters in one step, at least 1.

    Raises
    ------
    InvalidInput
        If `clusters` is not a whole number of at least 1.

    References
    ----------
    U. Wolff, Phys. Rev. Lett. 62, 361 (1989), doi:10.1103/PhysRevLett.62.361.
    """

    clusters: int = 1

    name = "wolff"

    def __post_init__(self):
        problems = Problems()
        problems.whole("clusters", self.clusters, 1)
        problems.done()

    def refusal(self, model: Ising) -> str | None:
        """Why this method cannot draw from the model, or None if it can."""
        return _refusal()

    def sweep(self, model: Ising, temperature: float) -> ClusterUpdate:
        """The compiled update at a temperature above 0."""
        from rbmflow.sampler import _cluster_kernels

        return ClusterUpdate(model, temperature, _cluster_kernels.wolff, self.clusters)
