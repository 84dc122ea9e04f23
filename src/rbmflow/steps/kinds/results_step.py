"""The results of a run: the data of all its steps side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rbmflow.settings import start_label
from rbmflow.steps.kind import Task, lattice_sizes, step
from rbmflow.store import Step

if TYPE_CHECKING:
    import xarray as xr

    from rbmflow.spec import Spec

MOST_PAIRED = 1024
"""Visible units whose pairs are shown, the first ones of a larger lattice."""


@step(
    version=7,
    holds="""
        temperature_read: real[machine seed start iteration thermometer] 0 inf
        end_temperature: real[machine start thermometer] 0 inf
        energy_mean: real[machine start iteration] -2 2
        abs_magnetization_mean: real[machine start iteration] 0 1
        converged: truth[machine thermometer]
        example: spin[machine start snapshot y x]
    """,
    along=lambda settings: {
        "visible": min(lattice_sizes(settings)["visible"], MOST_PAIRED),
        "machine": [machine["label"] for machine in settings["machines"]],
        "seed": len(settings["machines"][0]["artifacts"]),
        "start": settings["starts"],
        "temperature": settings["temperatures"],
    },
)
def results(task: Task) -> xr.Dataset:
    """Join by machine, seed and start, and average over seeds."""
    from rbmflow.steps.results import gather

    return gather(task.step, task.parents)


def results_of(spec: Spec, machines: Sequence[Mapping[str, Any]], gathered: Sequence[Step]) -> Step:
    """Those of a run.

    Parameters
    ----------
    spec
        The run.
    machines
        For each its label, its type, the hash of its null, and its artifacts by seed.
    gathered
        The steps whose data are joined.
    """
    settings = {
        "model": spec.model.differing(),
        "temperatures": list(spec.sampling.temperatures),
        "chains": spec.flow.chains,
        "machines": list(machines),
        "starts": [start_label(start) for start in spec.flow.starts],
    }
    return results.step("results", settings, *dict.fromkeys(gathered))
