"""Equilibrium by the transfer matrix against all configurations, Kaufman's sum and known values."""

import numpy as np
import pytest

import rbmflow as rf
from rbmflow import equilibrium
from rbmflow._checks import InvalidInput
from rbmflow.exact.slice_levels import level_step
from rbmflow.observables import ENERGY, MAGNETIZATION

DIAGONALS = rf.Lattice((3, 2), [(0, 0, (0, 1), 0), (0, 0, (1, 0), 1), (0, 0, (-1, 1), 2)])
ODD = rf.Model(
    DIAGONALS, (0, 1, 3), [np.diag([0, 1.0, 2]), np.ones((3, 3)), -np.eye(3)], (0, 0.2, 0.5), [[0], [1], [3]]
)
SMALL = [
    rf.potts(rf.square(3), 3),
    rf.clock(rf.triangular(2, 3), 3),
    rf.clock(rf.chain(5), 6),
    rf.ising(rf.square(4), field=0.5),
    rf.ising(rf.honeycomb(2, 3), field=0.4),
    rf.ising(rf.kagome(2), couplings=(1.0, -0.5, 0.3)),
    rf.ising(rf.triangular(4), couplings=-1.0),
    rf.ising(rf.cubic(2, 2, 3), couplings=-1.0),
    rf.blume_capel(rf.square(3), 0.7),
    ODD,
]
TEMPERATURES = [0.0, 0.3, 1.0, 2.3, 6.0, np.inf]


@pytest.mark.parametrize("model", SMALL, ids=str)
def test_levels_are_those_of_all_configurations(model):
    found, every = equilibrium.transferred(model), equilibrium.enumerated(model)
    energy, logs, _ = found.levels()
    assert energy.tolist() == every.levels().energy.tolist()
    np.testing.assert_allclose(logs, every.levels().log_count, rtol=0, atol=1e-9)
    np.testing.assert_allclose(found.log_excitations(TEMPERATURES), every.log_excitations(TEMPERATURES), atol=1e-11)
    np.testing.assert_allclose(found.mean(ENERGY, TEMPERATURES)[0], every.mean(ENERGY, TEMPERATURES)[0], atol=1e-7)
    np.testing.assert_allclose(found.specific_heat(TEMPERATURES), every.specific_heat(TEMPERATURES), atol=1e-10)
    assert found.ground_energy == pytest.approx(every.ground_energy, abs=1e-9)
    np.testing.assert_allclose(found.specific_heat_peak(), every.specific_heat_peak(), atol=1e-6)


def test_square_ising_by_kaufman():
    model = rf.ising(rf.square(8))
    found, known = equilibrium.transferred(model), equilibrium.exact(model)
    temperatures = [0.25, 1.0, 2.0, 2.269185314213022, 3.0, 6.0, np.inf]
    np.testing.assert_allclose(found.log_partition(temperatures), known.log_partition(temperatures), rtol=1e-12)
    np.testing.assert_allclose(found.mean(ENERGY, temperatures)[0], known.mean(ENERGY, temperatures)[0], atol=1e-9)
    np.testing.assert_allclose(found.specific_heat(temperatures), known.specific_heat(temperatures), atol=1e-8)
    assert found.specific_heat_peak()[0] == pytest.approx(2.36198, abs=1e-5)
    assert found.best_cross_entropy([1.0, 2.0, 3.0]) == pytest.approx(known.best_cross_entropy([1.0, 2.0, 3.0]))


def test_levels_with_draws_tell_the_order():
    """In a field with energies of many decimals: |m| by draws on the exact levels, with the error that it says."""
    model = rf.ising(rf.square(4), field=0.13)
    found, every = equilibrium.transferred(model), equilibrium.enumerated(model)
    draws = equilibrium.measured(0, model, [MAGNETIZATION], [1.8, 2.5, 4.0], 2000)
    mean, error = equilibrium.reweighted(draws, found).mean(MAGNETIZATION, [2.2, 3.0])
    truth, _ = every.mean(MAGNETIZATION, [2.2, 3.0])
    assert (np.abs(mean - truth) < 5 * error).all()
    assert (error < 0.01).all()
    kept = equilibrium.Transferred.from_dataset(equilibrium.Transferred(model).to_dataset())
    np.testing.assert_allclose(kept.log_partition([0.5, 2.0]), found.log_partition([0.5, 2.0]), rtol=1e-11)


NUMBERED = [model for model in SMALL if len(model.vectors[0]) == 1] + [
    rf.ising(rf.square(4)),
    rf.ising(rf.chain(6)),  # a sum over its free spins with signs is 0
    rf.ising(rf.triangular(4), field=0.5),
]


@pytest.mark.parametrize("model", NUMBERED, ids=str)
def test_the_order_is_that_of_all_configurations(model):
    found, every = equilibrium.transferred(model, order=True), equilibrium.enumerated(model)
    np.testing.assert_allclose(found.levels(MAGNETIZATION).parts, every.levels(MAGNETIZATION).parts, rtol=0, atol=1e-8)
    means = [of.mean(MAGNETIZATION, TEMPERATURES)[0] for of in (found, every)]
    np.testing.assert_allclose(*means, rtol=0, atol=1e-10)
    kept = equilibrium.Transferred.from_dataset(equilibrium.Transferred(model, order=True).to_dataset())
    np.testing.assert_array_equal(kept.mean(MAGNETIZATION, TEMPERATURES)[0], means[0])


