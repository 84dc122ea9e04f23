"""Persistent contrastive divergence."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from rbmflow._types import Key
from rbmflow.gibbs import GibbsStreams, gibbs_steps
from rbmflow.random import split
from rbmflow.rbm import RBM
from rbmflow.training.estimator import Estimator, difference, recipe


class PersistentChains(eqx.Module):
    """Gibbs chains that live from update to update."""

    noise: GibbsStreams
    visible: Float[Array, "chain visible"]


@recipe("PCD")
class PCD(Estimator):
    r"""Persistent contrastive divergence: `steps` Gibbs steps an update of chains that are never put back to the data.

    .. math:: \Delta W = \langle v\, E[h|v]^T \rangle_{data} - \langle v'\, E[h|v']^T \rangle_{chains}

    There are as many chains as configurations in a batch; they start from uniform configurations.
    T. Tieleman, ICML 2008, doi:10.1145/1390156.1390290.
    """

    steps: int = 1

    def start(self, key: Key, machine: RBM, batch: int) -> PersistentChains:
        """Chains at independent uniform configurations."""
        for_noise, for_start = split(key)
        visible = machine.units.uniform(for_start, (batch, machine.sites))
        return PersistentChains(GibbsStreams.seeded(for_noise, machine, batch), visible)

    def gradient(self, machine: RBM, chains: Any, visible: Array) -> tuple[Any, RBM, Array]:
        """PCD-k gradient; the fraction is that of units which k steps of the chains changed."""
        positive = machine.hidden_units.mean(machine.hidden_fields(visible))
        fields = machine.hidden_fields(chains.visible)
        _, later, fields = gibbs_steps(machine, chains.noise.now(), chains.visible, fields, self.steps)
        gradient = difference(machine, visible, positive, later, machine.hidden_units.mean(fields))
        changed = jnp.mean(later != chains.visible, dtype=jnp.float32)
        return PersistentChains(chains.noise.next(), later), gradient, changed

    def drawn(self, chains: Any, visible: Array) -> Array:
        """The chains."""
        del visible
        return chains.visible
