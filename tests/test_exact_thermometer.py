"""Exact inverses, the ideal classifier and the null model of the flow."""

import numpy as np
import pytest

from rbmflow import exact
from rbmflow._checks import InvalidInput
from rbmflow.lattice import Square
from rbmflow.model import Ising

CLASSES = np.arange(25) / 4


@pytest.fixture(scope="module")
def model():
    return Ising(Square(10))


@pytest.mark.parametrize("shape", [(2, 2), (3, 5), (10, 10), (4, 64), (64, 64)])
def test_temperature_of_energy(shape):
    model = Ising(Square(*shape))
    temperatures = np.concatenate([np.linspace(0.5, 6, 60), [2.269185314213022, 2.26, 2.28]])
    found = exact.temperature_of_energy(model, exact.energy(model, temperatures))
    np.testing.assert_allclose(found, temperatures, rtol=0, atol=5e-10)
    np.testing.assert_allclose(exact.energy(model, found), exact.energy(model, temperatures), rtol=0, atol=1e-10)
    hot = np.array([20.0, 100.0])
    np.testing.assert_allclose(exact.temperature_of_energy(model, exact.energy(model, hot)), hot, rtol=1e-9)
    cold = np.array([0.25, 0.3, 0.4])
    np.testing.assert_allclose(exact.temperature_of_energy(model, exact.energy(model, cold)), cold, rtol=0, atol=1e-5)


def test_temperature_of_energy_is_monotone(model):
    energies = np.linspace(-2, 0, 100_001)
    temperatures = exact.temperature_of_energy(model, energies)
    assert temperatures[0] == 0
    assert temperatures[-1] == np.inf
    assert (np.diff(temperatures) > 0).all()


def test_ends_of_the_inverses():
    model = Ising(Square(4))
    found = exact.temperature_of_energy(model, [-2, -2.5, 0, 0.3, np.nan])
    np.testing.assert_array_equal(found, [0, 0, np.inf, np.inf, np.nan])
    free = exact.abs_magnetization(model, np.inf)
    found = exact.temperature_of_abs_magnetization(model, [1, 1.1, free, 0.1, np.nan])
    np.testing.assert_array_equal(found, [0, 0, np.inf, np.inf, np.nan])
    assert isinstance(exact.temperature_of_energy(model, -1.0), np.float64)
    assert exact.temperature_of_energy(model, [[-1.0, -0.5]]).shape == (1, 2)


@pytest.mark.parametrize("shape", [(2, 2), (3, 5), (6, 6)])
def test_temperature_of_abs_magnetization(shape):
    model = Ising(Square(*shape))
    temperatures = np.linspace(0.5, 6, 23)
    found = exact.temperature_of_abs_magnetization(model, exact.abs_magnetization(model, temperatures))
    np.testing.assert_allclose(found, temperatures, rtol=0, atol=1e-6)


def test_ideal_classifier(model):
    assert exact.bayes_cross_entropy(model, CLASSES) == pytest.approx(2.1251, abs=5e-5)
    assert exact.bayes_accuracy(model, CLASSES) == pytest.approx(0.1885, abs=5e-5)
    assert exact.bayes_cross_entropy(model, [2.0]) == 0
    assert exact.bayes_accuracy(model, [2.0]) == pytest.approx(1)
    # two indistinguishable classes: chance
    assert exact.bayes_cross_entropy(model, [0.0, 0.01]) == pytest.approx(np.log(2))


def test_posterior_is_bayes_rule(model):
    temperatures = np.array([0.0, 1.5, 2.3, 4.0, np.inf])
    given_class = exact.energy_distribution(model, temperatures)
    posterior = exact.posterior(model, temperatures)
    possible = given_class.sum(axis=0) > 1e-250
    expected = (given_class / given_class.sum(axis=0, where=possible, initial=1e-300)).T
    np.testing.assert_allclose(posterior[possible], expected[possible], rtol=1e-9, atol=1e-40)
    np.testing.assert_allclose(posterior.sum(axis=1), 1, rtol=1e-13)


@pytest.mark.parametrize(
    ("temperatures", "abs_magnetization", "energy"),
    [(CLASSES, 0.5068, -1.1190), (CLASSES[16:], 0.1387, -0.4385), ([0.0], 1, -2)],
)
def test_mixture_numbers(model, temperatures, abs_magnetization, energy):
    null = exact.mixture(model, temperatures)
    assert null.energy == pytest.approx(energy, abs=5e-5)
    assert null.abs_magnetization == pytest.approx(abs_magnetization, abs=5e-5)
    levels, _ = exact.density_of_states(model)
    assert null.energy_distribution @ levels / 100 == pytest.approx(null.energy, rel=1e-12)
    assert null.posterior(CLASSES).sum() == pytest.approx(1)


def test_mixture_read_as_a_temperature(model):
    null = exact.mixture(model, CLASSES)
    assert null.temperature_of_energy == pytest.approx(2.562, abs=5e-4)
    assert null.temperature_of_abs_magnetization == pytest.approx(2.53, abs=1e-2)
    assert exact.abs_magnetization(model, null.temperature_of_abs_magnetization) == pytest.approx(
        null.abs_magnetization, abs=1e-6
    )
    np.testing.assert_allclose(null.posterior(CLASSES), 1 / 25, rtol=1e-12)
    cold = exact.mixture(model, [0.0])
    assert (cold.temperature_of_energy, cold.temperature_of_abs_magnetization) == (0, 0)
    assert cold.posterior([0.0]) == pytest.approx([1])


def test_large_mixture_has_an_energy_but_no_magnetization():
    null = exact.mixture(Ising(Square(64)), CLASSES)
    assert -2 < null.energy < 0
    with pytest.raises(InvalidInput, match="lattice"):
        _ = null.abs_magnetization


@pytest.mark.parametrize("temperatures", [[], [2.0, 1.0], [-1.0], [float("nan")]])
def test_mixtures_and_classes_are_checked(model, temperatures):
    for function in (exact.mixture, exact.posterior, exact.bayes_accuracy, exact.bayes_cross_entropy):
        with pytest.raises(InvalidInput, match="temperatures = "):
            function(model, temperatures)
    with pytest.raises(InvalidInput, match="temperatures = "):
        exact.Mixture(model, tuple(temperatures))
