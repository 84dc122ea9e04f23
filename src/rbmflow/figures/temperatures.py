"""Figures of temperatures: along the flow, at its end, and those that thermometers read from known configurations."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rbmflow.figures import marks, panels, style
from rbmflow.figures.plot import figure

REFERENCES = "critical_temperature specific_heat_peak_temperature"


@figure(
    section="temperatures",
    needs=f"temperature_mean temperature_error null_temperature {REFERENCES}",
    caption="Temperature read by each thermometer from {chains} chains, against the iteration of the flow. {band} "
    "Solid line T_c, dashed C_max, dotted the null of the machine and thermometer. A triangle at the edge is a "
    "reading beyond the axis or infinite; a gap, one that the thermometer cannot give. Look whether the curves from "
    "different starts meet, and whether they meet at the same temperature in every column.",
)
def temperature_flow(results: xr.Dataset) -> Figure:
    """Temperature that each thermometer reads, against the iteration of the flow."""
    thermometers = marks.labels(results, "thermometer")
    drawn, rows = panels.machine_rows(results, len(thermometers), "temperature $(J/k_B)$", "iteration", 1.75)
    top = marks.top_temperature(results)
    for row, machine in rows:
        for place, axes in enumerate(row):
            here = machine.isel(thermometer=place)
            marks.temperature_axis(axes, top, "y")
            lines = panels.references(here, "null")
            panels.reference_lines(axes, lines)
            panels.flow_lines(axes, here, "temperature")
            marks.say_empty(axes, np.nan_to_num(here["temperature_mean"].values, nan=np.nan, posinf=0.0, neginf=0.0))
            if axes is row[-1]:
                marks.side_labels(axes, lines)
    for axes, thermometer in zip(rows[0][0], thermometers, strict=True):
        axes.set_title(marks.thermometer_title(results, thermometer))
    panels.start_legend(drawn, results)
    return drawn


@figure(
    section="summary",
    needs="end_temperature end_error end_interval end_chain_error drift drift_error converged fixed_point "
    f"fixed_point_error fixed_point_chain_error null_temperature {REFERENCES}",
    caption="Ends of the flows, one panel a machine, with a range of its own. Error bars: {bar}. Filled symbols: the "
    "flows of this machine have converged by this thermometer; open symbols: they have not, so there is no T*. The "
    "null is drawn row by row, because each thermometer has its own. A triangle pointing right at the edge is an "
    "infinite reading. Look whether the symbols of one row agree, whether the rows agree with each other, and which "
    "of the three lines they stand at.",
)
def flow_ends(results: xr.Dataset) -> Figure:
    """Where every flow ended, thermometer by thermometer, beside T_c, C_max and the null."""
    thermometers = marks.labels(results, "thermometer")
    drawn, cells = panels.machine_panels(results, (0.8, 1.9), "", most=2, share_x=False, pad=18)
    for axes, here in cells:
        _draw_ends(axes, here)
        axes.set_yticks(range(len(thermometers)), [marks.thermometer_title(results, t) for t in thermometers])
        axes.set_ylim(len(thermometers) - 0.5, -0.5)
        axes.tick_params(axis="y", length=0)
    for axes, _ in cells[-2:]:
        axes.set_xlabel("temperature at the end of the flow $(J/k_B)$")
    panels.start_legend(drawn, results, markers=True)
    return drawn


def _draw_ends(axes: Axes, here: xr.Dataset) -> None:
    """Draw the ends of one machine's flows into a panel, and give it the range that holds them."""
    lines = panels.references(here)
    ends, errors = here["end_temperature"], here["end_error"].fillna(0.0)
    nulls = here["null_temperature"].values
    values = np.concatenate([(ends - errors).values.ravel(), (ends + errors).values.ravel(), nulls])
    values = np.concatenate([values[np.isfinite(values)], list(lines.values())])
    margin = max(0.08 * np.ptp(values), 0.05)
    low, high = values.min() - margin, values.max() + margin
    axes.set_xlim(low, high)
    panels.reference_lines(axes, lines, "x")
    marks.side_labels(axes, {**lines, "null": nulls[0]}, "x", gap=0.09)
    for row in range(here.sizes["thermometer"]):
        of_thermometer = here.isel(thermometer=row)
        axes.plot([nulls[row]] * 2, [row - 0.42, row + 0.42], **marks.NULL)
        for place, (_, look, at) in zip(
            panels.offsets(here.sizes["start"], 0.25), panels.by_start(of_thermometer), strict=True
        ):
            end, error = float(at["end_temperature"]), float(at["end_error"])
            face = look.colour if bool(at["converged"]) else "white"
            if np.isposinf(end):
                axes.plot(high, row + place, ">", color=look.colour, markerfacecolor=face, clip_on=False)
            elif np.isfinite(end):
                bar = {"xerr": error if np.isfinite(error) else None, "linewidth": 1}
                axes.errorbar(end, row + place, fmt=look.marker, color=look.colour, mfc=face, **bar)


