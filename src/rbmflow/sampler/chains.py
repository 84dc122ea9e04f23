"""Markov chains driven to configurations: how many, how long to wait, how far apart to draw, and whether it worked.

What draws cost are the steps that are thrown away, times the replicas, and the steps between draws, times the draws: so
there are few replicas, one for `DRAWS_A_REPLICA` draws, in bundles of as many as the kernel moves together. They start
hot (random) without field above the critical temperature and cold otherwise: all up without field, along the field with
one. Below the critical temperature in a field so weak that the reversed phase has a weight above 1e-6, half of them
start against the field, so that chains which cannot cross over betray themselves. Other models than the square Ising
one start in their uniform configurations of a weight above 1e-6, a quarter of the replicas in each quarter of them, if
their ground states are known to be among these, and hot otherwise.

The rules, with tau the integrated autocorrelation time in steps, the larger of those of the energy and of m^2 (of m in
a field), measured on a window of the run itself:

thermalisation
    windows of ten expected tau, or twice as long if tau turns out to be longer, follow one another until everything
    before a window is at least 20 tau long and nothing drifts in it: its halves agree within four errors, which the
    scatter among the independent replicas gives. Draws begin after that window.
thinning
    successive draws of one replica are 3 (tau + 1/2) apart, where an exponential autocorrelation is below 0.05. If
    the first draws are found to be correlated beyond that all the same, as slow modes of small amplitude have it, they
    are thrown away and the distance is doubled.
"""

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float, Int8

from rbmflow._types import Key
from rbmflow.dataset import Chains
from rbmflow.diagnostics import rhat, tau_int
from rbmflow.exact.infinite import critical_temperature, magnetization
from rbmflow.model import Model, no_square_ising
from rbmflow.random import split
from rbmflow.sampler.method import POINTS, Kernel
from rbmflow.sampler.sharing import share_out

type Planes = Any
"""The spins of a bundle at some times, as its kernel records them."""

THERMAL = 20
"""Autocorrelation times before the window on which tau is measured."""
DRIFT = 4.0
"""Errors by which the halves of that window may differ."""
CORRELATION = 0.05
"""Tolerated autocorrelation between successive draws of one replica."""
DRAWS_A_REPLICA = 50
"""Draws that share the cost of one thermalisation."""
BLOCK_BYTES = 64_000_000
"""Most of the configurations that are unpacked at a time."""
FEW = 8
"""Times that are seen and unpacked by themselves."""
CHANCE = 2.0
"""Errors beyond the tolerated correlation at which the first draws are thrown away and the distance is doubled."""
NEGLIGIBLE = 1e-6
"""Weight of a phase, such as that against the field, below which no replica starts there."""
GROUPS = 4
"""Groups of replicas that are compared: every fourth is in one."""
LONGEST = 1 << 20
"""Steps of thermalisation after which the run goes on all the same, flagged."""


def replicas_for(draws: int, bundle: int) -> int:
    """Replicas in whole bundles, one for `DRAWS_A_REPLICA` draws, about."""
    return bundle * max(1, round(draws / (DRAWS_A_REPLICA * bundle)))


