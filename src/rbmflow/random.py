"""The bit generator shared by sampler, training and flow: xoshiro128++, one state a lane.

Plain threefry limits everything on a CPU, while XLA fuses these few uint32 operations into the loop that uses the bits.
Every lane is seeded with 128 threefry bits of a JAX key; two of n lanes overlap within m words with a probability of at
most n^2 m / 2^127.

References
----------
D. Blackman, S. Vigna, Scrambled linear pseudorandom number generators, ACM Trans. Math. Softw. 47, 36 (2021),
doi:10.1145/3460772 (xoshiro128++ is the 32-bit generator with ++ scrambler, constants 7, 9, 11).
C. Wellons, hash-prospector (2018), https://github.com/skeeto/hash-prospector (the hash of `Streams`).
"""

from __future__ import annotations

import math
import zlib
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float, Int8, Int32, UInt32

from rbmflow._doors import AnyKey, key_of
from rbmflow._types import Key

_STRIDES = (0x9E3779B9, 0x85EBCA6B, 0xC2B2AE35, 0x27D4EB2F)

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))

MOST_ON_HOST = 2**20
"""Words of threefry up to which NumPy makes them: that takes 0.1 s, and JAX would compile for every shape anew."""

FEW_WORDS = 16
"""Words of threefry that are made one by one."""

_SMALLEST_SIDE = 32
"""Side of the grid of `Shuffles`: on a smaller one few of all orders could come up."""


def _rotate_left(word: Array, count: int) -> Array:
    return (word << count) | (word >> (32 - count))


def _on_host(key: Key, words: int) -> bool:
    """Whether so many words of a key are made by NumPy: there are few, and the key is a plain one with a value."""
    plain = not isinstance(key, Tracer) and jax.random.key_impl(key) == "threefry2x32"
    return plain and words <= MOST_ON_HOST and jax.config.jax_threefry_partitionable  # pyright: ignore


