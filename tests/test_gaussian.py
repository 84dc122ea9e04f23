"""The law of a machine at given magnetization, and what a training makes of it, against sums over all states."""

import numpy as np
import pytest
from scipy.special import logsumexp

import rbmflow as rf
import synthetic_results
from rbmflow import figures
from rbmflow._checks import InvalidInput
from rbmflow.claims import machines_of, study
from rbmflow.likelihood import stationary_law
from rbmflow.settings import TrainingSettings
from rbmflow.spectrum.gaussian_law import means_of, waves_of
from rbmflow.spectrum.gaussian_training import after_gibbs_step, given_magnetization

MODEL = rf.ising(rf.square(4))
GRID = [k / 4 for k in range(25)]
WINDOW = 0.03
"""In J a site, of an energy between 0 and -2."""


def machine_of(weights):
    """A machine without biases that has these weights."""
    sites, hidden = weights.shape
    return rf.RBM.from_weights(weights, np.zeros(sites), np.zeros(hidden), units="-1/+1")


def test_a_law_of_the_uniform_wave_alone_is_exact():
    hidden = 0.4 * np.array([1.0, -0.5, 0.8])
    machine = machine_of(np.repeat(hidden[None], 16, axis=0))
    found = rf.gaussian_law(machine, MODEL)
    up = np.arange(17)
    total = 2 * up - 16
    count = np.array([np.prod(np.arange(16, 16 - k, -1.0)) / np.prod(np.arange(1.0, k + 1)) for k in up])
    weight = np.log(count) + np.logaddexp(hidden * total[:, None], -hidden * total[:, None]).sum(axis=1)
    exact = np.exp(weight - logsumexp(weight))
    folded = [exact[np.abs(total) == size].sum() for size in found.magnetization]
    np.testing.assert_allclose(found.probability, folded, atol=1e-6)
    pair = (exact @ total**2 - 16) / (16 * 15)
    assert found.energy(MODEL) == pytest.approx(-2 * pair, abs=1e-6)


@pytest.mark.parametrize(
    ("estimator", "model", "scale"),
    [
        ("Exact", MODEL, 1.0),
        ("CD", MODEL, 1.0),
        ("Exact", rf.ising(rf.triangular(4)), 1.6),
        ("Exact", rf.ising(rf.cubic(2, 2, 4), couplings=(2.0, 1.0, 0.5)), 2.0),
    ],
    ids=["exact", "CD", "triangular", "cubic"],
)
def test_a_training_ends_where_it_was_predicted(estimator, model, scale):
    draws = rf.sample(0, model, [scale * temperature for temperature in GRID], 400)
    settings = {"estimator": estimator, "learning_rate": 0.04, "batch": 10_000, "epochs": 300, "checkpoints": 8}
    _, history = rf.train(1, draws, hidden=8, biases=False, initial_scale=0.02, **settings)
    kept = history.checkpoints
    updates = np.asarray(kept.update)
    found = rf.gaussian_training(kept.machine(0), draws.spins, model, TrainingSettings(**settings), updates.tolist())
    measured = [stationary_law(kept.machine(number), model, draws).energy for number in range(len(updates))]
    assert measured[-1] < -0.9
    # While it falls, an update more or less is more than the window.
    resting = np.abs(np.gradient(found.energy, updates)) < WINDOW / 2
    assert resting.sum() >= 5
    np.testing.assert_allclose(np.array(measured)[resting], found.energy[resting], atol=2 * WINDOW)
    assert abs(measured[-1] - found.energy[-1]) < 2 * WINDOW
    assert np.isnan(found.largest_rate).all() == (estimator == "CD")


def test_a_gibbs_step_is_followed_by_its_magnetization_and_its_waves():
    draws = rf.sample(0, MODEL, GRID, 400)
    rng = np.random.default_rng(5)
    machine = machine_of(0.03 * rng.normal(size=(16, 8)) + 0.2 * rng.choice([-1, 1], 8))
    uniform, sizes = waves_of(machine, MODEL)
    every = np.asarray(draws.spins).reshape(-1, 4, 4)
    data = given_magnetization(every, (4, 4))
    law, _ = after_gibbs_step(data, means_of(uniform, sizes, data.magnetization, data.structure), uniform, sizes)
    flow = rf.iterate(3, machine, draws.spins.reshape(-1, 4, 4), 1)
    after = np.asarray(flow.spins)
    assert law.probability.sum() == pytest.approx(1, abs=1e-4)
    order = after.sum(axis=(1, 2), dtype=float) ** 2 / 256
    assert law.probability @ law.magnetization**2 / 256 == pytest.approx(order.mean(), abs=0.02)
    assert law.energy(MODEL) == pytest.approx(float(np.mean(MODEL.energy(after))), abs=0.04)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"steps": 3}, "steps = 3 .* one step"),
        ({"optimiser": "adam"}, "optimiser = 'adam' .* in proportion"),
        ({"estimator": "PCD", "kl_limit": 0.1}, "kl_limit = 0.1 .* no guard"),
    ],
)
def test_trainings_that_the_theory_does_not_know_are_refused(settings, told):
    spins = rf.sample(0, MODEL, [2.0], 20).spins
    with pytest.raises(InvalidInput, match=told):
        rf.gaussian_training(machine_of(np.full((16, 2), 0.1)), spins, MODEL, TrainingSettings(**settings), [1])


def test_machines_and_models_that_the_law_does_not_hold_for_are_refused():
    machine = machine_of(np.full((16, 2), 0.1))
    biased = rf.RBM.from_weights(np.full((16, 2), 0.1), np.ones(16), np.zeros(2), units="-1/+1")
    for one, model, told in (
        (biased, MODEL, "biases"),
        (machine, rf.ising(rf.square(4), field=0.1), "without a field"),
        (machine, rf.ising(rf.square(6)), "16 .* 36 sites"),
        (machine, rf.ising(rf.square(4), couplings=(1.0, -0.1)), "ferromagnetic"),
        (machine, rf.ising(rf.honeycomb(2, 4)), "one site in a cell"),
        (machine, rf.potts(rf.square(4), 2), "Ising"),
    ):
        with pytest.raises(InvalidInput, match=told):
            rf.gaussian_law(one, model)
    with pytest.raises(InvalidInput, match="must increase"):
        rf.gaussian_training(machine, rf.sample(0, MODEL, [2.0], 20).spins, MODEL, TrainingSettings(), [3, 2])


def test_every_panel_of_a_predicted_study_names_its_machine():
    table = study(machines_of(synthetic_results.results()))
    panels = figures.study_predicted(table).axes
    assert [axes.get_title("left") for axes in panels] == table["machine"].values.tolist()
    [theory] = [line for line in panels[0].lines if len(line.get_xdata()) == table.sizes["kept"]][:1]
    np.testing.assert_allclose(theory.get_ydata(), table["predicted_temperature_mean"].values[0])
