"""Commands that compute: `rbmflow run` and `step`."""

from __future__ import annotations

import argparse
import contextlib
import itertools
import math
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rbmflow import execute
from rbmflow._checks import InvalidInput, Problem, Problems, plain
from rbmflow._files import filled
from rbmflow._registry import load_files
from rbmflow.cli.fitting import default_workers, refuse_what_does_not_fit
from rbmflow.cli.points import bring, noted, numbers_of
from rbmflow.cli.showing import print_ends, print_points
from rbmflow.execute import manifest, recording
from rbmflow.runs import points_of
from rbmflow.store import Step, Store, ancestry

if TYPE_CHECKING:
    from rbmflow.spec import Sweep

ANSWER = "answer"
"""What stands in the place of a spec for all studies of the answer, see `answering`."""

_MOST_NAMES = 20
"""Missing parents that are called by name."""


def run(arguments: argparse.Namespace) -> int:
    """Compute what is missing, what points of a sweep share once; write the reports, print where the flows end."""
    if arguments.spec == ANSWER:
        from rbmflow.cli import answering

        return answering.run(arguments)
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
