"""What machines of one kind but for their seed have in common: means over seeds, with errors."""

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr
from scipy.special import chdtrc

from rbmflow._variables import RESULTS, labelled
from rbmflow.convergence import mean_temperature
from rbmflow.diagnostics import mean_and_error, mean_and_joined_error, root_mean_square
from rbmflow.drift import vanishing
from rbmflow.lattice import Lattice
from rbmflow.spectrum import displacement_classes

AVERAGED = ("energy", "abs_magnetization", "magnetization_2", "magnetization_4", "domains", "step_distance")
"""Averages over chains, each with its error, that are averaged over seeds besides the temperatures."""

OF_DRAWS = ("excess", "checkpoint_excess", "stationary_temperature", "checkpoint_stationary_temperature")
"""What is measured of every seed on the same configurations."""

OF_READING = ("temperature_read", "temperature_read_error", "temperature_read_curve_error")

LAYER_EXPONENT = ("layer_exponent", "layer_exponent_error")


def mean_over_seeds(
    data: xr.Dataset, name: str, join: Callable[..., tuple[np.ndarray, np.ndarray]], *sources: str, error: str = "error"
) -> dict[str, np.ndarray]:
    """Mean of a variable over seeds, with its error, from it and what is known of its noise."""
    dims = RESULTS[f"{name}_mean"].dims
    joined = join(*(data[source].transpose("seed", *dims).values for source in sources or (name,)))
    return dict(zip((f"{name}_mean", f"{name}_{error}"), joined, strict=True))


def averages(read: xr.Dataset) -> xr.Dataset:
    """Means over seeds at every iteration, with joined errors where those of the chains are known."""
    averages: dict[str, Any] = {"temperature_read": read["temperature_read"]}
    averages |= mean_over_seeds(read, "temperature", mean_temperature, *OF_READING)
    for name in (*AVERAGED, "probability"):
        averages |= mean_over_seeds(read, name, mean_and_joined_error, name, f"{name}_error")
    if read["correlation"].dims[-3:] == ("iteration", "dy", "dx"):
        averages |= mean_over_seeds(read, "correlation", mean_and_error)
    return labelled(averages, read.coords)


def off_manifold(read: xr.Dataset) -> xr.Dataset:
    """Distance of flow configurations from true ones at their T(E): means over seeds, and one p-value of all seeds."""
    # Fisher: machines of different seeds and their chains are independent.
    by_seed = read["off_p_value"]
    statistic = -2 * by_seed.copy(data=np.log(by_seed.values)).sum("seed", skipna=False)
    found = {
        **mean_over_seeds(read, "off_distance", mean_and_error),
        "off_floor": read["off_floor"].mean("seed", skipna=False),
        "off_p_value": statistic.copy(data=chdtrc(2 * read.sizes["seed"], statistic.values)),
        "off_p_of_seed": by_seed.isel(compared=-1).sel(feature="joint"),
    }
    return labelled(found, {name: read[name] for name in ("compared", "feature")})


def _on_same_draws(values: np.ndarray, error: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean over seeds that were all measured on the same configurations, with its error.

    That of the configurations does not show in the scatter of the seeds, nor fall with their number.
    """
    mean, scatter = mean_and_error(values)
    return mean, np.hypot(np.nan_to_num(scatter), root_mean_square(error))


def likelihood(every: xr.Dataset | None) -> xr.Dataset:
    """Excess nats and equilibrium checks; NaN for machines that have none, and where checkpoints are fewer."""
    if every is None:
        return xr.Dataset()
    averages = {"ising_divergence": every["ising_divergence"].isel(seed=0)}
    for name in OF_DRAWS:
        averages |= mean_over_seeds(every, name, _on_same_draws, name, f"{name}_error", error="mean_error")
    averages |= mean_over_seeds(every, "drift_energy", mean_and_joined_error, "drift_energy", "drift_energy_error")
    # The updates of all checkpoints stand with the weights.
    left = every.drop_vars(["checkpoint_update", "ising_divergence", "drift_energy", "drift_energy_error"])
    return left.assign(labelled(averages))


def from_exact(every: xr.Dataset | None, likelihood: xr.Dataset) -> xr.Dataset:
    """What becomes of exact configurations of every temperature, and of the training mixture, besides their energy."""
    if every is None:
        return xr.Dataset()
    told: dict[str, Any] = {}
    for name in ("drift_abs_magnetization", "drift_off_curve", "balance", "balance_energy"):
        told |= mean_over_seeds(every, name, _on_same_draws, name, f"{name}_error")
    changes = {f"drift_energy_{part}": likelihood[f"drift_energy_{part}"].values for part in ("mean", "error")} | told
    for name, sign in (("drift_energy", 1), ("drift_abs_magnetization", -1)):
        change, error = sign * changes[f"{name}_mean"], changes[f"{name}_error"]
        told |= _where_vanishing(name, every["drift_temperature"].values, change, error)
    return labelled(told, every.coords)


def predicted(every: xr.Dataset | None) -> xr.Dataset:
    """Stationary law of the checkpoints by theory; seeds differ in their first weights alone."""
    if every is None:
        return xr.Dataset()
    return labelled(mean_over_seeds(every, "predicted_temperature", mean_and_error)).assign(
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


def one_temperature(every: xr.Dataset | None, *sources: str) -> xr.Dataset:
    """What machines of one temperature have in place of their model there, with the mean over seeds."""
    if every is None:
        return xr.Dataset()
    name, join = sources[0], mean_and_joined_error if len(sources) > 1 else mean_and_error
    exact = {f"{name}_exact": every[f"{name}_exact"].isel(seed=0)}
    told = mean_over_seeds(every, name, join, *sources, error="mean_error") | exact
    return every.assign(labelled(told, every.coords))


def correlators(every: xr.Dataset | None, lattice: Lattice) -> xr.Dataset:
    """How correlators of hidden units, of block spins and of single spins decay, with their means over seeds."""
    if every is None:
        return xr.Dataset()
    told = {}
    for name in ("hidden_decay", "block_decay", "site_decay"):
        told |= mean_over_seeds(every, name, mean_and_error, error="mean_error")
    # Of stacks, whose weights are not taken apart, nothing else tells how far displacements are.
    distance = ("displacement", displacement_classes(lattice).distance, {"units": "lattice spacings"})
    whole = every.assign(labelled(told)).assign(block_side=every["block_side"].isel(seed=0))
    return whole.assign_coords(distance=distance)


def layers(every: xr.Dataset | None) -> xr.Dataset:
    """Layers of stacks as changes of scale, with their means over seeds; the fields are those of the first seed."""
    if every is None:
        return xr.Dataset()
    told = mean_over_seeds(every, "layer_exponent", mean_and_joined_error, *LAYER_EXPONENT, error="mean_error")
    for name in ("layer_participation", "layer_share"):
        told |= mean_over_seeds(every, name, mean_and_error, error="mean_error")
    first = {name: every[name].isel(seed=0) for name in ("layer_field", "layer_known")}
    first["layer_known"] = first["layer_known"].isel(machine=0)
    return every.assign(labelled(told, every.coords)).assign(first)
