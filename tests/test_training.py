"""Optimisers, schedules, the checkpoints and its diagnostics."""

import itertools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import rbmflow as rf
from rbmflow import enumeration, spec
from rbmflow._checks import InvalidInput
from rbmflow._doors import rows_of
from rbmflow.likelihood import free_energy
from rbmflow.random import key_for
from rbmflow.rbm import RBM
from rbmflow.settings import MachineSettings, TrainingSettings
from rbmflow.training import (
    CD,
    PCD,
    PTT,
    Exact,
    History,
    Training,
    estimator_of,
    held_out,
    natural,
    optimiser_of,
    pseudo_likelihood,
    step_acceptance,
    step_divergence,
    train,
    train_ensemble,
)
from rbmflow.units import PLUS_MINUS, ZERO_ONE

UNITS = pytest.mark.parametrize("units", [PLUS_MINUS, ZERO_ONE], ids=lambda units: units.name)


def random_machine(units=PLUS_MINUS, visible=6, hidden=3, seed=41) -> RBM:
    keys = jax.random.split(jax.random.key(seed), 3)
    shapes = ((visible, hidden), (visible,), (hidden,))
    return RBM(*(0.6 * jax.random.normal(key, shape) for key, shape in zip(keys, shapes, strict=True)), units)


def draws(count=100):
    return rf.sample(jax.random.key(0), rf.ising(rf.square(3)), [1.0, 3.0], count)


def stepped(settings: TrainingSettings, machine: RBM, slopes: list[RBM], updates: int) -> RBM:
    optimiser = optimiser_of(settings, updates)
    state = optimiser.init(machine)
    for slope in slopes:
        change, state = optimiser.update(jax.tree.map(jnp.negative, slope), state, machine)
        machine = optax.apply_updates(machine, change)
    return machine


def test_one_update_of_each_optimiser_is_the_formula():
    machine, slope = random_machine(), random_machine(seed=42)
    decay = {"learning_rate": 0.1, "weight_decay": 0.5}
    plain = stepped(TrainingSettings(**decay), machine, [slope], 10)
    np.testing.assert_allclose(
        plain.weights, machine.weights + 0.1 * (slope.weights - 0.5 * machine.weights), rtol=1e-5
    )
    np.testing.assert_allclose(plain.visible_bias, machine.visible_bias + 0.1 * slope.visible_bias, rtol=1e-5)
    adam = stepped(TrainingSettings(optimiser="adam", **decay), machine, [slope], 10)
    expected = machine.weights + 0.1 * (np.sign(slope.weights) - 0.5 * machine.weights)
    np.testing.assert_allclose(adam.weights, expected, atol=1e-5)
    np.testing.assert_allclose(adam.hidden_bias, machine.hidden_bias + 0.1 * np.sign(slope.hidden_bias), atol=1e-5)
    for optimiser in ("sgd", "momentum", "adam"):
        sparse = stepped(
            TrainingSettings(optimiser=optimiser, learning_rate=0.1, l1_penalty=0.5),
            machine,
            [jax.tree.map(jnp.zeros_like, slope)] * 2,
            10,
        )
        moved = np.abs(machine.weights) - 0.05
        expected = np.sign(machine.weights) * (moved - 0.05 * np.sign(moved))
        np.testing.assert_allclose(sparse.weights, expected, atol=1e-6)
        np.testing.assert_array_equal(sparse.visible_bias, machine.visible_bias)
    heavy = stepped(TrainingSettings(optimiser="momentum", learning_rate=0.1), machine, [slope, slope], 10)
    np.testing.assert_allclose(heavy.weights, machine.weights + 0.1 * (1 + 1.9) * slope.weights, rtol=1e-5)
    # Momentum does not gather up the decay.
    none = jax.tree.map(jnp.zeros_like, slope)
    decayed = stepped(TrainingSettings(optimiser="momentum", **decay), machine, [none] * 10, 10)
    np.testing.assert_allclose(decayed.weights, 0.95**10 * machine.weights, rtol=1e-5)


@pytest.mark.parametrize(
    ("value", "names"),
    [
        (CD(2), {"estimator": "CD", "steps": 2}),
        (PCD(3), {"estimator": "PCD", "steps": 3}),
        (PTT(1, 6, 0.5), {"estimator": "PTT", "rungs": 6, "swap_acceptance": 0.5}),
        (Exact(), {"estimator": "Exact"}),
    ],
)
def test_an_estimator_is_a_value_or_its_name(value, names):
    assert estimator_of(TrainingSettings(**names)) == value
    one, other = (
        train(jax.random.key(1), draws(), hidden=3, epochs=2, batch=20, **asked)[0]
        for asked in ({"estimator": value}, names)
    )
    assert np.array_equal(one.weights, other.weights)


