"""Sweeps: one spec that stands for many runs, by the values that some of its fields take."""

import dataclasses
import itertools
import math
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w

from rbmflow._checks import InvalidInput, Problem, Problems
from rbmflow.spec.contents import Spec
from rbmflow.spec.parsing import parse, refuse_monsters, to_toml
from rbmflow.spec.toml_files import read

MOST_POINTS = 100_000
"""Points that one sweep may have; more is taken for a slip."""


@dataclass(frozen=True)
class Point:
    """One run of a sweep: the values of the swept fields by dotted name, and the spec that they make."""

    values: Mapping[str, Any]
    spec: Spec


@dataclass(frozen=True)
class Sweep:
    """Several runs from one spec; a spec that sweeps nothing has one point, without values."""

    name: str
    """Name of the spec; that of a point has the number of the point behind it."""
    toml: str
    """The spec with every field resolved and its sweep."""
    points: tuple[Point, ...]
    """The runs, in the order of the values; the field named last changes fastest."""

    @property
    def single(self) -> bool:
        """Whether this is a run and no sweep."""
        return not self.points[0].values


def load_sweep(source: str | Path, overrides: Mapping[str, str] | None = None) -> Sweep:
    """Read a spec as `load` does, with its `[sweep]` if it has one.

    `[sweep.product]` lists values of fields that are combined each with each, `[sweep.zip]` values that go together:
    the first of one field with the first of the others, and so on; `[[sweep.cases]]` are tables of fields, each laid
    over the spec as a whole. The points are all combinations of a case, an entry of the zip and one of the product.

    Raises
    ------
    InvalidInput
        As `load`, for any of the points, and if the sweep itself is not allowed.

    Examples
    --------
    >>> sweep = load_sweep("quick", {"sweep.product.machine.hidden": "[16, 36]"})
    >>> [(point.spec.name, point.spec.machine.hidden) for point in sweep.points]
    [('quick-0', 16), ('quick-1', 36)]
    """
    return parse_sweep(read(source, overrides))


def parse_sweep(data: Mapping[str, Any]) -> Sweep:
    """Turn plain tables, as TOML gives them, into the checked specs of a sweep.

    Raises
    ------
    InvalidInput
        With the problems of the sweep, or else those of the first point that has any.
    """
    refuse_monsters(data)
    base = dict(data)
    asked = base.pop("sweep", None)
    if asked is None:
        spec = parse(base)
        return Sweep(spec.name, to_toml(spec), (Point({}, spec),))
    product, together, cases = _sections(asked)
    name = base.get("name")
    points = [Point(values, parse(tables)) for values, tables in _tables(base, product, together, cases)]
    sweep = {"product": product, "zip": together, "cases": asked.get("cases", [])}
    # Resolved from the spec without its cases, for a field of one case is not to leak into the others.
    whole = dataclasses.asdict(parse(base) if cases else points[0].spec)
    if "types" not in base and any(field.startswith("types.") for case in cases for field in case):
        del whole["types"]  # Written down, the default types would join those of the cases, which replace them.
    resolved = whole | {"name": name, "sweep": {k: v for k, v in sweep.items() if v}}
    text = tomli_w.dumps(resolved)
    written = tomllib.loads(text)
    again = _tables(written, *_sections(written.pop("sweep")))
    # All points of a case set the same fields, so one of each is enough.
    stride = len(points) // max(1, len(cases))
    for point, (_, tables) in itertools.islice(zip(points, again, strict=True), 0, None, stride):
        if parse(tables) != point.spec:
            told = f"it cannot be written down: point {point.spec.name} would be another spec"
            raise InvalidInput(Problem("sweep", asked, told))
    fields = dict.fromkeys(field for point in points for field in point.values)
    even = tuple(Point({field: _value(point, field) for field in fields}, point.spec) for point in points)
    return Sweep(str(name), text, even)


