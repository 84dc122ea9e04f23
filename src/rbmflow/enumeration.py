"""Tiny machines summed over all their states, in float64: what the sampled parts are checked against."""

import numpy as np
from jaxtyping import Float
from scipy.special import expit, log_softmax, logsumexp

from rbmflow._checks import Problems
from rbmflow._doors import Numbers, numbers_of
from rbmflow.rbm import RBM, Units, machine_of

LARGEST_LAYER = 14


def states(units: Units, count: int) -> Float[np.ndarray, "state unit"]:
    """All 2^count states of a layer, in the machine's units; the first unit changes slowest.

    Raises
    ------
    InvalidInput
        If there are not 1 to 14 units.
    """
    problems = Problems()
    count = problems.whole("units", count, 1, LARGEST_LAYER)
    problems.done()
    bits = (np.arange(2**count)[:, None] >> np.arange(count)[::-1]) & 1
    return units.low + units.span * bits


def _fields(machine: RBM) -> list[np.ndarray]:
    """Weights and both biases."""
    own = machine_of(machine)
    return [np.asarray(array, np.float64) for array in (own.weights, own.visible_bias, own.hidden_bias)]


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


def expected_contrastive_divergence(machine: RBM, data: Numbers, steps: int) -> Float[np.ndarray, "visible hidden"]:
    """Exact expectation of the CD-k gradient of the weights over the Gibbs steps, for data in the machine's units.

    Raises
    ------
    InvalidInput
        If the data are not in the machine's units, or a layer is too large.
    """
    problems = Problems()
    steps = problems.whole("steps", steps, 1)
    problems.done()
    weights, _, hidden_bias = _fields(machine)
    visible = states(machine.units, weights.shape[0])
    mean_hidden = machine.units.low + machine.units.span * expit(machine.units.span * (visible @ weights + hidden_bias))
    rows = numbers_of(data, "data", ("sample", weights.shape[0]))
    same = (visible[None] == rows[:, None]).all(axis=-1)
    known = bool(same.any(axis=1).all()) and len(rows) > 0
    Problems.only(known, "data", "other values", f"every unit must be one of the machine's {machine.units.name}")
    at = same.argmax(axis=1)
    start = np.bincount(at, minlength=len(visible)) / len(at)
    end = start @ np.linalg.matrix_power(gibbs_kernel(machine), steps)
    return visible.T @ ((start - end)[:, None] * mean_hidden)
