"""Estimates: what steps will take, from the provenance of steps of their kind that the store has."""

import itertools
from collections.abc import Iterable
from statistics import median
from typing import NamedTuple

from rbmflow.store import Damaged, Store

UNKNOWN_SECONDS = 10.0
"""Taken for a step of a kind that the store has no artifact of."""

UNKNOWN_BYTES = 1_000_000
"""Taken for the artifact of such a step."""

_SAMPLE = 20


class Cost(NamedTuple):
    """What one step of a kind takes."""

    seconds: float
    """Median of the time."""
    size: float
    """Median of the bytes on disk."""
    known: int
    """Number of artifacts that this comes from; 0 where the stated defaults stand in."""


def costs(kinds: Iterable[str], store: Store) -> dict[str, Cost]:
    """Estimate what a step of each kind takes, from up to 20 artifacts of it.

    Settings are not compared: where a sweep changes the size of machines, this is the middle of what is there.

    Parameters
    ----------
    kinds
        Kinds of steps.
    store
        Where artifacts are looked for.
    """
    return {kind: _cost(kind, store) for kind in dict.fromkeys(kinds)}


def _cost(kind: str, store: Store) -> Cost:
    rows = []
    for artifact in itertools.islice(store.artifacts(kind), _SAMPLE):
        try:
            seconds = float(store.provenance(artifact)["seconds"])
            rows.append((seconds, store.size(artifact)))
        except (Damaged, KeyError, TypeError, ValueError):
            continue
    if not rows:
        return Cost(UNKNOWN_SECONDS, UNKNOWN_BYTES, 0)
    return Cost(median(row[0] for row in rows), median(row[1] for row in rows), len(rows))


def told_duration(seconds: float) -> str:
    """Say a time in two digits of its largest units: `45 s`, `3 min`, `2 h 5 min`, `3 d 4 h`."""
    minutes, hours = round(seconds / 60), round(seconds / 3600)
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    if minutes < 100:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def told_size(size: float) -> str:
    """Say a number of bytes in decimal units, as disks are sold: `350 kB`, `1.2 MB`."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 999.5:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"
