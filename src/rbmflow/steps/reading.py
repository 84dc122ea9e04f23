"""Steps that read thermometers: their check on exact draws, the mixture null, flows, and block-spin transformations."""

from __future__ import annotations

import math
from typing import Any

import jax
import numpy as np
import xarray as xr
from jaxtyping import Float64

from rbmflow import exact, sampler
from rbmflow.data_sources.mean_field import curie_weiss_magnetization, sample_mean_field
from rbmflow.diagnostics import mean_and_error
from rbmflow.lattice import Square
from rbmflow.measurements import Measurements, observe
from rbmflow.model import Ising
from rbmflow.renormalization import decimate, majority_rule
from rbmflow.settings import RenormalizationSettings
from rbmflow.steps.streams import flagged, model_of, step_key
from rbmflow.store import Step
from rbmflow.thermometer import (
    BayesThermometer,
    CorrelationThermometer,
    EnergyThermometer,
    MagnetizationThermometer,
    NeuralThermometer,
    Reading,
    accuracy,
    cross_entropy,
)
from rbmflow.thermometer.classes import mean_class
from rbmflow.two_sample import compare

type Parents = tuple[xr.Dataset, ...]

CLASSIFIERS = ("neural", "bayes")

COMPARED_CHAINS = 500
"""Most chains of a flow that are compared with true configurations, and as many of these."""

COMPARED_ITERATIONS = (1, 5, 20, 100, 400)
"""Iterations at which that is done, besides the last."""

FEATURES = ("energy", "abs_magnetization", "joint")
"""What is compared; "joint" is both together with the logarithm of the longest wave's structure factor."""

TOLERANCE = 0.1
"""A thermometer can be used where deviation and error of a reading together are below this part of the temperature."""


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


def _by_observables(known: dict[str, Any], measured: Measurements) -> dict[str, Reading]:
    """Readings of all thermometers but the neural one."""
    readings = {name: known[name].of_energy(measured.energy) for name in ("bayes", "energy")}
    if "magnetization" in known:
        readings["magnetization"] = known["magnetization"].of_magnetization(measured.magnetization)
    if "correlation" in known:
        readings["correlation"] = known["correlation"].of_structure(measured.magnetization, measured.long_wave)
    return readings


