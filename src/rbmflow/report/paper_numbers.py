"""Numbers of a paper beside those of a run."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from rbmflow._checks import is_number
from rbmflow._format import with_error

if TYPE_CHECKING:
    from rbmflow.spec import StudyNumber


def numbers_table(numbers: Mapping[str, StudyNumber], results: xr.Dataset) -> tuple[list[str], list[list[str]]]:
    """Numbers of a paper with where they stand, ours, and how many errors these are apart, as a table."""
    return ["number", "theirs", "ours", "apart"], [_row(name, one, results) for name, one in numbers.items()]


def _row(name: str, number: StudyNumber, results: xr.Dataset) -> list[str]:
    (value, error), alone = _ours(number, results), math.isnan(number.theirs_error)
    both = math.hypot(error, 0.0 if alone else number.theirs_error)
    apart = (value - number.theirs) / both if both else math.nan
    told = f"{number.theirs:.6g}" if alone else with_error(number.theirs, number.theirs_error)
    theirs = "not known" if math.isnan(number.theirs) else f"{told} ({number.source})"
    return [name, theirs, with_error(value, error), f"{apart:+.1f} errors" if math.isfinite(apart) else ""]


def _ours(number: StudyNumber, results: xr.Dataset) -> tuple[float, float]:
    """Our number and its error; NaN where there is not one alone at that place."""
    try:
        here = results[[number.ours, number.ours_error]]
        for axis, wanted in number.at.items():
            along = here[axis]
            entries = along.values
            there = (
                np.isclose(entries.astype(float), wanted) if is_number(wanted) else entries.astype(str) == str(wanted)
            )
            here = here.isel({along.dims[0]: np.flatnonzero(there)})
    except (KeyError, ValueError):
        return math.nan, math.nan
    value, error = here[number.ours].values.ravel(), here[number.ours_error].values.ravel()
    [at] = np.nonzero(~np.isnan(value))
    return (float(value[at[0]]), float(error[at[0]])) if at.size == 1 else (math.nan, math.nan)
