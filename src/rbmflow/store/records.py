"""Records: the small files beside the artifacts, each read by one typed reader, for anybody may have written them."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, NotRequired, TypedDict

from rbmflow._checks import plain
from rbmflow._files import read_bytes

RUN = re.compile(r"[A-Za-z0-9_-]{1,80}")
"""Ids of runs, which are the names of their folders."""

KIND = re.compile(r"[a-z][a-z0-9_]{0,40}")
"""Kinds of steps."""

HASH = re.compile(r"[0-9a-f]{64}")
"""Hashes of steps."""

_LONGEST_LINE = 500


def _line(text: str) -> str:
    return plain(text[:_LONGEST_LINE])


def _moment(text: str) -> str:
    if datetime.fromisoformat(text).tzinfo is None:
        raise ValueError("it must name a time zone")
    return _line(text)


def _within(**limits: Any) -> Any:
    return import_module("pydantic").Field(**limits)


def _read_by(function: Callable[[Any], Any]) -> Any:
    return import_module("pydantic").AfterValidator(function)


# Aliases are looked into when the first record is read, and pydantic, which takes long to import, only then.
type _Line = Annotated[str, _read_by(_line)]
"""One line for people; what a terminal would obey is written out."""

type _Moment = Annotated[str, _read_by(_moment)]
type _Run = Annotated[str, _within(pattern=rf"^{RUN.pattern}$")]
type _Kind = Annotated[str, _within(pattern=rf"^{KIND.pattern}$")]
type _Hash = Annotated[str, _within(pattern=rf"^{HASH.pattern}$")]
type _Seconds = Annotated[float, _within(ge=0, allow_inf_nan=False, le=1e15)]
type _Count = Annotated[int, _within(ge=0, lt=2**63)]
type _Process = Annotated[int, _within(gt=0, lt=2**31)]
type _Fraction = Annotated[float, _within(ge=0, le=1)]
type _Some[T] = Annotated[list[T], _within(min_length=1)]


class _Record(TypedDict):
    """What the schema does not know is kept: records of a later version may have more."""

    __pydantic_config__ = {"extra": "allow"}  # noqa: RUF012  # pyright: ignore[reportGeneralTypeIssues]


class Flag(_Record):
    """One quality flag: the step (in records of runs; artifacts hold no names), the kind of doubt, a sentence."""

    where: NotRequired[_Line]
    what: _Line
    message: _Line


class StepRow(_Record):
    """A step in `run.json`; what follows the hash is there when the run is finished."""

    kind: _Kind
    name: _Line
    hash: _Hash
    cached: NotRequired[bool]
    seconds: NotRequired[_Seconds | None]
    cpu_seconds: NotRequired[_Seconds | None]
    device: NotRequired[_Line | None]
    flags: NotRequired[list[Flag] | None]


class PointRow(_Record):
    """A point of a sweep in its `run.json`."""

    run: _Run
    values: dict[_Line, Any]
    results: _Hash


class RunRecord(_Record):
    """`run.json`."""

    name: _Line
    run: _Run
    spec_toml: NotRequired[str]
    started: _Moment
    steps: _Some[StepRow]
    points: NotRequired[_Some[PointRow]]
    seed: NotRequired[_Count]
    seconds: NotRequired[_Seconds]
    compute_seconds: NotRequired[_Seconds]
    cpu_seconds: NotRequired[_Seconds | None]
    versions: NotRequired[dict[_Line, _Line]]
    flags: NotRequired[list[Flag]]
    device: NotRequired[_Line]
    cores: NotRequired[_Count]
    platform: NotRequired[_Line]
    revision: NotRequired[_Line | None]


class ManifestRow(_Record):
    """One line of `steps.jsonl`."""

    hash: _Hash
    kind: _Kind
    name: _Line
    version: int
    settings: dict[str, Any]
    parents: list[_Hash]
    files: NotRequired[dict[_Hash, str]]


@dataclass(frozen=True)
class Progress:
    """`progress.json`: how far a step under way has come, where, and the seconds since its last sign of life."""

    kind: _Kind
    name: _Line
    hash: _Hash
    fraction: _Fraction
    host: str
    pid: _Process
    age: float = 0.0


@dataclass(frozen=True)
class Failure:
    """`failure.json` of a step that has not been computed since: why, when it was tried last, and how often."""

    kind: _Kind
    name: _Line
    hash: _Hash
    reason: _Line
    when: _Line
    tries: _Count


class Provenance(_Record):
    """`provenance.json` of an artifact."""

    kind: _Kind
    hash: _Hash
    version: int
    settings: dict[str, Any]
    parents: list[dict[Literal["kind", "hash"], str]]
    started: NotRequired[_Moment]
    seconds: NotRequired[_Seconds]
    cpu_seconds: NotRequired[_Seconds]
    device: NotRequired[_Line]
    flags: NotRequired[list[Flag]]


class _Printed(_Record):
    """What people are told of the numbers of a run, which programs get as a whole."""

    references: dict[str, float | str | None]
    flags: list[Flag]


def _summary(value: dict[str, Any]) -> dict[str, Any]:
    json.dumps(value, allow_nan=False)  # Refuses numbers that could not be written for a program.
    _schema(_Printed).validate_python(value, strict=True)
    return value  # In its own order.


type _Summary = Annotated[dict[str, Any], _read_by(_summary)]


class Numbers(_Record):
    """`numbers.json`: the numbers of a run, and the hash of what they were read from."""

    of: _Hash
    summary: _Summary
    ends: _Some[list[_Line]]


class Unreadable(NamedTuple):
    """A record that cannot be used, and why."""

    path: Path
    reason: str

    def __str__(self) -> str:
        return plain(f"{self.path.parent.name}/{self.path.name} cannot be read: {self.reason}")


@functools.cache
def _schema(of: Any) -> Any:
    return import_module("pydantic").TypeAdapter(of)


def parse_record[T](schema: type[T], content: bytes | str) -> T:
    """Read the JSON of a record; a `ValueError` says in one line what does not fit."""
    from pydantic import ValidationError

    try:
        return _schema(schema).validate_json(content, strict=True)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise ValueError(plain(f"{place}: {first['msg']}" if place else first["msg"])[:_LONGEST_LINE]) from None


def read_record[T](schema: type[T], path: Path) -> T | Unreadable | None:
    """Read a record; None where there is no such file."""
    try:
        return parse_record(schema, read_bytes(path))
    except FileNotFoundError:
        return None
    except OSError as error:
        return Unreadable(path, error.strerror or "the system refused")
    except ValueError as error:
        return Unreadable(path, str(error))
