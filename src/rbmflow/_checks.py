"""Bad input said in one sentence a problem: the field, the value, what is allowed."""

import difflib
import itertools
import math
import traceback
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Any

_LONGEST_VALUE, _LONGEST_REASON = 300, 2000
"""Signs that a sentence repeats of a value or its name, and of what is allowed; a table may hold megabytes."""

_SMALLEST, _LARGEST = 2.0**-126, float.fromhex("0x1.fffffep+127")
"""Range of float32, in which configurations are drawn."""


def plain(text: object) -> str:
    """Text of one printable line: names in a file may hold line breaks, or sequences that a terminal obeys."""
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in str(text))


def _shortened(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 60]} ... {text[-50:]}"


def _from_to(minimum: int, maximum: int | None) -> str:
    return f"of at least {minimum}" if maximum is None else f"from {minimum} to {maximum}"


def _told(value: object) -> str:
    try:
        return _shortened(repr(value), _LONGEST_VALUE)
    except (ValueError, RecursionError):  # A number of thousands of digits, or a list in a list in a list ...
        return f"({type(value).__name__} too large to be repeated)"


def one_of(given: object, names: Iterable[object], further: str = "") -> str:
    """Say what a name may be, and which one may have been meant.

    Examples
    --------
    >>> one_of("isng", ("ising", "potts"))
    'it must be one of ising, potts; did you mean ising?'
    """
    called = [str(name) for name in names]
    return f"it must be one of {', '.join(called)}{further}{meant(given, called)}"


def meant(given: object, names: Iterable[str], before: str = "") -> str:
    """Ask for the name that is closest to one that is not there; nothing where none is close."""
    near = difflib.get_close_matches(given, list(names), n=1) if isinstance(given, str) else []
    return f"; did you mean {before}{near[0]}?" if near else ""


def same_temperature(first: float, second: float) -> bool:
    """Whether float32 cannot tell two temperatures apart; what is too small for it is 0, what is too large inf."""
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
    """Settings or data that cannot be used, with every problem found, one a field."""

    def __init__(self, *problems: Problem):
        self.problems = problems
        super().__init__("; ".join(map(str, problems)))

    def __reduce__(self):
        return type(self), self.problems


def plain_number(given: Any) -> Any:
    """The Python number or truth value that an array without axes holds; anything else as it is.

    Arrays of NumPy and JAX are known by their looks, so that settings need neither.
    """
    kind = getattr(getattr(given, "dtype", None), "kind", "O")
    if getattr(given, "shape", None) != () or kind not in "biufV":
        return given
    try:
        return given.item()
    except TypeError:  # JAX traces it, so it has no value yet
        return given


def listed(given: Any) -> tuple[Any, ...] | None:
    """What can be run through, as a tuple; None of text, of tables, and of one thing, such as an array without axes."""
    one = isinstance(given, str | bytes | dict) or getattr(given, "ndim", 1) == 0
    return None if one or not isinstance(given, Iterable) else tuple(given)


def let_go(error: BaseException) -> None:
    """Raise again the exit of a job whose machine the cluster takes away, which no function of others asked for."""
    if isinstance(error, SystemExit) and error.__traceback__ is not None:
        *_, (frame, _) = traceback.walk_tb(error.__traceback__)
        if str(frame.f_globals.get("__name__")).startswith("submitit."):
            raise error


def in_a_line(error: BaseException) -> str:
    """What an error says, without what follows its first line."""
    try:
        text = str(error)
    except Exception:  # The text of an error of others may fail as well.
        text = ""
    # Of a check within compiled code Equinox writes the stack before what it says.
    text = (text.partition("equinox.EquinoxRuntimeError: ")[2] or text).strip()
    return f"{type(error).__name__}: {(text.splitlines() or ['no message'])[0]}"


def is_number(value: object) -> bool:
    """Whether a plain value is a real number, NaN and infinity included; truth values are none."""
    return isinstance(value, Real) and not isinstance(value, bool)


