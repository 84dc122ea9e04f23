"""Flows along a training: where the machine of every checkpoint takes its starts."""

from typing import Any

from rbmflow.settings import FlowSettings
from rbmflow.steps.kind import Task, asked, step
from rbmflow.steps.kinds.flow_step import temperature_of

STAGES = ("start", "third quarter", "last quarter")
"""What is kept of every flow: its first configurations, and means over the last two quarters of its iterations."""

NAMES = [
    f"checkpoint_{name}{error}"
    for name in ("energy", "abs_magnetization", "temperature_read")
    for error in ("", "_error")
] + ["checkpoint_temperature_read_curve_error"]
"""What is kept of a stage: energies and magnetizations per site, T(E) in J/k_B, with standard errors over chains. The
last is kept where draws tell the curve."""


@step(
    version=3,
    takes="seed model",
    holds="""
        checkpoint_energy: real[checkpoint start stage] -{e} {e}
        checkpoint_abs_magnetization: real[checkpoint start stage] 0 1
        checkpoint_temperature_read checkpoint_temperature_read_error: real[checkpoint start stage] 0 inf
        checkpoint_energy_error checkpoint_abs_magnetization_error: real[checkpoint start stage] 0 inf
        checkpoint_update: integer[checkpoint] 0 inf
    """,
    along=lambda settings: {"start": len(asked(settings, FlowSettings).starts), "stage": len(STAGES)},
)
def checkpoint_flow(task: Task) -> dict[str, Any]:
    """Iterate the machine of every checkpoint from every start and keep its energy, magnetization and T(E)."""
    import jax
    import numpy as np
    import xarray as xr

    from rbmflow import sampler
    from rbmflow.convergence import quarters
    from rbmflow.diagnostics import mean_and_error
    from rbmflow.flow import iterate
    from rbmflow.steps.thermometers import energy_thermometer, per_site
    from rbmflow.training import Checkpoints

    (first, *curves), settings, model = task.parents, task.asked(FlowSettings), task.model
    trained, key, by_energy = Checkpoints.from_dataset(first), task.key, energy_thermometer(model, *curves)
    checkpoints = trained.update.size
    before, last = (range(settings.iterations + 1)[part] for part in quarters(settings.iterations + 1))
    kept, quarter = tuple(sorted({0, *before, *last})), len(last)
    values = np.full((checkpoints, len(settings.starts), len(STAGES), len(NAMES)), np.nan)
    for checkpoint in range(checkpoints):
        of_checkpoint, machine = jax.random.fold_in(key, checkpoint), trained.machine(checkpoint)
        for number, start in enumerate(settings.starts if machine.finite else ()):
            for_start, for_flow = jax.random.split(jax.random.fold_in(of_checkpoint, number))
            spins = sampler.thermal(for_start, model, temperature_of(start), settings.chains)
            flowed = iterate(for_flow, machine, spins, settings.iterations, model=model, keep=kept).configurations
            for stage, part in enumerate((flowed[:1], flowed[1 : 1 + quarter], flowed[-quarter:])):
                # A chain counts once with its mean, for its own iterations are correlated.
                energy, magnetization = (of_spins.mean(axis=0) for of_spins in per_site(model, part))
                reading = by_energy.of_values(energy[None])
                averages = (*mean_and_error(energy, 0), *mean_and_error(magnetization, 0))
                values[checkpoint, number, stage] = (*averages, *reading)
        task.progress((checkpoint + 1) / checkpoints)
    of_stages: dict[str, Any] = {name: values[..., place] for place, name in enumerate(NAMES)}
    of_curve = of_stages.pop(NAMES[-1])
    if curves:
        of_stages[NAMES[-1]] = xr.DataArray(of_curve, dims=("checkpoint", "start", "stage"))
    axes = {"stage": STAGES, "checkpoint": np.arange(checkpoints)}
    return {**axes, **of_stages, "checkpoint_update": np.asarray(trained.update)}
