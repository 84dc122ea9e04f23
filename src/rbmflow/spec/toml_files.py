"""Reading the tables of specs: those that come with the package, TOML files, and dotted overrides."""

import tomllib
from collections.abc import Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from rbmflow._checks import InvalidInput, Problem, Problems, one_of
from rbmflow.spec.contents import Spec
from rbmflow.spec.parsing import parse, settings_from
from rbmflow.spec.study import Study

LARGEST_FILE = 10_000_000
"""Bytes that a spec may have; there are files without an end."""


def load(source: str | Path, overrides: Mapping[str, str] | None = None) -> Spec:
    """Read the spec of a run, see `read`, and check it; `InvalidInput` has every problem found."""
    return parse(read(source, overrides))


def read(source: str | Path, overrides: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Read the tables of a spec, unchecked: one of `shipped`, else a TOML file, with some of its fields overridden.

    Its table `[study]`, if it has one, is checked and left out. Overrides are texts by dotted field name; each is read
    as a TOML value, or taken as it stands where it is none.
    """
    path = _shipped_folder() / f"{source}.toml" if str(source) in shipped() else Path(source)
    data = read_toml(path, "spec", source, one_of(source, shipped(), " or the path of a TOML file"))
    _study(data)
    for field, text in (overrides or {}).items():
        data = placed(data, field, _value(text))
    return data


def _study(data: dict[str, Any]) -> Study | None:
    """Take the table `[study]` out of those of a spec."""
    table = data.pop("study", None)
    return None if table is None else settings_from(Study, table, "a study", "study.")


def placed(tables: Mapping[str, Any], field: str, value: Any, called: str = "") -> dict[str, Any]:
    """Tables with the field of that dotted name set; what is not touched is shared, as a sweep has many points."""
    *sections, last = field.split(".")
    inner = whole = dict(tables)
    for depth, section in enumerate(sections, 1):
        below = inner.get(section, {})
        if not isinstance(below, dict):
            raise InvalidInput(Problem(called or field, value, f"{'.'.join(sections[:depth])} is not a table"))
        inner[section] = dict(below)
        inner = inner[section]
    inner[last] = value
    return whole


def parse_toml(text: str) -> dict[str, Any]:
    """Turn the text of a spec into plain tables; `InvalidInput` if it is not TOML."""
    try:
        return tomllib.loads(text)
    except RecursionError:
        reason = "its lists and tables are too deep"
    except ValueError as error:  # That of TOML, or of a number of thousands of digits.
        reason = str(error)
    raise InvalidInput(Problem("spec", text, f"it must be TOML: {reason}"))


def shipped() -> tuple[str, ...]:
    """Names of the specs that come with the package."""
    return tuple(sorted(path.name.removesuffix(".toml") for path in _shipped_folder().iterdir()))


def studies() -> dict[str, Study]:
    """The shipped specs that are studies, by name."""
    found = {name: _study(parse_toml(shipped_text(name))) for name in shipped()}
    return {name: study for name, study in found.items() if study is not None}


def shipped_text(name: str) -> str:
    """The text of one of them; `InvalidInput` if there is none of that name."""
    Problems.only(name in shipped(), "spec", name, one_of(name, shipped()))
    return (_shipped_folder() / f"{name}.toml").read_text("utf-8")


def _shipped_folder():
    return resources.files("rbmflow") / "specs"


def read_toml(path: Traversable, field: str, source: str | Path, known: str) -> dict[str, Any]:
    """Read the tables of the file that a field names as `source`, or say in a sentence why not; `known` is allowed."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
        if len(content) <= LARGEST_FILE:
            return parse_toml(content.decode("utf-8-sig"))
        allowed = f"it must have {LARGEST_FILE} bytes at most"
    except InvalidInput as error:
        allowed = error.problems[0].allowed
    except OSError as error:
        allowed = f"{known}, and this cannot be read ({error.strerror})"
    except UnicodeDecodeError as error:
        allowed = f"it must be TOML, which is UTF-8 text, and byte {error.start} is not"
    except ValueError:
        allowed = f"{known}, and this is no path"
    raise InvalidInput(Problem(field, str(source), allowed))


def _value(text: str) -> Any:
    try:
        table = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    return table["value"] if len(table) == 1 else text
