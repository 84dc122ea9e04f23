"""A machine that was trained elsewhere, as its file has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rbmflow.settings import LatticeSettings, MachineSettings, ModelSettings
from rbmflow.steps.kind import Task, step, system
from rbmflow.steps.kinds.machine_step import WEIGHTS, layers

if TYPE_CHECKING:
    from rbmflow.rbm import RBM


def _along(settings: Mapping[str, Any]) -> dict[str, Any]:
    sizes = layers(settings)
    return {**sizes, "mode": min(sizes.values()), "checkpoint": 1}


def machine_in(path: str, about: MachineSettings, axes: str, model: ModelSettings, lattice: LatticeSettings) -> RBM:
    """The machine of a file, whose units, code and axes are told."""
    import jax

    from rbmflow._checks import Problems
    from rbmflow.elsewhere import parameters_of
    from rbmflow.rbm import RBM, of_arrays
    from rbmflow.units import units_named

    visible = units_named(about.units, model.states, about.code)
    known: Any = axes or None
    read = RBM.read(path, units=visible, axes=known, shape=lattice.shape)
    own = parameters_of(path, None).hidden_units
    Problems.only(own in (None, about.units), "hidden units", about.units, f"the file says that they are {own}")
    return of_arrays(jax.tree.leaves(read), visible, lattice.shape, units_named(about.units))


@step(
    version=1,
    takes="seed model",
    holds=WEIGHTS
    + """
        update: integer[checkpoint] 0 0
        checkpoint_weights: real[checkpoint visible hidden]
        pseudo_likelihood: real[checkpoint]
        checkpoint_singular_value: real[checkpoint mode] 0 inf
    """,
    along=_along,
)
def given(task: Task) -> Any:
    """Read it, and look at it as at the last checkpoint of a training, on what it has learnt from."""
    import jax
    import xarray as xr

    from rbmflow.dataset import Draws
    from rbmflow.training import read_checkpoints

    machine = machine_in(task.file("file"), task.asked(MachineSettings), task.settings["axes"], *system(task.settings))
    spins = Draws.from_dataset(task.parents[0]).at(task.settings["temperatures"]).spins
    rows = jax.device_put(spins.reshape(-1, task.model.lattice.sites))
    found = read_checkpoints((0,), jax.tree.map(lambda leaf: leaf[None], machine), rows, rows[:0])
    for what, text in found.flags.items():
        task.flag(what, text)
    return xr.merge([machine.to_dataset(), found.to_dataset()], combine_attrs="override")
