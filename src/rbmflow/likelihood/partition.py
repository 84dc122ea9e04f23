"""The partition function of a machine: by summing the smaller layer, or by annealed importance sampling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.optimize import brentq
from scipy.special import expit, logsumexp

from rbmflow._checks import InvalidInput, Problem, Problems
from rbmflow._doors import AnyKey, key_of
from rbmflow.rbm import RBM, GibbsNoise, machine_of, sample_hidden, sample_visible
from rbmflow.settings import LARGEST_SUMMED_LAYER

STATES_IN_A_BLOCK = 12
"""States of the smaller layer are summed in blocks of 2^12."""


@dataclass(frozen=True)
class LogPartition:
    """Logarithm of a partition function.

    Parameters
    ----------
    value, error
        ln Z and its standard error, 0 if it is exact.
    method
        How it was found.
    forward, reverse
        Estimates of the two directions of annealing alone; from below and from above on average.
    """

    value: float
    error: float = 0.0
    method: Literal["exact", "annealed", "trajectory"] = "exact"
    forward: float = np.nan
    reverse: float = np.nan


def free_energy(machine: RBM, visible: Float[np.ndarray, "sample visible"]) -> Float[np.ndarray, " sample"]:
    r"""Free energy in float64, :math:`-b^T v - \sum_j \ln \sum_{h_j} e^{f_j h_j}`, for v in the machine's units."""
    weights, visible_bias, hidden_bias = (np.asarray(leaf, np.float64) for leaf in _arrays(machine))
    fields = visible @ weights + hidden_bias
    log_sums = machine.units.low * fields + np.logaddexp(0, machine.units.span * fields)
    return -visible @ visible_bias - log_sums.sum(axis=1)


def _arrays(machine: RBM) -> tuple[Array, Array, Array]:
    return machine.weights, machine.visible_bias, machine.hidden_bias


def exact_log_partition(machine: RBM) -> LogPartition:
    r"""Sum over all states of the smaller layer, in float64.

    .. math:: \ln Z = \ln \sum_s e^{c^T s} \prod_i \sum_{x_i} e^{x_i (b + W s)_i}

    Raises
    ------
    InvalidInput
        If both layers have more than 20 units.

    Examples
    --------
    >>> import jax, rbmflow as rf
    >>> from rbmflow.settings import MachineSettings
    >>> machine = rf.RBM.random(jax.random.key(0), 9, MachineSettings(hidden=3, initial_scale=0.0))
    >>> round(exact_log_partition(machine).value / 12, 6)
    0.693147
    """
    visible, hidden = machine_of(machine).weights.shape
    if visible < hidden:
        machine = RBM(machine.weights.T, machine.hidden_bias, machine.visible_bias, machine.units)
        visible, hidden = hidden, visible
    if hidden > LARGEST_SUMMED_LAYER:
        allowed = f"a layer summed exactly may have at most {LARGEST_SUMMED_LAYER}"
        raise InvalidInput(Problem("units of the smaller layer", hidden, allowed))
    swapped = RBM(machine.weights.T, machine.hidden_bias, machine.visible_bias, machine.units)
    low = min(hidden, STATES_IN_A_BLOCK)
    parts = []
    for block in range(2 ** (hidden - low)):
        numbers = np.arange(2**low)[:, None] + block * 2**low
        bits = (numbers >> np.arange(hidden)) & 1
        parts.append(logsumexp(-free_energy(swapped, machine.units.low + machine.units.span * bits)))
    return LogPartition(float(np.asarray(logsumexp(parts))))


@eqx.filter_jit
def _anneal(
    machine: RBM, noise: GibbsNoise, visible: Float[Array, "chain visible"], powers: Float[Array, " level"]
) -> tuple[GibbsNoise, Float[Array, "chain visible"], Float[Array, " chain"]]:
    """Move chains from the first to the last power of the machine; also the log weights they collect."""

    def tempered(power: Array) -> RBM:
        weights, visible_bias, hidden_bias = (power * leaf for leaf in _arrays(machine))
        return RBM(weights, visible_bias, hidden_bias, machine.units)

    def level(carry: tuple, pair: tuple[Array, Array]) -> tuple[tuple, Array]:
        noise, visible = carry
        here, there = (tempered(power) for power in pair)
        gained = here.free_energy(visible) - there.free_energy(visible)
        noise, hidden = sample_hidden(there, noise, there.hidden_fields(visible))
        noise, visible = sample_visible(there, noise, hidden)
        return (noise, visible), gained

    (noise, visible), gained = jax.lax.scan(level, (noise, visible), (powers[:-1], powers[1:]))
    return noise, visible, jnp.sum(gained, axis=0)


@eqx.filter_jit
def _equilibrate(machine: RBM, noise: GibbsNoise, visible: Array, steps: int) -> tuple[GibbsNoise, Array]:
    def step(_, carry: tuple[GibbsNoise, Array]) -> tuple[GibbsNoise, Array]:
        noise, visible = carry
        noise, hidden = sample_hidden(machine, noise, machine.hidden_fields(visible))
        return sample_visible(machine, noise, hidden)

    return jax.lax.fori_loop(0, steps, step, (noise, visible))


