"""Flows along a training: where the machine of every checkpoint takes its starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rbmflow.settings import FlowSettings
from rbmflow.steps.kind import Task, asked, of_run, step
from rbmflow.steps.kinds.flow_step import temperature_of
from rbmflow.store import Step

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr

    from rbmflow.model import Ising
    from rbmflow.spec import Spec

STAGES = ("start", "third quarter", "last quarter")
"""What is kept of every flow: its first configurations, and means over the last two quarters of its iterations."""

NAMES = [name + error for name in ("energy", "abs_magnetization", "temperature_read") for error in ("", "_error")]
"""What is kept of a stage: energies and magnetizations per site, T(E) in J/k_B, with standard errors over chains."""


@step(
    version=2,
    holds="""
        checkpoint_energy: real[checkpoint start stage] -2 2
        checkpoint_abs_magnetization: real[checkpoint start stage] 0 1
        checkpoint_temperature_read: real[checkpoint start stage] 0 inf
        checkpoint_update: integer[checkpoint] 0 inf
    """,
    along=lambda settings: {"start": len(asked(settings, FlowSettings).starts), "stage": len(STAGES)},
)
def checkpoint_flow(task: Task) -> xr.Dataset:
    """Iterate the machine of every checkpoint from every start and keep its energy, magnetization and T(E)."""
    import jax
    import numpy as np
    import xarray as xr

    from rbmflow import sampler
    from rbmflow.flow import iterate
    from rbmflow.training import Checkpoints

    trained, settings, model = Checkpoints.from_dataset(task.parents[0]), task.asked(FlowSettings), task.model
    key, checkpoints = task.key, trained.update.size
    values = np.full((checkpoints, len(settings.starts), len(STAGES), len(NAMES)), np.nan)
    for checkpoint in range(checkpoints):
        of_checkpoint, machine = jax.random.fold_in(key, checkpoint), trained.machine(checkpoint)
        for number, start in enumerate(settings.starts if machine.finite else ()):
            for_start, for_flow = jax.random.split(jax.random.fold_in(of_checkpoint, number))
            spins = sampler.thermal(for_start, model, temperature_of(start), settings.chains)
            kept = _kept(settings.iterations)
            flow = iterate(for_flow, machine, spins, settings.iterations, keep=kept)
            values[checkpoint, number] = _stages(model, flow.configurations)
        task.progress((checkpoint + 1) / checkpoints)
    dims = ("checkpoint", "start", "stage")
    return xr.Dataset(
        {f"checkpoint_{name}": (dims, values[..., place]) for place, name in enumerate(NAMES)}
        | {"checkpoint_update": ("checkpoint", np.asarray(trained.update))},
        {"stage": list(STAGES), "checkpoint": np.arange(checkpoints)},
    )


def _kept(iterations: int) -> tuple[int, ...]:
    """The start and the last two quarters."""
    from rbmflow.convergence import quarters

    before, last = (range(iterations + 1)[part] for part in quarters(iterations + 1))
    return tuple(sorted({0, *before, *last}))


def _stages(model: Ising, configurations: np.ndarray) -> list[list[float]]:
    import numpy as np

    from rbmflow.diagnostics import mean_and_error
    from rbmflow.steps.thermometers import energy_thermometer

    quarter = max(1, (configurations.shape[0] - 1) // 2)
    told = []
    for part in (configurations[:1], configurations[1 : 1 + quarter], configurations[-quarter:]):
        # A chain counts once with its mean, for its own iterations are correlated.
        energy = np.asarray(model.energy(part), np.float64).mean(axis=0)
        magnetization = np.abs(np.asarray(model.magnetization(part), np.float64)).mean(axis=0)
        reading = energy_thermometer(model).of_values(energy[None])
        read = (reading.temperature, reading.error)
        told.append([float(value) for value in (*mean_and_error(energy, 0), *mean_and_error(magnetization, 0), *read)])
    return told


def checkpoint_flow_of(spec: Spec, label: str, machine: Step) -> Step:
    """The flows along the training of a machine, by its label."""
    settings = {**of_run(spec), "flow": spec.flow.differing("along_training", "halves", "keep")}
    return checkpoint_flow.step(f"flows of checkpoints {label}", settings, machine)
