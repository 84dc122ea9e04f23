"""Contrastive divergence."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from rbmflow._types import Key
from rbmflow.gibbs import GibbsNoise, GibbsStreams, gibbs_steps
from rbmflow.rbm import RBM
from rbmflow.training.estimator import Estimator, difference, recipe


def contrastive_divergence(
    machine: RBM, noise: GibbsNoise, visible: Float[Array, "chain visible"], steps: int
) -> tuple[GibbsNoise, RBM, Float[Array, ""]]:
    r"""CD-k estimate of the gradient of the mean log-likelihood of a batch.

    .. math:: \Delta W = \langle v\, E[h|v]^T \rangle_{data} - \langle v'\, E[h|v']^T \rangle_{k},

    where v' is drawn by k Gibbs steps from the data; G. Hinton, Neural Comput. 14, 1771 (2002),
    doi:10.1162/089976602760128018. The batch is in the machine's units. Returned are the advanced generators, the
    gradient in the shape of a machine, and the fraction of numbers of v' that differ from the data.
    """
    fields = machine.hidden_fields(visible)
    positive = machine.hidden_units.mean(fields)
    noise, negative_visible, fields = gibbs_steps(machine, noise, visible, fields, steps)
    negative = machine.hidden_units.mean(fields)
    gradient = difference(machine, visible, positive, negative_visible, negative)
    return noise, gradient, jnp.mean(visible != negative_visible, dtype=jnp.float32)


@recipe("CD")
class CD(Estimator):
    """Contrastive divergence: `steps` Gibbs steps from the batch itself, see `contrastive_divergence`."""

    steps: int = 1

    def start(self, key: Key, machine: RBM, batch: int) -> GibbsStreams:
        """Random numbers alone: the chains start from each batch."""
        return GibbsStreams.seeded(key, machine, batch)

    def gradient(self, machine: RBM, chains: Any, visible: Array) -> tuple[Any, RBM, Array]:
        """CD-k gradient; the fraction is that of units which k steps from the data changed."""
        _, gradient, changed = contrastive_divergence(machine, chains.now(), visible, self.steps)
        return chains.next(), gradient, changed
