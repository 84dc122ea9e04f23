"""How good a trained machine is: its excess nats along the training, its stationary law, and what its chains do."""

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

OF_LAW = {
    "stationary_energy": "energy",
    "stationary_energy_error": "energy_error",
    "stationary_temperature": "temperature",
    "stationary_temperature_error": "temperature_error",
    "stationary_mixture_overlap": "mixture_overlap",
    "stationary_ising_overlap": "ising_overlap",
}
"""The same of `Stationary`."""

ALONG_TRAINING = (
    *("excess", "excess_error", "log_partition_method"),
    *("stationary_temperature", "stationary_temperature_error"),
)
"""What is measured of every checkpoint."""

HORIZONS = (1, 10)
"""Iterations after which exact configurations are looked at again."""

FEW = 250
"""Configurations at each temperature for what is measured at many checkpoints or temperatures."""


@step(
    version=5,
    takes="seed model",
    holds="""
        excess log_partition log_partition_forward log_partition_reverse log_partition_check: real[]
        excess_error log_partition_error log_partition_check_error tau_energy tau_abs_magnetization: real[] 0 inf
        energy_overlap abs_magnetization_overlap cold_and_hot_agree effective_share: real[] 0 1
        stationary_energy: real[] -{e} {e}
        stationary_energy_error stationary_temperature stationary_temperature_error ising_divergence: real[] 0 inf
        stationary_mixture_overlap stationary_ising_overlap: real[] 0 1.001
        drift_energy: real[drift_temperature horizon] -{change} {change}
        drift_energy_error: real[drift_temperature horizon] 0 inf
        log_partition_method: real[] 0 2
        checkpoint_excess: real[checkpoint]
        checkpoint_update checkpoint_excess_error: real[checkpoint] 0 inf
        checkpoint_stationary_temperature checkpoint_stationary_temperature_error: real[checkpoint] 0 inf
        checkpoint_log_partition_method: real[checkpoint] 0 2
    """,
)
def likelihood(task: Task) -> dict[str, Any]:
    """Excess nats and stationary law of the machine and its checkpoints, and what chains do; NaN where no number is.

    Probabilities of configurations are exact where formulas, a sum or a transfer matrix tell ln Z of the model, else
    those that equilibrium draws tell, with their error.
    """
    import numpy as np

    from rbmflow import exact
    from rbmflow._format import with_error
    from rbmflow.dataset import Draws
    from rbmflow.likelihood import ising_divergence, log_mixture_probability
    from rbmflow.random import split
    from rbmflow.rbm import RBM
    from rbmflow.relaxation import relax
    from rbmflow.steps.thermometers import best_of
    from rbmflow.training import Checkpoints

    trained, drawn, *curves = task.parents
    for_last, for_chains, for_drift, *for_checkpoints = split(task.key, 3 + trained.sizes["checkpoint"])
    model, grid = task.model, tuple(task.settings["mixture"])
    truth = best_of(model, *curves)
    everywhere = Draws.from_dataset(drawn)
    fresh = everywhere.at(grid)
    few = fresh.first(FEW)
    machine, kept = RBM.from_dataset(trained), Checkpoints.from_dataset(trained)
    names = ("excess", "excess_error", "log_partition_method", *OF_PARTITION, *OF_RELAXATION, *OF_LAW)
    values: dict[str, Any] = dict.fromkeys(names, np.nan) | {"ising_divergence": ising_divergence(truth, grid)}
    values |= _drift(for_drift, machine, model, everywhere)
    if machine.finite:
        partition, excess, law = _measured(for_last, machine, truth, fresh, LAST)
        values |= {name: float(getattr(partition, part)) for name, part in OF_PARTITION.items()}
        values |= {"excess": excess.mean, "excess_error": excess.error}
        values["log_partition_method"] = float(METHODS.index(partition.method))
        values |= {name: float(getattr(law, part)) for name, part in OF_LAW.items()}
        if exact.magnetization_known(model):
            found = relax(for_chains, machine, model, grid)
            values |= {name: float(getattr(found, part)) for name, part in OF_RELAXATION.items()}
        task.flag("likelihood", *excess.flags)
    rows, below = np.full((len(for_checkpoints), len(ALONG_TRAINING)), np.nan), []
    log_mixture = log_mixture_probability(truth, few.temperatures, few)
    for number, key in enumerate(for_checkpoints):
        one = kept.machine(number)
        if not one.finite:
            continue
        partition, excess, law = _measured(key, one, truth, few, ALONG, log_mixture)
        of_law = law.temperature, law.temperature_error
        rows[number] = excess.mean, excess.error, METHODS.index(partition.method), *of_law
        if excess.mean < 0:
            below.append(f"{number} ({with_error(excess.mean, excess.error)} nats)")
    if below:
        told = f"the excess is below zero, where a divergence cannot be, at checkpoint {', '.join(below)}"
        task.flag("likelihood", told)
    values |= {f"checkpoint_{name}": column for name, column in zip(ALONG_TRAINING, rows.T, strict=True)}
    return values | {"checkpoint_update": np.asarray(kept.update, float), "checkpoint": np.arange(len(rows))}


def _measured(
    key: Any, machine: Any, truth: Any, drawn: Any, effort: dict[str, int], log_mixture: Any = None
) -> tuple[Any, Any, Any]:
    """The ln Z, the excess nats and the stationary law of a machine, by one set of weights of the draws."""
    from rbmflow.likelihood import excess_nats, log_partition, log_weights, stationary_law

    weights = log_weights(machine, truth, drawn, log_mixture)
    partition = log_partition(key, machine, truth, drawn, **effort, weights=weights)
    excess = excess_nats(machine, truth, drawn, partition, weights)
    return partition, excess, stationary_law(machine, truth, drawn, weights)


def _drift(key: Any, machine: Any, model: Any, draws: Any) -> dict[str, Any]:
    """Mean change of E per site of exact configurations in a few iterations, at every temperature drawn and at T_c."""
    import numpy as np

    from rbmflow.drift import beside_critical, drift_field
    from rbmflow.random import split

    for_draws, for_flow = split(key)
    temperatures, spins = beside_critical(for_draws, model, draws, FEW)
    changes = np.full((2, len(temperatures), len(HORIZONS)), np.nan)
    if machine.finite:
        changes = drift_field(for_flow, machine, model, spins, HORIZONS)
    axes = {"drift_temperature": temperatures, "horizon": np.array(HORIZONS)}
    return axes | {"drift_energy": changes[0], "drift_energy_error": changes[1]}
