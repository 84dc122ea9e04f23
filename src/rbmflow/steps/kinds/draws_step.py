"""Draws: configurations of the spin model, or of another source of data, at each temperature."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from rbmflow.settings import SOURCES, SamplingSettings, TypeSettings
from rbmflow.steps.kind import Task, asked, flagged, of_run, source_of, step
from rbmflow.store import Step

if TYPE_CHECKING:
    import xarray as xr

    from rbmflow.spec import Spec

UNSEEN = 200
"""Configurations at each temperature that likelihoods are averaged over."""


@step(
    version=3,
    holds="""
        spins: spin[temperature draw y x]
        tau_int ess thinning discarded: real[temperature] 0 inf
    """,
    along=lambda settings: {
        "draw": asked(settings, SamplingSettings).draws,
        "temperature": asked(settings, SamplingSettings).temperatures,
    },
)
def draws(task: Task) -> xr.Dataset:
    """Sample at every temperature."""
    from rbmflow.data_sources import drawn

    sampling, source = task.asked(SamplingSettings), task.named(SOURCES, "data", "ising")
    found = drawn(source, task.key, task.model, sampling, progress=task.progress)
    return flagged(found.to_dataset(), *(("sampling", text) for text in found.flags))


def data_of(kind: TypeSettings) -> dict[str, str]:
    """What has to be said of the data of a type: nothing, if they are the usual ones."""
    return {} if kind.data == "ising" else {"data": kind.data, **source_of(SOURCES, kind.data)}


def draws_of_run(spec: Spec) -> Step:
    """Draws that all types learn from which have none of their own."""
    return draws.step("draws", {**of_run(spec), "sampling": spec.sampling.differing()})


def draws_of_type(spec: Spec, name: str) -> Step:
    """Draws that a type learns from: those of the run, unless its training configurations are not among them."""
    kind, temperatures = spec.types[name], spec.type_temperatures(name)
    if kind.data == "ising" and set(temperatures) <= set(spec.sampling.temperatures):
        return draws_of_run(spec)
    sampling = replace(spec.sampling, temperatures=temperatures).differing()
    return draws.step(f"draws {name}", {**of_run(spec), "sampling": sampling, **data_of(kind)})


def unseen_draws(spec: Spec, name: str) -> Step:
    """Configurations that no machine is trained on; all types share those of the run's temperatures."""
    grid, own = spec.sampling.temperatures, spec.type_temperatures(name)
    among = set(own) <= set(grid)
    sampling = replace(spec.sampling, temperatures=grid if among else own, draws=UNSEEN).differing()
    settings = {**of_run(spec), "sampling": sampling, "purpose": "unseen"}
    return draws.step("unseen draws" if among else f"unseen draws {name}", settings)
