"""What was seen along a training: one number an epoch, and checkpoints with what each machine is like."""

from __future__ import annotations

from typing import TYPE_CHECKING

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Int8

from rbmflow._checks import Problems
from rbmflow._doors import plain_number
from rbmflow._record import Held, Record, arrays_of, dataset_of, in_order
from rbmflow._shown import Shown
from rbmflow.rbm import RBM, kind_attributes, kind_of, of_arrays
from rbmflow.training.ptt import Trajectory

if TYPE_CHECKING:
    import xarray as xr

MOST_CONFIGURATIONS = 500
"""Configurations that the free energies of a checkpoint are averaged over, at most."""

MOST_TURNED = 200
"""Configurations for the pseudo-likelihood, which turns over every unit of each."""

FOLLOWING = 3.0
"""A unit -1/+1 in a field of this strength follows it with a probability of more than 0.997."""

_OF_CHECKPOINTS = {
    "update": Held("checkpoint", "gradient updates so far", dtype="int32"),
    "checkpoint_weights": Held("checkpoint visible hidden", "weights W"),
    "checkpoint_visible_bias": Held("checkpoint visible", "visible biases b"),
    "checkpoint_hidden_bias": Held("checkpoint hidden", "hidden biases c"),
    "checkpoint_weight_norm": Held("checkpoint", "root mean square weight"),
    "free_energy_gap": Held("checkpoint", "mean free energy of held-out minus training configurations"),
    "pseudo_likelihood": Held("checkpoint", "mean log pseudo-likelihood of a visible unit, nats"),
    "checkpoint_singular_value": Held("checkpoint mode", "singular values of W"),
    "checkpoint_largest_weight": Held("checkpoint", "largest absolute weight"),
}


class Checkpoints(Record):
    r"""Machines along a training, from the untrained to the last one, on the axis `checkpoint`.

    Parameters
    ----------
    update
        Gradient updates that each has gone through, spaced evenly in the logarithm.
    weight_norm, largest_weight
        Root mean square and largest absolute weight; not finite where the training had diverged.
    free_energy_gap
        :math:`\langle F \rangle_{held\ out} - \langle F \rangle_{training}`; NaN if nothing was held out. It grows
        when a machine learns its training set by heart.
    pseudo_likelihood
        :math:`\langle \frac1N \sum_i \ln p(v_i | v_{\ne i}) \rangle` over training configurations, in nats.
    singular_value
        Singular values of W, largest first.

    References
    ----------
    G. Hinton, A practical guide to training restricted Boltzmann machines (2012),
    doi:10.1007/978-3-642-35289-8_32, section 6 (the free-energy gap).
    """

    update: Int[np.ndarray, " checkpoint"]
    machines: RBM
    weight_norm: Float[np.ndarray, " checkpoint"]
    free_energy_gap: Float[np.ndarray, " checkpoint"]
    pseudo_likelihood: Float[np.ndarray, " checkpoint"]
    singular_value: Float[np.ndarray, "checkpoint mode"]
    largest_weight: Float[np.ndarray, " checkpoint"]

    def machine(self, checkpoint: int) -> RBM:
        """Machine of one checkpoint; -1 is the last, and one that is not there is refused."""
        number, count = plain_number(checkpoint), len(self.update)
        there = isinstance(number, int) and -count <= number < count
        Problems.only(there, "checkpoint", checkpoint, f"it must be a whole number from {-count} to {count - 1}")
        return jax.tree.map(lambda leaf: jax.device_put(np.asarray(leaf)[number]), self.machines)

    @property
    def flags(self) -> dict[str, str]:
        """What went wrong, "diverged" or "saturated", in one sentence each with the update by which it had.

        A weight w of units 0/1 acts on the other unit's two values as w / 4 does between units -1/+1, and one of a site
        of several numbers in its largest standard deviation over the states. A hidden unit
        that follows one spin s is no idle copy: summed over, it couples s to all spins s_j that it has weights on, as
        exp(s sum_j w_j s_j), and a third of the hidden units of good machines are such stars. In CD-1 the weight may
        grow without bound, for a Gibbs step leaves the spin as it is.
        """
        largest, updates = np.asarray(self.largest_weight), np.asarray(self.update)
        if (broken := ~np.isfinite(largest)).any():
            text = f"the weights are no longer finite by update {updates[broken][0]}; use a smaller learning rate"
            return {"diverged": text}
        limit = FOLLOWING / (self.machines.units.spread * self.machines.hidden_units.spread)
        if not (saturated := largest > limit).any():
            return {}
        text = f"a weight has grown to {largest[-1]:.3g}, past {limit:g} by update {updates[saturated][0]}"
        return {"saturated": f"{text}: a hidden unit holds to one spin and is the star of its couplings to others"}

    def to_dataset(self) -> xr.Dataset:
        """Labelled copy with the axis `checkpoint`."""
        return dataset_of(_OF_CHECKPOINTS, jax.tree.leaves(self), **kind_attributes(self.machines))

    @classmethod
    def from_dataset(cls, dataset: xr.Dataset) -> Checkpoints:
        """Checkpoints from the data written by `to_dataset`; they may be in any order."""
        update, *arrays, norm, gap, likely, values, largest = arrays_of(in_order(dataset, "update"), _OF_CHECKPOINTS)
        machines = of_arrays(arrays, *kind_of(dataset))
        return cls(update, machines, norm, gap, likely, values, largest)


