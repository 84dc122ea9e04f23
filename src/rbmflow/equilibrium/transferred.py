"""Equilibrium of any model whose slices have few states, by its transfer matrix: no statistical error."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float64

from rbmflow._checks import InvalidInput, Problem
from rbmflow._doors import Numbers
from rbmflow._record import Held, arrays_of, dataset_of
from rbmflow.equilibrium.closed_forms import exact
from rbmflow.equilibrium.enumerated import enumerated
from rbmflow.equilibrium.source import Equilibrium, Levels
from rbmflow.exact._temperature import inverse_temperature
from rbmflow.exact.slice_levels import log_levels, mean_orders, no_levels, no_orders, seconds
from rbmflow.exact.slice_transfer import slice_transfer
from rbmflow.model import Model, has_formulas, model_of
from rbmflow.observables import ENERGY, MAGNETIZATION, Observable
from rbmflow.settings import is_few
from rbmflow.spin_models import model_in

if TYPE_CHECKING:
    import xarray as xr

QUICK = 120.0
"""Seconds that the levels of a model may take for it to count as known without a draw."""

_LAYOUT = {
    "level_energy": Held("level", "total energy", "J", "float64"),
    "level_log_count": Held("level", "ln of the number of configurations", "1", "float64"),
}
_WITH_ORDER = _LAYOUT | {"level_order": Held("level", "mean total absolute magnetization", "1", "float64")}


class Transferred(Equilibrium):
    """A model through its transfer matrix: see `transferred`."""

    by = "the transfer matrix"

    def __init__(self, model: Model, found: tuple[np.ndarray, ...] | None = None, *, order: bool = False):
        super().__init__(model_of(model))
        reason = (no_orders if order else no_levels)(model)
        if reason is not None:
            raise InvalidInput(Problem("model", model, reason))
        self._found, self._order = found, order

    @property
    def _counts(self) -> tuple[np.ndarray, ...]:
        """Energies and ln g."""
        return self._found[:2] if self._found else log_levels(self.model)

    @property
    def _orders(self) -> np.ndarray:
        """Means of abs M, which take far longer."""
        return self._found[2] if self._found else mean_orders(self.model)

    def to_dataset(self) -> xr.Dataset:
        """The levels, which take long to find, as labelled data."""
        if self._order:
            return dataset_of(_WITH_ORDER, (*self._counts, self._orders), **self.model.told())
        return dataset_of(_LAYOUT, self._counts, **self.model.told())

    @classmethod
    def from_dataset(cls, dataset: xr.Dataset) -> Transferred:
        """The equilibrium from the data written by `to_dataset`."""
        order = "level_order" in dataset
        found = arrays_of(dataset, _WITH_ORDER if order else _LAYOUT)
        return cls(model_in(dataset.attrs), tuple(found), order=order)

    def __str__(self) -> str:
        return "the transfer matrix; draws tell it (equilibrium.reweighted)"

    def knows(self, observable: Observable) -> bool:
        """Whether the observable is a function of the energy, or abs m where this was asked for."""
        return observable.of_energy is not None or (self._order and observable is MAGNETIZATION)

    def levels(self, observable: Observable = ENERGY, copy: int = 0) -> Levels:
        """The levels of the transfer matrix, with the observable at each."""
        energies, logs = self._counts
        if observable is MAGNETIZATION:
            return Levels(energies, logs, self._orders[None] / self.model.lattice.sites)
        values = np.asarray(observable.of_energy(self.model, energies))  # pyright: ignore[reportOptionalCall]
        return Levels(energies, logs, values[None])

    @property
    def ground_energy(self) -> float:
        """That of a uniform ground state if it is known, else the lowest level."""
        uniform = float(self.model.uniform_energies.min().round(9))
        return uniform if self.model.ground_states else super().ground_energy

    def log_excitations(self, temperature: Numbers) -> Float64[np.ndarray, "*batch"]:
        """By the levels if they were given or the ground state is not known, else by the trace at each temperature."""
        if self._found or not self.model.ground_states:
            return super().log_excitations(temperature)
        transfer, coupling = slice_transfer(self.model), inverse_temperature(temperature)
        excess = len(transfer.sites) * transfer.least - self.ground_energy
        values, which = np.unique(coupling, return_inverse=True)
        logs = np.full(values.shape, math.log(len(self.model.ground_states)))
        for at, k in enumerate(values[np.isfinite(values)].tolist()):
            logs[at] = transfer.blocks.log_sum(k).real - k * excess
        return np.asarray(logs[which]).reshape(coupling.shape)


@functools.lru_cache(maxsize=4)
def transferred(model: Model, order: bool = False) -> Equilibrium:
    r"""The equilibrium of a model whose slices, across its longest side, have at most 4096 states, exactly.

    Through ln g(E), which the transfer matrix gives at complex temperatures (`exact.slice_levels`): ln Z, energy,
    specific heat, posterior and whatever is a function of the energy. Twelve Ising spins, seven three-state Potts spins
    are such a slice. Small ones take milliseconds, Ising spins with L = 10 in a field of 0.1, whose energies are in
    steps of 0.2, a minute.

    With `order` also the mean of abs m, exactly, by phases at the sites, for models whose states have one number each,
    in steps of one: Ising spins in any field and with any couplings, Blume-Capel, tables of one's own. Potts and clock
    states have vectors of several components; draws tell those. The levels are found once more for each wave that makes
    up abs M: of N Ising spins for N/4 waves, N/2 if N is odd, twice as many in a field. For the square that is 1.5 s of
    CPU time with L = 8, 12 s with L = 9, 51 s with L = 10.

    Raises
    ------
    InvalidInput
        If slices have more states, bonds lead beyond the next one, energies are no multiples of a common step, or the
        order is asked for and states have vectors of several components or without a common step.

    Examples
    --------
    >>> import rbmflow as rf
    >>> three = rf.equilibrium.transferred(rf.potts(rf.square(4), 3))
    >>> critical = rf.critical_temperature(three.model)
    >>> round(float(three.log_partition(critical)), 9), round(float(three.specific_heat(critical)), 6)
    (34.172608138, 1.511881)
    >>> in_field = rf.equilibrium.transferred(rf.ising(rf.triangular(4), field=0.5), order=True)
    >>> round(float(in_field.mean("magnetization", 4.0)[0]), 12)
    0.844646181699
    """
    return Transferred(model, order=order)


@functools.lru_cache(maxsize=4)
def known(model: Model, within: float = QUICK) -> Equilibrium | None:
    """The equilibrium of a model without a draw; None where only draws tell it.

    By formulas where there are some, by a sum over at most 2^20 configurations, or by the transfer matrix where its
    levels are found within so many seconds of CPU time, roughly.

    Examples
    --------
    >>> import rbmflow as rf
    >>> models = rf.ising(rf.square(6)), rf.potts(rf.square(3), 3), rf.ising(rf.triangular(6)), rf.ising(rf.cubic(6))
    >>> [type(known(model)).__name__ for model in models]
    ['ClosedForms', 'Enumerated', 'Transferred', 'NoneType']
    """
    if has_formulas(model):
        return exact(model)
    if is_few(len(model.states), model.lattice.sites):
        return enumerated(model)
    return transferred(model) if seconds(model) <= within else None
