"""Thermometers: the exact posterior, readings of known ensembles and their errors, the neural one against the best."""

import functools
import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rbmflow as rf
from rbmflow._checks import InvalidInput
from rbmflow.equilibrium import Curve
from rbmflow.equilibrium.source import mean_class
from rbmflow.settings import PAPER_GRID, ThermometerSettings
from rbmflow.thermometer import NeuralThermometer, Reading, accuracy, cross_entropy
from rbmflow.thermometer.ensemble import through_curve
from rbmflow.thermometer.neural import (
    CALIBRATION_TEMPERATURES,
    Network,
    class_probabilities,
    moved_at_random,
    network_class,
)

TEN = rf.ising(rf.square(10))
KNOWN_TEN = rf.equilibrium.exact(TEN)
KNOWN = (1.1, 1.4, 1.7, 1.9, 2.1, 2.2692, 2.4, 2.6, 3.1, 3.9, 5.0, 6.2)
"""Twelve temperatures of known ensembles, most of them between the classes and one beyond."""
GROUPS, CHAINS = 16, 250


@functools.cache
def held_out() -> tuple[jax.Array, np.ndarray]:
    """Fresh configurations of the paper's 25 classes, and their class."""
    spins = rf.sample(jax.random.key(11), TEN, PAPER_GRID, 2000).spins
    return spins, np.broadcast_to(np.arange(25)[:, None], spins.shape[:2])


@functools.cache
def known_ensembles() -> jax.Array:
    """Configurations [temperature, group, chain, y, x] of the twelve temperatures."""
    return rf.sample(jax.random.key(12), TEN, KNOWN, GROUPS * CHAINS).spins.reshape(-1, GROUPS, CHAINS, 10, 10)


def all_configurations(ly: int, lx: int) -> np.ndarray:
    return np.array(list(itertools.product((-1, 1), repeat=ly * lx)), np.int8).reshape(-1, ly, lx)


def nats(probabilities, classes) -> np.ndarray:
    """-ln p of the true class of each configuration."""
    given = np.take_along_axis(np.asarray(probabilities, np.float64), classes[..., None], axis=-1)
    return -np.log(given[..., 0])


def assert_reads_known(thermometer, scatter_below: float = math.inf) -> None:
    """Right within five errors, with errors that are the scatter of independent ensembles.

    Above `scatter_below` the thermometer cannot read ensembles of so few configurations.
    """
    whole = thermometer.temperature(known_ensembles().reshape(len(KNOWN), -1, 10, 10))
    assert whole.temperature.shape == whole.error.shape == (len(KNOWN),)
    deviation = (whole.temperature - np.array(KNOWN)) / whole.error
    assert np.all(np.abs(deviation) < 5), deviation
    readable = np.array(KNOWN) < scatter_below
    parts = thermometer.temperature(known_ensembles()[readable])
    # The scatter of 12 x 16 independent readings in units of their errors: chi-square with 12 x 15 degrees of freedom.
    errors = np.sqrt(np.mean(parts.error**2, axis=1))
    scatter = np.sum(np.var(parts.temperature, axis=1, ddof=1) / errors**2) * (GROUPS - 1)
    freedom = int(readable.sum()) * (GROUPS - 1)
    assert abs(scatter - freedom) < 5 * math.sqrt(2 * freedom), scatter / freedom
    assert np.median(errors / whole.error[readable]) == pytest.approx(math.sqrt(GROUPS), rel=0.1)


@pytest.mark.parametrize("shape", [(3, 3), (2, 4), (4, 3)])
def test_posterior_is_bayes_rule_over_all_configurations(shape):
    model = rf.ising(rf.square(*shape))
    temperatures = [0.0, 0.7, 2.3, 6.0, math.inf]
    spins = all_configurations(*shape)
    energy = -np.sum(spins * (np.roll(spins, -1, 1) + np.roll(spins, -1, 2)), axis=(1, 2), dtype=int)
    ground = energy == -2 * model.lattice.sites
    likelihood = [ground / 2, *(np.exp(-energy / t) / np.exp(-energy / t).sum() for t in temperatures[1:])]
    expected = np.stack(likelihood, axis=-1) / np.sum(likelihood, axis=0)[:, None]
    found = rf.equilibrium.exact(model).posterior(jnp.asarray(spins), temperatures)
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-300)
    assert np.all(found[~ground, 0] == 0)


