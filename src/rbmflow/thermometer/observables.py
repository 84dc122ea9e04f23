"""Thermometers by an observable: the energy, the absolute magnetization, the correlation length."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rbmflow import exact
from rbmflow._doors import Numbers, numbers_of
from rbmflow.correlations import longest_wave, structure_factor
from rbmflow.model import Ising, free_lattice
from rbmflow.thermometer.reading import Ensembles, Reading, ensemble_reading, ensembles_of, totals_of, with_sides


@dataclass(frozen=True)
class EnergyThermometer:
    r"""Temperature whose exact finite-size energy is the mean energy of an ensemble, :math:`E(T) = \bar E`.

    The energy being a sufficient statistic, this is the maximum-likelihood temperature of the ensemble. Mean energies
    from 0 upwards read as infinite.

    Parameters
    ----------
    model
        The model, any size, without a field.

    Raises
    ------
    InvalidInput
        If the model is in a field.

    Examples
    --------
    >>> import jax, rbmflow as rf
    >>> model = rf.Ising(rf.Square(4))
    >>> spins = rf.thermal(jax.random.key(0), model, 2.5, 1000)
    >>> reading = rf.EnergyThermometer(model).temperature(spins)
    >>> bool(abs(reading.temperature - 2.5) < 4 * reading.error)
    True
    """

    model: Ising

    def __post_init__(self):
        free_lattice(self.model)

    def temperature(self, spins: Ensembles) -> Reading:
        """Temperature and its error for each ensemble of chains.

        Raises
        ------
        InvalidInput
            If a value is neither -1 nor +1, or the shape is not that of the lattice.
        """
        return self.of_energy(self.model.total_energy(ensembles_of(self.model, spins)))

    def of_energy(self, total: Numbers) -> Reading:
        """The same from the total energy [..., chain] of every configuration."""
        sites = self.model.lattice.sites
        energy = totals_of(total, 2 * sites, 4, "total energy") / sites
        return ensemble_reading(energy, lambda mean: exact.temperature_of_energy(self.model, mean), self.model)


@dataclass(frozen=True)
class MagnetizationThermometer:
    r"""Temperature whose exact finite-size :math:`\langle|m|\rangle` is that of an ensemble.

    Means up to the one of free spins read as infinite.

    Parameters
    ----------
    model
        The model without a field; as large as `exact.abs_magnetization` allows.

    Raises
    ------
    InvalidInput
        If the model is in a field.

    Examples
    --------
    >>> import jax, rbmflow as rf
    >>> model = rf.Ising(rf.Square(4))
    >>> spins = rf.thermal(jax.random.key(0), model, 2.5, 1000)
    >>> reading = rf.MagnetizationThermometer(model).temperature(spins)
    >>> bool(abs(reading.temperature - 2.5) < 4 * reading.error)
    True
    """

    model: Ising

    def __post_init__(self):
        free_lattice(self.model)

    def temperature(self, spins: Ensembles) -> Reading:
        """Temperature and its error for each ensemble of chains.

        Raises
        ------
        InvalidInput
            If a value is neither -1 nor +1, the shape is not that of the lattice, or the lattice is too large for the
            exact curve.
        """
        return self.of_magnetization(self.model.total_magnetization(ensembles_of(self.model, spins)))

    def of_magnetization(self, total: Numbers) -> Reading:
        """The same from the total magnetization [..., chain] of every configuration."""
        sites = self.model.lattice.sites
        size = np.abs(totals_of(total, sites, 2, "total magnetization")) / sites
        return ensemble_reading(size, lambda mean: exact.temperature_of_abs_magnetization(self.model, mean), self.model)


@dataclass(frozen=True)
class CorrelationThermometer:
    r"""Temperature whose exact second-moment correlation length :math:`\xi / L` is that of an ensemble.

    The length comes from a ratio of two means over the chains, S(0) / S(2 pi / L); the error of the ratio is that of
    its linear part. Ratios up to 1 read as infinite.

    Parameters
    ----------
    model
        The model on a square torus with a side from 3 to 12, without a field.

    Raises
    ------
    InvalidInput
        If the model is in a field.

    References
    ----------
    F. Cooper, B. Freedman, D. Preston, Nucl. Phys. B 210, 210 (1982), doi:10.1016/0550-3213(82)90240-1.

    Examples
    --------
    >>> import jax, rbmflow as rf
    >>> model = rf.Ising(rf.Square(4))
    >>> spins = rf.thermal(jax.random.key(0), model, 2.5, 1000)
    >>> reading = rf.CorrelationThermometer(model).temperature(spins)
    >>> bool(abs(reading.temperature - 2.5) < 4 * reading.error)
    True
    """

    model: Ising

    def __post_init__(self):
        free_lattice(self.model)

    def temperature(self, spins: Ensembles) -> Reading:
        """Temperature and its error for each ensemble of chains.

        Raises
        ------
        InvalidInput
            If a value is neither -1 nor +1, the shape is not that of the lattice, or the lattice is not such a square.
        """
        own = ensembles_of(self.model, spins)
        return self.of_structure(self.model.total_magnetization(own), longest_wave(structure_factor(own)))

    def of_structure(self, total: Numbers, long_wave: Numbers) -> Reading:
        """The same from total magnetization and longest-wave structure factor [..., chain] of every configuration."""
        sites, side = self.model.lattice.sites, self.model.lattice.shape[0]
        total = totals_of(total, sites, 2, "total magnetization")
        uniform, wave = total**2 / sites, numbers_of(long_wave, "long_wave", total.shape, lowest=0.0, highest=sites)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = uniform.mean(axis=-1) / wave.mean(axis=-1)
            scatter = (uniform - ratio[..., None] * wave).std(axis=-1, ddof=min(1, total.shape[-1] - 1))
            deviation = scatter / (np.sqrt(total.shape[-1]) * wave.mean(axis=-1))
        # Ensembles of ground states have no waves at all, and their ratio no scatter.
        deviation = np.where(np.isfinite(ratio), deviation, 0.0) * (np.nan if total.shape[-1] < 2 else 1.0)

        def curve(at: np.ndarray) -> np.ndarray:
            length = np.sqrt(np.maximum(at - 1, 0)) / (2 * np.sin(np.pi / side))
            return np.asarray(exact.temperature_of_correlation_length(self.model, length))

        return with_sides(ratio, deviation, curve, self.model, total.shape[-1])
