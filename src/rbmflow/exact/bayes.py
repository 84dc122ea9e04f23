r"""What the energy can tell about the temperature: the ideal classifier of temperatures.

The energy is a sufficient statistic of the temperature, so with equal prior weights

.. math:: p(T_k | s) = p(T_k | E(s)) = \frac{e^{-E/T_k} / Z(T_k)}{\sum_j e^{-E/T_j} / Z(T_j)}

is the best that any classifier of configurations can do.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

from rbmflow._doors import temperatures_of
from rbmflow.exact._temperature import Reals, inverse_temperature, vanishing
from rbmflow.exact.energy_levels import density_of_states, energy_distribution
from rbmflow.exact.kaufman import log_excitations
from rbmflow.model import Ising, free_lattice


@vanishing
def posterior(model: Ising, temperatures: Reals) -> Float64[np.ndarray, "level bin"]:
    """Probability of each temperature class given the total energy, with equal prior weights.

    Parameters
    ----------
    model
        The model, of at most 1024 sites.
    temperatures
        The classes, increasing; 0 and inf included.

    Returns
    -------
    float64 [level, bin]
        One distribution over the classes for each level of `density_of_states`. A level that no class can reach
        gives equal probabilities.

    Raises
    ------
    InvalidInput
        If the temperatures are not increasing, or the lattice has more than 1024 sites.

    Examples
    --------
    >>> from rbmflow.lattice import Square
    >>> posterior(Ising(Square(4)), [1.0, 4.0])[0].round(4).tolist()
    [0.9708, 0.0292]
    """
    coupling = inverse_temperature(classes(temperatures))
    energies, _ = density_of_states(model)
    excitation = (energies - energies[0])[:, None]
    with np.errstate(invalid="ignore"):
        heat = np.where(excitation == 0, 0.0, coupling * excitation)
    exponent = -heat - log_excitations(free_lattice(model), coupling).value
    top = np.max(exponent, axis=-1, keepdims=True)
    weight = np.where(np.isneginf(top), 1.0, np.exp(exponent - np.where(np.isneginf(top), 0.0, top)))
    return weight / np.sum(weight, axis=-1, keepdims=True)


@vanishing
def bayes_cross_entropy(model: Ising, temperatures: Reals) -> float:
    r"""Smallest cross-entropy that a classifier of these temperatures can reach, in nats.

    .. math:: -\frac1n \sum_k \sum_E p(E|T_k) \ln p(T_k|E).

    Parameters
    ----------
    model
        The model, of at most 1024 sites.
    temperatures
        The n classes, increasing and equally frequent; 0 and inf included.

    Raises
    ------
    InvalidInput
        If the temperatures are not increasing, or the lattice has more than 1024 sites.

    Examples
    --------
    >>> import numpy as np
    >>> from rbmflow.lattice import Square
    >>> round(bayes_cross_entropy(Ising(Square(10)), np.arange(25) / 4), 4)
    2.1251
    """
    given_class = energy_distribution(model, classes(temperatures)).T
    likely = given_class > 0
    return float(-np.sum(given_class[likely] * np.log(posterior(model, temperatures)[likely]))) / given_class.shape[1]


def bayes_accuracy(model: Ising, temperatures: Reals) -> float:
    r"""Largest fraction of configurations whose temperature class can be named rightly.

    .. math:: \frac1n \sum_E \max_k p(E|T_k).

    Parameters
    ----------
    model
        The model, of at most 1024 sites.
    temperatures
        The n classes, increasing and equally frequent; 0 and inf included.

    Raises
    ------
    InvalidInput
        If the temperatures are not increasing, or the lattice has more than 1024 sites.

    Examples
    --------
    >>> import numpy as np
    >>> from rbmflow.lattice import Square
    >>> round(bayes_accuracy(Ising(Square(10)), np.arange(25) / 4), 4)
    0.1885
    """
    given_class = energy_distribution(model, classes(temperatures))
    return float(np.mean(np.max(given_class, axis=0)) * given_class.shape[1] / len(given_class))


def classes(temperatures: Reals) -> Float64[np.ndarray, " bin"]:
    """Temperatures of a set of classes as a checked float64 array."""
    return np.array(temperatures_of(temperatures))
