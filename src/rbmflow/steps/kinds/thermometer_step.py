"""The neural thermometer of a run, trained on configurations of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rbmflow.settings import ThermometerSettings
from rbmflow.steps.kind import Task, asked, of_run, step
from rbmflow.store import Step

if TYPE_CHECKING:
    import xarray as xr

    from rbmflow.spec import Spec


@step(
    version=5,
    holds="""
        hidden_weights: real[visible hidden]
        hidden_bias: real[hidden]
        class_weights: real[hidden bin]
        class_bias: real[bin]
        mean_class: real[temperature]
    """,
    along=lambda settings: {"hidden": asked(settings, ThermometerSettings).hidden, "bin": settings["temperatures"]},
)
def thermometer(task: Task) -> xr.Dataset:
    """Train it at the temperatures of the run."""
    from rbmflow.thermometer import train_thermometer

    temperatures, settings = task.settings["temperatures"], task.asked(ThermometerSettings)
    trained, _ = train_thermometer(task.key, task.model, temperatures, settings, progress=task.progress)
    return trained.to_dataset()


def thermometer_of(spec: Spec) -> Step:
    """The one of a run."""
    grid, settings = list(spec.sampling.temperatures), spec.thermometer.differing()
    return thermometer.step("thermometer", {**of_run(spec), "temperatures": grid, "thermometer": settings})
