"""The exact sampler against full enumeration, exact moments, and independence of its draws."""

import jax
import numpy as np
import pytest
from scipy import stats

from rbmflow import exact
from rbmflow._checks import InvalidInput
from rbmflow.lattice import square
from rbmflow.sampler import TransferMatrix, sample
from rbmflow.spin_models import ising

TEMPERATURES = [1.0, 1.5, 2.0, 2.2, 2.269185314213022, 2.35, 2.5, 3.0, 4.0, 6.0]


def boltzmann(model, temperature):
    """All configurations [state, y, x] and their probabilities."""
    sites = model.lattice.sites
    spins = ((np.arange(2**sites)[:, None] >> np.arange(sites)) & 1).astype(np.int8) * 2 - 1
    spins = spins.reshape(-1, *model.lattice.shape)
    energy = np.asarray(model.total_energy(spins), float)
    weight = np.exp(-(energy - energy.min()) / temperature)
    return spins, weight / weight.sum()


def number(spins):
    """Number of each configuration [draw, y, x] in `boltzmann`'s order."""
    bits = spins.reshape(len(spins), -1) > 0
    return bits @ (1 << np.arange(bits.shape[1]))


@pytest.mark.parametrize("shape", [(3, 3), (4, 4), (3, 5)])
@pytest.mark.parametrize("temperature", [1.5, 2.269185, 5.0])
def test_configurations_have_boltzmann_frequencies(shape, temperature):
    model = ising(square(*shape))
    draws = 200_000
    spins = TransferMatrix().draw(np.random.default_rng(7), model, temperature, draws)
    _, probability = boltzmann(model, temperature)
    order = np.argsort(probability)
    # Neighbouring states in order of probability share a cell of at least 20 expected draws.
    cell = np.empty(order.size, int)
    cell[order] = np.floor(np.cumsum(probability[order]) * draws / 20).astype(int)
    cell = np.unique(cell, return_inverse=True)[1]
    expected = np.bincount(cell, probability) * draws
    seen = np.bincount(cell[number(spins)], minlength=expected.size)
    big = expected > 5
    statistic = ((seen - expected)[big] ** 2 / expected[big]).sum()
    freedom = big.sum() - 1
    assert abs(statistic - freedom) < 5 * np.sqrt(2 * freedom)
    assert stats.chi2.sf(statistic, freedom) > 1e-6


@pytest.mark.parametrize("length", [6, 9, 10])
def test_moments_are_exact(length):
    model = ising(square(length))
    draws = 4000
    spins = sample(jax.random.key(length), model, TEMPERATURES, draws).spins
    energy, m = np.asarray(model.energy(spins), float), np.asarray(model.magnetization(spins), float)
    moments = {power: exact.magnetization_moment(model, np.array(TEMPERATURES), power) for power in (2, 4)}
    expected = [(energy, exact.energy(model, np.array(TEMPERATURES)))]
    expected += [(np.abs(m), exact.abs_magnetization(model, np.array(TEMPERATURES)))]
    expected += [(m**power, moment) for power, moment in moments.items()]
    for values, mean in expected:
        error = values.std(axis=1) / np.sqrt(draws)
        assert np.all(np.abs(values.mean(axis=1) - mean) < 5 * error)
        # Errors are right too: the deviations in units of them have unit variance.
        assert ((values.mean(axis=1) - mean) ** 2 / error**2).mean() < 4
    binder = 1 - (m**4).mean(axis=1) / (3 * (m**2).mean(axis=1) ** 2)
    # Linear propagation of <m^4> / (3 <m^2>^2).
    slope = m**4 / (3 * moments[2][:, None] ** 2) - 2 * moments[4][:, None] * m**2 / (3 * moments[2][:, None] ** 3)
    error = slope.std(axis=1) / np.sqrt(draws)
    assert np.all(np.abs(binder - exact.binder(model, np.array(TEMPERATURES))) < 5 * error + 1e-6)


def test_draws_are_independent():
    model = ising(square(6))
    draws = sample(jax.random.key(3), model, [2.0, 2.3], 20_000)
    energy = np.asarray(model.total_energy(draws.spins), float)
    sign = np.sign(np.asarray(draws.spins[:, :, 0, 0], float))
    for series in (*energy, *sign):
        deviation = (series - series.mean()) / series.std()
        for lag in (1, 2, 3, 7):
            assert abs((deviation[lag:] * deviation[:-lag]).mean()) < 5 / np.sqrt(deviation.size)
    between = np.corrcoef(energy)[0, 1]
    assert abs(between) < 5 / np.sqrt(energy.shape[1])


def test_keys_and_temperatures():
    model = ising(square(4))
    one = sample(jax.random.key(1), model, [2.0, 2.5], 50).spins
    assert np.array_equal(one, sample(jax.random.key(1), model, [2.0, 2.5], 50).spins)
    assert not np.array_equal(one, sample(jax.random.key(2), model, [2.0, 2.5], 50).spins)
    assert np.array_equal(one[1], sample(jax.random.key(1), model, [2.5], 50).spins[0])
    assert not np.array_equal(one[0], one[1])


def test_ends_of_the_temperature_scale():
    model = ising(square(4, 3))
    spins = np.asarray(sample(jax.random.key(1), model, [0.0, np.inf], 4000).spins, float)
    assert np.all(np.abs(spins[0].mean(axis=(1, 2))) == 1)
    assert abs(spins[0].mean()) < 5 / np.sqrt(4000)
    correlation = np.corrcoef(spins[1].reshape(4000, -1).T)
    assert np.abs(correlation - np.eye(12)).max() < 5 / np.sqrt(4000)


def test_refusals():
    with pytest.raises(InvalidInput, match=r"lattice = .*at most 12"):
        sample(jax.random.key(0), ising(square(13)), [2.0], 1, TransferMatrix())
    with pytest.raises(InvalidInput, match=r"field = 0\.5 .*without a field"):
        sample(jax.random.key(0), ising(square(4), 0.5), [2.0], 1, "transfer-matrix")
