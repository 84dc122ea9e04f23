"""Training sets: draws at many temperatures, and the part of them that a type of machine learns from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import equinox as eqx
import numpy as np
from jaxtyping import Float32, Int8

from rbmflow._arrays import has_axis
from rbmflow._checks import Problems, between_temperatures, find_temperature, is_number, listed, plain_number
from rbmflow._doors import Configurations, Temperatures, spins_of, temperatures_of
from rbmflow._netcdf import FileName, read_dataset
from rbmflow._record import Held, Record, arrays_of, attribute, dataset_of, in_order, owned
from rbmflow._shown import Shown
from rbmflow.configurations import GIVEN, configurations_of, labels_of
from rbmflow.model import Model

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


USUAL = (-1, 1), ("y", "x")
"""States and axes that data do not tell."""


def _drawn(lattice_axes: Sequence[str]) -> dict[str, Held]:
    return {
        "temperature": Held("temperature", "temperature", "J/k_B", "float64"),
        "spins": Held(" ".join(("temperature", "draw", *lattice_axes)), "spin", dtype="int8"),
    }


_MEASURED = {
    "tau_int": Held("temperature", "integrated autocorrelation time", "steps", "float64"),
    "discarded": Held("temperature", "steps before the first draw", "steps", "int64"),
    "thinning": Held("temperature", "steps between draws of one replica", "steps", "int64"),
    "correlation": Held("temperature", "autocorrelation of successive draws", "1", "float64"),
    "ess": Held("temperature", "effective sample size", "1", "float64"),
    "rhat": Held("temperature", "R-hat between groups of replicas", "1", "float64"),
}
_TEXTS = {"sampling_method": "method and reason", "sampling_flags": "promises that were not kept, one a line"}


class Draws(Record, Shown):
    """Configurations drawn independently at several temperatures.

    NumPy's functions take it as the array of its spins. Those are int8, whose products of matrices wrap beyond 127:
    formulas are for `floats`.

    Parameters
    ----------
    spins : [temperature, draw, y, x]
        Configurations: numbers -1 and +1 of any type, kept as int8.
    temperatures
        Temperatures in J/k_B, increasing; 0 and infinity allowed.
    methods
        How they were drawn at every temperature, and why so.
    chains
        What was measured on the chains of every temperature; empty for draws made elsewhere.
    states
        Labels of the model, where it has others than Ising spins.
    lattice_axes
        Names of the axes of the lattice, if they are others.
    joined
        Its bonds, as `Lattice.joined` tells them; models of other lattices refuse the draws then. None if not known.

    Raises
    ------
    InvalidInput
        If the shape does not fit, a value is neither -1 nor +1, or the temperatures are not increasing.
    """

    spins: Int8[np.ndarray, "temperature draw *lattice"]
    temperatures: tuple[float, ...] = eqx.field(static=True)
    methods: tuple[str, ...] = eqx.field(static=True, repr=False)
    chains: tuple[Chains, ...] = eqx.field(static=True, repr=False)
    states: tuple[int, ...] = eqx.field(static=True, repr=False)
    lattice_axes: tuple[str, ...] = eqx.field(static=True, repr=False)
    joined: str | None = eqx.field(static=True, repr=False)

    def __init__(
        self,
        spins: Configurations,
        temperatures: Temperatures,
        methods: Sequence[str] = (),
        chains: Sequence[Chains] = (),
        states: Sequence[int] = (-1, 1),
        lattice_axes: Sequence[str] = ("y", "x"),
        joined: str | None = None,
    ):
        self.temperatures = temperatures_of(temperatures)
        problems, names = Problems(), listed(lattice_axes) or ()
        self.states, self.lattice_axes, self.joined = problems.wholes("states", states, -128, 127), names, joined
        named = bool(names) and all(isinstance(name, str) for name in names)
        problems.unless(named, "lattice_axes", lattice_axes, "it must hold names, such as ('y', 'x')")
        texts, rows = listed(methods), listed(chains)
        told = texts is not None and all(isinstance(text, str) for text in texts)
        problems.unless(told, "methods", methods, "it must hold texts, one for each temperature")
        told = rows is not None and all(isinstance(row, Chains) for row in rows)
        problems.unless(told, "chains", chains, "it must hold Chains, one for each temperature")
        problems.done()
        usual = self.lattice_axes == ("y", "x")
        shape = None if usual else np.shape(spins)[-len(self.lattice_axes) :]
        axes = 2 + len(self.lattice_axes)
        self.spins = owned(np.asarray(spins_of(spins, shape, axes=axes, states=self.states)))
        count = len(self.temperatures)
        allowed = f"it must be [temperature, draw, {', '.join(self.lattice_axes)}] with {count} temperatures"
        Problems.only(len(self.spins) == count, "shape of spins", self.spins.shape, allowed)
        self.methods, self.chains = texts or (GIVEN,) * count, rows or ()
        told = len(self.methods) == count and len(self.chains) in (0, count)
        numbers = len(self.methods), len(self.chains)
        Problems.only(told, "methods, chains", numbers, f"there must be one for each of {count} temperatures")

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """The configurations, so that every function that takes configurations takes this record."""
        return np.array(self.spins, dtype=dtype, copy=copy)

    @property
    def floats(self) -> Float32[np.ndarray, "temperature draw *lattice"]:
        """The configurations as numbers to calculate with."""
        return self.spins.astype(np.float32)

    def _pictured(self) -> tuple[str, xr.Dataset]:
        return "record_configurations", self.to_dataset()

    @property
    def method(self) -> str:
        """All methods, each once."""
        return "; ".join(dict.fromkeys(self.methods))

    @property
    def flags(self) -> tuple[str, ...]:
        """Promises of the sampler that were not kept, with their temperatures."""
        measured = zip(self.temperatures, self.chains, strict=False)
        return tuple(f"T = {temperature:g}: {flag}" for temperature, one in measured for flag in one.flags)

    @classmethod
    def read(cls, path: FileName, model: Model | None = None, temperatures: Temperatures = None) -> Draws:
        """Draws from a file: one that `save` or `sample_to` wrote, or configurations made elsewhere.

        Spins 0/1, or truth values, of an Ising model are read as -1/+1, which `methods` says then.

        Parameters
        ----------
        path
            A netCDF-4 file with the variable `spins` [temperature, draw, y, x] and the coordinate `temperature`; or
            `.npy`, `.npz`, a table of numbers such as `.csv`, HDF5 or `.pt`, whose one array of configurations, or the
            one that is called spins, is [temperature, draw, lattice ...] or [draw, lattice ...], each configuration in
            the shape of the lattice or as a row. No code of a file is run.
        model
            Whose configurations these are; where it is not given, they are those of Ising spins [..., y, x].
        temperatures
            Of the whole file, of each of its sets, or of each of its configurations, if the file has no such array.

        Raises
        ------
        InvalidInput
            If the file is not there, is of another kind or cut off, can be read in more ways than one, has more
            configurations at one temperature than at another, or holds what `Draws` refuses.

        Examples
        --------
        >>> import numpy as np, rbmflow as rf, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     np.save(folder + "/mine.npy", np.random.default_rng(0).integers(0, 2, (5, 16)))
        ...     draws = Draws.read(folder + "/mine.npy", rf.ising(rf.square(4)), temperatures=2.0)
        >>> draws.spins.shape, draws.method
        ((1, 5, 4, 4), 'given (0/1 read as -1/+1)')
        """
        states, axes = USUAL if model is None else (model.states, model.lattice.axes)
        if temperatures is None and has_axis(path, "temperature"):
            own = read_dataset(path)
            if model is not None and "states" not in own.attrs:
                own = own.assign_attrs(states=list(states), lattice_axes=" ".join(axes))
            spins, method = labels_of(own["spins"].values, states) if "spins" in own else (None, GIVEN)
            read = cls.from_dataset(own if method == GIVEN else own.assign(spins=(own["spins"].dims, spins)))
            if model is not None:
                model.require_lattice(read, "the file")
            if method == GIVEN:
                return read
            return cls(read.spins, read.temperatures, [method] * len(read.temperatures), (), states, axes)
        shape = None if model is None else model.lattice.shape
        spins, of_sets, method = configurations_of(path, shape, states, temperatures)
        return cls(spins, of_sets, [method] * len(of_sets), (), states, axes)

    def select(self, minimum: float = 0.0, maximum: float = math.inf) -> Draws:
        """The draws with `minimum <= T <= maximum`, where temperatures are equal that float32 cannot tell apart.

        Raises
        ------
        InvalidInput
            If no temperature is left.
        """
        problems = Problems()
        for name, value in (("minimum", minimum), ("maximum", maximum)):
            problems.unless(is_number(plain_number(value)), name, value, "it must be a number")
        problems.done()
        kept = [at for at, t in enumerate(self.temperatures) if between_temperatures(t, minimum, maximum)]
        allowed = f"one of the temperatures {list(self.temperatures)} must lie in between"
        Problems.only(bool(kept), "minimum, maximum", (minimum, maximum), allowed)
        return self._rows(kept)

    def at(self, temperatures: Temperatures) -> Draws:
        """The draws at these temperatures; those are equal that float32 cannot tell apart.

        Raises
        ------
        InvalidInput
            If there are none at one of them.
        """
        asked = temperatures_of(temperatures)
        kept = [find_temperature(t, self.temperatures) for t in asked]
        missing = [t for t, at in zip(asked, kept, strict=True) if at is None]
        Problems.only(not missing, "temperatures", missing, f"they must be some of {list(self.temperatures)}")
        return self._rows([at for at in kept if at is not None])

    def first(self, draws: int) -> Draws:
        """At most so many draws of every temperature, the first ones."""
        spins = self.spins[:, :draws]
        return type(self)(spins, self.temperatures, self.methods, self.chains, self.states, self.lattice_axes)

    def _rows(self, kept: list[int]) -> Draws:
        if kept == list(range(len(self.temperatures))):
            return self
        chains = [self.chains[at] for at in kept] if self.chains else []
        methods, spins = [self.methods[at] for at in kept], self.spins[kept]
        spins.flags.writeable = False
        kept_temperatures = [self.temperatures[at] for at in kept]
        return type(self)(spins, kept_temperatures, methods, chains, self.states, self.lattice_axes, self.joined)

    def to_dataset(self) -> xr.Dataset:
        """Labelled copy."""
        data = dataset_of(_drawn(self.lattice_axes), (np.array(self.temperatures), self.spins))
        if (self.states, self.lattice_axes) != USUAL:
            data.attrs.update(states=list(self.states), lattice_axes=" ".join(self.lattice_axes))
        if self.joined is not None:
            data.attrs["joined"] = self.joined
        texts = [self.methods]
        if self.chains:
            columns = zip(*(one[: len(_MEASURED)] for one in self.chains), strict=True)
            data = data.assign(dataset_of(_MEASURED, (np.array(column, float) for column in columns)))
            texts.append(tuple("\n".join(one.flags) for one in self.chains))
        for (name, long_name), rows in zip(_TEXTS.items(), texts, strict=False):
            data[name] = ("temperature", np.array(rows), {"long_name": long_name})
        return data

    @classmethod
    def from_dataset(cls, dataset: xr.Dataset) -> Draws:
        """Draws from the data written by `to_dataset`, or from configurations made elsewhere.

        Temperatures may be in any order. Where sets were joined along `draw`, the worst that was measured on any of
        them stands for all.
        """
        dataset = in_order(dataset, "temperature")
        states, axes = USUAL
        if "states" in dataset.attrs:
            states = np.ravel(dataset.attrs["states"]).tolist()
            axes = str(attribute(dataset, "lattice_axes")).split()
        joined = str(dataset.attrs["joined"]) if "joined" in dataset.attrs else None
        temperatures, spins = arrays_of(dataset, _drawn(axes))
        methods = _texts(dataset, "sampling_method", "; ") if "sampling_method" in dataset else []
        if "sampling_flags" not in dataset:
            return cls(spins, temperatures, methods, (), states, axes, joined)
        columns = [column.tolist() for column in arrays_of(_worst(dataset), _MEASURED)]
        flags = [tuple(text.splitlines()) for text in _texts(dataset, "sampling_flags", "\n")]
        chains = [Chains(*row) for row in zip(*columns, flags, strict=True)]
        return cls(spins, temperatures, methods, chains, states, axes, joined)


def _worst(dataset: xr.Dataset) -> xr.Dataset:
    """What was measured on the chains, without the axis that xr.concat gives it along `draw`."""
    joined = [name for name in _MEASURED if name in dataset and "draw" in dataset[name].dims]
    small = ("discarded", "thinning", "ess")
    return dataset.assign(
        {name: dataset[name].min("draw") if name in small else dataset[name].max("draw") for name in joined}
    )


def _texts(dataset: xr.Dataset, name: str, between: str) -> list[str]:
    """Texts at every temperature; those of sets that were joined along `draw`, each once."""
    rows = dataset[name].transpose("temperature", ..., missing_dims="ignore").values
    told = [between.join(map(str, row)).split(between) for row in rows.reshape(dataset.sizes.get("temperature", 1), -1)]
    return [between.join(dict.fromkeys(text for text in row if text)) for row in told]
