r"""Clusters of any model whose states are connected by reflections that leave its energies as they are.

A reflection R of the states, :math:`R^2 = 1`, with :math:`E(Ra, Rb) = E(a, b)` makes Ising spins of the sites, turned
or not; the cluster of a random site grows over the bonds that its turning would cost energy, each with

.. math:: p_{ij} = 1 - e^{-\max(0,\ E(R s_i, s_j) - E(s_i, s_j)) / T}.

References
----------
U. Wolff, Phys. Rev. Lett. 62, 361 (1989), doi:10.1103/PhysRevLett.62.361 (embedded Ising spins).
F. Niedermayer, Phys. Rev. Lett. 61, 2026 (1988), doi:10.1103/PhysRevLett.61.2026 (bonds of any energy).
"""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float64, Int8, UInt64

from rbmflow._types import Key
from rbmflow.exact.infinite import magnetization
from rbmflow.model import Model
from rbmflow.random import host_generator, split
from rbmflow.sampler.cluster_update import NUMBA, UNKNOWN, random_words
from rbmflow.sampler.method import POINTS, RECORD_BYTES, ChainMethod, Kernel, as_of_square, extent

BUNDLE = 64
"""Replicas that are moved by one call."""

SECONDS = 50e-9
"""A site of a cluster on one core."""

RELAXING = 4.0
"""How much longer chains of more than two states take than those of Ising spins: 3 to 6 for Potts 3 and clock 4."""


@functools.lru_cache(maxsize=8)
def reflections(model: Model) -> Int8[np.ndarray, "reflection state"]:
    """Reflections of the states that change no energy: exchanges of two states, and those of their cyclic order."""
    q, pair, site = len(model.states), np.array(model.pair), np.array(model.site)
    exchanged = [np.arange(q) for _ in itertools.combinations(range(q), 2)]
    for order, (one, other) in zip(exchanged, itertools.combinations(range(q), 2), strict=True):
        order[[one, other]] = other, one
    cyclic = [(axis - np.arange(q)) % q for axis in range(q)]
    kept = [
        order
        for order in np.unique([*exchanged, *cyclic], axis=0)
        if np.allclose(pair[:, order][:, :, order], pair, atol=1e-12) and np.allclose(site[order], site, atol=1e-12)
    ]
    return np.array([order for order in kept if (order != np.arange(q)).any()], np.int8).reshape(-1, q)


def _connected(images: Int8[np.ndarray, "reflection state"]) -> bool:
    """Whether reflections lead from the first state to all."""
    reached = {0}
    while more := {int(order[state]) for order in images for state in reached} - reached:
        reached |= more
    return len(reached) == images.shape[1]


class _Walkers(NamedTuple):
    places: Int8[np.ndarray, "replica site"]
    lanes: UInt64[np.ndarray, "replica 4 1"]


@dataclass(frozen=True)
class TableClusters(Kernel):
    """Some clusters by random reflections, as a step of a chain."""

    model: Model
    temperature: float
    clusters: int

    @property
    def bundle(self) -> int:
        """Replicas that are moved by one call."""
        return BUNDLE

    @property
    def points(self) -> int:
        """States of a bundle that are recorded by one call."""
        return max(1, min(POINTS, RECORD_BYTES // (self.model.lattice.sites * BUNDLE)))

    @property
    def bonds(self) -> Float64[np.ndarray, "reflection kind state state"]:
        """Probability of a bond, by reflection, kind, state of the site that turns and of its neighbour."""
        pair = np.array(self.model.pair)
        turned = np.stack([pair[:, order] for order in reflections(self.model)])
        return -np.expm1(-np.maximum(turned - pair, 0) / self.temperature)

    def start(self, key: Key, replicas: int, first: Int8[np.ndarray, " replica"] | None) -> _Walkers:
        """The first state."""
        seed, last = split(key)
        shape, states = (replicas, self.model.lattice.sites), len(self.model.states)
        if first is None:
            places = host_generator(last).integers(0, states, shape, np.int8)
        else:
            places = np.broadcast_to(np.searchsorted(self.model.states, first)[:, None], shape).astype(np.int8)
        return _Walkers(places, random_words(seed, (replicas, 4, 1)))

    def advance(self, state: _Walkers, count: int) -> _Walkers:
        """The state `count` steps later."""
        from rbmflow.sampler import _cluster_kernels

        places, lanes, lattice = state.places.copy(), state.lanes.copy(), self.model.lattice
        tables = lattice.neighbours, lattice.neighbour_kinds, reflections(self.model), self.bonds
        _cluster_kernels.table_wolff(places, lanes, *tables, np.int64(count * self.clusters))
        return _Walkers(places, lanes)

    def record(self, state: _Walkers, every: int, count: int) -> tuple[_Walkers, Int8[Array, "site point n"]]:
        """The states so many times, so many steps apart."""
        planes = np.zeros((self.model.lattice.sites, self.points, BUNDLE), np.int8)
        for at in range(count):
            state = self.advance(state, every)
            planes[:, at] = self.planes(state)
        return state, jnp.asarray(planes)

    def planes(self, state: _Walkers) -> Int8[np.ndarray, "site replica"]:
        """Which state each site is in."""
        return state.places.T

    def spins(self, planes: Int8[Array | np.ndarray, "site ..."]) -> Int8[np.ndarray, "n *lattice"]:
        """Configurations of all that was recorded."""
        labels = np.array(self.model.states, np.int8)[np.asarray(planes)]
        return labels.reshape(len(labels), -1).T.reshape(-1, *self.model.lattice.shape)

    def observe(self, planes: Int8[Array | np.ndarray, "site ..."]) -> Float[np.ndarray, "2 n"]:
        """Energy per site, and magnetization, of several components its length."""
        spins = self.spins(planes)
        order = self.model.order_of(self.model.occupied(spins))
        return np.stack([self.model.exact_energy(spins), order]) / self.model.lattice.sites


@dataclass(frozen=True)
class TableWolff(ChainMethod):
    """Wolff updates of any model on any lattice: a step is so many clusters, of random sites and reflections.

    Ising models of any couplings without a field, Potts and clock models have such reflections; for an even number of
    clock states those through states and those between them are both needed, and taken.
    """

    clusters: int = 1

    name = "table-wolff"
    bundle = BUNDLE

    def refusal(self, model: Model) -> str | None:
        """That reflections do not connect all states, that numba is missing, or None."""
        if not _connected(reflections(model)):
            return "no reflections of its states leave its energies as they are and lead from each state to all others"
        return None if NUMBA else "cluster updates need the package numba"

    def sweep(self, model: Model, temperature: float) -> TableClusters:
        """The compiled update at a temperature above 0."""
        return TableClusters(model, temperature, self.clusters)

    def expected(self, model: Model, temperature: float) -> tuple[float, float]:
        """As of `Wolff`, at the same T / T_c; a reflection turns the share of the states that it does not keep."""
        images, sites, size = reflections(model), model.lattice.sites, extent(model, temperature)
        moved = float((images != np.arange(len(model.states))).mean())
        if not model.ground_states:
            # Clusters of frustrated spins may span the lattice and lead nowhere.
            return UNKNOWN, SECONDS * sites * moved
        ordered = float(magnetization(as_of_square(model, temperature))) ** 2
        share = min(1.0, max(ordered, (1 + size**1.75) / sites) * self.clusters)
        slow = 0.25 * np.sqrt(size) / (share * moved) * (RELAXING if len(model.states) > 2 else 1)
        return 0.5 + float(slow), SECONDS * sites * share * moved
