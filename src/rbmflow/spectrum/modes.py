"""Singular vectors and W W^T as functions on the lattice: their waves, their extent, and what they see of the data."""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from rbmflow._checks import Problems
from rbmflow._doors import Configurations, Numbers, numbers_of, rows_of
from rbmflow.geometry import distances, wavenumbers
from rbmflow.lattice import Lattice
from rbmflow.rbm import RBM, machine_of
from rbmflow.spectrum.decomposition import Spectrum, vectors_on

NUMBERS_IN_A_BLOCK = 2**25
"""Visible units that are turned into floating point at once."""


class Shells(NamedTuple):
    r"""Wave vectors of a torus by their length :math:`|k|`, the shortest of those that are the same wave."""

    wavenumber: Float[np.ndarray, " shell"]
    """Lengths in radians per lattice spacing, increasing from 0."""
    number: Int[np.ndarray, "*cells"]
    """Shell of every wave vector, in the order of `numpy.fft.fftn`."""


def shells(lattice: Lattice) -> Shells:
    """Shells of equal wavenumber of a lattice, see `geometry.wavenumbers`."""
    lengths, index = np.unique(wavenumbers(lattice), return_inverse=True)
    return Shells(lengths, index.reshape(lattice.cells))


def _waves(vectors: Numbers, lattice: Lattice) -> np.ndarray:
    """Waves [mode, *cells, basis, component] of each vector, by `numpy.fft.fftn` over cells."""
    return np.fft.fftn(vectors_on(vectors, lattice), axes=range(1, 1 + len(lattice.cells)))


def fourier_power(vectors: Numbers, lattice: Lattice) -> Float[np.ndarray, "mode shell"]:
    r"""Power of each vector in each shell of equal :math:`|k|`; each row adds up to one.

    .. math:: p(|k|) = \frac1M \sum_{k' : |k'| = |k|} \sum_c \left| \sum_R u_c(R) e^{-i k' R} \right|^2

    with M cells R and the numbers c of a cell, those of all its sites. The data are invariant under translations, so
    the modes of a perfect average are single waves; those of one shell are degenerate and mix freely. The largest of
    the powers is the *purity* of the mode. The vectors are a spectrum, or columns [visible, mode] of unit length.
    """
    power = (np.abs(_waves(vectors, lattice)) ** 2).sum(axis=(-2, -1)) / math.prod(lattice.cells)
    index = shells(lattice).number.ravel()
    return np.stack([np.bincount(index, weights=one.ravel()) for one in power])


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
    return around_fields(np.asarray(own.weights), field_correlators(machine, spins), shape)


def around_fields(
    fields: Float[np.ndarray, "visible hidden"],
    correlators: Float[np.ndarray, "visible hidden"],
    shape: tuple[int, ...],
) -> Float[np.ndarray, "hidden *lattice"]:
    """Correlators moved so that each hidden unit has the largest of its receptive field at the origin, and positive."""
    centres = np.argmax(np.abs(fields), axis=0)
    signs = np.sign(fields[centres, np.arange(fields.shape[1])])
    places = np.stack(np.unravel_index(centres, shape), axis=-1)
    axes = tuple(range(len(shape)))
    rows = zip(places, (correlators * signs).T.reshape(-1, *shape), strict=True)
    return np.stack([np.roll(one, tuple(-place), axes) for place, one in rows])


def translation_average(vectors: Numbers, lattice: Lattice) -> Float[np.ndarray, "*displacement"]:
    r"""Mean of the trace of the blocks of W W^T over all pairs of sites at one displacement on the torus.

    .. math:: P_{ab}(r) = \frac1M \sum_R \mathrm{Tr}\, (W W^T)_{(R, a),\, (R + r, b)}
        = \frac1{M^2} \sum_k \sum_{jc} \hat W_{acj}(k)^* \hat W_{bcj}(k)\, e^{i k r}

    with M cells R, their sites a and b and the numbers c of a site; [cells], or [cells, a, b] where a cell has several
    sites. It needs no matrix of pairs of sites: the sum over k is that of the waves of the columns. The vectors are the
    spectrum of W, or W itself.
    """
    waves = _waves(vectors, lattice)
    weight = vectors.singular_values**2 if isinstance(vectors, Spectrum) else np.ones(len(waves))
    axes = tuple(range(len(lattice.cells)))
    if lattice.basis == 1:
        power = (np.abs(waves[..., 0, :]) ** 2).sum(axis=-1) / lattice.sites
        return np.fft.ifftn(np.tensordot(weight, power, 1), axes=axes).real
    products = np.einsum("m,m...ac,m...bc->...ab", weight, waves.conj(), waves) / math.prod(lattice.cells)
    return np.fft.ifftn(products, axes=axes).real


