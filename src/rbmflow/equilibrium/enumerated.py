"""Equilibrium of tiny models by a sum over all configurations, in a field or not."""

import numpy as np
from jaxtyping import Int8

from rbmflow._checks import Problems
from rbmflow.equilibrium.source import Equilibrium, Levels
from rbmflow.model import Model, model_of
from rbmflow.observables import ENERGY, Observable

LARGEST_SITES = 20


class Enumerated(Equilibrium):
    """All configurations of a model: see `enumerated`."""

    def __init__(self, model: Model):
        lattice = model_of(model).lattice
        allowed = f"all configurations are summed up to {LARGEST_SITES} sites"
        Problems.only(lattice.sites <= LARGEST_SITES, "lattice", lattice, allowed)
        super().__init__(model)
        bits = (np.arange(2**lattice.sites)[:, None] >> np.arange(lattice.sites)) & 1
        self.spins: Int8[np.ndarray, "state y x"] = (2 * bits - 1).astype(np.int8).reshape(-1, *lattice.shape)
        total = np.asarray(model.total_energy(self.spins), np.float64).round(4)
        self.energy, self.level, self.count = np.unique(total, return_inverse=True, return_counts=True)

    def __str__(self) -> str:
        return "all configurations"

    def knows(self, observable: Observable) -> bool:
        """Every observable is known."""
        return True

    def levels(self, observable: Observable = ENERGY) -> Levels:
        """The levels that are attained, with means over their configurations."""
        values = observable.values(self.model, self.spins)
        sums = np.stack([np.bincount(self.level, part) for part in values])
        return Levels(self.energy, np.log(self.count), sums / self.count)


def enumerated(model: Model) -> Equilibrium:
    """The equilibrium of a model of at most 20 sites, in a field or not, for any observable.

    Examples
    --------
    >>> import rbmflow as rf
    >>> tiny = rf.equilibrium.enumerated(rf.ising(rf.square(4), field=0.5))
    >>> mean, error = tiny.mean(rf.OBSERVABLES["magnetization"], 2.5)
    >>> round(float(mean), 6), float(error)
    (0.89698, 0.0)
    """
    return Enumerated(model)
