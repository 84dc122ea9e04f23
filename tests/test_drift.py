"""What a machine does to exact configurations, against the enumerated kernel of its Gibbs steps."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rbmflow as rf
from rbmflow import enumeration
from rbmflow._checks import InvalidInput
from rbmflow.drift import balance, beside_critical, drift_field, vanishing
from rbmflow.rbm import RBM
from rbmflow.units import PLUS_MINUS

MODEL = rf.ising(rf.square(3))
GRID = (1.5, 2.5, 5.0)
STATES = PLUS_MINUS.listed(9).astype(np.int8).reshape(-1, 3, 3)
ENERGY = np.asarray(MODEL.energy(STATES), float)
SIZE = np.abs(np.asarray(MODEL.magnetization(STATES), float))


def machine() -> RBM:
    return RBM(0.4 * jax.random.normal(jax.random.key(7), (9, 6)), jnp.zeros(9), jnp.zeros(6))


def law(temperature: float | np.ndarray) -> np.ndarray:
    weights = np.exp(-9 * (ENERGY - ENERGY.min()) / temperature)
    return weights / weights.sum()


@pytest.fixture(scope="module")
def draws():
    return rf.sample(jax.random.key(1), MODEL, GRID, 4000)


def test_changes_are_those_of_the_enumerated_kernel(draws):
    kernel = enumeration.gibbs_kernel(machine())
    found = drift_field(jax.random.key(2), machine(), MODEL, draws.spins, (1, 3))
    for row, temperature in enumerate(GRID):
        for column, steps in enumerate((1, 3)):
            after = law(temperature) @ np.linalg.matrix_power(kernel, steps)
            for name, values in (("energy", ENERGY), ("abs_magnetization", SIZE)):
                change, error = (getattr(found, f"{name}{end}")[row, column] for end in ("", "_error"))
                assert abs(change - (after - law(temperature)) @ values) < 5 * error
            temperatures = np.linspace(0.3, 60, 60001)
            of_laws = np.array([law(t) @ ENERGY for t in temperatures[::50]])
            at = np.interp(after @ ENERGY, of_laws, temperatures[::50])
            off, error = found.off_curve[row, column], found.off_curve_error[row, column]
            assert abs(off - (after @ SIZE - law(at) @ SIZE)) < 5 * error + 1e-3


def test_configurations_of_one_iteration_are_on_the_curve_if_the_machine_is_the_model(draws):
    """One hidden unit a bond, both weights arccosh(exp 2K) / 2."""
    weights = []
    for site in range(9):
        for other in ((site // 3) * 3 + (site + 1) % 3, (site + 3) % 9):
            column = np.zeros(9)
            column[[site, other]] = np.arccosh(np.exp(2 / 2.5)) / 2
            weights.append(column)
    model = RBM(jnp.asarray(np.transpose(weights), jnp.float32), jnp.zeros(9), jnp.zeros(18))
    found = drift_field(jax.random.key(2), model, MODEL, draws.spins, (1, 10))
    assert (np.abs(found.energy[1]) < 5 * found.energy_error[1]).all()
    assert (found.energy[0] > 5 * found.energy_error[0]).all()
    assert (found.energy[2] < -5 * found.energy_error[2]).all()
    assert (np.abs(found.off_curve[1]) < 5 * found.off_curve_error[1]).all()
    even = balance(jax.random.key(3), model, MODEL, draws.at((2.5,)), (1, 10))
    assert (np.abs(even.correlators) < 5 * even.correlators_error).all()
    assert (np.abs(even.energy) < 5 * even.energy_error).all()


def test_the_balance_is_that_of_the_enumerated_kernel(draws):
    own, mixture = machine(), np.mean([law(t) for t in GRID], axis=0)
    kernel, rows = enumeration.gibbs_kernel(own), STATES.reshape(-1, 9)
    fields = np.tanh(rows @ np.asarray(own.weights, float))
    found = balance(jax.random.key(4), own, MODEL, draws, (1, 3))
    start = (rows * mixture[:, None]).T @ fields
    for row, steps in enumerate((1, 3)):
        after = mixture @ np.linalg.matrix_power(kernel, steps)
        change = (rows * (after - mixture)[:, None]).T @ fields
        ratio = np.linalg.norm(change) / np.linalg.norm(start)
        assert abs(found.correlators[row] - ratio) < 5 * found.correlators_error[row]
        assert abs(found.energy[row] - (after - mixture) @ ENERGY) < 5 * found.energy_error[row]
    assert found.correlators_error.max() < 0.05


def test_temperatures_stand_in_order_with_that_of_the_transition(draws):
    temperatures, spins = beside_critical(jax.random.key(5), MODEL, draws, 50)
    assert temperatures == pytest.approx([1.5, 2.269185, 2.5, 5.0])
    assert spins.shape == (4, 50, 3, 3)
    np.testing.assert_array_equal(spins[[0, 2, 3]], draws.spins[:, :50])


def test_a_change_vanishes_where_it_turns_from_heating_to_cooling():
    at, error = np.array([0.0, 1.0, 2.0, 3.0, np.inf]), np.full(5, 0.01)
    assert vanishing(at, np.array([0.2, 0.1, 0.3, -0.1, -0.2]), error) == pytest.approx((2.75, 0.01982), abs=1e-4)
    # Noise around zero in the cold does not count.
    assert vanishing(at, np.array([0.01, -0.01, 0.3, -0.1, -0.2]), error)[0] == pytest.approx(2.75)
    assert np.isnan(vanishing(at, np.array([0.2, 0.1, 0.3, 0.1, -0.2]), error)).all()


def test_a_change_does_not_vanish_between_two_measurements_at_one_temperature():
    twice, error = np.array([2.269185314213022, 2.2691853]), np.full(2, 0.01)
    assert np.isnan(vanishing(twice, np.array([0.005, -0.007]), error)).all()
    at, change, error = (
        np.array([1.0, *twice, 3.0]),
        np.array([0.2, 0.12, 0.08, -0.1]),
        np.array([0.01, 0.02, 0.02, 0.01]),
    )
    once = vanishing(at[[0, 1, 3]], np.array([0.2, 0.1, -0.1]), np.array([0.01, 0.02 / 2**0.5, 0.01]))
    assert vanishing(at, change, error) == pytest.approx(once)
    assert np.isnan(vanishing(np.array([]), np.array([]), np.array([]))).all()


def test_too_few_configurations_for_an_error_are_refused(draws):
    with pytest.raises(InvalidInput, match="draws = 19 is not allowed: there must be at least 20 at each temperature"):
        balance(jax.random.key(0), machine(), MODEL, rf.Draws(draws.spins[:, :19], GRID), (1,))