class Resemblance(NamedTuple):
    """How alike two functions of the displacement are."""

    correlation: float
    """Pearson correlation; NaN where one of them is constant, as G of the ground states is."""
    cosine: float
    """Normalised scalar product, which counts a common constant as likeness."""


def resemblance(product: Numbers, two_point: Numbers, lattice: Lattice) -> Resemblance:
    r"""Likeness of W W^T and the two-point function G over all displacements but zero.

    .. math:: \rho = \frac{\sum_{r \ne 0} (P(r) - \bar P)(G(r) - \bar G)}
                          {\sqrt{\sum_{r \ne 0} (P(r) - \bar P)^2 \sum_{r \ne 0} (G(r) - \bar G)^2}}, \qquad
              \cos = \frac{\sum_{r \ne 0} P(r)\, G(r)}{\sqrt{\sum_{r \ne 0} P(r)^2 \sum_{r \ne 0} G(r)^2}}

    Both are as `translation_average` has them.
    """
    away = distances(lattice) > 0
    one = numbers_of(product, "product", away.shape, nan=True)[away]
    other = numbers_of(two_point, "two_point", away.shape)[away]
    return Resemblance(_cosine(one - one.mean(), other - other.mean()), _cosine(one, other))


def _cosine(one: Float[np.ndarray, " n"], other: Float[np.ndarray, " n"]) -> float:
    lengths = np.linalg.norm(one), np.linalg.norm(other)
    # A constant leaves rounding errors once its mean is taken away.
    if min(lengths) <= 1e-12 * np.sqrt(one.size):
        return float("nan")
    return float(one @ other / (lengths[0] * lengths[1]))


class DisplacementClasses(NamedTuple):
    """Displacements of two sites that symmetries of the bonds, whatever their kinds, make the same."""

    distance: Float[np.ndarray, " displacement"]
    """Shortest distance on the torus, in lattice spacings, increasing from 0."""
    number: Int[np.ndarray, "*displacement"]
    """Class of every displacement, [cells], or [cells, a, b] where a cell has several sites."""

    def average(self, values: Numbers) -> Float[np.ndarray, " displacement"]:
        """Mean of a function of the displacement over each class."""
        flat = self.number.ravel()
        whole = numbers_of(values, "values", self.number.shape, nan=True)
        return np.bincount(flat, weights=whole.ravel()) / np.bincount(flat)


def displacement_classes(lattice: Lattice) -> DisplacementClasses:
    r"""Classes of the displacements of a lattice: those of one distance and one Green function of its bonds.

    .. math:: g = (\Delta + 1/L)^{-1}, \qquad (\Delta f)_i = \sum_{j \sim i} (f_i - f_j)

    with the longest side L. Symmetries of the bonds change neither.
    """
    cells, apart = lattice.cells, distances(lattice)
    axes = tuple(range(len(cells)))
    bonds = np.zeros((*cells, lattice.basis, lattice.basis))
    for bond in lattice.bonds:
        for here, there, step in bond.both_ways():
            bonds[*np.zeros(len(cells), int), here, here] += 1
            bonds[*np.mod(step, cells), here, there] -= 1
    waves = np.fft.fftn(bonds, axes=axes) + np.eye(lattice.basis) / max(cells)
    green = np.fft.ifftn(np.linalg.inv(waves), axes=axes).real.reshape(apart.shape)
    keys = np.stack([apart.ravel(), green.ravel().round(9)], axis=-1)
    named, index = np.unique(keys, axis=0, return_inverse=True)
    return DisplacementClasses(named[:, 0], index.reshape(apart.shape))
