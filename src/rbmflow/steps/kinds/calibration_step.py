"""Calibration: every thermometer on fresh draws at the temperatures of the run."""

from typing import Any

from rbmflow.settings import CLASSIFIERS
from rbmflow.steps.kind import Task, step

EXCESS = 0.03
"""Cross-entropy in nats above that of the exact posterior from which the neural thermometer is flagged."""


@step(
    version=6,
    takes="seed model sampling.temperatures sampling.draws",
    holds="""
        calibration calibration_error: real[temperature thermometer] 0 inf
        thermometer_label: text[thermometer]
        usable_from usable_to: real[thermometer] 0 inf
        accuracy: real[classifier] 0 1
        cross_entropy: real[classifier] 0 inf
        bayes_cross_entropy_exact: real[] 0 inf
        bayes_accuracy_exact: real[] 0 1
    """,
    along=lambda settings: {"classifier": 2, "temperature": settings["temperatures"]},
)
def calibration(task: Task) -> dict[str, Any]:
    """Read draws whose temperatures are known, and compare."""
    import numpy as np

    from rbmflow import sampler
    from rbmflow.steps.thermometers import Instruments, usable
    from rbmflow.thermometer import accuracy, cross_entropy

    model, temperatures = task.model, task.settings["temperatures"]
    known = Instruments(task, temperatures, *task.parents)
    rows = []
    for temperature in temperatures:
        # Draws at one temperature do not depend on the others, so that only these are in memory.
        spins = sampler.sample(task.key, model, temperature, task.settings["draws"]).spins
        of_classes = np.asarray(known.neural.read(spins)), known.best.posterior(spins, temperatures)
        rows.append((*known.read_spins(spins), *of_classes))
    read, error, *posterior = (np.concatenate(part) for part in zip(*rows, strict=True))
    true_class = np.broadcast_to(np.arange(len(temperatures))[:, None], posterior[0].shape[:2])
    nats = [float(cross_entropy(one, true_class)) for one in posterior]
    excess = nats[0] - nats[1]
    if excess > EXCESS:
        text = f"the neural thermometer is {excess:.3f} nats above the exact posterior ({EXCESS} is the limit)"
        task.flag("thermometer", text)
    lowest, highest = usable(np.array(temperatures), read, error)
    return {
        "temperature": temperatures,
        "thermometer": known.names,
        "classifier": CLASSIFIERS,
        "calibration": read,
        "calibration_error": error,
        "thermometer_label": known.labels,
        "usable_from": lowest,
        "usable_to": highest,
        "cross_entropy": nats,
        "accuracy": [float(accuracy(one, true_class)) for one in posterior],
        "bayes_cross_entropy_exact": known.best.best_cross_entropy(temperatures),
        "bayes_accuracy_exact": known.best.best_accuracy(temperatures),
    }
