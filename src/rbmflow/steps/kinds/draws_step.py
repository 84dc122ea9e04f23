"""Draws: configurations of the spin model, or of another source of data, at each temperature."""

from typing import Any

from rbmflow.settings import SOURCES, SamplingSettings
from rbmflow.steps.kind import Task, asked, step

UNSEEN = 1000
"""Configurations at each temperature that likelihoods are averaged over."""


@step(
    version=4,
    takes="seed model sampling",
    holds="""
        spins: spin[temperature draw {lattice}]
        tau_int ess thinning discarded: real[temperature] 0 inf
    """,
    along=lambda settings: {
        "draw": asked(settings, SamplingSettings).draws,
        "temperature": asked(settings, SamplingSettings).temperatures,
    },
)
def draws(task: Task) -> Any:
    """Sample at every temperature."""
    from rbmflow.data_sources import drawn

    sampling, source = task.asked(SamplingSettings), task.named(SOURCES, "data", "ising")
    further = {"path": task.file("data_file")} if "data_file" in task.settings else {}
    found = drawn(source, task.key, task.model, sampling, progress=task.progress, **further)
    task.flag("sampling", *found.flags)
    return found.to_dataset()