def test_the_order_of_the_square_is_that_of_its_rows():
    """At L = 7, whose side is odd, and at L = 8 against draws on the same levels, in a field and on another lattice."""
    seven, temperatures = rf.ising(rf.square(7)), [0.25, 1.5, 2.269185314213022, 3.0, np.inf]
    rows, _ = equilibrium.exact(seven).mean(MAGNETIZATION, temperatures)
    found, error = equilibrium.transferred(seven, order=True).mean(MAGNETIZATION, temperatures)
    np.testing.assert_allclose(found, rows, rtol=0, atol=1e-10)
    assert not error.any()
    eight = rf.ising(rf.triangular(8))
    truth = equilibrium.transferred(eight, order=True)
    draws = equilibrium.reweighted(equilibrium.measured(0, eight, [MAGNETIZATION], [2.8, 3.6, 4.6], 1000), truth)
    mean, error = draws.mean(MAGNETIZATION, [3.2, 3.6, 4.2])
    assert (np.abs(mean - truth.mean(MAGNETIZATION, [3.2, 3.6, 4.2])[0]) < 5 * error).all()
    assert (error < 0.01).all()
    assert truth.curve("magnetization").temperature_of(truth.mean(MAGNETIZATION, 3.6)[0]) == pytest.approx(
        3.6, abs=1e-6
    )


def test_the_maximum_of_c_by_draws_is_that_of_the_transfer_matrix(monkeypatch):
    model = rf.ising(rf.square(6), field=0.1)
    truth, error = equilibrium.specific_heat_peak(model)
    assert error == 0
    assert truth == pytest.approx(equilibrium.transferred(model).specific_heat_peak()[0], abs=3e-4)
    monkeypatch.setattr(equilibrium.peak, "quick_peak", lambda model, within: None)
    found, error = equilibrium.specific_heat_peak(model)
    assert abs(found - truth) < 5 * error < 0.3


@pytest.mark.parametrize(
    "model",
    [
        rf.ising(rf.square(4), field=10.0),
        rf.ising(rf.triangular(4), couplings=-1.0),
        rf.blume_capel(rf.square(3), 1.95),
        rf.ising(rf.square(4), couplings=0.0, field=1.0),
        rf.ising(rf.square(4), couplings=3e3),
        rf.ising(rf.square(4), couplings=1e-3),
    ],
    ids=repr,
)
def test_the_maximum_of_c_is_found_however_far_it_is_from_where_a_model_orders(model):
    grid = max(map(abs, model.energy_bounds)) * np.geomspace(0.02, 2, 1001)
    every = equilibrium.enumerated(model)
    heat = every.specific_heat(grid)
    truth = pytest.approx(grid[heat.argmax()], rel=0.006)  # the grid has steps of 0.0046
    assert every.specific_heat_peak()[0] == truth
    assert equilibrium.transferred(model).specific_heat_peak()[0] == truth
    assert equilibrium.quick_peak(model) == truth


def test_the_maximum_of_c_by_draws_is_found_below_where_bonds_freeze(monkeypatch):
    model = rf.ising(rf.triangular(4), couplings=-1.0)
    truth, _ = equilibrium.enumerated(model).specific_heat_peak()
    monkeypatch.setattr(equilibrium.peak, "quick_peak", lambda model, within: None)
    found, error = equilibrium.specific_heat_peak(model, draws=500)
    assert abs(found - truth) < 5 * error < 0.3
    apart = equilibrium.reweighted(equilibrium.measured(0, model, [], [40.0, 60.0], 100))
    with pytest.raises(InvalidInput, match=r"draws must tell .* temperatures from 0\.9 to 14\.4"):
        apart.specific_heat_peak()


def test_steps_of_the_levels():
    steps = [level_step(rf.ising(rf.square(4), field=h)) for h in (0.0, 0.5, 0.1, 0.13)]
    np.testing.assert_allclose(steps, [2.0, 1.0, 0.2, 0.02])


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (rf.ising(rf.cubic(4)), "a slice of at most 4096 states"),
        (rf.clock(rf.square(4), 5), "multiples of one step, at most 16384 of it"),
    ],
    ids=["wide", "no step"],
)
def test_what_has_no_levels_is_refused(model, told):
    with pytest.raises(InvalidInput, match=told):
        equilibrium.transferred(model)
    assert equilibrium.known(model) is None


def test_an_order_without_a_step_is_refused():
    free = rf.Model(rf.square(3), (0, 1, 2), np.zeros((3, 3)), np.zeros(3), [[0], [1], [np.sqrt(2)]])
    for model in (rf.potts(rf.square(3), 3), rf.clock(rf.square(3), 4), free):
        with pytest.raises(InvalidInput, match="vectors are single numbers, in steps of one"):
            equilibrium.transferred(model, order=True)
    with pytest.raises(InvalidInput, match="observable = 'magnetization'"):
        equilibrium.transferred(rf.ising(rf.triangular(4))).mean(MAGNETIZATION, 2.0)


@pytest.mark.parametrize("model", [rf.potts(rf.square(2), 3), rf.ising(rf.triangular(3), couplings=-1.0), ODD], ids=str)
def test_totals_are_those_of_the_model_alone_or_many(model):
    """A single number is read as many are, and every energy that there is may be asked about."""
    every = equilibrium.enumerated(model)
    energies = every.levels().energy
    found = every.posterior_of_energy(energies, [0.5, 2.0])
    np.testing.assert_array_equal(found, [every.posterior_of_energy(one, [0.5, 2.0]) for one in energies.tolist()])
    with pytest.raises(InvalidInput, match="not a number per site"):
        every.posterior_of_energy(energies[:1] + 0.3 * level_step(model), [0.5, 2.0])
