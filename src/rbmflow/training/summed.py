"""The gradient summed over all states of the smaller layer."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from rbmflow._checks import InvalidInput, Problem
from rbmflow._types import Key
from rbmflow.rbm import RBM
from rbmflow.settings import LARGEST_SUMMED_LAYER
from rbmflow.training.estimator import Estimator, recipe

STATES_IN_A_BLOCK = 12
"""States of the smaller layer are summed in blocks of 2^12, which keeps them in the cache."""


@recipe("Exact")
class Exact(Estimator):
    r"""Gradient of the log-likelihood by a sum over all states of the smaller layer, of at most 20 units.

    .. math:: \Delta W = \langle v\, E[h|v]^T \rangle_{data} - \sum_{v, h} p(v, h)\, v\, h^T
    """

    def start(self, key: Key, machine: RBM, batch: int) -> tuple[()]:
        """Nothing: there are no chains."""
        del key, batch
        smaller = min(machine.weights.shape)
        if smaller > LARGEST_SUMMED_LAYER:
            allowed = f'"Exact" sums over the smaller layer, which may have at most {LARGEST_SUMMED_LAYER} units'
            raise InvalidInput(Problem("estimator", f"Exact with {smaller} units", allowed))
        return ()

    def gradient(self, machine: RBM, chains: Any, visible: Array) -> tuple[Any, RBM, Array]:
        """Exact gradient; the fraction is that of a mean-field step, ``abs(v - E[v | E[h|v]]) / span``."""
        positive = machine.units.mean(machine.hidden_fields(visible))
        moments = model_moments(machine)
        gradient = RBM(
            visible.T @ positive / visible.shape[0] - moments.weights,
            jnp.mean(visible, axis=0) - moments.visible_bias,
            jnp.mean(positive, axis=0) - moments.hidden_bias,
            machine.units,
        )
        again = machine.units.mean(machine.visible_fields(positive))
        return chains, gradient, jnp.mean(jnp.abs(visible - again)) / machine.units.span


def model_moments(machine: RBM) -> RBM:
    r"""Exact moments :math:`\langle v h^T \rangle, \langle v \rangle, \langle h \rangle` in the places of W, b, c.

    The states s of the smaller layer are summed in float32 with a running maximum, the other layer in closed form,
    :math:`p(s) \propto e^{c^T s} \prod_i \sum_{x_i} e^{x_i (b + W s)_i}`.
    """
    visible, hidden = machine.weights.shape
    if hidden > visible:
        swapped = RBM(machine.weights.T, machine.hidden_bias, machine.visible_bias, machine.units)
        moments = model_moments(swapped)
        return RBM(moments.weights.T, moments.hidden_bias, moments.visible_bias, machine.units)
    low = min(hidden, STATES_IN_A_BLOCK)

    def add(carry: tuple[Array, tuple[Array, ...]], block: Array) -> tuple[tuple[Array, tuple[Array, ...]], None]:
        top, sums = carry
        numbers = jnp.arange(2**low)[:, None] + block * 2**low
        bits = ((numbers >> jnp.arange(hidden)[None, :]) & 1).astype(jnp.float32)
        states = machine.units.low + machine.units.span * bits
        fields = machine.visible_fields(states)
        log_weight = states @ machine.hidden_bias + jnp.sum(machine.units.log_sum(fields), axis=-1)
        higher = jnp.maximum(top, jnp.max(log_weight))
        weight = jnp.exp(log_weight - higher)
        means = machine.units.mean(fields)
        here = (jnp.sum(weight), means.T @ (weight[:, None] * states), weight @ means, weight @ states)
        shrink = jnp.exp(top - higher)
        return (higher, tuple(old * shrink + new for old, new in zip(sums, here, strict=True))), None

    nothing = (jnp.zeros(()), *(jnp.zeros(shape) for shape in ((visible, hidden), (visible,), (hidden,))))
    (_, sums), _ = jax.lax.scan(add, (jnp.full((), -jnp.inf), nothing), jnp.arange(2 ** (hidden - low)))
    total, product, of_visible, of_hidden = sums
    return RBM(product / total, of_visible / total, of_hidden / total, machine.units)
