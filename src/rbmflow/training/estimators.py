"""Estimators of the gradient of the log-likelihood, as values."""

from __future__ import annotations

import abc
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from rbmflow._checks import InvalidInput, Problem
from rbmflow._types import Key
from rbmflow.rbm import RBM, GibbsNoise, GibbsStreams, gibbs_steps
from rbmflow.settings import LARGEST_SUMMED_LAYER, RECIPES, TrainingSettings
from rbmflow.training.trajectory import TemperedChains

STATES_IN_A_BLOCK = 12
"""States of the smaller layer are summed in blocks of 2^12, which keeps them in the cache."""


class Estimator(eqx.Module):
    """A way to estimate the gradient; what it carries from update to update are its chains."""

    @property
    @abc.abstractmethod
    def settings(self) -> dict[str, Any]:
        """The entries of `TrainingSettings` that stand for it."""

    @abc.abstractmethod
    def start(self, key: Key, machine: RBM, batch: int) -> Any:
        """Chains before the first update, a pytree of arrays."""

    @abc.abstractmethod
    def gradient(
        self, machine: RBM, chains: Any, visible: Float[Array, "sample visible"]
    ) -> tuple[Any, RBM, Float[Array, ""]]:
        """Advanced chains, the gradient in the shape of a machine, the fraction of visible units that changed."""


def recipe[E: type[Estimator]](name: str) -> Callable[[E], E]:
    """Register an estimator of the gradient under a name, by which `training.estimator` of a spec finds it."""
    return lambda kind: RECIPES.add(name, kind)


def contrastive_divergence(
    machine: RBM, noise: GibbsNoise, visible: Float[Array, "chain visible"], steps: int
) -> tuple[GibbsNoise, RBM, Float[Array, ""]]:
    r"""CD-k estimate of the gradient of the mean log-likelihood of a batch.

    .. math:: \Delta W = \langle v\, E[h|v]^T \rangle_{data} - \langle v'\, E[h|v']^T \rangle_{k},

    where v' is drawn by k Gibbs steps from the data. Both phases use the mean of the hidden units given the very
    configuration beside it.

    Parameters
    ----------
    machine
        The machine; the result has its structure.
    noise
        Generators of as many chains as there are configurations.
    visible : float32 [chain, visible]
        The batch, in the machine's units.
    steps
        k.

    Returns
    -------
    noise, gradient, changed
        Advanced generators; the gradient in the shape of a machine; the fraction of units that differ between
        v' and the data.

    References
    ----------
    G. Hinton, Neural Comput. 14, 1771 (2002), doi:10.1162/089976602760128018.
    """
    fields = machine.hidden_fields(visible)
    positive = machine.units.mean(fields)
    noise, negative_visible, fields = gibbs_steps(machine, noise, visible, fields, steps)
    negative = machine.units.mean(fields)
    gradient = _difference(machine, visible, positive, negative_visible, negative)
    return noise, gradient, jnp.mean(visible != negative_visible, dtype=jnp.float32)


def _difference(machine: RBM, visible: Array, positive: Array, negative_visible: Array, negative: Array) -> RBM:
    """Moments of the data minus moments of as many chains, in the shape of a machine."""
    chains = visible.shape[0]
    return RBM(
        (visible.T @ positive - negative_visible.T @ negative) / chains,
        jnp.mean(visible - negative_visible, axis=0),
        jnp.mean(positive - negative, axis=0),
        machine.units,
    )


@recipe("CD")
class CD(Estimator):
    """Contrastive divergence: k Gibbs steps from the batch itself, see `contrastive_divergence`.

    Parameters
    ----------
    steps
        k.
    """

    steps: int = 1

    @property
    def settings(self) -> dict[str, Any]:
        """The entries of `TrainingSettings` that stand for it."""
        return {"estimator": "CD", "steps": self.steps}

    def start(self, key: Key, machine: RBM, batch: int) -> GibbsStreams:
        """Random numbers alone: the chains start from each batch."""
        return GibbsStreams.seeded(key, machine, batch)

    def gradient(self, machine: RBM, chains: Any, visible: Array) -> tuple[Any, RBM, Array]:
        """CD-k gradient; the fraction is that of units which k steps from the data changed."""
        _, gradient, changed = contrastive_divergence(machine, chains.now(), visible, self.steps)
        return chains.next(), gradient, changed


class PersistentChains(eqx.Module):
    """Gibbs chains that live from update to update."""

    noise: GibbsStreams
    visible: Float[Array, "chain visible"]

    @classmethod
    def random(cls, key: Key, machine: RBM, count: int) -> PersistentChains:
        """Chains that start from independent uniform configurations."""
        for_noise, for_start = jax.random.split(key)
        spins = jax.random.rademacher(for_start, (count, machine.weights.shape[0]), jnp.int8)
        return cls(GibbsStreams.seeded(for_noise, machine, count), machine.units.from_spins(spins))


