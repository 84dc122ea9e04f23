"""Training of one machine, and of many of one shape at once, which is what fills a GPU."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import equinox as eqx
import jax
import numpy as np

from rbmflow._checks import Problems
from rbmflow._doors import AnyKey, Configurations, keys_of
from rbmflow._own_settings import own_settings
from rbmflow.rbm import RBM
from rbmflow.settings import EstimatorName, MachineSettings, OptimiserName, ScheduleName, TrainingSettings, UnitsName
from rbmflow.training.ascent import Training
from rbmflow.training.estimator import Estimator
from rbmflow.training.fit import Epoch, FitState
from rbmflow.training.history import Epochs, History
from rbmflow.training.ptt import TemperedChains


@own_settings
def train(
    key: AnyKey,
    data: Configurations,
    *,
    hidden: int = 64,
    epochs: int = 100,
    batch: int = 100,
    learning_rate: float = 0.01,
    steps: int = 1,
    estimator: EstimatorName | Estimator = "CD",
    rungs: int = 24,
    swap_acceptance: float = 0.25,
    centred: bool = False,
    optimiser: OptimiserName = "sgd",
    schedule: ScheduleName = "constant",
    weight_decay: float = 0.0,
    held_out: float = 0.0,
    checkpoints: int = 16,
    units: UnitsName = "-1/+1",
    biases: bool = False,
    initial_scale: float = 0.1,
    progress: Callable[[float], None] | None = None,
) -> tuple[RBM, History]:
    """Train a machine by stochastic gradient ascent of its log-likelihood, by default CD-1.

    Parameters
    ----------
    key
        The same key gives the same machine, bit for bit, on the same device. Machines of other data or settings that
        are trained with one key share their first weights and random numbers; take a key for each.
    data : [..., y, x] or [sample, visible]
        Configurations of -1/+1 in any form, such as `Draws`, whose lattice the machine remembers, or rows; draws of all
        temperatures are taken together.
    hidden, units, biases, initial_scale
        The machine, see `MachineSettings`.
    epochs, batch, learning_rate, steps, estimator, rungs, swap_acceptance, centred, optimiser, schedule, \
    weight_decay, held_out, checkpoints
        The training, see `TrainingSettings`. The estimator is a name, or a value such as `CD(10)` with `steps`,
        `rungs` and `swap_acceptance` of its own.
    progress
        Called between chunks with the fraction done.

    Returns
    -------
    machine, history
        `history.flags` says whether the weights diverged or saturated, or the training was interrupted.

    Raises
    ------
    InvalidInput
        If a setting or the data cannot be used.
    Interrupted
        On Ctrl-C, with the machine and the history of the epochs that were done.

    Examples
    --------
    >>> import jax, rbmflow as rf
    >>> for_draws, for_training = jax.random.split(jax.random.key(0))
    >>> draws = rf.sample(for_draws, rf.ising(rf.square(4)), temperatures=[2.0], draws=200)
    >>> machine, history = rf.train(for_training, draws, hidden=8, epochs=2)
    >>> machine.weights.shape
    (16, 8)
    """
    problems = Problems()
    problems.function("progress", progress, "the fraction done")
    problems.done()
    own = estimator if isinstance(estimator, Estimator) else None
    named: dict[str, Any] = {"estimator": estimator, "steps": steps, "rungs": rungs, "swap_acceptance": swap_acceptance}
    if own is not None:
        named |= {"estimator": "CD", **own.settings}
    of_training = TrainingSettings(
        **named,
        epochs=epochs,
        batch=batch,
        learning_rate=learning_rate,
        centred=centred,
        optimiser=optimiser,
        schedule=schedule,
        weight_decay=weight_decay,
        held_out=held_out,
        checkpoints=checkpoints,
    )
    training = Training.of(data, MachineSettings(hidden, units, biases, initial_scale), of_training, own)
    return training.epoch.fit(training.start(key), training.finished, progress)


class AllEpochs(eqx.Module):
    """One pass of every machine through the training set, a step of the chunked driver."""

    epoch: Epoch

    def __call__(self, states: FitState) -> tuple[FitState, Any]:
        """States after the epoch, and what was seen of each."""
        # The number of updates is the same for all and stays a scalar, so that loops keep their plain bounds.
        axes = _axes_of(states)
        return eqx.filter_vmap(self.epoch, in_axes=(axes,), out_axes=(axes, eqx.if_array(0)))(states)


def _axes_of(states: FitState) -> FitState:
    """Leading axis of every array of the states of an ensemble; none for the number of updates."""
    axes = jax.tree.map(lambda leaf: 0 if eqx.is_array(leaf) else None, states)
    return eqx.tree_at(lambda at: at.updates, axes, None)


def together(states: Sequence[FitState]) -> FitState:
    """States of one shape in one, with a leading axis on every array but the number of updates."""
    stack = lambda *leaves: jax.device_put(np.stack(leaves)) if eqx.is_array(leaves[0]) else leaves[0]  # noqa: E731
    whole = jax.tree.map(stack, *states)
    return eqx.tree_at(lambda at: at.updates, whole, states[0].updates)


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
    process a core. Data, machine and training are the same for all; what is returned is in the order of the keys.

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
    trained = Training.of(data, of_machine, of_training)
    states = together([trained.start(key) for key in keys_of(keys)])

    def finish(states: FitState, seen: list[Epochs]) -> list[tuple[RBM, History]]:
        # On the host a row of an array costs nothing; chains are large and left where nothing is read from them.
        chains = states.chains if isinstance(states.chains, TemperedChains) else ()
        states = FitState(states.learner, (), chains, states.order, states.updates, states.kept)
        states, seen = jax.device_get((states, seen))

        def alone(number: int) -> tuple[RBM, History]:
            state = jax.tree.map(lambda leaf: leaf[number] if leaf.ndim else leaf, states)
            return trained.finished(state, jax.tree.map(lambda leaf: leaf[:, number], seen))

        return [alone(number) for number in range(len(states.order.keys))]

    return trained.epoch.fit(states, finish, progress, AllEpochs(trained.epoch))
