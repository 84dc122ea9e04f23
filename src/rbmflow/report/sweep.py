"""The page of a sweep: the ends of the flows of all points side by side, and what is still missing."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rbmflow._files import write_text
from rbmflow.report.document import TEMPLATES, content_policy, identifier, template_environment
from rbmflow.report.quantities import HEADINGS, with_error

if TYPE_CHECKING:
    import xarray as xr

FIGURES = ("flow_ends", "excess", "training_time")
"""Figures of verdicts that the page of a sweep has."""

_NUMBERS = ("temperature", "error", "chain_error", "drift", "drift_error")


def sweep_table(points: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[list[Any]]]:
    """Return the ends of the flows of all points that are there: one row a point, machine, start and thermometer.

    Parameters
    ----------
    points
        For each point `run` (its id), `values` (swept field -> value) and `summary` (see `summary`, or None).

    Returns
    -------
    header : list of str
        `run`, the swept fields, `machine`, `hidden`, `start`, `thermometer`, `temperature`, `error`, `chain_error`,
        `drift`, `drift_error`, `converged`.
    rows : list of list
        Temperatures in J/k_B; None where a number does not exist.

    Examples
    --------
    >>> header, rows = sweep_table([{"run": "s-0-1234567890", "values": {"seed": 1}, "summary": None}])
    >>> header[:3], rows
    (['run', 'seed', 'machine'], [])
    """
    fields = list(points[0]["values"])
    header = ["run", *fields, "machine", "hidden", "start", "thermometer", *_NUMBERS, "converged"]
    rows = []
    for point in points:
        place = [point["run"], *(point["values"][field] for field in fields)]
        for machine in point["summary"]["machines"] if point["summary"] else ():
            for flow in machine["flows"]:
                for thermometer, end in flow["end"].items():
                    labels = [machine["machine"], machine["hidden"], flow["start"], thermometer]
                    numbers = [end[name] for name in _NUMBERS]
                    rows.append([*place, *labels, *numbers, machine["converged"][thermometer]])
    return header, rows


def write_sweep(
    path: Path,
    record: Mapping[str, Any],
    points: Sequence[Mapping[str, Any]],
    verdicts: Sequence[Mapping[str, Any]] = (),
    machines: xr.Dataset | None = None,
) -> None:
    """Write the page of a sweep, and `table.csv` with the rows of `sweep_table` beside it.

    Parameters
    ----------
    path
        The HTML file in the folder of the sweep; links to the reports of the points are relative to it.
    record
        `run.json` of the sweep.
    points
        As for `sweep_table`, with `left`, the number of steps that are missing for a point, and `report`, whether it
        has a report of its own.
    verdicts
        What the machines that are there say of each claim.
    machines
        These machines side by side, for the figures; None where there are none yet.
    """
    header, rows = sweep_table(points)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([header, *(["" if cell is None else cell for cell in row] for row in rows)])
    write_text(path.with_name("table.csv"), text.getvalue())
    template = template_environment().get_template("sweep.html.j2")
    page = template.render(
        style=(TEMPLATES / "report.css").read_text("utf-8"),
        policy=content_policy(),
        run=record,
        points=points,
        there=[point for point in points if point["summary"]],
        missing=[point for point in points if not point["summary"]],
        fields=list(points[0]["values"]),
        verdicts=[{**row, "figure": row["figure"] if row["figure"] in FIGURES else ""} for row in verdicts],
        drawn=_drawn(machines),
        **_ends(points),
    )
    write_text(path, page)


def _drawn(machines: xr.Dataset | None) -> dict[str, str]:
    from rbmflow import figures

    if machines is None:
        return {}
    drawn = {"study_ends": figures.study_ends(machines), "study_excess": figures.study_excess(machines)}
    if bool(machines["ladder_end"].notnull().any()):
        drawn["study_training_time"] = figures.study_training_time(machines)
    return {name: figures.to_svg(figure, identifier(name)) for name, figure in drawn.items()}


def _short(value: Any) -> Any:
    """A swept value for reading: of a long list its ends and how many there are."""
    long = isinstance(value, list) and len(value) > 4
    return f"{value[0]} .. {value[-1]} ({len(value)})" if long else "" if value is None else value


def _ends(points: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Lay the ends out for reading: a block a point, a line a machine and start, a cell a thermometer."""
    there = [point for point in points if point["summary"]]
    thermometers = list(dict.fromkeys(name for point in there for name in point["summary"]["thermometers"]))
    blocks = []
    for point in there:
        lines = []
        for machine in point["summary"]["machines"]:
            for flow in machine["flows"]:
                cells = [_cell(flow["end"].get(name), machine["converged"].get(name)) for name in thermometers]
                lines.append({"machine": machine["machine"], "start": flow["start"], "cells": cells})
        known = {"run": point["run"], "report": point["report"]}
        blocks.append(known | {"values": list(map(_short, point["values"].values())), "lines": lines})
    return {"thermometers": [HEADINGS.get(name, name) for name in thermometers], "blocks": blocks}


def _cell(end: Mapping[str, Any] | None, converged: bool | None) -> dict[str, Any]:
    """Text of an end with its error: that over seeds, or where one seed gives none, that of the chains alone."""
    if end is None or end["temperature"] is None:
        return {"text": "n/a", "chains_alone": False, "moving": False}
    alone = end["error"] is None
    error = end["chain_error"] if alone else end["error"]
    text = with_error(float(end["temperature"]), math.nan if error is None else float(error))
    return {"text": text, "chains_alone": alone, "moving": converged is False}
