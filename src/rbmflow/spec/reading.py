"""Reading specs: TOML, dotted overrides, and one sentence for everything that is wrong."""

from __future__ import annotations

import copy
import dataclasses
import difflib
import functools
import json
import re
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


type Place = tuple[str | int, ...]
"""Where a value stands: keys of tables and indices of lists, from the outside in."""


LARGEST_FILE = 10_000_000
"""Bytes that a spec may have; there are files without an end."""

_DEEPEST = 12
"""Keys and lists inside one another; the deepest field of a sweep has six."""


class _Nothing:
    def __repr__(self) -> str:
        return "(nothing)"


@functools.cache
def _adapter() -> TypeAdapter:
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
    return parse(read(source, overrides))


def read(source: str | Path, overrides: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Read the tables of a spec, unchecked, with some of their entries overridden; see `load`."""
    data = _read_toml(source)
    for name, text in (overrides or {}).items():
        _override(data, name, text)
    return data


def parse_toml(text: str) -> dict[str, Any]:
    """Turn the text of a spec into plain tables.

    Raises
    ------
    InvalidInput
        If it is not TOML.
    """
    try:
        return tomllib.loads(text)
    except RecursionError:
        reason = "its lists and tables are too deep"
    except ValueError as error:  # That of TOML, or of a number of thousands of digits.
        reason = str(error)
    raise InvalidInput(Problem("spec", text, f"it must be TOML: {reason}"))


def refuse_monsters(data: Any) -> None:
    """Refuse what no field can hold and what the readers of a spec would stumble over, whatever field it is in.

    Raises
    ------
    InvalidInput
        With the first thing that is nested too deeply, or a number or a text of no use.
    """
    pending: list[tuple[Place, Any]] = [((), data)]
    while pending:
        place, value = pending.pop()
        depth = sum(1 + part.count(".") if isinstance(part, str) else 1 for part in place)
        reason = None
        if depth > _DEEPEST:
            reason = f"a spec has no field so deep; keys and lists may be {_DEEPEST} deep"
        elif isinstance(value, int) and value.bit_length() > 63:
            reason = "a whole number may have 64 bits at most"
        elif isinstance(value, dict) and not all(isinstance(key, str) and _is_text(key) for key in value):
            reason = "every key must be text"
        elif isinstance(value, str) and not _is_text(value):
            reason = "it must be text that UTF-8 can hold"
        if reason is not None:
            raise InvalidInput(Problem(_dotted(place), value, reason))
        if isinstance(value, dict):
            pending += [((*place, key), inner) for key, inner in value.items()]
        elif isinstance(value, list | tuple):
            pending += [((*place, index), inner) for index, inner in enumerate(value)]


def _is_text(value: str) -> bool:
    return not any("\ud800" <= sign <= "\udfff" for sign in value)


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
    if "sweep" in data:
        raise InvalidInput(Problem("sweep", data["sweep"], "this is read by load_sweep; one run has none"))
    refuse_monsters(data)
    given = left = dict(data)
    found: dict[Place, Problem] = {}
    spec = None
    more = True
    while more and spec is None:
        try:
            # JSON text, because strict validation takes lists for tuples and tables for dataclasses only there.
            # Dates and times have no place in a spec: they become null, which is of no field's type.
            spec = _adapter().validate_json(json.dumps(left, default=lambda value: None))
        except ValidationError as error:
            fresh = dict(_problems(error, given, alone=bool(found)))
            found = fresh | found
            left = copy.deepcopy(left)  # What was given stays as it is.
            dropped = [_drop(left, place) for place in fresh]
            more = any(dropped)
    if spec is None or found:
        raise InvalidInput(*(found[place] for place in sorted(found, key=str)))
    return spec


def to_toml(spec: Spec) -> str:
    """Write the spec with every field resolved; that `parse(tomllib.loads(text))` gives it back is seen first.

    Raises
    ------
    InvalidInput
        If what was written would be another spec, or none.
    """
    text = tomli_w.dumps(dataclasses.asdict(spec))
    if parse(tomllib.loads(text)) != spec:
        raise InvalidInput(Problem("spec", spec.name, "it cannot be written down: what was written is another spec"))
    return text


def shipped() -> tuple[str, ...]:
    """Names of the specs that come with the package."""
    return tuple(sorted(path.name.removesuffix(".toml") for path in _shipped_folder().iterdir()))


def _shipped_folder():
    return resources.files("rbmflow") / "specs"


def _read_toml(source: str | Path) -> dict[str, Any]:
    """Read the tables of a shipped spec or of a file, or say in one sentence why that cannot be done."""
    path = _shipped_folder() / f"{source}.toml" if str(source) in shipped() else Path(source)
    known = f"one of {', '.join(shipped())} or the path of a TOML file"
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
        text = content.decode("utf-8-sig")
        if len(content) > LARGEST_FILE:
            raise InvalidInput(Problem("spec", str(source), f"it must have {LARGEST_FILE} bytes at most"))
    except InvalidInput:
        raise
    except FileNotFoundError:
        allowed = f"it must be {known}, and there is no such file"
    except IsADirectoryError:
        allowed = f"it must be {known}, and this is a folder"
    except OSError as error:
        allowed = f"it must be {known}, and this cannot be read ({error.strerror})"
    except UnicodeDecodeError as error:
        allowed = f"it must be TOML, which is UTF-8 text, and byte {error.start} is not"
    except ValueError:
        allowed = f"it must be {known}, and this is no path"
    else:
        try:
            return parse_toml(text)
        except InvalidInput as error:
            allowed = error.problems[0].allowed
    raise InvalidInput(Problem("spec", str(source), allowed))


def _override(data: dict[str, Any], name: str, text: str) -> None:
    """Set the field of that dotted name to the value that the text stands for."""
    *sections, last = name.split(".")
    for depth, section in enumerate(sections):
        data = data.setdefault(section, {})
        if not isinstance(data, dict):
            raise InvalidInput(Problem(name, text, f"{'.'.join(sections[: depth + 1])} is not a table"))
    data[last] = _value(text)


def _value(text: str) -> Any:
    try:
        table = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    return table["value"] if len(table) == 1 else text


def _problems(error: ValidationError, given: dict[str, Any], alone: bool) -> Iterator[tuple[Place, Problem]]:
    """Say what pydantic found as problems by place.

    With `alone`, leave out what compares one field with others: where a faulty field was dropped, its default
    stands in for it, and the comparison means nothing.
    """
    expected: dict[Place, list[str]] = {}
    for row in error.errors():
        cause = row.get("ctx", {}).get("error")
        if isinstance(cause, InvalidInput):
            for problem in cause.problems:
                place, value = _look_up(given, whole := (*row["loc"], *_place(problem.field)))
                if isinstance(value, _Nothing):  # The default of a field that was not given is at fault.
                    place, value = whole, problem.value
                compares = row["loc"] == () and (len(place) > 1 or isinstance(value, dict))
                if not (alone and compares):
                    given_value = problem.value if isinstance(problem.value, str) else value
                    yield place, Problem(_dotted(place), given_value, problem.allowed)
        elif row["type"] == "unexpected_keyword_argument":
            place, value = _look_up(given, row["loc"])
            yield place, Problem(_dotted(place), value, _unknown(place))
        else:
            place, _ = _look_up(given, row["loc"])
            what = row.get("ctx", {}).get("expected") or _EXPECTED.get(row["type"], row["msg"])
            expected.setdefault(place, []).append(what)
    for place, kinds in expected.items():
        yield place, Problem(_dotted(place), _look_up(given, place)[1], f"it must be {' or '.join(kinds)}")


def _look_up(given: Any, place: Place) -> tuple[Place, Any]:
    """Follow a place into the tables as far as it goes; pydantic's places end in names of union members."""
    for depth, part in enumerate(place):
        try:
            given = given[part]
        except KeyError:
            return place[: depth + 1], _Nothing()
        except (TypeError, IndexError):
            return place[:depth], given
    return place, given


def _place(dotted: str) -> Place:
    parts = re.findall(r"\[(\d+)\]|([^.\[]+)", dotted)
    return tuple(int(index) if index else key for index, key in parts)


def _dotted(place: Place) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).removeprefix(".")