def test_class_curve_is_the_mean_over_all_configurations():
    model = rf.ising(rf.square(3))
    spins = all_configurations(3, 3)
    known, grid = rf.equilibrium.exact(model), [0.0, 2.0, math.inf]
    curve = known.curve(known.mean_class(grid))
    energy = np.asarray(model.total_energy(jnp.asarray(spins)))
    for at in (500, 900, 1500):
        weight = np.exp(-energy / curve.temperature[at])
        classes = known.posterior(jnp.asarray(spins), grid) @ np.arange(3)
        np.testing.assert_allclose(curve.mean[at], classes @ weight / weight.sum(), rtol=1e-12)
    assert (curve.temperature[0], curve.temperature[-1]) == (0, math.inf)


def test_class_curve_is_undone_by_its_inverse():
    bayes = KNOWN_TEN.mean_class(PAPER_GRID)
    curve = KNOWN_TEN.curve(bayes)
    between = np.array([0.9, 1.33, 2.2692, 2.51, 5.99, 7.3, 40.0])
    np.testing.assert_allclose(curve.temperature_of(KNOWN_TEN.mean(bayes, between)[0]), between, rtol=1e-9)
    np.testing.assert_array_equal(curve.temperature_of(curve.mean[[0, -1]]), [0, math.inf])
    np.testing.assert_array_equal(curve.temperature_of([0.0, 24.0]), [0, math.inf])


def test_bayes_reaches_its_exact_cross_entropy_and_accuracy():
    spins, classes = held_out()
    probabilities = KNOWN_TEN.posterior(spins, PAPER_GRID)
    lost = nats(probabilities, classes)
    assert cross_entropy(probabilities, classes) == pytest.approx(lost.mean(), rel=1e-12)
    assert abs(lost.mean() - 2.125) < 3 * lost.std() / math.sqrt(lost.size)
    right = accuracy(probabilities, classes)
    assert abs(right - 0.1885) < 3 * math.sqrt(0.1885 * 0.8115 / lost.size)


@pytest.mark.parametrize(
    "thermometer",
    [
        rf.Thermometer(KNOWN_TEN.mean_class(PAPER_GRID), KNOWN_TEN),
        rf.Thermometer(KNOWN_TEN.mean_class([0.0, 2.0, math.inf]), KNOWN_TEN),
        rf.Thermometer("energy", KNOWN_TEN),
        rf.Thermometer("magnetization", KNOWN_TEN),
    ],
    ids=["bayes", "bayes of three classes", "energy", "magnetization"],
)
def test_known_ensembles(thermometer):
    assert_reads_known(thermometer)


def test_known_ensembles_by_correlation():
    assert_reads_known(rf.Thermometer("correlation", KNOWN_TEN), scatter_below=3.5)


@pytest.mark.parametrize(
    "thermometer",
    [rf.Thermometer(one, KNOWN_TEN) for one in (KNOWN_TEN.mean_class(PAPER_GRID), "energy", "magnetization")],
    ids=["bayes", "energy", "magnetization"],
)
def test_ends_of_the_scale(thermometer):
    key = jax.random.key(3)
    cold = thermometer.temperature(rf.cold(key, TEN, 1000))
    assert cold.temperature == 0
    # One overturned spin among 1000 chains: 100 sites of weight exp(-8/T) each, so T = 8 / ln(10^5).
    assert cold.error == pytest.approx(8 / math.log(1e5), rel=1e-3)
    checkerboard = jnp.asarray(np.indices((10, 10)).sum(axis=0) % 2 * 2 - 1, jnp.int8)
    beyond = thermometer.temperature(jnp.broadcast_to(checkerboard, (5, 10, 10)))
    assert np.isinf(beyond.temperature)
    assert np.isnan(beyond.error)
    alone = thermometer.temperature(rf.thermal(key, TEN, 2.0, 1))
    assert isinstance(alone, Reading)
    assert np.isfinite(alone.temperature)
    assert np.isnan(alone.error)


