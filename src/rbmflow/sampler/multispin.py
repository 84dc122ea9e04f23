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

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int8, Int32, UInt32

from rbmflow.lattice import Lattice
from rbmflow.random import Generator

PLANES = 24
REPLICAS = 32
"""Replicas in a word."""

ALL = np.uint32(0xFFFFFFFF)


def _lanes(axes: int) -> UInt32[Array, "..."]:
    """The numbers of the bits along the last of some axes."""
    return jnp.arange(REPLICAS, dtype=jnp.uint32).reshape((1,) * (axes - 1) + (REPLICAS,))


@jax.jit
def unpack(words: UInt32[Array | np.ndarray, "site ..."]) -> Int8[Array, "replica site"]:
    """Spins of the replicas of one word after the other."""
    words = jnp.asarray(words).reshape(len(words), -1)
    bits = (words.T[:, :, None] >> _lanes(3)) & 1
    return bits.astype(jnp.int8).swapaxes(1, 2).reshape(-1, words.shape[0]) * 2 - 1


def digits(probabilities: np.ndarray) -> UInt32[Array, "probability plane"]:
    """Binary digits of probabilities as masks 0 or ~0, least significant first, after one mask that stands for 1."""
    levels = np.rint(np.asarray(probabilities, float) * 2**PLANES).astype(np.int64)
    one = levels == 2**PLANES
    # u < 1 is u <= 1 - 2^-24: the comparison starts from "equal counts as less".
    bits = (np.where(one, 2**PLANES - 1, levels)[:, None] >> np.arange(PLANES)) & 1
    return jax.device_put(np.concatenate([one[:, None], bits], axis=1).astype(np.uint32) * ALL)


def below(generator: Generator, masks: UInt32[Array, "probability plane"]) -> list[UInt32[Array, "*lanes"]]:
    """Words whose bits are 1 with the given probabilities: one random number a bit, compared with each of them."""
    less = [jnp.broadcast_to(mask, generator.first.shape) for mask in masks[:, 0]]
    for plane in range(1, PLANES + 1):
        generator, word = generator.words()
        less = [(word & (was | mask)) | (was & mask) for was, mask in zip(less, masks[:, plane], strict=True)]
    return less


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


@functools.partial(jax.jit, static_argnames="lattice")
def aligned_bonds_and_up_spins(
    planes: UInt32[Array | np.ndarray, "site ..."], lattice: Lattice
) -> tuple[Int32[Array, " replica"], Int32[Array, " replica"]]:
    """Bonds between equal spins, and up spins, of every replica."""
    words = jnp.asarray(planes).reshape(*lattice.cells, lattice.basis, -1)
    axes, aligned = tuple(range(len(lattice.cells))), []
    for bond in lattice.bonds:
        there = jnp.roll(words[..., bond.end, :], [-step for step in bond.displacement], axes)
        aligned.append(counts(~(words[..., bond.start, :] ^ there).reshape(-1, words.shape[-1])))
    return sum(aligned[1:], aligned[0]), counts(words.reshape(-1, words.shape[-1]))