@recipe("PCD")
class PCD(Estimator):
    r"""Persistent contrastive divergence: k Gibbs steps an update of chains that are never put back to the data.

    .. math:: \Delta W = \langle v\, E[h|v]^T \rangle_{data} - \langle v'\, E[h|v']^T \rangle_{chains}

    There are as many chains as configurations in a batch; they start from uniform configurations.

    Parameters
    ----------
    steps
        k.

    References
    ----------
    T. Tieleman, ICML 2008, doi:10.1145/1390156.1390290.
    """

    steps: int = 1

    @property
    def settings(self) -> dict[str, Any]:
        """The entries of `TrainingSettings` that stand for it."""
        return {"estimator": "PCD", "steps": self.steps}

    def start(self, key: Key, machine: RBM, batch: int) -> PersistentChains:
        """Chains at uniform configurations."""
        return PersistentChains.random(key, machine, batch)

    def gradient(self, machine: RBM, chains: Any, visible: Array) -> tuple[Any, RBM, Array]:
        """PCD-k gradient; the fraction is that of units which k steps of the chains changed."""
        positive = machine.units.mean(machine.hidden_fields(visible))
        fields = machine.hidden_fields(chains.visible)
        _, later, fields = gibbs_steps(machine, chains.noise.now(), chains.visible, fields, self.steps)
        gradient = _difference(machine, visible, positive, later, machine.units.mean(fields))
        return (
            PersistentChains(chains.noise.next(), later),
            gradient,
            jnp.mean(later != chains.visible, dtype=jnp.float32),
        )


@recipe("PTT")
class PTT(Estimator):
    r"""Parallel trajectory tempering: persistent chains that also swap with chains of past machines.

    The ladder begins with powers 0, 1/4, 1/2, 3/4 of the untrained machine; the first is uniform. The machine in
    training stands on top. An update moves the chains of every rung by k Gibbs steps, then proposes one swap of each
    pair of neighbours, see `rbmflow.tempering.swap_probability`. Where the swaps of the top with the rung below are
    accepted less often than the target, the machine of that update stays for good as a rung, until the ladder is
    full. The gradient is that of `PCD` with the chains of the top.

    Parameters
    ----------
    steps
        k.
    rungs
        Most rungs of the ladder.
    acceptance
        Target of the acceptance of swaps.

    References
    ----------
    N. Béreux, A. Decelle, C. Furtlehner, L. Rosset, B. Seoane, arXiv:2405.15376; arXiv:2607.27077 (as an estimator
    during training).
    """

    steps: int = 1
    rungs: int = 24
    acceptance: float = 0.25

    @property
    def settings(self) -> dict[str, Any]:
        """The entries of `TrainingSettings` that stand for it."""
        return {"estimator": "PTT", "steps": self.steps, "rungs": self.rungs, "swap_acceptance": self.acceptance}

    def start(self, key: Key, machine: RBM, batch: int) -> TemperedChains:
        """Chains at uniform configurations on every rung."""
        return TemperedChains.start(key, machine, batch, self.rungs)

    def gradient(self, machine: RBM, chains: Any, visible: Array) -> tuple[Any, RBM, Array]:
        """Gradient with the tempered chains; the fraction is that of units that their sweep changed."""
        before = chains.visible
        # The top may leave its place to the next rung, which then has the same chains.
        chains = chains.advance(machine, self.steps, self.acceptance)
        later = chains.visible
        positive, negative = (machine.units.mean(machine.hidden_fields(units)) for units in (visible, later))
        gradient = _difference(machine, visible, positive, later, negative)
        return chains, gradient, jnp.mean(later != before, dtype=jnp.float32)


@recipe("Exact")
class Exact(Estimator):
    r"""Gradient of the log-likelihood by a sum over all states of the smaller layer, of at most 20 units.

    .. math:: \Delta W = \langle v\, E[h|v]^T \rangle_{data} - \sum_{v, h} p(v, h)\, v\, h^T
    """

    @property
    def settings(self) -> dict[str, Any]:
        """The entries of `TrainingSettings` that stand for it."""
        return {"estimator": "Exact"}

    def start(self, key: Key, machine: RBM, batch: int) -> tuple[()]:
        """Nothing: there are no chains.

        Raises
        ------
        InvalidInput
            If both layers have more than 20 units.
        """
        del key, batch
        smaller = min(machine.weights.shape)
        if smaller > LARGEST_SUMMED_LAYER:
            allowed = f'"Exact" sums over the smaller layer, which may have at most {LARGEST_SUMMED_LAYER} units'
            raise InvalidInput(Problem("estimator", f"Exact with {smaller} units", allowed))
        return ()

    def gradient(self, machine: RBM, chains: Any, visible: Array) -> tuple[Any, RBM, Array]:
        """Exact gradient; the fraction is that of a mean-field step, ``abs(v - E[v | E[h|v]]) / span``."""
        positive = machine.units.mean(machine.hidden_fields(visible))
        moments = model_moments(machine)
        gradient = RBM(
            visible.T @ positive / visible.shape[0] - moments.weights,
            jnp.mean(visible, axis=0) - moments.visible_bias,
            jnp.mean(positive, axis=0) - moments.hidden_bias,
            machine.units,
        )
        again = machine.units.mean(machine.visible_fields(positive))
        return chains, gradient, jnp.mean(jnp.abs(visible - again)) / machine.units.span


