"""Care of a store: whether everything in it is whole, what nobody needs, and parcels from store to store."""

import errno
import itertools
import math
import os
import re
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from rbmflow._checks import InvalidInput, Problem, Problems
from rbmflow._files import make_folder, replacing, unused
from rbmflow.store import layout
from rbmflow.store.artifacts import STALE_AFTER, Damaged, Store
from rbmflow.store.records import HASH, KIND, RUN, ManifestRow, parse_record
from rbmflow.store.step import Address

_ENTRY = re.compile(
    rf"artifacts/{KIND.pattern}/{HASH.pattern}/(data\.nc|provenance\.json|{layout.CHECKSUMS})"
    rf"|runs/{RUN.pattern}/(spec\.toml|run\.json|steps\.jsonl|(?P<page>report\.html|table\.csv))"
)
"""The only names that a parcel holds, the pages those of earlier versions alone, which are passed over: they are drawn
anew, for a page can say anything."""

DAY = 86_400.0

_UNUSED = re.compile(r".+-[0-9a-f]{32}")
"""Names that `unused` makes."""


def damages(store: Store) -> Iterator[Damaged | Address]:
    """Verify every artifact: yields each whole one, and for the others what is wrong with them."""
    for artifact in store.artifacts():
        try:
            store.read(artifact)
            yield artifact
        except Damaged as damage:
            yield damage


class Waste(NamedTuple):
    """Something in a store that nobody needs."""

    path: Path
    size: int
    why: str


def waste(store: Store, older: float = DAY) -> Iterator[Waste]:
    """Find artifacts that belong to no run, work folders that nobody will go on from, and what was left over.

    A work folder with a checkpoint is kept as long as a run needs its step; one that somebody works in is kept always.
    What has changed within `older` seconds, by the clock of the file system, is left: it may belong to a run, or an
    import, that is about to write its record.
    """
    allowed = f"it must be a store, which has the file {layout.MARKER}; `rbmflow run` writes it into an older one"
    Problems.only(layout.marked(store.path), "store", str(store.path), allowed)
    if unreadable := store.unreadable_runs():
        allowed = "its record must be readable, or what it needs is not known; `rbmflow run` with its spec mends it"
        raise InvalidInput(*(Problem("run", fault.path.parent.name, f"{allowed} ({fault})") for fault in unreadable))
    needed = {row["hash"] for record in store.runs() for row in record["steps"]}
    moment = layout.now(store.path)
    for path, why in itertools.chain(_unneeded(store, needed), _left_over(store)):
        if moment - _changed(path) >= older:
            yield Waste(path, layout.size(path), why)


def _unneeded(store: Store, needed: set[str]) -> Iterator[tuple[Path, str]]:
    """What no run needs, of the names that the layout has, whatever its age."""
    under_way = {step.hash for step in store.running() if step.age < STALE_AFTER}
    for artifact in store.artifacts():
        if artifact.hash not in needed and artifact.hash not in under_way:
            yield store.folder(artifact), "an artifact of no run"
    published = store.published()
    for path in sorted(store.path.glob("work/*")):
        if path.name in under_way or not HASH.fullmatch(path.name):
            continue
        if path.name in published:
            yield path, "left over from a step that is done"
        elif path.name not in needed:
            yield path, "left over from a step of no run"


def _left_over(store: Store) -> Iterator[tuple[Path, str]]:
    """What a kill or a full disk has left behind, and what was moved aside."""
    places = ("", *(f"{top}{below}/" for top in ("artifacts", "damaged", "runs", "work") for below in ("", "/*")))
    for path in sorted(path for place in places for path in store.path.glob(f"{place}.*")):
        if _UNUSED.fullmatch(path.name):
            yield path, "a draft that was never finished"
    for pattern, why in (("work/*", "an import that was broken off"), ("damaged/*/*", "was damaged and moved aside")):
        for path in sorted(store.path.glob(pattern)):
            if _UNUSED.fullmatch(path.name) and not path.name.startswith("."):
                yield path, why


def remove(found: Waste) -> None:
    """Take away what `waste` has found; an artifact disappears whole, where its file system lets it."""
    away = unused(found.path.with_name(f".{found.path.name[:64]}"))
    try:
        found.path.rename(away)
    except OSError as error:
        if error.errno != errno.EXDEV:  # A folder from the image of a container can be emptied, not renamed.
            raise
        away = found.path
    layout.remove(away)


