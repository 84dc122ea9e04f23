"""A control: a machine that was not trained in the place of one that was."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rbmflow.settings import CONTROLS, MachineSettings
from rbmflow.steps.kind import Task, asked, source_of, step
from rbmflow.steps.kinds.machine_step import WEIGHTS
from rbmflow.store import Step

if TYPE_CHECKING:
    import xarray as xr


@step(version=1, holds=WEIGHTS, along=lambda settings: {"hidden": asked(settings, MachineSettings).hidden})
def control(task: Task) -> xr.Dataset:
    """Make what stands in for the trained machine."""
    from rbmflow.rbm import RBM, on_lattice

    trained = RBM.from_dataset(task.parents[0])
    machine = task.named(CONTROLS, "weights")(task.key, trained, task.asked(MachineSettings))
    return on_lattice(machine, trained.sides).to_dataset()


def control_of(weights: str, label: str, trained: Step) -> Step:
    """The one that stands in for a trained machine, by its label."""
    settings = {name: trained.settings[name] for name in ("seed", "model", "machine")}
    settings |= {"weights": weights, **source_of(CONTROLS, weights)}
    return control.step(f"{weights} weights {label}", settings, trained)
