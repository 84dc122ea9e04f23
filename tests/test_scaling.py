"""Scaling dimensions against closed forms: exact two-point functions, Gaussian fields, and Ising models at T_c."""

import numpy as np
import pytest

import rbmflow as rf
from rbmflow._checks import InvalidInput
from rbmflow.scaling import _fit, axis_correlations, bond_energies
from rbmflow.spectrum import receptive_correlators


def test_products_along_the_axes_by_hand():
    model = rf.potts(rf.triangular(4, 6), 3)
    spins = rf.hot(0, model, 5)
    vectors = np.array(model.vectors)[spins]
    along = [
        [(vectors * np.roll(vectors, -r, axis)).sum(axis=-1).mean(axis=(1, 2)) for r in range(3)] for axis in (1, 2)
    ]
    np.testing.assert_allclose(axis_correlations(model, spins), np.mean(along, axis=0).T, atol=1e-6)
    energies = bond_energies(model, spins)
    np.testing.assert_allclose(energies.sum(axis=(1, 2)), model.total_energy(spins))
    away = energies - energies.mean()
    along = [[(away * np.roll(away, -r, axis)).mean(axis=(1, 2)) for r in range(3)] for axis in (1, 2)]
    np.testing.assert_allclose(axis_correlations(model, spins, "energy"), np.mean(along, axis=0).T, atol=1e-12)


def test_the_correlated_fit_of_a_power_law_that_is_known():
    """Logarithms with Gaussian noise that is correlated over distances: the pulls have unit width."""
    generator, distance = np.random.default_rng(0), np.arange(2, 8)
    law = np.log(0.7) - 2 * 0.3 * np.log(distance) + 0.02 * distance
    noise = np.linalg.cholesky(0.8 ** np.abs(np.subtract.outer(distance, distance)))
    design = np.stack([np.ones(6), -2 * np.log(distance), distance], axis=1)
    pulls, squares = [], []
    for _ in range(200):
        groups = 0.02 * generator.normal(size=(100, 6)) @ noise.T
        mean = groups.mean(axis=0)
        curves = np.exp(law + np.concatenate([mean[None], mean + (mean - groups) / 99]))
        found = _fit(distance, curves, design)
        pulls.append((found.value - 0.3) / found.error)
        squares.append(found.chi_squared)
    assert abs(np.mean(pulls)) < 5 / np.sqrt(200)
    assert abs(np.std(pulls) - 1) < 5 / np.sqrt(400)
    assert abs(np.mean(squares) - 3) < 5 * np.sqrt(6 / 200)


def test_ising_spins_at_t_c_have_their_dimensions():
    model = rf.ising(rf.square(32))
    spins = rf.sample(1, model, rf.critical_temperature(model), 1500).spins[0]
    spin = rf.scaling_dimension(model, spins, (3, 8), correction=1.0)
    energy = rf.scaling_dimension(model, spins, (2, 6), "energy")
    for found, known in ((spin, 1 / 8), (energy, 1.0)):
        assert abs(found.value - known) < 5 * found.error
        assert found.probability > 1e-4
    assert spin.error < 0.005
    assert energy.error < 0.05
    assert spin.covariance.shape == (6, 6)


def test_hidden_units_that_see_a_block_have_one_map():
    weights = np.zeros((6, 6, 3, 3))
    for y, x in np.ndindex(6, 6):
        weights[y, x, y // 2, x // 2] = (-1) ** (x // 2) * (1.0 + 1e-6 * (y % 2 + x % 2 == 0))
    machine = rf.RBM.from_weights(weights.reshape(36, 9), np.zeros(36), np.zeros(9), units="-1/+1", shape=(6, 6))
    maps = receptive_correlators(machine, rf.hot(0, rf.ising(rf.square(6)), 40_000))
    assert maps.shape == (9, 6, 6)
    # One free spin times the tanh of the sum of it and three others.
    wanted = np.zeros((6, 6))
    wanted[:2, :2] = (2 * np.tanh(4) + 4 * np.tanh(2)) / 16
    assert np.abs(maps - wanted).max() < 5 / np.sqrt(40_000)
    free = rf.RBM.from_weights(np.eye(4)[:, :3], np.zeros(4), np.zeros(3), units="-1/+1")
    with pytest.raises(InvalidInput, match="must know the lattice"):
        receptive_correlators(free, np.ones((1, 4)))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"window": (0, 4)}, "window"),
        ({"window": (1, 5)}, "window"),
        ({"window": (2, 2)}, "first and the last of at least 2 distances, up to 4"),
        ({"window": (1, 2), "correction": 1.0}, "at least 3 distances"),
        ({"of": "magnetization"}, "of = 'magnetization'"),
        ({"correction": -1.0}, "correction"),
        ({"spins": np.ones((10, 8, 8))}, "there must be at least 20, five for each distance"),
        ({"spins": np.tile([1, -1], (30, 8, 4))}, "above zero"),
    ],
)
def test_fits_that_cannot_be_are_refused(given, told):
    model = rf.ising(rf.square(8))
    asked = {"spins": rf.hot(0, model, 100), "window": (1, 4)} | given
    with pytest.raises(InvalidInput, match=told):
        rf.scaling_dimension(model, **asked)


@pytest.mark.usefixtures("as_people_call")
@pytest.mark.parametrize(
    ("spins", "window", "more", "told"),
    [
        (np.ones((50, 8, 8)), (1, 3), {}, "too much alike"),
        (None, (1, 4), {"correction": 1e9}, "correction = 1000000000.0 .* no constant"),
        (None, (1, 4), {"correction": 1e-12}, "correction = 1e-12 .* no constant"),
        (None, None, {}, "window = None"),
        (None, (1, 50), {}, r"window = \(1, 50\)"),
    ],
)
def test_fits_that_have_no_answer_are_refused(spins, window, more, told):
    """None of them is a singular matrix, a warning, or a number without an error."""
    model = rf.ising(rf.square(8))
    given = rf.sample(0, model, 2.3, 200).spins[0] if spins is None else spins
    with pytest.raises(InvalidInput, match=told):
        rf.scaling_dimension(model, given, window, **more)
    few = np.tile(rf.sample(0, model, 2.3, 2).spins[0], (25, 1, 1))
    with pytest.raises(InvalidInput, match="too much alike"):
        rf.scaling_dimension(model, few, (1, 3))


def test_a_covariance_needs_five_groups_for_each_distance():
    model = rf.ising(rf.chain(100))
    with pytest.raises(InvalidInput, match="up to 50 and at most 40"):
        rf.scaling_dimension(model, rf.hot(0, model, 300), (1, 45))
