r"""The exact two-point function of a torus, by the row transfer matrix.

With rows along the shorter side and V, D as in `row_transfer` (z = 1), :math:`T = D V` and

.. math:: \langle s_{0,0}\, s_{\Delta y, \Delta x} \rangle = \frac1Z \sum_{st} s_x\, t_{x + \Delta x}\,
          (T^{\Delta y})_{st}\, (T^{L_y - \Delta y})_{ts},

averaged over x. First rows related by translation, reflection or reversal are done once, and V is a product over
sites, so that only thin matrices are ever made. All terms of the powers are positive.
"""

import numpy as np
from jaxtyping import Float64

from rbmflow._checks import Problems
from rbmflow.exact._temperature import Reals, inverse_temperature, vanishing
from rbmflow.exact.row_transfer import _between_rows, _first_rows, _rotated, magnetization_known
from rbmflow.lattice import Square
from rbmflow.model import Ising, free_lattice


def two_point(model: Ising, temperature: Reals) -> Float64[np.ndarray, "*batch y x"]:
    r"""Spin-spin correlation :math:`G(r) = \langle s_i s_{i + r} \rangle` at every displacement on the torus.

    Without a field :math:`\langle s_i \rangle = 0` on a finite torus, so G is also the covariance.

    Parameters
    ----------
    model
        The model; shorter side at most 12 and at most 256 sites.
    temperature
        Temperatures of any shape, in units J/k_B.

    Returns
    -------
    float64 [..., y, x]
        G at displacement (y, x), 1 at (0, 0).

    Raises
    ------
    InvalidInput
        If a temperature is negative or NaN, or the lattice is too large.

    References
    ----------
    H. A. Kramers and G. H. Wannier, Phys. Rev. 60, 252 (1941), doi:10.1103/PhysRev.60.252.

    Examples
    --------
    >>> from rbmflow.lattice import Square
    >>> two_point(Ising(Square(2)), [0.0, float("inf")]).tolist()
    [[[1.0, 1.0], [1.0, 1.0]], [[1.0, 0.0], [0.0, 0.0]]]
    """
    lattice = free_lattice(model)
    allowed = "the exact two-point function is known up to a shorter side of 12 and 256 sites"
    Problems.only(magnetization_known(model), "lattice", lattice, allowed)
    coupling = inverse_temperature(temperature)
    found = np.array([_two_point(lattice, k) for k in coupling.ravel().tolist()])
    return found.reshape(*coupling.shape, *lattice.shape)


@vanishing
def _two_point(lattice: Square, coupling: float) -> Float64[np.ndarray, "y x"]:
    width, length = sorted(lattice.shape)
    states = np.arange(2**width)
    spins = ((states[:, None] >> np.arange(width)) & 1) * 2.0 - 1
    broken = np.exp(-2 * coupling) ** np.arange(width + 1)
    row_weight = broken[np.bitwise_count(states ^ _rotated(states, width))]
    halves = _between_rows(broken, width - width // 2), _between_rows(broken, width // 2)
    columns = np.add.outer(np.arange(width), np.arange(width)) % width  # [displacement, x] -> x + displacement
    blocks = _first_rows(width, 2**width)
    first = np.concatenate([rows for _, rows, _ in blocks])
    orbit = np.concatenate([sizes for _, _, sizes in blocks])
    every, sizes = np.arange(first.size), orbit * row_weight[first]
    start = np.zeros((states.size, first.size))
    start[first, every] = 1
    # powers[k - 1] is D^-1 T^k with the columns `first`, without a division: T may have rows of zeros.
    powers = [_between(halves, start)]
    for _ in range(length - 1):
        powers.append(_between(halves, row_weight[:, None] * powers[-1]))
    returned = powers[-1][first, every] * sizes
    found = np.empty((length, width))
    for rows in range(length):
        if rows:
            joined = row_weight[:, None] * powers[rows - 1] * powers[length - rows - 1] * sizes
        else:
            joined = start * returned
        pairs = spins[first].T @ joined.T @ spins  # [x, x']: spin x of the first row, x' of the other
        found[rows] = pairs[np.arange(width), columns].mean(axis=1) / returned.sum()
    # Both directions along a row are the same; one row of a reflected pair stands for both.
    found = (found + found[:, -np.arange(width)]) / 2
    return found if lattice.shape == (length, width) else found.T


def _between(
    halves: tuple[Float64[np.ndarray, "a a"], Float64[np.ndarray, "b b"]], rows: Float64[np.ndarray, "state first"]
) -> Float64[np.ndarray, "state first"]:
    """Multiply with V, a product over sites, half the sites at a time."""
    left, right = halves
    split = rows.reshape(len(left), len(right), -1)
    split = np.matmul(right, split)
    return np.tensordot(left, split, axes=(1, 0)).reshape(rows.shape)
