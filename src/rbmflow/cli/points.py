"""Runs, and the points of sweeps, as they stand in the store, with the files that were handed over to them."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from rbmflow import __version__
from rbmflow._checks import InvalidInput, Problem, Problems, plain
from rbmflow._files import read_bytes, to_json, write_text
from rbmflow._registry import load_files
from rbmflow.execute import manifest, recording
from rbmflow.store import Address, Damaged, Step, Store, ancestry, parse_record
from rbmflow.store.records import Numbers, read_record

if TYPE_CHECKING:
    import xarray as xr

    from rbmflow.spec import Point


def bring(files: Iterable[str], record: dict[str, Any], store: Store) -> tuple[str, ...]:
    """Run the files that were handed over to a run, from its folder, and those that are handed over now.

    One of the same name that is handed over now takes the place of the recorded one.
    """
    by_name = {Path(file).name: file for file in (*recording.files_of(record, store), *files)}
    for row in record.get("extensions", ()):
        if row["name"] not in by_name:
            told = f"{row['name']} was handed over to this run and is not in its folder: --with FILE does so again"
            print(plain(told), file=sys.stderr)
    load_files(by_name.values())
    return tuple(by_name.values())


def results_of(record: dict[str, Any], store: Store) -> xr.Dataset:
    """Read the results of a run; `InvalidInput` if they are not there."""
    last = record["steps"][-1]
    try:
        return store.read(Address(last["kind"], last["hash"]))
    except Damaged as damage:
        allowed = f"its results must be there ({damage.reason}); `rbmflow run` with its spec computes them"
        raise InvalidInput(Problem("run", record["run"], allowed)) from damage


_NUMBERS = "numbers.json"
"""Note in the folder of a run: reading results takes the libraries of labelled data, which take a second to import."""


def numbers_of(record: dict[str, Any], store: Store) -> Numbers:
    """What is told of a run: as it was noted, else from its results; `InvalidInput` if they are not there."""
    return noted(record, store) or _numbers(results_of(record, store), record, store)


def noted(record: dict[str, Any], store: Store) -> Numbers | None:
    """The numbers of a run that `note` has written, if they are of its results and record as they are now."""
    found = read_record(Numbers, store.run_folder(record["run"]) / _NUMBERS)
    try:
        return found if isinstance(found, dict) and found["of"] == _sources(record, store) else None
    except (Damaged, OSError):
        return None


def note(results: xr.Dataset, record: dict[str, Any], store: Store) -> None:
    """Write down what is told of a run."""
    write_text(store.run_folder(record["run"]) / _NUMBERS, to_json(_numbers(results, record, store)))


def _numbers(results: xr.Dataset, record: dict[str, Any], store: Store) -> Numbers:
    from rbmflow import report

    header, rows = report.ends_table(results)
    found = {"of": _sources(record, store), "summary": report.summary(results, record), "ends": [header, *rows]}
    return parse_record(Numbers, to_json(found))  # The same whether it was noted or not.


def _sources(record: dict[str, Any], store: Store) -> str:
    """Hash of what numbers come from: the results, the record, and the code that reads them."""
    results = store.fingerprint(Address(record["steps"][-1]["kind"], record["steps"][-1]["hash"]))
    written = read_bytes(store.run_folder(record["run"]) / "run.json")
    return sha256(f"{__version__} {results} ".encode() + written).hexdigest()


class Standing(NamedTuple):
    """A point of a sweep as it stands in the store."""

    record: dict[str, Any]
    values: dict[str, Any]
    results: xr.Dataset | None
    """None where they are not there yet."""
    left: int
    """Steps that are still to be computed for them."""


def points_of(record: dict[str, Any], store: Store, computed: Collection[Step] | None = None) -> Iterator[Standing]:
    """Every point of a sweep; `computed` is given where the records of finished points are to be written."""
    known = manifest.read(store.run_folder(record["run"]))
    started = datetime.fromisoformat(record["started"])
    for row, point in zip(record["points"], _specs(record, known), strict=True):
        steps = ancestry(known[row["results"]])
        of_point = recording.kept(row["run"], store) or {"run": row["run"], "started": record["started"]}
        try:
            results = store.read(steps[-1])
        except Damaged:
            left = sum(store.state(step) != "done" for step in steps)
            yield Standing(of_point, row["values"], None, left)
            continue
        if computed is not None and not recording.finished(of_point):
            of_point = recording.finish(point.spec, steps, store, started, 0.0, computed)
        yield Standing(of_point, row["values"], results, 0)


def _specs(record: dict[str, Any], known: Mapping[str, Step]) -> tuple[Point, ...]:
    """Points of the spec of a sweep; `InvalidInput` if its record does not fit them and the steps of its manifest."""
    from rbmflow.spec import parse_sweep, parse_toml

    points = parse_sweep(parse_toml(record.get("spec_toml", ""))).points
    rows = record["points"]
    fits = len(points) == len(rows) and all(
        row["results"] in known and row["run"] == recording.run_name(point.spec, [known[row["results"]]])
        for row, point in zip(rows, points, strict=True)
    )
    Problems.only(fits, "run", record["run"], "the points in its run.json must be those of its spec and manifest")
    return points
