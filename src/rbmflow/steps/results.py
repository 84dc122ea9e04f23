"""The results of a run: everything the figures and tables show, joined by machine, seed and start, with errors."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any

import numpy as np
import xarray as xr
from scipy.stats import chi2

from rbmflow._variables import RESULTS, described, labelled
from rbmflow.convergence import DOUBTS, FlowEnds, end_of_flows, mean_temperature
from rbmflow.critical import critical_temperature
from rbmflow.diagnostics import mean_and_error, mean_and_joined_error, root_mean_square
from rbmflow.drift import vanishing
from rbmflow.lattice import Lattice
from rbmflow.settings import MachineSettings, SamplingSettings, TrainingSettings, dotted, start_label
from rbmflow.spectrum import displacement_classes
from rbmflow.steps.kind import Task, system
from rbmflow.steps.thermometers import best_of
from rbmflow.steps.weights import weights_of_all
from rbmflow.store import Step

AVERAGED = ("energy", "abs_magnetization", "magnetization_2", "magnetization_4", "domains", "step_distance")
"""Averages over chains, each with its error, that are averaged over seeds besides the temperatures."""

OF_DRAWS = ("excess", "checkpoint_excess", "stationary_temperature", "checkpoint_stationary_temperature")
"""What is measured of every seed on the same configurations."""

OF_READING = ("temperature_read", "temperature_read_error", "temperature_read_curve_error")

OF_MACHINE = {
    *("spectrum", "cascade", "likelihood", "drift", "checkpoint_flow", "thermodynamics", "couplings", "correlators"),
    *("layers", "prediction"),
}
"""Kinds of steps that measure a machine, their first parent."""

LAYER_EXPONENT = ("layer_exponent", "layer_exponent_error")

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
    if any(whose[0] == "spectrum" for whose in found):
        weights = weights_of_all(
            task.model.lattice,
            [[found["spectrum", one] for one in row] for row in hashes],
            [found[_whose(steps[row[0]])] for row in hashes],
        )
    else:  # Of maps and lattices whose weights are not taken apart, the updates alone.
        updates = _of_all(found, "machine", hashes, ["update"])
        weights = None if updates is None else updates.isel(seed=0)
    # What the figures show by displacement are planes.
    unseen = [] if task.model.lattice.displacement_axes == ("dy", "dx") else ["null_correlation"]
    parts = [
        found["calibration",],
        xr.concat([found["null", machine["null"]] for machine in machines], "machine").drop_vars(unseen),
        _averages(read),
        _ends(read),
        _off_manifold(read),
        _of_all(found, "machine", hashes, ["reconstruction", "weight_norm"]),
        weights,
        _one_of_seeds(_of_all(found, "cascade", hashes), "growing_waves"),
        likelihood := _likelihood(_of_all(found, "likelihood", hashes)),
        _from_exact(_of_all(found, "drift", hashes), likelihood),
        _predicted(_of_all(found, "prediction", hashes)),
        _one_temperature(_of_all(found, "thermodynamics", hashes), "thermodynamics", "thermodynamics_error"),
        _one_temperature(_of_all(found, "couplings", hashes), "coupling"),
        _along_training(_of_all(found, "checkpoint_flow", hashes), starts),
        _scaling(found, hashes, starts),
        _correlators(_of_all(found, "correlators", hashes), task.model.lattice),
        _layers(_of_all(found, "layers", hashes)),
        _examples(task.model.lattice, [[found["flow", row[0], start] for start in starts] for row in hashes]),
        references := _references(task, found),
        *(data for whose, data in found.items() if whose in (("renormalization",), ("stability",))),
    ]
    there = [part for part in parts if part is not None]
    dataset = xr.merge(there, join="outer", compat="no_conflicts", combine_attrs="drop").assign_coords(coordinates)
    dataset = dataset.drop_vars(["visible", "visible_other"], errors="ignore")
    task.flags.extend(_flags(task, dataset))
    return described(dataset.assign_attrs(title="RBM flows", **references.attrs, **_words(task)), RESULTS)


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


def _over_seeds(
    data: xr.Dataset, name: str, join: Callable[..., tuple[np.ndarray, np.ndarray]], *sources: str, error: str = "error"
) -> dict[str, np.ndarray]:
    """Mean of a variable over seeds, with its error, from it and what is known of its noise."""
    dims = RESULTS[f"{name}_mean"].dims
    joined = join(*(data[source].transpose("seed", *dims).values for source in sources or (name,)))
    return dict(zip((f"{name}_mean", f"{name}_{error}"), joined, strict=True))


def _averages(read: xr.Dataset) -> xr.Dataset:
    """Means over seeds at every iteration, with joined errors where those of the chains are known."""
    averages: dict[str, Any] = {"temperature_read": read["temperature_read"]}
    averages |= _over_seeds(read, "temperature", mean_temperature, *OF_READING)
    for name in (*AVERAGED, "probability"):
        averages |= _over_seeds(read, name, mean_and_joined_error, name, f"{name}_error")
    if read["correlation"].dims[-3:] == ("iteration", "dy", "dx"):
        averages |= _over_seeds(read, "correlation", mean_and_error)
    return labelled(averages, read.coords)


def _ends(read: xr.Dataset) -> xr.Dataset:
    """What `end_of_flows` says of every machine and thermometer; T* is the mean end of those that have converged."""
    order = ("machine", "thermometer", "seed", "start", "iteration")
    temperature, error, of_curve = (read[name].transpose(*order).values for name in OF_READING)
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


def _off_manifold(read: xr.Dataset) -> xr.Dataset:
    """Distance of flow configurations from true ones at their T(E): means over seeds, and one p-value of all seeds."""
    # Fisher: machines of different seeds and their chains are independent.
    by_seed = read["off_p_value"]
    statistic = -2 * by_seed.copy(data=np.log(by_seed.values)).sum("seed", skipna=False)
    found = {
        **_over_seeds(read, "off_distance", mean_and_error),
        "off_floor": read["off_floor"].mean("seed", skipna=False),
        "off_p_value": statistic.copy(data=chi2.sf(statistic, 2 * read.sizes["seed"])),
        "off_p_of_seed": by_seed.isel(compared=-1).sel(feature="joint"),
    }
    return labelled(found, {name: read[name] for name in ("compared", "feature")})


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


def _on_same_draws(values: np.ndarray, error: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean over seeds that were all measured on the same configurations, with its error.

    That of the configurations does not show in the scatter of the seeds, nor fall with their number.
    """
    mean, scatter = mean_and_error(values)
    return mean, np.hypot(np.nan_to_num(scatter), root_mean_square(error))


