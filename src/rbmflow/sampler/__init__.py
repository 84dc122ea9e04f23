"""Sampling: configurations of a model at given temperatures.

"auto" takes, for every temperature,

- the exact sampler if there is no field and a side is at most 12;
- a cluster update if there is no field, both sides and 3 xi are at least 64, with xi the correlation length of the
  infinite lattice, and the package numba is there: a Metropolis autocorrelation time, about
  0.02 min(L, 3 xi)^2.17 sweeps, then costs more than clusters do. Wolff up to sides of 10 xi, else Swendsen-Wang;
- heat bath at T >= 4, where Metropolis flips most spins in every sweep;
- Metropolis everywhere else.

T = 0 and T = infinity need no chain: ground states, and independent random spins.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from rbmflow._checks import InvalidInput, Problem, Problems
from rbmflow._types import Key, Spins
from rbmflow.dataset import Chains, Draws
from rbmflow.model import Ising
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

type Method = TransferMatrix | Metropolis | HeatBath | SwendsenWang | Wolff
"""How configurations are drawn; each is a value with a `name` and a `refusal`."""

METHODS = {method.name: method() for method in (TransferMatrix, Metropolis, HeatBath, SwendsenWang, Wolff)}
CLUSTER_SIDE = 64
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


def automatic(model: Ising, temperature: float) -> tuple[Method, str]:
    """The method that "auto" takes at a temperature, and why."""
    exact = TransferMatrix()
    if exact.refusal(model) is None:
        return exact, "exact and independent at this size"
    if temperature == 0 or math.isinf(temperature):
        return Metropolis(), "no chain is needed"
    length = correlation_length(temperature)
    side = min(model.lattice.shape)
    if model.field == 0 and min(side, 3 * length) >= CLUSTER_SIDE:
        cluster = Wolff() if side <= 10 * length else SwendsenWang()
        if cluster.refusal(model) is None:
            return cluster, f"large lattice with a correlation length of {length:.3g}"
        return Metropolis(), f"clusters would be faster, but {cluster.refusal(model)}"
    if temperature >= HEAT_BATH_TEMPERATURE:
        return HeatBath(), "high temperature"
    return Metropolis(), "in a field" if model.field else "short correlations or moderate size"


def method_for(model: Ising, temperature: float, method: Method | str = "auto") -> tuple[Method, str]:
    """The method that `method` stands for, and why.

    Raises
    ------
    InvalidInput
        If the method is unknown or cannot draw from the model.
    """
    if method == "auto":
        return automatic(model, temperature)
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


def _trivial(generator: np.random.Generator, model: Ising, temperature: float, draws: int) -> np.ndarray:
    """Ground states (T = 0) or independent random spins (T = infinity)."""
    shape = model.lattice.shape
    if temperature > 0:
        return generator.integers(0, 2, (draws, *shape), np.int8) * 2 - 1
    sign = np.int8(np.sign(model.field)) or generator.integers(0, 2, (draws, 1, 1), np.int8) * 2 - 1
    return np.broadcast_to(sign, (draws, *shape)).astype(np.int8)


def _draw(key: Key, model: Ising, temperature: float, draws: int, method: Method) -> tuple[np.ndarray, Chains]:
    """Configurations int8 [draw, y, x] at one temperature, and what was measured on the chains."""
    generator = host_generator(key)
    if isinstance(method, TransferMatrix):
        return method.draw(generator, model, temperature, draws), Chains(ess=float(draws))
    if temperature == 0 or math.isinf(temperature):
        return _trivial(generator, model, temperature, draws), Chains(ess=float(draws))
    spins, chains = run(key, model, method.sweep(model, temperature), temperature, draws)
    if model.field == 0:
        spins *= generator.integers(0, 2, (draws, 1, 1), np.int8) * 2 - 1
    return spins, chains


def sample(
    key: Key,
    model: Ising,
    temperatures: Sequence[float],
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
        JAX random key. The configurations at one temperature depend on the key and that temperature alone.
    model
        The model.
    temperatures
        In J/k_B, increasing; 0 (the two ground states with equal weight) and infinity included.
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

    Examples
    --------
    >>> import jax, rbmflow as rf
    >>> draws = rf.sample(jax.random.key(0), rf.Ising(rf.Square(4)), temperatures=[1.0, 2.27], draws=5)
    >>> draws.spins.shape
    (2, 5, 4, 4)
    """
    problems = Problems()
    problems.temperatures("temperatures", temperatures)
    problems.whole("draws", draws, 1)
    problems.done()
    chosen = [method_for(model, float(temperature), method) for temperature in temperatures]
    methods = tuple(f"{one.name} ({why})" for one, why in chosen)
    of_sampling = key_for(key, "sample")
    spins, chains = [], []
    for number, (temperature, (one, _)) in enumerate(zip(temperatures, chosen, strict=True)):
        bits = int(np.float32(temperature).view(np.uint32))
        drawn, measured = _draw(jax.random.fold_in(of_sampling, bits), model, float(temperature), draws, one)
        spins.append(drawn)
        chains.append(measured)
        if progress is not None:
            progress((number + 1) / len(temperatures))
    named = "; ".join(dict.fromkeys(methods))
    return Draws(jnp.asarray(np.stack(spins)), tuple(map(float, temperatures)), named, methods, tuple(chains))


def thermal(key: Key, model: Ising, temperature: float, chains: int, method: Method | str = "auto") -> Spins:
    """Configurations int8 [chain, y, x] at one temperature, to start flows from."""
    return sample(key_for(key, "thermal"), model, [temperature], chains, method).spins[0]


def cold(key: Key, model: Ising, chains: int) -> Spins:
    """Ground states int8 [chain, y, x] (T = 0), the sign of each drawn at random.

    Examples
    --------
    >>> import jax, rbmflow as rf
    >>> rf.cold(jax.random.key(0), rf.Ising(rf.Square(4)), 7).shape
    (7, 4, 4)
    """
    return thermal(key, model, 0.0, chains)


def hot(key: Key, model: Ising, chains: int) -> Spins:
    """Independent random spins int8 [chain, y, x] (T = infinity).

    Examples
    --------
    >>> import jax, rbmflow as rf
    >>> rf.hot(jax.random.key(0), rf.Ising(rf.Square(4)), 7).shape
    (7, 4, 4)
    """
    return thermal(key, model, float("inf"), chains)
