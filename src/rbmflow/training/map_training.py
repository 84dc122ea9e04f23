"""Training of maps that are not RBMs, in the loop of all fits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Int8

from rbmflow._checks import Problems
from rbmflow._doors import AnyKey, Configurations, spins_of
from rbmflow._own_settings import own_settings
from rbmflow.maps import Map, map_of
from rbmflow.random import key_for, split
from rbmflow.settings import RECIPES, TrainingSettings
from rbmflow.training.fit import Fit, FitState
from rbmflow.training.history import Epochs
from rbmflow.training.loss import Loss
from rbmflow.training.train import optimiser_of

RBM_ALONE = ("kl_limit", "patience")
"""Settings of a training that go by the probabilities of an RBM."""


class MapTraining(Fit[TrainingSettings]):
    """The descent of a loss; the learner of its states is the arrays of the map alone, `still` the rest of it."""

    recipe: Loss
    still: Any
    untrained: Any

    @classmethod
    def of(
        cls, untrained: Map, data: Int8[Any, "sample *lattice"], settings: TrainingSettings, recipe: str | Loss
    ) -> MapTraining:
        """Training of a map by a recipe, or that of this name."""
        arrays, still = eqx.partition(map_of(untrained), eqx.is_inexact_array)
        own = RECIPES[recipe]() if isinstance(recipe, str) else recipe
        allowed = "a map that is no RBM learns by a loss, such as Reconstruction"
        Problems.only(isinstance(own, Loss), "estimator", recipe, allowed)
        for name in RBM_ALONE:
            told = "only the training of an RBM has this guard, so it must be 0"
            Problems.only(getattr(settings, name) == 0, name, getattr(settings, name), told)
        return cls(jax.device_put(np.asarray(data)), settings, own, still, arrays)

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

    def seen(self, learner: Any, means: Array) -> Epochs:
        """Changed sites, and the size of the weights."""
        weights = jnp.concatenate([jnp.ravel(leaf) for leaf in jax.tree.leaves(learner) if leaf.ndim > 1])
        return Epochs(means, jnp.sqrt(jnp.mean(weights**2)), jnp.max(jnp.abs(weights)))

    def finished(self, state: FitState, seen: list[Epochs]) -> tuple[Any, Epochs]:
        """The trained map, and what was seen of every epoch."""
        joined = jax.tree.map(lambda *parts: np.concatenate(parts), *seen)
        return eqx.combine(state.learner, self.still), joined


@own_settings
def train_map(
    key: AnyKey,
    untrained: Map,
    data: Configurations,
    training: TrainingSettings | None = None,
    recipe: str | Loss = "Reconstruction",
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
        Epochs, batch, optimiser and schedule; what belongs to the estimators of an RBM is not used.
    recipe
        A name, or a `Loss` of one's own.
    progress
        Called between chunks with the fraction done.

    Returns
    -------
    map, epochs
        Of every epoch, the fraction of sites that the most probable output changes, and the size of the weights.

    Raises
    ------
    InvalidInput
        If the recipe is no loss, or a batch has more configurations than there are.
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
    whole = MapTraining.of(untrained, rows, training or TrainingSettings(), recipe)
    return whole.whole(whole.start(key), whole.finished, progress)
