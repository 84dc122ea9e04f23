"""`rbmflow show`: the numbers of a run, or of the points of a sweep."""

import argparse
import json
from collections.abc import Iterator, Sequence
from typing import Any

from rich.table import Table

from rbmflow._checks import plain
from rbmflow.cli.points import bring, numbers_of
from rbmflow.cli.telling import cell, console
from rbmflow.runs import Standing, points_of
from rbmflow.store import Store
from rbmflow.store.records import Numbers


def show(arguments: argparse.Namespace) -> int:
    """Print the numbers of a run."""
    store = Store(arguments.store)
    record = store.find_run(arguments.run)
    bring(arguments.files, record, store)
    show_record(record, store, arguments.json)
    return 0


def show_record(record: dict[str, Any], store: Store, as_json: bool = False) -> None:
    """Print the numbers of a run, or of a sweep, by its record."""
    if "points" in record:
        _show_sweep(record, store, as_json)
        return
    numbers = numbers_of(record, store)
    if as_json:
        print(json.dumps(numbers["summary"], indent=1, allow_nan=False))
        return
    cpu, wall = record.get("cpu_seconds"), record.get("compute_seconds", 0)
    took = f"steps of {wall:.0f} s on the clock" if cpu is None else f"{cpu:.0f} s of CPU time"
    print(f"{record['run']}, started {record['started']}, {took}")
    for name, value in numbers["summary"]["references"].items():
        print(plain(f"{name.replace('_', ' ')}: {f'{value:.4f}' if isinstance(value, float) else value}"))
    print_ends(numbers)


def print_ends(numbers: Numbers) -> None:
    """Print whether the flows go to T_c, where each of them ended, and the quality flags."""
    for sentence in numbers["summary"]["answer"]:
        print(plain(sentence))
    print("Temperature at the end of the flows (J/k_B)")
    console().print(_table(*_in_short(*numbers["ends"])))
    for flag in numbers["summary"]["flags"]:
        print(plain(f"flag: {flag.get('where', 'run')}: {flag['message']}"))


def _in_short(header: list[str], *rows: list[str]) -> Iterator[list[str]]:
    """The table of ends for a terminal: what a mixture is stands once, why a machine has no T* in the sentences."""
    told = set[str]()
    yield header
    for machine, label, *cells in rows:
        short = label.partition(" (")[0] if label in told else label
        told.add(label)
        yield [
            machine,
            short,
            *(cell.partition(":")[0] if cell.startswith("not converged") else cell for cell in cells),
        ]


def _table(header: Sequence[str], *rows: Sequence[str]) -> Table:
    table = Table(*map(cell, header))
    for row in rows:
        table.add_row(*map(cell, row))
    return table


def _show_sweep(record: dict[str, Any], store: Store, as_json: bool) -> None:
    """Print the numbers of the points that are there, and what is missing of the others."""
    from rbmflow import report

    points = list(points_of(record, store))
    if as_json:
        rows = [{"values": point.values, "steps_left": point.left} for point in points]
        for row, point in zip(rows, points, strict=True):
            if point.results is not None:
                row["numbers"] = report.summary(point.results, point.record)
        print(json.dumps({"run": record["run"], "points": rows}, indent=1, allow_nan=False))
        return
    print_points(record, points)


def print_points(record: dict[str, Any], points: Sequence[Standing]) -> None:
    """Print the table of a sweep, a line a machine of each point: the swept fields, T*, whether flows go to T_c."""
    from rbmflow import report
    from rbmflow.steps import answer_of

    header, rows = ["machine"], []
    for point in points:
        place = list(map(str, point.values.values()))
        if point.results is None:
            rows.append([*place, f"missing: {point.left} steps are left"])
            continue
        header, machines = report.rest_table(point.results, brief=True)
        # The first sentence asks whether the flows go to T_c, and answers.
        answer = answer_of(point.results)[:1] or [""]
        rows += [[*place, *machine, answer[0].rpartition("? ")[2]] for machine in machines]
    print("T* of every machine (J/k_B), by thermometer, and whether the flows go to T_c")
    print("In brackets: the mean end of flows that have not converged")
    console().print(_table([*points[0].values, *header, "to T_c?"], *rows))
    there = sum(point.results is not None for point in points)
    print(f"{record['run']}: {there} of {len(points)} points are there")
