"""Faults, each caused on purpose: the data that are in the store afterwards are those of an undisturbed run."""

import contextlib
import os
import pickle
import random
import re
import subprocess
import sys
import threading
import tomllib
from pathlib import Path

import pytest
import tomli_w

import fake_report
import fake_science
import rbmflow
from rbmflow import execute, spec
from rbmflow.cli import main
from rbmflow.store import Step, Store, artifacts


def tree(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def data(store, steps):
    return {step.hash: (store.folder(step) / "data.nc").read_bytes() for step in steps}


def compute(steps, store, workers=1):
    execute.run(steps, store, workers, science="fake_science")


def sweep(chunks):
    """Steps of a small sweep: one data set, four machines."""
    study = spec.parse_sweep({"name": "s", "seeds": 2, "sweep": {"product": {"training.epochs": [chunks, chunks + 1]}}})
    return list(dict.fromkeys(step for point in study.points for step in fake_science.graph(point.spec)))


@pytest.fixture
def cli(monkeypatch, tmp_path):
    """The command line on the fake science, in a folder of its own."""
    for name, module in {"steps": fake_science, "report": fake_report}.items():
        monkeypatch.setitem(sys.modules, f"rbmflow.{name}", module)
        monkeypatch.setattr(rbmflow, name, module, raising=False)
    monkeypatch.setattr("rbmflow.cli.running.default_workers", lambda: 1)
    # The disks of these tests are smaller than what the real steps would need.
    monkeypatch.setattr("rbmflow.cli.running.refuse_what_does_not_fit", lambda *_, **__: None)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
def test_fifty_kills_across_a_sweep_leave_the_same_bytes(tmp_path, monkeypatch):
    steps = sweep(chunks=150)
    whole, store = Store(tmp_path / "whole"), Store(tmp_path / "store")
    compute(steps, whole)
    monkeypatch.setenv("FAKE_PAUSE", "0.1")
    rng, kills, over = random.Random(5), [], threading.Event()

    def kill():
        while len(kills) < 50 and not over.wait(rng.uniform(0.0, 0.8)):
            at_work = workers_at_work(store)
            if at_work:
                kills.append(rng.choice(sorted(at_work)))
                with contextlib.suppress(ProcessLookupError):
                    os.kill(kills[-1], 9)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        while any(store.state(step) != "done" for step in steps):
            with contextlib.suppress(execute.ExecutionFailed):
                compute(steps, store, workers=2)
    finally:
        over.set()
        killer.join()
    assert len(kills) == 50
    for step in steps:
        store.read(step)
    assert data(store, steps) == data(whole, steps)
    assert list((store.path / "work").iterdir()) == []


def workers_at_work(store):
    """Living children of this process that have begun a step, so that no life ends before it has begun."""
    found = set()
    for path in store.path.glob("work/*/progress.json"):
        with contextlib.suppress(OSError, AttributeError):
            number = int(re.search(r'"pid": (\d+)', path.read_text()).group(1))
            state, parent = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[:2]
            if int(parent) == os.getpid() and state != "Z":
                found.add(number)
    return found


class Killed(BaseException):
    """Stands for the end of the process: nothing of the package catches it."""


def test_a_kill_at_any_moment_of_publishing_publishes_all_or_nothing(tmp_path, monkeypatch):
    step = fake_science.graph(spec.parse({"name": "x", "seeds": 1}))[0]
    dataset = fake_science.compute(step, (), tmp_path, lambda _: None)
    whole = Store(tmp_path / "whole")
    whole.publish(step, dataset, {})
    expected = tree(whole.folder(step))
    calls = last = 0

    def dying(work):
        def call(*words, **named):
            nonlocal calls
            calls += 1
            if calls == last:
                raise Killed
            return work(*words, **named)

        return call

    for owner, name in (
        (artifacts, "sync"),
        (artifacts, "to_json"),
        (os, "rename"),
        (os, "mkdir"),
        (os, "fsync"),
    ):
        monkeypatch.setattr(owner, name, dying(getattr(owner, name)))
    monkeypatch.setattr("pathlib.Path.write_bytes", dying(artifacts.Path.write_bytes))
    outcomes = []
    for last in range(1, 60):
        calls, store = 0, Store(tmp_path / f"store-{last}")
        try:
            store.publish(step, dataset, {})
        except Killed:
            outcomes.append(store.state(step))
            if outcomes[-1] == "done":
                assert tree(store.folder(step)) == expected
            last_was, last = last, 0
            store.publish(step, dataset, {})
            last = last_was
            assert tree(store.folder(step)) == expected
        else:
            break
    assert set(outcomes) == {"missing", "done"}
    assert len(outcomes) > 10


@contextlib.contextmanager
def small_disk(folder, size):
    """A file system of its own in memory."""
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip("a small file system can be mounted by root alone")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def remount(folder, options):
    subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_full_disk_is_told_and_harms_nothing(tmp_path, workers):
    steps = fake_science.graph(spec.parse({"name": "x", "seeds": 4, "training": {"epochs": 3}}))
    whole = Store(tmp_path / "whole")
    compute(steps, whole)
    disk = tmp_path / "disk"
    with small_disk(disk, "60k"):
        store = Store(disk / "store")
        with pytest.raises(execute.ExecutionFailed, match="No space left on device"):
            compute(steps, store, workers)
        states = [store.state(step) for step in steps]
        assert set(states) == {"done", "missing"}
        for step, state in zip(steps, states, strict=True):
            if state == "done":
                store.read(step)
        remount(disk, "size=10m")
        compute(steps, store, workers)
        assert data(store, steps) == data(whole, steps)


def test_a_full_disk_is_one_sentence_in_a_shell(cli, capsys):
    disk = cli / "disk"
    with small_disk(disk, "16k"):
        assert main(["run", "--seeds", "9", "--store", str(disk / "store")]) == 1
        error = capsys.readouterr().err
        assert "No space left on device" in error
        assert "Traceback" not in error
        remount(disk, "size=10m")
        assert main(["run", "--seeds", "9", "--store", str(disk / "store")]) == 0


def test_a_store_that_cannot_be_written_can_be_read(cli, capsys):
    disk = cli / "disk"
    with small_disk(disk, "10m"):
        where = ["--store", str(disk / "store")]
        assert main(["run", "--seeds", "1", *where]) == 0
        remount(disk, "ro")
        capsys.readouterr()
        for words in (["plan", "--seeds", "1"], ["status"], ["show", "quick"], ["store", "verify"], ["store", "ls"]):
            assert main([*words, *where]) == 0
        assert main(["run", "--seeds", "2", *where]) == 2
        assert "it must be a folder that can be written (Read-only file system)" in capsys.readouterr().err


def test_a_spec_that_changes_while_its_run_is_on_changes_nothing(cli, capsys, monkeypatch):
    path = cli / "mine.toml"
    path.write_text('name = "mine"\nseeds = 1\n[training]\nepochs = 3\n')
    asked = spec.load(path)
    honest = fake_science.compute

    def meddling(*words):
        path.write_text('name = "mine"\nseeds = 1\n[training]\nepochs = 5\n')
        return honest(*words)

    monkeypatch.setattr(fake_science, "compute", meddling)
    assert main(["run", str(path)]) == 0
    store = Store("rbmflow-store")
    (record,) = store.runs()
    assert record["spec_toml"] == spec.to_toml(asked)
    assert record["steps"][-1]["hash"] == fake_science.graph(asked)[-1].hash
    monkeypatch.setattr(fake_science, "compute", honest)
    assert main(["run", str(path)]) == 0
    assert [spec.parse(tomllib.loads(run["spec_toml"])).training.epochs for run in store.runs()] == [3, 5]
    assert store.provenance(fake_science.graph(asked)[1])["settings"]["chunks"] == 3


def test_a_store_of_an_older_step_version_is_not_mixed_with_the_new(tmp_path):
    def versioned(version):
        draws = Step("draws", "draws", {"seed": 0})
        machine = Step("machine", "machine", {"seed": 0, "chunks": 2}, (draws,), version)
        return [draws, machine, Step("flow", "flow", {}, (machine,))]

    store, old, new = Store(tmp_path / "store"), versioned(1), versioned(2)
    compute(old, store)
    before = tree(store.path)
    assert [step.kind for step in execute.missing(new, lambda step: store.state(step) == "done")] == ["machine", "flow"]
    compute(new, store)
    after = tree(store.path)
    assert {name: content for name, content in after.items() if name in before} == before
    assert store.provenance(new[1])["version"] == 2


def test_memory_that_runs_out_inside_a_step_is_a_failure(tmp_path, monkeypatch):
    (tmp_path / "endless_science.py").write_text(
        "import numpy as np, xarray as xr\n"
        "def compute(step, parents, work, progress):\n"
        "    return xr.Dataset({'x': ('n', np.ones(step.settings['size']))})\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    steps = [Step("probe", str(size), {"size": size}) for size in (10, 10**16, 20)]
    store = Store(tmp_path / "store")
    with pytest.raises(execute.ExecutionFailed, match="Unable to allocate"):
        execute.run(steps, store, science="endless_science")
    assert [store.state(step) for step in steps] == ["done", "missing", "done"]


@pytest.mark.parametrize("name", ["../../escaped", "/tmp/escaped", "a/b", "..", ".hidden", "a\\0b", "~"])
def test_no_name_in_a_spec_leads_out_of_the_store(cli, capsys, name):
    (cli / "spec.toml").write_text(tomli_w.dumps({"name": name}))
    for words in (["run", "spec.toml"], ["plan", "--record", "spec.toml"]):
        assert main(words) == 2
        assert "name = " in capsys.readouterr().err
    assert [path.name for path in cli.iterdir()] == ["spec.toml"]


def test_no_artifact_is_ever_unpickled(tmp_path):
    """A store that somebody else has filled with pickles in place of everything runs none of them."""

    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "exploded"),)

    steps = fake_science.graph(spec.parse({"name": "x", "seeds": 1, "training": {"epochs": 2}}))
    store = Store(tmp_path / "store")
    compute(steps, store)
    whole = data(store, steps)
    for path in list(store.path.glob("artifacts/machine/*/*")):
        path.write_bytes(pickle.dumps(Bomb()))
    store.discard(steps[-1])
    store.discard(steps[-2])
    compute(steps, store)
    assert data(store, steps) == whole
    assert not (tmp_path / "exploded").exists()
