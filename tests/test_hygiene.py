"""Care of a store: verify and gc; and parcels, also those that mean harm."""

import hashlib
import json
import os
import re
import time
import zipfile

import numpy as np
import pytest
import xarray as xr

from rbmflow._checks import InvalidInput
from rbmflow._files import to_json
from rbmflow.cli import main
from rbmflow.store import Damaged, Step, Store, layout, parcels

DATA = xr.Dataset({"x": ("n", np.arange(9.0))})
DRAWS = Step("draws", "draws", {"seed": 0})
MACHINE = Step("machine", "a machine", {"seed": 0}, (DRAWS,))
STRAY = Step("machine", "a stray", {"seed": 1})
RUN = "some-0123456789"


def tree(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture
def store(tmp_path):
    """A store with a run of two steps, and an artifact of no run."""
    store = Store(tmp_path / "store")
    store.prepare()
    for number, step in enumerate((DRAWS, MACHINE, STRAY)):
        store.publish(step, DATA + number, {"seconds": 2.0, "started": "2030-01-01T00:00:00+00:00"})
    rows = [{"kind": step.kind, "name": step.name, "hash": step.hash} for step in (DRAWS, MACHINE)]
    store.run_folder(RUN).mkdir(parents=True)
    record = {"run": RUN, "name": "some", "started": "2030-01-01T00:00:00+00:00", "steps": rows}
    (store.run_folder(RUN) / "run.json").write_text(to_json(record))
    for name in ("spec.toml", "steps.jsonl", "report.html"):
        (store.run_folder(RUN) / name).write_text("")
    return store


@pytest.fixture
def call(store, capsys):
    def call(*words):
        code = main(["store", *map(str, words), "--store", str(store.path)])
        return (code, *capsys.readouterr())

    return call


def harm(store, step):
    path = store.folder(step) / "data.nc"
    path.write_bytes(path.read_bytes()[:-1])


def test_ls(call, store):
    out = call("ls")[1].replace("│", " ")
    rows = [line.split()[:2] for line in out.splitlines()]
    assert ["draws", "1"] in rows
    assert ["machine", "2"] in rows
    assert ["all", "3"] in rows
    harm(store, STRAY)
    (store.folder(STRAY) / "provenance.json").unlink()
    out = call("ls", "machine")[1]
    assert "a machine" in out
    assert "DAMAGED" in out


def test_verify_names_what_is_damaged_and_writes_nothing(call, store):
    assert call("verify") == (0, "3 artifacts are whole, 0 damaged\n", "")
    harm(store, MACHINE)
    before = tree(store.path)
    code, out, _ = call("verify")
    assert code == 1
    assert f"the artifact machine/{MACHINE.hash[:10]} cannot be used: data.nc and SHA256SUMS do not agree" in out
    assert "2 artifacts are whole, 1 damaged" in out
    assert tree(store.path) == before


def test_gc_takes_what_no_run_needs_and_nothing_else(call, store, monkeypatch):
    later = Step("flow", "under way", {"seed": 8})
    waiting = Step("flow", "of no run", {})
    (store.work(waiting) / "checkpoint").write_text("x")
    (store.work(MACHINE) / "leftover").mkdir()
    record = store.read_run(RUN)
    stopped = Step("flow", "stopped", {"seed": 9})
    record["steps"].append({"kind": "flow", "name": "stopped", "hash": stopped.hash})
    (store.run_folder(RUN) / "run.json").write_text(to_json(record))
    (store.work(stopped) / "checkpoint").write_text("x")
    harm(store, MACHINE)
    store.discard(MACHINE)
    store.publish(MACHINE, DATA + 1, {})
    (damaged,) = store.path.glob("damaged/machine/*")
    left = {
        f"runs/{RUN}/.report.html-{32 * '0'}": "a draft that was never finished",
        f"work/{stopped.hash}/.training.npz-{32 * '0'}": "a draft that was never finished",
        f"artifacts/machine/.{MACHINE.hash}-{32 * 'a'}": "a draft that was never finished",
        f"work/import-{32 * 'b'}": "an import that was broken off",
    }
    for name in left:
        (store.path / name).write_text("x")
    foreign = ["work/mine", "artifacts/machine/mine", "artifacts/a paper/draft", "mine", ".mine", "damaged/mine/x"]
    for name in foreign:
        (store.path / name).parent.mkdir(parents=True, exist_ok=True)
        (store.path / name).write_text("x")
    assert call("gc", "--delete")[1].startswith("0 files and folders")
    # A time of its content that is long past makes nothing old: it may have been copied or moved here just now.
    os.utime(store.folder(STRAY) / "data.nc", (0, 0))
    assert call("gc", "--delete")[1].startswith("0 files and folders")
    tomorrow = time.time() + 86_500
    monkeypatch.setattr(layout, "now", lambda folder: tomorrow)
    store.report_progress(later, 0.5)
    os.utime(store.work(later) / "progress.json", (0, tomorrow))
    before = tree(store.path)
    code, out, _ = call("gc")
    assert code == 0
    assert tree(store.path) == before
    found = {line.split(" (")[0]: line.partition(": ")[2] for line in out.splitlines()[:-1]}
    assert found == left | {
        f"artifacts/machine/{STRAY.hash}": "an artifact of no run",
        f"work/{waiting.hash}": "left over from a step of no run",
        damaged.relative_to(store.path).as_posix(): "was damaged and moved aside",
    }
    assert call("gc", "--delete")[0] == 0
    assert {path.name for path in (store.path / "work").iterdir()} == {later.hash, stopped.hash, "mine"}
    assert [store.state(step) for step in (DRAWS, MACHINE, STRAY)] == ["done", "done", "missing"]
    assert all((store.path / name).exists() for name in foreign)
    assert call("gc")[1].startswith("0 files and folders")


@pytest.mark.parametrize("content", ["", "[]", "{", None])
def test_gc_refuses_while_it_cannot_read_a_record(call, store, content):
    path = store.run_folder("lost-1") / "run.json"
    path.parent.mkdir()
    if content is not None:
        path.write_text(content)
    before = tree(store.path)
    code, out, err = call("gc", "--delete", "--older-than", "0")
    assert (code, out) == (2, "")
    assert "run = 'lost-1' is not allowed: its record must be readable" in err
    assert tree(store.path) == before


@pytest.mark.parametrize("marker", [None, "", "{}", '{"layout": 2}', "[" * 3000])
def test_nothing_is_deleted_without_the_marker_of_a_store(call, store, marker):
    path = store.path / "rbmflow-store.json"
    path.unlink() if marker is None else path.write_text(marker)
    before = tree(store.path)
    code, _, err = call("gc", "--delete", "--older-than", "0")
    assert code == 2
    assert "rbmflow-store.json" in err
    assert tree(store.path) == before


def test_a_folder_of_other_things_is_made_no_store(tmp_path):
    (tmp_path / "work").mkdir()
    (tmp_path / "paper.tex").write_text("x")
    with pytest.raises(InvalidInput, match=r"a new or an empty folder, and 'paper.tex' is in it"):
        Store(tmp_path).prepare()
    assert tree(tmp_path) == {"paper.tex": b"x"}


def test_a_parcel_carries_a_run_to_another_store(store, tmp_path):
    parcel, again = tmp_path / "run.zip", tmp_path / "again.zip"
    record = store.find_run(RUN)
    assert parcels.pack(store, record, parcel, front={"README.md": ("what this is", b"# x")}) == (2, 2)
    parcels.pack(store, record, again, front={"README.md": ("what this is", b"# x")})
    assert parcel.read_bytes() == again.read_bytes()
    other = Store(tmp_path / "other")
    assert parcels.unpack(other, parcel) == (RUN, 2, [RUN])
    assert not (other.run_folder(RUN) / "report.html").exists()
    for step in (DRAWS, MACHINE):
        assert tree(other.folder(step)) == tree(store.folder(step))
    assert other.state(STRAY) == "missing"
    assert other.find_run("some")["run"] == RUN
    assert list((other.path / "work").iterdir()) == []
    before = tree(other.path)
    assert parcels.unpack(other, parcel) == (RUN, 0, [])
    assert tree(other.path) == before
    with pytest.raises(InvalidInput, match="it must be a new file, and this one is there"):
        parcels.pack(store, record, parcel)


def test_what_programs_are_told_of_a_parcel(store, tmp_path):
    parcel = tmp_path / "run.zip"
    parcels.pack(
        store, store.find_run(RUN), parcel, ["machine"], {"LICENSE": ("the licence", b"free")}, "found", ["A. B."]
    )
    with zipfile.ZipFile(parcel) as file:
        crate = json.loads(file.read("ro-crate-metadata.json"))
        entities = {entity["@id"]: entity for entity in crate["@graph"]}
        files = [entity for entity in crate["@graph"] if entity["@type"] == "File"]
        assert {entity["@id"] for entity in files} | {"ro-crate-metadata.json"} == set(file.namelist())
        for entity in files:
            assert hashlib.sha256(file.read(entity["@id"])).hexdigest() == entity["sha256"]
    assert entities["ro-crate-metadata.json"]["conformsTo"] == {"@id": "https://w3id.org/ro/crate/1.1"}
    root, action = entities["./"], entities["#run"]
    assert (root["identifier"], root["description"], root["license"]) == (RUN, "found", {"@id": "LICENSE"})
    assert entities[root["author"]["@id"]]["name"] == "A. B."
    assert {part["@id"] for part in root["hasPart"]} == {entity["@id"] for entity in files}
    assert action["object"] == {"@id": "spec.toml"}
    data = f"machine/a_machine-{MACHINE.hash[:8]}.nc"
    assert {"@id": data} in action["result"]
    assert entities[data]["encodingFormat"] == "application/netcdf"
    assert not [name for name in entities if name.startswith("draws")]


def test_a_partial_run_is_packed_as_far_as_it_is_there(store, tmp_path):
    store.discard(MACHINE)
    assert parcels.pack(store, store.find_run(RUN), tmp_path / "x.zip") == (1, 2)
    harm(store, DRAWS)
    with pytest.raises(Damaged):
        parcels.pack(store, store.find_run(RUN), tmp_path / "y.zip")
    assert not (tmp_path / "y.zip").exists()


HASH = "0" * 64


def rewritten(
    source, target, *, name=None, place=None, content=None, drop="", mode=0o100644, packed=False, listed=True
):
    """A copy of a parcel with one more file, or without one, and metadata that tell of it; a stranger can make both."""
    with zipfile.ZipFile(source) as file, zipfile.ZipFile(target, "w") as copy:
        crate = json.loads(file.read("ro-crate-metadata.json"))
        for entry in file.infolist():
            if entry.filename not in ("ro-crate-metadata.json", drop):
                copy.writestr(entry, file.read(entry))
        if name is not None:
            about = zipfile.ZipInfo(name)
            about.external_attr = mode << 16
            copy.writestr(about, content, zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED)
            told = {"@id": name, "@type": "File", "contentSize": str(len(content))}
            told |= {"sha256": hashlib.sha256(content).hexdigest()} | ({"alternateName": place} if place else {})
            crate["@graph"] += [told] * listed
        copy.writestr("ro-crate-metadata.json", json.dumps(crate))


@pytest.mark.parametrize(
    ("reason", "changed"),
    [
        ("a parcel has no entry like", {"name": "../escaped", "content": b"x"}),
        ("a parcel has no entry like", {"name": "/tmp/escaped", "content": b"x"}),
        ("a parcel has no entry like", {"name": "a/../../escaped", "content": b"x"}),
        ("a parcel has no entry like", {"name": "a\\b", "content": b"x"}),
        ("a parcel has no entry like", {"name": ".bashrc", "content": b"x"}),
        ("a parcel has no entry like", {"name": "link", "content": b"/etc/passwd", "mode": 0o120777}),
        ("a store has no place", {"name": "x", "content": b"x", "place": "../escaped"}),
        ("a store has no place", {"name": "x", "content": b"x", "place": f"artifacts/machine/{HASH}/code.py"}),
        ("a store has no place", {"name": "x", "content": b"x", "place": f"artifacts/../../{HASH}/data.nc"}),
        ("a store has no place", {"name": "x", "content": b"x", "place": "runs/x/report.html"}),
        ("a store has no place", {"name": "x", "content": b"x" * 9999, "place": "runs/x/run.json", "packed": True}),
        ("File exists", {"name": "x", "content": b"x", "place": f"runs/{RUN}/run.json"}),
        ("is not what its ro-crate-metadata.json lists", {"name": "x", "content": b"x", "listed": False}),
        ("is not what its ro-crate-metadata.json lists", {"drop": "spec.toml"}),
    ],
)
def test_a_parcel_that_means_harm_changes_nothing(store, tmp_path, reason, changed):
    whole, bad = tmp_path / "whole.zip", tmp_path / "bad.zip"
    parcels.pack(store, store.find_run(RUN), whole)
    rewritten(whole, bad, **changed)
    before = tree(tmp_path)
    for into in (store, Store(tmp_path / "new" / "other")):
        with pytest.raises(InvalidInput, match=reason):
            parcels.unpack(into, bad)
    assert tree(tmp_path) == before
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("run.json", {"run": "../../public_html"}, "run: String should match pattern"),
        ("run.json", {"run": "another-0123456789"}, "it is that of another-0123456789"),
        ("run.json", {"steps": [{"kind": "draws", "name": "x", "hash": "../x"}]}, "steps.0.hash"),
        ("run.json", {"spec_toml": "another"}, "spec.toml is not that of run.json"),
        ("steps.jsonl", "[]", "Input should be an object"),
    ],
)
def test_records_of_strangers_are_read_before_anything_is_taken(store, tmp_path, name, content, reason):
    path = store.run_folder(RUN) / name
    changed = content if isinstance(content, str) else to_json(json.loads(path.read_text()) | content)
    record, parcel, other = store.find_run(RUN), tmp_path / "run.zip", Store(tmp_path / "other")
    path.write_text(changed)
    parcels.pack(store, record, parcel)
    with pytest.raises(InvalidInput, match=re.escape(reason)):
        parcels.unpack(other, parcel)
    assert not other.path.exists()


