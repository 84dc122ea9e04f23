r"""Exact correlations of the row magnetizations of a square torus, and the correlation length that follows from them.

With the symmetric row transfer matrix T = U diag(\lambda) U^+ of Z = tr T^L and the row magnetization m, diagonal in
the states of a row and A = U^+ m U in the eigenvectors,

.. math:: \langle m_0 m_y \rangle = \frac1Z \sum_{ij} \lambda_i^{L-y} \lambda_j^y |A_{ij}|^2, \qquad
          S(k) = \frac1L \sum_y e^{iky} \langle m_0 m_y \rangle

and the sum over y is a geometric one. T commutes with translations of the row and with the reversal of all its spins,
so each momentum and parity is a block of its own; the blocks are Fourier transforms of the elements between one row of
each class.

References
----------
H. A. Kramers and G. H. Wannier, Phys. Rev. 60, 252 (1941), doi:10.1103/PhysRev.60.252 (the transfer matrix).
F. Cooper, B. Freedman, D. Preston, Nucl. Phys. B 210, 210 (1982), doi:10.1016/0550-3213(82)90240-1 (the second-moment
correlation length).
"""

import functools
from typing import NamedTuple

import numpy as np
from jaxtyping import Complex128, Float64, Int64

from rbmflow._checks import Problems
from rbmflow.exact._temperature import PerTemperature, Reals, inverse_temperature
from rbmflow.model import Ising, free_lattice, model_of

WIDEST = 12
"""Longest side: a row has 2^12 states."""


def correlations_known(model: Ising) -> bool:
    """Whether the lattice is a square with a side from 3 to 12 and there is no field."""
    ly, lx = model_of(model).lattice.shape
    return ly == lx and 3 <= ly <= WIDEST and model.field == 0


def structure_factors(model: Ising, temperature: Reals) -> tuple[PerTemperature, PerTemperature]:
    r"""Structure factors :math:`S(k) = \langle |\sum_r s_r e^{-ik \cdot r}|^2 \rangle / N` at k = 0 and 2 pi / L.

    They are known above T = 0, where `correlations_known`.

    Examples
    --------
    >>> from rbmflow.lattice import Square
    >>> [round(float(s), 12) for s in structure_factors(Ising(Square(4)), float("inf"))]
    [1.0, 1.0]
    """
    lattice, coupling = free_lattice(model), inverse_temperature(temperature)
    problems = Problems()
    allowed = f"it must be a square torus with a side from 3 to {WIDEST}"
    problems.unless(correlations_known(model), "lattice", lattice, allowed)
    problems.unless(bool(np.isfinite(coupling).all()), "temperature", temperature, "it must be above 0")
    problems.done()
    side = lattice.shape[0]
    found = np.array([_structure_factors(side, k) for k in coupling.ravel().tolist()]).reshape(*coupling.shape, 2)
    return found[..., 0][()], found[..., 1][()]


def correlation_length(model: Ising, temperature: Reals) -> PerTemperature:
    r"""Second-moment correlation length of the torus, in lattice spacings.

    .. math:: \xi = \frac{1}{2 \sin(\pi / L)} \sqrt{\frac{S(0)}{S(2\pi/L)} - 1}

    S(0) is that of the full two-point function, so that the length goes on growing below T_c.

    Examples
    --------
    >>> from rbmflow.lattice import Square
    >>> round(float(correlation_length(Ising(Square(10)), 2.269185314213022) / 10), 3)
    0.918
    """
    uniform, wave = structure_factors(model, temperature)
    return np.sqrt(np.maximum(uniform / wave - 1, 0)) / (2 * np.sin(np.pi / model.lattice.shape[0]))


class _Rows(NamedTuple):
    """One row state of each class under translation and reversal, and what becomes of it."""

    state: Int64[np.ndarray, " row"]
    orbit: Int64[np.ndarray, " row"]
    image: Int64[np.ndarray, "row shift reversal"]


@functools.cache
def _rows(width: int) -> _Rows:
    states = np.arange(2**width)
    shifted = [states]
    for _ in range(width - 1):
        shifted.append((shifted[-1] >> 1) | ((shifted[-1] & 1) << (width - 1)))
    one = np.stack(shifted, axis=1)
    image = np.stack([one, one ^ states[-1]], axis=2)
    first = np.flatnonzero(image.min(axis=(1, 2)) == states)
    orbit = np.array([np.unique(row).size for row in image[first]])
    return _Rows(first, orbit, image[first])


def _structure_factors(side: int, coupling: float) -> tuple[float, float]:
    """S at 0 and at the smallest wave vector, from the blocks of each momentum and parity of the row."""
    rows = _rows(side)
    broken = np.exp(-2 * coupling) ** np.arange(side + 1)
    inside = np.sqrt(broken[np.bitwise_count(rows.state ^ rows.image[:, 1, 0])])
    between = broken[np.bitwise_count(rows.state[:, None, None, None] ^ rows.image[None])]
    weight = inside * np.sqrt(rows.orbit / (2 * side))
    blocks = np.fft.fft2(between) * np.multiply.outer(weight, weight)[..., None, None]
    fixed = np.fft.fft2(rows.image == rows.state[:, None, None]).real > 0.5
    magnetization = 2.0 * np.bitwise_count(rows.state) - side
    sums = np.zeros(3)
    scale = 0.0
    for momentum in range(side // 2 + 1):
        modes = []
        for parity in range(2):
            there = fixed[:, momentum, parity]
            values, vectors = np.linalg.eigh(blocks[there][:, there, momentum, parity])
            scale = scale or values[-1]  # the largest eigenvalue is even with momentum 0, and comes first
            modes.append((np.maximum(values, 0.0) / scale, vectors[fixed[there, momentum].all(axis=1)]))
        common = fixed[:, momentum].all(axis=1)
        # Momenta k and -k have the same part in every sum.
        sums += (1 if 2 * momentum % side == 0 else 2) * _sums(side, magnetization[common], *modes)
    partition, uniform, wave = sums.tolist()
    return uniform / partition / side, wave / partition / side


def _sums(
    side: int,
    magnetization: Float64[np.ndarray, " row"],
    even: tuple[Float64[np.ndarray, " even"], Complex128[np.ndarray, "row even"]],
    odd: tuple[Float64[np.ndarray, " odd"], Complex128[np.ndarray, "row odd"]],
) -> Float64[np.ndarray, "3"]:
    """Parts of one momentum in Z and in both structure factors, times Z and the side."""
    (some, of_even), (others, of_odd) = even, odd
    # The magnetization is odd under reversal: it joins states of different parity, and is zero in rows of one alone.
    elements = np.abs(of_even.conj().T @ (magnetization[:, None] * of_odd)) ** 2
    one, other = some[:, None], others[None, :]
    difference = one**side - other**side
    # Sum over y of a^(L-y) b^y e^(iky), geometric, and the same with a and b exchanged.
    with np.errstate(invalid="ignore", divide="ignore"):
        turn = np.exp(2j * np.pi / side)
        turned = (one * difference / (one - other * turn) - other * difference / (other - one * turn)).real
        plain = (one + other) * difference / (one - other)
    same = np.abs(one - other) <= 1e-9 * (one + other)
    plain = np.where(same, 2 * side * one**side, plain)
    partition = np.sum(some**side) + np.sum(others**side)
    return np.array([partition, np.sum(plain * elements), np.sum(np.nan_to_num(turned) * elements)])