def _likelihood(every: xr.Dataset | None) -> xr.Dataset:
    """Excess nats and equilibrium checks; NaN for machines that have none, and where checkpoints are fewer."""
    if every is None:
        return xr.Dataset()
    averages = {"ising_divergence": every["ising_divergence"].isel(seed=0)}
    for name in OF_DRAWS:
        averages |= _over_seeds(every, name, _on_same_draws, name, f"{name}_error", error="mean_error")
    averages |= _over_seeds(every, "drift_energy", mean_and_joined_error, "drift_energy", "drift_energy_error")
    # The updates of all checkpoints stand with the weights.
    left = every.drop_vars(["checkpoint_update", "ising_divergence", "drift_energy", "drift_energy_error"])
    return left.assign(labelled(averages))


def _from_exact(every: xr.Dataset | None, likelihood: xr.Dataset) -> xr.Dataset:
    """What becomes of exact configurations of every temperature, and of the training mixture, besides their energy."""
    if every is None:
        return xr.Dataset()
    told: dict[str, Any] = {}
    for name in ("drift_abs_magnetization", "drift_off_curve", "balance", "balance_energy"):
        told |= _over_seeds(every, name, _on_same_draws, name, f"{name}_error")
    changes = {f"drift_energy_{part}": likelihood[f"drift_energy_{part}"].values for part in ("mean", "error")} | told
    for name, sign in (("drift_energy", 1), ("drift_abs_magnetization", -1)):
        change, error = sign * changes[f"{name}_mean"], changes[f"{name}_error"]
        told |= _where_vanishing(name, every["drift_temperature"].values, change, error)
    return labelled(told, every.coords)


def _predicted(every: xr.Dataset | None) -> xr.Dataset:
    """Stationary law of the checkpoints by theory; seeds differ in their first weights alone."""
    if every is None:
        return xr.Dataset()
    return labelled(_over_seeds(every, "predicted_temperature", mean_and_error)).assign(
        predicted_rate=every["predicted_rate"].mean("seed", skipna=False)
    )


def _where_vanishing(name: str, temperature: np.ndarray, change: np.ndarray, error: np.ndarray) -> dict[str, Any]:
    """Where a change [machine, temperature, horizon] goes from positive to negative."""
    horizons = range(change.shape[2])
    found = [
        [vanishing(temperature, one[:, at], of_one[:, at]) for at in horizons]
        for one, of_one in zip(change, error, strict=True)
    ]
    rows = np.reshape(found, (len(change), -1, 2))
    return {f"{name}_vanishes": rows[..., 0], f"{name}_vanishes_error": rows[..., 1]}


def _one_temperature(every: xr.Dataset | None, *sources: str) -> xr.Dataset:
    """What machines of one temperature have in place of their model there, with the mean over seeds."""
    if every is None:
        return xr.Dataset()
    name, join = sources[0], mean_and_joined_error if len(sources) > 1 else mean_and_error
    exact = {f"{name}_exact": every[f"{name}_exact"].isel(seed=0)}
    told = _over_seeds(every, name, join, *sources, error="mean_error") | exact
    return every.assign(labelled(told, every.coords))


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
        told |= _over_seeds(fits, name, mean_and_joined_error, name, f"{name}_error", error="mean_error")
    known = {"scaling_known": every[0]["scaling_known"]}
    kept = fits.drop_vars(["axis_correlation", "axis_correlation_error", "scaling_known"])
    return kept.assign(labelled(told | known, fits.coords))


def _correlators(every: xr.Dataset | None, lattice: Lattice) -> xr.Dataset:
    """How correlators of hidden units, of block spins and of single spins decay, with their means over seeds."""
    if every is None:
        return xr.Dataset()
    told = {}
    for name in ("hidden_decay", "block_decay", "site_decay"):
        told |= _over_seeds(every, name, mean_and_error, error="mean_error")
    # Of stacks, whose weights are not taken apart, nothing else tells how far displacements are.
    distance = ("displacement", displacement_classes(lattice).distance, {"units": "lattice spacings"})
    whole = every.assign(labelled(told)).assign(block_side=every["block_side"].isel(seed=0))
    return whole.assign_coords(distance=distance)


def _layers(every: xr.Dataset | None) -> xr.Dataset:
    """Layers of stacks as changes of scale, with their means over seeds; the fields are those of the first seed."""
    if every is None:
        return xr.Dataset()
    told = _over_seeds(every, "layer_exponent", mean_and_joined_error, *LAYER_EXPONENT, error="mean_error")
    for name in ("layer_participation", "layer_share"):
        told |= _over_seeds(every, name, mean_and_error, error="mean_error")
    first = {name: every[name].isel(seed=0) for name in ("layer_field", "layer_known")}
    first["layer_known"] = first["layer_known"].isel(machine=0)
    return every.assign(labelled(told, every.coords)).assign(first)


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
