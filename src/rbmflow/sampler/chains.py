"""Markov chains driven to configurations: how long to wait, how far apart to draw, and whether it worked.

Many independent replicas run side by side. They start hot (random) without field above the critical temperature and
cold otherwise: all up without field, along the field with one. Below the critical temperature in a field so weak
that the reversed phase has a weight above 1e-6, half of them start against the field, so that chains which cannot
cross over betray themselves. The rules, with tau the integrated autocorrelation time in steps, the
larger of those of the energy and of m^2 (of m in a field), measured on a window of the run itself:

thermalisation
    windows of doubling length follow one another until everything before a window is at least 20 tau long; draws
    begin after that window, so at least 40 tau are discarded.
thinning
    successive draws of one replica are 3 (tau + 1/2) apart, where an exponential autocorrelation is below 0.05, or
    further, where the autocorrelation measured on that window has fallen to half of 0.05: slow modes of small
    amplitude outlive tau.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int8

from rbmflow._types import Key
from rbmflow.dataset import Chains
from rbmflow.diagnostics import rhat, tau_int
from rbmflow.exact.infinite import critical_temperature, magnetization
from rbmflow.model import Model
from rbmflow.sampler.method import Kernel

THERMAL = 20
"""Autocorrelation times before the window on which tau is measured."""
CORRELATION = 0.05
"""Tolerated autocorrelation between successive draws of one replica."""
WORKSPACE_BYTES = 256_000_000
NEGLIGIBLE = 1e-6
"""Weight of the phase against the field below which no replica starts there."""
FIRST_WINDOW = 512
POINTS = 512
LONGEST = 1 << 20
"""Steps of thermalisation after which the run goes on all the same, flagged."""


def replicas_for(model: Model, kernel: Kernel, draws: int) -> int:
    """Replicas that run side by side: whole words, eight draws each if there are many draws, in bounded memory."""
    # A word holds the spins and, of single-spin updates, a generator of four words at every site.
    room = max(1, 8 * WORKSPACE_BYTES // (5 * kernel.word * model.lattice.sites))
    fewest, most = kernel.replicas
    wanted = min(draws, max(fewest, min(most, draws // 8)))
    return kernel.word * min(math.ceil(wanted / kernel.word), room)


def first_signs(model: Model, temperature: float, replicas: int) -> Bool[np.ndarray, " replica"] | None:
    """Which replicas start up and which down; None for a hot start."""
    if model.field == 0:
        return None if temperature >= critical_temperature() else np.full(replicas, True)
    up = np.full(replicas, model.field > 0)
    reversal = 2 * abs(model.field) * model.lattice.sites * magnetization(temperature) / temperature
    if temperature < critical_temperature() and reversal < -math.log(NEGLIGIBLE):
        up[::2] = model.field < 0
    return up


def _observables(model: Model, kernel: Kernel, state: Any) -> Float[np.ndarray, "2 replica"]:
    energy, magnetization = kernel.observe(state)
    return np.stack([energy, magnetization if model.field else magnetization**2])


def thermalise(model: Model, kernel: Kernel, state: Any) -> tuple[Any, float, int, int, tuple[str, ...]]:
    """The thermalised state, tau and the distance of draws in steps, the steps done, flags if the rule was not met."""
    done, length, flags = 0, FIRST_WINDOW, ()
    while True:
        every = max(1, length // POINTS)
        rows = []
        for _ in range(length // every):
            state = kernel.advance(state, every)
            rows.append(_observables(model, kernel, state))
        series = np.stack(rows, axis=-1)
        tau = every * max(tau_int(one) for one in series)
        thermal = done >= THERMAL * tau
        done += length
        if thermal or done >= LONGEST:
            break
        length = done
    if not thermal:
        flags = (f"not thermalised: {done} steps are fewer than {THERMAL} autocorrelation times of {tau:.0f} steps",)
    exponential = math.ceil(-math.log(CORRELATION) * (tau + 0.5))
    return state, tau, max(exponential, every * max(map(_decay, series))), done, flags


def _decay(series: Float[np.ndarray, "replica time"]) -> int:
    """First distance in time, up to half the series, at which the autocorrelation is half of what is tolerated.

    In a weak field Wolff clusters turn everything over and over: such a chain alternates in sign, and so do its
    autocorrelations.
    """
    half = series.shape[1] // 2
    return next((lag for lag in range(1, half) if abs(_correlation(series.T, lag)) <= CORRELATION / 2), half)


def _correlation(draws: Float[np.ndarray, "draw replica"], lag: int = 1) -> float:
    """Autocorrelation of draws `lag` apart, averaged over replicas."""
    deviation = draws - draws.mean()
    variance = (deviation**2).mean()
    return float((deviation[lag:] * deviation[:-lag]).mean() / variance) if len(draws) > lag and variance > 0 else 0.0


def _checked(series: Float[np.ndarray, "2 draw replica"], draws: int) -> tuple[float, float, float, list]:
    """Correlation, ESS and R-hat of the draws, and what they say against the promises."""
    _, count, replicas = series.shape
    correlation = max(map(_correlation, series), key=abs)
    groups = [np.stack([one[:, start::4].ravel() for start in range(4)]) for one in series]
    disagreement = max(map(rhat, groups))
    flags = []
    if abs(correlation) > CORRELATION + 5 / math.sqrt(max(1, (count - 1) * replicas)):
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
    deliver: Callable[[Int8[np.ndarray, "replica y x"]], None],
) -> Chains:
    """Draw from the Boltzmann distribution by Markov chains, and return what was measured on them.

    `deliver` is handed the configurations as they come: the first draws of all replicas, then the second ones, and so
    on. The temperature, in J/k_B and above 0, decides how the chains start.
    """
    replicas = replicas_for(model, kernel, draws)
    state = kernel.start(key, replicas, first_signs(model, temperature, replicas))
    state, tau, thinning, discarded, flags = thermalise(model, kernel, state)
    rounds = math.ceil(draws / replicas)
    thinning = thinning if rounds > 1 else 0
    series = []
    for number in range(rounds):
        if number:
            state = kernel.advance(state, thinning)
        deliver(kernel.spins(state)[: draws - number * replicas])
        series.append(_observables(model, kernel, state))
    correlation, ess, disagreement, against = _checked(np.stack(series, axis=1), draws)
    return Chains(tau, discarded, thinning, correlation, ess, disagreement, (*flags, *against))
