"""Whether a machine's chains are at equilibrium, and whether equilibrium is the truth."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float64, Int8

from rbmflow import exact
from rbmflow._checks import Problems
from rbmflow._doors import AnyKey, Numbers, Temperatures, numbers_of, temperatures_of
from rbmflow._own_settings import own_settings
from rbmflow.diagnostics import mean_and_error, tau_int
from rbmflow.flow import iterate
from rbmflow.model import Ising, free_lattice
from rbmflow.random import key_for
from rbmflow.rbm import RBM, machine_of

SIGMAS = 5.0


class Relaxation(NamedTuple):
    """Where chains of a machine end that start cold and hot; energies and magnetizations are per site."""

    tau_energy: float
    """Integrated autocorrelation time of the energy of the cold chains, second half, in Gibbs steps."""
    tau_magnetization: float
    """The same of abs(m)."""
    energy: Float64[np.ndarray, " start"]
    """Mean energy of the last configurations, from cold and from hot."""
    energy_error: Float64[np.ndarray, " start"]
    """Standard errors over chains."""
    abs_magnetization: Float64[np.ndarray, " start"]
    """Mean abs(m) of the last configurations, from cold and from hot."""
    abs_magnetization_error: Float64[np.ndarray, " start"]
    """Standard errors over chains."""
    agree: bool
    """Whether cold and hot agree in both within five standard errors."""
    energy_overlap: float
    """Overlap of the histogram of E of the last configurations with that of the true mixture."""
    abs_magnetization_overlap: float
    """The same of abs(m)."""


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
    model: Ising,
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
        Temperatures of the mixture it was trained on, increasing.
    chains
        Chains of each start.
    iterations
        Gibbs steps of every chain; the second half is what autocorrelation times are taken from.

    Raises
    ------
    InvalidInput
        If there are fewer than 2 chains or 8 iterations, the model has a field, or the machine does not fit the
        lattice or is not finite.

    References
    ----------
    A. Decelle, C. Furtlehner, B. Seoane, NeurIPS 2021, arXiv:2105.13889 (machines trained out of equilibrium).

    Examples
    --------
    >>> import jax, rbmflow as rf
    >>> from rbmflow.settings import MachineSettings
    >>> free = rf.RBM.random(jax.random.key(0), 16, MachineSettings(hidden=4, initial_scale=0.0))
    >>> relax(jax.random.key(1), free, rf.Ising(rf.Square(4)), (2.0,), chains=50, iterations=8).agree
    True
    """
    problems = Problems()
    chains, iterations = problems.whole("chains", chains, 2), problems.whole("iterations", iterations, 8)
    problems.done()
    machine_of(machine).require_lattice("model", free_lattice(model).shape)
    grid = temperatures_of(temperatures)
    for_starts, for_cold, for_hot = jax.random.split(key_for(key, "equilibrium", machine), 3)
    for_sign, for_spins = jax.random.split(for_starts)
    shape = (chains, *model.lattice.shape)
    cold = jnp.broadcast_to(jax.random.rademacher(for_sign, (chains, 1, 1), jnp.int8), shape)
    hot = jax.random.rademacher(for_spins, shape, jnp.int8)
    second_half = tuple(range(iterations // 2, iterations + 1))
    series = iterate(for_cold, machine, cold, iterations, keep=second_half).configurations
    ends = (series[-1], iterate(for_hot, machine, hot, iterations, keep=(iterations,)).spins)
    energy, energy_error = mean_and_error(np.array([_of_sites(model.energy(end)) for end in ends]), 1)
    size, size_error = mean_and_error(np.array([np.abs(_of_sites(model.magnetization(end))) for end in ends]), 1)
    agree = [
        abs(mean[0] - mean[1]) <= SIGMAS * np.hypot(*error)
        for mean, error in ((energy, energy_error), (size, size_error))
    ]
    of_energy, of_magnetization = _overlaps(model, grid, np.concatenate(ends))
    return Relaxation(
        tau_int(_of_sites(model.energy(series)).T),
        tau_int(np.abs(_of_sites(model.magnetization(series))).T),
        energy,
        energy_error,
        size,
        size_error,
        all(agree),
        of_energy,
        of_magnetization,
    )


def _of_sites(values: jax.Array) -> Float64[np.ndarray, "..."]:
    return np.asarray(values, np.float64)


def _overlaps(model: Ising, temperatures: tuple[float, ...], spins: Int8[np.ndarray, "n y x"]) -> tuple[float, float]:
    """Overlaps of the histograms of E and abs(m) with those of the equal mixture."""
    levels, _ = exact.density_of_states(model)
    energies = np.asarray(model.total_energy(spins))
    counts = np.bincount(np.searchsorted(levels, energies), minlength=levels.size).astype(np.float64)
    of_energy = overlap(counts, np.mean(exact.energy_distribution(model, temperatures), axis=0))
    sizes = np.abs(np.asarray(model.total_magnetization(spins)))
    sites = model.lattice.sites
    found = np.bincount(sizes, minlength=sites + 1).astype(np.float64)
    values, probability = exact.magnetization_distribution(model, temperatures)
    mixed = np.asarray(probability, np.float64).reshape(-1, len(values)).mean(axis=0)
    truth = np.bincount(np.abs(np.asarray(values)).astype(int), mixed, minlength=sites + 1)
    return of_energy, overlap(found, truth)
