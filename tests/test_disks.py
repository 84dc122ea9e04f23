"""What disks, file systems and power cuts do to a store: nothing good is lost, the next run makes the same bytes."""

import contextlib
import errno
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

import fake_science
from rbmflow import _files, execute, spec
from rbmflow._checks import InvalidInput
from rbmflow.cli import main
from rbmflow.store import Damaged, Store, Unreachable, hygiene

STEPS = fake_science.graph(spec.parse({"name": "x", "seeds": 1, "training": {"epochs": 1}}))[:3]
DRAFT = re.compile(r"\..*-[0-9a-f]{32}")


def compute(store, on_event=lambda event: None, steps=STEPS):
    execute.run(steps, store, on_event=on_event, science="fake_science")


def data(store, steps=STEPS):
    return {step.hash: (store.folder(step) / "data.nc").read_bytes() for step in steps}


def tree(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def check(store, whole):
    """Everything there is whole, gc takes no artifact, and the next run makes the same bytes."""
    for artifact in store.artifacts():
        store.read(artifact)
    if store.runs():
        assert not [waste for waste in hygiene.waste(store, 0) if "artifact" in waste.why]
    compute(store)
    assert data(store) == whole
    assert {run["run"] for run in store.runs()} == {path.name for path in store.path.glob("runs/*")}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The store of an undisturbed run."""
    store = Store(tmp_path_factory.mktemp("whole") / "store")
    compute(store)
    return store


class Disk:
    """Stands between the package and the disk, and has the n-th call of a kind fail, or all from then on."""

    def __init__(self, kind, n, for_good):
        self.kind, self.n, self.for_good, self.calls = kind, n, for_good, 0

    def call(self, kind, work, *words):
        self.calls += kind == self.kind
        if kind == self.kind and (self.calls == self.n or (self.for_good and self.calls > self.n)):
            raise OSError(errno.EIO, "Input/output error", words[0] if isinstance(words[0], str | Path) else None)
        return work(*words)

    def open(self, path, mode):
        return _Failing(self, open(path, mode))

    def mount(self, patch):
        patch.setattr(_files, "open", self.open, raising=False)
        patch.setattr(time, "sleep", lambda seconds: None)
        for kind, name in {"sync": "fsync", "rename": "rename", "replace": "replace"}.items():
            work = getattr(os, name)
            patch.setattr(os, name, lambda *words, kind=kind, work=work: self.call(kind, work, *words))


class _Failing:
    """A file whose calls go through a `Disk`; a write that fails has written half."""

    def __init__(self, disk, file):
        self.disk, self.file = disk, file

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()

    def read(self):
        return self.disk.call("read", lambda _: self.file.read(), self.file.name)

    def write(self, content):
        self.file.write(content[: len(content) // 2])
        self.disk.call("write", lambda _: self.file.write(content[len(content) // 2 :]), self.file.name)


@pytest.mark.parametrize(
    "for_good", [pytest.param(False, id="once"), pytest.param(True, id="from then on", marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("kind", ["read", "write", "sync", "rename", "replace"])
def test_whatever_call_of_the_disk_fails_no_byte_is_lost(tmp_path, whole, monkeypatch, kind, for_good):
    failed = 0
    monkeypatch.setattr(os, "fsync", lambda handle: None)  # What a real disk would do takes too long.
    n = 0
    for n in range(1, 200):
        store = Store(tmp_path / str(n))
        store.prepare()
        shutil.copytree(whole.folder(STEPS[0]), store.folder(STEPS[0]))
        disk = Disk(kind, n, for_good)
        with monkeypatch.context() as patch:
            disk.mount(patch)
            for _ in range(1 + for_good):
                failed += 1
                with contextlib.suppress(execute.ExecutionFailed, InvalidInput, OSError):
                    compute(store)
                    failed -= 1
        assert tree(store.folder(STEPS[0])) == tree(whole.folder(STEPS[0]))
        assert not (store.path / "damaged").exists()
        assert not [path for path in store.path.rglob("*") if DRAFT.fullmatch(path.name)]
        check(store, data(whole))
        shutil.rmtree(store.path)
        if disk.calls < n:
            break
    assert n > 3
    assert failed or kind == "read"


class Power:
    """Notes what is sure to be on the disk, and at every sync, what a power cut just before it might leave.

    The strict disk has nothing that was not synced. The other has every name, and the content of synced files alone.
    """

    def __init__(self, root):
        self.root, self.files, self.held, self.done, self.cuts = root, {}, [], [], []
        self.folders = {os.stat(root).st_ino: {}}

    def sync(self, handle):
        for left in (self.strict(os.stat(self.root).st_ino), self.named(self.root)):
            if (tuple(self.done), left) not in self.cuts:
                self.cuts.append((tuple(self.done), left))
        status = os.fstat(handle)
        self.held.append(os.dup(handle))  # Its number is not given to another file then.
        if stat.S_ISDIR(status.st_mode):
            entries = os.scandir(handle)
            self.folders[status.st_ino] = {entry.name: (entry.inode(), entry.is_dir()) for entry in entries}
        else:
            self.files[status.st_ino] = os.pread(handle, status.st_size, 0)

    def strict(self, number):
        entries = self.folders.get(number, {}).items()
        return {name: self.strict(n) if is_folder else self.files.get(n, b"") for name, (n, is_folder) in entries}

    def named(self, folder):
        return {
            entry.name: self.named(entry.path) if entry.is_dir() else self.files.get(entry.inode(), b"")
            for entry in os.scandir(folder)
        }


def lay_down(content, path):
    path.mkdir()
    for name, below in content.items():
        if isinstance(below, dict):
            lay_down(below, path / name)
        else:
            (path / name).write_bytes(below)


def test_a_power_cut_at_any_moment_leaves_whole_records_and_whole_artifacts(tmp_path, whole, monkeypatch):
    power = Power(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", power.sync)
        compute(Store(tmp_path / "store"), lambda event: power.done.append(event.step) if event.what == "done" else 0)
    for handle in power.held:
        os.close(handle)
    assert len(power.cuts) > 40
    monkeypatch.setattr(os, "fsync", lambda handle: None)
    for number, (told, content) in enumerate(power.cuts):
        lay_down(content, tmp_path / str(number))
        store = Store(tmp_path / str(number) / "store")
        assert [store.state(step) for step in told] == ["done"] * len(told)
        for path in store.path.glob("runs/*/*"):
            assert path.stat().st_size or DRAFT.fullmatch(path.name)
        if list(store.artifacts()):
            assert len(store.runs()) == 1
        check(store, data(whole))
        shutil.rmtree(tmp_path / str(number))


@contextlib.contextmanager
def mounted(folder, *words):
    """Mount something, where that can be done."""
    folder.mkdir(exist_ok=True)
    done = subprocess.run(["mount", *map(str, words), str(folder)], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"it cannot be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.slow
def test_a_power_cut_on_ext4(tmp_path, whole):
    """The raw image of a disk, copied in the middle of a run and mounted elsewhere."""
    image = tmp_path / "disk"
    with open(image, "wb") as file:
        file.truncate(16_000_000)
    if shutil.which("mkfs.ext4") is None or subprocess.run(["mkfs.ext4", "-q", image]).returncode:
        pytest.skip("there is no mkfs.ext4 here")
    steps = fake_science.graph(spec.parse({"name": "x", "seeds": 3, "training": {"epochs": 4}}))
    compute(Store(tmp_path / "undisturbed"), steps=steps)
    expected = data(Store(tmp_path / "undisturbed"), steps)
    code = (
        "import fake_science\nfrom rbmflow import execute, spec\nfrom rbmflow.store import Store\n"
        "steps = fake_science.graph(spec.parse({'name': 'x', 'seeds': 3, 'training': {'epochs': 4}}))\n"
        "execute.run(steps, Store('store'), science='fake_science')\n"
    )
    found = []
    with mounted(tmp_path / "mounted", "-o", "loop", image) as disk:
        folder = os.environ | {"PYTHONPATH": str(Path(__file__).parent), "FAKE_PAUSE": "0.5"}
        process = subprocess.Popen([sys.executable, "-c", code], cwd=disk, env=folder)
        while not (disk / "store" / "runs").exists():
            time.sleep(0.1)
        for number in range(8):
            time.sleep(1)
            process.send_signal(signal.SIGSTOP)
            shutil.copyfile(image, tmp_path / f"copy-{number}")
            process.send_signal(signal.SIGCONT)
        assert process.wait() == 0
    for number in range(8):
        with mounted(tmp_path / f"mounted-{number}", "-o", "loop", tmp_path / f"copy-{number}") as disk:
            store = Store(disk / "store")
            found.append(len([store.read(artifact) for artifact in store.artifacts()]))
            assert len(store.runs()) == 1
            for path in store.path.glob("runs/*/*"):
                assert path.stat().st_size
            assert not [waste for waste in hygiene.waste(store, 0) if "artifact" in waste.why]
            compute(store, steps=steps)
            assert data(store, steps) == expected
    assert found == sorted(found)
    assert found[0] < found[-1]


def damage(store, step):
    path = store.folder(step) / "data.nc"
    path.write_bytes(path.read_bytes()[:-1])


def test_artifacts_on_another_disk(tmp_path, whole):
    store = Store(tmp_path / "store")
    store.prepare()
    with mounted(store.path / "artifacts", "-t", "tmpfs", "none"):
        compute(store)
        damage(store, STEPS[-1])
        hurt = tree(store.folder(STEPS[-1]))
        compute(store)
        assert data(store) == data(whole)
        (aside,) = store.path.glob("damaged/flow/*")
        assert tree(aside) == hurt


def test_a_store_in_the_image_of_a_container(tmp_path, whole):
    """Folders of the layers below can be copied and emptied, but not renamed."""
    image = tmp_path / "image"
    shutil.copytree(whole.path, image / "store")
    for name in ("above", "work"):
        (tmp_path / name).mkdir()
    options = f"lowerdir={image},upperdir={tmp_path / 'above'},workdir={tmp_path / 'work'}"
    with mounted(tmp_path / "container", "-t", "overlay", "-o", options, "overlay") as container:
        store = Store(container / "store")
        damage(store, STEPS[-1])
        compute(store)
        assert data(store) == data(whole)
        assert len(list(store.path.glob("damaged/flow/*"))) == 1
        shutil.rmtree(store.path / "runs")
        for waste in hygiene.waste(store, 0):
            hygiene.remove(waste)
        assert list(store.artifacts()) == []
        compute(store)


@pytest.mark.parametrize("name", ["fsync", "rename"])
def test_a_file_system_that_cannot_do_what_publishing_needs_is_refused_before_the_first_step(
    tmp_path, monkeypatch, name
):
    def refuse(*_):
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setenv("FAKE_TRACE", str(tmp_path / "trace"))
    monkeypatch.setattr(os, name, refuse)
    with pytest.raises(InvalidInput, match="Invalid argument"):
        compute(Store(tmp_path / "store"))
    assert fake_science.traced() == []


def test_an_artifact_that_cannot_be_read_fails_its_step_and_stays(tmp_path, whole, monkeypatch, capsys):
    store = Store(tmp_path / "store")
    shutil.copytree(whole.path, store.path)
    before = tree(store.path)
    reads = []

    def locked(path, mode):
        if mode == "rb" and store.folder(STEPS[-1]) in path.parents:
            reads.append(path)
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return open(path, mode)

    with monkeypatch.context() as patch:
        patch.setattr(_files, "open", locked, raising=False)
        with pytest.raises(Unreachable, match=r"SHA256SUMS cannot be read \(Permission denied\)"):
            store.read(STEPS[-1])
        with pytest.raises(execute.ExecutionFailed, match="Permission denied"):
            compute(store)
        assert main(["store", "verify", "--store", str(store.path)]) == 1
        assert "2 artifacts are whole, 0 damaged; 1 cannot be read, and stay as they are" in capsys.readouterr().out
    assert reads
    assert tree(store.path) == before


def test_damage_of_another_user_is_his_to_mend(tmp_path, whole):
    store = Store(tmp_path / "store")
    shutil.copytree(whole.path, store.path)
    damage(store, STEPS[-1])
    try:
        os.chown(store.folder(STEPS[-1]), os.geteuid() + 1234, -1)
    except OSError:
        pytest.skip("only root can give files to others")
    before = tree(store.path / "artifacts")
    with pytest.raises(execute.ExecutionFailed, match="it belongs to another user, who alone may move it"):
        compute(store)
    assert tree(store.path / "artifacts") == before


def test_damage_that_another_run_left_in_the_way_is_moved_aside(tmp_path, whole):
    store = Store(tmp_path / "store")
    shutil.copytree(whole.path, store.path)
    damage(store, STEPS[0])
    with pytest.raises(Damaged):
        store.read(STEPS[0])
    store.publish(STEPS[0], whole.read(STEPS[0]), {})
    store.read(STEPS[0])
    assert len(list(store.path.glob("damaged/draws/*"))) == 1


@pytest.mark.parametrize("harm", ["empty", "foreign", "gone"])
@pytest.mark.parametrize("name", ["run.json", "steps.jsonl"])
def test_records_that_are_lost_are_written_anew(tmp_path, whole, name, harm):
    store = Store(tmp_path / "store")
    shutil.copytree(whole.path, store.path)
    (folder,) = store.path.glob("runs/*")
    expected = tree(folder)
    if harm == "gone":
        (folder / name).unlink()
    elif harm == "empty":
        (folder / name).write_text("")
    elif name == "run.json":
        record = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps(record | {"run": "another-0123456789"}))
    compute(store)
    anew = tree(folder)
    assert anew.keys() == expected.keys()
    assert anew["steps.jsonl"] == expected["steps.jsonl"]
    assert json.loads(anew["run.json"])["steps"] == json.loads(expected["run.json"])["steps"]


def test_gc_keeps_what_python_has_computed(whole):
    assert list(hygiene.waste(whole, 0)) == []
    (record,) = whole.runs()
    assert [row["hash"] for row in record["steps"]] == [step.hash for step in STEPS]
    with pytest.raises(InvalidInput, match=r"name = '../x' is not allowed: it must be letters"):
        execute.run(STEPS, whole, science="fake_science", name="../x")
