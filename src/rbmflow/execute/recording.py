"""Records of runs: what is kept beside the results, in the folder of the run."""

from __future__ import annotations

import hashlib
import itertools
import platform
import re
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rbmflow._checks import Problems
from rbmflow._files import filled, make_folder
from rbmflow.execute import manifest
from rbmflow.execute.surroundings import available_cores, revision, versions
from rbmflow.spec import to_toml
from rbmflow.store import Artifact, Damaged, Step, Store, to_json, write_text

if TYPE_CHECKING:
    from rbmflow.spec import Spec, Sweep


_NAME = re.compile("[A-Za-z0-9_-]{1,60}")


def run_name(spec: Spec, steps: Sequence[Step]) -> str:
    """Id of a run: the name of its spec and the beginning of the hash of its results."""
    return f"{spec.name}-{steps[-1].hash[:10]}"


def begin(spec: Spec, steps: Sequence[Step], store: Store, started: datetime) -> None:
    """Write `spec.toml`, the manifest, and a first `run.json`, by which a run under way is known."""
    _begin(_header(spec, steps, started), steps, store)


def sweep_name(sweep: Sweep, graphs: Sequence[Sequence[Step]]) -> str:
    """Id of a sweep: the name of its spec and the beginning of a hash of the results of its points."""
    hashes = "".join(steps[-1].hash for steps in graphs)
    return f"{sweep.name}-{hashlib.sha256(hashes.encode()).hexdigest()[:10]}"


def begin_sweep(sweep: Sweep, graphs: Sequence[Sequence[Step]], store: Store, started: datetime) -> dict[str, Any]:
    """Write what `begin` does for all points of a sweep together, and return the record.

    Parameters
    ----------
    sweep
        The sweep.
    graphs
        The steps of each of its points.
    store
        Where they go.
    started
        When the sweep began.
    """
    points = [
        {"run": run_name(point.spec, steps), "values": dict(point.values), "results": steps[-1].hash}
        for point, steps in zip(sweep.points, graphs, strict=True)
    ]
    record = {"name": sweep.name, "run": sweep_name(sweep, graphs), "spec_toml": sweep.toml}
    record |= {"started": started.isoformat(timespec="seconds"), "points": points}
    _begin(record, list(itertools.chain.from_iterable(graphs)), store)
    return record


def begin_steps(name: str, steps: Sequence[Step], store: Store) -> None:
    """Write a record of steps that no spec asks for, if it is not there yet, so that their results are some run's.

    Raises
    ------
    InvalidInput
        If the name is none that a run can have.
    """
    problems = Problems()
    problems.unless(_NAME.fullmatch(name) is not None, "name", name, "it must be letters, digits, _ and -, 60 at most")
    problems.done()
    parents = {parent for step in steps for parent in step.parents}
    hashes = "".join(sorted({step.hash for step in steps if step not in parents}))
    run = f"{name}-{hashlib.sha256(hashes.encode()).hexdigest()[:10]}"
    if steps and not kept(run, store):
        started = datetime.now(UTC).isoformat(timespec="seconds")
        _begin({"name": name, "run": run, "started": started}, steps, store)


def kept(run: str, store: Store) -> dict[str, Any]:
    """`run.json` of a run; empty where any file of its record is missing, empty or another run's.

    All of them are to be written anew then: a power cut, or an older version, may have left them so.
    """
    record, folder = store.read_run(run), store.run_folder(run)
    names = ("run.json", manifest.FILE, *(["spec.toml"] if "spec_toml" in record else []))
    return record if record.get("run") == run and all(filled(folder / name) for name in names) else {}


def finish(
    spec: Spec, steps: Sequence[Step], store: Store, started: datetime, seconds: float, computed: Collection[Step]
) -> dict[str, Any]:
    """Write the full `run.json` of a run whose results are there, and return it.

    Parameters
    ----------
    spec, steps, store
        The run.
    started
        When this invocation began.
    seconds
        How long it took.
    computed
        The steps that it computed; the others were there before.
    """
    rows, abouts = [], []
    for step in dict.fromkeys(steps):
        about = _provenance(step, store)
        abouts.append(about)
        row = {"kind": step.kind, "name": step.name, "hash": step.hash, "cached": step not in computed}
        flags = [{"where": step.name, **flag} for flag in about.get("flags", ())]
        rows.append(row | {key: about.get(key) for key in ("seconds", "device")} | {"flags": flags})
    used = _versions(abouts)
    record = _header(spec, steps, started) | {
        "seconds": round(seconds, 3),
        "compute_seconds": round(sum(row["seconds"] or 0.0 for row in rows), 3),
        "steps": rows,
        "versions": {name: " and ".join(values) for name, values in used.items()} or versions(),
        "flags": [
            {
                "where": "run",
                "what": "several versions",
                "message": f"steps were made with {name} {' and '.join(values)}",
            }
            for name, values in used.items()
            if len(values) > 1
        ],
        "device": ", ".join(dict.fromkeys(row["device"] for row in rows if row["device"])),
        "cores": available_cores(),
        "platform": platform.platform(),
        "revision": revision(),
    }
    _write(record, steps, store)
    return record


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


def _header(spec: Spec, steps: Sequence[Step], started: datetime) -> dict[str, Any]:
    return {
        "name": spec.name,
        "run": run_name(spec, steps),
        "spec_toml": to_toml(spec),
        "started": started.isoformat(timespec="seconds"),
        "seed": spec.seed,
    }


def _begin(record: dict[str, Any], steps: Sequence[Step], store: Store) -> None:
    record["steps"] = [{"kind": step.kind, "name": step.name, "hash": step.hash} for step in dict.fromkeys(steps)]
    _write(record, steps, store)


def _write(record: dict[str, Any], steps: Sequence[Step], store: Store) -> None:
    folder = store.run_folder(record["run"])
    make_folder(folder)
    manifest.write(steps, folder)
    if "spec_toml" in record:
        write_text(folder / "spec.toml", record["spec_toml"])
    write_text(folder / "run.json", to_json(record))


def _provenance(artifact: Artifact, store: Store) -> dict[str, Any]:
    try:
        return store.provenance(artifact)
    except Damaged:
        return {}
