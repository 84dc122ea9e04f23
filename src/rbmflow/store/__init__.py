"""The store: steps as data and their results as content-addressed artifacts."""

from rbmflow.store.artifacts import STALE_AFTER, Damaged, Store, Unreachable
from rbmflow.store.records import Failure, Progress, Unreadable, parse_record
from rbmflow.store.step import Address, Artifact, Step, ancestry

__all__ = [
    "STALE_AFTER",
    "Address",
    "Artifact",
    "Damaged",
    "Failure",
    "Progress",
    "Step",
    "Store",
    "Unreachable",
    "Unreadable",
    "ancestry",
    "parse_record",
]
