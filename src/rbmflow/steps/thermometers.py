"""Which thermometers a run has, and what all of them read."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float64

from rbmflow.equilibrium import Equilibrium, MeasuredDraws, Transferred, known, reweighted
from rbmflow.measurements import Measurements
from rbmflow.model import Model
from rbmflow.observables import Observable
from rbmflow.settings import CLASSIFIERS, OBSERVABLES, ReadingSettings
from rbmflow.steps.kind import Task
from rbmflow.thermometer import NeuralThermometer, Reading, Thermometer

TOLERANCE = 0.1
"""A thermometer can be used where deviation and error of a reading together are below this part of the temperature."""


class Instruments:
    """The thermometers of a run by name, in the order in which they are shown.

    `temperatures` are the classes of the classifiers; `neural` and `curves` data of the parents of the step that reads:
    the neural thermometer, and equilibrium draws if some curve is not known exactly. `best` knows the energy at every
    temperature, by formulas, a sum or a transfer matrix, else from these draws.
    """

    def __init__(self, task: Task, temperatures: Sequence[float], neural: xr.Dataset, *curves: xr.Dataset):
        self.neural = NeuralThermometer.from_dataset(neural)
        self.sources = sources_of(task.model, *curves)
        self.best = self.sources[0]
        self.bayes = Thermometer(self.best.mean_class(temperatures), self.best)
        self.names = list(ReadingSettings(**task.settings.get("reading", {})).thermometers)
        self.known: dict[str, Any] = {name: self._made(name) for name in self.names}

    def _made(self, name: str) -> Any:
        if name in CLASSIFIERS:
            return getattr(self, name)
        observable = OBSERVABLES[name]
        return Thermometer(observable, self.source_of(observable) or self.best)

    def source_of(self, observable: Observable) -> Equilibrium | None:
        """The first equilibrium that knows an observable."""
        return first_to_know(observable, self.sources)

    @property
    def labels(self) -> list[str]:
        """How figures and tables write the observable that each one reads."""
        return [name if name in CLASSIFIERS else one.observable.label for name, one in self.known.items()]

    def read_spins(self, spins: Any) -> tuple[np.ndarray, np.ndarray]:
        """Temperatures and errors [ensemble, thermometer] of spins [ensemble, chain, y, x]."""
        readings = [one.temperature(spins) for one in self.known.values()]
        return tuple(np.stack(part, axis=-1) for part in list(zip(*readings, strict=True))[:2])  # pyright: ignore

    def read_flow(
        self, measured: Measurements, spins: np.ndarray, classes: np.ndarray, kept: np.ndarray
    ) -> tuple[Reading, np.ndarray]:
        """Readings [iteration, thermometer] of a flow, and which were made.

        Observables that no flow records are read at the kept iterations alone, from spins [snapshot, chain, y, x] and
        the mean class [snapshot, chain] that the network gives each.
        """
        readings, made, iterations = [], [], len(measured.energy)
        for name, one in self.known.items():
            recorded = None if name == "neural" else one.observable.recorded
            if recorded is not None:
                reading = one.of_values(np.stack(recorded(measured)))
            else:
                found = self.neural.of_classes(classes) if name == "neural" else one.temperature(spins)
                reading = Reading(*(at_kept(kept, iterations, values) for values in found))
            readings.append(reading)
            made.append(np.isin(np.arange(iterations), kept) | (recorded is not None))
        return Reading(*(np.stack(part, axis=-1) for part in zip(*readings, strict=True))), np.stack(made, axis=-1)

    def of_mixture(self, temperatures: Sequence[float]) -> list[float]:
        """What they read on the equal mixture of temperatures."""
        return [one.of_mixture(temperatures) for one in self.known.values()]


def sources_of(model: Model, *curves: xr.Dataset) -> list[Equilibrium]:
    """All that tells the equilibrium of a model, the best first, which knows the energy.

    Formulas, a sum, or the levels beside equilibrium draws, where there are any; then these draws.
    """
    whole = _without_draws(model, *curves)
    drawn = [reweighted(MeasuredDraws.from_dataset(one), whole) for one in curves]
    return [whole, *drawn] if whole else drawn


def best_of(model: Model, *curves: xr.Dataset) -> Equilibrium:
    """The first of `sources_of`, without the others, which take time to reweight."""
    return _without_draws(model, *curves) or reweighted(MeasuredDraws.from_dataset(curves[0]))


def _without_draws(model: Model, *curves: xr.Dataset) -> Equilibrium | None:
    """The equilibrium of a model by formulas, a sum, or the levels beside equilibrium draws."""
    levels = [Transferred.from_dataset(one) for one in curves if "level_energy" in one]
    return levels[0] if levels else known(model, within=0.0)


def first_to_know(observable: Observable, sources: Sequence[Equilibrium]) -> Equilibrium | None:
    """The first equilibrium that knows an observable."""
    return next((one for one in sources if one.knows(observable)), None)


def at_kept(kept: np.ndarray, iterations: int, values: np.ndarray) -> np.ndarray:
    """Values at the kept iterations among all; NaN where there is none."""
    spread = np.full((iterations, *values.shape[1:]), np.nan)
    spread[kept] = values
    return spread


def energy_thermometer(model: Model, *curves: xr.Dataset) -> Thermometer:
    """The one that every model has."""
    return Thermometer("energy", best_of(model, *curves))


def per_site(model: Model, spins: Any) -> tuple[np.ndarray, np.ndarray]:
    """Energy and |m| per site of every configuration."""
    energy, magnetization = (np.asarray(of(spins), np.float64) for of in (model.energy, model.magnetization))
    return energy, np.abs(magnetization)


def usable(true: np.ndarray, read: np.ndarray, error: np.ndarray) -> Float64[np.ndarray, "2 thermometer"]:
    """Ends of the longest stretch of temperatures in which each thermometer can be used."""
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
