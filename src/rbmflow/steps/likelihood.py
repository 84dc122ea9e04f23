"""How good a trained machine is: its excess nats along the training, and whether its chains reach equilibrium."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import xarray as xr

from rbmflow import exact
from rbmflow.dataset import Draws
from rbmflow.equilibrium import equilibrium
from rbmflow.likelihood import LogPartition, annealed_log_partition, exact_log_partition, excess_nats
from rbmflow.model import Ising
from rbmflow.rbm import RBM
from rbmflow.settings import LARGEST_SUMMED_LAYER
from rbmflow.training import Ladder

ALONG = {"chains": 100, "levels": 200, "equilibration": 50}
"""Annealing of a checkpoint; the last machine is annealed with `LAST`."""

LAST = {"chains": 250, "levels": 1000, "equilibration": 200}

NAMES = {
    "excess": "excess nats over the training mixture on fresh configurations",
    "excess_error": "standard error of the excess",
    "log_partition": "ln Z",
    "log_partition_error": "standard error of ln Z",
    "log_partition_forward": "ln Z by annealing towards the machine alone",
    "log_partition_reverse": "ln Z by annealing away from the machine alone",
    "checkpoint_update": "gradient updates of the checkpoint",
    "checkpoint_excess": "excess nats of the checkpoint",
    "checkpoint_excess_error": "standard error of the excess of the checkpoint",
    "tau_energy": "autocorrelation time of E, Gibbs steps",
    "tau_abs_magnetization": "autocorrelation time of |m|, Gibbs steps",
    "energy_overlap": "overlap of the histogram of E with that of the training mixture",
    "abs_magnetization_overlap": "overlap of the histogram of |m| with that of the training mixture",
    "cold_and_hot_agree": "whether chains from cold and hot starts end alike: 1 yes, 0 no",
}
"""Variables of the step with their meaning."""


def likelihood(
    key: jax.Array, trained: xr.Dataset, drawn: xr.Dataset, model: Ising, temperatures: list[float]
) -> xr.Dataset:
    """Excess nats of the machine and its checkpoints, and the equilibrium checks; NaN where there is no number.

    Parameters
    ----------
    key
        JAX random key.
    trained
        The data of a machine and of its training.
    drawn
        Configurations that were not trained on, at these temperatures among others.
    model, temperatures
        The mixture that it was trained on.
    """
    for_last, for_chains, *for_checkpoints = jax.random.split(key, 2 + trained.sizes["checkpoint"])
    grid = tuple(temperatures)
    fresh = Draws.from_dataset(drawn).at(grid)
    machine, ladder = RBM.from_dataset(trained), Ladder.from_dataset(trained)

    def excess(machine: RBM, partition: LogPartition) -> tuple[float, float]:
        return excess_nats(machine, model, grid, fresh, partition)

    values: dict[str, Any] = dict.fromkeys(NAMES, np.nan)
    if machine.finite:
        partition = _partition(for_last, machine, LAST)
        values["excess"], values["excess_error"] = excess(machine, partition)
        values |= {"log_partition": partition.value, "log_partition_error": partition.error}
        values |= {"log_partition_forward": partition.forward, "log_partition_reverse": partition.reverse}
        values |= _equilibrium(for_chains, machine, model, grid)
    rows = []
    for number, key_of_one in enumerate(for_checkpoints):
        one = ladder.machine(number)
        rows.append(excess(one, _partition(key_of_one, one, ALONG)) if one.finite else (np.nan, np.nan))
    values["checkpoint_update"] = np.asarray(ladder.update, float)
    values["checkpoint_excess"], values["checkpoint_excess_error"] = np.array(rows).T
    variables = {
        name: (("checkpoint",) if name.startswith("checkpoint") else (), value, {"long_name": NAMES[name]})
        for name, value in values.items()
    }
    return xr.Dataset(variables, {"checkpoint": np.arange(len(rows))})


def _partition(key: jax.Array, machine: RBM, annealing: dict[str, int]) -> LogPartition:
    if min(machine.weights.shape) <= LARGEST_SUMMED_LAYER:
        return exact_log_partition(machine)
    return annealed_log_partition(key, machine, **annealing)


def _equilibrium(key: jax.Array, machine: RBM, model: Ising, temperatures: tuple[float, ...]) -> dict[str, float]:
    """The checks that need the exact distribution of m; nothing where it is not known."""
    if not exact.magnetization_known(model):
        return {}
    found = equilibrium(key, machine, model, temperatures)
    return {
        "tau_energy": found.tau_energy,
        "tau_abs_magnetization": found.tau_magnetization,
        "energy_overlap": found.energy_overlap,
        "abs_magnetization_overlap": found.abs_magnetization_overlap,
        "cold_and_hot_agree": float(found.agree),
    }
