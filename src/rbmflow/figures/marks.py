"""Axes that know temperatures: reference lines with labels, infinity, readings outside the range."""

import json
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray

from rbmflow._format import made_of
from rbmflow.figures.style import FAINT, INK, Look

CRITICAL = {"color": INK, "linewidth": 0.8, "linestyle": "-", "zorder": 1.5}
PEAK = {"color": INK, "linewidth": 0.8, "linestyle": (0, (5, 3)), "zorder": 1.5}
NULL = {"color": INK, "linewidth": 1.1, "linestyle": (0, (1, 1.6)), "zorder": 1.6}
T_C, C_MAX = "$T_c$", "$C_{max}$"

BEYOND = 1.1
"""Where infinite temperature stands, in lengths of the axis."""

THERMOMETERS = {
    "neural": "neural network",
    "bayes": "Bayes",
    "energy": "energy, $T(E)$",
    "magnetization": "magnetization, $T(|m|)$",
    "correlation": r"correlation, $T(\xi/L)$",
}
"""How the thermometers of the house are called in a figure."""


def thermometer_title(results: xr.Dataset, name: str) -> str:
    """Return how a figure calls a thermometer; that of an observable of others tells what it reads."""
    if name in THERMOMETERS or "thermometer_label" not in results:
        return THERMOMETERS.get(name, plain(name))
    return plain(f"{name}, T({results['thermometer_label'].sel(thermometer=name).item()})")


def machine_title(here: xr.Dataset) -> str:
    """Return the name of a machine with what it has learnt from, where its recipe is known."""
    name = plain(str(here["machine"].values))
    return f"{name}: {made_of(json.loads(str(here['recipe'].values)))}" if "recipe" in here.coords else name


def thermometer_titles(results: xr.Dataset) -> list[str]:
    """Return the titles of all thermometers, in their order."""
    return [thermometer_title(results, name) for name in labels(results, "thermometer")]


def labels(results: xr.Dataset, axis: str) -> list[str]:
    """Return the names along one axis as plain strings."""
    return [str(name) for name in results[axis].values]


def plain(name: str) -> str:
    """Return a name that somebody chose so that matplotlib reads no formula in it."""
    return name.replace("$", r"\$")


def top_temperature(results: xr.Dataset) -> float:
    """Return the upper end of every temperature axis: the hottest finite temperature of the data."""
    temperatures = np.concatenate([results["temperature"].values, results["bin"].values]).astype(float)
    finite = temperatures[np.isfinite(temperatures)]
    return float(max(finite.max(initial=0.0), 1.5 * float(results["critical_temperature"])))


def temperature_unit(results: xr.Dataset) -> float:
    """Return T_c, of several models the largest, or the maximum of the specific heat where none has one, or 1."""
    known = critical_temperatures(results)
    if not known.size and "specific_heat_peak_temperature" in results:
        known = np.ravel(results["specific_heat_peak_temperature"].values)
    return float(np.nanmax(known)) if np.isfinite(known).any() else 1.0


def critical_temperatures(results: xr.Dataset) -> NDArray[np.float64]:
    """Return the T_c of all models of labelled data that have one, each once."""
    known = np.ravel(results["critical_temperature"].values).astype(float)
    return np.unique(known[np.isfinite(known)].round(9))


def positions(temperatures: ArrayLike, top: float) -> NDArray[np.float64]:
    """Return where temperatures stand on an axis that ends at `top`: infinity stands a little beyond."""
    values = np.asarray(temperatures, float)
    return np.where(np.isposinf(values), BEYOND * top, values)


def temperature_axis(axes: Axes, top: float, along: str = "x", *, infinite: bool = False) -> None:
    """Give one axis the range from 0 to `top`, a little margin, and a tick for infinity if it is needed."""
    end = BEYOND * top if infinite else top
    ticks = [float(t) for t in range(0, int(top) + 1, 1 if top <= 8 else int(np.ceil(top / 8)))]
    names = [f"{t:g}" for t in ticks]
    if infinite:
        ticks, names = [*ticks, end], [*names, "∞"]
    margin = 0.025 * end
    axes.set(**{f"{along}lim": (-margin, end + margin)})
    (axes.set_xticks if along == "x" else axes.set_yticks)(ticks, names)


