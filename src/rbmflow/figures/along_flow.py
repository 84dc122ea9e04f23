"""Figures of what changes along the flow: temperatures, what needs no thermometer, probabilities, correlations."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from rbmflow._checks import InvalidInput, Problem
from rbmflow.figures import marks, panels, style
from rbmflow.figures.plot import figure

MOMENTS = {
    "magnetization_2": "$m^2$",
    "magnetization_4": "$m^4$",
    "domains": "domains per site",
    "step_distance": "spins turned a step,\nper site",
}


@figure(
    section="lead",
    needs="temperature_mean temperature_error null_temperature critical_temperature",
    of=lambda results: results.sel(thermometer="energy"),
    narrow=True,
    caption="T(E) is the temperature at which the model has the mean energy of {chains} chains. {band} Solid line T_c, "
    "dotted the training mixture (what a perfect machine gives). Every panel has a range of its own; a triangle is a "
    "reading beyond it.",
)
def energy_temperature(results: xr.Dataset) -> Figure:
    """T(E) along the flow of every machine, beside T_c."""
    drawn, cells = panels.machine_panels(results, (0.6, 2.0), "iteration", narrow=(2, 1.45), sharey=False)
    for axes, here in cells:
        axes.set_title(marks.machine_title(here))
        lines = {marks.T_C: float(here["critical_temperature"]), "mixture": float(here["null_temperature"])}
        ends = here["temperature_mean"].isel(iteration=-1).values
        shown = np.array([*lines.values(), *ends])
        shown = shown[np.isfinite(shown)] if np.isfinite(shown).any() else np.zeros(1)
        margin = max(np.ptp(shown), 0.5)
        top = shown.max() + 0.4 * margin
        bottom = max(shown.min() - 0.3 * margin, -0.04 * top)  # No temperature is below zero.
        axes.set_ylim(bottom, top)
        panels.flow_lines(axes, here, "temperature")
        for (name, value), look in zip(lines.items(), (marks.CRITICAL, marks.NULL), strict=True):
            axes.axhline(value, **look)
            below = bool(value < np.nanmean(ends)) and value - bottom > 0.1 * (top - bottom)
            told = f"{name} = {value:.3f}" if name == marks.T_C else name
            place = {"xycoords": axes.get_yaxis_transform(), "textcoords": "offset points", "ha": "right"}
            if np.isfinite(value):  # away from where the flows end
                axes.annotate(told, (1.0, value), (0, -3 if below else 2.5), va="top" if below else "bottom", **place)
        marks.say_empty(axes, here["temperature_mean"].values)
    cells[0][0].set_ylabel("$T(E)$ $(J/k_B)$")
    panels.start_legend(drawn, results)
    return drawn


@figure(
    section="temperatures",
    needs="temperature_mean temperature_error null_temperature critical_temperature specific_heat_peak_temperature",
    caption="Temperature read by each thermometer from {chains} chains, against the iteration of the flow. {band} "
    "Solid line T_c, dashed C_max, dotted the training mixture (what a perfect machine gives). A triangle at the "
    "edge is a reading beyond the axis or infinite; a gap, one that the thermometer cannot give. Look whether the "
    "curves from different starts meet, and whether they meet at the same temperature in every column.",
)
def temperature_flow(results: xr.Dataset) -> Figure:
    """Temperature that each thermometer reads, against the iteration of the flow."""
    titles = marks.thermometer_titles(results)
    drawn, rows = panels.machine_rows(results, titles, "temperature $(J/k_B)$", "iteration", 1.75)
    top = marks.top_temperature(results)
    for row, machine in rows:
        for place, axes in enumerate(row):
            here = machine.isel(thermometer=place)
            marks.temperature_axis(axes, top, "y")
            panels.reference_lines(axes, panels.references(here, "mixture"))
            panels.flow_lines(axes, here, "temperature")
            marks.say_empty(axes, np.nan_to_num(here["temperature_mean"].values, nan=np.nan, posinf=0.0, neginf=0.0))
        marks.side_labels(row[-1], panels.references(machine.isel(thermometer=-1), "mixture"))
    panels.start_legend(drawn, results)
    return drawn


@figure(
    section="energy",
    needs="energy_mean energy_error null_energy abs_magnetization_mean abs_magnetization_error null_abs_magnetization",
    caption="Energy per site (in units of J) and absolute magnetization per site, averaged over {chains} chains, "
    "against the iteration. {band} Dotted: the training mixture. These need no thermometer.",
)
def energy_flow(results: xr.Dataset) -> Figure:
    """Energy and absolute magnetization per site, against the iteration of the flow."""
    shown = [results[name].values.ravel() for name in ("energy_mean", "null_energy")]
    low, high = (of(np.concatenate([*shown, [0.0]])) for of in (np.nanmin, np.nanmax))
    ranges = {"energy": (low - 0.03 * (high - low), high + 0.1 * (high - low)), "abs_magnetization": (-0.03, 1.03)}
    drawn, columns = panels.machine_columns(results, ("energy per site $(J)$", r"$|m|$ per site"), "iteration", 4.3)
    for column, here in columns:
        for axes, (name, limits) in zip(column, ranges.items(), strict=True):
            axes.set_ylim(*limits)
            null = float(here[f"null_{name}"])
            axes.axhline(null, **marks.NULL)
            panels.flow_lines(axes, here, name)
            marks.side_labels(axes, {"mixture": null})
    panels.start_legend(drawn, results)
    return drawn


@figure(
    section="energy",
    needs=tuple(f"{name}_{part}" for name in MOMENTS for part in ("mean", "error")),
    caption="Moments of the magnetization, domains (connected sets of equal spins) and spins turned over in one "
    "iteration, all per site, averaged over {chains} chains, against the iteration. {band} Look whether "
    "configurations still change where their averages do not.",
)
def flow_observables(results: xr.Dataset) -> Figure:
    """Moments of m, number of domains and step distance, against the iteration of the flow."""
    drawn, columns = panels.machine_columns(results, tuple(MOMENTS.values()), "iteration", 6.4)
    for column, here in columns:
        for axes, name in zip(column, MOMENTS, strict=True):
            of_all = results[f"{name}_mean"].values
            top = max(np.nanmax(of_all) if np.isfinite(of_all).any() else 1.0, 0.05)
            axes.set_ylim(-0.04 * top, 1.08 * top)
            panels.flow_lines(axes, here, name)
            marks.say_empty(axes, here[f"{name}_mean"].values)
    panels.start_legend(drawn, results)
    return drawn


def _rows(results: xr.Dataset, ylabel: str, xlabel: str, pad: float | None = None) -> tuple[Figure, Any]:
    """One row a machine, one column a start with its name in its colour; the shown iterations above."""
    looks = style.start_looks(results)
    tops, width = [f"from {start}" for start in looks], max(style.WIDTH, 2.0 * len(looks))
    drawn, rows = panels.machine_rows(results, tops, ylabel, xlabel, 1.7, width=width, pad=pad)
    for axes, look in zip(rows[0][0], looks.values(), strict=True):
        axes.title.set_color(look.colour)
    panels.iteration_legend(drawn, results["iteration"].values.tolist())
    return drawn, rows


@figure(
    section="probabilities",
    by="classifier",
    of=panels.few_iterations,
    needs="probability_mean probability_error null_probability critical_temperature specific_heat_peak_temperature",
    caption="Class probabilities by {classifier}, averaged over {chains} chains, against the temperature of the "
    "class, at several iterations from light to dark. {band} Dotted: the same average for the exact mixture of the "
    "machine's training temperatures. Upright lines: T_c solid, C_max dashed. Look where the peak of the "
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
        marks.side_labels(row[-1], {"mixture": null[-1]})
    for axes in rows[0][0]:
        marks.side_labels(axes, lines, "x", gap=0.11)
    return drawn


@figure(
    section="correlations",
    of=panels.few_iterations,
    needs="correlation_mean correlation_error null_correlation",
    caption="Two-point function along an axis of the lattice, averaged over {chains} chains, at several iterations "
    "from light to dark. {seed_band} Dotted: the mixture of what the machine was trained on.",
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
        marks.side_labels(row[-1], {"mixture": float(null[-1])})
    return drawn
