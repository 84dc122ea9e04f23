"""Annealed importance sampling of the partition function, in both directions."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Int8

from rbmflow._checks import Problems
from rbmflow._doors import AnyKey
from rbmflow._own_settings import own_settings
from rbmflow._scan import chunks, watched
from rbmflow._types import Key
from rbmflow.gibbs import GibbsNoise, sample_hidden, sample_visible
from rbmflow.likelihood.partition import LogPartition, bennett, effective_share, free_energy, log_mean
from rbmflow.random import key_for, split
from rbmflow.rbm import RBM, machine_of

LEVELS_AT_ONCE = 50
"""Levels between two signs of progress."""

FEWEST_FAMILIES = 20
"""Effective number of forward chains below which chains resampled from them cannot tell how far they err."""


class _Level(eqx.Module):
    """From one power of the machine to the next: chains are moved, and collect their log weights."""

    machine: RBM
    powers: Float[Array, " level"]

    def __call__(self, state: tuple[GibbsNoise, Array, Array]) -> tuple[tuple[GibbsNoise, Array, Array], Array]:
        noise, visible, at = state
        here, there = (jax.tree.map(lambda leaf, at=at: self.powers[at] * leaf, self.machine) for at in (at, at + 1))
        gained = here.free_energy(visible) - there.free_energy(visible)
        noise, hidden = sample_hidden(there, noise, there.hidden_fields(visible))
        noise, visible = sample_visible(there, noise, hidden)
        return (noise, visible, at + 1), gained


@jax.jit
def _summed(gained: Float[Array, "level chain"]) -> Float[Array, " chain"]:
    return jnp.sum(gained, axis=0)


def _anneal(
    machine: RBM,
    noise: GibbsNoise,
    visible: Float[Array, "chain visible"],
    powers: Float[np.ndarray, " level"],
    told: Callable[[float], None],
) -> tuple[Float[Array, "chain visible"], Float[Array, " chain"]]:
    """Move chains from the first to the last power of the machine; also the log weights they collect."""
    level, total, parts = _Level(machine, jax.device_put(powers)), len(powers) - 1, []
    state = noise, visible, jax.device_put(np.int32(0))
    for done, now, gained in chunks(level, state, total, min(LEVELS_AT_ONCE, total)):
        state = now
        parts.append(np.asarray(gained))
        told(done / total)
    return state[1], _summed(jax.device_put(np.concatenate(parts)))


@eqx.filter_jit
def _moved(machine: RBM, noise: GibbsNoise, visible: Array, steps: Array) -> Array:
    """Chains after so many Gibbs steps; their number is an argument, so that it needs no other compilation."""

    def step(_, carry: tuple[GibbsNoise, Array]) -> tuple[GibbsNoise, Array]:
        noise, visible = carry
        noise, hidden = sample_hidden(machine, noise, machine.hidden_fields(visible))
        return sample_visible(machine, noise, hidden)

    return jax.lax.fori_loop(0, steps, step, (noise, visible))[1]


@jax.jit
def _resampled(key: Key, log_weights: Float[Array, " chain"]) -> Int[Array, " chain"]:
    """Numbers of chains drawn with these weights, as many as there are."""
    count = len(log_weights)
    return jax.random.choice(key, count, (count,), p=jax.nn.softmax(log_weights))


def flow_ends(
    key: Key, machine: RBM, starts: Int8[np.ndarray, "chain visible"], steps: int
) -> Int8[np.ndarray, "chain visible"]:
    """Configurations that Gibbs steps of a machine lead to, one chain from every start."""
    noise = GibbsNoise.seeded(key, machine, len(starts))
    ends = _moved(machine, noise, machine.units.from_spins(starts), jax.device_put(np.int32(steps)))
    return np.asarray(machine.units.to_spins(ends))


@own_settings
def annealed_log_partition(
    key: AnyKey, machine: RBM, *, chains: int = 1000, levels: int = 1000, equilibration: int = 200
) -> LogPartition:
    r"""Annealed importance sampling in both directions, joined by Bennett's ratio.

    The machine is written with units -1/+1 for two-valued ones and reached from the uniform distribution through the
    powers :math:`\beta_k = k / K` of its weights and biases,

    .. math:: p_\beta(v, h) \propto e^{\beta (v^T W h + b^T v + c^T h)}, \qquad
        \ln w = \sum_k F_{\beta_k}(v_k) - F_{\beta_{k+1}}(v_k),

    where v_k is moved by one Gibbs step at every level. Forward chains start from exact uniform draws, and
    :math:`\langle w \rangle = Z / Z_0`. Reverse chains start from forward chains resampled by their weights and
    moved on by Gibbs steps; in the error, those that come from one chain count as one. What no chain has met of the
    machine is missing in both directions. Where they differ by more than two standard errors, or a handful of forward
    chains has nearly all the weight, the error reaches as far as the farther one, and a flag says so.

    Parameters
    ----------
    chains
        Chains of each direction.
    levels
        K.
    equilibration
        Gibbs steps before the reverse chains.

    References
    ----------
    R. M. Neal, Stat. Comput. 11, 125 (2001), arXiv:physics/9803008; R. Salakhutdinov, I. Murray, ICML 2008,
    doi:10.1145/1390156.1390266; C. H. Bennett, J. Comput. Phys. 22, 245 (1976), doi:10.1016/0021-9991(76)90078-4.
    """
    problems = Problems()
    chains, levels = problems.whole("chains", chains, 2), problems.whole("levels", levels, 1)
    equilibration = problems.whole("equilibration", equilibration, 0)
    problems.done()
    keys = split(key_for(key, "annealed_log_partition", machine), 5)
    written = machine_of(machine).in_units("-1/+1")
    uniform = written.units.uniform(keys[0], (chains, written.sites))
    # As jnp.linspace(0, 1, levels + 1), which would be compiled for every number of levels.
    powers = np.append(np.arange(levels, dtype=np.float32) * (np.float32(1) / np.float32(levels)), np.float32(1))
    told = watched(None, "annealing")
    noise = GibbsNoise.seeded(keys[1], written, chains)
    end, forward = _anneal(written, noise, uniform, powers, lambda part: told(part / 2))
    ancestors = np.asarray(_resampled(keys[2], forward))
    middle = flow_ends(keys[3], written, np.asarray(written.units.to_spins(end))[ancestors], equilibration)
    noise = GibbsNoise.seeded(keys[4], written, chains)
    back = written.units.from_spins(middle)
    _, backward = _anneal(written, noise, back, powers[::-1].copy(), lambda part: told((1 + part) / 2))
    # Z of the machine in its own units differs by a factor that any one configuration shows.
    one = np.full((1, written.sites), written.units.states[-1], np.int8)
    there, here = (free_energy(form, np.asarray(form.units.from_spins(one)))[0] for form in (written, machine))
    base = sum(written.layer_bits) * np.log(2) + float(there - here)
    return _joined(base, np.asarray(forward, np.float64), np.asarray(backward, np.float64), ancestors)


def _joined(base: float, forward: np.ndarray, backward: np.ndarray, ancestors: np.ndarray) -> LogPartition:
    """Both directions in one, with an error that tells where they disagree."""
    ratio, error = bennett(forward, backward, ancestors)
    (up, up_error), (down, down_error) = log_mean(forward[None]), log_mean(backward[None])
    flags, apart, families = [], abs(up + down), effective_share(forward) * forward.size
    if apart > 2 * np.hypot(up_error, down_error):
        flags.append(
            f"annealing towards the machine and away from it differ by {apart:.2g} nats, more than their noise"
        )
    if families < FEWEST_FAMILIES:
        flags.append(f"{families:.1f} annealed chains have the weight of all {forward.size}")
    if flags:
        error = max(error, abs(ratio - up), abs(ratio + down))
    return LogPartition(base + ratio, error, "annealed", base + up, base - down, flags=tuple(flags))