def test_training_says_when_it_diverged_or_saturated():
    _, calm = train(jax.random.key(1), draws(), hidden=3, epochs=1, batch=20)
    assert calm.checkpoints.flags == {}
    machine, wild = train(jax.random.key(1), draws(), hidden=3, epochs=40, batch=20, learning_rate=1e38)
    assert list(wild.checkpoints.flags) == ["diverged"]
    assert "smaller learning rate" in wild.checkpoints.flags["diverged"]
    with pytest.raises(InvalidInput, match="must not have diverged"):
        rf.iterate(jax.random.key(0), machine, np.ones((2, 2, 3), np.int8))
    assert machine.or_free().finite


@pytest.mark.parametrize(("units", "limit"), [("-1/+1", 3.0), ("0/1", 12.0)])
def test_a_weight_is_saturated_where_a_unit_follows_it(units, limit):
    """The same machine has weights four times as large between units 0/1."""
    _, history = train(jax.random.key(1), draws(), hidden=3, epochs=1, batch=20, units=units)
    for largest, flags in ((0.99 * limit, []), (1.01 * limit, ["saturated"])):
        kept = history.checkpoints
        kept = eqx.tree_at(lambda at: at.largest_weight, kept, jnp.full_like(kept.largest_weight, largest))
        assert list(kept.flags) == flags


@pytest.mark.parametrize(("schedule", "halfway"), [("constant", 1.0), ("linear", 0.5), ("cosine", 0.5)])
def test_schedules_start_at_the_rate_and_end_at_zero(schedule, halfway):
    settings = TrainingSettings(learning_rate=0.1, schedule=schedule)
    machine, slope = random_machine(), random_machine(seed=42)
    path = [stepped(settings, machine, [slope] * count, 4).weights for count in range(6)]
    rates = [float(jnp.mean((b - a) / slope.weights)) for a, b in itertools.pairwise(path)]
    assert rates[0] == pytest.approx(0.1, abs=1e-5)
    assert rates[2] == pytest.approx(0.1 * halfway, abs=1e-5)
    assert rates[4] == pytest.approx(0.1 if schedule == "constant" else 0, abs=1e-5)


@pytest.mark.parametrize(
    ("updates", "checkpoints", "kept"),
    [(1000, 7, (0, 1, 4, 16, 63, 251, 1000)), (3, 16, (0, 1, 2, 3)), (50, 2, (0, 50))],
)
def test_checkpoints_are_even_in_the_logarithm_with_both_ends(updates, checkpoints, kept):
    settings = TrainingSettings(epochs=updates, batch=10, checkpoints=checkpoints)
    assert Training.of(np.ones((10, 4), np.int8), MachineSettings(hidden=2), settings).kept_at == kept


def test_checkpoints_hold_the_machines_of_shorter_trainings():
    key, data = jax.random.key(0), draws()
    asked = {"hidden": 4, "batch": 50, "learning_rate": 0.1}
    machine, history = train(key, data, epochs=4, checkpoints=100, **asked)
    kept = history.checkpoints
    assert kept.update.tolist() == list(range(17))
    untrained = RBM.random(jax.random.split(key_for(key, "train"), 3)[0], 9, MachineSettings(hidden=4))
    np.testing.assert_array_equal(kept.machine(0).weights, untrained.weights)
    np.testing.assert_array_equal(kept.machine(-1).weights, machine.weights)
    for epochs in (1, 2, 3):
        shorter, _ = train(key, data, epochs=epochs, **asked)
        np.testing.assert_array_equal(kept.machine(4 * epochs).weights, shorter.weights)
    sparse = train(key, data, epochs=4, checkpoints=4, **asked)[1].checkpoints
    assert sparse.update.tolist() == [0, 1, 4, 16]
    np.testing.assert_array_equal(sparse.machines.weights, kept.machines.weights[sparse.update])


