"""A map that is no RBM, trained on the draws of its type, or taken as it is made."""

from collections.abc import Mapping
from typing import Any

from rbmflow.settings import MACHINES, MachineSettings, TrainingSettings
from rbmflow.steps.kind import Task, asked, step

HOLDS = """
    update: integer[checkpoint] 0 inf
    reconstruction weight_norm: real[epoch] 0 inf
"""


def _along(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {"epoch": range(1, asked(settings, TrainingSettings).epochs + 1)}


@step(version=1, takes="seed model training", holds=HOLDS, along=_along)
def learner(task: Task) -> Any:
    """Make it, and train it by its recipe, going on from where an earlier try was killed."""
    import jax
    import numpy as np

    from rbmflow.dataset import Draws
    from rbmflow.maps import Stack
    from rbmflow.steps.restoring import at_rest, untrained
    from rbmflow.steps.resuming import train_resuming
    from rbmflow.training import Epochs, MapTraining

    settings, training, source = task.asked(MachineSettings), task.asked(TrainingSettings), task.settings.get("source")
    for_making, for_training = jax.random.split(task.key)
    made = untrained(for_making, task.model, settings, source)
    # "CD", which no other map can have, stands for the recipe of the kind.
    recipe = MACHINES[settings.kind].recipe if training.estimator == "CD" else training.estimator
    updates, about = 0, {}
    seen = Epochs(*[jax.device_put(np.full(0, np.nan, np.float32))] * 3)
    if isinstance(made, Stack):
        updates, (made, seen) = _stacked(task, for_training)
    elif recipe is not None:
        spins = Draws.from_dataset(task.parents[0]).at(task.settings["temperatures"]).spins
        rows = spins.reshape(-1, *task.model.lattice.shape)
        whole = MapTraining.of(made, rows, training, recipe, task.model)
        made, seen = train_resuming(for_training, whole, task.work, task.progress)
        updates = whole.batches * seen.reconstruction.size
        if seen.reconstruction.size < training.epochs:
            about = {"plateau_after": seen.reconstruction.size}
            text = f"stopped after {seen.reconstruction.size} of {training.epochs} epochs"
            task.flag("plateau", f"{text}: the loss of held-out configurations had no new minimum")
    if not np.isfinite(np.asarray(seen.weight_norm)).all() and recipe is not None:
        task.flag("training", "the weights are not finite: the training has diverged")
    after = (0, training.epochs - seen.reconstruction.size)
    told = at_rest(made, for_making, settings, source).assign_attrs(about)
    return told.assign(
        update=("checkpoint", np.array([updates], np.int32)),
        epoch=np.arange(1, training.epochs + 1),
        reconstruction=("epoch", np.pad(seen.reconstruction, after, constant_values=np.nan)),
        weight_norm=("epoch", np.pad(seen.weight_norm, after, constant_values=np.nan)),
    )


def _stacked(task: Task, key: Any) -> tuple[int, tuple[Any, Any]]:
    """Updates of a layer, a stack whose machines learn one after the other, and the epochs of the lowest."""
    import jax

    from rbmflow.dataset import Draws
    from rbmflow.maps.stack_map import stack_layers
    from rbmflow.steps.resuming import train_resuming
    from rbmflow.training import Epochs, Training, greedily

    settings, training = stack_layers(task.asked(MachineSettings)), task.asked(TrainingSettings)
    data = Draws.from_dataset(task.parents[0]).at(task.settings["temperatures"])

    def fit(place: int, key: Any, data: Any, hidden: int) -> Any:
        del hidden
        whole = Training.of(data, settings[place], training)
        return train_resuming(
            key, whole, task.work / f"layer_{place}", lambda done: task.progress((place + done) / len(settings))
        )

    stack, histories = greedily(key, data, [one.hidden for one in settings], fit)
    for place, history in enumerate(histories):
        for what, text in history.flags.items():
            task.flag(what, f"layer {place}: {text}")
    lowest = histories[0]
    seen = Epochs(*map(jax.device_put, (lowest.reconstruction, lowest.weight_norm, lowest.largest_weight)))
    return int(lowest.checkpoints.update[-1]), (stack, seen)
