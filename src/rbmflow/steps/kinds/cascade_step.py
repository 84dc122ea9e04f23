"""Which waves of its data a machine has learnt, and when, beside linear theory."""

from typing import Any

from rbmflow.settings import TrainingSettings
from rbmflow.steps.kind import Task, step
from rbmflow.steps.kinds.correlation_step import covariance_in

LEADING = 6
"""Modes, and hidden units, that are shown one by one."""


@step(
    version=1,
    takes="model training",
    holds="""
        wave_amplitude wave_amplitude_predicted: real[checkpoint wave] 0 inf
        checkpoint_singular_value predicted_singular_value: real[checkpoint leading] 0 inf
        appearance appearance_predicted: real[wave] 0 inf
        growing_waves appeared_waves: real[] 0 inf
        order_of_appearance: real[] -1.001 1.001
    """,
    along=lambda settings: {"leading": LEADING},
)
def cascade(task: Task) -> dict[str, Any]:
    """Amplitudes of all waves at every checkpoint; predictions are NaN where no linear theory is known."""
    import numpy as np

    from rbmflow.spectrum.cascade import learning_cascade, no_linear_theory
    from rbmflow.training import Checkpoints

    trained, of_mixture = task.parents
    checkpoints, training = Checkpoints.from_dataset(trained), task.asked(TrainingSettings)
    known = no_linear_theory(training, checkpoints.machines, task.model) is None
    every = covariance_in(checkpoints.machines.units, of_mixture)
    draws = int(of_mixture["draws"]) if "draws" in of_mixture else None
    of_data = every if draws else every.mean(axis=0)
    found = learning_cascade(checkpoints, of_data, training if known else None, task.model, draws)
    leading = [
        np.pad(values[:, :LEADING], ((0, 0), (0, max(0, LEADING - values.shape[1]))), constant_values=np.nan)
        for values in (found.singular_value, found.predicted_singular_value)
    ]
    return {
        "checkpoint": np.arange(len(found.update)),
        "wave_amplitude": found.amplitude,
        "wave_amplitude_predicted": found.predicted_amplitude,
        "checkpoint_singular_value": leading[0],
        "predicted_singular_value": leading[1],
        "appearance": found.time,
        "appearance_predicted": found.predicted_time,
        "growing_waves": float(found.grows.sum()),
        "appeared_waves": float(found.appeared) if np.isfinite(found.amplitude[-1]).all() else np.nan,
        "order_of_appearance": found.order,
    }