def test_diagnostics_of_checkpoints_are_those_of_its_machines():
    data = draws()
    _, history = train(jax.random.key(0), data, hidden=4, epochs=5, batch=40, held_out=0.2, checkpoints=3, biases=True)
    seen, out = held_out(np.asarray(rows_of(data)), 0.2)
    assert (len(seen), len(out)) == (160, 40)
    kept = history.checkpoints
    for number in range(3):
        machine = kept.machine(number)
        gap = free_energy(machine, np.asarray(out, float)).mean() - free_energy(machine, np.asarray(seen, float)).mean()
        assert float(kept.free_energy_gap[number]) == pytest.approx(gap, abs=1e-5)
        values = np.linalg.svd(np.asarray(machine.weights), compute_uv=False)
        np.testing.assert_allclose(kept.singular_value[number], values, atol=1e-5)
        likelihood = pseudo_likelihood(machine, machine.units.from_spins(seen))
        assert float(kept.pseudo_likelihood[number]) == pytest.approx(float(likelihood), abs=1e-5)
    np.testing.assert_allclose(kept.weight_norm[-1], history.weight_norm[-1], rtol=1e-5)
    assert kept.pseudo_likelihood[-1] > kept.pseudo_likelihood[0]


def test_without_held_out_configurations_there_is_no_gap():
    _, history = train(jax.random.key(0), draws(), hidden=2, epochs=1, batch=50)
    assert np.isnan(history.checkpoints.free_energy_gap).all()


@UNITS
def test_pseudo_likelihood_is_that_of_the_enumerated_conditionals(units):
    machine = random_machine(units)
    log_p = enumeration.visible_log_probability(machine)
    expected = 0.0
    for unit in range(6):
        turned = log_p[np.arange(64) ^ (32 >> unit)]
        expected += (log_p - np.logaddexp(log_p, turned)).mean() / 6
    states = jnp.asarray(units.listed(6), jnp.float32)
    assert float(pseudo_likelihood(machine, states)) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("size", "fraction", "out"), [(100, 0.2, 20), (10, 0.0, 0), (7, 0.5, 3), (1000, 0.1, 100)])
def test_held_out_part_is_spread_evenly(size, fraction, out):
    data = np.arange(size, dtype=np.int8)[:, None]
    kept, unseen = held_out(data, fraction)
    assert len(unseen) == out
    assert sorted([*kept[:, 0].tolist(), *unseen[:, 0].tolist()]) == sorted(data[:, 0].tolist())
    if out > 1 and size <= 100:
        assert np.ptp(np.diff(np.asarray(unseen)[:, 0])) <= 1


@pytest.mark.parametrize(
    ("field", "value"),
    [("weight_decay", -0.1), ("l1_penalty", -0.1), ("held_out", 1.0), ("held_out", -0.1), ("checkpoints", 1)],
)
def test_bad_settings_are_named(field, value):
    with pytest.raises(InvalidInput) as caught:
        TrainingSettings(**{field: value})
    assert [problem.field for problem in caught.value.problems] == [field]


def test_a_batch_must_fit_what_is_left_to_train_on():
    with pytest.raises(InvalidInput, match="160"):
        train(jax.random.key(0), draws(), hidden=2, epochs=1, batch=161, held_out=0.2)


@pytest.mark.parametrize("estimator", ["CD", "PTT"])
def test_machines_of_an_ensemble_are_those_trained_one_by_one(estimator):
    """Up to rounding: after few updates, since training amplifies what rounding turns over."""
    data = draws(200)
    keys = list(jax.random.split(jax.random.key(3), 3))
    asked = TrainingSettings(epochs=2, batch=50, estimator=estimator, checkpoints=4, held_out=0.1)
    together = train_ensemble(keys, data, MachineSettings(hidden=5, biases=True), asked)
    for key, (machine, history) in zip(keys, together, strict=True):
        choice = {"epochs": 2, "batch": 50, "estimator": estimator, "checkpoints": 4, "held_out": 0.1}
        alone, seen = train(key, data, hidden=5, biases=True, **choice)
        for one, other in zip(jax.tree.leaves((machine, history)), jax.tree.leaves((alone, seen)), strict=True):
            np.testing.assert_allclose(one, other, atol=2e-6)
        assert machine.shape == alone.shape == (3, 3)
        assert {type(leaf) for leaf in jax.tree.leaves(machine)} == {type(alone.weights)}
    weights = [np.asarray(machine.weights) for machine, _ in together]
    assert not np.allclose(weights[0], weights[1])


def test_the_divergence_of_a_step_is_that_of_the_enumerated_laws():
    before, after = (RBM.random(jax.random.key(k), 6, MachineSettings(hidden=3, initial_scale=0.4)) for k in (1, 2))
    states = jnp.array(list(itertools.product((-1.0, 1.0), repeat=6)), jnp.float32)
    logs = [-np.asarray(machine.free_energy(states), np.float64) for machine in (before, after)]
    p, q = (one - np.log(np.exp(one).sum()) for one in logs)
    drawn = np.random.default_rng(0).choice(len(states), 40000, p=np.exp(p) / np.exp(p).sum())
    exact = np.sum(np.exp(p) * (p - q))
    error = np.std((p - q)[drawn]) / 200 + np.std(np.exp(q - p)[drawn]) / 200
    assert abs(float(step_divergence(before, after, states[drawn])) - exact) < 5 * error


