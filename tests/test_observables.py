"""Measurements along a flow by hand and by enumeration; the exact correlation length; two-sample tests."""

from __future__ import annotations

import itertools

import jax
import numpy as np
import pytest

import rbmflow as rf
from rbmflow import exact
from rbmflow._checks import InvalidInput
from rbmflow.measurements import Measurements, domains, observe
from rbmflow.two_sample import compare

MODEL = rf.ising(rf.square(4, 6))
SPINS = np.where(np.random.default_rng(0).random((3, 7, 4, 6)) < 0.6, 1, -1).astype(np.int8)


def test_observables_by_hand():
    measured = observe(MODEL, SPINS)
    np.testing.assert_array_equal(measured.energy, MODEL.total_energy(SPINS))
    np.testing.assert_array_equal(measured.magnetization, SPINS.sum(axis=(2, 3), dtype=int))
    np.testing.assert_array_equal(measured.overturned[1:], (SPINS[1:] != SPINS[:-1]).sum(axis=(2, 3)))
    assert (measured.overturned[0] == -1).all()
    for dy, dx in itertools.product(range(3), range(4)):
        products = [
            (SPINS * np.roll(SPINS, shift, axis=(2, 3)).astype(float)).mean(axis=(2, 3))
            for shift in ((dy, dx), (dy, -dx))
        ]
        values = np.mean(products, axis=0)
        np.testing.assert_allclose(measured.correlation[:, dy, dx], values.mean(axis=1), atol=1e-6)
        error = values.std(axis=1, ddof=1) / np.sqrt(7)
        np.testing.assert_allclose(measured.correlation_error[:, dy, dx], error, atol=1e-6)
    moved = [
        np.abs((SPINS * np.exp(-2j * np.pi * wave)).sum(axis=(2, 3))) ** 2 / 24
        for wave in (np.arange(4)[:, None] / 4, np.arange(6)[None] / 6)
    ]
    np.testing.assert_allclose(measured.long_wave, np.mean(moved, axis=0), rtol=1e-4, atol=1e-5)
    mean, error = measured.averages()["magnetization_4"]
    fourth = SPINS.mean(axis=(2, 3), dtype=float) ** 4
    np.testing.assert_allclose(mean, fourth.mean(axis=1))
    np.testing.assert_allclose(error, fourth.std(axis=1, ddof=1) / np.sqrt(7))


