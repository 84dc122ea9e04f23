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
"""Standard errors by which two numbers must be apart to differ."""

CONFIDENCE = 0.95
"""Probability of the intervals that are told."""

DOUBTS = {
    "range": "a reading is infinite",
    "drift": "a start still drifts, or all do together",
    "apart": "the starts end apart",
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
        What the finite number of chains alone gives; part of `end_error`.
    drift, drift_error : [start]
        Change from the quarter before to the last.
    iterations_needed : [start]
        First iteration from which on the mean over seeds stays within three errors of the end; NaN without an end.
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
    iterations_needed: Float[np.ndarray, " start"]
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


def end_of_flows(temperature: Numbers, error: Numbers, of_curve: Numbers = 0.0, was_read: Any = None) -> FlowEnds:
    """Where the flows of a machine end, what the end is worth, and what speaks against a fixed point.

    The end is the mean over the last quarter of the flow, the drift its difference to the quarter before. The machine
    has converged if the starts lie on both sides of the end, no start drifts, nor all of them together, and all starts
    end together, all within three errors; the errors are joined ones, see `mean_temperature`. Comparisons of readings
    by one curve do not have its error in them.

    Parameters
    ----------
    temperature, error : [seed, start, iteration]
        Readings in J/k_B of independently trained machines, with their errors.
    of_curve : [seed, start, iteration] or a number
        The part of the errors that comes from the thermometer's own curve; 0 of an exact one.
    was_read : [iteration]
        The iterations that have a reading, all if not given.

    Raises
    ------
    InvalidInput
        If the arrays do not have these shapes, with at least two iterations, or an error is negative.

    Examples
    --------
    >>> import numpy as np
    >>> noise = 0.01 * np.random.default_rng(0).normal(size=(3, 2, 41))
    >>> relaxing = np.exp(-np.arange(41) / 3) * np.array([[-2.0], [2.0]])
    >>> found = end_of_flows(2.3 + relaxing + noise, np.full((3, 2, 41), 0.01))
    >>> found.converged, found.seeds
    (True, 3)
    >>> bool(abs(found.mean_end - 2.3) < 3 * found.mean_end_error)
    True
    """
    temperature, error, of_curve, was_read = _checked(temperature, error, of_curve, was_read)
    error = _of_chains(error, of_curve)
    seeds, _, iterations = temperature.shape
    before, last = quarters(iterations)
    by_seed = _mean_of_read(temperature, was_read, last)
    with np.errstate(invalid="ignore"):
        drifts = by_seed - _mean_of_read(temperature, was_read, before)
        together, together_scatter = mean_and_error(drifts.mean(axis=1), 0)
    # Configurations of successive iterations are correlated, so the chain error of the mean is that of one iteration.
    at_end = np.where(was_read, error, np.nan)[:, :, last]
    of_one = np.sqrt(_mean_of_some(at_end**2))
    of_curve_at_end = _mean_of_some(np.where(was_read, of_curve, np.nan)[:, :, last])
    end, scatter = mean_and_error(by_seed, 0)
    finite = np.isfinite(end)
    chain = np.where(finite, _shared_among(of_one, end, seeds), np.nan)
    drift, drift_scatter = mean_and_error(drifts, 0)
    drift_error = np.fmax(drift_scatter, np.sqrt(2) * chain)
    own_error = np.fmax(scatter, chain)
    mean_end, mean_scatter = (float(value) for value in mean_and_error(by_seed.mean(axis=1), 0))
    mean_chain = float(np.sqrt(np.sum(chain**2)) / chain.size)
    together_error = np.fmax(together_scatter, np.sqrt(2) * mean_chain)
    drifting = np.abs([*drift, together]) > SIGMAS * np.append(drift_error, together_error)
    doubts = _doubts(temperature[:, :, 0], by_seed, end, chain, drifting)
    return FlowEnds(
        end_temperature=end,
        end_error=np.hypot(own_error, of_curve_at_end),
        end_interval=_interval(scatter, chain, of_curve_at_end, seeds),
        end_chain_error=chain,
        drift=np.where(finite, drift, np.nan),
        drift_error=drift_error,
        iterations_needed=_needed(temperature, error, was_read, end, own_error),
        mean_end=mean_end,
        mean_end_error=float(np.hypot(np.fmax(mean_scatter, mean_chain), of_curve_at_end.mean())),
        mean_end_chain_error=mean_chain,
        doubts=doubts,
        seeds=seeds,
    )


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


def _needed(
    temperature: np.ndarray, error: np.ndarray, was_read: np.ndarray, end: np.ndarray, end_error: np.ndarray
) -> np.ndarray:
    """First iteration from which on the mean over seeds stays within three errors of the end; NaN without an end."""
    mean, of_mean = mean_temperature(temperature, error)
    width = np.hypot(of_mean, np.nan_to_num(end_error)[:, None])
    with np.errstate(invalid="ignore"):
        off = np.abs(mean - end[:, None]) > SIGMAS * np.where(np.isnan(width), np.inf, width)
    off = (off | np.isnan(width)) & was_read
    last_off = np.where(off, np.arange(mean.shape[-1]), -1).max(axis=-1)
    return np.where(np.isfinite(end), last_off + 1.0, np.nan)


def _doubts(
    begin: np.ndarray, by_seed: np.ndarray, end: np.ndarray, chain: np.ndarray, drifting: np.ndarray
) -> frozenset[str]:
    """Which of `DOUBTS` there are."""
    # An end that cannot be told from zero counts as the highest temperature it may have, and exactly so: joined to
    # the error of another start, its own wide one would let that start end anywhere below.
    unresolved = chain > np.abs(end)
    by_seed = np.where(unresolved, np.maximum(by_seed, chain), by_seed)
    chain = np.where(unresolved, 0.0, chain)
    readable = bool(np.isfinite(end).all())
    # The same machines serve all starts, so the difference of two is taken seed by seed.
    first, second = np.triu_indices(chain.size, 1)
    with np.errstate(invalid="ignore"):
        gap, scatter = mean_and_error(by_seed[:, first] - by_seed[:, second], 0)
    apart = np.abs(gap) > SIGMAS * np.fmax(scatter, np.hypot(chain[first], chain[second]))
    # Starts from one side alone may just be slow.
    margin, begin = SIGMAS * np.fmax.reduce(chain), begin.mean(axis=0)
    sides = begin.min() <= by_seed.mean() + margin, begin.max() >= by_seed.mean() - margin, begin.size > 1
    found = (not readable, readable and drifting.any(), readable and apart.any(), not all(sides))
    return frozenset(doubt for doubt, there in zip(DOUBTS, found, strict=True) if there)
