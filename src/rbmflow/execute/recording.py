"""Records of runs: what is kept beside the results, in the folder of the run."""

from __future__ import annotations

import hashlib
import itertools
import platform
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rbmflow.execute import manifest
from rbmflow.execute.surroundings import available_cores, revision, versions
from rbmflow.spec import to_toml
from rbmflow.store import Artifact, Damaged, Step, Store, to_json, write_text

if TYPE_CHECKING:
    from rbmflow.spec import Spec, Sweep


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
    rows = []
    for step in dict.fromkeys(steps):
        about = _provenance(step, store)
        row = {"kind": step.kind, "name": step.name, "hash": step.hash, "cached": step not in computed}
        rows.append(row | {key: about.get(key) for key in ("seconds", "device", "flags")})
    record = _header(spec, steps, started) | {
        "seconds": round(seconds, 3),
        "compute_seconds": round(sum(row["seconds"] or 0.0 for row in rows), 3),
        "steps": rows,
        "versions": versions(),
        "device": ", ".join(dict.fromkeys(row["device"] for row in rows if row["device"])),
        "cores": available_cores(),
        "platform": platform.platform(),
        "revision": revision(),
    }
    _write(record, store)
    return record


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
    folder = store.run_folder(record["run"])
    folder.mkdir(parents=True, exist_ok=True)
    manifest.write(steps, folder)
    _write(record, store)


def _write(record: dict[str, Any], store: Store) -> None:
    folder = store.run_folder(record["run"])
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "spec.toml", record["spec_toml"])
    write_text(folder / "run.json", to_json(record))


def _provenance(artifact: Artifact, store: Store) -> dict[str, Any]:
    try:
        return store.provenance(artifact)
    except Damaged:
        return {}
