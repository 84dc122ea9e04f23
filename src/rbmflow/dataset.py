"""Training sets: draws at many temperatures, and the part of them that a type of machine learns from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Int8

from rbmflow._checks import InvalidInput, Problem, Problems
from rbmflow._record import Record

if TYPE_CHECKING:
    import xarray as xr


class Draws(Record):
    """Configurations drawn independently at several temperatures.

    Parameters
    ----------
    spins : int8 [temperature, draw, y, x]
        Configurations of -1/+1.
    temperatures
        Temperatures in J/k_B, increasing; 0 and infinity allowed.
    method
        How they were drawn, and why so.
    """

    spins: Int8[Array, "temperature draw y x"]
    temperatures: tuple[float, ...] = eqx.field(static=True)
    method: str = eqx.field(static=True, default="given")

    @classmethod
    def from_array(cls, spins: Any, temperatures: Sequence[float]) -> Draws:
        """Draws from configurations made elsewhere.

        Parameters
        ----------
        spins : [temperature, draw, y, x]
            Numbers -1 and +1 of any type.
        temperatures
            One temperature for each entry of the first axis, increasing.

        Raises
        ------
        InvalidInput
            If the shape does not fit, a value is neither -1 nor +1, or the temperatures are not increasing.
        """
        array = np.asarray(spins)
        problems = Problems()
        problems.temperatures("temperatures", temperatures)
        fits = array.ndim == 4 and array.shape[0] == len(temperatures) and array.size > 0
        allowed = f"it must be [temperature, draw, y, x] with {len(temperatures)} temperatures and no empty axis"
        problems.unless(fits, "shape of spins", array.shape, allowed)
        odd = array[(array != 1) & (array != -1)]
        problems.unless(odd.size == 0, "spins", odd.flat[0] if odd.size else None, "every spin must be -1 or +1")
        problems.done()
        return cls(jnp.asarray(array.astype(np.int8)), tuple(float(t) for t in temperatures))

    def select(self, minimum: float = 0.0, maximum: float = math.inf) -> Draws:
        """The draws with `minimum <= T <= maximum`.

        Raises
        ------
        InvalidInput
            If no temperature is left.
        """
        kept = [i for i, t in enumerate(self.temperatures) if minimum <= t <= maximum]
        if not kept:
            allowed = f"one of the temperatures {list(self.temperatures)} must lie in between"
            raise InvalidInput(Problem("minimum, maximum", (minimum, maximum), allowed))
        return type(self)(self.spins[jnp.asarray(kept)], tuple(self.temperatures[i] for i in kept), self.method)

    def to_dataset(self) -> xr.Dataset:
        """Labelled copy."""
        import xarray as xr

        spins = (("temperature", "draw", "y", "x"), np.asarray(self.spins), {"long_name": "spin"})
        temperatures = ("temperature", np.array(self.temperatures), {"long_name": "temperature", "units": "J/k_B"})
        return xr.Dataset({"spins": spins}, {"temperature": temperatures}, {"method": self.method})

    @classmethod
    def from_dataset(cls, dataset: xr.Dataset) -> Draws:
        """Draws from the data written by `to_dataset`."""
        temperatures = tuple(float(t) for t in dataset["temperature"].values)
        return cls(jnp.asarray(dataset["spins"].values), temperatures, dataset.attrs["method"])


def configurations(data: Draws | ArrayLike) -> Int8[Array, "sample visible"]:
    """Training set: all configurations as rows, whatever their temperature.

    Parameters
    ----------
    data : Draws or int8 [sample, visible]
        Draws are flattened, `visible = y * lx + x`; an array is checked and passed through.

    Raises
    ------
    InvalidInput
        If an array is not two-dimensional or holds anything but -1 and +1.
    """
    if isinstance(data, Draws):
        ly, lx = data.spins.shape[-2:]
        return data.spins.reshape(-1, ly * lx)
    array = np.asarray(data)
    problems = Problems()
    two = array.ndim == 2 and array.size > 0
    problems.unless(two, "shape of data", array.shape, "it must be [sample, visible] with no empty axis")
    odd = array[(array != 1) & (array != -1)]
    problems.unless(odd.size == 0, "data", odd.flat[0] if odd.size else None, "every spin must be -1 or +1")
    problems.done()
    return jnp.asarray(array.astype(np.int8))