class Epochs(eqx.Module):
    """One number an epoch of a training; see `History`."""

    reconstruction: Float[Array, "*epoch"]
    weight_norm: Float[Array, "*epoch"]
    largest_weight: Float[Array, "*epoch"]


_OF_EPOCHS = {
    "reconstruction": Held("epoch", "fraction of visible units changed by the Gibbs steps"),
    "weight_norm": Held("epoch", "root mean square weight"),
    "largest_weight": Held("epoch", "largest absolute weight"),
}


class History(Record, Shown):
    """What was seen along a training.

    Parameters
    ----------
    reconstruction
        Fraction of the visible units that the Gibbs steps of the estimator changed, mean over the epoch; with `Exact`
        the mean probability that a site of the data is another one in its mean-field reconstruction.
    weight_norm, largest_weight
        Root mean square and largest absolute weight after the epoch.
    trajectory
        The ladder of "PTT"; None with other estimators.
    epochs_asked
        Epochs that were asked for; more than there are after a Ctrl-C or a plateau.
    plateau
        Whether the training stopped since the held-out pseudo-likelihood had no new maximum for `patience` epochs.
    halvings
        Updates that were rejected by `swap_limit`, each of which halved the learning rate.
    """

    reconstruction: Float[np.ndarray, " epoch"]
    weight_norm: Float[np.ndarray, " epoch"]
    largest_weight: Float[np.ndarray, " epoch"]
    checkpoints: Checkpoints
    trajectory: Trajectory | None = None
    epochs_asked: int | None = eqx.field(static=True, default=None)
    plateau: bool = eqx.field(static=True, default=False)
    halvings: int = eqx.field(static=True, default=0)

    @property
    def flags(self) -> dict[str, str]:
        """What has to be known: the flags of the checkpoints, "rejected", and "plateau" or "interrupted"."""
        told, done = dict(self.checkpoints.flags), self.reconstruction.size
        if self.halvings:
            ended = f"the learning rate ended at 2^-{self.halvings} of that asked for"
            told["rejected"] = f"{self.halvings} updates were rejected by swap_limit, so {ended}"
        text = f"stopped after {done} of {self.epochs_asked} epochs"
        if self.plateau:
            told["plateau"] = f"{text}: the held-out pseudo-likelihood had no new maximum"
        elif done < (self.epochs_asked or 0):
            told["interrupted"] = text
        return told

    def _pictured(self) -> tuple[str, xr.Dataset]:
        return "history_reconstruction", self.to_dataset()

    def to_dataset(self) -> xr.Dataset:
        """Labelled copy with the epoch as coordinate, from 1, and the axis `checkpoint`."""
        epochs = dataset_of(_OF_EPOCHS, (getattr(self, name) for name in _OF_EPOCHS))
        epochs = epochs.assign_coords(epoch=np.arange(1, self.reconstruction.size + 1))
        asked = {} if self.epochs_asked is None else {"epochs_asked": self.epochs_asked}
        asked |= {"plateau_after": self.reconstruction.size} if self.plateau else {}
        asked |= {"halvings": self.halvings} if self.halvings else {}
        read = self.checkpoints.to_dataset().merge(epochs).assign_attrs(asked)
        return read if self.trajectory is None else read.merge(self.trajectory.to_dataset())

    @classmethod
    def from_dataset(cls, dataset: xr.Dataset) -> History:
        """History from the data written by `to_dataset`; epochs and checkpoints may be in any order."""
        asked, after, halvings = (dataset.attrs.get(name) for name in ("epochs_asked", "plateau_after", "halvings"))
        # A run keeps all epochs that were asked for, NaN after a plateau.
        done = None if after is None else int(after)
        reconstruction, norm, largest = (one[:done] for one in arrays_of(in_order(dataset, "epoch"), _OF_EPOCHS))
        along, trajectory = Checkpoints.from_dataset(dataset), Trajectory.from_dataset(dataset)
        asked = None if asked is None else int(asked)
        ended = asked, done is not None, int(halvings or 0)
        return cls(reconstruction, norm, largest, along, trajectory, *ended)


