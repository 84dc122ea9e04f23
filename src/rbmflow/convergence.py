"""Where flows end: the end with one joined error, the drift, and whether there is a fixed point."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.special import ndtri, stdtrit

from rbmflow._checks import Problems
from rbmflow._doors import Numbers, numbers_of
from rbmflow.diagnostics import mean_and_error, root_mean_square

SIGMAS = 3.0
"""Standard errors within which a number is at a target."""

CONFIDENCE = 0.95
"""Probability of the intervals that are told, and of the bounds by which ends are one."""

TOLERANCE = 0.02
"""Difference in J/k_B that counts as none: a quarter of what lies between T_c and the C maximum at L = 10."""

DOUBTS = {
    "range": "a reading is infinite",
    "drift": "a start is not shown to be at rest",
    "apart": "the starts are not shown to end together: the relaxation may take longer than the flow",
    "one_sided": "the starts do not lie on both sides of the end",
}
"""What may keep a machine from having a fixed point by a thermometer, in the order in which it is told."""


@dataclass(frozen=True)
class FlowEnds:
    """Where the flows of one machine end by one thermometer; temperatures in J/k_B, over seeds together.

    Parameters
    ----------
    end_temperature, end_error : [start]
        Mean over the last quarter of the iterations, with the joined error of `mean_temperature`.
    end_interval : [start]
        Half width of its 95 % interval, by Student's t where the scatter of few seeds is the error.
    end_chain_error : [start]
        What the finite number of chains alone gives; part of `end_error`. NaN of one seed whose chains all read the
        same, of which no error is known.
    drift, drift_error : [start]
        Change from the quarter before to the last.
    start_difference
        The largest difference between the ends of two starts, taken seed by seed; NaN of one start.
    relaxation_time
        Exponential time of the difference between the hottest and the coldest start, in iterations, mean over seeds;
        infinite if it does not fall, NaN where two iterations do not show it.
    iterations_needed
        Iterations after which that difference, falling so, is below the tolerance.
    mean_end, mean_end_error, mean_end_chain_error
        The same over all starts together: the fixed point T* if they have converged.
    doubts
        Which of `DOUBTS` there are.
    seeds
        How many independent trainings these numbers come from.
    """

    end_temperature: Float[np.ndarray, " start"]
    end_error: Float[np.ndarray, " start"]
    end_interval: Float[np.ndarray, " start"]
    end_chain_error: Float[np.ndarray, " start"]
    drift: Float[np.ndarray, " start"]
    drift_error: Float[np.ndarray, " start"]
    start_difference: float
    start_difference_error: float
    relaxation_time: float
    relaxation_time_error: float
    iterations_needed: float
    mean_end: float
    mean_end_error: float
    mean_end_chain_error: float
    doubts: frozenset[str]
    seeds: int

    @property
    def converged(self) -> bool:
        """Whether there is a fixed point: the mean end of all starts."""
        return not self.doubts


def mean_temperature(
    temperature: Float[np.ndarray, "..."],
    error: Float[np.ndarray, "..."],
    of_curve: Float[np.ndarray, "..."] | float = 0.0,
    axis: int = 0,
) -> tuple[Float[np.ndarray, "..."], Float[np.ndarray, "..."]]:
    r"""Mean of readings over independent machines, with the joined error.

    .. math:: \sigma^2 = \max(s^2, \bar\sigma_c^2) / n + \sigma_\text{curve}^2

    with the scatter s of n machines, and the errors of a reading that come from its chains and from the thermometer's
    own curve, root mean square. The scatter has the noise of the chains in it already, so they are not added up; it
    may come out too small by chance, and a single machine has none. What all machines share does not fall with their
    number: the curve, and the limit of what can be told from T = 0, which is an error larger than the mean.

    Readings are independent along `axis`; `of_curve` is the part of their errors that comes from the curve.
    """
    mean, scatter = mean_and_error(temperature, axis)
    of_chains = _shared_among(root_mean_square(_of_chains(error, of_curve), axis), mean, np.shape(temperature)[axis])
    shared = root_mean_square(np.broadcast_to(of_curve, np.shape(temperature)), axis)
    return mean, np.hypot(np.fmax(scatter, of_chains), shared)


def _of_chains(error: np.ndarray, of_curve: np.ndarray | float) -> np.ndarray:
    """What the finite number of chains gives to the error of a reading."""
    return np.sqrt(np.maximum(np.asarray(error) ** 2 - np.asarray(of_curve) ** 2, 0.0))


def _shared_among(of_one: np.ndarray, mean: np.ndarray, count: int) -> np.ndarray:
    """Chain error of a mean over machines from that of one: the limit of what can be told from zero stays."""
    return np.where(of_one > np.abs(mean), of_one, of_one / np.sqrt(count))


def end_of_flows(
    temperature: Numbers, error: Numbers, of_curve: Numbers = 0.0, was_read: Any = None, tolerance: float = TOLERANCE
) -> FlowEnds:
    r"""Where the flows of a machine end, what the end is worth, and what speaks against a fixed point.

    The end is the mean over the last quarter of the flow, the drift its difference to the quarter before. The machine
    has converged if the starts lie on both sides of the end and it is shown that nothing is left of them: the drift of
    every start, and the difference d of the ends of any two, are smaller than the tolerance with a probability of 95 %,

    .. math:: |\bar d| + t_{n - 1, 0.95}\, s_d / \sqrt n < \epsilon,

    over n seeds (of a single one by the errors of its chains). The scatter of seeds, and few seeds, make this harder.
    A Gibbs chain with finite weights is irreducible, so starts that end apart tell of a relaxation that takes longer
    than the flow, and of nothing else. Comparisons of readings by one curve do not have its error in them.
    D. J. Schuirmann, J. Pharmacokinet. Biopharm. 15, 657 (1987), doi:10.1007/BF01068419 (two one-sided tests).

    Parameters
    ----------
    temperature, error : [seed, start, iteration]
        Readings in J/k_B of independently trained machines, with their errors.
    of_curve : [seed, start, iteration] or a number
        The part of the errors that comes from the thermometer's own curve; 0 of an exact one.
    was_read : [iteration]
        The iterations that have a reading, all if not given.
    tolerance
        Difference in J/k_B that counts as none.

    Raises
    ------
    InvalidInput
        If the arrays do not have these shapes, with at least two iterations, or an error or the tolerance is negative.

    Examples
    --------
    >>> import numpy as np
    >>> noise = 0.01 * np.random.default_rng(0).normal(size=(3, 2, 41))
    >>> relaxing = np.exp(-np.arange(41) / 3) * np.array([[-2.0], [2.0]])
    >>> found = end_of_flows(2.3 + relaxing + noise, np.full((3, 2, 41), 0.01))
    >>> found.converged, found.seeds, round(found.relaxation_time)
    (True, 3, 3)
    >>> bool(abs(found.mean_end - 2.3) < 3 * found.mean_end_error)
    True
    """
    problems = Problems()
    problems.not_negative("tolerance", tolerance)
    problems.done()
    temperature, error, of_curve, was_read = _checked(temperature, error, of_curve, was_read)
    error = _of_chains(error, of_curve)
    seeds, _, iterations = temperature.shape
    parts = quarters(iterations)
    before, last = (_mean_of_read(temperature, was_read, part) for part in parts)
    # Configurations of successive iterations are correlated, so the chain error of the mean is that of one iteration.
    of_one = np.sqrt(_mean_of_some(np.where(was_read, error, np.nan)[:, :, parts[1]] ** 2))
    of_curve_at_end = _mean_of_some(np.where(was_read, of_curve, np.nan)[:, :, parts[1]])
    end, scatter = mean_and_error(last, 0)
    finite = np.isfinite(end)
    chain = np.where(finite, _shared_among(of_one, end, seeds), np.nan)
    mean_end, mean_scatter = (float(value) for value in mean_and_error(last.mean(axis=1), 0))
    mean_chain = float(np.sqrt(np.sum(chain**2)) / chain.size)
    with np.errstate(invalid="ignore"):
        drift, drift_scatter = mean_and_error(last - before, 0)
    rest, gap = _unrest(before, last, end, chain)
    widest = int(np.nanargmax(np.abs(gap[0]))) if np.isfinite(gap[0]).any() else None
    known, of_mean = (_unless_alone(noise, seeds) for noise in (chain, mean_chain))
    return FlowEnds(
        end_temperature=end,
        end_error=np.hypot(np.fmax(scatter, known), of_curve_at_end),
        end_interval=_interval(scatter, known, of_curve_at_end, seeds),
        end_chain_error=known,
        drift=np.where(finite, drift, np.nan),
        drift_error=np.fmax(drift_scatter, np.sqrt(2) * known),
        start_difference=float("nan") if widest is None else float(abs(gap[0][widest])),
        start_difference_error=float("nan") if widest is None else float(gap[1][widest]),
        **_relaxation(temperature, error, was_read, tolerance),
        mean_end=mean_end,
        mean_end_error=float(np.hypot(np.fmax(mean_scatter, of_mean), of_curve_at_end.mean())),
        mean_end_chain_error=float(of_mean),
        doubts=_doubts(temperature[:, :, 0].mean(axis=0), end, chain, rest[2] < tolerance, gap[2] < tolerance),
        seeds=seeds,
    )


def _unless_alone(noise: np.ndarray | float, seeds: int) -> np.ndarray:
    """Chain errors, unknown of a single machine whose chains all read the same: that is no error of zero."""
    return np.where((np.asarray(noise) > 0) | (seeds > 1), noise, np.nan)


def quarters(readings: int) -> tuple[slice, slice]:
    """The last two quarters of a flow of so many readings, its start included: where the drift is, and the end."""
    quarter = max(1, (readings - 1) // 4)
    return slice(-2 * quarter, -quarter), slice(-quarter, None)


def _checked(temperature: Any, error: Any, of_curve: Any, was_read: Any) -> tuple[np.ndarray, ...]:
    readings = numbers_of(temperature, "temperature", ("seed", "start", "iteration"), nan=True)
    shape = readings.shape
    enough = readings.size > 0 and shape[-1] > 1
    Problems.only(enough, "shape of temperature", shape, "it must have no empty axis and at least two iterations")
    errors = numbers_of(error, "error", shape, lowest=0.0, nan=True)
    curve = numbers_of(of_curve, "of_curve", shape if np.ndim(of_curve) else (), lowest=0.0, nan=True)
    read = np.ones(shape[-1:], bool) if was_read is None else np.asarray(was_read, bool)
    Problems.only(read.shape == shape[-1:], "shape of was_read", read.shape, f"it must be [{shape[-1]}]")
    return readings, errors, np.broadcast_to(curve, shape), read


def _mean_of_read(values: np.ndarray, was_read: np.ndarray, stretch: slice) -> np.ndarray:
    """Mean over the iterations of a stretch that were read; NaN if one of these has no reading, or none was read."""
    there = was_read[stretch]
    return values[:, :, stretch][:, :, there].mean(axis=-1) if there.any() else np.full(values.shape[:2], np.nan)


def _mean_of_some(values: np.ndarray) -> np.ndarray:
    """Mean by start over what is finite; NaN where nothing is."""
    return np.ma.masked_invalid(values).mean(axis=(0, 2)).filled(np.nan)


def _interval(scatter: np.ndarray, chain: np.ndarray, of_curve: np.ndarray, seeds: int) -> np.ndarray:
    """Half width of the interval: Student's t for the scatter of the seeds, never below that of the known noise."""
    tail = (1 + CONFIDENCE) / 2
    normal = float(ndtri(tail))
    of_seeds = float(stdtrit(seeds - 1, tail)) * scatter if seeds > 1 else scatter
    return np.hypot(np.fmax(of_seeds, normal * chain), normal * of_curve)