@pytest.mark.parametrize("harmed", ["cut", "flip", "no zip", "empty", "missing", "other zip"])
def test_a_damaged_or_foreign_file_is_refused_in_a_sentence_and_nothing_is_left(store, tmp_path, capsys, harmed):
    parcel, other = tmp_path / "run.zip", tmp_path / "other"
    parcels.pack(store, store.find_run(RUN), parcel)
    content = bytearray(parcel.read_bytes())
    if harmed == "flip":
        content[content.index(b"\x89HDF") + 200] ^= 1
    parcel.write_bytes(
        {"cut": content[: len(content) // 2], "no zip": b"hello" * 500, "empty": b""}.get(harmed, content)
    )
    if harmed == "missing":
        parcel.unlink()
    if harmed == "other zip":
        with zipfile.ZipFile(parcel, "w") as file:
            file.writestr("notes.txt", "x")
    before = tree(tmp_path)
    assert main(["open", str(parcel), "--store", str(other)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert re.search(r"nothing was taken|it must be a file that `rbmflow publish` has written", err)
    assert tree(tmp_path) == before
    assert not other.exists()


def test_a_clock_that_was_set_back_hides_nothing(call, store):
    ahead = time.time() + 10 * 365 * 86400
    for path in store.path.rglob("*"):
        os.utime(path, (ahead, ahead))
    later = Step("flow", "under way", {})
    store.report_progress(later, 0.5)
    assert store.state(later) == "running"
    os.utime(store.work(later) / "progress.json", (ahead, ahead))
    assert store.state(later) == "missing"  # a sign of life from the future tells nothing
    assert [store.state(step) for step in (DRAWS, MACHINE)] == ["done", "done"]
    assert main(["status", "--store", str(store.path)]) == 0
    assert call("verify")[0] == 0
    store.report_progress(later, 0.5)
    note = json.loads((store.work(later) / "progress.json").read_text())
    (store.work(later) / "progress.json").write_text(json.dumps(note | {"pid": 2**22 + 1}))
    assert store.state(later) == "missing"


def test_a_store_or_a_kind_that_is_not_there_is_an_error(call, tmp_path, capsys):
    """That all of nothing is whole, and an empty table, were told of a slip in a name."""
    assert call("ls", "machne")[0] == 2
    for task in ("ls", "verify", "gc"):
        capsys.readouterr()
        code = main(["store", task, "--store", str(tmp_path / "nowhere")])
        assert (task, code) == (task, 2)
        assert "store = " in capsys.readouterr().err
