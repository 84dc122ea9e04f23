"""Likelihood of configurations in nats, and its distance from the truth that is known for Ising data."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import logsumexp

from rbmflow import exact
from rbmflow._checks import Problems, same_temperature
from rbmflow._doors import Configurations, Temperatures, rows_of, temperatures_of
from rbmflow.dataset import Draws, sides_in
from rbmflow.diagnostics import mean_and_error
from rbmflow.likelihood.partition import LogPartition, free_energy
from rbmflow.model import Ising, free_lattice
from rbmflow.rbm import RBM, machine_of


class Nats(NamedTuple):
    """A mean over configurations in nats, with its standard error."""

    mean: float
    error: float


def log_probability(machine: RBM, data: Configurations, partition: LogPartition) -> Float[np.ndarray, " sample"]:
    r"""Log-probability of every configuration, :math:`\ln p(v) = -F(v) - \ln Z`, in float64.

    Parameters
    ----------
    machine
        The machine.
    data : [..., y, x] or [sample, visible]
        Configurations of -1/+1 in any form, such as `Draws`.
    partition
        ln Z of the machine.

    Raises
    ------
    InvalidInput
        If the configurations do not fit the machine.
    """
    problems = Problems()
    problems.kind("partition", partition, LogPartition, "LogPartition, as log_partition returns")
    problems.done()
    machine_of(machine).require_lattice("data", sides_in(data))
    spins = np.asarray(rows_of(data, machine.weights.shape[0]), np.float64)
    own = machine.units.low + 0.5 * machine.units.span * (spins + 1)
    return -free_energy(machine, own) - partition.value


def log_mixture_probability(
    model: Ising, temperatures: Temperatures, data: Configurations
) -> Float[np.ndarray, " sample"]:
    r"""Exact log-probability of configurations in the equal mixture of temperatures.

    .. math:: \ln p(v) = \ln \frac1K \sum_{k=1}^K \frac{e^{-E(v) / T_k}}{Z(T_k)}

    T = 0 is the equal mixture of the two ground states.

    Parameters
    ----------
    model
        The model, without field.
    temperatures
        T_k in J/k_B; 0 and inf are allowed.
    data : [..., y, x] or [sample, visible]
        Configurations of -1/+1 in any form, such as `Draws`.

    Raises
    ------
    InvalidInput
        If the model has a field, a temperature is negative, or the configurations do not fit the lattice.

    Examples
    --------
    >>> import numpy as np
    >>> from rbmflow.lattice import Square
    >>> up = np.ones((1, 16), np.int8)
    >>> float(np.exp(log_mixture_probability(Ising(Square(4)), (0.0,), up))[0])
    0.5
    """
    lattice = free_lattice(model)
    sites, grid = lattice.sites, temperatures_of(temperatures)
    spins = rows_of(data, sites, shape=lattice.shape)
    energies = np.asarray(model.total_energy(spins.reshape(-1, *lattice.shape)), np.float64)
    # There are far fewer levels than configurations.
    energy, level = np.unique(energies, return_inverse=True)
    rows = []
    for temperature in grid:
        if temperature == 0:
            ground = np.where(energy == -2.0 * sites, -np.log(2), -np.inf)
            rows.append(ground)
        else:
            rows.append(-energy / temperature - float(exact.log_partition(model, temperature)))
    return (np.asarray(logsumexp(rows, axis=0)) - np.log(len(rows)))[level]


def excess_nats(
    machine: RBM,
    model: Ising,
    temperatures: Temperatures,
    held_out: Configurations,
    partition: LogPartition,
) -> Nats:
    r"""How many nats a machine loses on configurations of its own training mixture.

    .. math:: \langle \ln p_{mixture}(v) - \ln p_{RBM}(v) \rangle_{held\ out}

    Its expectation over the mixture is the Kullback-Leibler divergence: zero for a perfect machine.

    Parameters
    ----------
    machine
        The machine.
    model
        The model that the configurations come from, without field.
    temperatures
        Temperatures of the mixture; there must be as many configurations of each.
    held_out : [..., y, x] or [sample, visible]
        Independent configurations of the mixture that were not trained on.
    partition
        ln Z of the machine, from `log_partition`.

    Returns
    -------
    Nats
        The error joins that of the mean over configurations and that of ln Z.

    Raises
    ------
    InvalidInput
        As `log_mixture_probability` and `log_probability`, or if the draws are not of this mixture or lattice.

    Examples
    --------
    >>> import jax, rbmflow as rf
    >>> from rbmflow.likelihood import log_partition
    >>> key, model, grid = jax.random.key(0), rf.Ising(rf.Square(4)), (2.0, 4.0)
    >>> machine, _ = rf.train(key, rf.sample(key, model, grid, 500), hidden=8, epochs=20, learning_rate=0.05)
    >>> fresh = rf.sample(jax.random.key(1), model, grid, 500)
    >>> 0 < excess_nats(machine, model, grid, fresh, log_partition(key, machine)).mean < 2
    True
    """
    lattice, sides = free_lattice(model), machine_of(machine).sides
    Problems.only(sides in (None, lattice.shape), "lattice of the machine", sides, f"it must be {lattice.shape}")
    if isinstance(held_out, Draws):
        grid, of_draws = temperatures_of(temperatures), held_out.temperatures
        same = len(of_draws) == len(grid) and all(map(same_temperature, of_draws, grid))
        Problems.only(same, "temperatures of held_out", of_draws, f"they must be those of the mixture, {grid}")
    lost = log_mixture_probability(model, temperatures, held_out) - log_probability(machine, held_out, partition)
    mean, error = mean_and_error(lost)
    return Nats(float(mean), float(np.hypot(error, partition.error)))
