"""Steps: the one room that sees both the science and the store.

A kind of step is a module of `rbmflow.steps.kinds`, made with `rbmflow.steps.kind.step`; `graph` wires them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rbmflow.steps.graph import graph
from rbmflow.steps.kind import compute, compute_together, group

if TYPE_CHECKING:
    from rbmflow.steps.checkup import doctor
    from rbmflow.steps.verdicts import machines_side_by_side, verdicts_of

__all__ = ["compute", "compute_together", "doctor", "graph", "group", "machines_side_by_side", "verdicts_of"]

_PLACES = {"doctor": "checkup", "verdicts_of": "verdicts", "machines_side_by_side": "verdicts"}


def __getattr__(name: str) -> Any:
    # Planning needs the graph alone, so what imports jax is imported on first use.
    if name in _PLACES:
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
