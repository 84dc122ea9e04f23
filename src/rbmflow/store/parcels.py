"""Parcels: a run with its artifacts in one zip, for people to read, and for `unpack` to take into another store."""

import contextlib
import hashlib
import os
import re
import shutil
import stat
import zipfile
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rbmflow._checks import InvalidInput, Problem, Problems
from rbmflow._files import make_folder, read_bytes, replacing, unused
from rbmflow.store import crate, layout
from rbmflow.store.artifacts import Damaged, Store
from rbmflow.store.records import HASH, KIND, RUN, ManifestRow, parse_record
from rbmflow.store.step import Address

_PLACE = re.compile(
    rf"artifacts/(?P<kind>{KIND.pattern})/(?P<hash>{HASH.pattern})/(data\.nc|provenance\.json)"
    rf"|runs/{RUN.pattern}/(spec\.toml|run\.json|steps\.jsonl)"
)
"""Where in a store files of a parcel may come. Pages do not: they are drawn anew, for a page can say anything."""

_NAME = re.compile(r"(?:(?!\.)[A-Za-z0-9._=+-]+/)*(?!\.)[A-Za-z0-9._=+-]+")
"""Names in a parcel: relative, and none of their parts begins with a dot."""

_NO_ZIP = (zipfile.BadZipFile, zlib.error, EOFError, OverflowError, RuntimeError)
"""What comes of bytes that are no zip, or another one than they say."""

_LARGEST_METADATA, _PIECE = 100_000_000, 1_000_000

_IN_RUN = {
    "report.html": "the report: figures, tables, verdicts; open it in a browser",
    "table.csv": "its table of ends",
    "numbers.json": "the numbers of the run, for programs",
    "spec.toml": "the spec, every field resolved: `rbmflow run spec.toml` computes all this again",
    "run.json": "the record: when, on what machine, with which versions, flags of every step",
    "steps.jsonl": "every step with its settings, its parents and its hash",
}
"""What a parcel has from the folder of a run, and what it is."""


class _Entry(NamedTuple):
    name: str
    content: Path | bytes
    place: str
    meaning: str


def pack(
    store: Store,
    record: Mapping[str, Any],
    parcel: Path,
    kinds: Collection[str] | None = None,
    front: Mapping[str, tuple[str, bytes]] = {},
    about: str = "",
    authors: Sequence[str] = ("anonymous",),
) -> tuple[int, int]:
    """Write a run by its record, or a sweep with the runs of its points, to one new zip whose bytes follow from it.

    Beside its artifacts, those of some kinds or all that are there, it has the files of `front`, each with its meaning,
    and the metadata. Returns how many artifacts were packed, and of how many steps; `Damaged` if one of them is.
    """
    Problems.only(not os.path.lexists(parcel), "file", str(parcel), "it must be a new file, and this one is there")
    steps = {row["hash"]: row for row in record["steps"]}
    wanted = [row for row in steps.values() if kinds is None or row["kind"] in kinds]
    there = [row for row in wanted if os.path.lexists(store.folder(Address(row["kind"], row["hash"])))]
    for row in there:
        store.read(Address(row["kind"], row["hash"]))
    entries = [_Entry(name, content, "", meaning) for name, (meaning, content) in front.items()]
    entries += _of_runs(store, record)
    for row in sorted(there, key=lambda row: row["kind"] != "results"):
        entries += _of_artifact(store, record, row)
    try:
        with replacing(parcel) as draft, zipfile.ZipFile(draft, "w") as file:
            files = [_write(file, entry) for entry in entries]
            metadata = crate.metadata(record, files, about, authors)
            _write(file, _Entry(crate.FILE, metadata, "", ""))
    except OSError as error:
        raise InvalidInput(Problem("file", str(parcel), f"it cannot be written ({error.strerror})")) from error
    return len(there), len(steps)


def folder_of(run: str, record: Mapping[str, Any]) -> str:
    """Folder of a run in a parcel: none of one alone; links from the page of a sweep lead to its points."""
    points = record.get("points")
    return "" if points is None else "sweep/" if run == record["run"] else f"{run}/"


