"""Speed of the lattice samplers, beside their peers in the same run.

    taskset -c 0 python benchmarks/sampling.py

What a user waits for is in `sample.py`; here are flips, independent configurations and cost against L on one core.
Times on the CPU are CPU seconds of this process, medians, compilation excluded: on a busy machine they are steadier
than the clock. Peers (mcising, dwave-samplers) and numba come with the dependency group `bench`; those not installed
are left out. GPUs: `gpu.py`.
"""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
import statistics
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import rbmflow as rf
from rbmflow import exact
from rbmflow.random import Streams
from rbmflow.sampler import HeatBath, Metropolis, SwendsenWang, TransferMatrix, Wolff, chains, method_for

CRITICAL = exact.critical_temperature()
RESULTS = Path(__file__).parent / "results"
ROW = "| {:<64} | {:>8} | {:>12} |"


def median_seconds(work, repetitions=5, clock=time.process_time):
    """Median time of `work()`, after one call that compiles."""
    work()
    seconds = []
    for _ in range(repetitions):
        start = clock()
        work()
        seconds.append(clock() - start)
    return statistics.median(seconds)


def advancing(kernel, state, count):
    """A closure that advances chains and waits for them."""
    held = [state]

    def work():
        held[0] = jax.block_until_ready(kernel.advance(held[0], count))

    return work


def flips_per_ns(method, length, count):
    """Attempted spin updates per ns at T_c, of the replicas that a core moves together."""
    kernel = method.sweep(rf.ising(rf.square(length)), CRITICAL)
    state = kernel.start(jax.random.key(0), kernel.bundle, np.ones(kernel.bundle, np.int8))
    seconds = median_seconds(advancing(kernel, state, count))
    return length**2 * kernel.bundle * count / seconds / 1e9


def generator_bound():
    """Flips per ns if a flip cost 24 random bits and nothing else: the generator alone, 24 words a lane."""

    @jax.jit
    def words(streams, count):
        def turn(at, total):
            generator = streams.at(at)
            for _ in range(24):
                generator, word = generator.words()
                total = total ^ word
            return total

        return jax.lax.fori_loop(0, count, turn, jnp.zeros_like(streams.keys[0]))

    streams, count = Streams.seeded(jax.random.key(0), (50, 128)), 500
    seconds = median_seconds(lambda: jax.block_until_ready(words(streams, count)))
    return 50 * 128 * 32 * count / seconds / 1e9


