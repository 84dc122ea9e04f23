"""Variables of the results of a run and of a study, each declared once, in `variables.md` beside this file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import xarray as xr

from rbmflow._checks import InvalidInput, Problem


class Variable(NamedTuple):
    """What is declared of a variable or coordinate."""

    dims: tuple[str, ...]
    units: str
    """`1` of pure numbers, `text` of names."""
    long_name: str
    meaning: str


def _declared() -> list[dict[str, Variable]]:
    text = Path(__file__).with_name("variables.md").read_text(encoding="utf-8")
    tables = [[line.strip("|").split("|") for line in part.splitlines()[2:]] for part in text.split("\n\n")]
    rows = [[[cell.strip() for cell in line] for line in table] for table in tables]
    return [{name: Variable(tuple(dims.split()), *told) for name, dims, *told in table} for table in rows]


RESULTS, STUDY = _declared()
"""Every variable of the results of a run, and of the machines of a sweep side by side."""


def described(dataset: xr.Dataset, declared: dict[str, Variable]) -> xr.Dataset:
    """A dataset with the axes of every variable in their order, and its units, name and meaning beside it.

    Refused is a variable that is not declared, or has other axes.
    """
    found = {}
    for name, variable in dataset.variables.items():
        known = declared.get(str(name))
        if known is None or set(variable.dims) != set(known.dims):
            told = f"{name} ({' '.join(map(str, variable.dims))})"
            raise InvalidInput(Problem("variable", told, "src/rbmflow/variables.md must declare it with these axes"))
        about = {"long_name": known.long_name, "units": known.units, "meaning": known.meaning}
        found[name] = variable.transpose(*known.dims)
        found[name].attrs |= {key: value for key, value in about.items() if value}
    return dataset.assign(found)


def labelled(
    values: Mapping[str, Any], coordinates: Mapping[Any, Any] | None = None, declared: Mapping[str, Any] = RESULTS
) -> xr.Dataset:
    """Arrays on the declared axes, `dims`, as labelled data; what is not declared has its own, or is a coordinate."""
    found = {}
    for name, value in values.items():
        own = value.dims if isinstance(value, xr.DataArray) else (name,)
        dims = declared[name].dims if name in declared else own
        # Of a tuple xarray would think that it tells axes.
        value = list(value) if isinstance(value, tuple) else value
        found[name] = (dims, value.transpose(*dims).values if isinstance(value, xr.DataArray) else value)
    return xr.Dataset(found, coordinates)
