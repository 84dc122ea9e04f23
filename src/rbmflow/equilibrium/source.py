r"""What a model is at every temperature, through its energy levels.

With g(E) configurations at energy E and the mean O(E) of an observable over them,

.. math:: \ln Z(T) = \ln \sum_E g(E)\, e^{-E/T}, \qquad
          \langle O \rangle(T) = \sum_E P(E|T)\, O(E), \qquad P(E|T) = g(E)\, e^{-E/T} / Z(T).

The energy is a sufficient statistic of the temperature: the posterior needs the energy and ln Z alone.
"""

import abc
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float64
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

from rbmflow._checks import InvalidInput, Problem, Problems
from rbmflow._doors import Configurations, Numbers, numbers_of, temperatures_of
from rbmflow.critical import require_heat, temperature_scale
from rbmflow.equilibrium.curve import KNOTS, Curve, couplings
from rbmflow.exact import critical_temperature
from rbmflow.exact._temperature import around_maximum, heat, inverse_temperature
from rbmflow.exact.energy_levels import boltzmann
from rbmflow.exact.slice_levels import level_step
from rbmflow.model import Model, has_formulas
from rbmflow.observables import ENERGY, Observable
from rbmflow.settings import OBSERVABLES

LEVELS_AT_ONCE = 2**22
"""Probabilities of levels times temperatures held in memory."""


class Levels(NamedTuple):
    """Energy levels in increasing order, ln g, and the means of an observable at each."""

    energy: Float64[np.ndarray, " level"]
    log_count: Float64[np.ndarray, " level"]
    parts: Float64[np.ndarray, "part level"]


def mean_class(probabilities: Float[np.ndarray, "*batch bin"]) -> Float64[np.ndarray, "*batch"]:
    """Mean class of each configuration, classes counted from 0; see `Equilibrium.mean_class`."""
    return np.asarray(probabilities, np.float64) @ np.arange(probabilities.shape[-1], dtype=np.float64)


