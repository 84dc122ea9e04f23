"""Sampling: configurations of a model at given temperatures."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from rbmflow._checks import InvalidInput, Problem, Problems
from rbmflow._types import Key, Spins
from rbmflow.dataset import Draws
from rbmflow.model import Ising
from rbmflow.random import host_generator
from rbmflow.sampler.transfer_matrix import TransferMatrix

__all__ = ["TransferMatrix", "cold", "hot", "sample", "thermal"]

type Method = TransferMatrix
"""An update rule; each is a value with `refusal` and `draw`."""


def method_for(model: Ising, method: Method | str = "auto") -> tuple[Method, str]:
    """The method that `method` stands for with this model, and why.

    Raises
    ------
    InvalidInput
        If the method is unknown or cannot draw from the model.
    """
    if method not in ("auto", "transfer-matrix") and not isinstance(method, TransferMatrix):
        allowed = 'it must be "auto", "transfer-matrix" or TransferMatrix()'
        raise InvalidInput(Problem("method", method, allowed))
    chosen = method if isinstance(method, TransferMatrix) else TransferMatrix()
    reason = chosen.refusal(model)
    if reason is not None:
        raise InvalidInput(Problem("lattice", model.lattice.shape, reason))
    why = "exact and independent at this size" if method == "auto" else "asked for"
    return chosen, f"transfer-matrix ({why})"


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
        "auto", or a method such as `TransferMatrix()`.
    progress
        Called after each temperature with the fraction done.

    Returns
    -------
    Draws
        `spins` int8 [temperature, draw, y, x]; `method` says what was used and why.

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
    chosen, why = method_for(model, method)
    spins = []
    for number, temperature in enumerate(temperatures):
        bits = int(np.float32(temperature).view(np.uint32))
        generator = host_generator(jax.random.fold_in(key, bits))
        spins.append(chosen.draw(generator, model, float(temperature), draws))
        if progress is not None:
            progress((number + 1) / len(temperatures))
    return Draws(jnp.asarray(np.stack(spins)), tuple(float(t) for t in temperatures), why)


def thermal(key: Key, model: Ising, temperature: float, chains: int, method: Method | str = "auto") -> Spins:
    """Configurations int8 [chain, y, x] at one temperature, to start flows from."""
    return sample(key, model, [temperature], chains, method).spins[0]


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
