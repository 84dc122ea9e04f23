r"""Finite torus of any size: Kaufman's sum of four products over fermion modes, and its derivatives in K.

With the momenta :math:`\theta, \varphi` of the two directions taken from even (periodic) or odd (antiperiodic)
multiples of :math:`\pi/\ell_y` and :math:`\pi/\ell_x`, and :math:`\kappa = 2 \sinh 2K / \cosh^2 2K`,

.. math:: Z = \tfrac12 (2\cosh 2K)^N \sum_{\text{4 sectors}} \prod_{\theta, \varphi}
          \left[1 - \kappa \tfrac{\cos\theta + \cos\varphi}{2}\right]^{1/2}.

In the sector of even multiples the mode at zero momentum contributes :math:`(\sinh 2K - 1)/\cosh 2K`, whose sign
changes at the critical temperature. Kaufman's products over one momentum follow by doing the other one.

References
----------
B. Kaufman, Phys. Rev. 76, 1232 (1949), doi:10.1103/PhysRev.76.1232, equation (98).
A. E. Ferdinand and M. E. Fisher, Phys. Rev. 185, 832 (1969), doi:10.1103/PhysRev.185.832, section II.
"""

import functools
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float64
from scipy.optimize import minimize_scalar

from rbmflow.exact._temperature import PerTemperature, Reals, inverse_temperature, vanishing
from rbmflow.lattice import Lattice
from rbmflow.model import Model, free_lattice

type Couplings = Float64[np.ndarray, "*batch"]

_BLOCK = 2**20
"""Modes times temperatures held in memory at once."""


def log_partition(model: Model, temperature: Reals) -> PerTemperature:
    r"""Logarithm of the partition function of the whole torus, +inf at T = 0 and N ln 2 at T = inf.

    .. math:: \ln Z = \ln \sum_s e^{-E(s)/T}.

    Examples
    --------
    >>> import rbmflow as rf
    >>> round(float(log_partition(rf.ising(rf.square(10)), 2.269185314213022)), 9)
    93.61030051
    """
    lattice, coupling = free_lattice(model), inverse_temperature(temperature)
    return (2 * lattice.sites * coupling + log_excitations(lattice, coupling).value)[()]


def energy(model: Model, temperature: Reals) -> PerTemperature:
    r"""Energy per site, :math:`-N^{-1} \partial \ln Z / \partial K`, from -2 at T = 0 to 0 at T = inf.

    Examples
    --------
    >>> import rbmflow as rf
    >>> round(float(energy(rf.ising(rf.square(10)), 2.269185314213022)), 9)
    -1.476242908
    """
    lattice, coupling = free_lattice(model), inverse_temperature(temperature)
    slope = log_excitations(lattice, coupling).slope
    return np.where(coupling == 0, 0.0, -2 - slope / lattice.sites)[()]


@vanishing
def specific_heat(model: Model, temperature: Reals) -> PerTemperature:
    r"""Specific heat per site, :math:`K^2 N^{-1} \partial^2 \ln Z / \partial K^2`; 0 at T = 0 and T = inf.

    Examples
    --------
    >>> import rbmflow as rf
    >>> round(float(specific_heat(rf.ising(rf.square(10)), 2.3445)), 4)
    1.3091
    """
    lattice, coupling = free_lattice(model), inverse_temperature(temperature)
    curvature = log_excitations(lattice, coupling).curvature
    with np.errstate(invalid="ignore"):
        value = coupling * (coupling * curvature) / lattice.sites
    return np.where(np.isinf(coupling), 0.0, value)[()]


def specific_heat_peak(model: Model) -> tuple[float, float]:
    """Temperature and height of the maximum of the specific heat per site.

    Examples
    --------
    >>> import rbmflow as rf
    >>> temperature, height = specific_heat_peak(rf.ising(rf.square(10)))
    >>> round(temperature, 4), round(height, 4)
    (2.3446, 1.3091)
    """
    grid = np.linspace(0.5, 5, 91)
    top = int(np.argmax(specific_heat(model, grid)))
    best: Any = minimize_scalar(
        lambda temperature: -specific_heat(model, temperature),
        bounds=(grid[top - 1], grid[top + 1]),
        method="bounded",
        options={"xatol": 1e-10},
    )
    return float(best.x), float(-best.fun)


class Excitations(NamedTuple):
    """ln Z - 2 N K and its first two derivatives in K, finite at every temperature."""

    value: Couplings
    slope: Couplings
    curvature: Couplings