def test_error_near_infinite_temperature_is_that_of_the_cold_side():
    spins = rf.thermal(jax.random.key(10), TEN, 300.0, 400)
    reading = rf.Thermometer("energy", KNOWN_TEN).temperature(spins)
    energy = np.asarray(TEN.total_energy(spins)) / 100
    error = energy.std(ddof=1) / 20
    assert energy.mean() < 0 < energy.mean() + error
    cold = KNOWN_TEN.curve(rf.OBSERVABLES["energy"]).temperature_of(energy.mean() - error)
    assert reading.error == pytest.approx(reading.temperature - cold, rel=1e-9)


def test_a_saturated_classifier_covers_its_plateau():
    """At L = 64 these classes are told apart for sure: between the steps of the curve all chains are in one."""
    model = rf.ising(rf.square(64))
    known = rf.equilibrium.exact(model)
    classes = known.mean_class([1.0, 2.0, 2.5, 4.0])
    bayes, random = rf.Thermometer(classes, known), np.random.default_rng(1)
    for temperature in (1.8, 2.0, 2.1):
        energies = random.choice(known.levels().energy, 50, p=known.distribution(temperature))
        reading = bayes.of_values(np.asarray(classes.of_energy(model, energies))[None])  # pyright: ignore
        assert abs(reading.temperature - temperature) < reading.error < 0.4
        assert reading.curve_error == reading.error
    errors = [bayes.of_values(np.ones((1, chains))).error for chains in (10, 1000, 100_000)]
    mean, curve = np.array([1 - 1e-3, 1 + 1e-3]), bayes.curve
    reach = np.abs(curve.temperature_of(mean) - curve.temperature_of([1.0])).max()
    assert errors[1] == pytest.approx(reach, rel=1e-9)
    assert errors[0] > errors[1] > errors[2] > 0.2
    # Beyond the plateau at T = 0 nothing is told but that it is colder than that: an error above the temperature.
    cold = bayes.of_values(np.zeros((1, 1000)))
    assert cold.temperature == cold.curve_error == 0
    assert cold.error == pytest.approx(float(curve.temperature_of([1e-3])[0]))
    assert 1 < cold.error < 2


def test_chains_that_agree_leave_an_error():
    """Ten chains of one value: it is known to a tenth of an event, and not at all without a known one."""
    for name, jump in (("energy", 0.04), ("magnetization", 0.02)):
        thermometer = rf.Thermometer(name, KNOWN_TEN)
        value = {"energy": -1.2, "magnetization": 0.5}[name]
        reading, curve = thermometer.of_values(np.full((1, 10), value)), thermometer.curve
        sides = curve.temperature_of([value - jump / 10, value + jump / 10]) - reading.temperature
        assert reading.error == pytest.approx(np.abs(sides).max(), rel=1e-9)
        one = thermometer.of_values(np.append(np.full(9, value), value + jump)[None])
        assert one.error == pytest.approx(reading.error, rel=0.1)
        assert one.curve_error == 0
    unknown = rf.Observable("e", "e", of=lambda model, spins: model.energy(spins), of_energy=lambda model, e: e / 100)
    assert np.isnan(rf.Thermometer(unknown, KNOWN_TEN).of_values(np.full((1, 10), -1.2)).error)
    stripes = np.tile(np.repeat(np.array([1, -1], np.int8), 5), (10, 10, 1))
    assert np.isnan(rf.Thermometer("correlation", KNOWN_TEN).temperature(stripes).error)


def test_one_class_says_nothing():
    spins = rf.thermal(jax.random.key(5), TEN, 3.0, 10)
    np.testing.assert_array_equal(KNOWN_TEN.posterior(spins, [2.0]), np.ones((10, 1)))
    assert np.isnan(rf.Thermometer(KNOWN_TEN.mean_class([2.0]), KNOWN_TEN).temperature(spins).temperature)


def test_scores_by_hand():
    probabilities = np.array([[0.5, 0.5, 0.0], [0.25, 0.0, 0.75]])
    assert cross_entropy(probabilities, np.array([0, 2])) == pytest.approx(-(math.log(0.5) + math.log(0.75)) / 2)
    assert accuracy(probabilities, np.array([0, 0])) == 0.5
    assert cross_entropy(probabilities, np.array([2, 2])) == math.inf


