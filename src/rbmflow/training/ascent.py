"""Stochastic gradient ascent of the log-likelihood of a machine: the objective of the training loop, and its ends."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Int8

from rbmflow._checks import InvalidInput, Problem
from rbmflow._doors import AnyKey, Configurations, rows_of, sides_in
from rbmflow.random import key_for
from rbmflow.rbm import RBM, on_lattice
from rbmflow.settings import MachineSettings, TrainingSettings
from rbmflow.training.checkpoints import held_out, read_checkpoints
from rbmflow.training.estimator import Estimator, centred, estimator_of
from rbmflow.training.fit import Epoch, FitState, Objective
from rbmflow.training.history import Epochs, History
from rbmflow.training.optimisers import optimiser_of
from rbmflow.training.ptt import TemperedChains


class Ascent(Objective):
    """The log-likelihood of a machine, by an estimator of its gradient."""

    estimator: Estimator
    settings: TrainingSettings = eqx.field(static=True)
    biases: bool = eqx.field(static=True)

    def optimiser(self, updates: int) -> optax.GradientTransformation:
        """That of the settings."""
        return optimiser_of(self.settings, updates)

    def downhill(self, learner: RBM, chains: Any, batch: Int8[Array, "sample visible"], update: Array) -> Any:
        """The gradient of minus the log-likelihood, and the fraction of changed units."""
        del update
        visible = learner.units.from_spins(batch)
        chains, gradient, changed = self.estimator.gradient(learner, chains, visible)
        if self.settings.centred:
            gradient = centred(learner, gradient, visible)
        if not self.biases:
            still = (jnp.zeros_like(gradient.visible_bias), jnp.zeros_like(gradient.hidden_bias))
            gradient = eqx.tree_at(lambda g: (g.visible_bias, g.hidden_bias), gradient, still)
        return chains, jax.tree.map(jnp.negative, gradient), changed

    def seen(self, learner: RBM, means: Array) -> Epochs:
        """See `History`."""
        return Epochs(means, jnp.sqrt(jnp.mean(learner.weights**2)), jnp.max(jnp.abs(learner.weights)))


class Training(eqx.Module):
    """A training that can be started: its epochs, and what its machines are looked at with."""

    epoch: Epoch[Ascent]
    machine: MachineSettings = eqx.field(static=True)
    unseen: Int8[Array, "other visible"]
    sides: tuple[int, int] | None = eqx.field(static=True)

    @classmethod
    def of(
        cls,
        data: Configurations,
        machine: MachineSettings,
        settings: TrainingSettings,
        estimator: Estimator | None = None,
    ) -> Training:
        """Training on configurations in any form, by the estimator that the settings name if none is given.

        Raises
        ------
        InvalidInput
            If the training set is smaller than one batch, or the gradient is to be centred without biases.
        """
        if settings.centred and not machine.biases:
            allowed = "a centred gradient changes the biases, so machine.biases must be true"
            raise InvalidInput(Problem("centred", settings.centred, allowed))
        samples, unseen = held_out(jnp.asarray(rows_of(data)), settings.held_out)
        objective = Ascent(estimator or estimator_of(settings), settings, machine.biases)
        epoch = Epoch(samples, objective, settings.batch, settings.epochs, settings.checkpoints)
        return cls(epoch, machine, unseen, sides_in(data))

    def start(self, key: AnyKey) -> FitState:
        """State before the first update: random weights and freshly seeded generators.

        Raises
        ------
        InvalidInput
            If the machine does not fit the estimator.
        """
        for_weights, for_chains, for_order = jax.random.split(key_for(key, "train"), 3)
        untrained = RBM.random(for_weights, self.epoch.samples.shape[1], self.machine)
        chains = self.epoch.objective.estimator.start(for_chains, untrained, self.epoch.batch)
        return self.epoch.start(for_order, untrained, chains)

    def finished(self, state: FitState, seen: list[Epochs]) -> tuple[RBM, History]:
        """Trained machine and history of a training that has gone through these epochs."""
        joined = jax.tree.map(lambda *parts: np.concatenate(parts), *seen)
        last = int(state.updates)
        updates = (*(update for update in self.epoch.kept_at if update < last), last)
        machines = jax.tree.map(lambda rows: rows[: len(updates)], state.kept)
        read = read_checkpoints(updates, machines, self.epoch.samples, self.unseen)
        tempered = state.chains.trajectory(state.learner) if isinstance(state.chains, TemperedChains) else None
        curves = joined.reconstruction, joined.weight_norm, joined.largest_weight
        history = History(*curves, read, tempered, self.epoch.epochs)
        return on_lattice((state.learner, history), self.sides)
