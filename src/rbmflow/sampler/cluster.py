"""Cluster updates: connected sets of equal spins turn over together, so critical slowing down all but vanishes."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int8, UInt64

from rbmflow._types import Key
from rbmflow.model import Ising

type Update = Callable[..., None]


class Walkers(NamedTuple):
    """The state of cluster chains on the host: spins and generator of every replica."""

    spins: Int8[np.ndarray, "replica site"]
    counters: UInt64[np.ndarray, " replica"]


def _threshold(probability: float) -> np.uint64:
    return np.uint64(np.rint(probability * 2**32))


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
        """Fewest and most replicas side by side: they take turns, so each costs its own thermalisation."""
        return 32, 128

    def start(self, key: Key, replicas: int, up: Bool[np.ndarray, " replica"] | None) -> Walkers:
        """All spins of a replica up or down, or (None) random in all."""
        seed, last = jax.random.split(key)
        shape = (replicas, self.model.lattice.sites)
        chosen = np.asarray(jax.random.bits(last, shape, jnp.uint8)) & 1 if up is None else up[:, None]
        spins = np.where(np.broadcast_to(chosen, shape), np.int8(1), np.int8(-1))
        return Walkers(spins, np.asarray(jax.random.bits(seed, (replicas, 2), jnp.uint32)).view(np.uint64)[:, 0])

    def advance(self, state: Walkers, count: int) -> Walkers:
        """The state `count` updates later; replicas are shared out among the cores."""
        spins, counters = state.spins.copy(), state.counters.copy()
        neighbours = self.model.lattice.neighbours.astype(np.uint32)
        favoured = np.int8(1 if self.model.field > 0 else -1)
        bond, ghost = _threshold(self.bond_probability), _threshold(self.ghost_probability)

        def block(rows: slice) -> None:
            self.update(spins[rows], counters[rows], neighbours, bond, ghost, favoured, np.int64(count * self.steps))

        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        edges = np.linspace(0, len(spins), min(cores, len(spins)) + 1).astype(int)
        with ThreadPoolExecutor(cores) as threads:
            list(threads.map(block, map(slice, edges[:-1], edges[1:])))
        return Walkers(spins, counters)

    def spins(self, state: Walkers) -> Int8[np.ndarray, "replica y x"]:
        """Configurations of all replicas."""
        return state.spins.reshape(-1, *self.model.lattice.shape)

    def observe(self, state: Walkers) -> tuple[Float[np.ndarray, " replica"], Float[np.ndarray, " replica"]]:
        """Energy and magnetization per site of all replicas."""
        spins = self.spins(state)
        bonds = sum((spins * np.roll(spins, -1, axis)).mean(axis=(1, 2)) for axis in (1, 2))
        magnetization = spins.mean(axis=(1, 2))
        return -bonds - self.model.field * magnetization, magnetization


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
    r"""Wolff updates: the cluster of one random site turns over.

    A step is a fixed number of clusters. (Stopping after a number of flipped spins would weigh configurations by
    their cluster sizes and bias :math:`\langle |m| \rangle` upwards.) A field acts through a ghost spin: a cluster
    tied to it stays.

    Parameters
    ----------
    clusters
        Clusters in one step.

    References
    ----------
    U. Wolff, Phys. Rev. Lett. 62, 361 (1989), doi:10.1103/PhysRevLett.62.361.
    """

    clusters: int = 1

    name = "wolff"

    def refusal(self, model: Ising) -> str | None:
        """Why this method cannot draw from the model, or None if it can."""
        return _refusal()

    def sweep(self, model: Ising, temperature: float) -> ClusterUpdate:
        """The compiled update at a temperature above 0."""
        from rbmflow.sampler import _cluster_kernels

        return ClusterUpdate(model, temperature, _cluster_kernels.wolff, self.clusters)
