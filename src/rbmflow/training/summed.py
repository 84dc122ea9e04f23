"""The gradient summed over all states of the smaller layer."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
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
        smaller = min(machine.layer_bits)
        if smaller > LARGEST_SUMMED_LAYER:
            allowed = f'"Exact" sums over the smaller layer, which may have at most {LARGEST_SUMMED_LAYER} units'
            raise InvalidInput(Problem("estimator", f"Exact with {smaller:g} units", allowed))
        return ()

    def gradient(self, machine: RBM, chains: Any, visible: Array) -> tuple[Any, RBM, Array]:
        """Exact gradient; the fraction is the mean of ``1 - p(v | E[h|v])`` over sites."""
        positive = machine.hidden_units.mean(machine.hidden_fields(visible))
        moments = model_moments(machine)
        gradient = machine.like(
            visible.T @ positive / visible.shape[0] - moments.weights,
            jnp.mean(visible, axis=0) - moments.visible_bias,
            jnp.mean(positive, axis=0) - moments.hidden_bias,
        )
        return chains, gradient, machine.units.unlikeness(visible, machine.visible_fields(positive))


def model_moments(machine: RBM) -> RBM:
    r"""Exact moments :math:`\langle v h^T \rangle, \langle v \rangle, \langle h \rangle` in the places of W, b, c.

    The states s of the smaller layer are summed in float32 with a running maximum, the other layer in closed form,
    :math:`p(s) \propto e^{c^T s} \prod_i \sum_{x_i} e^{x_i (b + W s)_i}`.
    """
    if machine.layer_bits[1] > machine.layer_bits[0]:
        moments = model_moments(machine.swapped)
        return machine.like(moments.weights.T, moments.hidden_bias, moments.visible_bias)
    visible, hidden = machine.weights.shape
    summed = machine.hidden_units
    sites, kinds = hidden // summed.components, len(summed.states)
    low = min(sites, int(STATES_IN_A_BLOCK / np.log2(kinds)))

    def add(carry: tuple[Array, tuple[Array, ...]], block: Array) -> tuple[tuple[Array, tuple[Array, ...]], None]:
        top, sums = carry
        states = summed.numbered(jnp.arange(kinds**low) + block * kinds**low, sites)
        fields = machine.visible_fields(states)
        log_weight = states @ machine.hidden_bias + jnp.sum(machine.units.log_sum(fields), axis=-1)
        higher = jnp.maximum(top, jnp.max(log_weight))
        weight = jnp.exp(log_weight - higher)
        means = machine.units.mean(fields)
        here = (jnp.sum(weight), means.T @ (weight[:, None] * states), weight @ means, weight @ states)
        shrink = jnp.exp(top - higher)
        return (higher, tuple(old * shrink + new for old, new in zip(sums, here, strict=True))), None

    nothing = (jnp.zeros(()), *(jnp.zeros(shape) for shape in ((visible, hidden), (visible,), (hidden,))))
    (_, sums), _ = jax.lax.scan(add, (jnp.full((), -jnp.inf), nothing), jnp.arange(kinds ** (sites - low)))
    total, product, of_visible, of_hidden = sums
    return machine.like(product / total, of_visible / total, of_hidden / total)
