"""Reading specs: TOML, dotted overrides, and one sentence for everything that is wrong."""

from __future__ import annotations

import copy
import dataclasses
import difflib
import functools
import json
import tomllib
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import tomli_w
from pydantic import TypeAdapter, ValidationError

from rbmflow._checks import InvalidInput, Problem
from rbmflow.spec.contents import Spec

_EXPECTED = {
    "missing": "given",
    "int_type": "a whole number",
    "float_type": "a number",
    "string_type": "text",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "dict_type": "a table",
    "dataclass_type": "a table",
}


class _Nothing:
    def __repr__(self) -> str:
        return "(nothing)"


@functools.cache
def _adapter() -> TypeAdapter[Spec]:
    return TypeAdapter(Spec)


def load(source: str | Path, overrides: Mapping[str, str] | None = None) -> Spec:
    """Read a spec that comes with the package, or a TOML file, and override some of its fields.

    Parameters
    ----------
    source
        A name from `shipped`, else the path of a TOML file.
    overrides
        Text by dotted field name. The text is read as a TOML value, or taken as it stands where it is none.

    Raises
    ------
    InvalidInput
        If there is no such spec, it is not TOML, or its content is not allowed; with every problem found.

    Examples
    --------
    >>> load("quick", {"machine.hidden": "36"}).machine.hidden
    36
    """
    data = _read_toml(source)
    for name, text in (overrides or {}).items():
        _override(data, name, text)
    return parse(data)


def parse(data: Mapping[str, Any]) -> Spec:
    """Turn plain tables, as TOML gives them, into a checked spec.

    A section with a field of the wrong type is checked again without that field, so that one call finds every
    problem.

    Raises
    ------
    InvalidInput
        With every problem found, each under the dotted name of its field.

    Examples
    --------
    >>> parse({"name": "small", "model": {"length": 4}}).model.length
    4
    """
    given, left = dict(data), copy.deepcopy(dict(data))
    found: dict[str, Problem] = {}
    while True:
        try:
            # JSON text, because strict validation takes lists for tuples and tables for dataclasses only there.
            spec = _adapter().validate_json(json.dumps(left, default=lambda value: {"": str(value)}))
        except ValidationError as error:
            fresh = _problems(error, given)
            if found:  # A default stands in for every faulty field: comparing it with others means nothing.
                fresh = {place: p for place, p in fresh.items() if not p.compares and place not in found}
            found |= {place: p.problem for place, p in fresh.items()}
            if not any([_drop(left, place) for place in fresh]):
                break
        else:
            break
    if found:
        raise InvalidInput(*found.values())
    return spec


def to_toml(spec: Spec) -> str:
    """Write the spec with every field resolved; `parse(tomllib.loads(text))` gives it back."""
    return tomli_w.dumps(dataclasses.asdict(spec))


def shipped() -> tuple[str, ...]:
    """Names of the specs that come with the package."""
    return tuple(sorted(path.name.removesuffix(".toml") for path in _shipped_folder().iterdir()))
