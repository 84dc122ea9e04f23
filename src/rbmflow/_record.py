"""Records at rest: one xarray.Dataset with the project's axis names, in one netCDF-4 file."""

from __future__ import annotations

import abc
from pathlib import Path
from typing import TYPE_CHECKING, cast

import equinox as eqx

from rbmflow._netcdf import read_dataset, write_dataset

if TYPE_CHECKING:
    import xarray as xr


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
