"""Steps: the one room that sees both the science and the store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import rbmflow.steps.expectations  # noqa: F401  (kinds state what their data hold)
from rbmflow.steps.graph import graph, group

if TYPE_CHECKING:
    from rbmflow.steps.checkup import doctor
    from rbmflow.steps.kinds import compute, compute_together
    from rbmflow.steps.verdicts import verdicts_of, verdicts_of_sweep

__all__ = ["compute", "compute_together", "doctor", "graph", "group", "verdicts_of", "verdicts_of_sweep"]


_PLACES = {
    "compute": "rbmflow.steps.kinds",
    "compute_together": "rbmflow.steps.kinds",
    "doctor": "rbmflow.steps.checkup",
    "verdicts_of": "rbmflow.steps.verdicts",
    "verdicts_of_sweep": "rbmflow.steps.verdicts",
}


def __getattr__(name: str) -> Any:
    # Planning needs the graph alone, so what imports jax is imported on first use.
    if name in _PLACES:
        from importlib import import_module

        return getattr(import_module(_PLACES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
