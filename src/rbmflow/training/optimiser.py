"""The optimiser of a training, and the course of its learning rate."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import optax

from rbmflow.settings import TrainingSettings

MOMENTUM = 0.9


def optimiser_of(settings: TrainingSettings, updates: int) -> optax.GradientTransformation:
    r"""Optimiser that the settings name, for a training of so many updates; gradients are `natural` before it.

    The learning rate is constant, or falls to zero at the last update: linearly, or as
    :math:`\frac{\eta}{2} (1 + \cos \pi t / t_{last})`. Weight decay shrinks the weights and no biases, by
    :math:`\eta \lambda W` an update, the L1 penalty by :math:`\eta \lambda_1\, \mathrm{sign}\, W`. D. P. Kingma, J. Ba,
    ICLR 2015, arXiv:1412.6980 (adam); I. Loshchilov, F. Hutter, ICLR 2019, arXiv:1711.05101 (its decoupled decay).
    """
    plain = {"sgd": optax.identity, "natural": optax.identity}
    slope = plain | {"adam": optax.scale_by_adam, "momentum": lambda: optax.trace(MOMENTUM)}
    # After the slope: momentum would multiply what shrinks the weights by 1 / (1 - momentum).
    shrinking = []
    if settings.weight_decay:
        shrinking.append(optax.add_decayed_weights(settings.weight_decay, _weights_only))
    if settings.l1_penalty:
        shrinking.append(optax.masked(_towards_zero(settings.l1_penalty), _weights_only))
    rate = optax.scale_by_learning_rate(rate_of(settings, updates))
    return optax.chain(slope[settings.optimiser](), *(shrinking or [optax.identity()]), rate)


def _towards_zero(strength: float) -> optax.GradientTransformation:
    """Slope of the L1 penalty of this strength."""

    def added(slope: Any, machine: Any) -> Any:
        return jax.tree.map(lambda one, weights: one + strength * jnp.sign(weights), slope, machine)

    return optax.stateless(added)


def rate_of(settings: TrainingSettings, updates: int) -> optax.ScalarOrSchedule:
    """Learning rate that the settings name, or its course over a training of so many updates."""
    if settings.schedule == "linear":
        return optax.linear_schedule(settings.learning_rate, 0.0, updates)
    if settings.schedule == "cosine":
        return optax.cosine_decay_schedule(settings.learning_rate, updates)
    return settings.learning_rate


def _weights_only[M](machine: M) -> M:
    return jax.tree.map(lambda leaf: leaf.ndim == 2, machine)
