"""The renormalization group (RG) on configurations and on couplings, to hold the RBM flow against."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Int8

from rbmflow._checks import Problems
from rbmflow._doors import AnyKey, Configurations, Numbers, key_of, numbers_of, spins_of
from rbmflow._own_settings import own_settings
from rbmflow._types import Array


def _blocks(spins: Configurations, block: int) -> Int8[Array, "*batch block_y inner_y block_x inner_x"]:
    own = jnp.asarray(spins_of(spins))
    ly, lx = own.shape[-2:]
    problems = Problems()
    side = problems.whole("block", block, 2)
    fits = ly % side == 0 and lx % side == 0
    problems.unless(fits, "block", block, f"it must be at least 2 and divide both sides of {(ly, lx)}")
    problems.done()
    return own.reshape(*own.shape[:-2], ly // side, side, lx // side, side)


@own_settings
def majority_rule(key: AnyKey, spins: Configurations, block: int = 2) -> Int8[Array, "*batch block_y block_x"]:
    r"""Block-spin transformation: each block becomes the sign of its sum, ties drawn at random by the key.

    It gives int8 [..., y / block, x / block] and refuses blocks that do not divide both sides (`InvalidInput`).

    .. math:: s'_B = \mathrm{sgn} \sum_{i \in B} s_i

    References
    ----------
    L. P. Kadanoff, Physics 2, 263 (1966); S.-k. Ma, Phys. Rev. Lett. 37, 461 (1976), doi:10.1103/PhysRevLett.37.461.

    Examples
    --------
    >>> import jax, jax.numpy as jnp
    >>> majority_rule(jax.random.key(0), jnp.ones((4, 4), jnp.int8)).tolist()
    [[1, 1], [1, 1]]
    """
    sums = _blocks(spins, block).sum(axis=(-3, -1), dtype=jnp.int32)
    coin = jnp.where(jax.random.bernoulli(key_of(key), shape=sums.shape), 1, -1)
    return jnp.where(sums == 0, coin, jnp.sign(sums)).astype(jnp.int8)


@own_settings
def decimate(spins: Configurations, block: int = 2) -> Int8[Array, "*batch block_y block_x"]:
    """Decimation: keep one spin of every block, int8 [..., y / block, x / block]."""
    return _blocks(spins, block)[..., :, 0, :, 0]


def decimated_coupling(coupling: Numbers) -> np.ndarray:
    r"""Coupling of the one-dimensional chain after every second spin is summed over, :math:`K' = \ln\cosh(2K)/2`.

    References
    ----------
    D. R. Nelson, M. E. Fisher, Ann. Phys. 91, 226 (1975), doi:10.1016/0003-4916(75)90284-5.
    """
    doubled = 2 * np.abs(numbers_of(coupling, "coupling"))
    return np.asarray(0.5 * (doubled + np.log1p(np.exp(-2 * doubled)) - np.log(2)))


def migdal_kadanoff_coupling(coupling: Numbers) -> np.ndarray:
    r"""Coupling of the square lattice after one Migdal-Kadanoff step with b = 2: bonds moved, then decimated.

    .. math:: K' = \tfrac12 \ln\cosh(4K), \qquad K^* = 0.3047, \quad y_T = 0.747.

    References
    ----------
    A. A. Migdal, Sov. Phys. JETP 42, 743 (1975); L. P. Kadanoff, Ann. Phys. 100, 359 (1976),
    doi:10.1016/0003-4916(76)90066-X.
    """
    return decimated_coupling(2 * numbers_of(coupling, "coupling"))
