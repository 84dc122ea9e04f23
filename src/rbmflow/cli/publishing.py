"""Runs that are handed on: `rbmflow publish` makes one zip of a run, `rbmflow open` verifies one and shows it."""

from __future__ import annotations

import argparse
import csv
import io
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from rbmflow._checks import InvalidInput, Problem, Problems, plain
from rbmflow._files import filled, read_bytes
from rbmflow.cli.fitting import default_workers
from rbmflow.cli.pages import write_page
from rbmflow.cli.points import bring, noted, numbers_of
from rbmflow.cli.showing import show_record
from rbmflow.execute import versions
from rbmflow.execute.estimate import told_size
from rbmflow.runs import points_of
from rbmflow.store import Damaged, Store, parcels

_LIGHT = ("results", "machine", "learner", "control", "draws", "thermometer")
"""Kinds of steps whose artifacts are always put in; the others take more room and can be computed from these."""


def publish(arguments: argparse.Namespace) -> int:
    """Make one zip of a run or a sweep that anybody can read, and that `open` shows."""
    store = Store(arguments.store)
    record = store.find_run(arguments.run)
    Problems.only("spec_toml" in record, "run", record["run"], "it must be one that `rbmflow run` has computed")
    files = bring(arguments.files, record, store)
    parcel = Path(arguments.output or f"{record['run']}.zip")
    authors = arguments.authors or ["anonymous"]
    licence = _licence(arguments.licence)
    found = _found(record, store)
    page = store.run_folder(record["run"]) / "report.html"
    if not filled(page) or ("points" not in record and noted(record, store) is None):
        write_page(record, store, default_workers(), files)
    known = {"record": _whole(record, store), "authors": authors, "everything": arguments.flows} | found
    front = {
        "README.md": ("what this is, and what each file is", _text("README.md", known)),
        "CITATION.cff": ("how to cite it", _text("CITATION.cff", known)),
        "LICENSE": ("what may be done with it", licence),
        "ends.csv": ("where the flows ended, temperatures in J/k_B", _csv(found["ends"])),
    }
    kinds = None if arguments.flows else _LIGHT
    try:
        there, steps = parcels.pack(store, known["record"], parcel, kinds, front, " ".join(found["answer"]), authors)
    except Damaged as damage:
        print(plain(f"{damage}; `rbmflow run` computes it anew"), file=sys.stderr)
        return 1
    left = "" if arguments.flows else "; --flows puts in the others that are there"
    print(plain(f"{parcel}: {told_size(parcel.stat().st_size)}, {there} of {steps} artifacts{left}"))
    return 0


def _text(name: str, known: dict[str, Any]) -> bytes:
    """A text of the zip by its template."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    # What it holds is no HTML.
    environment = Environment(loader=PackageLoader("rbmflow.cli"), undefined=StrictUndefined, autoescape=False)
    return environment.get_template(f"{name}.j2").render(known).encode() + b"\n"


def _whole(record: dict[str, Any], store: Store) -> dict[str, Any]:
    """The record of a run; that of a sweep, which tells less, with what the record of its first point tells of both."""
    first = store.read_run(next(iter(record.get("points", ())), record)["run"])
    told = {key: first[key] for key in ("versions", "device", "platform") if key in first}
    return {"versions": versions(), "device": "", "cpu_seconds": None} | told | record


def _licence(file: str | None) -> bytes:
    """The text of the licence: that of this package if none is given."""
    if file is None:
        return (metadata.distribution("rbmflow").read_text("licenses/LICENSE") or "MIT License\n").encode()
    try:
        return read_bytes(Path(file))
    except (OSError, ValueError) as error:
        raise InvalidInput(Problem("licence", file, "it must be a text file that can be read")) from error


def _found(record: dict[str, Any], store: Store) -> dict[str, Any]:
    """What the run says in sentences, the table of where its flows ended, and where page and results are in the zip."""
    if "points" not in record:
        numbers = numbers_of(record, store)
        answer = numbers["summary"].get("answer", [])
        return {"answer": answer, "ends": numbers["ends"], "top": "", "results": "results.nc"}
    from rbmflow import report

    points = list(points_of(record, store))
    there = [(point, point.results) for point in points if point.results is not None]
    allowed = "its results must be there; `rbmflow run` with its spec computes them"
    Problems.only(bool(there), "run", record["run"], allowed)
    rows = []
    for point, results in there:
        header, ends = report.ends_table(results)
        rows = rows or [["point", *point.values, *header]]
        rows += [[point.record["run"], *map(str, point.values.values()), *row] for row in ends]
    answer = [f"A sweep over {', '.join(points[0].values)}: {len(there)} of {len(points)} points are there."]
    return {"answer": answer, "ends": rows, "top": "sweep/", "results": f"{there[0][0].record['run']}/results.nc"}


def _csv(rows: list[list[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def take_in(arguments: argparse.Namespace) -> int:
    """Verify a zip of `publish`, take what it holds into the store, show its numbers and draw its report anew."""
    store = Store(arguments.store)
    taken = parcels.unpack(store, Path(arguments.file))
    record = store.find_run(taken.run)
    print(
        plain(
            f"{arguments.file} is whole; {taken.artifacts} artifacts and {len(taken.runs)} runs are new in {store.path}"
        )
    )
    try:
        show_record(record, store)
        print(plain(write_page(record, store, default_workers())))
    except Exception as error:  # Labels and numbers of strangers may break any figure.
        print(plain(f"{record['run']} is taken in without a report: {error}"), file=sys.stderr)
    return 0
