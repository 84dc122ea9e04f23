"""How good a trained machine is: its excess nats along the training, and whether its chains reach equilibrium."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rbmflow.steps.kind import Task, flagged, of_run, step
from rbmflow.steps.kinds.draws_step import unseen_draws
from rbmflow.store import Step
from rbmflow.store.expected import Expected

if TYPE_CHECKING:
    import jax
    import xarray as xr

    from rbmflow.likelihood import LogPartition
    from rbmflow.model import Ising
    from rbmflow.rbm import RBM
    from rbmflow.spec import Spec

ALONG = {"chains": 100, "steps": 200}
"""Flows and annealing of a checkpoint; the last machine has those of `LAST`."""

LAST = {"chains": 250, "steps": 1000}

METHODS = ("exact", "draws", "annealed")

NAMES = {
    "excess": "excess nats over the training mixture on fresh configurations",
    "excess_error": "standard error of the excess",
    "log_partition": "ln Z",
    "log_partition_error": "standard error of ln Z",
    "log_partition_method": f"how ln Z was found, a number of {', '.join(METHODS)} from 0 on",
    "log_partition_forward": "ln Z by the direction towards the machine alone",
    "log_partition_reverse": "ln Z by the direction away from the machine alone",
    "log_partition_check": "ln Z by Bennett's ratio between draws of the mixture and flows of the machine",
    "log_partition_check_error": "standard error of this",
    "effective_share": "effective share of the draws in the machine",
    "checkpoint_update": "gradient updates of the checkpoint",
    "checkpoint_excess": "excess nats of the checkpoint",
    "checkpoint_excess_error": "standard error of the excess of the checkpoint",
    "checkpoint_log_partition_method": "how ln Z of the checkpoint was found, as log_partition_method",
    "tau_energy": "autocorrelation time of E, Gibbs steps",
    "tau_abs_magnetization": "autocorrelation time of |m|, Gibbs steps",
    "energy_overlap": "overlap of the histogram of E with that of the training mixture",
    "abs_magnetization_overlap": "overlap of the histogram of |m| with that of the training mixture",
    "cold_and_hot_agree": "whether chains from cold and hot starts end alike: 1 yes, 0 no",
}
"""Variables of the step with their meaning."""


def _holds(settings: Mapping[str, Any]) -> Expected:
    rows = """
        excess log_partition: real[]
        excess_error log_partition_error tau_energy tau_abs_magnetization: real[] 0 inf
        energy_overlap abs_magnetization_overlap cold_and_hot_agree: real[] 0 1
        checkpoint_update checkpoint_excess_error: real[checkpoint] 0 inf
    """
    return Expected(rows)


@step(version=2, holds=_holds)
def likelihood(task: Task) -> xr.Dataset:
    """Excess nats of the machine and its checkpoints, and the equilibrium checks; NaN where there is no number."""
    import jax
    import numpy as np
    import xarray as xr

    from rbmflow.dataset import Draws
    from rbmflow.likelihood import excess_nats, log_partition
    from rbmflow.rbm import RBM
    from rbmflow.training import Checkpoints

    trained, drawn = task.parents
    for_last, for_chains, *for_checkpoints = jax.random.split(task.key, 2 + trained.sizes["checkpoint"])
    model, grid = task.model, tuple(task.settings["mixture"])
    fresh = Draws.from_dataset(drawn).at(grid)
    machine, kept = RBM.from_dataset(trained), Checkpoints.from_dataset(trained)
    values: dict[str, Any] = dict.fromkeys(NAMES, np.nan)
    flags: list[str] = []
    if machine.finite:
        partition = log_partition(for_last, machine, model, fresh, **LAST)
        excess = excess_nats(machine, model, fresh, partition)
        values |= _told(partition) | {"excess": excess.mean, "excess_error": excess.error}
        values |= _relaxation(for_chains, machine, model, grid)
        flags += excess.flags
    rows, below = np.full((len(for_checkpoints), 3), np.nan), []
    for number, key in enumerate(for_checkpoints):
        one = kept.machine(number)
        if not one.finite:
            continue
        partition = log_partition(key, one, model, fresh, **ALONG)
        excess = excess_nats(one, model, fresh, partition)
        rows[number] = excess.mean, excess.error, METHODS.index(partition.method)
        if excess.mean < 0:
            below.append(f"{number} ({excess.mean:.2g} +- {excess.error:.2g} nats)")
    if below:
        flags.append(f"the excess is below zero, where a divergence cannot be, at checkpoint {', '.join(below)}")
    values["checkpoint_update"] = np.asarray(kept.update, float)
    of_checkpoints = ("checkpoint_excess", "checkpoint_excess_error", "checkpoint_log_partition_method")
    values |= dict(zip(of_checkpoints, rows.T, strict=True))
    variables = {
        name: (("checkpoint",) if name.startswith("checkpoint") else (), value, {"long_name": NAMES[name]})
        for name, value in values.items()
    }
    whole = xr.Dataset(variables, {"checkpoint": np.arange(len(rows))})
    return flagged(whole, *(("likelihood", text) for text in flags))


def _told(partition: LogPartition) -> dict[str, float]:
    """What is kept of ln Z."""
    return {
        "log_partition": partition.value,
        "log_partition_error": partition.error,
        "log_partition_method": METHODS.index(partition.method),
        "log_partition_forward": partition.forward,
        "log_partition_reverse": partition.reverse,
        "log_partition_check": partition.check,
        "log_partition_check_error": partition.check_error,
        "effective_share": partition.share,
    }


def _relaxation(key: jax.Array, machine: RBM, model: Ising, temperatures: tuple[float, ...]) -> dict[str, float]:
    """The checks that need the exact distribution of m; nothing where it is not known."""
    from rbmflow import exact
    from rbmflow.relaxation import relax

    if not exact.magnetization_known(model):
        return {}
    found = relax(key, machine, model, temperatures)
    return {
        "tau_energy": found.tau_energy,
        "tau_abs_magnetization": found.tau_magnetization,
        "energy_overlap": found.energy_overlap,
        "abs_magnetization_overlap": found.abs_magnetization_overlap,
        "cold_and_hot_agree": float(found.agree),
    }


def likelihood_of(spec: Spec, name: str, label: str, machine: Step) -> tuple[Step, Step]:
    """That of a machine of a type, by its label, after the draws that it needs."""
    unseen = unseen_draws(spec, name)
    settings = {**of_run(spec), "mixture": list(spec.type_temperatures(name))}
    return unseen, likelihood.step(f"likelihood {label}", settings, machine, unseen)
