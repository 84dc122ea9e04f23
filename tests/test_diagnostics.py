"""Chain diagnostics against a process whose autocorrelation is known."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from rbmflow._checks import InvalidInput
from rbmflow.diagnostics import mean_and_joined_error, rank_correlation, rhat, tau_int


def autoregression(rho, chains, times, seed):
    noise = np.random.default_rng(seed).normal(size=(times + 200, chains))
    value = np.zeros(chains)
    rows = []
    for at in noise:
        value = rho * value + np.sqrt(1 - rho**2) * at
        rows.append(value)
    return np.array(rows[200:]).T


@pytest.mark.parametrize("rho", [0.0, 0.24, 0.5, 0.9])
def test_tau_of_an_autoregression(rho):
    series = autoregression(rho, 16, 4000, seed=1)
    expected = 0.5 * (1 + rho) / (1 - rho)
    assert tau_int(series) == pytest.approx(expected, rel=0.12)


@pytest.mark.parametrize(("tau", "tolerance"), [(0.81, 0.01), (5.0, 0.1), (20.0, 0.15)])
def test_tau_of_many_short_chains(tau, tolerance):
    """Five times the scatter over seeds: estimates from one chain at a time are 8 to 28 % off here."""
    rho = (tau - 0.5) / (tau + 0.5)
    assert tau_int(autoregression(rho, 2000, 100, seed=3)) == pytest.approx(tau, rel=tolerance)


def test_tau_of_a_two_valued_chain():
    """A sign that flips with probability q has the autocorrelation (1 - 2 q)^t."""
    flips = np.random.default_rng(4).random((500, 400)) < 0.2
    signs = np.cumprod(np.where(flips, -1, 1), axis=1)
    assert tau_int(signs) == pytest.approx(0.5 * 1.6 / 0.4, rel=0.05)


def test_error_of_the_mean_is_the_scatter_of_repeated_means():
    """Values 2 tau apart count as independent."""
    runs = [autoregression(0.8, 4, 500, seed) for seed in range(200)]
    means = [series.mean() for series in runs]
    errors = [np.sqrt(series.var(ddof=1) * 2 * tau_int(series) / series.size) for series in runs]
    assert np.mean(errors) == pytest.approx(np.std(means), rel=0.2)
    assert abs(np.mean(means)) < 5 * np.std(means) / np.sqrt(200)


def test_an_error_is_never_below_the_known_noise():
    mean, error = mean_and_joined_error(np.array([1.0, 1.0]), np.array([0.3, 0.3]))
    assert (float(mean), float(error)) == (1.0, pytest.approx(0.3 / np.sqrt(2)))


def test_rhat_sees_chains_that_disagree():
    series = autoregression(0.3, 4, 1000, seed=2)
    assert rhat(series) < 1.01
    assert rhat(series + np.arange(4)[:, None]) > 1.5


def test_rhat_is_that_of_others():
    """The value is that of arviz-stats 1.3.3, `array_stats.rhat(..., method="rank")`."""
    assert rhat(np.sin(np.arange(24.0) ** 2).reshape(2, 12)) == pytest.approx(1.0273184273084097, rel=1e-12)


def test_rhat_of_chains_that_stand_still_apart_is_infinite():
    assert rhat(np.repeat([[0.0], [1.0]], 8, axis=1)) == np.inf


def test_constant_series():
    assert (tau_int(np.ones((2, 8))), rhat(np.ones((2, 8)))) == (0.5, 1.0)


@pytest.mark.parametrize("bad", [np.ones(8), np.ones((2, 3)), np.full((2, 8), np.nan)])
def test_bad_series(bad):
    for statistic in (tau_int, rhat):
        with pytest.raises(InvalidInput, match="series"):
            statistic(bad)


def test_rank_correlation_is_that_of_others():
    one, other = np.random.default_rng(0).normal(size=(2, 20)).round(1)
    assert len(np.unique(one)) < 20
    assert rank_correlation(one, other) == pytest.approx(spearmanr(one, other).statistic, abs=1e-12)
    assert np.isnan([rank_correlation(one, np.ones(20)), rank_correlation(np.full(20, np.nan), one)]).all()
