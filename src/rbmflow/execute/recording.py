"""Records of runs: what is kept beside the results, in the folder of the run."""

from __future__ import annotations

import hashlib
import itertools
import os
import platform
import re
import stat
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rbmflow._checks import Problems
from rbmflow._files import filled, make_folder, to_json, write_bytes, write_text
from rbmflow._registry import loaded_files
from rbmflow.execute import manifest
from rbmflow.execute.surroundings import available_cores, revision, versions
from rbmflow.spec import to_toml
from rbmflow.store import Damaged, Step, Store

if TYPE_CHECKING:
    from rbmflow.spec import Spec, Sweep


_NAME = re.compile("[A-Za-z0-9_-]{1,60}")

_WITH = "with"
"""Folder beside the record with the files that were handed over to the run."""


def run_name(spec: Spec, steps: Sequence[Step]) -> str:
    """Id of a run: the name of its spec and the beginning of the hash of its results."""
    return f"{spec.name}-{steps[-1].hash[:10]}"


def begin(sweep: Sweep, graphs: Sequence[Sequence[Step]], store: Store, started: datetime) -> dict[str, Any]:
    """Return the record of a run, or of a sweep with the steps of all its points.

    If it is not there yet, or other files were handed over then, it is written without what only the end can tell.
    """
    rows = [
        {"run": run_name(point.spec, steps), "values": dict(point.values), "results": steps[-1].hash}
        for point, steps in zip(sweep.points, graphs, strict=True)
    ]
    run = rows[0]["run"] if sweep.single else _id(sweep.name, (row["results"] for row in rows))
    record = _header(sweep.name, run, started) | {"spec_toml": sweep.toml}
    record |= {"seed": sweep.points[0].spec.seed} if sweep.single else {"points": rows}
    return _begin(record, list(itertools.chain.from_iterable(graphs)), store)


def begin_steps(name: str, steps: Sequence[Step], store: Store) -> dict[str, Any]:
    """Return the record of steps that no spec asks for, which makes their results some run's; see `begin`."""
    Problems.only(_NAME.fullmatch(name) is not None, "name", name, "it must be letters, digits, _ and -, 60 at most")
    parents = {parent for step in steps for parent in step.parents}
    run = _id(name, sorted({step.hash for step in steps if step not in parents}))
    return _begin(_header(name, run, datetime.now(UTC)), steps, store)


def _id(name: str, hashes: Iterable[str]) -> str:
    """Id of a sweep, or of steps: its name and the beginning of a hash of the results."""
    return f"{name}-{hashlib.sha256(''.join(hashes).encode()).hexdigest()[:10]}"


def _extensions() -> list[dict[str, str]]:
    """Files that were handed over to this process, as a record tells them."""
    return [{"name": file.name, "sha256": file.sha256} for file in loaded_files()]


def files_of(record: dict[str, Any], store: Store) -> tuple[str, ...]:
    """Files that were handed over to a run, as far as they are in its folder; a parcel brings none.

    One that is not that of the record, or that somebody else may have written, is refused: it is code.
    """
    problems, found = Problems(), []
    for row in record.get("extensions", ()):
        path = store.run_folder(record["run"]) / _WITH / row["name"]
        if not filled(path):
            continue
        about, hash_ = path.lstat(), hashlib.sha256(path.read_bytes()).hexdigest()
        mine = stat.S_ISREG(about.st_mode) and about.st_uid in (0, os.getuid()) and not about.st_mode & 0o022
        told = "it must be the file that was handed over to the run, and nobody else may own or write it"
        problems.unless(mine and hash_ == row["sha256"], "with", str(path), told)
        found.append(str(path))
    problems.done()
    return tuple(found)


def kept(run: str, store: Store) -> dict[str, Any]:
    """`run.json` of a run; empty where any file of its record is missing, empty or another run's.

    All of them are to be written anew then: a power cut, or an older version, may have left them so.
    """
    record, folder = store.read_run(run), store.run_folder(run)
    names = ["run.json", manifest.FILE, *(["spec.toml"] if "spec_toml" in record else [])]
    names += [f"{_WITH}/{row['name']}" for row in record.get("extensions", ())]
    return record if record.get("run") == run and all(filled(folder / name) for name in names) else {}


