r"""The exact density of states g(E), from Kaufman's products as polynomials over finite fields.

With :math:`y = e^{-2K}` every pair of modes of opposite momenta contributes the factor

.. math:: (1 + y^2)^2 - u\, y (1 - y^2), \qquad u = 2\cos\theta + 2\cos\varphi,

and the sum of the four sectors is :math:`2 y^N Z = 2 \sum_b g(-2N + 2b)\, y^b` with b the number of broken bonds.
The factors need only roots of unity. They exist modulo every prime :math:`p \equiv 1` modulo :math:`2 \ell_y` and
:math:`2 \ell_x`, so the coefficients are found modulo enough such primes and joined by the Chinese remainder theorem:
no number is ever rounded.

References
----------
B. Kaufman, Phys. Rev. 76, 1232 (1949), doi:10.1103/PhysRev.76.1232, equation (98).
P. D. Beale, Phys. Rev. Lett. 76, 78 (1996), doi:10.1103/PhysRevLett.76.78 (the polynomial expansion).
"""

import functools
import math

import numpy as np
from jaxtyping import Float64, Int64, Shaped

from rbmflow._checks import Problems
from rbmflow.exact._temperature import Reals, heat, inverse_temperature, vanishing
from rbmflow.exact.energy_windows import windowed_logs
from rbmflow.lattice import Lattice
from rbmflow.model import Model, free_lattice

LARGEST_SITES = 1024
"""Sites of the largest torus whose density of states is expanded (a few seconds)."""

MOST_SITES = 65_536
"""Sites of the largest torus whose ln g(E) is found."""


def density_of_states(model: Model) -> tuple[Int64[np.ndarray, " level"], np.ndarray]:
    """Number of configurations at each total energy, as exact Python integers, up to 1024 sites.

    Returns
    -------
    energies : int64 [level]
        Total energies from -2N in steps of 4 to the highest one that is attained.
    counts : object [level]
        How many of the 2^N configurations have this energy; 0 where none does. Read-only.

    Examples
    --------
    >>> import rbmflow as rf
    >>> energies, counts = density_of_states(rf.ising(rf.square(4)))
    >>> counts[:4].tolist()
    [2, 0, 32, 64]
    """
    lattice = free_lattice(model)
    allowed = f"the density of states is known up to {LARGEST_SITES} sites"
    Problems.only(lattice.sites <= LARGEST_SITES, "lattice", lattice, allowed)
    return _counts(lattice)