class Equilibrium(abc.ABC):
    """A model at every temperature; the kinds are `exact`, `enumerated`, `transferred` and `reweighted`.

    Observables that are not known here, temperatures that are negative, NaN or, as classes, not increasing, and
    configurations and energies that the model cannot have are refused (`InvalidInput`).
    """

    model: Model
    strongest, knots = 3.4, KNOTS
    """Coupling of the coldest knot of a curve but T = 0, and how many there are."""
    by = ""
    """By what it is known, as a report says it."""
    copies = 0
    """Copies with a block of the draws left out each, numbered from 1; none of what has no error."""

    def __init__(self, model: Model):
        self.model = model
        self._curves: dict[Observable, Curve] = {}
        self._classes: dict[tuple[float, ...], Observable] = {}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.model!r})"

    @abc.abstractmethod
    def knows(self, observable: Observable) -> bool:
        """Whether the mean of an observable is known here."""

    @abc.abstractmethod
    def levels(self, observable: Observable = ENERGY, copy: int = 0) -> Levels:
        """The energy levels with the means of an observable that is known through them; or a copy for the jackknife."""

    def log_excitations(self, temperature: Numbers) -> Float64[np.ndarray, "*batch"]:
        r"""Logarithm of :math:`\sum_E g(E)\, e^{-(E - E_0)/T}`, finite at every temperature."""
        energy, log_count, _ = self.levels()
        heats = heat(inverse_temperature(temperature)[..., None], energy - energy[0])
        return np.asarray(logsumexp(log_count - heats, axis=-1))

    def log_partition(self, temperature: Numbers) -> Float64[np.ndarray, "*batch"]:
        r"""Logarithm of the partition function, :math:`\ln Z = \ln \sum_s e^{-E(s)/T}`; inf at T = 0."""
        return np.asarray(self.log_excitations(temperature) - inverse_temperature(temperature) * self.ground_energy)

    @property
    def ground_energy(self) -> float:
        """Lowest total energy."""
        return float(self.levels().energy[0])

    def distribution(self, temperature: Numbers) -> Float64[np.ndarray, "*batch level"]:
        """Probability of each of `levels` at temperatures."""
        energy, log_count, _ = self.levels()
        return boltzmann(energy, log_count, inverse_temperature(temperature))

    def parts(self, observable: Observable | str, temperature: Numbers) -> Float64[np.ndarray, "part *batch"]:
        """Means of the number of an observable, or of the two numbers of a ratio, at temperatures."""
        return self._means(self.check(observable), temperature)[0]

    def mean(self, observable: Observable | str, temperature: Numbers) -> tuple[np.ndarray, np.ndarray]:
        """Mean of an observable and its standard error, 0 of what is exact; both NaN where draws do not tell them."""
        observable = self.check(observable)
        with np.errstate(divide="ignore", invalid="ignore"):
            means = [one[0] / one[1] if len(one) == 2 else one[0] for one in self._means(observable, temperature)]
            error = np.sqrt(len(means) - 2) * np.std(means[1:], axis=0) if means[1:] else np.zeros_like(means[0])
        # Where the mean is infinite, a ratio of ground states, all copies agree.
        return np.asarray(means[0]), np.where(np.isinf(means[0]), 0.0, error)

    def _means(self, observable: Observable, temperature: Numbers) -> list[Float64[np.ndarray, "part *batch"]]:
        """Means of the parts, and those of the copies of the jackknife."""
        coupling = inverse_temperature(temperature)
        every = [self.levels(observable, copy) for copy in range(1 + self.copies)]
        some = max(1, LEVELS_AT_ONCE // every[0].energy.size)
        found = [np.empty((len(one.parts), coupling.size)) for one in every]
        for start in range(0, coupling.size, some):
            block, weight, of = coupling.reshape(-1)[start : start + some], None, None
            for one, means in zip(every, found, strict=True):
                if weight is None or one.log_count is not of:
                    weight, of = boltzmann(one.energy, one.log_count, block), one.log_count
                means[:, start : start + some] = one.parts @ weight.T
        return [means.reshape(-1, *coupling.shape) for means in found]

    def check(self, observable: Observable | str) -> Observable:
        """The observable, or that of a name, refused in a sentence where it is not known."""
        found = OBSERVABLES[observable] if isinstance(observable, str) else observable
        Problems.only(
            isinstance(found, Observable), "observable", found, "it must be an observable, or the name of one"
        )
        Problems.only(
            self.knows(found), "observable", found.name, f"its mean is not known for {self.model} from {self}"
        )
        return found

    def curve(self, observable: Observable | str) -> Curve:
        """The mean of an observable against temperature, which is made once."""
        observable = self.check(observable)
        if observable not in self._curves:
            self._curves[observable] = self._curve(observable)
        return self._curves[observable]

    def _curve(self, observable: Observable) -> Curve:
        # Knots are close together where the square Ising model orders: of other models all temperatures are scaled.
        scale = critical_temperature() / temperature_scale(self.model)
        k = couplings(max(self.model.lattice.cells), self.strongest, self.knots) * scale
        with np.errstate(divide="ignore"):
            temperature = np.concatenate([[0.0], 1 / k[::-1]])
        return Curve(temperature, *self.mean(observable, temperature))

    def mixture(self, observable: Observable | str, temperatures: Numbers) -> float:
        """The observable of the equal mixture of what the model is at several temperatures.

        A perfectly trained machine that samples its training set at equilibrium draws from it: what its thermometers
        then show is no sign of a flow towards the critical point.

        Examples
        --------
        >>> import numpy as np, rbmflow as rf
        >>> ten = rf.equilibrium.exact(rf.ising(rf.square(10)))
        >>> energy = ten.mixture("energy", np.arange(25) / 4)
        >>> round(energy, 4), round(float(ten.curve("energy").temperature_of(np.array(energy))), 3)
        (-1.119, 2.562)
        """
        parts = self.parts(observable, temperatures_of(temperatures)).mean(axis=1)
        with np.errstate(divide="ignore"):
            return float(parts[0] / parts[1] if len(parts) == 2 else parts[0])

    def posterior(self, spins: Configurations, temperatures: Numbers) -> Float64[np.ndarray, "*batch bin"]:
        """Probability of each temperature given a configuration, see `posterior_of_energy`."""
        return self.posterior_of_energy(np.asarray(self.model.total_energy(spins)), temperatures)

    def posterior_of_energy(self, total: Numbers, temperatures: Numbers) -> Float64[np.ndarray, "*batch bin"]:
        r"""Probability of each temperature given total energies, with equal prior weights: no classifier does better.

        .. math:: p(T_k | s) = \frac{e^{-E(s)/T_k} / Z(T_k)}{\sum_j e^{-E(s)/T_j} / Z(T_j)}

        Only ground states are compatible with T = 0. An energy that no temperature can reach gives equal probabilities.
        """
        coupling = inverse_temperature(np.array(temperatures_of(temperatures)))
        values, which = np.unique(self.totals(total), return_inverse=True)
        excitation = (values - self.ground_energy)[:, None]
        excitation = np.where(np.abs(excitation) <= self._rounding, 0.0, excitation)
        with np.errstate(invalid="ignore", under="ignore", divide="ignore"):
            exponent = -heat(coupling, excitation) - self.log_excitations(1 / coupling)
            top = np.max(exponent, axis=-1, keepdims=True)
            weight = np.where(np.isneginf(top), 1.0, np.exp(exponent - np.where(np.isneginf(top), 0.0, top)))
            return (weight / np.sum(weight, axis=-1, keepdims=True))[which]

    def totals(self, total: Numbers) -> Float64[np.ndarray, "*batch"]:
        """Total energies, refused in a sentence if the model cannot have them, as one per site."""
        lowest, largest = (bound * self.model.lattice.sites for bound in self.model.energy_bounds)
        slack = self._rounding
        values = numbers_of(total, "total energy", lowest=lowest - slack, highest=largest + slack)
        step, one = 4.0 if has_formulas(self.model) else level_step(self.model), self.model.uniform_energies[0]
        places = (values - one) / step
        odd = values[np.abs(places - places.round()) > max(slack / step, 0.1)]
        if odd.size:
            first = one - step * np.floor((one - lowest) / step + 0.1)
            told = f"a total is one of {first:g}, {first + step:g}, ..., not a number per site"
            raise InvalidInput(Problem("total energy", odd[0].item(), told))
        return values

    @property
    def _rounding(self) -> float:
        """How far total energies in single precision may be from what they are."""
        return 1e-6 * max(map(abs, self.model.energy_bounds)) * self.model.lattice.sites

    def mean_class(self, temperatures: Numbers) -> Observable:
        r"""The mean class :math:`\sum_k k\, p(T_k|s)` of the posterior, an observable: "bayes" among the thermometers.

        The mean of the probabilities themselves is drawn towards the prior, so it is no temperature; nor is
        :math:`\sum_k p_k T_k`, which is infinite when a class is. As p(E|T) grows with T in likelihood ratio, the curve
        of the mean class rises with T.
        """
        grid = temperatures_of(temperatures)
        if grid not in self._classes:

            def of_energy(model: Model, total: np.ndarray) -> np.ndarray:
                return mean_class(self.posterior_of_energy(total, grid))

            self._classes[grid] = Observable(
                "bayes",
                "E",
                lambda model, spins: of_energy(model, np.asarray(model.total_energy(spins))),
                of_energy=of_energy,
                jump=lambda model: 1.0,
                recorded=lambda flow: (of_energy(self.model, flow.energy),),
            )
        return self._classes[grid]

    def best_cross_entropy(self, temperatures: Numbers) -> float:
        r"""Smallest cross-entropy that a classifier of equally frequent temperatures can reach, in nats.

        .. math:: -\frac1n \sum_k \sum_E p(E|T_k) \ln p(T_k|E).

        Examples
        --------
        >>> import numpy as np, rbmflow as rf
        >>> ten = rf.equilibrium.exact(rf.ising(rf.square(10)))
        >>> round(ten.best_cross_entropy(np.arange(25) / 4), 4), round(ten.best_accuracy(np.arange(25) / 4), 4)
        (2.1251, 0.1885)
        """
        given = self.distribution(temperatures_of(temperatures)).T
        likely = given > 0
        posterior = self.posterior_of_energy(self.levels().energy, temperatures)
        return float(-np.sum(given[likely] * np.log(posterior[likely]))) / given.shape[1]

    def best_accuracy(self, temperatures: Numbers) -> float:
        r"""Largest part of configurations whose temperature can be named, :math:`\frac1n \sum_E \max_k p(E|T_k)`."""
        given = self.distribution(temperatures_of(temperatures))
        return float(np.mean(np.max(given, axis=0)) * given.shape[1] / len(given))

    def specific_heat(self, temperature: Numbers, copy: int = 0) -> Float64[np.ndarray, "*batch"]:
        r"""Specific heat per site, :math:`(\langle E^2 \rangle - \langle E \rangle^2) / N T^2`."""
        energy, log_count, _ = self.levels(copy=copy)
        coupling = inverse_temperature(temperature)
        weight = boltzmann(energy, log_count, coupling)
        mean = weight @ energy
        with np.errstate(invalid="ignore"):
            variance = np.sum(weight * (energy - mean[..., None]) ** 2, axis=-1)
            return np.asarray(np.where(variance > 0, coupling**2 * variance, 0.0) / self.model.lattice.sites)

    def specific_heat_peak(self) -> tuple[float, float]:
        """Temperature of the maximum of the specific heat, and its standard error: 0 of what is exact.

        Raises
        ------
        InvalidInput
            If all energies are the same, or draws do not tell the specific heat where it is looked for.

        Examples
        --------
        >>> import rbmflow as rf
        >>> peak, error = rf.equilibrium.enumerated(rf.potts(rf.square(3), 3)).specific_heat_peak()
        >>> round(peak, 4), error
        (1.0992, 0.0)
        """
        require_heat(self.model)
        grid = temperature_scale(self.model) * np.geomspace(0.25, 4, 81)
        around = f"draws must tell the energy at some temperatures from {grid[0]:.3g} to {grid[-1]:.3g}"
        Problems.only(bool(self.told(ENERGY, grid).any()), "model", self.model, around)

        def peak(copy: int) -> float:
            def of(temperature: Float64[np.ndarray, " t"]) -> Float64[np.ndarray, " t"]:
                return np.where(self.told(ENERGY, temperature), self.specific_heat(temperature, copy), np.nan)

            below, _, above = around_maximum(of, grid)
            best: Any = minimize_scalar(
                lambda t: -float(self.specific_heat(t, copy)),
                bounds=(below, above),
                method="bounded",
                options={"xatol": 1e-5 * min(1.0, 10 * grid[0])},  # the usual one, but for models of tiny energies
            )
            return float(best.x)

        peaks = [peak(copy) for copy in range(1 + self.copies)]
        return peaks[0], float(np.sqrt(len(peaks) - 2) * np.std(peaks[1:])) if self.copies else 0.0

    def told(self, observable: Observable, temperature: Numbers) -> Bool[np.ndarray, "*batch"]:
        """Whether an observable is known at temperatures, as draws do not tell it at all."""
        return np.ones(inverse_temperature(temperature).shape, bool)

    def resolved(self, chains: int) -> float:
        r"""Temperature down from which an ensemble of so many chains is all but sure to be in the ground state.

        There equilibrium has a single excitation, the lowest one :math:`\Delta`, among all chains:
        :math:`\langle E \rangle = E_0 + \Delta / n`.
        """
        mean = (self.ground_energy + self.model.gap / chains) / self.model.lattice.sites
        return float(self.curve(ENERGY).temperature_of(np.asarray(mean)))
