"""Cluster updates: connected sets of equal spins turn over together, so critical slowing down all but vanishes."""

import functools
import importlib.util
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int8, UInt32, UInt64

from rbmflow._checks import Problems
from rbmflow._types import Key
from rbmflow.exact.infinite import magnetization
from rbmflow.model import Model, no_even_ising, no_square_ising
from rbmflow.random import split, threefry_words
from rbmflow.sampler.cluster_lines import lines_of
from rbmflow.sampler.method import ChainMethod, Kernel, as_of_square, extent

type Update = Callable[..., None]

NUMBA = importlib.util.find_spec("numba") is not None
"""Whether cluster updates can be compiled."""

DIGITS = 32
LANES = 64
ALL = 0xFFFF_FFFF_FFFF_FFFF
WORD = 64
"""Replicas in a word."""

UNKNOWN = 100.0
"""Autocorrelation time, in steps, of models without uniform ground states: of what is not known."""


class Walkers(NamedTuple):
    """The state of cluster chains on the host: spins of 64 replicas a word, and generators for each word."""

    words: UInt64[np.ndarray, "word *lattice"]
    lanes: UInt64[np.ndarray, "word 4 lane"]


def random_words(key: Key, shape: tuple[int, ...]) -> UInt64[np.ndarray, "..."]:
    """Random words of 64 bits."""
    return np.array(threefry_words(key, (*shape, 2))).view(np.uint64)[..., 0]


@functools.lru_cache
def _digits(probability: float) -> UInt64[np.ndarray, " digit"]:
    """Binary digits of a probability below 1 as masks 0 or ~0, most significant first; none for probability 0."""
    level = min(round(probability * 2**DIGITS), 2**DIGITS - 1)
    masks = [ALL * (level >> place & 1) for place in reversed(range(DIGITS))]
    return np.array(masks if level else [], np.uint64)


