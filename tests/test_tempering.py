"""Parallel trajectory tempering against enumeration."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rbmflow as rf
from rbmflow import enumeration
from rbmflow._checks import InvalidInput
from rbmflow.likelihood import exact_log_partition, excess_nats, trajectory_log_partition
from rbmflow.rbm import RBM
from rbmflow.settings import TrainingSettings
from rbmflow.tempering import Replicas, machine_at, swap_probability
from rbmflow.training import PTT, History, estimator_of, train
from rbmflow.training.ptt import TemperedChains
from rbmflow.units import PLUS_MINUS, ZERO_ONE

UNITS = pytest.mark.parametrize("units", [PLUS_MINUS, ZERO_ONE], ids=lambda units: units.name)
PATTERN = jnp.array([1.0, 1.0, -1.0, 1.0, -1.0, 1.0])


def two_modes(units=PLUS_MINUS) -> RBM:
    """A pattern and its opposite, which Gibbs steps do not lead between, with unequal weights."""
    machine = RBM(0.7 * PATTERN[:, None] * jnp.ones((6, 5)), 0.1 * PATTERN, jnp.zeros(5))
    return machine.in_units(units.name)


def numbers(machine: RBM, visible) -> np.ndarray:
    spins = np.asarray(machine.units.to_spins(visible)) > 0
    return spins @ (2 ** np.arange(spins.shape[-1])[::-1])


def in_the_pattern(chains: TemperedChains, units) -> TemperedChains:
    """The same ladder with every chain of every rung in the first mode."""
    visible = jnp.broadcast_to(units.from_spins(PATTERN.astype(jnp.int8)), chains.replicas.visible.shape)
    return eqx.tree_at(lambda at: at.replicas.visible, chains, visible)


@UNITS
def test_stationary_distribution_is_the_enumerated_one(units):
    machine, chains = two_modes(units), 3000
    p = np.exp(enumeration.visible_log_probability(machine))
    here, there = (numbers(machine, machine.units.from_spins((sign * PATTERN).astype(jnp.int8))) for sign in (1, -1))
    assert p[here] > 2 * p[there] > 0.2
    estimator = PTT(rungs=6, swap_acceptance=0.0)
    start = in_the_pattern(estimator.start(jax.random.key(1), machine, chains), units)

    def step(state, _):
        state, _, changed = estimator.gradient(machine, state, state.visible)
        return state, changed

    end, changed = jax.jit(lambda state: jax.lax.scan(step, state, None, length=150))(start)
    assert int(end.top) == 4
    assert np.asarray(changed)[50:].min() > 0.1
    counts = np.bincount(numbers(machine, end.visible), minlength=64)
    assert np.all(np.abs(counts - chains * p) < 5 * np.sqrt(chains * p * (1 - p)) + 1)
    # Gibbs steps alone stay where they began, so the agreement is that of the swaps.
    alone = np.linalg.matrix_power(enumeration.gibbs_kernel(machine), 150)[here]
    assert alone[there] < 0.5 * p[there]


def test_every_rung_has_its_own_distribution():
    machine = two_modes()
    state = PTT(rungs=5).start(jax.random.key(2), machine, 3000).replicas
    end, acceptance = jax.jit(lambda at: jax.lax.fori_loop(0, 100, lambda _, now: now[0].sweep(5), (at, jnp.zeros(5))))(
        state
    )
    assert np.all(np.asarray(acceptance)[:4] > 0.1)
    for rung in range(5):
        p = np.exp(enumeration.visible_log_probability(machine_at(state.machines, rung)))
        counts = np.bincount(numbers(machine, end.visible[rung]), minlength=64)
        assert np.all(np.abs(counts - 3000 * p) < 5 * np.sqrt(3000 * p * (1 - p)) + 1)
        assert float(jnp.mean(end.visible[rung] != end.sweep(5)[0].visible[rung])) > 0.03


@UNITS
def test_swaps_are_in_detailed_balance(units):
    keys = jax.random.split(jax.random.key(3), 2)
    low, high = (RBM(jax.random.normal(key, (4, 3)), 0.3 * jnp.arange(4.0), -jnp.ones(3), units) for key in keys)
    states = jnp.asarray(units.listed(4), jnp.float32)
    first, second = (at.ravel() for at in np.meshgrid(np.arange(16), np.arange(16), indexing="ij"))
    chance = np.asarray(swap_probability(low, high, states[first], states[second]), np.float64)
    pairs = np.exp(np.add.outer(*(enumeration.visible_log_probability(machine) for machine in (low, high)))).ravel()
    kernel = np.diag(1 - chance)
    kernel[np.arange(256), second * 16 + first] += chance
    current = pairs[:, None] * kernel
    np.testing.assert_allclose(current, current.T, atol=1e-6 * pairs.max())
    np.testing.assert_allclose(pairs @ kernel, pairs, atol=1e-6)
    assert 0.05 < pairs @ chance < 0.95


@UNITS
def test_trajectory_errors_cover_the_exact_partition(units):
    machine = two_modes(units)
    ladder = PTT(rungs=5).start(jax.random.key(4), machine, 1).replicas.machines
    truth = exact_log_partition(machine).value
    pulls = []
    for repeat in range(60):
        found = trajectory_log_partition(jax.random.key(repeat), ladder, chains=100, sweeps=20, burn_in=40)
        pulls.append((found.value - truth) / found.error)
    assert found.error < 0.1
    assert np.abs(pulls).max() < 5
    assert abs(np.mean(pulls)) < 5 / np.sqrt(60)
    assert np.std(pulls) == pytest.approx(1, abs=5 / np.sqrt(120))


def test_training_builds_the_ladder_and_reads_the_partition_off_it():
    model, grid = rf.ising(rf.square(4)), (1.5, 2.0, 2.5, 3.0, 4.0)
    data, fresh = (rf.sample(jax.random.key(seed), model, grid, 1000) for seed in (0, 1))
    asked = {"hidden": 12, "epochs": 60, "batch": 100, "learning_rate": 0.02, "checkpoints": 4}
    machine, history = train(jax.random.key(2), data, estimator="PTT", **asked)
    ladder = history.trajectory
    assert 6 <= len(ladder.acceptance) <= 24
    assert np.isnan(ladder.acceptance[-1])
    assert np.all(np.asarray(ladder.acceptance[:-1]) > 0.1)
    np.testing.assert_array_equal(ladder.machines.weights[-1], machine.weights)
    truth = exact_log_partition(machine)
    found = trajectory_log_partition(jax.random.key(5), ladder.machines)
    assert abs(found.value - truth.value) < 5 * found.error < 0.2
    assert excess_nats(machine, model, fresh, truth).mean < 0.2
    again = History.from_dataset(history.to_dataset())
    for one, other in zip(jax.tree.leaves(history), jax.tree.leaves(again), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_rung_is_frozen_before_its_swaps_end():
    """An update after which no swap is accepted leaves the machine before it on the ladder, and its acceptance."""
    machine = two_modes()
    calm, wild = (jax.tree.map(lambda leaf, scale=scale: scale * leaf, machine) for scale in (0.1, -30.0))
    state = PTT(rungs=8).start(jax.random.key(1), calm, 200).advance(calm, 1, 0.25)
    assert int(state.top) == 4
    after = state.advance(wild, 1, 0.25)
    assert int(after.top) == 5
    for rung, expected in ((4, calm), (5, wild)):
        np.testing.assert_allclose(after.replicas.machines.weights[rung], expected.weights)
    np.testing.assert_allclose(after.acceptance[3], state.acceptance[3])
    assert float(after.acceptance[3]) > 0.9


def test_the_ladder_ends_where_it_is_full():
    data = np.random.default_rng(0).choice(np.array([-1, 1], np.int8), (200, 9))
    choice = {"estimator": "PTT", "rungs": 6, "swap_acceptance": 0.99}
    _, history = train(jax.random.key(0), data, hidden=4, epochs=10, batch=50, learning_rate=0.1, **choice)
    assert len(history.trajectory.acceptance) == 6
    assert estimator_of(TrainingSettings(**choice)) == PTT(1, 6, 0.99)


@pytest.mark.parametrize(("field", "value"), [("rungs", 4), ("swap_acceptance", 1.0)])
def test_bad_settings_are_named(field, value):
    with pytest.raises(InvalidInput) as caught:
        TrainingSettings(**{field: value})
    assert [problem.field for problem in caught.value.problems] == [field]


def test_a_ladder_must_begin_without_weights():
    machines = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), two_modes())
    with pytest.raises(InvalidInput, match="first machine"):
        trajectory_log_partition(jax.random.key(0), machines)


def test_replicas_of_one_rung_only_move():
    machines = jax.tree.map(lambda leaf: leaf[None], two_modes())
    start = Replicas.uniform(jax.random.key(0), machines, 50)
    end, acceptance = start.sweep(1)
    assert float(jnp.mean(end.visible != start.visible)) > 0.05
    assert np.asarray(acceptance).tolist() == [0]