def independent_per_second(method, length, draws=100_000):
    """Independent configurations per CPU second at T_c: replicas / (2 tau_int seconds of a step); and tau_int.

    Exact draws need tables first, so that their number matters.
    """
    model = rf.ising(rf.square(length))
    if isinstance(method, TransferMatrix):
        generator = np.random.default_rng(0)
        return draws / median_seconds(lambda: method.draw(generator, model, CRITICAL, draws), 3), 0.5
    kernel = method.sweep(model, CRITICAL)
    ensemble = chains.Ensemble(jax.random.key(0), model, kernel, CRITICAL, kernel.bundle)
    tau, *_ = chains.thermalise(ensemble, method.expected(model, CRITICAL)[0])
    count = max(1, 20_000 // length**2)
    seconds = median_seconds(advancing(kernel, ensemble.states[0], count), 3)
    return kernel.bundle * count / (2 * tau * seconds), tau


def mcising_rates(algorithm, length, sweeps):
    """mcising: attempted flips per ns, and independent configurations per second, at T_c."""
    from mcising import IsingSimulation

    from rbmflow.diagnostics import tau_int

    chain = IsingSimulation(length, 1.0, 0.0, 0.0, 0.0, 1, algorithm)
    chain.set_spins(np.ones((length, length), np.int8))
    chain.sweep(sweeps // 4, temperature=CRITICAL)
    squares = []
    for _ in range(sweeps):
        chain.sweep(1, temperature=CRITICAL)
        squares.append(chain.magnetization() ** 2)
    tau = tau_int(np.array(squares)[None])
    count = max(1, sweeps // 20)
    seconds = median_seconds(lambda: chain.sweep(count, temperature=CRITICAL)) / count
    return length**2 / seconds / 1e9, 1 / (2 * tau * seconds)


def dwave_rate(length):
    """dwave-samplers' tree decomposition: exact independent configurations per second at T_c."""
    import dimod
    from dwave.samplers import TreeDecompositionSampler

    bonds = {}
    for site, ends in enumerate(rf.square(length).neighbours[:, :2]):
        for end in ends:
            bonds[site, int(end)] = -1.0
    problem = dimod.BinaryQuadraticModel({}, bonds, 0.0, "SPIN")
    reads = 20_000
    sampler = TreeDecompositionSampler()
    return reads / median_seconds(lambda: sampler.sample(problem, num_reads=reads, beta=1 / CRITICAL), 3)


def installed(package):
    """Whether a distribution is there."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def about(cores):
    """Date, machine and versions."""
    versions = {name: installed(name) for name in ("jax", "numba", "mcising", "dwave-samplers")}
    place = f"{datetime.datetime.now(datetime.UTC).date()}, {platform.machine()}, {platform.system()}, {cores} core(s)"
    return f"{place}; " + ", ".join(f"{name} {version}" for name, version in versions.items() if version)


def flips_table():
    """Attempted spin updates per ns."""
    yield ROW.format("attempted flips at T_c", "L", "flips / ns")
    yield ROW.format("-" * 64, "-" * 8, "-" * 12)
    bound = generator_bound()
    yield ROW.format("bound: 24 random bits a flip, no more", "", f"{bound:.2f}")
    for length, count in ((10, 10_000), (64, 500), (512, 10)):
        peer = mcising_rates("metropolis", length, max(200, 100_000 // length**2))[0] if installed("mcising") else 0
        for method in (Metropolis(), HeatBath()):
            rate = flips_per_ns(method, length, count)
            told = f"{rate / bound:.2f} of the bound" + (f", {rate / peer:.1f} x mcising" if peer else "")
            yield ROW.format(f"rbmflow {method.name}: {told}", length, f"{rate:.2f}")
        if peer:
            yield ROW.format("mcising metropolis", length, f"{peer:.3f}")


def best_peer(length):
    """Rows of the peers at one size, and the highest rate of independent configurations."""
    rates = {}
    if installed("mcising"):
        for algorithm in ("metropolis", "swendsen_wang", "wolff") if length < 64 else ("swendsen_wang", "wolff"):
            rates[f"mcising {algorithm}"] = mcising_rates(algorithm, length, 20_000 if length < 64 else 3000)[1]
    if installed("dwave-samplers") and length == 10:
        rates["dwave-samplers tree decomposition"] = dwave_rate(length)
    rows = [ROW.format(name, length, f"{rate:.3g}") for name, rate in rates.items()]
    return rows, max(rates.values(), default=float("nan"))


def independent_table():
    """Independent configurations per second at T_c; small lattices have one choice of auto for many draws."""
    yield ROW.format("independent configurations at T_c", "L", "1 / s")
    yield ROW.format("-" * 64, "-" * 8, "-" * 12)
    for length in (10, 32, 64, 128):
        model = rf.ising(rf.square(length))
        choices = {method_for(model, CRITICAL, draws=draws)[0]: draws for draws in (1_000_000, 100_000)}
        rows, peer = best_peer(length)
        candidates = [Metropolis(), SwendsenWang(), Wolff()] if length < 128 else [SwendsenWang(), Wolff()]
        for method in dict.fromkeys([*reversed(choices), *candidates]):
            if method.refusal(model) is not None:
                continue
            rate, tau = independent_per_second(method, length)
            yield ROW.format(f"rbmflow {method.name} (tau {tau:.1f})", length, f"{rate:.3g}")
            if method in choices:
                many = f" for {choices[method]} draws" if len(choices) > 1 else ""
                yield ROW.format(f"  the choice of auto{many}, against the best peer", length, f"{rate / peer:.1f} x")
            if isinstance(method, TransferMatrix):
                rate, _ = independent_per_second(method, length, 1000)
                yield ROW.format("  the same for 1000 draws, tables included", length, f"{rate:.3g}")
        yield from rows


def cost_figure(path):
    """CPU time of an independent configuration against L, and the exponents of its growth."""
    import matplotlib
    from matplotlib import pyplot

    from rbmflow.figures.style import STYLE_FILE

    sizes = (8, 16, 32, 64, 128, 256)
    with matplotlib.rc_context(fname=STYLE_FILE):
        figure, axes = pyplot.subplots(figsize=(5, 3.6), layout="constrained")
        for method, mark in ((Metropolis(), "o"), (SwendsenWang(), "s"), (Wolff(), "^")):
            if method.refusal(rf.ising(rf.square(8))) is None:
                # Beyond L = 64 Metropolis takes minutes to be thermal.
                lengths = sizes[:4] if isinstance(method, Metropolis) else sizes
                seconds = [1 / independent_per_second(method, length)[0] for length in lengths]
                slope = np.polyfit(np.log(lengths[1:]), np.log(seconds[1:]), 1)[0]
                axes.loglog(lengths, seconds, f"{mark}-", label=f"{method.name}: $L^{{{slope:.2f}}}$")
                yield f"cost per independent configuration, {method.name}: L^{slope:.2f} from L = 16 on"
                yield ""
        axes.set_xticks(sizes, sizes)
        axes.minorticks_off()
        axes.set(xlabel="L", ylabel="CPU s per independent configuration", title=r"2D Ising at $T_c$, one core")
        axes.legend()
        figure.savefig(path, metadata={"Date": None})


def main():
    """Write the tables and the figure."""
    RESULTS.mkdir(exist_ok=True)
    lines = [about(len(os.sched_getaffinity(0))), ""]
    for part in (flips_table(), [""], independent_table(), [""], cost_figure(RESULTS / "sampling.svg")):
        for line in part:
            print(line, flush=True)
            lines.append(line)
    (RESULTS / "sampling.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
