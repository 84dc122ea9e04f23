"""The partition function and the excess nats against enumeration."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import logsumexp

import rbmflow as rf
from rbmflow import enumeration
from rbmflow._checks import InvalidInput
from rbmflow.likelihood import (
    LogPartition,
    annealed_log_partition,
    bennett,
    exact_log_partition,
    excess_nats,
    log_mixture_probability,
    log_partition,
    log_probability,
)
from rbmflow.rbm import PLUS_MINUS, RBM, ZERO_ONE

UNITS = pytest.mark.parametrize("units", [PLUS_MINUS, ZERO_ONE], ids=lambda units: units.name)


def random_machine(units=PLUS_MINUS, visible=6, hidden=4, scale=0.7, seed=31) -> RBM:
    keys = jax.random.split(jax.random.key(seed), 3)
    shapes = ((visible, hidden), (visible,), (hidden,))
    return RBM(*(scale * jax.random.normal(key, shape) for key, shape in zip(keys, shapes, strict=True)), units)


def summed(machine: RBM) -> float:
    """ln Z as the plain double sum over both layers."""
    weights, b, c = (np.asarray(leaf, np.float64) for leaf in jax.tree.leaves(machine))
    visible, hidden = (enumeration.states(machine.units, count) for count in weights.shape)
    return float(logsumexp(visible @ weights @ hidden.T + (visible @ b)[:, None] + hidden @ c))


@UNITS
@pytest.mark.parametrize("shape", [(6, 4), (4, 7)])
def test_exact_partition_is_the_double_sum(units, shape, monkeypatch):
    machine = random_machine(units, *shape)
    assert exact_log_partition(machine).value == pytest.approx(summed(machine), abs=1e-12)
    monkeypatch.setattr("rbmflow.likelihood.partition.STATES_IN_A_BLOCK", 2)
    assert exact_log_partition(machine).value == pytest.approx(summed(machine), abs=1e-12)


def test_twenty_units_are_summed_and_no_more():
    free = RBM(jnp.zeros((25, 20)), jnp.full(25, 0.3), jnp.full(20, -0.2))
    expected = 25 * np.log(2 * np.cosh(np.float32(0.3))) + 20 * np.log(2 * np.cosh(np.float32(0.2)))
    found = log_partition(jax.random.key(0), free)
    assert found.value == pytest.approx(expected, abs=1e-9)
    assert (found.error, found.method) == (0, "exact")
    with pytest.raises(InvalidInput, match="21"):
        exact_log_partition(RBM(jnp.zeros((25, 21)), jnp.zeros(25), jnp.zeros(21)))


@UNITS
def test_log_probability_is_the_enumerated_one(units):
    machine = random_machine(units)
    spins = enumeration.states(PLUS_MINUS, 6).astype(np.int8)
    log_p = log_probability(machine, spins, exact_log_partition(machine))
    np.testing.assert_allclose(log_p, enumeration.visible_log_probability(machine), atol=1e-12)


@UNITS
def test_annealing_errors_cover_the_exact_value(units):
    machine = random_machine(units, 8, 6, scale=0.5 if units is PLUS_MINUS else 1.5)
    truth = exact_log_partition(machine).value
    covered, below, above = 0, [], []
    for repeat in range(100):
        found = annealed_log_partition(jax.random.key(repeat), machine, chains=100, levels=20, equilibration=50)
        covered += abs(found.value - truth) <= 2 * found.error
        below.append(found.forward - truth)
        above.append(found.reverse - truth)
    assert covered >= 90
    # Jensen: the logarithm of an unbiased mean lies low, its negative high.
    assert np.mean(below) < 3 * np.std(below) / 10
    assert np.mean(above) > -3 * np.std(above) / 10


def test_annealing_of_a_larger_machine_agrees_with_the_sum():
    machine = random_machine(visible=100, hidden=16, scale=0.15)
    truth = exact_log_partition(machine).value
    found = annealed_log_partition(jax.random.key(3), machine, chains=500, levels=300)
    assert found.error < 0.03
    assert abs(found.value - truth) < 5 * found.error
    assert abs(found.forward - found.reverse) < 0.2


def test_bennett_finds_the_shift_of_gaussian_work():
    # Work of variance s^2 in both directions obeys the fluctuation theorem with means d - s^2/2 and -d - s^2/2.
    rng = np.random.default_rng(0)
    pulls = []
    for _ in range(200):
        forward, reverse = 3.0 - 2.0 + 2 * rng.normal(size=400), -3.0 - 2.0 + 2 * rng.normal(size=300)
        delta, error = bennett(forward, reverse)
        pulls.append((delta - 3.0) / error)
    assert abs(np.mean(pulls)) < 5 / np.sqrt(200)
    assert np.std(pulls) == pytest.approx(1, abs=5 / np.sqrt(400))


def test_mixture_probability_is_that_of_all_states():
    model, grid = rf.Ising(rf.Square(2, 4)), (0.0, 1.5, 2.5, np.inf)
    states = enumeration.states(PLUS_MINUS, 8).astype(np.int8)
    log_p = log_mixture_probability(model, grid, states)
    energy = np.asarray(model.total_energy(states.reshape(-1, 2, 4)), float)
    rows = [(energy == energy.min()) / 2] + [np.exp(-energy / t) / np.exp(-energy / t).sum() for t in grid[1:]]
    np.testing.assert_allclose(np.exp(log_p), np.mean(rows, axis=0), atol=1e-13)


def test_excess_nats_are_the_divergence_from_the_mixture():
    model, grid = rf.Ising(rf.Square(2, 4)), (1.5, 3.0)
    machine = random_machine(visible=8, hidden=3, scale=0.3)
    states = enumeration.states(PLUS_MINUS, 8).astype(np.int8)
    log_mixture = log_mixture_probability(model, grid, states)
    divergence = np.exp(log_mixture) @ (log_mixture - enumeration.visible_log_probability(machine))
    number = np.random.default_rng(1).choice(256, 40_000, p=np.exp(log_mixture))
    found = excess_nats(machine, model, grid, states[number], exact_log_partition(machine))
    assert abs(found.mean - divergence) < 5 * found.error < 0.1
    worse = excess_nats(machine, model, grid, states[number], LogPartition(exact_log_partition(machine).value, 0.3))
    assert worse.error == pytest.approx(np.hypot(found.error, 0.3))


def test_exact_training_comes_close_to_the_mixture():
    """12 hidden units on five temperatures at L = 4: after the first overshoot the excess only falls."""
    model, grid = rf.Ising(rf.Square(4)), (1.5, 2.0, 2.5, 3.0, 4.0)
    data, fresh = (rf.sample(jax.random.key(seed), model, grid, 2000) for seed in (0, 1))
    course = {"optimiser": "adam", "learning_rate": 0.02, "schedule": "cosine", "checkpoints": 14}
    _, history = rf.train(jax.random.key(2), data, hidden=12, epochs=300, batch=1000, estimator="Exact", **course)
    ladder = history.ladder
    machines = [ladder.machine(number) for number in range(len(ladder.update))]
    excess = [excess_nats(machine, model, grid, fresh, exact_log_partition(machine)) for machine in machines]
    means = np.array([nats.mean for nats in excess])
    warm = means[np.asarray(ladder.update) >= 10]
    assert len(warm) == 9
    assert np.all(np.diff(warm) < 0)
    assert means[0] > 5
    # Over keys the end lies between 0.044 and 0.056 nats.
    assert 0 < means[-1] + 5 * excess[-1].error < 0.08


def excess_of(model, temperatures):
    """Excess nats of draws at T = 1 and 2 on 2 x 3 sites, taken for those of another model or mixture."""
    drawn = rf.sample(jax.random.key(0), rf.Ising(rf.Square(2, 3)), (1.0, 2.0), 5)
    return excess_nats(random_machine(), model, temperatures, drawn, LogPartition(0.0))


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda: annealed_log_partition(jax.random.key(0), random_machine(), chains=1), "chains"),
        (lambda: annealed_log_partition(jax.random.key(0), random_machine(), levels=0), "levels"),
        (lambda: log_probability(random_machine(), np.ones((2, 5), np.int8), LogPartition(0.0)), "shape of data"),
        (lambda: log_mixture_probability(rf.Ising(rf.Square(2), 0.1), (1.0,), np.ones((2, 4), np.int8)), "field"),
        (lambda: log_mixture_probability(rf.Ising(rf.Square(2)), (1.0,), np.ones((2, 5), np.int8)), "shape of data"),
        (lambda: excess_of(rf.Ising(rf.Square(2, 3)), (1.0,)), "temperatures of held_out"),
        (lambda: excess_of(rf.Ising(rf.Square(3, 2)), (1.0, 2.0)), "shape of data"),
    ],
)
def test_bad_input_names_the_field(call, field):
    with pytest.raises(InvalidInput) as caught:
        call()
    assert field in [problem.field for problem in caught.value.problems]
