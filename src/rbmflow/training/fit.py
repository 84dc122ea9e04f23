"""The one training loop: epochs of batches in new orders, an update for each, and what is kept along the way."""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterator
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int

from rbmflow import _scan
from rbmflow._checks import InvalidInput, Problem
from rbmflow._types import Key
from rbmflow.random import Shuffles
from rbmflow.settings import ThermometerSettings, TrainingSettings
from rbmflow.symmetry import Symmetries

UPDATES_IN_A_CHUNK = 4000
"""Updates of a small machine between two looks at a fit, in whole epochs."""


class Plateau(eqx.Module):
    """The highest score so far, and the epochs since it came."""

    best: Float[Array, ""]
    since: Int[Array, ""]

    @classmethod
    def start(cls) -> Plateau:
        """Nothing seen yet."""
        return cls(*map(jax.device_put, (np.float32(-np.inf), np.int32(0))))

    def after(self, score: Float[Array, ""]) -> Plateau:
        """One epoch later; a score that is not a number is no new maximum."""
        higher = score > self.best
        return Plateau(jnp.where(higher, score, self.best), jnp.where(higher, 0, self.since + 1))


class FitState(eqx.Module):
    """Everything that a fit needs to go on: learner, optimiser, its chains, the order of the samples.

    `kept` holds the learners so far, row k that of the latest update up to `Fit.kept_at[k]`; None if none are kept.
    `plateau` is what a fit that may stop early has seen, `halvings` how often one that may reject updates has done so;
    neither has leaves in others.
    """

    learner: Any
    optimiser: optax.OptState
    chains: Any
    order: Shuffles
    updates: Int[Array, ""]
    kept: Any
    plateau: Plateau | None = None
    halvings: Int[Array, "*learner"] | None = None


