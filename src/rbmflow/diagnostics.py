"""Error bars of averages, and the health of Markov chains: autocorrelation time, R-hat."""

from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.special import ndtri

from rbmflow._checks import InvalidInput, Problem


def mean_and_error(
    values: Float[np.ndarray, "..."], axis: int = 0
) -> tuple[Float[np.ndarray, "..."], Float[np.ndarray, "..."]]:
    r"""Mean of independent values and its standard error.

    .. math:: \bar x = \frac1n \sum_i x_i, \qquad
        \sigma_{\bar x}^2 = \frac{1}{n (n - 1)} \sum_i (x_i - \bar x)^2

    The values are independent along `axis` (seeds, chains). Infinite ones make the mean infinite and the error NaN; the
    error of a single value is NaN: one seed has no error bar.
    """
    array = np.asarray(values, np.float64)
    count = array.shape[axis]
    with np.errstate(invalid="ignore"):
        mean = np.asarray(array.mean(axis=axis))
        if count < 2:
            return mean, np.full_like(mean, np.nan)
        return mean, np.asarray(array.std(axis=axis, ddof=1) / np.sqrt(count))


def root_mean_square(errors: Float[np.ndarray, "..."], axis: int = 0) -> Float[np.ndarray, "..."]:
    """Error of one of several measurements from those of each; NaN where one is."""
    return np.asarray(np.sqrt((np.asarray(errors, np.float64) ** 2).mean(axis=axis)))


def rank_correlation(one: Float[np.ndarray, " n"], other: Float[np.ndarray, " n"]) -> float:
    """Spearman's rank correlation, equal values sharing the mean of their ranks; NaN where either is constant or NaN.

    `scipy.stats` has it too, and takes a third of a second to import in every process.
    """
    if not min(np.ptp(one), np.ptp(other)) > 0:
        return float("nan")
    return float(np.corrcoef(_ranks(one), _ranks(other))[0, 1])


def _ranks(values: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[place]


def mean_and_joined_error(
    values: Float[np.ndarray, "..."], noise: Float[np.ndarray, "..."], axis: int = 0
) -> tuple[Float[np.ndarray, "..."], Float[np.ndarray, "..."]]:
    r"""Mean of independent values, each with a known error, and its standard error.

    .. math:: \sigma_{\bar x}^2 = \max(s^2, \overline{\sigma^2}) / n

    The scatter s of n values has their own errors in it, so these are not added; but few values may lie together by
    chance, and one has no scatter, so it is never taken below them.
    """
    mean, scatter = mean_and_error(values, axis)
    return mean, np.asarray(np.fmax(scatter, root_mean_square(noise, axis) / np.sqrt(np.shape(values)[axis])))


def _series(series: Any) -> np.ndarray:
    array = np.asarray(series, float)
    if array.ndim != 2 or array.shape[1] < 4 or not np.isfinite(array).all():
        allowed = "it must be [chain, time] with at least 4 times and finite values"
        raise InvalidInput(Problem("series", array.shape, allowed))
    return array


WINDOW = 6
"""The sum of the autocorrelation ends at this many of the autocorrelation times found so far."""


def tau_int(series: Any) -> float:
    r"""Integrated autocorrelation time in units of the series' time step.

    .. math:: \tau = \tfrac12 + \sum_{t = 1}^{W} \rho(t), \qquad
        \rho(t) = \frac{\overline{(x_s - \bar x)(x_{s + t} - \bar x)}}{\overline{(x_s - \bar x)^2}},

    with the mean over all chains and W the first time of at least six tau, so that values 2 tau apart count as
    independent in an error bar; independent values have tau = 1/2. The mean that is taken off is that of all chains
    together, so many short chains give no bias, and chains that disagree have a long tau. A constant series gives
    1/2, and so does an anticorrelated one: it claims no more than its length. The series is one observable
    [chain, time] along each chain, thermalised.

    Sources: A. D. Sokal, in Functional Integration (Springer, 1997), doi:10.1007/978-1-4899-0319-8_6, eqs. (2.16),
    (3.19); U. Wolff, Comput. Phys. Commun. 156, 143 (2004), arXiv:hep-lat/0306017, eqs. (31), (35) (several replicas).
    """
    array = _series(series)
    if np.ptp(array) == 0:
        return 0.5
    times = array.shape[1]
    spectrum = np.abs(np.fft.rfft(array - array.mean(), 2 * times, axis=1)) ** 2
    products = np.fft.irfft(spectrum.mean(axis=0), 2 * times)[:times] / np.arange(times, 0, -1)
    tau = 0.5 + np.cumsum(products[1:] / products[0])
    ends = np.flatnonzero(np.arange(1, times) >= WINDOW * tau)
    return max(0.5, float(tau[ends[0] if ends.size else -1]))


def rhat(series: Any) -> float:
    r"""Rank-normalised split R-hat [chain, time]: how far chains disagree, 1 for chains of one distribution.

    .. math:: \hat R^2 = \frac{n - 1}{n} + \frac{B}{n W}, \qquad
        z = \Phi^{-1}\!\left(\frac{r - 3/8}{S + 1/4}\right)

    of the normal scores z by the rank r of S values, with B / n the variance of the means of the halves of the chains
    and W the mean of their variances; and the same of distances from the median. The larger of both.

    Source: A. Vehtari et al., Bayesian Analysis 16, 667 (2021), arXiv:1903.08008, eqs. (1)-(4), (14).
    """
    array = _series(series)
    if np.ptp(array) == 0:
        return 1.0
    half = array.shape[1] // 2
    halves = np.concatenate([array[:, :half], array[:, -half:]])
    # Folding a two-valued series leaves a constant, which says nothing.
    return float(np.nanmax([_disagreement(one) for one in (halves, np.abs(halves - np.median(halves)))]))


def _disagreement(values: Float[np.ndarray, "chain time"]) -> np.float64:
    """R-hat of the normal scores; infinite where only chains differ, NaN of a constant."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2  # Equal values share the mean of their ranks.
    scores = ndtri((ranks - 3 / 8) / (values.size + 1 / 4))[place].reshape(values.shape)
    times, within = scores.shape[1], scores.var(axis=1, ddof=1).mean()
    between = scores.mean(axis=1).var(ddof=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.sqrt((times - 1) / times + between / within)
