"""From plain tables to a checked spec and back, one sentence for everything that is wrong, and what its fields mean."""

import ast
import dataclasses
import functools
import inspect
import itertools
import sys
import tomllib
from collections.abc import Iterator, Mapping
from types import UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

import tomli_w

from rbmflow._checks import InvalidInput, Problem, Problems, meant
from rbmflow.spec.contents import Spec
from rbmflow.spec.grids import expanded

_DEEPEST = 12
"""Keys and lists inside one another; the deepest field of a sweep has six."""


class _Nothing:
    def __repr__(self) -> str:
        return "(nothing)"


def refuse_monsters(data: Any) -> None:
    """Refuse what no field can hold and what the readers of a spec would stumble over, whatever field it is in."""
    pending: list[tuple[str, int, Any]] = [("", 0, data)]
    while pending:
        place, depth, value = pending.pop()
        reason = ""
        if depth > _DEEPEST:
            reason = f"a spec has no field so deep; keys and lists may be {_DEEPEST} deep"
        elif isinstance(value, int) and value.bit_length() > 63:
            reason = "a whole number may have 64 bits at most"
        elif isinstance(value, dict) and not all(isinstance(key, str) and _is_text(key) for key in value):
            reason = "every key must be text"
        elif isinstance(value, str) and not _is_text(value):
            reason = "it must be text that UTF-8 can hold"
        Problems.only(not reason, place, value, reason)
        if isinstance(value, dict):
            dot = "." if place else ""
            pending += [(f"{place}{dot}{key}", depth + 1 + key.count("."), inner) for key, inner in value.items()]
        elif isinstance(value, list | tuple):
            pending += [(f"{place}[{index}]", depth + 1, inner) for index, inner in enumerate(value)]


def _is_text(value: str) -> bool:
    return not any("\ud800" <= sign <= "\udfff" for sign in value)


def parse(data: Mapping[str, Any]) -> Spec:
    """Turn plain tables, as TOML gives them, into a checked spec.

    `InvalidInput` has every problem found, each under the dotted name of its field.
    """
    Problems.only("sweep" not in data, "sweep", data.get("sweep"), "this is read by load_sweep; one run has none")
    refuse_monsters(data)
    return settings_from(Spec, expanded(data), "a spec")


def settings_from[T](of: type[T], data: Any, called: str, prefix: str = "") -> T:
    """Turn plain tables, as TOML gives them, into checked settings of a class that people know by some name."""
    refuse_monsters(data)
    problems = Problems()
    settings = _section(of, data, prefix, problems, called)
    problems.done()
    return settings


def _section(of: type, table: Any, prefix: str, problems: Problems, called: str = "") -> Any:
    """Settings of a class from a table; None if that cannot be.

    The values of fields are the business of the class. Where one of the inner sections is at fault, its default stands
    in for it, and what compares the sections with one another means nothing.
    """
    if not isinstance(table, Mapping):
        problems.unless(False, prefix.removesuffix("."), table, "it must be a table")
        return None
    kinds, given, before = _kinds(of), {}, len(problems.found)
    for name, value in table.items():
        if name not in kinds:
            problems.unless(False, f"{prefix}{name}", value, _unknown(name, list(kinds), prefix, called))
        elif (read := _value(kinds[name], value, f"{prefix}{name}", problems)) is not None:
            given[name] = read
    required = [one.name for one in dataclasses.fields(of) if one.default is one.default_factory is dataclasses.MISSING]
    for name in required:
        problems.unless(name in table, f"{prefix}{name}", _Nothing(), "it must be given")
    told = {problem.field for problem in problems.found[before:]}
    try:
        return of(**dict.fromkeys(required, "x") | given)
    except InvalidInput as error:
        for problem in error.problems:
            compares = "." in problem.field or "[" in problem.field or isinstance(problem.value, dict)
            # Of a field whose type is wrong the class has seen the default.
            if not (told and compares and of is Spec) and prefix + problem.field not in told:
                given_as = found_at(table, problem.field, problem.value)  # Not as its class keeps it.
                problems.unless(False, prefix + problem.field, given_as, problem.allowed)
    return None


def found_at(tables: Any, field: str, default: Any) -> Any:
    """The value of a dotted field in tables."""
    for name in field.split("."):
        if not isinstance(tables, Mapping) or name not in tables:
            return default
        tables = tables[name]
    return tables


