"""The machine, its training and its flow against enumeration of tiny machines."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rbmflow import enumeration
from rbmflow._checks import InvalidInput
from rbmflow.diagnostics import mean_and_error
from rbmflow.flow import Flow, iterate
from rbmflow.gibbs import GibbsNoise
from rbmflow.rbm import RBM
from rbmflow.training import contrastive_divergence, train
from rbmflow.units import PLUS_MINUS, ZERO_ONE, units_named


def random_machine(units=PLUS_MINUS, visible=6, hidden=3, scale=0.6, biases=True) -> RBM:
    keys = jax.random.split(jax.random.key(11), 3)
    weights = scale * jax.random.normal(keys[0], (visible, hidden))
    bias = scale * biases
    return RBM(
        weights,
        bias * jax.random.normal(keys[1], (visible,)),
        bias * jax.random.normal(keys[2], (hidden,)),
        units,
    )


@pytest.mark.parametrize("units", [PLUS_MINUS, ZERO_ONE], ids=lambda units: units.name)
def test_units_mean_and_log_sum_are_those_of_two_values(units):
    fields = np.linspace(-6, 6, 25, dtype=np.float32)
    values = np.array([units.low, units.low + units.span])
    weights = np.exp(fields[:, None].astype(float) * values)
    np.testing.assert_allclose(units.mean(jnp.asarray(fields)), weights @ values / weights.sum(1), atol=2e-6)
    np.testing.assert_allclose(units.log_sum(jnp.asarray(fields)), np.log(weights.sum(1)), rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("units", [PLUS_MINUS, ZERO_ONE], ids=lambda units: units.name)
def test_spins_survive_the_way_through_units(units):
    spins = jnp.array([[1, -1, -1], [-1, 1, 1]], jnp.int8)
    assert units_named(units.name) is units
    np.testing.assert_array_equal(units.to_spins(units.from_spins(spins)), spins)


@pytest.mark.parametrize("units", [PLUS_MINUS, ZERO_ONE], ids=lambda units: units.name)
def test_free_energy_gives_the_enumerated_probability(units):
    machine = random_machine(units)
    log_p = -np.asarray(machine.free_energy(jnp.asarray(units.listed(6), jnp.float32)), np.float64)
    log_p -= np.log(np.exp(log_p).sum())
    np.testing.assert_allclose(log_p, enumeration.visible_log_probability(machine), atol=1e-5)


@pytest.mark.parametrize("units", [PLUS_MINUS, ZERO_ONE], ids=lambda units: units.name)
def test_enumerated_probability_is_stationary_and_in_detailed_balance(units):
    machine = random_machine(units)
    p = np.exp(enumeration.visible_log_probability(machine))
    kernel = enumeration.gibbs_kernel(machine)
    np.testing.assert_allclose(kernel.sum(1), 1, atol=1e-12)
    np.testing.assert_allclose(p @ kernel, p, atol=1e-12)
    np.testing.assert_allclose(p[:, None] * kernel, (p[:, None] * kernel).T, atol=1e-12)


def test_without_biases_the_sign_is_a_symmetry():
    log_p = enumeration.visible_log_probability(random_machine(biases=False))
    np.testing.assert_allclose(log_p, log_p[::-1], atol=1e-12)


def chi_square(counts, probabilities):
    """Pearson's statistic in units of its standard deviation, from its mean."""
    expected = counts.sum() * probabilities
    statistic = ((counts - expected) ** 2 / expected).sum()
    freedom = len(counts) - 1
    return (statistic - freedom) / np.sqrt(2 * freedom)


def state_numbers(spins):
    bits = np.asarray(spins).reshape(len(spins), -1) > 0
    return bits @ (2 ** np.arange(bits.shape[1])[::-1])


@pytest.mark.parametrize("units", [PLUS_MINUS, ZERO_ONE], ids=lambda units: units.name)
def test_flow_samples_the_enumerated_distribution(units):
    machine, chains = random_machine(units), 60_000
    p = np.exp(enumeration.visible_log_probability(machine))
    start = jnp.where(jax.random.bernoulli(jax.random.key(1), 0.5, (chains, 2, 3)), 1, -1)
    flow = iterate(jax.random.key(2), machine, start, 60, keep=(59, 60))
    for spins in flow.configurations:
        assert abs(chi_square(np.bincount(state_numbers(spins), minlength=64), p)) < 5


