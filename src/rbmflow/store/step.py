"""Steps as data: what is computed, from what, and the hash that names its result."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Address(NamedTuple):
    """Kind and hash of an artifact."""

    kind: str
    hash: str


@dataclass(frozen=True, eq=False)
class Step:
    """One step of a run, as data; two steps are the same step when their hashes are equal.

    The hash is the SHA-256 of the canonical JSON of kind, version, settings and the parents' hashes in order.

    Parameters
    ----------
    kind
        What is computed: "draws", "machine", "flow", ...
    name
        Label for people; not hashed.
    settings
        The slice of the spec that the step depends on, JSON-able, with the root seed where the step is random.
    parents
        Steps whose results it takes, in order.
    version
        Number of the step's code; a change of it makes the step anew.

    Examples
    --------
    >>> draws = Step("draws", "configurations", {"length": 4, "seed": 0})
    >>> draws == Step("draws", "another label", {"seed": 0, "length": 4})
    True
    """

    kind: str
    name: str
    settings: Mapping[str, Any]
    parents: tuple[Step, ...] = field(default=(), repr=False)
    version: int = 1
    hash: str = field(init=False)

    def __post_init__(self):
        content = {
            "kind": self.kind,
            "version": self.version,
            "settings": self.settings,
            "parents": [parent.hash for parent in self.parents],
        }
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        object.__setattr__(self, "hash", hashlib.sha256(text.encode()).hexdigest())

    def __eq__(self, other: object) -> bool:
        return self.hash == other.hash if isinstance(other, Step) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.hash)

    def __reduce__(self):
        return _from_rows, (_to_rows(self),)


type Artifact = Step | Address
"""What names an artifact: a step, or the kind and hash that a run has written down."""


def _to_rows(last: Step) -> list[tuple[Any, ...]]:
    """List a step and its ancestors, parents first and by number; pickle would recurse through a deep graph."""
    numbers: dict[Step, int] = {}
    rows = []
    pending = [last]
    while pending:
        step = pending[-1]
        missing = [parent for parent in step.parents if parent not in numbers]
        if missing:
            pending.extend(missing)
            continue
        pending.pop()
        if step not in numbers:
            numbers[step] = len(rows)
            parents = tuple(numbers[parent] for parent in step.parents)
            rows.append((step.kind, step.name, step.settings, parents, step.version))
    return rows


def _from_rows(rows: list[tuple[Any, ...]]) -> Step:
    steps: list[Step] = []
    for kind, name, settings, parents, version in rows:
        steps.append(Step(kind, name, settings, tuple(steps[number] for number in parents), version))
    return steps[-1]
