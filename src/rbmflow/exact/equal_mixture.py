"""The null model of a flow: configurations of several temperatures in equal parts.

A machine that has learned its training set perfectly, and samples it at equilibrium, draws from this mixture. What its
thermometers then show is no sign of any flow towards the critical point.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from rbmflow._doors import temperatures_of
from rbmflow.exact import bayes, energy_levels, inversion, kaufman, row_correlations, row_transfer
from rbmflow.exact._temperature import Reals
from rbmflow.model import Ising, free_lattice


@dataclass(frozen=True)
class Mixture:
    """Equal mixture of the equilibrium ensembles at some temperatures; each property is computed when first asked for.

    Parameters
    ----------
    model
        The model.
    temperatures
        The temperatures, increasing; 0 and inf included.

    Raises
    ------
    InvalidInput
        If there is a field or the temperatures are not increasing; by a property, if the lattice is too large for it.
    """

    model: Ising
    temperatures: tuple[float, ...]

    def __post_init__(self):
        free_lattice(self.model)
        object.__setattr__(self, "temperatures", temperatures_of(self.temperatures))

    @functools.cached_property
    def energy(self) -> float:
        """Mean energy per site."""
        return float(np.mean(kaufman.energy(self.model, self.temperatures)))

    @functools.cached_property
    def abs_magnetization(self) -> float:
        """Mean absolute magnetization per site."""
        return float(np.mean(row_transfer.abs_magnetization(self.model, self.temperatures)))

    @functools.cached_property
    def temperature_of_energy(self) -> float:
        """Temperature at which equilibrium has the mean energy of the mixture."""
        return float(inversion.temperature_of_energy(self.model, self.energy))

    @functools.cached_property
    def temperature_of_abs_magnetization(self) -> float:
        """Temperature at which equilibrium has the mean absolute magnetization of the mixture."""
        return float(inversion.temperature_of_abs_magnetization(self.model, self.abs_magnetization))

    @functools.cached_property
    def temperature_of_correlation_length(self) -> float:
        """Temperature at which equilibrium has the ratio of mean structure factors of the mixture."""
        warm = np.array([t for t in self.temperatures if t > 0])
        sums = np.zeros(2)
        if warm.size:
            sums += [np.sum(part) for part in row_correlations.structure_factors(self.model, warm)]
        sums += np.array([self.model.lattice.sites, 0.0]) * (len(self.temperatures) - warm.size)
        with np.errstate(divide="ignore"):
            ratio = sums[0] / sums[1]
        length = np.sqrt(ratio - 1) / (2 * np.sin(np.pi / self.model.lattice.shape[0]))
        return float(inversion.temperature_of_correlation_length(self.model, length))

    @functools.cached_property
    def energy_distribution(self) -> Float64[np.ndarray, " level"]:
        """Probability of each total energy, over the levels of `density_of_states`."""
        return np.mean(energy_levels.energy_distribution(self.model, self.temperatures), axis=0)

    def posterior(self, temperatures: Reals) -> Float64[np.ndarray, " bin"]:
        r"""Mean of the ideal classifier's probabilities over the mixture.

        .. math:: \sum_E p(E)\, p(T_k | E).

        Parameters
        ----------
        temperatures
            The classes, increasing; they may differ from the mixture's temperatures.

        Raises
        ------
        InvalidInput
            If the temperatures are not increasing, or the lattice has more than 1024 sites.
        """
        return self.energy_distribution @ bayes.posterior(self.model, temperatures)


def mixture(model: Ising, temperatures: Reals) -> Mixture:
    """Equal mixture of the equilibrium ensembles at some temperatures.

    Parameters
    ----------
    model
        The model.
    temperatures
        The temperatures, increasing; 0 and inf included.

    Raises
    ------
    InvalidInput
        If the temperatures are not increasing.

    Examples
    --------
    >>> import numpy as np
    >>> from rbmflow.lattice import Square
    >>> null = mixture(Ising(Square(10)), np.arange(25) / 4)
    >>> round(null.energy, 4), round(null.temperature_of_energy, 3)
    (-1.119, 2.562)
    """
    return Mixture(model, temperatures_of(temperatures))