def test_one_flow_step_is_the_enumerated_kernel():
    machine, chains = random_machine(), 60_000
    row = enumeration.gibbs_kernel(machine)[-1]
    flow = iterate(jax.random.key(3), machine, jnp.ones((chains, 2, 3), jnp.int8), 1)
    assert abs(chi_square(np.bincount(state_numbers(flow.spins), minlength=64), row)) < 5


@pytest.mark.parametrize("units", [PLUS_MINUS, ZERO_ONE], ids=lambda units: units.name)
@pytest.mark.parametrize("steps", [1, 3])
def test_expected_gradient_of_contrastive_divergence(units, steps):
    machine = random_machine(units, visible=6, hidden=2)
    rng = np.random.default_rng(4)
    spins = rng.choice(np.array([-1, 1], np.int8), (500, 6))
    data = units.from_spins(jnp.asarray(spins))
    expected = enumeration.expected_contrastive_divergence(machine, np.asarray(data, np.float64), steps)

    def batch(noise, _):
        noise, gradient, _ = contrastive_divergence(machine, noise, data, steps)
        return noise, (gradient.weights, gradient.visible_bias)

    noise = GibbsNoise.seeded(jax.random.key(5), machine, 500)
    _, gradients = jax.jit(lambda noise: jax.lax.scan(batch, noise, None, length=400))(noise)
    start = np.bincount(state_numbers(spins), minlength=64) / 500
    end = start @ np.linalg.matrix_power(enumeration.gibbs_kernel(machine), steps)
    of_bias = (start - end) @ units.listed(6)
    for sampled, exact in zip(gradients, (expected, of_bias), strict=True):
        mean, error = mean_and_error(np.asarray(sampled, np.float64))
        assert np.abs((mean - exact) / error).max() < 5
        assert error.max() < 0.01


def two_patterns(samples=400):
    pattern = np.array([1, 1, -1, 1, -1, -1, 1, -1, 1], np.int8)
    sign = np.random.default_rng(0).choice(np.array([-1, 1], np.int8), (samples, 1))
    return pattern * sign


def test_training_learns_two_patterns():
    machine, history = train(jax.random.key(0), two_patterns(), hidden=4, epochs=300, batch=50, learning_rate=0.05)
    log_p = enumeration.visible_log_probability(machine)
    number = state_numbers(two_patterns())
    assert np.exp(log_p[number]).min() > 0.4
    assert float(history.reconstruction[-1]) < 0.05 < float(history.reconstruction[0])
    assert history.reconstruction.shape == (300,)


def test_biases_are_trained_only_when_asked():
    up = np.ones((200, 4), np.int8)
    still, _ = train(jax.random.key(0), up, hidden=2, epochs=20, batch=50)
    moved, _ = train(jax.random.key(0), up, hidden=2, epochs=20, batch=50, biases=True)
    assert np.all(np.asarray(still.visible_bias) == 0)
    assert np.all(np.asarray(moved.visible_bias) > 0)


def test_the_same_key_gives_the_same_bits():
    first, _ = train(jax.random.key(7), two_patterns(), hidden=3, epochs=5, batch=50)
    again, _ = train(jax.random.key(7), two_patterns(), hidden=3, epochs=5, batch=50)
    other, _ = train(jax.random.key(8), two_patterns(), hidden=3, epochs=5, batch=50)
    assert np.array_equal(first.weights, again.weights)
    assert not np.array_equal(first.weights, other.weights)


def test_an_epoch_visits_every_configuration_once(monkeypatch):
    """With the mean of a batch in place of its gradient, the biases end at the sum over the batches of an epoch."""

    def mean_of_batch(machine, noise, visible, steps):
        gradient = RBM(0 * machine.weights, jnp.mean(visible, axis=0), 0 * machine.hidden_bias, machine.units)
        return noise, gradient, jnp.zeros(())

    monkeypatch.setattr("rbmflow.training.cd.contrastive_divergence", mean_of_batch)
    # Seven columns count the configurations in binary, so that the sums tell which were visited how often.
    data = np.where((np.arange(128)[:, None] >> np.arange(7)) & 1, 1, -1).astype(np.int8)
    data[:5] = 1
    batches = 128 // 10
    ends = []
    for seed in range(20):
        settings = {"hidden": 2, "epochs": 1, "batch": 10, "learning_rate": 10.0, "biases": True}
        machine, _ = train(jax.random.key(seed), data, **settings)
        ends.append(np.asarray(machine.visible_bias))
    # The incomplete last batch of 8 is left out: what is missing from the whole sum is that of 8 rows, never the same.
    missing = data.sum(axis=0) - np.array(ends)
    assert batches == 12
    assert np.all(np.abs(missing) <= 8 + 1e-3)
    assert len({tuple(row) for row in missing.round().tolist()}) > 15
    assert np.allclose(missing, missing.round(), atol=1e-3)
    whole, _ = train(jax.random.key(0), data[:120], hidden=2, epochs=1, batch=10, learning_rate=10.0, biases=True)
    np.testing.assert_allclose(whole.visible_bias, data[:120].sum(axis=0), atol=1e-3)


