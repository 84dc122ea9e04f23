"""A control: a machine that was not trained in the place of one that was."""

from typing import Any

from rbmflow.settings import CONTROLS, MachineSettings
from rbmflow.steps.kind import Task, step
from rbmflow.steps.kinds.machine_step import WEIGHTS, layers


@step(
    version=1,
    takes="seed model",
    holds=WEIGHTS,
    along=layers,
)
def control(task: Task) -> Any:
    """Make what stands in for the trained machine."""
    from rbmflow.rbm import RBM, on_lattice

    trained = RBM.from_dataset(task.parents[0])
    machine = task.named(CONTROLS, "weights")(task.key, trained, task.asked(MachineSettings))
    return on_lattice(machine, trained.shape).to_dataset()