def test_augmentation_is_a_symmetry():
    squares = rf.ising(rf.square(4)), rf.ising(rf.square(3, 5)), rf.potts(rf.square(4), 3)
    for model in (*squares, rf.ising(rf.triangular(4), couplings=(1, 2, 3)), rf.clock(rf.honeycomb(3), 4)):
        spins = jnp.asarray(rf.hot(jax.random.key(0), model, 6))
        words = jax.random.bits(jax.random.key(1), (200, 6), jnp.uint32)
        images = jax.vmap(lambda moves, model=model, spins=spins: moved_at_random(model, spins, moves))(words)
        energy, size = model.exact_energy(images), np.abs(np.asarray(model.total_magnetization(images)))
        np.testing.assert_array_equal(energy, np.broadcast_to(energy[0], energy.shape))
        np.testing.assert_allclose(size, np.broadcast_to(size[0], size.shape), atol=1e-5)
        assert len(np.unique(np.asarray(images[:, 0]).reshape(200, -1), axis=0)) > 20


def test_neural_thermometer_of_few_classes(tmp_path):
    model = rf.ising(rf.square(4))
    temperatures = [0.0, 2.3, math.inf]
    settings = ThermometerSettings(hidden=64, draws=1000, epochs=30, batch=100, learning_rate=5e-3)
    seen = []
    key = jax.random.key(6)
    thermometer, history = rf.train_thermometer(key, model, temperatures, settings, progress=seen.append)
    assert seen[-1] == 1
    assert history.cross_entropy.shape == history.accuracy.shape == (30,)
    assert history.cross_entropy[-1] < history.cross_entropy[0]
    again, _ = rf.train_thermometer(key, model, temperatures, settings)
    spins = rf.sample(jax.random.key(7), model, [0.0, 1.5, 2.3, 3.0, 6.0, math.inf], 2000).spins
    probabilities = thermometer.read(spins)
    assert probabilities.shape == (6, 2000, 3)
    np.testing.assert_allclose(np.asarray(probabilities).sum(axis=-1), 1, atol=1e-5)
    np.testing.assert_array_equal(again.read(np.asarray(spins)), probabilities)
    reading = thermometer.temperature(spins)
    np.testing.assert_array_less(np.abs(reading.temperature[1:5] - [1.5, 2.3, 3, 6]), 5 * reading.error[1:5])
    assert reading.temperature[0] < reading.error[0]
    assert reading.temperature[5] > 20

    thermometer.save(tmp_path / "thermometer.nc")
    back = rf.NeuralThermometer.load(tmp_path / "thermometer.nc")
    assert back.model == model
    assert back.temperatures == tuple(temperatures)
    np.testing.assert_array_equal(back.read(spins), probabilities)
    np.testing.assert_array_equal(back.temperature(spins), reading)
    history.save(tmp_path / "history.nc")
    np.testing.assert_array_equal(type(history).load(tmp_path / "history.nc").accuracy, history.accuracy)


@pytest.mark.slow
def test_default_neural_thermometer_is_close_to_the_best():
    spins, classes = held_out()
    thermometer, _ = rf.train_thermometer(jax.random.key(8), TEN, PAPER_GRID)
    above = nats(thermometer.read(spins), classes) - nats(KNOWN_TEN.posterior(spins, PAPER_GRID), classes)
    noise = above.std() / math.sqrt(above.size)
    assert -5 * noise < above.mean() < 0.03
    assert_reads_known(thermometer)


@pytest.mark.parametrize("temperatures", [[], [2.0, 1.0], [-1.0, 2.0], [math.nan]])
def test_bad_temperatures_are_named(temperatures):
    for make in (
        lambda: KNOWN_TEN.mean_class(temperatures),
        lambda: rf.train_thermometer(jax.random.key(0), TEN, temperatures),
    ):
        with pytest.raises(InvalidInput) as caught:
            make()
        assert caught.value.problems[0].field == "temperatures"


def test_batch_larger_than_the_draws_is_named():
    settings = ThermometerSettings(draws=10, batch=50)
    with pytest.raises(InvalidInput, match="batch = 50 is not allowed: it must be at most the 30"):
        rf.train_thermometer(jax.random.key(0), TEN, [1.0, 2.0, 3.0], settings)


def test_formulas_refuse_a_field():
    with pytest.raises(InvalidInput, match=r"field = 0.5 is not allowed"):
        rf.equilibrium.exact(rf.ising(rf.square(4), field=0.5))