def _value(kind: Any, value: Any, place: str, problems: Problems) -> Any:
    """The value of a field as its class takes it; None if its type is wrong, which is told."""
    if dataclasses.is_dataclass(kind):
        return _section(kind, value, f"{place}.", problems)  # pyright: ignore[reportArgumentType]
    if get_origin(kind) is dict and isinstance(value, Mapping):
        read = {name: _section(get_args(kind)[1], table, f"{place}.{name}.", problems) for name, table in value.items()}
        return None if None in read.values() else read
    misfits = list(_misfits(kind, value, place))
    problems.found += misfits
    return None if misfits else tuple(value) if isinstance(value, list) else value


_SORTS = {int: (int, "a whole number"), float: (int | float, "a number"), bool: (bool, "true or false")}
_SORTS |= {str: (str, "text"), dict: (Mapping, "a table"), tuple: (list | tuple, "a list")}
"""What a value of TOML must be for a type, and how that is called; truth values are no numbers."""


def _misfits(kind: Any, value: Any, place: str) -> Iterator[Problem]:
    """Where a value is not of a type, and what it must be."""
    kind = getattr(kind, "__value__", kind)
    choices = get_args(kind) if get_origin(kind) in (Literal, UnionType) else (kind,)
    if get_origin(kind) is Literal:
        fits, called = value in choices, [repr(choice) for choice in choices]
    else:
        sorts = [_SORTS[get_origin(choice) or choice] for choice in choices]
        fits = any(isinstance(value, sort) and (sort is bool or not isinstance(value, bool)) for sort, _ in sorts)
        called = [name for _, name in sorts]
    if not fits:
        yield Problem(place, value, f"it must be {' or '.join(called)}")
    elif get_origin(kind) is tuple:
        for index, one in enumerate(value):  # pyright: ignore[reportArgumentType]
            yield from _misfits(get_args(kind)[0], one, f"{place}[{index}]")


@functools.cache
def _kinds(of: type) -> dict[str, Any]:
    """Type of every field of a class of settings."""
    hints = get_type_hints(of)
    return {one.name: hints[one.name] for one in dataclasses.fields(of)}


def _unknown(name: str, names: list[str], prefix: str, called: str) -> str:
    """Say which fields the section of an unknown field has, and which one may have been meant."""
    where = f"section {prefix.removesuffix('.')}" if prefix else called
    return f"there is no such field; {where} has {', '.join(names)}{meant(name, names, prefix)}"


def to_toml(spec: Spec) -> str:
    """Write the spec with every field resolved; that this gives it back is seen first."""
    text = tomli_w.dumps(dataclasses.asdict(spec))
    told = "it cannot be written down: what was written is another spec"
    Problems.only(parse(tomllib.loads(text)) == spec, "spec", spec.name, told)
    return text


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
def fields(of: type = Spec, prefix: str = "") -> tuple[Field, ...]:
    """Every field of a spec, or of other settings, with its default and its meaning."""
    return tuple(_fields(of, prefix))


def _fields(of: type, prefix: str) -> Iterator[Field]:
    meanings = {
        ast.unparse(field.target): " ".join(ast.literal_eval(told.value).split())
        for field, told in itertools.pairwise(_classes(of.__module__)[of.__name__].body)
        if isinstance(field, ast.AnnAssign) and isinstance(told, ast.Expr)
    }
    for one in dataclasses.fields(of):
        kind = _kinds(of)[one.name]
        if dataclasses.is_dataclass(kind):
            yield from _fields(kind, f"{prefix}{one.name}.")  # pyright: ignore[reportArgumentType]
        elif get_origin(kind) is dict:
            yield from _fields(get_args(kind)[1], f"{prefix}{one.name}.<{one.name.removesuffix('s')}>.")
        else:
            default = "{}" if one.default_factory is dict else ""
            if one.default is not dataclasses.MISSING:
                default = _one_line_toml(one.default)
            yield Field(prefix + one.name, default, meanings[one.name])


@functools.cache
def _classes(module: str) -> dict[str, ast.ClassDef]:
    """Definitions of the classes of a module, which is parsed once: `inspect` does so for each of them."""
    body = ast.parse(inspect.getsource(sys.modules[module])).body
    return {node.name: node for node in body if isinstance(node, ast.ClassDef)}


def _one_line_toml(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_one_line_toml, value))}]"
    return tomli_w.dumps({"x": value}).removeprefix("x = ").strip()
