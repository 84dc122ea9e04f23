"""What a rule says of one machine, and what the machines together make of a claim."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rbmflow._format import with_error
from rbmflow.convergence import SIGMAS

type Side = Literal["supports", "contradicts", "open"]

SIGNIFICANCE = 0.0027
"""Probability below which a fit or a rank correlation counts: that of three standard errors."""


@dataclass(frozen=True)
class Judgement:
    """What a rule says of one machine, or of one comparison of several."""

    of: str
    """The machine, or what was compared."""
    side: Side
    measured: str
    """The number that decided, with its error."""


@dataclass(frozen=True)
class Verdict:
    """A claim, the rule that decides it, what was measured, and what follows."""

    id: str
    words: str
    source: str
    rule: str
    verdict: str
    """`holds`, `fails`, `holds only when`, `open` or `not tested`."""
    judgements: tuple[Judgement, ...]
    figures: tuple[str, ...]
    """Figures that show it; a page links the first that it has."""
    note: str = ""
    """What of the results was missing."""

    def of(self, side: Side) -> tuple[Judgement, ...]:
        """The judgements on one side."""
        return tuple(row for row in self.judgements if row.side == side)


def weigh(judgements: Sequence[Judgement]) -> str:
    """The verdict that machines together make.

    Examples
    --------
    >>> weigh([Judgement("V-64", "supports", ""), Judgement("V-16", "open", "")])
    'holds'
    >>> weigh([])
    'not tested'
    """
    sides = {row.side for row in judgements}
    if {"supports", "contradicts"} <= sides:
        return "holds only when"
    for side, verdict in (("supports", "holds"), ("contradicts", "fails"), ("open", "open")):
        if side in sides:
            return verdict
    return "not tested"


@dataclass(frozen=True)
class Measured:
    """A number with its standard error; the error is NaN where one seed cannot give it."""

    value: float
    error: float
    samples: int = 1
    """Independent trainings that the error comes from."""

    def __str__(self) -> str:
        return with_error(self.value, self.error)

    @property
    def margin(self) -> float:
        """Three standard errors; infinite where the error is not known, for then nothing can be told apart."""
        return SIGMAS * self.error if math.isfinite(self.error) else math.inf

    def minus(self, other: Measured) -> Measured:
        """Difference of two independent numbers; its error is not known where one of theirs is not."""
        return Measured(self.value - other.value, math.hypot(self.error, other.error))

    @property
    def differs(self) -> bool:
        """Whether it differs from 0 by more than three errors, as an infinite number does."""
        return abs(self.value) > self.margin or math.isinf(self.value)


def within(number: Measured, target: float, window: float) -> Side:
    """Which side a number is on that should be within a window of a target: in it, out by more than its error, between.

    Examples
    --------
    >>> [within(Measured(t, 0.01), 2.27, 0.125) for t in (2.2, 2.41, 2.6)]
    ['supports', 'open', 'contradicts']
    """
    distance = abs(number.value - target)
    if distance <= window:
        return "supports"
    return "contradicts" if distance > window + number.margin else "open"


def above(number: Measured, least: float, below: float) -> Side:
    """Which side a number is on if it should be at least one bound and is refuted below another."""
    if number.value >= least:
        return "supports"
    # A number that is not there compares as neither.
    return "contradicts" if number.value < below else "open"