def annealed_log_partition(
    key: AnyKey, machine: RBM, *, chains: int = 1000, levels: int = 1000, equilibration: int = 200
) -> LogPartition:
    r"""Annealed importance sampling in both directions, joined by Bennett's ratio.

    The machine is written in units -1/+1 and reached from the uniform distribution through the powers
    :math:`\beta_k = k / K` of its weights and biases,

    .. math:: p_\beta(v, h) \propto e^{\beta (v^T W h + b^T v + c^T h)}, \qquad
        \ln w = \sum_k F_{\beta_k}(v_k) - F_{\beta_{k+1}}(v_k),

    where v_k is moved by one Gibbs step at every level. Forward chains start from exact uniform draws, and
    :math:`\langle w \rangle = Z / Z_0`. Reverse chains start from the machine itself: from forward chains resampled
    by their weights and moved on by Gibbs steps. Their estimate rests on these being equilibrated; where the two
    directions disagree by more than their noise, they are not.

    Parameters
    ----------
    key
        JAX random key.
    machine
        The machine.
    chains
        Chains of each direction.
    levels
        K.
    equilibration
        Gibbs steps between the forward and the reverse chains.

    Returns
    -------
    LogPartition
        Bennett's estimate with its standard error, and the plain estimates of both directions.

    Raises
    ------
    InvalidInput
        If a number is not a whole number of at least 2 (chains), 1 (levels) or 0 (equilibration).

    References
    ----------
    R. M. Neal, Stat. Comput. 11, 125 (2001), arXiv:physics/9803008; R. Salakhutdinov, I. Murray, ICML 2008,
    doi:10.1145/1390156.1390266; C. H. Bennett, J. Comput. Phys. 22, 245 (1976), doi:10.1016/0021-9991(76)90078-4.
    """
    problems = Problems()
    chains, levels = problems.whole("chains", chains, 2), problems.whole("levels", levels, 1)
    equilibration = problems.whole("equilibration", equilibration, 0)
    problems.done()
    for_start, for_noise, for_choice = jax.random.split(key_of(key), 3)
    written = machine_of(machine).in_units("-1/+1")
    visible, hidden = written.weights.shape
    start = jax.random.rademacher(for_start, (chains, visible), jnp.float32)
    powers = jnp.linspace(0, 1, levels + 1)
    noise, end, forward = _anneal(written, GibbsNoise.seeded(for_noise, written, chains), start, powers)
    kept = jax.random.choice(for_choice, chains, (chains,), p=jax.nn.softmax(forward))
    noise, middle = _equilibrate(written, noise, end[kept], equilibration)
    _, _, backward = _anneal(written, noise, middle, powers[::-1])
    ups, downs = np.asarray(forward, np.float64), np.asarray(backward, np.float64)
    ratio, error = bennett(ups, downs)
    # Z of the machine in its own units differs by a factor that any one configuration shows.
    spins = np.ones((1, visible))
    own = machine.units.low + 0.5 * machine.units.span * (spins + 1)
    base = (visible + hidden) * np.log(2) + float((free_energy(written, spins) - free_energy(machine, own))[0])
    from_below = base + float(np.asarray(logsumexp(ups)) - np.log(chains))
    from_above = base - float(np.asarray(logsumexp(downs)) - np.log(chains))
    return LogPartition(base + ratio, error, "annealed", from_below, from_above)


def bennett(forward: Float[np.ndarray, " up"], reverse: Float[np.ndarray, " down"]) -> tuple[float, float]:
    r"""Bennett's estimate of :math:`\ln (Z_1 / Z_0)` from log weights of both directions, with its standard error.

    .. math:: \sum_i \frac{1}{1 + \frac{n_0}{n_1} e^{\Delta - w_i}}
        = \sum_j \frac{1}{1 + \frac{n_1}{n_0} e^{-\Delta - u_j}}

    for forward weights w of n_0 chains and reverse weights u of n_1, solved for :math:`\Delta = \ln (Z_1 / Z_0)`.
    The error is that of the two means in the equation, which are over independent chains.

    References
    ----------
    C. H. Bennett, J. Comput. Phys. 22, 245 (1976), doi:10.1016/0021-9991(76)90078-4; M. R. Shirts et al.,
    Phys. Rev. Lett. 91, 140601 (2003), doi:10.1103/PhysRevLett.91.140601.

    Examples
    --------
    >>> import numpy as np
    >>> bennett(np.array([1.5, 1.5]), np.array([-1.5, -1.5]))
    (1.5, 0.0)
    """
    offset = np.log(reverse.size / forward.size)

    def sides(delta: float) -> tuple[np.ndarray, np.ndarray]:
        return expit(offset - delta + forward), expit(-offset + delta + reverse)

    def balance(delta: float) -> float:
        up, down = sides(delta)
        return float(up.sum() - down.sum())

    everything = np.concatenate([forward, -reverse])
    low, high = everything.min() - 50, everything.max() + 50
    delta = float(brentq(balance, low, high, xtol=1e-10))  # pyright: ignore[reportArgumentType]
    up, down = sides(delta)
    slope = (up * (1 - up)).sum() + (down * (1 - down)).sum()
    variance = up.size * up.var(ddof=1) + down.size * down.var(ddof=1)
    return round(delta, 12), float(np.sqrt(variance) / slope)


def log_partition(key: AnyKey, machine: RBM) -> LogPartition:
    """Exact ln Z where the smaller layer has at most 20 units, annealed importance sampling elsewhere.

    Parameters
    ----------
    key
        JAX random key; not used where Z is exact.
    machine
        The machine.

    Examples
    --------
    >>> import jax, rbmflow as rf
    >>> from rbmflow.settings import MachineSettings
    >>> log_partition(jax.random.key(0), rf.RBM.random(jax.random.key(0), 100, MachineSettings(hidden=16))).error
    0.0
    """
    if min(machine_of(machine).weights.shape) <= LARGEST_SUMMED_LAYER:
        return exact_log_partition(machine)
    return annealed_log_partition(key, machine)
