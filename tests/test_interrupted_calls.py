"""Ctrl-C in a long call: what was done is at hand, and the script ends all the same."""

import jax
import numpy as np
import pytest

import rbmflow as rf
from rbmflow.settings import MachineSettings, ThermometerSettings, TrainingSettings

KEY, MODEL = jax.random.key(0), rf.ising(rf.square(4))
DATA = np.where(np.random.default_rng(0).random((60, 16)) < 0.3, -1, 1).astype(np.int8)


def ctrl_c(fraction: float) -> None:
    """Progress that somebody ends as soon as there is any."""
    raise KeyboardInterrupt


def stopped(call) -> rf.Interrupted:
    with pytest.raises(KeyboardInterrupt) as caught:
        call()
    assert isinstance(caught.value, rf.Interrupted)
    return caught.value


@pytest.fixture
def short_chunks(monkeypatch):
    monkeypatch.setattr("rbmflow.training.fit.UPDATES_IN_A_CHUNK", 1)
    monkeypatch.setattr("rbmflow.flow.ITERATIONS_IN_A_CHUNK", 2)


@pytest.mark.parametrize("together", [False, True])
def test_training_keeps_the_epochs_that_were_done(short_chunks, together):
    course = {"hidden": 3, "batch": 20}
    if together:
        settings = MachineSettings(hidden=3), TrainingSettings(epochs=3, batch=20)
        end = stopped(lambda: rf.train_ensemble([KEY], DATA, *settings, progress=ctrl_c))
        ((machine, history),) = end.result
    else:
        end = stopped(lambda: rf.train(KEY, DATA, epochs=3, progress=ctrl_c, **course))
        machine, history = end.result
    shorter, whole = rf.train(KEY, DATA, epochs=1, **course)
    np.testing.assert_allclose(machine.weights, shorter.weights, atol=2e-6)
    assert history.reconstruction.shape == (1,)
    assert history.checkpoints.update.tolist() == [0, 1, 2, 3]
    np.testing.assert_array_equal(history.checkpoints.machine(-1).weights, machine.weights)
    assert "1 of 3 epochs" in str(end)
    again = rf.History.from_dataset(history.to_dataset())
    assert history.flags["interrupted"] == again.flags["interrupted"] == "stopped after 1 of 3 epochs"
    assert "interrupted" not in whole.flags


def test_flow_keeps_the_iterations_that_were_done(short_chunks):
    weights = 0.2 * np.random.default_rng(1).normal(size=(16, 5))
    machine = rf.RBM.from_weights(weights, np.zeros(16), np.zeros(5), units="-1/+1")
    start = rf.hot(KEY, MODEL, 10)
    whole = rf.iterate(KEY, machine, start, 6)
    for keep, kept in ((None, (0, 1, 2)), ((1, 6), (1, 2)), ((5,), (2,))):
        flow = stopped(lambda keep=keep: rf.iterate(KEY, machine, start, 6, keep=keep, progress=ctrl_c)).result
        assert flow.iterations == kept
        np.testing.assert_array_equal(flow.configurations, whole.configurations[np.array(kept)])


def test_draws_keep_the_temperatures_that_were_done(tmp_path):
    whole = rf.sample(KEY, MODEL, [1.0, 2.0], 7)
    draws = stopped(lambda: rf.sample(KEY, MODEL, [1.0, 2.0], 7, progress=ctrl_c)).result
    assert (draws.temperatures, len(draws.chains)) == ((1.0,), 1)
    np.testing.assert_array_equal(draws.spins, whole.spins[:1])

    def later(fraction: float) -> None:
        if fraction > 0.5:
            raise KeyboardInterrupt

    path = stopped(lambda: rf.sample_to(tmp_path / "a.nc", KEY, MODEL, [1.0, 2.0], 7, tell=None, progress=later)).result
    read = rf.Draws.read(path)
    assert read.temperatures == (1.0,)
    np.testing.assert_array_equal(read.spins, whole.spins[:1])
    with pytest.raises(KeyboardInterrupt) as caught:
        rf.sample_to(tmp_path / "b.nc", KEY, MODEL, [1.0, 2.0], 7, tell=None, progress=ctrl_c)
    assert not isinstance(caught.value, rf.Interrupted)
    assert [one.name for one in tmp_path.iterdir()] == ["a.nc"]


def test_thermometer_of_the_epochs_that_were_done_is_calibrated(short_chunks):
    settings = ThermometerSettings(hidden=4, draws=20, epochs=3, batch=20)
    call = lambda: rf.train_thermometer(KEY, MODEL, [1.0, 3.0], settings, progress=ctrl_c)  # noqa: E731
    thermometer, history = stopped(call).result
    assert history.accuracy.shape == (1,)
    assert thermometer.read(rf.cold(KEY, MODEL, 2)).shape == (2, 2)


def test_before_anything_was_done_it_is_a_plain_ctrl_c(monkeypatch):
    monkeypatch.setattr("rbmflow._scan._run", lambda *_: ctrl_c(0.0))
    with pytest.raises(KeyboardInterrupt) as caught:
        rf.train(KEY, DATA, hidden=2, epochs=1, batch=20)
    assert not isinstance(caught.value, rf.Interrupted)
