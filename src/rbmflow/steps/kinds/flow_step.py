"""The flow of a machine from one start, observed at every iteration."""

from collections.abc import Mapping
from typing import Any

from rbmflow.settings import FlowSettings
from rbmflow.steps.kind import Task, asked, step


def _along(settings: Mapping[str, Any]) -> dict[str, Any]:
    flow = asked(settings, FlowSettings)
    kept = flow.keep or range(flow.iterations + 1)
    return {"chain": flow.chains, "iteration": flow.iterations + 1, "snapshot": kept}


@step(
    version=6,
    takes="seed model",
    holds="""
        spins: spin[snapshot chain {lattice}]
        energy: {total}[iteration chain] -{e}N {e}N
        magnetization: {moment}[iteration chain] -1N 1N
        long_wave: real[iteration chain] 0 inf
        correlation: real[iteration {displacement}] -1 1
        diverged: truth[]
    """,
    along=_along,
)
def flow(task: Task) -> Any:
    """Iterate all chains, and keep observables and the configurations that are asked for."""
    import xarray as xr

    from rbmflow import sampler
    from rbmflow.flow import iterate
    from rbmflow.measurements import Measurements, observe
    from rbmflow.random import split
    from rbmflow.steps.restoring import restored

    settings = task.asked(FlowSettings)
    moved, diverged = restored(task.parents[0], task.model, settings.halves)
    for_start, for_flow = split(task.key)
    spins = sampler.thermal(for_start, task.model, temperature_of(task.settings["start"]), settings.chains)
    measured, last = [], []

    def watch(stretch: Any) -> None:
        measured.append(observe(task.model, stretch, last[-1] if last else None))
        last[:] = [stretch[-1]]

    iterated = iterate(
        for_flow,
        moved,
        spins,
        settings.iterations,
        model=task.model,
        keep=settings.keep or None,
        watch=watch,
        progress=task.progress,
    )
    kept = iterated.to_dataset().rename(iteration="snapshot")
    whole = xr.merge([Measurements.joined(measured).to_dataset(), kept], combine_attrs="override")
    return whole.assign(diverged=diverged)


def temperature_of(start: str | float) -> float:
    """Temperature in J/k_B of a start: 0 for "cold", infinity for "hot", else its own number."""
    return float({"cold": 0.0, "hot": "inf"}.get(start, start) if isinstance(start, str) else start)