def _stacked(readings: dict[str, Reading], names: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Temperatures and errors, last axis thermometer."""
    temperature = np.stack([np.asarray(readings[name].temperature) for name in names], axis=-1)
    return temperature, np.stack([np.asarray(readings[name].error) for name in names], axis=-1)


def _read_spins(known: dict[str, Any], spins: Any) -> tuple[np.ndarray, np.ndarray]:
    """Temperatures and errors [ensemble, thermometer] of spins [ensemble, chain, y, x]."""
    return _stacked({name: thermometer.temperature(spins) for name, thermometer in known.items()}, list(known))


def calibration(step: Step, parents: Parents) -> xr.Dataset:
    """Every thermometer on fresh exact draws at the temperatures of the run."""
    model, temperatures = model_of(step), step.settings["temperatures"]
    known = thermometers(model, temperatures, parents[0])
    draws = sampler.sample(step_key(step), model, temperatures, step.settings["draws"])
    read, error = _read_spins(known, draws.spins)
    true_class = np.broadcast_to(np.arange(len(temperatures))[:, None], draws.spins.shape[:2])
    posterior = {name: np.asarray(known[name].read(draws.spins)) for name in CLASSIFIERS}
    nats = {name: float(cross_entropy(posterior[name], true_class)) for name in CLASSIFIERS}
    dims = ("temperature", "thermometer")
    usable = _usable(np.array(temperatures), read, error)
    dataset = xr.Dataset(
        {
            "calibration": (dims, read),
            "calibration_error": (dims, error),
            "usable_from": ("thermometer", usable[0]),
            "usable_to": ("thermometer", usable[1]),
            "cross_entropy": ("classifier", [nats[name] for name in CLASSIFIERS]),
            "accuracy": ("classifier", [float(accuracy(posterior[name], true_class)) for name in CLASSIFIERS]),
            "bayes_cross_entropy_exact": exact.bayes_cross_entropy(model, temperatures),
            "bayes_accuracy_exact": exact.bayes_accuracy(model, temperatures),
        },
        {"temperature": temperatures, "thermometer": list(known), "classifier": list(CLASSIFIERS)},
    )
    excess = nats["neural"] - nats["bayes"]
    text = f"the neural thermometer is {excess:.3f} nats above the exact posterior (0.03 is the limit)"
    return flagged(dataset, *[("thermometer", text)] * (excess > 0.03))


def _usable(true: np.ndarray, read: np.ndarray, error: np.ndarray) -> np.ndarray:
    """Ends [2, thermometer] of the longest stretch of temperatures in which each thermometer can be used."""
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


def null(step: Step, parents: Parents) -> xr.Dataset:
    """The equal mixture of what a type is trained on: exact for Ising data but for the network's probabilities."""
    model, temperatures = model_of(step), step.settings["temperatures"]
    kept = step.settings["mixture"]
    known = thermometers(model, temperatures, parents[0])
    if step.settings.get("data", "ising") == "ising":
        draws = sampler.sample(step_key(step), model, kept, step.settings["draws"])
        values, energy, abs_magnetization = _exact_mixture(known, model, kept)
    else:
        draws = sample_mean_field(step_key(step), model, kept, step.settings["draws"])
        read, _ = _read_spins(known, draws.spins.reshape(1, -1, *draws.spins.shape[2:]))
        values = dict(zip(known, read[0].tolist(), strict=True))
        energy = float(-2 * np.mean(curie_weiss_magnetization(kept) ** 2))
        abs_magnetization = float(np.abs(np.asarray(model.magnetization(draws.spins), np.float64)).mean())
    spins = draws.spins.reshape(1, -1, *draws.spins.shape[2:])
    posterior = np.stack([np.asarray(known[name].read(spins[0]), np.float64).mean(axis=0) for name in CLASSIFIERS])
    if step.settings.get("data", "ising") == "ising":
        posterior[1] = exact.mixture(model, kept).posterior(temperatures)
    return xr.Dataset(
        {
            "null_temperature": ("thermometer", [values[name] for name in known]),
            "null_probability": (("classifier", "bin"), posterior),
            "null_energy": energy,
            "null_abs_magnetization": abs_magnetization,
            "null_correlation": (("dy", "dx"), observe(spins).correlation[0]),
        },
        {"thermometer": list(known), "classifier": list(CLASSIFIERS), "bin": temperatures},
    )


def _exact_mixture(known: dict[str, Any], model: Ising, kept: list[float]) -> tuple[dict[str, float], float, float]:
    """Readings of the mixture by name, its energy and its mean |m| per site."""
    mixture = exact.mixture(model, kept)
    values = {name: known[name].curve.of_mixture(kept) for name in CLASSIFIERS}
    values["energy"] = mixture.temperature_of_energy
    abs_magnetization = math.nan
    if "magnetization" in known:
        values["magnetization"] = mixture.temperature_of_abs_magnetization
        abs_magnetization = mixture.abs_magnetization
    if "correlation" in known:
        values["correlation"] = mixture.temperature_of_correlation_length
    return values, mixture.energy, abs_magnetization


def reading(step: Step, parents: Parents) -> xr.Dataset:
    """Every thermometer and the averages at every iteration of a flow, and how far it is off the Ising manifold."""
    model, temperatures = model_of(step), step.settings["temperatures"]
    measured, kept = Measurements.from_dataset(parents[0]), parents[0]["snapshot"].values
    iteration = np.arange(len(measured.energy))
    known = thermometers(model, temperatures, parents[1])
    readings = _by_observables(known, measured)
    neural = np.asarray(known["neural"].read(parents[0]["spins"].values), np.float64)
    by_network, of_curve = known["neural"].of_classes(mean_class(neural))
    readings["neural"] = Reading(*(_at(kept, iteration.size, values) for values in by_network))
    read, error = _stacked(readings, list(known))
    # The network alone reads the kept iterations only, and by a curve that was measured.
    was_read, curve_error = np.ones(read.shape, bool), np.zeros(read.shape)
    was_read[:, list(known).index("neural")] = np.isin(iteration, kept)
    curve_error[:, list(known).index("neural")] = _at(kept, iteration.size, of_curve)
    told = (mean_and_error(values, axis=1) for values in (neural, known["bayes"].probabilities(measured.energy)))
    (neural, neural_error), (bayes, bayes_error) = told
    spread = [_at(kept, iteration.size, values) for values in (neural, neural_error)]
    posterior = np.stack([spread[0], bayes], axis=1)
    posterior_error = np.stack([spread[1], bayes_error], axis=1)
    averages = {}
    for name, (mean, of_mean) in measured.averages().items():
        averages |= {name: ("iteration", mean), f"{name}_error": ("iteration", of_mean)}
    compared = [at for at in COMPARED_ITERATIONS if at < iteration[-1]] + [int(iteration[-1])]
    off = _off_manifold(step_key(step), model, measured, compared, readings["energy"].temperature)
    whole = xr.Dataset(
        {
            "temperature_read": (("iteration", "thermometer"), read),
            "temperature_read_error": (("iteration", "thermometer"), error),
            "temperature_read_curve_error": (("iteration", "thermometer"), curve_error),
            "was_read": (("iteration", "thermometer"), was_read),
            "probability": (("iteration", "classifier", "bin"), posterior),
            "probability_error": (("iteration", "classifier", "bin"), posterior_error),
            "correlation": (("iteration", "dy", "dx"), measured.correlation),
        }
        | averages
        | {
            name: (("compared", "feature"), off[..., place])
            for place, name in enumerate(("off_distance", "off_floor", "off_p_value"))
        },
        {
            "iteration": iteration,
            "thermometer": list(known),
            "classifier": list(CLASSIFIERS),
            "bin": temperatures,
            "compared": compared,
            "feature": list(FEATURES),
        },
    )
    return _unread(whole) if bool(parents[0].get("diverged", False)) else whole


def _unread(read: xr.Dataset) -> xr.Dataset:
    """The same without numbers, for a machine whose training diverged."""
    return read.map(lambda values: values if values.dtype == bool else xr.full_like(values, np.nan, float))


def _at(kept: np.ndarray, iterations: int, values: np.ndarray) -> np.ndarray:
    """Values at the kept iterations among all; NaN where there is none."""
    spread = np.full((iterations, *values.shape[1:]), np.nan)
    spread[kept] = values
    return spread


def _features(measured: Measurements) -> Float64[np.ndarray, "iteration chain feature"]:
    """Energy and |m| per site and the logarithm of the longest wave, which is that of 1/N where there is none."""
    sites = measured.sites
    wave = np.log(np.maximum(measured.long_wave.astype(np.float64), 1 / sites))
    return np.stack([measured.energy / sites, np.abs(measured.magnetization) / sites, wave], axis=-1)


def _off_manifold(
    key: jax.Array, model: Ising, measured: Measurements, compared: list[int], temperature: np.ndarray
) -> Float64[np.ndarray, "compared feature 3"]:
    """Distance, floor and p-value between a flow and true configurations at its temperature of the energy.

    One configuration a chain enters, so all are independent.
    """
    chains = min(COMPARED_CHAINS, measured.energy.shape[1])
    found = np.full((len(compared), len(FEATURES), 3), np.nan)
    if chains < 2:
        return found
    ours = _features(measured)[compared, :chains]
    for row, at in enumerate(compared):
        for_draws, *for_tests = jax.random.split(jax.random.fold_in(key, at), 1 + len(FEATURES))
        true = sampler.thermal(for_draws, model, float(temperature[at]), chains)
        theirs = _features(observe(np.asarray(true)[None]))[0]
        for place, columns in enumerate(([0], [1], [0, 1, 2])):
            found[row, place] = compare(for_tests[place], ours[row][:, columns], theirs[:, columns])
    return found


def renormalization(step: Step, parents: Parents) -> xr.Dataset:
    """Block-spin transformations of large configurations down to the lattice of the run, read at every size."""
    asked, small = RenormalizationSettings(**step.settings["renormalization"]), model_of(step).lattice.shape[0]
    sides = [asked.length]
    while sides[-1] > small:
        sides.append(sides[-1] // 2)
    large = Ising(Square(sides[0]))
    wolff = sampler.Wolff()
    method = "auto" if wolff.refusal(large) else wolff
    for_draws, for_ties = jax.random.split(step_key(step))
    draws = sampler.sample(for_draws, large, asked.temperatures, asked.draws, method)
    of_run = thermometers(model_of(step), step.settings["classes"], parents[0])
    names = list(of_run)
    shape = (2, len(sides), len(asked.temperatures))
    read = np.full((2, *shape, len(names)), np.nan)
    averages = np.full((4, *shape), np.nan)
    for rule in range(2):
        spins = np.asarray(draws.spins)
        for level, side in enumerate(sides):
            if level:
                coins = jax.random.fold_in(for_ties, level)
                spins = np.asarray(majority_rule(coins, spins) if rule == 0 else decimate(spins))
            known = of_run if side == small else {"energy": EnergyThermometer(Ising(Square(side)))}
            read[:, rule, level][..., [names.index(name) for name in known]] = _read_spins(known, spins)
            averages[:, rule, level] = _energy_and_magnetization(Ising(Square(side)), spins)
    dims = ("rule", "side", "blocked_temperature")
    energies = ("energy", "energy_error", "abs_magnetization", "abs_magnetization_error")
    whole = xr.Dataset(
        {
            "blocked_read": ((*dims, "thermometer"), read[0]),
            "blocked_read_error": ((*dims, "thermometer"), read[1]),
        }
        | {f"blocked_{name}": (dims, averages[place]) for place, name in enumerate(energies)},
        {
            "rule": ["majority", "decimation"],
            "side": sides,
            "blocked_temperature": list(asked.temperatures),
            "thermometer": names,
        },
    )
    return flagged(whole, *(("sampling", text) for text in draws.flags))


def _energy_and_magnetization(model: Ising, spins: np.ndarray) -> tuple[np.ndarray, ...]:
    """Means and errors over the draws [temperature] of energy and |m| per site."""
    energy = mean_and_error(np.asarray(model.energy(spins), np.float64), axis=1)
    return *energy, *mean_and_error(np.abs(np.asarray(model.magnetization(spins), np.float64)), axis=1)
