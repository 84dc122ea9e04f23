"""Parallel trajectory tempering: a machine in training swaps configurations with its own past."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from rbmflow._record import Held, arrays_of, dataset_of
from rbmflow._types import Key
from rbmflow.rbm import RBM, kind_attributes, kind_of, of_arrays
from rbmflow.tempering import Replicas, machine_at
from rbmflow.training.estimator import Estimator, difference, recipe

if TYPE_CHECKING:
    import xarray as xr

FIRST_POWERS = (0.0, 0.25, 0.5, 0.75)
"""Powers of the untrained machine that the ladder begins with: the first is uniform and draws afresh in every step."""

MEMORY = 0.5
"""Weight of the past in the running acceptance of swaps."""

LEAST_ACCEPTANCE = 0.05
"""Acceptance of swaps below which a ladder is broken: hardly a chain passes."""

_LAYOUT = {
    "trajectory_weights": Held("rung visible hidden", "weights W"),
    "trajectory_visible_bias": Held("rung visible", "visible biases b"),
    "trajectory_hidden_bias": Held("rung hidden", "hidden biases c"),
    "swap_acceptance": Held("rung", "acceptance of swaps with the next rung"),
}


class Trajectory(eqx.Module):
    """The ladder of machines that chains were tempered with, from the uniform one to the last."""

    machines: RBM
    """All of them, with a leading axis `rung` on every array."""
    acceptance: Float[np.ndarray, " rung"]
    """Running mean of the acceptance of swaps of each rung with the next, NaN for the last."""

    def to_dataset(self) -> xr.Dataset:
        """Labelled copy with the axis `rung`."""
        return dataset_of(_LAYOUT, jax.tree.leaves(self), **kind_attributes(self.machines))

    @classmethod
    def from_dataset(cls, dataset: xr.Dataset) -> Trajectory | None:
        """Trajectory from the data written by `to_dataset`, None if there is none."""
        if not _LAYOUT.keys() & dataset.variables:
            return None
        *arrays, acceptance = arrays_of(dataset, _LAYOUT)
        return cls(of_arrays(arrays, *kind_of(dataset)), acceptance)


class TemperedChains(eqx.Module):
    """Chains on all rungs; the machine in training stands on rung `top`, what is above is not in use yet."""

    replicas: Replicas
    top: Int[Array, ""]
    acceptance: Float[Array, " rung"]

    @classmethod
    def start(cls, key: Key, machine: RBM, chains: int, rungs: int) -> TemperedChains:
        """Ladder of powers of the untrained machine, with chains at uniform configurations."""
        powers = np.array([*FIRST_POWERS, *[1.0] * (rungs - len(FIRST_POWERS))], np.float32)
        leaves = (np.multiply.outer(powers, leaf) for leaf in jax.tree.leaves(machine))
        replicas = Replicas.uniform(key, machine.like(*map(jax.device_put, leaves)), chains)
        return cls(replicas, *map(jax.device_put, (np.int32(len(FIRST_POWERS)), np.ones(rungs, np.float32))))

    def advance(self, machine: RBM, steps: int, target: float) -> TemperedChains:
        """Sweep with the machine as it is now; where swaps have become rare, it goes on above the one before it."""
        top, last = self.top, self.acceptance.shape[0] - 1
        before = machine_at(self.replicas.machines, top)
        machines = jax.tree.map(lambda rows, leaf: rows.at[top].set(leaf), self.replicas.machines, machine)
        replicas = eqx.tree_at(lambda at: at.machines, self.replicas, machines)
        replicas, seen = replicas.sweep(top + 1, steps)
        acceptance = jnp.where(jnp.arange(last + 1) < top, MEMORY * self.acceptance + (1 - MEMORY) * seen, 1.0)
        # The running mean lags behind; a rung left there after the swaps have ended would let no chain pass any more.
        grows = (jnp.minimum(acceptance, seen)[top - 1] < target) & (top < last)
        acceptance = jnp.where(grows, acceptance.at[top - 1].set(self.acceptance[top - 1]), acceptance)
        above = jnp.minimum(top + 1, last)
        machines = jax.tree.map(
            lambda rows, past, now: jnp.where(grows, rows.at[top].set(past).at[above].set(now), rows),
            *(machines, before, machine),
        )
        chains = jnp.where(grows, replicas.visible[top], replicas.visible[above])
        moved = (machines, replicas.visible.at[above].set(chains))
        replicas = eqx.tree_at(lambda at: (at.machines, at.visible), replicas, moved)
        return TemperedChains(replicas, top + grows, acceptance)

    @property
    def visible(self) -> Float[Array, "chain visible"]:
        """Chains of the machine in training."""
        return self.replicas.visible[self.top]

    def trajectory(self, machine: RBM) -> Trajectory:
        """The ladder up to the trained machine."""
        top = int(self.top)
        below = jax.tree.map(lambda rows: rows[:top], self.replicas.machines)
        whole = jax.tree.map(lambda rows, leaf: jnp.concatenate([rows, leaf[None]]), below, machine)
        acceptance = np.append(np.asarray(self.acceptance[:top]), np.float32(np.nan))
        return Trajectory(whole, acceptance)


@recipe("PTT")
class PTT(Estimator):
    r"""Parallel trajectory tempering: persistent chains that also swap with chains of past machines.

    The ladder begins with powers 0, 1/4, 1/2, 3/4 of the untrained machine; the first is uniform. The machine in
    training stands on top. An update moves the chains of every rung by `steps` Gibbs steps, then proposes one swap of
    each pair of neighbours, see `tempering.swap_probability`. Where the swaps of the top with the rung below are
    accepted less often than `swap_acceptance`, the machine of the update before, of which they still were, stays for
    good, until the ladder has as many as `rungs`. The gradient is that of `PCD` with the chains of the top.
    N. Béreux, A. Decelle, C. Furtlehner, L. Rosset, B. Seoane, arXiv:2405.15376; arXiv:2607.27077 (as an estimator
    during training).
    """

    steps: int = 1
    rungs: int = 24
    swap_acceptance: float = 0.25

    def start(self, key: Key, machine: RBM, batch: int) -> TemperedChains:
        """Chains at uniform configurations on every rung."""
        return TemperedChains.start(key, machine, batch, self.rungs)

    def gradient(self, machine: RBM, chains: Any, visible: Array) -> tuple[Any, RBM, Array]:
        """Gradient with the tempered chains; the fraction is that of units that their sweep changed."""
        before = chains.visible
        # The top may leave its place to the next rung, which then has the same chains.
        chains = chains.advance(machine, self.steps, self.swap_acceptance)
        later = chains.visible
        positive, negative = (machine.hidden_units.mean(machine.hidden_fields(units)) for units in (visible, later))
        gradient = difference(machine, visible, positive, later, negative)
        return chains, gradient, jnp.mean(later != before, dtype=jnp.float32)

    def drawn(self, chains: Any, visible: Array) -> Array:
        """The chains."""
        del visible
        return chains.visible