@figure(
    section="thermometers",
    by="run",
    needs="calibration calibration_error usable_from usable_to critical_temperature",
    caption="Readings from held-out exact configurations against their true temperature, with one standard error. "
    "Upper row: the reading and the line of a perfect thermometer; lower row: the difference. A triangle is a reading "
    "beyond the axis. Shaded: the range in which the thermometer can be used, where deviation and error together are "
    "below a tenth of the temperature. Look at the difference near T_c (upright line) before trusting the same "
    "difference in a flow.",
)
def calibration(results: xr.Dataset) -> Figure:
    """What each thermometer reads from held-out exact configurations, against their temperature."""
    thermometers, top = marks.labels(results, "thermometer"), marks.top_temperature(results)
    true = results["temperature"].values.astype(float)
    x, look = marks.positions(true, top), style.Look(style.NEUTRAL, "o")
    infinite = bool(np.isinf(true).any())
    drawn = panels.new_figure(4.2)
    grid = drawn.subplots(2, len(thermometers), sharex=True, sharey="row", squeeze=False)
    finite = np.isfinite(true)
    spans = results["calibration"].transpose("temperature", "thermometer").values[finite] - true[finite, None]
    reach = 1.15 * np.abs(spans[np.isfinite(spans)]).max(initial=0.05)
    critical = float(results["critical_temperature"])
    for place, ((upper, lower), thermometer) in enumerate(zip(grid.T, thermometers, strict=True)):
        here = results.isel(thermometer=place)
        reading, error = here["calibration"].values, here["calibration_error"].values
        marks.temperature_axis(upper, top, "y", infinite=infinite)
        marks.temperature_axis(lower, top, "x", infinite=infinite)
        upper.plot([0, top], [0, top], color=style.INK, linewidth=0.6)
        lower.axhline(0.0, color=style.INK, linewidth=0.6)
        marks.draw_readings(upper, x, marks.positions(reading, top), error, look)
        lower.set_ylim(-reach, reach)
        difference = reading[finite] - true[finite]
        lower.errorbar(true[finite], difference, error[finite], fmt=".", color=style.NEUTRAL, linewidth=0.8)
        first, last = (float(here[name]) for name in ("usable_from", "usable_to"))
        for axes in (upper, lower):
            if np.isfinite(first):
                axes.axvspan(first, min(last, top), color=style.NEUTRAL, alpha=0.1, linewidth=0)
            axes.axvline(critical, **marks.CRITICAL)
        marks.side_labels(upper, {marks.T_C: critical}, "x")
        marks.say_empty(upper, marks.positions(reading, top))
        upper.set_title(marks.thermometer_title(results, thermometer), pad=18)
        lower.set_xlabel("temperature of the data $(J/k_B)$")
    grid[0, 0].set_ylabel("reading $(J/k_B)$")
    grid[1, 0].set_ylabel("reading − temperature")
    return drawn
