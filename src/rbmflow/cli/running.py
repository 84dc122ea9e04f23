"""Commands that compute, or tell what would be: `rbmflow run`, `plan`, `step`."""

from __future__ import annotations

import argparse
import contextlib
import itertools
import math
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rich.table import Column, Table

from rbmflow import execute
from rbmflow._checks import InvalidInput, Problem, Problems, plain
from rbmflow._files import filled
from rbmflow._registry import load_files
from rbmflow.cli.fitting import default_workers, refuse_what_does_not_fit
from rbmflow.cli.points import bring, noted, numbers_of
from rbmflow.cli.showing import print_ends, print_points
from rbmflow.cli.telling import console
from rbmflow.execute import estimate, manifest, recording
from rbmflow.runs import points_of
from rbmflow.store import Damaged, Step, Store, ancestry

if TYPE_CHECKING:
    from rbmflow.spec import Sweep

_MOST_NAMES = 20
"""Steps that `plan` calls by name."""

_RUNS_OF_PACE = 3
"""Latest runs that tell how fast this machine is."""


def run(arguments: argparse.Namespace) -> int:
    """Compute what is missing, what points of a sweep share once; write the reports, print where the flows end."""
    return run_of(arguments)[0]


def run_of(arguments: argparse.Namespace) -> tuple[int, dict[str, Any]]:
    """Do what `run` does; the exit code, and the record of the run."""
    with _workers(arguments) as workers:
        if workers == 1:
            execute.compute_in_one_thread()
        return _run(arguments, workers)


def _run(arguments: argparse.Namespace, workers: int | execute.Slurm | execute.Executor) -> tuple[int, dict[str, Any]]:
    from rbmflow.cli.pages import write_page
    from rbmflow.cli.watching import Watch

    started, clock = datetime.now(UTC), time.perf_counter()
    limits = execute.Limits(arguments.step_seconds, arguments.step_memory)
    sweep, graphs, steps = asked(arguments)
    store = Store(arguments.store)
    refuse_what_does_not_fit(sweep, graphs, store, elsewhere=not isinstance(workers, int))
    store.prepare()
    record = recording.begin(sweep, graphs, store, started)
    files = recording.files_of(record, store)
    page, watch, failure = store.run_folder(record["run"]) / "report.html", Watch(), None
    numbers = noted(record, store) if sweep.single and filled(page) else None
    todo = steps if numbers is None else []
    with watch.bars:
        try:
            execute.run(todo, store, workers, watch, limits=limits, name=None, files=files)
        except execute.ExecutionFailed as error:
            failure = error
    # Beside a cluster this is a login node, which many share.
    processes = workers if isinstance(workers, int) else 2
    if not sweep.single:
        write_page(record, store, processes, files, watch.computed)
        print_points(record, list(points_of(record, store)))
    elif failure is None:
        if numbers is None:
            if watch.computed or not recording.finished(record):
                took = time.perf_counter() - clock
                record = recording.finish(sweep.points[0].spec, steps, store, started, took, watch.computed)
            write_page(record, store, processes, files)
        print_ends(numbers or numbers_of(record, store))
    if failure:
        _print_failures(failure)
        print(f"{failure.left} further steps build on what failed; the same command tries again.", file=sys.stderr)
    done = f"{len(watch.computed)} of {len(steps)} steps computed" if watch.computed else "nothing to compute"
    print(f"{record['run']}: {done}, {time.perf_counter() - clock:.1f} s")
    if filled(page):
        print(plain(page))
    return 1 if failure else 0, record


@contextlib.contextmanager
def _workers(arguments: argparse.Namespace) -> Iterator[int | execute.Slurm | execute.Executor]:
    """Who is to compute: so many processes here, a Slurm cluster, or a dask scheduler while it is connected to."""
    problems, clusters = Problems(), [name for name in ("slurm", "dask") if getattr(arguments, name) is not None]
    for name in ("workers", "step_seconds", "step_memory", *clusters[1:]) if clusters else ():
        told = f"with --{clusters[0]} others compute, and --{name.replace('_', '-')} has no meaning"
        problems.unless(getattr(arguments, name) in (None, math.inf), name, getattr(arguments, name), told)
    workers = problems.whole("workers", default_workers() if arguments.workers is None else arguments.workers, 1)
    problems.done()
    if arguments.slurm is not None:
        from rbmflow.execute.slurm import require_slurm

        settings = execute.load_slurm(arguments.slurm)
        require_slurm()
        yield settings
    elif arguments.dask is not None:
        with execute.connect_dask(arguments.dask) as client:
            yield client
    else:
        yield workers


def asked(arguments: argparse.Namespace) -> tuple[Sweep, list[Sequence[Step]], list[Step]]:
    """Return the sweep that was asked for, mostly of one point, the steps of each point, and all of them once."""
    from rbmflow import spec, steps

    load_files(arguments.files)
    sweep = spec.load_sweep(arguments.spec, arguments.overrides)
    graphs: list[Sequence[Step]] = [steps.graph(point.spec) for point in sweep.points]
    refuse_equal(sweep, graphs)
    return sweep, graphs, list(dict.fromkeys(itertools.chain.from_iterable(graphs)))


