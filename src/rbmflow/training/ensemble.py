"""Many machines of one shape trained at once, which is what fills a GPU."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Int8

from rbmflow import _scan
from rbmflow._checks import Problems
from rbmflow._doors import AnyKey, Configurations, keys_of, rows_of, sides_in
from rbmflow._own_settings import own_settings
from rbmflow._types import Key
from rbmflow.rbm import RBM
from rbmflow.settings import MachineSettings, TrainingSettings
from rbmflow.training.epochs import (
    Epoch,
    Epochs,
    History,
    TrainingState,
    chunk_size,
    finished,
    start_training,
)
from rbmflow.training.ladder import held_out


class _AllEpochs(eqx.Module):
    """One pass of every machine through the training set, a step of the chunked driver."""

    epoch: Epoch

    def __call__(self, states: TrainingState) -> tuple[TrainingState, Epochs]:
        # The number of updates is the same for all and stays a scalar, so that loops keep their plain bounds.
        axes = axes_of(states)
        return eqx.filter_vmap(self.epoch, in_axes=(axes,), out_axes=(axes, eqx.if_array(0)))(states)


def axes_of(states: TrainingState) -> TrainingState:
    """Leading axis of every array of the states of an ensemble; none for the number of updates."""
    axes = jax.tree.map(lambda leaf: 0 if eqx.is_array(leaf) else None, states)
    return eqx.tree_at(lambda at: at.updates, axes, None)


def start_ensemble(
    keys: Sequence[Key], data: Int8[Array, "sample visible"], machine: MachineSettings, training: TrainingSettings
) -> TrainingState:
    """States before the first update, with a leading axis on every array but the number of updates."""
    single = [start_training(key, data, machine, training) for key in keys]
    states = jax.tree.map(lambda *leaves: jnp.stack(leaves) if eqx.is_array(leaves[0]) else leaves[0], *single)
    return eqx.tree_at(lambda at: at.updates, states, single[0].updates)


@own_settings
def train_ensemble(
    keys: Iterable[AnyKey],
    data: Configurations,
    machine: MachineSettings | None = None,
    training: TrainingSettings | None = None,
    *,
    progress: Callable[[float], None] | None = None,
) -> list[tuple[RBM, History]]:
    """Train one machine for every key, all at once, as `train` does one by one.

    The machines differ from those of `train` by rounding alone, which training amplifies: they are the same for some
    tens of updates, and draws from the same distribution of machines after that. On a CPU nothing is gained over one
    process a core.

    Parameters
    ----------
    keys
        JAX random keys.
    data : [..., y, x] or [sample, visible]
        Configurations of -1/+1 in any form, such as `Draws`, the same for all.
    machine, training
        Settings that all share; the defaults if not given.
    progress
        Called between chunks with the fraction done.

    Returns
    -------
    list of (machine, history)
        In the order of the keys.

    Raises
    ------
    InvalidInput
        As `train`, or if there are no keys.
    Interrupted
        As `train`.

    Examples
    --------
    >>> import jax, numpy as np
    >>> from rbmflow.settings import MachineSettings, TrainingSettings
    >>> keys = jax.random.split(jax.random.key(0), 3)
    >>> settings = MachineSettings(hidden=2), TrainingSettings(epochs=1, batch=5)
    >>> len(train_ensemble(list(keys), np.ones((10, 4), np.int8), *settings))
    3
    """
    of_machine, of_training = machine or MachineSettings(), training or TrainingSettings()
    problems = Problems()
    problems.kind("machine", of_machine, MachineSettings, "MachineSettings(...)")
    problems.kind("training", of_training, TrainingSettings, "TrainingSettings(...)")
    problems.function("progress", progress, "the fraction done")
    problems.done()
    keys = keys_of(keys)
    samples, unseen = held_out(jnp.asarray(rows_of(data)), of_training.held_out)
    states = start_ensemble(keys, samples, of_machine, of_training)
    epoch = Epoch(samples, of_training, of_machine.biases)
    axes = axes_of(states)

    def alone(number: int, states: TrainingState, infos: list[Epochs]) -> tuple[RBM, History]:
        pick = lambda leaf, axis: leaf if axis is None else leaf[number]  # noqa: E731
        state = jax.tree.map(pick, states, axes, is_leaf=lambda x: x is None)
        seen = [jax.tree.map(lambda leaf: leaf[:, number], info) for info in infos]
        return finished(state, seen, samples, unseen, of_training, sides_in(data))

    chunks = _scan.chunks(_AllEpochs(epoch), states, of_training.epochs, chunk_size(epoch))
    finish = lambda states, infos: [alone(number, states, infos) for number in range(len(keys))]  # noqa: E731
    return _scan.gathered(chunks, of_training.epochs, finish, progress)
