r"""Class probabilities: the exact posterior, what they say about an ensemble, and how good they are.

A classifier gives every configuration probabilities :math:`p_k` of the temperature classes. Their mean over an
ensemble is drawn towards the prior, so it is not itself a temperature; nor is :math:`\sum_k p_k T_k`, which is
infinite when a class is. The number read off a configuration is the **mean class** :math:`c = \sum_k k\, p_k`, and the
curve of its equilibrium mean follows from its mean at each energy, because equilibrium is uniform at given energy:

.. math:: \langle c \rangle(T) = \sum_E p(E|T)\, c(E).

As p(E|T) grows with T in likelihood ratio, the curve rises with T whenever c(E) rises with E.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import equinox as eqx
import numpy as np
from jaxtyping import Float64, Int, Shaped

from rbmflow import exact
from rbmflow._checks import Problems
from rbmflow._doors import Configurations, Numbers, Temperatures, numbers_of, temperatures_of
from rbmflow._types import Spins
from rbmflow.model import Ising, free_lattice
from rbmflow.thermometer.reading import Ensembles, Reading, ensemble_reading, ensembles_of, totals_of

POINTS = 2001


class ClassCurve(eqx.Module):
    """Equilibrium mean of the mean class against temperature.

    Parameters
    ----------
    temperature : float64 [temperature]
        From 0 to inf.
    mean_class : float64 [temperature]
        Classes are counted from 0.
    error : float64 [temperature]
        Its standard error: 0 of an exact curve, that of the calibration draws of a measured one.
    """

    temperature: Float64[np.ndarray, " temperature"]
    mean_class: Float64[np.ndarray, " temperature"]
    error: Float64[np.ndarray, " temperature"]

    @classmethod
    @np.errstate(under="ignore")
    def of_levels(
        cls,
        model: Ising,
        mean_class: Float64[np.ndarray, " level"],
        left_out: Float64[np.ndarray, "block level"] | None = None,
    ) -> ClassCurve:
        r"""Curve from the mean class at each energy level of `exact.density_of_states`.

        A measured one comes with its g copies for each of which a block of the draws was left out; its error is that
        of the jackknife, :math:`\sigma^2 = \frac{g - 1}{g} \sum_b (c_b - \bar c)^2`.
        """
        temperature = exact.critical_temperature() * np.tan(_angle(POINTS))
        temperature[-1] = np.inf
        weights = exact.energy_distribution(model, temperature)
        error = np.zeros_like(temperature)
        if left_out is not None:
            error = np.sqrt(len(left_out) - 1) * (weights @ left_out.T).std(axis=1)
        return cls(temperature, weights @ mean_class, error)

    def error_at(self, mean_class: Float64[np.ndarray, "*batch"]) -> Float64[np.ndarray, "*batch"]:
        """Standard error of the curve where it has these mean classes."""
        highest, first = np.unique(np.maximum.accumulate(self.mean_class), return_index=True)
        return np.asarray(np.interp(mean_class, highest, self.error[first]))

    def invert(self, mean_class: Float64[np.ndarray, "*batch"]) -> Float64[np.ndarray, "*batch"]:
        """Temperatures at which equilibrium has these mean classes: 0 below the curve, inf above, NaN if it is flat."""
        # At the lowest temperatures the curve rises by less than a float64 can hold; only its true steps are kept.
        highest = np.maximum.accumulate(self.mean_class)
        kept = np.append(True, highest[1:] > highest[:-1] + 1e-12)
        if np.count_nonzero(kept) < 2:
            return np.full_like(mean_class, np.nan)
        at = np.asarray(np.interp(mean_class, highest[kept], _angle(self.temperature.size)[kept]))
        hottest = mean_class >= highest[-1]
        return np.where(hottest, np.inf, exact.critical_temperature() * np.tan(np.where(hottest, 0.0, at)))

    def of_mixture(self, temperatures: Sequence[float]) -> float:
        """Temperature read on the equal mixture of equilibrium ensembles at these temperatures."""
        at = np.arctan(np.asarray(temperatures, np.float64) / exact.critical_temperature())
        classes = np.interp(at, _angle(self.temperature.size), self.mean_class)
        return float(self.invert(np.asarray(classes.mean())))


def _angle(points: int) -> Float64[np.ndarray, " temperature"]:
    """Even steps of arctan(T / T_c), a variable in which T = inf is an end like any other."""
    return np.linspace(0, np.pi / 2, points)


def mean_class(probabilities: Shaped[np.ndarray, "*batch bin"]) -> Float64[np.ndarray, "*batch"]:
    """Mean class of each configuration, classes counted from 0."""
    return np.asarray(probabilities, np.float64) @ np.arange(probabilities.shape[-1])


def energy_level(model: Ising, spins: Spins) -> Int[np.ndarray, "*batch"]:
    """Level of `exact.density_of_states` that each configuration is on."""
    return level_of(model, np.asarray(model.total_energy(spins)))


def level_of(model: Ising, total: Shaped[np.ndarray, "*batch"]) -> Int[np.ndarray, "*batch"]:
    """Level of `exact.density_of_states` of each total energy."""
    return (total + 2 * model.lattice.sites) // 4


class BayesThermometer:
    r"""The best classifier there can be: the exact posterior of the temperature classes, from the energy.

    .. math:: p(T_k | s) = \frac{e^{-E(s)/T_k} / Z(T_k)}{\sum_j e^{-E(s)/T_j} / Z(T_j)}

    with equal prior weights and the exact finite-size Z. Only the two ground states are compatible with T = 0.

    Parameters
    ----------
    model
        The model, of at most 1024 sites, without a field.
    temperatures
        The classes, increasing; 0 and inf allowed.

    Raises
    ------
    InvalidInput
        If the temperatures are not increasing, the lattice is too large, or there is a field.

    Examples
    --------
    >>> import jax, rbmflow as rf
    >>> model = rf.Ising(rf.Square(4))
    >>> thermometer = rf.BayesThermometer(model, [0.0, 2.0, 4.0])
    >>> thermometer.read(rf.cold(jax.random.key(0), model, 5)).shape
    (5, 3)
    """

    def __init__(self, model: Ising, temperatures: Temperatures):
        free_lattice(model)
        self.model = model
        self.temperatures = temperatures_of(temperatures)
        self.posterior = exact.posterior(model, self.temperatures)

    @functools.cached_property
    def curve(self) -> ClassCurve:
        """Exact curve of the mean class."""
        return ClassCurve.of_levels(self.model, mean_class(self.posterior))

    def read(self, spins: Configurations) -> Float64[np.ndarray, "*batch bin"]:
        """Posterior probabilities of the classes for each configuration.

        Raises
        ------
        InvalidInput
            If a value is neither -1 nor +1, or the shape is not that of the lattice.
        """
        total = np.asarray(self.model.total_energy(spins))
        return self.probabilities(total[None])[0]

    def probabilities(self, total: Numbers) -> Float64[np.ndarray, "*batch bin"]:
        """Posterior probabilities of the classes for each total energy [..., chain]."""
        return self.posterior[level_of(self.model, totals_of(total, 2 * self.model.lattice.sites, 4, "total energy"))]

    def temperature(self, spins: Ensembles) -> Reading:
        """Temperature and its error for each ensemble of chains, from its mean class; it refuses what `read` does."""
        return self.of_energy(self.model.total_energy(ensembles_of(self.model, spins)))

    def of_energy(self, total: Numbers) -> Reading:
        """The same from the total energy [..., chain] of every configuration."""
        return ensemble_reading(mean_class(self.probabilities(total)), self.curve.invert, self.model)


def cross_entropy(probabilities: Numbers, true_class: Numbers) -> float:
    r"""Mean of :math:`-\ln p_k` at the true class k, in nats; infinite if it was ever held impossible.

    Parameters
    ----------
    probabilities : [..., bin]
        As given by `read`.
    true_class : int [...]
        Number of the class of each configuration.

    Raises
    ------
    InvalidInput
        If they are no probabilities, a class is none of theirs, or the shapes differ.
    """
    given = np.take_along_axis(*_classified(probabilities, true_class), axis=-1)
    with np.errstate(divide="ignore"):
        return float(-np.mean(np.log(given)))


def accuracy(probabilities: Numbers, true_class: Numbers) -> float:
    """Fraction of configurations whose most probable class is the true one; it takes what `cross_entropy` takes."""
    given, classes = _classified(probabilities, true_class)
    return float(np.mean(np.argmax(given, axis=-1) == classes[..., 0]))


def _classified(
    probabilities: Numbers, true_class: Numbers
) -> tuple[Float64[np.ndarray, "*batch bin"], Int[np.ndarray, "*batch 1"]]:
    given = numbers_of(probabilities, "probabilities", ("...", "bin"), lowest=0.0, highest=1 + 1e-5)
    Problems.only(given.size > 0, "shape of probabilities", given.shape, "no axis may be empty")
    sums = given.sum(axis=-1)
    odd = sums[np.abs(sums - 1) > 1e-4]
    allowed = "those of one configuration must add up to 1"
    Problems.only(odd.size == 0, "sum of probabilities", odd.flat[0].item() if odd.size else None, allowed)
    classes = numbers_of(true_class, "true_class", given.shape[:-1], lowest=0, highest=given.shape[-1] - 1)
    odd = classes[classes % 1 != 0]
    Problems.only(odd.size == 0, "true_class", odd.flat[0].item() if odd.size else None, "it must be a whole number")
    return given, classes.astype(np.int64)[..., None]
