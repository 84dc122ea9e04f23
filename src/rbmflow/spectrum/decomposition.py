"""The weight matrix taken apart: singular values and singular vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Float

from rbmflow._checks import Problems
from rbmflow._doors import Numbers, numbers_of
from rbmflow._record import Held, Record, arrays_of, dataset_of, in_order
from rbmflow.lattice import square
from rbmflow.rbm import RBM, machine_of, sides_of

if TYPE_CHECKING:
    import xarray as xr

_LAYOUT = {
    "singular_value": Held("mode", "singular value of W", dtype="float64"),
    "visible_vector": Held("visible mode", "left singular vector", dtype="float64"),
    "hidden_vector": Held("hidden mode", "right singular vector", dtype="float64"),
}


class Spectrum(Record):
    r"""Singular value decomposition of a weight matrix, :math:`W = \sum_m \sigma_m\, u_m w_m^T`, in float64.

    Parameters
    ----------
    singular_values
        In decreasing order; their squares are the eigenvalues of W W^T.
    visible_vectors, hidden_vectors
        u and w, columns of unit length; the sign makes the sum of each u positive.
    sides
        Rows and columns of the lattice of the machine, None if it knows none.
    """

    singular_values: Float[np.ndarray, " mode"]
    visible_vectors: Float[np.ndarray, "visible mode"]
    hidden_vectors: Float[np.ndarray, "hidden mode"]
    sides: tuple[int, int] | None = eqx.field(static=True, default=None, converter=sides_of)

    @property
    def product(self) -> Float[np.ndarray, "visible visible"]:
        """The matrix product W W^T, made when it is asked for: it has as many entries as there are pairs of sites."""
        return self.visible_vectors * self.singular_values**2 @ self.visible_vectors.T

    @property
    def uniformity(self) -> Float[np.ndarray, " mode"]:
        r"""Overlap of each visible vector with the uniform one, :math:`|\sum_i u_i| / \sqrt{N_v}`, from 0 to 1."""
        return np.abs(self.visible_vectors.sum(axis=0)) / np.sqrt(self.visible_vectors.shape[0])

    def to_dataset(self) -> xr.Dataset:
        """Labelled copy."""
        sides = {} if self.sides is None else {"sides": list(self.sides)}
        return dataset_of(_LAYOUT, jax.tree.leaves(self), **sides)

    @classmethod
    def from_dataset(cls, dataset: xr.Dataset) -> Spectrum:
        """Spectrum from the data written by `to_dataset`; modes may be in any order."""
        values, visible, hidden = arrays_of(in_order(dataset, "singular_value", falling=True), _LAYOUT)
        return cls(values, visible, hidden, dataset.attrs.get("sides"))


def vectors_on(given: Numbers, ly: int, lx: int) -> Float[np.ndarray, "mode y x"]:
    """Visible vectors of a spectrum, or any [visible, mode] as columns, as functions on the lattice; no other fits."""
    ly, lx = square(ly, lx).shape
    if isinstance(given, Spectrum):
        fits = given.sides in (None, (ly, lx))
        Problems.only(fits, "lattice of vectors", given.sides, f"it must be that of the data, {[ly, lx]}")
        given = given.visible_vectors
    return numbers_of(given, "vectors", (ly * lx, "mode"), nan=True).T.reshape(-1, ly, lx)


def decompose(machine: RBM) -> Spectrum:
    """Take the weights of a machine, in units -1/+1, apart; all is NaN where a training has diverged.

    Examples
    --------
    >>> import jax
    >>> from rbmflow.rbm import RBM, MachineSettings
    >>> spectrum = decompose(RBM.random(jax.random.key(0), 9, MachineSettings(hidden=4)))
    >>> spectrum.singular_values.shape, spectrum.visible_vectors.shape, spectrum.product.shape
    ((4,), (9, 4), (9, 9))
    """
    weights = np.asarray(machine_of(machine).in_units("-1/+1").weights, np.float64)
    if not np.isfinite(weights).all():
        modes = min(weights.shape)
        nothing = [np.full((*axes, modes), np.nan) for axes in ((), (len(weights),), (weights.shape[1],))]
        return Spectrum(nothing[0], nothing[1], nothing[2], machine.sides)
    left, values, right = np.linalg.svd(weights, full_matrices=False)
    sign = np.where(left.sum(axis=0) < 0, -1.0, 1.0)
    return Spectrum(values, left * sign, right.T * sign, machine.sides)
