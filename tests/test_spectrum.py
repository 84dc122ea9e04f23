"""The weight analysis against linear algebra done another way."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rbmflow import exact, sampler
from rbmflow._checks import InvalidInput
from rbmflow.lattice import square
from rbmflow.rbm import RBM, MachineSettings
from rbmflow.settings import TrainingSettings
from rbmflow.spectrum import (
    MEASURES,
    Spectrum,
    covariance_waves,
    decompose,
    displacement_classes,
    field_correlators,
    fourier_power,
    half_step_correlators,
    learning_cascade,
    marchenko_pastur_edges,
    mean_field_jacobian,
    mean_field_map,
    measures,
    mode_growth,
    participation,
    projections,
    resemblance,
    shells,
    translation_average,
)
from rbmflow.spin_models import ising
from rbmflow.training import train
from rbmflow.units import PLUS_MINUS


@pytest.mark.parametrize(("visible", "hidden"), [(9, 4), (4, 9), (5, 5)])
def test_factors_rebuild_the_weights_and_their_product(visible, hidden):
    machine = RBM.random(jax.random.key(1), visible, MachineSettings(hidden=hidden))
    spectrum = decompose(machine)
    weights = np.asarray(machine.weights, np.float64)
    rebuilt = spectrum.visible_vectors * spectrum.singular_values @ spectrum.hidden_vectors.T
    np.testing.assert_allclose(rebuilt, weights, atol=1e-12)
    np.testing.assert_allclose(spectrum.product, weights @ weights.T, atol=1e-12)
    eigenvalues = np.linalg.eigvalsh(spectrum.product)[::-1][: min(visible, hidden)]
    np.testing.assert_allclose(spectrum.singular_values**2, eigenvalues, atol=1e-12)
    assert np.all(np.diff(spectrum.singular_values) <= 0)
    assert np.all(spectrum.visible_vectors.sum(axis=0) >= 0)


def test_a_uniform_mode_has_uniformity_one():
    rank_one = np.outer(-np.ones(16), np.arange(1.0, 4.0)).astype(np.float32)
    spectrum = decompose(RBM(jnp.asarray(rank_one), jnp.zeros(16), jnp.zeros(3), PLUS_MINUS))
    assert spectrum.uniformity[0] == pytest.approx(1, abs=1e-6)
    assert spectrum.singular_values[1:] == pytest.approx(0, abs=1e-5)


def test_spectrum_comes_back_from_disk(tmp_path):
    spectrum = decompose(RBM.random(jax.random.key(1), 6, MachineSettings(hidden=4)))
    spectrum.save(tmp_path / "spectrum.nc")
    back = Spectrum.load(tmp_path / "spectrum.nc")
    for one, other in zip(jax.tree.leaves(spectrum), jax.tree.leaves(back), strict=True):
        np.testing.assert_array_equal(one, other)


def displaced(ly: int, lx: int, y: int, x: int) -> np.ndarray:
    """Site at a displacement from every site."""
    return np.roll(np.arange(ly * lx).reshape(ly, lx), (-y, -x), (0, 1)).ravel()


def enumerated(ly: int, lx: int) -> tuple[np.ndarray, np.ndarray]:
    """All configurations [state, visible] and their energies."""
    sites = ly * lx
    spins = ((np.arange(2**sites)[:, None] >> np.arange(sites)) & 1) * 2.0 - 1
    energy = -sum((spins * spins[:, displaced(ly, lx, *step)]).sum(axis=1) for step in ((0, 1), (1, 0)))
    return spins, energy


@pytest.mark.parametrize("shape", [(4, 4), (3, 4), (4, 3), (2, 5)])
def test_two_point_function_of_a_mixture_against_enumeration(shape):
    spins, energy = enumerated(*shape)
    temperatures = (0.0, 1.5, 2.3, 6.0, np.inf)
    found = exact.two_point(ising(square(*shape)), temperatures)
    for temperature, here in zip(temperatures, found, strict=True):
        weight = np.exp(-(energy - energy.min()) / temperature) if temperature else (energy == energy.min()) * 1.0
        covariance = spins.T * (weight / weight.sum()) @ spins
        rebuilt = [[covariance[0, y * shape[1] + x] for x in range(shape[1])] for y in range(shape[0])]
        np.testing.assert_allclose(here, rebuilt, atol=1e-12)
        eigenvalues = np.sort(covariance_waves(here, square(*shape)).eigenvalue.ravel())
        np.testing.assert_allclose(eigenvalues, np.linalg.eigvalsh(covariance), atol=1e-11)
        vectors = np.linalg.qr(np.random.default_rng(0).normal(size=covariance.shape))[0]
        direct = np.einsum("im,ij,jm->m", vectors, covariance, vectors)
        np.testing.assert_allclose(projections(vectors, here, square(*shape)), direct, atol=1e-11)


def test_two_point_function_has_the_energy_and_the_susceptibility():
    """At L = 10, where nothing can be enumerated: against Kaufman's energy and the distribution of M."""
    model, temperatures = ising(square(10)), [0.5, 2.0, 2.2692, 4.0]
    found = exact.two_point(model, temperatures)
    np.testing.assert_allclose(-2 * found[:, 0, 1], exact.energy(model, temperatures), atol=1e-12)
    np.testing.assert_allclose(found.mean(axis=(1, 2)), exact.magnetization_moment(model, temperatures, 2), atol=1e-12)
    np.testing.assert_allclose(found, found.swapaxes(1, 2), atol=1e-12)


