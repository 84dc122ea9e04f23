"""Machines and configurations of files in a spec: the same numbers as by hand, known by their content."""

import dataclasses
import shutil

import numpy as np
import pytest

import rbmflow as rf
from rbmflow._checks import InvalidInput
from rbmflow.claims import machines_of
from rbmflow.cli import main
from rbmflow.settings import (
    FlowSettings,
    LatticeSettings,
    MachineSettings,
    SamplingSettings,
    ThermometerSettings,
    TrainingSettings,
    TypeSettings,
)
from rbmflow.spec import Spec, parse, parse_toml, to_toml
from rbmflow.steps import compute, graph

MODEL = rf.ising(rf.square(4))
GRID = (2.0, 2.5, 6.0)
RNG = np.random.default_rng(3)
WEIGHTS, VISIBLE, HIDDEN = (0.3 * RNG.normal(size=size) for size in ((16, 5), 16, 5))
OF_FILE = {"machine": "file", "machine_units": "0/1", "temperatures": GRID}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with a machine as PyTorch has it, in units 0/1, and configurations 0/1 in rows."""
    np.savez(tmp_path / "mine.npz", W=WEIGHTS.T, v_bias=VISIBLE, h_bias=HIDDEN)
    spins = RNG.integers(0, 2, (3 * 40, 16)).astype(np.uint8)
    np.savez(tmp_path / "data.npz", X=spins, T=np.repeat(GRID, 40))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def spec_of(**of_type):
    return Spec(
        name="mine",
        seeds=1,
        lattice=LatticeSettings(length=4),
        sampling=SamplingSettings(temperatures=(0.0, *GRID), draws=30),
        machine=MachineSettings(hidden=7),
        training=TrainingSettings(batch=30, epochs=2),
        types={"mine": TypeSettings(**of_type)},
        flow=FlowSettings(starts=("cold", "hot"), chains=20, iterations=8),
        thermometer=ThermometerSettings(hidden=4, draws=50, epochs=1, batch=50),
    )


def kept(spec):
    return {step.hash for step in graph(spec)}


def computed(spec, kinds, work):
    """Data of the steps of some kinds, and all steps by kind."""
    made = {}
    for step in graph(spec):
        if step.kind in kinds:
            made[step.hash] = compute(step, tuple(made[one.hash] for one in step.parents), work, lambda _: None)
            made[step.kind] = made[step.hash]
    return made


def test_a_machine_of_a_file_is_the_one_that_is_in_it(folder):
    """Same weights, its own number of hidden units, and the excess nats that it has by hand, summed over all states."""
    spec = spec_of(machine_files=("mine.npz",), **OF_FILE)
    made = computed(spec, {"draws", "given", "likelihood"}, folder)
    machine = rf.RBM.from_dataset(made["given"])
    known = rf.RBM.from_weights(WEIGHTS, VISIBLE, HIDDEN, units="0/1", shape=(4, 4))
    assert np.array_equal(machine.weights, known.weights)
    assert (machine.units, machine.shape, machine.weights.shape[1]) == (known.units, (4, 4), 5)
    unseen = next(step for step in graph(spec) if step.name.startswith("unseen"))
    draws = rf.Draws.from_dataset(made[unseen.hash]).at(GRID)
    by_hand = rf.excess_nats(known, MODEL, draws, rf.log_partition(0, known, MODEL, draws))
    assert float(made["likelihood"]["excess"]) == pytest.approx(by_hand.mean, abs=1e-5)
    other = rf.RBM.from_weights(WEIGHTS, VISIBLE, HIDDEN, units="-1/+1", shape=(4, 4))
    wrong = rf.excess_nats(other, MODEL, draws, rf.log_partition(0, other, MODEL, draws))
    assert abs(wrong.mean - by_hand.mean) > 1


def test_configurations_of_a_file_are_those_that_are_in_it(folder):
    spec = spec_of(data="file", data_file="data.npz", temperatures=GRID)
    made = computed(spec, {"draws"}, folder)
    step = next(step for step in graph(spec) if step.name == "draws mine")
    draws, content = rf.Draws.from_dataset(made[step.hash]), np.load("data.npz")["X"]
    assert np.array_equal(draws.spins, 2 * content.reshape(3, 40, 4, 4).astype(np.int8)[:, :30] - 1)
    assert draws.method == "given (0/1 read as -1/+1)"
    more = dataclasses.replace(spec, sampling=dataclasses.replace(spec.sampling, draws=41))
    with pytest.raises(InvalidInput, match=r"types.mine.data_file = .* sampling.draws = 41 .* has 40 configurations"):
        graph(more)


def test_files_are_known_by_their_content_and_not_by_their_names(folder):
    """A copy elsewhere is the same run; other content is another, and moves no step that does not read it."""
    spec = spec_of(machine_files=("mine.npz",), data="file", data_file="data.npz", **OF_FILE)
    (folder / "else").mkdir()
    for name in ("mine.npz", "data.npz"):
        shutil.copy(name, folder / "else" / name)
    moved = spec_of(machine_files=("else/mine.npz",), data="file", data_file="else/data.npz", **OF_FILE)
    assert kept(moved) == kept(spec)
    assert parse(parse_toml(to_toml(moved))) == moved
    before = {step.hash: step.kind for step in graph(spec)}
    np.savez("mine.npz", W=2 * WEIGHTS.T, v_bias=VISIBLE, h_bias=HIDDEN)
    anew = {kind for one, kind in before.items() if one not in kept(spec)}
    assert anew == {"given", "spectrum", "flow", "reading", "results"}


def test_a_file_that_changes_after_the_plan_is_refused(folder):
    steps = graph(spec_of(machine_files=("mine.npz",), **OF_FILE))
    np.savez("mine.npz", W=2 * WEIGHTS.T, v_bias=VISIBLE, h_bias=HIDDEN)
    given = next(step for step in steps if step.kind == "given")
    with pytest.raises(InvalidInput, match=r"file = 'mine.npz' .* the content that it had when the run was planned"):
        compute(given, (), folder, lambda _: None)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"machine_files": ("none.npz",)}, r"types.mine.machine_files = 'none.npz'.*No such file"),
        ({"machine_files": ("data.npz",)}, r"types.mine.machine_files = 'data.npz' .* no weights that are known"),
        ({"machine_files": ("mine.npz", "data.npz")}, "a file for each of the 1 seeds"),
        ({"machine_units": ""}, "must be .-1/.1. or .0/1. where machine = .file."),
        ({"machine_files": ()}, "there must be a path for each seed"),
        ({"weights": "initial"}, "nobody knows its weights before training"),
        ({"data": "file"}, "it must be a path where data = .file."),
        ({"data": "file", "data_file": "none.npy"}, r"types.mine.data_file = 'none.npy'.*No such file"),
        ({"data": "file", "data_file": "junk.npz"}, r"types.mine.data_file = 'junk.npz' .* the table must have rows"),
        ({"data": "file", "data_file": "mine.npz"}, r"types.mine.data_file = 'mine.npz' .* temperatures"),
        (
            {"data": "file", "data_file": "data.npz", "temperatures": (2.0, 3.0)},
            r"types.mine.data_file = 'data.npz' .* temperatures = \[3.0\] .* some of \[2.0, 2.5, 6.0\]",
        ),
    ],
)
def test_files_that_cannot_be_used_are_one_sentence_of_their_field(folder, changes, message):
    (folder / "junk.npz").write_text("no archive\n")
    with pytest.raises(InvalidInput, match=message):
        graph(spec_of(**{"machine_files": ("mine.npz",), **OF_FILE, **changes}))


def test_a_missing_file_ends_the_command_with_2_and_leaves_nothing(folder, capsys):
    (folder / "spec.toml").write_text(to_toml(spec_of(machine_files=("none.pt",), **OF_FILE)))
    assert main(["run", "spec.toml", "--store", "store", "--workers", "1"]) == 2
    assert "types.mine.machine_files = 'none.pt' is not allowed" in capsys.readouterr().err
    assert not (folder / "store").exists()


def test_configurations_that_do_not_fit_end_the_command_with_2_and_leave_nothing(folder, capsys):
    """They are looked at before the store is made."""
    (folder / "spec.toml").write_text(to_toml(spec_of(data="file", data_file="data.npz", temperatures=(2.0, 3.0))))
    for command in ("plan", "run"):
        assert main([command, "spec.toml", "--store", "store"]) == 2
        assert "types.mine.data_file = 'data.npz' is not allowed" in capsys.readouterr().err
    assert not (folder / "store").exists()


@pytest.mark.slow
def test_the_whole_report_of_files(folder):
    """Of a machine and configurations of files alone, from the command line, and by the name of the run afterwards."""
    both = spec_of(machine_files=("mine.npz",), data="file", data_file="data.npz", **OF_FILE)
    (folder / "spec.toml").write_text(to_toml(both))
    assert main(["run", "spec.toml", "--store", "store", "--workers", "1"]) == 0
    run = rf.open("mine", "store")
    assert np.array_equal(run.machine("mine-5").weights, WEIGHTS.astype(np.float32))
    [machine] = machines_of(run.results)
    assert (machine.hidden, machine.recipe["training.estimator"], machine.updates) == (5, None, 0)
    page = (folder / "store" / "runs" / run.name / "report.html").read_text()
    assert "those of a file" in page
    assert "0/1 read as -1/+1" in page