def pack(store: Store, record: dict[str, Any], parcel: Path) -> tuple[int, int]:
    """Write a run by its record, or a sweep with the runs of its points, and its artifacts to one new tar file.

    Returns the number of artifacts that were packed, and of steps of the run; raises `Damaged` if one of them is.
    """
    Problems.only(not parcel.exists(), "file", str(parcel), "it must be a new file, and this one is there")
    artifacts = [Address(row["kind"], row["hash"]) for row in record["steps"]]
    there = [artifact for artifact in artifacts if os.path.lexists(store.folder(artifact))]
    runs = [record["run"], *(point["run"] for point in record.get("points", ()))]
    folders = [store.folder(artifact) for artifact in there] + [store.run_folder(run) for run in runs]
    for artifact in there:
        store.read(artifact)
    try:
        with replacing(parcel) as draft, tarfile.open(draft, "w", format=tarfile.PAX_FORMAT) as file:
            for path in sorted(path for folder in folders for path in folder.glob("*")):
                name = path.relative_to(store.path).as_posix()
                if (known := _ENTRY.fullmatch(name)) and not known["page"]:
                    file.add(path, name, recursive=False, filter=_anonymous)
    except OSError as error:
        raise InvalidInput(Problem("file", str(parcel), f"it cannot be written ({error.strerror})")) from error
    return len(there), len(artifacts)


def _anonymous(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """Leave out who owns a file here; it is of no use elsewhere."""
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry


def unpack(store: Store, parcel: Path) -> tuple[int, list[str]]:
    """Take the artifacts and runs of a parcel of `pack`; what is there already, and any report, stays as it is.

    Everything is verified before anything is taken. Returns how many artifacts were new here, and the ids of such runs.
    """
    store.prepare()
    stage = unused(store.path / "work" / "import")
    make_folder(stage)
    try:
        _extract(parcel, stage)
        staged = Store(stage)
        artifacts = list(staged.artifacts())
        for artifact in artifacts:
            staged.read(artifact)
        _check_records(staged, parcel)
        runs = [path.name for path in sorted(stage.glob("runs/*"))]
        folders = [(staged.folder(artifact), store.folder(artifact)) for artifact in artifacts]
        taken = sum(_adopt(*pair) for pair in folders)
        return taken, [run for run in runs if _adopt(staged.run_folder(run), store.run_folder(run))]
    except Damaged as damage:
        raise InvalidInput(Problem("file", str(parcel), f"{damage}; nothing was taken")) from damage
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _check_records(staged: Store, parcel: Path) -> None:
    """Refuse a parcel with a record that does not read as we write it, or a run whose files do not belong together."""
    faults = list(map(str, staged.unreadable_runs()))
    for record in staged.runs():
        folder = staged.run_folder(record["run"])
        try:
            if record.get("spec_toml", "") != (folder / "spec.toml").read_text("utf-8"):
                raise ValueError("spec.toml is not that of run.json")
            for line in (folder / "steps.jsonl").read_text("utf-8").splitlines():
                parse_record(ManifestRow, line)
        except (OSError, ValueError) as error:
            faults.append(f"{record['run']}: {error.strerror if isinstance(error, OSError) else error}")
    told = f"its records must be whole ({', '.join(faults[:1])}); nothing was taken"
    Problems.only(not faults, "file", str(parcel), told)


def _extract(parcel: Path, stage: Path) -> None:
    """Write the files of a parcel; names that are no artifact's and no run's are refused, so none leads elsewhere."""
    try:
        size = parcel.stat().st_size
        with tarfile.open(parcel, "r:") as file:
            for entry in file:
                # A sparse entry of kilobytes may stand for a file of terabytes.
                plain_file = entry.type in (tarfile.REGTYPE, tarfile.AREGTYPE) and not entry.issparse()
                known = _ENTRY.fullmatch(entry.name) if plain_file and 0 <= entry.size <= size else None
                if known is None:
                    raise InvalidInput(Problem("file", str(parcel), f"a parcel has no entry like {entry.name!r}"))
                if not known["page"]:
                    file.extract(entry, stage, set_attrs=False, filter="data")
    except InvalidInput:
        raise
    except (tarfile.TarError, EOFError, ValueError, OverflowError) as error:
        told = f"it must be a whole parcel of `store export`: {error}"
        raise InvalidInput(Problem("file", str(parcel), told)) from error
    except OSError as error:
        raise InvalidInput(Problem("file", str(parcel), f"it cannot be taken in ({error.strerror})")) from error


def _adopt(staged: Path, folder: Path) -> bool:
    layout.sync_all(staged)
    try:
        layout.relocate(staged, folder)
    except OSError:
        if not folder.is_dir():
            raise
        return False
    return True


def _changed(path: Path) -> float:
    """Time when a file or folder, or anything in it, was last written or put there; now, where somebody takes it away.

    What is copied or moved may keep the times of its content: the time of change is that of its coming too.
    """
    try:
        return max(max(times.st_mtime, times.st_ctime) for each in (path, *path.rglob("*")) for times in [each.lstat()])
    except FileNotFoundError:
        return math.inf
