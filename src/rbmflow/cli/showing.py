"""`rbmflow show`: the numbers of a run, or of the points of a sweep."""

import argparse
import json
from typing import Any

from rbmflow._checks import plain
from rbmflow.cli.handing import bring
from rbmflow.cli.points import points_of, results_of
from rbmflow.cli.telling import print_ends
from rbmflow.store import Store


def show(arguments: argparse.Namespace) -> int:
    """Print the numbers of a run."""
    from rbmflow import report

    store = Store(arguments.store)
    record = store.find_run(arguments.run)
    bring(arguments, store, record)
    if "points" in record:
        return _show_sweep(record, store, arguments.json)
    results = results_of(store, record)
    summary = report.summary(results, record)
    if arguments.json:
        print(json.dumps(summary, indent=1, allow_nan=False))
        return 0
    print(f"{record['run']}, started {record['started']}, {record.get('compute_seconds', 0):.0f} s of computing")
    for name, value in summary["references"].items():
        print(f"{name.replace('_', ' ')}: {value:.4f}")
    print_ends(results, record)
    return 0


def _show_sweep(record: dict[str, Any], store: Store, as_json: bool) -> int:
    """Print the numbers of the points that are there, and what is missing of the others."""
    from rbmflow import report

    points = list(points_of(record, store))
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
            continue
        header, rows = report.ends_table(point.results)
        rows = [list(map(plain, row)) for row in (header, *rows)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            print("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    there = sum(point.results is not None for point in points)
    print(f"{record['run']}: {there} of {len(points)} points are there")
    return 0
