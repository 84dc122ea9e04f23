"""Steps: the one room that sees both the science and the store.

A kind of step is a module of `rbmflow.steps.kinds`, made with `rbmflow.steps.kind.step`; `graph` wires them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rbmflow.steps.graph import graph as graph
from rbmflow.steps.kind import compute as compute, compute_together as compute_together, group as group

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import xarray as xr

    from rbmflow.claims import Claim, Verdict
    from rbmflow.steps.checkup import Check
    from rbmflow.store import Step

# Planning needs the graph alone, so what imports jax is imported on first use.


def doctor() -> list[Check]:
    """Compare this device with exact answers: what was checked, expected and measured, and whether they agree."""
    from rbmflow.steps.checkup import doctor

    return doctor()


def answer_of(results: xr.Dataset, judged: Sequence[Verdict] | None = None) -> list[str]:
    """Whether the flows of a run go to T_c and where its machines are, in sentences made from the rules."""
    from rbmflow.claims import answer

    return answer(results, judged)


def claims() -> Mapping[str, Claim]:
    """Every claim by its id, with its rule."""
    from rbmflow.claims import CLAIMS

    return CLAIMS


def verdicts_of(*results: xr.Dataset) -> list[Verdict]:
    """A verdict on every claim by the machines of a run, or of all points of a sweep."""
    from rbmflow.claims import verdicts

    return verdicts(*results)


def live_of(results: Step, read: Callable[[Step], xr.Dataset]) -> xr.Dataset:
    """The machines of a run that its page iterates, from the data of the steps that its results build on."""
    from rbmflow.steps.live_machines import live_of

    return live_of(results, read)


def machines_side_by_side(*results: xr.Dataset) -> xr.Dataset:
    """The machines of all points of a sweep side by side, each once, for the figures of its page."""
    from rbmflow.claims import distinct, machines_of, named, study

    return study(named(distinct(machines_of(*results))))
