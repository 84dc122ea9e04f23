"""`rbmflow show`: the numbers of a run, or of the points of a sweep."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from rich.table import Table

from rbmflow._checks import plain
from rbmflow.cli.points import bring, points_of, results_of
from rbmflow.cli.telling import cell, console
from rbmflow.store import Store

if TYPE_CHECKING:
    import xarray as xr


def show(arguments: argparse.Namespace) -> int:
    """Print the numbers of a run."""
    from rbmflow import report

    store = Store(arguments.store)
    record = store.find_run(arguments.run)
    bring(arguments.files, record, store)
    if "points" in record:
        return _show_sweep(record, store, arguments.json)
    results = results_of(record, store)
    summary = report.summary(results, record)
    if arguments.json:
        print(json.dumps(summary, indent=1, allow_nan=False))
        return 0
    print(f"{record['run']}, started {record['started']}, {record.get('compute_seconds', 0):.0f} s of computing")
    for name, value in summary["references"].items():
        print(f"{name.replace('_', ' ')}: {value:.4f}")
    print_ends(results, record)
    return 0


def print_ends(results: xr.Dataset, record: dict[str, Any]) -> None:
    """Print where each flow ended, and the quality flags."""
    from rbmflow import report

    print("Temperature at the end of the flows (J/k_B)")
    console().print(_ends(results))
    for flag in report.flags(results, record):
        print(plain(f"flag: {flag['where']}: {flag['message']}"))


def _ends(results: xr.Dataset) -> Table:
    from rbmflow import report

    header, rows = report.ends_table(results)
    table = Table(*map(cell, header))
    for row in rows:
        table.add_row(*map(cell, row))
    return table


def _show_sweep(record: dict[str, Any], store: Store, as_json: bool) -> int:
    """Print the numbers of the points that are there, and what is missing of the others."""
    from rbmflow import report

    points = list(points_of(record, store))
    if as_json:
        rows = [{"values": point.values, "steps_left": point.left} for point in points]
        for row, point in zip(rows, points, strict=True):
            if point.results is not None:
                row["numbers"] = report.summary(point.results, point.record)
        print(json.dumps({"run": record["run"], "points": rows}, indent=1, allow_nan=False))
        return 0
    for point in points:
        values = ", ".join(f"{field} = {value}" for field, value in point.values.items())
        print(plain(f"{point.record['run']} ({values})"))
        if point.results is None:
            print(f"  missing: {point.left} steps are left")
        else:
            console().print(_ends(point.results))
    there = sum(point.results is not None for point in points)
    print(f"{record['run']}: {there} of {len(points)} points are there")
    return 0
