"""How good a trained machine is: its excess nats along the training, and whether its chains reach equilibrium."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rbmflow.steps.kind import Task, flagged, of_run, step
from rbmflow.steps.kinds.draws_step import unseen_draws
from rbmflow.store import Step

if TYPE_CHECKING:
    import xarray as xr

    from rbmflow.spec import Spec

ALONG = {"chains": 100, "steps": 200}
"""Flows and annealing of a checkpoint; the last machine has those of `LAST`."""

LAST = {"chains": 250, "steps": 1000}

METHODS = ("exact", "draws", "annealed")

OF_PARTITION = {
    "log_partition": ("value", "ln Z"),
    "log_partition_error": ("error", "standard error of ln Z"),
    "log_partition_forward": ("forward", "ln Z by the direction towards the machine alone"),
    "log_partition_reverse": ("reverse", "ln Z by the direction away from the machine alone"),
    "log_partition_check": ("check", "ln Z by Bennett's ratio between draws of the mixture and flows of the machine"),
    "log_partition_check_error": ("check_error", "standard error of this"),
    "effective_share": ("share", "effective share of the draws in the machine"),
}
"""What is kept of ln Z: its name in `LogPartition`, and what it is."""

OF_RELAXATION = {
    "tau_energy": ("tau_energy", "autocorrelation time of E, Gibbs steps"),
    "tau_abs_magnetization": ("tau_magnetization", "autocorrelation time of |m|, Gibbs steps"),
    "energy_overlap": ("energy_overlap", "overlap of the histogram of E with that of the training mixture"),
    "abs_magnetization_overlap": ("abs_magnetization_overlap", "the same of |m|"),
    "cold_and_hot_agree": ("agree", "whether chains from cold and hot starts end alike: 1 yes, 0 no"),
}
"""The same of `Relaxation`, which needs the exact distribution of m: NaN where it is not known."""

NAMES = {
    "excess": "excess nats over the training mixture on fresh configurations",
    "excess_error": "standard error of the excess",
    "log_partition_method": f"how ln Z was found, a number of {', '.join(METHODS)} from 0 on",
    "checkpoint_update": "gradient updates of the checkpoint",
    "checkpoint_excess": "excess nats of the checkpoint",
    "checkpoint_excess_error": "standard error of the excess of the checkpoint",
    "checkpoint_log_partition_method": "how ln Z of the checkpoint was found, as log_partition_method",
} | {name: meaning for table in (OF_PARTITION, OF_RELAXATION) for name, (_, meaning) in table.items()}


@step(
    version=3,
    holds="""
        excess log_partition: real[]
        excess_error log_partition_error tau_energy tau_abs_magnetization: real[] 0 inf
        energy_overlap abs_magnetization_overlap cold_and_hot_agree: real[] 0 1
        checkpoint_update checkpoint_excess_error: real[checkpoint] 0 inf
    """,
)
def likelihood(task: Task) -> xr.Dataset:
    """Excess nats of the machine and its checkpoints, and the equilibrium checks; NaN where there is no number."""
    import jax
    import numpy as np
    import xarray as xr

    from rbmflow import exact
    from rbmflow.dataset import Draws
    from rbmflow.likelihood import excess_nats, log_partition
    from rbmflow.rbm import RBM
    from rbmflow.relaxation import relax
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
        values |= {name: getattr(partition, part) for name, (part, _) in OF_PARTITION.items()}
        values |= {"excess": excess.mean, "excess_error": excess.error}
        values["log_partition_method"] = METHODS.index(partition.method)
        if exact.magnetization_known(model):
            found = relax(for_chains, machine, model, grid)
            values |= {name: float(getattr(found, part)) for name, (part, _) in OF_RELAXATION.items()}
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


def likelihood_of(spec: Spec, name: str, label: str, machine: Step) -> tuple[Step, Step]:
    """That of a machine of a type, by its label, after the draws that it needs."""
    unseen = unseen_draws(spec, name)
    settings = {**of_run(spec), "mixture": list(spec.type_temperatures(name))}
    return unseen, likelihood.step(f"likelihood {label}", settings, machine, unseen)
