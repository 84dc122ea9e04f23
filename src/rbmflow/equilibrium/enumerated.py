"""Equilibrium of tiny models by a sum over all configurations, in a field or not."""

import functools

import numpy as np
from jaxtyping import Int8

from rbmflow._checks import Problems
from rbmflow.equilibrium.source import Equilibrium, Levels
from rbmflow.model import Model, all_places, model_of
from rbmflow.observables import ENERGY, Observable
from rbmflow.settings import MOST_STATES, is_few


def all_states(model: Model) -> Int8[np.ndarray, "state *lattice"]:
    """All configurations of a model."""
    states = np.array(model.states, np.int8)
    return states[all_places(states.size, model.lattice.sites)].reshape(-1, *model.lattice.shape)


class Enumerated(Equilibrium):
    """All configurations of a model: see `enumerated`."""

    by = "a sum over all configurations"

    def __init__(self, model: Model):
        lattice = model_of(model).lattice
        number = f"{len(model.states)}^{lattice.sites}"
        allowed = f"up to {MOST_STATES} configurations are summed (20 sites of two states), not {number}"
        Problems.only(is_few(len(model.states), lattice.sites), "lattice", lattice, allowed)
        super().__init__(model)
        self.spins = all_states(model)
        self.energy, self.level, self.count = np.unique(
            model.exact_energy(self.spins), return_inverse=True, return_counts=True
        )

    def __str__(self) -> str:
        return "all configurations"

    def knows(self, observable: Observable) -> bool:
        """Every observable is known."""
        return True

    def levels(self, observable: Observable = ENERGY, copy: int = 0) -> Levels:
        """The levels that are attained, with means over their configurations."""
        values = observable.values(self.model, self.spins)
        sums = np.stack([np.bincount(self.level, part) for part in values])
        return Levels(self.energy, np.log(self.count), sums / self.count)


@functools.lru_cache(maxsize=4)
def enumerated(model: Model) -> Equilibrium:
    """The equilibrium of any model of at most 2^20 configurations (20 sites of two states), for any observable.

    Examples
    --------
    >>> import rbmflow as rf
    >>> tiny = rf.equilibrium.enumerated(rf.ising(rf.square(4), field=0.5))
    >>> mean, error = tiny.mean("magnetization", 2.5)
    >>> round(float(mean), 6), float(error)
    (0.89698, 0.0)
    """
    return Enumerated(model)
