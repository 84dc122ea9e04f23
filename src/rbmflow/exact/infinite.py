r"""The infinite square lattice: Onsager's free energy and Yang's magnetization, per site.

Everything depends on the coupling K = 1/T through

.. math:: \kappa = \frac{2 \sinh 2K}{\cosh^2 2K}, \qquad \sqrt{1 - \kappa^2} = |2 \tanh^2 2K - 1|,

which reaches 1 at the critical point sinh 2K = 1.

References
----------
H. A. Kramers and G. H. Wannier, Phys. Rev. 60, 252 (1941), doi:10.1103/PhysRev.60.252 (the critical temperature).
L. Onsager, Phys. Rev. 65, 117 (1944), doi:10.1103/PhysRev.65.117, equations (109b) of ln z, (116) of the energy, (117).
C. N. Yang, Phys. Rev. 85, 808 (1952), doi:10.1103/PhysRev.85.808, equation (96).
B. M. McCoy, T. T. Wu, The Two-Dimensional Ising Model (Harvard, 1973), chapters XI and XII (correlation length).
"""

import math

import numpy as np
from jaxtyping import Float64
from scipy.special import ellipkm1, elliprd

from rbmflow.exact._temperature import PerTemperature, Reals, inverse_temperature

type Couplings = Float64[np.ndarray, "*batch"]


def critical_temperature() -> float:
    r"""Temperature of the phase transition of the infinite lattice.

    .. math:: T_c = \frac{2}{\ln(1 + \sqrt 2)}.

    Examples
    --------
    >>> round(critical_temperature(), 12)
    2.269185314213
    """
    return 2 / math.log1p(math.sqrt(2))


def log_partition(temperature: Reals) -> PerTemperature:
    r"""Logarithm of the partition function per site, +inf at T = 0 and ln 2 at T = inf.

    .. math:: \ln z = \ln(2 \cosh 2K)
              + \frac1\pi \int_0^{\pi/2} \ln\frac{1 + \sqrt{1 - \kappa^2 \cos^2\varphi}}{2} \, d\varphi.
    """
    coupling = inverse_temperature(temperature)
    return (2 * coupling + _log_excitations(coupling))[()]


def free_energy(temperature: Reals) -> PerTemperature:
    r"""Free energy per site, :math:`f = -T \ln z`: -2 at T = 0 and -inf at T = inf."""
    coupling = inverse_temperature(temperature)
    with np.errstate(divide="ignore"):
        return (-2 - _log_excitations(coupling) / coupling)[()]


def energy(temperature: Reals) -> PerTemperature:
    r"""Energy per site, from -2 at T = 0 to 0 at T = inf.

    .. math:: u = -\coth 2K \left[1 + \tfrac2\pi (2\tanh^2 2K - 1) K_1(\kappa)\right],

    with the complete elliptic integral of the first kind :math:`K_1`.
    """
    coupling = inverse_temperature(temperature)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = -_bracket(coupling) / np.tanh(2 * coupling)
    return np.where(coupling == 0, 0.0, value)[()]


def entropy(temperature: Reals) -> PerTemperature:
    r"""Entropy per site, :math:`s = \ln z + u/T`: 0 at T = 0 and ln 2 at T = inf."""
    coupling = inverse_temperature(temperature)
    with np.errstate(invalid="ignore"):
        heat = np.where(np.isinf(coupling), 0.0, coupling * (2 + energy(temperature)))
    return (_log_excitations(coupling) + heat)[()]


