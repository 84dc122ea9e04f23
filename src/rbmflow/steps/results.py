"""The results of a run: everything the figures and tables show, with errors over seeds."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import xarray as xr
from scipy.stats import chi2

from rbmflow import exact
from rbmflow.diagnostics import mean_and_error
from rbmflow.steps.streams import model_of
from rbmflow.steps.study import verdicts_of
from rbmflow.steps.weights import weights_of_all
from rbmflow.store import Step

SIGMAS = 3.0

AVERAGED = (
    *("energy", "abs_magnetization", "magnetization_2", "magnetization_4", "domains", "step_distance"),
    *("correlation", "probability"),
)
"""What is averaged over seeds besides the temperatures."""

type Gathered = dict[str, list[xr.Dataset]]


def gather(step: Step, parents: tuple[xr.Dataset, ...]) -> xr.Dataset:
    """Put the data of all steps of a run side by side and average over seeds.

    Parameters
    ----------
    step
        The results step; its settings list machines, seeds and starts in the order of its parents.
    parents
        Calibration; then for each machine its null, and for each seed training, spectrum, likelihood, and
        readings by start (the first seed has each flow before its reading).

    Returns
    -------
    xr.Dataset
        With the axes machine, seed, start, iteration, thermometer, classifier, bin, mode, and those of `weights`.
    """
    by_kind: Gathered = {}
    for parent, dataset in zip(step.parents, parents, strict=True):
        by_kind.setdefault(parent.kind, []).append(dataset)
    machines, seeds, starts = (step.settings[name] for name in ("machines", "seeds", "starts"))
    coordinates = {
        "machine": [machine["label"] for machine in machines],
        "machine_type": ("machine", [machine["type"] for machine in machines]),
        "hidden_units": ("machine", [machine["hidden"] for machine in machines]),
        "data": ("machine", [_data(machine) for machine in machines]),
        "training_temperatures": ("machine", [json.dumps(machine["temperatures"]) for machine in machines]),
        "seed": np.arange(seeds),
        "start": starts,
    }
    readings = xr.concat(by_kind["reading"], "flat")
    order = ("machine", "seed", "start")
    read = _unflatten(readings, "flat", order, (len(machines), seeds, len(starts)))
    parts = [
        by_kind["calibration"][0],
        xr.concat(by_kind["null"], "machine"),
        _averages(read),
        _ends(read),
        _off_manifold(read),
        _training(by_kind, machines, seeds),
        weights_of_all(by_kind["spectrum"], by_kind["machine"], len(machines), seeds),
        _likelihood(step, by_kind.get("likelihood", [])),
        _along_training(step, by_kind.get("ladder", []), starts),
        _examples(by_kind["flow"], len(machines), len(starts)),
        _references(step),
        *by_kind.get("renormalization", []),
    ]
    dataset = xr.merge(parts, join="outer", compat="no_conflicts", combine_attrs="drop").assign_coords(coordinates)
    dataset = dataset.drop_vars(["visible", "visible_other"], errors="ignore")
    length = model_of(step).lattice.shape[0]
    dataset = dataset.assign_attrs(length=length, **step.settings["recipe"])
    return dataset.assign_attrs(
        title="RBM flows",
        model="Ising",
        lattice=f"square torus {length} x {length}",
        verdicts=json.dumps(verdicts_of(dataset)),
        flags=json.dumps(_flags(step, parents, dataset)),
    )


def _unflatten(dataset: xr.Dataset, flat: str, dims: tuple[str, ...], shape: tuple[int, ...]) -> xr.Dataset:
    """Split one axis of a dataset into several, without labels."""
    split = {}
    for name, variable in dataset.data_vars.items():
        moved = variable.transpose(flat, ...)
        rest = [str(dim) for dim in moved.dims[1:]]
        split[name] = ((*dims, *rest), moved.values.reshape(*shape, *moved.shape[1:]))
    return xr.Dataset(split, {name: dataset[name] for name in dataset.coords if flat not in dataset[name].dims})


def _averages(read: xr.Dataset) -> xr.Dataset:
    """Means and standard errors over seeds at every iteration."""
    averages = {"temperature_read": read["temperature_read"]}
    for source, name in (("temperature_read", "temperature"), *((name, name) for name in AVERAGED)):
        mean, error = mean_and_error(read[source].values, axis=read[source].dims.index("seed"))
        dims = tuple(dim for dim in read[source].dims if dim != "seed")
        averages |= {f"{name}_mean": (dims, mean), f"{name}_error": (dims, error)}
    return xr.Dataset(averages, read.coords)


def _ends(read: xr.Dataset) -> xr.Dataset:
    """Where each flow ended, its drift, and whether it can be called converged.

    The end is the mean over the last quarter of the flow, the drift its difference to the quarter before. A machine
    has converged by a thermometer if the starts lie on both sides of the end, no start drifts, and all starts end
    together, all within three errors; the errors join those over seeds and those of the chains.
    """
    temperature, chain = read["temperature_read"], read["temperature_read_error"]
    iterations = temperature.sizes["iteration"] - 1
    quarter = max(1, iterations // 4)
    last = slice(-quarter, None)
    before = slice(-2 * quarter, -quarter)
    # The neural thermometer reads only the iterations whose configurations are kept.
    was_read = read["was_read"] if "was_read" in read else xr.ones_like(temperature, dtype=bool)
    end_by_seed = _mean_of_read(temperature, was_read, last)
    with np.errstate(invalid="ignore"):
        drift_by_seed = end_by_seed - _mean_of_read(temperature, was_read, before)
    seeds = temperature.sizes["seed"]
    # Configurations of successive iterations are correlated, so the chain error of the mean is that of one iteration.
    of_one_seed = np.sqrt((chain.where(was_read).isel(iteration=last) ** 2).mean(["iteration", "seed"]))
    axis = end_by_seed.dims.index("seed")
    end, end_error = mean_and_error(end_by_seed.values, axis)
    drift, drift_error = mean_and_error(drift_by_seed.values, axis)
    dims = tuple(dim for dim in end_by_seed.dims if dim != "seed")
    # Seeds share the limit of what can be told from zero; all other chain errors average out over them.
    shared = of_one_seed > np.abs(end)
    chain_error = xr.DataArray(of_one_seed).where(shared, of_one_seed / np.sqrt(seeds))
    dataset = xr.Dataset(
        {
            "end_temperature": (dims, end),
            "end_error": (dims, end_error),
            "end_chain_error": chain_error.where(np.isfinite(end)),
            "drift": (dims, np.where(np.isfinite(end), drift, np.nan)),
            "drift_error": (dims, drift_error),
        },
        {"thermometer": read["thermometer"]},
    )
    doubts = _doubts(temperature.isel(iteration=0), end_by_seed, dataset)
    converged = ~xr.concat(list(doubts.values()), "doubt").any("doubt")
    told = {f"doubt_{name}": doubt for name, doubt in doubts.items()} | {"converged": converged}
    dataset = dataset.assign(told).assign(iterations_needed=_needed(temperature, chain, was_read, dataset))
    return dataset.assign(_fixed_point(end_by_seed, dataset))


def _mean_of_read(temperature: xr.DataArray, was_read: xr.DataArray, stretch: slice) -> xr.DataArray:
    """Mean over the iterations of a stretch that were read; NaN if one of these has no reading, or none was read."""
    there = was_read.isel(iteration=stretch)
    total = temperature.isel(iteration=stretch).where(there, 0.0).sum("iteration", skipna=False)
    with np.errstate(invalid="ignore"):
        return total / there.sum("iteration").where(there.any("iteration"))


def _needed(temperature: xr.DataArray, chain: xr.DataArray, was_read: xr.DataArray, ends: xr.Dataset) -> xr.DataArray:
    """First iteration from which on the mean over seeds stays within three errors of the end; NaN without an end."""
    seeds = temperature.sizes["seed"]
    mean, error = mean_and_error(temperature.values, temperature.dims.index("seed"))
    dims = tuple(dim for dim in temperature.dims if dim != "seed")
    variance = (chain**2).mean("seed") / seeds + ends["end_error"].fillna(0) ** 2
    width = xr.DataArray((variance + np.nan_to_num(error) ** 2) ** 0.5)
    with np.errstate(invalid="ignore"):
        off = abs(xr.DataArray(mean, dims=dims) - ends["end_temperature"]) > SIGMAS * width.fillna(np.inf)
    off = (off | (width.isnull() & was_read.all("seed"))) & was_read.all("seed")
    count = off.sizes["iteration"]
    last_off = xr.where(off, xr.DataArray(np.arange(count), dims="iteration"), -1).max("iteration")
    return (last_off + 1.0).where(np.isfinite(ends["end_temperature"]))


def _fixed_point(end_by_seed: xr.DataArray, ends: xr.Dataset) -> dict[str, xr.DataArray]:
    """T*: the mean end of all starts where the flows have converged, its errors over seeds and over chains apart."""
    over_starts = end_by_seed.mean("start", skipna=False)
    mean, error = mean_and_error(over_starts.values, over_starts.dims.index("seed"))
    dims = tuple(dim for dim in over_starts.dims if dim != "seed")
    of_chains = (ends["end_chain_error"] ** 2).sum("start") ** 0.5 / end_by_seed.sizes["start"]
    found = {"fixed_point": mean, "fixed_point_error": error}
    told = {name: xr.DataArray(values, dims=dims).where(ends["converged"]) for name, values in found.items()}
    return told | {"fixed_point_chain_error": of_chains.where(ends["converged"])}


def _off_manifold(read: xr.Dataset) -> xr.Dataset:
    """Distance of flow configurations from true ones at their T(E): means over seeds, and one p-value of all seeds."""
    seed = read["off_distance"].dims.index("seed")
    dims = tuple(dim for dim in read["off_distance"].dims if dim != "seed")
    mean, error = mean_and_error(read["off_distance"].values, seed)
    # Fisher: machines of different seeds and their chains are independent.
    statistic = -2 * np.log(read["off_p_value"].values).sum(axis=seed)
    found = {
        "off_distance_mean": mean,
        "off_distance_error": error,
        "off_floor": read["off_floor"].values.mean(axis=seed),
        "off_p_value": chi2.sf(statistic, 2 * read.sizes["seed"]),
    }
    coordinates = {name: read[name] for name in ("compared", "feature")}
    joined = xr.Dataset({name: (dims, values) for name, values in found.items()}, coordinates)
    last = read["off_p_value"].isel(compared=-1).sel(feature="joint")
    return joined.assign(off_p_of_seed=(last.dims, last.values))


DOUBTS = {
    "range": "a reading is infinite",
    "drift": "a start still drifts",
    "apart": "the starts end apart",
    "one_sided": "the starts do not lie on both sides of the end",
}
"""What may keep a machine from having a fixed point by a thermometer, in the order in which it is told."""


def _doubts(start_by_seed: xr.DataArray, end_by_seed: xr.DataArray, ends: xr.Dataset) -> dict[str, xr.DataArray]:
    """Which of `DOUBTS` there are, by machine and thermometer."""
    # An end that cannot be told from zero counts as the highest temperature it may have, and exactly so: joined to
    # the error of another start, its own wide one would let that start end anywhere below.
    unresolved = ends["end_chain_error"] > abs(ends["end_temperature"])
    end_by_seed = end_by_seed.where(~unresolved, np.maximum(end_by_seed, ends["end_chain_error"]))
    chain = ends["end_chain_error"].where(~unresolved, 0.0)
    drift_error = np.hypot(ends["drift_error"].fillna(0), np.sqrt(2) * ends["end_chain_error"])
    drifts = xr.DataArray(abs(ends["drift"]) > SIGMAS * drift_error).any("start")
    apart = xr.zeros_like(drifts)
    for one in range(end_by_seed.sizes["start"]):
        for other in range(one):
            with np.errstate(invalid="ignore"):
                distance = end_by_seed.isel(start=one) - end_by_seed.isel(start=other)
            # The same machines serve all starts, so the difference is taken seed by seed.
            mean, error = mean_and_error(distance.values, distance.dims.index("seed"))
            chains = np.hypot(chain.isel(start=one), chain.isel(start=other))
            apart = apart | (np.abs(mean) > SIGMAS * np.hypot(np.nan_to_num(error), chains))
    infinite = ~xr.DataArray(np.isfinite(ends["end_temperature"])).all("start")
    one_sided = ~_both_sides(start_by_seed, end_by_seed, chain)
    return {"range": infinite, "drift": drifts & ~infinite, "apart": apart & ~infinite, "one_sided": one_sided}


def _both_sides(start_by_seed: xr.DataArray, end_by_seed: xr.DataArray, chain: xr.DataArray) -> xr.DataArray:
    """Whether some start begins at or below the ends and some at or above: one side alone may just be slow."""
    end, margin = end_by_seed.mean(["seed", "start"]), SIGMAS * chain.max("start")
    begin = start_by_seed.mean("seed")
    if begin.sizes["start"] < 2:
        return xr.zeros_like(end, dtype=bool)
    return (begin.min("start") <= end + margin) & (begin.max("start") >= end - margin)


def _training(by_kind: Gathered, machines: list[dict], seeds: int) -> xr.Dataset:
    """Training curves; a type that is not trained has none."""
    curves = xr.concat([run[["reconstruction", "weight_norm"]] for run in by_kind["machine"]], "flat", join="outer")
    split = _unflatten(curves, "flat", ("machine", "seed"), (len(machines), seeds))
    return split.where(xr.DataArray([machine["weights"] == "trained" for machine in machines], dims="machine"))


def _data(machine: dict[str, Any]) -> str:
    """What a machine has learnt from; a control, which has learnt nothing, is called by its weights."""
    return machine["data"] if machine["weights"] == "trained" else machine["weights"]


def _of_all(step: Step, kind: str, found: list[xr.Dataset]) -> xr.Dataset:
    """Data of a kind of step that not every machine has, with the axes machine and seed; NaN for those without."""
    labels = [machine["label"] for machine in step.settings["machines"]]
    names = [parent.name for parent in step.parents if parent.kind == kind]
    by_name = dict(zip(names, found, strict=True))
    seeds = step.settings["seeds"]
    nothing = xr.full_like(found[0].astype(float), np.nan)
    every = [by_name.get(f"{kind} {label} seed {seed}", nothing) for label in labels for seed in range(seeds)]
    return _unflatten(xr.concat(every, "flat", join="outer"), "flat", ("machine", "seed"), (len(labels), seeds))


def _along_training(step: Step, found: list[xr.Dataset], starts: list[str]) -> xr.Dataset:
    """Where the flows of every checkpoint end by T(E), as `_ends` tells it of the last; NaN where there is none."""
    if not found:
        return xr.Dataset()
    ladder = _of_all(
        step, "ladder", [one.assign_coords(checkpoint=np.arange(one.sizes["checkpoint"])) for one in found]
    )
    read = ladder[["ladder_temperature_read", "ladder_temperature_read_error"]].rename(
        ladder_temperature_read="temperature_read",
        ladder_temperature_read_error="temperature_read_error",
        stage="iteration",
    )
    read = read.drop_vars("iteration").expand_dims(thermometer=["energy"], axis=-1)
    ends = [_ends(read.isel(checkpoint=rung)) for rung in range(ladder.sizes["checkpoint"])]
    told = xr.concat(ends, "checkpoint").isel(thermometer=0, drop=True)
    energy = ladder["ladder_energy"].isel(stage=-1)
    return xr.Dataset(
        {f"ladder_{name}": told[name] for name in ("end_temperature", "end_error", "end_chain_error", "converged")}
        | {
            "ladder_energy": (energy.dims, energy.values),
            "ladder_update": (("machine", "checkpoint"), ladder["ladder_update"].isel(seed=0).values),
        },
        {"checkpoint": ladder["checkpoint"], "start": starts},
    )


def _likelihood(step: Step, found: list[xr.Dataset]) -> xr.Dataset:
    """Excess nats and equilibrium checks; NaN for machines that have none, and where ladders have fewer checkpoints."""
    if not found:
        return xr.Dataset()
    every = _of_all(step, "likelihood", found)
    excess = every["checkpoint_excess"]
    mean, error = mean_and_error(excess.values, excess.dims.index("seed"))
    told = {"mean": mean, "error": error, "update": every["checkpoint_update"].isel(seed=0).values}
    return every.assign({f"ladder_excess_{part}": (("machine", "checkpoint"), told[part]) for part in told})


def _examples(flows: list[xr.Dataset], machines: int, starts: int) -> xr.Dataset:
    """The first chain of the first seed at a few iterations."""
    kept = flows[0]["snapshot"].values.tolist()
    shown = sorted({0, 1, 2, 5, 10, 20, kept[-1]} & set(kept))
    spins = np.stack([flow["spins"].sel(snapshot=shown).isel(chain=0).values for flow in flows])
    dims = ("machine", "start", "snapshot", "y", "x")
    return xr.Dataset({"example": (dims, spins.reshape(machines, starts, *spins.shape[1:]))}, {"snapshot": shown})


def _references(step: Step) -> xr.Dataset:
    peak, _ = exact.specific_heat_peak(model_of(step))
    return xr.Dataset(
        {
            "critical_temperature": exact.critical_temperature(),
            "specific_heat_peak_temperature": float(peak),
            "chains": step.settings["chains"],
        }
    )


def _flags(step: Step, parents: tuple[xr.Dataset, ...], dataset: xr.Dataset) -> list[dict[str, str]]:
    """Flags of all steps, and one for every machine whose flows have not converged."""
    flags = [entry for parent in parents for entry in json.loads(parent.attrs.get("flags", "[]"))]
    flags = [entry for number, entry in enumerate(flags) if entry not in flags[:number]]
    for machine in dataset["machine"].values:
        for name, text in DOUBTS.items():
            row = dataset[f"doubt_{name}"].sel(machine=machine)
            by = [str(thermometer) for thermometer in row["thermometer"].values[row.values]]
            if by:
                message = f"no fixed point by {', '.join(by)}: {text}"
                flags.append({"where": str(machine), "what": "not converged", "message": message})
    return flags
