"""What one iteration makes of a mode: the linearised mean-field map at v = 0, and the gain over random spins."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import erf, softmax

from rbmflow._checks import Problems
from rbmflow._doors import AnyKey, Configurations, Numbers, numbers_of
from rbmflow.diagnostics import rank_correlation
from rbmflow.flow import iterate
from rbmflow.random import key_for, split
from rbmflow.rbm import RBM, machine_of
from rbmflow.spectrum.decomposition import decompose
from rbmflow.units import PLUS_MINUS, Units


def mean_field_jacobian(machine: RBM) -> Float[np.ndarray, "visible visible"]:
    r"""Jacobian at v = 0 of the mean-field map of the flow.

    .. math:: v \mapsto \tanh(b + W \tanh(c + W^T v)), \qquad
              J = \mathrm{diag}(1 - \tanh^2 f)\, W\, \mathrm{diag}(1 - \tanh^2 c)\, W^T, \quad f = b + W \tanh c

    Without biases v = 0 is a fixed point and :math:`J = W W^T`: a mode grows if its singular value exceeds 1.
    """
    weights, visible, hidden = _arrays(machine)
    of_hidden = (1 - np.tanh(hidden) ** 2)[:, None] * weights.T
    return (1 - np.tanh(visible + weights @ np.tanh(hidden)) ** 2)[:, None] * (weights @ of_hidden)


AS_ERROR_FUNCTIONS = ((0.4822, 0.6308), (0.5178, 1.1242))
"""Shares a and slopes k with tanh x = sum of a erf(k x) to 0.0014 (a least maximum with slope 1 at 0)."""


def half_step_correlators(
    weights: Float[np.ndarray, "from to"], bias: Float[np.ndarray, " to"]
) -> Float[np.ndarray, "from to"]:
    r"""Correlators :math:`\langle s_i\, \tanh f_j \rangle` of random spins with those that they act on.

    .. math:: f_j = b_j + \sum_i W_{ij} s_i, \qquad
        C_{ij} \approx \tfrac12 \sum_\pm \pm\, \Big\langle \tanh \big( b_j \pm W_{ij}
            + z \textstyle\sqrt{\sum_k W_{kj}^2 - W_{ij}^2}\, \big) \Big\rangle_z

    with the field z of all other spins Gaussian. For small weights it is W; a weight that is larger than all others
    together gives 1. The mean over z is in closed form, as tanh is a sum of two error functions to 0.002.
    """
    others = np.sum(weights**2, axis=0) - weights**2
    correlators = np.zeros_like(weights)
    for share, slope in AS_ERROR_FUNCTIONS:
        widened = slope / np.sqrt(1 + 2 * slope**2 * others)
        correlators += share / 2 * (erf(widened * (bias + weights)) - erf(widened * (bias - weights)))
    return correlators


class Growth(NamedTuple):
    """Modes of the weights along the sampled flow from independent random spins; see `mode_growth`."""

    predicted: Float[np.ndarray, " mode"]
    """Gain u K u by the half-step correlators over random spins; the squared singular value where weights are small."""
    gain: Float[np.ndarray, " mode"]
    """Gain that the first iteration has."""
    gain_error: Float[np.ndarray, " mode"]
    """Its standard error over chains."""
    projection: Float[np.ndarray, "iteration mode"]
    """Mean squared projection at each iteration; 1 at the start."""
    mean_field: Float[np.ndarray, "iteration mode"]
    """The same along the mean-field map from these spins at a hundredth of their size, relative to that start."""

    @property
    def grown_modes(self) -> int:
        """Modes whose gain is above 1 in the first iteration of the sampled flow."""
        return int(np.sum(self.gain > 1))

    @property
    def gain_rank_correlation(self) -> float:
        """Spearman's rank correlation of the predicted and the measured gain over the modes."""
        return rank_correlation(self.predicted, self.gain)

    @property
    def growth_rank_correlation(self) -> float:
        """Spearman's rank correlation of the predicted gain and the projection at the last iteration."""
        return rank_correlation(self.predicted, self.projection[-1])


RANDOM = 2000
"""Random configurations of either layer whose half steps are averaged where no closed form is known."""

SMALL_START = 0.01
"""Size of v at the start of the mean-field map, small enough for it to be linear at first."""


def _arrays(machine: RBM) -> list[Float[np.ndarray, "..."]]:
    """Weights and biases in units -1/+1, those of a machine of other units being refused."""
    own = machine_of(machine).in_units("-1/+1")
    told = "the map of means is known for sites of two states, in two-valued units"
    Problems.only(own.units.two_valued, "units", own.units.name, told)
    return [np.asarray(array, np.float64) for array in (own.weights, own.visible_bias, own.hidden_bias)]


def mean_field_map(machine: RBM, visible: Numbers) -> Float[np.ndarray, "chain visible"]:
    r"""One iteration of the flow with the mean of every unit, :math:`v \mapsto \tanh(b + W \tanh(c + W^T v))`.

    Means [chain, visible] that are not between -1 and 1, or of another number of units, are refused.
    """
    arrays = _arrays(machine)
    return _mapped(arrays, numbers_of(visible, "visible", ("chain", len(arrays[0])), lowest=-1, highest=1))