def test_flow_keeps_what_is_asked():
    machine = random_machine()
    start = jnp.ones((4, 2, 3), jnp.int8)
    whole = iterate(jax.random.key(1), machine, start, 45)
    some = iterate(jax.random.key(1), machine, start, 45, keep=(0, 3, 25, 45))
    assert whole.iterations == tuple(range(46))
    np.testing.assert_array_equal(whole.configurations[jnp.array([0, 3, 25, 45])], some.configurations)
    np.testing.assert_array_equal(whole.configurations[0], start)


def test_records_come_back_from_disk(tmp_path):
    machine = random_machine(ZERO_ONE)
    flow = iterate(jax.random.key(1), machine, jnp.ones((4, 2, 3), jnp.int8), 3)
    _, history = train(jax.random.key(0), two_patterns(), hidden=2, epochs=3, batch=50, held_out=0.25)
    for record in (machine, flow, history):
        record.save(tmp_path / "record.nc")
        back = type(record).load(tmp_path / "record.nc")
        assert eqx.tree_equal(record, back)


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda: train(jax.random.key(0), two_patterns(), hidden=0), "hidden"),
        (lambda: train(jax.random.key(0), two_patterns(), epochs=0), "epochs"),
        (lambda: train(jax.random.key(0), two_patterns(), learning_rate=float("nan")), "learning_rate"),
        (lambda: train(jax.random.key(0), two_patterns(50), batch=51), "batch"),
        (lambda: train(jax.random.key(0), np.zeros((5, 4))), "data"),
        (lambda: train(jax.random.key(0), np.ones(4)), "shape of data"),
        (lambda: iterate(jax.random.key(0), random_machine(), jnp.ones((4, 3, 3), jnp.int8), 2), "shape of start"),
        (lambda: iterate(jax.random.key(0), random_machine(), jnp.zeros((4, 2, 3), jnp.int8), 2), "start"),
        (lambda: iterate(jax.random.key(0), random_machine(), jnp.ones((4, 2, 3)), 0), "iterations"),
        (lambda: iterate(jax.random.key(0), random_machine(), jnp.ones((4, 2, 3)), 2, keep=(3,)), "keep"),
        (lambda: RBM.from_weights(np.array([["a", "b"]]), None, None, units="0/1"), "type of weights"),
        (lambda: RBM.from_weights(np.array([[1.0, None]]), None, None, units="0/1"), "type of weights"),
        (lambda: RBM.from_weights(np.ones((2, 2), complex), None, None, units="0/1"), "type of weights"),
        (lambda: PLUS_MINUS.listed(15), "units"),
        (lambda: units_named("0/2"), "units"),
    ],
)
def test_bad_input_names_the_field(call, field):
    with pytest.raises(InvalidInput) as caught:
        call()
    assert field in [problem.field for problem in caught.value.problems]


def test_a_flow_is_a_record_of_its_last_step():
    flow = Flow((0, 1), jnp.stack([jnp.ones((1, 2, 2), jnp.int8), -jnp.ones((1, 2, 2), jnp.int8)]))
    assert int(flow.spins.sum()) == -4


def test_a_machine_from_elsewhere_knows_its_lattice_and_what_its_units_may_be():
    machine = RBM.from_weights(np.ones((16, 2)), None, None, units="0/1", axes="visible, hidden", shape=(2, 8))
    assert machine.shape == (2, 8)
    with pytest.raises(InvalidInput, match="lattice"):
        machine.require_lattice("data", (4, 4))
    with pytest.raises(InvalidInput, match="shape"):
        RBM.from_weights(np.ones((16, 2)), None, None, units="0/1", axes="visible, hidden", shape=(4, 5))
    for call in (machine.free_energy, machine.hidden_fields):
        assert np.isfinite(call(np.full(16, 0.5))).all()
        for wrong in (np.full(16, -1.0), np.full(16, np.nan), np.ones(15), "spins"):
            with pytest.raises(InvalidInput, match="visible"):
                call(wrong)
