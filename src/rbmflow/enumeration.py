"""Tiny machines summed over all their states, in float64: what the sampled parts are checked against."""

import numpy as np
from jaxtyping import Float
from scipy.special import expit, log_softmax, logsumexp, softmax

from rbmflow._checks import Problems
from rbmflow._doors import Numbers, numbers_of
from rbmflow.rbm import RBM, machine_of


def _fields(machine: RBM) -> list[np.ndarray]:
    """Weights and both biases."""
    own = machine_of(machine)
    return [np.asarray(array, np.float64) for array in (own.weights, own.visible_bias, own.hidden_bias)]


def _layers(machine: RBM) -> tuple[Float[np.ndarray, "of_visible visible"], Float[np.ndarray, "of_hidden hidden"]]:
    """All states of both layers, as `Units.listed`."""
    return machine.units.listed(machine.sites), machine.hidden_units.listed(machine.weights.shape[1])


def visible_log_probability(machine: RBM) -> Float[np.ndarray, " state"]:
    r"""Exact :math:`\ln p(v)` of every visible state, in the order of `Units.listed`."""
    weights, visible_bias, hidden_bias = _fields(machine)
    visible, hidden = _layers(machine)
    joint = visible @ weights @ hidden.T + (visible @ visible_bias)[:, None] + hidden @ hidden_bias
    return log_softmax(logsumexp(joint, axis=1))


def _layer_probability(states: Float[np.ndarray, "state unit"], fields: Float[np.ndarray, "from unit"]) -> np.ndarray:
    """Probability [from, state] of every state of a layer of independent units in given fields."""
    return softmax(fields @ states.T, axis=1)


def gibbs_kernel(machine: RBM) -> Float[np.ndarray, "state state"]:
    r"""Exact transition matrix of one flow step, :math:`K(v, v') = \sum_h p(h|v)\, p(v'|h)`."""
    weights, visible_bias, hidden_bias = _fields(machine)
    visible, hidden = _layers(machine)
    to_hidden = _layer_probability(hidden, visible @ weights + hidden_bias)
    return to_hidden @ _layer_probability(visible, hidden @ weights.T + visible_bias)


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
    visible = machine.units.listed(machine.sites)
    units = machine.hidden_units
    mean_hidden = units.low + units.span * expit(units.span * (visible @ weights + hidden_bias))
    rows = numbers_of(data, "data", ("sample", weights.shape[0]))
    same = (np.abs(visible[None] - rows[:, None]) < 1e-6).all(axis=-1)
    known = bool(same.any(axis=1).all()) and len(rows) > 0
    Problems.only(known, "data", "other values", f"every unit must be one of the machine's {machine.units.name}")
    at = same.argmax(axis=1)
    start = np.bincount(at, minlength=len(visible)) / len(at)
    end = start @ np.linalg.matrix_power(gibbs_kernel(machine), steps)
    return visible.T @ ((start - end)[:, None] * mean_hidden)
