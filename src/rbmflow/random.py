"""The bit generator shared by sampler, training and flow: xoshiro128++, one state a lane.

Plain threefry limits everything on a CPU. A vector of xoshiro128++ states is a handful of uint32 operations that
XLA fuses into the loop that uses the bits. Every lane is seeded with 128 independent threefry bits of a JAX key;
two of n lanes overlap within m words with a probability of at most n^2 m / 2^127.

References
----------
D. Blackman, S. Vigna, Scrambled linear pseudorandom number generators, ACM Trans. Math. Softw. 47, 36 (2021),
doi:10.1145/3460772 (xoshiro128++ is the 32-bit generator with ++ scrambler, constants 7, 9, 11).
"""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt32

from rbmflow._types import Key


def _rotate_left(word: Array, count: int) -> Array:
    return (word << count) | (word >> (32 - count))


class Generator(eqx.Module):
    """A vector of xoshiro128++ states; every call returns the advanced generator and one number a lane.

    Examples
    --------
    >>> import jax
    >>> generator = Generator.seeded(jax.random.key(0), (3, 2))
    >>> generator, words = generator.words()
    >>> words.shape, words.dtype.name
    ((3, 2), 'uint32')
    """

    first: UInt32[Array, "*lanes"]
    second: UInt32[Array, "*lanes"]
    third: UInt32[Array, "*lanes"]
    fourth: UInt32[Array, "*lanes"]

    @classmethod
    def seeded(cls, key: Key, lanes: tuple[int, ...]) -> Generator:
        """Seed one independent state a lane from 128 threefry bits each.

        Parameters
        ----------
        key
            JAX random key.
        lanes
            Shape of the vector of states, and so of every draw.
        """
        return cls(*jax.random.bits(key, (4, *lanes), jnp.uint32))

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


def host_generator(key: Key) -> np.random.Generator:
    """NumPy generator (PCG64) seeded from all bits of a JAX key, for exact formulas that run in float64 NumPy."""
    return np.random.default_rng(np.asarray(jax.random.bits(key, (8,), jnp.uint32)).tolist())
