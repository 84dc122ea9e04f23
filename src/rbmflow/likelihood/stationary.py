"""The law that the chains of a machine end in, whatever their start: its temperature, without a chain."""

from typing import NamedTuple

import numpy as np
from scipy.special import logsumexp, rel_entr

from rbmflow._doors import Temperatures, temperatures_of
from rbmflow._own_settings import own_settings
from rbmflow.dataset import Draws
from rbmflow.equilibrium import Equilibrium
from rbmflow.likelihood.importance import LogWeights, log_weights, states_of, unusable, weighted_mean
from rbmflow.likelihood.partition import LogPartition, equilibrium_of, log_probability
from rbmflow.model import Model
from rbmflow.observables import ENERGY
from rbmflow.rbm import RBM


class Stationary(NamedTuple):
    """The stationary law p(v) of a machine by its energies; NaN where nothing can be said of it."""

    energy: float = np.nan
    energy_error: float = np.nan
    """Mean energy per site."""
    temperature: float = np.nan
    temperature_error: float = np.nan
    """T*, at which the model has this energy, in J/k_B."""
    mixture_overlap: float = np.nan
    ising_overlap: float = np.nan
    """Overlaps of the distribution of energies with those of the training mixture and of the model at T*."""


@own_settings
def stationary_law(
    machine: RBM, model: Model | Equilibrium, draws: Draws, weights: LogWeights | None = None
) -> Stationary:
    r"""The energies of a machine at equilibrium, by weighted draws of the exact mixture, or all of at most 2^16 states.

    .. math:: P(E) = \sum_{v: E(v) = E} p(v), \qquad \langle E \rangle_{T^*} = \sum_E E\, P(E)

    No chain is needed, so slow machines are no worse off than fast ones; how long their chains take is another
    question. That T* is a number does not make the law that of the model: the overlaps say how near it is.
    The draws are as for `log_weights`, which may be given where they are known; all is NaN where the draws do not stand
    for the machine.

    Examples
    --------
    >>> import jax, rbmflow as rf
    >>> from rbmflow.settings import MachineSettings
    >>> model = rf.ising(rf.square(4))
    >>> draws = rf.sample(jax.random.key(0), model, [2.0, float("inf")], 100)
    >>> free = rf.RBM.random(jax.random.key(1), 16, MachineSettings(hidden=4, initial_scale=0.0))
    >>> abs(stationary_law(free, model, draws).energy) < 1e-12
    True
    """
    truth = equilibrium_of(model)
    model = truth.model
    if (states := states_of(truth)) is not None:
        spins, weights = states, log_probability(machine, states, LogPartition(0.0))
    else:
        spins, weights = draws.spins, log_weights(machine, truth, draws) if weights is None else weights
        if unusable(weights, draws):
            return Stationary()
    part = np.exp(weights - logsumexp(weights))
    total = np.asarray(model.total_energy(spins)).reshape(part.shape)
    sites, levels = model.lattice.sites, truth.levels().energy
    if states is None:
        energy, error = weighted_mean(part, total / sites)
    else:
        energy, error = float((part * total).sum()) / sites, 0.0
    around = energy + np.array([-error, 0.0, error])
    temperatures = truth.curve(ENERGY).temperature_of(around)
    with np.errstate(invalid="ignore"):
        width = float(np.ptp(temperatures)) / 2
    nearest = np.searchsorted((levels[1:] + levels[:-1]) / 2, total.ravel())
    seen = np.bincount(nearest, part.ravel(), levels.size)
    mixture = truth.distribution(draws.temperatures).mean(axis=0)
    ising = truth.distribution(float(temperatures[1]))
    overlaps = (float(np.minimum(seen, other).sum()) for other in (mixture, ising))
    return Stationary(energy, error, float(temperatures[1]), width, *overlaps)


def ising_divergence(model: Model | Equilibrium, temperatures: Temperatures) -> float:
    r"""Nats from an equal mixture of temperatures to the best Ising model, a scale for every excess.

    .. math:: \min_T \sum_E P(E) \ln \frac{P(E)}{P_T(E)},

    over the distributions of the energy, which is all in which the two differ; the best has the mixture's mean energy.

    Examples
    --------
    >>> import rbmflow as rf
    >>> round(ising_divergence(rf.ising(rf.square(4)), [k / 4 for k in range(25)]), 4)
    0.2294
    """
    truth = equilibrium_of(model)
    mixture, levels = truth.distribution(temperatures_of(temperatures)).mean(axis=0), truth.levels().energy
    best = truth.curve(ENERGY).temperature_of(mixture @ levels / truth.model.lattice.sites)
    return float(rel_entr(mixture, truth.distribution(float(best))).sum())
