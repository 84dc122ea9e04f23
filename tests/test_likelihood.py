"""The partition function and the excess nats against enumeration."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

import rbmflow as rf
from rbmflow import enumeration, exact
from rbmflow._checks import InvalidInput
from rbmflow.likelihood import (
    LogPartition,
    annealed_log_partition,
    bennett,
    exact_log_partition,
    excess_nats,
    ising_divergence,
    log_mixture_probability,
    log_partition,
    log_probability,
    machine_mean,
    stationary_law,
)
from rbmflow.rbm import RBM
from rbmflow.settings import MachineSettings
from rbmflow.units import PLUS_MINUS, ZERO_ONE

UNITS = pytest.mark.parametrize("units", [PLUS_MINUS, ZERO_ONE], ids=lambda units: units.name)


def random_machine(units=PLUS_MINUS, visible=6, hidden=4, scale=0.7, seed=31) -> RBM:
    keys = jax.random.split(jax.random.key(seed), 3)
    shapes = ((visible, hidden), (visible,), (hidden,))
    return RBM(*(scale * jax.random.normal(key, shape) for key, shape in zip(keys, shapes, strict=True)), units)


def summed(machine: RBM) -> float:
    """ln Z as the plain double sum over both layers."""
    weights, b, c = (np.asarray(leaf, np.float64) for leaf in jax.tree.leaves(machine))
    visible, hidden = (machine.units.listed(count) for count in weights.shape)
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
    spins = PLUS_MINUS.listed(6).astype(np.int8)
    log_p = log_probability(machine, spins, exact_log_partition(machine))
    np.testing.assert_allclose(log_p, enumeration.visible_log_probability(machine), atol=1e-12)


def test_log_probabilities_of_large_lattices_are_found_in_parts(monkeypatch):
    machine, spins = random_machine(), rf.hot(0, rf.ising(rf.square(4)), 25).reshape(25, 16)[:, :6]
    whole = log_probability(machine, spins, LogPartition(1.0))
    monkeypatch.setattr("rbmflow.likelihood.partition.SPINS_AT_ONCE", 7 * 6 + 1)
    np.testing.assert_array_equal(log_probability(machine, spins, LogPartition(1.0)), whole)


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


def test_directions_without_overlap_have_an_error_that_reaches_to_both():
    """As of a machine that is so poor that its flows and the draws have nothing in common."""
    forward, reverse = np.full(20, -3000.0), np.full(10, -2000.0)
    for ancestors in (None, np.arange(10)):
        assert bennett(forward, reverse, ancestors) == pytest.approx((-500, 2500))
        assert bennett(forward / 4, reverse / 4, ancestors) == pytest.approx((-125, 625))


def test_mixture_probability_is_that_of_all_states():
    model, grid = rf.ising(rf.square(2, 4)), (0.0, 1.5, 2.5, np.inf)
    states = PLUS_MINUS.listed(8).astype(np.int8)
    log_p = log_mixture_probability(model, grid, states)
    energy = np.asarray(model.total_energy(states.reshape(-1, 2, 4)), float)
    rows = [(energy == energy.min()) / 2] + [np.exp(-energy / t) / np.exp(-energy / t).sum() for t in grid[1:]]
    np.testing.assert_allclose(np.exp(log_p), np.mean(rows, axis=0), atol=1e-13)


def test_excess_nats_are_the_divergence_from_the_mixture(monkeypatch):
    model, grid = rf.ising(rf.square(2, 4)), (1.5, 3.0)
    machine = random_machine(visible=8, hidden=3, scale=0.3)
    states = PLUS_MINUS.listed(8).astype(np.int8)
    log_mixture = log_mixture_probability(model, grid, states)
    divergence = np.exp(log_mixture) @ (log_mixture - enumeration.visible_log_probability(machine))
    fresh, summed_over = rf.sample(jax.random.key(1), model, grid, 20_000), exact_log_partition(machine)
    assert excess_nats(machine, model, fresh, summed_over) == (pytest.approx(divergence, abs=1e-12), 0.0, ())
    monkeypatch.setattr("rbmflow.likelihood.importance.MOST_SUMMED", 7)
    found = excess_nats(machine, model, fresh, summed_over)
    assert abs(found.mean - divergence) < 5 * found.error < 0.1
    worse = excess_nats(machine, model, fresh, LogPartition(summed_over.value, 0.3))
    assert worse.error == pytest.approx(np.hypot(found.error, 0.3))
    weighted = excess_nats(machine, model, fresh, LogPartition(summed_over.value, 0.3, "draws"))
    assert abs(weighted.mean - divergence) < 5 * weighted.error < 0.3


EXCESS_OF_ISING = [(4, 0.2294, "exact"), (6, 0.9558, "draws"), (10, 3.6883, "draws")]


@pytest.mark.parametrize(("length", "nats", "method"), EXCESS_OF_ISING)
def test_a_machine_that_is_an_ising_model_loses_the_divergence_of_its_temperature(length, nats, method):
    """A hidden unit on each bond, of weights arccosh(e^2K) / 2, makes an Ising model of coupling K."""
    model, grid = rf.ising(rf.square(length)), tuple(np.arange(25) / 4)
    levels, log_count = exact.log_density_of_states(model)
    rows = [np.where(levels == levels.min(), -np.log(2), -np.inf)]
    rows += [-levels / t - exact.log_partition(model, t) for t in grid[1:]]
    log_mixture = logsumexp(rows, axis=0) - np.log(len(grid))

    def divergence(temperature: float) -> float:
        log_ising = -levels / temperature - exact.log_partition(model, temperature)
        return float(np.exp(log_mixture + log_count) @ (log_mixture - log_ising))

    best = minimize_scalar(divergence, bounds=(2.0, 3.5), method="bounded")
    assert best.fun == pytest.approx(nats, abs=1e-4)
    sites = np.arange(length**2).reshape(length, length)
    ends = np.concatenate([[sites, np.roll(sites, -1, axis)] for axis in (0, 1)], axis=1).reshape(2, -1)
    weights = np.zeros((length**2, ends.shape[1]))
    weights[ends, np.arange(ends.shape[1])] = np.arccosh(np.exp(2 / best.x)) / 2
    machine = RBM.from_weights(weights, None, None, units="-1/+1", axes="visible, hidden")
    fresh = rf.sample(jax.random.key(0), model, grid, 400)
    found = log_partition(jax.random.key(1), machine, model, fresh, chains=100, steps=200)
    excess = excess_nats(machine, model, fresh, found)
    assert (found.method, found.flags, excess.flags) == (method, (), ())
    # Summed over its hidden unit a bond has 2 cosh w(s + s') = 2 sqrt(cosh 2w) e^(K s s') with e^2K = cosh 2w.
    truth = exact.log_partition(model, best.x) + ends.shape[1] * (np.log(2) + 1 / best.x)
    assert abs(found.value - truth) < 5 * found.error + 1e-4
    assert abs(excess.mean - nats) < 5 * excess.error + 1e-4 < 0.6
    assert ising_divergence(model, grid) == pytest.approx(best.fun, abs=1e-6)
    energy = machine_mean(machine, model, fresh, model.energy(fresh.spins))
    assert abs(energy.mean - exact.energy(model, best.x)) < 5 * energy.error < 0.1
    law = stationary_law(machine, model, fresh)
    assert abs(law.temperature - best.x) < 5 * law.temperature_error + 1e-4
    assert law.ising_overlap > 0.9 > law.mixture_overlap


def test_the_stationary_law_is_that_of_all_states(monkeypatch):
    """Weighted draws against the sum over 2^16 states; where they do not stand for the machine there is no number."""
    model, grid = rf.ising(rf.square(4)), (1.5, 2.5, np.inf)
    fresh = rf.sample(jax.random.key(1), model, grid, 5000)
    machine = RBM(jnp.abs(random_machine(visible=16, hidden=3, scale=0.3).weights), jnp.zeros(16), jnp.zeros(3))
    truth = stationary_law(machine, model, fresh)
    states = np.asarray(list(np.ndindex(*[2] * 16)), np.int8) * 2 - 1
    p = np.exp(log_probability(machine, states, exact_log_partition(machine)))
    energy = np.asarray(model.energy(states.reshape(-1, 4, 4)), float)
    assert truth.energy == pytest.approx(p @ energy)
    assert exact.energy(model, truth.temperature) == pytest.approx(truth.energy, abs=1e-6)
    levels, at = np.unique(energy, return_inverse=True)
    mixed = np.mean([np.exp(-16 * energy / t) / np.exp(-16 * energy / t).sum() for t in grid], axis=0)
    sums = [np.bincount(at, weight, minlength=levels.size) for weight in (p, mixed)]
    assert truth.mixture_overlap == pytest.approx(np.minimum(*sums).sum())
    monkeypatch.setattr("rbmflow.likelihood.importance.MOST_SUMMED", 15)
    found = stationary_law(machine, model, fresh)
    assert abs(found.energy - truth.energy) < 5 * found.energy_error < 0.1
    assert abs(found.temperature - truth.temperature) < 5 * found.temperature_error
    frozen = RBM(jnp.full((16, 1), 3.0), jnp.zeros(16), jnp.zeros(1))
    assert np.isnan(stationary_law(frozen, model, fresh.at([np.inf]))).all()


def test_exact_training_comes_close_to_the_mixture():
    """12 hidden units on five temperatures at L = 4: after the first overshoot the excess only falls."""
    model, grid = rf.ising(rf.square(4)), (1.5, 2.0, 2.5, 3.0, 4.0)
    data, fresh = (rf.sample(jax.random.key(seed), model, grid, 2000) for seed in (0, 1))
    course = {"optimiser": "adam", "learning_rate": 0.02, "schedule": "cosine", "checkpoints": 14}
    _, history = rf.train(jax.random.key(2), data, hidden=12, epochs=300, batch=1000, estimator="Exact", **course)
    checkpoints = history.checkpoints
    machines = [checkpoints.machine(number) for number in range(len(checkpoints.update))]
    excess = [excess_nats(machine, model, fresh, exact_log_partition(machine)) for machine in machines]
    means = np.array([nats.mean for nats in excess])
    warm = means[np.asarray(checkpoints.update) >= 10]
    assert len(warm) == 9
    assert np.all(np.diff(warm) < 0)
    assert means[0] > 5
    # Over keys the end lies between 0.044 and 0.056 nats.
    assert 0 < means[-1] + 5 * excess[-1].error < 0.08


GRID = (0.0, 1.0, 2.0, 2.5, 3.0, 4.0, 6.0)


def estimated(length, recipes, monkeypatch, **effort):
    """Machines of a few hidden units, well and badly trained: ln Z as if they were too large, the sum, the excess."""
    monkeypatch.setattr("rbmflow.likelihood.importance.LARGEST_SUMMED_LAYER", 0)
    model = rf.ising(rf.square(length))
    data = rf.sample(jax.random.key(0), model, GRID, 500)
    for number, recipe in enumerate(recipes):
        for_training, for_fresh, for_partition = jax.random.split(jax.random.key(number), 3)
        machine, _ = rf.train(for_training, data, checkpoints=2, **recipe)
        fresh = rf.sample(for_fresh, model, GRID, 500)
        found = log_partition(for_partition, machine, model, fresh, **effort)
        yield found, exact_log_partition(machine).value, excess_nats(machine, model, fresh, found)


def held_against(found):
    """Every estimate within five of its errors of the sum, and on average within one."""
    pulls = np.array([(partition.value - truth) / partition.error for partition, truth, _ in found])
    assert np.abs(pulls).max() < 5
    assert np.mean(pulls**2) < 1 + 5 * np.sqrt(2 / len(pulls))
    for partition, _, excess in found:
        assert excess.mean >= 0 or any("below zero" in flag for flag in excess.flags)
        assert (partition.method == "draws") == (partition.flags == ())


def test_weighted_draws_are_within_their_error_of_the_sum(monkeypatch):
    recipes = [{"hidden": 6, "epochs": 2}, {"hidden": 6, "epochs": 60, "estimator": "PCD", "learning_rate": 0.05}]
    found = list(estimated(4, recipes, monkeypatch, chains=100, steps=100))
    assert [partition.method for partition, *_ in found] == ["draws", "draws"]
    assert max(partition.error for partition, *_ in found) < 0.1
    held_against(found)


@pytest.mark.slow
def test_partition_of_twenty_machines_is_within_its_error_of_the_sum(monkeypatch):
    courses = [("CD", 1, 0.001), ("CD", 1, 0.01), ("CD", 20, 0.01), ("CD", 100, 0.01), ("CD", 50, 0.2)]
    courses += [("PCD", 50, 0.05), ("PCD", 20, 0.3), ("PTT", 20, 0.05), ("CD", 50, 1.0), ("CD", 100, 3.0)]
    recipes = [
        {"hidden": hidden, "estimator": estimator, "epochs": epochs, "learning_rate": rate, "units": units}
        for hidden, units in ((6, "-1/+1"), (12, "0/1"))
        for estimator, epochs, rate in courses
    ]
    found = list(estimated(6, recipes, monkeypatch, chains=250, steps=500))
    held_against(found)
    methods = [partition.method for partition, *_ in found]
    assert methods.count("draws") > 10
    assert methods.count("annealed") > 1


def test_draws_that_do_not_show_the_machine_are_not_used(monkeypatch):
    """A machine with a mode that its mixture knows nothing of, and one trained on ground states alone."""
    monkeypatch.setattr("rbmflow.likelihood.importance.LARGEST_SUMMED_LAYER", 0)
    model, pattern = rf.ising(rf.square(4)), jnp.asarray(np.indices((4, 4)).sum(axis=0).ravel() % 2 * 2 - 1.0)
    stripes = RBM(0.5 * pattern[:, None] * jnp.ones((16, 2)), jnp.zeros(16), jnp.zeros(2))
    truth = exact_log_partition(stripes).value
    for grid, reason in (((1.0, 1.5), "weight of all"), ((0.0,), "T = 0 alone")):
        draws = rf.sample(jax.random.key(0), model, grid, 500)
        found = log_partition(jax.random.key(1), stripes, model, draws, chains=200, steps=200)
        assert found.method == "annealed"
        assert reason in found.flags[0]
        assert abs(found.value - truth) < 5 * found.error < 0.5
        assert found.check > found.value - 5 * found.check_error or not np.isfinite(found.check)


def test_flows_find_what_no_draw_shows(monkeypatch):
    """Cold draws are alike, so their weights are even; the machine is warm, and its flows tell."""
    monkeypatch.setattr("rbmflow.likelihood.importance.LARGEST_SUMMED_LAYER", 0)
    model = rf.ising(rf.square(4))
    draws = rf.sample(jax.random.key(0), model, (0.4, 0.5), 500)
    free = RBM(jnp.zeros((16, 3)), jnp.zeros(16), jnp.zeros(3))
    found = log_partition(jax.random.key(1), free, model, draws, chains=200, steps=5)
    assert found.share > 0.9
    assert found.method == "annealed"
    assert "flows of the machine find" in found.flags[0]
    assert found.value == pytest.approx(19 * np.log(2), abs=1e-6)


def test_annealing_that_stays_below_its_bound_reaches_up_to_it(monkeypatch):
    monkeypatch.setattr("rbmflow.likelihood.importance.LARGEST_SUMMED_LAYER", 0)
    low = LogPartition(0.0, 0.01, "annealed")
    monkeypatch.setattr("rbmflow.likelihood.importance.annealed_log_partition", lambda *_, **__: low)
    model = rf.ising(rf.square(4))
    draws = rf.sample(jax.random.key(0), model, (0.4, 0.5), 500)
    machine = RBM(jnp.zeros((16, 3)), jnp.zeros(16), jnp.zeros(3))
    found = log_partition(jax.random.key(1), machine, model, draws, chains=200, steps=5)
    assert found.error == pytest.approx(4 * np.log(2), abs=0.01)
    assert "annealing misses" in found.flags[-1]
    excess = excess_nats(machine, model, draws, LogPartition(0.0, 0.01, "annealed"))
    assert excess.mean < 0 < excess.mean + 2 * excess.error
    assert "nats more of the machine" in excess.flags[0]
    assert "cannot be below zero" in excess.flags[-1]


def test_chains_that_come_from_one_count_as_one():
    rng = np.random.default_rng(3)
    pulls, claimed = [], []
    for _ in range(200):
        forward, few = 2.0 + 2 * rng.normal(size=400), -6.0 + 2 * rng.normal(size=40)
        delta, error = bennett(forward, np.repeat(few, 10), np.repeat(np.arange(40), 10))
        pulls.append(delta - 4.0)
        claimed.append(error)
    assert abs(np.mean(pulls)) < 5 * np.std(pulls) / np.sqrt(200)
    assert np.mean(claimed) == pytest.approx(np.std(pulls), rel=5 / np.sqrt(400))
    assert np.mean(claimed) > 2 * bennett(forward, np.repeat(few, 10))[1]


def test_means_of_the_machine_are_those_of_all_states():
    model, grid = rf.ising(rf.square(2, 4)), (2.0, np.inf)
    machine = random_machine(visible=8, hidden=3, scale=0.2)
    states = PLUS_MINUS.listed(8).astype(np.int8)
    energies = np.asarray(model.energy(states.reshape(-1, 2, 4)), float)
    truth = np.exp(enumeration.visible_log_probability(machine)) @ energies
    draws = rf.sample(jax.random.key(1), model, grid, 5000)
    found = machine_mean(machine, model, draws, model.energy(draws.spins))
    assert abs(found.mean - truth) < 5 * found.error < 0.2
    with pytest.raises(InvalidInput, match="a share of"):
        machine_mean(random_machine(visible=8, scale=9.0), model, draws, model.energy(draws.spins))


def test_mixtures_of_models_that_draws_alone_tell_are_told_by_draws(monkeypatch):
    """Three-state Potts on 3 x 3 sites, known by a sum and by a transfer matrix, as if by draws alone."""
    monkeypatch.setattr("rbmflow.likelihood.importance.LARGEST_SUMMED_LAYER", 0)
    model, grid = rf.potts(rf.square(3), 3), (0.0, 1.0, 2.0, np.inf)
    machine = RBM.random(jax.random.key(3), 9, MachineSettings(hidden=6, initial_scale=0.1), model.states)
    fresh, true = rf.sample(1, model, grid, 2000), rf.equilibrium.enumerated(model)
    pulls = []
    for seed in range(3):
        measured = rf.equilibrium.measured(seed, model, [], rf.equilibrium.covering(model), 400)
        told = rf.equilibrium.reweighted(measured)
        for method in ("draws", "annealed"):
            draws = {"model": true, "draws": fresh} if method == "draws" else {}
            partition = log_partition(4, machine, **draws)
            assert partition.method == method
            one, other = (excess_nats(machine, truth, fresh, partition) for truth in (told, true))
            assert one.error > other.error
            pulls.append((one.mean - other.mean) / np.sqrt(one.error**2 - other.error**2))
        laws = [stationary_law(machine, truth, fresh) for truth in (told, rf.equilibrium.transferred(model))]
        assert laws[0].energy == pytest.approx(laws[1].energy, abs=5 * laws[1].energy_error + 0.02)
        assert ising_divergence(told, grid) == pytest.approx(ising_divergence(true, grid), abs=0.03)
    assert np.abs(pulls).max() < 5
    exactly = [stationary_law(machine, truth, fresh) for truth in (true, rf.equilibrium.transferred(model))]
    assert exactly[0].temperature == pytest.approx(exactly[1].temperature, abs=1e-6)


def excess_of(model):
    """Excess nats of draws on 2 x 3 sites, taken for those of another model."""
    drawn = rf.sample(jax.random.key(0), rf.ising(rf.square(2, 3)), (1.0, 2.0), 5)
    return excess_nats(random_machine(), model, drawn, LogPartition(0.0))


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda: annealed_log_partition(jax.random.key(0), random_machine(), chains=1), "chains"),
        (lambda: annealed_log_partition(jax.random.key(0), random_machine(), levels=0), "levels"),
        (lambda: log_probability(random_machine(), np.ones((2, 5), np.int8), LogPartition(0.0)), "shape of data"),
        (lambda: log_mixture_probability(rf.ising(rf.square(14), 0.1), (1.0,), np.ones((2, 196), np.int8)), "model"),
        (lambda: log_mixture_probability(rf.ising(rf.square(2)), (1.0,), np.ones((2, 5), np.int8)), "shape of data"),
        (lambda: excess_of(rf.ising(rf.square(3, 2))), "shape of data"),
        (lambda: log_partition(jax.random.key(0), random_machine(), rf.ising(rf.square(2, 3))), "model, draws"),
        (lambda: log_partition("0", random_machine(visible=30, hidden=30)), "key"),
    ],
)
def test_bad_input_names_the_field(call, field):
    with pytest.raises(InvalidInput) as caught:
        call()
    assert field in [problem.field for problem in caught.value.problems]
