"""Bad input said in one sentence a problem: the field, the value, what is allowed."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from numbers import Integral, Real

_LONGEST_VALUE, _LONGEST_REASON = 300, 2000
"""Signs that a sentence repeats of a value or its name, and of what is allowed; a table may hold megabytes."""

_SMALLEST, _LARGEST = 2.0**-126, float.fromhex("0x1.fffffep+127")
"""Range of float32, in which configurations are drawn."""


def plain(text: object) -> str:
    """Text of one printable line: names in a file may hold line breaks, or sequences that a terminal obeys."""
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in str(text))


def _shortened(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 60]} ... {text[-50:]}"


def _told(value: object) -> str:
    try:
        return _shortened(repr(value), _LONGEST_VALUE)
    except (ValueError, RecursionError):  # A number of thousands of digits, or a list in a list in a list ...
        return f"({type(value).__name__} too large to be repeated)"


def same_temperature(first: float, second: float) -> bool:
    """Whether two temperatures cannot be told apart: they are equal within the resolution of float32.

    Its range counts too: what is too small for it is the same as 0, what is too large the same as inf.

    Examples
    --------
    >>> same_temperature(0.3, 0.1 + 0.2), same_temperature(2.25, 2.2500001), same_temperature(2.25, 2.25001)
    (True, True, False)
    """
    if first > _LARGEST or second > _LARGEST:
        return first > _LARGEST and second > _LARGEST
    return math.isclose(first, second, rel_tol=2.0**-23, abs_tol=_SMALLEST)


def find_temperature(temperature: float, grid: Sequence[float]) -> int | None:
    """Index of a temperature in a grid, None where it has none that is the same; see `same_temperature`."""
    return next((index for index, known in enumerate(grid) if same_temperature(temperature, known)), None)


def between_temperatures(temperature: float, minimum: float, maximum: float) -> bool:
    """Whether a temperature lies in a window whose ends belong to it; see `same_temperature`."""
    ends = same_temperature(temperature, minimum) or same_temperature(temperature, maximum)
    return ends or minimum <= temperature <= maximum


@dataclass(frozen=True)
class Problem:
    """One field whose value is not allowed."""

    field: str
    value: object
    allowed: str

    def __str__(self) -> str:
        name, allowed = _shortened(self.field, _LONGEST_VALUE), _shortened(self.allowed, _LONGEST_REASON)
        return plain(f"{name} = {_told(self.value)} is not allowed: {allowed}")


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


def _is_finite(value: object) -> bool:
    try:
        return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # A whole number beyond the range of float64.
        return False


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
        ok = _is_finite(value)
        self.unless(ok, name, value, "it must be a finite number")

    def positive(self, name: str, value: object) -> None:
        """Note a problem unless `value` is a finite number above zero."""
        ok = _is_finite(value) and value > 0  # pyright: ignore
        self.unless(ok, name, value, "it must be a finite number above 0")

    def not_negative(self, name: str, value: object) -> None:
        """Note a problem unless `value` is a finite number of at least zero."""
        ok = _is_finite(value) and value >= 0  # pyright: ignore
        self.unless(ok, name, value, "it must be a finite number of at least 0")

    def one_of(self, name: str, value: object, names: tuple[str, ...]) -> None:
        """Note a problem unless `value` is one of the names."""
        self.unless(value in names, name, value, f"it must be one of {', '.join(names)}")

    def true_or_false(self, name: str, value: object) -> None:
        """Note a problem unless `value` is a truth value."""
        self.unless(isinstance(value, bool), name, value, "it must be true or false")

    def temperatures(self, name: str, values: object) -> None:
        """Note a problem unless `values` are increasing temperatures, 0 and inf included, that can be told apart."""
        try:
            rows = [float(t) for t in values]  # pyright: ignore[reportGeneralTypeIssues]
        except (TypeError, ValueError, OverflowError):
            rows = []
        allowed = "it must hold at least one temperature, none negative or NaN, in increasing order"
        ok = bool(rows) and not any(math.isnan(t) or t < 0 for t in rows)
        ok = ok and all(a < b for a, b in itertools.pairwise(rows))
        self.unless(ok, name, values, allowed)
        for t in rows if ok else ():
            beyond = any(same_temperature(t, limit) and t != limit for limit in (0.0, math.inf))
            self.unless(not beyond, name, values, f"float32 cannot hold {t!r}; 0 and inf are allowed")
        for a, b in itertools.pairwise(rows) if ok else ():
            self.unless(not same_temperature(a, b), name, values, f"float32 cannot tell {a!r} and {b!r} apart")

    def done(self) -> None:
        """Raise one `InvalidInput` if anything was noted."""
        if self.found:
            raise InvalidInput(*self.found)
