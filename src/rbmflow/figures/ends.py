"""Figures of where flows end: of the machines of a run, and of a study with what they have learnt."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter

from rbmflow.figures import marks, panels, style
from rbmflow.figures.along_training import MACHINE_LINES
from rbmflow.figures.plot import figure

ROW = 0.24
"""Inches that a machine takes."""

LAW = ("checkpoint_excess_mean", "checkpoint_stationary_temperature_mean")
"""What is drawn of the machines along a training, one against the other."""

CANDIDATES = {
    "critical_temperature": "$T_c$",
    "specific_heat_peak_temperature": "$C_{max}(L)$",
    "mixture_temperature": "training mixture",
}
"""Where machines might end, and how figures call it."""

HOTTEST = 3.5
"""Upper end of the temperatures of a study in units of T_c: a hot control would push all else into a corner."""

TICKS = {"specific_heat_peak_temperature": (0, (5, 2)), "mixture_temperature": (0, (1, 1.2))}
"""Dashes of what is marked in every row."""


@figure(
    section="summary",
    needs="end_temperature end_error end_interval end_chain_error drift drift_error converged fixed_point "
    "fixed_point_error fixed_point_chain_error null_temperature critical_temperature specific_heat_peak_temperature",
    caption="Ends of the flows, one panel a machine, with a range of its own. Error bars: {bar}. Filled symbols: the "
    "flows of this machine have converged by this thermometer; open symbols: not converged. The training mixture "
    "(dotted, what a perfect machine gives) is drawn row by row, because each thermometer has its own. A triangle "
    "pointing right at the edge is an infinite reading. Look whether the symbols of one row agree, whether the rows "
    "agree with each other, and which of the three lines they stand at.",
)
def flow_ends(results: xr.Dataset) -> Figure:
    """Where every flow ended, thermometer by thermometer, beside T_c, C_max and the training mixture."""
    titles = marks.thermometer_titles(results)
    drawn, cells = panels.machine_panels(results, (0.8, 1.9), "", most=2, sharex=False, pad=18)
    for axes, here in cells:
        lines, nulls = panels.references(here), here["null_temperature"].values
        axes.set_xlim(*_range(here["end_temperature"], here["end_error"], [*lines.values(), *nulls]))
        panels.reference_lines(axes, lines, "x")
        marks.side_labels(axes, {**lines, "mixture": nulls[0]}, "x", gap=0.09)
        for row, null in enumerate(nulls):
            axes.vlines(null, row - 0.42, row + 0.42, **marks.NULL)
            _draw_ends(axes, here.isel(thermometer=row), row, 0.25)
        _name_rows(axes, titles)
    for axes, _ in cells[-2:]:
        axes.set_xlabel("temperature at the end of the flow $(J/k_B)$")
    panels.start_legend(drawn, results, markers=True)
    return drawn


def _hottest(study: xr.Dataset) -> float:
    return HOTTEST * marks.temperature_unit(study)


def _range(end: xr.DataArray, error: xr.DataArray, others: Any, most: float = np.inf) -> tuple[float, float]:
    """Range of temperatures, up to a most, that holds ends with their errors and what they are held against."""
    bar = np.nan_to_num(error.values)
    values = np.concatenate([(end.values - bar).ravel(), (end.values + bar).ravel(), np.ravel(others)])
    values = values[np.isfinite(values)]
    low, high = values.min(), min(values.max(), most)
    margin = max(0.08 * (high - low), 0.05)
    return low - margin, high + margin


def _draw_ends(axes: Axes, here: xr.Dataset, row: int, reach: float) -> None:
    """Draw the ends of one row, a symbol a start, filled where it has converged; beyond the axis a triangle."""
    high = axes.get_xlim()[1]
    for offset, (_, look, at) in zip(panels.offsets(here.sizes["start"], reach), panels.by_start(here), strict=True):
        end, error = float(at["end_temperature"]), float(np.nan_to_num(at["end_error"]))
        shown_as = {"color": look.colour, "mfc": look.colour if bool(at["converged"]) else "white"}
        if end > high:
            axes.plot(high, row + offset, ">", clip_on=False, **shown_as)
        elif np.isfinite(end):
            axes.errorbar(end, row + offset, xerr=error, fmt=look.marker, markersize=4.5, linewidth=1, **shown_as)


def _name_rows(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)


@figure(
    section="study",
    page="sweep",
    by="run",
    needs=f"end_temperature end_error converged critical_temperature {' '.join(TICKS)}",
    caption="T(E) at the end of the flows of every machine, mean over the last quarter; error bars are one standard "
    "error, of seeds and chains joined. Filled: converged; open: not converged. Full line: T_c of the machine's "
    "lattice; dashed tick: the maximum of the specific heat of its size; dotted tick: its training mixture. A triangle "
    "at the edge stands for a hotter end.",
)
def study_ends(study: xr.Dataset) -> Figure:
    """T(E) at the end of the flows of every machine of a study, one row a machine."""
    machines = panels.by_machine(study)
    drawn = panels.new_figure(1.0 + ROW * len(machines))
    axes = drawn.add_subplot()
    references = [study[name].values.ravel() for name in ("critical_temperature", *TICKS)]
    axes.set_xlim(*_range(study["end_temperature"], study["end_error"], np.concatenate(references), _hottest(study)))
    for row, (_, here) in enumerate(machines):
        # Row by row: machines of other lattices have another T_c.
        axes.vlines(float(here["critical_temperature"]), row - 0.5, row + 0.5, **marks.CRITICAL)
        for name, dashes in TICKS.items():
            axes.vlines(float(here[name]), row - 0.42, row + 0.42, color=style.INK, linewidth=1.2, linestyle=dashes)
        _draw_ends(axes, here, row, 0.22)
    _name_rows(axes, [name for name, _ in machines])
    axes.set_xlabel("temperature at the end of the flow, $T(E)$ $(J/k_B)$")
    handles = panels.start_handles(study, markers=True)
    handles.append(Line2D([], [], color=style.INK, linewidth=0.8, label="$T_c$"))
    for label, dashes in zip(("$C_{max}(L)$", "training mixture"), TICKS.values(), strict=True):
        handles.append(Line2D([], [], color=style.INK, linewidth=1.2, linestyle=dashes, label=label))
    drawn.legend(handles=handles, loc="outside upper center", ncols=panels.legend_columns(len(handles)))
    return drawn


def _against_excess(machines: int, ylabel: str) -> tuple[Figure, Axes]:
    """A figure with a legend of so many machines beside axes of what they are like against their excess nats."""
    drawn = panels.new_figure(max(3.6, 0.5 + 0.16 * machines), width=9.0)
    axes = drawn.add_subplot()
    axes.set_xlabel("excess over the training mixture (nats)")
    axes.set_ylabel(ylabel)
    return drawn, axes


@figure(
    section="study",
    page="sweep",
    by="run",
    needs="excess excess_error energy_from_mixture energy_from_mixture_error converged",
    caption="Energy per site at the end of the flow, minus that of the training mixture, against the excess nats of "
    "the machine: how far the flow ends from its data, and how well the machine has learnt them. Filled: converged. "
    "Error bars are one standard error, of seeds and chains joined. A perfect machine at rest has no excess and no "
    "distance.",
)
def study_excess(study: xr.Dataset) -> Figure:
    """How far the flows end from the training mixture against how well the machines have learnt it."""
    machines = panels.by_machine(study)
    drawn, axes = _against_excess(len(machines), "$E/N$ at the end minus mixture $(J)$")
    axes.axhline(0.0, color=style.FAINT, linewidth=0.8)
    shown = []
    for row, (name, here) in enumerate(machines):
        x, y = float(here["excess"]), float(here["energy_from_mixture"])
        if not (np.isfinite(x) and np.isfinite(y)):
            continue
        face = style.NEUTRAL if bool(here["converged"]) else "white"
        errors = [float(np.nan_to_num(here[f"{what}_error"])) for what in ("excess", "energy_from_mixture")]
        axes.errorbar(x, y, errors[1], errors[0], color=style.NEUTRAL, marker="o", markerfacecolor=face, markersize=4.5)
        shown.append((x, f"{row + 1}  {name}"))
        axes.annotate(str(row + 1), (x, y), (4, 3), textcoords="offset points", fontsize=7.5, color=style.INK)
    if shown:
        # A machine within the error of a perfect one may come out below 0.
        axes.set_xscale("log" if min(x for x, _ in shown) > 0 else "symlog")
        handles = [Line2D([], [], linestyle="none", label=text) for _, text in shown]
        drawn.legend(handles=handles, loc=panels.beside(), handlelength=0, handletextpad=0, fontsize=7.5)
    marks.say_empty(axes, study["excess"].values)
    return drawn


@figure(
    section="study",
    page="sweep",
    by="run",
    padded=1,
    needs=" ".join(f"{name} {name}_error" for name in LAW)
    + " stationary_temperature mixture_temperature critical_temperature",
    caption="T* of the stationary law of every machine, which needs no flow, against its excess nats; one colour and "
    "dash a machine, from checkpoint to checkpoint of its training, the last one large. Error bars are one standard "
    "error of seeds and draws joined; machines that the draws do not show are left out. Full line T_c; at the left "
    "edge a perfect machine has the T(E) of its training mixture (dotted).",
)
def study_law(study: xr.Dataset) -> Figure:
    """Where machines end against how well they have learnt, along every training."""
    machines = panels.by_machine(study)
    drawn, axes = _against_excess(len(machines), "$T^*$ of the stationary law $(J/k_B)$")
    for critical in marks.critical_temperatures(study):
        axes.axhline(critical, **marks.CRITICAL)
    for row, (name, here) in enumerate(machines):
        colour, dashes = MACHINE_LINES[row % len(MACHINE_LINES)]
        x, y = (here[name].values for name in LAW)
        x_error, y_error = (np.nan_to_num(here[f"{name}_error"].values, posinf=np.inf) for name in LAW)
        # An error that is not bounded, as of an untrained machine near infinite temperature, leaves nothing to show.
        there = np.isfinite(x) & np.isfinite(y) & np.isfinite(x_error) & np.isfinite(y_error) & (x > 0)
        if not there.any():
            continue
        looks = {"color": colour, "linestyle": dashes, "linewidth": 0.9, "marker": "o", "markersize": 2.5}
        axes.errorbar(x[there], y[there], y_error[there], x_error[there], **looks, label=f"{row + 1}  {name}")
        axes.plot(x[there][-1], y[there][-1], "o", color=colour, markersize=6)
        axes.annotate(str(row + 1), (x[there][-1], y[there][-1]), (4, 4), textcoords="offset points", fontsize=7.5)
    for mixture in np.unique(np.round(study["mixture_temperature"].values, 3)):
        axes.axhline(mixture, xmax=0.03, color=style.INK, linewidth=1.2, linestyle=(0, (1, 1.2)))
    # Untrained machines are at infinite temperature, which would push everything else together.
    names = ("mixture_temperature", "critical_temperature", "stationary_temperature")
    shown = np.concatenate([study[name].values for name in names])
    shown = shown[np.isfinite(shown)]
    axes.set_ylim(shown.min() - 0.3, shown.max() + 0.6)
    marks.say_empty(axes, study[LAW[1]].values)
    axes.set_xscale("log")
    if axes.get_legend_handles_labels()[0]:
        drawn.legend(loc=panels.beside(), fontsize=7.5)
    return drawn


@figure(
    section="study",
    page="sweep",
    by="run",
    padded=1,
    needs=f"{' '.join(LAW)} ising_divergence length {' '.join(CANDIDATES)}",
    caption="T* of the stationary law of every machine and checkpoint, minus each candidate, against its excess nats "
    "over those of its model at the best one temperature (dashed: no better than that). Colour: T(E) of the training "
    "mixture. Large symbols: the last machine of a training. Of a candidate that describes the ends, the points are "
    "on the line.",
)
def study_candidates(study: xr.Dataset) -> Figure:
    """Distance of T* from T_c, the C maximum and the training mixture against how well machines have learnt."""
    drawn, grid = panels.panel_grid(
        list(CANDIDATES.values()), ["$T^*$ minus candidate $(J/k_B)$"], "excess / that of one temperature", 3.4, 9.0
    )
    excess, stars = (study[name].values for name in LAW)
    learnt = excess / study["ising_divergence"].values[:, None]
    colour = np.broadcast_to(study["mixture_temperature"].values[:, None], stars.shape)
    error = study[f"{LAW[1]}_error"].values
    # An unbounded error, as of an untrained machine near infinite temperature, leaves nothing to show.
    there = np.isfinite(stars) & (learnt > 0) & np.isfinite(np.nan_to_num(error, posinf=np.inf))
    last = there & (np.cumsum(there[:, ::-1], axis=1)[:, ::-1] == 1)
    shades = ScalarMappable(Normalize(colour.min(), colour.max()), "viridis")
    shown: list[np.ndarray] = []
    for axes, name in zip(grid[0], CANDIDATES, strict=True):
        axes.axhline(0.0, color=style.INK, linewidth=0.8)
        axes.axvline(1.0, color=style.FAINT, linewidth=0.8, linestyle="--")
        away = stars - study[name].values[:, None]
        for length, marker in zip(np.unique(study["length"].values), "osD^v<>", strict=False):
            here = there & (study["length"].values == length)[:, None]
            for chosen, size in ((here & ~last, 4), (here & last, 22)):
                looks = {"c": shades.to_rgba(colour[chosen]), "marker": marker, "linewidth": 0}
                axes.scatter(learnt[chosen], away[chosen], size, **looks)
            axes.plot([], [], marker, color=style.NEUTRAL, label=f"L = {length:g}")
        shown.append(away[there])
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter(NullFormatter())
        marks.say_empty(axes, away)
    # Machines that have hardly begun are near infinite temperature, which would push everything else together.
    unit = marks.temperature_unit(study)
    near = np.clip(np.concatenate([[0.0], *shown]), -0.6 * unit, 0.8 * unit)
    grid[0, 0].set_ylim(near.min() - 0.06 * unit, near.max() + 0.08 * unit)
    grid[0, 0].legend(fontsize=7.5)
    drawn.colorbar(shades, ax=grid[0].tolist(), label="$T(E)$ of the mixture $(J/k_B)$")
    return drawn


@figure(
    section="swept",
    page="points",
    by="run",
    needs="mean_end mean_end_error converged critical_temperature",
    caption="T(E) at the end of the flows, mean over all starts, against each field that was swept; one colour and "
    "symbol a machine. Filled: T*, the flows have converged; open: they have not. Error bars are one standard error, "
    "of seeds and chains joined. Full line T_c.",
)
def swept_temperatures(points: xr.Dataset) -> Figure:
    """T* of every point of a sweep against the fields that were swept."""
    fields = list(np.ravel(points.attrs["swept"]))
    axes_of_points = [axis for axis in (*fields, "point") if axis in points.dims]
    flat = points.sel(thermometer="energy").stack(every=axes_of_points, create_index=False)
    critical = marks.critical_temperatures(points)
    drawn, grid = panels.panel_grid(fields, ["$T(E)$ at the end $(J/k_B)$"], "", 3.2, sharex=False)
    for axes, field in zip(grid[0], fields, strict=True):
        values = flat[field].values
        number = values.dtype.kind in "iuf"
        entries = np.unique(values)
        at = values if number else np.searchsorted(entries, values)
        for one in critical:
            axes.axhline(one, **marks.CRITICAL)
        axes.set_ylim(*_range(flat["mean_end"], flat["mean_end_error"], critical, _hottest(points)))
        for row, (name, here) in enumerate(panels.by_machine(flat)):
            colour, marker = MACHINE_LINES[row % len(MACHINE_LINES)][0], style.MARKERS[row % len(style.MARKERS)]
            end, error = here["mean_end"].values, np.nan_to_num(here["mean_end_error"].values)
            axes.errorbar(at, end, error, fmt="none", color=colour, linewidth=0.9)
            for converged, face in ((True, colour), (False, "white")):
                chosen = (here["converged"].values == 1) == converged
                looks = {"color": colour, "markerfacecolor": face, "markersize": 4.5}
                axes.plot(at[chosen], end[chosen], marker, label=name if converged else "", **looks)
            marks.draw_beyond(axes, at, end, colour)
        if not number:
            axes.set_xticks(range(len(entries)), [marks.plain(str(entry)[:24]) for entry in entries])
        axes.set_xlabel(marks.plain(field))
        marks.say_empty(axes, flat["mean_end"].values)
    panels.label_legend(drawn, grid[0, 0], min(points.sizes["machine"], 6))
    return drawn
