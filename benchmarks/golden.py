"""Golden numbers of two versions beside each other, and published ends of flows beside those of now, with errors.

    git worktree add ../before 0dd81cc       the last version with the old hashes
    python benchmarks/golden.py ../before .

    rbmflow run paper
    python benchmarks/golden.py --ends ../before/docs/results/paper/ends.md paper

Each version runs the golden spec of its own tests with several root seeds, the first of which is that of its
golden.json. The error of one number is the scatter of these runs, that of a mean follows from it.
"""

import argparse
import json
import math
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np


def numbers(results):
    """What flows end in, and what they follow from, of every machine of a run as the mean over its seeds."""
    found, last = {}, results["iteration"][-1:-3:-1]
    for name in results["machine"].values:
        one = results.sel(machine=name)
        energies = one["energy_mean"].sel(iteration=last).mean("iteration")
        found |= {
            f"E at the end, {name} from {start}": float(energies.sel(start=start)) for start in one["start"].values
        }
        found[f"excess nats, {name}"] = float(one["excess"].mean())
        found[f"largest singular value, {name}"] = float(one["singular_value"].isel(mode=0).mean())
    return found


def of_this_version(seed):
    """Numbers of the golden spec with another root seed, by the version and the tests on the path."""
    from rbmflow.steps import compute, graph
    from test_steps import TINY

    made = {}
    for step in graph(replace(TINY, seed=seed)):
        with tempfile.TemporaryDirectory() as work:
            parents = tuple(made[parent.hash] for parent in step.parents)
            made[step.hash] = compute(step, parents, Path(work), lambda done: None)
    return numbers(made[step.hash])


def of_version(tree, seeds):
    """The same of every root seed, by the version in a folder."""
    path = os.pathsep.join(str(Path(tree, part).resolve()) for part in ("src", "tests"))
    command = [sys.executable, __file__, "--seeds", str(seeds)]
    found = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": path}, stdout=subprocess.PIPE, text=True, check=True
    )
    return json.loads(found.stdout.splitlines()[-1])


def differing(before, now):
    """A number of each version with its error, and their difference in errors."""
    from rbmflow._format import with_error

    away = (now[0] - before[0]) / math.hypot(before[1], now[1])
    return [with_error(*before), with_error(*now), f"{away:z.1f}"]


def golden(before, now):
    """Rows of the golden numbers and of the means over root seeds."""
    for name in before[0]:
        runs = [np.array([one[name] for one in version]) for version in (before, now)]
        scatter = [one.std(ddof=1) for one in runs]
        means = [(one.mean(), error / math.sqrt(len(one))) for one, error in zip(runs, scatter, strict=True)]
        firsts = [(one[0], error) for one, error in zip(runs, scatter, strict=True)]
        yield [name, *differing(*firsts), *differing(*means)]


def ends(published, run):
    """Rows of T(E) at the end, of every machine and start that both have and that is known."""
    import rbmflow as rf

    now = rf.open(run).results.sel(thermometer="energy")
    rows = r"^\| (\S+) \| (cold|hot|T = \S+) \| .*? \| .*? \| ([\d.]+)\((\d+)\) "
    for machine, start, value, digits in re.findall(rows, Path(published).read_text(), re.MULTILINE):
        if machine in now["machine"].values:
            one = now.sel(machine=machine, start=start)
            before = float(value), int(digits) * 10.0 ** -len(value.partition(".")[2])
            new = float(one["end_temperature"]), float(one["end_error"])
            yield [f"{machine} from {start}", *differing(before, new)]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trees", nargs="*", help="folders of two versions, the older one first")
    parser.add_argument("--ends", nargs=2, help="a published table, and a run in ./rbmflow-store")
    parser.add_argument("--seeds", type=int, default=10, help="root seeds")
    asked = parser.parse_args()
    if not asked.trees and not asked.ends:
        print(json.dumps([of_this_version(seed) for seed in range(asked.seeds)]))
        sys.exit()
    columns = ["", "before", "now", "in errors"]
    if asked.ends:
        rows = list(ends(*asked.ends))
    else:
        columns[1:3] = "golden before", "golden now"
        columns += [f"mean of {asked.seeds}, before", "now", "in errors"]
        rows = list(golden(*(of_version(tree, asked.seeds) for tree in asked.trees)))
    print(*(f"| {' | '.join(row)} |" for row in [columns, ["---"] * len(columns), *rows]), sep="\n")
