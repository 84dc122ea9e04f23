"""Parallel tempering of Gibbs chains along a ladder of machines instead of temperatures."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from rbmflow._types import Key
from rbmflow.gibbs import GibbsStreams, gibbs_steps
from rbmflow.random import Streams, split
from rbmflow.rbm import RBM


class Replicas(eqx.Module):
    """Chains of a ladder of machines. Chains of one number on all rungs swap with each other and with no others."""

    machines: RBM
    """The machine of every rung, with a leading axis `rung` on every array."""
    visible: Float[Array, "rung chain visible"]
    """The chains, in the machines' units."""
    noise: GibbsStreams
    """Random numbers of the Gibbs steps, whose count is that of the swaps too."""
    swaps: Streams

    @classmethod
    def uniform(cls, key: Key, machines: RBM, chains: int) -> Replicas:
        """Chains at independent uniform configurations on every rung."""
        for_noise, for_swaps, for_start = split(key, 3)
        visible = machines.units.uniform(for_start, (len(machines.weights), chains, machines.sites))
        noise = GibbsStreams.seeded(for_noise, machine_at(machines, 0), chains)
        return cls(machines, visible, noise, Streams.seeded(for_swaps, (chains,)))

    def sweep(self, active: int | Array, steps: int = 1) -> tuple[Replicas, Float[Array, " rung"]]:
        """Gibbs steps of the chains on the first `active` rungs, then one swap of every pair of neighbours.

        Beside the chains it returns the mean acceptance of the swaps of each rung with the next, 0 without any.
        """

        def count(rung: Array) -> Array:
            # Every rung has a count of its own.
            return self.noise.count * self.visible.shape[0] + rung.astype(jnp.uint32)

        def moved(rung: Array, visible: Array) -> Array:
            machine, here = machine_at(self.machines, rung), visible[rung]
            noise = eqx.tree_at(lambda at: at.count, self.noise, count(rung))
            _, later, _ = gibbs_steps(machine, noise.now(), here, machine.hidden_fields(here), steps)
            return visible.at[rung].set(later)

        def swapped(rung: Array, carry: tuple[Array, Array]) -> tuple[Array, Array]:
            visible, acceptance = carry
            low, high = visible[rung], visible[rung + 1]
            below, above = machine_at(self.machines, rung), machine_at(self.machines, rung + 1)
            chance = swap_probability(below, above, low, high)
            taken = (self.swaps.at(count(rung)).uniform()[1] < chance)[:, None]
            visible = visible.at[rung].set(jnp.where(taken, high, low))
            visible = visible.at[rung + 1].set(jnp.where(taken, low, high))
            return visible, acceptance.at[rung].set(jnp.mean(chance))

        visible = jax.lax.fori_loop(0, active, moved, self.visible)
        nothing = jnp.zeros(self.visible.shape[0])
        visible, acceptance = jax.lax.fori_loop(0, jnp.asarray(active) - 1, swapped, (visible, nothing))
        return Replicas(self.machines, visible, self.noise.next(), self.swaps), acceptance


def machine_at(machines: RBM, rung: int | Array) -> RBM:
    """One of several machines with a leading axis on every array."""
    return jax.tree.map(lambda leaf: leaf[rung], machines)


def swap_probability(
    low: RBM, high: RBM, of_low: Float[Array, "chain visible"], of_high: Float[Array, "chain visible"]
) -> Float[Array, " chain"]:
    r"""Metropolis acceptance of the exchange of configurations between the chains of two machines.

    .. math:: \min(1, e^{F_a(v_a) + F_b(v_b) - F_a(v_b) - F_b(v_a)}),

    with which :math:`p_a(v_a)\, p_b(v_b)` is in detailed balance, for a the low machine and b the high one.
    K. Hukushima, K. Nemoto, J. Phys. Soc. Jpn. 65, 1604 (1996), doi:10.1143/JPSJ.65.1604.
    """
    now = low.free_energy(of_low) + high.free_energy(of_high)
    then = low.free_energy(of_high) + high.free_energy(of_low)
    return jnp.exp(jnp.minimum(0.0, now - then))
