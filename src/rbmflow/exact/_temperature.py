"""Temperatures as the exact formulas take them: any shape, T = 0 and T = inf included."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from jaxtyping import Array, Float64, Shaped

from rbmflow._doors import numbers_of

type Reals = int | float | np.number | np.ndarray | Array | Iterable[Any]
"""Real numbers of any shape: one number, an array, nested sequences, or what can be run through once."""

type PerTemperature = np.float64 | Float64[np.ndarray, "*batch"]
"""One float64 for each temperature that was asked for: a NumPy scalar for a scalar."""

vanishing = np.errstate(under="ignore")
"""Decorator of formulas: a probability too small for float64 is zero, whatever a session has NumPy do about that."""


def heat(coupling: Float64[np.ndarray, "..."], excitation: Shaped[np.ndarray, "..."]) -> Float64[np.ndarray, "..."]:
    r"""The exponents :math:`K (E - E_0)` of arrays that broadcast; 0 of the ground state, also where K is infinite."""
    with np.errstate(invalid="ignore"):
        return np.where(excitation == 0, 0.0, coupling * excitation)


def around_maximum(
    of: Callable[[Float64[np.ndarray, " t"]], Float64[np.ndarray, " t"]], grid: Float64[np.ndarray, " t"]
) -> Float64[np.ndarray, "3"]:
    """Where a function of the temperature is largest on a grid in equal ratios, between its neighbours there.

    The grid moves until that is within it, or nothing more is known: the function is NaN there. Where it is 0 all over,
    as specific heats are far below a gap, the grid is too cold.
    """
    values = of(grid)
    while True:
        top = int(np.nanargmax(values)) if np.nanmax(values) > 0 else grid.size - 1
        moved = grid * (grid[top] / grid[grid.size // 2])
        if 0 < top < grid.size - 1 or np.isnan(further := of(moved)).all():
            return grid[[max(top - 1, 0), top, min(top + 1, grid.size - 1)]]
        grid, values = moved, further


def inverse_temperature(temperature: Reals) -> Float64[np.ndarray, "*batch"]:
    """Coupling K = 1/T in units J = k_B = 1, infinite at T = 0 and zero at T = inf.

    Raises
    ------
    InvalidInput
        If a temperature is negative or NaN.
    """
    values = numbers_of(temperature, "temperature", lowest=0.0)
    with np.errstate(divide="ignore", over="ignore"):
        return np.asarray(1 / np.abs(values))
