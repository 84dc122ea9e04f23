r"""Equilibrium from draws at several temperatures: multistate reweighting on histograms of the energy.

From counts :math:`H_k(E)` of :math:`n_k` draws at :math:`K_k = 1/T_k`, the density of states of largest likelihood is

.. math:: g(E) = \frac{\sum_k H_k(E)}{\sum_k n_k\, e^{-K_k E} / Z_k}, \qquad Z_k = \sum_E g(E)\, e^{-K_k E},

solved for :math:`\ln Z_k` by Newton's method (the likelihood is concave). All draws of one energy are equally probable
at every temperature, so an observable is averaged over all of them. Where ln g(E) is known exactly it is taken instead;
energies that were not met then have the mean between their neighbours. Errors are those of a jackknife that
leaves out successive twentieths of the draws of all temperatures; correlated draws count as their effective number.

References
----------
A. M. Ferrenberg, R. H. Swendsen, Phys. Rev. Lett. 63, 1195 (1989), doi:10.1103/PhysRevLett.63.1195.
M. R. Shirts, J. D. Chodera, J. Chem. Phys. 129, 124105 (2008), doi:10.1063/1.2978177, eqs. (11), (C1)-(C4).
"""

import math

import numpy as np
from jaxtyping import Bool, Float64, Int
from scipy.optimize import isotonic_regression
from scipy.special import logsumexp

from rbmflow._checks import InvalidInput, Problem, Problems
from rbmflow._doors import Numbers
from rbmflow.equilibrium.measured import MeasuredDraws
from rbmflow.equilibrium.source import Equilibrium, Levels
from rbmflow.exact._temperature import heat, inverse_temperature
from rbmflow.exact.energy_levels import boltzmann
from rbmflow.observables import ENERGY, Observable

BLOCKS = 20
FARTHEST = 4.0
"""Standard deviations of the energy between neighbouring temperatures that still overlap."""
UNCOVERED = 0.05
"""Part of the weight at a temperature that may lie at energies far from any draw."""