def held_out(
    data: Int8[np.ndarray, "sample *site"], fraction: float, patience: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Split a training set into what is trained on and what is held out, spread evenly over the set.

    None may be held out of few, unless the training is to stop by them.
    """
    if fraction == 0:
        return data, data[:0]
    at = np.arange(data.shape[0])
    # Rounding keeps 0.2 of 10 at 2, which the product in floating point may miss.
    out = np.diff(np.floor(np.round(np.append(at, at.size) * fraction, 9))) > 0
    told = f"it holds out none of the {len(data)} configurations, and training.patience goes by some"
    Problems.only(not patience or bool(out.any()), "held_out", fraction, told)
    return data[np.flatnonzero(~out)], data[np.flatnonzero(out)]


def pseudo_likelihood(machine: RBM, visible: Float[Array, "sample visible"]) -> Float[Array, ""]:
    r"""Mean over sites and configurations of the log-probability of a site given all others.

    .. math:: \frac1N \sum_i \ln p(v_i | v_{\ne i}), \qquad
        p(v_i | v_{\ne i}) = \Big( 1 + \sum_{s \ne v_i} e^{F(v) - F(v^{i \to s})} \Big)^{-1},

    where the other states s take the place of that of site i; configurations are in the machine's units.
    J. Besag, The Statistician 24, 179 (1975), doi:10.2307/2987782.
    """
    units, codes, fields = machine.units, jnp.asarray(machine.units.codes), machine.hidden_fields(visible)
    at_rest = jnp.sum(machine.hidden_units.log_sum(fields), axis=1)

    def of_site(site: tuple[Array, Array, Array]) -> Array:
        values, weights, bias = site

        def gained(change: Array) -> Array:
            after = jnp.sum(machine.hidden_units.log_sum(fields + change @ weights), axis=1)
            return after - at_rest + change @ bias

        here = units.places(values)[..., 0]
        others = (jnp.take(codes, (here + further) % len(codes), axis=0) for further in range(1, len(codes)))
        gains = jnp.stack([jnp.zeros(len(values)), *(gained(other - values) for other in others)])
        return -jnp.mean(jax.nn.logsumexp(gains, axis=0))

    by_site = units.by_site(visible).swapaxes(0, 1), units.by_site(machine.weights.T).transpose(1, 2, 0)
    return jnp.mean(jax.lax.map(of_site, (*by_site, units.by_site(machine.visible_bias))))


def some_of[A: (Array, np.ndarray)](data: A, most: int) -> A:
    """At most so many of the configurations, spread evenly over the set."""
    return data[:: max(1, -(-data.shape[0] // most))]


@eqx.filter_jit
def _readings(machines: RBM, seen: Array, unseen: Array) -> tuple[Array, ...]:
    def of_one(machine: RBM) -> tuple[Array, ...]:
        visible, fresh = (machine.units.from_spins(data) for data in (seen, unseen))
        gap = jnp.mean(machine.free_energy(fresh)) - jnp.mean(machine.free_energy(visible))
        norm = jnp.sqrt(jnp.mean(machine.weights**2))
        values = jnp.linalg.svd(machine.weights, compute_uv=False)
        turned = pseudo_likelihood(machine, some_of(visible, MOST_TURNED))
        return norm, gap, turned, values, jnp.max(jnp.abs(machine.weights))

    return jax.lax.map(of_one, machines)


def read_checkpoints(
    update: tuple[int, ...],
    machines: RBM,
    trained_on: Int8[Array, "sample visible"],
    unseen: Int8[Array, "other visible"],
) -> Checkpoints:
    """Diagnostics of machines with a leading axis, on some training and held-out configurations, if there are any."""
    some = (jax.device_put(some_of(np.asarray(data), MOST_CONFIGURATIONS)) for data in (trained_on, unseen))
    readings = _readings(machines, *some)
    return Checkpoints(np.asarray(update, np.int32), machines, *map(np.asarray, readings))
