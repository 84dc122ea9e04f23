"""A control: a machine that was not trained in the place of one that was."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rbmflow.settings import CONTROLS, MachineSettings
from rbmflow.steps.kind import Task, asked, lattice_sizes, step
from rbmflow.steps.kinds.machine_step import WEIGHTS
from rbmflow.store import Step
from rbmflow.store.expected import Expected

if TYPE_CHECKING:
    import xarray as xr


def _holds(settings: Mapping[str, Any]) -> Expected:
    return Expected(WEIGHTS, {**lattice_sizes(settings), "hidden": asked(settings, MachineSettings).hidden})


@step(version=1, holds=_holds)
def control(task: Task) -> xr.Dataset:
    """Make what stands in for the trained machine."""
    from rbmflow.rbm import RBM, on_lattice

    trained = RBM.from_dataset(task.parents[0])
    machine = CONTROLS[task.settings["weights"]](task.key, trained, task.asked(MachineSettings))
    return on_lattice(machine, trained.sides).to_dataset()


def control_of(weights: str, label: str, trained: Step) -> Step:
    """The one that stands in for a trained machine, by its label."""
    settings = {name: trained.settings[name] for name in ("seed", "model", "machine")} | {"weights": weights}
    return control.step(f"{weights} weights {label}", settings, trained)
