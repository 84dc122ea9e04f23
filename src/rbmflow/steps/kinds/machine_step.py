"""A machine, trained on the draws of its type."""

from collections.abc import Mapping, Sequence
from typing import Any

from rbmflow.settings import MachineSettings, TrainingSettings
from rbmflow.steps.kind import Task, asked, step, system

WEIGHTS = """
    weights: real[visible hidden]
    visible_bias: real[visible]
    hidden_bias: real[hidden]
"""


def layers(settings: Mapping[str, Any]) -> dict[str, int]:
    """Lengths of both layers."""
    about, (model, lattice) = asked(settings, MachineSettings), system(settings)
    return {"hidden": about.hidden, "visible": lattice.sites * about.components(model)}


def _along(settings: Mapping[str, Any]) -> dict[str, Any]:
    sizes = layers(settings)
    return {**sizes, "mode": min(sizes.values()), "epoch": range(1, asked(settings, TrainingSettings).epochs + 1)}


def _together(tasks: Sequence[Task]) -> list[Any]:
    """Train machines that differ in their seed only."""
    from rbmflow.training import train_ensemble

    if tasks[0].asked(TrainingSettings).patience:  # Each has an end of its own.
        return [machine.compute(task) for task in tasks]
    keys, first = [task.key for task in tasks], tasks[0]
    trained = train_ensemble(keys, *_inputs(first), first.model, progress=first.progress)
    return [_told(task, *one) for task, one in zip(tasks, trained, strict=True)]


@step(
    version=5,
    takes="seed model training",
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
def machine(task: Task) -> Any:
    """Train it, going on from where an earlier try was killed."""
    from rbmflow.steps.resuming import train_resuming
    from rbmflow.training import Training

    whole = Training.of(*_inputs(task), model=task.model)
    return _told(task, *train_resuming(task.key, whole, task.work, task.progress))


def _inputs(task: Task) -> tuple[Any, MachineSettings, TrainingSettings]:
    """Training configurations, machine and training that are asked for."""
    from rbmflow.dataset import Draws

    data = Draws.from_dataset(task.parents[0]).at(task.settings["temperatures"])
    return data, task.asked(MachineSettings), task.asked(TrainingSettings)


def _told(task: Task, machine: Any, history: Any) -> Any:
    """Machine and history; flags say what went wrong along the training."""
    import numpy as np
    import xarray as xr

    from rbmflow.training.ptt import LEAST_ACCEPTANCE

    for what, text in history.flags.items():
        task.flag(what, text)
    tempered, rungs = history.trajectory, task.asked(TrainingSettings).rungs
    if tempered is not None:
        acceptance = tempered.acceptance[:-1]
        if len(acceptance) == rungs - 1:
            task.flag("tempering", f"the ladder of PTT is full; its last swaps are accepted at {acceptance[-1]:.2f}")
        if (worst := acceptance.min()) < LEAST_ACCEPTANCE:
            text = f"the ladder of PTT is broken: swaps of rung {acceptance.argmin()} are accepted at {worst:.2f}"
            task.flag("tempering", f"{text}, so that hardly a chain passes, as in PCD")
    training, told = task.asked(TrainingSettings), history.to_dataset()
    if history.plateau:
        told = told.reindex(epoch=np.arange(1, training.epochs + 1))
    return xr.merge([machine.to_dataset(), told], combine_attrs="no_conflicts")
