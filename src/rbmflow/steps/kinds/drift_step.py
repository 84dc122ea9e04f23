"""What a machine does to exact configurations of every temperature, and how far it is from balance on its mixture."""

from typing import Any

from rbmflow.steps.kind import Task, step
from rbmflow.steps.kinds.likelihood_step import FEW, HORIZONS

STEPS = (1, 3, 10, 30, 100)
"""Gibbs steps over which the balance is measured."""

OF_DRIFT = ("abs_magnetization", "off_curve")
"""What is kept of the drift; that of the energy stands with the likelihood."""


@step(
    version=2,
    takes="seed model",
    holds="""
        drift_abs_magnetization: real[drift_temperature horizon] -1 1
        drift_off_curve: real[drift_temperature horizon] -1 1
        drift_abs_magnetization_error drift_off_curve_error: real[drift_temperature horizon] 0 inf
        balance: real[gibbs_steps]
        balance_error: real[gibbs_steps] 0 inf
        balance_energy: real[gibbs_steps] -{change} {change}
        balance_energy_error: real[gibbs_steps] 0 inf
    """,
)
def drift(task: Task) -> dict[str, Any]:
    """What a few iterations change of exact configurations, and some of the mixture; NaN if the machine diverged."""
    import numpy as np

    from rbmflow.dataset import Draws
    from rbmflow.drift import balance, beside_critical, drift_field
    from rbmflow.observables import MAGNETIZATION
    from rbmflow.random import split
    from rbmflow.rbm import RBM
    from rbmflow.steps.thermometers import first_to_know, sources_of

    trained, drawn, *curves = task.parents
    for_draws, for_flow, for_balance = split(task.key, 3)
    model, machine, everywhere = task.model, RBM.from_dataset(trained), Draws.from_dataset(drawn)
    temperatures, spins = beside_critical(for_draws, model, everywhere, FEW)
    axes = {"drift_temperature": temperatures, "horizon": np.array(HORIZONS), "gibbs_steps": np.array(STEPS)}
    by_temperature, by_steps = np.full((len(temperatures), len(HORIZONS)), np.nan), np.full(len(STEPS), np.nan)
    values = {f"drift_{name}{end}": by_temperature for name in OF_DRIFT for end in ("", "_error")}
    values |= {f"balance{of}{end}": by_steps for of in ("", "_energy") for end in ("", "_error")}
    if machine.finite:
        truth = first_to_know(MAGNETIZATION, sources_of(model, *curves)) if curves else None
        field = drift_field(for_flow, machine, model, spins, HORIZONS, truth)
        values = {f"drift_{name}{end}": getattr(field, f"{name}{end}") for name in OF_DRIFT for end in ("", "_error")}
        mixture = everywhere.first(FEW).at(tuple(task.settings["mixture"]))
        found = balance(for_balance, machine, model, mixture, STEPS)
        values |= {"balance": found.correlators, "balance_error": found.correlators_error}
        values |= {"balance_energy": found.energy, "balance_energy_error": found.energy_error}
    return axes | values
