"""Covariances of the data by displacement, as the units of a machine see them, and their waves."""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Complex, Float, Float64

from rbmflow._checks import Problems
from rbmflow._doors import Numbers, numbers_of
from rbmflow.lattice import Lattice
from rbmflow.spectrum.decomposition import vectors_on
from rbmflow.units import PLUS_MINUS, Units


class Waves(NamedTuple):
    """Eigenvectors of the covariance: the wave vectors, and at each of them as many as a cell has free numbers."""

    eigenvalue: Float64[np.ndarray, "*cells wave"]
    vector: Complex[np.ndarray, "*cells number wave"]

    def error(
        self, covariances: Numbers, draws: int, lattice: Lattice, units: Units = PLUS_MINUS
    ) -> Float64[np.ndarray, "*cells wave"]:
        r"""Standard error of the eigenvalues of a mixture whose covariances [temperature, ...] are means over draws.

        .. math:: \delta c^2 = \frac{1}{n K^2} \sum_{t = 1}^K f_k\, c_t^2, \qquad c_t = u^\dagger D_t(k)\, u,

        for n independent configurations at each of K temperatures, with Gaussian waves: f = 2 for a real one, where k
        and -k are the same, else 1. Waves that are bounded, as the uniform one of ordered spins, scatter less.
        """
        given = blocks_of(covariances, lattice, units)
        axes = tuple(range(1, 1 + len(lattice.cells)))
        each = np.fft.fftn(given, axes=axes).conj()
        own = np.einsum("...aw,t...ab,...bw->t...w", self.vector.conj(), each, self.vector).real
        turns = np.stack(np.meshgrid(*map(np.arange, lattice.cells), indexing="ij"), axis=-1)
        real = (2 * turns % np.array(lattice.cells) == 0).all(axis=-1)
        return np.sqrt((own**2).sum(axis=0) * np.where(real, 2, 1)[..., None] / draws) / len(own)

    def amplitude(self, weights: Numbers, lattice: Lattice, units: Units) -> Complex[np.ndarray, "wave column"]:
        """Projections of columns [visible, column], such as those of W by `units.root`, on every wave."""
        on = np.moveaxis(vectors_on(weights, lattice) @ units.directions, 0, -1)
        axes = range(len(lattice.cells))
        waves = np.fft.fftn(on, axes=axes, norm="ortho").reshape(*lattice.cells, -1, on.shape[-1])
        if self.vector.shape[-1] == 1:
            return waves.reshape(-1, on.shape[-1])
        return (self.vector.conj().swapaxes(-1, -2) @ waves).reshape(-1, on.shape[-1])


def in_units(units: Units, covariance: Numbers) -> Float64[np.ndarray, "... number number_other"]:
    r"""Covariances of the free numbers of units, from those of `correlations.state_covariance`.

    .. math:: D_{cd}(r) = \frac1q \sum_{ss'} x_c(s)\, K_{ss'}(r)\, x_d(s'),

    with the numbers x(s) of the states, of mean zero and covariance one over all q of them (`Units.free`).
    """
    given, states = numbers_of(covariance, "covariance", ("...", "state", "state_other")), len(units.states)
    cell = given.shape[-1] // states
    table = np.kron(np.eye(cell), units.free / np.sqrt(states))
    return table.T @ given @ table


def two_point_of(units: Units, covariance: Numbers) -> Float64[np.ndarray, "..."]:
    """Two-point function from the covariance of the numbers of a cell: the mean over those of a site, 1 at r = 0."""
    given, rank = numbers_of(covariance, "covariance", ("...", "number", "number_other")), units.directions.shape[1]
    basis = given.shape[-1] // rank
    blocks = given.reshape(*given.shape[:-2], basis, rank, basis, rank)
    traced = np.trace(blocks, axis1=-3, axis2=-1) / rank
    return traced[..., 0, 0] if basis == 1 else traced


def blocks_of(
    covariance: Numbers, lattice: Lattice, units: Units = PLUS_MINUS
) -> Float64[np.ndarray, "... number number_other"]:
    """Covariance of the numbers of two cells by displacement; of one number a cell the two-point function will do."""
    size = lattice.basis * units.directions.shape[1]
    given = numbers_of(covariance, "two_point", ("...",))
    cells = len(lattice.cells)
    if size == 1 and given.shape[-cells:] == lattice.cells:
        given = given[..., None, None]
    told = f"the last axes must be {lattice.cells}" + (f", {size}, {size}" if size > 1 else "")
    Problems.only(given.shape[-cells - 2 :] == (*lattice.cells, size, size), "shape of two_point", given.shape, told)
    here = given[(..., *np.zeros(cells, int), slice(None), slice(None))]
    odd = np.abs(np.diagonal(here, axis1=-2, axis2=-1) - 1) if units.two_valued else np.zeros(1)
    Problems.only(bool((odd <= 1e-5).all()), "two_point", here.ravel()[0].item(), "it must be 1 at no displacement")
    return given


def covariance_waves(covariance: Numbers, lattice: Lattice, units: Units = PLUS_MINUS) -> Waves:
    r"""Eigenvalues and eigenvectors of the covariance of the data, wave by wave.

    .. math:: D(k) = \sum_r D(r)\, e^{ikr}, \qquad D(k)\, u = c\, u.

    On a torus they are plane waves; with several numbers a cell, of its sites and of their states, each wave has as
    many, with the polarization u. Of one number c is the structure factor. Their mean is 1 where no state is rarer.

    Parameters
    ----------
    covariance : [cells], or [cells, number, number]
        By displacement, of the free numbers of the units (`in_units`); of one number a cell the two-point function. The
        mean of the numbers is taken to be zero.
    """
    given, axes = blocks_of(covariance, lattice, units), range(len(lattice.cells))
    waves = np.fft.fftn(given, axes=axes)
    if given.shape[-1] == 1:
        return Waves(np.real(waves[..., 0]), np.ones_like(waves))
    values, vectors = np.linalg.eigh(waves.conj())
    return Waves(values[..., ::-1], vectors[..., ::-1])


def projections(
    vectors: Numbers, covariance: Numbers, lattice: Lattice, units: Units = PLUS_MINUS
) -> Float[np.ndarray, "*batch mode"]:
    r"""Mean squared projection of configurations on each vector.

    .. math:: \langle (u \cdot x)^2 \rangle = \sum_{ij} u_i^T D(r_i - r_j)\, u_j
        = \frac1M \sum_k \hat u(k)^\dagger D(k)\, \hat u(k)

    It is exact where D of the ensembles is, [..., cells] or [..., cells, number, number] as for `covariance_waves`.
    Independent spins have 1 on every vector; all spins aligned have N on the uniform one. The vectors are as for
    `fourier_power`.
    """
    given, cells = blocks_of(covariance, lattice, units), math.prod(lattice.cells)
    axes = range(given.ndim - 2 - len(lattice.cells), given.ndim - 2)
    batch, size = given.shape[: axes.start], given.shape[-1]
    structure = np.fft.fftn(given, axes=axes).reshape(*batch, cells, size, size)
    on = vectors_on(vectors, lattice) @ units.directions
    waves = np.fft.fftn(on, axes=range(1, 1 + len(lattice.cells))).reshape(len(on), cells, size)
    if size == 1:
        return np.real(structure[..., 0, 0]) @ (np.abs(waves[..., 0]) ** 2 / cells).T
    return np.einsum("mka,...kab,mkb->...m", waves, structure, waves.conj(), optimize=True).real / cells