class Reweighted(Equilibrium):
    """Draws at several temperatures: see `reweighted`."""

    by = "draws"

    knots = 257
    copies = BLOCKS

    def __init__(self, measured: MeasuredDraws, known: Equilibrium | None, rising: bool):
        super().__init__(measured.model)
        self.measured, self.known, self.rising = measured, known, rising
        self.coupling = inverse_temperature(measured.temperatures)
        draws = measured.energy.shape[1]
        allowed = f"there must be at least {BLOCKS} draws at each temperature"
        Problems.only(draws >= BLOCKS, "draws", draws, allowed)
        own, level = np.unique(measured.energy, return_inverse=True)
        if known is None:
            self.energy, self.level = own, level.reshape(measured.energy.shape)
            self._check_overlaps()
        else:
            self.energy = known.levels().energy
            self.level = np.searchsorted((self.energy[1:] + self.energy[:-1]) / 2, measured.energy)
        self.weight = measured.ess / draws
        block = np.arange(draws) * BLOCKS // draws
        self._kept = [np.ones(draws, bool), *(block != one for one in range(BLOCKS))]
        self.met = self._counts(self._kept[0]).sum(axis=0) > 0
        self._log_z: np.ndarray | None = None
        self._log_counts = [self._log_count(some) for some in self._kept]

    def __str__(self) -> str:
        return f"draws in which {', '.join(self.measured.names) or 'the energy alone'} was measured"

    def _check_overlaps(self) -> None:
        """Refuse neighbouring temperatures between which nothing is known."""
        cold = self.coupling[:-1] < np.inf
        mean, deviation = self.measured.energy.mean(axis=1), self.measured.energy.std(axis=1)
        apart = np.diff(mean) > FARTHEST * (deviation[1:] + deviation[:-1]) / 2
        for at in np.flatnonzero(apart & cold)[:1].tolist():
            told = "their energies do not overlap: there must be draws at temperatures between them"
            raise InvalidInput(Problem("temperatures", self.measured.temperatures[at : at + 2], told))

    def _counts(self, kept: Bool[np.ndarray, " draw"]) -> Float64[np.ndarray, "temperature level"]:
        rows = [np.bincount(row[kept], minlength=self.energy.size) for row in self.level]
        return np.stack(rows) * self.weight[:, None]

    def _log_count(self, kept: Bool[np.ndarray, " draw"]) -> Float64[np.ndarray, " level"]:
        """The ln g(E) of some of the draws, those of T = 0 left out, which say nothing of it."""
        if self.known is not None:
            return self.known.levels().log_count
        warm = np.isfinite(self.coupling)
        logs, self._log_z = _histogram_logs(self.coupling[warm], self._counts(kept)[warm], self.energy, self._log_z)
        if self.coupling[-1] == 0:
            states = self.model.lattice.sites * math.log(len(self.model.states))
            return logs + states - float(np.asarray(logsumexp(logs)))
        return logs + (math.log(len(self.model.ground_states)) - logs[0] if self._ground_met else 0.0)

    @property
    def _ground_met(self) -> bool:
        """Whether the coldest draws above T = 0 are often in the ground state, which is known."""
        coldest = self.measured.energy[np.isfinite(self.coupling)][0]
        known = bool(self.model.ground_states)
        return known and bool(np.mean(np.isclose(coldest, self.ground_energy)) > 0.1)

    @property
    def ground_energy(self) -> float:
        """That of a uniform ground state if it is known, else the lowest that was met."""
        uniform = self.model.uniform_energies.min().round(9)
        return float(uniform if self.model.ground_states else self.energy[0])

    def knows(self, observable: Observable) -> bool:
        """Whether the observable was measured, or is a function of the energy."""
        return observable.of_energy is not None or observable.name in self.measured.names

    def levels(self, observable: Observable = ENERGY, copy: int = 0) -> Levels:
        """The levels that were met, or those of the ln g(E) that was given; copies lack a twentieth of the draws."""
        if observable.of_energy is not None:
            parts = np.asarray(observable.of_energy(self.model, self.energy), np.float64)[None]
            return Levels(self.energy, self._log_counts[copy], parts)
        level: Int[np.ndarray, "temperature draw"] = self.level[:, self._kept[copy]]
        weight = np.broadcast_to(self.weight[:, None], level.shape).ravel()
        count = np.bincount(level.ravel(), weight, self.energy.size)
        met = np.flatnonzero(count)
        found, parts = [], 1 if observable.over is None else 2
        for values in self.measured.value[self.measured.names.index(observable.name)][:parts]:
            sums = np.bincount(level.ravel(), weight * values[:, self._kept[copy]].ravel(), self.energy.size)
            mean = sums[met] / count[met]
            mean = isotonic_regression(mean, weights=count[met]).x if self.rising else mean
            found.append(np.interp(self.energy, self.energy[met], mean))
        return Levels(self.energy, self._log_counts[copy], np.stack(found))

    def _means(self, observable: Observable, temperature: Numbers) -> list[Float64[np.ndarray, "part *batch"]]:
        unknown = ~self.told(observable, temperature)
        found = super()._means(observable, temperature)
        for means in found:
            means[:, unknown] = np.nan
        return found

    def told(self, observable: Observable, temperature: Numbers) -> Bool[np.ndarray, "*batch"]:
        """Whether the draws say what an observable is at temperatures: nothing is extrapolated."""
        coupling = inverse_temperature(temperature)
        if self.known is None:
            warm = self.coupling[np.isfinite(self.coupling)]
            return np.asarray((coupling >= warm.min()) & ((coupling <= warm.max()) | self._ground_met))
        if observable.of_energy is not None:
            return np.ones(coupling.shape, bool)
        met = self.energy[self.met]
        place = np.searchsorted(met, self.energy)
        beside = met[np.clip([place - 1, place], 0, met.size - 1)]
        gap = np.abs(self.energy - beside).min(axis=0)
        found = np.empty(coupling.size, bool)
        for at, k in enumerate(coupling.reshape(-1)):
            weight = boltzmann(self.energy, self._log_counts[0], np.asarray(k))
            deviation = math.sqrt(max(weight @ self.energy**2 - (weight @ self.energy) ** 2, 0.0))
            found[at] = weight[gap > max(deviation / 4, 4.0)].sum() <= UNCOVERED
        return found.reshape(coupling.shape)

    def log_excitations(self, temperature: Numbers) -> Float64[np.ndarray, "*batch"]:
        """By the levels; refused where nothing fixes the number of configurations."""
        if self.known is not None:
            return self.known.log_excitations(temperature)
        anchored = bool(self.coupling[-1] == 0) or self._ground_met
        allowed = "ln Z is known up to a constant only: there must be draws at T = inf, or in the ground state"
        Problems.only(anchored, "temperatures", self.measured.temperatures, allowed)
        heats = heat(inverse_temperature(temperature)[..., None], self.energy - self.ground_energy)
        sums = np.asarray(logsumexp(self._log_counts[0] - heats, axis=-1))
        return np.where(self.told(ENERGY, temperature), sums, np.nan)