def test_a_step_that_is_too_long_is_shortened_and_others_are_left_alone():
    data, machine = square_data(), {"hidden": 6, "initial_scale": 0.1}
    alike = {"epochs": 1, "batch": len(data), "checkpoints": 2}
    free, history = train(1, data, learning_rate=0.5, **alike, **machine)
    short, _ = train(1, data, learning_rate=0.5, kl_limit=1e-3, **alike, **machine)
    first = history.checkpoints.machine(0)
    rows = first.units.from_spins(data.reshape(len(data), -1))
    assert step_divergence(first, free, rows) > 0.1
    assert float(step_divergence(first, short, rows)) == pytest.approx(1e-3, rel=0.15)
    same, _ = train(1, data, learning_rate=0.5, kl_limit=1e6, **alike, **machine)
    np.testing.assert_array_equal(same.weights, free.weights)


def test_the_acceptance_of_a_step_is_that_of_the_enumerated_laws():
    before, after = (RBM.random(jax.random.key(k), 6, MachineSettings(hidden=3, initial_scale=0.4)) for k in (1, 2))
    states = jnp.array(list(itertools.product((-1.0, 1.0), repeat=6)), jnp.float32)
    p, q = (np.exp(-np.asarray(machine.free_energy(states), np.float64)) for machine in (before, after))
    p, q = p / p.sum(), q / q.sum()
    chance = np.minimum(1, np.outer(q, p) / np.outer(p, q))  # [state of before, state of after]
    exact = p @ chance @ q
    assert 0.1 < exact < 0.9
    rows = np.random.default_rng(0).choice(len(states), (50, 2000), p=p)
    found = np.array([float(step_acceptance(before, after, states[row])) for row in rows])
    assert abs(found.mean() - exact) < 5 * found.std() / np.sqrt(50)
    assert float(step_acceptance(before, before, states)) == pytest.approx(1, abs=1e-6)


def test_steps_that_swaps_would_not_pass_are_rejected_and_halve_those_after_them():
    data, machine = square_data(), {"hidden": 6, "initial_scale": 0.1}
    alike: dict[str, Any] = {"epochs": 8, "batch": len(data), "learning_rate": 4.0, "estimator": "Exact", **machine}
    guarded, history = train(1, data, swap_limit=0.3, **alike)
    updates = history.checkpoints.update.tolist()
    assert updates == list(range(9))
    machines = [history.checkpoints.machine(number) for number in updates]
    rows = guarded.units.from_spins(data.reshape(len(data), -1))
    taken = [float(step_acceptance(*pair, rows)) for pair in itertools.pairwise(machines)]
    rejected = [bool((one.weights == other.weights).all()) for one, other in itertools.pairwise(machines)]
    assert 0 < sum(rejected) == history.halvings < 8
    assert min(taken) >= 0.3
    assert f"{sum(rejected)} updates were rejected" in history.flags["rejected"]
    assert History.from_dataset(history.to_dataset()).halvings == history.halvings
    # The gradient of a machine is exact, so the first update after rejected ones is that of a rate halved so often.
    first = rejected.index(True)
    later = rejected.index(False, first)
    _, slope, _ = Exact().gradient(machines[first], (), rows)
    expected = machines[first].weights + 4.0 * 0.5 ** (later - first) * slope.weights
    np.testing.assert_allclose(machines[later + 1].weights, expected, atol=1e-5)
    slow: dict[str, Any] = alike | {"learning_rate": 0.01}
    never, _ = train(1, data, swap_limit=1e-9, **slow)
    without, _ = train(1, data, **slow)
    np.testing.assert_allclose(never.weights, without.weights, atol=1e-6)
    settings = TrainingSettings(epochs=8, batch=len(data), learning_rate=4.0, swap_limit=0.3, estimator="Exact")
    ((_, together),) = train_ensemble([1], data, MachineSettings(**machine), settings)
    assert together.halvings == history.halvings


