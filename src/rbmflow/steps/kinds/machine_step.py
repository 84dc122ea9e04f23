"""A machine, trained on the draws of its type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rbmflow.settings import RECIPES, MachineSettings, ModelSettings, TrainingSettings
from rbmflow.steps.kind import Task, asked, flagged, of_run, source_of, step
from rbmflow.store import Step

if TYPE_CHECKING:
    import xarray as xr

    from rbmflow.rbm import RBM
    from rbmflow.spec import Spec
    from rbmflow.training import History

WEIGHTS = """
    weights: real[visible hidden]
    visible_bias: real[visible]
    hidden_bias: real[hidden]
"""


def _along(settings: Mapping[str, Any]) -> dict[str, Any]:
    hidden, sites = asked(settings, MachineSettings).hidden, asked(settings, ModelSettings).length ** 2
    epochs = range(1, asked(settings, TrainingSettings).epochs + 1)
    return {"hidden": hidden, "mode": min(sites, hidden), "epoch": epochs}


def _together(tasks: Sequence[Task]) -> list[xr.Dataset]:
    """Train machines that differ in their seed only."""
    from rbmflow.training import train_ensemble

    trained = train_ensemble([task.key for task in tasks], *_inputs(tasks[0]), progress=tasks[0].progress)
    return [_told(task, *one) for task, one in zip(tasks, trained, strict=True)]


@step(
    version=4,
    holds=WEIGHTS
    + """
        update: integer[checkpoint] 0 inf
        checkpoint_weights: real[checkpoint visible hidden]
        pseudo_likelihood: real[checkpoint]
        checkpoint_singular_value: real[checkpoint mode] 0 inf
        reconstruction weight_norm: real[epoch] 0 inf
    """,
    along=_along,
    together=_together,
    apart="replica",
)
def machine(task: Task) -> xr.Dataset:
    """Train it, going on from where an earlier try was killed."""
    from rbmflow.steps.resuming import train_resuming

    return _told(task, *train_resuming(task.key, *_inputs(task), task.work, task.progress))


def _inputs(task: Task) -> tuple[Any, MachineSettings, TrainingSettings]:
    """Training configurations int8 [sample, visible], machine and training that are asked for."""
    import jax.numpy as jnp

    from rbmflow._doors import rows_of
    from rbmflow.dataset import Draws

    data = jnp.asarray(rows_of(Draws.from_dataset(task.parents[0]).at(task.settings["temperatures"])))
    return data, task.asked(MachineSettings), task.asked(TrainingSettings)


def _told(task: Task, machine: RBM, history: History) -> xr.Dataset:
    """Machine and history; flags say what went wrong along the training."""
    import xarray as xr

    from rbmflow.rbm import on_lattice

    sizes = task.parents[0].sizes
    machine, history = on_lattice((machine, history), (sizes["y"], sizes["x"]))
    whole = xr.merge([machine.to_dataset(), history.to_dataset()], combine_attrs="override")
    flags = list(history.checkpoints.flags.items())
    tempered, rungs = history.trajectory, task.asked(TrainingSettings).rungs
    if tempered is not None and len(tempered.acceptance) == rungs:
        text = f"the ladder of PTT is full; its last swaps are accepted at {tempered.acceptance[-2]:.2f}"
        flags.append(("tempering", text))
    return flagged(whole, *flags)


def machine_of(spec: Spec, name: str, hidden: int, seed: int, label: str, draws: Step) -> Step:
    """The one of a type, a size and a seed."""
    settings = {
        **of_run(spec),
        "replica": seed,
        "temperatures": list(spec.type_temperatures(name)),
        "machine": replace(spec.machine, hidden=hidden).differing(),
        "training": spec.training.differing(),
        **source_of(RECIPES, spec.training.estimator),
    }
    return machine.step(f"machine {label}", settings, draws)
