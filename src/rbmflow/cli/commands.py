"""Commands: each takes the arguments and returns the exit code."""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import math
import os
import sys
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from rbmflow._checks import InvalidInput, Problem, Problems, plain
from rbmflow._files import filled
from rbmflow.cli.telling import cell, console
from rbmflow.execute import (
    ExecutionFailed,
    Limits,
    Slurm,
    available_cores,
    available_memory,
    compute_in_one_thread,
    has_gpu,
    load_slurm,
    missing,
    run as execute,
    versions,
)
from rbmflow.store import Step, Store

if TYPE_CHECKING:
    import xarray as xr

    from rbmflow.spec import Sweep

_WORKER_BYTES = 1_000_000_000
"""Memory that `run` counts for a process when it is not told how many to start."""

_MOST_NAMES = 20
"""Steps that `plan` calls by name."""


def run(arguments: argparse.Namespace) -> int:
    """Compute what is missing, write the report, print where the flows end."""
    workers = _workers(arguments)
    if workers == 1:
        compute_in_one_thread()
    from rbmflow.cli import fitting, sweeping
    from rbmflow.cli.watching import Watch
    from rbmflow.execute import recording

    started, clock = datetime.now(UTC), time.perf_counter()
    limits = _limits(arguments)
    sweep, graphs = _graphs(arguments)
    store = Store(arguments.store)
    fitting.refuse_what_does_not_fit(sweep, graphs, store, elsewhere=not isinstance(workers, int))
    store.prepare()
    if not sweep.single:
        return sweeping.run(sweep, graphs, store, workers, limits)
    spec, steps = sweep.points[0].spec, graphs[0]
    folder = store.run_folder(recording.run_name(spec, steps))
    record = recording.kept(folder.name, store)
    if not recording.finished(record):
        recording.begin(spec, steps, store, started)
    try:
        with Watch() as watch:
            execute(steps, store, workers, watch, limits=limits, name=None)
        results = store.read(steps[-1])
    except ExecutionFailed as failure:
        for step, reason in failure.failures:
            print(plain(f"{step.name} failed: {reason}"), file=sys.stderr)
        print(f"{failure.left} further steps build on what failed; the same command tries again.", file=sys.stderr)
        return 1
    page = folder / "report.html"
    if watch.computed or not recording.finished(record) or not filled(page):
        seconds = time.perf_counter() - clock
        record = recording.finish(spec, steps, store, started, seconds, watch.computed)
        sweeping.write(page, results, record)
    _print_ends(results, record)
    done = f"{len(watch.computed)} of {len(set(steps))} steps computed" if watch.computed else "nothing to compute"
    print(f"{record['run']}: {done}, {time.perf_counter() - clock:.1f} s")
    print(plain(page))
    return 0


def _workers(arguments: argparse.Namespace) -> int | Slurm:
    """Who is to compute: so many processes here, or a cluster."""
    if arguments.slurm is not None:
        from rbmflow.execute.slurm import require_slurm

        local = {"workers": arguments.workers, "step_seconds": arguments.step_seconds}
        local |= {"step_memory": arguments.step_memory}
        problems = Problems()
        for name, value in local.items():
            told = f"with --slurm the file of the cluster says it, --{name.replace('_', '-')} is for this machine"
            problems.unless(value is None, name, value, told)
        problems.done()
        cluster = load_slurm(arguments.slurm)
        require_slurm()
        return cluster
    workers = _default_workers() if arguments.workers is None else arguments.workers
    problems = Problems()
    problems.whole("workers", workers, 1)
    problems.done()
    return workers


def _limits(arguments: argparse.Namespace) -> Limits:
    seconds, memory = arguments.step_seconds, arguments.step_memory
    return Limits(math.inf if seconds is None else seconds, math.inf if memory is None else memory)


def plan(arguments: argparse.Namespace) -> int:
    """Tell what `run` would compute, and whether it fits this machine."""
    from rbmflow.cli import fitting

    sweep, graphs = _graphs(arguments)
    steps = list(dict.fromkeys(itertools.chain.from_iterable(graphs)))
    store = Store(arguments.store)
    states = _glance(steps, store)
    wanted = missing(steps, lambda step: states[step] == "done")
    table = Table("step", "all", "there", "to compute")
    for column in table.columns[1:]:
        column.justify = "right"
    everything = Counter(step.kind for step in states)
    there = Counter(step.kind for step in states if states[step] == "done")
    compute = Counter(step.kind for step in wanted)
    for kind, count in everything.items():
        table.add_row(kind, str(count), str(there[kind]), str(compute[kind]))
    table.add_section()
    table.add_row("all", *(str(count.total()) for count in (everything, there, compute)))
    console().print(table)
    if not sweep.single:
        print(f"sweep of {len(sweep.points)} points; steps that they share are computed once")
    if wanted:
        _print_estimate(compute, store)
    for step in wanted[:_MOST_NAMES]:
        print(f"to compute: {step.name}{' (under way)' if states[step] == 'running' else ''}")
    if len(wanted) > _MOST_NAMES:
        print(f"and {len(wanted) - _MOST_NAMES} more")
    try:
        fitting.refuse_what_does_not_fit(sweep, graphs, store)
    except InvalidInput as refused:
        print(plain(f"warning: this machine is too small: {refused}"))
    if arguments.record:
        print(plain(_record(sweep, graphs, store)))
    return 0


