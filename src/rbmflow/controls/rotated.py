"""The trained machine with its hidden side rotated: the same W W^T, other hidden units."""

import equinox as eqx
import jax

from rbmflow._types import Key
from rbmflow.controls import control
from rbmflow.rbm import RBM
from rbmflow.settings import MachineSettings


@control("rotated")
def rotated(key: Key, trained: RBM, machine: MachineSettings) -> RBM:
    r"""Trained weights times a random orthogonal matrix, :math:`W \to W O`, uniform over the group.

    W W^T, singular values and visible vectors stay as they are, so what they cannot tell of the end is what this moves.
    Biases are left alone.
    """
    orthogonal = jax.random.orthogonal(key, trained.weights.shape[1], dtype=trained.weights.dtype)
    return eqx.tree_at(lambda rbm: rbm.weights, trained, trained.weights @ orthogonal)
