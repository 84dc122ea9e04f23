"""Multi-spin coding: the same site of 32 replicas in the bits of one word, updated by bitwise operations.

Every replica gets its own random bits. A number u uniform on the multiples of 2^-24 in [0, 1) is one bit of each of
24 random words; `below` compares 32 such numbers with one probability, given by its binary digits, from the least
significant digit upwards:

    less <- (r & less) | (r & digit) | (less & digit)

so three operations a digit, and the same random words serve any number of probabilities. A probability is rounded to
the nearest multiple of 2^-24: its error is at most 2^-25, and 0, 1/2 and 1 are exact.

References
----------
L. Jacobs, C. Rebbi, J. Comput. Phys. 41, 203 (1981), doi:10.1016/0021-9991(81)90089-9 (multi-spin coding).
N. Ito, Y. Kanada, Supercomputer 5, 31 (1988) (replicas in the bits of a word).
"""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float, Int8, Int32, UInt32

from rbmflow._types import Key
from rbmflow.model import Ising
from rbmflow.random import Generator, Streams
from rbmflow.sampler.sharing import share_out

PLANES = 24
REPLICAS = 32
"""Replicas in a word."""

ALL = np.uint32(0xFFFFFFFF)

FULL = 16
"""Words of the widest vector register: narrower blocks gain nothing from a core of their own."""

WORTH_SHARING = 1 << 18
"""Updates of words below which threads cost more than they save."""


def _lanes(axes: int) -> UInt32[Array, "..."]:
    """The numbers of the bits along the last of some axes."""
    return jnp.arange(REPLICAS, dtype=jnp.uint32).reshape((1,) * (axes - 1) + (REPLICAS,))


def pack(spins: Int8[Array, "replica site"]) -> UInt32[Array, "site word"]:
    """Words of spins, bit b of word w holding replica 32 w + b; 1 is up."""
    bits = (jnp.asarray(spins).T > 0).reshape(spins.shape[1], -1, REPLICAS)
    return jnp.sum(bits.astype(jnp.uint32) << _lanes(3), axis=-1, dtype=jnp.uint32)


@jax.jit
def unpack(words: UInt32[Array, "site word"]) -> Int8[Array, "replica site"]:
    """Undo `pack`."""
    bits = (words.T[:, :, None] >> _lanes(3)) & 1
    return bits.astype(jnp.int8).swapaxes(1, 2).reshape(-1, words.shape[0]) * 2 - 1


def digits(probabilities: np.ndarray) -> UInt32[Array, "probability plane"]:
    """Binary digits of probabilities as masks 0 or ~0, least significant first, after one mask that stands for 1."""
    levels = np.rint(np.asarray(probabilities, float) * 2**PLANES).astype(np.int64)
    one = levels == 2**PLANES
    # u < 1 is u <= 1 - 2^-24: the comparison starts from "equal counts as less".
    bits = (np.where(one, 2**PLANES - 1, levels)[:, None] >> np.arange(PLANES)) & 1
    return jnp.asarray(np.concatenate([one[:, None], bits], axis=1).astype(np.uint32) * ALL)


def below(generator: Generator, masks: UInt32[Array, "probability plane"]) -> list[UInt32[Array, "*lanes"]]:
    """Words whose bits are 1 with the given probabilities: one random number a bit, compared with each of them."""
    less = [jnp.broadcast_to(mask, generator.first.shape) for mask in masks[:, 0]]
    for plane in range(1, PLANES + 1):
        generator, word = generator.words()
        less = [(word & (was | mask)) | (was & mask) for was, mask in zip(less, masks[:, plane], strict=True)]
    return less


class Replicas(eqx.Module):
    """The state of a bundle of chains: spins of 32 replicas a word, in the order of the kernel's sites."""

    words: UInt32[Array, "site word"]
    streams: tuple[Streams, ...]
    sweeps: UInt32[Array, ""]

    def block(self, first: int, count: int) -> Replicas:
        """The replicas of `count` words from the first one on."""
        return self if count == self.words.shape[-1] else _block(self, np.int32(first), count)


