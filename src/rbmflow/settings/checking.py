"""What all settings have in common: they are checked as soon as they are made."""

from collections.abc import Callable
from dataclasses import asdict, field, fields
from typing import Any, get_type_hints

from rbmflow._checks import Problems, is_number, listed, plain_number


def _plain(value: Any) -> Any:
    """Plain numbers and tuples of them, whatever kind of number or list came in."""
    plain = plain_number(value)
    rows = listed(plain)
    return plain if rows is None else tuple(map(plain_number, rows))


_SETTLED = {
    float: lambda value: float(value) + 0.0,  # There is one zero.
    tuple[float, ...]: lambda values: tuple(float(value) + 0.0 for value in values),
    tuple[str | float, ...]: lambda values: tuple(v if isinstance(v, str) else float(v) + 0.0 for v in values),
}
"""How numbers are kept by the type of their field, so that 1 and 1.0 are the same settings with one hash."""


class Settings:
    """What all settings have in common: they hold plain numbers and are checked when made."""

    def __post_init__(self):
        kinds = get_type_hints(type(self))
        for one in fields(self):  # pyright: ignore[reportArgumentType]
            value = _plain(getattr(self, one.name))
            single = kinds[one.name] == tuple[float, ...] and is_number(value)
            object.__setattr__(self, one.name, (value,) if single else value)
        problems = Problems()
        for one in fields(self):  # pyright: ignore[reportArgumentType]
            one.metadata.get("check", lambda *_: None)(problems, one.name, getattr(self, one.name))
        self.compare(problems)
        problems.done()
        for one in fields(self):  # pyright: ignore[reportArgumentType]
            settle = _SETTLED.get(kinds[one.name], lambda value: value)
            object.__setattr__(self, one.name, settle(getattr(self, one.name)))

    def differing(self, *apart: str) -> dict[str, Any]:
        """What the hash of a step has of settings: the fields that differ from their defaults, but for those apart.

        So a new field with a default moves no hash. A default that changes would move none either, although the
        numbers change: it takes a new version of every kind of step that has these settings.
        """
        named = [(one, getattr(self, one.name)) for one in fields(self)]  # pyright: ignore[reportArgumentType]
        return {one.name: value for one, value in named if value != one.default and one.name not in apart}

    def compare(self, problems: Problems) -> None:
        """Note what does not fit, beyond what is said of each field by itself."""


def dotted(**sections: Settings) -> dict[str, Any]:
    """Fields of settings by their dotted names in a spec, such as machine.hidden."""
    return {f"{section}.{name}": value for section, own in sections.items() for name, value in asdict(own).items()}  # pyright: ignore[reportArgumentType]


def checked(default: Any, check: Callable[..., Any], *limits: Any) -> Any:
    """A field of settings with its default, the method of `Problems` that checks it, and the limits for that."""
    return field(default=default, metadata={"check": lambda problems, *named: check(problems, *named, *limits)})