def model_moments(machine: RBM) -> RBM:
    r"""Exact moments of a machine, :math:`\langle v h^T \rangle, \langle v \rangle, \langle h \rangle`.

    The states s of the smaller layer are summed in float32 with a running maximum; the other layer is summed in
    closed form,

    .. math:: p(s) \propto e^{c^T s} \prod_i \sum_{x_i} e^{x_i (b + W s)_i}.

    Returns
    -------
    RBM
        The moments in the places of the weights and biases that they are conjugate to.
    """
    visible, hidden = machine.weights.shape
    if hidden > visible:
        swapped = RBM(machine.weights.T, machine.hidden_bias, machine.visible_bias, machine.units)
        moments = model_moments(swapped)
        return RBM(moments.weights.T, moments.hidden_bias, moments.visible_bias, machine.units)
    low = min(hidden, STATES_IN_A_BLOCK)

    def add(carry: tuple[Array, tuple[Array, ...]], block: Array) -> tuple[tuple[Array, tuple[Array, ...]], None]:
        top, sums = carry
        numbers = jnp.arange(2**low)[:, None] + block * 2**low
        bits = ((numbers >> jnp.arange(hidden)[None, :]) & 1).astype(jnp.float32)
        states = machine.units.low + machine.units.span * bits
        fields = machine.visible_fields(states)
        log_weight = states @ machine.hidden_bias + jnp.sum(machine.units.log_sum(fields), axis=-1)
        higher = jnp.maximum(top, jnp.max(log_weight))
        weight = jnp.exp(log_weight - higher)
        means = machine.units.mean(fields)
        here = (jnp.sum(weight), means.T @ (weight[:, None] * states), weight @ means, weight @ states)
        shrink = jnp.exp(top - higher)
        return (higher, tuple(old * shrink + new for old, new in zip(sums, here, strict=True))), None

    nothing = (jnp.zeros(()), *(jnp.zeros(shape) for shape in ((visible, hidden), (visible,), (hidden,))))
    (_, sums), _ = jax.lax.scan(add, (jnp.full((), -jnp.inf), nothing), jnp.arange(2 ** (hidden - low)))
    total, product, of_visible, of_hidden = sums
    return RBM(product / total, of_visible / total, of_hidden / total, machine.units)


def centred(machine: RBM, gradient: RBM, visible: Float[Array, "sample visible"]) -> RBM:
    r"""Gradient of the machine written with centred units, as a change of the plain weights and biases.

    With the means :math:`\mu = \langle v \rangle` and :math:`\lambda = \langle E[h|v] \rangle` of the batch,

    .. math::
        \Delta W_c = \Delta W - \mu\, \Delta c^T - \Delta b\, \lambda^T, \qquad
        \Delta b_c = \Delta b - \Delta W_c \lambda, \qquad
        \Delta c_c = \Delta c - \Delta W_c^T \mu.

    Parameters
    ----------
    machine
        The machine, with biases.
    gradient
        Its plain gradient by any estimator.
    visible : float32 [sample, visible]
        The batch, in the machine's units.

    References
    ----------
    J. Melchior, A. Fischer, L. Wiskott, J. Mach. Learn. Res. 17(99), 1 (2016), arXiv:1311.1354 (centring as an
    update rule of the plain machine).
    """
    mean_visible = jnp.mean(visible, axis=0)
    mean_hidden = jnp.mean(machine.units.mean(machine.hidden_fields(visible)), axis=0)
    weights = gradient.weights - jnp.outer(mean_visible, gradient.hidden_bias)
    weights = weights - jnp.outer(gradient.visible_bias, mean_hidden)
    visible_bias = gradient.visible_bias - weights @ mean_hidden
    return RBM(weights, visible_bias, gradient.hidden_bias - weights.T @ mean_visible, machine.units)


def estimator_of(settings: TrainingSettings) -> Estimator:
    """Estimator that the settings name, with those of them that it has."""
    if settings.estimator == "PTT":
        return PTT(settings.steps, settings.rungs, settings.swap_acceptance)
    kind = RECIPES[settings.estimator]
    return kind(**{one.name: getattr(settings, one.name) for one in fields(kind) if hasattr(settings, one.name)})
