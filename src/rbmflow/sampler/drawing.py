"""Draws at several temperatures, in memory or wherever blocks of them are put."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Int8

from rbmflow._checks import Problems
from rbmflow._doors import AnyKey, Temperatures, key_of, temperatures_of
from rbmflow._own_settings import own_settings
from rbmflow._scan import Interrupted, watched
from rbmflow._types import Key, Spins
from rbmflow.dataset import Chains, Draws
from rbmflow.model import Model, model_of
from rbmflow.random import fold_in, host_generator, key_for
from rbmflow.sampler.chains import run
from rbmflow.sampler.choice import method_for, no_chain
from rbmflow.sampler.method import ChainMethod, ExactMethod, Method

BLOCK_BYTES = 64_000_000
"""Most of a block of draws that needs no chain."""


class Plan(NamedTuple):
    """What is to be drawn, once it is known that it can be."""

    model: Model
    temperatures: tuple[float, ...]
    draws: int
    methods: list[tuple[Method, str]]
    """The method for every temperature, and why."""

    def record(self, spins: Any, chains: list[Chains]) -> Draws:
        """Draws of the first temperatures, those that have chains."""
        told = [f"{one.name} ({why})" for one, why in self.methods]
        count = len(chains)
        lattice, states = self.model.lattice, self.model.states
        return Draws(spins, self.temperatures[:count], told[:count], chains, states, lattice.axes, lattice.joined)

    def stopped(self, chains: list[Chains], result: Any) -> Interrupted:
        """What a Ctrl-C raises after these temperatures."""
        return Interrupted(f"stopped after {len(chains)} of {len(self.temperatures)} temperatures", result)


def planned(model: Model, temperatures: Temperatures, draws: int, method: Method | str, progress: Any = None) -> Plan:
    """What is to be drawn; bad input is refused before anything is."""
    problems = Problems()
    problems.function("progress", progress, "the fraction done")
    draws = problems.whole("draws", draws, 1)
    problems.of(model_of, model)
    grid = problems.of(temperatures_of, temperatures) or (0.0,)
    problems.done()
    told = f"only uniform ground states are drawn at T = 0, and {model.name or 'this model'} may have others"
    Problems.only(grid[0] > 0 or bool(model.ground_states), "temperatures", grid, told)
    return Plan(model, grid, draws, [method_for(model, temperature, method, draws) for temperature in grid])


def _independent(
    generator: np.random.Generator, model: Model, temperature: float, draws: int, method: Method
) -> Int8[np.ndarray, "draw *lattice"]:
    """Draws without a chain: ground states (T = 0), independent random spins (T = infinity), exact ones."""
    shape = (draws, *model.lattice.shape)
    if no_chain(temperature):
        labels = np.array(model.states if temperature else model.ground_states, np.int8)
        drawn = shape if temperature else (draws, *np.ones(len(shape) - 1, int))
        return np.broadcast_to(labels[generator.integers(0, labels.size, drawn, np.int8)], shape).copy()
    assert isinstance(method, ExactMethod)
    return method.draw(generator, model, temperature, draws)


def draw_at(
    key: Key, model: Model, temperature: float, draws: int, method: Method, deliver: Callable[[np.ndarray], None]
) -> Chains:
    """Hand over configurations int8 [draw, y, x] at one temperature block by block; what was measured on the chains."""
    of_temperature = fold_in(key_for(key, "sample"), int(np.float32(temperature).view(np.uint32)))
    # Two families of generators from one key, on purpose: JAX's check of keys that are used twice is told so.
    generator = host_generator(jax.random.clone(of_temperature))
    if not isinstance(method, ChainMethod) or no_chain(temperature):
        block = max(1, BLOCK_BYTES // model.lattice.sites)
        for first in range(0, draws, block):
            deliver(_independent(generator, model, temperature, min(block, draws - first), method))
        return Chains(ess=float(draws))

    states = np.array(model.states, np.int8)
    turned = states[model.symmetries]
    # Most symmetries are signs: a product is some thirty times quicker than looking up every spin.
    signs = np.where((turned == states).all(axis=1), 1, np.where((turned == -states).all(axis=1), -1, 0)).astype(
        np.int8
    )
    tables = np.zeros((len(turned), 256), np.int8)
    tables[:, states.view(np.uint8)] = turned

    def symmetrised(spins: np.ndarray) -> None:
        one_each = (len(spins), *np.ones(spins.ndim - 1, int))
        chosen = generator.integers(0, len(tables), one_each, np.int8)
        drawn = spins * signs[chosen]
        for number in np.flatnonzero(signs == 0):
            rows = chosen.ravel() == number
            drawn[rows] = tables[number][spins[rows].view(np.uint8)]
        deliver(drawn)

    kernel, (tau, _) = method.sweep(model, temperature), method.expected(model, temperature)
    return run(of_temperature, model, kernel, temperature, draws, tau, symmetrised)


def draw_into(
    spins: Any, key: Key, model: Model, plan: Plan, progress: Callable[[float], None] | None = None
) -> tuple[list[Chains], bool]:
    """Fill `spins` int8 [temperature, draw, y, x], an array or what takes blocks as one does.

    Returns
    -------
    chains, stopped
        What was measured at the temperatures that were done, and whether a Ctrl-C came; one that comes before any
        was done is raised again.
    """
    chains: list[Chains] = []
    try:
        for number, (temperature, (method, _)) in enumerate(zip(plan.temperatures, plan.methods, strict=True)):
            filled = 0

            def deliver(block: np.ndarray, number: int = number) -> None:
                nonlocal filled
                spins[number, filled : filled + len(block)] = block
                filled += len(block)

            chains.append(draw_at(key, model, temperature, plan.draws, method, deliver))
            if progress is not None:
                progress(len(chains) / len(plan.temperatures))
    except KeyboardInterrupt:
        if not chains:
            raise
        return chains, True
    return chains, False


@own_settings
def sample(
    key: AnyKey,
    model: Model,
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
        other temperatures, which are told apart in single precision.
    model
        The model.
    temperatures
        In J/k_B, one or increasing ones; 0 (the two ground states with equal weight) and infinity included.
    draws
        Configurations at each temperature.
    method
        "auto" (the rule is in `sampler.choice`), or a method such as `Metropolis()`, or its name.
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
    >>> draws = rf.sample(jax.random.key(0), rf.ising(rf.square(4)), temperatures=[1.0, 2.27], draws=5)
    >>> draws.spins.shape
    (2, 5, 4, 4)
    """
    key, plan = key_of(key), planned(model, temperatures, draws, method, progress)
    spins = np.empty((len(plan.temperatures), plan.draws, *model.lattice.shape), np.int8)
    chains, stopped = draw_into(spins, key, model, plan, watched(progress, "draws"))
    spins.flags.writeable = False
    drawn = plan.record(spins[: len(chains)], chains)
    if stopped:
        raise plan.stopped(chains, drawn) from None
    return drawn


