import hashlib
import json
import math
import os
import pickle
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest
import xarray as xr

from rbmflow._checks import InvalidInput
from rbmflow._files import to_json, write_text
from rbmflow.store import STALE_AFTER, Address, Damaged, Step, Store, ancestry

DATA = xr.Dataset({"spins": (("draw", "x"), np.ones((40, 5), np.int8)), "energy": ("draw", np.linspace(0, 1, 40))})


def tree(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "store")
    store.prepare()
    return store


@pytest.fixture
def step():
    return Step("machine", "a machine", {"seed": 0, "maximum": math.inf}, (Step("draws", "draws", {"length": 4}),), 2)


def test_hash_is_that_of_the_canonical_json(step):
    draws = '{"kind":"draws","parents":[],"settings":{"length":4},"version":1}'
    text = (
        f'{{"kind":"machine","parents":["{hashlib.sha256(draws.encode()).hexdigest()}"],'
        '"settings":{"maximum":"inf","seed":0},"version":2}'
    )
    assert step.hash == hashlib.sha256(text.encode()).hexdigest()


def test_hash_depends_on_everything_but_the_label(step):
    def changed(kind="machine", name="a machine", settings=None, parents=step.parents, version=2):
        return Step(kind, name, settings or {"maximum": math.inf, "seed": 0}, parents, version)

    assert changed(name="another label") == step
    other = Step("draws", "draws", {"length": 5})
    variants = [changed(kind="flow"), changed(settings={"seed": 1}), changed(parents=(other,)), changed(version=3)]
    variants += [changed(parents=(*step.parents, other)), changed(parents=(other, *step.parents))]
    assert len({step, *variants}) == 7


def test_wide_graphs_are_fast_and_steps_can_be_sent():
    start = time.process_time()
    first = Step("draws", "draws", {})
    middle = [Step("link", str(number), {"number": number}, (first,)) for number in range(20_000)]
    last = Step("results", "results", {"starts": ("cold", math.inf)}, tuple(middle))
    again = pickle.loads(pickle.dumps(last))
    assert (again, again.settings) == (last, last.settings)
    assert again.parents[-1].settings["number"] == 19_999
    assert ancestry(again) == (first, *middle, last)
    assert "parents" not in repr(again)
    assert time.process_time() - start < 10


def test_published_data_come_back(store, step):
    assert store.state(step) == "missing"
    store.publish(step, DATA, {"seconds": 1.5})
    assert store.state(step) == "done"
    assert store.read(step).identical(DATA)
    about = store.provenance(step)
    assert about["seconds"] == 1.5
    assert about["settings"] == {"seed": 0, "maximum": "inf"}
    assert about["parents"] == [{"kind": "draws", "hash": step.parents[0].hash}]
    assert (about["kind"], about["version"], about["hash"]) == ("machine", 2, step.hash)
    assert not (store.path / "work" / step.hash).exists()
    check = subprocess.run(["sha256sum", "--check", "SHA256SUMS"], cwd=store.folder(step), capture_output=True)
    assert check.returncode == 0


def test_the_same_data_are_the_same_bytes(store, step, tmp_path):
    store.publish(step, DATA, {})
    other = Store(tmp_path / "other")
    other.publish(step, DATA.copy(deep=True), {"seconds": 3})
    name = "data.nc"
    assert (store.folder(step) / name).read_bytes() == (other.folder(step) / name).read_bytes()


def test_the_first_to_publish_stays(store, step):
    store.publish(step, DATA, {"who": "first"})
    before = tree(store.path)
    store.publish(step, DATA * 2, {"who": "second"})
    assert tree(store.path) == before


