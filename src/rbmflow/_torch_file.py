"""Tensors in files of `torch.save`, read without PyTorch: pickles that may name tensors and tables, and no more."""

from __future__ import annotations

import math
import pickle
import zipfile
from collections import OrderedDict
from io import BytesIO
from typing import Any

import numpy as np

from rbmflow._checks import InvalidInput, Problem, Problems

_TYPES = {"Double": "f8", "Float": "f4", "Half": "f2", "Long": "i8", "Int": "i4", "Short": "i2"}
_TYPES |= {"Char": "i1", "Byte": "u1", "Bool": "?"}
"""Types of NumPy for the storages of PyTorch, as `torch.FloatStorage`."""


def torch_content(archive: zipfile.ZipFile) -> Any:
    """What `torch.save` wrote, with arrays in the place of tensors; None of an archive of another kind.

    https://docs.pytorch.org/docs/stable/notes/serialization.html has the layout.
    """
    pickles = [name for name in archive.namelist() if name.endswith("/data.pkl")]
    if len(pickles) != 1:
        return None
    # What is not packed cannot be larger than the file.
    packed = [one.filename for one in archive.infolist() if one.compress_type != zipfile.ZIP_STORED]
    Problems.only(not packed, "path", str(archive.filename), "torch.save must have written it, which packs nothing")
    return _Tensors(archive, pickles[0].removesuffix("data.pkl")).load()


class _Tensors(pickle.Unpickler):
    """A reader of pickles that can call three things: a table, a tensor and a parameter."""

    def __init__(self, archive: zipfile.ZipFile, folder: str):
        super().__init__(BytesIO(archive.read(f"{folder}data.pkl")))
        self._archive, self._folder = archive, folder
        named = f"{folder}byteorder"
        self._order = ">" if named in archive.namelist() and archive.read(named) == b"big" else "<"

    def find_class(self, module: str, name: str) -> Any:
        called = {
            "collections.OrderedDict": OrderedDict,
            "torch._utils._rebuild_tensor_v2": _tensor,
            "torch._utils._rebuild_parameter": lambda tensor, *_: tensor,
        }
        kind = name.removesuffix("Storage")
        if module == "torch" and kind in _TYPES:
            return self._order + _TYPES[kind]
        if (known := called.get(f"{module}.{name}")) is None:
            told = "it must hold tensors alone (no bfloat16), as torch.save(machine.state_dict(), path) writes them"
            raise InvalidInput(Problem("path", f"{module}.{name}", told))
        return known

    def persistent_load(self, pid: Any) -> np.ndarray:
        _, kind, name, *_ = pid
        return np.frombuffer(self._archive.read(f"{self._folder}data/{name}"), np.dtype(kind))


def _tensor(storage: np.ndarray, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any) -> np.ndarray:
    """An array of numbers of a storage, refused if it has more than they are."""
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    whole = min((0, offset, *size, *stride)) == 0 and max(last + 1, math.prod(size)) <= storage.size
    Problems.only(whole, "shape of a tensor", size, f"it must fit its storage of {storage.size} numbers")
    steps = [step * storage.itemsize for step in stride]
    return np.lib.stride_tricks.as_strided(storage[offset:], size, steps).copy()
