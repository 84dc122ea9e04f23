"""Block spins, and the couplings of models that block spins change by a formula."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Int8

from rbmflow._checks import Problems
from rbmflow._doors import AnyKey, Configurations, Numbers, key_of, numbers_of, spins_of, states_in
from rbmflow._own_settings import own_settings
from rbmflow._types import Array
from rbmflow.model import Model, model_of
from rbmflow.random import random_spins
from rbmflow.rbm import RBM


def _blocks(spins: Configurations, block: int, model: Model | None) -> Int8[Array, "*outer inner"]:
    """Configurations with the sites of every block along the last axis, and the basis of a cell before the blocks."""
    lattice = None if model is None else model_of(model).lattice
    states = states_in(spins) if model is None else model.states
    own = jnp.asarray(spins_of(spins, None if lattice is None else lattice.shape, states=states))
    cells = own.shape[-2:] if lattice is None else lattice.cells
    basis = () if lattice is None or lattice.basis == 1 else (lattice.basis,)
    problems = Problems()
    side = problems.whole("block", block, 2)
    fits = all(length % side == 0 for length in cells)
    problems.unless(fits, "block", block, f"it must be at least 2 and divide all sides of {tuple(cells)}")
    problems.done()
    batch, axes = own.shape[: own.ndim - len(cells) - len(basis)], len(cells)
    split = own.reshape(*batch, *(n for length in cells for n in (length // side, side)), *basis)
    first = len(batch)
    outer = [*range(first), *range(first, first + 2 * axes, 2), *range(first + 2 * axes, split.ndim)]
    turned = jnp.transpose(split, (*outer, *range(first + 1, first + 2 * axes, 2)))
    return turned.reshape(*turned.shape[: len(outer)], side**axes)


@own_settings
def majority_rule(key: AnyKey, spins: Configurations, block: int = 2, model: Model | None = None) -> Int8[Array, "..."]:
    r"""Block-spin transformation: each block becomes its most frequent state, ties drawn at random by the key.

    It gives int8 [..., y / block, x / block] and refuses blocks that do not divide all sides (`InvalidInput`). Of
    Ising spins it is the sign of the sum,

    .. math:: s'_B = \mathrm{sgn} \sum_{i \in B} s_i.

    Parameters
    ----------
    model
        The model of the spins, where these are no Ising spins on a square lattice. Sites of one basis are blocked by
        themselves.

    References
    ----------
    L. P. Kadanoff, Physics 2, 263 (1966); S.-k. Ma, Phys. Rev. Lett. 37, 461 (1976), doi:10.1103/PhysRevLett.37.461.

    Examples
    --------
    >>> import jax, jax.numpy as jnp
    >>> majority_rule(jax.random.key(0), jnp.ones((4, 4), jnp.int8)).tolist()
    [[1, 1], [1, 1]]
    """
    blocks = _blocks(spins, block, model)
    states = states_in(spins) if model is None else model.states
    votes = jnp.stack([jnp.sum(blocks == state, axis=-1, dtype=jnp.int32) for state in states], axis=-1)
    if len(states) == 2:
        # One coin a block, as it always was.
        coin = random_spins(key_of(key), votes.shape[:-1]) > 0
        second = jnp.where(votes[..., 0] == votes[..., 1], coin, votes[..., 1] > votes[..., 0])
        return jnp.where(second, states[1], states[0]).astype(jnp.int8)
    ranked = votes + jax.random.uniform(key_of(key), votes.shape)
    return jnp.asarray(states, jnp.int8)[jnp.argmax(ranked, axis=-1)]


@own_settings
def decimate(spins: Configurations, block: int = 2, model: Model | None = None) -> Int8[Array, "..."]:
    """Decimation: keep one spin of every block, int8 [..., y / block, x / block], as `majority_rule`."""
    return _blocks(spins, block, model)[..., 0]


def block_machine(model: Model, block: int = 2) -> RBM:
    r"""Machine of Ising spins whose hidden units are the block spins of `majority_rule`, ties at random.

    .. math:: W_{iB} = 50\; \text{if}\; i \in B, \text{else}\; 0

    It is the positive control of what is measured of hidden units; blocks of one cell are the spins themselves.
    Refused are blocks that do not divide all sides, several sites in a cell, and spins of other labels.
    """
    own = model_of(model)
    cells = own.lattice.cells
    problems = Problems()
    side = problems.whole("block", block, 1)
    problems.unless(own.lattice.basis == 1, "lattice", own.lattice, "a cell must be one site")
    problems.unless(own.states == (-1, 1), "states of the model", own.states, "they must be -1 and +1")
    divided = all(length % side == 0 for length in cells)
    problems.unless(divided, "block", block, f"it must divide all sides of {tuple(cells)}")
    problems.done()
    blocks = tuple(length // side for length in cells)
    of_site = np.ravel_multi_index(tuple(np.indices(cells) // side), blocks).ravel()
    weights = 50.0 * np.eye(math.prod(blocks))[of_site]
    return RBM.from_weights(weights, None, None, units="-1/+1", axes="visible, hidden", shape=own.lattice.shape)


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
