"""The report: one HTML page that holds every figure, every number, and what it takes to repeat them."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xarray as xr

from rbmflow._checks import Problems
from rbmflow._files import write_text
from rbmflow._format import with_error
from rbmflow.report import tables
from rbmflow.report.explorer import explorer_data
from rbmflow.report.illustrations import Drawing, draw_all, plots_of, sayings
from rbmflow.report.live import live_data
from rbmflow.report.page import TEMPLATES, packed, page
from rbmflow.report.summary import flags

if TYPE_CHECKING:
    from rbmflow.claims import Verdict
    from rbmflow.figures import Plot

SECTIONS = (
    *("lead", "summary", "temperatures", "manifold", "probabilities", "energy", "correlations", "training-time"),
    *("renormalization", "examples", "product", "spectrum", "vectors", "projections", "hidden", "growth"),
    *("cascade", "along-training", "training", "thermometers"),
)
"""Ids of the sections that have a place of their own; any other is a new section at the end, under its own title."""

RUN_FIELDS = (
    *("name", "run", "spec_toml", "started", "seconds", "compute_seconds", "cpu_seconds", "steps"),
    *("versions", "device", "cores", "platform", "revision", "seed"),
)
"""What is told of a run; a field that was not recorded is said to be unknown."""

NEEDS = (
    *("end_temperature", "end_error", "end_chain_error", "drift", "drift_error", "relaxation_time", "converged"),
    *(
        "relaxation_time_error",
        "start_difference",
        "start_difference_error",
        "iterations_needed",
        "fixed_point",
        "fixed_point_error",
        "null_temperature",
        "critical_temperature",
        "specific_heat_peak_temperature",
    ),
    *("temperature_mean", "probability_mean", "probability_error", "null_probability", "example", "chains"),
    *("off_distance_mean", "off_p_value"),
    *("cross_entropy", "accuracy", "bayes_cross_entropy_exact", "bayes_accuracy_exact", "usable_from", "usable_to"),
)
"""Variables of the tables and of the slider. Figures need further ones, and are left out without them."""


def render(
    results: xr.Dataset,
    run: Mapping[str, Any],
    verdicts: Sequence[Verdict] = (),
    figures: Iterable[Plot] | None = None,
    draw: Callable[..., tuple[list[Drawing], list[str]]] = draw_all,
    answer: Sequence[str] = (),
    live: xr.Dataset | None = None,
) -> str:
    """Return the report of a run as one self-contained HTML page.

    Parameters
    ----------
    run
        The record kept beside the results: names, times, steps, versions, the resolved spec.
    figures
        What is drawn; all that are registered if not given.
    draw
        What draws them.
    answer
        Sentences that stand first, see `claims.answer`.
    live
        Machines that the page iterates, see `steps.live_of`; none if not given.

    Raises
    ------
    InvalidInput
        If the dataset lacks something that the tables show.
    """
    missing = sorted(set(NEEDS) - set(map(str, results.variables)))
    Problems.only(not missing, "results without", missing, "a report needs all of these variables")
    words = sayings(results)
    drawn, left_out = draw(results, plots_of("run", figures), words)
    sections: dict[str, list[Drawing]] = {name: [] for name in SECTIONS}
    for drawing in drawn:
        sections.setdefault(drawing.section, []).append(drawing)
    header, rows = tables.ends_table(results)
    a_machine = results.sizes["start"] + len(tables.CLOSING_ROWS)
    likelihoods = tables.likelihood_table(results)
    anchors = {"likelihood": "likelihood"} if likelihoods[1] else {}
    run = {**dict.fromkeys(RUN_FIELDS), **run}
    not_live = [] if live is None else live.attrs.get("left_out", [])
    carried = live_data(live, results) if live else None
    scripts = ["saving.js", "explorer.js", *(["live.js"] if carried else [])]
    return page(
        "report.html.j2",
        "\n".join((TEMPLATES / name).read_text("utf-8") for name in scripts),
        title=results.attrs.get("title") or run["name"] or "RBM flow",
        results=results,
        run=run,
        **{f"{axis}s": tables.names(results, axis) for axis in ("machine", "start", "thermometer", "classifier")},
        seeds=results.sizes["seed"],
        said=words,
        peak=_peak(results),
        iterations=int(results["iteration"].values[-1]),
        answer=answer,
        chance=math.log(results.sizes["bin"]),
        ends_header=header,
        ends=[list(group) for group in itertools.batched(rows, a_machine)],
        closing_rows=tables.CLOSING_ROWS,
        likelihoods=likelihoods,
        drifts=tables.drift_table(results),
        measures=tables.measures_table(results) if "weight_final_mean" in results else None,
        settling=tables.settling_table(results),
        off=tables.off_table(results),
        verdicts=verdicts,
        places=anchors | places(drawn),
        flags=flags(results, run),
        kinds=_kinds(run["steps"] or []),
        sections=sections,
        further={name: drawings for name, drawings in sections.items() if name not in SECTIONS},
        left_out=[*left_out, *not_live],
        live=carried,
        live_left_out=not_live,
        explorer=packed(json.dumps(explorer_data(results), allow_nan=False)),
    )


def _peak(results: xr.Dataset) -> str:
    """Temperature of the maximum of the specific heat with its error, and by what it is known."""
    peak, error = (float(results.get(f"specific_heat_peak_{one}", math.nan)) for one in ("temperature", "error"))
    told = f"{peak:.4f}" if math.isnan(error) or error == 0 else with_error(peak, error)
    return f"{told}, by {results.attrs['known_by']}" if "known_by" in results.attrs else told


def places(drawn: Iterable[Drawing]) -> dict[str, str]:
    """Where in a page each figure stands: the id of its first drawing."""
    found: dict[str, str] = {}
    for drawing in drawn:
        found.setdefault(drawing.figure, drawing.name)
    return found


def write(
    path: str | Path, results: xr.Dataset, run: Mapping[str, Any], verdicts: Sequence[Verdict] = (), **further: Any
) -> None:
    """Write the report of a run into this HTML file, as `render` makes it of the same arguments.

    A reader sees the old file or the whole new one.
    """
    write_text(Path(path), render(results, run, verdicts, **further))


def _kinds(steps: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Count the steps of each kind, in order of first appearance; CPU time is unknown where one of them tells none."""
    kinds: dict[str, dict[str, Any]] = {}
    for step in steps:
        nothing = {"count": 0, "cached": 0, "seconds": 0.0, "cpu_seconds": 0.0}
        row = kinds.setdefault(step["kind"], {"kind": step["kind"], **nothing})
        row["count"] += 1
        row["cached"] += bool(step.get("cached"))
        row["seconds"] += step.get("seconds") or 0.0
        row["cpu_seconds"] += math.nan if step.get("cpu_seconds") is None else step["cpu_seconds"]
    return list(kinds.values())
