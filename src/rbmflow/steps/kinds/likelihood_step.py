"""How good a trained machine is: its excess nats along the training, and whether its chains reach equilibrium."""

from typing import Any

from rbmflow.steps.kind import Task, step

ALONG = {"chains": 100, "steps": 200}
"""Flows and annealing of a checkpoint; the last machine has those of `LAST`."""

LAST = {"chains": 250, "steps": 1000}

METHODS = ("exact", "draws", "annealed")
"""Ways that ln Z is found, by the numbers that results have of them."""

OF_PARTITION = {
    "log_partition": "value",
    "log_partition_error": "error",
    "log_partition_forward": "forward",
    "log_partition_reverse": "reverse",
    "log_partition_check": "check",
    "log_partition_check_error": "check_error",
    "effective_share": "share",
}
"""What is kept of ln Z, and its name in `LogPartition`."""

OF_RELAXATION = {
    "tau_energy": "tau_energy",
    "tau_abs_magnetization": "tau_magnetization",
    "energy_overlap": "energy_overlap",
    "abs_magnetization_overlap": "abs_magnetization_overlap",
    "cold_and_hot_agree": "agree",
}
"""The same of `Relaxation`, which needs the exact distribution of m: NaN where it is not known."""


@step(
    version=3,
    takes="seed model",
    holds="""
        excess log_partition log_partition_forward log_partition_reverse log_partition_check: real[]
        excess_error log_partition_error log_partition_check_error tau_energy tau_abs_magnetization: real[] 0 inf
        energy_overlap abs_magnetization_overlap cold_and_hot_agree effective_share: real[] 0 1
        log_partition_method: real[] 0 2
        checkpoint_excess: real[checkpoint]
        checkpoint_update checkpoint_excess_error: real[checkpoint] 0 inf
        checkpoint_log_partition_method: real[checkpoint] 0 2
    """,
)
def likelihood(task: Task) -> dict[str, Any]:
    """Excess nats of the machine and its checkpoints, and the equilibrium checks; NaN where there is no number."""
    import numpy as np

    from rbmflow import exact
    from rbmflow.dataset import Draws
    from rbmflow.likelihood import excess_nats, log_partition
    from rbmflow.random import split
    from rbmflow.rbm import RBM
    from rbmflow.relaxation import relax
    from rbmflow.training import Checkpoints

    trained, drawn = task.parents
    for_last, for_chains, *for_checkpoints = split(task.key, 2 + trained.sizes["checkpoint"])
    model, grid = task.model, tuple(task.settings["mixture"])
    fresh = Draws.from_dataset(drawn).at(grid)
    machine, kept = RBM.from_dataset(trained), Checkpoints.from_dataset(trained)
    names = ("excess", "excess_error", "log_partition_method", *OF_PARTITION, *OF_RELAXATION)
    values: dict[str, Any] = dict.fromkeys(names, np.nan)
    if machine.finite:
        partition = log_partition(for_last, machine, model, fresh, **LAST)
        excess = excess_nats(machine, model, fresh, partition)
        values |= {name: float(getattr(partition, part)) for name, part in OF_PARTITION.items()}
        values |= {"excess": excess.mean, "excess_error": excess.error}
        values["log_partition_method"] = float(METHODS.index(partition.method))
        if exact.magnetization_known(model):
            found = relax(for_chains, machine, model, grid)
            values |= {name: float(getattr(found, part)) for name, part in OF_RELAXATION.items()}
        task.flag("likelihood", *excess.flags)
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
        told = f"the excess is below zero, where a divergence cannot be, at checkpoint {', '.join(below)}"
        task.flag("likelihood", told)
    of_checkpoints = ("checkpoint_excess", "checkpoint_excess_error", "checkpoint_log_partition_method")
    values |= dict(zip(of_checkpoints, rows.T, strict=True))
    return values | {"checkpoint_update": np.asarray(kept.update, float), "checkpoint": np.arange(len(rows))}
