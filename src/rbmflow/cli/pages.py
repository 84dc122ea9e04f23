"""Reports of runs, and of sweeps with their points, as HTML: `rbmflow report`, and the end of `rbmflow run`."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rbmflow._checks import plain
from rbmflow._files import filled
from rbmflow.cli.handing import bring, default_workers
from rbmflow.cli.points import points_of, results_of
from rbmflow.execute.children import Children, Lost
from rbmflow.execute.performing import Science
from rbmflow.execute.recording import files_of
from rbmflow.store import Step, Store

if TYPE_CHECKING:
    import xarray as xr

MOST_REPORTS = 40
"""Points of a sweep up to which each has its report drawn; that takes as long as a small machine."""


def report(arguments: argparse.Namespace) -> int:
    """Write the report of a run anew."""
    store = Store(arguments.store)
    record = store.find_run(arguments.run)
    bring(arguments, store, record)
    store.prepare()
    print(plain(write_page(record, store, default_workers())))
    return 0


def write_page(record: dict[str, Any], store: Store, processes: int) -> Path:
    """Write the report of a run, or those of a sweep and its points, anew, and return its place.

    Raises
    ------
    InvalidInput
        If the results of a run are not there.
    """
    return write_reports(record, store, processes) if "points" in record else _write_run(record, store)


def _write_run(record: dict[str, Any], store: Store) -> Path:
    """Write the report of one run from its results in the store."""
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
    for point in points_of(record, store, computed):
        row = {"run": point.record["run"], "values": point.values, "left": point.left, "summary": None}
        if point.results is not None:
            row["summary"] = report.summary(point.results, point.record)
            there.append(point.results)
            page = store.run_folder(point.record["run"]) / "report.html"
            row["report"] = few or filled(page)
            if few and not filled(page):
                wanted[point.record["run"]] = point.record
        rows.append(row)
    _draw(wanted, store, min(processes, len(wanted)), Science("rbmflow.report", files_of(record, store)))
    page = store.run_folder(record["run"]) / "report.html"
    machines = machines_side_by_side(*there) if there else None
    report.write_sweep(page, record, rows, verdicts_of(*there) if there else [], machines)
    return page


def _draw(records: Mapping[str, dict[str, Any]], store: Store, processes: int, science: Science) -> None:
    """Write the reports of runs, in processes of their own where several may be at work."""
    if processes < 2:
        for record in records.values():
            _write_point(str(store.path), record, science)
        return
    waiting = list(records)
    with contextlib.closing(Children[str](processes, science)) as crew:
        while waiting or crew.busy:
            while waiting and crew.free:
                run = waiting.pop()
                crew.start(run, _write_point, str(store.path), records[run], science)
            for run, news in crew.wait(1.0):
                if isinstance(news, Lost) and not news.again:
                    print(f"the report of {run} was not written: {news.reason}", file=sys.stderr)


def _write_point(store: str, record: dict[str, Any], science: Science, _: object = None) -> None:
    """Write the report of one point in whichever process that is."""
    science.load()
    _write_run(record, Store(store))
