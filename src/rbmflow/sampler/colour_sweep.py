"""Sweeps of single-site updates, one colour of sites after another, of which a compiled program records many."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Int32, UInt32

from rbmflow._types import Key
from rbmflow.lattice import Lattice
from rbmflow.model import Model
from rbmflow.random import Generator, Streams
from rbmflow.sampler.method import Kernel

BUNDLE = 32
"""Replicas that a CPU moves together, all sites of a colour at once: they fill vector registers."""

LANES_OF_GPU = 2**20
"""Sites of all replicas, 32 in one, that keep a GPU busy."""


class Bundle(eqx.Module):
    """The state of a bundle of chains: what stands at each site, in the kernel's order."""

    sites: Array
    """[row, lane]; a lane is a replica, or as many as a word has bits."""
    streams: tuple[Streams, ...]
    sweeps: UInt32[Array, ""]


class ColourSweep(Kernel, eqx.Module):
    """One sweep of a single-site update on all replicas.

    Parameters
    ----------
    model
        The model.
    neighbours
        For each colour the rows of the neighbours, int32 [site of the colour, end].
    rows
        Row of each site: the rows are ordered by colour.
    """

    model: Model = eqx.field(static=True)
    neighbours: tuple[Int32[Array, "_ end"], ...]
    rows: Int32[Array, " site"]

    def updated(self, sites: Array, colour: int, own: Array, generator: Generator) -> Array:
        """What stands at the sites of a colour after their update; `own` is what stood there."""
        raise NotImplementedError

    def __call__(self, state: Bundle) -> Bundle:
        """One sweep."""
        sites, first = state.sites, 0
        for colour, streams in enumerate(state.streams):
            last = first + self.neighbours[colour].shape[0]
            new = self.updated(sites, colour, sites[first:last], streams.at(state.sweeps))
            sites, first = sites.at[first:last].set(new), last
        return Bundle(sites, state.streams, state.sweeps + 1)

    @property
    def bundle(self) -> int:
        """What fills vector registers on a CPU; on a GPU enough of them."""
        return BUNDLE * (1 if jax.default_backend() == "cpu" else max(1, LANES_OF_GPU // self.rows.size))

    def seeded(self, keys: Sequence[Key], sites: ArrayLike) -> Bundle:
        """The first state, with a key for each colour."""
        placed = jax.device_put(sites)
        shapes = [(len(ends), placed.shape[1]) for ends in self.neighbours]
        streams = (Streams.seeded(key, shape) for key, shape in zip(keys, shapes, strict=True))
        return Bundle(placed, tuple(streams), jax.device_put(np.uint32(0)))

    def advance(self, state: Bundle, count: int) -> Bundle:
        """The state `count` sweeps later."""
        # As an array, so that another number is not compiled anew.
        return _advanced(self, state, np.int32(count))

    def record(self, state: Bundle, every: int, count: int) -> tuple[Bundle, Array]:
        """The states so many times, so many sweeps apart, and what `planes` makes of them [site, point, lane]."""
        return _recorded(self, state, np.int32(every), np.int32(count), self.points)


@functools.lru_cache
def by_colour(lattice: Lattice) -> tuple[tuple[Int32[Array, "_ end"], ...], Int32[Array, " site"]]:
    """Rows of the neighbours of each colour, and the row of each site, in the order of the colours."""
    rows = np.empty(lattice.sites, np.int32)
    rows[np.concatenate(lattice.colours)] = np.arange(rows.size)
    neighbours = (jax.device_put(rows[lattice.neighbours[sites]]) for sites in lattice.colours)
    return tuple(neighbours), jax.device_put(rows)


@jax.jit
def _advanced(kernel: ColourSweep, state: Bundle, sweeps: ArrayLike) -> Bundle:
    return jax.lax.fori_loop(0, sweeps, lambda _, at: kernel(at), state)


@functools.partial(jax.jit, static_argnames="points")
def _recorded(
    kernel: ColourSweep, state: Bundle, every: ArrayLike, count: ArrayLike, points: int
) -> tuple[Bundle, Array]:
    def point(at: Array, held: tuple[Bundle, Array]) -> tuple[Bundle, Array]:
        later = _advanced(kernel, held[0], every)
        return later, held[1].at[:, at].set(kernel.planes(later))

    one = jax.eval_shape(kernel.planes, state)
    return jax.lax.fori_loop(0, count, point, (state, jnp.zeros((one.shape[0], points, one.shape[1]), one.dtype)))
