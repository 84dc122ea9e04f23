"""Singular vectors and W W^T as functions on the lattice: their waves, their extent, and what they see of the data."""

import functools
import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from rbmflow._checks import Problems
from rbmflow._doors import Configurations, Numbers, numbers_of, rows_of
from rbmflow.lattice import square
from rbmflow.rbm import RBM, machine_of
from rbmflow.spectrum.decomposition import Spectrum, vectors_on

NUMBERS_IN_A_BLOCK = 2**25
"""Visible units that are turned into floating point at once."""


class Shells(NamedTuple):
    r"""Wave vectors of a torus by their length :math:`|k|`, components taken from :math:`-\pi` to :math:`\pi`."""

    wavenumber: Float[np.ndarray, " shell"]
    """Lengths in radians per cell of the lattice, increasing from 0."""
    number: Int[np.ndarray, "*lattice"]
    """Shell of every wave vector, in the order of `numpy.fft.fftn`."""


def shells(*shape: int) -> Shells:
    """Shells of equal wavenumber of a torus with so many cells along each axis, taken as rectangular."""
    problems = Problems()
    cells = problems.wholes("shape of the lattice", shape, 2)
    problems.done()
    squares = functools.reduce(np.add.outer, (np.fft.fftfreq(side) ** 2 for side in cells))
    # The same length comes out of different sums; whole numbers would not do on a torus of unequal sides.
    lengths, index = np.unique(np.round(squares, 12), return_inverse=True)
    return Shells(2 * np.pi * np.sqrt(lengths), index.reshape(cells))


def wave_power(vectors: Numbers, *shape: int) -> Float[np.ndarray, "mode *lattice"]:
    r"""Power of each vector in each wave, :math:`|\hat u(k)|^2 = \frac1N \sum_c |\sum_r u_c(r) e^{-i k r}|^2`.

    Those of all components of a site are added up. By Parseval's theorem the powers of a vector of unit length add up
    to one.
    """
    on = vectors_on(vectors, *shape)
    return (np.abs(np.fft.fftn(on, axes=range(2, on.ndim))) ** 2).sum(axis=1) / math.prod(shape)


