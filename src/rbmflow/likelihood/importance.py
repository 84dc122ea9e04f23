"""Draws of the exact mixture, weighted into draws of a machine: its ln Z, its excess nats, its means."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Float, Int8
from scipy.special import logsumexp

from rbmflow._checks import InvalidInput, Problem, Problems
from rbmflow._doors import AnyKey, numbers_of, rows_of
from rbmflow._format import with_error
from rbmflow._own_settings import own_settings
from rbmflow.dataset import Draws
from rbmflow.equilibrium import Equilibrium
from rbmflow.equilibrium.enumerated import all_states
from rbmflow.likelihood.annealing import annealed_log_partition, flow_ends
from rbmflow.likelihood.partition import (
    LogPartition,
    bennett,
    effective_share,
    equilibrium_of,
    exact_log_partition,
    log_mean,
    log_mixture_probability,
    log_probability,
    require_partition,
    stratified,
)
from rbmflow.model import Model
from rbmflow.random import key_for, split
from rbmflow.rbm import RBM, machine_of
from rbmflow.settings import LARGEST_SUMMED_LAYER, is_few

SMALLEST_SHARE = 0.01
"""Effective share of the draws below which they say nothing of the machine."""

FEWEST_EFFECTIVE = 50
"""Effective number of draws below which their weights do not tell their own noise."""

MOST_SUMMED = 2**16
"""Configurations up to which sums go over all."""

SIGMAS = 3.0
"""Standard errors by which flows must find more of the machine than the draws have, for these not to be used."""


class Nats(NamedTuple):
    """A mean over configurations, with its standard error and what speaks against it, one sentence each."""

    mean: float
    error: float
    flags: tuple[str, ...] = ()


type LogWeights = Float[np.ndarray, "temperature draw"]


@own_settings
def log_weights(
    machine: RBM, model: Model | Equilibrium, draws: Draws, log_mixture: Float[np.ndarray, " sample"] | None = None
) -> LogWeights:
    r"""Logarithm of the weights that turn draws of the exact mixture of temperatures into draws of a machine.

    .. math:: w = -F(v) - \ln p(v), \qquad \langle e^w \rangle_p = Z, \qquad
        \langle O \rangle_{machine} = \frac{\langle O e^w \rangle_p}{\langle e^w \rangle_p}.

    The *effective share* :math:`(\sum e^w)^2 / n \sum e^{2w}` says how many of the draws count.

    The draws are independent and exact, as many at each temperature of the mixture, of a model whose Z is known
    (`equilibrium.known`). Of any other model its equilibrium from draws is given in its place,
    `equilibrium.reweighted`; its error is not among those of the weights. Their `log_mixture_probability` may be given
    where it is known from another machine; so may these weights, to what takes the same machine and draws.
    """
    allowed = "they must be Draws, with their temperatures"
    Problems.only(isinstance(draws, Draws), "draws", type(draws).__name__, allowed)
    if log_mixture is None:
        log_mixture = log_mixture_probability(model, draws.temperatures, draws)
    return (log_probability(machine, draws, LogPartition(0.0)) - log_mixture).reshape(len(draws.temperatures), -1)


def states_of(truth: Equilibrium) -> Int8[np.ndarray, "state *lattice"] | None:
    """All configurations of a model of at most 2^16, None of a larger one or of what draws tell."""
    model = truth.model
    few = is_few(len(model.states), model.lattice.sites, MOST_SUMMED) and not truth.copies
    return all_states(model) if few else None


def unusable(weights: LogWeights, draws: Draws) -> str:
    """Why draws with these weights cannot stand for the machine; nothing if they can."""
    share = effective_share(weights)
    if draws.temperatures[-1] == 0:
        return "draws at T = 0 alone have no weight for other configurations"
    if share < SMALLEST_SHARE or share * weights.size < FEWEST_EFFECTIVE:
        return f"{share * weights.size:.0f} of {weights.size} draws have the weight of all, a share of {share:.1g}"
    return ""


@own_settings
def log_partition(
    key: AnyKey,
    machine: RBM,
    model: Model | Equilibrium | None = None,
    draws: Draws | None = None,
    *,
    chains: int = 500,
    steps: int = 1000,
    weights: LogWeights | None = None,
) -> LogPartition:
    r"""Partition function by the best that is known, a sum, weighted draws or annealing; `method` says which.

    - "exact" where the smaller layer has at most 20 units.
    - "draws": :math:`\ln \langle e^w \rangle` over exact draws, see `log_weights`. They must have an effective share of
      0.01 and an effective number of 50, and Bennett's ratio between them and flows of the machine, started from them,
      must not be larger by more than three standard errors: it is where the machine has states that no draw shows.
      It may be smaller, where so many steps do not bring the flows to equilibrium.
    - "annealed" otherwise, with a flag that says why. The draws give a lower bound all the same; where annealing stays
      below it, the error reaches up to it.

    Parameters
    ----------
    model, draws
        Draws of the mixture that the machine was trained on, made anew, and their model or its equilibrium, as for
        `log_weights`.
    chains
        Flows, and chains of annealing.
    steps
        Gibbs steps of the flows, and levels of annealing.
    weights
        `log_weights` of the draws, where they are known.

    Examples
    --------
    >>> import jax, rbmflow as rf
    >>> from rbmflow.settings import MachineSettings
    >>> log_partition(jax.random.key(0), rf.RBM.random(jax.random.key(0), 100, MachineSettings(hidden=16))).error
    0.0
    """
    problems = Problems()
    chains, steps = problems.whole("chains", chains, 2), problems.whole("steps", steps, 1)
    problems.unless((model is None) == (draws is None), "model, draws", (model, draws), "both or none must be given")
    problems.done()
    if min(machine_of(machine).layer_bits) <= LARGEST_SUMMED_LAYER:
        return exact_log_partition(machine)
    for_flows, for_annealing = split(key_for(key, "log_partition", machine))
    if model is None or draws is None:
        return annealed_log_partition(for_annealing, machine, chains=chains, levels=steps)
    weights = log_weights(machine, model, draws) if weights is None else weights
    rows = np.asarray(rows_of(draws, states=machine.units.states))
    ends = flow_ends(for_flows, machine, rows[:: max(1, len(rows) // chains)][:chains], steps)
    back = log_mixture_probability(model, draws.temperatures, ends) - log_probability(machine, ends, LogPartition(0.0))
    mean, error = log_mean(weights)
    check, check_error = bennett(weights.ravel(), back)
    reason = unusable(weights, draws)
    if not reason and check - mean > SIGMAS * np.hypot(error, check_error):
        reason = f"flows of the machine find {check - mean:.2g} nats more of it than the draws show"
    if not reason:
        from_above = np.log(back.size) - float(np.asarray(logsumexp(back)))
        found = LogPartition(mean, error, "draws", mean, from_above)
    else:
        found = annealed_log_partition(for_annealing, machine, chains=chains, levels=steps)
        flags = (f"ln Z is annealed: {reason}", *found.flags)
        if (missing := mean - found.value) > found.error:
            flags = (*flags, f"annealing misses {missing:.2g} nats of what the draws show")
        found = replace(found, error=max(found.error, missing), flags=flags)
    return replace(found, share=effective_share(weights), check=check, check_error=check_error)


@own_settings
def excess_nats(
    machine: RBM,
    model: Model | Equilibrium,
    held_out: Draws,
    partition: LogPartition,
    weights: LogWeights | None = None,
) -> Nats:
    r"""How many nats a machine loses on configurations of its own training mixture.

    .. math:: \langle \ln p_{mixture}(v) - \ln p_{RBM}(v) \rangle_{held\ out} = \ln Z - \langle w \rangle

    Its expectation over the mixture is the Kullback-Leibler divergence: zero for a perfect machine. Up to 2^16
    configurations, with an exact ln Z, it is the divergence itself, summed over all of them. With ln Z by weighted
    draws it is :math:`\langle e^x - 1 - x \rangle` of :math:`x = w - \ln Z`, which is the same number, never below
    zero, and of smaller error. By other ways noise may bring it below zero, and a flag says so. Where the
    configurations show more of the machine than an ln Z that is not a sum, by more than three standard errors, the
    error reaches up to it, with a flag. Where the equilibrium of the model is from draws, its ln Z has an error, which
    comes in by the jackknife of these draws; with ln Z of the machine by weighted draws what is common to all
    temperatures cancels.

    Parameters
    ----------
    model
        The model, or its equilibrium, as for `log_weights`.
    held_out
        Independent configurations of the model that were not trained on, as many at each temperature of the mixture.
    partition
        From `log_partition`; its error and flags come in.
    weights
        `log_weights` of these configurations, where they are known.

    Examples
    --------
    >>> import jax, rbmflow as rf
    >>> for_draws, for_training, for_fresh = jax.random.split(jax.random.key(0), 3)
    >>> model, grid = rf.ising(rf.square(4)), (2.0, 4.0)
    >>> draws = rf.sample(for_draws, model, grid, 500)
    >>> machine, _ = rf.train(for_training, draws, hidden=8, epochs=20, learning_rate=0.05)
    >>> fresh = rf.sample(for_fresh, model, grid, 500)
    >>> 0 < rf.excess_nats(machine, model, fresh, rf.log_partition(for_fresh, machine)).mean < 2
    True
    """
    require_partition(partition)
    truth = equilibrium_of(model)
    x = (log_weights(machine, truth, held_out) if weights is None else weights) - partition.value
    if partition.method == "exact" and (states := states_of(truth)) is not None:
        log_mixture = log_mixture_probability(truth, held_out.temperatures, states)
        log_machine = log_probability(machine, states, partition)
        part = np.exp(log_mixture)
        return Nats(float(part @ np.where(part > 0, log_mixture - log_machine, 0.0)), partition.error, partition.flags)
    if partition.method == "draws":
        mean, error = stratified(np.exp(x) - 1 - x)
        return Nats(mean, float(np.hypot(error, _of_truth(truth, held_out, np.exp(x) - 1))), partition.flags)
    mean, error = stratified(-x)
    error = float(np.linalg.norm([error, partition.error, _of_truth(truth, held_out, -np.ones_like(x))]))
    flags = partition.flags
    missing, noise = log_mean(x)
    if partition.method != "exact" and missing > SIGMAS * np.hypot(partition.error, noise):
        flags = (*flags, f"the draws show {missing:.2g} nats more of the machine than its ln Z")
        error = max(error, missing)
    below = f"the excess is {with_error(mean, error)} nats, and a divergence cannot be below zero"
    return Nats(mean, error, (*flags, *([below] if mean < 0 else [])))


def _of_truth(truth: Equilibrium, draws: Draws, slope: Float[np.ndarray, "temperature draw"]) -> float:
    """Error of a mean over draws from that of ln Z of the model, to first order: it moves every log weight.

    With the weights normalised over the draws, as `slope` has them, what moves all alike is left out by itself.
    """
    if not truth.copies:
        return 0.0
    grid, shape = draws.temperatures, slope.shape
    rows = [log_mixture_probability(truth, grid, draws, copy).reshape(shape) for copy in range(1, 1 + truth.copies)]
    means = [float((slope * row).mean()) for row in rows]
    return float(np.sqrt(truth.copies - 1) * np.std(means))


def weighted_mean(part: Float[np.ndarray, "..."], values: Float[np.ndarray, "..."]) -> tuple[float, float]:
    """Mean of values [temperature, draw] by parts that add up to one, and its error."""
    mean = float((part * values).sum())
    return mean, stratified(part * part.size * (values - mean))[1]


@own_settings
def machine_mean(machine: RBM, model: Model | Equilibrium, draws: Draws, values: ArrayLike) -> Nats:
    r"""Mean of an observable over a machine at its equilibrium, without a chain, from draws of the exact mixture.

    .. math:: \langle O \rangle = \frac{\sum O e^w}{\sum e^w}

    The values [temperature, draw] are those of the observable in the draws, which are as for `log_weights`.

    Raises
    ------
    InvalidInput
        If the draws do not stand for the machine (an effective share below 0.01, or fewer than 50 effective draws), or
        the values do not fit them.

    Examples
    --------
    >>> import jax, rbmflow as rf
    >>> from rbmflow.settings import MachineSettings
    >>> model = rf.ising(rf.square(4))
    >>> draws = rf.sample(jax.random.key(0), model, [2.0, float("inf")], 1000)
    >>> free = rf.RBM.random(jax.random.key(1), 16, MachineSettings(hidden=4, initial_scale=0.0))
    >>> abs(machine_mean(free, model, draws, model.energy(draws.spins)).mean) < 0.1
    True
    """
    weights, observed = log_weights(machine, model, draws), numbers_of(values, "values")
    fits = observed.shape == weights.shape
    Problems.only(fits, "shape of values", observed.shape, f"it must be {weights.shape}, [temperature, draw]")
    if reason := unusable(weights, draws):
        raise InvalidInput(Problem("draws", draws.temperatures, f"they must stand for the machine, but {reason}"))
    return Nats(*weighted_mean(np.exp(weights - logsumexp(weights)), observed))
