"""The machines that a report carries, small enough to stand in the page that iterates them."""

import base64
import json
from typing import Any

import numpy as np
import xarray as xr

from rbmflow.report.summary import number

STEPS = 2**15 - 1
"""Weights travel as whole multiples of this part of a machine's largest."""


def live_data(live: xr.Dataset, results: xr.Dataset) -> dict[str, Any]:
    """Return what `live.js` iterates: weights of all machines, bonds of the lattice, and temperatures by energy."""
    return {
        "machines": [_machine(live.isel(machine=row)) for row in range(live.sizes["machine"])],
        **{name: live.attrs[name] for name in ("cells", "basis")},
        # from basis site, to basis site, displacement, coupling
        "bonds": json.loads(live.attrs["bonds"]),
        **{name: float(live[name]) for name in ("ground_energy", "free_energy", "gap", "hottest")},
        "depth": [round(float(depth), 2) for depth in live["depth"].values],
        **{name: [number(round(float(v), 6)) for v in live[name].values] for name in ("coupling", "energy_error")},
        "critical": number(results["critical_temperature"]),
        "iterations": int(results["iteration"].values[-1]),
    }


def _machine(here: xr.Dataset) -> dict[str, Any]:
    hidden = int(here["hidden_units"])
    weights = here["weights"].transpose("visible", "hidden").values[:, :hidden]
    scale = float(np.abs(weights).max()) / STEPS or 1.0
    return {
        "name": str(here["machine"].values),
        "hidden": hidden,
        "scale": scale,
        "weights": _base64(np.rint(weights / scale), "<i2"),  # visible, hidden
        "visible_bias": _base64(here["visible_bias"].values, "<f4"),
        "hidden_bias": _base64(here["hidden_bias"].values[:hidden], "<f4"),
    }


def _base64(values: np.ndarray, kind: str) -> str:
    return base64.b64encode(values.astype(kind).tobytes()).decode()
