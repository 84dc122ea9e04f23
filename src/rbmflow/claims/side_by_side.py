"""The machines of a run or of a sweep as labelled data, ready to be drawn."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import xarray as xr

from rbmflow.claims.judgement import Measured
from rbmflow.claims.machines import UNKNOWN, Machine


def study(machines: Sequence[Machine]) -> xr.Dataset:
    """Return what was measured of every machine, side by side.

    Parameters
    ----------
    machines
        At least one.

    Returns
    -------
    xr.Dataset
        Axes `machine start`; `end_temperature` by T(E) with `end_error`, `converged`, the candidates for T*, and
        `excess` and `energy_from_mixture`, with joined errors over `seeds`; `artifact` and `recipe`, which say what a
        machine is; `checkpoint_end` by `checkpoint_update` along the training, axis `checkpoint`, padded with NaN.
        Temperatures in J/k_B, energies per site.

    Examples
    --------
    >>> study(machines).sizes["machine"]  # doctest: +SKIP
    17
    """
    starts = list(dict.fromkeys(flow.start for machine in machines for flow in machine.flows))

    def by_start(of: str, part: str) -> tuple[tuple[str, str], list[list[float]]]:
        rows = []
        for machine in machines:
            known = {flow.start: getattr(flow, of) for flow in machine.flows}
            rows.append([getattr(known.get(start, UNKNOWN), part) for start in starts])
        return ("machine", "start"), rows

    def of_machine(name: str) -> tuple[str, list[float | str]]:
        return "machine", [getattr(machine, name) for machine in machines]

    def number(name: str, part: str) -> tuple[str, list[float]]:
        values: list[Measured] = [getattr(machine, name) for machine in machines]
        return "machine", [getattr(value, part) for value in values]

    variables = {
        "end_temperature": by_start("end", "value"),
        "end_error": by_start("end", "error"),
        "converged": ("machine", [machine.end is not None for machine in machines]),
        "critical_temperature": of_machine("critical"),
        "specific_heat_peak_temperature": of_machine("specific_heat_peak"),
        "mixture_temperature": of_machine("mixture_temperature"),
        "hidden_units": of_machine("hidden"),
        "length": of_machine("length"),
        "updates": of_machine("updates"),
        "seeds": ("machine", [machine.effort[0] for machine in machines]),
        "artifact": of_machine("artifact"),
        "recipe": ("machine", [json.dumps(machine.recipe) for machine in machines]),
    }
    for name in ("excess", "energy_from_mixture"):
        variables |= {name: number(name, "value"), f"{name}_error": number(name, "error")}
    variables |= _along_training(machines)
    coordinates = {"machine": [machine.name for machine in machines], "start": starts}
    return xr.Dataset(variables, coordinates)


def _along_training(machines: Sequence[Machine]) -> dict[str, tuple[tuple[str, str], np.ndarray]]:
    """Ends of the flows along the training, one row a machine."""
    found = np.full((3, len(machines), max(len(machine.checkpoints) for machine in machines)), np.nan)
    for row, machine in enumerate(machines):
        for number, (update, end) in enumerate(machine.checkpoints):
            found[:, row, number] = update, end.value, end.error
    names = ("checkpoint_update", "checkpoint_end", "checkpoint_end_error")
    return {name: (("machine", "checkpoint"), values) for name, values in zip(names, found, strict=True)}