def _unrest(
    before: np.ndarray, last: np.ndarray, end: np.ndarray, chain: np.ndarray
) -> tuple[tuple[np.ndarray, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Drifts of all starts, and differences of the ends of all pairs of them: mean, error, and bound at 95 %.

    An end that cannot be told from zero counts as the highest temperature it may have, and exactly so: joined to the
    error of another start, its own wide one would let that start end anywhere below.
    """
    unresolved = chain > np.abs(end)
    before, last = (np.where(unresolved, np.maximum(part, chain), part) for part in (before, last))
    chain, (first, second) = np.where(unresolved, 0.0, chain), np.triu_indices(chain.size, 1)
    with np.errstate(invalid="ignore"):
        moved, apart = last - before, last[:, first] - last[:, second]
    return _bounded(moved, np.sqrt(2) * chain), _bounded(apart, np.hypot(chain[first], chain[second]))


def _bounded(values: np.ndarray, chain: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean over seeds, its error, and what its size is below at 95 %; of one seed by the errors of the chains."""
    seeds = len(values)
    mean, scatter = mean_and_error(values, 0)
    quantile, error = (
        (float(stdtrit(seeds - 1, CONFIDENCE)), scatter) if seeds > 1 else (float(ndtri(CONFIDENCE)), chain)
    )
    return mean, np.fmax(scatter, chain), np.abs(mean) + quantile * error


def _relaxation(temperature: np.ndarray, error: np.ndarray, was_read: np.ndarray, tolerance: float) -> dict[str, float]:
    """Exponential time of the difference of the hottest and the coldest start, and when it is below the tolerance.

    Of every seed the logarithm of the difference is fitted by a line over the later half of the iterations in which it
    is above three errors of its chains, where the slowest mode is left.
    """
    begin = temperature[:, :, 0].mean(axis=0)
    hot, cold = int(begin.argmax()), int(begin.argmin())
    found = []
    for reading, noise in zip(temperature[:, :, was_read], error[:, :, was_read], strict=True):
        with np.errstate(invalid="ignore"):
            gap = reading[hot] - reading[cold]
            seen = gap > SIGMAS * np.hypot(noise[hot], noise[cold])
        at, told = np.flatnonzero(was_read), np.isfinite(gap)
        # A hot start reads anything at first, with an error as large.
        first = int(seen.argmax())
        lost = first + np.flatnonzero((told & ~seen)[first:])
        until = lost[0] if lost.size else gap.size
        number = np.arange(gap.size)
        used = (at >= at[until - 1] / 2) & (number >= first) & (number < until) & told & (hot != cold)
        slope, height = np.polyfit(at[used], np.log(gap[used]), 1, w=gap[used]) if used.sum() > 1 else (np.nan, np.nan)
        time = np.inf if slope >= 0 else -1 / slope
        found.append((time, max(0.0, (height - np.log(tolerance)) * time) if tolerance else np.inf))
    (time, needed), (error, _) = mean_and_error(np.array(found))
    told = {"relaxation_time": time, "relaxation_time_error": error, "iterations_needed": needed}
    return {name: float(value) for name, value in told.items()}


def _doubts(
    begin: np.ndarray, end: np.ndarray, chain: np.ndarray, at_rest: np.ndarray, together: np.ndarray
) -> frozenset[str]:
    """Which of `DOUBTS` there are."""
    readable = bool(np.isfinite(end).all())
    # Starts from one side alone may just be slow.
    margin, mean = SIGMAS * np.fmax.reduce(chain), end.mean()
    sides = begin.min() <= mean + margin, begin.max() >= mean - margin, begin.size > 1
    found = (not readable, readable and not at_rest.all(), readable and not together.all(), not all(sides))
    return frozenset(doubt for doubt, there in zip(DOUBTS, found, strict=True) if there)
