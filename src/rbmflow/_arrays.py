"""Arrays by their names from files of others: NumPy's, tables of numbers, HDF5 and netCDF-4, and those of PyTorch."""

from __future__ import annotations

import re
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from rbmflow._checks import InvalidInput, Problem, Problems, plain
from rbmflow._netcdf import FileName, beginning, inspect
from rbmflow._torch_file import torch_content

_HDF5, _NUMPY, _ZIP, _PICKLE = b"\x89HDF\r\n\x1a\n", b"\x93NUMPY", b"PK", b"\x80"
"""First bytes of the files that are known by them."""

KINDS = ".npy, .npz, a table of numbers such as .csv, HDF5, netCDF-4 or a .pt of PyTorch"

_NUMBERED = re.compile(r"\D*\d+")
"""Name of a column that is one of many, such as s17."""


def named_arrays(path: FileName) -> dict[str, np.ndarray]:
    """All arrays of numbers or text of a file, by their names, with those of their groups and a / before.

    The only array of .npy, and of a table without a header, has no name. Of a table with one the columns whose names
    end in a number are "rows", and the others arrays of their own. Nothing in a file is run.

    Raises
    ------
    InvalidInput
        If there is no such file, or it is of another kind or cut off.
    """
    first = beginning(path)
    Problems.only(not first.startswith(b"CDF"), "path", str(path), "netCDF-3 must be written as netCDF-4")
    told = "it must be .npz, .npy or .pt with tensors: this is a pickle, which runs code when it is read"
    Problems.only(not first.startswith(_PICKLE), "path", str(path), told)
    try:
        if first == _HDF5:
            return _of_hdf5(path)
        if first.startswith(_ZIP):
            return _of_zip(path)
        if first.startswith(_NUMPY[: len(first)]):
            return {"": np.load(path, allow_pickle=False)}
        return _of_table(path)
    except (InvalidInput, MemoryError):
        raise
    except Exception as error:  # Of bytes that nobody has written the readers raise what they will.
        allowed = f"it must be a whole {KINDS} ({plain(error)})"
        raise InvalidInput(Problem("path", str(path), allowed)) from error


def flattened(values: Any, prefix: str = "") -> Iterator[tuple[str, np.ndarray]]:
    """Arrays in tables of tables, by their names with a / between; what is none is left out."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from flattened(value, f"{prefix}{name}/")
            continue
        value = value.detach().cpu() if hasattr(value, "detach") else value
        if hasattr(value, "__array__") and np.asarray(value).dtype.kind in "biufU":
            yield f"{prefix}{name}", np.asarray(value)


def bare_name(name: str) -> str:
    """A name without its groups, capitals and lines, so that W, hidden_bias and HiddenBias are known."""
    return re.split(r"[./]", name)[-1].lower().replace("_", "")


def has_axis(path: FileName, name: str) -> bool:
    """Whether a file is netCDF-4 and has an axis of this name with its values."""
    if beginning(path) != _HDF5:
        return False
    import h5py

    inspect(path)
    with h5py.File(path, "r") as file:
        return name in file and "CLASS" in file[name].attrs


def _of_hdf5(path: FileName) -> dict[str, np.ndarray]:
    import h5py

    inspect(path)
    with h5py.File(path, "r") as file:
        found: dict[str, Any] = {name: value for name, value in file.attrs.items() if isinstance(value, str)}
        pending, seen = [("", file)], set()
        while pending:
            prefix, group = pending.pop()
            for name, part in group.items():
                if isinstance(part, h5py.Dataset):
                    text = h5py.check_string_dtype(part.dtype)
                    found[prefix + name] = np.asarray(part.asstr()[()], str) if text else part[()]
                elif part.id not in seen:
                    seen.add(part.id)
                    pending.append((f"{prefix}{name}/", part))
    return {name: np.asarray(values) for name, values in found.items()}


def _of_zip(path: FileName) -> dict[str, np.ndarray]:
    with zipfile.ZipFile(path) as archive:
        if (content := torch_content(archive)) is not None:
            Problems.only(isinstance(content, Mapping), "path", str(path), "it must hold a state dict")
            return dict(flattened(content))
    with np.load(path, allow_pickle=False) as archive:
        # What is no .npy in it comes as bytes.
        return {name: array for name, array in archive.items() if isinstance(array, np.ndarray)}


def _of_table(path: FileName) -> dict[str, np.ndarray]:
    with open(path, encoding="utf-8-sig") as file:
        head = file.readline()
    between = next((sign for sign in ",;\t" if sign in head), None)
    names = [name.strip(' "\n') for name in head.lstrip("#").split(between)]
    numbers = all(map(_is_number, names))
    with warnings.catch_warnings():  # Of a table without rows it warns, and that is told below.
        warnings.simplefilter("ignore", UserWarning)
        table = np.loadtxt(path, delimiter=between, skiprows=0 if numbers else 1, ndmin=2, encoding="utf-8-sig")
    Problems.only(table.size > 0, "path", str(path), "the table must have rows of numbers")
    if numbers:
        return {"": table}
    Problems.only(len(names) == table.shape[1], "header", len(names), f"it must name {table.shape[1]} columns")
    many = [bool(_NUMBERED.fullmatch(name)) for name in names]
    alone = {name: table[:, at] for at, name in enumerate(names) if not many[at]}
    return alone | {"rows": table[:, np.flatnonzero(many)]}


def _is_number(text: str) -> bool:
    """Whether a cell of a table is a number, as nan and inf are."""
    try:
        float(text)
    except ValueError:
        return False
    return True