def _mapped(
    arrays: list[np.ndarray], means: Float[np.ndarray, "chain visible"], units: Units = PLUS_MINUS
) -> Float[np.ndarray, "chain visible"]:
    weights, visible_bias, hidden_bias = arrays
    return _mean(units, np.tanh(means @ weights + hidden_bias) @ weights.T + visible_bias)


def _mean(units: Units, fields: Float[np.ndarray, "chain visible"]) -> Float[np.ndarray, "chain visible"]:
    """Mean numbers of visible units in fields, in double precision."""
    if units.codes == PLUS_MINUS.codes:
        return np.tanh(fields)
    codes = np.array(units.codes)
    by_site = fields.reshape(len(fields), -1, units.components)
    return (softmax(by_site @ codes.T, axis=-1) @ codes).reshape(fields.shape)


def mode_growth(key: AnyKey, machine: RBM, start: Configurations, iterations: int = 10) -> Growth:
    r"""Growth of each left singular vector u of the weights along the sampled flow from T = inf.

    With the projections :math:`a_t = u \cdot x_t` over chains of the free numbers x of the units, v itself in units
    -1/+1 (`Units.whitened`), the gain of the first iteration is

    .. math:: \kappa = \frac{\langle a_1 a_0 \rangle}{\langle a_0^2 \rangle} \approx u^T K u, \qquad
        K = \langle x h^T \rangle \langle h x^T \rangle,

    with a half step from random v and one from random h, see `half_step_correlators`; of units with more than two
    states both are means over 2000 random configurations. It is :math:`\sigma^2` where the
    weights are small and far below it where they are not, for v = 0 is no state of the flow: of a machine of 64 units
    after 60 epochs of CD-1 the root mean square deviation from the measured gain is 1.6 by sigma^2 and 0.02 by K. In
    the linear regime the noise of the units and the gain together make

    .. math:: \langle a_{t+1}^2 \rangle = \sigma^4 \langle a_t^2 \rangle + \sigma^2 + 1,

    so that modes with :math:`\sigma > 1` grow until saturation and others settle at :math:`1 / (1 - \sigma^2)`.
    The start [chain, lattice ...] is independent random states, as `sampler.hot` draws them.
    """
    own = machine_of(machine).in_units("-1/+1")
    arrays = [np.asarray(array, np.float64) for array in (own.weights, own.visible_bias, own.hidden_bias)]
    units, vectors = own.units, decompose(machine).visible_vectors
    # Of a machine that diverged the vectors are NaN, and so is all that follows.
    flow = iterate(key, machine.or_free(), start, iterations).configurations
    chains = flow.shape[1]
    amplitudes = np.array([units.whitened(np.asarray(spins).reshape(chains, -1)) @ vectors for spins in flow])
    first, second = amplitudes[:2]
    power = (first**2).mean(axis=0)
    gain = (first * second).mean(axis=0) / power
    # Residuals of a regression through the origin.
    error = np.sqrt(((second - gain * first) ** 2 * first**2).mean(axis=0) / chains) / power
    middle = np.tile(np.mean(units.codes, axis=0), own.sites)
    numbers = np.asarray(units.from_spins(np.asarray(flow[0]).reshape(chains, -1)), np.float64)
    means, fixed, mean_field = middle + SMALL_START * (numbers - middle), middle[None], []
    for step in range(len(flow)):
        means = _mapped(arrays, means, units) if step else means
        # Of units whose mean is not 0 the weights move the middle itself, as biases do.
        fixed = _mapped(arrays, fixed, units) if step and middle.any() else fixed
        mean_field.append(((_free(units, means - fixed) @ vectors / SMALL_START) ** 2).mean(axis=0))
    from_visible, from_hidden = _half_steps(key, own, arrays)
    predicted = np.sum(vectors * (from_visible @ (from_hidden @ vectors)), axis=0)
    return Growth(predicted, gain, error, (amplitudes**2).mean(axis=1), np.array(mean_field))


def _free(units: Units, numbers: Float[np.ndarray, "chain visible"]) -> Float[np.ndarray, "chain visible"]:
    """Deviations from the mean of free sites, over the square root of their covariance."""
    return (numbers.reshape(len(numbers), -1, units.components) @ np.linalg.pinv(units.root)).reshape(numbers.shape)


def _half_steps(key: AnyKey, own: RBM, arrays: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Correlators of the free numbers of a layer of random states with those that they lead to, from both layers."""
    (weights, visible_bias, hidden_bias), units = arrays, own.units
    if units.codes == PLUS_MINUS.codes:
        return half_step_correlators(weights, hidden_bias), half_step_correlators(weights.T, visible_bias)
    for_visible, for_hidden = split(key_for(key, "half steps", own))
    random = np.asarray(units.uniform(for_visible, (RANDOM, own.sites)), np.float64)
    middle = np.tile(np.mean(units.codes, axis=0), own.sites)
    hidden = np.asarray(PLUS_MINUS.uniform(for_hidden, (RANDOM, weights.shape[1])), np.float64)
    there = _free(units, _mean(units, hidden @ weights.T + visible_bias) - middle)
    free = _free(units, random - middle)
    return free.T @ np.tanh(random @ weights + hidden_bias) / RANDOM, hidden.T @ there / RANDOM
