"""Whether a machine's chains are at equilibrium, and whether equilibrium is the truth."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int8

from rbmflow import exact
from rbmflow._checks import Problems
from rbmflow._doors import AnyKey, Numbers, Temperatures, numbers_of, temperatures_of
from rbmflow._own_settings import own_settings
from rbmflow.diagnostics import mean_and_error, tau_int
from rbmflow.flow import iterate
from rbmflow.model import Model, free_lattice
from rbmflow.random import key_for, random_spins, split
from rbmflow.rbm import RBM, machine_of

SIGMAS = 5.0


class Relaxation(NamedTuple):
    """Where chains of a machine end that start cold and hot; [start] is from cold, then from hot, per site."""

    tau_energy: float
    tau_magnetization: float
    """Integrated autocorrelation times of E and abs(m) of the cold chains, second half, in Gibbs steps; NaN where cold
    and hot do not agree, as the overlaps are: chains that have not met are no draws of the machine."""
    energy: Float64[np.ndarray, " start"]
    energy_error: Float64[np.ndarray, " start"]
    abs_magnetization: Float64[np.ndarray, " start"]
    abs_magnetization_error: Float64[np.ndarray, " start"]
    """Means over the last configurations, with standard errors over chains."""
    agree: bool
    """Whether cold and hot agree in both within five standard errors."""
    energy_overlap: float
    abs_magnetization_overlap: float
    """Overlaps of the histograms of the last configurations with those of the true mixture."""


def overlap(counts: Numbers, probability: Numbers) -> float:
    r"""Overlap of a histogram with a distribution, :math:`\sum_x \min(\hat p(x), p(x))`: 1 if they are the same.

    It is one minus the total variation distance. A histogram of n values spread over k levels falls short of 1 by
    about :math:`\sqrt{k / 2 \pi n}` by noise alone.

    Raises
    ------
    InvalidInput
        If they are no counts and probabilities of the same levels.

    Examples
    --------
    >>> import numpy as np
    >>> overlap(np.array([3.0, 1.0]), np.array([0.5, 0.5]))
    0.75
    """
    seen = numbers_of(counts, "counts", ("level",), lowest=0.0)
    truth = numbers_of(probability, "probability", seen.shape, lowest=0.0)
    Problems.only(bool(seen.any()), "counts", 0, "at least one value must have been counted")
    total = float(truth.sum())
    Problems.only(abs(total - 1) < 1e-6, "sum of probability", total, "it must be 1")
    return float(np.minimum(seen / seen.sum(), truth).sum())


@own_settings
def relax(
    key: AnyKey,
    machine: RBM,
    model: Model,
    temperatures: Temperatures,
    *,
    chains: int = 500,
    iterations: int = 200,
) -> Relaxation:
    r"""Run chains of a machine from all spins up or down and from uniform ones, and compare their ends.

    Where cold and hot chains agree and `iterations` is many autocorrelation times, the ends are draws from the
    machine; their histograms of E and :math:`|m|` are then held against the exact ones of the training mixture.

    Parameters
    ----------
    model
        The model of its training set, without field, with a shorter side of at most 12.
    temperatures
        Those of the mixture it was trained on, increasing.
    chains, iterations
        Chains of each start, and the Gibbs steps of every chain; autocorrelation times are those of the second half.

    Raises
    ------
    InvalidInput
        If there are fewer than 2 chains or 8 iterations, or machine and model do not fit.

    References
    ----------
    A. Decelle, C. Furtlehner, B. Seoane, NeurIPS 2021, arXiv:2105.13889 (machines trained out of equilibrium).

    Examples
    --------
    >>> import jax, rbmflow as rf
    >>> from rbmflow.settings import MachineSettings
    >>> free = rf.RBM.random(jax.random.key(0), 16, MachineSettings(hidden=4, initial_scale=0.0))
    >>> relax(jax.random.key(1), free, rf.ising(rf.square(4)), (2.0,), chains=50, iterations=8).agree
    True
    """
    problems = Problems()
    chains, iterations = problems.whole("chains", chains, 2), problems.whole("iterations", iterations, 8)
    problems.done()
    machine_of(machine).require_lattice("model", free_lattice(model).shape)
    grid = temperatures_of(temperatures)
    for_starts, for_cold, for_hot = split(key_for(key, "equilibrium", machine), 3)
    for_sign, for_spins = split(for_starts)
    shape = (chains, *model.lattice.shape)
    cold = np.broadcast_to(np.asarray(random_spins(for_sign, (chains, 1, 1))), shape)
    hot = random_spins(for_spins, shape)
    second_half = tuple(range(iterations // 2, iterations + 1))
    series = iterate(for_cold, machine, cold, iterations, keep=second_half).configurations
    last = np.stack([series[-1], iterate(for_hot, machine, hot, iterations, keep=(iterations,)).spins])
    mean, error = mean_and_error(_energy_and_size(model, last), 2)
    apart = np.abs(mean[:, 0] - mean[:, 1]) > SIGMAS * np.hypot(error[:, 0], error[:, 1])
    agree = not apart.any()
    tau_energy, tau_size = (tau_int(values.T) if agree else np.nan for values in _energy_and_size(model, series))
    overlaps = _overlaps(model, grid, last.reshape(-1, *model.lattice.shape)) if agree else (np.nan, np.nan)
    return Relaxation(tau_energy, tau_size, mean[0], error[0], mean[1], error[1], agree, *overlaps)


def _energy_and_size(model: Model, spins: Int8[np.ndarray, "... y x"]) -> Float64[np.ndarray, "2 ..."]:
    values = np.array([model.energy(spins), model.magnetization(spins)], np.float64)
    return np.stack([values[0], np.abs(values[1])])


def _overlaps(model: Model, temperatures: tuple[float, ...], spins: Int8[np.ndarray, "n y x"]) -> tuple[float, float]:
    """Overlaps of the histograms of E and abs(m) with those of the equal mixture."""
    levels, _ = exact.density_of_states(model)
    at = np.searchsorted(levels, np.asarray(model.total_energy(spins)))
    of_energy = np.mean(exact.energy_distribution(model, temperatures), axis=0)
    values, probability = exact.magnetization_distribution(model, temperatures)
    sizes, mixed = np.abs(np.asarray(values)).astype(int), np.asarray(probability, np.float64).mean(axis=0)
    of_size = np.bincount(sizes, mixed)
    found = np.bincount(np.abs(np.asarray(model.total_magnetization(spins))), minlength=of_size.size)
    return overlap(np.bincount(at, minlength=levels.size), of_energy), overlap(found, of_size)
