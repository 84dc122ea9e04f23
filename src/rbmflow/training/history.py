"""What was seen along a training, one number an epoch, with the machines on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float

from rbmflow._record import Held, Record, arrays_of, dataset_of, in_order
from rbmflow.training.checkpoints import Checkpoints
from rbmflow.training.ptt import Trajectory

if TYPE_CHECKING:
    import xarray as xr


class Epochs(eqx.Module):
    """What was seen along a training, one number an epoch; see `History`."""

    reconstruction: Float[Array, "*epoch"]
    weight_norm: Float[Array, "*epoch"]
    largest_weight: Float[Array, "*epoch"]


_LAYOUT = {
    "reconstruction": Held("epoch", "fraction of visible units changed by the Gibbs steps"),
    "weight_norm": Held("epoch", "root mean square weight"),
    "largest_weight": Held("epoch", "largest absolute weight"),
}


class History(Record):
    """What was seen along a training.

    Parameters
    ----------
    reconstruction : float32 [epoch]
        Fraction of the visible units that the Gibbs steps of the estimator changed, mean over the epoch; with `Exact`
        the mean distance of the data to its mean-field reconstruction, as a fraction of the units' span.
    weight_norm : float32 [epoch]
        Root mean square weight after the epoch.
    largest_weight : float32 [epoch]
        Largest absolute weight after the epoch.
    checkpoints
        The machine at updates spaced evenly in their logarithm, with diagnostics.
    trajectory
        The ladder of "PTT"; None with other estimators.
    epochs_asked
        Epochs that were asked for; more than there are after a Ctrl-C.
    """

    reconstruction: Float[np.ndarray, " epoch"]
    weight_norm: Float[np.ndarray, " epoch"]
    largest_weight: Float[np.ndarray, " epoch"]
    checkpoints: Checkpoints
    trajectory: Trajectory | None = None
    epochs_asked: int | None = eqx.field(static=True, default=None)

    @property
    def flags(self) -> dict[str, str]:
        """What went wrong: the flags of the checkpoints, and "interrupted"."""
        done = self.reconstruction.size
        text = {"interrupted": f"stopped after {done} of {self.epochs_asked} epochs"}
        return self.checkpoints.flags | (text if done < (self.epochs_asked or 0) else {})

    def to_dataset(self) -> xr.Dataset:
        """Labelled copy with the epoch as coordinate, from 1, and the axis `checkpoint`."""
        epochs = dataset_of(_LAYOUT, (getattr(self, name) for name in _LAYOUT))
        epochs = epochs.assign_coords(epoch=np.arange(1, self.reconstruction.size + 1))
        asked = {} if self.epochs_asked is None else {"epochs_asked": self.epochs_asked}
        read = self.checkpoints.to_dataset().merge(epochs).assign_attrs(asked)
        return read if self.trajectory is None else read.merge(self.trajectory.to_dataset())

    @classmethod
    def from_dataset(cls, dataset: xr.Dataset) -> History:
        """History from the data written by `to_dataset`; epochs and checkpoints may be in any order."""
        reconstruction, norm, largest = arrays_of(in_order(dataset, "epoch"), _LAYOUT)
        along, trajectory = Checkpoints.from_dataset(dataset), Trajectory.from_dataset(dataset)
        asked = dataset.attrs.get("epochs_asked")
        return cls(reconstruction, norm, largest, along, trajectory, None if asked is None else int(asked))
