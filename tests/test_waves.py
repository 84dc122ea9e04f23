"""Waves and displacements of any lattice and any units, against dense covariances and sums over pairs of sites."""

import jax.numpy as jnp
import numpy as np
import pytest

import rbmflow as rf
from rbmflow.correlations import state_covariance, two_point
from rbmflow.equilibrium.enumerated import all_states
from rbmflow.geometry import distances, realization, wavenumbers
from rbmflow.rbm import RBM
from rbmflow.settings import MachineSettings
from rbmflow.spectrum import (
    covariance_waves,
    decompose,
    displacement_classes,
    fourier_power,
    in_units,
    measures,
    mode_growth,
    projections,
    translation_average,
    two_point_of,
)
from rbmflow.units import units_named

LIEB = rf.Lattice((3, 2), [(0, 1, (0, 0)), (1, 0, (0, 1)), (0, 2, (0, 0), 1), (2, 0, (1, 0), 1)], 3)
CASES = [
    (rf.ising(rf.triangular(3, 4)), "one-hot"),
    (rf.ising(rf.honeycomb(3, 2)), "one-hot"),
    (rf.ising(LIEB), "one-hot"),
    (rf.ising(rf.cubic(2, 2, 3)), "one-hot"),
    (rf.potts(rf.triangular(3), 3), "one-hot"),
    (rf.potts(rf.honeycomb(2), 3), "one-hot"),
    (rf.clock(rf.kagome(2), 4), "clock"),
    (rf.clock(rf.chain(5), 5), "one-hot"),
    (rf.blume_capel(rf.square(3, 2), 0.5), "labels"),
]


def moved(lattice, step):
    """Numbers of the sites that a translation by so many cells makes of all sites."""
    sites = np.arange(lattice.sites).reshape(*lattice.cells, lattice.basis)
    return np.roll(sites, step, range(len(lattice.cells))).ravel()


@pytest.mark.parametrize(("model", "code"), CASES, ids=lambda one: repr(one).split(":")[0])
def test_waves_are_those_of_the_covariance_over_all_translations(model, code):
    """The covariance is that of any configurations and their translates, as a matrix of all visible units."""
    lattice, units = model.lattice, units_named("-1/+1", model.states, code)
    spins = np.asarray(rf.sample(0, model, 1.5, 60).spins[0])
    every = np.concatenate([spins.reshape(60, -1)[:, moved(lattice, step)] for step in np.ndindex(*lattice.cells)])
    free = units.whitened(every)
    matrix = free.T @ free / len(free)
    covariance = in_units(units, state_covariance(model, spins))
    waves = covariance_waves(covariance, lattice, units)
    present = np.sort(waves.eigenvalue.ravel())
    rank = lattice.sites * units.directions.shape[1]
    np.testing.assert_allclose(present, np.linalg.eigvalsh(matrix)[-rank:], atol=1e-5)
    vectors = np.linalg.qr(np.random.default_rng(0).normal(size=matrix.shape))[0]
    direct = np.einsum("im,ij,jm->m", vectors, matrix, vectors)
    np.testing.assert_allclose(projections(vectors, covariance, lattice, units), direct, atol=1e-5)
    # W W^T of columns that are spread over waves: what is on a wave is its eigenvalue times its share.
    amplitude = waves.amplitude(vectors, lattice, units)
    shares = np.abs(amplitude) ** 2 * waves.eigenvalue.reshape(-1, 1)
    np.testing.assert_allclose(shares.sum(axis=0), direct, atol=1e-5)
    pairs = two_point_of(units, covariance)
    if code == "one-hot" and "clock" not in repr(model):
        vectors_seen = two_point(model, spins).mean
        np.testing.assert_allclose(pairs, vectors_seen, atol=1e-5)


@pytest.mark.parametrize(("model", "code"), CASES, ids=lambda one: repr(one).split(":")[0])
def test_translation_average_and_powers_against_sums_over_pairs(model, code):
    lattice, units = model.lattice, units_named("-1/+1", model.states, code)
    weights = np.random.default_rng(1).normal(size=(lattice.sites * units.components, 4))
    blocks = (weights @ weights.T).reshape(lattice.sites, units.components, lattice.sites, units.components)
    traced = np.trace(blocks, axis1=1, axis2=3)
    found = translation_average(weights, lattice).reshape(*lattice.cells, lattice.basis, lattice.basis)
    cells = np.arange(lattice.sites).reshape(-1, lattice.basis)
    for step in np.ndindex(*lattice.cells):
        there = moved(lattice, tuple(-np.array(step))).reshape(-1, lattice.basis)
        wanted = traced[cells[:, :, None], there[:, None, :]].mean(axis=0)
        np.testing.assert_allclose(found[step], wanted, atol=1e-12)
    np.testing.assert_allclose(fourier_power(weights, lattice).sum(axis=1), (weights**2).sum(axis=0), rtol=1e-12)