def _tables(
    base: dict[str, Any], product: dict[str, list], together: dict[str, list], cases: list[dict[str, Any]]
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Values of the swept fields and the tables of the spec of each point."""
    name, count = base.get("name"), _count(product, together, cases)
    for number, values in enumerate(_combinations(product, together, cases)):
        tables = dict(base)
        for field, value in values.items():
            tables = _placed(tables, field, value)
        if isinstance(name, str):
            tables["name"] = f"{name}-{number:0{len(str(count - 1))}}"
        yield values, tables


def _count(product: dict[str, list], together: dict[str, list], cases: list[dict[str, Any]]) -> int:
    return math.prod(map(len, product.values())) * max([1, *map(len, together.values())]) * max(1, len(cases))


def _combinations(
    product: dict[str, list], together: dict[str, list], cases: list[dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    rows = [dict(zip(together, row, strict=True)) for row in zip(*together.values(), strict=True)] or [{}]
    for case, row in itertools.product(cases or [{}], rows):
        for values in itertools.product(*product.values()):
            yield case | row | dict(zip(product, values, strict=True))


def _value(point: Point, field: str) -> Any:
    """The value of a field that other points of the sweep set, at this one; None where it does not have the field."""
    if field in point.values:
        return point.values[field]
    value: Any = dataclasses.asdict(point.spec)
    for name in field.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return list(value) if isinstance(value, tuple) else value


def _placed(tables: Mapping[str, Any], field: str, value: Any) -> dict[str, Any]:
    """Tables with one field set; what is not touched is shared, for a sweep may have many points."""
    first, _, rest = field.partition(".")
    if not rest:
        return {**tables, first: value}
    inner = tables.get(first, {})
    if not isinstance(inner, dict):
        raise InvalidInput(Problem(f"sweep: {first}.{rest}", value, f"{first} is not a table"))
    return {**tables, first: _placed(inner, rest, value)}


def _sections(asked: Any) -> tuple[dict[str, list], dict[str, list], list[dict[str, Any]]]:
    """Values by dotted field of the product and of the zip, and the cases, each with a value by dotted field."""
    problems = Problems()
    table = asked if isinstance(asked, dict) else {}
    problems.unless(isinstance(asked, dict) and bool(table), "sweep", asked, "it must be a table that sweeps a field")
    for name in table:
        known = "a sweep has product, zip and cases"
        problems.unless(name in ("product", "zip", "cases"), f"sweep.{name}", table[name], known)
    cases = _cases(table.get("cases", []), problems)
    product, together = (_values(table.get(name, {}), f"sweep.{name}", problems) for name in ("product", "zip"))
    for field in together:
        problems.unless(field not in product, f"sweep.zip.{field}", together[field], "sweep.product has this field too")
        first = next(iter(together))
        same = f"it must be a list as long as that of {first}, which has {len(together[first])} entries"
        problems.unless(len(together[field]) == len(together[first]), f"sweep.zip.{field}", together[field], same)
    for name, values in (("product", product), ("zip", together)):
        for field in values:
            clear = not any(field in case for case in cases)
            problems.unless(clear, f"sweep.{name}.{field}", values[field], "sweep.cases has this field too")
    swept = bool(product or together or cases or problems.found)
    problems.unless(swept, "sweep", asked, "it must sweep at least one field")
    problems.done()
    count = _count(product, together, cases)
    problems.unless(count <= MOST_POINTS, "sweep", f"{count} points", f"it may have {MOST_POINTS} points at most")
    problems.done()
    return product, together, cases


def _cases(asked: Any, problems: Problems) -> list[dict[str, Any]]:
    """The cases, each flattened to dotted fields."""
    if not isinstance(asked, list):
        problems.unless(False, "sweep.cases", asked, "it must be a list of tables: [[sweep.cases]]")
        return []
    cases: list[dict[str, Any]] = []
    for number, table in enumerate(asked):
        place = f"sweep.cases[{number}]"
        case = dict(_flat(table, "")) if isinstance(table, dict) else {}
        problems.unless(bool(case), place, table, "it must be a table that sets a field")
        for field in case:
            problems.unless(case[field] != {}, f"{place}.{field}", {}, "it must be a table that sets a field")
        problems.unless("name" not in case, place, table, "the names of the points are made from that of the spec")
        problems.unless(not case or case not in cases, place, table, "no case may come twice")
        cases.append(case)
    return cases


def _values(table: Any, prefix: str, problems: Problems) -> dict[str, list]:
    """Flatten tables to lists by dotted field: `machine.hidden`, written as a key or as a table."""
    found: dict[str, list] = {}
    if not isinstance(table, dict):
        problems.unless(False, prefix, table, "it must be a table of fields, each with the list of its values")
        return found
    for field, values in _flat(table, ""):
        name = f"{prefix}.{field}"
        ok = isinstance(values, list) and bool(values) and not any(isinstance(value, dict) for value in values)
        problems.unless(ok, name, values, "it must be a list of at least one value, none of them a table")
        problems.unless(field != "name", name, values, "the names of the points are made from that of the spec")
        problems.unless(field not in found, name, values, "no field may come twice")
        # A product without this check would compute and count one point twice.
        twice = ok and prefix.endswith("product") and any(value in values[:at] for at, value in enumerate(values))
        problems.unless(not twice, name, values, "no value may come twice")
        found[field] = values if ok else []
    return found


def _flat(table: dict[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