def _threefry(key: Key, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both words of threefry2x32-20 at counts below 2^32 (J. K. Salmon et al. 2011, doi:10.1145/2063384.2063405)."""
    first, second = np.asarray(jax.random.key_data(key)).tolist()
    keys = first, second, first ^ second ^ 0x1BD11BDA
    if counts.size <= FEW_WORDS:
        left, right = np.array([_pair(keys, count) for count in counts.tolist()], np.uint32).T
        return left, right
    left, right = np.full(counts.size, first, np.uint32), counts.astype(np.uint32) + np.uint32(second)
    moved = np.empty_like(right)
    for group in range(5):
        for rotation in _ROTATIONS[group % 2]:
            left += right
            np.left_shift(right, rotation, out=moved)
            right >>= 32 - rotation
            right |= moved
            right ^= left
        left += np.uint32(keys[(group + 1) % 3])
        right += np.uint32(keys[(group + 2) % 3] + group + 1 & 0xFFFF_FFFF)
    return left, right


def _pair(keys: tuple[int, int, int], count: int) -> tuple[int, int]:
    """The same at one count, by plain numbers: for few of them NumPy takes twenty times as long."""
    left, right = keys[0], count + keys[1] & 0xFFFF_FFFF
    for group in range(5):
        for rotation in _ROTATIONS[group % 2]:
            left = left + right & 0xFFFF_FFFF
            right = (right << rotation & 0xFFFF_FFFF | right >> 32 - rotation) ^ left
        left = left + keys[(group + 1) % 3] & 0xFFFF_FFFF
        right = right + keys[(group + 2) % 3] + group + 1 & 0xFFFF_FFFF
    return left, right


def threefry_words(key: Key, shape: tuple[int, ...]) -> np.ndarray | Array:
    """The same as `jax.random.bits(key, shape, jnp.uint32)`."""
    if not _on_host(key, math.prod(shape)):
        return jax.random.bits(key, shape, jnp.uint32)
    left, right = _threefry(key, np.arange(math.prod(shape)))
    return (left ^ right).reshape(shape)


def random_spins(key: Key, shape: tuple[int, ...]) -> Int8[np.ndarray | Array, "..."]:
    """The same as `jax.random.rademacher(key, shape, jnp.int8)`."""
    if not _on_host(key, math.prod(shape)):
        return jax.random.rademacher(key, shape, jnp.int8)
    return np.where(np.asarray(threefry_words(key, shape)) >> 31, -1, 1).astype(np.int8)


def split(key: Key, count: int = 2) -> tuple[Key, ...]:
    """The same as `jax.random.split(key, count)`."""
    if not _on_host(key, count):
        return tuple(jax.random.split(key, count))
    pairs = np.stack(_threefry(key, np.arange(count)), axis=1)
    return tuple(jax.random.wrap_key_data(jax.device_put(pair), impl="threefry2x32") for pair in pairs)


def fold_in(key: Key, number: int) -> Key:
    """The same as `jax.random.fold_in(key, number)`."""
    if not _on_host(key, 1):
        return jax.random.fold_in(key, number)
    pair = np.concatenate(_threefry(key, np.array([number])))
    return jax.random.wrap_key_data(jax.device_put(pair), impl="threefry2x32")


class Generator(eqx.Module):
    """A vector of xoshiro128++ states; every call returns the advanced generator and one number a lane."""

    first: UInt32[Array, "*lanes"]
    second: UInt32[Array, "*lanes"]
    third: UInt32[Array, "*lanes"]
    fourth: UInt32[Array, "*lanes"]

    @classmethod
    def seeded(cls, key: Key, lanes: tuple[int, ...]) -> Generator:
        """One state a lane; `lanes` is the shape of every draw."""
        return cls(*map(jax.device_put, threefry_words(key, (4, *lanes))))

    def words(self) -> tuple[Generator, UInt32[Array, "*lanes"]]:
        """32 random bits a lane."""
        s0, s1, s2, s3 = self.first, self.second, self.third, self.fourth
        word = _rotate_left(s0 + s3, 7) + s0
        shifted = s1 << 9
        s2, s3 = s2 ^ s0, s3 ^ s1
        s1, s0 = s1 ^ s2, s0 ^ s3
        return Generator(s0, s1, s2 ^ shifted, _rotate_left(s3, 11)), word

    def uniform(self) -> tuple[Generator, Float[Array, "*lanes"]]:
        """Uniform float32 on the 2^24 equidistant points of [0, 1)."""
        advanced, word = self.words()
        return advanced, (word >> 8).astype(jnp.int32).astype(jnp.float32) * jnp.float32(2**-24)

    def symmetric(self) -> tuple[Generator, Float[Array, "*lanes"]]:
        """Uniform float32 on the 2^24 equidistant points of [-1, 1)."""
        advanced, word = self.words()
        return advanced, (word.astype(jnp.int32) >> 8).astype(jnp.float32) * jnp.float32(2**-23)


def _mixed(word: Array) -> Array:
    """Bijective hash of 32 bits (multiply and xor-shift, C. Wellons' lowbias32)."""
    word = (word ^ (word >> 16)) * jnp.uint32(0x7FEB352D)
    word = (word ^ (word >> 15)) * jnp.uint32(0x846CA68B)
    return word ^ (word >> 16)


class Streams(eqx.Module):
    r"""Random words as a function of a count c below 2^32: a short xoshiro128++ sequence for every lane and count.

    .. math:: s_i(c) = \mathrm{mix}(k_i + c\, a_i \bmod 2^{32}), \qquad i = 0 \dots 3,

    are its state words, with 128 threefry bits k a lane, odd constants a and a bijective hash. Nothing is carried from
    one use to the next, so a loop that needs many words a lane writes no states: that is what limits a compiled loop.
    """

    keys: UInt32[Array, "4 *lanes"]

    @classmethod
    def seeded(cls, key: Key, lanes: tuple[int, ...]) -> Streams:
        """128 threefry bits for each lane."""
        return cls(jax.device_put(threefry_words(key, (4, *lanes))))

    def at(self, count: int | Array) -> Generator:
        """The generator of every lane at one count in 0 ... 2^32 - 1."""
        turn = jnp.asarray(count, jnp.uint32)
        return Generator(*(_mixed(key + turn * jnp.uint32(a)) for key, a in zip(self.keys, _STRIDES, strict=True)))


class Shuffles(eqx.Module):
    r"""Pseudo-random orders of any set as a function of a count, in a tenth of the time of sorting random words.

    A place :math:`x = l\,n + r` on a grid of :math:`m \times n` places is moved by a Feistel network,
    :math:`l \to l + f_1(r) \bmod m,\ r \to r + f_2(l) \bmod n, \dots`, whose six round functions are the hash of
    `Streams` with keys that depend on the count. Each round is a bijection, so their product is. Places outside the
    set are moved again until they fall inside. M. Luby, C. Rackoff, SIAM J. Comput. 17, 373 (1988),
    doi:10.1137/0217022; J. Black, P. Rogaway, CT-RSA 2002, doi:10.1007/3-540-45760-7_9 (sets of any size).
    """

    keys: UInt32[Array, " round"]

    @classmethod
    def seeded(cls, key: Key) -> Shuffles:
        """32 threefry bits for each of six rounds."""
        return cls(jax.device_put(threefry_words(key, (6,))))

    def at(self, count: int | Array, size: int) -> Int32[Array, " {size}"]:
        """All whole numbers below `size` (at most 2^31), in the order of one count in 0 ... 2^32 - 1."""
        rows = max(_SMALLEST_SIDE, math.isqrt(size - 1) + 1)
        columns = max(_SMALLEST_SIDE, -(-size // rows))
        keys = _mixed(self.keys + jnp.asarray(count, jnp.uint32) * jnp.uint32(_STRIDES[0]))

        def moved(place: Array) -> Array:
            left, right = place // columns, place % columns
            for number in range(0, 6, 2):
                left = _shifted(left, right + keys[number], rows)
                right = _shifted(right, left + keys[number + 1], columns)
            return left * columns + right

        places = moved(jnp.arange(size, dtype=jnp.uint32))
        outside = lambda places: places >= size  # noqa: E731
        places = jax.lax.while_loop(
            lambda places: jnp.any(outside(places)),
            lambda places: jnp.where(outside(places), moved(places), places),
            places,
        )
        return places.astype(jnp.int32)


def _shifted(place: Array, word: Array, limit: int) -> Array:
    """Place plus the hash of a word, modulo `limit` < 2^16."""
    place = place + (((_mixed(word) >> 16) * jnp.uint32(limit)) >> 16)
    return jnp.where(place >= limit, place - jnp.uint32(limit), place)


def key_for(key: AnyKey, purpose: str, *used_on: Any) -> Key:
    """Key of one purpose, so that one key handed to several functions gives each a stream of its own.

    `jax.random.split(key)[i]` equals `jax.random.fold_in(key, i)`; without this the first stream of every function
    that is handed a key would be the same. What the stream is used on is folded in too where two uses would be
    compared: Gibbs chains of two starts that share their random numbers soon are the same chains.

    What is folded in is the CRC-32 of the purpose, the name of the function, and of the bytes of all arrays.
    """
    content = zlib.crc32(purpose.encode())
    for leaf in jax.tree.leaves(used_on):
        content = zlib.crc32(np.ascontiguousarray(leaf), content)
    return fold_in(key_of(key), content)


def host_generator(key: Key) -> np.random.Generator:
    """NumPy generator (PCG64) seeded from all bits of a JAX key, for exact formulas that run in float64 NumPy."""
    return np.random.default_rng(np.asarray(threefry_words(key, (8,))).tolist())
