"""Tiny machines summed over all their states, in float64: what the sampled parts are checked against."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy.special import expit, log_softmax, logsumexp

from rbmflow._checks import InvalidInput, Problem
from rbmflow.rbm import RBM, Units

LARGEST_LAYER = 14


def states(units: Units, count: int) -> Float[np.ndarray, "state unit"]:
    """All 2^count states of a layer, in the machine's units; the first unit changes slowest.

    Raises
    ------
    InvalidInput
        If there are more than 14 units.
    """
    if count > LARGEST_LAYER:
        raise InvalidInput(Problem("units", count, f"a layer summed exactly may have at most {LARGEST_LAYER}"))
    bits = (np.arange(2**count)[:, None] >> np.arange(count)[::-1]) & 1
    return units.low + units.span * bits


def _fields(machine: RBM) -> tuple[Float[np.ndarray, "v h"], Float[np.ndarray, "v"], Float[np.ndarray, "h"]]:
    arrays = (machine.weights, machine.visible_bias, machine.hidden_bias)
    weights, visible_bias, hidden_bias = (np.asarray(array, np.float64) for array in arrays)
    return weights, visible_bias, hidden_bias


def visible_log_probability(machine: RBM) -> Float[np.ndarray, " state"]:
    r"""Exact :math:`\ln p(v)` of every visible state, in the order of `states`."""
    weights, visible_bias, hidden_bias = _fields(machine)
    visible, hidden = (states(machine.units, count) for count in weights.shape)
    joint = visible @ weights @ hidden.T + (visible @ visible_bias)[:, None] + hidden @ hidden_bias
    return log_softmax(logsumexp(joint, axis=1))


def _layer_probability(units: Units, fields: Float[np.ndarray, "from unit"]) -> Float[np.ndarray, "from state"]:
    """Probability of every state of a layer of independent units in given fields."""
    high = (states(units, fields.shape[1]) > units.low)[None]
    up = expit(units.span * fields)[:, None]
    return np.where(high, up, 1 - up).prod(axis=-1)


def gibbs_kernel(machine: RBM) -> Float[np.ndarray, "state state"]:
    r"""Exact transition matrix of one flow step, :math:`K(v, v') = \sum_h p(h|v)\, p(v'|h)`."""
    weights, visible_bias, hidden_bias = _fields(machine)
    visible, hidden = (states(machine.units, count) for count in weights.shape)
    to_hidden = _layer_probability(machine.units, visible @ weights + hidden_bias)
    return to_hidden @ _layer_probability(machine.units, hidden @ weights.T + visible_bias)


def expected_contrastive_divergence(
    machine: RBM, data: Float[np.ndarray, "sample visible"], steps: int
) -> Float[np.ndarray, "visible hidden"]:
    """Exact expectation of the CD-k gradient of the weights over the Gibbs steps, for data in the machine's units."""
    weights, _, hidden_bias = _fields(machine)
    visible = states(machine.units, weights.shape[0])
    mean_hidden = machine.units.low + machine.units.span * expit(machine.units.span * (visible @ weights + hidden_bias))
    at = (visible[None] == np.asarray(data)[:, None]).all(axis=-1).argmax(axis=1)
    start = np.bincount(at, minlength=len(visible)) / len(at)
    end = start @ np.linalg.matrix_power(gibbs_kernel(machine), steps)
    return visible.T @ ((start - end)[:, None] * mean_hidden)
