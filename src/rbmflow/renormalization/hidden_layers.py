"""Layers of hidden units as changes of scale: every unit in the cell where its receptive field is."""

import itertools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from scipy.optimize import linear_sum_assignment

from rbmflow._checks import Problems
from rbmflow._types import Key
from rbmflow.gibbs import GibbsNoise, sample_hidden
from rbmflow.model import Model, model_of
from rbmflow.rbm import RBM, machine_of
from rbmflow.renormalization.stability_matrix import Rule


def layers_as_rules(model: Model, machines: Sequence[RBM]) -> list[Rule]:
    r"""Changes of scale by the hidden units of machines on top of one another, one rule for each, for `stability`.

    Hidden units have no place and no sign. The receptive field of one in the spins is its column of the product
    :math:`W_1 W_2 \cdots` of the weights up to its layer. On the torus its centre is the phase of
    :math:`\sum_r w_r^2 e^{2 \pi i r / L}` along each axis. The units of a layer are assigned to the cells of the
    smaller lattice with the least sum of squared distances, and turned over where the sum of their field is negative.
    Then they are drawn from the spins below as in a Gibbs step. Where fields are no blocks, this still gives a map,
    whose eigenvalues tell so.

    Parameters
    ----------
    model
        Of Ising spins on a square lattice.
    machines
        Such as `Stack.machines`, in units -1/+1; each has as many hidden units as the lattice of half the side has
        sites.

    Raises
    ------
    InvalidInput
        If the model is another one, or a machine has other units or another size.

    Examples
    --------
    >>> import jax, rbmflow as rf
    >>> from rbmflow.renormalization import layers_as_rules
    >>> model = rf.ising(rf.square(8))
    >>> draws = rf.sample(0, model, [2.269185], 300)
    >>> stack, _ = rf.train_stack(1, draws, (16, 4), epochs=1)
    >>> first, second = layers_as_rules(model, stack.machines)
    >>> first(jax.random.key(2), model, draws.spins[0]).shape
    (300, 4, 4)
    """
    model, rules = model_of(model), list[Rule]()
    sides = model.lattice.shape
    told = "it must be of Ising spins on a square lattice"
    Problems.only(model.states == (-1, 1) and len(set(sides)) == 1 and len(sides) == 2, "model", model.name, told)
    side, below = sides[0], np.arange(model.lattice.sites)
    signs, fields = np.ones(len(below)), np.eye(len(below))
    for machine in map(machine_of, machines):
        told = f"it must have units -1/+1, {side**2} visible and, for half the side, {(side // 2) ** 2} hidden ones"
        fits = machine.weights.shape == (side**2, (side // 2) ** 2) and side % 2 == 0
        Problems.only(fits and machine.units.name == "-1/+1", "machine", machine.weights.shape, told)
        side //= 2
        fields = fields @ np.asarray(machine.weights, np.float64)
        places, turned = _cells(fields, sides[0], side)
        rules.append(_rule(_arranged(machine, below, signs, places, turned), side))
        below, signs = places, turned
    return rules


def layer_fields(machines: Sequence[RBM]) -> list[Float[np.ndarray, "site unit"]]:
    r"""Receptive fields of the hidden units of every layer in the spins, the columns of :math:`W_1 W_2 \cdots`."""
    weights = [np.asarray(machine_of(one).weights, np.float64) for one in machines]
    return list(itertools.accumulate(weights, np.matmul))


def block_share(fields: Float[np.ndarray, "site unit"], side: int, block: int) -> Float[np.ndarray, " unit"]:
    r"""Largest share of every squared field that lies within one block of so many sites a side, anywhere on the torus.

    .. math:: \max_B \sum_{i \in B} w_i^2 \Big/ \sum_i w_i^2

    1 of a field within a block, about the share of the block in the lattice for a field that is spread out; NaN of a
    field of zeros.
    """
    squares = (fields**2).reshape(side, side, -1)
    for axis in (0, 1):
        squares = sum(np.roll(squares, -shift, axis) for shift in range(block))
    with np.errstate(invalid="ignore"):
        return np.asarray(squares).max(axis=(0, 1)) / (fields**2).sum(axis=0)


def _cells(
    fields: Float[np.ndarray, "site unit"], side: int, cells: int
) -> tuple[Int[np.ndarray, " cell"], Float[np.ndarray, " cell"]]:
    """The unit of every cell, and the sign that makes its field positive."""
    share = (fields**2).reshape(side, side, -1)
    waves = np.exp(2j * np.pi * (np.arange(side) + 0.5) / side)
    along = (np.einsum("yxu,y->u", share, waves), np.einsum("yxu,x->u", share, waves))
    centres = [np.angle(one) % (2 * np.pi) / (2 * np.pi) * cells for one in along]
    apart = 0.0
    for centre, cell in zip(centres, np.divmod(np.arange(cells**2), cells), strict=True):
        distance = np.abs(centre[None, :] - (cell[:, None] + 0.5))
        apart = apart + np.minimum(distance, cells - distance) ** 2
    _, units = linear_sum_assignment(apart)
    return units, np.where(fields.sum(axis=0)[units] < 0, -1.0, 1.0)


def _arranged(
    machine: RBM,
    below: Int[np.ndarray, " visible"],
    below_signs: Float[np.ndarray, " visible"],
    places: Int[np.ndarray, " hidden"],
    signs: Float[np.ndarray, " hidden"],
) -> RBM:
    """The machine with both layers in the order of cells, and turned over."""
    weights = np.asarray(machine.weights)[below][:, places] * np.outer(below_signs, signs)
    visible, hidden = np.asarray(machine.visible_bias)[below], np.asarray(machine.hidden_bias)[places]
    arrays = (weights, visible * below_signs, hidden * signs)
    return machine.like(*(jax.device_put(one.astype(np.float32)) for one in arrays))


def _rule(machine: RBM, side: int) -> Rule:
    def rule(key: Key, model: Model, spins: Array) -> Array:
        del model
        rows = machine.units.from_spins(jnp.reshape(spins, (len(spins), -1)))
        _, drawn = sample_hidden(machine, GibbsNoise.seeded(key, machine, len(rows)), machine.hidden_fields(rows))
        return jnp.reshape(machine.hidden_units.to_spins(drawn), (-1, side, side))

    return rule
