"""Whether a run fits this machine, told from its settings before anything is computed."""

from __future__ import annotations

import importlib.util
import math
import shutil
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rbmflow._checks import Problems
from rbmflow.execute import available_memory
from rbmflow.execute.estimate import told_size
from rbmflow.store import Step, Store

if TYPE_CHECKING:
    from rbmflow.spec import Sweep


def refuse_what_does_not_fit(
    sweep: Sweep, graphs: Sequence[Sequence[Step]], store: Store, *, elsewhere: bool = False
) -> None:
    """Refuse a run if one of its missing steps needs more memory than is free here, or all together more disk.

    What is estimated is the least that they need, so that nothing is refused which would have gone well. Nor is
    anything refused for the memory or the packages of this machine where the steps are computed elsewhere.

    Raises
    ------
    InvalidInput
        With the field that the need grows with.
    """
    from rbmflow.spec import needs

    folder = next(place for place in (store.path, *store.path.parents) if place.exists())
    memory, usage = math.inf if elsewhere else available_memory(), shutil.disk_usage(folder)
    clusters = elsewhere or importlib.util.find_spec("numba") is not None
    room = usage.free if usage.total else math.inf  # Some file systems do not tell.
    there, counted, disk = store.published(), set[str](), 0.0
    for point, steps in zip(sweep.points, graphs, strict=True):
        needed, problems, method = needs(point.spec), Problems(), point.spec.sampling.method
        usable = clusters or method not in ("swendsen-wang", "wolff")
        problems.unless(usable, "sampling.method", method, "clusters need the package numba, which is not installed")
        for step in steps:
            if step.kind not in needed or step.hash in there or step.hash in counted:
                continue
            need = needed[step.kind]
            counted.add(step.hash)
            disk += need.disk
            told = (
                f"{step.name} would take {told_size(need.memory)} of memory or more, and {told_size(memory)} are free"
            )
            problems.unless(need.memory <= memory, need.field, need.value, told)
            told = f"the steps would take {told_size(disk)} of disk or more, and {told_size(room)} are free"
            problems.unless(disk <= room, need.field, need.value, told)
            problems.done()
        problems.done()
