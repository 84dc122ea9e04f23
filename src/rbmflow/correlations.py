r"""Correlations of configurations: the structure factor and its Fourier transform, the two-point function.

With :math:`s(k) = \sum_r s_r e^{-ik \cdot r}` and N sites, the structure factor is :math:`S(k) = |s(k)|^2 / N` and the
two-point function :math:`G(r) = \frac1N \sum_{r'} s_{r'} s_{r' + r}`.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float64

from rbmflow._checks import Problems
from rbmflow._doors import Configurations, spins_of
from rbmflow.diagnostics import mean_and_error


def structure_factor(spins: Configurations) -> Float[Array, "*batch ky kx"]:
    r"""Structure factor :math:`S(k) = |\sum_r s_r e^{-ik \cdot r}|^2 / N` of configurations [..., y, x], a float32."""
    wave = jnp.fft.fft2(jnp.asarray(spins_of(spins), jnp.float32))
    return (wave.real**2 + wave.imag**2) / (wave.shape[-2] * wave.shape[-1])


def longest_wave(factor: Float[Array, "*batch ky kx"]) -> Float[Array, "*batch"]:
    """Structure factor at the smallest wave vector, the mean over the two directions; of sides above 1."""
    fits = np.ndim(factor) >= 2 and min(np.shape(factor)[-2:]) > 1
    Problems.only(fits, "shape of factor", np.shape(factor), "it must be [..., ky, kx] with sides above 1")
    return (factor[..., 1, 0] + factor[..., 0, 1]) / 2


class TwoPoint(NamedTuple):
    """Two-point function of ensembles of configurations."""

    mean: Float64[np.ndarray, "*batch y x"]
    error: Float64[np.ndarray, "*batch y x"]
    """Standard error over the configurations of an ensemble, which are taken as independent."""


def two_point(spins: Configurations) -> TwoPoint:
    r"""Two-point function of ensembles [..., n, y, x] of configurations, in the order of `exact.two_point`.

    Examples
    --------
    >>> import numpy as np
    >>> stripes = np.tile(np.array([1, -1], np.int8), (3, 4, 2))
    >>> two_point(stripes).mean[0].tolist()
    [1.0, -1.0, 1.0, -1.0]
    """
    array = np.asarray(spins_of(spins))
    Problems.only(array.ndim > 2, "shape of spins", array.shape, "it must be [..., n, y, x]")
    batch, (n, ly, lx) = array.shape[:-3], array.shape[-3:]
    # One ensemble at a time, so that many of them need no more memory than one.
    waves = (np.abs(np.fft.fft2(one)) ** 2 / (ly * lx) for one in array.reshape(-1, n, ly, lx))
    told = [mean_and_error(np.fft.ifft2(wave).real, axis=0) for wave in waves]
    mean, error = (np.stack(rows).reshape(*batch, ly, lx) for rows in zip(*told, strict=True))
    return TwoPoint(mean, error)
