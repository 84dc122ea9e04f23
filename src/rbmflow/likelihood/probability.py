"""Log-probability of configurations: of a machine, and of the exact mixture of temperatures that it learns from."""

import numpy as np
from jaxtyping import Float
from scipy.special import logsumexp

from rbmflow import exact
from rbmflow._checks import Problems
from rbmflow._doors import Configurations, Temperatures, rows_of, sides_in, temperatures_of
from rbmflow._own_settings import own_settings
from rbmflow.likelihood.partition import LogPartition, free_energy
from rbmflow.model import Ising, free_lattice
from rbmflow.rbm import RBM, machine_of


@own_settings
def log_probability(machine: RBM, data: Configurations, partition: LogPartition) -> Float[np.ndarray, " sample"]:
    r"""Log-probability of every configuration, :math:`\ln p(v) = -F(v) - \ln Z`, in float64.

    Parameters
    ----------
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


@own_settings
def log_mixture_probability(
    model: Ising, temperatures: Temperatures, data: Configurations
) -> Float[np.ndarray, " sample"]:
    r"""Exact log-probability of configurations in the equal mixture of temperatures.

    .. math:: \ln p(v) = \ln \frac1K \sum_{k=1}^K \frac{e^{-E(v) / T_k}}{Z(T_k)}

    T = 0 is the equal mixture of the two ground states.

    Parameters
    ----------
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
            rows.append(np.where(energy == -2.0 * sites, -np.log(2), -np.inf))
        else:
            rows.append(-energy / temperature - float(exact.log_partition(model, temperature)))
    return (np.asarray(logsumexp(rows, axis=0)) - np.log(len(rows)))[level]
