"""Reading the tables of specs: those that come with the package, TOML files, and dotted overrides."""

import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from rbmflow._checks import InvalidInput, Problem
from rbmflow.spec.contents import Spec
from rbmflow.spec.parsing import parse

LARGEST_FILE = 10_000_000
"""Bytes that a spec may have; there are files without an end."""


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