@functools.lru_cache(maxsize=16)
def _counts(lattice: Lattice) -> tuple[Int64[np.ndarray, " level"], np.ndarray]:
    """Energies and numbers of configurations of `density_of_states`."""
    (ly, lx), sites = lattice.shape, lattice.sites
    order = math.lcm(2 * ly, 2 * lx)
    primes = _primes(sites, order)
    cosines_y, cosines_x = (_twice_cosines(primes, order, length) for length in (ly, lx))
    total = np.zeros((len(primes), 2 * sites + 1), np.int64)
    for odd_y, odd_x in ((1, 1), (1, 0), (0, 1), (0, 0)):
        total += _sector(primes, cosines_y, cosines_x, odd_y, odd_x)
    halves = np.array([(p + 1) // 2 for p in primes])
    # Closed domain walls cross an even number of bonds.
    counts = _join((total % primes[:, None] * halves[:, None] % primes[:, None])[:, ::2], primes)
    counts = counts[: np.flatnonzero(counts)[-1] + 1]
    energies = -2 * sites + 4 * np.arange(len(counts))
    counts.flags.writeable = energies.flags.writeable = False
    return energies, counts


def log_density_of_states(model: Model) -> tuple[Int64[np.ndarray, " level"], Float64[np.ndarray, " level"]]:
    """Total energies and ln g(E), -inf where no configuration has the energy, up to 65 536 sites.

    Up to 1024 sites these are the logarithms of the integers; beyond, see `exact.energy_windows` (seconds at L = 128).

    Examples
    --------
    >>> import rbmflow as rf
    >>> energies, logs = log_density_of_states(rf.ising(rf.square(4)))
    >>> int(energies[0]), round(float(logs[0]), 6)
    (-32, 0.693147)
    """
    lattice = free_lattice(model)
    allowed = f"the logarithm of the density of states is known up to {MOST_SITES} sites"
    Problems.only(lattice.sites <= MOST_SITES, "lattice", lattice, allowed)
    return _logs(lattice)


@functools.lru_cache(maxsize=16)
def _logs(lattice: Lattice) -> tuple[Int64[np.ndarray, " level"], Float64[np.ndarray, " level"]]:
    if lattice.sites > LARGEST_SITES:
        logs = windowed_logs(lattice)
    else:
        logs = np.array([math.log(count) if count else -math.inf for count in _counts(lattice)[1]])
    energies = -2 * lattice.sites + 4 * np.arange(len(logs))
    logs.flags.writeable = energies.flags.writeable = False
    return energies, logs


def energy_distribution(model: Model, temperature: Reals) -> Float64[np.ndarray, "*batch level"]:
    r"""Probability of each of the levels of `log_density_of_states`, float64 [..., level].

    .. math:: p(E) = g(E)\, e^{-E/T} / Z(T).

    Examples
    --------
    >>> import rbmflow as rf
    >>> energy_distribution(rf.ising(rf.square(4)), 0.0)[:2].tolist()
    [1.0, 0.0]
    """
    return boltzmann(*log_density_of_states(model), inverse_temperature(temperature))


@vanishing
def boltzmann(
    energies: Shaped[np.ndarray, " level"], logs: Float64[np.ndarray, " level"], coupling: Float64[np.ndarray, "*batch"]
) -> Float64[np.ndarray, "*batch level"]:
    """Probabilities of levels in increasing order with ln g, at couplings from 0 to inf."""
    exponent = logs - heat(coupling[..., None], energies - energies[0])
    weight = np.exp(exponent - np.max(exponent, axis=-1, keepdims=True))
    return weight / np.sum(weight, axis=-1, keepdims=True)


def _sector(
    primes: Int64[np.ndarray, " prime"],
    cosines_y: Int64[np.ndarray, "prime multiple_y"],
    cosines_x: Int64[np.ndarray, "prime multiple_x"],
    odd_y: int,
    odd_x: int,
) -> Int64[np.ndarray, "prime power"]:
    """Polynomial in y of one sector: the product over its modes, modulo each prime."""
    period_y, period_x = cosines_y.shape[1], cosines_x.shape[1]
    sites = period_y * period_x // 4
    product = np.zeros((len(primes), 2 * sites + 1), np.int64)
    product[:, 0] = 1
    degree = 0
    for a in range(odd_y, period_y, 2):
        for b in range(odd_x, period_x, 2):
            opposite = (-a % period_y, -b % period_x)
            if (a, b) > opposite:
                continue
            if (a, b) == opposite:
                # 2 cos is +2 or -2 here and the factor is a perfect square; its root is taken.
                half = (a == 0) + (b == 0) - 1
                factor = np.array([1, -2 * half, 1 - 2 * abs(half)])[:, None] * np.ones_like(primes)
            else:
                u = cosines_y[:, a] + cosines_x[:, b]
                factor = np.stack([np.ones_like(u), -u, np.full_like(u, 2), u, np.ones_like(u)])
            degree += len(factor) - 1
            product[:, : degree + 1] = _times(product[:, : degree + 1], factor % primes, primes)
    return product


def _times(
    polynomial: Int64[np.ndarray, "prime power"],
    factor: Int64[np.ndarray, "coefficient prime"],
    primes: Int64[np.ndarray, " prime"],
) -> Int64[np.ndarray, "prime power"]:
    """Product with a short polynomial; the primes lie below 2^30, so five terms fit into an int64."""
    result = polynomial * factor[0][:, None]
    for shift in range(1, len(factor)):
        result[:, shift:] += polynomial[:, :-shift] * factor[shift][:, None]
    return result % primes[:, None]


def _twice_cosines(primes: Int64[np.ndarray, " prime"], order: int, length: int) -> Int64[np.ndarray, "prime multiple"]:
    """2 cos(pi k / length) = w^k + w^-k for k = 0 ... 2 length - 1, with w a primitive root of unity modulo each prime.

    The two directions take powers of the same root of order `order`.
    """
    table = np.empty((len(primes), 2 * length), np.int64)
    for row, p in zip(table, primes.tolist(), strict=True):
        root = pow(_primitive_root_of_unity(p, order), order // (2 * length), p)
        row[:] = [(pow(root, k, p) + pow(root, -k, p)) % p for k in range(2 * length)]
    return table


def _primitive_root_of_unity(p: int, order: int) -> int:
    """Residue whose powers first return to 1 at `order`."""
    divisors = [q for q in range(2, order + 1) if order % q == 0]
    for candidate in range(2, p):
        root = pow(candidate, (p - 1) // order, p)
        if all(pow(root, order // q, p) != 1 for q in divisors):
            return root
    raise ArithmeticError(f"no element of order {order} modulo {p}")


def _primes(bits: int, order: int) -> Int64[np.ndarray, " prime"]:
    """Primes congruent to 1 modulo `order`, with a product above 2^bits."""
    primes, candidates = [], range(2**30 // order * order + 1 - order, order, -order)
    for p in candidates:
        if all(p % q for q in range(2, math.isqrt(p) + 1)):
            primes.append(p)
        if math.prod(primes) > 2**bits:
            break
    return np.array(primes, np.int64)


def _join(residues: Int64[np.ndarray, "prime power"], primes: Int64[np.ndarray, " prime"]) -> np.ndarray:
    """Integers with these residues, by the Chinese remainder theorem."""
    modulus = math.prod(primes.tolist())
    basis = [modulus // p * pow(modulus // p, -1, p) for p in primes.tolist()]
    return np.array(basis, object) @ residues.astype(object) % modulus
