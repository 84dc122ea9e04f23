"""Figures of many machines at once: where their flows end, and how that goes with what they have learnt."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.lines import Line2D

from rbmflow.figures.axes import CRITICAL, labels, new_figure, plain, say_empty
from rbmflow.figures.style import INK, NEUTRAL, start_looks, styled

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROW = 0.24
"""Inches that a machine takes."""


@styled
def study_ends(study: xr.Dataset) -> Figure:
    """Draw T(E) at the end of the flows of every machine of a study, one row a machine.

    A filled symbol belongs to a machine that has converged, an open one to a machine without T*. The full line is
    T_c of the infinite lattice, the dashed tick of a row the maximum of the specific heat of its size, the dotted one
    the energy of its training mixture, read as a temperature. Error bars are joined standard errors.

    Parameters
    ----------
    study
        Machines side by side, as `claims.study` gives them.

    Returns
    -------
    Figure
        Temperatures in J/k_B.
    """
    names = labels(study, "machine")
    figure = new_figure(1.0 + ROW * len(names))
    axes = figure.add_subplot()
    _temperature_range(axes, study)
    axes.axvline(float(study["critical_temperature"][0]), **CRITICAL)
    looks = start_looks(study)
    offsets = np.linspace(-0.22, 0.22, len(looks)) if len(looks) > 1 else [0.0]
    for row in range(len(names)):
        here = study.isel(machine=row)
        for name, style in (("specific_heat_peak_temperature", (0, (5, 2))), ("mixture_temperature", (0, (1, 1.2)))):
            axes.plot([float(here[name])] * 2, [row - 0.42, row + 0.42], color=INK, linewidth=1.2, linestyle=style)
        for offset, (start, look) in zip(offsets, looks.items(), strict=True):
            end, error = float(here["end_temperature"].sel(start=start)), float(here["end_error"].sel(start=start))
            face = look.colour if bool(here["converged"]) else "white"
            _draw_end(axes, end, error, row + float(offset), look.colour, look.marker, face)
    axes.set_yticks(range(len(names)), [plain(name) for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("temperature at the end of the flow, $T(E)$ $(J/k_B)$")
    handles = [
        Line2D([], [], color=k.colour, marker=k.marker, linewidth=1, label=f"from {s}") for s, k in looks.items()
    ]
    handles += [
        Line2D([], [], color=INK, linewidth=0.8, label="$T_c$"),
        Line2D([], [], color=INK, linewidth=1.2, linestyle=(0, (5, 2)), label="$C_{max}(L)$"),
        Line2D([], [], color=INK, linewidth=1.2, linestyle=(0, (1, 1.2)), label="training mixture"),
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles))
    return figure


def _temperature_range(axes: Axes, study: xr.Dataset) -> None:
    names = ("end_temperature", "mixture_temperature", "specific_heat_peak_temperature", "critical_temperature")
    error = np.nan_to_num(study["end_error"].values)
    bars = [(study["end_temperature"].values + side * error).ravel() for side in (-1, 1)]
    values = np.concatenate([*(study[name].values.ravel() for name in names), *bars])
    values = values[np.isfinite(values)]
    # A hot control would push everything else into a corner.
    low, high = values.min(), min(values.max(), 8.0)
    margin = 0.04 * (high - low)
    axes.set_xlim(low - margin, high + margin)


def _draw_end(axes: Axes, end: float, error: float, row: float, colour: str, marker: str, face: str) -> None:
    high = axes.get_xlim()[1]
    if end > high:
        axes.plot(high, row, ">", color=colour, markerfacecolor=face, clip_on=False)
    elif np.isfinite(end):
        width = error if np.isfinite(error) else 0.0
        axes.errorbar(end, row, xerr=width, color=colour, marker=marker, markerfacecolor=face, markersize=4.5)


@styled
def study_excess(study: xr.Dataset) -> Figure:
    """Draw how far the flows end from the training mixture against how well the machines have learnt it.

    One symbol and number a machine: filled if it has converged. Error bars are joined standard errors. A perfect
    machine at rest has no excess and no distance.

    Parameters
    ----------
    study
        Machines side by side, as `claims.study` gives them.

    Returns
    -------
    Figure
        Excess in nats; energies per site in J.
    """
    names = [plain(str(name)) for name in study["machine"].values]
    figure = new_figure(max(3.6, 0.5 + 0.16 * len(names)), width=9.0)
    axes = figure.add_subplot()
    axes.axhline(0.0, color="#999999", linewidth=0.8)
    shown = []
    for row, name in enumerate(names):
        here = study.isel(machine=row)
        x, y = float(here["excess"]), float(here["energy_from_mixture"])
        if not (np.isfinite(x) and np.isfinite(y)):
            continue
        face = NEUTRAL if bool(here["converged"]) else "white"
        errors = [float(np.nan_to_num(here[f"{what}_error"])) for what in ("excess", "energy_from_mixture")]
        axes.errorbar(x, y, errors[1], errors[0], color=NEUTRAL, marker="o", markerfacecolor=face, markersize=4.5)
        shown.append((x, f"{row + 1}  {name}"))
        axes.annotate(str(row + 1), (x, y), (4, 3), textcoords="offset points", fontsize=7, color=INK)
    if shown:
        # A machine within the error of a perfect one may come out below 0.
        axes.set_xscale("log" if min(x for x, _ in shown) > 0 else "symlog")
        handles = [Line2D([], [], linestyle="none", label=text) for _, text in shown]
        figure.legend(handles=handles, loc="outside right upper", handlelength=0, handletextpad=0, fontsize=7)
    say_empty(axes, study["excess"].values)
    axes.set_xlabel("excess over the training mixture (nats)")
    axes.set_ylabel("$E/N$ at the end minus mixture $(J)$")
    return figure
