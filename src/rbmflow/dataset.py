"""Training sets: draws at many temperatures, and the part of them that a type of machine learns from."""

from __future__ import annotations

import json
import math
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int8

from rbmflow._checks import InvalidInput, Problem, Problems
from rbmflow._doors import Configurations, Temperatures, spins_of, temperatures_of
from rbmflow._netcdf import read_dataset
from rbmflow._record import Record

if TYPE_CHECKING:
    import xarray as xr


class Chains(NamedTuple):
    """What was measured on the Markov chains of one temperature; independent exact draws have the defaults."""

    tau_int: float = 0.5
    """Integrated autocorrelation time in steps of the update."""
    discarded: int = 0
    """Steps before the first draw."""
    thinning: int = 0
    """Steps between successive draws of one replica; 0 if every draw has its own replica."""
    correlation: float = 0.0
    """Autocorrelation of successive draws of one replica, the larger of those of the energy and of m^2."""
    ess: float = math.nan
    """Effective number of independent draws."""
    rhat: float = 1.0
    """R-hat between four groups of replicas."""
    flags: tuple[str, ...] = ()
    """Promises that were not kept, one sentence each."""


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
    methods
        The same for every temperature; empty for draws made elsewhere.
    chains
        What was measured on the chains of every temperature; empty for draws made elsewhere.
    """

    spins: Int8[Array, "temperature draw y x"]
    temperatures: tuple[float, ...] = eqx.field(static=True)
    method: str = eqx.field(static=True, default="given")
    methods: tuple[str, ...] = eqx.field(static=True, default=())
    chains: tuple[Chains, ...] = eqx.field(static=True, default=())

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """The configurations, so that every function that takes configurations takes this record."""
        return np.array(self.spins, dtype=dtype, copy=copy)

    @property
    def flags(self) -> tuple[str, ...]:
        """Promises of the sampler that were not kept, with their temperatures."""
        measured = zip(self.temperatures, self.chains, strict=False)
        return tuple(f"T = {temperature:g}: {flag}" for temperature, one in measured for flag in one.flags)

    @classmethod
    def from_array(cls, spins: Configurations, temperatures: Temperatures) -> Draws:
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

        Examples
        --------
        >>> import numpy as np
        >>> Draws.from_array(np.ones((2, 5, 4, 4)), [1.0, 2.0]).spins.dtype.name
        'int8'
        """
        grid, array = temperatures_of(temperatures), spins_of(spins, axes=4)
        allowed = f"it must be [temperature, draw, y, x] with {len(grid)} temperatures"
        Problems.only(len(array) == len(grid), "shape of spins", array.shape, allowed)
        return cls(jnp.asarray(array), grid)

    @classmethod
    def read(cls, path: str | Path) -> Draws:
        """Draws from a file: one that `save` or `sample_to` wrote, or configurations made elsewhere.

        Parameters
        ----------
        path
            A netCDF-4 file with the variable `spins` [temperature, draw, y, x] and the coordinate `temperature`, or
            a NumPy archive `.npz` with the arrays `spins` and `temperatures`. Objects in an archive are never loaded.

        Raises
        ------
        InvalidInput
            If the file is not there, is of another kind, lacks a name, or holds what `from_array` refuses.

        Examples
        --------
        >>> import numpy as np, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     np.savez(folder + "/mine.npz", spins=np.ones((1, 5, 4, 4)), temperatures=[2.0])
        ...     Draws.read(folder + "/mine.npz").spins.shape
        (1, 5, 4, 4)
        """
        path = Path(path)
        if not path.is_file():
            raise InvalidInput(Problem("path", str(path), "there must be a file"))
        if path.suffix == ".npz":
            return cls.from_array(**_archived(path))
        try:
            dataset = read_dataset(path)
        except (OSError, ValueError, KeyError) as error:
            raise InvalidInput(Problem("path", str(path), f"it must be a netCDF-4 or .npz file ({error})")) from error
        missing = {"spins", "temperature"} - set(dataset.variables)
        if missing:
            allowed = f"it must hold spins [temperature, draw, y, x] and temperature; {min(missing)} is missing"
            raise InvalidInput(Problem("path", str(path), allowed))
        axes = ("temperature", "draw", "y", "x")
        if set(dataset["spins"].dims) != set(axes):
            allowed = f"the axes of spins must be {', '.join(axes)}, not {', '.join(map(str, dataset['spins'].dims))}"
            raise InvalidInput(Problem("path", str(path), allowed))
        given = cls.from_array(dataset["spins"].transpose(*axes).values, dataset["temperature"].values)
        own = {"method", "sampling_flags"} <= set(dataset.attrs)
        return cls.from_dataset(dataset) if own else given

    def select(self, minimum: float = 0.0, maximum: float = math.inf) -> Draws:
        """The draws with `minimum <= T <= maximum`.

        Raises
        ------
        InvalidInput
            If no temperature is left.
        """
        kept = [t for t in self.temperatures if minimum <= t <= maximum]
        if not kept:
            allowed = f"one of the temperatures {list(self.temperatures)} must lie in between"
            raise InvalidInput(Problem("minimum, maximum", (minimum, maximum), allowed))
        return self.at(kept)

    def at(self, temperatures: Sequence[float]) -> Draws:
        """The draws at these temperatures.

        Raises
        ------
        InvalidInput
            If there are none at one of them.
        """
        missing = [t for t in temperatures if t not in self.temperatures]
        if missing or not temperatures:
            allowed = f"they must be some of {list(self.temperatures)}"
            raise InvalidInput(Problem("temperatures", list(temperatures), allowed))
        kept = [self.temperatures.index(t) for t in temperatures]
        spins, chosen = self.spins[jnp.asarray(kept)], tuple(self.temperatures[i] for i in kept)
        if not self.methods:
            return type(self)(spins, chosen, self.method)
        methods, chains = tuple(self.methods[i] for i in kept), tuple(self.chains[i] for i in kept)
        return type(self)(spins, chosen, self.method, methods, chains)

    def to_dataset(self) -> xr.Dataset:
        """Labelled copy."""
        import xarray as xr

        spins = (("temperature", "draw", "y", "x"), np.asarray(self.spins), {"long_name": "spin"})
        temperatures = ("temperature", np.array(self.temperatures), {"long_name": "temperature", "units": "J/k_B"})
        variables: dict[str, Any] = {"spins": spins}
        if self.methods:
            variables["sampling_method"] = ("temperature", np.array(self.methods), {"long_name": "method and reason"})
            for name, (long_name, units) in _MEASURED.items():
                values = np.array([getattr(one, name) for one in self.chains], float)
                variables[name] = ("temperature", values, {"long_name": long_name, "units": units})
        attributes = {"method": self.method, "sampling_flags": json.dumps([one.flags for one in self.chains])}
        return xr.Dataset(variables, {"temperature": temperatures}, attributes)

    @classmethod
    def from_dataset(cls, dataset: xr.Dataset) -> Draws:
        """Draws from the data written by `to_dataset`."""
        temperatures = tuple(float(t) for t in dataset["temperature"].values)
        spins, method = jnp.asarray(dataset["spins"].values), dataset.attrs["method"]
        if "sampling_method" not in dataset:
            return cls(spins, temperatures, method)
        columns = {name: dataset[name].values.tolist() for name in _MEASURED}
        columns["discarded"], columns["thinning"] = (list(map(int, columns[k])) for k in ("discarded", "thinning"))
        columns["flags"] = [tuple(flags) for flags in json.loads(dataset.attrs["sampling_flags"])]
        chains = tuple(Chains(**dict(zip(columns, row, strict=True))) for row in zip(*columns.values(), strict=True))
        return cls(spins, temperatures, method, tuple(map(str, dataset["sampling_method"].values)), chains)


def _archived(path: Path) -> dict[str, np.ndarray]:
    """Arrays `spins` and `temperatures` of a NumPy archive."""
    allowed = "it must be a NumPy archive of the plain arrays spins and temperatures"
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in ("spins", "temperatures")}
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise InvalidInput(Problem("path", str(path), f"{allowed} ({error})")) from error


_MEASURED = {
    "tau_int": ("integrated autocorrelation time", "steps"),
    "discarded": ("steps before the first draw", "steps"),
    "thinning": ("steps between draws of one replica", "steps"),
    "correlation": ("autocorrelation of successive draws", "1"),
    "ess": ("effective sample size", "1"),
    "rhat": ("R-hat between groups of replicas", "1"),
}