def _of_runs(store: Store, record: Mapping[str, Any]) -> Iterator[_Entry]:
    """What stands in the folders of a run, or of a sweep and its points; code that was handed over is for reading."""
    for run in (record["run"], *(point["run"] for point in record.get("points", ()))):
        folder, into = store.run_folder(run), folder_of(run, record)
        for name, meaning in _IN_RUN.items():
            place = f"runs/{run}/{name}"
            if (folder / name).is_file():
                yield _Entry(f"{into}{name}", folder / name, place if _PLACE.fullmatch(place) else "", meaning)
        for path in sorted(folder.glob("with/*.py")):
            yield _Entry(
                f"{into}code/{_safe(path.name)}", path, "", "a file that was handed over to the run; not run here"
            )


def _of_artifact(store: Store, record: Mapping[str, Any], row: Mapping[str, Any]) -> Iterator[_Entry]:
    """The data of an artifact and where they come from, under the name of the step."""
    base = f"{row['kind']}/{_safe(row['name'])}-{row['hash'][:8]}"
    if row["kind"] == "results":
        owner = {point["results"]: point["run"] for point in record.get("points", ())}
        base = f"{folder_of(owner.get(row['hash'], record['run']), record)}results"
    source, place = store.folder(Address(row["kind"], row["hash"])), f"artifacts/{row['kind']}/{row['hash']}"
    yield _Entry(
        f"{base}.nc", source / "data.nc", f"{place}/data.nc", f"{row['name']}, as xarray.open_dataset reads it"
    )
    told = f"{row['name']}: versions, device, seconds, settings, parents"
    yield _Entry(f"{base}.provenance.json", source / "provenance.json", f"{place}/provenance.json", told)


def _safe(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._=+-]+", "_", name).lstrip(".")[:100]


def _write(file: zipfile.ZipFile, entry: _Entry) -> crate.Listed:
    """Write a file without its time; what belongs into a store is not packed, so that it takes no more than the zip."""
    content = entry.content if isinstance(entry.content, bytes) else read_bytes(entry.content)
    about = zipfile.ZipInfo(entry.name)
    about.external_attr = (stat.S_IFREG | 0o644) << 16
    about.create_system = 3  # That of Unix, wherever it is written.
    file.writestr(about, content, zipfile.ZIP_STORED if entry.place else zipfile.ZIP_DEFLATED)
    return crate.Listed(entry.name, hashlib.sha256(content).hexdigest(), len(content), entry.place, entry.meaning)


class Taken(NamedTuple):
    """What has come into a store with a parcel."""

    run: str
    """Id of the run, or of the sweep, that the parcel is of."""
    artifacts: int
    """How many were new there."""
    runs: list[str]
    """Ids of the runs that were new there."""


def unpack(store: Store, parcel: Path) -> Taken:
    """Take the artifacts and runs of a parcel of `pack`; what is there already, and any report, stays as it is.

    Everything is verified before anything is taken. A store that was not there, and is not needed, is not left behind.
    """
    Problems.only(parcel.is_file(), "file", str(parcel), "it must be a file that `rbmflow publish` has written")
    new = [path for path in (store.path / "work", store.path, *store.path.parents) if not path.exists()]
    store.prepare()
    with contextlib.ExitStack() as undo:
        undo.callback(_unmake, store, new)
        stage = unused(store.path / "work" / "import")
        undo.callback(shutil.rmtree, stage, ignore_errors=True)
        make_folder(stage)
        run, staged = _extract(parcel, stage), Store(stage)
        artifacts = list(staged.artifacts())
        _check(staged, artifacts, run, parcel)
        runs = [path.name for path in sorted(stage.glob("runs/*"))]
        taken = sum(_adopt(staged.folder(artifact), store.folder(artifact)) for artifact in artifacts)
        fresh = [run for run in runs if _adopt(staged.run_folder(run), store.run_folder(run))]
        undo.pop_all()
    shutil.rmtree(stage, ignore_errors=True)
    return Taken(run, taken, fresh)


def _unmake(store: Store, new: Sequence[Path]) -> None:
    """Take away a store that was made for nothing, unless somebody else has begun to use it."""
    with contextlib.suppress(OSError):
        for path in new:
            if path == store.path:
                (path / layout.MARKER).unlink()
            path.rmdir()


