"""Labelled data at rest: one netCDF-4 file, readable by `xarray.open_dataset` without this package."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

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
