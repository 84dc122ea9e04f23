r"""From a mean over chains to a temperature with an error.

If x is read off every configuration and its equilibrium mean :math:`\langle x \rangle(T)` is a monotone curve, the
temperature of an ensemble is the one whose curve value is the ensemble's mean,

.. math:: \langle x \rangle (T) = \bar x.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Array, Float, Float64, Int8, Int64, Shaped

from rbmflow import exact
from rbmflow._checks import Problems
from rbmflow._doors import Configurations, Numbers, numbers_of, spins_of
from rbmflow.diagnostics import mean_and_error
from rbmflow.model import Ising

type Ensembles = Configurations
"""Configurations of -1/+1 [..., chain, y, x] in any form; the chains of one ensemble are independent."""

ENERGY_OF_ONE_OVERTURNED_SPIN = 8


class Reading(NamedTuple):
    """Temperature of an ensemble.

    Parameters
    ----------
    temperature : float64 [...]
        In J/k_B; inf where the ensemble is at or beyond what the thermometer shows at infinite temperature, NaN where
        it cannot tell one temperature from another.
    error : float64 [...]
        Its standard error from the finite number of chains; NaN where the temperature is not finite, or for one chain.
    """

    temperature: Float64[np.ndarray, "*batch"]
    error: Float64[np.ndarray, "*batch"]


def ensembles_of(model: Ising, spins: Configurations) -> Int8[Array | np.ndarray, "*batch chain y x"]:
    """Configurations on the lattice of a thermometer; a single one is an ensemble of one chain.

    Raises
    ------
    InvalidInput
        If a value is neither -1 nor +1, or the shape is not that of the lattice.
    """
    own = spins_of(spins, model.lattice.shape)
    return own if own.ndim > 2 else own[None]


def totals_of(total: Numbers, largest: int, step: int, name: str) -> Int64[np.ndarray, "..."]:
    """Total energies or magnetizations as whole numbers from -largest to largest, in steps from the lowest.

    Raises
    ------
    InvalidInput
        If one is not such a number, as none is that was given per site.
    """
    values = numbers_of(total, name, ("...", "chain"), lowest=-largest, highest=largest)
    odd = values[(values + largest) % step != 0]
    allowed = f"a total is one of {-largest}, {-largest + step}, ..., not a number per site"
    Problems.only(odd.size == 0, name, odd.flat[0].item() if odd.size else None, allowed)
    return values.astype(np.int64)


def ensemble_reading(
    values: Shaped[np.ndarray, "*batch chain"],
    curve: Callable[[Float64[np.ndarray, "*batch"]], Float[np.ndarray, "*batch"] | np.float64],
    model: Ising,
) -> Reading:
    r"""Temperature at which equilibrium has the mean of these values, with its error.

    The error is half the distance of the temperatures that belong to :math:`\bar x \pm \sigma_{\bar x}`, or the
    distance on the cold side where the hot one is infinite. It is never below what can be resolved: down from the
    temperature at which equilibrium has a single overturned spin among all chains,
    :math:`E/N = -2 + 8 / (N n)`, an ensemble of n chains is all but sure to be in the ground state.

    Parameters
    ----------
    values : [..., chain]
        The number read off each configuration.
    curve
        The inverse curve, from means to temperatures.
    model
        The model, for the resolution.
    """
    mean, deviation = mean_and_error(np.asarray(values, np.float64), axis=-1)
    return with_sides(mean, deviation, curve, model, values.shape[-1])


def with_sides(
    mean: Float64[np.ndarray, "*batch"],
    deviation: Float64[np.ndarray, "*batch"],
    curve: Callable[[Float64[np.ndarray, "*batch"]], Float[np.ndarray, "*batch"] | np.float64],
    model: Ising,
    chains: float,
) -> Reading:
    """Temperature of an average that was taken over so many chains, with the error that `ensemble_reading` describes.

    Parameters
    ----------
    mean, deviation
        The average and its standard error.
    curve
        The inverse curve, from averages to temperatures.
    model, chains
        For the resolution.
    """
    temperature = np.asarray(curve(np.asarray(mean)), np.float64)
    sides = np.stack([np.asarray(curve(np.asarray(mean + sign * deviation))) for sign in (-1, 1)])
    cold, hot = np.min(sides, axis=0), np.max(sides, axis=0)
    with np.errstate(invalid="ignore"):
        error = np.where(np.isfinite(hot), (hot - cold) / 2, temperature - cold)
    overturned = ENERGY_OF_ONE_OVERTURNED_SPIN / (model.lattice.sites * chains)
    resolved = exact.temperature_of_energy(model, -2 + overturned)
    error = np.where(temperature < resolved, np.maximum(error, resolved), error)
    return Reading(temperature, np.where(np.isfinite(temperature), error, np.nan))
