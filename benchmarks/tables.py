"""Speed of sweeps by table, and of sweeps on other lattices than the square one, beside peers in the same run.

    taskset -c 0 python benchmarks/tables.py

Potts 3 and clock 4 at L = 64, at their critical temperatures, beside thrml, the one package found on PyPI that installs
and samples states of more than two values on a CPU, and beside a loop written out for these models alone and compiled
by numba. All are heat baths, one colour after another. Ising models on other lattices beside mcising's Metropolis.
Attempted updates of a site per ns of CPU; all take turns, and a ratio is the median of those of the rounds.
"""

from __future__ import annotations

import math
import os
import statistics
import time

import jax
import jax.numpy as jnp
import numba
import numpy as np
from sampling import RESULTS, about, advancing, installed

import rbmflow as rf
from rbmflow.sampler import Metropolis, TableHeatBath

ROUNDS = 7
LENGTH = 64
POTTS = ("Potts 3", rf.potts(rf.square(LENGTH), 3), 1 / math.log(1 + math.sqrt(3)))
CLOCK = ("clock 4", rf.clock(rf.square(LENGTH), 4), 1 / math.log(1 + math.sqrt(2)))
LATTICES = (("triangular", 64, 3.641), ("honeycomb", 48, 1.519), ("cubic", 16, 4.512))
ROW = "| {:<13} | {:<34} | {:>12} | {:>17} |"


def ours(method, model, temperature, sweeps):
    """Updates of one call, and the call."""
    kernel = method.sweep(model, temperature)
    state = kernel.start(jax.random.key(0), kernel.bundle, None)
    return model.lattice.sites * kernel.bundle * sweeps, advancing(kernel, state, sweeps)


def thrml(model, temperature, chains=8, sweeps=4):
    """The same of thrml: block Gibbs sampling of categorical nodes on two sublattices."""
    from thrml import Block, BlockGibbsSpec, CategoricalNode, FactorSamplingProgram, SamplingSchedule, sample_states
    from thrml.models import CategoricalGibbsConditional, SquareCategoricalEBMFactor

    lattice, pair = model.lattice, np.array(model.pair[0])
    nodes = [CategoricalNode() for _ in range(lattice.sites)]
    blocks = [Block([nodes[site] for site in sites]) for sites in lattice.colours]
    bonds = [(site, end) for site in range(lattice.sites) for end in lattice.neighbours[site, :2].tolist()]
    ends = [Block([nodes[bond[side]] for bond in bonds]) for side in (0, 1)]
    weights = jnp.broadcast_to(jnp.asarray(-pair / temperature, jnp.float32), (len(bonds), *pair.shape))
    conditional = CategoricalGibbsConditional(len(model.states))
    program = FactorSamplingProgram(
        BlockGibbsSpec(blocks, []), [conditional] * 2, [SquareCategoricalEBMFactor(ends, weights)], []
    )
    first = [jnp.zeros((chains, len(block.nodes)), jnp.uint8) for block in blocks]
    schedule = SamplingSchedule(sweeps - 1, 1, 1)
    run = jax.jit(jax.vmap(lambda key, state: sample_states(key, program, schedule, state, [], blocks)))
    keys = jax.random.split(jax.random.key(0), chains)
    return lattice.sites * chains * sweeps, lambda: jax.block_until_ready(run(keys, first))


@numba.njit
def _swept(states, weights, sweeps, s0, s1):
    """Heat-bath sweeps of one lattice: probabilities of all neighbourhoods are known, random numbers xoroshiro's."""
    length, q = states.shape[0], weights.shape[-1]
    for turn in range(2 * sweeps):
        for y in range(length):
            up, down = states[(y - 1) % length], states[(y + 1) % length]
            for x in range((y + turn) % 2, length, 2):
                total = s0 + s1
                s1 ^= s0
                s0 = ((s0 << np.uint64(24)) | (s0 >> np.uint64(40))) ^ s1 ^ (s1 << np.uint64(16))
                s1 = (s1 << np.uint64(37)) | (s1 >> np.uint64(27))
                uniform = (total >> np.uint64(11)) * 2.0**-53
                right = states[y, x + 1 if x + 1 < length else 0]
                law = weights[up[x], down[x], states[y, x - 1], right]
                state = 0
                for other in range(q - 1):
                    state += uniform >= law[other]
                states[y, x] = state
    return s0, s1


def plain(model, temperature, sweeps=200):
    """The same of a loop compiled by numba: cumulated probabilities by the states of all four neighbours."""
    pair, q = np.array(model.pair[0]), len(model.states)
    met = np.stack(np.meshgrid(*[np.arange(q)] * 4, indexing="ij"))
    weight = np.exp(-pair[:, met].sum(axis=1) / temperature)
    law = np.moveaxis(np.cumsum(weight / weight.sum(axis=0), axis=0), 0, -1).copy()
    states, held = np.zeros((LENGTH, LENGTH), np.int8), [np.uint64(1), np.uint64(2)]

    def work():
        held[:] = map(np.uint64, _swept(states, law, sweeps, *held))

    return states.size * sweeps, work


def mcising(kind, length, temperature, sweeps=200):
    """The same of mcising: Metropolis."""
    from mcising import IsingSimulation

    model = rf.ising(getattr(rf, kind)(length))
    chain = IsingSimulation(length, 1.0, 0.0, 0.0, 0.0, 1, "metropolis", kind)
    return model.lattice.sites * sweeps, lambda: chain.sweep(sweeps, temperature=temperature)


def rates(works):
    """Updates per ns of each, in rounds."""
    for _, work in works.values():
        work()
    found = {name: [] for name in works}
    for _ in range(ROUNDS):
        for name, (updates, work) in works.items():
            start = time.process_time()
            work()
            found[name].append(updates / (time.process_time() - start) / 1e9)
    return found


def rows(name, works):
    """Lines of one model; the first is ours."""
    found = rates(works)
    mine = next(iter(found.values()))
    for who, rate in found.items():
        ratio = statistics.median(one / other for one, other in zip(mine, rate, strict=True))
        yield ROW.format(name, who, f"{statistics.median(rate):.3g}", "" if rate is mine else f"{ratio:.1f} x")


def table():
    """All lines."""
    yield ROW.format("model", "code", "updates / ns", "the first over it")
    yield ROW.format(*("-" * 9 for _ in range(4)))
    for name, model, temperature in (POTTS, CLOCK):
        works = {"rbmflow table-heat-bath": ours(TableHeatBath(), model, temperature, 50)}
        if installed("thrml"):
            works[f"thrml {installed('thrml')}"] = thrml(model, temperature)
        works["a loop for this model alone, numba"] = plain(model, temperature)
        yield from rows(name, works)
    for kind, length, temperature in LATTICES:
        model = rf.ising(getattr(rf, kind)(length))
        works = {"rbmflow metropolis": ours(Metropolis(), model, temperature, 200)}
        works["rbmflow table-heat-bath"] = ours(TableHeatBath(), model, temperature, 50)
        if installed("mcising"):
            works["mcising metropolis"] = mcising(kind, length, temperature)
        yield from rows(f"{kind} {length}", works)


def main():
    """Write the table."""
    lines = [about(len(os.sched_getaffinity(0))), ""]
    for line in table():
        print(line, flush=True)
        lines.append(line)
    (RESULTS / "tables.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