def test_a_neural_thermometer_reads_any_model():
    model = rf.potts(rf.triangular(3), 3)
    settings = ThermometerSettings(hidden=16, draws=300, epochs=10, batch=100)
    thermometer, _ = rf.train_thermometer(jax.random.key(6), model, [0.0, 1.0, 1.6, 2.5, math.inf], settings)
    reading = thermometer.temperature(rf.thermal(jax.random.key(7), model, 1.8, 2000))
    assert abs(reading.temperature - 1.8) < 5 * reading.error
    again = NeuralThermometer.from_dataset(thermometer.to_dataset())
    assert again.model == model


def test_the_error_of_a_measured_curve_is_the_scatter_of_its_calibrations():
    """Forty calibrations of one network, on few draws each, against its exact curve over all configurations."""
    model, spins = rf.ising(rf.square(3)), jnp.asarray(all_configurations(3, 3))
    # Units that see whether a bond is satisfied, and random ones, so that the class differs at one energy.
    bonds = [(site, other) for site in range(9) for other in (site // 3 * 3 + (site + 1) % 3, (site + 3) % 9)]
    both = np.array([np.isin(np.arange(9), bond) for bond in bonds], np.float32).T
    random = np.random.default_rng(3).normal(size=(9, 12)).astype(np.float32)
    network = Network(
        jnp.asarray(np.concatenate([both, -both, random], axis=1)),
        jnp.asarray(np.repeat([-1.0, 0.3], [36, 12]), jnp.float32),
        jnp.asarray(np.concatenate([np.tile([0.4, 0.0, -0.4], (36, 1)), 0.5 * random[:3].T]), jnp.float32),
        jnp.asarray([8.0, 0.0, -8.0], jnp.float32),
    )
    read = mean_class(np.asarray(class_probabilities(network, model, spins)))
    energies = np.asarray(model.total_energy(spins))
    seen, grid = network_class(network), CALIBRATION_TEMPERATURES
    drawn = rf.sample(jax.random.key(0), model, grid, 40 * 40).spins.reshape(len(grid), 40, 40, 3, 3)
    sets = [rf.equilibrium.MeasuredDraws.of(model, rf.Draws(drawn[:, n], grid), [seen]) for n in range(40)]
    curves = [rf.equilibrium.reweighted(one, rf.equilibrium.exact(model), rising=True).curve(seen) for one in sets]
    for at in (130, 160, 200):
        weight = np.exp(-energies / curves[0].temperature[at])
        away = [(one.mean[at] - read @ weight / weight.sum()) / one.error[at] for one in curves]
        assert abs(np.mean(away)) < 5 / math.sqrt(40)
        # A chi-squared of 39 degrees of freedom, and errors that blocks tell to a sixth.
        assert 0.5 < np.std(away) < 1.6
    # A reading has the error of the curve, which more chains do not help; they share it.
    thermometer = NeuralThermometer(network, curves[0], model, (1.0, 2.0, 4.0))
    many = rf.thermal(jax.random.key(50), model, 2.5, 20_000)
    reading = thermometer.of_classes(mean_class(np.asarray(thermometer.read(many))))
    assert reading.curve_error < reading.error < 1.2 * reading.curve_error
    assert abs(reading.temperature - 2.5) < 5 * reading.error
    assert NeuralThermometer.from_dataset(thermometer.to_dataset()).temperature(many) == reading


def test_an_error_reaches_to_the_side_that_can_be_told():
    """Of a curve that does not reach T = 0: beyond its cold end there is no temperature, and the error was 0 there."""
    knots = np.array([1.0, 1.5, 2.0, 3.0, np.inf])
    curve = Curve(knots, np.array([-1.0, -0.8, -0.6, -0.3, 0.0]), np.zeros(5))
    means, deviation = np.array([-0.95, -0.7, -0.1, -0.5]), np.array([0.1, 0.1, 0.2, 0.6])
    found = through_curve((means, deviation), np.nan, curve, 0.0, 100)
    both = curve.temperature_of(np.stack([means - deviation, means + deviation]))
    cold_end, within, hot_end, _ = (both - found.temperature).T
    assert np.isnan(cold_end[0])
    assert np.isinf(hot_end[1])
    np.testing.assert_allclose(found.error[:3], [cold_end[1], np.abs(within).mean(), -hot_end[0]])
    assert np.isnan(found.error[3])
    agreed = through_curve((means[3:], np.zeros(1)), 60.0, curve, 0.0, 100)
    assert np.isnan(agreed.error[0])
