"""What the page of a run computes with itself: weights of its machines, and the curve that reads their temperatures."""

import json
import math
from collections.abc import Callable, Mapping

import numpy as np
import xarray as xr

from rbmflow.critical import temperature_scale
from rbmflow.equilibrium import Equilibrium, MeasuredDraws, known, reweighted
from rbmflow.model import Model
from rbmflow.observables import ENERGY
from rbmflow.rbm import RBM
from rbmflow.settings import FlowSettings, MachineSettings
from rbmflow.spin_models import from_settings
from rbmflow.steps.kind import asked, system
from rbmflow.steps.kinds.machine_step import layers
from rbmflow.store import Damaged, Step

LARGEST, MOST = 250_000, 500_000
"""Weights of a machine, and of all machines of a page, at most."""

DEPTHS = np.concatenate([np.arange(0, 4, 0.02), np.arange(4, 23, 0.1)])
"""Depths of the energy at which its temperature is told, see `Curve`."""


def live_of(results: Step, read: Callable[[Step], xr.Dataset]) -> xr.Dataset:
    """The machines of a run, first seed, as `live_machines` gives them; `left_out` has a sentence on each other one.

    `read` gives the data of the steps that the results build on.
    """
    model, by_hash = from_settings(*system(results.settings)), {step.hash: step for step in results.parents}
    if unfit := _unfit(model, results.parents):
        return xr.Dataset(attrs={"left_out": [f"no machine runs in this page: {unfit}"]})
    machines: dict[str, RBM] = {}
    left_out, room = [], MOST
    for row in results.settings["machines"]:
        one = _machine_of(by_hash[row["artifacts"][0]], min(LARGEST, room), read)
        if isinstance(one, RBM):
            machines[row["label"]] = one
            room -= one.weights.size
        else:
            left_out.append(f"the machine {row['label']} does not run in this page: {one}")
    if not machines:
        return xr.Dataset(attrs={"left_out": left_out})
    try:
        drawn = (read(step) for step in results.parents if step.kind == "equilibrium")
        equilibrium = known(model) or reweighted(MeasuredDraws.from_dataset(next(drawn)))
    except Damaged as damage:
        return xr.Dataset(attrs={"left_out": [f"no machine runs in this page: {damage.reason}"]})
    return live_machines(model, machines, equilibrium).assign_attrs(left_out=left_out)


def _machine_of(step: Step, most: int, read: Callable[[Step], xr.Dataset]) -> RBM | str:
    """A machine of at most so many weights, or why it is none that a page iterates."""
    kind, size = asked(step.settings, MachineSettings).kind, math.prod(layers(step.settings).values())
    if kind != "rbm":
        return f"it is of kind {kind}, not rbm"
    if size > most:
        return f"it has {size} weights; a page carries {LARGEST} of one machine and {MOST} of all"
    try:
        machine = RBM.from_dataset(read(step))
    except Damaged as damage:
        return damage.reason
    return machine if machine.finite else "its training diverged"


def _unfit(model: Model, steps: tuple[Step, ...]) -> str:
    """What keeps the machines of a run from being iterated by a page, if anything does."""
    if model.states != (-1, 1) or model.couplings is None or model.ground_states != model.states:
        return "it has starts of ferromagnetic Ising models without a field alone"
    halves = next(asked(step.settings, FlowSettings).halves for step in steps if step.kind == "flow")
    return "" if halves == "sampled" else f"it samples both layers, and the flows of this run are {halves}"


def live_machines(model: Model, machines: Mapping[str, RBM], equilibrium: Equilibrium) -> xr.Dataset:
    """Machines of the Ising model in units -1/+1, and all that their flows need: bonds, and T(E) by `equilibrium`.

    Machines with fewer hidden units than others have free ones, which change nothing, in the place of the rest.
    """
    lattice, curve = model.lattice, equilibrium.curve(ENERGY)
    ground, free = float(curve.mean[0]), float(curve.mean[-1])
    parts = [machine.in_units("-1/+1").to_dataset().drop_attrs() for machine in machines.values()]
    whole = xr.concat(
        [part.assign_coords({axis: np.arange(size) for axis, size in part.sizes.items()}) for part in parts],
        "machine",
        join="outer",
        fill_value=0.0,
    )
    temperature = curve.temperature_of(ground + (free - ground) * np.exp(-DEPTHS))
    with np.errstate(divide="ignore"):
        coupling = 1 / temperature
    bonds = [[*bond[:3], model.couplings[bond.kind]] for bond in lattice.bonds]  # pyright: ignore
    return (
        whole.assign_coords(
            machine=list(machines), hidden_units=("machine", [part.sizes["hidden"] for part in parts]), depth=DEPTHS
        )
        .assign(
            coupling=("depth", coupling),
            energy_error=("depth", curve.error_at(temperature)),
            ground_energy=ground,
            free_energy=free,
            gap=model.gap / lattice.sites,
            hottest=math.ceil(2.6 * temperature_scale(model)),
        )
        .assign_attrs(cells=list(lattice.cells), basis=lattice.basis, bonds=json.dumps(bonds))
    )
