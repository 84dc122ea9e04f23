"""What curves are made of: the energy and some observables of equilibrium draws at temperatures that tell them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import equinox as eqx
import numpy as np
from jaxtyping import Float64

from rbmflow._checks import Problems
from rbmflow._doors import AnyKey, Temperatures, key_of, temperatures_of
from rbmflow._record import Held, Record, arrays_of, attribute, dataset_of, in_order
from rbmflow._scan import watched
from rbmflow.critical import temperature_scale
from rbmflow.dataset import Draws
from rbmflow.exact.kaufman import log_excitations
from rbmflow.model import Model, has_formulas, model_of
from rbmflow.observables import Observable
from rbmflow.sampler import sample
from rbmflow.settings import CRITICAL
from rbmflow.spin_models import model_in

if TYPE_CHECKING:
    import xarray as xr

DRAWS = 400
"""Draws at each temperature, unless told otherwise: at L = 128 some 26 000 configurations in all."""
PILOT = 200
"""Draws by which temperatures are placed where no formula tells the fluctuations of the energy."""
SPACING = 2.0
"""Standard deviations of the energy between the means of neighbours."""

_LAYOUT = {
    "drawn_energy": Held("temperature draw", "total energy", "J", "float64"),
    "drawn_value": Held("observable part temperature draw", "number that an observable reads", dtype="float64"),
    "ess": Held("temperature", "effective sample size", "1", "float64"),
    "temperature": Held("temperature", "temperature", "J/k_B", "float64"),
}


class MeasuredDraws(Record):
    """Total energies in J and numbers of observables of draws at several temperatures.

    `ess` is how many independent draws these are worth at each, `names` are those of the observables, and the second
    part of a `value` is 1 where the observable is no ratio.
    """

    energy: Float64[np.ndarray, "temperature draw"]
    value: Float64[np.ndarray, "observable part temperature draw"]
    ess: Float64[np.ndarray, " temperature"]
    model: Model = eqx.field(static=True)
    temperatures: tuple[float, ...] = eqx.field(static=True, converter=temperatures_of)
    names: tuple[str, ...] = eqx.field(static=True, converter=tuple)

    @classmethod
    def of(cls, model: Model, draws: Draws, observables: Sequence[Observable]) -> MeasuredDraws:
        """Measure draws, such as those of `sample`; those without measured chains count as independent."""
        problems = Problems()
        problems.kind("draws", draws, Draws, "draws, such as those of `sample`")
        problems.done()
        rows = []
        for one in observables:
            values = one.values(model, draws.spins)
            rows.append(values if len(values) == 2 else np.stack([values[0], np.ones_like(values[0])]))
        energy = model.exact_energy(draws.spins)
        count = energy.shape[1]
        ess = np.array([min(chains.ess, count) for chains in draws.chains] or [count] * len(energy), np.float64)
        value = np.stack(rows) if rows else np.empty((0, 2, *energy.shape))
        return cls(energy, value, ess, model, draws.temperatures, [one.name for one in observables])

    def to_dataset(self) -> xr.Dataset:
        """Labelled copy."""
        arrays = (self.energy, self.value, self.ess, np.array(self.temperatures))
        return dataset_of(_LAYOUT, arrays, observables=json.dumps(self.names), **self.model.told())

    @classmethod
    def from_dataset(cls, dataset: xr.Dataset) -> MeasuredDraws:
        """Measured draws from the data written by `to_dataset`."""
        energy, value, ess, temperature = arrays_of(in_order(dataset, "temperature"), _LAYOUT)
        return cls(
            energy,
            value,
            ess,
            model_in(dataset.attrs),
            temperature.tolist(),
            json.loads(attribute(dataset, "observables")),
        )


def measured(
    key: AnyKey,
    model: Model,
    observables: Sequence[Observable],
    temperatures: Temperatures,
    draws: int = DRAWS,
    *,
    progress: Callable[[float], None] | None = None,
) -> MeasuredDraws:
    """Draw and measure, one temperature at a time, so that the configurations of one are all that is ever held.

    There are `draws` of them, those of `sample`, and `progress` is told the fraction done after each.

    Examples
    --------
    >>> import rbmflow as rf
    >>> model = rf.ising(rf.square(4))
    >>> found = rf.equilibrium.measured(0, model, [rf.OBSERVABLES["magnetization"]], [2.0, 3.0], draws=50)
    >>> found.value.shape
    (1, 2, 2, 50)
    """
    key, model, grid = key_of(key), model_of(model), temperatures_of(temperatures)
    named = all(isinstance(one, Observable) for one in observables)
    Problems.only(named, "observables", observables, 'they must be observables, such as OBSERVABLES["magnetization"]')
    parts, progress = [], watched(progress, "equilibrium draws")
    for at, temperature in enumerate(grid):
        parts.append(
            MeasuredDraws.of(model, sample(key, model, temperature, draws, progress=lambda done: None), observables)
        )
        progress((at + 1) / len(grid))
    energy, ess = (np.concatenate([getattr(one, name) for one in parts]) for name in ("energy", "ess"))
    value = np.concatenate([one.value for one in parts], axis=2)
    return MeasuredDraws(energy, value, ess, model, grid, [one.name for one in observables])


def covering(model: Model, spacing: float = SPACING) -> tuple[float, ...]:
    r"""Temperatures from 0 to inf whose distributions of the energy overlap.

    With the spacing d neighbours are :math:`\Delta K = d / \sigma_E` apart, so there are as many as L: 13 at L = 16, 43
    at 64, 83 at 128.

    Examples
    --------
    >>> import rbmflow as rf
    >>> [round(t, 2) for t in covering(rf.ising(rf.square(4)))]
    [0.0, 0.99, 1.77, 2.83, inf]
    """
    coupling, largest = 0.0, 0.5 * CRITICAL / temperature_scale(model_of(model))
    found = []
    while True:
        found.append(1 / coupling if coupling else math.inf)
        variance, frozen = _fluctuations(model, coupling)
        if frozen:
            return (*([0.0] if model.ground_states else []), *found[::-1])
        coupling += min(largest, spacing / math.sqrt(variance))


def _fluctuations(model: Model, coupling: float) -> tuple[float, bool]:
    """Variance of the total energy, and whether there is less than one excitation in ten configurations.

    Where no formula is known they are told by a few draws, always the same ones: they place temperatures, no more.
    """
    if has_formulas(model):
        excited = log_excitations(model.lattice, np.array(coupling))
        return float(excited.curvature), bool(-excited.slope < 0.8)
    energy = model.exact_energy(sample(0, model, 1 / coupling if coupling else math.inf, PILOT).spins[0])
    # Half as far apart as by formulas: fluctuations may be larger at the next temperature.
    return 4 * float(energy.var()), bool(energy.var() < 0.1 * model.gap**2)
