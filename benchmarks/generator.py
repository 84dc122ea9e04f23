"""The random words of the samplers on standard output, for a battery of tests of random numbers.

    python benchmarks/generator.py | dieharder -a -g 200
    python benchmarks/generator.py --plane 0 | dieharder -a -g 200        one bit of every word
    python benchmarks/generator.py --source clusters | dieharder -a -g 200

`streams` are the words that bit-sliced Metropolis and heat bath use, lane after lane and count after count, 24 words
each as in a sweep; `clusters` the xoshiro256++ lanes of the cluster updates. A bit plane is what one replica sees.
"""

from __future__ import annotations

import argparse
import sys

import jax
import jax.numpy as jnp
import numpy as np

from rbmflow.random import Streams

LANES = 4096
PLANES = 24


def streams():
    """Blocks uint32 [turn, lane] of the counter-based streams."""
    source = Streams.seeded(jax.random.key(0), (LANES,))
    turn = jax.jit(lambda count: jax.lax.scan(lambda g, _: g.words(), source.at(count), length=PLANES)[1])
    for count in range(2**32):
        yield np.asarray(turn(jnp.uint32(count)))


def clusters():
    """Blocks uint32 [turn, half of a lane] of the generator of the cluster updates."""
    import numba

    from rbmflow.sampler._cluster_kernels import LANES, word_of

    @numba.njit
    def fill(lanes, words):
        for turn in range(words.shape[0]):
            for lane in range(words.shape[1]):
                words[turn, lane] = word_of(lanes, lane)

    lanes = np.array(jax.random.bits(jax.random.key(0), (4, LANES, 2), jnp.uint32)).view(np.uint64)[..., 0]
    words = np.empty((4096, LANES), np.uint64)
    while True:
        fill(lanes, words)
        yield words.view(np.uint32)


def main():
    """Write words until the reader has enough."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", choices=("streams", "clusters"), default="streams")
    parser.add_argument("--plane", type=int, help="one bit of every word, 0 the lowest; eight of them make a byte")
    asked = parser.parse_args()
    try:
        for words in streams() if asked.source == "streams" else clusters():
            if asked.plane is not None:
                words = np.packbits((words >> np.uint32(asked.plane)).astype(np.uint8).ravel() & 1)
            sys.stdout.buffer.write(np.ascontiguousarray(words).data)
    except BrokenPipeError:
        sys.stderr.close()


if __name__ == "__main__":
    main()
