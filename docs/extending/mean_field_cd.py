"""A training recipe: contrastive divergence with mean-field reconstructions (M. Welling, G. Hinton, ICANN 2002)."""

import equinox as eqx
import jax.numpy as jnp

import rbmflow as rf


@rf.recipe("mean-field CD")
class MeanFieldCD(rf.Estimator):
    steps: int = 1  # Taken from training.steps, since that has this name.

    def start(self, key, machine, batch):
        return ()  # Nothing is random, and no chains live from update to update.

    def gradient(self, machine, chains, visible):
        mean, count = machine.units.mean, visible.shape[0]
        first = last = mean(machine.hidden_fields(visible))
        for _ in range(self.steps):
            again = mean(machine.visible_fields(last))
            last = mean(machine.hidden_fields(again))
        parts = (
            (visible.T @ first - again.T @ last) / count,
            jnp.mean(visible - again, axis=0),
            jnp.mean(first - last, axis=0),
        )
        gradient = eqx.tree_at(lambda rbm: (rbm.weights, rbm.visible_bias, rbm.hidden_bias), machine, parts)
        return chains, gradient, jnp.mean(jnp.abs(visible - again)) / machine.units.span
