"""Training: stochastic gradient ascent, epoch by epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int, Int8

from rbmflow import _scan
from rbmflow._checks import InvalidInput, Problem, Problems
from rbmflow._doors import AnyKey, Configurations, rows_of, sides_in
from rbmflow._own_settings import own_settings
from rbmflow._record import Held, Record, arrays_of, in_order, labelled
from rbmflow._types import Key
from rbmflow.random import Shuffles, key_for
from rbmflow.rbm import RBM, on_lattice
from rbmflow.settings import (
    EstimatorName,
    MachineSettings,
    OptimiserName,
    ScheduleName,
    TrainingSettings,
    UnitsName,
)
from rbmflow.training import estimators, ladder
from rbmflow.training.estimators import Estimator, estimator_of
from rbmflow.training.ladder import Ladder, read_ladder
from rbmflow.training.optimisers import optimiser_of
from rbmflow.training.trajectory import TemperedChains, Trajectory

if TYPE_CHECKING:
    import xarray as xr

UPDATES_IN_A_CHUNK = 4000


class Epochs(eqx.Module):
    """What was seen along a training, one number an epoch; see `History`."""

    reconstruction: Float[Array, "*epoch"]
    weight_norm: Float[Array, "*epoch"]
    largest_weight: Float[Array, "*epoch"]


_LAYOUT = {
    "reconstruction": Held("epoch", "fraction of visible units changed by the Gibbs steps"),
    "weight_norm": Held("epoch", "root mean square weight"),
    "largest_weight": Held("epoch", "largest absolute weight"),
}


class History(Record):
    """What was seen along a training.

    Parameters
    ----------
    reconstruction : float32 [epoch]
        Fraction of the visible units that the Gibbs steps of the estimator changed, mean over the epoch; with `Exact`
        the mean distance of the data to its mean-field reconstruction, as a fraction of the units' span.
    weight_norm : float32 [epoch]
        Root mean square weight after the epoch.
    largest_weight : float32 [epoch]
        Largest absolute weight after the epoch.
    ladder
        The machine at updates spaced evenly in their logarithm, with diagnostics.
    trajectory
        The ladder of "PTT"; None with other estimators.
    epochs_asked
        Epochs that were asked for; more than there are after a Ctrl-C.
    """

    reconstruction: Float[np.ndarray, " epoch"]
    weight_norm: Float[np.ndarray, " epoch"]
    largest_weight: Float[np.ndarray, " epoch"]
    ladder: Ladder
    trajectory: Trajectory | None = None
    epochs_asked: int | None = eqx.field(static=True, default=None)

    @property
    def flags(self) -> dict[str, str]:
        """What went wrong: the flags of the ladder, and "interrupted"."""
        done = self.reconstruction.size
        text = {"interrupted": f"stopped after {done} of {self.epochs_asked} epochs"}
        return self.ladder.flags | (text if done < (self.epochs_asked or 0) else {})

    def to_dataset(self) -> xr.Dataset:
        """Labelled copy with the epoch as coordinate, from 1, and the axis `checkpoint`."""
        import xarray as xr

        arrays = labelled(_LAYOUT, (getattr(self, name) for name in _LAYOUT))
        epochs = xr.Dataset(arrays, {"epoch": np.arange(1, self.reconstruction.size + 1)})
        asked = {} if self.epochs_asked is None else {"epochs_asked": self.epochs_asked}
        read = self.ladder.to_dataset().merge(epochs).assign_attrs(asked)
        return read if self.trajectory is None else read.merge(self.trajectory.to_dataset())

    @classmethod
    def from_dataset(cls, dataset: xr.Dataset) -> History:
        """History from the data written by `to_dataset`; epochs and checkpoints may be in any order."""
        reconstruction, norm, largest = arrays_of(in_order(dataset, "epoch"), _LAYOUT)
        along, trajectory = Ladder.from_dataset(dataset), Trajectory.from_dataset(dataset)
        asked = dataset.attrs.get("epochs_asked")
        return cls(reconstruction, norm, largest, along, trajectory, None if asked is None else int(asked))


class TrainingState(eqx.Module):
    """Everything a training needs to go on: machine, optimiser, the estimator's chains, the order of the data.

    `ladder` holds the checkpoints so far: row k is the machine of the latest update up to rung k.
    """

    machine: RBM
    optimiser: optax.OptState
    chains: Any
    order: Shuffles
    updates: Int[Array, ""]
    ladder: RBM


class _Working(eqx.Module):
    """What every update changes."""

    machine: RBM
    optimiser: optax.OptState
    chains: Any
    changed: Float[Array, ""]
    """Fractions of changed units, summed over the epoch so far."""


class Epoch(eqx.Module):
    """One pass through the training set, a step of the chunked driver."""

    data: Int8[Array, "sample visible"]
    settings: TrainingSettings = eqx.field(static=True)
    biases: bool = eqx.field(static=True)

    @property
    def batches(self) -> int:
        """Updates of an epoch."""
        return self.data.shape[0] // self.settings.batch

    @property
    def rungs(self) -> tuple[int, ...]:
        """Updates of the checkpoints."""
        return ladder.rungs(self.batches * self.settings.epochs, self.settings.checkpoints)

    def __call__(self, state: TrainingState) -> tuple[TrainingState, Epochs]:
        """State after the epoch, and what was seen in it."""
        last = state.updates + self.batches
        updates = jnp.asarray(self.rungs)
        batches = self._batches(state)

        def to_next_rung(carry: tuple[Array, _Working, RBM]) -> tuple[Array, _Working, RBM]:
            done, working, kept = carry
            rung = jnp.searchsorted(updates, done, side="right")
            until = jnp.minimum(updates[rung], last)
            working = jax.lax.fori_loop(done, until, lambda at, now: self._update(at, now, batches), working)
            kept = jax.tree.map(lambda rows, leaf: rows.at[rung].set(leaf), kept, working.machine)
            return until, working, kept

        working = _Working(state.machine, state.optimiser, state.chains, jnp.zeros(()))
        carry = (state.updates, working, state.ladder)
        _, working, kept = jax.lax.while_loop(lambda carry: carry[0] < last, to_next_rung, carry)
        weights = working.machine.weights
        norm = jnp.sqrt(jnp.mean(weights**2))
        seen = Epochs(working.changed / self.batches, norm, jnp.max(jnp.abs(weights)))
        return TrainingState(working.machine, working.optimiser, working.chains, state.order, last, kept), seen

    def _batches(self, state: TrainingState) -> Int8[Array, "batch sample visible"]:
        """All batches of an epoch in their order, so that an update reads contiguous memory."""
        order = state.order.at(state.updates // self.batches, self.data.shape[0])
        chosen = order[: self.batches * self.settings.batch]
        return self.data[chosen].reshape(self.batches, self.settings.batch, -1)

    def _update(self, at: Array, now: _Working, batches: Int8[Array, "batch sample visible"]) -> _Working:
        machine = now.machine
        visible = machine.units.from_spins(batches[at % self.batches])
        chains, gradient, changed = estimator_of(self.settings).gradient(machine, now.chains, visible)
        if self.settings.centred:
            gradient = estimators.centred(machine, gradient, visible)
        if not self.biases:
            still = (jnp.zeros_like(gradient.visible_bias), jnp.zeros_like(gradient.hidden_bias))
            gradient = eqx.tree_at(lambda g: (g.visible_bias, g.hidden_bias), gradient, still)
        # optax descends; the gradient is that of a log-likelihood to be climbed.
        downhill = jax.tree.map(jnp.negative, gradient)
        ascent = optimiser_of(self.settings, self.batches * self.settings.epochs)
        change, optimiser = ascent.update(downhill, now.optimiser, machine)  # pyright: ignore[reportArgumentType]
        return _Working(eqx.apply_updates(machine, change), optimiser, chains, now.changed + changed)


def start_training(
    key: Key, data: Int8[Array, "sample visible"], machine: MachineSettings, training: TrainingSettings
) -> TrainingState:
    """State before the first update: random weights and freshly seeded generators.

    Raises
    ------
    InvalidInput
        If the training set is smaller than one batch, the machine does not fit the estimator, or it has no biases
        and the gradient is to be centred.
    """
    if data.shape[0] < training.batch:
        allowed = f"it must be at most the {data.shape[0]} configurations of the training set"
        raise InvalidInput(Problem("batch", training.batch, allowed))
    if training.centred and not machine.biases:
        allowed = "a centred gradient changes the biases, so machine.biases must be true"
        raise InvalidInput(Problem("centred", training.centred, allowed))
    for_weights, for_chains, for_order = jax.random.split(key_for(key, "train"), 3)
    untrained = RBM.random(for_weights, data.shape[1], machine)
    epoch = Epoch(data, training, machine.biases)
    ascent = optimiser_of(training, epoch.batches * training.epochs)
    return TrainingState(
        untrained,
        ascent.init(eqx.filter(untrained, eqx.is_array)),
        estimator_of(training).start(for_chains, untrained, training.batch),
        Shuffles.seeded(for_order),
        jnp.zeros((), jnp.int32),
        jax.tree.map(lambda leaf: jnp.repeat(leaf[None], len(epoch.rungs), axis=0), untrained),
    )


def training_chunks(
    state: TrainingState,
    data: Int8[Array, "sample visible"],
    machine: MachineSettings,
    training: TrainingSettings,
    done: int = 0,
) -> Iterator[tuple[int, TrainingState, Epochs]]:
    """Train on from `state`, which has gone through `done` epochs, yielding every few thousand updates."""
    epoch = Epoch(jnp.asarray(data), training, machine.biases)
    return _scan.chunks(epoch, state, training.epochs, chunk_size(epoch), done)


def chunk_size(epoch: Epoch) -> int:
    """Epochs between two looks at a training."""
    return max(1, UPDATES_IN_A_CHUNK // epoch.batches)


def finished(
    state: TrainingState,
    epochs: list[Epochs],
    data: Int8[Array, "sample visible"],
    unseen: Int8[Array, "other visible"],
    training: TrainingSettings,
    sides: tuple[int, int] | None = None,
) -> tuple[RBM, History]:
    """Trained machine and history of a training that has gone through these epochs, on a lattice of these sides."""
    joined = jax.tree.map(lambda *parts: np.concatenate(parts), *epochs)
    last = int(state.updates)
    rungs = (*(rung for rung in Epoch(data, training, False).rungs if rung < last), last)
    machines = jax.tree.map(lambda rows: rows[: len(rungs)], state.ladder)
    read = read_ladder(rungs, machines, data, unseen)
    tempered = state.chains.trajectory(state.machine) if isinstance(state.chains, TemperedChains) else None
    seen = (joined.reconstruction, joined.weight_norm, joined.largest_weight)
    return on_lattice((state.machine, History(*seen, read, tempered, training.epochs)), sides)


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
        JAX random key; the same key gives the same machine, bit for bit, on the same device. Machines of other data or
        settings that are trained with one key share their first weights and random numbers; take a key for each.
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
        The trained machine; one number an epoch, and the machines along the training. `history.flags` says
        whether the weights diverged or saturated, or the training was interrupted.

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
    >>> draws = rf.sample(for_draws, rf.Ising(rf.Square(4)), temperatures=[2.0], draws=200)
    >>> machine, history = rf.train(for_training, draws, hidden=8, epochs=2)
    >>> machine.weights.shape
    (16, 8)
    """
    problems = Problems()
    problems.function("progress", progress, "the fraction done")
    problems.done()
    of_machine = MachineSettings(hidden, units, biases, initial_scale)
    named = {"estimator": estimator, "steps": steps, "rungs": rungs, "swap_acceptance": swap_acceptance}
    of_training = TrainingSettings(
        **named | (estimator.settings if isinstance(estimator, Estimator) else {}),
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
    samples, unseen = ladder.held_out(jnp.asarray(rows_of(data)), of_training.held_out)
    state = start_training(key, samples, of_machine, of_training)
    chunks = training_chunks(state, samples, of_machine, of_training)
    finish = lambda state, infos: finished(state, infos, samples, unseen, of_training, sides_in(data))  # noqa: E731
    return _scan.gathered(chunks, of_training.epochs, finish, progress)
