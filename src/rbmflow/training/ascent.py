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
from rbmflow.random import key_for, split
from rbmflow.rbm import RBM, on_lattice
from rbmflow.settings import MachineSettings, TrainingSettings
from rbmflow.training.estimator import Estimator, centred, estimator_of
from rbmflow.training.fit import Epoch, FitState, Objective
from rbmflow.training.history import Epochs, History, held_out, read_checkpoints
from rbmflow.training.ptt import TemperedChains

MOMENTUM = 0.9


def optimiser_of(settings: TrainingSettings, updates: int) -> optax.GradientTransformation:
    r"""Optimiser that the settings name, for a training of so many updates.

    The learning rate is constant, or falls to zero at the last update: linearly, or as
    :math:`\frac{\eta}{2} (1 + \cos \pi t / t_{last})`. Weight decay shrinks the weights and no biases, by
    :math:`\eta \lambda W` an update. D. P. Kingma, J. Ba, ICLR 2015, arXiv:1412.6980 (adam); I. Loshchilov, F. Hutter,
    ICLR 2019, arXiv:1711.05101 (its decoupled weight decay).
    """
    rate: optax.ScalarOrSchedule = settings.learning_rate
    if settings.schedule == "linear":
        rate = optax.linear_schedule(settings.learning_rate, 0.0, updates)
    elif settings.schedule == "cosine":
        rate = optax.cosine_decay_schedule(settings.learning_rate, updates)
    if settings.optimiser == "adam":
        return optax.adamw(rate, weight_decay=settings.weight_decay, mask=_weights_only)
    # After the momentum, which would multiply the decay by 1 / (1 - momentum).
    decay = optax.add_decayed_weights(settings.weight_decay, _weights_only)
    return optax.chain(
        optax.trace(MOMENTUM) if settings.optimiser == "momentum" else optax.identity(),
        decay if settings.weight_decay else optax.identity(),
        optax.scale_by_learning_rate(rate),
    )


def _weights_only(machine: RBM) -> RBM:
    return jax.tree.map(lambda leaf: leaf.ndim == 2, machine)


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
        """Training on configurations in any form, by the estimator that the settings name if none is given."""
        if settings.centred and not machine.biases:
            allowed = "a centred gradient changes the biases, so machine.biases must be true"
            raise InvalidInput(Problem("centred", settings.centred, allowed))
        samples, unseen = map(jax.device_put, held_out(np.asarray(rows_of(data)), settings.held_out))
        objective = Ascent(estimator or estimator_of(settings), settings, machine.biases)
        epoch = Epoch(samples, objective, settings.batch, settings.epochs, settings.checkpoints)
        return cls(epoch, machine, unseen, sides_in(data))

    def start(self, key: AnyKey) -> FitState:
        """State before the first update: random weights and freshly seeded generators."""
        for_weights, for_chains, for_order = split(key_for(key, "train"), 3)
        untrained = RBM.random(for_weights, self.epoch.samples.shape[1], self.machine)
        chains = self.epoch.objective.estimator.start(for_chains, untrained, self.epoch.batch)
        return self.epoch.start(for_order, untrained, chains)

    def finished(self, state: FitState, seen: list[Epochs]) -> tuple[RBM, History]:
        """Trained machine and history of a training that has gone through these epochs."""
        joined = jax.tree.map(lambda *parts: np.concatenate(parts), *seen)
        last = int(state.updates)
        updates = (*(update for update in self.epoch.kept_at if update < last), last)
        machines = jax.tree.map(lambda rows: jax.device_put(np.asarray(rows)[: len(updates)]), state.kept)
        read = read_checkpoints(updates, machines, self.epoch.samples, self.unseen)
        tempered = state.chains.trajectory(state.learner) if isinstance(state.chains, TemperedChains) else None
        curves = joined.reconstruction, joined.weight_norm, joined.largest_weight
        history = History(*curves, read, tempered, self.epoch.epochs)
        return on_lattice((jax.device_put(state.learner), history), self.sides)
