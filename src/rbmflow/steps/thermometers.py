"""Which thermometers a run has, and what all of them read."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from rbmflow import exact
from rbmflow.measurements import Measurements
from rbmflow.model import Ising
from rbmflow.thermometer import (
    BayesThermometer,
    CorrelationThermometer,
    EnergyThermometer,
    MagnetizationThermometer,
    NeuralThermometer,
    Reading,
)

CLASSIFIERS = ("neural", "bayes")


def thermometers(model: Ising, temperatures: list[float], neural: xr.Dataset) -> dict[str, Any]:
    """All thermometers of a run by name, in the order in which they are shown."""
    known: dict[str, Any] = {
        "neural": NeuralThermometer.from_dataset(neural),
        "bayes": BayesThermometer(model, temperatures),
        "energy": EnergyThermometer(model),
    }
    if exact.magnetization_known(model):
        known["magnetization"] = MagnetizationThermometer(model)
    if exact.correlations_known(model):
        known["correlation"] = CorrelationThermometer(model)
    return known


def by_observables(known: dict[str, Any], measured: Measurements) -> dict[str, Reading]:
    """Readings of all thermometers but the neural one."""
    readings = {name: known[name].of_energy(measured.energy) for name in ("bayes", "energy")}
    if "magnetization" in known:
        readings["magnetization"] = known["magnetization"].of_magnetization(measured.magnetization)
    if "correlation" in known:
        readings["correlation"] = known["correlation"].of_structure(measured.magnetization, measured.long_wave)
    return readings


def side_by_side(readings: dict[str, Reading], names: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Temperatures and errors, last axis thermometer."""
    temperature = np.stack([np.asarray(readings[name].temperature) for name in names], axis=-1)
    return temperature, np.stack([np.asarray(readings[name].error) for name in names], axis=-1)


def read_spins(known: dict[str, Any], spins: Any) -> tuple[np.ndarray, np.ndarray]:
    """Temperatures and errors [ensemble, thermometer] of spins [ensemble, chain, y, x]."""
    return side_by_side({name: thermometer.temperature(spins) for name, thermometer in known.items()}, list(known))


def exact_mixture(known: dict[str, Any], model: Ising, kept: list[float]) -> tuple[dict[str, float], float, float]:
    """Readings of the equal mixture of temperatures by name, its energy and its mean |m| per site."""
    mixture = exact.mixture(model, kept)
    values = {name: known[name].curve.of_mixture(kept) for name in CLASSIFIERS}
    values["energy"] = mixture.temperature_of_energy
    abs_magnetization = np.nan
    if "magnetization" in known:
        values["magnetization"] = mixture.temperature_of_abs_magnetization
        abs_magnetization = mixture.abs_magnetization
    if "correlation" in known:
        values["correlation"] = mixture.temperature_of_correlation_length
    return values, mixture.energy, abs_magnetization