def test_training_stops_at_a_plateau_and_keeps_the_bits_of_a_shorter_one(tmp_path):
    """Too large a rate makes the held-out score fall after some epochs; killed or not, the end is the same."""
    data, settings = square_data(), {"batch": 20, "learning_rate": 0.3, "held_out": 0.25, "checkpoints": 6}
    machine, history = train(1, data, hidden=12, epochs=300, patience=3, **settings)
    done = history.reconstruction.size
    assert 3 < done < 300
    assert history.plateau
    assert "interrupted" not in history.flags
    assert f"stopped after {done} of 300 epochs" in history.flags["plateau"]
    assert int(history.checkpoints.update[-1]) == done * (150 // 20)
    shorter, _ = train(1, data, hidden=12, epochs=done, **settings)
    np.testing.assert_array_equal(machine.weights, shorter.weights)
    assert History.from_dataset(history.to_dataset()).plateau
    whole = Training.of(data, MachineSettings(hidden=12), TrainingSettings(epochs=300, patience=3, **settings))
    scores = [float(whole.score(train(1, data, hidden=12, epochs=n, **settings)[0])) for n in range(1, done + 1)]
    assert int(np.argmax(scores)) == done - 4
    assert max(scores[-3:]) <= scores[done - 4]


@UNITS
def test_the_natural_gradient_solves_for_the_product_of_both_moments(units):
    machine, slope = random_machine(units), random_machine(units, seed=42)
    spins = np.random.default_rng(7).choice([-1, 1], (40, 6)).astype(np.int8)
    visible = np.asarray(units.from_spins(spins), np.float64)
    fields = visible @ np.asarray(machine.weights, np.float64) + np.asarray(machine.hidden_bias)
    hidden = np.tanh(fields) if units is PLUS_MINUS else 1 / (1 + np.exp(-fields))

    def metric(layer):
        moments = layer.T @ layer
        return (moments / (np.trace(moments) / len(moments)) + np.eye(len(moments))) / 2

    def solved(visible, hidden, slope):
        return np.linalg.solve(np.kron(metric(visible), metric(hidden)), slope.ravel()).reshape(slope.shape)

    plain = natural(machine, slope, jnp.asarray(visible, jnp.float32), False)
    np.testing.assert_allclose(plain.weights, solved(visible, hidden, np.asarray(slope.weights)), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(plain.visible_bias, slope.visible_bias)
    one = np.ones((40, 1))
    whole = np.block([[slope.weights, slope.visible_bias[:, None]], [slope.hidden_bias[None], np.zeros((1, 1))]])
    whole = solved(np.hstack([visible, one]), np.hstack([hidden, one]), np.asarray(whole, np.float64))
    biased = natural(machine, slope, jnp.asarray(visible, jnp.float32), True)
    np.testing.assert_allclose(biased.weights, whole[:-1, :-1], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(biased.visible_bias, whole[:-1, -1], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(biased.hidden_bias, whole[-1, :-1], rtol=1e-4, atol=1e-5)


def test_a_rate_that_is_too_high_for_the_uniform_wave_is_not_for_the_natural_gradient():
    data, course = draws(2000), {"hidden": 9, "estimator": "Exact", "batch": 1000, "initial_scale": 0.02, "epochs": 50}
    states = np.array(list(itertools.product([-1, 1], repeat=9)), np.int8)
    loss = {}
    for optimiser in ("sgd", "natural"):
        machine, _ = train(1, data, optimiser=optimiser, learning_rate=0.6, **course)
        partition = rf.log_partition(1, machine)
        assert np.exp(rf.log_probability(machine, states, partition)).sum() == pytest.approx(1, abs=1e-6)
        loss[optimiser] = -np.mean(rf.log_probability(machine, data, partition))
    assert loss["natural"] < loss["sgd"] - 0.05, loss


def test_guards_are_refused_where_they_cannot_be():
    with pytest.raises(InvalidInput, match="held_out"):
        TrainingSettings(patience=2)
    with pytest.raises(InvalidInput, match="swap_limit"):
        TrainingSettings(swap_limit=0.1, batch=1)
    with pytest.raises(InvalidInput, match="patience"):
        train_ensemble([1], square_data(), None, TrainingSettings(patience=2, held_out=0.2))
    with pytest.raises(InvalidInput, match=r"training.optimiser = 'natural' is not allowed: .* of an RBM"):
        spec.parse({"name": "odd", "machine": {"kind": "autoencoder"}, "training": {"optimiser": "natural"}})
    for kind, guard in (("autoencoder", "swap_limit"), ("block spins", "kl_limit"), ("vae", "held_out")):
        with pytest.raises(InvalidInput, match=f"training.{guard} = 0.1 is not allowed"):
            spec.parse({"name": "odd", "machine": {"kind": kind}, "training": {guard: 0.1}})
    spec.parse({"name": "stacked", "machine": {"kind": "stack"}, "training": {"swap_limit": 0.1, "kl_limit": 0.1}})


def square_data():
    return np.asarray(rf.sample(0, rf.ising(rf.square(4)), [2.5], 200).spins[0])
