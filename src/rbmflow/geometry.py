r"""Where the sites of a lattice are in space, which its table does not say: its standard realization.

Sites are put at the mean of their neighbours, and cells are shaped so that the bonds, taken together, prefer no
direction. This gives the square, the regular hexagon, the kagome and the cube as they are drawn. With :math:`\delta_b`
the bonds in cells, lengths are those of the metric

.. math:: g \propto \Bigl( \sum_b \delta_b\, \delta_b^T \Bigr)^{-1},

in units of the shortest bond.

References
----------
M. Kotani, T. Sunada, Trans. Am. Math. Soc. 353, 1 (2001), doi:10.1090/S0002-9947-00-02632-5.
"""

import itertools

import numpy as np
from jaxtyping import Float64

from rbmflow.lattice import Lattice

SHORTEST = 1e-9
"""Bonds below this length, squared and in cells, join sites that are put in one place."""


def realization(lattice: Lattice) -> tuple[Float64[np.ndarray, "basis axis"], Float64[np.ndarray, "axis axis"]]:
    """Positions of the sites of a cell, in cells, and the metric g.

    Bonds that do not lead along all axes tell nothing of the others: cells are then cubes.
    """
    size, axes = lattice.basis, len(lattice.cells)
    pulled, pull = np.zeros((size, size)), np.zeros((size, axes))
    for bond in lattice.bonds:
        for here, there, step in bond.both_ways():
            pulled[here, here] += 1
            pulled[here, there] -= 1
            pull[here] += step
    positions = np.linalg.pinv(pulled) @ pull
    bonds = np.array([positions[end] + step - positions[start] for start, end, step, _ in lattice.bonds])
    spread = bonds.T @ bonds / len(bonds)
    metric = np.linalg.inv(spread) if np.linalg.matrix_rank(spread) == axes else np.eye(axes)
    lengths = np.einsum("bi,ij,bj->b", bonds, metric, bonds)
    return positions, metric / lengths[lengths > SHORTEST].min()


def distances(lattice: Lattice) -> Float64[np.ndarray, "*displacement"]:
    """Shortest distance on the torus of two sites, in lattice spacings: [cells], with several sites [cells, a, b].

    Examples
    --------
    >>> import rbmflow as rf
    >>> distances(rf.triangular(3)).round(3).tolist()
    [[0.0, 1.0, 1.0], [1.0, 1.732, 1.0], [1.0, 1.0, 1.732]]
    """
    positions, metric = realization(lattice)
    away = _grid([(np.arange(side) + side // 2) % side - side // 2 for side in lattice.cells])
    if lattice.basis > 1:
        away = away[..., None, None, :] + (positions[None] - positions[:, None])
    return np.sqrt(_shortest(away, metric, np.array(lattice.cells)).round(9))


def wavenumbers(lattice: Lattice) -> Float64[np.ndarray, "*cells"]:
    r"""Length :math:`|k|` of every wave vector in radians per lattice spacing, the shortest of those that are the same.

    In the order of `numpy.fft.fftn`.
    """
    _, metric = realization(lattice)
    turns = _grid([np.fft.fftfreq(side) for side in lattice.cells])
    return 2 * np.pi * np.sqrt(_shortest(turns, np.linalg.inv(metric), np.ones(len(lattice.cells))).round(12))


def _grid(along: list[np.ndarray]) -> Float64[np.ndarray, "*cells axis"]:
    return np.stack(np.meshgrid(*along, indexing="ij"), axis=-1).astype(float)


def _shortest(vectors: np.ndarray, metric: np.ndarray, period: np.ndarray) -> Float64[np.ndarray, "..."]:
    """Squared lengths of vectors that repeat with periods along each axis."""
    found = np.full(vectors.shape[:-1], np.inf)
    for image in itertools.product((-1, 0, 1), repeat=len(period)):
        moved = vectors + period * image
        found = np.minimum(found, ((moved @ metric) * moved).sum(axis=-1))
    return found