def _check(staged: Store, artifacts: Iterable[Address], run: str, parcel: Path) -> None:
    """Refuse a parcel with an artifact or a record that does not read as we write it, or files of no one run."""
    faults = list(map(str, staged.unreadable_runs()))
    if not faults and not staged.read_run(run):
        faults.append(f"there is none of {run}")
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
    try:
        for artifact in artifacts:
            staged.read(artifact)
    except Damaged as damage:
        raise InvalidInput(Problem("file", str(parcel), f"{damage}; nothing was taken")) from damage


def _extract(parcel: Path, stage: Path) -> str:
    """Verify every file of a parcel, and write those that belong into a store; the id of its run."""
    try:
        with zipfile.ZipFile(parcel) as file:
            entries = {entry.filename: entry for entry in file.infolist()}
            run, files = _told(file, entries, parcel.stat().st_size)
            sums: dict[str, list[str]] = {}
            for one in files:
                with contextlib.ExitStack() as stack:
                    source, kept = stack.enter_context(file.open(entries[one.name])), None
                    if one.place:
                        make_folder((stage / one.place).parent)
                        kept = stack.enter_context(open(stage / one.place, "xb"))
                    found = hashlib.sha256()
                    while piece := source.read(_PIECE):
                        found.update(piece)
                        if kept:
                            kept.write(piece)
                if found.hexdigest() != one.sha256:
                    raise ValueError(f"{one.name} and its sha256 in {crate.FILE} do not agree")
                if one.place.startswith("artifacts/"):
                    folder, name = os.path.split(one.place)
                    sums.setdefault(folder, []).append(f"{one.sha256}  {name}\n")
        for folder, lines in sums.items():
            (stage / folder / layout.CHECKSUMS).write_text("".join(sorted(lines, key=lambda line: line[66:])))
        return run
    # What zipfile makes of bytes that are no zip, or another one than it says.
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        ValueError,
        OverflowError,
        RuntimeError,
        FileExistsError,
    ) as error:
        told = f"it must be a whole zip of `rbmflow publish`: {error}; nothing was taken"
        raise InvalidInput(Problem("file", str(parcel), told)) from error
    except OSError as error:
        raise InvalidInput(Problem("file", str(parcel), f"it cannot be taken in ({error.strerror})")) from error


def _told(file: zipfile.ZipFile, entries: Mapping[str, zipfile.ZipInfo], size: int) -> tuple[str, list[crate.Listed]]:
    """The id of the run, and the files, by the metadata; a `ValueError` if the zip holds anything else than these."""
    if crate.FILE not in entries:
        raise ValueError(f"it has no {crate.FILE}")
    if entries[crate.FILE].file_size > _LARGEST_METADATA:
        raise ValueError(f"its {crate.FILE} has more than {_LARGEST_METADATA} bytes")
    run, files = crate.listed(file.read(crate.FILE))
    names = [one.name for one in files]
    if sorted([*names, crate.FILE]) != sorted(entry.filename for entry in file.infolist()):
        raise ValueError(f"what it holds is not what its {crate.FILE} lists")
    for one in files:
        entry = entries[one.name]
        regular = not entry.is_dir() and stat.S_IFMT(entry.external_attr >> 16) in (0, stat.S_IFREG)
        if not (regular and _NAME.fullmatch(one.name)):
            raise ValueError(f"a parcel has no entry like {one.name!r}")
        if entry.file_size != one.size:
            raise ValueError(f"{one.name} has not the size that {crate.FILE} tells")
        if one.place and not (_PLACE.fullmatch(one.place) and entry.compress_type == zipfile.ZIP_STORED):
            raise ValueError(f"a store has no place for {one.name!r}: {one.place!r}")
    # Entries may share bytes of the file: one of kilobytes could then stand for files of terabytes.
    if sum(one.size for one in files if one.place) > size:
        raise ValueError("it holds more than it has bytes for")
    return run, files


def _adopt(staged: Path, folder: Path) -> bool:
    layout.sync_all(staged)
    try:
        layout.relocate(staged, folder)
    except OSError:
        if not folder.is_dir():
            raise
        return False
    return True
