"""The weight matrix taken apart: singular values and singular vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Float, Float64

from rbmflow._checks import Problems
from rbmflow._doors import Numbers, numbers_of
from rbmflow._record import Held, Record, arrays_of, dataset_of, in_order
from rbmflow._shown import Shown
from rbmflow.lattice import Lattice
from rbmflow.rbm import RBM, machine_of, shape_of

if TYPE_CHECKING:
    import xarray as xr

_LAYOUT = {
    "singular_value": Held("mode", "singular value of W", dtype="float64"),
    "visible_vector": Held("visible mode", "left singular vector", dtype="float64"),
    "hidden_vector": Held("hidden mode", "right singular vector", dtype="float64"),
}


class Spectrum(Record, Shown):
    r"""Singular value decomposition of a weight matrix, :math:`W = \sum_m \sigma_m\, u_m w_m^T`, in float64.

    Parameters
    ----------
    singular_values
        In decreasing order; their squares are the eigenvalues of W W^T.
    visible_vectors, hidden_vectors
        u and w, columns of unit length; the sign makes the sum of the first components of u positive.
    shape
        Shape of the lattice of the machine, None if it knows none.
    components
        Numbers of a site, `visible = site * components + component`.
    """

    singular_values: Float[np.ndarray, " mode"]
    visible_vectors: Float[np.ndarray, "visible mode"]
    hidden_vectors: Float[np.ndarray, "hidden mode"]
    shape: tuple[int, ...] | None = eqx.field(static=True, default=None, converter=shape_of)
    components: int = eqx.field(static=True, default=1)

    def _pictured(self) -> tuple[str, xr.Dataset]:
        return "spectrum_eigenvalues", self.to_dataset()

    @property
    def product(self) -> Float[np.ndarray, "visible visible"]:
        """The matrix product W W^T, made when it is asked for: it has as many entries as there are pairs of sites."""
        return self.visible_vectors * self.singular_values**2 @ self.visible_vectors.T

    @property
    def uniformity(self) -> Float[np.ndarray, " mode"]:
        r"""Overlap of each visible vector with uniform ones, :math:`|\sum_i \vec u_i| / \sqrt N`, from 0 to 1."""
        by_site = self.visible_vectors.reshape(-1, self.components, len(self.singular_values))
        return np.linalg.norm(by_site.sum(axis=0), axis=0) / np.sqrt(len(by_site))

    def to_dataset(self) -> xr.Dataset:
        """Labelled copy."""
        known = {} if self.shape is None else {"sides": list(self.shape)}
        several = {} if self.components == 1 else {"components": self.components}
        return dataset_of(_LAYOUT, jax.tree.leaves(self), **known, **several)

    @classmethod
    def from_dataset(cls, dataset: xr.Dataset) -> Spectrum:
        """Spectrum from the data written by `to_dataset`; modes may be in any order."""
        values, visible, hidden = arrays_of(in_order(dataset, "singular_value", falling=True), _LAYOUT)
        return cls(values, visible, hidden, dataset.attrs.get("sides"), int(dataset.attrs.get("components", 1)))


def vectors_on(given: Numbers, lattice: Lattice) -> Float64[np.ndarray, "mode *cells basis component"]:
    """Visible vectors of a spectrum, or any [visible, mode] as columns, as functions on the lattice; no other fits."""
    problems = Problems()
    problems.kind("lattice", lattice, Lattice, "lattice, such as square(10)")
    problems.done()
    if isinstance(given, Spectrum):
        own = given.shape or lattice.shape
        Problems.only(own == lattice.shape, "lattice of vectors", own, f"it must be that of the data, {lattice.shape}")
        given = given.visible_vectors
    columns = numbers_of(given, "vectors", ("visible", "mode"), nan=True)
    told = f"there must be one row, or several, for each of the {lattice.sites} sites"
    Problems.only(len(columns) % lattice.sites == 0 < len(columns), "shape of vectors", columns.shape, told)
    return columns.T.reshape(columns.shape[1], *lattice.cells, lattice.basis, -1)


def whitened(machine: RBM) -> Float64[np.ndarray, "visible hidden"]:
    """Weights between the free numbers of both layers, see `decompose`."""
    weights, units = np.asarray(machine.weights, np.float64), machine.units
    by_site = weights.reshape(machine.sites, units.components, -1)
    return (units.root @ by_site).reshape(weights.shape) * machine.hidden_units.root.item()


def decompose(machine: RBM) -> Spectrum:
    r"""Take the weights of a machine apart; all is NaN where a training has diverged.

    .. math:: \tilde W = C_v^{1/2}\, W\, C_h^{1/2}, \qquad C = \tfrac1q \textstyle\sum_s (x_s - \bar x)(x_s - \bar x)^T

    with the covariance C of the numbers of a free site or hidden unit: W itself in units -1/+1, a quarter of it in
    units 0/1, and for one-hot units of q states :math:`q^{-1/2}` times W less its mean over the states of each site,
    which changes nothing in p(v). In one iteration from free spins a mode grows if its singular value is above 1. The
    rank is at most :math:`\min(N (q - 1), N_h)`, and the trace of :math:`\tilde W \tilde W^T` the sum of the squares.

    Examples
    --------
    >>> import jax
    >>> from rbmflow.rbm import RBM, MachineSettings
    >>> spectrum = decompose(RBM.random(jax.random.key(0), 9, MachineSettings(hidden=4)))
    >>> spectrum.singular_values.shape, spectrum.visible_vectors.shape, spectrum.product.shape
    ((4,), (9, 4), (9, 9))
    """
    weights, units = np.asarray(machine_of(machine).weights, np.float64), machine.units
    if not np.isfinite(weights).all():
        modes = min(weights.shape)
        nothing = [np.full((*axes, modes), np.nan) for axes in ((), (len(weights),), (weights.shape[1],))]
        return Spectrum(nothing[0], nothing[1], nothing[2], machine.shape, units.components)
    left, values, right = np.linalg.svd(whitened(machine), full_matrices=False)
    sign = np.where(left[:: units.components].sum(axis=0) < 0, -1.0, 1.0)
    return Spectrum(values, left * sign, right.T * sign, machine.shape, units.components)
