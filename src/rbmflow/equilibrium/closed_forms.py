"""Equilibrium where it is known exactly: ln g(E) and Kaufman's sum at any size, transfer matrices on narrow tori."""

import functools
import json
from pathlib import Path

import numpy as np
from jaxtyping import Float64
from numpy.polynomial import Chebyshev

from rbmflow import exact as formulas
from rbmflow._doors import Numbers
from rbmflow.equilibrium.curve import Curve, coupling_at, couplings, depth, stretched
from rbmflow.equilibrium.source import Equilibrium, Levels
from rbmflow.exact._temperature import inverse_temperature
from rbmflow.exact.kaufman import log_excitations
from rbmflow.model import Model, free_lattice
from rbmflow.observables import CORRELATION, ENERGY, MAGNETIZATION, Observable

_NODES = 48
_STRONGEST = 2.4
"""Beyond it (T < 0.42) the longest wave and 1 - |m| are lost in rounding."""

SERIES = Path(__file__).with_name("series.json")
"""Coefficients of `depth_series` of square tori with sides of 8 to 12, by observable and side, which take seconds at
L = 10 and a minute at L = 12 to find; `benchmarks/series.py` writes them."""


def _structure_factors(model: Model, temperature: Float64[np.ndarray, " k"]) -> Float64[np.ndarray, "2 k"]:
    """S at 0 and at the smallest wave vector; ground states have no waves."""
    warm = temperature > 0
    found = np.stack([np.full(temperature.size, float(model.lattice.sites)), np.zeros(temperature.size)])
    if warm.any():
        found[:, warm] = formulas.structure_factors(model, temperature[warm])
    return found


_FORMS = {
    ENERGY: (lambda model: True, formulas.energy),
    MAGNETIZATION: (formulas.magnetization_known, formulas.abs_magnetization),
    CORRELATION: (formulas.correlations_known, _structure_factors),
}
"""Where the parts of an observable are known in closed form, and these."""


class ClosedForms(Equilibrium):
    """The Ising model without a field: see `exact`."""

    by = "formulas"

    def __str__(self) -> str:
        return "closed forms; draws tell it (equilibrium.reweighted)"

    def knows(self, observable: Observable) -> bool:
        """Whether there is a formula at this size, or the observable is a function of the energy."""
        known, _ = _FORMS.get(observable, (lambda model: False, None))
        return observable.of_energy is not None or known(self.model)

    def levels(self, observable: Observable = ENERGY, copy: int = 0) -> Levels:
        """The levels of `exact.log_density_of_states`, with an observable that is a function of the energy."""
        energies, logs = formulas.log_density_of_states(self.model)
        values = np.asarray(observable.of_energy(self.model, energies))  # pyright: ignore[reportOptionalCall]
        return Levels(energies.astype(np.float64), logs, values[None])

    def log_excitations(self, temperature: Numbers) -> Float64[np.ndarray, "*batch"]:
        """By Kaufman's sum."""
        return np.asarray(log_excitations(self.model.lattice, inverse_temperature(temperature)).value)

    def specific_heat_peak(self) -> tuple[float, float]:
        """By Kaufman's sum."""
        return formulas.specific_heat_peak(self.model)[0], 0.0

    @property
    def ground_energy(self) -> float:
        """That of aligned spins."""
        return -2.0 * self.model.lattice.sites

    def _means(self, observable: Observable, temperature: Numbers) -> list[Float64[np.ndarray, "part *batch"]]:
        if observable not in _FORMS:
            return super()._means(observable, temperature)
        coupling = inverse_temperature(temperature)
        _, form = _FORMS[observable]
        with np.errstate(divide="ignore"):
            return [np.asarray(form(self.model, 1 / coupling.reshape(-1))).reshape(-1, *coupling.shape)]

    def _curve(self, observable: Observable) -> Curve:
        """Closed forms of transfer matrices take long: they are interpolated by a Chebyshev series of their depth."""
        if observable not in (MAGNETIZATION, CORRELATION):
            return super()._curve(observable)
        side = max(self.model.lattice.shape)
        (ground, free), _ = self.mean(observable, [0.0, np.inf])
        k = couplings(side, _STRONGEST)[:0:-1]
        x = (_kept_series(self.model, observable) or depth_series(self, observable))(stretched(k, side))
        mean = free * np.exp(x) if np.isinf(ground) else ground + (free - ground) * np.exp(-x)
        knots = np.concatenate([[0.0], 1 / k, [np.inf]])
        return Curve(knots, np.concatenate([[ground], mean, [free]]), np.zeros(knots.size))


def depth_series(truth: Equilibrium, observable: Observable) -> Chebyshev:
    """The depth of an observable's curve as a Chebyshev series in `stretched` couplings."""
    side, ((ground, free), _) = max(truth.model.lattice.shape), truth.mean(observable, [0.0, np.inf])

    def of(u: np.ndarray) -> np.ndarray:
        return depth(truth.mean(observable, 1 / coupling_at(u, side))[0], ground, free)

    return Chebyshev.interpolate(of, _NODES - 1, domain=_domain(side))


def _domain(side: int) -> Float64[np.ndarray, "2"]:
    return stretched(np.array([0, _STRONGEST]), side)


def _kept_series(model: Model, observable: Observable) -> Chebyshev | None:
    """The same of a square torus from what the package has of it, if anything."""
    first, second = model.lattice.shape
    coefficients = _coefficients().get(f"{observable.name} {first}") if first == second else None
    return None if coefficients is None else Chebyshev(coefficients, domain=_domain(first))


@functools.cache
def _coefficients() -> dict[str, list[float]]:
    return json.loads(SERIES.read_text("utf-8"))


_closed_forms = functools.lru_cache(maxsize=16)(ClosedForms)


def exact(model: Model) -> Equilibrium:
    """The equilibrium of a model without a field, exactly.

    Known at any size: ln Z, the energy, the posterior and whatever is a function of the energy. The absolute
    magnetization is known up to a shorter side of 12 and 256 sites, the correlation length on squares with a side from
    3 to 12.

    Examples
    --------
    >>> import rbmflow as rf
    >>> ten = rf.equilibrium.exact(rf.ising(rf.square(10)))
    >>> round(float(ten.log_partition(2.269185314213022)), 6)
    93.610301
    """
    free_lattice(model)
    return _closed_forms(model)
