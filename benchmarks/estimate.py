"""What `rbmflow plan` tells against what runs took, and the fit of the table that it tells it from.

    python benchmarks/estimate.py told STORE ...    told against taken, by kind of step, of all runs in these stores
    python benchmarks/estimate.py fit STORE ...     the table EFFORTS of `rbmflow.execute.estimate`, from them, and the
                                                    factor by which `rbmflow.execute.work` is off

The stores are those of `rbmflow run`, best with nothing compiled before (`JAX_COMPILATION_CACHE_DIR` at an empty
folder). Seconds are those of CPU, which a busy machine moves less than those of the wall. Steps that a run has found in
its store are counted with it all the same.
"""

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
from scipy.optimize import nnls

from rbmflow import spec, steps
from rbmflow._checks import InvalidInput
from rbmflow.execute import estimate, work
from rbmflow.store import Store


def runs(paths):
    """By name of a run: its points as spec and graph, and the seconds that each step took which is there."""
    for path in paths:
        store = Store(path)
        records = store.runs()
        inside = {point["run"] for record in records for point in record.get("points", ())}
        for record in records:
            if record["run"] in inside or "spec_toml" not in record:
                continue
            try:
                sweep = spec.parse_sweep(spec.parse_toml(record["spec_toml"]))
                points = [(point.spec, steps.graph(point.spec)) for point in sweep.points]
            except InvalidInput as refused:  # It was made by another version, or with a file of its own.
                print(f"left out: {record['run']}: {refused}")
                continue
            every = dict.fromkeys(step for _, graph in points for step in graph)
            there = [step for step in every if store.state(step) == "done"]
            took = {step: estimate.computing_seconds(store.provenance(step)) for step in there}
            if took:
                yield record["run"], points, took


def tell(paths):
    """Print told and taken seconds of CPU by kind of step, and what is told of the shipped specs."""
    rows, sums = defaultdict(dict), {}
    for name, points, took in runs(paths):
        told = estimate.modelled(points)
        for kind in dict.fromkeys(step.kind for step in took):
            some = [step for step in took if step.kind == kind]
            rows[kind][name] = f"{sum(told[step] for step in some):.1f} / {sum(took[step] for step in some):.1f}"
        sums[name] = sum(told[step] for step in took), sum(took.values())
    for name, (told, took) in sums.items():
        rows["all"][name] = f"{told:.0f} / {took:.0f}"
        rows["told too much"][name] = f"{100 * (told / took - 1):+.0f} %"
    print("| kind of step |", " | ".join(sums), "|")
    print("|---" * (len(sums) + 1) + "|")
    for kind, cells in rows.items():
        print(f"| {kind} |", " | ".join(cells.get(name, "") for name in sums), "|")
    for name in spec.shipped():
        sweep = spec.load_sweep(name)
        graphs = [steps.graph(point.spec) for point in sweep.points]
        seconds = estimate.modelled((point.spec, graph) for point, graph in zip(sweep.points, graphs, strict=True))
        whole, span = map(estimate.told_duration, (sum(seconds.values()), estimate.makespan(list(seconds), seconds, 2)))
        print(f"- {name}: {whole} of CPU, {span} on two cores")


def fit(paths):
    """Print `first` and `start` of every kind, and the factor by which its work is off; none is negative.

    Steps of one run, kind and size are weighted together, less what steps of several kinds share.
    """
    equations = defaultdict(lambda: np.zeros(4))
    for name, points, took in runs(paths):
        made, seen = set(), set()
        for asked, graph in points:
            works, programs = work.works(asked), estimate.programs(asked)
            for step in graph:
                if step not in took or step in seen:
                    continue
                seen.add(step)
                new = {one: seconds for one, seconds in programs.get(step.kind, {}).items() if one not in made}
                own = sum(one[0] == step.kind for one in new)
                shared = sum(seconds for one, seconds in new.items() if one[0] != step.kind)
                units = work.of_step(asked, step, works) / 1e9
                equations[step.kind, name, units] += own, 1, units, took[step] - shared
                made |= new.keys()
    for kind in dict.fromkeys(kind for kind, *_ in equations):
        table = np.array([row for key, row in equations.items() if key[0] == kind])
        weights = np.maximum(table[:, 3], 0.3) ** -0.75  # Between equal weight of a second and of a percent.
        first, start, factor = nnls(table[:, :3] * weights[:, None], table[:, 3] * weights)[0]
        print(f'    "{kind}": Effort({first:.2g}, {start:.2g}),  # and {factor:.2g} of its work')


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["told", "fit"])
    parser.add_argument("stores", nargs="+", type=Path, metavar="STORE")
    asked = parser.parse_args()
    {"told": tell, "fit": fit}[asked.what](asked.stores)
