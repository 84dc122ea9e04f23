"""The results of a run: the data of all its steps side by side."""

import math
from collections.abc import Mapping
from typing import Any

from rbmflow.steps.kind import Task, step, system

MOST_PAIRED = 1024
"""Visible units whose pairs are shown, the first ones of a larger lattice."""


def _along(settings: Mapping[str, Any]) -> dict[str, Any]:
    _, lattice = system(settings)
    return {
        "visible": min(lattice.sites, MOST_PAIRED),
        "machine": [machine["label"] for machine in settings["machines"]],
        "seed": len(settings["machines"][0]["artifacts"]),
        "start": settings["starts"],
        "temperature": settings["temperatures"],
        "y": math.prod(lattice.sides[:-1]),
        "x": lattice.sides[-1] * lattice.basis,
    }


@step(
    version=13,
    takes="model sampling.temperatures flow.chains",
    holds="""
        temperature_read: real[machine seed start iteration thermometer] 0 inf
        end_temperature: real[machine start thermometer] 0 inf
        energy_mean: real[machine start iteration] -{e} {e}
        abs_magnetization_mean: real[machine start iteration] 0 1
        converged: truth[machine thermometer]
        example: spin[machine start snapshot y x]
    """,
    along=_along,
)
def results(task: Task) -> Any:
    """Join by machine, seed and start, and average over seeds; a machine is its label, type, null and artifacts."""
    from rbmflow.steps.results import gather

    return gather(task)