def _is_finite(value: Any) -> bool:
    try:
        return is_number(plain_number(value)) and math.isfinite(value)
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

    def of[T](self, door: Callable[..., T], *given: Any, **named: Any) -> T | None:
        """What a function that checks what it is given returns; None with its problems noted."""
        try:
            return door(*given, **named)
        except InvalidInput as error:
            self.found.extend(error.problems)
            return None

    def whole(self, name: str, value: Any, minimum: int, maximum: int | None = None) -> int:
        """The value as an int; a problem unless it is a whole number of at least `minimum` and at most `maximum`."""
        plain = plain_number(value)
        ok = isinstance(plain, Integral) and not isinstance(plain, bool)
        fits = ok and minimum <= int(plain) and (maximum is None or int(plain) <= maximum)
        self.unless(fits, name, plain, f"it must be a whole number {_from_to(minimum, maximum)}")
        return int(plain) if fits else minimum

    def wholes(self, name: str, values: Any, minimum: int, maximum: int | None = None) -> tuple[int, ...]:
        """The values as ints; a problem unless they are a list of whole numbers in the range of `whole`."""
        rows, inner = listed(values), Problems()
        found = tuple(inner.whole(name, value, minimum, maximum) for value in rows or ())
        allowed = f"it must hold whole numbers {_from_to(minimum, maximum)}, such as ({minimum},)"
        self.unless(rows is not None and not inner.found, name, values, allowed)
        return found

    def finite(self, name: str, value: Any, largest: float = math.inf) -> None:
        """Note a problem unless `value` is a finite number, at most so large but for its sign."""
        limits = f" from {-largest:g} to {largest:g}" if math.isfinite(largest) else ""
        ok = _is_finite(value) and abs(value) <= largest
        self.unless(ok, name, value, f"it must be a finite number{limits}")

    def positive(self, name: str, value: Any) -> None:
        """Note a problem unless `value` is a finite number above zero."""
        self.unless(_is_finite(value) and value > 0, name, value, "it must be a finite number above 0")

    def not_negative(self, name: str, value: Any) -> None:
        """Note a problem unless `value` is a finite number of at least zero."""
        self.unless(_is_finite(value) and value >= 0, name, value, "it must be a finite number of at least 0")

    def below_one(self, name: str, value: Any) -> None:
        """Note a problem unless `value` is a number from zero to below one."""
        ok = is_number(plain_number(value)) and 0 <= value < 1
        self.unless(ok, name, value, "it must be a number of at least 0 and below 1")

    def fractions(self, name: str, values: Any) -> None:
        """Note a problem unless the values are a list of numbers above zero and up to one."""
        rows = listed(values)
        ok = rows is not None and all(is_number(plain_number(one)) and 0 < one <= 1 for one in rows)
        self.unless(ok, name, values, "it must hold numbers above 0 and at most 1, such as (0.5,)")

    def one_of(self, name: str, value: object, names: Collection[str]) -> None:
        """Note a problem unless `value` is one of the names; they are listed only then, since a registry must look."""
        if not (isinstance(value, str) and value in names):
            self.unless(False, name, value, one_of(value, names))

    def true_or_false(self, name: str, value: object) -> None:
        """Note a problem unless `value` is a truth value."""
        self.unless(isinstance(plain_number(value), bool), name, value, "it must be true or false")

    def function(self, name: str, value: object, given: str) -> None:
        """Note a problem unless `value` is a function or None."""
        self.unless(value is None or callable(value), name, value, f"it must be a function of {given}, such as print")

    def kind(self, name: str, value: object, kind: type | tuple[type, ...], example: str) -> None:
        """Note a problem unless `value` is of a class, which arguments in the wrong order are not."""
        shown = value if isinstance(value, int | float | str) else type(value).__name__
        self.unless(isinstance(value, kind), name, shown, f"it must be a {example}")

    def temperatures(self, name: str, values: Any) -> tuple[float, ...]:
        """The values as floats; a problem unless they are different temperatures in order, 0 and inf included."""
        try:
            rows = [] if isinstance(values, str) else [float(plain_number(t)) for t in values]
        except (TypeError, ValueError, OverflowError):
            rows = []
        values = tuple(rows) or values
        allowed = "it must hold at least one temperature, none negative or NaN, in increasing order"
        ok = bool(rows) and not any(math.isnan(t) or t < 0 for t in rows)
        if ok and rows == sorted(rows, reverse=True) and rows[0] > rows[-1]:
            allowed += ": pass them sorted, draws at one temperature do not depend on the others"
        ok = ok and all(a < b for a, b in itertools.pairwise(rows))
        self.unless(ok, name, values, allowed)
        for t in rows if ok else ():
            beyond = any(same_temperature(t, limit) and t != limit for limit in (0.0, math.inf))
            self.unless(not beyond, name, values, f"float32 cannot hold {t!r}; 0 and inf are allowed")
        for a, b in itertools.pairwise(rows) if ok else ():
            self.unless(not same_temperature(a, b), name, values, f"float32 cannot tell {a!r} and {b!r} apart")
        return tuple(rows)

    def done(self) -> None:
        """Raise one `InvalidInput` if anything was noted."""
        if self.found:
            raise InvalidInput(*self.found)
