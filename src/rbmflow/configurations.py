"""Configurations in files of others: which array they are, how it is laid out, and what its numbers stand for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Shaped

from rbmflow._arrays import bare_name, named_arrays
from rbmflow._checks import Problems
from rbmflow._doors import Temperatures, numbers_of
from rbmflow._netcdf import FileName

_SPINS = ("spins", "spin", "configurations", "configs", "samples", "rows", "x", "")
_TEMPERATURES = ("temperatures", "temperature", "temps", "temp", "t")
"""Names as `bare_name` has them."""

GIVEN = "given"
"""Method of draws made elsewhere."""


def labels_of(spins: np.ndarray, states: tuple[int, ...]) -> tuple[np.ndarray, str]:
    """The labels that numbers stand for, 0/1 and truth values of an Ising model for -1/+1, and how they were read."""
    if spins.dtype.kind == "b":
        spins = spins.astype(np.int8)
    halves = states == (-1, 1) and spins.dtype.kind in "iuf" and spins.size > 0 and spins.min() == 0
    if not (halves and np.isin(spins, (0, 1)).all()):
        return spins, GIVEN
    return 2 * spins.astype(np.int8) - 1, f"{GIVEN} (0/1 read as -1/+1)"


def configurations_of(
    path: FileName, shape: tuple[int, ...] | None, states: tuple[int, ...], temperatures: Temperatures
) -> tuple[Shaped[np.ndarray, "temperature draw *lattice"], np.ndarray, str]:
    """Configurations of a file at increasing temperatures, and how they were read; see `Draws.read`."""
    arrays = named_arrays(path)
    spins, own = _one_of(arrays, _SPINS, 2), _one_of(arrays, _TEMPERATURES, 0)
    listed = ", ".join(f"{name or 'one array'} {list(array.shape)}" for name, array in arrays.items())
    told = f"it must hold one array of configurations, called spins if there are others of two axes or more ({listed})"
    Problems.only(spins is not None, "path", str(path), told)
    given = own if temperatures is None else temperatures
    told = f"they must be given as temperatures=, as the file has no array of that name, or several ({listed})"
    Problems.only(given is not None, "temperatures", None, told)
    known = np.atleast_1d(numbers_of(given, "temperatures")).ravel()
    if own is not None and temperatures is not None:
        there = np.unique(numbers_of(own, "temperatures")).tolist()
        told = f"the file has its own, {there}: leave temperatures= out, or take them out of the file"
        Problems.only(there == np.unique(known).tolist(), "temperatures", known.tolist(), told)
    array, method = labels_of(np.asarray(spins), states)
    if shape is None:
        told = "it must be [temperature, draw, y, x] where no model tells the lattice: pass model="
        Problems.only(array.ndim == 4, "shape of spins", array.shape, told)
        shape = array.shape[2:]
    return *_sorted(*_in_rows(array, known, shape)), method


def _one_of(arrays: Mapping[str, np.ndarray], names: tuple[str, ...], axes: int) -> Any:
    """The array of one of the names, or else the only one with so many axes if there must be some; None if neither."""
    found = [array for name, array in arrays.items() if bare_name(name) in names and array.ndim >= axes]
    if len(found) != 1 and axes:
        found = [array for array in arrays.values() if array.ndim >= axes and array.dtype.kind in "biuf"]
    return found[0] if len(found) == 1 else None


def _in_rows(
    array: np.ndarray, temperatures: np.ndarray, shape: tuple[int, ...]
) -> tuple[Shaped[np.ndarray, "sample *lattice"], np.ndarray]:
    """Every configuration in the shape of the lattice, with its temperature."""
    axes = len(shape) if array.shape[-len(shape) :] == shape else 1
    sites, ahead = math.prod(array.shape[-axes:]), array.shape[:-axes]
    fits = sites == math.prod(shape) and len(ahead) in (1, 2)
    told = f"it must be [temperature, draw, ...] or [draw, ...] with {list(shape)} or {math.prod(shape)} behind"
    Problems.only(fits, "shape of spins", array.shape, told)
    count = math.prod(ahead)
    fits = temperatures.size in (1, ahead[0], count)
    told = f"there must be one, or one for each of {' or '.join(map(str, dict.fromkeys((ahead[0], count))))} rows"
    Problems.only(fits, "number of temperatures", temperatures.size, told)
    each = np.repeat(temperatures, count // temperatures.size)
    return array.reshape(count, *shape), each


def _sorted(rows: np.ndarray, temperatures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Configurations by their temperatures, each of which must have as many."""
    different, counts = np.unique(temperatures, return_counts=True)
    alike = f"there must be as many at each temperature: cut each set to {counts.min()}"
    Problems.only(len(set(counts)) == 1, "configurations at the temperatures", counts.tolist(), alike)
    ordered = rows[np.argsort(temperatures, kind="stable")]
    return ordered.reshape(len(different), -1, *rows.shape[1:]), different
