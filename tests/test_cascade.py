"""Which waves machines of other models learn, and when: linear theory beside trainings."""

import numpy as np
import pytest

import rbmflow as rf
from rbmflow._checks import InvalidInput
from rbmflow.correlations import state_covariance
from rbmflow.settings import TrainingSettings
from rbmflow.spectrum import covariance_waves, in_units
from rbmflow.units import ZERO_ONE, units_named


@pytest.mark.parametrize(
    ("model", "temperature", "changed"),
    [
        (rf.potts(rf.honeycomb(2), 3), 1.0, {}),
        (rf.ising(rf.triangular(4)), 6.0, {"optimiser": "momentum", "learning_rate": 0.01}),
        pytest.param(rf.clock(rf.chain(6), 4), 1.2, {"code": "clock"}, marks=pytest.mark.slow),
        (rf.ising(rf.kagome(2)), 4.0, {"units": "0/1", "centred": True, "biases": True, "learning_rate": 1.6}),
    ],
    ids=["potts", "triangular", "clock", "kagome 0/1"],
)
def test_waves_of_any_model_grow_as_linear_theory_says(model, temperature, changed):
    machine = {"hidden": 16, "initial_scale": 0.01, "biases": False}
    machine |= {name: changed.pop(name) for name in ("units", "code", "biases") if name in changed}
    settings = {"epochs": 40, "batch": 2000, "learning_rate": 0.1, "checkpoints": 12} | changed
    draws = rf.sample(0, model, [temperature], 4000)
    _, history = rf.train(1, draws, **settings, **machine)
    units = history.checkpoints.machines.units
    covariance = in_units(units, state_covariance(model, draws.spins[0]))[None]
    found = rf.learning_cascade(history, covariance, TrainingSettings(**settings), model, 4000)
    assert found.grows.any()
    assert not found.grows.all()
    early = found.predicted_amplitude[:, 0] < 0.3
    assert early.sum() > 5
    assert found.predicted_amplitude[early][-1, 0] > 1.3 * found.predicted_amplitude[0, 0]
    np.testing.assert_allclose(found.amplitude[early, :3], found.predicted_amplitude[early, :3], rtol=0.1)
    last = np.flatnonzero(early)[-1]
    growth = found.amplitude[last] / found.amplitude[0]
    assert np.corrcoef(growth, found.eigenvalue)[0, 1] > 0.9


def test_eigenvalues_of_draws_scatter_as_their_error_says():
    """Of free states all eigenvalues are 1, real waves twice as uncertain in the square; no wave then grows."""
    model, count = rf.potts(rf.honeycomb(4), 3), 100
    units, pulls = units_named("-1/+1", model.states), []
    for seed in range(40):
        spins = np.asarray(rf.hot(seed, model, 2 * count)).reshape(2, count, *model.lattice.shape)
        every = np.stack([in_units(units, state_covariance(model, one)) for one in spins])
        # Along fixed vectors, since eigenvectors of noise seek out its ends.
        fixed = covariance_waves(_free(every), model.lattice, units)
        own = np.fft.fftn(every.mean(axis=0), axes=(0, 1)).conj()
        seen = np.einsum("...aw,...ab,...bw->...w", fixed.vector.conj(), own, fixed.vector).real
        pulls.append((seen - 1) / fixed.error(every, count, model.lattice, units))
    assert np.std(pulls) == pytest.approx(1, abs=0.1)
    assert np.abs(np.mean(pulls)) < 0.1


def _free(every):
    """Covariance of free sites, a little apart for each number so that its waves are known."""
    at_once = np.zeros(every.shape[1:])
    at_once[0, 0] = np.diag(1 + 0.1 * np.arange(every.shape[-1]))
    return at_once


def test_adam_learns_the_waves_of_the_theory_in_its_order():
    model = rf.ising(rf.square(6))
    draws, two_point = rf.sample(0, model, [3.5], 4000), rf.exact.two_point(model, [3.5])[0]
    settings = {"epochs": 60, "batch": 2000, "learning_rate": 0.003, "checkpoints": 30, "optimiser": "adam"}
    _, history = rf.train(1, draws, **settings, hidden=32, initial_scale=0.003)
    found = rf.learning_cascade(history, two_point)
    assert set(np.argsort(-found.amplitude[-1])[:9]) == set(range(9))
    assert found.time[0] < found.time[1:5].min()
    assert found.amplitude[-1, 1:5].min() > found.amplitude[-1, 5:9].max()


def test_theory_is_refused_where_the_data_have_a_mean_that_biases_would_learn():
    uneven = rf.ising(rf.square(4), 0.5), rf.blume_capel(rf.square(4), 0.5)
    for model, biases, fits in ((uneven[0], False, True), (uneven[0], True, False), (uneven[1], False, False)):
        draws = rf.sample(0, model, [2.0], 40)
        _, history = rf.train(1, draws, hidden=2, epochs=1, batch=10, biases=biases, checkpoints=2)
        units = history.checkpoints.machines.units
        covariance = in_units(units, state_covariance(model, draws.spins[0]))
        if fits:
            assert rf.learning_cascade(history, covariance, TrainingSettings(), model).grows.any()
            continue
        with pytest.raises(InvalidInput, match="linear theory is known for data of the mean of free sites"):
            rf.learning_cascade(history, covariance, TrainingSettings(), model)
    assert ZERO_ONE.is_even
    with pytest.raises(InvalidInput, match="l1_penalty"):
        rf.learning_cascade(history, covariance, TrainingSettings(l1_penalty=0.1), model)
