"""The results of a run: the data of all its steps side by side."""

from typing import Any

from rbmflow.settings import ModelSettings
from rbmflow.steps.kind import Task, asked, step

MOST_PAIRED = 1024
"""Visible units whose pairs are shown, the first ones of a larger lattice."""


@step(
    version=9,
    takes="model sampling.temperatures flow.chains",
    holds="""
        temperature_read: real[machine seed start iteration thermometer] 0 inf
        end_temperature: real[machine start thermometer] 0 inf
        energy_mean: real[machine start iteration] -2 2
        abs_magnetization_mean: real[machine start iteration] 0 1
        converged: truth[machine thermometer]
        example: spin[machine start snapshot y x]
    """,
    along=lambda settings: {
        "visible": min(asked(settings, ModelSettings).length ** 2, MOST_PAIRED),
        "machine": [machine["label"] for machine in settings["machines"]],
        "seed": len(settings["machines"][0]["artifacts"]),
        "start": settings["starts"],
        "temperature": settings["temperatures"],
    },
)
def results(task: Task) -> Any:
    """Join by machine, seed and start, and average over seeds; a machine is its label, type, null and artifacts."""
    from rbmflow.steps.results import gather

    return gather(task)