def _record(sweep: Sweep, graphs: Sequence[Sequence[Step]], store: Store) -> Path:
    """Write down a run without computing it, and return its manifest."""
    from rbmflow.execute import manifest, recording

    store.prepare()
    now = datetime.now(UTC)
    if sweep.single:
        run = recording.run_name(sweep.points[0].spec, graphs[0])
        if not recording.kept(run, store):
            recording.begin(sweep.points[0].spec, graphs[0], store, now)
    else:
        run = recording.sweep_name(sweep, graphs)
        if not recording.kept(run, store):
            recording.begin_sweep(sweep, graphs, store, now)
    return store.run_folder(run) / manifest.FILE


def step(arguments: argparse.Namespace) -> int:
    """Compute one step, whose parents must be there, in this process."""
    compute_in_one_thread()
    from rbmflow.execute import manifest
    from rbmflow.execute.submitting import PerformThere

    store = Store(arguments.store)
    wanted = manifest.find(store, arguments.hash)
    store.prepare()
    while (state := store.state(wanted)) == "running":
        time.sleep(1)
    if state == "damaged":
        store.discard(wanted)
    elif state == "done":
        print(f"{wanted.name} is there")
        return 0
    if missing := [parent for parent in dict.fromkeys(wanted.parents) if store.state(parent) != "done"]:
        names = ", ".join(f"{parent.name} ({parent.hash[:12]})" for parent in missing[:_MOST_NAMES])
        raise InvalidInput(Problem("step", arguments.hash, f"{len(missing)} of its parents are missing: {names}"))
    outcome = PerformThere(str(store.path), "rbmflow.steps")(wanted)
    if outcome.what == "done":
        print(f"{wanted.name} is computed")
        return 0
    if outcome.damaged is not None:
        store.discard(outcome.damaged)
        print(f"{wanted.name}: its parent {outcome.damaged.hash[:12]} was damaged; it is moved aside", file=sys.stderr)
        return 1
    store.report_failure(wanted, outcome.reason)
    print(plain(f"{wanted.name} failed: {outcome.reason}"), file=sys.stderr)
    return 1


def _glance(steps: Sequence[Step], store: Store) -> dict[Step, str]:
    """State of every step, from one look at the folders: most steps of a large plan are missing."""
    there = {artifact.hash for artifact in store.artifacts()}
    running = {progress.hash for progress in store.running()}
    return {step: store.state(step) if step.hash in there or step.hash in running else "missing" for step in steps}


def _print_estimate(compute: Counter[str], store: Store) -> None:
    """Tell what the steps to be computed will take, and what that is taken from."""
    from rbmflow.execute import estimate

    workers = _default_workers()
    costs = estimate.costs(compute, store)
    seconds = estimate.told_duration(sum(compute[kind] * cost.seconds for kind, cost in costs.items()) / workers)
    size = estimate.told_size(sum(compute[kind] * cost.size for kind, cost in costs.items()))
    print(f"estimate: {seconds} on {workers} worker{'s' if workers > 1 else ''}, {size} of disk")
    if unknown := [kind for kind, cost in costs.items() if not cost.known]:
        default = f"{estimate.UNKNOWN_SECONDS:g} s and {estimate.told_size(estimate.UNKNOWN_BYTES)}"
        print(f"  taken as {default} a step, since the store has none to go by: {', '.join(unknown)}")


def status(arguments: argparse.Namespace) -> int:
    """Tell how the runs stand, what is being computed, and what failed."""
    from rbmflow.cli import standing

    store = Store(arguments.store)
    return standing.watch(store, arguments.every, console()) if arguments.watch else standing.tell(store, console())


def show(arguments: argparse.Namespace) -> int:
    """Print the numbers of a run."""
    from rbmflow import report
    from rbmflow.cli import sweeping

    store = Store(arguments.store)
    record = store.find_run(arguments.run)
    if "points" in record:
        return sweeping.show(record, store, arguments.json)
    results = sweeping.results_of(store, record)
    summary = report.summary(results, record)
    if arguments.json:
        print(json.dumps(summary, indent=1, allow_nan=False))
        return 0
    print(f"{record['run']}, started {record['started']}, {record.get('compute_seconds', 0):.0f} s of computing")
    for name, value in summary["references"].items():
        print(f"{name.replace('_', ' ')}: {value:.4f}")
    _print_ends(results, record)
    return 0


def report(arguments: argparse.Namespace) -> int:
    """Write the report of a run anew."""
    from rbmflow.cli import sweeping

    store = Store(arguments.store)
    record = store.find_run(arguments.run)
    store.prepare()
    print(plain(sweeping.write_page(record, store, _default_workers())))
    return 0


