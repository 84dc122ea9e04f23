"""Labelled data at rest: one netCDF-4 file, readable by `xarray.open_dataset` without this package.

HDF5 lets a file take data from any other file, and claim arrays of any size without holding them: files of strangers
are looked at before anything in them is read.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rbmflow._checks import InvalidInput, Problem, Problems, plain
from rbmflow._files import write_bytes
from rbmflow._hdf5 import DIMENSION_ONLY, read, to_bytes

if TYPE_CHECKING:
    import xarray as xr

type FileName = Any
"""Name of one file, a text or a path."""

_BEGINNINGS = {b"PK\x03\x04": "zip archive, as .npz and .pt are", b"CDF": "file of netCDF-3"}

_MOST_PACKED = 1100
"""Times its packed size that data may have; the packing of HDF5 reaches 1032."""

_SMALL = 100_000
"""Bytes of data that any file may have."""


def write_dataset(dataset: xr.Dataset, path: FileName) -> None:
    """Write a dataset as one netCDF-4 file, which takes the place of an old one when it is whole."""
    place, content = place_of(path), to_bytes(dataset)
    require_space(place, len(content))
    write_bytes(place, content)


def place_of(path: FileName) -> Path:
    """Path where a netCDF-4 file can be."""
    place = _named(path)
    named = not place.is_dir() and place.suffix.lower() not in (".npz", ".pt")
    Problems.only(named, "path", str(path), "it must be the name of a netCDF-4 file, such as draws.nc")
    Problems.only(place.parent.is_dir(), "path", str(path), "its folder must be there")
    return place


def require_space(path: Path, size: float) -> None:
    """Refuse a file of so many bytes where the disk has less left."""
    free = shutil.disk_usage(path.parent).free
    allowed = f"the file takes up to {size / 1e9:.3g} GB and its disk has {free / 1e9:.3g} GB free"
    Problems.only(size <= free, "path", str(path), allowed)


def _named(path: FileName) -> Path:
    allowed = "it must be the name of one file; what several hold is joined by xarray.concat"
    Problems.only(isinstance(path, str | os.PathLike), "path", path, allowed)
    return Path(path)


def beginning(path: FileName) -> bytes:
    """First bytes of a file: they tell what it is, whatever its name."""
    place = _named(path)
    Problems.only(place.is_file(), "path", str(path), "there must be a file")
    try:
        with open(place, "rb") as file:
            content = file.read(8)
    except OSError as error:
        raise InvalidInput(Problem("path", str(path), f"it must be possible to read it ({error.strerror})")) from error
    Problems.only(bool(content), "path", str(path), "the file must not be empty")
    return content


def read_dataset(path: FileName) -> xr.Dataset:
    """Read a whole netCDF-4 file into memory and close it."""
    first = beginning(path)
    for start, kind in _BEGINNINGS.items():
        Problems.only(not first.startswith(start), "path", str(path), f"it must be a netCDF-4 file, not a {kind}")
    return load(path)


def load(source: str | Path | BytesIO) -> xr.Dataset:
    """Read netCDF-4, whatever its bytes, or refuse it in a sentence. Numbers with units of time stay numbers."""
    import h5py
    import xarray as xr

    inspect(source)
    try:
        with h5py.File(source, "r") as file:
            found = read(file)
        if found is None:
            found = xr.load_dataset(source, engine="h5netcdf", decode_times=False)
        return found.drop_encoding()  # Else longer texts that are joined with these would be cut off when written.
    except MemoryError:
        raise
    except Exception as error:  # Readers of HDF5 raise anything on a file that is not theirs.
        allowed = f"it must be a netCDF-4 file with nothing cut off ({plain(error)})"
        raise InvalidInput(Problem("file", _told(source), allowed)) from error


def inspect(source: str | Path | BytesIO) -> None:
    """Refuse a file, by its headers, that does not hold all of its data itself, or claims more than it can hold."""
    import h5py

    try:
        with h5py.File(source, "r") as file:
            size = source.seek(0, os.SEEK_END) if isinstance(source, BytesIO) else os.path.getsize(source)
            fault = _fault(file, size)
    except MemoryError:
        raise
    except Exception as error:  # Readers of HDF5 raise anything on a file that is not whole.
        fault = f"it must be a whole HDF5 file ({plain(error)})"
    Problems.only(not fault, "file", _told(source), fault)


def _told(source: str | Path | BytesIO) -> str:
    return "data" if isinstance(source, BytesIO) else str(source)


def _fault(file: Any, size: int) -> str:
    """What is wrong with a file of so many bytes; nothing if it is as it must be."""
    import h5py

    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    total, pending, seen = 0, [file], set()
    while pending:
        group = pending.pop()
        for key in group:
            if not isinstance(group.get(key, getlink=True), h5py.HardLink):
                return f"every part must stand in the file itself, and {key!r} is a link"
            part = group[key]
            address = h5py.h5o.get_info(part.id).addr  # pyright: ignore[reportAttributeAccessIssue]
            if address in seen:
                continue
            seen.add(address)
            if isinstance(part, h5py.Group):
                pending.append(part)
            elif isinstance(part, h5py.Dataset):
                if part.external or part.is_virtual:
                    return f"every part must stand in the file itself, and {key!r} takes its data from another"
                if bytes(part.attrs.get("NAME", b"")).startswith(DIMENSION_ONLY):
                    continue  # Its length is told, it has no values.
                if part.nbytes > max(_SMALL, size * (1 if part.chunks is None else _MOST_PACKED)):
                    return f"{key!r} claims {part.nbytes:.3g} bytes, and a file of {size} bytes cannot hold them"
                total += part.nbytes
    return "" if total < memory else f"its {total:.3g} bytes must fit the memory of {memory:.3g} bytes"


@contextmanager
def growing_variable(
    path: str | Path,
    name: str,
    dims: tuple[str, ...],
    shape: tuple[int, ...],
    chunks: tuple[int, ...],
    attributes: dict[str, str],
) -> Iterator[tuple[Any, Callable[[int], None]]]:
    """Make a netCDF-4 file with one packed int8 variable, to be filled part by part, whole chunks fastest.

    Yields the variable and a function `shorten`, which keeps so many entries of its first axis.
    """
    import h5netcdf

    with h5netcdf.File(str(path), "w") as file:
        file.dimensions = dict(zip(dims, (None, *shape[1:]), strict=True))
        file.resize_dimension(dims[0], shape[0])
        packing = {"compression": "gzip", "compression_opts": 1}
        variable = file.create_variable(name, dims, "i1", chunks=chunks, **packing)
        variable.attrs.update(attributes)
        yield variable, lambda length: file.resize_dimension(dims[0], length)


def extend_dataset(path: str | Path, dataset: xr.Dataset) -> None:
    """Write further variables and attributes into a netCDF-4 file."""
    dataset.to_netcdf(path, mode="a", engine="h5netcdf")
