"""Thermometers by an observable: the energy, the absolute magnetization."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rbmflow import exact
from rbmflow.model import Ising
from rbmflow.thermometer.reading import Ensembles, Reading, ensemble_reading, refuse_field


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
        refuse_field(self.model)

    def temperature(self, spins: Ensembles) -> Reading:
        """Temperature and its error for each ensemble of chains."""
        energy = np.asarray(self.model.total_energy(spins)) / self.model.lattice.sites
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
        refuse_field(self.model)

    def temperature(self, spins: Ensembles) -> Reading:
        """Temperature and its error for each ensemble of chains.

        Raises
        ------
        InvalidInput
            If the lattice is too large for the exact curve.
        """
        size = np.abs(np.asarray(self.model.total_magnetization(spins))) / self.model.lattice.sites
        return ensemble_reading(size, lambda mean: exact.temperature_of_abs_magnetization(self.model, mean), self.model)
