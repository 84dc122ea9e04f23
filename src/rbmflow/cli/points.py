"""Runs, and the points of sweeps, as they stand in the store."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from rbmflow._checks import InvalidInput, Problem, Problems
from rbmflow.execute import manifest, recording
from rbmflow.store import Address, Damaged, Step, Store, ancestry

if TYPE_CHECKING:
    import xarray as xr

    from rbmflow.spec import Point


class Standing(NamedTuple):
    """A point of a sweep as it stands in the store."""

    record: dict[str, Any]
    values: dict[str, Any]
    results: xr.Dataset | None
    """None where they are not there yet."""
    left: int
    """Steps that are still to be computed for them."""


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
    told = "the points in its run.json must be those of its spec and manifest"
    Problems.only(fits, "run", record["run"], told)
    return points
