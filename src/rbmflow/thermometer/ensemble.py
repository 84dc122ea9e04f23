r"""From a mean over chains to a temperature with an error.

If the equilibrium mean of an observable :math:`\langle x \rangle(T)` is a monotone curve, the temperature of an
ensemble is the one whose curve value is the ensemble's mean, :math:`\langle x \rangle (T) = \bar x`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Array, Float64, Int8

from rbmflow._checks import Problems
from rbmflow._doors import Configurations, Numbers
from rbmflow._shown import Shown
from rbmflow.equilibrium import Curve, Equilibrium
from rbmflow.model import Model
from rbmflow.observables import Observable, average

if TYPE_CHECKING:
    import xarray as xr


class Reading(NamedTuple):
    """Temperature of an ensemble.

    Parameters
    ----------
    temperature : float64 [...]
        In J/k_B; inf where the ensemble is at or beyond what the thermometer shows at infinite temperature, NaN where
        it cannot tell one temperature from another.
    error : float64 [...]
        Its standard error, from the finite number of chains and from the curve, never 0; NaN where the temperature is
        not finite or none on either side of it can be told, for one chain, and for chains that agree on what has no
        known `Observable.jump`.
    curve_error : float64 [...]
        The curve's part of it, which all readings of one thermometer share; 0 of an exact curve where it is steep.
    """

    temperature: Float64[np.ndarray, "*batch"]
    error: Float64[np.ndarray, "*batch"]
    curve_error: Float64[np.ndarray, "*batch"]


def ensembles_of(model: Model, spins: Configurations) -> Int8[Array | np.ndarray, "..."]:
    """Configurations on the lattice of a thermometer; a single one is an ensemble of one chain."""
    own = model.own(spins)
    return own if own.ndim > len(model.lattice.shape) else own[None]


def through_curve(
    average: tuple[Float64[np.ndarray, "*batch"], Float64[np.ndarray, "*batch"]],
    jump: float,
    curve: Curve,
    lowest: float,
    chains: int,
) -> Reading:
    r"""Temperature at which equilibrium has an average over so many chains, with its error.

    With :math:`\sigma^2` the sum of the squared errors of the average and of the curve there, the error is half the
    distance of the temperatures that belong to :math:`\bar x \pm \sigma`, or the distance on one side where the other
    cannot be told; NaN where neither can. It is never below the `lowest` that can be resolved, see
    `Equilibrium.resolved`.

    Chains that agree do not tell how rare an event of size `jump` is that none of them had: in n chains less than 1/n.
    The error then reaches from the temperature to the farther one that belongs to :math:`\bar x \pm j/n`, over the
    whole of a plateau. More ensembles do not narrow that, so it is the curve's part too, but near T = 0, where an error
    above the temperature tells as much.
    """
    mean, deviation = average
    temperature = curve.temperature_of(mean)
    of_curve = np.nan_to_num(curve.error_at(temperature))

    def sides(sigma: float | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Distances to the temperatures on either side, each in place of the other if that cannot be told."""
        both = curve.temperature_of(np.stack([mean - sigma, mean + sigma]))
        with np.errstate(invalid="ignore"):
            cold = temperature - np.fmin(*np.where(both <= temperature, both, np.nan))
            hot = np.fmax(*np.where(both >= temperature, both, np.nan)) - temperature
            hot = np.where(np.isfinite(hot), hot, cold)
            return np.where(np.isnan(cold), hot, cold), hot

    def error(sigma: float | np.ndarray) -> np.ndarray:
        cold, hot = sides(sigma)
        return np.where(np.isfinite(temperature), (cold + hot) / 2, np.nan)

    unseen = jump / chains
    # One event among the chains gives just this scatter, but for rounding.
    agree = deviation < (1 - 1e-9) * np.nan_to_num(unseen, nan=1e-12)
    reach = np.where(agree, np.maximum(*sides(unseen)), 0.0)
    found = np.maximum(error(np.hypot(deviation, of_curve)), reach)
    found = np.where(temperature < lowest, np.fmax(found, lowest), found)
    shared = error(of_curve) if curve.error.any() else np.zeros_like(temperature)
    found = np.where(np.isnan(deviation) | np.isinf(temperature), np.nan, found)
    return Reading(temperature, found, np.where(reach < temperature, np.fmax(shared, reach), shared))


@dataclass(frozen=True, repr=False)
class Thermometer(Shown):
    """Reads the temperature at which equilibrium has the mean of an observable over an ensemble.

    It reads where the curve of the observable is monotone, and says NaN elsewhere. An observable that the equilibrium
    does not know is refused (`InvalidInput`), and so are configurations of another lattice.

    Parameters
    ----------
    observable
        An observable, or the name of a registered one: "energy", "magnetization", "correlation"; the mean class of
        the exact posterior is `Equilibrium.mean_class`.
    equilibrium
        Where its curve is known from.

    Examples
    --------
    >>> import jax, rbmflow as rf
    >>> model = rf.ising(rf.square(4))
    >>> spins = rf.thermal(jax.random.key(0), model, 2.5, 1000)
    >>> reading = rf.Thermometer("energy", rf.equilibrium.exact(model)).temperature(spins)
    >>> bool(abs(reading.temperature - 2.5) < 4 * reading.error)
    True
    """

    observable: Observable
    equilibrium: Equilibrium

    def __init__(self, observable: Observable | str, equilibrium: Equilibrium):
        told = "it must be an equilibrium, such as rbmflow.equilibrium.exact(model)"
        Problems.only(isinstance(equilibrium, Equilibrium), "equilibrium", equilibrium, told)
        object.__setattr__(self, "observable", equilibrium.check(observable))
        object.__setattr__(self, "equilibrium", equilibrium)

    def __repr__(self) -> str:
        return f"Thermometer({self.observable.name!r}, {self.equilibrium!r})"

    def _pictured(self) -> tuple[str, xr.Dataset]:
        return self.curve.pictured(self.observable.label)

    @property
    def model(self) -> Model:
        """The model whose configurations it reads."""
        return self.equilibrium.model

    @property
    def curve(self) -> Curve:
        """Equilibrium mean of the observable against temperature."""
        return self.equilibrium.curve(self.observable)

    def temperature(self, spins: Configurations) -> Reading:
        """Temperature and its error for each ensemble [..., chain, y, x] of independent chains."""
        return self.of_values(self.observable.values(self.model, ensembles_of(self.model, spins)))

    def of_values(self, values: Numbers) -> Reading:
        """The same from what the observable reads off each configuration, [part, ..., chain]: two parts of a ratio."""
        parts = 1 if self.observable.over is None else 2
        numbers = self.observable.checked(self.model, values)
        allowed = f"it must be [part, ..., chain] with {parts} part{'s' * (parts - 1)}"
        Problems.only(numbers.ndim > 1 and len(numbers) == parts, "shape of values", numbers.shape, allowed)
        jump = self.observable.jump(self.model) if self.observable.jump else np.nan
        chains = numbers.shape[-1]
        return through_curve(average(numbers), jump, self.curve, self.equilibrium.resolved(chains), chains)

    def of_mixture(self, temperatures: Numbers) -> float:
        """What it reads on the equal mixture of several temperatures; see `Equilibrium.mixture`."""
        mean = self.equilibrium.mixture(self.observable, temperatures)
        return float(self.curve.temperature_of(np.asarray(mean)))
