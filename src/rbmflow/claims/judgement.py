"""What a rule says of one machine, and what the machines together make of a claim."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy.special import fdtrc, stdtrit

from rbmflow._format import with_error
from rbmflow.convergence import CONFIDENCE

type Side = Literal["supports", "contradicts", "open"]

SIGNIFICANCE = 0.0027
"""Probability that any claim of a report is decided wrongly by chance: that of three standard errors, two-sided."""

LEVEL = ContextVar("level", default=SIGNIFICANCE)
"""Level of every single test; a claim sets it while its rule is applied."""


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
    rule: tuple[str, str, str]
    """What is measured, what supports the claim, and what contradicts it."""
    verdict: str
    """`holds`, `fails`, `depends`, `open` or `not tested`."""
    judgements: tuple[Judgement, ...]
    figures: tuple[str, ...]
    """Figures that show it; a page links the first that it has."""
    note: str = ""
    """What of the results was missing."""
    level: float = SIGNIFICANCE
    """Level of its tests."""
    excludes: tuple[str, ...] = ()
    """Claims that cannot be true of a machine of which this one is."""

    def of(self, side: Side) -> tuple[Judgement, ...]:
        """The judgements on one side."""
        return tuple(row for row in self.judgements if row.side == side)

    def without(self, others: Mapping[str, str]) -> Verdict:
        """The verdict if these machines, which count for the claim beside their name, count for no other."""
        rows = tuple(
            replace(row, side="open", measured=f"{row.measured}; it counts for `{others[row.of]}`")
            if row.side == "supports" and row.of in others
            else row
            for row in self.judgements
        )
        return self if rows == self.judgements else replace(self, judgements=rows, verdict=weigh(rows))

    @property
    def told(self) -> str:
        """The verdict in words: one that depends on the machine says for which it holds and for which it fails."""
        if self.verdict != "depends":
            return self.verdict
        holds, fails = (few([row.of for row in self.of(side)]) for side in ("supports", "contradicts"))
        return f"depends on: holds for {holds}, fails for {fails}"


def few(names: Sequence[str], most: int = 4) -> str:
    """Names as words; a long list ends in how many there are more.

    Examples
    --------
    >>> few(["V-16", "V-64"]), few(list("abcdef"))
    ('V-16 and V-64', 'a, b, c and 3 more')
    """
    kept = names if len(names) <= most else [*names[: most - 1], f"{len(names) - most + 1} more"]
    return " and ".join([", ".join(kept[:-1]), kept[-1]] if len(kept) > 1 else kept)


def weigh(judgements: Sequence[Judgement]) -> str:
    """The verdict that machines together make: one counterexample refutes a claim, most must support it.

    Examples
    --------
    >>> weigh([Judgement("V-64", "supports", ""), Judgement("V-36", "supports", ""), Judgement("V-16", "open", "")])
    'holds'
    >>> weigh([Judgement("V-64", "supports", ""), Judgement("V-16", "open", "")])
    'open'
    """
    sides = [row.side for row in judgements]
    supports, contradicts, undecided = map(sides.count, ("supports", "contradicts", "open"))
    if contradicts:
        return "depends" if supports else "fails"
    return "holds" if supports > undecided else "open" if sides else "not tested"


@dataclass(frozen=True)
class Measured:
    """A number with its standard error; the error is NaN where it is not known."""

    value: float
    error: float
    freedom: float = math.inf
    """Degrees of freedom of the error, one less than the seeds that it comes from; 0 of a single seed."""

    def __str__(self) -> str:
        return with_error(self.value, self.error)

    def __abs__(self) -> Measured:
        return Measured(abs(self.value), self.error, self.freedom)

    @property
    def margin(self) -> float:
        """What a deviation must exceed to count: the two-sided quantile of Student's t, in errors.

        It is infinite where nothing is known of the error, as of a single seed, for then nothing can be told apart.
        """
        return self.at_level(LEVEL.get())

    def at_level(self, level: float) -> float:
        """The margin of a test at another level."""
        known = math.isfinite(self.error) and self.freedom > 0
        return float(stdtrit(self.freedom, 1 - level / 2)) * self.error if known else math.inf

    def minus(self, other: Measured) -> Measured:
        """Difference of two independent numbers; its error is not known where one of theirs is not."""
        error, freedom = joined((self.error, self.freedom), (other.error, other.freedom))
        return Measured(self.value - other.value, error, freedom)

    @property
    def differs(self) -> bool:
        """Whether it differs from 0 by more than its margin, as an infinite number does."""
        return abs(self.value) > self.margin or math.isinf(self.value)

    def is_below(self, bound: float) -> bool:
        """Whether its size is shown to be below a bound at 95 %, as `rf.end_of_flows` shows that starts have met."""
        known = math.isfinite(self.margin)
        return known and abs(self.value) + float(stdtrit(self.freedom, CONFIDENCE)) * self.error < bound


def joined(*errors: tuple[float, float]) -> tuple[float, float]:
    r"""Error of a sum of independent numbers, and its degrees of freedom, from those of each.

    .. math:: \sigma^2 = \sum_i \sigma_i^2, \qquad \nu = \sigma^4 / \sum_i (\sigma_i^4 / \nu_i)

    F. E. Satterthwaite, Biometrics Bull. 2, 110 (1946), doi:10.2307/3002019, eq. (17); none are left if one has none.
    """
    squares = [error**2 for error, _ in errors]
    if not min(freedom for _, freedom in errors) > 0:
        return math.sqrt(sum(squares)), 0.0
    spent = sum(square**2 / freedom for square, (_, freedom) in zip(squares, errors, strict=True))
    return math.sqrt(sum(squares)), sum(squares) ** 2 / spent if spent else math.inf


def pooled(numbers: Sequence[Measured]) -> Measured:
    """Mean over machines, with the larger of the propagated error and the spread of the machines, as far as known."""
    mean, count = averaged(numbers), len(numbers)
    spread = float(np.std([number.value for number in numbers], ddof=1)) / math.sqrt(count) if count > 1 else math.nan
    if spread > mean.error or math.isnan(mean.error):
        return replace(mean, error=spread, freedom=count - 1)
    return mean


def averaged(numbers: Sequence[Measured]) -> Measured:
    """Mean over just these machines, with the errors of each; that they differ from one another is no error of it."""
    count = len(numbers)
    error, freedom = joined(*((number.error / count, number.freedom) for number in numbers))
    return Measured(float(np.mean([number.value for number in numbers])), error, freedom)


def equality(numbers: Sequence[Measured]) -> float:
    r"""Analysis of variance: probability of numbers that differ as much as these if they are one; NaN without errors.

    .. math:: F = \frac{\sum_i n_i (x_i - \bar x)^2}{\sum_i (1 - n_i / N) s_i^2}, \qquad s_i^2 = n_i \sigma_i^2,

    for n_i seeds each that scatter by s_i. Its denominator has the freedom of a `joined` error, since recipes scatter
    unequally; for equal n it is the usual F. M. B. Brown, A. B. Forsythe, Technometrics 16, 129 (1974),
    doi:10.1080/00401706.1974.10489158.
    """
    values, errors, freedom = np.array([(one.value, one.error, one.freedom) for one in numbers]).T
    if not (np.isfinite([values, errors, freedom]).all() and (errors > 0).all() and (freedom > 0).all()):
        return math.nan
    seeds = freedom + 1
    between = seeds @ (values - np.average(values, weights=seeds)) ** 2
    inside = np.sqrt((1 - seeds / seeds.sum()) * seeds) * errors
    scatter, left = joined(*zip(inside, freedom, strict=True))
    return float(fdtrc(len(numbers) - 1, left, between / scatter**2))


def within(number: Measured, target: float, window: float, errors: float = 0.0) -> Side:
    """Which side a number is on that should be within a window, widened by some errors, of a target.

    It is refuted by more than its margin beyond the window itself.

    Examples
    --------
    >>> [within(Measured(t, 0.01), 2.27, 0.125) for t in (2.2, 2.41, 2.6)]
    ['supports', 'open', 'contradicts']
    """
    distance = abs(number.value - target) - window
    if math.isinf(number.margin):
        return "open"
    return "supports" if distance <= errors * number.error else "contradicts" if distance > number.margin else "open"


def all_of(sides: Iterable[Side]) -> Side:
    """Refuted by one, supported by all; of none nothing is known."""
    found = set(sides)
    return "contradicts" if "contradicts" in found else "supports" if found == {"supports"} else "open"


def above(number: Measured, least: float, below: float) -> Side:
    """Which side a number is on if it should be at least one bound and is refuted below another."""
    if math.isinf(number.margin) and math.isfinite(number.value):
        return "open"
    return "supports" if number.value >= least else "contradicts" if number.value < below else "open"
