"""What is expected of the data of an artifact: a checksum tells that bytes are whole, not that they are true."""

from __future__ import annotations

import functools
import math
import operator
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from typing import TYPE_CHECKING, Any, NamedTuple

from rbmflow._checks import InvalidInput
from rbmflow._files import mapped
from rbmflow._netcdf import load
from rbmflow._registry import Registry

if TYPE_CHECKING:
    import xarray as xr

OF_STEP = "step"
"""Attribute of the data with the hash of their step."""

_SORTS = {"integer": "iu", "real": "f", "truth": "b", "spin": "i", "text": "UTO"}
_LINE = re.compile(r"(?P<names>[\w ]+): (?P<sort>\w+)\[(?P<dims>[\w ]*)\](?: (?P<low>\S+) (?P<high>\S+))?")
_ROUNDING = 1e-5


class Declared(NamedTuple):
    """What is declared of one variable: its sort, its axes and its range."""

    sort: str
    dims: tuple[str, ...]
    limits: tuple[float, ...] | None


@dataclass(frozen=True)
class Expected:
    """What the data of a step must hold; further variables may be there."""

    variables: str
    """A line for each group of variables that are alike, `names: sort[dims] low high`. Sorts are integer, real, truth,
    text and spin (states alone); a range is inclusive and may be left out, NaN is in each, N is the number of
    sites."""
    along: Mapping[str, int | Sequence[Any]] = field(default_factory=dict)
    """By dimension, wherever it occurs, its length, or the values of its coordinate."""
    states: tuple[int, ...] = (-1, 1)
    """Labels of the model."""

    def fault(self, dataset: xr.Dataset) -> str | None:
        """Say what is wrong with data, if anything is."""
        for name, asked in self.along.items():
            size = asked if isinstance(asked, int) else len(asked)
            if dataset.sizes.get(name, size) != size:
                return f"{name} has length {dataset.sizes[name]} in place of {size}"
            told = isinstance(asked, int) or (name in dataset.coords and dataset[name].values.tolist() == list(asked))
            if not told:
                return f"{name} is not that of the settings"
        faults = (_of_variable(dataset, name, one, self.states) for name, one in self.declared().items())
        return next(filter(None, faults), None)

    def declared(self) -> dict[str, Declared]:
        """Every variable that is declared, by its name."""
        found = {}
        for line in filter(None, map(str.strip, self.variables.splitlines())):
            told = _LINE.fullmatch(line)
            assert told, line
            limits = tuple(map(self._limit, (told["low"], told["high"]))) if told["low"] else None
            one = Declared(told["sort"], tuple(told["dims"].split()), limits)
            found |= dict.fromkeys(told["names"].split(), one)
        return found

    def _limit(self, text: str) -> float:
        sites = self.along.get("visible")
        return float(text[:-1]) * sites if text.endswith("N") and isinstance(sites, int) else float(text)


def _of_variable(dataset: xr.Dataset, name: str, declared: Declared, states: tuple[int, ...]) -> str | None:
    if name not in dataset.variables:
        return f"{name} is missing"
    variable, (sort, dims, limits) = dataset.variables[name], declared
    if variable.dims != dims or variable.dtype.kind not in _SORTS[sort]:
        there = f"{variable.dtype} [{' '.join(map(str, variable.dims))}]"
        return f"{name} is {there} in place of {sort} [{' '.join(dims)}]"
    values = variable.values
    if sort == "spin":
        fits = functools.reduce(operator.or_, (values == state for state in states))
        return None if bool(fits.all()) else f"{name} holds others than the states {', '.join(map(str, states))}"
    if limits is not None and values.size:
        low, high = limits
        margin = _ROUNDING if sort == "real" else 0
        if bool(((values < low - margin) | (values > high + margin)).any()):
            return f"{name} holds numbers outside {low:g} to {high:g}"
    return None


KINDS: Registry[Any] = Registry("kind of step", ("rbmflow.steps.kinds",))
"""Kinds of steps; `expected` of each says from settings what is expected of its data."""


def expected_of(kind: str, settings: Mapping[str, Any]) -> Expected:
    """What is expected of the data of a kind of step by settings as a provenance has them."""
    # JSON has no infinity, which was written as text, and no tuples.
    return KINDS[kind].expected(mapped(settings, lambda value: math.inf if value == "inf" else value, tuple))


def believe(kind: str, settings: Mapping[str, Any], of_step: str, content: bytes) -> xr.Dataset:
    """Read the data of an artifact if they are those of its step; a `ValueError` says in one line what is wrong.

    Settings that hash to the address of an artifact but are not such as its kind has cannot be checked: no step that
    could be computed has this address.
    """
    try:
        dataset = load(BytesIO(content))
    except InvalidInput as error:
        raise ValueError(f"data.nc: {error.problems[0].allowed}") from error
    if dataset.attrs.pop(OF_STEP, None) != of_step:
        raise ValueError("its data are those of another step")
    try:
        expected = expected_of(kind, settings)
    except (KeyError, TypeError, ValueError):
        return dataset
    if fault := expected.fault(dataset):
        raise ValueError(f"its data are not what its settings say: {fault}")
    return dataset
