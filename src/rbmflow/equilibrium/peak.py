"""The maximum of the specific heat of a model on its lattice, by the quickest way that tells it."""

import numpy as np
from jaxtyping import Float64

from rbmflow import exact as formulas
from rbmflow._doors import AnyKey
from rbmflow.critical import require_heat, temperature_scale
from rbmflow.equilibrium.measured import measured
from rbmflow.equilibrium.reweighted import reweighted
from rbmflow.equilibrium.transferred import known
from rbmflow.exact._temperature import around_maximum
from rbmflow.exact.slice_levels import trace_seconds
from rbmflow.exact.slice_transfer import no_slices, slice_transfer
from rbmflow.model import Model, has_formulas

TRACES = 120
"""Traces of the transfer matrix that the maximum takes, roughly."""
DOOR = 10.0
"""Seconds that it may take where a spec is read."""
AROUND = np.geomspace(0.6, 1.7, 9)
"""Temperatures of draws around a first guess, as parts of it."""


def quick_peak(model: Model, within: float = DOOR) -> float | None:
    """The temperature of the maximum without a draw, None if it takes longer than so many seconds, roughly."""
    require_heat(model)
    if has_formulas(model):
        return formulas.specific_heat_peak(model)[0]
    if no_slices(model) is None and TRACES * trace_seconds(model) <= within:
        return slice_transfer(model).specific_heat_peak(temperature_scale(model))
    summed = known(model, within=0.0)
    return summed.specific_heat_peak()[0] if summed else None


def specific_heat_peak(model: Model, key: AnyKey = 0, draws: int = 2000) -> tuple[float, float]:
    """Temperature of the maximum of the specific heat per site in J/k_B, and its standard error: 0 of what is exact.

    By formulas, a sum or the transfer matrix; else by reweighting of so many draws at each of nine temperatures around
    the largest fluctuations of first draws.

    Raises
    ------
    InvalidInput
        If all energies of the model are the same.

    Examples
    --------
    >>> import rbmflow as rf
    >>> models = rf.ising(rf.square(10)), rf.ising(rf.square(6), field=0.1), rf.blume_capel(rf.square(4), 1.0)
    >>> [round(specific_heat_peak(model)[0], 3) for model in models]
    [2.345, 2.501, 1.357]
    """
    exact = quick_peak(model, within=20 * DOOR)
    if exact is not None:
        return exact, 0.0

    def fluctuations(grid: Float64[np.ndarray, " t"]) -> Float64[np.ndarray, " t"]:
        return measured(key, model, [], grid, 200).energy.var(axis=1) / grid**2

    _, guess, _ = around_maximum(fluctuations, temperature_scale(model) * np.geomspace(0.3, 3, 15))
    return reweighted(measured(key, model, [], guess * AROUND, draws)).specific_heat_peak()