@eqx.filter_jit
def _block(replicas: Replicas, first: ArrayLike, count: int) -> Replicas:
    def part(of: Array) -> Array:
        return jax.lax.dynamic_slice_in_dim(of, first, count, -1)

    words, streams = jax.tree.map(part, (replicas.words, replicas.streams))
    return Replicas(words, streams, replicas.sweeps)


@jax.jit
def _together(blocks: list[Replicas]) -> Replicas:
    """All replicas of consecutive blocks."""
    if len(blocks) == 1:
        return blocks[0]

    words, streams = jax.tree.map(
        lambda *parts: jnp.concatenate(parts, -1), *((block.words, block.streams) for block in blocks)
    )
    return Replicas(words, streams, blocks[0].sweeps)


class LocalSweep(eqx.Module):
    """One sweep of a single-spin update, colour after colour, on all replicas.

    Parameters
    ----------
    model
        The model.
    neighbours
        For each colour the rows of the four neighbours, int32 [site of the colour, 4].
    rows
        Row of each site: the rows are ordered by colour.
    masks
        Digits of the distinct flip probabilities that are neither 0 nor 1.
    classes
        For each of these, and first for probability 1, the cases (spin, aligned neighbours) it belongs to.
    """

    model: Ising = eqx.field(static=True)
    neighbours: tuple[Int32[Array, "_ 4"], ...]
    rows: Int32[Array, " site"]
    masks: UInt32[Array, "probability plane"]
    classes: tuple[tuple[tuple[int, int], ...], ...] = eqx.field(static=True)

    @classmethod
    def of(cls, model: Ising, flip: Float[np.ndarray, "2 5"]) -> LocalSweep:
        """The sweep that flips a spin with probability `flip[spin up, aligned neighbours]`."""
        colours = model.lattice.colours
        rows = np.empty(model.lattice.sites, np.int32)
        rows[np.concatenate(colours)] = np.arange(rows.size)
        neighbours = tuple(jnp.asarray(rows[model.lattice.neighbours[sites]]) for sites in colours)
        values = [value for value in np.unique(flip) if 0 < value < 1]
        cases = [tuple((int(s), int(a)) for s, a in np.argwhere(flip == value)) for value in (1.0, *values)]
        return cls(model, neighbours, jnp.asarray(rows), digits(np.array(values)), tuple(cases))

    def start(self, key: Key, replicas: int, up: Bool[np.ndarray, " replica"] | None) -> Replicas:
        """All spins of a replica up or down, or (None) random in all; `replicas` is a multiple of 32."""
        shapes = [(block.shape[0], replicas // REPLICAS) for block in self.neighbours]
        *keys, last = jax.random.split(key, len(shapes) + 1)
        streams = tuple(Streams.seeded(one, shape) for one, shape in zip(keys, shapes, strict=True))
        shape = (self.rows.size, replicas // REPLICAS)
        if up is None:
            return Replicas(jax.random.bits(last, shape, jnp.uint32), streams, jnp.uint32(0))
        words = pack(jnp.where(up[:, None], jnp.int8(1), jnp.int8(-1)))
        return Replicas(jnp.broadcast_to(words, shape), streams, jnp.uint32(0))

    def __call__(self, state: Replicas) -> Replicas:
        """One sweep."""
        words, first = state.words, 0
        for neighbours, streams in zip(self.neighbours, state.streams, strict=True):
            spins = words[first : first + neighbours.shape[0]]
            aligned = _aligned(spins, [words[neighbours[:, end]] for end in range(4)])
            drawn = [jnp.full_like(spins, ALL), *below(streams.at(state.sweeps), self.masks)]
            flip = jnp.zeros_like(spins)
            for cases, chosen in zip(self.classes, drawn, strict=True):
                flip = flip | (chosen & _either(spins, aligned, cases))
            words = words.at[first : first + spins.shape[0]].set(spins ^ flip)
            first += spins.shape[0]
        return Replicas(words, state.streams, state.sweeps + 1)

    @property
    def word(self) -> int:
        """Replicas in a word."""
        return REPLICAS

    @property
    def replicas(self) -> tuple[int, int]:
        """Fewest and most replicas side by side: fewer leave vector registers empty, more leave the cache."""
        return 256, 1024

    def advance(self, state: Replicas, count: int) -> Replicas:
        """The state `count` sweeps later, the same bits however sweeps are divided into calls and words among cores."""
        sites, words = state.words.shape
        # As an array, so that another number is not compiled anew.
        sweeps = np.int32(count)
        if count * sites * words < WORTH_SHARING or jax.default_backend() != "cpu":
            return self._later(state, sweeps)

        def later(block: slice) -> Replicas:
            return jax.block_until_ready(self._later(state.block(block.start, block.stop - block.start), sweeps))

        return _together(share_out(later, words, FULL))

    @eqx.filter_jit
    def _later(self, state: Replicas, sweeps: ArrayLike) -> Replicas:
        return jax.lax.fori_loop(0, sweeps, lambda _, at: self(at), state)

    def spins(self, state: Replicas) -> Int8[np.ndarray, "replica y x"]:
        """Configurations of all replicas."""
        return np.asarray(unpack(state.words[self.rows])).reshape(-1, *self.model.lattice.shape)

    def observe(self, state: Replicas) -> tuple[Float[np.ndarray, " replica"], Float[np.ndarray, " replica"]]:
        """Energy and magnetization per site of all replicas."""
        aligned, up = self._aligned_bonds_and_up_spins(state.words)
        magnetization = 2 * np.asarray(up, float) / self.rows.size - 1
        energy = 2 - 2 * np.asarray(aligned, float) / self.rows.size
        return energy - self.model.field * magnetization, magnetization

    @eqx.filter_jit
    def _aligned_bonds_and_up_spins(self, words: Array) -> tuple[Array, Array]:
        return aligned_bonds_and_up_spins(words[self.rows].reshape(*self.model.lattice.shape, -1))


def _aligned(spins: Array, neighbours: list[Array]) -> list[Array]:
    """Words whose bits say that 0, 1, 2, 3, 4 of the neighbours are aligned with the spin."""
    a, b, c, d = (~(spins ^ neighbour) for neighbour in neighbours)
    odd, pair, other_odd, other_pair = a ^ b, a & b, c ^ d, c & d
    ones = odd ^ other_odd
    four = pair & other_pair
    twos = pair ^ other_pair ^ (odd & other_odd)
    return [~(ones | twos | four), ones & ~twos, twos & ~ones, ones & twos, four]


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


def counts(planes: UInt32[Array, "site word"]) -> Int32[Array, " replica"]:
    """Ones over all sites for every replica.

    A word holds 32 / w fields of w bits. Fields twice as wide have room for 2^w + 1 of them, so that many words are
    added at a time, for w = 1, 2, 4, 8, 16.
    """
    fields = planes[None]
    for width in (1, 2, 4, 8, 16):
        room = 2**width + 1
        mask = jnp.uint32(ALL // room)
        fields = jnp.concatenate([fields & mask, (fields >> width) & mask])
        parts, sites, words = fields.shape
        addends = min(room, sites)
        fields = jnp.pad(fields, ((0, 0), (0, -sites % addends), (0, 0))).reshape(parts, addends, -1, words)
        # Written out, a short sum becomes one vectorised loop.
        short = addends <= 5
        fields = (
            sum((fields[:, k] for k in range(1, addends)), fields[:, 0]) if short else jnp.sum(fields, 1, jnp.uint32)
        )
    return fields[:, 0].astype(jnp.int32).T.reshape(-1)


@jax.jit
def aligned_bonds_and_up_spins(
    words: UInt32[Array, "y x word"],
) -> tuple[Int32[Array, " replica"], Int32[Array, " replica"]]:
    """Bonds between equal spins, and up spins, of every replica."""
    aligned = [~(words ^ jnp.roll(words, -1, axis)) for axis in (0, 1)]
    down, right, up = (plane.reshape(-1, words.shape[-1]) for plane in (*aligned, words))
    return counts(right) + counts(down), counts(up)
