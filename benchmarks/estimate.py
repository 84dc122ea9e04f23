"""What `rbmflow plan` tells against what runs take, and the fit of the table that it tells it from.

    python benchmarks/estimate.py run NAME ...      compute some of SPECS, each into a store of FOLDER of its own
    python benchmarks/estimate.py told              told against taken, by kind of step, of all stores in FOLDER
    python benchmarks/estimate.py fit               the table EFFORTS of `rbmflow.execute.estimate`, from them

`--folder FOLDER` is where the stores are (default: estimate-runs). Seconds are those of CPU, which a busy machine moves
less than those of the wall. Nothing is compiled before, and one process computes, so that each program is compiled
once.
"""

import argparse
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
from scipy.optimize import nnls

from rbmflow import execute, spec, steps
from rbmflow.execute import estimate
from rbmflow.store import Store

ALONE = """
name = "{name}"
seeds = 1
[lattice]
length = {length}
[sampling]
draws = {draws}
[machine]
hidden = {hidden}
[types.V]
[training]
epochs = 20
[flow]
starts = ["cold", "hot"]
chains = {chains}
iterations = 20
[thermometer]
draws = {draws}
epochs = 5
"""

SPECS = {
    "tiny": ALONE.format(name="tiny", length=4, hidden=16, draws=250, chains=100),
    "l20": ALONE.format(name="l20", length=20, hidden=200, draws=200, chains=300),
    "l32": ALONE.format(name="l32", length=32, hidden=400, draws=100, chains=200),
    "l64": ALONE.format(name="l64", length=64, hidden=64, draws=20, chains=50),
    "l128": ALONE.format(name="l128", length=128, hidden=32, draws=20, chains=20),
    "quick": spec.to_toml(spec.load("quick")),
    "nulls": spec.to_toml(spec.load("nulls", {"seeds": "1"})),
}


def compute(name, folder):
    """Compute a run in this process."""
    asked = spec.parse(spec.parse_toml(SPECS[name]))
    execute.run(steps.graph(asked), Store(folder / name), name=None)


def rows(folder):
    """By name of a run and kind of step: the spec, the steps that are there, and the seconds that each took."""
    for path in sorted(folder.glob("*/rbmflow-store.json")):
        store, asked = Store(path.parent), spec.parse(spec.parse_toml(SPECS[path.parent.name]))
        found = defaultdict(list)
        for step in steps.graph(asked):
            if store.state(step) == "done":
                found[step.kind].append((step, estimate.computing_seconds(store.provenance(step))))
        yield path.parent.name, asked, found


def tell(folder):
    """Print told and taken seconds of CPU, by kind of step, and what is told of the shipped specs."""
    runs = [(name, estimate.modelled([(asked, steps.graph(asked))]), found) for name, asked, found in rows(folder)]
    kinds = dict.fromkeys(kind for _, _, found in runs for kind in found)
    print("| kind of step |", " | ".join(name for name, *_ in runs), "|")
    print("|---" * (len(runs) + 1) + "|")
    cells = defaultdict(list)
    for _, told, found in runs:
        for kind in (*kinds, "all"):
            there = [row for one, some in found.items() if kind in (one, "all") for row in some]
            cells[kind].append(f"{sum(told[step] for step, _ in there):.1f} / {sum(took for _, took in there):.1f}")
    for kind, row in cells.items():
        print(f"| {kind} |", " | ".join(row), "|")
    for name in spec.shipped():
        sweep = spec.load_sweep(name)
        graphs = [steps.graph(point.spec) for point in sweep.points]
        seconds = estimate.modelled((point.spec, graph) for point, graph in zip(sweep.points, graphs, strict=True))
        span = estimate.makespan(list(seconds), seconds, 2)
        whole = estimate.told_duration(sum(seconds.values()))
        print(f"\n{name}: {whole} of CPU, {estimate.told_duration(span)} on two cores")


def fit(folder):
    """Print the efforts that fit best, each run and kind weighted by its inverse seconds; none is negative."""
    equations = defaultdict(list)
    for _, asked, found in rows(folder):
        sizes = {hidden for name in asked.types for hidden in asked.hidden_units(name)}
        for kind, some in found.items():
            programs = len(sizes) if kind in estimate.BY_SIZE else 1
            took = sum(seconds for _, seconds in some)
            units = estimate.counts(asked)[kind] / 1e9 * len(some)
            equations[kind].append(np.array([programs, len(some), units, took]) / max(took, 0.05))
    for kind, lines in equations.items():
        table = np.array(lines)
        efforts = nnls(table[:, :3], table[:, 3])[0]
        print(f'    "{kind}": Effort({", ".join(f"{number:.2g}" for number in efforts)}),')


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["run", "one", "told", "fit"])
    parser.add_argument("names", nargs="*", choices=[[], *SPECS], metavar="NAME")
    parser.add_argument("--folder", type=Path, default=Path("estimate-runs"))
    asked = parser.parse_args()
    if asked.what == "run":
        for name in asked.names:
            cache = {"JAX_COMPILATION_CACHE_DIR": str(asked.folder / f"compiled-{name}")}
            command = [sys.executable, __file__, "one", name, "--folder", str(asked.folder)]
            subprocess.run(command, env=os.environ | execute.surroundings.one_thread() | cache, check=True)
    elif asked.what == "one":
        compute(*asked.names, asked.folder)
    else:
        {"told": tell, "fit": fit}[asked.what](asked.folder)