def test_translation_average_against_a_sum_over_pairs():
    weights = np.random.default_rng(1).normal(size=(12, 5))
    product, found = weights @ weights.T, translation_average(weights, square(3, 4))
    taken = decompose(RBM(jnp.asarray(weights, jnp.float32), jnp.zeros(12), jnp.zeros(5), shape=(3, 4)))
    np.testing.assert_allclose(translation_average(taken, square(3, 4)), found, rtol=1e-5)
    for y, x in np.ndindex(3, 4):
        assert found[y, x] == pytest.approx(product[np.arange(12), displaced(3, 4, y, x)].mean(), abs=1e-14)


def test_a_spectrum_knows_its_lattice():
    """Another lattice of as many sites has other waves and another two-point function."""
    taken = decompose(RBM(jnp.ones((16, 2)), jnp.zeros(16), jnp.zeros(2), shape=(2, 8)))
    assert Spectrum.from_dataset(taken.to_dataset()) == taken
    for call in (translation_average, fourier_power):
        assert np.isfinite(call(taken, square(2, 8))).all()
        with pytest.raises(InvalidInput, match=r"lattice of vectors = \(2, 8\)"):
            call(taken, square(4))
    with pytest.raises(InvalidInput, match="lattice of vectors"):
        projections(taken, exact.two_point(ising(square(4)), 2.0), square(4))


def test_resemblance_against_numpy_and_of_constant_data():
    one, other = np.random.default_rng(2).normal(size=(2, 4, 4))
    found = resemblance(one, other, square(4))
    assert found.correlation == pytest.approx(np.corrcoef(one.ravel()[1:], other.ravel()[1:])[0, 1])
    shifted = resemblance(3 * one + 2, one, square(4))
    assert shifted.correlation == pytest.approx(1)
    assert shifted.cosine < 0.99
    ground = resemblance(np.full((4, 4), 0.3), exact.two_point(ising(square(4)), 0.0), square(4))
    assert np.isnan(ground.correlation)
    assert ground.cosine == pytest.approx(1)


def test_displacement_classes_share_the_two_point_function():
    for shape in ((6, 6), (4, 6)):
        values = exact.two_point(ising(square(*shape)), 2.5)
        classes = displacement_classes(square(*shape))
        np.testing.assert_allclose(classes.average(values)[classes.number], values, atol=1e-12)
        assert classes.distance[classes.number[1, 0]] == classes.distance[classes.number[0, -1]] == 1


