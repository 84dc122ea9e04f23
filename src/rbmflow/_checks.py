"""Bad input said in one sentence a problem: the field, the value, what is allowed."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from numbers import Integral, Real


@dataclass(frozen=True)
class Problem:
    """One field whose value is not allowed."""

    field: str
    value: object
    allowed: str

    def __str__(self) -> str:
        sentence = f"{self.field} = {self.value!r} is not allowed: {self.allowed}"
        # Names in a file may hold line breaks and worse; what is told stays one line.
        return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in sentence)


class InvalidInput(ValueError):
    """Settings or data that cannot be used, with every problem found.

    Parameters
    ----------
    problems
        What is wrong, one entry a field.
    """

    def __init__(self, *problems: Problem):
        self.problems = problems
        super().__init__("; ".join(map(str, problems)))

    def __reduce__(self):
        return type(self), self.problems


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


@dataclass
class Problems:
    """Collects the problems of one object, so that all are reported at once."""

    found: list[Problem] = field(default_factory=list)

    def unless(self, ok: bool, name: str, value: object, allowed: str) -> None:
        """Note a problem unless `ok`."""
        if not ok:
            self.found.append(Problem(name, value, allowed))

    @classmethod
    def only(cls, ok: bool, name: str, value: object, allowed: str) -> None:
        """Raise one `InvalidInput` unless `ok`."""
        if not ok:
            raise InvalidInput(Problem(name, value, allowed))

    def whole(self, name: str, value: object, minimum: int, maximum: int | None = None) -> None:
        """Note a problem unless `value` is a whole number of at least `minimum` and at most `maximum`."""
        ok = isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= minimum
        if maximum is None:
            self.unless(ok, name, value, f"it must be a whole number of at least {minimum}")
        else:
            fits = ok and int(value) <= maximum  # pyright: ignore[reportArgumentType]
            self.unless(fits, name, value, f"it must be a whole number from {minimum} to {maximum}")

    def finite(self, name: str, value: object) -> None:
        """Note a problem unless `value` is a finite number."""
        ok = _is_number(value) and math.isfinite(value)  # pyright: ignore
        self.unless(ok, name, value, "it must be a finite number")

    def positive(self, name: str, value: object) -> None:
        """Note a problem unless `value` is a finite number above zero."""
        ok = _is_number(value) and math.isfinite(value) and value > 0  # pyright: ignore
        self.unless(ok, name, value, "it must be a finite number above 0")

    def not_negative(self, name: str, value: object) -> None:
        """Note a problem unless `value` is a finite number of at least zero."""
        ok = _is_number(value) and math.isfinite(value) and value >= 0  # pyright: ignore
        self.unless(ok, name, value, "it must be a finite number of at least 0")

    def one_of(self, name: str, value: object, names: tuple[str, ...]) -> None:
        """Note a problem unless `value` is one of the names."""
        self.unless(value in names, name, value, f"it must be one of {', '.join(names)}")

    def true_or_false(self, name: str, value: object) -> None:
        """Note a problem unless `value` is a truth value."""
        self.unless(isinstance(value, bool), name, value, "it must be true or false")

    def temperatures(self, name: str, values: object) -> None:
        """Note a problem unless `values` are increasing temperatures, 0 and infinity included."""
        try:
            rows = [float(t) for t in values]  # pyright: ignore[reportGeneralTypeIssues]
        except (TypeError, ValueError):
            rows = []
        allowed = "it must hold at least one temperature, none negative or NaN, in increasing order"
        ok = bool(rows) and not any(math.isnan(t) or t < 0 for t in rows)
        self.unless(ok and all(a < b for a, b in itertools.pairwise(rows)), name, values, allowed)

    def done(self) -> None:
        """Raise one `InvalidInput` if anything was noted."""
        if self.found:
            raise InvalidInput(*self.found)
