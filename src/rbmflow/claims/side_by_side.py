"""The machines of a run or of a sweep as labelled data, ready to be drawn."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from rbmflow._variables import STUDY, described, labelled
from rbmflow.claims.judgement import Measured
from rbmflow.claims.machines import UNKNOWN, Machine


def study(machines: Sequence[Machine]) -> xr.Dataset:
    """Return what was measured of every machine, side by side, ready to be drawn.

    Parameters
    ----------
    machines
        At least one; all different.

    Returns
    -------
    xr.Dataset
        Axes `machine start`, and `checkpoint` along the training, padded with NaN.

    Examples
    --------
    >>> study(named(distinct(machines_of(*points)))).sizes["machine"]  # doctest: +SKIP
    17
    """
    starts = list(dict.fromkeys(flow.start for machine in machines for flow in machine.flows))
    flows = [{flow.start: flow.end for flow in machine.flows} for machine in machines]
    trainings = [[(update, *_parts(end)) for update, end in machine.checkpoints] for machine in machines]
    longest = max(map(len, trainings))
    padded = np.array([ends + [(np.nan,) * 3] * (longest - len(ends)) for ends in trainings])
    of_flows = np.array([[_parts(ends.get(start, UNKNOWN)) for start in starts] for ends in flows])
    columns: dict[str, Any] = {
        "converged": [machine.end is not None for machine in machines],
        "seeds": [machine.effort[0] for machine in machines],
        "recipe": [json.dumps(machine.recipe) for machine in machines],
    }
    named_otherwise = {"critical_temperature": "critical", "specific_heat_peak_temperature": "specific_heat_peak"}
    named_otherwise["hidden_units"] = "hidden"
    for name in (*named_otherwise, "mixture_temperature", "length", "updates", "artifact"):
        columns[name] = [getattr(machine, named_otherwise.get(name, name)) for machine in machines]
    for name in ("excess", "energy_from_mixture"):
        values = [_parts(getattr(machine, name)) for machine in machines]
        columns[name], columns[f"{name}_error"] = np.transpose(values)
    columns |= dict(zip(("end_temperature", "end_error"), np.moveaxis(of_flows, -1, 0), strict=True))
    for place, name in enumerate(("checkpoint_update", "checkpoint_end", "checkpoint_end_error")):
        columns[name] = padded.reshape(len(machines), longest, 3)[..., place]
    coordinates = {"machine": [machine.name for machine in machines], "start": starts}
    return described(labelled(columns, coordinates, STUDY), STUDY)


def _parts(measured: Measured) -> tuple[float, float]:
    return measured.value, measured.error
