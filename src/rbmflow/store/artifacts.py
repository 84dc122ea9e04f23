"""The store: content-addressed artifacts in a folder that any number of processes may share.

An artifact appears by one rename of a finished folder, so it is there as a whole or not at all. Nothing is written on
reading. docs/architecture.md shows the folders.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import math
import os
import shutil
import socket
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rbmflow._checks import InvalidInput, Problem
from rbmflow._files import filled, make_folder, read_bytes, sync, to_json, unused, write_new, write_text
from rbmflow.store import layout, records
from rbmflow.store.expected import OF_STEP, believe
from rbmflow.store.records import Failure, Progress, Unreadable, parse_record, read_record
from rbmflow.store.step import Address, Artifact, Step, hash_of

if TYPE_CHECKING:
    import xarray as xr

STALE_AFTER = 60.0
"""Seconds without a sign of life after which a step under way counts as abandoned."""

_BACKWARDS = 2.0
"""Seconds that a clock may be seen to go backwards: those of a file system tick coarsely."""

_FILES = ("data.nc", "provenance.json")


class Damaged(Exception):
    """An artifact that cannot be used, and why."""

    def __init__(self, artifact: Artifact, reason: str):
        self.artifact = artifact
        self.reason = reason
        super().__init__(f"the artifact {artifact.kind}/{artifact.hash[:10]} cannot be used: {reason}")


class Unreachable(Damaged):
    """An artifact whose files are there and cannot be read; nothing says that they are damaged."""


class Store:
    """Artifacts, work folders and runs under one folder, which is made by `prepare`, never by reading."""

    def __init__(self, path: str | Path):
        self.path = Path(path).absolute()
        there = next((place for place in (self.path, *self.path.parents) if os.path.lexists(place)), self.path)
        if not str(path) or "\0" in str(path) or not there.is_dir():
            raise InvalidInput(Problem("store", str(path), "it must be a folder, or a path where one can be made"))
        if there == self.path:
            layout.marked(self.path)

    def prepare(self) -> None:
        """Make the folder a store if it is none yet, see `rbmflow.store.layout.claim`."""
        layout.claim(self.path)

    def folder(self, artifact: Artifact) -> Path:
        """Folder of an artifact, whether it is there or not."""
        return self.path / "artifacts" / artifact.kind / artifact.hash

    def state(self, artifact: Artifact) -> Literal["done", "running", "missing", "damaged"]:
        """Tell by a glance how an artifact stands; checksums are verified on reading only."""
        folder = self.folder(artifact)
        if os.path.lexists(folder):
            try:
                return "done" if all(filled(folder / name) for name in (*_FILES, layout.CHECKSUMS)) else "damaged"
            except OSError:  # It cannot even be looked at: reading will tell.
                return "done"
        progress = self.progress(artifact)
        return "running" if progress is not None and progress.age < STALE_AFTER else "missing"

    def artifacts(self, kind: str | None = None) -> Iterator[Address]:
        """Artifacts that are there, of one kind or of all, as their folders are named; nothing is verified."""
        kinds = _names(self.path / "artifacts") if kind is None else [kind]
        for each in filter(records.KIND.fullmatch, kinds):
            hashes = filter(records.HASH.fullmatch, _names(self.path / "artifacts" / each))
            yield from (Address(each, name) for name in hashes)

    def published(self) -> dict[str, float]:
        """Hash of every artifact, with the time when it was published by the clock of the file system."""
        found: dict[str, float] = {}
        for artifact in self.artifacts():
            with contextlib.suppress(OSError):
                found[artifact.hash] = self.folder(artifact).stat().st_mtime
        return found

    def read(self, artifact: Artifact) -> xr.Dataset:
        """Read the record of an artifact.

        `Damaged` if a file is missing or does not match its checksum, the artifact is another step's, or its data are
        not what its settings say; `Unreachable` if a file is there and cannot be read, not even when tried again.
        """
        about, contents = self._verified(artifact, *_FILES)
        try:
            # From the very bytes that were verified.
            return believe(artifact.kind, about["settings"], artifact.hash, contents["data.nc"])
        except ValueError as error:
            raise Damaged(artifact, str(error)) from error

    def fingerprint(self, artifact: Artifact) -> str:
        """SHA-256 of the data of an artifact that is whole, what they say unread; raises as `read` does."""
        return hashlib.sha256(self._verified(artifact, *_FILES)[1]["data.nc"]).hexdigest()

    def provenance(self, artifact: Artifact) -> dict[str, Any]:
        """Where an artifact comes from: versions, device, seconds, flags, settings, parents; raises as `read` does."""
        return dict(self._verified(artifact, "provenance.json")[0])

    def _verified(self, artifact: Artifact, *names: str) -> tuple[records.Provenance, dict[str, bytes]]:
        folder = self.folder(artifact)
        try:
            lines = read_bytes(folder / layout.CHECKSUMS).splitlines(keepends=True)
            contents = {name: read_bytes(folder / name) for name in names}
        except OSError as error:
            missing = isinstance(error, FileNotFoundError | NotADirectoryError | IsADirectoryError)
            reason = f"{os.path.basename(error.filename or str(folder))} cannot be read ({error.strerror})"
            raise (Damaged if missing else Unreachable)(artifact, reason) from error
        if wrong := [name for name in names if _line(name, contents[name]) not in lines]:
            raise Damaged(artifact, f"{' and '.join(wrong)} and {layout.CHECKSUMS} do not agree")
        try:
            about = parse_record(records.Provenance, contents["provenance.json"])
        except ValueError as error:
            raise Damaged(artifact, f"provenance.json cannot be used ({error})") from error
        parents = [parent["hash"] for parent in about["parents"]]
        named = hash_of(artifact.kind, about["version"], about["settings"], parents)
        if not (artifact.kind == about["kind"] and artifact.hash == about["hash"] == named):
            raise Damaged(artifact, "its provenance names another step")
        return about, contents

    def publish(self, step: Step, dataset: xr.Dataset, provenance: Mapping[str, Any]) -> None:
        """Make a finished artifact appear at once; where another process was first, its artifact stays.

        Kind, hash, version, settings and parents of the step are added to its provenance.
        """
        from rbmflow._hdf5 import to_bytes

        about = {"kind": step.kind, "hash": step.hash, "version": step.version, "settings": step.settings}
        about["parents"] = [{"kind": parent.kind, "hash": parent.hash} for parent in step.parents]
        data = to_bytes(dataset.assign_attrs({OF_STEP: step.hash}))
        contents = {"data.nc": data, "provenance.json": to_json({**about, **provenance}).encode()}
        contents[layout.CHECKSUMS] = b"".join(_line(name, contents[name]) for name in _FILES)
        folder = self.folder(step)
        make_folder(folder.parent)
        draft = unused(folder.with_name(f".{folder.name}"))  # Beside its place, whatever disk that is on.
        try:
            draft.mkdir()
            for name, content in contents.items():
                write_new(draft / name, content)
            layout.sync_all(draft)
            self._place(step, draft)
        finally:
            with contextlib.suppress(OSError):
                layout.remove(draft)
        sync(folder.parent)
        shutil.rmtree(self.path / "work" / step.hash, ignore_errors=True)

    def _place(self, step: Step, draft: Path) -> None:
        """Give a draft its name, unless another process was first with an artifact that is whole."""
        folder = self.folder(step)
        try:
            draft.rename(folder)
        except OSError:
            if not os.path.lexists(folder):
                raise
            try:
                self.read(step)
            except Unreachable:
                raise
            except Damaged:
                self.discard(step)
                draft.rename(folder)

    def discard(self, artifact: Artifact) -> None:
        """Move an artifact, if it is there, into the folder of the damaged; nothing of it is deleted.

        `OSError` if it belongs to another user, or cannot be moved.
        """
        folder = self.folder(artifact)
        with contextlib.suppress(FileNotFoundError):
            if folder.lstat().st_uid != os.geteuid():
                raise PermissionError(errno.EPERM, "it belongs to another user, who alone may move it", str(folder))
            layout.relocate(folder, unused(self.path / "damaged" / artifact.kind / artifact.hash))

    def work(self, artifact: Artifact) -> Path:
        """Private folder of a step under way, made if need be; publishing deletes it."""
        folder = self.path / "work" / artifact.hash
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def report_progress(self, step: Step, fraction: float) -> None:
        """Note how far a step has come; the note's time of change is the step's sign of life."""
        note = Progress(step.kind, step.name, step.hash, fraction, socket.gethostname(), os.getpid())
        write_text(self.work(step) / "progress.json", to_json(asdict(note)), synced=False)

    def end_progress(self, artifact: Artifact) -> None:
        """Take back the note of `report_progress`."""
        (self.path / "work" / artifact.hash / "progress.json").unlink(missing_ok=True)

    def progress(self, artifact: Artifact) -> Progress | None:
        """How far a step has come, or None where nobody works on it, as far as can be told from here."""
        path = self.path / "work" / artifact.hash / "progress.json"
        note = read_record(Progress, path)
        if not isinstance(note, Progress) or note.hash != artifact.hash:
            return None
        if note.host == socket.gethostname() and not _alive(note.pid):
            return None
        with contextlib.suppress(OSError):
            # A time in the future is that of a clock that was set back since, and tells nothing.
            age = layout.now(self.path) - path.stat().st_mtime
            return replace(note, age=max(0.0, age) if age > -_BACKWARDS else math.inf)
        return None

    def running(self) -> list[Progress]:
        """Every step that somebody works on, as far as can be told from here."""
        notes = sorted(self.path.glob("work/*/progress.json"))
        return list(filter(None, (self.progress(Address("", note.parent.name)) for note in notes)))

    def report_failure(self, step: Step, reason: str) -> None:
        """Note that a step has failed, until it is published; on a disk that takes no note, nothing is noted."""
        with contextlib.suppress(OSError):
            tries = 1 + sum(note.tries for note in self._failures(step.hash))
            when = datetime.now(UTC).isoformat(timespec="seconds")
            note = Failure(step.kind, step.name, step.hash, reason, when, tries)
            write_text(self.work(step) / "failure.json", to_json(asdict(note)))

    def failures(self) -> list[Failure]:
        """Every step that failed and that nobody has computed since or works on now."""
        return [note for note in self._failures("*") if self.state(Address(note.kind, note.hash)) == "missing"]

    def _failures(self, pattern: str) -> Iterator[Failure]:
        for path in sorted(self.path.glob(f"work/{pattern}/failure.json")):
            note = read_record(Failure, path)
            if isinstance(note, Failure) and note.hash == path.parent.name:
                yield note

    def run_folder(self, run: str) -> Path:
        """Folder of a run, whether it is there or not."""
        return self.path / "runs" / run

    def read_run(self, run: str) -> dict[str, Any]:
        """`run.json` of a run; empty where there is none that can be read."""
        record = self._record(self.run_folder(run))
        return {} if isinstance(record, Unreadable) else record

    def runs(self) -> list[dict[str, Any]]:
        """Every run's `run.json`, the latest last; `unreadable_runs` has those that cannot be read."""
        found = [record for record in self._records() if not isinstance(record, Unreadable)]
        return sorted(found, key=lambda record: (record["started"], record["run"]))

    def unreadable_runs(self) -> list[Unreadable]:
        """What is in the folder of runs without a `run.json` that can be read, and why."""
        return [record for record in self._records() if isinstance(record, Unreadable)]

    def _records(self) -> Iterator[dict[str, Any] | Unreadable]:
        names = (name for name in _names(self.path / "runs") if not name.startswith("."))
        return (self._record(self.run_folder(name)) for name in names)

    def _record(self, folder: Path) -> dict[str, Any] | Unreadable:
        """The record of a run, whose id is the name of its folder whatever stands in it."""
        path = folder / "run.json"
        if not records.RUN.fullmatch(folder.name):
            return Unreadable(path, "its folder has a name that no run has")
        record = read_record(records.RunRecord, path) or Unreadable(path, "it is missing")
        if isinstance(record, Unreadable):
            return record
        return dict(record) if record["run"] == folder.name else Unreadable(path, f"it is that of {record['run']}")

    def find_run(self, wanted: str) -> dict[str, Any]:
        """Find a run by its id, a prefix of it that no other run has, or the name of its spec (the latest)."""
        runs = self.runs()
        named = [run for run in runs if run["run"] == wanted] or [r for r in runs if r["name"] == wanted][-1:]
        found = named or [run for run in runs if wanted and run["run"].startswith(wanted)]
        if len(found) == 1:
            return found[0]
        for fault in self.unreadable_runs():
            if wanted == fault.path.parent.name:
                raise InvalidInput(Problem("run", wanted, f"its record must be whole; {fault}"))
        known = ", ".join(run["run"] for run in (found or runs)) or "none"
        allowed = f"it must be a run's id, the beginning of just one, or a spec's name; the runs are: {known}"
        raise InvalidInput(Problem("run", wanted, allowed))


def _line(name: str, content: bytes) -> bytes:
    """A line as `sha256sum --check SHA256SUMS` reads it."""
    return f"{hashlib.sha256(content).hexdigest()}  {name}\n".encode()


def _names(folder: Path) -> list[str]:
    """Names of what is in a folder, in their order; none where there is no such folder."""
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def _alive(pid: int) -> bool:
    """Tell whether a process of this machine still runs; a zombie, which nobody has buried, does not."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except ProcessLookupError:
        return False
    except OSError:
        return True
