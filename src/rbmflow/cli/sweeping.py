"""Sweeps in a shell: the points are runs, and one page lays them side by side as far as they are there."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from rbmflow._checks import InvalidInput, Problem, Problems, plain
from rbmflow._files import filled
from rbmflow.cli.watching import Watch
from rbmflow.execute import ExecutionFailed, Limits, Slurm, manifest, recording, run as execute
from rbmflow.execute.spawning import Children, Lost
from rbmflow.store import Address, Damaged, Step, Store, ancestry

if TYPE_CHECKING:
    import xarray as xr

    from rbmflow.spec import Point, Sweep


MOST_REPORTS = 40
"""Points of a sweep up to which each has its report drawn; that takes as long as a small machine."""


class _Point(NamedTuple):
    """A point of a sweep as it stands in the store."""

    record: dict[str, Any]
    values: dict[str, Any]
    results: xr.Dataset | None
    """None where they are not there yet."""
    left: int
    """Steps that are still to be computed for them."""


def refuse_equal(sweep: Sweep, graphs: Sequence[Sequence[Step]]) -> None:
    """Raise `InvalidInput` if points of a sweep have the same results, which would count as evidence twice."""
    first: dict[frozenset[Step], str] = {}
    for point, steps in zip(sweep.points, graphs, strict=True):
        known = first.setdefault(frozenset(steps[-1].parents), point.spec.name)
        if known != point.spec.name:
            allowed = f"its results are those of {known}: no two points of a sweep may have the same"
            raise InvalidInput(Problem("sweep", point.spec.name, allowed))


def run(sweep: Sweep, graphs: Sequence[Sequence[Step]], store: Store, workers: int | Slurm, limits: Limits) -> int:
    """Compute what is missing for all points, what they share once, and write the reports of those that are done."""
    started, clock = datetime.now(UTC), time.perf_counter()
    steps = list(dict.fromkeys(step for graph in graphs for step in graph))
    record = recording.kept(recording.sweep_name(sweep, graphs), store)
    if not record:
        record = recording.begin_sweep(sweep, graphs, store, started)
    failure = None
    with Watch() as watch:
        try:
            execute(steps, store, workers, watch, limits=limits, name=None)
        except ExecutionFailed as error:
            failure = error
    # Beside a cluster this is a login node, which many share.
    processes = workers if isinstance(workers, int) else 2
    page = write_reports(record, store, processes, watch.computed)
    if failure is not None:
        for step, reason in failure.failures:
            print(plain(f"{step.name} failed: {reason}"), file=sys.stderr)
        print(f"{failure.left} further steps build on what failed; the same command tries again.", file=sys.stderr)
    print(f"{record['run']}: {len(watch.computed)} of {len(steps)} steps computed, {time.perf_counter() - clock:.1f} s")
    print(plain(page))
    return 0 if failure is None else 1


def results_of(store: Store, record: dict[str, Any]) -> xr.Dataset:
    """Read the results of a run.

    Raises
    ------
    InvalidInput
        If they are not there.
    """
    last = record["steps"][-1]
    try:
        return store.read(Address(last["kind"], last["hash"]))
    except Damaged as damage:
        allowed = f"its results must be there ({damage.reason}); `rbmflow run` with its spec computes them"
        raise InvalidInput(Problem("run", record["run"], allowed)) from damage


def write_page(record: dict[str, Any], store: Store, processes: int) -> Path:
    """Write the report of a run, or those of a sweep and its points, anew, and return its place.

    Raises
    ------
    InvalidInput
        If the results of a run are not there.
    """
    if "points" in record:
        return write_reports(record, store, processes)
    page = store.run_folder(record["run"]) / "report.html"
    write(page, results_of(store, record), record)
    return page


def write(page: Path, results: xr.Dataset, record: dict[str, Any]) -> None:
    """Write the report of a run from its results, with a verdict on every claim."""
    from rbmflow import report
    from rbmflow.steps import verdicts_of

    report.write(page, results, record, verdicts_of(results))


def write_reports(record: dict[str, Any], store: Store, processes: int, computed: Collection[Step] = ()) -> Path:
    """Write the page of a sweep, and the report of every point whose results are there; return the page.

    A report takes as long as a small machine, so several processes write those of the points, and those of a sweep of
    more than `MOST_REPORTS` points are left to be asked for one by one.

    Parameters
    ----------
    record
        `run.json` of the sweep.
    store
        Where everything is.
    processes
        How many processes may be at work.
    computed
        Steps that this invocation computed.
    """
    from rbmflow import report
    from rbmflow.steps import machines_side_by_side, verdicts_of

    rows, wanted, there = [], {}, []
    few = len(record["points"]) <= MOST_REPORTS
    for point in _points(record, store, computed):
        row = {"run": point.record["run"], "values": point.values, "left": point.left, "summary": None}
        if point.results is not None:
            row["summary"] = report.summary(point.results, point.record)
            there.append(point.results)
            page = store.run_folder(point.record["run"]) / "report.html"
            row["report"] = few or filled(page)
            if few and not filled(page):
                wanted[point.record["run"]] = point.record
        rows.append(row)
    _draw(wanted, store, min(processes, len(wanted)))
    page = store.run_folder(record["run"]) / "report.html"
    machines = machines_side_by_side(*there) if there else None
    report.write_sweep(page, record, rows, verdicts_of(*there) if there else [], machines)
    return page


def _draw(records: Mapping[str, dict[str, Any]], store: Store, processes: int) -> None:
    """Write the reports of runs, in processes of their own where several may be at work."""
    if processes < 2:
        for record in records.values():
            _write_point(str(store.path), record)
        return
    waiting = list(records)
    with contextlib.closing(Children[str](processes, "rbmflow.report")) as crew:
        while waiting or crew.busy:
            while waiting and crew.free:
                run = waiting.pop()
                crew.start(run, _write_point, str(store.path), records[run])
            for run, news in crew.wait(1.0):
                if isinstance(news, Lost) and not news.again:
                    print(f"the report of {run} was not written: {news.reason}", file=sys.stderr)


def _write_point(store: str, record: dict[str, Any], _: object = None) -> None:
    """Write the report of one point from its results in the store."""
    last, place = record["steps"][-1], Store(store)
    page = place.run_folder(record["run"]) / "report.html"
    write(page, place.read(Address(last["kind"], last["hash"])), record)


def show(record: dict[str, Any], store: Store, as_json: bool) -> int:
    """Print the numbers of the points that are there, and what is missing of the others."""
    from rbmflow import report

    points = list(_points(record, store, None))
    if as_json:
        rows = [
            {"values": point.values, "steps_left": point.left}
            | ({"numbers": report.summary(point.results, point.record)} if point.results is not None else {})
            for point in points
        ]
        print(json.dumps({"run": record["run"], "points": rows}, indent=1, allow_nan=False))
        return 0
    for point in points:
        values = ", ".join(f"{field} = {value}" for field, value in point.values.items())
        print(plain(f"{point.record['run']} ({values})"))
        if point.results is None:
            print(f"  missing: {point.left} steps are left")
        else:
            header, rows = report.ends_table(point.results)
            header, rows = list(map(plain, header)), [list(map(plain, row)) for row in rows]
            widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
            for row in (header, *rows):
                print("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    there = sum(point.results is not None for point in points)
    print(f"{record['run']}: {there} of {len(points)} points are there")
    return 0


def _specs(record: dict[str, Any], known: Mapping[str, Step]) -> tuple[Point, ...]:
    """Points of the spec of a sweep, if its record fits them and the steps of its manifest.

    Raises
    ------
    InvalidInput
        If it does not.
    """
    from rbmflow.spec import parse_sweep, parse_toml

    points = parse_sweep(parse_toml(record.get("spec_toml", ""))).points
    rows = record["points"]
    fits = len(points) == len(rows) and all(row["results"] in known for row in rows)
    fits = fits and all(
        row["run"] == recording.run_name(point.spec, [known[row["results"]]])
        for row, point in zip(rows, points, strict=True)
    )
    problems = Problems()
    problems.unless(fits, "run", record["run"], "the points in its run.json must be those of its spec and manifest")
    problems.done()
    return points


def _points(record: dict[str, Any], store: Store, computed: Collection[Step] | None) -> Iterator[_Point]:
    """Every point as it stands; `computed` is given where the records of finished points are to be written."""
    known = manifest.read(store.run_folder(record["run"]))
    started = datetime.fromisoformat(record["started"])
    for row, point in zip(record["points"], _specs(record, known), strict=True):
        steps = ancestry(known[row["results"]])
        of_point = recording.kept(row["run"], store) or {"run": row["run"], "started": record["started"]}
        try:
            results = store.read(steps[-1])
        except Damaged:
            left = sum(store.state(step) != "done" for step in steps)
            yield _Point(of_point, row["values"], None, left)
            continue
        if computed is not None and not recording.finished(of_point):
            of_point = recording.finish(point.spec, steps, store, started, 0.0, computed)
        yield _Point(of_point, row["values"], results, 0)
