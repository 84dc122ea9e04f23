"""The neural thermometer of a run, trained on configurations of its own at the temperatures of the run."""

from collections.abc import Mapping
from typing import Any

from rbmflow.settings import ThermometerSettings
from rbmflow.steps.kind import Task, asked, step, system


def _along(settings: Mapping[str, Any]) -> dict[str, Any]:
    model, lattice = system(settings)
    inputs, hidden = lattice.sites * model.components, asked(settings, ThermometerSettings).hidden
    return {"visible": inputs, "hidden": hidden, "bin": settings["temperatures"]}


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
    along=_along,
)
def thermometer(task: Task) -> Any:
    """Train it."""
    from rbmflow.thermometer import train_thermometer

    temperatures, settings = task.settings["temperatures"], task.asked(ThermometerSettings)
    trained, _ = train_thermometer(task.key, task.model, temperatures, settings, progress=task.progress)
    return trained.to_dataset()
