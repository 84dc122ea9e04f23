"""Care of a store: whether everything in it is whole, and what nobody needs."""

import errno
import itertools
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from rbmflow._checks import InvalidInput, Problem, Problems
from rbmflow._files import unused
from rbmflow.store import layout
from rbmflow.store.artifacts import STALE_AFTER, Damaged, Store
from rbmflow.store.records import HASH
from rbmflow.store.step import Address

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


def _changed(path: Path) -> float:
    """Time when a file or folder, or anything in it, was last written or put there; now, where somebody takes it away.

    What is copied or moved may keep the times of its content: the time of change is that of its coming too.
    """
    try:
        return max(max(times.st_mtime, times.st_ctime) for each in (path, *path.rglob("*")) for times in [each.lstat()])
    except FileNotFoundError:
        return math.inf
