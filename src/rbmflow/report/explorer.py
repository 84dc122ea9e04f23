"""The numbers that the slider of a report moves through, small enough to stand in the page."""

from typing import Any

import numpy as np
import xarray as xr

from rbmflow.report.summary import number
from rbmflow.report.tables import HEADINGS, names

DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
"""Places of states, which begin again beyond."""

UNIT = 1e-5
"""Probabilities travel as whole multiples of this."""


def explorer_data(results: xr.Dataset) -> dict[str, Any]:
    """Return what the script of a report draws: class probabilities, readings and configurations of every flow.

    Arrays are nested lists in the order of the axes named in the comments; a probability is a whole multiple of `UNIT`,
    a configuration a string of digits in reading order, the places of its states, a missing number null.
    """
    from rbmflow.figures import start_looks
    from rbmflow.figures.marks import positions, top_temperature

    top = top_temperature(results)
    bins = results["bin"].values.astype(float)
    spins = results["example"].transpose("machine", "start", "snapshot", "y", "x").values
    shape = spins.shape
    states = results.attrs.get("states", [-1, 1])
    rows = np.array(list(DIGITS))[np.searchsorted(states, spins) % len(DIGITS)].reshape(-1, shape[-2] * shape[-1])
    configurations = np.array(["".join(row) for row in rows], object).reshape(shape[:3])
    return {
        "machines": names(results, "machine"),
        "starts": [{"name": name, "colour": look.colour} for name, look in start_looks(results).items()],
        "classifiers": names(results, "classifier"),
        "thermometers": [HEADINGS.get(name, name) for name in names(results, "thermometer")],
        "iterations": [int(i) for i in results["iteration"].values],
        "bins": [number(b) for b in bins],
        "positions": [float(p) for p in positions(bins, top)],
        "top": top,
        "critical": number(results["critical_temperature"]),
        "peak": number(results["specific_heat_peak_temperature"]),
        "unit": UNIT,
        # machine, classifier, start, iteration, bin
        "probability": _whole(results["probability_mean"]),
        "error": _whole(results["probability_error"]),
        # machine, classifier, bin
        "null": _whole(results["null_probability"]),
        # machine, start, iteration, thermometer
        "temperature": _numbers(results["temperature_mean"].transpose("machine", "start", "iteration", "thermometer")),
        "snapshots": [int(s) for s in results["snapshot"].values],
        "states": len(states),
        "lattice": [int(n) for n in shape[-2:]],
        # machine, start, snapshot
        "configurations": configurations.tolist(),
    }


def _whole(probability: xr.DataArray) -> list[Any]:
    axes = [a for a in ("machine", "classifier", "start", "iteration", "bin") if a in probability.dims]
    values = probability.transpose(*axes).values
    whole = np.rint(np.nan_to_num(values) / UNIT).astype(int).astype(object)
    whole[np.isnan(values)] = None
    return whole.tolist()


def _numbers(readings: xr.DataArray) -> list[Any]:
    values = np.round(readings.values.astype(float), 4)
    return np.asarray(np.frompyfunc(number, 1, 1)(values), object).tolist()
