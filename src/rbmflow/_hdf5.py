"""HDF5 files of strangers, looked at before anything in them is read."""

import io
import os
from pathlib import Path
from typing import Any

from rbmflow._checks import InvalidInput, Problem, plain

_MOST_PACKED = 1100
"""Times its packed size that data may have; the packing of HDF5 reaches 1032."""

_SMALL = 100_000
"""Bytes of data that any file may have."""

_DIMENSION_ONLY = b"This is a netCDF dimension but not a netCDF variable"


def inspect(source: str | Path | io.BytesIO) -> None:
    """See from its headers that a file holds all of its data itself, and no more than it can and than fits the memory.

    HDF5 lets a file take data from any other file, and claim arrays of any size without holding them.
    """
    import h5py

    name = str(source) if isinstance(source, str | Path) else "data"
    try:
        with h5py.File(source, "r") as file:
            fault = _fault(file, _size(source))
    except MemoryError:
        raise
    except Exception as error:  # Readers of HDF5 raise anything on a file that is not whole.
        fault = f"it must be a whole HDF5 file ({plain(error)})"
    if fault:
        raise InvalidInput(Problem("file", name, fault))


def _size(source: str | Path | io.BytesIO) -> int:
    if isinstance(source, str | Path):
        return os.path.getsize(source)
    return source.seek(0, os.SEEK_END)


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
                if bytes(part.attrs.get("NAME", b"")).startswith(_DIMENSION_ONLY):
                    continue  # Its length is told, it has no values.
                if part.nbytes > max(_SMALL, size * (1 if part.chunks is None else _MOST_PACKED)):
                    return f"{key!r} claims {part.nbytes:.3g} bytes, and a file of {size} bytes cannot hold them"
                total += part.nbytes
    return "" if total < memory else f"its {total:.3g} bytes must fit the memory of {memory:.3g} bytes"
