"""The stationary law of every checkpoint, predicted from the training data and the untrained machine."""

from typing import Any

from rbmflow.settings import TrainingSettings
from rbmflow.steps.kind import Task, step


@step(
    version=1,
    takes="model training",
    holds="""
        predicted_energy: real[checkpoint] -{e} {e}
        predicted_temperature predicted_rate: real[checkpoint] 0 inf
    """,
)
def prediction(task: Task) -> dict[str, Any]:
    """Energy and T* of p(v) along the training by the Gaussian theory; NaN where it is not known."""
    import numpy as np

    from rbmflow.dataset import Draws
    from rbmflow.observables import ENERGY
    from rbmflow.spectrum.gaussian_law import no_gaussian_law
    from rbmflow.spectrum.gaussian_training import gaussian_training, no_gaussian_training
    from rbmflow.steps.thermometers import best_of
    from rbmflow.training import Checkpoints

    trained, drawn, *curves = task.parents
    kept, training, model = Checkpoints.from_dataset(trained), task.asked(TrainingSettings), task.model
    untrained, updates = kept.machine(0), np.asarray(kept.update).tolist()
    axes = {"checkpoint": np.arange(len(updates))}
    if no_gaussian_training(training) or no_gaussian_law(untrained):
        return axes | {f"predicted_{name}": np.full(len(updates), np.nan) for name in ("energy", "temperature", "rate")}
    learnt = Draws.from_dataset(drawn).at(tuple(task.settings["temperatures"]))
    found = gaussian_training(untrained, learnt.spins, model, training, updates)
    temperature = best_of(model, *curves).curve(ENERGY).temperature_of(found.energy)
    return axes | {
        "predicted_energy": found.energy,
        "predicted_temperature": temperature,
        "predicted_rate": found.largest_rate,
    }
