r"""Correlations of configurations: the structure factor and its Fourier transform, the two-point function.

With :math:`v_{R,a}` the vector of the state of basis site a in cell R (the label itself of Ising spins), N sites and M
cells, and :math:`v_a(k) = \sum_R v_{R,a} e^{-ik \cdot R}`, the structure factor is
:math:`S(k) = |\sum_a v_a(k)|^2 / N` and the two-point function
:math:`G_{ab}(r) = \frac1M \sum_R v_{R,a} \cdot v_{R + r,b}`.
"""

import functools
import math
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float, Float64

from rbmflow._checks import Problems
from rbmflow._doors import Configurations
from rbmflow.diagnostics import mean_and_error
from rbmflow.lattice import Lattice
from rbmflow.model import Model, model_of

NUMBERS_AT_ONCE = 2**22
"""Numbers of states whose waves are held in memory."""


def wave_products(model: Model, spins: Configurations) -> Complex[Array, "..."]:
    r"""Products :math:`v_a(k)^* \cdot v_b(k) / M` of all waves, one axis k for each axis of cells."""
    lattice = model.lattice
    cells = tuple(range(-len(lattice.cells), 0))

    def of(component: Float[Array, "..."]) -> Complex[Array, "..."]:
        by_basis = component.reshape(*component.shape[: component.ndim - len(lattice.shape)], *lattice.cells, -1)
        return jnp.moveaxis(jnp.fft.fftn(jnp.moveaxis(by_basis, -1, 0), axes=cells), 0, -1)

    waves = [of(component) for component in model.components(spins)]
    products = [jnp.conj(wave[..., :, None]) * wave[..., None, :] for wave in waves]
    return functools.reduce(jnp.add, products) / math.prod(lattice.cells)


def structure_factor(model: Model, spins: Configurations) -> Float[Array, "..."]:
    r"""Structure factor S(k) of configurations, a float32 with one axis k for each axis of cells."""
    return factor_of(wave_products(model_of(model), spins))


def factor_of(products: Complex[Array, "..."]) -> Float[Array, "..."]:
    """Structure factor from the products of waves, of which rounding could make less than nothing."""
    return jnp.maximum(jnp.sum(products, axis=(-2, -1)).real / products.shape[-1], 0.0)


def longest_wave(lattice: Lattice, factor: Float[Array, "..."]) -> Float[Array, "..."]:
    """Structure factor at the smallest wave vector, the mean over the axes of the lattice."""
    fits = np.shape(factor)[-len(lattice.cells) :] == lattice.cells
    Problems.only(fits, "shape of factor", np.shape(factor), f"the last axes must be {lattice.cells}")
    smallest = [factor[..., *place] for place in np.eye(len(lattice.cells), dtype=int)]
    return functools.reduce(jnp.add, smallest) / len(lattice.cells)


class TwoPoint(NamedTuple):
    """Two-point function of ensembles of configurations."""

    mean: Float64[np.ndarray, "..."]
    error: Float64[np.ndarray, "..."]
    """Standard error over the configurations of an ensemble, which are taken as independent."""

    def __repr__(self) -> str:
        return f"TwoPoint(mean and error {list(self.mean.shape)})"


def two_point(model: Model, spins: Configurations) -> TwoPoint:
    r"""Two-point function of ensembles [..., n, lattice ...] of configurations of a model.

    The axes of the displacement are those of the cells, in the order of `exact.two_point`, and on lattices with several
    sites in a cell the two basis sites a and b.

    Examples
    --------
    >>> import numpy as np, rbmflow as rf
    >>> stripes = np.tile(np.array([1, -1], np.int8), (3, 4, 2))
    >>> two_point(rf.ising(rf.square(4)), stripes).mean[0].tolist()
    [1.0, -1.0, 1.0, -1.0]
    """
    lattice = model_of(model).lattice
    own = np.asarray(model.own(spins))
    inner = len(lattice.shape) + 1
    Problems.only(own.ndim >= inner, "shape of spins", own.shape, f"it must be [..., n, {', '.join(lattice.axes)}]")
    batch, cells = own.shape[: own.ndim - inner], tuple(range(-2 - len(lattice.cells), -2))
    # One ensemble at a time, so that many of them need no more memory than one.
    told = []
    for ensemble in own.reshape(-1, *own.shape[own.ndim - inner :]):
        products = np.asarray(wave_products(model, ensemble), np.complex128)
        values = np.fft.ifftn(products, axes=cells).real
        told.append(mean_and_error(values[..., 0, 0] if lattice.basis == 1 else values, axis=0))
    mean, error = (np.stack(rows) for rows in zip(*told, strict=True))
    return TwoPoint(mean.reshape(*batch, *mean.shape[1:]), error.reshape(*batch, *mean.shape[1:]))


def state_covariance(model: Model, spins: Configurations) -> Float64[np.ndarray, "*cells number number_other"]:
    r"""Covariance of the states of sites by displacement, the mean over configurations [n, lattice ...] and over cells.

    .. math:: K_{(a s)(b s')}(r) = \frac1M \sum_R \langle y_s(R, a)\, y_{s'}(R + r, b) \rangle, \qquad
        y_s = \sqrt q\, (\delta_{s, s(R, a)} - 1/q)

    with M cells R, their sites a and b, and the q states s. Free sites have the covariance
    :math:`\delta_{ss'} - 1/q`, of rank q - 1, whose trace is that of any two equal states; the mean of y is taken to be
    zero, as it is where all states are alike.
    """
    lattice, count = model_of(model).lattice, len(model.states)
    cells, axes = math.prod(lattice.cells), tuple(range(1, 1 + len(lattice.cells)))
    own = np.asarray(model.own(spins, axes=1)).reshape(-1, *lattice.cells, lattice.basis)
    table = np.sqrt(count) * (np.eye(count, dtype=np.float32) - np.float32(1 / count))
    some, size = max(1, NUMBERS_AT_ONCE // (lattice.sites * count)), lattice.basis * count
    total: Any = 0
    for at in range(0, len(own), some):
        place = np.searchsorted(model.states, own[at : at + some])
        waves = np.fft.fftn(table[place], axes=axes).reshape(len(place), cells, size)
        by_wave = waves.swapaxes(0, 1)
        total = total + by_wave.conj().swapaxes(1, 2) @ by_wave
    products = (total / (cells * len(own))).reshape(*lattice.cells, size, size)
    return np.fft.ifftn(products, axes=range(len(axes))).real