@pytest.mark.parametrize(
    "lattice",
    [rf.triangular(4), rf.honeycomb(3, 3), rf.kagome(2), LIEB, rf.chain(7), rf.square(3, 4), rf.cubic(2, 2, 3)],
    ids=str,
)
def test_displacements_of_one_class_have_one_two_point_function(lattice):
    model = rf.ising(lattice)
    spins = all_states(model)
    energy = np.asarray(model.total_energy(spins), float)
    weight = np.exp(-(energy - energy.min()) / 2.0)
    rows = spins.reshape(len(spins), -1).astype(float)
    pairs = (rows.T * (weight / weight.sum())) @ rows
    origin = pairs[: lattice.basis].reshape(lattice.basis, *lattice.cells, lattice.basis)
    values = np.moveaxis(origin, 0, -2)
    values = values[..., 0, 0] if lattice.basis == 1 else values
    classes = displacement_classes(lattice)
    np.testing.assert_allclose(classes.average(values)[classes.number], values, atol=1e-12)
    assert classes.distance[0] == 0
    assert (np.diff(classes.distance) >= 0).all()


def test_lattices_are_put_in_space_as_they_are_drawn():
    close = np.testing.assert_allclose
    third, root = 1 / np.sqrt(3), np.sqrt(3)
    for lattice, lengths in (
        (rf.square(6), [0, 1, np.sqrt(2), 2]),
        (rf.triangular(6), [0, 1, root, 2]),
        (rf.honeycomb(4), [0, 1, root, 2]),
        (rf.kagome(4), [0, 1, root, 2]),
        (rf.cubic(4), [0, 1, np.sqrt(2), root]),
        (rf.chain(8), [0, 1, 2, 3]),
    ):
        apart = distances(lattice)
        close(np.unique(apart)[:4], lengths, atol=1e-9)
        first = displacement_classes(lattice)
        close(first.distance[:2], [0, 1])
        # As many sites at distance 1 as there are bonds at a site.
        assert (apart == 1).sum() == sum(2 for _ in lattice.bonds)
    close(np.unique(wavenumbers(rf.triangular(6)))[1], 2 * np.pi / 6 * 2 * third)
    positions, _ = realization(rf.Lattice((3, 3), [(0, 1, (0, 0)), (0, 0, (0, 1)), (0, 0, (1, 0))], 2))
    close(positions[0], positions[1], atol=1e-12)  # A site with one neighbour is put where that is.
    close(realization(rf.Lattice((3, 3), [(0, 0, (0, 1))]))[1], np.eye(2))


def test_modes_of_one_hot_units_grow_as_half_steps_from_random_states_say():
    model = rf.potts(rf.triangular(4), 3)
    for scale in (0.05, 0.2):
        machine = RBM.random(3, 16, MachineSettings(hidden=12, initial_scale=scale), model.states)
        growth = mode_growth(5, machine, rf.hot(4, model, 8000), 2)
        assert np.abs((growth.gain - growth.predicted) / np.hypot(growth.gain_error, 0.03)).max() < 5
        np.testing.assert_allclose(growth.mean_field[0], growth.projection[0], rtol=1e-5)
        squares = decompose(machine).singular_values ** 2
        if scale == 0.05:
            np.testing.assert_allclose(growth.predicted, squares, atol=0.02)
            np.testing.assert_allclose(growth.mean_field[1], squares**2 * growth.mean_field[0], rtol=0.1, atol=1e-4)
        else:
            assert squares[0] > 1.5 * growth.predicted[0]


def test_measures_know_neighbours_and_translations_of_a_honeycomb():
    """One hidden unit a bond, with both weights alike: W W^T has its degree on the diagonal and 1 on every bond."""
    lattice = rf.honeycomb(3)
    numbers = np.arange(18).reshape(3, 3, 2)
    ends = [np.reshape(lattice.across(bond, jnp.asarray(numbers)), (2, -1)) for bond in lattice.bonds]
    here, there = np.concatenate(ends, axis=1)
    weights = np.zeros((18, 27))
    weights[here, np.arange(27)] = weights[there, np.arange(27)] = 0.3
    machine = RBM.from_weights(weights, None, None, units="-1/+1", axes="visible, hidden", shape=lattice.shape)
    data = np.where(distances(lattice) == 1, 0.5, np.where(distances(lattice) == 0, 1.0, 0.0))
    found = measures(machine, lattice, data, 0.1)
    assert found["neighbour_ratio"] == pytest.approx(1 / 3, abs=1e-6)
    assert found["translation_share"] == pytest.approx(1, abs=1e-6)
    assert found["resemblance"] == pytest.approx(1, abs=1e-6)