def refuse_equal(sweep: Sweep, graphs: Sequence[Sequence[Step]]) -> None:
    """Raise `InvalidInput` if points of a sweep have the same results, which would count as evidence twice."""
    first: dict[frozenset[Step], str] = {}
    for point, steps in zip(sweep.points, graphs, strict=True):
        known = first.setdefault(frozenset(steps[-1].parents), point.spec.name)
        allowed = f"its results are those of {known}: no two points of a sweep may have the same"
        Problems.only(known == point.spec.name, "sweep", point.spec.name, allowed)


def plan(arguments: argparse.Namespace) -> int:
    """Tell what `run` would compute, and whether it fits this machine."""
    sweep, graphs, steps = asked(arguments)
    store = Store(arguments.store)
    # From one look at the folders: most steps of a large plan are missing.
    known = {found.hash for found in (*store.artifacts(), *store.running())}
    states = {step: store.state(step) if step.hash in known else "missing" for step in steps}
    wanted = execute.missing(steps, lambda step: states[step] == "done")
    there = [step for step in steps if states[step] == "done"]
    counts = [Counter(step.kind for step in some) for some in (steps, there, wanted)]
    table = Table("step", *(Column(header, justify="right") for header in ("all", "there", "to compute")))
    for kind in counts[0]:
        table.add_row(kind, *(str(count[kind]) for count in counts))
    table.add_section()
    table.add_row("all", *(str(count.total()) for count in counts))
    console().print(table)
    if not sweep.single:
        print(f"sweep of {len(sweep.points)} points; steps that they share are computed once")
    if wanted:
        pace = pace_of(store)
        print(f"estimate: {told_cost(wanted, sweep, graphs, store, pace)}")
        print(f"  by the work in the settings, at {pace:.2g} times the seconds of the machine that was measured")
    for step in wanted[:_MOST_NAMES]:
        print(f"to compute: {step.name}{' (under way)' if states[step] == 'running' else ''}")
    if len(wanted) > _MOST_NAMES:
        print(f"and {len(wanted) - _MOST_NAMES} more")
    try:
        refuse_what_does_not_fit(sweep, graphs, store)
    except InvalidInput as refused:
        print(plain(f"warning: this machine is too small: {refused}"))
    if arguments.record:
        store.prepare()
        record = recording.begin(sweep, graphs, store, datetime.now(UTC))
        print(plain(store.run_folder(record["run"]) / manifest.FILE))
    return 0


def told_cost(wanted: Sequence[Step], sweep: Sweep, graphs: Sequence[Sequence[Step]], store: Store, pace: float) -> str:
    """Say what the steps to be computed will take by their work, at the pace of the latest runs here."""
    workers, costs = default_workers(), estimate.costs((step.kind for step in wanted), store)
    specs = (point.spec for point in sweep.points)
    seconds = {step: pace * each for step, each in estimate.modelled(zip(specs, graphs, strict=True)).items()}
    took = estimate.told_duration(estimate.makespan(wanted, seconds, workers))
    size = estimate.told_size(sum(costs[step.kind].size for step in wanted))
    return f"{took} on {workers} worker{'s' if workers > 1 else ''}, {size} of disk"


def pace_of(store: Store) -> float:
    """How many times as long as on the machine that was measured the steps of the latest finished runs took here."""
    from rbmflow import spec, steps

    took = told = 0.0
    finished = [record for record in store.runs() if recording.finished(record) and "spec_toml" in record]
    for record in finished[-_RUNS_OF_PACE:]:
        with contextlib.suppress(InvalidInput):  # It may name what only a file of its own knows.
            one = spec.parse(spec.parse_toml(record["spec_toml"]))
            for step, seconds in estimate.modelled([(one, steps.graph(one))]).items():
                with contextlib.suppress(Damaged, KeyError):
                    took += estimate.computing_seconds(store.provenance(step))
                    told += seconds
    return took / told if told else 1.0


def step(arguments: argparse.Namespace) -> int:
    """Compute one step, whose parents must be there; one that is damaged is computed anew."""
    execute.compute_in_one_thread()
    store = Store(arguments.store)
    wanted, run = manifest.find(store, arguments.hash)
    files = bring(arguments.files, store.read_run(run), store)
    if store.state(wanted) == "done":
        print(f"{wanted.name} is there")
        return 0
    if missing := [parent for parent in dict.fromkeys(wanted.parents) if store.state(parent) == "missing"]:
        names = ", ".join(f"{parent.name} ({parent.hash[:12]})" for parent in missing[:_MOST_NAMES])
        raise InvalidInput(Problem("step", arguments.hash, f"{len(missing)} of its parents are missing: {names}"))
    try:
        execute.run(ancestry(wanted), store, name=None, files=files)
    except execute.ExecutionFailed as failure:
        _print_failures(failure)
        return 1
    print(f"{wanted.name} is computed")
    return 0


def _print_failures(failure: execute.ExecutionFailed) -> None:
    for step, reason in failure.failures:
        print(plain(f"{step.name} failed: {reason}"), file=sys.stderr)