def specific_heat(temperature: Reals) -> PerTemperature:
    r"""Specific heat per site, which diverges as a logarithm at the critical temperature.

    .. math:: c = \frac4\pi (K \coth 2K)^2 \left\{ K_1 - E_1 - (1 - \tanh^2 2K)
              \left[\tfrac\pi2 + (2\tanh^2 2K - 1) K_1\right]\right\}.
    """
    coupling = inverse_temperature(temperature)
    tanh, sech = np.tanh(2 * coupling), _sech(coupling)
    # Carlson's R_D gives K_1 - E_1 without the difference of two nearly equal integrals.
    difference = (2 * tanh * sech) ** 2 / 3 * elliprd(0, (2 * tanh**2 - 1) ** 2, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = coupling / tanh
        value = factor * (factor * (4 / np.pi * difference - 2 * sech**2 * _bracket(coupling)))
    return np.where((coupling == 0) | np.isinf(coupling), 0.0, value)[()]


def magnetization(temperature: Reals) -> PerTemperature:
    r"""Spontaneous magnetization per site, zero from the critical temperature on.

    .. math:: m = \left(1 - \sinh^{-4} 2K\right)^{1/8}.
    """
    coupling = inverse_temperature(temperature)
    with np.errstate(divide="ignore"):
        inverse_sinh = _sech(coupling) / np.tanh(2 * coupling)
    return (np.maximum(1 - inverse_sinh**4, 0) ** 0.125)[()]


def correlation_length(temperature: float) -> float:
    r"""Correlation length along a row in lattice constants, infinite at the critical temperature.

    .. math:: \xi^{-1} = \ln\coth K - 2K \; (T > T_c), \qquad \xi^{-1} = 2 (2K - \ln\coth K) \; (T < T_c).

    Examples
    --------
    >>> round(correlation_length(2.5), 3)
    5.962
    """
    rate = -math.log(math.tanh(1 / temperature)) - 2 / temperature
    return 1 / (rate if rate > 0 else -2 * rate) if rate else math.inf


def _sech(coupling: Couplings) -> Couplings:
    """1 / cosh 2K, which does not overflow."""
    return np.asarray(2 * np.exp(-2 * coupling) / (1 + np.exp(-4 * coupling)))


def _bracket(coupling: Couplings) -> Couplings:
    """Onsager's bracket 1 + (2/pi) (2 tanh^2 2K - 1) K_1, to full relative precision at high temperature."""
    slope = 2 * np.tanh(2 * coupling) ** 2 - 1
    with np.errstate(invalid="ignore"):
        value = 1 + 2 / np.pi * np.where(slope == 0, 0.0, slope * ellipkm1(slope**2))
    # Landen's transformation turns the bracket into 1 - (1 - s^2) (2/pi) K(s^2) with s = sinh 2K; its series
    # is used where the sum above would lose digits.
    square = np.sinh(2 * np.minimum(coupling, 0.1)) ** 2
    series = square * (1 - (1 - square) * (square / 4 + 9 * square**3 / 64))
    return np.where(square < 1e-3, series, value)


def _log_excitations(coupling: Couplings) -> Couplings:
    """Logarithm of z without the ground state's factor exp(2 K), finite at every temperature."""
    angle, weight = _double_exponential_rule()
    tanh, sech = np.tanh(2 * coupling)[..., None], _sech(coupling)[..., None]
    # 1 - kappa^2 cos^2(phi) as a sum of positive terms
    root = np.hypot(2 * tanh**2 - 1, 2 * tanh * sech * np.sin(angle))
    integral = np.log1p((root - 1) / 2) @ weight / np.pi
    return np.asarray(np.log1p(np.exp(-4 * coupling)) + integral)


def _double_exponential_rule() -> tuple[Float64[np.ndarray, " node"], Float64[np.ndarray, " node"]]:
    """Nodes and weights on [0, pi/2] that crowd doubly exponentially at the ends.

    The square root of the integrand has its branch point near angle 0 when T is near the critical temperature.
    """
    step = 1 / 32
    u = np.arange(-3.5, 3.5 + step / 2, step)
    stretched = np.pi * np.sinh(u)
    angle = np.pi / 2 / (1 + np.exp(-stretched))
    weight = step * np.pi**2 / 8 * np.cosh(u) / np.cosh(stretched / 2) ** 2
    return angle, weight
