"""The page of a sweep: the ends of the flows of all points side by side, and what is still missing."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xarray as xr

from rbmflow._files import write_text
from rbmflow._format import with_error
from rbmflow.report.document import places
from rbmflow.report.illustrations import draw_all, plots_of
from rbmflow.report.page import TEMPLATES, page
from rbmflow.report.tables import HEADINGS

if TYPE_CHECKING:
    from rbmflow.claims import Verdict

_NUMBERS = ("temperature", "error", "interval_95", "chain_error", "drift", "drift_error")


def sweep_table(points: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[list[Any]]]:
    """Return the ends of the flows of all points that are there: one row a machine, start and thermometer.

    A machine that several points measured alike stands once, under the first of them; a swept field that differs
    between these points has not changed it and is left out.
    A point is `run` (its id), `values` (swept field -> value) and `summary` (see `summary`, or None). `artifact` is the
    hash of the machine of the first seed; temperatures are in J/k_B, None where a number does not exist.

    Examples
    --------
    >>> header, rows = sweep_table([{"run": "s-0-1234567890", "values": {"seed": 1}, "summary": None}])
    >>> header[:3], rows
    (['run', 'seed', 'machine'], [])
    """
    fields = list(points[0]["values"])
    labels = ("machine", "artifact", "hidden", "start", "thermometer")
    rows = []
    for point, machine, of in _machines(points):
        place = [point["run"], *(_of_all([one["values"][field] for one in of], field, machine) for field in fields)]
        for flow in machine["flows"]:
            for thermometer, end in flow["end"].items():
                known = [machine["machine"], machine["artifacts"][0], machine["hidden"], flow["start"], thermometer]
                numbers = [*(end[name] for name in _NUMBERS), len(machine["artifacts"])]
                rows.append([*place, *known, *numbers, machine["converged"][thermometer]])
    return ["run", *fields, *labels, *_NUMBERS, "seeds", "converged"], rows


def _machines(
    points: Sequence[Mapping[str, Any]],
) -> list[tuple[Mapping[str, Any], Mapping[str, Any], list[Mapping[str, Any]]]]:
    """Every machine as it was measured, once: its first point, what is told of it, and all its points."""
    found: dict[str, tuple[Mapping[str, Any], Mapping[str, Any], list[Mapping[str, Any]]]] = {}
    for point in points:
        for machine in point["summary"]["machines"] if point["summary"] else ():
            key = json.dumps([machine["artifacts"], machine["flows"]])
            found.setdefault(key, (point, machine, []))[2].append(point)
    return list(found.values())


def _of_all(values: Sequence[Any], field: str, machine: Mapping[str, Any]) -> Any:
    """The value that all have; None if they differ, or if the field is one of a type that is not the machine's."""
    own = not field.startswith("types.") or field.split(".")[1] in machine["type"].split(" = ")
    return values[0] if own and all(value == values[0] for value in values) else None


def write_sweep(
    path: Path,
    record: Mapping[str, Any],
    points: Sequence[Mapping[str, Any]],
    verdicts: Sequence[Verdict] = (),
    machines: xr.Dataset | None = None,
    swept: xr.Dataset | None = None,
) -> None:
    """Write the page of a sweep, and `table.csv` with the rows of `sweep_table` beside it.

    Links to the reports of the points are relative to its path. Points are as for `sweep_table`, with `left`, the steps
    that are missing, and `report`, whether there is one. `verdicts` and the figures are of the machines that are there,
    side by side; `swept` has the results of the points with the swept fields as axes.
    """
    header, rows = sweep_table(points)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([header, *(["" if cell is None else cell for cell in row] for row in rows)])
    write_text(path.with_name("table.csv"), text.getvalue())
    drawn, left_out = [], []
    for page_of, data in (("points", swept), ("sweep", machines)):
        if data is not None:
            of_these = draw_all(data, plots_of(page_of))
            drawn, left_out = drawn + of_these[0], left_out + of_these[1]
    written = page(
        "sweep.html.j2",
        "\n".join((TEMPLATES / name).read_text("utf-8") for name in ("saving.js", "sweep.js")),
        run=record,
        points=points,
        there=[point for point in points if point["summary"]],
        missing=[point for point in points if not point["summary"]],
        fields=list(points[0]["values"]),
        verdicts=verdicts,
        places=places(drawn),
        drawn=drawn,
        left_out=left_out,
        **_ends(points),
    )
    write_text(path, written)


def _short(value: Any) -> Any:
    """A swept value for reading: of a long list its ends and how many there are."""
    long = isinstance(value, list) and len(value) > 4
    return f"{value[0]} .. {value[-1]} ({len(value)})" if long else "" if value is None else value


def _ends(points: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Lay the ends out for reading: a block a point, a line a machine and start, a cell a thermometer."""
    there = [point for point in points if point["summary"]]
    thermometers = list(dict.fromkeys(name for point in there for name in point["summary"]["thermometers"]))
    blocks = {point["run"]: _block(point) for point in there}
    for point, machine, _ in _machines(there):
        for flow in machine["flows"]:
            cells = [_cell(flow["end"].get(name), machine["converged"].get(name)) for name in thermometers]
            line = {"machine": machine["machine"], "start": flow["start"], "cells": cells}
            blocks[point["run"]]["lines"].append(line)
    return {"thermometers": [HEADINGS.get(name, name) for name in thermometers], "blocks": list(blocks.values())}


def _block(point: Mapping[str, Any]) -> dict[str, Any]:
    known = {"run": point["run"], "report": point["report"], "seeds": point["summary"]["seeds"]}
    return known | {"values": list(map(_short, point["values"].values())), "lines": []}


def _cell(end: Mapping[str, Any] | None, converged: bool | None) -> dict[str, Any]:
    """Text of an end with its error."""
    if end is None or end["temperature"] is None:
        return {"text": "n/a", "moving": False}
    error = math.nan if end["error"] is None else float(end["error"])
    return {"text": with_error(float(end["temperature"]), error), "moving": converged is False}
