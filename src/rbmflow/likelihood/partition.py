"""Log-probabilities of machines and of the exact mixtures they learn from; partition functions by a sum or a ratio."""

from dataclasses import dataclass
from typing import Literal

import jax
import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import brentq
from scipy.special import expit, logsumexp

from rbmflow._checks import InvalidInput, Problem, Problems
from rbmflow._doors import Configurations, Temperatures, rows_of, temperatures_of
from rbmflow._own_settings import own_settings
from rbmflow._scan import watched
from rbmflow.equilibrium import Equilibrium, known
from rbmflow.model import Model, model_of
from rbmflow.rbm import RBM, machine_of
from rbmflow.settings import LARGEST_SUMMED_LAYER

STATES_IN_A_BLOCK = 2**12
"""States of the smaller layer that are summed at once."""


ROWS_AT_ONCE, SPINS_AT_ONCE = 2**16, 2**26
"""Configurations whose log-probability is computed at once, and most spins that they have together."""


@dataclass(frozen=True)
class LogPartition:
    """Logarithm of a partition function, its standard error (0 if it is exact), and how it was found.

    Parameters
    ----------
    forward, reverse
        Estimates of the two directions alone, towards the machine and away from it; from below and from above on
        average.
    share
        Effective share of the draws, see `log_weights`; NaN where none were given.
    check, check_error
        Bennett's ratio between the draws and long flows of the machine, if there were draws.
    flags
        What speaks against the value, one sentence each.
    """

    value: float
    error: float = 0.0
    method: Literal["exact", "draws", "annealed", "trajectory"] = "exact"
    forward: float = np.nan
    reverse: float = np.nan
    share: float = np.nan
    check: float = np.nan
    check_error: float = np.nan
    flags: tuple[str, ...] = ()


def free_energy(machine: RBM, visible: Float[np.ndarray, "sample visible"]) -> Float[np.ndarray, " sample"]:
    r"""Free energy in float64, :math:`-b^T v - \sum_j \ln \sum_{h_j} e^{f_j h_j}`, for v in the machine's units."""
    weights, visible_bias, hidden_bias = (np.asarray(leaf, np.float64) for leaf in jax.tree.leaves(machine))
    fields, units = visible @ weights + hidden_bias, machine.hidden_units
    if units.two_valued:
        scaled = units.span * fields
        largest = units.low * fields + np.maximum(scaled, 0)
        factors = 1 + np.exp(-np.abs(scaled))
    else:
        exponents = fields.reshape(len(fields), -1, units.components) @ np.array(units.codes).T
        largest = exponents.max(axis=-1)
        factors = np.exp(exponents - largest[..., None]).sum(axis=-1)
    # One logarithm for many units, in a sixth of the time: a product of so many factors is a number up to 2^1000.
    many = int(1000 / np.log2(len(units.states)))
    products = np.multiply.reduceat(factors, range(0, factors.shape[1], many), axis=1)
    return -visible @ visible_bias - largest.sum(axis=1) - np.log(products).sum(axis=1)


@own_settings
def exact_log_partition(machine: RBM) -> LogPartition:
    r"""Sum over all states of the smaller layer, in float64.

    .. math:: \ln Z = \ln \sum_s e^{c^T s} \prod_i \sum_{x_i} e^{x_i (b + W s)_i}

    A machine both of whose layers have more than 2^20 states is refused.
    """
    own = machine_of(machine)
    summed = own.swapped if own.layer_bits[1] <= own.layer_bits[0] else own
    units, sites, bits = summed.units, summed.sites, summed.layer_bits[0]
    if bits > LARGEST_SUMMED_LAYER:
        allowed = f"a layer summed exactly may have at most {LARGEST_SUMMED_LAYER}"
        raise InvalidInput(Problem("units of the smaller layer", f"{bits:g}", allowed))
    count = len(units.states) ** sites
    numbers = (np.arange(at, min(at + STATES_IN_A_BLOCK, count)) for at in range(0, count, STATES_IN_A_BLOCK))
    parts, told = [], watched(None, "sum over states")
    for block in numbers:
        parts.append(logsumexp(-free_energy(summed, units.numbered(block, sites))))
        told(float(block[-1] + 1) / count)
    return LogPartition(float(np.asarray(logsumexp(parts))))