def log_excitations(lattice: Lattice, coupling: Couplings) -> Excitations:
    """Logarithm of the sum over states of exp(-K (E + 2 N)), and its derivatives in K."""
    flat = coupling.reshape(-1)
    rows = max(1, _BLOCK // lattice.sites)
    blocks = [_excitations(lattice, flat[start : start + rows]) for start in range(0, flat.size, rows)]
    columns = np.concatenate([np.empty((3, 0)), *blocks], axis=1)
    return Excitations(*columns.reshape(3, *coupling.shape))


@vanishing
def _excitations(lattice: Lattice, coupling: Float64[np.ndarray, " row"]) -> Float64[np.ndarray, "3 row"]:
    """Value, slope and curvature of ln Z - 2 N K at a few couplings."""
    tanh = np.tanh(2 * coupling)
    decay = np.exp(-4 * coupling)
    sech = 2 * np.exp(-2 * coupling) / (1 + decay)
    kappa = 2 * tanh * sech
    kappa_slope = 4 * sech * (1 - 2 * tanh**2)
    kappa_curvature = -8 * sech * tanh * (5 - 6 * tanh**2)
    zero_mode = tanh - sech
    zero_mode_slope = 2 * sech * (tanh + sech)
    zero_mode_curvature = 4 * sech * (sech**2 - 2 * sech * tanh - tanh**2)

    logs = np.empty((3, 4, coupling.size))
    for sector, (gap, multiplicity) in enumerate(_modes(lattice)):
        # c / (1 - kappa c) with c = 1 - gap; below, all terms are positive as 1 - kappa is the zero mode squared.
        ratio = (1 - gap) / (zero_mode[:, None] ** 2 + kappa[:, None] * gap)
        # 1 + kappa c / (1 - kappa c) is 1 / (1 - kappa c)
        logs[0, sector] = -np.log1p(kappa[:, None] * ratio) @ multiplicity / 2
        logs[1, sector] = -ratio @ multiplicity / 2
        logs[2, sector] = -(ratio**2) @ multiplicity / 2
    value, slope = logs[0], logs[1] * kappa_slope
    curvature = logs[2] * kappa_slope**2 + logs[1] * kappa_curvature

    # The first sector is taken out of the sum, so that only finite-size differences are exponentiated.
    one, zero = np.ones((3, coupling.size)), np.zeros((3, coupling.size))
    prefactor = np.vstack([one, zero_mode])
    prefactor_slope = np.vstack([zero, zero_mode_slope])
    prefactor_curvature = np.vstack([zero, zero_mode_curvature])
    relative = np.exp(value - value[0])
    relative_slope, relative_curvature = slope - slope[0], curvature - curvature[0]
    total = np.sum(prefactor * relative, axis=0)
    first = np.sum((prefactor_slope + prefactor * relative_slope) * relative, axis=0) / total
    second = prefactor_curvature + 2 * prefactor_slope * relative_slope
    second = np.sum((second + prefactor * (relative_curvature + relative_slope**2)) * relative, axis=0) / total

    sites = lattice.sites
    free = decay / (1 + decay)
    return np.stack(
        [
            sites * np.log1p(decay) + value[0] + np.log(total / 2),
            np.minimum(-4 * sites * free + slope[0] + first, 0.0),
            # a variance: only rounding can make it negative, at the lowest temperatures
            np.maximum(16 * sites * free * (1 - free) + curvature[0] + second - first**2, 0.0),
        ]
    )


@functools.lru_cache(maxsize=64)
def _modes(lattice: Lattice) -> tuple[tuple[Float64[np.ndarray, " mode"], Float64[np.ndarray, " mode"]], ...]:
    r"""Gap :math:`\sin^2(\theta/2) + \sin^2(\varphi/2)` and multiplicity of the modes of each sector.

    Momenta of opposite sign are one mode. The zero mode of the last sector is left out.
    """
    sectors = []
    for odd_y, odd_x in ((1, 1), (1, 0), (0, 1), (0, 0)):
        (gap_y, count_y), (gap_x, count_x) = (
            momenta(side, odd) for side, odd in zip(lattice.shape, (odd_y, odd_x), strict=True)
        )
        skipped = 0 if odd_y or odd_x else 1
        gap = np.add.outer(gap_y, gap_x).ravel()[skipped:]
        sectors.append((gap, np.outer(count_y, count_x).ravel()[skipped:]))
    return tuple(sectors)


def momenta(length: int, odd: int) -> tuple[Float64[np.ndarray, " mode"], Float64[np.ndarray, " mode"]]:
    """Half-angle gaps of the momenta in [0, pi], and how often each occurs with either sign."""
    multiple = np.arange(odd, length + 1, 2)
    gap = np.sin(np.pi * multiple / (2 * length)) ** 2
    return gap, np.where(multiple % length == 0, 1.0, 2.0)