def spread(wanted: ArrayLike, gap: float) -> NDArray[np.float64]:
    """Return positions at least `gap` apart, in the wanted order and as near to the wanted ones as that allows."""
    order = np.argsort(wanted, kind="stable")
    groups: list[tuple[float, int]] = []  # centre and size of each cluster of labels that touch
    for value in np.asarray(wanted, float)[order]:
        groups.append((float(value), 1))
        while len(groups) > 1:
            (low, few), (high, more) = groups[-2:]
            if high - low >= gap * (few + more) / 2:
                break
            groups[-2:] = [((low * few + high * more) / (few + more), few + more)]
    placed = [centre + gap * (i - (size - 1) / 2) for centre, size in groups for i in range(size)]
    return np.array(placed)[np.argsort(order)]


def side_labels(axes: Axes, values: dict[str, float], along: str = "y", gap: float = 0.1) -> None:
    """Write names beside their values, at the right edge (`along="y"`) or above (`"x"`), without overlap.

    Values that are not finite or lie outside the axis are left out, so set the range first. `gap` is the smallest
    distance between two names as a fraction of the axis.
    """
    low, high = axes.get_ylim() if along == "y" else axes.get_xlim()
    inside = {k: (v - low) / (high - low) for k, v in values.items() if np.isfinite(v) and low <= v <= high}
    for (name, at), placed in zip(inside.items(), spread(list(inside.values()), gap), strict=True):
        line, text = ([1.0, 1.05], [at, placed]), (1.06, placed)
        if along == "x":
            line, text = (line[1], [1.0, 1.045]), (placed, 1.06)
        axes.plot(*line, transform=axes.transAxes, color=FAINT, linewidth=0.5, clip_on=False)
        ha, va = ("left", "center") if along == "y" else ("center", "bottom")
        axes.text(*text, name, transform=axes.transAxes, fontsize=7.5, color=INK, ha=ha, va=va)


def draw_readings(axes: Axes, x: ArrayLike, mean: ArrayLike, error: ArrayLike, look: Look) -> None:
    """Draw a line with its error band; a reading beyond the axis becomes a triangle at the edge, NaN a gap.

    The axis range must be set before. An error that is NaN (one seed) draws no band.
    """
    x, mean, error = (np.asarray(a, float) for a in (x, mean, error))
    drawable = np.where(np.isfinite(mean), mean, np.nan)
    width = np.where(np.isfinite(error), error, np.nan)
    axes.fill_between(x, drawable - width, drawable + width, color=look.colour, alpha=0.22, linewidth=0)
    axes.plot(x, drawable, color=look.colour)
    there = np.isfinite(np.concatenate([[np.nan], drawable, [np.nan]]))
    alone = there[1:-1] & ~there[:-2] & ~there[2:]
    if alone.any():
        axes.plot(x[alone], drawable[alone], ".", color=look.colour)
    draw_beyond(axes, x, mean, look.colour)


def draw_beyond(axes: Axes, x: NDArray[Any], values: NDArray[Any], colour: str) -> None:
    """Draw triangles at the edge for what lies beyond the upright axis, whose range must be set before."""
    low, high = axes.get_ylim()
    for beyond, edge, marker in ((values > high, high, "^"), (values < low, low, "v")):
        if beyond.any():  # an empty line that is not clipped would upset the layout
            axes.plot(x[beyond], np.full(beyond.sum(), edge), marker, color=colour, markersize=3, clip_on=False)


def say_empty(axes: Axes, *values: ArrayLike) -> None:
    """Write "no reading" into a panel in which nothing could be drawn."""
    if not any(np.isfinite(np.asarray(v, float)).any() for v in values):
        axes.text(0.5, 0.5, "no reading", transform=axes.transAxes, ha="center", va="center", color=FAINT)
