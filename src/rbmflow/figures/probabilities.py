"""Figures of distributions along the flow, at a few iterations: class probabilities, correlations."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from rbmflow._checks import InvalidInput, Problem
from rbmflow.figures import marks, panels, style
from rbmflow.figures.plot import figure


def _rows(results: xr.Dataset, ylabel: str, xlabel: str, pad: float | None = None) -> tuple[Figure, Any]:
    """One row a machine, one column a start with its name in its colour; the shown iterations above."""
    looks = style.start_looks(results)
    width = max(style.WIDTH, 2.0 * len(looks))
    drawn, rows = panels.machine_rows(results, len(looks), ylabel, xlabel, 1.7, width)
    for axes, (start, look) in zip(rows[0][0], looks.items(), strict=True):
        axes.set_title(f"from {start}", color=look.colour, pad=pad)
    panels.iteration_legend(drawn, results["iteration"].values.tolist())
    return drawn, rows


@figure(
    section="probabilities",
    by="classifier",
    of=panels.few_iterations,
    needs="probability_mean probability_error null_probability critical_temperature specific_heat_peak_temperature",
    caption="Class probabilities by {classifier}, averaged over {chains} chains, against the temperature of the "
    "class, at several iterations from light to dark. {band} Dotted: the same average for the exact mixture of the "
    "machine's training temperatures (null). Upright lines: T_c solid, C_max dashed. Look where the peak of the "
    "darkest curve stands, and whether it differs from the dotted one.",
)
def class_probabilities(results: xr.Dataset) -> Figure:
    """Class probabilities by one classifier, averaged over the chains, against temperature.

    One row a machine, one column a start: the way in which the flow is drawn in arXiv:1801.07172. The classifier is
    chosen by `class_probabilities(results, classifier="bayes")`.
    """
    classifiers = marks.labels(results, "classifier")
    if len(classifiers) > 1:
        raise InvalidInput(Problem("classifier", classifiers, "one of them must be chosen"))
    results = results.isel(classifier=0)
    drawn, rows = _rows(results, "class probability", "temperature of the class $(J/k_B)$", 18)
    bins, top = results["bin"].values, marks.top_temperature(results)
    few, infinite = "." if len(bins) < 10 else "", bool(np.isinf(bins).any())
    lines, x = panels.references(results), marks.positions(bins, top)
    for row, here in rows:
        null = here["null_probability"].values
        for axes, (_, look, flow) in zip(row, panels.by_start(here), strict=True):
            marks.temperature_axis(axes, top, infinite=infinite)
            panels.reference_lines(axes, lines, "x")
            axes.plot(x, null, marker=few, **marks.NULL)
            panels.shaded_lines(axes, x, flow, "probability", look.colour, few)
        row[0].set_ylim(bottom=0.0)
        marks.side_labels(row[-1], {"null": null[-1]})
    for axes in rows[0][0]:
        marks.side_labels(axes, lines, "x", gap=0.11)
    return drawn


@figure(
    section="correlations",
    of=panels.few_iterations,
    needs="correlation_mean correlation_error null_correlation",
    caption="Two-point function along an axis of the lattice, averaged over {chains} chains, at several iterations "
    "from light to dark. {seed_band} Dotted: the mixture of what the machine was trained on (null).",
)
def correlations(results: xr.Dataset) -> Figure:
    """Two-point function along an axis of the lattice at several iterations."""
    drawn, rows = _rows(results, "$\\langle s_0 s_r \\rangle$", "displacement along an axis (sites)")
    distance = np.arange(results.sizes["dx"])
    for row, here in rows:
        null = here["null_correlation"].isel(dy=0).values
        for axes, (_, look, flow) in zip(row, panels.by_start(here.isel(dy=0)), strict=True):
            axes.set_ylim(-0.08, 1.05)
            axes.axhline(0.0, color=style.INK, linewidth=0.4)
            axes.plot(distance, null, **marks.NULL)
            panels.shaded_lines(axes, distance, flow, "correlation", look.colour, ".")
        marks.side_labels(row[-1], {"null": null[-1]})
    return drawn
