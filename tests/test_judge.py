"""A machine, a map or a function is judged as a run judges its own, and its run is there afterwards."""

import numpy as np
import pytest

import rbmflow as rf
from rbmflow import trial
from rbmflow._checks import InvalidInput
from rbmflow.execute import ExecutionFailed
from rbmflow.settings import MACHINES, FlowSettings, SamplingSettings, ThermometerSettings
from rbmflow.spin_models import from_settings, settings_of

MODEL = rf.ising(rf.square(4))
FREE = rf.RBM.from_weights(np.zeros((16, 3)), np.zeros(16), np.zeros(3), units="0/1")
SMALL = {
    "sampling": SamplingSettings((0.0, 2.0, 2.25, 2.5, 6.0), draws=60),
    "thermometer": ThermometerSettings(hidden=8, draws=100, epochs=2, batch=50),
}


def heat_bath(generator, spins):
    """Two halves of a sweep of heat baths at T = 3, whose law is the Boltzmann distribution there."""
    board = np.indices(spins.shape[1:]).sum(axis=0) % 2
    for colour in (0, 1):
        field = sum(np.roll(spins, step, axis) for step in (1, -1) for axis in (1, 2))
        up = generator.random(spins.shape) < 1 / (1 + np.exp(-2 * field / 3))
        spins = np.where(board == colour, np.where(up, 1, -1), spins)
    return spins.astype(np.int8)


def test_a_function_of_numpy_rests_at_its_own_temperature(tmp_path, monkeypatch):
    """Heat baths at T = 3 read 3 from every start within 5 sigma, by T(E) and by the specific Bayes posterior."""
    monkeypatch.setattr(trial, "write_page", lambda record, store: None)
    flow = FlowSettings(chains=300, iterations=16)
    asked = {"name": "heat", "temperatures": (2.0, 2.5), "store": tmp_path, "flow": flow}
    run = rf.judge(heat_bath, MODEL, **asked, **SMALL)
    ends = run.results[["end_temperature", "end_chain_error"]].sel(thermometer="energy").isel(machine=0)
    assert np.all(np.abs(ends["end_temperature"] - 3) < 5 * ends["end_chain_error"])
    assert float(ends["end_chain_error"].max()) < 0.1
    assert not any(name.startswith("given") for name in MACHINES)
    again = rf.open("heat", tmp_path)
    assert again.results.identical(run.results)
    assert again.flow("heat", "hot").spins.shape == (300, 4, 4)


@pytest.mark.slow
def test_machines_are_judged_and_their_page_is_written(tmp_path, monkeypatch):
    """Free units, whose every start is hot after an iteration: T(E) beyond all of the grid, and the page says so."""
    monkeypatch.chdir(tmp_path)
    free = [rf.RBM.from_weights(1e-3 * np.eye(16, 4), np.full(16, bias), None, units="0/1") for bias in (0.0, 1e-3)]
    run = rf.judge(free, MODEL, name="free", flow=FlowSettings(chains=50, iterations=8), **SMALL)
    assert run.results.sizes["seed"] == 2
    assert (run.results["end_temperature"].sel(thermometer="energy") > 6).all()
    assert np.array_equal(run.machine("free-4", seed=1).visible_bias, free[1].visible_bias)
    assert run.page.read_text().count("free-4") > 5
    assert str(run.page) in run._repr_html_()
    assert run.answer[0] in run._repr_html_()


@pytest.mark.parametrize(
    "model",
    [
        MODEL,
        rf.ising(rf.triangular(4, 6), 0.5),
        rf.ising(rf.square(3, 4), 0.0, (1.0, 0.5)),
        rf.potts(rf.honeycomb(3), 3),
        rf.clock(rf.cubic(3), 5),
        rf.blume_capel(rf.chain(6), 0.3),
        rf.ising(rf.hypercubic((2, 2, 2, 2))),
    ],
    ids=repr,
)
def test_a_model_is_named_by_its_tables(model):
    assert from_settings(*settings_of(model)) == model


@pytest.mark.parametrize(
    ("machine", "message"),
    [
        ([], "a machine, a map, a function, or a list of RBMs"),
        ([heat_bath, heat_bath], "a machine, a map, a function, or a list of RBMs"),
        (7, "must be a machine, or have the methods"),
        (rf.RBM.from_weights(np.zeros((9, 2)), None, np.zeros(2), units="0/1"), "lattice of model"),
    ],
)
def test_what_cannot_be_judged_is_one_sentence(tmp_path, machine, message):
    with pytest.raises(InvalidInput, match=message):
        rf.judge(machine, MODEL, store=tmp_path / "store")
    assert not (tmp_path / "store").exists()


def test_a_model_that_no_spec_can_name_is_refused(tmp_path):
    odd = rf.Model(rf.square(4), (0, 1), [[0, 0], [0, -1]], (0, 0.5), [[0], [1]])
    with pytest.raises(InvalidInput, match="one that a spec can name"):
        rf.judge(heat_bath, odd, store=tmp_path / "store")


@pytest.mark.slow
def test_a_function_that_fails_says_at_which_iteration(tmp_path, monkeypatch):
    monkeypatch.setattr(trial, "write_page", lambda record, store: None)
    flow = FlowSettings(chains=3, iterations=8)
    with pytest.raises(ExecutionFailed, match=r"judged seed 0 cold: .*at iteration 1 it returned 0.* more build on"):
        rf.judge(lambda generator, spins: 0 * spins, MODEL, store=tmp_path, flow=flow, **SMALL)


@pytest.mark.usefixtures("as_people_call")
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": None}, "model = 'NoneType'"),
        ({"model": MODEL.lattice}, "model = 'Lattice'"),
        ({"machine": rf.RBM}, "this is a class"),
        ({"machine": FREE.like(np.nan * FREE.weights, FREE.visible_bias, FREE.hidden_bias)}, "must be finite numbers"),
        ({"model": rf.potts(rf.square(4), 3)}, r"states of the machine = \(-1, 1\) .* \(0, 1, 2\)"),
        ({"name": 3}, "name = 3 .* must be a text"),
        ({"name": "a/b"}, "name = 'a/b'"),
        ({"workers": 0}, "workers = 0"),
        ({"workers": "two"}, "workers = 'two'"),
        ({"seed": "a"}, "seed = 'a'"),
        ({"store": 3}, "store = 3 .* a text or a path"),
        ({"flw": FlowSettings()}, "section = 'flw' .* did you mean flow?"),
        ({"seeds": 7}, "section = 'seeds'"),
        ({"types": {}}, "section = 'types'"),
        ({"flow": 3}, r"flow = 3 .* section, such as FlowSettings\(\)"),
        ({"temperatures": [3.0, 2.0]}, "temperatures"),
    ],
)
def test_what_is_asked_for_is_looked_at_before_anything_is_written(tmp_path, changes, message):
    asked = {"machine": FREE, "model": MODEL, "store": tmp_path / "store"} | changes
    with pytest.raises(InvalidInput, match=message):
        rf.judge(asked.pop("machine"), asked.pop("model"), **asked)
    assert not (tmp_path / "store").exists()
