"""The report: one HTML page that holds every figure, every number, and what it takes to repeat them."""

from __future__ import annotations

import base64
import itertools
import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from rbmflow._checks import InvalidInput, Problem, Problems
from rbmflow._files import write_text
from rbmflow.report.explorer import explorer_data
from rbmflow.report.quantities import (
    CLOSING_ROWS,
    drift_table,
    ends_table,
    flags,
    likelihood_table,
    measures_table,
    off_table,
    settling_table,
)

if TYPE_CHECKING:
    import jinja2
    import xarray as xr

TEMPLATES = Path(__file__).with_name("templates")

BY_MACHINE = (
    "flow_ends",
    "temperature_flow",
    "off_manifold",
    "energy_flow",
    "flow_observables",
    "correlations",
    "weight_products",
    "product_profiles",
    "spectra",
    "leading_vectors",
    "fourier_content",
    "projections",
    "receptive_fields",
    "mode_growth",
    "weights_along_training",
    "training_curves",
)
"""The figures that show some machines side by side and need nothing else said."""

RUN_FIELDS = (
    *("name", "run", "spec_toml", "started", "seconds", "compute_seconds", "steps"),
    *("versions", "device", "cores", "platform", "revision", "seed"),
)
"""What is told of a run; a field that was not recorded is said to be unknown."""

BLOCKED, ALONG_TRAINING = "blocked_read", "checkpoint_end_temperature"
"""What results have only if the run had block spins, or flows along the training."""

MACHINES_IN_A_FIGURE = 4
"""More machines than this make further figures, so that each fits a screen and a printed page."""

LARGEST_LINK = 1_900_000
"""Characters of a CSV link; browsers refuse to save a data address of more than 2 MiB."""


@dataclass(frozen=True)
class Drawing:
    """One drawn figure with the numbers behind it."""

    name: str
    """Identifier in the page, start of all ids in the drawing, and file name of the data."""
    svg: str
    data: str | None
    """Address that holds the CSV, or None where it would be too long."""
    rows: int


def render(results: xr.Dataset, run: Mapping[str, Any]) -> str:
    """Return the report of a run as one self-contained HTML page.

    Parameters
    ----------
    results
        The results of a run.
    run
        The record kept beside them: names, times, steps, versions, the resolved spec.

    Raises
    ------
    InvalidInput
        If the dataset lacks something that a report shows.

    Examples
    --------
    >>> page = render(results, run)  # doctest: +SKIP
    """
    _require(results)
    run = {**dict.fromkeys(RUN_FIELDS), **run}
    environment = template_environment()
    environment.filters["duration"] = lambda seconds: duration(seconds).replace(" ", "\N{NO-BREAK SPACE}")
    header, rows = ends_table(results)
    drift_header, drift_rows = drift_table(results)
    off_header, off_rows = off_table(results)
    return environment.get_template("report.html.j2").render(
        style=(TEMPLATES / "report.css").read_text("utf-8"),
        script=(script := (TEMPLATES / "explorer.js").read_text("utf-8")),
        policy=content_policy(script),
        title=results.attrs.get("title") or run["name"] or "RBM flow",
        results=results,
        run=run,
        machines=[str(m) for m in results["machine"].values],
        starts=[str(s) for s in results["start"].values],
        thermometers=[str(t) for t in results["thermometer"].values],
        classifiers=[str(c) for c in results["classifier"].values],
        seeds=results.sizes["seed"],
        chains=int(results["chains"]),
        iterations=int(results["iteration"].values[-1]),
        critical=float(results["critical_temperature"]),
        peak=float(results["specific_heat_peak_temperature"]),
        chance=math.log(results.sizes["bin"]),
        ends_header=header,
        ends=[(machine, list(group)) for machine, group in itertools.groupby(rows, key=lambda row: row[0])],
        closing_rows=CLOSING_ROWS,
        likelihoods=likelihood_table(results),
        drift_header=drift_header,
        drifts=drift_rows,
        measures=measures_table(results),
        settling=settling_table(results)[1],
        off_header=off_header,
        off=off_rows,
        verdicts=_linked(results),
        flags=flags(results, run),
        kinds=_kinds(run["steps"] or []),
        drawings=drawings(results),
        explorer=explorer_data(results),
    )


