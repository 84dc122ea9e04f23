"""What a user waits for: the public call `sample`, thermalisation, autocorrelation times and tests included.

    taskset -c 0 python benchmarks/sample.py     one core, beside mcising (dependency group `bench`)
    python benchmarks/sample.py                  all cores

Wall times until n effectively independent configurations are there: the median of five calls with keys of their own
after the first, which is timed in a process of its own and compiles into an empty cache. mcising runs as its manual
says: Wolff, adaptive (MSER and Sokal's window, two autocorrelation times between configurations), cooling down. Its
budget of sweeps is raised so far that it delivers as many; by default it ends after 315 of 1000 at L = 64 and T = 4.
"""

import os
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from statistics import median

import numpy as np
from sampling import RESULTS, about, installed

import rbmflow as rf

TC = 2.269185
GRID = tuple(np.linspace(1, 4, 24).round(3).tolist())
JOBS = {
    "10, 24 temperatures": ("square", 10, GRID, 1000),
    "20, 24 temperatures": ("square", 20, GRID, 1000),
    "32, T_c": ("square", 32, (TC,), 1000),
    "48, T_c": ("square", 48, (TC,), 1000),
    "64, T_c": ("square", 64, (TC,), 1000),
    "64, T_c, many": ("square", 64, (TC,), 10_000),
    **{f"64, T = {temperature}": ("square", 64, (temperature,), 1000) for temperature in (1.5, 2.0, 2.5, 3.0, 4.0)},
    "64, six temperatures": ("square", 64, (1.5, 2.0, TC, 2.5, 3.0, 4.0), 1000),
    "96, T = 2.4": ("square", 96, (2.4,), 1000),
    "128, T_c": ("square", 128, (TC,), 1000),
    "triangular 32, T_c": ("triangular", 32, (3.641,), 1000),
    "triangular 32, T = 3": ("triangular", 32, (3.0,), 1000),
    "honeycomb 24, T_c": ("honeycomb", 24, (1.519,), 1000),
    "honeycomb 24, T = 2.5": ("honeycomb", 24, (2.5,), 1000),
    "cubic 12, T_c": ("cubic", 12, (4.512,), 1000),
    "cubic 12, T = 6": ("cubic", 12, (6.0,), 1000),
}
MARGIN = 1.1
"""Draws for one effectively independent configuration: successive ones may be correlated by 0.05."""
ROW = "| {:<21} | {:>8} | {:>8} | {:>8} | {:>8} | {:>8} | {:<44} |"


def draw(job, key):
    """Seconds of one call, and its draws."""
    kind, length, temperatures, count = JOBS[job]
    model = rf.ising(getattr(rf, kind)(length))
    start = time.perf_counter()
    draws = rf.sample(key, model, list(temperatures), round(MARGIN * count))
    return time.perf_counter() - start, draws


def first_call(job):
    """Seconds of the first call in a new process with an empty compilation cache, imports excluded."""
    code = f"import jax, sample; jax.devices(); print(sample.draw({job!r}, 0)[0])"
    with tempfile.TemporaryDirectory() as folder:
        surroundings = {**os.environ, "JAX_COMPILATION_CACHE_DIR": folder, "PYTHONPATH": str(Path(__file__).parent)}
        return float(subprocess.check_output([sys.executable, "-c", code], text=True, env=surroundings).split()[-1])


def peer(job, seed):
    """mcising: seconds, and the smallest number of configurations that it delivered at a temperature."""
    from mcising import AdaptiveConfig, Algorithm, LatticeConfig, LatticeType, Simulation, SimulationConfig

    kind, length, temperatures, count = JOBS[job]
    adaptive = AdaptiveConfig(enabled=True, min_independent_samples=count, max_total_sweeps=10**8)
    lattice, grid = LatticeConfig(LatticeType(kind), length), tuple(sorted(temperatures, reverse=True))
    config = SimulationConfig(lattice, Algorithm.WOLFF, seed, grid, adaptive=adaptive)
    start = time.perf_counter()
    results = Simulation(config).run(show_progress=False)
    return time.perf_counter() - start, min(map(len, results.configurations.values()))


def row(job, repetitions=5):
    """One line of the table."""
    draw(job, 100)
    ours, theirs, delivered, draws = [], [], [], None
    for number in range(repetitions):
        seconds, draws = draw(job, number)
        ours.append(seconds)
        if installed("mcising"):
            seconds, count = peer(job, number)
            theirs.append(seconds)
            delivered.append(count)
    reference = median(theirs) if theirs else float("nan")
    methods = ", ".join(dict.fromkeys(one.split()[0] for one in draws.methods))
    told = f"{methods}, ESS {min(chains.ess for chains in draws.chains):.0f}"
    told += f"; mcising: {min(delivered)}" if delivered else ""
    numbers = (f"{one:.3f}" for one in (first_call(job), median(ours), reference, median(ours) / reference))
    return ROW.format(job, JOBS[job][-1], *numbers, told)


def main():
    """Write the table."""
    cores = len(os.sched_getaffinity(0))
    # mcising warns of every row that its budget ends.
    warnings.simplefilter("ignore")
    heads = ("lattice", "n", "first, s", "next, s", "mcising", "ratio", "how")
    lines = [about(cores), "", ROW.format(*heads), ROW.format(*("-" * 8 for _ in heads))]
    print(*lines, sep="\n")
    for job in JOBS:
        lines.append(row(job))
        print(lines[-1], flush=True)
    name = "sample.md" if cores == 1 else "sample-cores.md"
    (RESULTS / name).write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