class Fit[S: (TrainingSettings, ThermometerSettings)](eqx.Module):
    """One pass through the samples, a step of the chunked driver; a last batch that is incomplete is left out.

    Kinds of it say what is learned from a batch, and by which optimiser.
    """

    samples: Any
    """A pytree of arrays with the leading axis sample."""
    settings: S = eqx.field(static=True)
    symmetries: Symmetries | None = eqx.field(default=None, kw_only=True)
    """By which the configurations of a batch are moved, each by one of its own."""

    def __check_init__(self):
        if self.settings.batch > self.size:
            allowed = f"it must be at most the {self.size} configurations of the training set"
            raise InvalidInput(Problem("batch", self.settings.batch, allowed))

    @property
    @abc.abstractmethod
    def optimiser(self) -> optax.GradientTransformation:
        """What makes updates of gradients."""

    @abc.abstractmethod
    def downhill(self, learner: Any, chains: Any, batch: Any, update: Array) -> tuple[Any, Any, Any]:
        """What is carried from update to update, the gradient of what is to be made small, and numbers to average."""

    def shortened(self, learner: Any, chains: Any, batch: Any, change: Any) -> Any:
        """The change of the learner that is made of what the optimiser asks for."""
        del learner, chains, batch
        return change

    @property
    def rejects(self) -> bool:
        """Whether an update may be rejected, which halves all later ones."""
        return False

    def accepts(self, learner: Any, chains: Any, batch: Any, change: Any) -> Any:
        """Whether the learner may be changed so, in a fit that rejects updates."""
        raise NotImplementedError

    @property
    def patience(self) -> int:
        """Epochs without a new maximum of `score` after which the fit stops; 0 if it never does."""
        return 0

    def score(self, learner: Any) -> Float[Array, ""]:
        """What a fit that may stop early watches."""
        raise NotImplementedError

    def stopped(self, state: FitState) -> Any:
        """Whether the score has come to a plateau."""
        return state.plateau is not None and state.plateau.since >= self.patience

    def seen(self, learner: Any, means: Any) -> Any:
        """What is told of an epoch, from the learner after it and the means over its batches."""
        del learner
        return means

    @property
    def cost(self) -> int:
        """About how many times as long as that of a small machine an update takes."""
        return 1

    @property
    def kept_at(self) -> tuple[int, ...]:
        """Updates whose learners are kept."""
        return ()

    @property
    def size(self) -> int:
        """Number of samples."""
        return jax.tree.leaves(self.samples)[0].shape[0]

    @property
    def batches(self) -> int:
        """Updates of an epoch."""
        return self.size // self.settings.batch

    @property
    def updates(self) -> int:
        """Updates of the whole fit."""
        return self.batches * self.settings.epochs

    def begin(self, key: Key, learner: Any, chains: Any) -> FitState:
        """State before the first update."""
        optimiser = self.optimiser.init(eqx.filter(learner, eqx.is_array))
        rows, repeated = len(self.kept_at), lambda leaf: np.repeat(np.asarray(leaf)[None], rows, axis=0)
        kept = jax.device_put(jax.tree.map(repeated, learner)) if rows else None
        plateau = Plateau.start() if self.patience else None
        none = jax.device_put(np.int32(0))
        order, halvings = Shuffles.seeded(key), none if self.rejects else None
        return FitState(learner, optimiser, chains, order, none, kept, plateau, halvings)

    def chunks(self, state: FitState, done: int = 0, step: _scan.Step | None = None) -> Iterator[tuple[int, Any, Any]]:
        """Fit on from a state that has gone through `done` epochs; `step` is what an epoch is, if not this one."""
        size = max(1, UPDATES_IN_A_CHUNK // (self.cost * self.batches))
        for told in _scan.chunks(step or self, state, self.settings.epochs, size, done):
            yield told
            if self.stopped(told[1]):
                return

    def whole[R](
        self,
        state: FitState,
        finish: Callable[[FitState, list[Any]], R],
        progress: Callable[[float], None] | None,
        step: _scan.Step | None = None,
    ) -> R:
        """What `finish(state, infos)` makes of all epochs; on Ctrl-C `Interrupted` with what it makes of those done."""
        total, done, infos = self.settings.epochs, 0, []
        progress = _scan.watched(progress, "training")
        try:
            for later, now, info in self.chunks(state, step=step):
                done, state, infos = later, now, [*infos, info]
                progress(done / total)
            return finish(state, infos)
        except KeyboardInterrupt:
            if 0 < done < total:
                raise _scan.Interrupted(f"stopped after {done} of {total} epochs", finish(state, infos)) from None
            raise

    def __call__(self, state: FitState) -> tuple[FitState, Any]:
        """State after the epoch, and what was seen in it."""
        batches = self._batches(state)
        # An epoch after the end does nothing, so that a chunk may go on past it.
        stopped = self.stopped(state)
        last = state.updates + (self.batches if stopped is False else jnp.where(stopped, 0, self.batches))
        learning = (state.learner, state.optimiser, state.chains, state.halvings)
        one = jax.tree.map(lambda rows: rows[0], batches)
        _, numbers = jax.eval_shape(lambda now: self._update(state.updates, now, one), learning)
        nothing = jax.tree.map(lambda number: jnp.zeros(number.shape, number.dtype), numbers)
        kept_at = jnp.asarray(self.kept_at or (self.updates,))

        def update(at: Array, carry: tuple[Any, Any]) -> tuple[Any, Any]:
            learning, sums = carry
            batch = jax.tree.map(lambda rows: rows[at % self.batches], batches)
            if self.symmetries is not None:
                key = jax.random.wrap_key_data(state.order.keys[:2], impl="threefry2x32")
                batch = self.symmetries.moved(jax.random.fold_in(key, at), batch)
            learning, numbers = self._update(at, learning, batch)
            return learning, jax.tree.map(jnp.add, sums, numbers)

        def to_next_kept(carry: tuple[Array, Any, Any]) -> tuple[Array, Any, Any]:
            done, working, kept = carry
            row = jnp.searchsorted(kept_at, done, side="right")
            until = jnp.minimum(kept_at[row], last)
            working = jax.lax.fori_loop(done, until, update, working)
            if kept is not None:
                kept = jax.tree.map(lambda rows, leaf: rows.at[row].set(leaf), kept, working[0][0])
            return until, working, kept

        carry = (state.updates, (learning, nothing), state.kept)
        _, ((learner, optimiser, chains, halvings), sums), kept = jax.lax.while_loop(
            lambda carry: carry[0] < last, to_next_kept, carry
        )
        seen = self.seen(learner, jax.tree.map(lambda total: total / self.batches, sums))
        plateau = state.plateau
        if plateau is not None:
            later = plateau.after(self.score(learner))
            plateau = jax.tree.map(lambda old, new: jnp.where(stopped, old, new), plateau, later)
        return FitState(learner, optimiser, chains, state.order, last, kept, plateau, halvings), seen

    def _batches(self, state: FitState) -> Any:
        """All batches of an epoch in their order, so that an update reads contiguous memory."""
        order = state.order.at(state.updates // self.batches, self.size)
        chosen = order[: self.batches * self.settings.batch]
        return jax.tree.map(lambda rows: rows[chosen].reshape(self.batches, -1, *rows.shape[1:]), self.samples)

    def _update(self, at: Array, learning: tuple[Any, ...], batch: Any) -> tuple[tuple[Any, ...], Any]:
        learner, optimiser, chains, halvings = learning
        chains, gradient, numbers = self.downhill(learner, chains, batch, at)
        change, optimiser = self.optimiser.update(gradient, optimiser, learner)
        if halvings is not None:
            change = jax.tree.map(lambda leaf: leaf * 0.5**halvings, change)
        change = self.shortened(learner, chains, batch, change)
        if halvings is not None:
            accepted = self.accepts(learner, chains, batch, change)
            change = jax.tree.map(lambda leaf: jnp.where(accepted, leaf, 0), change)
            halvings = halvings + jnp.where(accepted, 0, 1)
        return (eqx.apply_updates(learner, change), optimiser, chains, halvings), numbers