def test_observables_of_stretches_are_those_of_the_whole():
    joined = Measurements.joined([observe(MODEL, SPINS[:1]), observe(MODEL, SPINS[1:], before=SPINS[0])])
    for one, other in zip(jax.tree.leaves(joined), jax.tree.leaves(observe(MODEL, SPINS)), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
    again = Measurements.from_dataset(joined.to_dataset())
    np.testing.assert_array_equal(again.long_wave, joined.long_wave)


@pytest.mark.parametrize(
    "model",
    [
        MODEL,
        rf.ising(rf.triangular(4, 3), field=0.5),
        rf.ising(rf.honeycomb(2, 3)),
        rf.potts(rf.kagome(2, 3), 3),
        rf.clock(rf.chain(5), 4),
        rf.blume_capel(rf.cubic(2, 3, 4), 0.7),
    ],
    ids=repr,
)
def test_measurements_of_any_model_by_its_table(model):
    """Energies by bonds, domains by flooding along bonds, G and its waves by sums over pairs of sites."""
    lattice, chains = model.lattice, 4
    spins = np.random.default_rng(1).choice(np.array(model.states, np.int8), (2, chains, *lattice.shape))
    measured, flat = rf.observe(model, spins), spins.reshape(2, chains, -1)
    np.testing.assert_allclose(measured.energy, model.total_energy(spins), rtol=1e-6)
    np.testing.assert_allclose(measured.magnetization, model.total_magnetization(spins), rtol=1e-6)
    np.testing.assert_array_equal(measured.overturned[1], (flat[1] != flat[0]).sum(axis=-1))
    expected = [[flooded(one, lattice) for one in row] for row in flat]
    np.testing.assert_array_equal(domains(model, spins), expected)
    # Many configurations of a small lattice are counted in another way.
    np.testing.assert_array_equal(domains(model, np.repeat(spins, 15, axis=1)), np.repeat(expected, 15, axis=1))
    vectors = np.array(model.vectors)[np.searchsorted(model.states, spins)]
    vectors = vectors.reshape(2, chains, *lattice.cells, lattice.basis, -1)
    moved = tuple(range(2, 2 + len(lattice.cells)))
    found = rf.two_point(model, spins)
    for step in np.ndindex(lattice.cells):
        there = np.roll(vectors, [-one for one in step], moved)
        values = np.einsum("...ac,...bc->...ab", vectors, there).mean(axis=moved)
        values = values[..., 0, 0] if lattice.basis == 1 else values
        np.testing.assert_allclose(found.mean[:, *step], values.mean(axis=1), atol=1e-6)
        np.testing.assert_allclose(found.error[:, *step], values.std(axis=1, ddof=1) / np.sqrt(chains), atol=1e-6)
    held = found.mean
    for axis, side in enumerate(lattice.cells, 1):
        if lattice.mirrored:
            mirror = np.roll(np.flip(held, axis), 1, axis)
            held = np.take((held + mirror) / 2, range(side // 2 + 1), axis)
    np.testing.assert_allclose(measured.correlation, held, atol=1e-6)
    places = zip(np.indices(lattice.cells), lattice.cells, strict=True)
    phases = [np.exp(-2j * np.pi * at / side) for at, side in places]
    waves = [(vectors.sum(axis=-2) * phase[..., None]).sum(axis=moved) for phase in phases]
    factors = [(np.abs(wave) ** 2).sum(axis=-1) / lattice.sites for wave in waves]
    np.testing.assert_allclose(measured.long_wave, np.mean(factors, axis=0), rtol=1e-4, atol=1e-5)
    assert Measurements.from_dataset(measured.to_dataset()) == measured


def flooded(labels: np.ndarray, lattice: rf.Lattice) -> int:
    """Domains of one configuration by flooding them one after the other."""
    left, found = set(range(labels.size)), 0
    while left:
        found, front = found + 1, [left.pop()]
        while front:
            here = front.pop()
            for at in lattice.neighbours[here].tolist():
                if at in left and labels[at] == labels[here]:
                    left.remove(at)
                    front.append(at)
    return found


def test_a_configuration_is_measured_with_the_bonds_and_states_of_its_model():
    spins = np.random.default_rng(2).choice(np.array([-1, 1], np.int8), (1, 3, 4, 4))
    square, triangular = (rf.observe(rf.ising(one(4)), spins).energy for one in (rf.square, rf.triangular))
    assert (square != triangular).any()
    with pytest.raises(InvalidInput, match="every label must be one of 0, 1, 2"):
        rf.observe(rf.potts(rf.square(4), 3), spins)
    with pytest.raises(InvalidInput, match="shape of spins"):
        rf.observe(rf.ising(rf.honeycomb(4)), spins)


def test_a_single_chain_has_no_error():
    assert np.isnan(observe(MODEL, SPINS[:, :1]).correlation_error).all()


@pytest.mark.parametrize("side", [3, 4])
def test_structure_factors_are_those_of_all_configurations(side):
    model = rf.ising(rf.square(side))
    spins = np.array(list(itertools.product((-1, 1), repeat=side**2)), np.int8).reshape(-1, side, side)
    energy = -np.sum(spins * (np.roll(spins, -1, 1) + np.roll(spins, -1, 2)), axis=(1, 2), dtype=int)
    factor = np.abs(np.fft.fft2(spins)) ** 2 / side**2
    for temperature in (0.5, 1.3, 2.269, 6.0, np.inf):
        weight = np.exp(-(energy - energy.min()) / temperature)
        weight /= weight.sum()
        uniform, wave = exact.structure_factors(model, temperature)
        assert uniform == pytest.approx(weight @ factor[:, 0, 0], rel=1e-9)
        assert wave == pytest.approx(weight @ factor[:, 0, 1], rel=1e-9)


def test_structure_factor_at_zero_is_the_second_moment_of_another_transfer_matrix():
    model = rf.ising(rf.square(6))
    temperature = np.array([1.0, 2.0, 2.269185314213022, 4.0])
    uniform, _ = exact.structure_factors(model, temperature)
    np.testing.assert_allclose(uniform, 36 * exact.magnetization_moment(model, temperature, 2), rtol=1e-10)


def test_correlation_length_is_undone_by_its_inverse():
    model = rf.ising(rf.square(6))
    temperature = np.array([0.5, 0.8, 1.7, 2.2692, 2.6, 5.0, 40.0])
    length = exact.correlation_length(model, temperature)
    assert np.all(np.diff(length) < 0)
    curve = rf.equilibrium.exact(model).curve(rf.OBSERVABLES["correlation"])
    ratio = 1 + (2 * np.sin(np.pi / 6) * length) ** 2
    np.testing.assert_allclose(curve.temperature_of(ratio), temperature, rtol=1e-6)
    np.testing.assert_array_equal(curve.temperature_of([1.0, 0.5, np.inf]), [np.inf, np.inf, 0])
    with pytest.raises(InvalidInput, match="square torus"):
        exact.structure_factors(rf.ising(rf.square(4, 5)), 2.0)


def test_energy_distance_is_the_sum_over_pairs():
    rng = np.random.default_rng(1)
    one, other = rng.normal(size=(40, 2)), rng.normal(0.7, 1.0, (30, 2))
    found = compare(jax.random.key(0), one, other, 99)
    scale = np.concatenate([one, other]).std(axis=0)
    x, y = one / scale, other / scale
    between, inside, outside = (
        np.linalg.norm(a[:, None] - b[None], axis=-1).mean() for a, b in ((x, y), (x, x), (y, y))
    )
    assert found.distance == pytest.approx((2 * between - inside - outside) / (2 * between), rel=1e-9)


def test_p_values_of_equal_distributions_are_uniform():
    rng = np.random.default_rng(2)
    tests = [
        compare(key, rng.integers(0, 4, (25, 1)), rng.integers(0, 4, (25, 1)), 49).p_value
        for key in jax.random.split(jax.random.key(0), 200)
    ]
    # A permutation test is exact: P(p <= a) <= a, and near it; 5 sigma of a binomial of 200.
    for level in (0.1, 0.5):
        assert abs(np.mean(np.array(tests) <= level) - level) < 5 * np.sqrt(level * (1 - level) / 200) + 0.02
    assert compare(jax.random.key(0), np.ones((5, 1)), np.ones((5, 1))).p_value == 1


def test_points_on_a_line_are_compared_as_in_space():
    rng = np.random.default_rng(0)
    one, other = rng.integers(0, 9, (30, 1)), rng.normal(5.0, 2.0, (40, 1))
    in_space = (np.hstack([points, np.zeros_like(points)]) for points in (one, other))
    np.testing.assert_allclose(
        compare(jax.random.key(0), one, other), compare(jax.random.key(0), *in_space), atol=1e-12
    )
