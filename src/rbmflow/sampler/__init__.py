"""Sampling: configurations of a model at given temperatures.

"auto" takes, for every temperature,

- the exact sampler if there is no field, a side is at most 12 (and the other not so long that its tables take more than
  a few seconds), and there are at most 100 000 draws; beyond that a chain with its measured thinning is faster;
- a cluster update if there is no field, the package numba is there, and Metropolis is slowed down: sides from 20 up
  to 3 xi, with xi the correlation length of the infinite lattice, or both sides and 3 xi at least 64. (A Metropolis
  autocorrelation time is about 0.02 min(L, 3 xi)^2.17 sweeps; a Wolff cluster costs about as much as four sweeps.)
  Wolff up to sides of 10 xi, beyond which its clusters are small parts of the lattice, else Swendsen-Wang;
- heat bath at T >= 4, where Metropolis flips most spins in every sweep;
- Metropolis everywhere else.

T = 0 and T = infinity need no chain: ground states, and independent random spins.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from rbmflow._checks import InvalidInput, Problem, Problems
from rbmflow._doors import AnyKey, Temperatures, key_of, temperatures_of
from rbmflow._own_settings import own_settings
from rbmflow._scan import Interrupted
from rbmflow._types import Key, Spins
from rbmflow.dataset import Chains, Draws
from rbmflow.model import Ising, model_of
from rbmflow.random import host_generator, key_for
from rbmflow.sampler.chains import run
from rbmflow.sampler.cluster import SwendsenWang, Wolff
from rbmflow.sampler.local import HeatBath, Metropolis
from rbmflow.sampler.transfer_matrix import TransferMatrix

__all__ = [
    "HeatBath",
    "Metropolis",
    "SwendsenWang",
    "TransferMatrix",
    "Wolff",
    "cold",
    "hot",
    "sample",
    "thermal",
]

type Deliver = Callable[[np.ndarray], None]

type Method = TransferMatrix | Metropolis | HeatBath | SwendsenWang | Wolff
"""How configurations are drawn; each is a value with a `name` and a `refusal`."""

METHODS = {method.name: method() for method in (TransferMatrix, Metropolis, HeatBath, SwendsenWang, Wolff)}
CRITICAL_SIDE = 20
CLUSTER_SIDE = 64
MOST_EXACT_DRAWS = 100_000
MOST_TABLE_ENTRIES = 4e8
HEAT_BATH_TEMPERATURE = 4.0


def correlation_length(temperature: float) -> float:
    r"""Correlation length of the infinite lattice without field, along a row.

    .. math:: \xi^{-1} = \ln\coth K - 2K \; (T > T_c), \qquad \xi^{-1} = 2 (2K - \ln\coth K) \; (T < T_c),

    with K = 1 / T.

    References
    ----------
    B. M. McCoy, T. T. Wu, The Two-Dimensional Ising Model (Harvard, 1973), chapters XI and XII.
    """
    rate = -math.log(math.tanh(1 / temperature)) - 2 / temperature
    return 1 / (rate if rate > 0 else -2 * rate) if rate else math.inf


def automatic(model: Ising, temperature: float, draws: int = 1) -> tuple[Method, str]:
    """The method that "auto" takes for so many draws at a temperature, and why."""
    exact = TransferMatrix()
    many = draws > MOST_EXACT_DRAWS
    if exact.refusal(model) is None and not many and exact.table_entries(model) <= MOST_TABLE_ENTRIES:
        return exact, "exact and independent at this size"
    if temperature == 0 or math.isinf(temperature):
        return Metropolis(), "no chain is needed"
    length = correlation_length(temperature)
    side = min(model.lattice.shape)
    near = CRITICAL_SIDE <= side <= 3 * length
    if model.field == 0 and (near or min(side, 3 * length) >= CLUSTER_SIDE):
        cluster = Wolff() if side <= 10 * length else SwendsenWang()
        if cluster.refusal(model) is None:
            return cluster, f"large lattice with a correlation length of {length:.3g}"
        return Metropolis(), f"clusters would be faster, but {cluster.refusal(model)}"
    if temperature >= HEAT_BATH_TEMPERATURE:
        return HeatBath(), "high temperature"
    if exact.refusal(model) is None and many:
        return Metropolis(), f"more than {MOST_EXACT_DRAWS} draws, for which exact ones take longer"
    return Metropolis(), "in a field" if model.field else "short correlations or moderate size"


def method_for(model: Ising, temperature: float, method: Method | str = "auto", draws: int = 1) -> tuple[Method, str]:
    """The method that `method` stands for, and why.

    Raises
    ------
    InvalidInput
        If the method is unknown or cannot draw from the model.
    """
    if method == "auto":
        return automatic(model, temperature, draws)
    chosen = METHODS.get(method) if isinstance(method, str) else method
    if not isinstance(chosen, TransferMatrix | Metropolis | HeatBath | SwendsenWang | Wolff):
        allowed = f'it must be "auto", {", ".join(METHODS)} or a method such as Metropolis()'
        raise InvalidInput(Problem("method", method, allowed))
    reason = chosen.refusal(model)
    if reason is not None:
        field, value = ("method", chosen.name)
        if isinstance(chosen, TransferMatrix):
            field, value = ("field", model.field) if model.field else ("lattice", model.lattice.shape)
        raise InvalidInput(Problem(field, value, reason))
    return chosen, "asked for"


BLOCK_BYTES = 64_000_000
"""Most of a block of draws that needs no chain."""


def _independent(
    generator: np.random.Generator, model: Ising, temperature: float, draws: int, method: Method
) -> np.ndarray:
    """Draws without a chain: exact ones, ground states (T = 0), independent random spins (T = infinity)."""
    if isinstance(method, TransferMatrix):
        return method.draw(generator, model, temperature, draws)
    shape = model.lattice.shape
    if temperature > 0:
        return generator.integers(0, 2, (draws, *shape), np.int8) * 2 - 1
    sign = np.int8(np.sign(model.field)) or generator.integers(0, 2, (draws, 1, 1), np.int8) * 2 - 1
    return np.broadcast_to(sign, (draws, *shape)).astype(np.int8)


def draw(key: Key, model: Ising, temperature: float, draws: int, method: Method, deliver: Deliver) -> Chains:
    """Hand over configurations int8 [draw, y, x] at one temperature block by block; what was measured on the chains."""
    of_temperature = jax.random.fold_in(key_for(key, "sample"), int(np.float32(temperature).view(np.uint32)))
    # Two families of generators from one key, on purpose: JAX's check of keys that are used twice is told so.
    generator = host_generator(jax.random.clone(of_temperature))
    if isinstance(method, TransferMatrix) or temperature == 0 or math.isinf(temperature):
        block = max(1, BLOCK_BYTES // model.lattice.sites)
        for first in range(0, draws, block):
            deliver(_independent(generator, model, temperature, min(block, draws - first), method))
        return Chains(ess=float(draws))

    def symmetrised(spins: np.ndarray) -> None:
        signs = generator.integers(0, 2, (len(spins), 1, 1), np.int8) * 2 - 1
        deliver(spins if model.field else spins * signs)

    return run(of_temperature, model, method.sweep(model, temperature), temperature, draws, symmetrised)


class Plan(NamedTuple):
    """What is to be drawn, once it is known that it can be."""

    temperatures: tuple[float, ...]
    draws: int
    methods: list[tuple[Method, str]]
    """The method for every temperature, and why."""


def checked(model: Ising, temperatures: Temperatures, draws: int, method: Method | str, progress: Any = None) -> Plan:
    """What is to be drawn; bad input is refused before anything is."""
    problems = Problems()
    problems.function("progress", progress, "the fraction done")
    draws = problems.whole("draws", draws, 1)
    problems.done()
    model, grid = model_of(model), temperatures_of(temperatures)
    return Plan(grid, draws, [method_for(model, temperature, method, draws) for temperature in grid])


@own_settings
def sample(
    key: AnyKey,
    model: Ising,
    temperatures: Temperatures,
    draws: int,
    method: Method | str = "auto",
    *,
    progress: Callable[[float], None] | None = None,
) -> Draws:
    """Draw independent configurations of a model at several temperatures.

    Markov chains are thermalised and thinned by measured autocorrelation times (see `sampler.chains`); without field
    the sign of every one of their draws is then drawn at random, which is exact.

    Parameters
    ----------
    key
        JAX random key, or a whole number to make one from. The configurations at one temperature do not depend on the
        other temperatures; temperatures
        are told apart in single precision.
    model
        The model.
    temperatures
        In J/k_B, one or increasing ones; 0 (the two ground states with equal weight) and infinity included.
    draws
        Configurations at each temperature.
    method
        "auto" (the rule is in `sampler`), or a method such as `Metropolis()`, or its name.
    progress
        Called after each temperature with the fraction done.

    Returns
    -------
    Draws
        `spins` int8 [temperature, draw, y, x]; `methods` says what was used at each temperature and why, `chains`
        what was measured, `flags` which promise was not kept.

    Raises
    ------
    InvalidInput
        If an argument cannot be used or the lattice is too large for the method.
    Interrupted
        On Ctrl-C, with the draws of the temperatures that were done; those left out are drawn by the same key.

    Examples
    --------
    >>> import jax, rbmflow as rf
    >>> draws = rf.sample(jax.random.key(0), rf.Ising(rf.Square(4)), temperatures=[1.0, 2.27], draws=5)
    >>> draws.spins.shape
    (2, 5, 4, 4)
    """
    key, (grid, draws, chosen) = key_of(key), checked(model, temperatures, draws, method, progress)
    drawn: list[tuple[np.ndarray, Chains]] = []
    try:
        for temperature, (one, _) in zip(grid, chosen, strict=True):
            blocks: list[np.ndarray] = []
            chains = draw(key, model, temperature, draws, one, blocks.append)
            drawn = [*drawn, (np.concatenate(blocks), chains)]
            if progress is not None:
                progress(len(drawn) / len(grid))
    except KeyboardInterrupt:
        if not drawn:
            raise
        text = f"stopped after {len(drawn)} of {len(grid)} temperatures"
        raise Interrupted(text, _together(drawn, grid, chosen)) from None
    return _together(drawn, grid, chosen)


def _together(
    drawn: list[tuple[np.ndarray, Chains]], grid: tuple[float, ...], chosen: list[tuple[Method, str]]
) -> Draws:
    """Draws of the first temperatures, those that were drawn."""
    spins, chains = zip(*drawn, strict=True)
    return Draws(np.stack(spins), grid[: len(drawn)], methods_told(chosen[: len(drawn)]), chains)


def methods_told(chosen: list[tuple[Method, str]]) -> tuple[str, ...]:
    """The methods and why they were taken, as records tell them."""
    return tuple(f"{one.name} ({why})" for one, why in chosen)


@own_settings
def thermal(key: AnyKey, model: Ising, temperature: float, chains: int, method: Method | str = "auto") -> Spins:
    """Configurations int8 [chain, y, x] at one temperature, to start flows from.

    Raises
    ------
    InvalidInput
        As `sample`.
    """
    grid = temperatures_of(temperature, "temperature")
    Problems.only(len(grid) == 1, "temperature", grid, "it must be one temperature")
    return sample(key_for(key, "thermal"), model, grid, chains, method).spins[0]


def cold(key: AnyKey, model: Ising, chains: int) -> Spins:
    """Ground states int8 [chain, y, x] (T = 0), the sign of each drawn at random.

    Examples
    --------
    >>> import jax, rbmflow as rf
    >>> rf.cold(jax.random.key(0), rf.Ising(rf.Square(4)), 7).shape
    (7, 4, 4)
    """
    return thermal(key, model, 0.0, chains)


def hot(key: AnyKey, model: Ising, chains: int) -> Spins:
    """Independent random spins int8 [chain, y, x] (T = infinity).

    Examples
    --------
    >>> import jax, rbmflow as rf
    >>> rf.hot(jax.random.key(0), rf.Ising(rf.Square(4)), 7).shape
    (7, 4, 4)
    """
    return thermal(key, model, float("inf"), chains)
