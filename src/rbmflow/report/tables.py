"""The numbers of a run as tables of text: where flows end, how they settle, the weights, the likelihood."""

import math
from collections.abc import Callable, Sequence

import xarray as xr

from rbmflow._format import why_moving, with_error

type Table = tuple[list[str], list[list[str]]]
"""A row of headings, and rows with as many cells."""

HEADINGS = {"neural": "neural", "bayes": "Bayes", "energy": "T(E)", "magnetization": "T(|m|)", "correlation": "T(xi/L)"}
"""Column heading of each thermometer; one that is not here is called by its own name."""

FEATURES = {"energy": "E", "abs_magnetization": "|m|", "joint": "E, |m|, longest wave"}
"""Column heading of what is compared with true configurations."""

CLOSING_ROWS = ("training mixture (what a perfect machine gives)", "T*")
"""The rows of `ends_table` that follow the starts of a machine."""


def names(results: xr.Dataset, axis: str) -> list[str]:
    """Return the entries of an axis as text."""
    return [str(name) for name in results[axis].values]


def _by_machine(results: xr.Dataset) -> list[tuple[str, xr.Dataset]]:
    """Every machine by its row, whatever it is called."""
    return [(name, results.isel(machine=row)) for row, name in enumerate(names(results, "machine"))]


def _by_start(here: xr.Dataset, variables: Sequence[str], axis: str, told: Callable[..., str]) -> list[list[str]]:
    """One row a start, one cell an entry of the axis, which tells of these variables there."""
    rows = []
    for row, start in enumerate(names(here, "start")):
        values = (here[name].isel(start=row).transpose(axis).values for name in variables)
        rows.append([start, *(told(*map(float, cell)) for cell in zip(*values, strict=True))])
    return rows


def _flows_table(results: xr.Dataset, variables: Sequence[str], told: Callable[..., str]) -> Table:
    """One row a machine and start, one column a thermometer."""
    header = ["machine", "start", *(HEADINGS.get(name, name) for name in names(results, "thermometer"))]
    machines = _by_machine(results)
    every = [(name, row) for name, here in machines for row in _by_start(here, variables, "thermometer", told)]
    return header, [[name, *row] for name, row in every]


def ends_table(results: xr.Dataset) -> Table:
    """Return the ends of the flows by thermometer, in J/k_B: one row a machine and start, then its mixture, then T*.

    The end is the mean over the last quarter of the flow, with its joined error of seeds and chains: `2.412(15)` is
    2.412 ± 0.015. T* is the mean over the starts; where the flows of a machine have not converged by a thermometer,
    the last row says why.
    """
    header, ends = _flows_table(results, ("end_temperature", "end_error"), with_error)
    starts, rows = results.sizes["start"], []
    for row, (name, *stars) in enumerate(rest_table(results)[1]):
        found = results["null_temperature"].isel(machine=row).values
        nulls = ("-" if math.isnan(null) else f"{null:.3f}" for null in found)
        rows += ends[row * starts : (row + 1) * starts]
        rows += [[name, CLOSING_ROWS[0], *nulls], [name, CLOSING_ROWS[1], *stars]]
    return header, rows


def rest_table(results: xr.Dataset, brief: bool = False) -> Table:
    """Return T* of every machine by thermometer, in J/k_B, or why there is none.

    In brief the mean end of flows that have not converged stands there instead, in brackets.
    """
    told = _in_brief if brief else _star
    rows = [
        [name, *(told(here.isel(thermometer=place)) for place in range(here.sizes["thermometer"]))]
        for name, here in _by_machine(results)
    ]
    return ["machine", *(HEADINGS.get(name, name) for name in names(results, "thermometer"))], rows


def _star(here: xr.Dataset) -> str:
    """T* of a machine by one thermometer, or why there is none."""
    if here["converged"]:
        return with_error(float(here["fixed_point"]), float(here["fixed_point_error"]))
    doubts = [name.removeprefix("doubt_") for name in map(str, here) if name.startswith("doubt_") and here[name] != 0]
    apart = float(here["start_difference"]), float(here["start_difference_error"])
    return why_moving(doubts, apart, zip(here["drift"].values, here["drift_error"].values, strict=True))