@dataclass(frozen=True)
class ClusterUpdate(Kernel):
    r"""A cluster update at one temperature, as `chains` drives it.

    Equal neighbours (unequal ones where J < 0) are bonded with probability p and sites along the field are tied to a
    ghost spin,

    .. math:: p = 1 - e^{-2|J|/T}, \qquad p_{\mathrm{ghost}} = 1 - e^{-2|h|/T}.
    """

    model: Model
    temperature: float
    update: Update
    steps: int = 1

    @property
    def bundle(self) -> int:
        """One word."""
        return WORD

    @property
    def bond_probability(self) -> float:
        """Probability that two neighbours whose bond is satisfied belong together."""
        return -np.expm1(-2 * abs(self.model.coupling) / self.temperature)

    @property
    def ghost_probability(self) -> float:
        """Probability that a spin along the field is tied to the ghost spin."""
        return -np.expm1(-2 * abs(self.model.field) / self.temperature)

    def start(self, key: Key, replicas: int, first: Int8[np.ndarray, " replica"] | None) -> Walkers:
        """The first state."""
        seed, last = split(key)
        shape = (replicas // WORD, *self.model.lattice.shape)
        lanes = random_words(seed, (shape[0], 4, LANES))
        if first is None:
            return Walkers(random_words(last, shape), lanes)
        signs = np.packbits(first.reshape(-1, WORD) > 0, axis=1, bitorder="little").view(np.uint64)
        one_each = signs.reshape(-1, *np.ones(len(shape) - 1, int))
        return Walkers(np.broadcast_to(one_each, shape).copy(), lanes)

    def advance(self, state: Walkers, count: int) -> Walkers:
        """The state `count` updates later."""
        words, lanes = state.words.copy(), state.lanes.copy()
        favoured = np.uint64(ALL if self.model.field > 0 else 0)
        bond, ghost = _digits(self.bond_probability), _digits(self.ghost_probability)

        self.update(words, lanes, bond, ghost, favoured, np.int64(count * self.steps))
        return Walkers(words, lanes)

    def record(self, state: Walkers, every: int, count: int) -> tuple[Walkers, UInt32[Array, "site point word"]]:
        """The states so many times, so many steps apart."""
        planes = np.zeros((self.model.lattice.sites, self.points, len(state.words) * WORD // 32), np.uint32)
        for at in range(count):
            state = self.advance(state, every)
            planes[:, at] = self.planes(state)
        return state, jnp.asarray(planes)

    def planes(self, state: Walkers) -> UInt32[Array | np.ndarray, "site word"]:
        """The same bits as words of 32 replicas."""
        halves = state.words.reshape(len(state.words), -1, 1).view(np.uint32)
        return halves.swapaxes(0, 1).reshape(halves.shape[1], -1)


class ClusterMethod(ChainMethod):
    """A method whose kernels need numba."""

    bundle = WORD
    clusters = 1

    def unfit(self, model: Model) -> str | None:
        """That the model is another, or None."""
        return no_square_ising(model)

    def refusal(self, model: Model) -> str | None:
        """That the model is another, that numba is missing, or None."""
        reason = self.unfit(model)
        if reason is not None:
            return reason
        if not NUMBA:
            return "cluster updates need the package numba; Metropolis() draws without it"
        return None

    def sweep(self, model: Model, temperature: float) -> ClusterUpdate:
        """The compiled update at a temperature above 0."""
        from rbmflow.sampler import _cluster_kernels

        update = getattr(_cluster_kernels, self.name.replace("-", "_"))
        return ClusterUpdate(model, temperature, update, self.clusters)


@dataclass(frozen=True)
class SwendsenWang(ClusterMethod):
    r"""Swendsen-Wang updates: every cluster of bonded spins turns over with probability 1/2.

    A field acts through a ghost spin: clusters tied to it stay. Bond probabilities are exact to 2^-33.

    References
    ----------
    R. H. Swendsen, J.-S. Wang, Phys. Rev. Lett. 58, 86 (1987), doi:10.1103/PhysRevLett.58.86.
    """

    name = "swendsen-wang"

    def expected(self, model: Model, temperature: float) -> tuple[float, float]:
        """Measured on one core."""
        return 0.5 + extent(model, temperature) ** 0.35, 14e-9 * model.lattice.sites


@dataclass(frozen=True)
class Wolff(ClusterMethod):
    r"""Wolff updates: the cluster of one random site turns over, in 64 replicas at once.

    On any lattice with one coupling, in any field. A step is a fixed number of clusters. (Stopping after a number of
    flipped spins would weigh configurations by their cluster sizes and bias :math:`\langle |m| \rangle` upwards.) A
    field acts through a ghost spin: a cluster tied to it stays. The bonds of the whole lattice are drawn for every
    cluster, bit by bit for all replicas; this costs less than the walk over the sites of one large cluster, and more
    than that over a small one.

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

    def unfit(self, model: Model) -> str | None:
        """That there are other spins, several couplings or sites of unlike numbers of bonds, or None."""
        return no_even_ising(model)

    def sweep(self, model: Model, temperature: float) -> ClusterUpdate:
        """The compiled update at a temperature above 0."""
        if no_square_ising(model) is None:
            return super().sweep(model, temperature)
        from rbmflow.sampler import _cluster_kernels

        lines, alike = lines_of(model.lattice), np.uint64(ALL if model.coupling > 0 else 0)

        def update(words, lanes, bond, ghost, favoured, steps):
            sites = words.reshape(len(words), -1)
            _cluster_kernels.wolff_along(sites, lanes, bond, ghost, favoured, steps, alike, tuple(lines))

        return ClusterUpdate(model, temperature, update, self.clusters)

    def expected(self, model: Model, temperature: float) -> tuple[float, float]:
        """Measured on one core; a cluster is the share <m^2> of the lattice, and correlations of steps go as that."""
        lattice, size = model.lattice, extent(model, temperature)
        site = 0.5e-9
        if not lattice.is_square:
            site = 0.35e-9 * len(lattice.bonds) / lattice.basis * (1 + 12 / (lattice.cells[-1] * lattice.basis))
            site *= 2 if lines_of(lattice).folded else 1
        seconds = site * lattice.sites * self.clusters
        if model.coupling < 0:
            # Clusters of frustrated spins may span the lattice and lead nowhere.
            return UNKNOWN, seconds
        ordered = float(magnetization(as_of_square(model, temperature))) ** 2
        share = min(1.0, max(ordered, (1 + size**1.75) / lattice.sites) * self.clusters)
        return 0.5 + 0.25 * math.sqrt(size) / share, seconds

    def __post_init__(self):
        problems = Problems()
        problems.whole("clusters", self.clusters, 1)
        problems.done()