def _histogram_logs(
    coupling: Float64[np.ndarray, " k"],
    counts: Float64[np.ndarray, "k level"],
    energy: Float64[np.ndarray, " level"],
    log_z: Float64[np.ndarray, " k"] | None,
) -> tuple[Float64[np.ndarray, " level"], Float64[np.ndarray, " k"]]:
    """The ln g(E) of largest likelihood, up to a constant, and ln Z at the couplings."""
    drawn, met = counts.sum(axis=1), counts.sum(axis=0)
    if log_z is None:
        mean = counts @ energy / drawn
        log_z = np.append(0.0, np.cumsum(-np.diff(coupling) * (mean[1:] + mean[:-1]) / 2))
    heat = -coupling[:, None] * energy

    def likelihood(log_z: np.ndarray) -> tuple[float, np.ndarray]:
        sums = np.asarray(logsumexp(np.log(drawn)[:, None] - log_z[:, None] + heat, axis=0))
        return float(met @ sums + drawn @ log_z), sums

    value, sums = likelihood(log_z)
    for _ in range(100):
        share = np.exp(np.log(drawn)[:, None] - log_z[:, None] + heat - sums)
        expected = share @ met
        slope = drawn - expected
        if np.max(np.abs(slope) / drawn) < 1e-9:
            break
        curvature = np.diag(expected) - (share * met) @ share.T
        step = np.append(0.0, np.linalg.lstsq(curvature[1:, 1:], slope[1:], rcond=None)[0])
        while likelihood(log_z - step)[0] > value + 1e-12 * abs(value):
            step = step / 2
        log_z = log_z - step
        value, sums = likelihood(log_z)
    with np.errstate(divide="ignore"):
        return np.log(met) - sums, log_z


def reweighted(measured: MeasuredDraws, known: Equilibrium | None = None, *, rising: bool = False) -> Equilibrium:
    """The equilibrium that draws at several temperatures tell, with its statistical errors.

    Parameters
    ----------
    measured
        Energies and observables of at least 20 draws a temperature; those of neighbouring temperatures must overlap.
    known
        An equilibrium whose ln g(E) is taken in place of that of the draws, such as `exact(model)`.
    rising
        Whether observables are known to rise with the energy, as the class of a good classifier does.

    Examples
    --------
    >>> import rbmflow as rf
    >>> model, size = rf.ising(rf.square(4)), rf.OBSERVABLES["magnetization"]
    >>> draws = rf.equilibrium.measured(0, model, [size], rf.equilibrium.covering(model))
    >>> mean, error = rf.equilibrium.reweighted(draws).mean(size, 2.5)
    >>> bool(abs(mean - rf.exact.abs_magnetization(model, 2.5)) < 5 * error)
    True
    """
    problems = Problems()
    problems.kind("measured", measured, MeasuredDraws, "record of draws, such as equilibrium.measured(...)")
    problems.kind("known", known, (Equilibrium, type(None)), "equilibrium, such as exact(model)")
    problems.done()
    return Reweighted(measured, known, rising)