@own_settings
def thermal(key: AnyKey, model: Model, temperature: float, chains: int, method: Method | str = "auto") -> Spins:
    """Configurations int8 [chain, y, x] at one temperature, to start flows from.

    Raises
    ------
    InvalidInput
        As `sample`.
    """
    grid = temperatures_of(temperature, "temperature")
    Problems.only(len(grid) == 1, "temperature", grid, "it must be one temperature")
    return sample(key_for(key, "thermal"), model, grid, chains, method).spins[0]


def cold(key: AnyKey, model: Model, chains: int) -> Spins:
    """Ground states int8 [chain, y, x] (T = 0), the sign of each drawn at random.

    Examples
    --------
    >>> import jax, rbmflow as rf
    >>> rf.cold(jax.random.key(0), rf.ising(rf.square(4)), 7).shape
    (7, 4, 4)
    """
    return thermal(key, model, 0.0, chains)


def hot(key: AnyKey, model: Model, chains: int) -> Spins:
    """Independent random spins int8 [chain, y, x] (T = infinity).

    Examples
    --------
    >>> import jax, rbmflow as rf
    >>> rf.hot(jax.random.key(0), rf.ising(rf.square(4)), 7).shape
    (7, 4, 4)
    """
    return thermal(key, model, float("inf"), chains)