def _drop(data: Any, place: Place) -> bool:
    """Delete the value at a place, with the whole list it stands in; tell whether there was one."""
    for depth, part in enumerate(place):
        if not isinstance(data, dict) or part not in data:
            return False
        if depth + 1 == len(place) or isinstance(place[depth + 1], int):
            del data[part]
            return True
        data = data[part]
    return False


def _unknown(place: Place) -> str:
    """Say which fields the section of an unknown field has, and which one may have been meant."""
    *section, name = map(str, place)
    if section[:1] == ["types"]:
        section[1:] = ["<type>"]
    prefix = "".join(f"{part}." for part in section)
    paths = [field.name.removeprefix(prefix) for field in fields() if field.name.startswith(prefix)]
    names = list(dict.fromkeys(path.split(".")[0] for path in paths))
    near = difflib.get_close_matches(name, names, n=1)
    where = f"section {_dotted(place[:-1])}" if section else "a spec"
    return f"there is no such field; {where} has {', '.join(names)}" + (
        f"; did you mean {_dotted((*place[:-1], near[0]))}?" if near else ""
    )


@dataclasses.dataclass(frozen=True)
class Field:
    """One field of a spec, for people."""

    name: str
    """Dotted name; `<type>` stands for the name of a type."""
    default: str
    """Default as TOML, empty where the field must be given."""
    meaning: str
    """What it is."""


@functools.cache
def fields() -> tuple[Field, ...]:
    """Every field of a spec with its default and its meaning."""
    schema = _adapter().json_schema()
    return tuple(_flatten(schema, schema["$defs"], ""))


def _flatten(schema: Mapping[str, Any], definitions: Mapping[str, Any], prefix: str) -> Iterator[Field]:
    for name, entry in schema["properties"].items():
        section = _section(entry, definitions)
        sections = _section(entry.get("additionalProperties", {}), definitions)
        if section:
            yield from _flatten(section, definitions, f"{prefix}{name}.")
        elif sections:
            yield from _flatten(sections, definitions, f"{prefix}{name}.<type>.")
        else:
            default = _one_line_toml(entry["default"]) if "default" in entry else ""
            yield Field(prefix + name, default, " ".join(entry["description"].split()))


def _section(entry: Mapping[str, Any], definitions: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the schema of the section that a field is, if it is one."""
    definition = definitions.get(entry.get("$ref", "").rpartition("/")[2], {})
    return definition if "properties" in definition else None


def _one_line_toml(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_one_line_toml, value))}]"
    return tomli_w.dumps({"x": value}).removeprefix("x = ").strip()