def require_partition(given: LogPartition) -> None:
    """Refuse what is no partition function with its error, such as its value alone."""
    problems = Problems()
    problems.kind("partition", given, LogPartition, "LogPartition, as log_partition returns")
    problems.done()


@own_settings
def log_probability(machine: RBM, data: Configurations, partition: LogPartition) -> Float[np.ndarray, " sample"]:
    r"""Log-probability of every configuration, :math:`\ln p(v) = -F(v) - \ln Z`, in float64.

    The configurations [..., lattice ...] or [sample, site] may have any form; those that do not fit the machine are
    refused.
    """
    require_partition(partition)
    own = machine_of(machine)
    rows = np.asarray(rows_of(data, own.sites, shape=own.shape, states=own.units.states))
    parts, told = [], watched(None, "log-probabilities")
    many = max(1, min(ROWS_AT_ONCE, SPINS_AT_ONCE // own.sites))
    for at in range(0, len(rows), many):
        block = rows[at : at + many]
        parts.append(-free_energy(machine, np.asarray(machine.units.from_spins(block), np.float64)) - partition.value)
        told((at + len(block)) / len(rows))
    return np.concatenate(parts)


def equilibrium_of(model: Model | Equilibrium) -> Equilibrium:
    """The equilibrium that is given, or that of a model if it is known without a draw; other models are refused."""
    if isinstance(model, Equilibrium):
        return model
    truth = known(model_of(model))
    if truth is None:
        told = "its ln Z must be known without a draw (equilibrium.known), or its equilibrium given"
        raise InvalidInput(Problem("model", model, told))
    return truth


@own_settings
def log_mixture_probability(
    model: Model | Equilibrium, temperatures: Temperatures, data: Configurations, copy: int = 0
) -> Float[np.ndarray, " sample"]:
    r"""Log-probability of configurations in the equal mixture of temperatures, exact where ln Z of the model is.

    .. math:: \ln p(v) = \ln \frac1K \sum_{k=1}^K \frac{e^{-E(v) / T_k}}{Z(T_k)}

    T = 0 is the equal mixture of the ground states. The configurations are as for `log_probability`, those of another
    lattice are refused. Of a model whose Z is not known without draws (`equilibrium.known`), its equilibrium from draws
    is given in its place, `equilibrium.reweighted`; copies of it, from 1 on, are those of its jackknife.
    """
    truth, grid = equilibrium_of(model), temperatures_of(temperatures)
    model, lattice = truth.model, truth.model.lattice
    model.require_lattice(data, "data")
    spins = rows_of(data, lattice.sites, shape=lattice.shape, states=model.states)
    energies = np.asarray(model.total_energy(spins.reshape(-1, *lattice.shape)), np.float64).round(5)
    # There are far fewer levels than configurations.
    energy, level = np.unique(energies, return_inverse=True)
    warm = np.array([temperature for temperature in grid if temperature > 0])[:, None]
    if copy:
        levels = truth.levels(copy=copy)
        log_z = np.asarray(logsumexp(levels.log_count - levels.energy / warm, axis=1, keepdims=True))
    else:
        log_z = truth.log_partition(warm)
    rows = -energy / warm - log_z
    if grid[0] == 0:
        ground = np.abs(energy - truth.ground_energy) < 1e-3 * model.step
        rows = np.concatenate([np.where(ground, -truth.log_excitations(0.0), -np.inf)[None], rows])
    return (np.asarray(logsumexp(rows, axis=0)) - np.log(len(rows)))[level]


def bennett(
    forward: Float[np.ndarray, " up"],
    reverse: Float[np.ndarray, " down"],
    ancestors: Int[np.ndarray, " down"] | None = None,
) -> tuple[float, float]:
    r"""Bennett's estimate of :math:`\ln (Z_1 / Z_0)` from log weights of both directions, with its standard error.

    .. math:: \sum_i \frac{1}{1 + \frac{n_0}{n_1} e^{\Delta - w_i}}
        = \sum_j \frac{1}{1 + \frac{n_1}{n_0} e^{-\Delta - u_j}}

    for forward weights w of n_0 chains and reverse weights u of n_1, solved for :math:`\Delta = \ln (Z_1 / Z_0)`;
    infinite where no two configurations can be compared. The error is that of the two sums: over independent chains,
    or over families of a forward chain and the reverse chains that come from it. Of directions so far apart that all
    terms vanish to rounding, the estimate is midway between :math:`\ln \langle e^w \rangle` and
    :math:`-\ln \langle e^u \rangle`, which solves the equation in this limit, and the error reaches to both.

    Log weights are minus infinity where the other side has no such configuration; `ancestors` are the numbers of the
    forward chains that the reverse chains come from, if any. C. H. Bennett, J. Comput. Phys. 22, 245 (1976),
    doi:10.1016/0021-9991(76)90078-4; M. R. Shirts et al., Phys. Rev. Lett. 91, 140601 (2003),
    doi:10.1103/PhysRevLett.91.140601.
    """
    met = np.concatenate([forward[np.isfinite(forward)], -reverse[np.isfinite(reverse)]])
    if not (np.isfinite(forward).any() and np.isfinite(reverse).any()):
        return np.inf if np.isfinite(forward).any() else -np.inf, np.inf
    offset = np.log(reverse.size / forward.size)

    def sides(delta: float) -> tuple[np.ndarray, np.ndarray]:
        return expit(offset - delta + forward), expit(-offset + delta + reverse)

    def balance(delta: float) -> float:
        up, down = sides(delta)
        return float(up.sum() - down.sum())

    delta = float(brentq(balance, met.min() - 50, met.max() + 50, xtol=1e-10))  # pyright: ignore[reportArgumentType]
    up, down = sides(delta)
    slope = (up * (1 - up)).sum() + (down * (1 - down)).sum()
    if slope < np.sqrt(np.finfo(float).tiny):
        # The squares in the variance would be zero.
        ends = logsumexp(forward) - np.log(forward.size), np.log(reverse.size) - logsumexp(reverse)
        return float(np.mean(ends)), float(np.ptp(ends) / 2)
    if ancestors is None:
        variance = up.size * up.var(ddof=1) + down.size * down.var(ddof=1)
    else:
        families = up - up.mean() - np.bincount(ancestors, down - down.mean(), up.size)
        variance = np.sum(families**2)
    return round(delta, 12), float(np.sqrt(variance) / slope)


def effective_share(weights: Float[np.ndarray, "..."]) -> float:
    r"""Effective share :math:`(\sum e^w)^2 / n \sum e^{2w}` of draws with these log weights, from 1/n to 1."""
    return float(np.exp(np.asarray(2 * logsumexp(weights)) - np.asarray(logsumexp(2 * weights)))) / weights.size


def stratified(values: Float[np.ndarray, "temperature draw"]) -> tuple[float, float]:
    """Mean over all draws and its standard error; the temperatures have their share by construction, not by chance."""
    count, draws = values.shape
    variance = values.var(axis=1, ddof=1).mean() if draws > 1 else np.nan
    return float(values.mean()), float(np.sqrt(variance / (count * draws)))


def log_mean(weights: Float[np.ndarray, "temperature draw"]) -> tuple[float, float]:
    """Logarithm of the mean exponential, with its standard error; from below on average."""
    mean = float(np.asarray(logsumexp(weights))) - float(np.log(weights.size))
    return mean, stratified(np.exp(weights - mean))[1]
