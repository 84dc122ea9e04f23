"""Whether a run fits this machine, told from its settings before anything is computed, and how many processes do."""

from __future__ import annotations

import importlib.util
import math
import shutil
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from rbmflow._checks import Problems
from rbmflow.execute import available_cores, available_memory, has_gpu
from rbmflow.execute.estimate import told_size
from rbmflow.store import Step, Store

if TYPE_CHECKING:
    from rbmflow.spec import Spec, Sweep

_WORKER_BYTES = 1_000_000_000
"""Memory that is counted for a process when nobody says how many to start."""

_PACKED = 1 / 10
"""Bytes on disk of a spin, at most; ordered ones take less."""

_MEASURED = 24
"""Bytes of the observables of one chain at one iteration."""


def default_workers() -> int:
    """One process on a machine with an NVIDIA GPU, which they would share; else one a core, as far as memory goes."""
    if has_gpu():
        return 1
    return max(1, min(available_cores(), available_memory() // _WORKER_BYTES))


class Need(NamedTuple):
    """The least that one step of a kind needs."""

    field: str
    """The field of the spec that it grows with."""
    value: object
    memory: float
    """Bytes of the arrays that it has in memory at once."""
    disk: float
    """Bytes of its artifact, if its spins are as random as can be."""


def needs(spec: Spec) -> dict[str, Need]:
    """What a step of each kind needs that can be large."""
    sites, grid = spec.lattice.sites, len(spec.sampling.temperatures)
    flow, training, blocks, neural = spec.flow, spec.training, spec.renormalization, spec.thermometer
    drawn = float(sites * grid * spec.sampling.draws)
    learnt = max(len(one.temperatures) for one in spec.variants) * spec.sampling.draws
    hidden = max(one.hidden for one in spec.variants)
    updates = training.epochs * max(1, learnt // training.batch)
    rungs = training.rungs if training.estimator == "PTT" else 0
    weights = 4.0 * sites * hidden
    kept = weights * (1 + min(training.checkpoints, updates + 1))
    snapshots = len(flow.kept(sites))
    chains = flow.chains * (sites * snapshots + _MEASURED * (flow.iterations + 1.0))
    of_flow = flow.chains * (sites * snapshots * _PACKED + _MEASURED * flow.iterations)
    seen = float(sites * grid * neural.draws)
    network = 4.0 * neural.hidden * (sites + grid)
    of_blocks = sites * (blocks.length / spec.lattice.sides[0]) ** len(spec.lattice.sides)
    blocked = float(of_blocks * len(blocks.temperatures) * blocks.draws)
    stable = float(spec.stability.length ** len(spec.lattice.sides) * spec.lattice.basis * spec.stability.draws)
    return {
        # Configurations once more in the bytes of the file.
        "draws": Need("sampling.draws", spec.sampling.draws, 2 * drawn, _PACKED * drawn),
        "machine": Need("machine.hidden", hidden, sites * learnt + kept + (2 + rungs) * weights, kept),
        "flow": Need("flow.chains", flow.chains, chains, of_flow),
        "thermometer": Need("thermometer.draws", neural.draws, seen + 3 * network, network),
        "stability": Need("stability.draws", spec.stability.draws, 2 * stable, 0.0),
        "renormalization": Need("renormalization.draws", blocks.draws, 2 * blocked, 0.0),
    }


def refuse_what_does_not_fit(
    sweep: Sweep, graphs: Sequence[Sequence[Step]], store: Store, *, elsewhere: bool = False
) -> None:
    """Refuse a run if one of its missing steps needs more memory than is free here, or all together more disk.

    What is estimated is the least that they need, so that nothing is refused which would have gone well. Nor is
    anything refused for the memory or the packages of this machine where the steps are computed `elsewhere`.
    """
    folder = next(place for place in (store.path, *store.path.parents) if place.exists())
    memory, usage = math.inf if elsewhere else available_memory(), shutil.disk_usage(folder)
    clusters = elsewhere or importlib.util.find_spec("numba") is not None
    room = usage.free if usage.total else math.inf  # Some file systems do not tell.
    counted, disk = set(store.published()), 0.0
    for point, steps in zip(sweep.points, graphs, strict=True):
        needed, problems, method = needs(point.spec), Problems(), point.spec.sampling.method
        usable = clusters or method not in ("swendsen-wang", "wolff", "table-wolff")
        problems.unless(usable, "sampling.method", method, "clusters need the package numba, which is not installed")
        for step in steps:
            if step.kind not in needed or step.hash in counted:
                continue
            need = needed[step.kind]
            counted.add(step.hash)
            disk += need.disk
            told = f"{step.name} would take {told_size(need.memory)} of memory or more"
            allowed = f"{told}, and {told_size(memory)} are free"
            problems.unless(need.memory <= memory, need.field, need.value, allowed)
            allowed = f"the steps would take {told_size(disk)} of disk or more, and {told_size(room)} are free"
            problems.unless(disk <= room, need.field, need.value, allowed)
            problems.done()
        problems.done()
