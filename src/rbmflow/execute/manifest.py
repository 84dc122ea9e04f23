"""Manifests: the steps of a run as lines of JSON, so that a hash alone tells a worker what to compute."""

import json
from collections.abc import Iterable
from pathlib import Path

from rbmflow._checks import InvalidInput, Problem
from rbmflow._files import write_text
from rbmflow.store import Step, Store, parse_record
from rbmflow.store.records import ManifestRow

FILE = "steps.jsonl"
"""Name of the manifest in the folder of a run."""

SHORTEST = 6
"""Characters that the beginning of a hash must have at least."""

_START = '{"hash": "'


def write(steps: Iterable[Step], folder: Path) -> None:
    """Write one line a step, parents before children: hash, kind, name, version, settings, hashes of the parents.

    Infinite numbers are written as `Infinity`, as they are where the hash of a step is made.
    """
    rows = (
        {"hash": step.hash, "kind": step.kind, "name": step.name, "version": step.version}
        | {"settings": step.settings, "parents": [parent.hash for parent in step.parents]}
        | ({"files": dict(step.files)} if step.files else {})
        for step in dict.fromkeys(steps)
    )
    write_text(folder / FILE, "".join(f"{json.dumps(row)}\n" for row in rows))


def read(folder: Path, wanted: str = "") -> dict[str, Step]:
    """Steps of a manifest by hash, parents before children; one that is missing or was changed is refused.

    They are those whose hashes begin as is wanted, and what they build on: of a large manifest few are parsed then.
    """
    path = folder / FILE
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        by_hash = {line[len(_START) : len(_START) + 64]: line for line in lines if line.startswith(_START)}
        needed, rows = {key for key in by_hash if key.startswith(wanted)}, list[ManifestRow]()
        for key in reversed(by_hash):
            if key in needed:
                rows.append(parse_record(ManifestRow, by_hash[key]))
                needed.update(rows[-1]["parents"])
        return _steps(reversed(rows))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise InvalidInput(Problem("manifest", str(path), f"it must be as it was written ({reason})")) from error


def _steps(rows: Iterable[ManifestRow]) -> dict[str, Step]:
    known: dict[str, Step] = {}
    for row in rows:
        if missing := [parent for parent in row["parents"] if parent not in known]:
            raise ValueError(f"{missing[0]} does not stand before {row['hash']}, whose parent it is")
        parents = tuple(known[parent] for parent in row["parents"])
        step = Step(row["kind"], row["name"], row["settings"], parents, row["version"], row.get("files", {}))
        if step.hash != row["hash"]:
            raise ValueError(f"the line of {row['hash']} was changed")
        known[step.hash] = step
    return known


def find(store: Store, wanted: str) -> tuple[Step, str]:
    """Find a step by its hash, or by the beginning of it, in the manifests of all runs of a store; and one of the runs.

    Raises
    ------
    InvalidInput
        If there is no such step, or several.
    """
    found: dict[str, tuple[Step, str]] = {}
    faults: list[InvalidInput] = []
    for path in sorted(store.path.glob(f"runs/*/{FILE}")) if len(wanted) >= SHORTEST else ():
        try:
            for key, step in read(path.parent, wanted).items():
                if key.startswith(wanted):
                    found.setdefault(key, (step, path.parent.name))
        except InvalidInput as fault:
            faults.append(fault)
    if not found and faults:
        raise faults[0]
    if len(found) == 1:
        return next(iter(found.values()))
    names = ", ".join(f"{step.name} ({key[:12]})" for key, (step, _) in found.items())
    several = f"these steps begin so: {names}" if found else "no run of this store has such a step"
    allowed = f"it must be the hash of a step, or {SHORTEST} or more characters of its beginning; {several}"
    raise InvalidInput(Problem("step", wanted, allowed))