def test_fourier_powers_add_up_and_know_a_wave():
    vectors = np.linalg.qr(np.random.default_rng(3).normal(size=(30, 30)))[0]
    np.testing.assert_allclose(fourier_power(vectors, square(5, 6)).sum(axis=1), 1, atol=1e-12)
    y, x = np.divmod(np.arange(100), 10)
    wave = np.cos(2 * np.pi * (3 * y - 2 * x) / 10 + 0.4)[:, None]
    power = fourier_power(wave / np.linalg.norm(wave), square(10))[0]
    of_wave = np.argmin(np.abs(shells(square(10)).wavenumber - 2 * np.pi * np.sqrt(13) / 10))
    assert power[of_wave] == pytest.approx(1)
    assert participation(wave)[0] == pytest.approx(2 / 3, abs=0.01)
    assert participation(np.eye(100)[:, :1])[0] == pytest.approx(0.01)


@pytest.mark.parametrize(("visible", "hidden"), [(400, 300), (300, 600)])
def test_random_weights_fill_the_marchenko_pastur_interval(visible, hidden):
    machine = RBM.random(jax.random.key(4), visible, MachineSettings(hidden=hidden, initial_scale=0.1))
    eigenvalues = decompose(machine).singular_values ** 2
    lower, upper = marchenko_pastur_edges(visible, hidden, 0.1)
    # The extremes scatter by about N^(-2/3) of the width of the law.
    assert eigenvalues.max() == pytest.approx(upper, rel=5 * visible ** (-2 / 3))
    assert eigenvalues.min() == pytest.approx(lower, abs=5 * visible ** (-2 / 3) * upper / 10)
    found = measures(machine, square(20, visible // 20), np.ones((20, visible // 20)), 0.1)
    assert found["effective_ratio"] == pytest.approx(1, abs=0.02)
    assert found["above_one"] == np.sum(eigenvalues > 1)
    assert found["above_edge"] == np.sum(eigenvalues > upper) <= 5


def test_measures_of_a_rank_one_machine_and_of_none():
    ground = exact.two_point(ising(square(4)), 0.0)
    found = measures(RBM.from_weights(np.full((16, 3), 0.5), np.zeros(16), None, units="-1/+1"), square(4), ground, 0.1)
    assert found.keys() == MEASURES.keys()
    for name in ("effective_modes", "first_share", "leading_uniformity", "purity", "mode_extent", "hidden_extent"):
        assert found[name] == pytest.approx(1)
    assert (found["neighbour_ratio"], found["translation_share"]) == pytest.approx((1, 1))
    assert found["resemblance_cosine"] == pytest.approx(1)
    assert found["largest_eigenvalue"] == pytest.approx(12)
    assert found["above_edge"] == found["above_one"] == 1
    nothing = RBM.from_weights(np.zeros((16, 3)), np.zeros(16), None, units="-1/+1")
    assert np.isnan(list(measures(nothing, square(4), ground, 0.1).values())).all()


def test_the_spectrum_of_a_machine_does_not_depend_on_its_units():
    """The same probabilities written with units 0/1: weights four times as large, the same spectrum and gains."""
    rng = np.random.default_rng(4)
    arrays = rng.normal(size=(16, 3)) / 4, rng.normal(size=16) / 4, rng.normal(size=3) / 4
    machine = RBM.from_weights(*arrays, units="-1/+1")
    other = machine.in_units("0/1")
    np.testing.assert_allclose(other.weights, 4 * np.asarray(machine.weights))
    close = partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-6)
    close(decompose(other).singular_values, decompose(machine).singular_values)
    close(decompose(other).product, decompose(machine).product)
    close(mean_field_jacobian(other), mean_field_jacobian(machine))
    some = rng.uniform(-1, 1, (3, 16))
    close(mean_field_map(other, some), mean_field_map(machine, some))
    spins = np.sign(some)
    close(field_correlators(other, spins), field_correlators(machine, spins))
    truth = exact.two_point(ising(square(4)), 2.0)
    close(
        list(measures(other, square(4), truth, 0.4).values()), list(measures(machine, square(4), truth, 0.1).values())
    )
    start = sampler.hot(jax.random.key(7), ising(square(4)), 2000)
    close(mode_growth(1, other, start, 1).predicted, mode_growth(1, machine, start, 1).predicted)


def test_linearised_map_is_the_jacobian_of_the_map():
    rng = np.random.default_rng(5)
    weights, visible, hidden = rng.normal(size=(6, 4)) / 2, rng.normal(size=6) / 3, rng.normal(size=4) / 3
    machine = RBM.from_weights(weights, visible, hidden, units="-1/+1")

    def step(v):
        return jnp.tanh(jnp.tanh(v @ machine.weights + machine.hidden_bias) @ machine.weights.T + machine.visible_bias)

    np.testing.assert_allclose(mean_field_jacobian(machine), jax.jacobian(step)(jnp.zeros(6)), atol=1e-6)
    some = rng.uniform(-1, 1, (3, 6))
    np.testing.assert_allclose(mean_field_map(machine, some), jax.vmap(step)(jnp.asarray(some)), atol=1e-6)


def test_weak_modes_grow_as_the_linear_theory_says():
    """Weights small enough for the units to be linear: gain sigma^2, then the balance of gain and noise."""
    machine = RBM.random(jax.random.key(6), 64, MachineSettings(hidden=64, initial_scale=0.02))
    chains = 20_000
    start = sampler.hot(jax.random.key(7), ising(square(8)), chains)
    growth = mode_growth(jax.random.key(8), machine, start, 3)
    squares = decompose(machine).singular_values ** 2
    # tanh takes off a fraction of the mean squared field of a hidden unit and of a visible one.
    damped = squares * (1 - 64 * 0.02**2) * (1 - 64 * 0.02**2)
    np.testing.assert_allclose(growth.predicted, damped, atol=0.02 * squares[0])
    assert np.abs((growth.gain - damped) / growth.gain_error).max() < 5
    np.testing.assert_allclose(growth.gain_error, 1 / np.sqrt(chains), rtol=0.1)
    settled = 1 / (1 - squares)
    np.testing.assert_allclose(growth.projection[-1], settled, atol=5 * np.sqrt(2 / chains) + 0.01)
    np.testing.assert_allclose(growth.mean_field[1], squares**2 * growth.mean_field[0], rtol=0.02)


def test_half_steps_from_random_spins_predict_the_gain_where_weights_are_not_small():
    """Against all states of twelve spins, and against the sampled flow of weights for which sigma^2 is far off."""
    rng = np.random.default_rng(3)
    weights, bias = rng.normal(size=(12, 4)) / 2, rng.normal(size=4) / 2
    spins = ((np.arange(4096)[:, None] >> np.arange(12)) & 1) * 2.0 - 1
    exact_correlators = spins.T @ np.tanh(spins @ weights + bias) / 4096
    np.testing.assert_allclose(half_step_correlators(weights, bias), exact_correlators, atol=0.1)
    np.testing.assert_allclose(half_step_correlators(20 * np.eye(6), np.zeros(6)), np.eye(6), atol=1e-6)
    machine = RBM.random(jax.random.key(6), 64, MachineSettings(hidden=64, initial_scale=0.15))
    growth = mode_growth(jax.random.key(8), machine, sampler.hot(jax.random.key(7), ising(square(8)), 4000), 1)
    assert decompose(machine).singular_values[0] ** 2 > 3 * growth.gain[0]
    np.testing.assert_allclose(growth.predicted, growth.gain, atol=0.2)
    assert growth.gain_rank_correlation > 0.97


def test_diverged_weights_give_nan_and_no_failure():
    machine = RBM(jnp.full((16, 3), jnp.nan), jnp.zeros(16), jnp.zeros(3), PLUS_MINUS)
    growth = mode_growth(jax.random.key(0), machine, sampler.hot(jax.random.key(1), ising(square(4)), 5), 2)
    assert np.isnan(decompose(machine).singular_values).all()
    assert np.isnan([growth.gain_rank_correlation, growth.growth_rank_correlation]).all()
    assert np.isnan(list(measures(machine, square(4), np.eye(4), 0.1).values())).all()


def test_correlators_against_a_sum_over_states():
    rng = np.random.default_rng(9)
    machine = RBM.from_weights(rng.normal(size=(4, 3)) / 2, np.zeros(4), rng.normal(size=3) / 2, units="-1/+1")
    visible, _ = enumerated(2, 2)
    hidden = ((np.arange(8)[:, None] >> np.arange(3)) & 1) * 2.0 - 1
    weight = np.exp(visible @ np.asarray(machine.weights) @ hidden.T + hidden @ np.asarray(machine.hidden_bias))
    given = weight / weight.sum(axis=1, keepdims=True)
    expected = np.einsum("si,st,tj->ij", visible, given, hidden) / len(visible)
    np.testing.assert_allclose(field_correlators(machine, visible), expected, atol=1e-6)


@pytest.mark.parametrize(("units", "faster"), [("-1/+1", 1), ("0/1", 16)])
def test_learning_follows_linear_theory_until_a_wave_saturates(units, faster):
    """At L = 6 and T = 3.5 nine waves have c > 1: 5.911, 4 x 2.059, 4 x 1.248."""
    model, temperature = ising(square(6)), [3.5]
    draws = sampler.sample(0, model, temperature, 4000)
    settings = {"epochs": 150, "batch": 2000, "learning_rate": 0.05 * faster, "checkpoints": 30}
    if units == "0/1":
        settings |= {"epochs": 12, "centred": True}
    machine = {"hidden": 32, "initial_scale": 0.003 * faster**0.5, "units": units, "biases": units == "0/1"}
    _, history = train(1, draws, **settings, **machine)
    found = learning_cascade(history, exact.two_point(model, temperature)[0], TrainingSettings(**settings))
    np.testing.assert_allclose(found.eigenvalue[:9], [5.911, *[2.059] * 4, *[1.248] * 4], atol=1e-3)
    assert found.grows.sum() == 9
    early = found.predicted_amplitude[:, 0] < 0.3
    assert early.sum() > 5
    np.testing.assert_allclose(found.amplitude[early, :5], found.predicted_amplitude[early, :5], rtol=0.1)
    rates = 1 + 0.05 * (found.eigenvalue - 1)
    np.testing.assert_allclose(found.predicted_amplitude[5], rates ** found.update[5] * found.amplitude[0], rtol=1e-6)
    if units == "-1/+1":
        assert set(np.argsort(-found.amplitude[-1])[:9]) == set(range(9))
        assert found.amplitude[-1, :9].min() > 3 * found.amplitude[-1, 9:].max()
        assert found.order > 0.9
        delay = found.time[:5] / found.predicted_time[:5]  # A wave that saturates holds up all others.
        assert delay.min() > 1
        assert delay.max() < 1.5


def test_linear_theory_refuses_what_it_does_not_hold_for():
    model = ising(square(4))
    _, history = train(1, sampler.sample(0, model, [2.0], 20), hidden=2, epochs=1, batch=10, checkpoints=2)
    two_point = exact.two_point(model, [2.0])[0]
    with pytest.raises(InvalidInput, match="optimiser"):
        learning_cascade(history, two_point, TrainingSettings(optimiser="adam"))
    with pytest.raises(InvalidInput, match="two_point"):
        learning_cascade(history, two_point[:2], TrainingSettings())
    assert np.isnan(learning_cascade(history, two_point).predicted_time).all()
