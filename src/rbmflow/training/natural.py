"""The natural gradient of a machine, in which no wave is faster than the others by the number of sites."""

import jax.numpy as jnp
from jax.scipy.linalg import solve
from jaxtyping import Array, Float

from rbmflow.rbm import RBM

DAMPING = 1.0
"""Added to the second moments, in units of their mean: waves weaker than that are left as they are."""


def natural(machine: RBM, gradient: RBM, visible: Float[Array, "sample visible"], biases: bool) -> RBM:
    r"""Gradient in the metric of the machine's own law, by one factor for each layer.

    The Fisher information of the weights is that of a product of moments, if units of two layers are taken to be
    independent in their fourth moments,

    .. math::
        F_{ia, jb} = \mathrm{cov}(v_i t_a, v_j t_b) \approx A_{ij} B_{ab}, \qquad
        A = \langle v v^T \rangle, \quad B = \langle t t^T \rangle, \quad t = E[h|v],

    so that the natural gradient is :math:`A^{-1} \Delta W B^{-1}`. Here both factors have mean eigenvalue 1 and are
    damped, :math:`A \to (A + \delta) / (1 + \delta)`: a step along the uniform wave, whose share in A goes with the
    number of sites, becomes shorter, and those along weak waves stay. With biases the layers have one more unit that
    is always 1. S. Amari, Neural Comput. 10, 251 (1998), doi:10.1162/089976698300017746; J. Martens, R. Grosse, ICML
    2015, arXiv:1503.05671 (the factors).

    Parameters
    ----------
    gradient
        Of the log-likelihood, in the shape of the machine.
    visible
        Configurations that the moments are taken of, in the machine's units.
    biases
        Whether the machine learns biases.
    """
    hidden = machine.hidden_units.mean(machine.hidden_fields(visible))
    if not biases:
        return machine.like(_in_metric(visible, hidden, gradient.weights), gradient.visible_bias, gradient.hidden_bias)
    rows = jnp.concatenate([gradient.weights, gradient.hidden_bias[None]])
    whole = jnp.concatenate([rows, jnp.append(gradient.visible_bias, 0.0)[:, None]], axis=1)
    one = jnp.ones((len(visible), 1), visible.dtype)
    whole = _in_metric(jnp.concatenate([visible, one], 1), jnp.concatenate([hidden, one], 1), whole)
    return machine.like(whole[:-1, :-1], whole[:-1, -1], whole[-1, :-1])


def _in_metric(visible: Array, hidden: Array, slope: Array) -> Array:
    return _solved(hidden, _solved(visible, slope).T).T


def _solved(units: Float[Array, "sample unit"], slope: Float[Array, "unit other"]) -> Float[Array, "unit other"]:
    """The slope over the damped second moments of these units."""
    moments = units.T @ units
    moments = moments * (len(moments) / jnp.trace(moments))
    return (1 + DAMPING) * solve(moments + DAMPING * jnp.eye(len(moments), dtype=moments.dtype), slope, assume_a="pos")
