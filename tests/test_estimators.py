"""Estimators of the gradient against automatic differentiation of the enumerated log-likelihood."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rbmflow import enumeration
from rbmflow._checks import InvalidInput
from rbmflow.diagnostics import mean_and_error
from rbmflow.rbm import RBM
from rbmflow.settings import TrainingSettings
from rbmflow.training import CD, PCD, Exact, centred, estimator_of, train
from rbmflow.training.summed import model_moments
from rbmflow.units import PLUS_MINUS, ZERO_ONE

UNITS = pytest.mark.parametrize("units", [PLUS_MINUS, ZERO_ONE], ids=lambda units: units.name)


def random_machine(units=PLUS_MINUS, visible=5, hidden=3, scale=0.5) -> RBM:
    keys = jax.random.split(jax.random.key(21), 3)
    shapes = ((visible, hidden), (visible,), (hidden,))
    return RBM(*(scale * jax.random.normal(key, shape) for key, shape in zip(keys, shapes, strict=True)), units)


def batch_of(machine: RBM, samples=40):
    spins = np.random.default_rng(4).choice(
        np.array([-1, 1], np.int8), (samples, machine.weights.shape[0]), p=[0.3, 0.7]
    )
    return machine.units.from_spins(jnp.asarray(spins))


def log_likelihood(machine: RBM, visible) -> jax.Array:
    """Mean log-likelihood with Z summed over all visible states."""
    states = jnp.asarray(machine.units.listed(machine.weights.shape[0]), jnp.float32)
    return jnp.mean(-machine.free_energy(visible)) - jax.nn.logsumexp(-machine.free_energy(states))


def differ(machine: RBM, other: RBM) -> float:
    return max(
        float(jnp.abs(a - b).max()) for a, b in zip(jax.tree.leaves(machine), jax.tree.leaves(other), strict=True)
    )


@UNITS
@pytest.mark.parametrize("shape", [(5, 3), (3, 6)])
def test_exact_gradient_is_the_derivative_of_the_log_likelihood(units, shape):
    machine = random_machine(units, *shape)
    visible = batch_of(machine)
    _, gradient, _ = Exact().gradient(machine, (), visible)
    assert differ(gradient, jax.grad(log_likelihood)(machine, visible)) < 2e-6


@UNITS
def test_moments_do_not_depend_on_the_blocks_they_are_summed_in(units, monkeypatch):
    machine = random_machine(units, 7, 6, scale=1.5)
    whole = model_moments(machine)
    monkeypatch.setattr("rbmflow.training.summed.STATES_IN_A_BLOCK", 3)
    assert differ(whole, model_moments(machine)) < 2e-6


@UNITS
def test_centred_gradient_is_that_of_the_centred_machine(units):
    machine = random_machine(units)
    visible = batch_of(machine)
    mean_visible = visible.mean(axis=0)
    mean_hidden = units.mean(machine.hidden_fields(visible)).mean(axis=0)

    def plain(written: RBM) -> RBM:
        """The machine whose energy is -(v - mu) W (h - lambda) - b v - c h."""
        visible_bias = written.visible_bias - written.weights @ mean_hidden
        return RBM(written.weights, visible_bias, written.hidden_bias - written.weights.T @ mean_visible, units)

    slopes = jax.grad(lambda written: log_likelihood(plain(written), visible))
    written = RBM(
        machine.weights,
        machine.visible_bias + machine.weights @ mean_hidden,
        machine.hidden_bias + machine.weights.T @ mean_visible,
        units,
    )
    _, gradient, _ = Exact().gradient(machine, (), visible)
    assert differ(plain(slopes(written)), centred(machine, gradient, visible)) < 5e-6


def sampled(estimator, machine, chains, visible, batches):
    """Gradients of many batches, one after the other."""

    def step(chains, _):
        chains, gradient, _ = estimator.gradient(machine, chains, visible)
        return chains, gradient

    return jax.jit(lambda chains: jax.lax.scan(step, chains, None, length=batches))(chains)


def derivative_to(machine: RBM, visible, end) -> RBM:
    """Derivative of ln p averaged over the data minus ln p averaged over fixed probabilities of all states."""
    states = jnp.asarray(machine.units.listed(machine.weights.shape[0]), jnp.float32)

    def contrast(machine):
        return jnp.mean(-machine.free_energy(visible)) + jnp.asarray(end, jnp.float32) @ machine.free_energy(states)

    return jax.grad(contrast)(machine)


def state_numbers(machine: RBM, visible):
    spins = np.asarray(machine.units.to_spins(visible)) > 0
    return spins @ (2 ** np.arange(spins.shape[1])[::-1])


def within_five_sigma(gradients: RBM, expected: RBM, limit: float) -> None:
    for drawn, exact in zip(jax.tree.leaves(gradients), jax.tree.leaves(expected), strict=True):
        mean, error = mean_and_error(np.asarray(drawn, np.float64))
        assert np.abs((mean - exact) / error).max() < 5
        assert error.max() < limit


@UNITS
@pytest.mark.parametrize("steps", [1, 3])
def test_expected_gradient_of_cd(units, steps):
    machine = random_machine(units)
    visible = batch_of(machine, 400)
    start = np.bincount(state_numbers(machine, visible), minlength=32) / 400
    end = start @ np.linalg.matrix_power(enumeration.gibbs_kernel(machine), steps)
    estimator = CD(steps)
    _, gradients = sampled(estimator, machine, estimator.start(jax.random.key(5), machine, 400), visible, 300)
    within_five_sigma(gradients, derivative_to(machine, visible, end), 0.01)


@UNITS
@pytest.mark.parametrize("steps", [1, 2])
def test_expected_gradient_of_pcd_after_its_chains_left_the_uniform_start(units, steps):
    machine = random_machine(units)
    visible = batch_of(machine, 400)
    end = np.full(32, 1 / 32) @ np.linalg.matrix_power(enumeration.gibbs_kernel(machine), 2 * steps)
    estimator = PCD(steps)

    def second(key):
        _, gradients = sampled(estimator, machine, estimator.start(key, machine, 400), visible, 2)
        return jax.tree.map(lambda leaf: leaf[-1], gradients)

    gradients = jax.vmap(second)(jax.random.split(jax.random.key(6), 300))
    within_five_sigma(gradients, derivative_to(machine, visible, end), 0.01)


@UNITS
def test_pcd_reaches_the_gradient_of_the_log_likelihood(units):
    machine = random_machine(units)
    visible = batch_of(machine, 400)
    estimator = PCD()

    def late(key):
        _, gradients = sampled(estimator, machine, estimator.start(key, machine, 400), visible, 60)
        return jax.tree.map(lambda leaf: leaf[-1], gradients)

    gradients = jax.vmap(late)(jax.random.split(jax.random.key(7), 200))
    within_five_sigma(gradients, jax.grad(log_likelihood)(machine, visible), 0.01)


@UNITS
def test_persistent_chains_start_uniform_and_move(units):
    machine = random_machine(units, visible=20)
    estimator = PCD()
    start = estimator.start(jax.random.key(1), machine, 500)
    up = float(jnp.mean(start.visible > units.low))
    assert abs(up - 0.5) < 5 * 0.5 / np.sqrt(start.visible.size)
    assert len(np.unique(np.asarray(start.visible), axis=0)) > 450
    later, _, changed = estimator.gradient(machine, start, start.visible)
    assert 0.1 < float(changed) == pytest.approx(float(jnp.mean(later.visible != start.visible)))
    again, _, _ = estimator.gradient(machine, later, start.visible)
    assert float(jnp.mean(again.visible != later.visible)) > 0.1


def test_settings_choose_the_estimator_by_name():
    assert estimator_of(TrainingSettings(steps=3)) == CD(3)
    assert estimator_of(TrainingSettings(steps=2, estimator="PCD")) == PCD(2)
    assert estimator_of(TrainingSettings(estimator="Exact")) == Exact()


def two_patterns(samples=400):
    pattern = np.array([1, 1, -1, 1, -1, -1, 1, -1, 1], np.int8)
    return pattern * np.random.default_rng(0).choice(np.array([-1, 1], np.int8), (samples, 1))


@pytest.mark.parametrize(
    "choice",
    [
        {"estimator": "PCD", "steps": 2},
        {"estimator": "PTT"},
        {"estimator": "Exact"},
        {"estimator": "PCD", "units": "0/1", "biases": True, "centred": True},
        {"estimator": "Exact", "units": "0/1", "biases": True, "centred": True},
        {"units": "0/1", "biases": True, "centred": True},
    ],
    ids=lambda choice: " ".join(map(str, choice.values())),
)
def test_every_estimator_learns_two_patterns(choice):
    data = two_patterns()
    machine, history = train(jax.random.key(0), data, hidden=4, epochs=300, batch=50, learning_rate=0.05, **choice)
    log_p = enumeration.visible_log_probability(machine)
    numbers = np.unique(state_numbers(machine, machine.units.from_spins(jnp.asarray(data))))
    assert numbers.size == 2
    # Sampled chains seldom cross between the two, so only the exact gradient is sure to weigh them equally.
    p = np.exp(log_p[numbers])
    assert p.sum() > 0.7
    assert "Exact" not in choice.values() or p.min() > 0.3
    assert np.isfinite(history.reconstruction).all()


@pytest.mark.parametrize(
    ("choice", "field"),
    [
        ({"centred": True}, "centred"),
        ({"estimator": "Exact", "hidden": 21}, "estimator"),
    ],
)
def test_bad_choices_name_the_field(choice, field):
    data = np.ones((50, 25), np.int8)
    with pytest.raises(InvalidInput) as caught:
        train(jax.random.key(0), data, epochs=1, batch=50, **choice)
    assert field in [problem.field for problem in caught.value.problems]


def test_an_unknown_estimator_is_named():
    settings = TrainingSettings()
    object.__setattr__(settings, "estimator", "RDM")
    with pytest.raises(InvalidInput, match="RDM") as caught:
        settings.__post_init__()
    assert all(name in str(caught.value) for name in ("CD", "PCD", "PTT", "Exact"))
