"""The partition function of a machine from the ladder of machines that it was trained through."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float64
from scipy.special import expit, logsumexp

from rbmflow._checks import Problems
from rbmflow._doors import AnyKey
from rbmflow._own_settings import own_settings
from rbmflow._scan import chunks, watched
from rbmflow.likelihood.partition import LogPartition, bennett
from rbmflow.random import key_for
from rbmflow.rbm import RBM, machine_of
from rbmflow.tempering import Replicas, machine_at

SWEEPS_AT_ONCE = 20
"""Sweeps between two signs of progress."""


def _swept(replicas: Replicas) -> tuple[Replicas, None]:
    return replicas.sweep(replicas.visible.shape[0])[0], None


def _weighed(replicas: Replicas) -> tuple[Replicas, tuple[Array, Array]]:
    """A sweep, and the log weights between neighbouring rungs after it."""
    replicas, _ = _swept(replicas)

    def between(pair: Array, visible: Array) -> tuple[Array, Array]:
        low, high = (machine_at(replicas.machines, at) for at in (pair, pair + 1))
        up = low.free_energy(visible[pair]) - high.free_energy(visible[pair])
        return up, high.free_energy(visible[pair + 1]) - low.free_energy(visible[pair + 1])

    pairs = jnp.arange(replicas.visible.shape[0] - 1)
    return replicas, jax.lax.map(lambda pair: between(pair, replicas.visible), pairs)


def _works(replicas: Replicas, burn_in: int, sweeps: int) -> list[Float64[np.ndarray, "sweep pair chain"]]:
    """Log weights between neighbouring rungs, up from the lower and down from the higher one."""
    told, parts = watched(None, "tempering"), []
    for done, now, _ in chunks(_swept, replicas, burn_in, SWEEPS_AT_ONCE):
        replicas = now
        told(done / (burn_in + sweeps))
    for done, _, works in chunks(_weighed, replicas, sweeps, SWEEPS_AT_ONCE):
        parts.append(works)
        told((burn_in + done) / (burn_in + sweeps))
    return [np.concatenate(one).astype(np.float64) for one in zip(*parts, strict=True)]


@own_settings
def trajectory_log_partition(
    key: AnyKey, machines: RBM, *, chains: int = 200, sweeps: int = 200, burn_in: int = 100
) -> LogPartition:
    r"""Partition function of the last machine of a ladder, by Bennett's ratio under parallel tempering.

    .. math:: \ln Z_R = \ln Z_0 + \sum_r \ln \frac{Z_{r+1}}{Z_r},

    where the first machine has no weights, so that Z_0 is known. Chains of different numbers never meet; the error
    is that of the mean over them, to first order in the noise.

    Parameters
    ----------
    machines
        The ladder, with a leading axis on every array, such as `History.trajectory.machines` of a training by "PTT".
    chains
        Independent chains of every rung.
    sweeps, burn_in
        Sweeps that are averaged over, one Gibbs step of every chain and one swap of every pair of neighbours; and those
        before.

    Raises
    ------
    InvalidInput
        If the first machine has weights, there are fewer than two machines or chains, or no sweeps.

    References
    ----------
    N. Béreux, A. Decelle, C. Furtlehner, L. Rosset, B. Seoane, arXiv:2405.15376 (the trajectory as a ladder);
    C. H. Bennett, J. Comput. Phys. 22, 245 (1976), doi:10.1016/0021-9991(76)90078-4.
    """
    problems = Problems()
    chains, sweeps = problems.whole("chains", chains, 2), problems.whole("sweeps", sweeps, 1)
    burn_in = problems.whole("burn_in", burn_in, 0)
    ladder = machine_of(machines, "machines").weights.ndim == 3 and machines.weights.shape[0] > 1
    problems.unless(ladder, "shape of weights", machines.weights.shape, "it must be [rung, visible, hidden]")
    problems.done()
    free = not bool(jnp.any(machines.weights[0]))
    largest = float(jnp.abs(machines.weights[0]).max())
    problems.unless(free, "largest weight of the first machine", largest, "it must be 0, so that its ln Z is known")
    problems.done()
    replicas = Replicas.uniform(key_for(key, "trajectory_log_partition", machines), machines, chains)
    ups, downs = _works(replicas, burn_in, sweeps)
    total, spread = _independent(machine_at(machines, 0)), np.zeros(chains)
    for up, down in zip(ups.swapaxes(0, 1), downs.swapaxes(0, 1), strict=True):
        ratio, _ = bennett(up.ravel(), down.ravel())
        total += ratio
        spread += _influence(up - ratio, down + ratio)
    error = float(spread.std(ddof=1) * np.sqrt(chains))
    return LogPartition(total, error, "trajectory")


def _influence(up: Float[np.ndarray, "sweep chain"], down: Float[np.ndarray, "sweep chain"]) -> np.ndarray:
    """First-order change of Bennett's estimate by each chain, for log weights relative to the estimate."""
    forward, reverse = expit(up), expit(down)
    slope = np.sum(forward * (1 - forward)) + np.sum(reverse * (1 - reverse))
    # Where two rungs are the same machine to rounding, every chain says the same.
    return (forward - reverse).sum(axis=0) / slope


def _independent(machine: RBM) -> float:
    """Exact ln Z of a machine without weights, in float64."""
    layers = (machine.units, machine.visible_bias), (machine.hidden_units, machine.hidden_bias)
    total = 0.0
    for units, biases in layers:
        exponents = np.asarray(biases, np.float64).reshape(-1, units.components) @ np.array(units.codes).T
        total += float(np.asarray(logsumexp(exponents, axis=1)).sum())
    return total
