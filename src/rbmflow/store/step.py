"""Steps as data: what is computed, from what, and the hash that names its result."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from rbmflow._files import finite, mapped


class Address(NamedTuple):
    """Kind and hash of an artifact."""

    kind: str
    hash: str


def hash_of(kind: str, version: int, settings: Mapping[str, Any], parents: Sequence[str]) -> str:
    """SHA-256 of the canonical JSON of kind, version, settings and the parents' hashes in order.

    Keys are sorted, 1.0 is written as 1, and numbers that are not finite are text, so that settings have the same
    hash after they were written and read back.
    """
    content = {"kind": kind, "version": version, "settings": mapped(settings, _plain), "parents": list(parents)}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else finite(value)


@dataclass(frozen=True, eq=False)
class Step:
    """One step of a run, as data; two steps are the same step when their hashes, see `hash_of`, are equal."""

    kind: str
    name: str
    """Label for people; not hashed."""
    settings: Mapping[str, Any]
    """The slice of the spec that the step depends on, with the root seed where it is random; defaults are left out."""
    parents: tuple[Step, ...] = field(default=(), repr=False)
    version: int = 1
    """Number of the step's code; a change of it makes the step anew."""
    files: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Paths of the files that the settings name by their SHA-256, by that; not hashed."""
    hash: str = field(init=False)

    def __post_init__(self):
        parents = [parent.hash for parent in self.parents]
        object.__setattr__(self, "hash", hash_of(self.kind, self.version, self.settings, parents))

    def __eq__(self, other: object) -> bool:
        return self.hash == other.hash if isinstance(other, Step) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.hash)


type Artifact = Step | Address
"""What names an artifact: a step, or the kind and hash that a run has written down."""


def ancestry(last: Step) -> tuple[Step, ...]:
    """A step and all that it builds on, parents before children; a graph is a few kinds of steps deep."""
    above = itertools.chain.from_iterable(map(ancestry, last.parents))
    return tuple(dict.fromkeys((*above, last)))
