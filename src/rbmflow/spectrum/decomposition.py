"""The weight matrix taken apart: singular values, singular vectors, W W^T."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax
import numpy as np
from jaxtyping import Float

from rbmflow._checks import Problems
from rbmflow._record import Held, Record, arrays_of, in_order, labelled
from rbmflow.rbm import RBM, machine_of

if TYPE_CHECKING:
    import xarray as xr


_LAYOUT = {
    "singular_value": Held("mode", "singular value of W", dtype="float64"),
    "visible_vector": Held("visible mode", "left singular vector", dtype="float64"),
    "hidden_vector": Held("hidden mode", "right singular vector", dtype="float64"),
    "weight_product": Held("visible visible_other", "W W^T", dtype="float64"),
}


class Spectrum(Record):
    r"""Singular value decomposition of a weight matrix, :math:`W = \sum_m \sigma_m\, u_m w_m^T`, in float64.

    Parameters
    ----------
    singular_values : float64 [mode]
        In decreasing order; their squares are the eigenvalues of W W^T.
    visible_vectors : float64 [visible, mode]
        u, columns of unit length; the sign makes the sum of each positive.
    hidden_vectors : float64 [hidden, mode]
        w, with the sign that goes with it.
    product : float64 [visible, visible]
        The matrix product W W^T.
    """

    singular_values: Float[np.ndarray, " mode"]
    visible_vectors: Float[np.ndarray, "visible mode"]
    hidden_vectors: Float[np.ndarray, "hidden mode"]
    product: Float[np.ndarray, "visible visible"]

    @property
    def uniformity(self) -> Float[np.ndarray, " mode"]:
        r"""Overlap of each visible vector with the uniform one, :math:`|\sum_i u_i| / \sqrt{N_v}`, from 0 to 1."""
        return np.abs(self.visible_vectors.sum(axis=0)) / np.sqrt(self.visible_vectors.shape[0])

    def to_dataset(self) -> xr.Dataset:
        """Labelled copy; the second visible axis of the product is `visible_other`."""
        import xarray as xr

        return xr.Dataset(labelled(_LAYOUT, jax.tree.leaves(self)))

    @classmethod
    def from_dataset(cls, dataset: xr.Dataset) -> Spectrum:
        """Spectrum from the data written by `to_dataset`; modes may be in any order."""
        values, visible, hidden, product = arrays_of(in_order(dataset, "singular_value", falling=True), _LAYOUT)
        allowed = "its axes visible and visible_other must be of one length; select both alike"
        Problems.only(product.shape[0] == product.shape[1], "shape of weight_product", product.shape, allowed)
        return cls(values, visible, hidden, product)


def decompose(machine: RBM) -> Spectrum:
    """Take the weights of a machine apart.

    Parameters
    ----------
    machine
        The machine, taken in units -1/+1; biases play no part.

    Returns
    -------
    Spectrum
        Singular values and vectors, and W W^T (the matrix product, not the elementwise one). All are NaN where a
        training has diverged.

    Raises
    ------
    InvalidInput
        If it is no machine.

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
        shapes = ((modes,), (len(weights), modes), (weights.shape[1], modes), (len(weights), len(weights)))
        return Spectrum(*(np.full(shape, np.nan) for shape in shapes))
    left, values, right = np.linalg.svd(weights, full_matrices=False)
    sign = np.where(left.sum(axis=0) < 0, -1.0, 1.0)
    return Spectrum(values, left * sign, right.T * sign, weights @ weights.T)
