"""Sweeps: one spec that stands for many runs, by the values that some of its fields take.

`[sweep.product]` lists values of fields that are combined each with each, `[sweep.zip]` values that go together: the
first of one field with the first of the others, and so on; `[[sweep.cases]]` are tables of fields, each laid over the
spec as a whole. The points are all combinations of a case, an entry of the zip and one of the product.
"""

import dataclasses
import itertools
import math
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w

from rbmflow._checks import Problems
from rbmflow.spec.contents import Spec
from rbmflow.spec.parsing import found_at, parse, refuse_monsters, to_toml
from rbmflow.spec.toml_files import placed, read

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
    """Read a spec as `load` does, with its `[sweep]` if it has one."""
    return parse_sweep(read(source, overrides))


def parse_sweep(data: Mapping[str, Any]) -> Sweep:
    """Turn plain tables, as TOML gives them, into the checked specs of a sweep.

    `InvalidInput` has the problems of the sweep, or else those of the first point that has any.
    """
    refuse_monsters(data)
    base = dict(data)
    asked = base.pop("sweep", None)
    if asked is None:
        spec = parse(base)
        return Sweep(spec.name, to_toml(spec), (Point({}, spec),))
    axes = _axes(asked)
    points = [Point(values, parse(tables)) for values, tables in _points(base, axes)]
    fields = dict.fromkeys(field for point in points for field in point.values)
    text = tomli_w.dumps(_resolved(base, fields) | {"sweep": asked})
    written = tomllib.loads(text)
    again = zip(points, _points(written, _axes(written.pop("sweep"))), strict=True)
    # All points of a case, and cases are the first axis, set the same fields, so one of each is enough.
    for point, (_, tables) in itertools.islice(again, 0, None, len(points) // len(axes[0])):
        told = f"it cannot be written down: point {point.spec.name} would be another spec"
        Problems.only(parse(tables) == point.spec, "sweep", asked, told)
    even = tuple(Point({field: _value(point, field) for field in fields}, point.spec) for point in points)
    return Sweep(base["name"], text, even)


def _resolved(base: Mapping[str, Any], swept: Iterable[str]) -> dict[str, Any]:
    """Tables of a spec with the defaults of what they leave out; what is swept may yet cure them."""
    found = dataclasses.asdict(Spec("x"))
    # Types that are given, also those of single points, replace the default ones and are not to be joined by them.
    if "types" in base:
        found["types"] = {}
    elif any(field.startswith("types.") for field in swept):
        del found["types"]
    if any(field.startswith("sampling.temperatures.") for field in swept):
        del found["sampling"]["temperatures"]
    for section, given in base.items():
        found[section] = found.get(section, {}) | given if isinstance(given, dict) else given
    return found


def _value(point: Point, field: str) -> Any:
    """The value of a field that some points of the sweep set, at this one; None where it does not have the field."""
    if field in point.values:
        return point.values[field]
    value = found_at(dataclasses.asdict(point.spec), field, None)
    return list(value) if isinstance(value, tuple) else value


def _points(
    base: dict[str, Any], axes: Sequence[Sequence[dict[str, Any]]]
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Values of the swept fields and the tables of the spec of each point."""
    digits = len(str(math.prod(map(len, axes)) - 1))
    for number, row in enumerate(itertools.product(*axes)):
        values = {field: value for alternative in row for field, value in alternative.items()}
        tables = base
        for field, value in values.items():
            tables = placed(tables, field, value, f"sweep: {field}")
        if isinstance(name := base.get("name"), str):
            tables = tables | {"name": f"{name}-{number:0{digits}}"}
        yield values, tables


def _axes(asked: Any) -> list[list[dict[str, Any]]]:
    """What a sweep asks for, or every problem that it has: lists of which each point takes one entry, values by field.

    One axis are the cases, one the zip, and one each field of the product.
    """
    problems = Problems()
    table = asked if isinstance(asked, dict) else {}
    problems.unless(bool(table), "sweep", asked, "it must be a table that sweeps a field")
    for part in table:
        known = part in ("product", "zip", "cases")
        problems.unless(known, f"sweep.{part}", table[part], "a sweep has product, zip and cases")
    product = _lists(table.get("product", {}), "sweep.product", problems)
    together = _lists(table.get("zip", {}), "sweep.zip", problems)
    cases = _cases(table.get("cases", []), problems)
    first = next(iter(together), "")
    for field, values in together.items():
        same = f"it must be a list as long as that of {first}, which has {len(together[first])} entries"
        problems.unless(len(values) == len(together[first]), f"sweep.zip.{field}", values, same)
    owner = {field: "cases" for case in cases for field in case}
    for part, lists in (("product", product), ("zip", together)):
        for field, values in lists.items():
            told = f"sweep.{owner.setdefault(field, part)} has this field too"
            problems.unless(owner[field] == part, f"sweep.{part}.{field}", values, told)
    problems.unless(bool(owner) or bool(problems.found), "sweep", asked, "it must sweep at least one field")
    problems.done()
    steps = [dict(zip(together, row, strict=True)) for row in zip(*together.values(), strict=True)]
    axes = [axis for axis in (cases, steps) if axis]
    axes += [[{field: value} for value in values] for field, values in product.items()]
    size, most = math.prod(map(len, axes)), f"it may have {MOST_POINTS} points at most"
    Problems.only(size <= MOST_POINTS, "sweep", f"{size} points", most)
    return axes


def _cases(asked: Any, problems: Problems) -> list[dict[str, Any]]:
    """The cases, each flattened to dotted fields."""
    if not isinstance(asked, list):
        problems.unless(False, "sweep.cases", asked, "it must be a list of tables: [[sweep.cases]]")
        return []
    cases: list[dict[str, Any]] = []
    for number, table in enumerate(asked):
        place = f"sweep.cases[{number}]"
        case = dict(_flat(table)) if isinstance(table, dict) else {}
        sets = "it must be a table that sets a field"
        problems.unless(bool(case), place, table, sets)
        for field in case:
            problems.unless(case[field] != {}, f"{place}.{field}", {}, sets)
        problems.unless("name" not in case, place, table, "the names of the points are made from that of the spec")
        problems.unless(not case or case not in cases, place, table, "no case may come twice")
        cases.append(case)
    return cases


def _lists(table: Any, prefix: str, problems: Problems) -> dict[str, list]:
    """Flatten tables to lists by dotted field: `machine.hidden`, written as a key or as a table."""
    if not isinstance(table, dict):
        problems.unless(False, prefix, table, "it must be a table of fields, each with the list of its values")
        return {}
    found: dict[str, list] = {}
    for field, values in _flat(table):
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


def _flat(table: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
