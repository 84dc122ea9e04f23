"""The results of a run: everything the figures and tables show, with errors over seeds."""

from __future__ import annotations

import json

import numpy as np
import xarray as xr

from rbmflow import exact
from rbmflow.diagnostics import mean_and_error
from rbmflow.lattice import Square
from rbmflow.model import Ising
from rbmflow.store import Step

LEADING = 6
SIGMAS = 3.0

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
        With the axes machine, seed, start, iteration, thermometer, classifier, bin, mode.
    """
    by_kind: Gathered = {}
    for parent, dataset in zip(step.parents, parents, strict=True):
        by_kind.setdefault(parent.kind, []).append(dataset)
    machines, seeds, starts = (step.settings[name] for name in ("machines", "seeds", "starts"))
    coordinates = {
        "machine": [machine["label"] for machine in machines],
        "machine_type": ("machine", [machine["type"] for machine in machines]),
        "hidden_units": ("machine", [machine["hidden"] for machine in machines]),
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
        _training(by_kind, len(machines), seeds),
        _weights(by_kind, len(machines), seeds, step.settings["model"]["length"]),
        _likelihood(by_kind, len(machines), seeds),
        _examples(by_kind["flow"], len(machines), len(starts)),
        _references(step),
    ]
    dataset = xr.merge(parts, join="outer", compat="no_conflicts", combine_attrs="drop").assign_coords(coordinates)
    dataset = dataset.drop_vars(["visible", "visible_other"], errors="ignore")
    length = step.settings["model"]["length"]
    return dataset.assign_attrs(
        title="RBM flows",
        model="Ising",
        lattice=f"square torus {length} x {length}",
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
    names = {
        "temperature_read": "temperature",
        "energy": "energy",
        "abs_magnetization": "abs_magnetization",
        "probability": "probability",
    }
    averages = {"temperature_read": read["temperature_read"]}
    for source, name in names.items():
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
    end_by_seed = temperature.isel(iteration=last).mean("iteration", skipna=False)
    with np.errstate(invalid="ignore"):
        drift_by_seed = end_by_seed - temperature.isel(iteration=before).mean("iteration", skipna=False)
    seeds = temperature.sizes["seed"]
    # Configurations of successive iterations are correlated, so the chain error of the mean is that of one iteration.
    of_one_seed = np.sqrt((chain.isel(iteration=last) ** 2).mean(["iteration", "seed"]))
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
    return dataset.assign({f"doubt_{name}": doubt for name, doubt in doubts.items()} | {"converged": converged})


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


def _training(by_kind: Gathered, machines: int, seeds: int) -> xr.Dataset:
    curves = xr.concat([run[["reconstruction", "weight_norm"]] for run in by_kind["machine"]], "flat", join="outer")
    return _unflatten(curves, "flat", ("machine", "seed"), (machines, seeds))


def _likelihood(by_kind: Gathered, machines: int, seeds: int) -> xr.Dataset:
    """Excess nats and equilibrium checks; ladders of fewer checkpoints end in NaN."""
    joined = xr.concat(by_kind["likelihood"], "flat", join="outer")
    return _unflatten(joined, "flat", ("machine", "seed"), (machines, seeds))


def _weights(by_kind: Gathered, machines: int, seeds: int, length: int) -> xr.Dataset:
    """Singular values of all seeds; W W^T and leading vectors of the first."""
    modes = max(spectrum.sizes["mode"] for spectrum in by_kind["spectrum"])
    visible = length * length
    singular = np.full((machines, seeds, modes), np.nan)
    uniformity = np.full((machines, seeds), np.nan)
    leading = np.full((machines, LEADING, length, length), np.nan)
    product = np.empty((machines, visible, visible))
    for number, spectrum in enumerate(by_kind["spectrum"]):
        machine, seed = divmod(number, seeds)
        values, vectors = spectrum["singular_value"].values, spectrum["visible_vector"].values
        singular[machine, seed, : values.size] = values
        uniformity[machine, seed] = abs(vectors[:, 0].sum()) / length
        if seed == 0:
            product[machine] = spectrum["weight_product"].values
            shown = min(LEADING, values.size)
            leading[machine, :shown] = vectors[:, :shown].T.reshape(shown, length, length)
    return xr.Dataset(
        {
            "singular_value": (("machine", "seed", "mode"), singular),
            "leading_uniformity": (("machine", "seed"), uniformity),
            "leading_vector": (("machine", "leading", "y", "x"), leading),
            "weight_product": (("machine", "visible", "visible_other"), product),
        }
    )


def _examples(flows: list[xr.Dataset], machines: int, starts: int) -> xr.Dataset:
    """The first chain of the first seed at a few iterations."""
    iterations = flows[0]["iteration"].values
    last = int(iterations[-1])
    shown = sorted({0, 1, 2, 5, 10, 20, last} & set(iterations.tolist()))
    spins = np.stack([flow["spins"].sel(iteration=shown).isel(chain=0).values for flow in flows])
    dims = ("machine", "start", "snapshot", "y", "x")
    return xr.Dataset({"example": (dims, spins.reshape(machines, starts, *spins.shape[1:]))}, {"snapshot": shown})


def _references(step: Step) -> xr.Dataset:
    peak, _ = exact.specific_heat_peak(Ising(Square(step.settings["model"]["length"])))
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
