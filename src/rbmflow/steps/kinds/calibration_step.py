"""Calibration: every thermometer on fresh draws at the temperatures of the run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rbmflow.settings import CLASSIFIERS
from rbmflow.steps.kind import Task, flagged, of_run, step
from rbmflow.steps.kinds.equilibrium_step import read_by
from rbmflow.store import Step

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr

    from rbmflow.spec import Spec

TOLERANCE = 0.1
"""A thermometer can be used where deviation and error of a reading together are below this part of the temperature."""

EXCESS = 0.03
"""Cross-entropy in nats above that of the exact posterior from which the neural thermometer is flagged."""


@step(
    version=5,
    holds="""
        calibration calibration_error: real[temperature thermometer] 0 inf
        accuracy: real[classifier] 0 1
        cross_entropy: real[classifier] 0 inf
    """,
    along=lambda settings: {"classifier": 2, "temperature": settings["temperatures"]},
)
def calibration(task: Task) -> xr.Dataset:
    """Read draws whose temperatures are known, and compare."""
    import numpy as np
    import xarray as xr

    from rbmflow import sampler
    from rbmflow.steps.thermometers import Instruments
    from rbmflow.thermometer import accuracy, cross_entropy

    model, temperatures = task.model, task.settings["temperatures"]
    known = Instruments(task, temperatures, *task.parents)
    rows = []
    for temperature in temperatures:
        # Draws at one temperature do not depend on the others, so that only these are in memory.
        spins = sampler.sample(task.key, model, temperature, task.settings["draws"]).spins
        of_classes = np.asarray(known.neural.read(spins)), known.exact.posterior(spins, temperatures)
        rows.append((*known.read_spins(spins), *of_classes))
    read, error, *posterior = (np.concatenate(part) for part in zip(*rows, strict=True))
    true_class = np.broadcast_to(np.arange(len(temperatures))[:, None], posterior[0].shape[:2])
    nats = [float(cross_entropy(one, true_class)) for one in posterior]
    dims = ("temperature", "thermometer")
    usable = _usable(np.array(temperatures), read, error)
    dataset = xr.Dataset(
        {
            "calibration": (dims, read),
            "calibration_error": (dims, error),
            "thermometer_label": ("thermometer", known.labels),
            "usable_from": ("thermometer", usable[0]),
            "usable_to": ("thermometer", usable[1]),
            "cross_entropy": ("classifier", nats),
            "accuracy": ("classifier", [float(accuracy(one, true_class)) for one in posterior]),
            "bayes_cross_entropy_exact": known.exact.best_cross_entropy(temperatures),
            "bayes_accuracy_exact": known.exact.best_accuracy(temperatures),
        },
        {"temperature": temperatures, "thermometer": known.names, "classifier": list(CLASSIFIERS)},
    )
    excess = nats[0] - nats[1]
    text = f"the neural thermometer is {excess:.3f} nats above the exact posterior ({EXCESS} is the limit)"
    return flagged(dataset, *[("thermometer", text)] * (excess > EXCESS))


def _usable(true: np.ndarray, read: np.ndarray, error: np.ndarray) -> np.ndarray:
    """Ends [2, thermometer] of the longest stretch of temperatures in which each thermometer can be used."""
    import numpy as np

    with np.errstate(invalid="ignore"):
        good = np.abs(read - true[:, None]) + error <= TOLERANCE * np.where(np.isfinite(true), true, 0.0)[:, None]
    ends = np.full((2, read.shape[1]), np.nan)
    for column in range(read.shape[1]):
        # Stretches of good temperatures lie between the bad ones.
        bad = np.concatenate([[-1], np.flatnonzero(~good[:, column]), [true.size]])
        widest = int(np.argmax(np.diff(bad)))
        if bad[widest + 1] - bad[widest] > 1:
            ends[:, column] = true[bad[widest] + 1], true[bad[widest + 1] - 1]
    return ends


def calibration_of(spec: Spec, *instruments: Step) -> Step:
    """The one of a run."""
    settings = {**of_run(spec), "temperatures": list(spec.sampling.temperatures), "draws": spec.sampling.draws}
    return calibration.step("thermometer check", settings | read_by(spec), *instruments)
