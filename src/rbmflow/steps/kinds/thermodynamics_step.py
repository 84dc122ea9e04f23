"""Thermodynamics of a machine that has learnt one temperature, against what its model has there."""

from typing import Any

from rbmflow.steps.kind import Task, step


@step(
    version=1,
    takes="seed model",
    holds="""
        thermodynamics thermodynamics_exact: real[quantity]
        thermodynamics_error: real[quantity] 0 inf
    """,
)
def thermodynamics(task: Task) -> dict[str, Any]:
    """Chains of the machine from fresh configurations of its temperature; NaN where nothing is known."""
    import numpy as np

    from rbmflow import one_temperature as own
    from rbmflow.dataset import Draws
    from rbmflow.likelihood import LogPartition
    from rbmflow.rbm import RBM

    trained, drawn, *likelihood = task.parents
    temperature, machine = task.settings["temperature"], RBM.from_dataset(trained)
    told = dict.fromkeys(own.QUANTITIES, (np.nan, np.nan))
    if machine.finite:
        start = Draws.from_dataset(drawn).at((temperature,)).spins[0]
        sums = [LogPartition(float(one["log_partition"]), float(one["log_partition_error"])) for one in likelihood]
        told = own.thermodynamics(task.key, machine, task.model, start, temperature, partition=next(iter(sums), None))
    value, error = np.array(list(told.values())).T
    exact = own.thermodynamics_of(task.model, temperature)
    return {
        "quantity": list(own.QUANTITIES),
        "thermodynamics": value,
        "thermodynamics_error": error,
        "thermodynamics_exact": np.array(list(exact.values())),
    }