def finish(
    spec: Spec, steps: Sequence[Step], store: Store, started: datetime, seconds: float, computed: Collection[Step]
) -> dict[str, Any]:
    """Write the full `run.json` of a run whose results are there, and return it.

    The invocation began at `started`, took so many `seconds`, and computed some of the steps; others were there before.
    """
    rows, abouts = [], []
    for step in dict.fromkeys(steps):
        try:
            about = store.provenance(step)
        except Damaged:
            about = {}
        abouts.append(about)
        row = {"kind": step.kind, "name": step.name, "hash": step.hash, "cached": step not in computed}
        flags = [{"where": step.name, **flag} for flag in about.get("flags", ())]
        rows.append(row | {key: about.get(key) for key in ("seconds", "cpu_seconds", "device")} | {"flags": flags})
    used = _versions(abouts)
    record = _header(spec.name, run_name(spec, steps), started) | {
        "spec_toml": to_toml(spec),
        "seed": spec.seed,
        "seconds": round(seconds, 3),
        "compute_seconds": round(sum(row["seconds"] or 0.0 for row in rows), 3),
        "cpu_seconds": total_seconds(row["cpu_seconds"] for row in rows),
        "steps": rows,
        "versions": {name: " and ".join(values) for name, values in used.items()} or versions(),
        "flags": [
            {"where": "run", "what": "several versions", "message": f"steps were made with {name} {' and '.join(all_)}"}
            for name, all_ in used.items()
            if len(all_) > 1
        ],
        "device": ", ".join(dict.fromkeys(row["device"] for row in rows if row["device"])),
        "cores": available_cores(),
        "platform": platform.platform(),
        "revision": revision(),
    }
    _write(record, steps, store)
    return record


def total_seconds(seconds: Iterable[float | None]) -> float | None:
    """The sum of what all steps tell; None if one does not, as artifacts of before CPU time was kept."""
    told = list(seconds)
    return None if None in told else round(sum(filter(None, told)), 3)


def _versions(abouts: Sequence[dict[str, Any]]) -> dict[str, list[str]]:
    """Versions of all steps by package, and of what else may tell their numbers apart: flags that some steps had."""
    flags = dict.fromkeys((name for about in abouts for name in about.get("own_flags", {})), "unset")
    found: dict[str, list[str]] = {}
    for about in filter(None, abouts):
        for name, value in {**flags, **about.get("own_flags", {}), **about.get("versions", {})}.items():
            if str(value) not in found.setdefault(str(name), []):
                found[str(name)].append(str(value))
    return found


def finished(run: dict[str, Any]) -> bool:
    """Tell whether a `run.json` is that of a run that has come to its end."""
    return "seconds" in run


def _header(name: str, run: str, started: datetime) -> dict[str, Any]:
    return {"name": name, "run": run, "started": started.isoformat(timespec="seconds")}


def _begin(record: dict[str, Any], steps: Sequence[Step], store: Store) -> dict[str, Any]:
    known = kept(record["run"], store)
    if known and known.get("extensions", []) == _extensions():
        return known
    record["steps"] = [{"kind": step.kind, "name": step.name, "hash": step.hash} for step in dict.fromkeys(steps)]
    _write(record, steps, store)
    return record


def _write(record: dict[str, Any], steps: Sequence[Step], store: Store) -> None:
    folder = store.run_folder(record["run"])
    make_folder(folder)
    for file in loaded_files():
        make_folder(folder / _WITH)
        write_bytes(path := folder / _WITH / file.name, file.content)
        path.chmod(0o644)  # What a group may write is not run again.
    if extensions := _extensions():
        record["extensions"] = extensions
    manifest.write(steps, folder)
    if "spec_toml" in record:
        write_text(folder / "spec.toml", record["spec_toml"])
    write_text(folder / "run.json", to_json(record))