def fourier_power(vectors: Numbers, *shape: int) -> Float[np.ndarray, "mode shell"]:
    r"""Power of each vector in each shell of equal :math:`|k|`; each row adds up to one.

    .. math:: p(|k|) = \frac1N \sum_{k' : |k'| = |k|} \left| \sum_r u(r) e^{-i k' r} \right|^2

    The data are invariant under translations, so the modes of a perfect average are single waves; those of one shell
    are degenerate and mix freely. The largest of the powers is the *purity* of the mode. The vectors are a spectrum, or
    columns [visible, mode] of unit length.
    """
    power, index = wave_power(vectors, *shape), shells(*shape).number.ravel()
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

    It is exact where G [..., y, x] of the ensembles is. Independent spins have 1 on every vector; all spins aligned
    have N on the uniform one. The vectors are as for `fourier_power`.
    """
    correlation = _two_point_of(two_point)
    ly, lx = correlation.shape[-2:]
    structure = covariance_eigenvalues(correlation).reshape(*correlation.shape[:-2], ly * lx)
    return structure @ wave_power(vectors, ly, lx).reshape(-1, ly * lx).T


def participation(vectors: Numbers, components: int = 1) -> Float[np.ndarray, " mode"]:
    r"""Fraction of the sites on which each vector lives.

    .. math:: \frac{(\sum_i \vec u_i^2)^2}{N \sum_i (\vec u_i^2)^2}

    1 for a uniform vector, 2/3 for a plane wave, about 1/3 for one of independent Gaussian entries, 1/N for a single
    site; NaN for a vector of zeros. The vectors, of any length, are columns [visible, mode] with so many components a
    site.
    """
    squares = numbers_of(vectors, "vectors", ("visible", "mode"), nan=True) ** 2
    squares = squares.reshape(-1, components, squares.shape[1]).sum(axis=1)
    with np.errstate(invalid="ignore"):
        return squares.sum(axis=0) ** 2 / (len(squares) * (squares**2).sum(axis=0))


def marchenko_pastur_edges(visible: int, hidden: int, scale: float) -> tuple[float, float]:
    r"""Edges of the eigenvalues of W W^T for independent entries of standard deviation `scale`.

    .. math:: \lambda_\pm = \sigma^2 \left( \sqrt{N_v} \pm \sqrt{N_h} \right)^2

    for large matrices; the largest eigenvalue of a finite one scatters about the upper edge by a relative amount of
    order :math:`N^{-2/3}`. Where there are fewer hidden than visible units, the other eigenvalues are zero.
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

    Configurations that do not fit the machine are refused.
    E. de Mello Koch, R. de Mello Koch, L. Cheng, arXiv:1906.05212.
    """
    own = machine_of(machine).in_units("-1/+1")
    weights, bias = np.asarray(own.weights, np.float32), np.asarray(own.hidden_bias, np.float32)
    rows = np.asarray(rows_of(spins, own.sites, "spins", shape=own.shape, states=own.units.states))
    total, size = np.zeros(weights.shape), max(1, NUMBERS_IN_A_BLOCK // len(weights))
    for begin in range(0, len(rows), size):
        visible = np.asarray(own.units.from_spins(rows[begin : begin + size]))
        total += visible.T @ np.tanh(visible @ weights + bias)
    return total / len(rows)


def receptive_correlators(machine: RBM, spins: Configurations) -> Float[np.ndarray, "hidden *lattice"]:
    r"""Correlators of each hidden unit with the spins around its receptive field, by displacement.

    .. math:: C_j(r) = \mathrm{sgn}(W_{c_j j})\, \langle v_{c_j + r}\, h_j \rangle, \qquad
        c_j = \mathrm{argmax}_i |W_{ij}|

    Of block spins this is localised at the block, and decays as the two-point function of the spins. A machine that
    knows no lattice, or has several sites in a cell or several numbers a site, is refused.
    E. de Mello Koch, R. de Mello Koch, L. Cheng, arXiv:1906.05212.

    Examples
    --------
    >>> import rbmflow as rf
    >>> model = rf.ising(rf.square(4))
    >>> draws = rf.sample(0, model, temperatures=[2.0, 3.0], draws=100)
    >>> machine, _ = rf.train(0, draws, hidden=3, epochs=1)
    >>> receptive_correlators(machine, draws).shape
    (3, 4, 4)
    """
    own = machine_of(machine).in_units("-1/+1")
    shape = own.shape or ()
    fits = math.prod(shape) == len(own.weights) > 1
    Problems.only(fits, "shape", own.shape, "the machine must know the lattice of its visible units, one number a site")
    weights, correlators = np.asarray(own.weights), field_correlators(machine, spins)
    centres = np.argmax(np.abs(weights), axis=0)
    signs = np.sign(weights[centres, np.arange(weights.shape[1])])
    places = np.stack(np.unravel_index(centres, shape), axis=-1)
    axes = tuple(range(len(shape)))
    rows = zip(places, (correlators * signs).T.reshape(-1, *shape), strict=True)
    return np.stack([np.roll(one, tuple(-place), axes) for place, one in rows])


def translation_average(vectors: Numbers, *shape: int) -> Float[np.ndarray, "*lattice"]:
    r"""Mean of the trace of the blocks of W W^T over all pairs of sites at one displacement on the torus.

    .. math:: P(r) = \frac1N \sum_i \mathrm{Tr}\, (W W^T)_{i,\, i + r}
        = \frac1{N^2} \sum_k \sum_j |\hat W_j(k)|^2 e^{i k r}

    It needs no matrix of pairs of sites: the sum over k is that of the powers of the columns. The vectors are the
    spectrum of W, or W itself.
    """
    power = wave_power(vectors, *shape)
    weight = vectors.singular_values**2 if isinstance(vectors, Spectrum) else np.ones(len(power))
    return np.fft.ifftn(np.tensordot(weight, power, 1)).real


class Resemblance(NamedTuple):
    """How alike two functions of the displacement are."""

    correlation: float
    """Pearson correlation; NaN where one of them is constant, as G of the ground states is."""
    cosine: float
    """Normalised scalar product, which counts a common constant as likeness."""


def resemblance(product: Numbers, two_point: Numbers) -> Resemblance:
    r"""Likeness of W W^T and the two-point function G over all displacements but zero.

    .. math:: \rho = \frac{\sum_{r \ne 0} (P(r) - \bar P)(G(r) - \bar G)}
                          {\sqrt{\sum_{r \ne 0} (P(r) - \bar P)^2 \sum_{r \ne 0} (G(r) - \bar G)^2}}, \qquad
              \cos = \frac{\sum_{r \ne 0} P(r)\, G(r)}{\sqrt{\sum_{r \ne 0} P(r)^2 \sum_{r \ne 0} G(r)^2}}
    """
    average = numbers_of(product, "product", ("y", "x"), nan=True)
    one, other = average.ravel()[1:], numbers_of(two_point, "two_point", average.shape).ravel()[1:]
    return Resemblance(_cosine(one - one.mean(), other - other.mean()), _cosine(one, other))


def _cosine(one: Float[np.ndarray, " n"], other: Float[np.ndarray, " n"]) -> float:
    lengths = np.linalg.norm(one), np.linalg.norm(other)
    # A constant leaves rounding errors once its mean is taken away.
    if min(lengths) <= 1e-12 * np.sqrt(one.size):
        return float("nan")
    return float(one @ other / (lengths[0] * lengths[1]))


class DisplacementClasses(NamedTuple):
    """Displacements that reflections of the torus, and on a square the exchange of its axes, make the same."""

    distance: Float[np.ndarray, " displacement"]
    """Shortest Euclidean distance on the torus, in lattice spacings, increasing from 0."""
    number: Int[np.ndarray, "y x"]
    """Class of every displacement."""

    def average(self, values: Numbers) -> Float[np.ndarray, " displacement"]:
        """Mean of a function of the displacement over each class."""
        flat = self.number.ravel()
        whole = numbers_of(values, "values", self.number.shape, nan=True)
        return np.bincount(flat, weights=whole.ravel()) / np.bincount(flat)


def displacement_classes(ly: int, lx: int) -> DisplacementClasses:
    """Classes of the displacements of a torus of so many rows and columns."""
    ly, lx = square(ly, lx).shape
    y, x = np.minimum(np.arange(ly), -np.arange(ly) % ly), np.minimum(np.arange(lx), -np.arange(lx) % lx)
    down, across = np.meshgrid(y, x, indexing="ij")
    if ly == lx:
        down, across = np.maximum(down, across), np.minimum(down, across)
    named, index = np.unique(
        np.stack([down**2 + across**2, down, across], axis=-1).reshape(-1, 3), axis=0, return_inverse=True
    )
    return DisplacementClasses(np.sqrt(named[:, 0]), index.reshape(ly, lx))
