"""What an estimator of the gradient of the log-likelihood is."""

import abc
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from rbmflow._types import Key
from rbmflow.rbm import RBM
from rbmflow.settings import RECIPES, TrainingSettings


class Estimator(eqx.Module):
    """A way to estimate the gradient; what it carries from update to update are its chains.

    Its fields that have names of `TrainingSettings` are taken from there when it is named in a spec.
    """

    @property
    def settings(self) -> dict[str, Any]:
        """The entries of `TrainingSettings` that it has."""
        return {name: getattr(self, name) for name in _settings_of(type(self))}

    @abc.abstractmethod
    def start(self, key: Key, machine: RBM, batch: int) -> Any:
        """Chains before the first update, a pytree of arrays."""

    @abc.abstractmethod
    def gradient(
        self, machine: RBM, chains: Any, visible: Float[Array, "sample visible"]
    ) -> tuple[Any, RBM, Float[Array, ""]]:
        """Advanced chains, the gradient in the shape of a machine, the fraction of visible units that changed."""

    def drawn(self, chains: Any, visible: Float[Array, "sample visible"]) -> Float[Array, "sample visible"]:
        """Configurations that stand for those of the machine: the batch, unless there are chains of its own."""
        del chains
        return visible


def _settings_of(kind: type[Estimator]) -> list[str]:
    """Fields of an estimator that are settings of a training."""
    known = {field.name for field in fields(TrainingSettings)}
    return [field.name for field in fields(kind) if field.name in known]


def recipe[E: type[Estimator]](name: str) -> Callable[[E], E]:
    """Register an estimator of the gradient under a name, by which `training.estimator` of a spec finds it."""
    return lambda kind: RECIPES.add(name, kind)


def estimator_of(settings: TrainingSettings) -> Estimator:
    """Estimator that the settings name, with what they say of its fields."""
    kind = RECIPES[settings.estimator]
    return kind(**{name: getattr(settings, name) for name in _settings_of(kind)})


def difference(machine: RBM, visible: Array, positive: Array, negative_visible: Array, negative: Array) -> RBM:
    """Moments of the data minus moments of as many chains, in the shape of a machine."""
    chains = visible.shape[0]
    return machine.like(
        (visible.T @ positive - negative_visible.T @ negative) / chains,
        jnp.mean(visible - negative_visible, axis=0),
        jnp.mean(positive - negative, axis=0),
    )


def centred(machine: RBM, gradient: RBM, visible: Float[Array, "sample visible"]) -> RBM:
    r"""Gradient of the machine written with centred units, as a change of the plain weights and biases.

    With the means :math:`\mu = \langle v \rangle` and :math:`\lambda = \langle E[h|v] \rangle` of the batch,

    .. math::
        \Delta W_c = \Delta W - \mu\, \Delta c^T - \Delta b\, \lambda^T, \qquad
        \Delta b_c = \Delta b - \Delta W_c \lambda, \qquad
        \Delta c_c = \Delta c - \Delta W_c^T \mu.

    J. Melchior, A. Fischer, L. Wiskott, J. Mach. Learn. Res. 17(99), 1 (2016), arXiv:1311.1354 (centring as an
    update rule of the plain machine).
    """
    mean_visible = jnp.mean(visible, axis=0)
    mean_hidden = jnp.mean(machine.hidden_units.mean(machine.hidden_fields(visible)), axis=0)
    weights = gradient.weights - jnp.outer(mean_visible, gradient.hidden_bias)
    weights = weights - jnp.outer(gradient.visible_bias, mean_hidden)
    visible_bias = gradient.visible_bias - weights @ mean_hidden
    return machine.like(weights, visible_bias, gradient.hidden_bias - weights.T @ mean_visible)