class Ensemble:
    """Bundles of replicas of a model at one temperature, moved together by all cores."""

    def __init__(self, key: Key, model: Model, kernel: Kernel, temperature: float, draws: int):
        self.model, self.kernel = model, kernel
        self.replicas = replicas_for(draws, kernel.bundle)
        bundles = self.replicas // kernel.bundle
        labels = first_labels(model, temperature, self.replicas)
        parts = [None] * bundles if labels is None else np.split(labels, bundles)
        keys = split(key, bundles)
        self.states = [kernel.start(one, kernel.bundle, part) for one, part in zip(keys, parts, strict=True)]

    @property
    def points(self) -> int:
        """Times that are recorded together."""
        return max(1, min(self.kernel.points, BLOCK_BYTES // (self.replicas * self.model.lattice.sites)))

    def record(self, every: int, times: int) -> tuple[Float[np.ndarray, "2 time replica"], list[Planes]]:
        """Energy and m^2 (in a field m) at so many times, so many steps apart, and the spins of every bundle."""

        def move(bundles: slice) -> list[Planes]:
            recorded = []
            for number in range(bundles.start, bundles.stop):
                self.states[number], planes = self.kernel.record(self.states[number], every, times)
                recorded.append(np.asarray(planes))
            return recorded

        # Of few times the rest of the record is left out, but by a number of points that compiles once.
        points = FEW if times <= FEW < self.kernel.points else self.kernel.points
        planes = [one[:, :points] for one in itertools.chain(*share_out(move, len(self.states)))]
        seen = [self.kernel.observe(one).reshape(2, points, -1)[:, :times] for one in planes]
        energy, order = np.concatenate(seen, axis=-1)
        return np.stack([energy, order if self.model.field else order**2]), planes

    def window(self, every: int) -> Float[np.ndarray, "2 time replica"]:
        """What is seen at `POINTS` times."""
        blocks = range(0, POINTS, self.points)
        return np.concatenate([self.record(every, min(self.points, POINTS - at))[0] for at in blocks], axis=1)

    def spins(self, planes: list[Planes], times: int) -> Int8[np.ndarray, "draw *lattice"]:
        """The configurations of all replicas at the first time, then those at the second, and so on."""
        shape = self.model.lattice.shape
        parts = [self.kernel.spins(one).reshape(one.shape[1], -1, *shape)[:times] for one in planes]
        return (np.concatenate(parts, axis=1) if len(parts) > 1 else parts[0]).reshape(-1, *shape)


def first_labels(model: Model, temperature: float, replicas: int) -> Int8[np.ndarray, " replica"] | None:
    """The label in which all sites of each replica start; None for a hot start."""
    if no_square_ising(model) is not None:
        return _uniform(model, temperature, replicas) if model.ground_states else None
    if model.field == 0:
        return None if temperature >= critical_temperature() else np.ones(replicas, np.int8)
    along = np.int8(np.sign(model.field))
    first = np.full(replicas, along)
    reversal = 2 * abs(model.field) * model.lattice.sites * magnetization(temperature) / temperature
    if temperature < critical_temperature() and reversal < -math.log(NEGLIGIBLE):
        first[::2] = -along
    return first


def _uniform(model: Model, temperature: float, replicas: int) -> Int8[np.ndarray, " replica"]:
    """Labels of uniform configurations that may have a weight, others in each of the groups that are compared."""
    excess = model.uniform_energies - model.uniform_energies.min()
    likely = np.array(model.states, np.int8)[excess < -math.log(NEGLIGIBLE) * temperature]
    each = math.ceil(likely.size / GROUPS)
    turn, group = np.divmod(np.arange(replicas), GROUPS)
    return likely[(group * each + turn % each) % likely.size]


def thermalise(ensemble: Ensemble, expected: float) -> tuple[float, int, int, tuple[str, ...]]:
    """Tau and the distance of draws in steps, the steps done, flags if the rules were not met.

    `expected` is about what tau will be, in steps.
    """
    every, done, flags = max(1, round(expected / 3)), 0, ()
    while True:
        series = ensemble.window(every).swapaxes(1, 2)
        tau = every * max(map(tau_int, series))
        thermal, drift = done >= THERMAL * tau, max(map(_drift, series))
        done += every * POINTS
        if (thermal and drift <= DRIFT) or done >= LONGEST:
            break
        # The next window is thermal if it begins late enough, and longer if it does not.
        every *= 1 if thermal or done >= THERMAL * tau else 2
    if not thermal:
        flags = (f"not thermalised: {done} steps are fewer than {THERMAL} autocorrelation times of {tau:.0f} steps",)
    elif drift > DRIFT:
        flags = (f"not thermalised: after {done} steps the halves of a window differ by {drift:.1f} errors",)
    return tau, math.ceil(-math.log(CORRELATION) * (tau + 0.5)), done, flags


def _drift(series: Float[np.ndarray, "replica time"]) -> float:
    """How far the means of both halves are apart, in errors that the scatter among replicas gives."""
    half = series.shape[1] // 2
    moved = series[:, half:].mean(axis=1) - series[:, :half].mean(axis=1)
    scatter = moved.std(ddof=1) / math.sqrt(len(moved))
    return float(abs(moved.mean()) / scatter) if scatter > 0 else 0.0


def _correlation(draws: Float[np.ndarray, "draw replica"]) -> float:
    """Autocorrelation of successive draws, averaged over replicas; 0 of a constant."""
    if len(draws) < 2 or np.ptp(draws) == 0:
        return 0.0
    deviation = draws - draws.mean()
    return float((deviation[1:] * deviation[:-1]).mean() / (deviation**2).mean())


def _excess(series: Float[np.ndarray, "2 draw replica"], errors: float) -> float:
    """Correlation of successive draws beyond what is tolerated and so many errors, those of independent draws."""
    _, count, replicas = series.shape
    return (
        max(abs(_correlation(one)) for one in series) - CORRELATION - errors / math.sqrt(max(1, (count - 1) * replicas))
    )


def _checked(series: Float[np.ndarray, "2 draw replica"], draws: int) -> tuple[float, float, float, list]:
    """Correlation, ESS and R-hat of the draws, and what they say against the promises."""
    correlation = max(map(_correlation, series), key=abs)
    groups = [np.stack([one[:, start::GROUPS].ravel() for start in range(GROUPS)]) for one in series]
    disagreement = max(map(rhat, groups))
    flags = []
    if _excess(series, 5) > 0:
        flags.append(f"successive draws are correlated: {correlation:.3f} where {CORRELATION} is tolerated")
    # R-hat of independent draws exceeds 1 by a few over twice the length of a group.
    if disagreement > 1.01 + 10 / groups[0].shape[1]:
        flags.append(f"groups of replicas disagree: R-hat {disagreement:.3f}")
    return correlation, draws / (1 + 2 * max(0.0, correlation)), disagreement, flags


def run(
    key: Key,
    model: Model,
    kernel: Kernel,
    temperature: float,
    draws: int,
    expected: float,
    deliver: Callable[[Int8[np.ndarray, "draw *lattice"]], None],
) -> Chains:
    """Draw from the Boltzmann distribution by Markov chains, and return what was measured on them.

    `deliver` is handed the configurations as they come: the first draws of all replicas, then the second ones, and so
    on. The temperature, in J/k_B and above 0, decides how the chains start, and `expected`, about their
    autocorrelation time in steps, how long the first window is.
    """
    ensemble = Ensemble(key, model, kernel, temperature, draws)
    tau, thinning, discarded, flags = thermalise(ensemble, expected)
    rounds = math.ceil(draws / ensemble.replicas)
    blocks = [min(ensemble.points, rounds - first) for first in range(0, rounds, ensemble.points)]
    first = ensemble.record(thinning, blocks[0])
    while _excess(first[0], CHANCE) > 0 and discarded < LONGEST:
        discarded, thinning = discarded + blocks[0] * thinning, 2 * thinning
        first = ensemble.record(thinning, blocks[0])
    seen, delivered = [], 0
    further = (ensemble.record(thinning, times) for times in blocks[1:])
    for times, (observed, planes) in zip(blocks, itertools.chain([first], further), strict=True):
        deliver(ensemble.spins(planes, times)[: draws - delivered])
        delivered += times * ensemble.replicas
        seen.append(observed)
    correlation, ess, disagreement, against = _checked(np.concatenate(seen, axis=1), draws)
    return Chains(tau, discarded, thinning if rounds > 1 else 0, correlation, ess, disagreement, (*flags, *against))
