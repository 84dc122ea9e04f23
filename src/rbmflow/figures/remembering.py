"""What matplotlib works out again and again while it lays out and draws one figure, worked out once."""

import functools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from matplotlib.artist import Artist
from matplotlib.axis import Axis, Tick, XAxis, YAxis
from matplotlib.cbook import CallbackRegistry, Grouper
from matplotlib.mathtext import MathTextParser
from matplotlib.text import Text

_TURN = threading.RLock()

MOST_FORMULAS = 1000
"""Formulas that are kept, each of a few kilobytes; a report has about fifty."""


@contextmanager
def remembering() -> Iterator[None]:
    """Have ticks, texts and formulas worked out once while a figure is drawn, which saves a third of the time.

    The layout asks every axis for its ticks eight times, and every text for its size four times; they change only with
    the range and the place of an axis, and with what is written. Of a matplotlib without these functions nothing is
    remembered, and the drawing is the same.
    """
    with _TURN:
        found = [(owner, name, getattr(owner, name, None), made) for owner, name, made in _REMEMBERED]
        kept = [(owner, name, plain, made(plain)) for owner, name, plain, made in found if callable(plain)]
        try:
            for owner, name, _, quick in kept:
                setattr(owner, name, quick)
            yield
        finally:
            for owner, name, plain, _ in kept:
                setattr(owner, name, plain)


def _by_state(state: Callable[[Any], Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A method whose last answer for each object holds as long as its state is the same."""

    def made(plain: Callable[..., Any]) -> Callable[..., Any]:
        known: dict[Any, tuple[Any, Any]] = {}

        @functools.wraps(plain)
        def quick(self: Any, *arguments: Any) -> Any:
            now = state(self)
            before = known.get(self)
            if before is None or before[0] != now:
                before = known[self] = now, plain(self, *arguments)
            return before[1]

        return quick

    return made


def _of_axis(axis: Axis) -> tuple[Any, ...]:
    return axis.axes.bbox.bounds, tuple(axis.get_view_interval()), axis.axes.figure.dpi


def _of_text(text: Text) -> tuple[Any, ...]:
    return text.get_text(), text.get_rotation(), text.get_figure(root=True).dpi  # pyright: ignore


def _of_formulas(plain: Callable[..., Any]) -> Callable[..., Any]:
    """Formulas as any parser for the same kind of drawing reads them: each renderer has a parser of its own."""

    @functools.wraps(plain)
    def quick(self: MathTextParser, *arguments: Any) -> Any:
        key = (getattr(self, "_output_type", self), *arguments)
        if key not in _FORMULAS:
            if len(_FORMULAS) >= MOST_FORMULAS:
                _FORMULAS.clear()
            _FORMULAS[key] = plain(self, *arguments)
        return _FORMULAS[key]

    return quick


def _more_ticks(of: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Ticks of an axis, of which further ones are copies of the first: making each from settings takes far longer."""

    def made(plain: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(plain)
        def quick(self: Axis, numticks: int | None = None) -> Any:
            ticks = getattr(self, of)
            if ticks and numticks is not None and type(self) in (XAxis, YAxis):
                ticks += [_tick_like(ticks[0]) for _ in range(numticks - len(ticks))]
            return plain(self, numticks)

        return quick

    return made


def _tick_like(first: Tick) -> Tick:
    tick = _like(first)
    for part in ("tick1line", "tick2line", "gridline", "label1", "label2"):
        setattr(tick, part, _like(getattr(first, part)))
    for label in (tick.label1, tick.label2):  # Which takes a copy: only this part of an artist is changed in its place.
        label.set_fontproperties(label.get_fontproperties())
    return tick


def _like[A: Artist](artist: A) -> A:
    other = object.__new__(type(artist))
    vars(other).update(vars(artist), _callbacks=CallbackRegistry(signals=["pchanged"]))
    return other


def _once(plain: Callable[..., Any]) -> Callable[..., Any]:
    """A method with one answer for each object and argument."""
    known: dict[Any, Any] = {}

    @functools.wraps(plain)
    def quick(self: Any, *arguments: Any, **named: Any) -> Any:
        key = (id(self), *arguments, *named.items())
        if key not in known:
            known[key] = plain(self, *arguments, **named)
        return known[key]

    return quick


_FORMULAS: dict[Any, Any] = {}

_REMEMBERED = (
    (Axis, "_update_ticks", _by_state(_of_axis)),
    (Axis, "get_major_ticks", _more_ticks("majorTicks")),
    (Axis, "get_minor_ticks", _more_ticks("minorTicks")),
    (Grouper, "get_siblings", _once),
    (Text, "_get_layout", _by_state(_of_text)),
    (MathTextParser, "_parse_cached", _of_formulas),
)
