r"""The temperature that belongs to an energy, a magnetization or a correlation length.

All curves are tabulated once for each lattice as a depth x against the coupling K,

.. math:: x = -\ln(1 + E/2) \quad \text{or} \quad x = -\ln(1 - \langle |m| \rangle).

A depth grows smoothly with K up to its low-temperature limit, the straight line 8 K + const set by single
flipped spins. It is interpolated by a Chebyshev series in :math:`u = \sinh^{-1}((K - K_c)/w)` with w about 1/L,
which converges geometrically, and the series is inverted by a fine spline.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64
from numpy.polynomial import Chebyshev
from scipy.interpolate import BSpline, make_interp_spline

from rbmflow._doors import numbers_of
from rbmflow.exact._temperature import PerTemperature, Reals
from rbmflow.exact.infinite import critical_temperature
from rbmflow.exact.kaufman import log_excitations
from rbmflow.exact.row_correlations import structure_factors
from rbmflow.exact.row_transfer import abs_magnetization, magnetization_distribution
from rbmflow.lattice import Square
from rbmflow.model import Ising, free_lattice

_LARGEST_LENGTH_COUPLING = 2.4
"""Beyond it (T < 0.42) the structure factor at the smallest wave vector is lost in rounding."""

_LARGEST_COUPLING = 3.4
"""Beyond it (T < 0.29) 2 + E and 1 - abs(m) are below 1e-11: a float64 hardly tells them from the ground state."""


def temperature_of_energy(model: Ising, energy_per_site: Reals) -> PerTemperature:
    """Temperature at which the mean energy per site has these values.

    Parameters
    ----------
    model
        The model; any size.
    energy_per_site
        Energies per site of any shape. From 0 on the temperature is inf, from -2 down it is 0; NaN stays NaN.

    Returns
    -------
    float64 [...]
        Temperatures, to about 1e-10 up to T of order ten, or to the rounding of the energy, whichever is larger; the
        relative error grows to about 1e-8 at T = 1000.

    Examples
    --------
    >>> from rbmflow.lattice import Square
    >>> round(float(temperature_of_energy(Ising(Square(10)), -1.476242908)), 6)
    2.269185
    """
    lattice, energy = free_lattice(model), numbers_of(energy_per_site, "energy_per_site", nan=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        depth = -np.log1p(np.maximum(energy, -2.0) / 2)
    return _energy_curve(lattice).temperature(depth)


def temperature_of_abs_magnetization(model: Ising, value: Reals) -> PerTemperature:
    """Temperature at which the mean absolute magnetization per site has these values.

    The first call for a lattice tabulates it, which takes a few seconds at 10 x 10.

    Parameters
    ----------
    model
        The model; shorter side at most 12 and at most 256 sites.
    value
        Mean absolute magnetizations of any shape. Up to the one of free spins the temperature is inf, from 1 on
        it is 0; NaN stays NaN.

    Returns
    -------
    float64 [...]
        Temperatures, to about 1e-6 on square lattices from T = 0.4 up; to about 1e-4 on strips many times longer than
        wide, and below T = 0.4, where a configuration hardly ever leaves the ground state.

    Raises
    ------
    InvalidInput
        If the lattice is too large.

    Examples
    --------
    >>> from rbmflow.lattice import Square
    >>> round(float(temperature_of_abs_magnetization(Ising(Square(4)), 1.0)), 6)
    0.0
    """
    lattice, size = free_lattice(model), numbers_of(value, "value", nan=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        depth = -np.log1p(-np.minimum(size, 1.0))
    return _abs_magnetization_curve(lattice).temperature(depth)


def temperature_of_correlation_length(model: Ising, value: Reals) -> PerTemperature:
    """Temperature at which the second-moment correlation length has these values.

    The first call for a lattice tabulates it, which takes a few seconds at 10 x 10.

    Parameters
    ----------
    model
        The model on a square torus with a side from 3 to 12.
    value
        Lengths as those of `correlation_length`, of any shape. From 0 down the temperature is inf, at inf it is 0; NaN
        stays NaN.

    Returns
    -------
    float64 [...]
        Temperatures, to about 1e-6 from T = 0.5 up.

    Raises
    ------
    InvalidInput
        If the lattice is not such a square.

    Examples
    --------
    >>> from rbmflow.lattice import Square
    >>> model = Ising(Square(4))
    >>> round(float(temperature_of_correlation_length(model, correlation_length(model, 2.5))), 5)
    2.5
    """
    lattice, length = free_lattice(model), np.maximum(numbers_of(value, "value", nan=True), 0.0)
    with np.errstate(over="ignore"):
        depth = np.log1p((2 * np.sin(np.pi / lattice.shape[0]) * length) ** 2)
    return _length_curve(lattice).temperature(depth)


class _Curve(NamedTuple):
    """Coupling as a function of the depth, with its straight continuation beyond the last knot."""

    spline: BSpline
    first: float
    last: float

    def temperature(self, depth: PerTemperature) -> PerTemperature:
        inside = self.spline(np.clip(depth, self.first, self.last))
        coupling = np.where(depth <= self.first, 0.0, inside) + np.maximum(depth - self.last, 0.0) / 8
        with np.errstate(divide="ignore"):
            return (1 / coupling)[()]


@functools.lru_cache(maxsize=16)
def _energy_curve(lattice: Square) -> _Curve:
    def depth(coupling: Float64[np.ndarray, " node"]) -> Float64[np.ndarray, " node"]:
        return -np.log(-log_excitations(lattice, coupling).slope / (2 * lattice.sites))

    return _curve(depth, 0.0, lattice, nodes=192)


@functools.lru_cache(maxsize=16)
def _abs_magnetization_curve(lattice: Square) -> _Curve:
    def depth(coupling: Float64[np.ndarray, " node"]) -> Float64[np.ndarray, " node"]:
        total, probabilities = magnetization_distribution(Ising(lattice), 1 / coupling)
        return -np.log(probabilities @ (1 - np.abs(total) / lattice.sites))

    free_spins = abs_magnetization(Ising(lattice), np.inf)
    return _curve(depth, float(-np.log1p(-free_spins)), lattice, nodes=48)


@functools.lru_cache(maxsize=16)
def _length_curve(lattice: Square) -> _Curve:
    def depth(coupling: Float64[np.ndarray, " node"]) -> Float64[np.ndarray, " node"]:
        uniform, wave = structure_factors(Ising(lattice), 1 / coupling)
        return np.log(uniform / wave)

    return _curve(depth, 0.0, lattice, nodes=64, largest=_LARGEST_LENGTH_COUPLING)


def _curve(depth: Callable, first: float, lattice: Square, nodes: int, largest: float = _LARGEST_COUPLING) -> _Curve:
    """Interpolate a depth, whose value at K = 0 is `first`, up to the largest coupling, and turn it round."""
    critical = 1 / critical_temperature()
    width = 0.5 / max(lattice.shape)
    start, stop = np.arcsinh((np.array([0, largest]) - critical) / width).tolist()
    series = Chebyshev.interpolate(lambda u: depth(critical + width * np.sinh(u)), nodes - 1, domain=[start, stop])
    u = np.linspace(start, stop, 4000)
    x = np.concatenate([[first], series(u[1:])])
    coupling = np.concatenate([[0.0], critical + width * np.sinh(u[1:])])
    return _Curve(make_interp_spline(x, coupling, k=5), first, float(x[-1]))
