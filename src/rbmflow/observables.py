r"""Observables: numbers read off single configurations, with their mean and error over an ensemble.

An observable is one number :math:`x(s)` a configuration, or the ratio :math:`\bar x / \bar y` of the means of two, as
a correlation length is. Read against an equilibrium it makes a thermometer. Others add theirs by `observable`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64
from scipy.spatial.distance import pdist

from rbmflow._checks import InvalidInput, Problem, Problems, let_go
from rbmflow._doors import Configurations, Numbers, numbers_of
from rbmflow.correlations import longest_wave, structure_factor
from rbmflow.diagnostics import mean_and_error
from rbmflow.measurements import Measurements
from rbmflow.model import Model, model_of
from rbmflow.settings import OBSERVABLES

type Values = Float64[np.ndarray, "part *batch"]
"""What an observable reads off configurations: one number each, or two, those of a ratio."""

type Reads = Callable[[Model, Any], Any]
"""A function of the model and of configurations [n, y, x] that returns n numbers."""

SPINS_AT_ONCE = 2**24

ROUNDING = 1e-6
"""Part of a bound by which a number in single precision may exceed it."""


@dataclass(frozen=True, repr=False)
class Observable:
    r"""A number read off each configuration.

    Parameters
    ----------
    name
        By which specs and results know it.
    label
        How figures and tables write it, such as "E".
    of
        Function of the model and configurations [n, y, x], float32 arrays of -1/+1, to n numbers.
    unit
        Of the number; "1" if it has none.
    over
        A second such function: the observable of an ensemble is then the ratio of the two means.
    of_energy
        The same as `of` as a function of the model and total energies, if the number depends on the energy alone: its
        equilibrium mean is then known wherever the density of states is.
    recorded
        The numbers [part, iteration, chain] of a flow from what every flow measures, which spares its configurations.
    bounds
        Function of the model to the smallest and the largest number that there is; others are refused.
    jump
        Function of the model to how much a single event, such as an overturned spin, changes the number. The mean of n
        chains that all agree is known to jump / n; without it its error is not known.

    Examples
    --------
    >>> import numpy as np, rbmflow as rf
    >>> first = rf.Observable("first spin", "s_0", of=lambda model, spins: spins[:, 0, 0])
    >>> mean, error = first.mean(rf.ising(rf.square(4)), np.ones((10, 4, 4)))
    >>> float(mean), float(error)
    (1.0, 0.0)
    """

    name: str
    label: str
    of: Reads
    unit: str = "1"
    over: Reads | None = None
    of_energy: Callable[[Model, np.ndarray], Any] | None = None
    recorded: Callable[[Measurements], tuple[np.ndarray, ...]] | None = None
    bounds: Callable[[Model], tuple[float, float]] | None = None
    jump: Callable[[Model], float] | None = None

    def __repr__(self) -> str:
        return f"Observable({self.name!r}, {self.label!r})"

    def __post_init__(self):
        problems = Problems()
        for field in ("name", "label", "unit"):
            text = getattr(self, field)
            problems.unless(isinstance(text, str) and text.strip() != "", field, text, "it must be a text")
        for field in ("of", "over", "of_energy", "recorded", "bounds", "jump"):
            function = getattr(self, field)
            given = callable(function) or (function is None and field != "of")
            problems.unless(given, field, function, "it must be a function")
        problems.done()

    def values(self, model: Model, spins: Configurations) -> Values:
        """The numbers of each configuration, float64 [part, ...], of a few configurations at a time.

        A function that does not return one number for each is refused with the name of the observable (`InvalidInput`).
        """
        lattice = model_of(model).lattice
        own = np.asarray(model.own(spins))
        stack, some = own.reshape(-1, *lattice.shape), max(1, SPINS_AT_ONCE // lattice.sites)
        parts = [function for function in (self.of, self.over) if function is not None]
        blocks = [
            [self._read(part, model, stack[at : at + some]) for at in range(0, len(stack), some)] for part in parts
        ]
        return np.stack([np.concatenate(part) for part in blocks]).reshape(
            len(parts), *own.shape[: -len(lattice.shape)]
        )

    def _read(self, function: Reads, model: Model, spins: np.ndarray) -> Float64[np.ndarray, " n"]:
        try:
            return self.checked(model, function(model, spins.astype(np.float32)), (len(spins),))
        except InvalidInput:
            raise
        except (Exception, SystemExit) as error:
            let_go(error)
            told = f"it must return {len(spins)} numbers for so many configurations; it raised {error!r}"
            raise InvalidInput(Problem("observable", self.name, told)) from error

    def checked(
        self, model: Model, values: Numbers, axes: tuple[int | str, ...] | None = None
    ) -> Float64[np.ndarray, "..."]:
        """Numbers within the bounds, refused in a sentence otherwise."""
        lowest, highest = self.bounds(model) if self.bounds else (-np.inf, np.inf)
        lowest, highest = lowest - ROUNDING * abs(lowest), highest + ROUNDING * abs(highest)
        return numbers_of(values, f"values of {self.name}", axes, lowest=lowest, highest=highest)

    def mean(self, model: Model, spins: Configurations) -> tuple[np.ndarray, np.ndarray]:
        """Mean of independent configurations [..., chain, y, x] and its standard error."""
        return average(self.values(model, spins))


def average(values: Values) -> tuple[np.ndarray, np.ndarray]:
    r"""Mean over independent chains of numbers [part, ..., chain] and its standard error.

    The error of a ratio r is that of its linear part, :math:`\mathrm{sd}(x - r y) / (\sqrt n\, \bar y)`.
    """
    if len(values) == 1:
        return mean_and_error(values[0], axis=-1)
    one, other = values
    chains = one.shape[-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = one.mean(axis=-1) / other.mean(axis=-1)
        scatter = (one - ratio[..., None] * other).std(axis=-1, ddof=min(1, chains - 1))
        error = scatter / (np.sqrt(chains) * other.mean(axis=-1))
    # Ensembles of ground states have no waves at all, and their ratio no scatter.
    return np.asarray(ratio), np.where(chains < 2, np.nan, np.where(np.isfinite(ratio), error, 0.0))


def observable(
    *, label: str, unit: str = "1", name: str | None = None, over: Reads | None = None
) -> Callable[[Reads], Observable]:
    """Decorator that makes a function of model and configurations [n, y, x] an `Observable`, and registers it.

    Its name is that of the function unless given; one that is taken is refused.

    Examples
    --------
    >>> import numpy as np, rbmflow as rf
    >>> @rf.observable(label="m_st")
    ... def staggered(model, spins):
    ...     sign = 1 - 2 * (np.indices(model.lattice.shape).sum(axis=0) % 2)
    ...     return abs((spins * sign).mean(axis=(-2, -1)))
    >>> staggered.values(rf.ising(rf.square(4)), np.ones((3, 4, 4))).tolist()
    [[0.0, 0.0, 0.0]]
    """

    def register(function: Reads) -> Observable:
        called = getattr(function, "__name__", "") if name is None else name
        return OBSERVABLES.add(called, Observable(called, label, function, unit, over))

    return register


def _energy(model: Model, total: Any) -> Float64[np.ndarray, "..."]:
    return np.asarray(total, np.float64) / model.lattice.sites


def _house(name: str, label: str, of: Reads, unit: str = "1", **further: Any) -> Observable:
    return OBSERVABLES.add(name, Observable(name, label, of, unit, **further))


ENERGY = _house(
    "energy",
    "E",
    lambda model, spins: _energy(model, model.total_energy(spins)),
    unit="J",
    of_energy=_energy,
    bounds=lambda model: model.energy_bounds,
    jump=lambda model: model.step / model.lattice.sites,
    recorded=lambda flow: (flow.energy / flow.sites,),
)
"""Energy per site, a sufficient statistic for the temperature."""

MAGNETIZATION = _house(
    "magnetization",
    "|m|",
    lambda model, spins: np.abs(np.asarray(model.total_magnetization(spins), np.float64)) / model.lattice.sites,
    recorded=lambda flow: (np.abs(flow.magnetization) / flow.sites,),
    bounds=lambda model: (0.0, float(np.linalg.norm(model.vectors, axis=1).max())),
    jump=lambda model: float(pdist(model.vectors).min()) / model.lattice.sites,
)
"""Absolute magnetization per site."""

CORRELATION = _house(
    "correlation",
    r"\xi/L",
    lambda model, spins: np.asarray(model.total_magnetization(spins), np.float64) ** 2 / model.lattice.sites,
    over=lambda model, spins: longest_wave(model.lattice, structure_factor(model, spins)),
    recorded=lambda flow: (flow.magnetization.astype(np.float64) ** 2 / flow.sites, flow.long_wave.astype(np.float64)),
    bounds=lambda model: (0.0, np.inf),
)
r"""S(0) / S(2 pi / L), of which the second-moment correlation length :math:`\xi / L` is a function.

References
----------
F. Cooper, B. Freedman, D. Preston, Nucl. Phys. B 210, 210 (1982), doi:10.1016/0550-3213(82)90240-1.
"""
