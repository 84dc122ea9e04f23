"""W W^T as a function of the displacement between two sites, beside the two-point function of the data."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from rbmflow._doors import Numbers, numbers_of
from rbmflow.lattice import Square
from rbmflow.spectrum.decomposition import Spectrum
from rbmflow.spectrum.modes import wave_power


def translation_average(vectors: Numbers, ly: int, lx: int) -> Float[np.ndarray, "y x"]:
    r"""Mean of W W^T over all pairs of sites at one displacement on the torus.

    .. math:: P(r) = \frac1N \sum_i (W W^T)_{i,\, i + r} = \frac1{N^2} \sum_k \sum_j |\hat W_j(k)|^2 e^{i k r}

    It needs no matrix of pairs of sites: the sum over k is that of the powers of the columns.

    Parameters
    ----------
    vectors : float64 [visible, hidden]
        Spectrum of W, or W itself, `visible = y * lx + x`.
    ly, lx
        Rows and columns of the lattice.

    Returns
    -------
    float64 [y, x]
        P at every displacement; the mean diagonal at (0, 0).

    Examples
    --------
    >>> translation_average(np.eye(6), 2, 3).round(12).tolist()
    [[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    """
    power = wave_power(vectors, ly, lx)
    weight = vectors.singular_values**2 if isinstance(vectors, Spectrum) else np.ones(len(power))
    return np.fft.ifft2(np.tensordot(weight, power, 1)).real


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

    Parameters
    ----------
    product, two_point : float64 [y, x]
        P, see `translation_average`, and G of what the machine was trained on.

    Examples
    --------
    >>> here = np.array([[9.0, 1.0, 2.0]])
    >>> [round(float(value), 3) for value in resemblance(here, here + 1)]
    [1.0, 0.992]
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
    """Classes of the displacements of a torus of so many rows and columns.

    Examples
    --------
    >>> displacement_classes(4, 4).distance.round(2).tolist()
    [0.0, 1.0, 1.41, 2.0, 2.24, 2.83]
    """
    ly, lx = Square(ly, lx).shape
    y, x = np.minimum(np.arange(ly), -np.arange(ly) % ly), np.minimum(np.arange(lx), -np.arange(lx) % lx)
    down, across = np.meshgrid(y, x, indexing="ij")
    if ly == lx:
        down, across = np.maximum(down, across), np.minimum(down, across)
    named, index = np.unique(
        np.stack([down**2 + across**2, down, across], axis=-1).reshape(-1, 3), axis=0, return_inverse=True
    )
    return DisplacementClasses(np.sqrt(named[:, 0]), index.reshape(ly, lx))