def store(arguments: argparse.Namespace) -> int:
    """List, verify, clean, export or import artifacts."""
    from rbmflow.cli import storing

    tasks = {"ls": storing.ls, "verify": storing.verify, "gc": storing.gc}
    tasks |= {"export": storing.export, "import": storing.import_}
    return tasks[arguments.task](arguments, console())


def doctor(arguments: argparse.Namespace) -> int:
    """Check this installation against known numbers, in a worker as `run` starts them, under this user's settings."""
    from rbmflow.execute.spawning import Answer, Children, Lost
    from rbmflow.execute.surroundings import revision

    clock, found = time.perf_counter(), None
    with contextlib.closing(Children[str](1, "rbmflow.steps")) as crew:
        crew.start("checkup", _checkup)
        while found is None:
            for _, news in crew.wait(60.0):
                if isinstance(news, Answer):
                    found = news.value
                elif isinstance(news, Lost) and not news.again:
                    found = [("a worker process", "it computes", news.reason, False)], "unknown", {}
    checks, device, threads = found
    table = Table("check", "expected", "measured", "")
    for check, expected, measured, ok in checks:
        table.add_row(cell(check), cell(expected), cell(measured), "ok" if ok else "FAULT")
    sound = all(ok for *_, ok in checks)
    console().print(table)
    print(f"device: {device}; cores: {available_cores()}; python: {sys.version.split()[0]}; revision: {revision()}")
    print("threads: " + ", ".join(f"{name} = {value}" for name, value in threads.items()))
    settings = (f"{name} = {value}" for name, value in sorted(os.environ.items()) if name.startswith(("JAX_", "XLA_")))
    print(f"settings of yours: {', '.join(settings) or 'none'}")
    print(", ".join(f"{package} {version}" for package, version in versions().items()))
    print(f"the checks took {time.perf_counter() - clock:.1f} s")
    print("All is well." if sound else _FAULT)
    return 0 if sound else 1


def _checkup(_: object) -> tuple[list[tuple[str, str, str, bool]], str, dict[str, str]]:
    """Every check with its outcome, the device, and the settings of threads of this process."""
    from rbmflow import steps
    from rbmflow.execute.surroundings import device, threads

    return [(*map(str, row[:3]), bool(row[3])) for row in steps.doctor()], device(), threads()  # pyright: ignore


def cite(arguments: argparse.Namespace) -> int:
    """Print BibTeX entries."""
    print(_BIBTEX.replace("VERSION", versions().get("rbmflow", "unknown")))
    return 0


def _graphs(arguments: argparse.Namespace) -> tuple[Sweep, list[Sequence[Step]]]:
    """Return the sweep that was asked for, mostly of one point, and the steps of each point."""
    from rbmflow import spec, steps
    from rbmflow.cli import sweeping

    sweep = spec.load_sweep(arguments.spec, arguments.overrides)
    graphs: list[Sequence[Step]] = [steps.graph(point.spec) for point in sweep.points]
    sweeping.refuse_equal(sweep, graphs)
    return sweep, graphs


def _print_ends(results: xr.Dataset, record: dict[str, Any]) -> None:
    """Print where each flow ended, and the quality flags."""
    from rbmflow import report

    header, rows = report.ends_table(results)
    table = Table(*map(cell, header), title="Temperature at the end of the flows (J/k_B)", title_justify="left")
    for row in rows:
        table.add_row(*map(cell, row))
    console().print(table)
    for flag in report.flags(results, record):
        print(plain(f"flag: {flag['where']}: {flag['message']}"))


def _default_workers() -> int:
    """One process on a machine with an NVIDIA GPU, which they would share; else one a core, as far as memory goes."""
    if has_gpu():
        return 1
    return max(1, min(available_cores(), available_memory() // _WORKER_BYTES))


_FAULT = """\
There is a fault: numbers of this installation cannot be trusted. What mends it, in this order:
  1. versions that are tested: pip install --upgrade "jax>=0.11.2", with jaxlib and plugins of the same version;
  2. the CPU in place of a GPU: JAX_PLATFORMS=cpu rbmflow doctor;
  3. no flags of your own: unset XLA_FLAGS, and empty the cache of compiled programs (JAX_COMPILATION_CACHE_DIR)."""

_BIBTEX = """\
@software{rbmflow,
  author  = {{The rbmflow developers}},
  title   = {rbmflow: a laboratory for {RBM} flows on lattice spin models},
  version = {VERSION}
}

@article{IsoShibaYokoo2018,
  author        = {Iso, Satoshi and Shiba, Shotaro and Yokoo, Sumito},
  title         = {Scale-invariant feature extraction of neural network and renormalization group flow},
  journal       = {Physical Review E},
  volume        = {97},
  pages         = {053304},
  year          = {2018},
  doi           = {10.1103/PhysRevE.97.053304},
  eprint        = {1801.07172},
  archiveprefix = {arXiv}
}"""