def template_environment() -> jinja2.Environment:
    """How every page is made from its template: text is escaped, a name that is missing is an error."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["identifier"] = identifier
    return environment


def identifier(text: object) -> str:
    """An id of a page that stands for a text: of `[a-z0-9-]` alone, for labels may come from strangers.

    Examples
    --------
    >>> identifier('flow_ends "><script>')
    'flow-ends-script'
    """
    return re.sub("[^a-z0-9]+", "-", str(text).lower()).strip("-")


def content_policy(script: str = "") -> str:
    """Content-Security-Policy of a page: it loads nothing, and no script runs but this one.

    Should a label ever get into a page as markup, a browser will still not run it.
    """
    runs = f"'sha256-{base64.b64encode(sha256(script.encode()).digest()).decode()}'" if script else "'none'"
    looks = "style-src 'unsafe-inline'; img-src data:; connect-src blob:"
    return f"default-src 'none'; {looks}; script-src {runs}; base-uri 'none'; form-action 'none'"


def write(path: str | Path, results: xr.Dataset, run: Mapping[str, Any]) -> None:
    """Write the report of a run; a reader sees the old file or the whole new one.

    Parameters
    ----------
    path
        The HTML file; its folder must be there.
    results, run
        As for `render`.

    Raises
    ------
    InvalidInput
        If the dataset lacks something that a report shows.
    """
    write_text(Path(path), render(results, run))


def drawings(results: xr.Dataset) -> dict[str, list[Drawing]]:
    """Draw every figure of a report: under the name of the figure, one entry a part of it."""
    drawn: dict[str, list[Drawing]] = {}
    counted = Counter[str]()

    def add(title: str, figure: str, part: xr.Dataset, *selected: str) -> None:
        stem = identifier(title)
        counted[stem] += 1
        drawn.setdefault(title, []).append(_drawing(f"{stem}-{counted[stem]}", figure, part, *selected))

    for part in _groups(results):
        for figure in BY_MACHINE:
            add(figure, figure, part)
        if ALONG_TRAINING in part and bool(part[ALONG_TRAINING].notnull().any()):
            add("training_time", "training_time", part)
        for classifier in map(str, results["classifier"].values):
            add(
                f"class_probabilities-{classifier}",
                "class_probabilities",
                part.sel(classifier=[classifier]),
                classifier,
            )
    for machine in map(str, results["machine"].values):
        add("configurations", "configurations", results.sel(machine=[machine]), machine)
    add("calibration", "calibration", results)
    if BLOCKED in results:
        add("renormalization", "renormalization", results)
    return drawn


PLACES = {
    "flow_ends": "flow-ends-1",
    "class_probabilities": "probabilities",
    "temperature_flow": "temperatures",
    "block_spins": "renormalization",
    "weight_products": "product",
    "spectra": "spectrum",
    "leading_vectors": "vectors",
    "manifold": "manifold",
    "training_time": "training-time",
    "energy_flow": "energy",
    "excess": "likelihood",
}
"""Where in a report the figure of a verdict stands."""


def _linked(results: xr.Dataset) -> list[dict[str, Any]]:
    """Verdicts with the place of their figure; none for a claim that the run cannot test."""
    text = results.attrs.get("verdicts", "[]")
    try:
        return [
            row | {"figure": "" if row["verdict"] == "not tested" else PLACES.get(row["figure"], "")}
            for row in json.loads(text)
        ]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise InvalidInput(Problem("verdicts", text, "it must be a JSON list of verdicts")) from None


def _drawing(name: str, figure: str, part: xr.Dataset, *selected: str) -> Drawing:
    from rbmflow import figures

    table = figures.table_of(part, figure)
    csv = table.to_csv(index=False, float_format="%.6g", lineterminator="\n")
    address = "data:text/csv;charset=utf-8," + quote(csv, safe=",.-+|=()/:")
    data = address if len(address) <= LARGEST_LINK else None
    svg = figures.to_svg(getattr(figures, figure)(part, *selected), name)
    return Drawing(name, svg, data, len(table))


def _groups(results: xr.Dataset) -> Iterator[xr.Dataset]:
    """Cut the machines into groups of even size, each small enough for one figure."""
    count = results.sizes["machine"]
    size = -(-count // -(-count // MACHINES_IN_A_FIGURE))
    for first in range(0, count, size):
        yield results.isel(machine=slice(first, first + size))


def _require(results: xr.Dataset) -> None:
    from rbmflow.figures.behind import COLUMNS

    needed = {name for names in COLUMNS.values() for name in names if not name.startswith(("blocked_", "checkpoint_"))}
    needed |= {"cross_entropy", "accuracy", "bayes_cross_entropy_exact", "bayes_accuracy_exact", "chains"}
    needed |= {
        "leading_uniformity",
        "machine_type",
        "hidden_units",
        "weight_final_mean",
        "weight_final_error",
        "meaning",
    }
    missing = sorted(needed - set(map(str, results.variables)))
    problems = Problems()
    problems.unless(not missing, "results without", missing, "a report needs all of these variables")
    problems.done()


def _kinds(steps: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Count the steps of each kind, in order of first appearance."""
    kinds: dict[str, dict[str, Any]] = {}
    for step in steps:
        row = kinds.setdefault(step["kind"], {"kind": step["kind"], "count": 0, "cached": 0, "seconds": 0.0})
        row["count"] += 1
        row["cached"] += bool(step.get("cached"))
        row["seconds"] += step.get("seconds") or 0.0
    return list(kinds.values())


def duration(seconds: float | None) -> str:
    """Write a time for people.

    Examples
    --------
    >>> duration(83.2), duration(7384), duration(0.42), duration(None)
    ('1 min 23 s', '2 h 03 min', '0.4 s', 'unknown')
    """
    if seconds is None or not math.isfinite(seconds):
        return "unknown"
    if seconds < 59.5:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"
