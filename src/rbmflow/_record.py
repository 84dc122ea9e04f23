"""Records at rest: one xarray.Dataset with the project's axis names, in one netCDF-4 file."""

from __future__ import annotations

import abc
from pathlib import Path
from typing import TYPE_CHECKING, cast

import equinox as eqx

if TYPE_CHECKING:
    import xarray as xr


def write_dataset(dataset: xr.Dataset, path: str | Path) -> None:
    """Write a dataset as one netCDF-4 file; the same data give the same bytes.

    Parameters
    ----------
    dataset
        What to write. Integer arrays (spins above all) are compressed.
    path
        The file, made anew.
    """
    encoding = {
        name: {"zlib": True, "complevel": 1}
        for name, variable in dataset.variables.items()
        if variable.dtype.kind == "i" and variable.size > 64
    }
    dataset.to_netcdf(path, engine="h5netcdf", encoding=encoding)


def read_dataset(path: str | Path) -> xr.Dataset:
    """Read a whole netCDF-4 file into memory and close it."""
    import xarray as xr

    return xr.load_dataset(path, engine="h5netcdf")


class Record(eqx.Module):
    """An immutable pytree that can be turned into labelled data, saved and loaded."""

    @abc.abstractmethod
    def to_dataset(self) -> xr.Dataset:
        """Labelled copy with units and long names, on the host."""

    @classmethod
    @abc.abstractmethod
    def from_dataset(cls, dataset: xr.Dataset) -> Record:
        """Undo `to_dataset`."""

    def save(self, path: str | Path) -> None:
        """Write the record to one netCDF-4 file."""
        write_dataset(self.to_dataset(), path)

    @classmethod
    def load[R: Record](cls: type[R], path: str | Path) -> R:
        """Read the record back from a file written by `save`."""
        return cast(R, cls.from_dataset(read_dataset(path)))
