"""Singular vectors as functions on the lattice: their waves, their extent, and what they see of the data."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from rbmflow._checks import Problems
from rbmflow._doors import Configurations, Numbers, numbers_of, rows_of
from rbmflow.lattice import Square
from rbmflow.rbm import RBM, machine_of
from rbmflow.spectrum.decomposition import vectors_on

NUMBERS_IN_A_BLOCK = 2**25
"""Visible units that are turned into floating point at once."""


class Shells(NamedTuple):
    r"""Wave vectors of a torus by their length :math:`|k|`, components taken from :math:`-\pi` to :math:`\pi`."""

    wavenumber: Float[np.ndarray, " shell"]
    """Lengths in radians per lattice spacing, increasing from 0."""
    number: Int[np.ndarray, "y x"]
    """Shell of every wave vector, in the order of `numpy.fft.fft2`."""


def shells(ly: int, lx: int) -> Shells:
    """Shells of equal wavenumber of a torus of so many rows and columns.

    Examples
    --------
    >>> (shells(4, 4).wavenumber / np.pi).round(3).tolist()
    [0.0, 0.5, 0.707, 1.0, 1.118, 1.414]
    """
    ly, lx = Square(ly, lx).shape
    squares = np.add.outer((np.fft.fftfreq(ly)) ** 2, (np.fft.fftfreq(lx)) ** 2)
    # The same length comes out of different sums; whole numbers would not do on a torus of unequal sides.
    lengths, index = np.unique(np.round(squares, 12), return_inverse=True)
    return Shells(2 * np.pi * np.sqrt(lengths), index.reshape(ly, lx))


def wave_power(vectors: Numbers, ly: int, lx: int) -> Float[np.ndarray, "mode y x"]:
    r"""Power of each vector in each wave, :math:`|\hat u(k)|^2 = \frac1N |\sum_r u(r) e^{-i k r}|^2`.

    By Parseval's theorem the powers of a vector of unit length add up to one.
    """
    return np.abs(np.fft.fft2(vectors_on(vectors, ly, lx))) ** 2 / (ly * lx)


def fourier_power(vectors: Numbers, ly: int, lx: int) -> Float[np.ndarray, "mode shell"]:
    r"""Power of each vector in each shell of equal :math:`|k|`; each row adds up to one.

    .. math:: p(|k|) = \frac1N \sum_{k' : |k'| = |k|} \left| \sum_r u(r) e^{-i k' r} \right|^2

    The data are invariant under translations, so the modes of a perfect average are single waves; those of one shell
    are degenerate and mix freely. The largest of the powers is the *purity* of the mode.

    Parameters
    ----------
    vectors
        A spectrum, or vectors of unit length as columns [visible, mode].
    ly, lx
        Rows and columns of the lattice.

    Examples
    --------
    >>> fourier_power(np.ones((16, 1)) / 4, 4, 4).round(12).tolist()
    [[1.0, 0.0, 0.0, 0.0, 0.0, 0.0]]
    """
    power, index = wave_power(vectors, ly, lx), shells(ly, lx).number.ravel()
    return np.stack([np.bincount(index, weights=one.ravel()) for one in power])


def covariance_eigenvalues(two_point: Numbers) -> Float[np.ndarray, "*batch y x"]:
    r"""Eigenvalues of the covariance matrix of the spins, one a wave: the structure factor.

    .. math:: S(k) = \sum_r G(r) \cos(k r)

    It is in the order of `numpy.fft.fft2`, and its mean is 1; the mean magnetization is taken to be zero.
    """
    return np.real(np.fft.fft2(_two_point_of(two_point)))


def _two_point_of(given: Numbers) -> Float[np.ndarray, "*batch y x"]:
    """A two-point function of spins: 1 at no displacement, and nowhere beyond 1 but for rounding."""
    values = numbers_of(given, "two_point", ("...", "y", "x"), lowest=-1 - 1e-5, highest=1 + 1e-5)
    here = values[..., 0, 0]
    odd = here[np.abs(here - 1) > 1e-5]
    Problems.only(odd.size == 0, "two_point", odd.flat[0].item() if odd.size else None, "it must be 1 at (0, 0)")
    return values


def projections(vectors: Numbers, two_point: Numbers) -> Float[np.ndarray, "*batch mode"]:
    r"""Mean squared projection of configurations on each vector.

    .. math:: \langle (u \cdot s)^2 \rangle = \sum_{ij} u_i\, G(r_i - r_j)\, u_j = \sum_k |\hat u(k)|^2 S(k)

    It is exact where G is. Independent spins have 1 on every vector; all spins aligned have N on the uniform one.

    Parameters
    ----------
    vectors
        A spectrum, or vectors of unit length as columns [visible, mode].
    two_point : float64 [..., y, x]
        G of the ensembles, on the lattice of the spectrum.
    """
    correlation = _two_point_of(two_point)
    ly, lx = correlation.shape[-2:]
    structure = covariance_eigenvalues(correlation).reshape(*correlation.shape[:-2], ly * lx)
    return structure @ wave_power(vectors, ly, lx).reshape(-1, ly * lx).T


def participation(vectors: Numbers) -> Float[np.ndarray, " mode"]:
    r"""Fraction of the sites on which each vector lives.

    .. math:: \frac{(\sum_i u_i^2)^2}{N \sum_i u_i^4}

    1 for a uniform vector, 2/3 for a plane wave, about 1/3 for one of independent Gaussian entries, 1/N for a single
    site; NaN for a vector of zeros. The vectors, of any length, are columns [visible, mode].
    """
    squares = numbers_of(vectors, "vectors", ("visible", "mode"), nan=True) ** 2
    with np.errstate(invalid="ignore"):
        return squares.sum(axis=0) ** 2 / (len(squares) * (squares**2).sum(axis=0))


def marchenko_pastur_edges(visible: int, hidden: int, scale: float) -> tuple[float, float]:
    r"""Edges of the eigenvalues of W W^T for independent entries of standard deviation `scale`.

    .. math:: \lambda_\pm = \sigma^2 \left( \sqrt{N_v} \pm \sqrt{N_h} \right)^2

    for large matrices; the largest eigenvalue of a finite one scatters about the upper edge by a relative amount of
    order :math:`N^{-2/3}`. Where there are fewer hidden than visible units, the other eigenvalues are zero.

    References
    ----------
    V. A. Marchenko, L. A. Pastur, Math. USSR Sb. 1, 457 (1967), doi:10.1070/SM1967v001n04ABEH001994.
    """
    problems = Problems()
    problems.not_negative("scale", scale)
    roots = np.sqrt(problems.whole("visible", visible, 1)), np.sqrt(problems.whole("hidden", hidden, 1))
    problems.done()
    return scale**2 * (roots[0] - roots[1]) ** 2, scale**2 * (roots[0] + roots[1]) ** 2


def field_correlators(machine: RBM, spins: Configurations) -> Float[np.ndarray, "visible hidden"]:
    r"""Correlators of visible and hidden units over given configurations.

    .. math:: \langle v_i h_j \rangle = \langle v_i\, \tanh(c_j + \sum_l v_l W_{lj}) \rangle

    The machine is taken in units -1/+1; configurations that do not fit it are refused.

    References
    ----------
    E. de Mello Koch, R. de Mello Koch, L. Cheng, arXiv:1906.05212.
    """
    own = machine_of(machine).in_units("-1/+1")
    weights, bias = np.asarray(own.weights, np.float32), np.asarray(own.hidden_bias, np.float32)
    rows = np.asarray(rows_of(spins, len(weights), "spins", shape=machine.sides))
    total, size = np.zeros(weights.shape), max(1, NUMBERS_IN_A_BLOCK // len(weights))
    for begin in range(0, len(rows), size):
        visible = rows[begin : begin + size].astype(np.float32)
        total += visible.T @ np.tanh(visible @ weights + bias)
    return total / len(rows)
