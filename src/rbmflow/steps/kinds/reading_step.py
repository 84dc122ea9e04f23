"""Reading: every thermometer at every iteration of a flow, and how far the flow is off the manifold of equilibrium."""

from typing import Any

from rbmflow.settings import CLASSIFIERS
from rbmflow.steps.kind import Task, step

COMPARED_ITERATIONS = (1, 5, 20, 100, 400)
"""Iterations that are compared with true configurations, besides the last."""


@step(
    version=7,
    takes="seed model sampling.temperatures",
    holds="""
        temperature_read temperature_read_error temperature_read_curve_error: real[iteration thermometer] 0 inf
        was_read: truth[iteration thermometer]
        probability: real[iteration classifier bin] 0 1
        probability_error: real[iteration classifier bin] 0 inf
        energy: real[iteration] -{e} {e}
        abs_magnetization magnetization_2 magnetization_4 domains step_distance: real[iteration] 0 1
        energy_error abs_magnetization_error magnetization_2_error magnetization_4_error: real[iteration] 0 inf
        domains_error step_distance_error: real[iteration] 0 inf
        correlation: real[iteration {displacement}] -1 1
        off_distance off_floor: real[compared feature] 0 inf
        off_p_value: real[compared feature] 0 1
    """,
    along=lambda settings: {"classifier": 2, "bin": settings["temperatures"]},
)
def reading(task: Task) -> dict[str, Any]:
    """Read the configurations of a flow and average over its chains."""
    import numpy as np

    from rbmflow.diagnostics import mean_and_error
    from rbmflow.equilibrium.source import mean_class
    from rbmflow.measurements import Measurements
    from rbmflow.steps.off_manifold import FEATURES, off_manifold
    from rbmflow.steps.thermometers import Instruments, at_kept

    temperatures, (flow, *read_with) = task.settings["temperatures"], task.parents
    measured, kept, spins = Measurements.from_dataset(flow), flow["snapshot"].values, flow["spins"].values
    iteration = np.arange(len(measured.energy))
    known = Instruments(task, temperatures, *read_with)
    neural = np.asarray(known.neural.read(spins), np.float64)
    read, was_read = known.read_flow(measured, spins, mean_class(neural), kept)
    bayes = mean_and_error(known.best.posterior_of_energy(measured.energy, temperatures), axis=1)
    of_neural = [at_kept(kept, iteration.size, values) for values in mean_and_error(neural, axis=1)]
    probability, probability_error = (np.stack(both, axis=1) for both in zip(of_neural, bayes, strict=True))
    compared = [at for at in COMPARED_ITERATIONS if at < iteration[-1]] + [int(iteration[-1])]
    by_energy = read.temperature[:, known.names.index("energy")]
    off = off_manifold(task.key, task.model, measured, compared, by_energy)
    found = {
        "temperature_read": read.temperature,
        "temperature_read_error": read.error,
        "temperature_read_curve_error": read.curve_error,
        "was_read": was_read,
        "probability": probability,
        "probability_error": probability_error,
        "correlation": measured.correlation,
        **dict(zip(("off_distance", "off_floor", "off_p_value"), np.moveaxis(off, -1, 0), strict=True)),
    }
    for name, (mean, error) in measured.averages().items():
        found |= {name: mean, f"{name}_error": error}
    if bool(flow.get("diverged", False)):
        nothing = {name: np.full(values.shape, np.nan) for name, values in found.items() if name != "was_read"}
        found |= nothing
    return found | {
        "iteration": iteration,
        "thermometer": known.names,
        "classifier": CLASSIFIERS,
        "bin": temperatures,
        "compared": compared,
        "feature": list(FEATURES),
    }
