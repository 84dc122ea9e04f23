"""Training of maps that are not RBMs, in the loop of all fits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int8

from rbmflow._checks import Problems
from rbmflow._doors import AnyKey, Configurations, spins_of
from rbmflow._own_settings import own_settings
from rbmflow._types import Key
from rbmflow.maps import Map, map_of
from rbmflow.model import Model
from rbmflow.random import key_for, split
from rbmflow.settings import HELD_FOR_PATIENCE, NO_METRIC, NO_SWAPS, RECIPES, TrainingSettings
from rbmflow.symmetry import Symmetries
from rbmflow.training.fit import Fit, FitState
from rbmflow.training.history import MOST_CONFIGURATIONS, Epochs, held_out, some_of
from rbmflow.training.loss import Loss
from rbmflow.training.optimiser import optimiser_of
from rbmflow.training.train import within


class MapTraining(Fit[TrainingSettings]):
    """The descent of a loss; the learner of its states is the arrays of the map alone, `still` the rest of it."""

    recipe: Loss
    still: Any
    untrained: Any
    unseen: Int8[Array, "other *lattice"]

    @classmethod
    def of(
        cls,
        untrained: Map,
        data: Int8[Any, "sample *lattice"],
        settings: TrainingSettings,
        recipe: str | Loss,
        model: Model | None = None,
    ) -> MapTraining:
        """Training of a map by a recipe, or that of this name."""
        arrays, still = eqx.partition(map_of(untrained), eqx.is_inexact_array)
        own = RECIPES[recipe]() if isinstance(recipe, str) else recipe
        allowed = "a map that is no RBM learns by a loss, such as Reconstruction"
        Problems.only(isinstance(own, Loss), "estimator", recipe, allowed)
        Problems.only(settings.swap_limit == 0, "swap_limit", settings.swap_limit, f"{NO_SWAPS}, so it must be 0")
        Problems.only(settings.optimiser != "natural", "optimiser", settings.optimiser, NO_METRIC)
        told = "the map has no logits(key, spins) that tell how its output is distributed, so it must be 0"
        known = settings.kl_limit == 0 or hasattr(untrained, "logits")
        Problems.only(known, "kl_limit", settings.kl_limit, told)
        used = settings.held_out == 0 or settings.patience > 0
        Problems.only(used, "held_out", settings.held_out, HELD_FOR_PATIENCE)
        parts = held_out(np.asarray(data), settings.held_out, settings.patience)
        samples, unseen = map(jax.device_put, parts)
        moved = Symmetries.asked(settings.symmetries, model, data, parts[0])
        return cls(samples, settings, own, still, arrays, unseen, symmetries=moved)

    @property
    def optimiser(self) -> optax.GradientTransformation:
        """That of the settings."""
        return optimiser_of(self.settings, self.updates)

    def start(self, key: AnyKey) -> FitState:
        """State before the first update."""
        for_recipe, for_order = split(key_for(key, "train_map"))
        chains = self.recipe.start(for_recipe, self.untrained, self.settings.batch)
        return self.begin(for_order, self.untrained, chains)

    def downhill(self, learner: Any, chains: Any, batch: Array, update: Array) -> Any:
        """The gradient of the loss, and the fraction of changed sites."""
        del update
        chains, uphill, changed = self.recipe.gradient(eqx.combine(learner, self.still), chains, batch)
        return chains, jax.tree.map(jnp.negative, uphill), changed

    def shortened(self, learner: Any, chains: Any, batch: Array, change: Any) -> Any:
        """The change, so much shorter that the output moves by no more than `kl_limit` nats a configuration."""
        if not self.settings.kl_limit:
            return change
        key = jax.random.fold_in(jax.random.wrap_key_data(chains), 0)
        now = eqx.combine(learner, self.still)

        def shorter(_: Array, change: Any) -> Any:
            then = eqx.combine(eqx.apply_updates(learner, change), self.still)
            return within(self.settings.kl_limit, output_divergence(key, now, then, batch), change)

        # Of a step that is far too long the divergence is not yet that of a short one.
        return jax.lax.fori_loop(0, 3, shorter, change)

    @property
    def patience(self) -> int:
        """That of the settings."""
        return self.settings.patience

    def score(self, learner: Any) -> Array:
        """Minus the loss on some of the held-out configurations, with the same random numbers every time."""
        key = jax.random.key(0)
        return -self.recipe.loss(key, eqx.combine(learner, self.still), some_of(self.unseen, MOST_CONFIGURATIONS))[0]

    def seen(self, learner: Any, means: Array) -> Epochs:
        """Changed sites, and the size of the weights."""
        weights = jnp.concatenate([jnp.ravel(leaf) for leaf in jax.tree.leaves(learner) if leaf.ndim > 1])
        return Epochs(means, jnp.sqrt(jnp.mean(weights**2)), jnp.max(jnp.abs(weights)))

    def finished(self, state: FitState, seen: list[Epochs]) -> tuple[Any, Epochs]:
        """The trained map, and what was seen of every epoch up to a plateau."""
        done = int(state.updates) // self.batches
        joined = jax.tree.map(lambda *parts: np.concatenate(parts)[:done], *seen)
        return eqx.combine(state.learner, self.still), joined


def output_divergence(key: Key, before: Any, after: Any, spins: Int8[Array, "sample *lattice"]) -> Float[Array, ""]:
    r"""Divergence in nats a configuration of what two maps make of the same configurations with the same noise.

    .. math:: \Big\langle \sum_i \sum_s p_i(s|v) \ln \frac{p_i(s|v)}{p'_i(s|v)} \Big\rangle_v,

    where p are the outputs `logits(key, spins)` of every site i, which are independent given input and noise. Where the
    map draws noise, as a `VAE` does, it is an upper bound of the divergence of the outputs with the noise averaged
    over, since the divergence is convex.
    """
    p, q = (jax.nn.log_softmax(one.logits(key, spins)) for one in (before, after))
    return jnp.sum(jnp.exp(p) * (p - q)) / len(spins)


@own_settings
def train_map(
    key: AnyKey,
    untrained: Map,
    data: Configurations,
    training: TrainingSettings | None = None,
    recipe: str | Loss = "Reconstruction",
    model: Model | None = None,
    *,
    progress: Callable[[float], None] | None = None,
) -> tuple[Any, Epochs]:
    """Train a map that is no RBM, such as an `Autoencoder`, by the loss of a recipe.

    Parameters
    ----------
    key
        The same key gives the same map, bit for bit, on the same device.
    untrained
        A map whose arrays are its weights, with what the recipe asks of it: `logits(key, spins)` [sample, site, state]
        for "Reconstruction" and "Denoising".
    data : [..., lattice ...]
        Configurations on a lattice of two axes or of the shape that the map knows.
    training
        Epochs, batch, optimiser, schedule, `held_out`, and of the guards `patience`, which goes by the loss of held-out
        configurations, and `kl_limit`, which bounds the divergence of the outputs of `logits(key, spins)`; what belongs
        to the estimators of an RBM is not used.
    recipe
        A name, or a `Loss` of one's own.
    model
        That of the data, where the training goes by its symmetries.
    progress
        Called between chunks with the fraction done.

    Returns
    -------
    map, epochs
        Of every epoch up to a plateau, the fraction of sites that the most probable output changes, and the size of the
        weights.

    Raises
    ------
    InvalidInput
        If the recipe is no loss, a batch has more configurations than there are, or a guard is asked for that the map
        cannot have.
    Interrupted
        On Ctrl-C, with what was done.

    Examples
    --------
    >>> import rbmflow as rf
    >>> from rbmflow.settings import MachineSettings, TrainingSettings
    >>> model = rf.ising(rf.square(4))
    >>> untrained = rf.Autoencoder.random(0, model, MachineSettings(kind="autoencoder", hidden=8, width=16))
    >>> trained, epochs = rf.train_map(1, untrained, rf.sample(2, model, [2.0], 200), TrainingSettings(epochs=2))
    >>> rf.iterate(3, trained, rf.hot(4, model, 5), 3).spins.shape
    (5, 4, 4)
    """
    shape = getattr(untrained, "shape", None) or np.shape(data)[-2:]
    spins = spins_of(data, shape, "data", states=getattr(untrained, "states", (-1, 1)))
    rows = np.asarray(spins).reshape(-1, *shape)
    whole = MapTraining.of(untrained, rows, training or TrainingSettings(), recipe, model)
    return whole.whole(whole.start(key), whole.finished, progress)
