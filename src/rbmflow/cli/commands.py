"""Commands: each takes the arguments and returns the exit code."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from rbmflow._checks import InvalidInput, Problem, Problems
from rbmflow.execute import ExecutionFailed, available_cores, missing, versions
from rbmflow.execute import run as execute
from rbmflow.store import Address, Damaged, Step, Store

if TYPE_CHECKING:
    import xarray as xr

    from rbmflow.spec import Spec

_MOST_WORKERS = 8
"""Processes that `run` starts unless told otherwise: each takes several hundred megabytes."""

_MOST_NAMES = 20
"""Steps that `plan` calls by name."""


def run(arguments: argparse.Namespace) -> int:
    """Compute what is missing, write the report, print where the flows end."""
    from rbmflow import report
    from rbmflow.cli.watching import Watch
    from rbmflow.execute import recording

    started, clock = datetime.now(UTC), time.perf_counter()
    workers = _default_workers() if arguments.workers is None else arguments.workers
    problems = Problems()
    problems.whole("workers", workers, 1)
    problems.done()
    spec, steps = _graph(arguments)
    store = Store(arguments.store)
    store.prepare()
    folder = store.run_folder(recording.run_name(spec, steps))
    record = _record(folder)
    if not recording.finished(record):
        recording.begin(spec, steps, store, started)
    try:
        with Watch() as watch:
            execute(steps, store, workers, watch)
        results = store.read(steps[-1])
    except ExecutionFailed as failure:
        for step, reason in failure.failures:
            print(f"{step.name} failed: {reason}", file=sys.stderr)
        print(f"{failure.left} further steps build on what failed; the same command tries again.", file=sys.stderr)
        return 1
    page = folder / "report.html"
    if watch.computed or not recording.finished(record) or not page.exists():
        seconds = time.perf_counter() - clock
        record = recording.finish(spec, steps, store, started, seconds, watch.computed)
        report.write(page, results, record)
    _print_ends(results)
    done = f"{len(watch.computed)} of {len(set(steps))} steps computed" if watch.computed else "nothing to compute"
    print(f"{record['run']}: {done}, {time.perf_counter() - clock:.1f} s")
    print(page)
    return 0


def plan(arguments: argparse.Namespace) -> int:
    """Tell what `run` would compute."""
    _, steps = _graph(arguments)
    store = Store(arguments.store)
    states = {step: store.state(step) for step in dict.fromkeys(steps)}
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
    _console().print(table)
    for step in wanted[:_MOST_NAMES]:
        print(f"to compute: {step.name}{' (under way)' if states[step] == 'running' else ''}")
    if len(wanted) > _MOST_NAMES:
        print(f"and {len(wanted) - _MOST_NAMES} more")
    return 0


def status(arguments: argparse.Namespace) -> int:
    """Tell which runs there are and what is being computed."""
    store = Store(arguments.store)
    runs, running = store.runs(), store.running()
    if not runs and not running:
        print(f"There are no runs in {store.path}.")
        return 0
    table = Table("run", "started", "steps done")
    for record in runs:
        rows = record.get("steps", [])
        done = sum(store.state(Address(row["kind"], row["hash"])) == "done" for row in rows)
        table.add_row(record["run"], record["started"], f"{done} of {len(rows)}")
    _console().print(table)
    if running:
        table = Table("step under way", "progress", "last sign of life")
        for step in running:
            table.add_row(escape(step.name), f"{100 * step.fraction:.0f} %", f"{step.age:.0f} s ago")
        _console().print(table)
    return 0


def show(arguments: argparse.Namespace) -> int:
    """Print the numbers of a run."""
    from rbmflow import report

    store = Store(arguments.store)
    record, results = _results(store, arguments.run)
    summary = report.summary(results, record)
    if arguments.json:
        print(json.dumps(summary, indent=1, ensure_ascii=False, allow_nan=False))
        return 0
    print(f"{record['run']}, started {record['started']}, {record.get('compute_seconds', 0):.0f} s of computing")
    for name, value in summary["references"].items():
        print(f"{name.replace('_', ' ')}: {value:.4f}")
    _print_ends(results)
    return 0


def report(arguments: argparse.Namespace) -> int:
    """Write the report of a run anew."""
    from rbmflow import report

    store = Store(arguments.store)
    record, results = _results(store, arguments.run)
    store.prepare()
    page = store.run_folder(record["run"]) / "report.html"
    report.write(page, results, record)
    print(page)
    return 0


def doctor(arguments: argparse.Namespace) -> int:
    """Check this installation against known numbers."""
    from rbmflow import steps
    from rbmflow.execute.surroundings import device, revision

    table = Table("check", "expected", "measured", "")
    sound = True
    for check, expected, measured, ok in steps.doctor():
        sound = sound and bool(ok)
        table.add_row(escape(str(check)), escape(str(expected)), escape(str(measured)), "ok" if ok else "FAULT")
    _console().print(table)
    print(f"device: {device()}; cores: {available_cores()}; python: {sys.version.split()[0]}; revision: {revision()}")
    print(", ".join(f"{package} {version}" for package, version in versions().items()))
    print("All is well." if sound else "There is a fault: numbers of this installation cannot be trusted.")
    return 0 if sound else 1


def cite(arguments: argparse.Namespace) -> int:
    """Print BibTeX entries."""
    print(_BIBTEX.replace("VERSION", versions().get("rbmflow", "unknown")))
    return 0


def _graph(arguments: argparse.Namespace) -> tuple[Spec, Sequence[Step]]:
    from rbmflow import spec, steps

    asked = spec.load(arguments.spec, arguments.overrides)
    return asked, steps.graph(asked)


def _record(folder: Path) -> dict[str, Any]:
    """Read `run.json` of a run; empty where there is none that can be read."""
    try:
        record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def _results(store: Store, wanted: str) -> tuple[dict[str, Any], xr.Dataset]:
    """Find a run and read its results."""
    record = store.find_run(wanted)
    last = record["steps"][-1]
    try:
        return record, store.read(Address(last["kind"], last["hash"]))
    except Damaged as damage:
        allowed = f"its results must be there ({damage.reason}); `rbmflow run` with its spec computes them"
        raise InvalidInput(Problem("run", record["run"], allowed)) from damage


def _print_ends(results: xr.Dataset) -> None:
    """Print where each flow ended, and the quality flags."""
    from rbmflow import report

    header, rows = report.ends_table(results)
    table = Table(*header, title="Temperature at the end of the flows (J/k_B)", title_justify="left")
    for row in rows:
        table.add_row(*map(escape, row))
    _console().print(table)
    for flag in json.loads(results.attrs.get("flags", "[]")):
        print(f"flag: {flag['where']}: {flag['message']}")


def _console() -> Console:
    return Console(highlight=False, width=None if sys.stdout.isatty() else 160)


def _default_workers() -> int:
    """One process on a machine with an NVIDIA GPU, which they would have to share; else one a core."""
    if Path("/proc/driver/nvidia/gpus").exists():
        return 1
    return min(available_cores(), _MOST_WORKERS)


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
