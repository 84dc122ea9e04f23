"""The neural thermometer of a run, trained on configurations of its own at the temperatures of the run."""

from typing import Any

from rbmflow.settings import ThermometerSettings
from rbmflow.steps.kind import Task, asked, step


@step(
    version=6,
    takes="seed model sampling.temperatures thermometer",
    holds="""
        hidden_weights: real[visible hidden]
        hidden_bias: real[hidden]
        class_weights: real[hidden bin]
        class_bias: real[bin]
        mean_class: real[temperature]
    """,
    along=lambda settings: {"hidden": asked(settings, ThermometerSettings).hidden, "bin": settings["temperatures"]},
)
def thermometer(task: Task) -> Any:
    """Train it."""
    from rbmflow.thermometer import train_thermometer

    temperatures, settings = task.settings["temperatures"], task.asked(ThermometerSettings)
    trained, _ = train_thermometer(task.key, task.model, temperatures, settings, progress=task.progress)
    return trained.to_dataset()