def _in_brief(here: xr.Dataset) -> str:
    """T* of a machine by one thermometer, or in brackets the mean end of its flows."""
    end = with_error(float(here["mean_end"]), float(here["mean_end_error"]))
    return end if here["converged"] else f"[{end}]"


def drift_table(results: xr.Dataset) -> Table:
    """Return how far each flow still moved over its last half."""
    return _flows_table(results, ("drift", "drift_error"), with_error)


def settling_table(results: xr.Dataset) -> Table:
    """Return how fast the hottest and the coldest start come together, and when their difference is below 0.02 J/k_B.

    `12(1), 60 needed` is an exponential time of 12 iterations with its error over seeds.
    """
    rows = []
    for name, here in _by_machine(results):
        told = (here[one].values for one in ("relaxation_time", "relaxation_time_error", "iterations_needed"))
        cells = (
            "not seen" if math.isnan(time) else f"{with_error(time, error)}, {needed:.0f} needed"
            for time, error, needed in zip(*told, strict=True)
        )
        rows.append([name, *cells])
    return ["machine", *(HEADINGS.get(name, name) for name in names(results, "thermometer"))], rows


def off_table(results: xr.Dataset) -> Table:
    """Return how far the last configurations are from true ones: distance and p-value, by what is compared."""

    def told(distance: float, probability: float) -> str:
        return f"{distance:.3f}, p = {probability:.2g}"

    header = ["machine", "start", *(FEATURES.get(name, name) for name in names(results, "feature"))]
    last = _by_machine(results.isel(compared=-1))
    variables = ("off_distance_mean", "off_p_value")
    return header, [[name, *row] for name, here in last for row in _by_start(here, variables, "feature", told)]


def measures_table(results: xr.Dataset) -> Table:
    """Return the numbers that sum up the weights: one row a number, one column a machine."""
    rows = []
    for row, meaning in enumerate(results["meaning"].values):
        here = results[["weight_final_mean", "weight_final_error"]].isel(final_measure=row)
        pairs = zip(here["weight_final_mean"].values, here["weight_final_error"].values, strict=True)
        cells = ("-" if math.isnan(value) else with_error(float(value), float(error)) for value, error in pairs)
        rows.append([str(meaning), *cells])
    return ["", *names(results, "machine")], rows


def likelihood_table(results: xr.Dataset) -> Table:
    """Return how good each machine is: means over seeds, the excess with its joined error; no rows if not measured."""
    taus, overlaps = ("tau_energy", "tau_abs_magnetization"), ("energy_overlap", "abs_magnetization_overlap")
    law = ("effective_share", "stationary_mixture_overlap", "stationary_ising_overlap")
    header = ["machine", "excess nats", "those of one T", "T* of p(v)", "share", "E as mixture", "E as at T*"]
    header += ["τ of E", "τ of |m|", "overlap of E", "overlap of |m|", "long chains from cold and hot agree"]
    rows = []
    for name, here in _by_machine(results) if "excess" in results else []:
        # A divergence cannot be negative, so such a number never stands alone.
        below = " (below zero)" if float(here["excess_mean"]) < 0 else ""
        cells = [name, with_error(float(here["excess_mean"]), float(here["excess_mean_error"])) + below]
        star = tuple(float(here[f"stationary_temperature_mean{end}"]) for end in ("", "_error"))
        cells += [f"{float(here['ising_divergence']):.2f}", "-" if math.isnan(star[0]) else with_error(*star)]
        for variables, digits in ((law, 2), (taus, 1), (overlaps, 3)):
            means = (float(here[one].mean(skipna=False)) for one in variables)
            cells += ["-" if math.isnan(mean) else f"{mean:.{digits}f}" for mean in means]
        agree = here["cold_and_hot_agree"].values
        rows.append([*cells, "unknown" if math.isnan(agree.sum()) else f"{int(agree.sum())} of {agree.size}"])
    return header, rows
