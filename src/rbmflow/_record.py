"""Records at rest: one xarray.Dataset with the project's axis names, in one netCDF-4 file."""

from __future__ import annotations

import abc
import dataclasses
import textwrap
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import equinox as eqx
import jax
import numpy as np

from rbmflow._checks import InvalidInput, Problem, Problems
from rbmflow._netcdf import FileName, read_dataset, write_dataset

if TYPE_CHECKING:
    import xarray as xr


class Held(NamedTuple):
    """How one array of a record is written."""

    dims: str
    """Names of its axes, in their order."""
    long_name: str
    units: str = ""
    dtype: str = "float32"


type Layout = Mapping[str, Held]
"""The arrays of a record by the names that they are written under."""


class Record(eqx.Module):
    """An immutable pytree that can be turned into labelled data, saved and loaded.

    Two records are equal if they are of one kind and hold the same bits; equal records have one hash. Records have no
    length and no numbered entries, as each has several axes.
    """

    def __check_init__(self):
        for leaf in jax.tree.leaves(self):
            if isinstance(leaf, np.ndarray):
                leaf.flags.writeable = False

    @abc.abstractmethod
    def to_dataset(self) -> xr.Dataset:
        """Labelled copy with units and long names, on the host."""

    @classmethod
    @abc.abstractmethod
    def from_dataset(cls, dataset: xr.Dataset) -> Record:
        """Undo `to_dataset`, whatever was selected, sorted, transposed or joined in between.

        Raises
        ------
        InvalidInput
            If something is missing or does not fit.
        """

    def save(self, path: FileName) -> None:
        """Write the record to one netCDF-4 file, which takes the place of an old one when it is whole.

        Raises
        ------
        InvalidInput, OSError
            If there can be no file at `path`, or its disk is too full for it or cannot be written.
        """
        write_dataset(self.to_dataset(), path)

    @classmethod
    def load[R: Record](cls: type[R], path: FileName) -> R:
        """Read the record back from a file written by `save`.

        Raises
        ------
        InvalidInput
            If the file is not there, is not whole, or holds something else.
        """
        return cast(R, cls.from_dataset(read_dataset(path)))

    def __repr__(self) -> str:
        held = ((field.name, getattr(self, field.name)) for field in dataclasses.fields(self) if field.repr)
        told = (f"{name}={_outline(value)}" for name, value in held if value is not None)
        return textwrap.fill(f"{type(self).__name__}({', '.join(told)})", 100, subsequent_indent="  ", max_lines=8)

    def _content(self) -> tuple[Any, ...]:
        leaves, form = jax.tree.flatten(self)
        arrays = (np.asarray(leaf) for leaf in leaves)
        # As text NaN is equal to itself, as it is in the bytes.
        return (str(form), *((array.dtype.str, array.shape, array.tobytes()) for array in arrays))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Record):
            return NotImplemented
        return self is other or self._content() == other._content()

    def __hash__(self) -> int:
        return hash(self._content())


def _outline(value: Any) -> str:
    """A value in a few words; of a record in a record its name."""
    if isinstance(value, Record):
        return f"{type(value).__name__}(...)"
    is_array = isinstance(value, np.ndarray | jax.Array)
    return eqx.tree_pformat(value) if is_array else " ".join(repr(value).split())


def owned(array: np.ndarray) -> np.ndarray:
    """An array that a record can have: a copy, unless nobody can write into it."""
    return array.copy() if array.flags.writeable else array


def dataset_of(layout: Layout, arrays: Iterable[Any], **attributes: Any) -> xr.Dataset:
    """Labelled data with one array for each entry of the layout."""
    import xarray as xr

    variables = {}
    for (name, held), array in zip(layout.items(), arrays, strict=True):
        about = {"long_name": held.long_name} | ({"units": held.units} if held.units else {})
        variables[name] = (tuple(held.dims.split()), np.asarray(array), about)
    return xr.Dataset(variables, attrs=attributes)


def arrays_of(dataset: xr.Dataset, layout: Layout) -> list[np.ndarray]:
    """Arrays of a dataset by name, turned by the names of their axes; what is missing or not as laid out is refused.

    An axis that was selected to a single entry is put back where its coordinate is still there.
    """
    require_labelled(dataset)
    return [_array(dataset, name, held) for name, held in layout.items()]


def require_labelled(given: Any) -> None:
    """Refuse what is no dataset of xarray."""
    labelled = hasattr(given, "variables") and hasattr(given, "sizes")
    Problems.only(labelled, "data", type(given).__name__, "it must be an xarray.Dataset")


def attribute(dataset: xr.Dataset, name: str) -> Any:
    """An attribute of a dataset, refused in a sentence where it is missing."""
    allowed = f"they must have {name}; join data with combine_attrs='override' or put it back with assign_attrs"
    Problems.only(name in dataset.attrs, "attributes of the data", sorted(map(str, dataset.attrs)), allowed)
    return dataset.attrs[name]


def in_order(dataset: xr.Dataset, name: str, *, falling: bool = False) -> xr.Dataset:
    """The same data, sorted along the axis of a variable if that is there and they were not."""
    require_labelled(dataset)
    if name not in dataset.variables or dataset[name].ndim != 1:
        return dataset
    order = np.argsort(-dataset[name].values if falling else dataset[name].values, kind="stable")
    return dataset if (np.diff(order) > 0).all() else dataset.isel({dataset[name].dims[0]: order})


def _array(dataset: xr.Dataset, name: str, held: Held) -> np.ndarray:
    dims, there = held.dims.split(), ", ".join(sorted(map(str, dataset.variables)))
    wanted = f"{name} [{', '.join(dims)}]"
    Problems.only(name in dataset.variables, "data", there, f"it must hold {wanted}, which is missing")
    variable = dataset[name]
    for dim in dims:
        if dim not in variable.dims and dim in dataset.coords and dataset[dim].ndim == 0:
            variable = variable.expand_dims(dim)
    fits = set(variable.dims) == set(dims)
    allowed = f"it must be {wanted}; select a single entry with a list, as in isel(draw=[0])"
    Problems.only(fits, f"axes of {name}", tuple(map(str, variable.dims)), allowed)
    Problems.only(variable.size > 0, f"shape of {name}", variable.shape, "no axis may be empty")
    units = str(variable.attrs.get("units", ""))
    same = not held.units or units in ("", "1", held.units)
    Problems.only(same, f"units of {name}", units, f"they must be {held.units}")
    values, dtype = variable.transpose(*dims).values, np.dtype(held.dtype)
    Problems.only(values.dtype.kind in "iuf", f"type of {name}", str(values.dtype), "it must be a real number")
    with np.errstate(invalid="ignore"):
        array = values.astype(dtype)
    if dtype.kind == "i" and (odd := values[array != values]).size:
        allowed = f"every value must be a whole number ({dtype}); NaN stands for what is missing"
        raise InvalidInput(Problem(name, odd.flat[0].item(), allowed))
    array.flags.writeable = False
    return array
