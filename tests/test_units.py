"""Machines whose sites have more than two states, against sums over all configurations."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import log_softmax

import rbmflow as rf
from rbmflow import enumeration
from rbmflow.equilibrium.enumerated import all_states
from rbmflow.likelihood import (
    annealed_log_partition,
    ising_divergence,
    log_mixture_probability,
    stationary_law,
    trajectory_log_partition,
)
from rbmflow.maps import Gibbs
from rbmflow.rbm import RBM, of_arrays
from rbmflow.settings import MachineSettings
from rbmflow.spectrum import decompose, measures, translation_average
from rbmflow.training import Exact, pseudo_likelihood
from rbmflow.units import Units, units_named

ONE_HOT, CLOCK = (units_named("-1/+1", (0, 1, 2), code) for code in ("one-hot", "clock"))
LABELS = units_named("0/1", (-1, 0, 1), "labels")
UNITS = pytest.mark.parametrize("units", [ONE_HOT, CLOCK, LABELS], ids=lambda units: units.name)
SITES, HIDDEN = 4, 3


def random_machine(units: Units, hidden_units: str = "-1/+1", scale: float = 0.7, seed: int = 5) -> RBM:
    generator = np.random.default_rng(seed)
    visible = SITES * units.components
    shapes = (visible, HIDDEN), (visible,), (HIDDEN,)
    weights, visible_bias, hidden_bias = (scale * generator.normal(size=shape).astype(np.float32) for shape in shapes)
    arrays = map(jnp.asarray, (weights, visible_bias, hidden_bias))
    return of_arrays(arrays, units, (2, 2), units_named(hidden_units))


def all_labels(units: Units) -> np.ndarray:
    return np.array(np.meshgrid(*[units.states] * SITES, indexing="ij"), np.int8).reshape(SITES, -1).T


@UNITS
def test_labels_and_numbers_are_each_other(units):
    labels = all_labels(units)
    np.testing.assert_allclose(units.from_spins(labels), units.listed(SITES), atol=1e-7)
    np.testing.assert_array_equal(units.to_spins(units.from_spins(jnp.asarray(labels))), labels)


@UNITS
@pytest.mark.parametrize("hidden_units", ["-1/+1", "0/1"])
def test_probabilities_are_those_of_the_sum_over_everything(units, hidden_units):
    machine = random_machine(units, hidden_units)
    expected = enumeration.visible_log_probability(machine)
    for form in (machine, machine.in_units("-1/+1"), machine.in_units("0/1")):
        found = rf.log_probability(form, all_labels(units), rf.log_partition(0, form))
        np.testing.assert_allclose(found, expected, atol=1e-5)
        free = -np.asarray(form.free_energy(units.from_spins(all_labels(units))), np.float64)
        np.testing.assert_allclose(log_softmax(free), expected, atol=1e-5)


@UNITS
def test_a_flow_ends_in_the_law_of_the_machine(units):
    machine, chains = random_machine(units), 20_000
    kernel = enumeration.gibbs_kernel(machine)
    law = np.exp(enumeration.visible_log_probability(machine))
    np.testing.assert_allclose(law @ kernel, law, atol=1e-12)
    start = np.full((chains, 2, 2), units.states[1], np.int8)
    flow = rf.iterate(3, Gibbs(machine), start, 2)
    at = np.flatnonzero((all_labels(units) == units.states[1]).all(axis=1))[0]
    expected = np.linalg.matrix_power(kernel, 2)[at]
    places = np.searchsorted(units.states, flow.spins.reshape(chains, -1)) @ 3 ** np.arange(SITES)[::-1]
    seen = np.bincount(places, minlength=len(law)) / chains
    assert np.all(np.abs(seen - expected) < 5 * np.sqrt(expected / chains) + 1e-4)


@UNITS
@pytest.mark.parametrize("hidden", [HIDDEN, 8])
def test_the_exact_gradient_is_that_of_the_mean_log_likelihood(units, hidden):
    generator = np.random.default_rng(1)
    machine = random_machine(units)
    if hidden != HIDDEN:
        weights = jnp.asarray(0.3 * generator.normal(size=(SITES * units.components, hidden)), jnp.float32)
        machine = machine.like(weights, machine.visible_bias, jnp.zeros(hidden))
    rows = all_labels(units)[generator.integers(0, 81, 20)]
    visible = units.from_spins(rows)
    gradient = Exact().gradient(machine, (), visible)[1]

    def likelihood(weights: np.ndarray) -> float:
        other = machine.like(jnp.asarray(weights, jnp.float32), machine.visible_bias, machine.hidden_bias)
        at = [int(place) for place in np.searchsorted(units.states, rows) @ 3 ** np.arange(SITES)[::-1]]
        return float(enumeration.visible_log_probability(other)[at].mean())

    weights, step = np.asarray(machine.weights), 2.0**-6
    for unit, of in ((0, 0), (3, 1), (SITES * units.components - 1, 2)):
        ahead, behind = weights.copy(), weights.copy()
        ahead[unit, of] += step
        behind[unit, of] -= step
        slope = (likelihood(ahead) - likelihood(behind)) / (2 * step)
        np.testing.assert_allclose(gradient.weights[unit, of], slope, atol=2e-4)


@UNITS
def test_the_pseudo_likelihood_is_that_of_all_conditionals(units):
    machine, rows = random_machine(units), all_labels(units)[[0, 7, 40, 80]]
    table = np.exp(enumeration.visible_log_probability(machine)).reshape([3] * SITES)
    places = np.searchsorted(units.states, rows)
    expected = [
        np.log(table[tuple(row)] / table[tuple(slice(None) if i == site else s for i, s in enumerate(row))].sum())
        for row in places
        for site in range(SITES)
    ]
    np.testing.assert_allclose(pseudo_likelihood(machine, units.from_spins(jnp.asarray(rows))), np.mean(expected), 1e-4)


@pytest.mark.parametrize(("estimator", "units"), [("CD", "0/1"), ("PCD", "-1/+1"), ("PTT", "0/1"), ("Exact", "-1/+1")])
def test_every_estimator_learns_a_potts_model(estimator, units, tmp_path):
    draws = rf.Draws(
        np.random.default_rng(0).choice([0, 1, 1, 2], (1, 2000, 2, 3)).astype(np.int8), [1.0], states=(0, 1, 2)
    )
    machine, history = rf.train(
        1,
        draws,
        hidden=4,
        epochs=15,
        batch=50,
        learning_rate=0.05,
        estimator=estimator,
        units=units,
        biases=True,
        rungs=6,
    )
    assert (machine.shape, machine.units.states) == ((2, 3), (0, 1, 2))
    law = np.exp(enumeration.visible_log_probability(machine)).reshape([3] * 6)
    share = [law.sum(axis=tuple(a for a in range(6) if a != site))[1] for site in range(6)]
    assert np.all(np.abs(np.array(share) - 0.5) < 0.08)
    machine.save(tmp_path / "machine.nc")
    back = RBM.load(tmp_path / "machine.nc")
    assert (back.units, back.hidden_units, back.shape) == (machine.units, machine.hidden_units, (2, 3))
    if history.trajectory is not None:
        found = trajectory_log_partition(2, history.trajectory.machines)
        assert abs(found.value - rf.log_partition(0, machine).value) < 5 * found.error + 1e-3


@UNITS
def test_annealing_finds_the_sum(units):
    machine = random_machine(units, "0/1")
    found = annealed_log_partition(0, machine, chains=500, levels=100)
    assert abs(found.value - rf.log_partition(0, machine).value) < 5 * found.error


def test_weights_of_one_hot_units_are_read_without_their_mean_over_the_states():
    ising = RBM.random(0, 12, MachineSettings(hidden=5))
    doubled = np.stack([-np.asarray(ising.weights), np.asarray(ising.weights)], axis=1) + np.ones((1, 1, 5))
    pair = Units("one-hot", (-1, 1), np.eye(2))
    machine = RBM(jnp.asarray(doubled.reshape(24, 5)), jnp.zeros(24), -12 * jnp.ones(5), pair, (3, 4))
    rows = 1 - 2 * np.eye(12, dtype=np.int8)
    ours, theirs = (-np.asarray(one.free_energy(one.units.from_spins(rows))) for one in (machine, ising))
    np.testing.assert_allclose(np.diff(ours), np.diff(theirs), atol=1e-4)
    one, other = decompose(machine), decompose(ising)
    np.testing.assert_allclose(one.singular_values, other.singular_values, rtol=1e-5)
    np.testing.assert_allclose(
        translation_average(one, rf.square(3, 4)), translation_average(other, rf.square(3, 4)), atol=1e-6
    )


@pytest.mark.parametrize(
    ("lattice", "random_signs"),
    [(rf.square(4), False), (rf.triangular(3), False), (rf.honeycomb(2), False), (rf.square(4), True)],
    ids=["square", "triangular", "honeycomb", "random signs"],
)
def test_one_hidden_unit_a_bond_makes_the_ising_model_and_its_flow_ends_there(lattice, random_signs):
    r"""With both weights w, cosh 2 w = exp 2 K, the sum over a hidden unit is exp(K s s') but for a factor."""
    temperature, chains = 3.0, 4000
    numbers = np.arange(lattice.sites).reshape(lattice.shape)
    here, there = np.concatenate(
        [np.reshape(lattice.across(bond, jnp.asarray(numbers)), (2, -1)) for bond in lattice.bonds], axis=1
    )
    signs = np.random.default_rng(2).choice([-1, 1] if random_signs else [1], len(here))
    weights, bonds = np.zeros((lattice.sites, len(here))), np.arange(len(here))
    np.add.at(weights, (here, bonds), np.arccosh(np.exp(2 / temperature)) / 2)
    np.add.at(weights, (there, bonds), signs * np.arccosh(np.exp(2 / temperature)) / 2)
    machine = RBM.from_weights(weights, None, None, units="-1/+1", axes="visible, hidden", shape=lattice.shape)

    def energy(spins: np.ndarray) -> np.ndarray:
        rows = spins.reshape(len(spins), -1).astype(np.int64)
        return -(rows[:, here] * rows[:, there] * signs).sum(axis=1)

    every = np.asarray(all_states(rf.ising(lattice))).reshape(-1, lattice.sites)
    log_law = log_softmax(-energy(every) / temperature)
    np.testing.assert_allclose(rf.log_probability(machine, every, rf.log_partition(0, machine)), log_law, atol=1e-3)
    mean = np.exp(log_law) @ energy(every)
    for start in (rf.hot(1, rf.ising(lattice), chains), rf.cold(2, rf.ising(lattice), chains)):
        ends = energy(rf.iterate(4, machine, start, 60).spins)
        assert abs(ends.mean() - mean) < 5 * ends.std() / np.sqrt(chains)


@pytest.mark.parametrize("grid", [(0.0, 0.5, 1.0), (0.7,)])
def test_the_mixture_of_a_potts_model_and_its_excess_are_sums(grid):
    model = rf.potts(rf.square(2, 3), 3)
    every = all_states(model)
    log_mixture = log_mixture_probability(model, grid, every)
    energies = np.asarray(model.total_energy(every), float)
    rows = [log_softmax(-energies / t if t else np.where(energies == energies.min(), 0.0, -np.inf)) for t in grid]
    np.testing.assert_allclose(np.exp(log_mixture), np.exp(rows).mean(axis=0), atol=1e-9)
    draws = rf.sample(0, model, grid, 400)
    free = RBM.random(1, 6, MachineSettings(hidden=3, initial_scale=0.0), (0, 1, 2))
    excess = rf.excess_nats(free, model, draws, rf.log_partition(0, free))
    assert abs(excess.mean - float(np.exp(log_mixture) @ log_mixture) - 6 * np.log(3)) < 1e-6
    found = stationary_law(free, model, draws)
    assert abs(found.energy + 2 / 3) < 1e-6
    assert found.temperature > 1e3
    assert 0 < ising_divergence(model, (0.5, 1.0)) < 1


def test_measures_of_independent_weights_are_those_of_independent_components():
    machine = RBM.random(0, 64, MachineSettings(hidden=40), (0, 1, 2))
    found = measures(machine, rf.square(8), np.where(np.arange(64).reshape(8, 8) == 0, 1.0, 0.1), 0.1)
    assert abs(found["effective_ratio"] - 1) < 0.05
    assert found["above_edge"] <= 2
