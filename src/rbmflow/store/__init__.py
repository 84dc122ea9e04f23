"""The store: steps as data and their results as content-addressed artifacts."""

from rbmflow.store.artifacts import (
    STALE_AFTER as STALE_AFTER,
    Damaged as Damaged,
    Store as Store,
    Unreachable as Unreachable,
)
from rbmflow.store.records import (
    Failure as Failure,
    Progress as Progress,
    Unreadable as Unreadable,
    parse_record as parse_record,
)
from rbmflow.store.step import Address as Address, Artifact as Artifact, Step as Step, ancestry as ancestry
