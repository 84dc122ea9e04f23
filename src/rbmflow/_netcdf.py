"""Labelled data at rest: one netCDF-4 file, readable by `xarray.open_dataset` without this package."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rbmflow._files import write_bytes

if TYPE_CHECKING:
    import xarray as xr


def to_bytes(dataset: xr.Dataset) -> bytes:
    """Return a dataset as one netCDF-4 file; the same data give the same bytes.

    Integer arrays (spins above all) are compressed. The file is made in memory, since HDF5 does not survive a write
    that fails.
    """
    encoding = {
        name: {"zlib": True, "complevel": 1}
        for name, variable in dataset.variables.items()
        if variable.dtype.kind == "i" and variable.size > 64
    }
    return bytes(dataset.to_netcdf(engine="h5netcdf", encoding=encoding))


def write_dataset(dataset: xr.Dataset, path: str | Path) -> None:
    """Write a dataset as one netCDF-4 file, which takes the place of an old one when it is whole."""
    write_bytes(Path(path), to_bytes(dataset))


def read_dataset(path: str | Path) -> xr.Dataset:
    """Read a whole netCDF-4 file into memory and close it."""
    import xarray as xr

    return xr.load_dataset(path, engine="h5netcdf")


@contextmanager
def growing_variable(
    path: str | Path,
    name: str,
    dims: tuple[str, ...],
    shape: tuple[int, ...],
    chunks: tuple[int, ...],
    attributes: dict[str, str],
) -> Iterator[Any]:
    """Make a netCDF-4 file with one packed int8 variable, to be filled part by part inside the context.

    Parameters
    ----------
    path
        The file, made anew.
    name, dims, shape, attributes
        Of the variable.
    chunks
        Parts that are packed each for itself; filling them whole is fastest.
    """
    import h5netcdf

    with h5netcdf.File(str(path), "w") as file:
        file.dimensions = dict(zip(dims, shape, strict=True))
        packing = {"compression": "gzip", "compression_opts": 1}
        variable = file.create_variable(name, dims, "i1", chunks=chunks, **packing)
        variable.attrs.update(attributes)
        yield variable


def extend_dataset(path: str | Path, dataset: xr.Dataset) -> None:
    """Write further variables and attributes into a netCDF-4 file."""
    dataset.to_netcdf(path, mode="a", engine="h5netcdf")
