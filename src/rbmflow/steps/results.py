"""The results of a run: everything the figures and tables show, joined by machine, seed and start, with errors."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any

import numpy as np
import xarray as xr

from rbmflow._variables import RESULTS, described, labelled
from rbmflow.convergence import DOUBTS, FlowEnds, end_of_flows
from rbmflow.critical import critical_temperature
from rbmflow.diagnostics import mean_and_joined_error
from rbmflow.lattice import Lattice
from rbmflow.settings import MachineSettings, SamplingSettings, TrainingSettings, dotted, start_label
from rbmflow.steps import over_seeds
from rbmflow.steps.kind import Task, system
from rbmflow.steps.thermometers import best_of
from rbmflow.steps.weights import weights_of_all
from rbmflow.store import Step

OF_MACHINE = {
    *("spectrum", "cascade", "likelihood", "drift", "checkpoint_flow", "thermodynamics", "couplings", "correlators"),
    *("layers", "prediction"),
}
"""Kinds of steps that measure a machine, their first parent."""

type Found = dict[tuple[str, ...], xr.Dataset]


def gather(task: Task) -> xr.Dataset:
    """Put the data of all steps of a run side by side and average over seeds.

    Whose the data of a parent are is told by its own parents, the hash of the machine and the start, and never by their
    names or their order. The coordinates `artifact` and `recipe` say which machines these are and what they were made
    with; the settings have for every machine its label and its artifacts, by seed.
    """
    step = task.step
    found = {_whose(parent): dataset for parent, dataset in zip(step.parents, task.parents, strict=True)}
    steps = {parent.hash: parent for parent in step.parents}
    machines, starts = step.settings["machines"], step.settings["starts"]
    hashes = [machine["artifacts"] for machine in machines]
    recipes = [_recipe(steps[row[0]]) for row in hashes]
    coordinates = {
        "machine": [machine["label"] for machine in machines],
        "machine_type": ("machine", [machine["type"] for machine in machines]),
        "hidden_units": ("machine", [recipe["machine.hidden"] for recipe in recipes]),
        "training_temperature": ("machine", [_only(recipe["temperatures"]) for recipe in recipes]),
        "recipe": ("machine", [json.dumps(recipe) for recipe in recipes]),
        "artifact": (("machine", "seed"), hashes),
        "seed": np.arange(len(hashes[0])),
        "start": starts,
    }
    every = [found["reading", one, start] for row in hashes for one in row for start in starts]
    shape = (len(machines), len(hashes[0]), len(starts))
    read = _unflatten(xr.concat(every, "flat"), ("machine", "seed", "start"), shape)
    # What the figures show by displacement are planes.
    unseen = [] if task.model.lattice.displacement_axes == ("dy", "dx") else ["null_correlation"]
    parts = [
        found["calibration",],
        xr.concat([found["null", machine["null"]] for machine in machines], "machine").drop_vars(unseen),
        over_seeds.averages(read),
        _ends(read),
        over_seeds.off_manifold(read),
        _of_all(found, "machine", hashes, ["reconstruction", "weight_norm"]),
        _weights(task, found, hashes, steps),
        _one_of_seeds(_of_all(found, "cascade", hashes), "growing_waves"),
        likelihood := over_seeds.likelihood(_of_all(found, "likelihood", hashes)),
        over_seeds.from_exact(_of_all(found, "drift", hashes), likelihood),
        over_seeds.predicted(_of_all(found, "prediction", hashes)),
        over_seeds.one_temperature(_of_all(found, "thermodynamics", hashes), "thermodynamics", "thermodynamics_error"),
        over_seeds.one_temperature(_of_all(found, "couplings", hashes), "coupling"),
        _along_training(_of_all(found, "checkpoint_flow", hashes), starts),
        _scaling(found, hashes, starts),
        over_seeds.correlators(_of_all(found, "correlators", hashes), task.model.lattice),
        over_seeds.layers(_of_all(found, "layers", hashes)),
        _examples(task.model.lattice, [[found["flow", row[0], start] for start in starts] for row in hashes]),
        references := _references(task, found),
        *(data for whose, data in found.items() if whose in (("renormalization",), ("stability",))),
    ]
    there = [part for part in parts if part is not None]
    dataset = xr.merge(there, join="outer", compat="no_conflicts", combine_attrs="drop").assign_coords(coordinates)
    dataset = dataset.drop_vars(["visible", "visible_other"], errors="ignore")
    task.flags.extend(_flags(task, dataset))
    return described(dataset.assign_attrs(title="RBM flows", **references.attrs, **_words(task)), RESULTS)


def _weights(task: Task, found: Found, hashes: list[list[str]], steps: dict[str, Step]) -> xr.Dataset | None:
    """What spectra tell of the weights; of maps and lattices whose weights are not taken apart the updates alone."""
    if any(whose[0] == "spectrum" for whose in found):
        spectra = [[found["spectrum", one] for one in row] for row in hashes]
        return weights_of_all(task.model.lattice, spectra, [found[_whose(steps[row[0]])] for row in hashes])
    updates = _of_all(found, "machine", hashes, ["update"])
    return None if updates is None else updates.isel(seed=0)


def _words(task: Task) -> dict[str, Any]:
    """How a report calls the model and its lattice."""
    model, lattice = system(task.settings)
    names = {"ising": "Ising", "potts": f"{model.q}-state Potts", "clock": f"{model.q}-state clock"}
    values = {"J": " ".join(f"{j:g}" for j in model.couplings), "h": model.field, "D": model.crystal_field}
    told = [f"{symbol} = {value}" for symbol, value in values.items() if value]
    return {
        "model": names.get(model.kind, "Blume-Capel"),
        "convention": ", ".join([task.model.convention, *told]),
        "lattice": f"{lattice.kind} torus {' x '.join(map(str, lattice.sides))}",
        "length": min(lattice.sides),
        "states": list(model.states),
    }


def _whose(step: Step) -> tuple[str, ...]:
    """What the data of a step are of: its kind, then the hash of the machine, then the label of the start."""
    match step.kind:
        case "flow":
            return step.kind, step.parents[0].hash, start_label(step.settings["start"])
        case "reading" | "scaling":
            return step.kind, *_whose(step.parents[0])[1:]
        case kind if kind in OF_MACHINE:
            return step.kind, step.parents[0].hash
        case "machine" | "control" | "null":
            return step.kind, step.hash
        case "learner" | "given":
            return "machine", step.hash
        case _:
            return (step.kind,)


def _only(temperatures: Sequence[float]) -> float:
    return temperatures[0] if len(temperatures) == 1 else np.nan


def _recipe(machine: Step) -> dict[str, Any]:
    """Every setting that a machine was made with but for its replica, by the dotted name of a spec."""
    weights = "trained"
    if machine.kind == "control":
        weights, machine = machine.settings["weights"], machine.parents[0]
    draws = machine.parents[0].settings
    model, lattice = system(draws)
    known = dotted(
        model=model,
        lattice=lattice,
        sampling=SamplingSettings(**draws["sampling"]),
        machine=MachineSettings(**machine.settings["machine"]),
        training=TrainingSettings(**machine.settings.get("training", {})),
    )
    if machine.kind == "given":  # How it was trained is not known.
        known |= {name: None for name in known if name.startswith("training.")}
    own = {"temperatures": [float(t) for t in machine.settings["temperatures"]], "data": draws.get("data", "ising")}
    return {"seed": machine.settings["seed"], **known, **own, "weights": weights}


def _unflatten(dataset: xr.Dataset, dims: tuple[str, ...], shape: tuple[int, ...]) -> xr.Dataset:
    """Split the axis `flat` of a dataset into several, without labels."""
    split = {}
    for name, variable in dataset.data_vars.items():
        moved = variable.transpose("flat", ...)
        rest = [str(dim) for dim in moved.dims[1:]]
        split[name] = ((*dims, *rest), moved.values.reshape(*shape, *moved.shape[1:]))
    return xr.Dataset(split, {name: dataset[name] for name in dataset.coords if "flat" not in dataset[name].dims})


def _of_all(found: Found, kind: str, hashes: list[list[str]], names: list[str] | None = None) -> xr.Dataset | None:
    """Data of a kind of step that not every machine has, with the axes machine and seed; NaN for those without."""
    of_kind = {whose[1]: data for whose, data in found.items() if whose[0] == kind}
    had = {one: data[names] if names else data for one, data in of_kind.items() if set(names or ()) <= set(data)}
    if not had:
        return None
    nothing = xr.full_like(next(iter(had.values())).astype(float), np.nan)
    whole = xr.concat([had.get(one, nothing) for row in hashes for one in row], "flat", join="outer")
    return _unflatten(whole, ("machine", "seed"), (len(hashes), len(hashes[0])))


def _one_of_seeds(every: xr.Dataset | None, *names: str) -> xr.Dataset | None:
    """The same data, of which these are of what all seeds have learnt from, and have no axis of seeds."""
    return every and every.assign({name: every[name].isel(seed=0) for name in names})


def _ends(read: xr.Dataset) -> xr.Dataset:
    """What `end_of_flows` says of every machine and thermometer; T* is the mean end of those that have converged."""
    order = ("machine", "thermometer", "seed", "start", "iteration")
    temperature, error, of_curve = (read[name].transpose(*order).values for name in over_seeds.OF_READING)
    was_read = read["was_read"].isel(machine=0, seed=0, start=0).transpose("thermometer", "iteration").values
    found = [
        [end_of_flows(*row, was_read[place]) for place, row in enumerate(zip(*of_machine, strict=True))]
        for of_machine in zip(temperature, error, of_curve, strict=True)
    ]

    def table(of: Callable[[FlowEnds], Any]) -> np.ndarray:
        values = np.array([[of(one) for one in row] for row in found])
        return values if values.ndim == 2 else values.transpose(0, 2, 1)

    told = [entry.name for entry in fields(FlowEnds) if entry.name not in ("doubts", "seeds")]
    ends = {name: table(lambda one, name=name: getattr(one, name)) for name in (*told, "converged")}
    ends |= {f"doubt_{name}": table(lambda one, name=name: name in one.doubts) for name in DOUBTS}
    parts = ("", "_error", "_chain_error")
    ends |= {f"fixed_point{one}": np.where(ends["converged"], ends[f"mean_end{one}"], np.nan) for one in parts}
    return labelled(ends, {"thermometer": read["thermometer"]})


def _along_training(flows: xr.Dataset | None, starts: Sequence[str]) -> xr.Dataset:
    """Where the flows of every checkpoint end by T(E), as `_ends` tells it of the last; NaN where there is none."""
    if flows is None:
        return xr.Dataset()
    temperature, error = flows["checkpoint_temperature_read"], flows["checkpoint_temperature_read_error"]
    read = xr.Dataset({"temperature_read": temperature, "temperature_read_error": error}).assign(
        temperature_read_curve_error=flows.get("checkpoint_temperature_read_curve_error", xr.zeros_like(temperature)),
        was_read=xr.ones_like(temperature, dtype=bool),
    )
    read = read.rename(stage="iteration").drop_vars("iteration").expand_dims(thermometer=["energy"])
    ends = [_ends(read.isel(checkpoint=number)) for number in range(flows.sizes["checkpoint"])]
    told = xr.concat(ends, "checkpoint").isel(thermometer=0, drop=True)
    kept = ("end_temperature", "end_error", "end_chain_error", "mean_end", "mean_end_error", "converged")
    found = {f"checkpoint_{name}": told[name] for name in kept}
    found["checkpoint_energy"] = flows["checkpoint_energy"].isel(stage=-1)
    return labelled(found, {"checkpoint": np.arange(flows.sizes["checkpoint"]), "start": starts})


def _scaling(found: Found, hashes: list[list[str]], starts: Sequence[str]) -> xr.Dataset:
    """Scaling dimensions and two-point functions along the flows, with their means over seeds."""
    if not any(whose[0] == "scaling" for whose in found):
        return xr.Dataset()
    every = [found["scaling", one, start] for row in hashes for one in row for start in starts]
    fits = _unflatten(
        xr.concat(every, "flat"), ("machine", "seed", "start"), (len(hashes), len(hashes[0]), len(starts))
    )
    told = {}
    for name in ("scaling_dimension", "axis_correlation"):
        told |= over_seeds.mean_over_seeds(fits, name, mean_and_joined_error, name, f"{name}_error", error="mean_error")
    known = {"scaling_known": every[0]["scaling_known"]}
    kept = fits.drop_vars(["axis_correlation", "axis_correlation_error", "scaling_known"])
    return kept.assign(labelled(told | known, fits.coords))


def _examples(lattice: Lattice, flows: Sequence[Sequence[xr.Dataset]]) -> xr.Dataset:
    """The first chain of the first seed at a few iterations, as images: planes below, sites of a cell side by side."""
    kept = flows[0][0]["snapshot"].values.tolist()
    shown = sorted({0, 1, 2, 5, 10, 20, kept[-1]} & set(kept))
    spins = [[flow["spins"].sel(snapshot=shown).isel(chain=0).values for flow in row] for row in flows]
    images = np.array(spins).reshape(len(flows), len(flows[0]), len(shown), math.prod(lattice.cells[:-1]), -1)
    return labelled({"example": images}, {"snapshot": shown})


def _references(task: Task, found: Found) -> xr.Dataset:
    """T_c and the maximum of the specific heat; NaN where there is no T_c or it is not known."""
    drawn = [found["equilibrium",]] if ("equilibrium",) in found else []
    truth = best_of(task.model, *drawn)
    peak, error = truth.specific_heat_peak()
    told = {
        "critical_temperature": critical_temperature(task.model) or np.nan,
        "specific_heat_peak_temperature": peak,
        "specific_heat_peak_error": error,
        "chains": task.settings["chains"],
    }
    return labelled(told).assign_attrs(known_by=truth.by)


def _flags(task: Task, dataset: xr.Dataset) -> list[dict[str, str]]:
    """Flags of all steps, and one for every machine whose flows have not converged."""
    flags = [
        {"where": parent.name, **entry}
        for parent, data in zip(task.step.parents, task.parents, strict=True)
        for entry in json.loads(data.attrs.get("flags", "[]"))  # Earlier artifacts of the same hash tell none.
    ]
    flags = [entry for number, entry in enumerate(flags) if entry not in flags[:number]]
    for place, machine in enumerate(dataset["machine"].values):
        for name, text in DOUBTS.items():
            row = dataset[f"doubt_{name}"].isel(machine=place)
            by = [str(thermometer) for thermometer in row["thermometer"].values[row.values]]
            if by:
                message = f"no fixed point by {', '.join(by)}: {text}"
                flags.append({"where": str(machine), "what": "not converged", "message": message})
    return flags