@pytest.mark.parametrize("name", ["data.nc", "provenance.json", "SHA256SUMS"])
@pytest.mark.parametrize("harm", ["pipe", "cut", "empty", "gone", "flip 0", "flip 50", "flip -1", "longer"])
def test_damage_to_any_file_is_found(store, step, name, harm):
    store.publish(step, DATA, {})
    path = store.folder(step) / name
    content = bytearray(path.read_bytes())
    if harm.startswith("flip"):
        content[int(harm.split()[1])] ^= 1
    shorter = {"cut": content[: len(content) // 2], "empty": b"", "longer": content + b"x"}
    path.write_bytes(shorter.get(harm, content))
    if harm in ("gone", "pipe"):
        path.unlink()
    if harm == "pipe":
        os.mkfifo(path)
    if name == "SHA256SUMS" and harm == "longer":
        store.read(step)  # A line more harms nothing: the two that matter are there.
        return
    with pytest.raises(Damaged) as caught:
        store.read(step)
    assert name in caught.value.reason or "agree" in caught.value.reason
    assert store.state(step) == ("damaged" if harm in ("empty", "gone", "pipe") else "done")
    with pytest.raises(Damaged):
        store.read(step)


def test_every_flipped_byte_is_found(store, step):
    store.publish(step, DATA.isel(draw=slice(0, 2)), {})
    for name in ("provenance.json", "SHA256SUMS"):
        path = store.folder(step) / name
        whole = path.read_bytes()
        for position in range(len(whole)):
            path.write_bytes(whole[:position] + bytes([whole[position] ^ 32]) + whole[position + 1 :])
            with pytest.raises(Damaged):
                store.read(step)
        path.write_bytes(whole)
    store.read(step)


def test_a_foreign_artifact_is_refused(store, step):
    other = Step("machine", "another", {"seed": 1})
    store.publish(other, DATA, {})
    shutil.copytree(store.folder(other), store.folder(step))
    with pytest.raises(Damaged, match="its provenance names another step"):
        store.read(step)


def test_something_that_is_no_folder_in_the_place_of_an_artifact(store, step):
    store.folder(step).parent.mkdir(parents=True)
    store.folder(step).write_text("hello")
    assert store.state(step) == "damaged"
    with pytest.raises(Damaged):
        store.read(step)
    store.discard(step)
    store.publish(step, DATA, {})
    assert store.read(step).identical(DATA)


def test_discard(store, step):
    store.publish(step, DATA, {})
    store.discard(step)
    assert store.state(step) == "missing"
    store.discard(step)


def test_progress_is_a_sign_of_life(store, step):
    assert store.progress(step) is None
    store.report_progress(step, 0.25)
    assert store.state(step) == "running"
    (running,) = store.running()
    assert (running.kind, running.name, running.fraction) == ("machine", "a machine", 0.25)
    assert running.age < 5
    note = store.work(step) / "progress.json"
    long_ago = time.time() - STALE_AFTER - 1
    os.utime(note, (long_ago, long_ago))
    assert store.state(step) == "missing"
    store.end_progress(step)
    assert store.progress(step) is None
    assert store.running() == []


def test_a_dead_process_does_not_run_its_step(store, step):
    store.report_progress(step, 0.5)
    path = store.work(step) / "progress.json"
    note = json.loads(path.read_text())
    dead = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, dead.pid, os.WEXITED | os.WNOWAIT)  # It has ended and is not buried yet.
    path.write_text(json.dumps(note | {"pid": dead.pid}))
    assert store.state(step) == "missing"
    dead.wait()
    assert store.state(step) == "missing"
    path.write_text(json.dumps(note | {"pid": dead.pid, "host": "elsewhere"}))
    assert store.state(step) == "running"
    path.write_text("{")
    assert store.state(step) == "missing"


def test_reading_makes_nothing(tmp_path, step):
    store = Store(tmp_path / "none")
    assert store.state(step) == "missing"
    assert store.progress(step) is None
    assert store.running() == []
    assert store.runs() == []
    with pytest.raises(Damaged):
        store.read(step)
    assert not store.path.exists()


def test_places_that_cannot_be_a_store(tmp_path):
    file = tmp_path / "file"
    file.write_text("hello")
    with pytest.raises(InvalidInput, match="it must be a folder"):
        Store(file)
    for path in (file / "store", ""):
        with pytest.raises(InvalidInput, match="a path where one can be made"):
            Store(path)
    for path in ("/proc/store", tmp_path / ("x" * 300)):
        with pytest.raises(InvalidInput, match="it must be a folder that can be written"):
            Store(path).prepare()
    assert tree(tmp_path) == {"file": b"hello"}


def test_a_folder_that_cannot_be_written(tmp_path, monkeypatch):
    # Permission bits do not stop root, so the failure of the probe is played.
    def refuse(*_, **__):
        raise OSError(30, "Read-only file system")

    store = Store(tmp_path / "store")
    for name in ("mkdir", "fsync", "rename"):
        store.prepare()
        before = tree(tmp_path)
        with monkeypatch.context() as patch:
            patch.setattr(os, name, refuse)
            with pytest.raises(InvalidInput, match="Read-only file system"):
                store.prepare()
        assert tree(tmp_path) == before


def test_runs_are_found_by_id_beginning_and_name(store):
    rows = [{"kind": "draws", "name": "draws", "hash": "0" * 64}]
    for number, (run, name) in enumerate([("a-11", "a"), ("a-12", "a"), ("ab-13", "ab")]):
        store.run_folder(run).mkdir(parents=True)
        started = f"2026-01-0{3 - number}T00:00:00+00:00"
        write_text(
            store.run_folder(run) / "run.json", to_json({"run": run, "name": name, "started": started, "steps": rows})
        )
    store.run_folder("broken").mkdir()
    write_text(store.run_folder("broken") / "run.json", "{")
    store.run_folder("foreign").mkdir()
    write_text(store.run_folder("foreign") / "run.json", to_json({"run": "a-1", "name": "a", "started": "2026"}))
    assert [run["run"] for run in store.runs()] == ["ab-13", "a-12", "a-11"]
    found = {wanted: store.find_run(wanted)["run"] for wanted in ("a-12", "a", "ab", "ab-1")}
    assert found == {"a-12": "a-12", "a": "a-11", "ab": "ab-13", "ab-1": "ab-13"}
    with pytest.raises(InvalidInput, match="the runs are: a-12, a-11"):
        store.find_run("a-1")
    with pytest.raises(InvalidInput, match="the runs are: ab-13, a-12, a-11"):
        store.find_run("zz")


def test_json_has_no_numbers_that_json_lacks():
    text = to_json({"a": [math.inf, -math.inf, 1.5], "b": (math.nan, True, None, "ü")})
    assert json.loads(text, parse_constant=pytest.fail) == {"a": ["inf", "-inf", 1.5], "b": ["nan", True, None, "ü"]}


def test_an_address_is_enough_to_read(store, step):
    store.publish(step, DATA, {})
    assert store.read(Address("machine", step.hash)).identical(DATA)
