"""Estimates: what steps will take, from the steps of their kind that the store has, or from counts of their work."""

import heapq
import itertools
from collections.abc import Iterable, Mapping, Sequence
from graphlib import TopologicalSorter
from statistics import mean
from typing import NamedTuple

from rbmflow.spec import Spec
from rbmflow.store import Damaged, Step, Store, layout

UNKNOWN_SECONDS = 10.0
"""Taken for a step that nothing else is known of."""

UNKNOWN_BYTES = 1_000_000
"""Taken for the artifact of a step of a kind that the store has none of."""

_SAMPLE = 20

_ON_ONE_CORE = {
    "draws": (2.9, 430.0),
    "correlation": (0.07, 25.0),
    "thermometer": (4.0, 0.13),
    "calibration": (2.0, 7.5),
    "null": (0.5, 1.1),
    "machine": (1.0, 0.08),
    "likelihood": (2.5, 7900.0),
    "spectrum": (0.6, 1e4),
    "flow": (0.3, 0.4),
    "checkpoint_flow": (0.3, 0.4),
    "reading": (0.26, 0.6),
    "renormalization": (7.0, 630.0),
    "results": (0.5, 2.7e8),
}
"""Seconds of the first call, and those of 1e9 units of the count in `modelled`: fitted to two runs on one core."""


class Cost(NamedTuple):
    """What one step of a kind takes on the average: seconds, bytes on disk."""

    seconds: float
    size: float
    known: int
    """Number of artifacts that this comes from; 0 where the stated defaults stand in."""


def costs(kinds: Iterable[str], store: Store) -> dict[str, Cost]:
    """Estimate what a step of each kind takes, from up to 20 artifacts of it.

    Settings are not compared: where a sweep changes the size of machines, this is the middle of what is there.
    """
    return {kind: _cost(kind, store) for kind in dict.fromkeys(kinds)}


def _cost(kind: str, store: Store) -> Cost:
    rows = []
    for artifact in itertools.islice(store.artifacts(kind), _SAMPLE):
        try:
            rows.append((float(store.provenance(artifact)["seconds"]), layout.size(store.folder(artifact))))
        except (Damaged, KeyError, TypeError, ValueError):
            continue
    if not rows:
        return Cost(UNKNOWN_SECONDS, UNKNOWN_BYTES, 0)
    return Cost(mean(row[0] for row in rows), mean(row[1] for row in rows), len(rows))


def modelled(spec: Spec) -> dict[str, float]:
    """Seconds of a step of each kind by the work that the spec has for it, on a core of the kind that was measured."""
    model, sampling, training, flow, neural = spec.model, spec.sampling, spec.training, spec.flow, spec.thermometer
    sites, blocks = model.length**2, spec.renormalization
    drawn = sites * len(sampling.temperatures) * sampling.draws
    sizes = [(len(spec.type_temperatures(name)), hidden) for name in spec.types for hidden in spec.hidden_units(name)]
    hidden, passed = mean(hidden for _, hidden in sizes), mean(grid * hidden for grid, hidden in sizes)
    iterated, seen = flow.chains * flow.iterations * sites, neural.hidden * sites
    counts = {
        "draws": drawn,
        "correlation": drawn,
        "thermometer": neural.epochs * neural.draws * len(sampling.temperatures) * seen,
        "equilibrium": spec.reading.draws * len(sampling.temperatures) * sites,
        "calibration": len(sampling.temperatures) * sampling.draws * seen,
        "null": iterated * neural.hidden,
        "machine": training.epochs * passed * sampling.draws * sites * (1 + training.steps),
        "likelihood": (training.checkpoints + 12) * hidden * sites,
        "spectrum": sites * hidden,
        "flow": iterated * hidden,
        "checkpoint_flow": iterated * hidden * training.checkpoints,
        "reading": iterated * neural.hidden,
        "renormalization": blocks.length**2 * len(blocks.temperatures) * blocks.draws,
        "results": len(sizes) * spec.seeds * len(flow.starts),
    }
    return {kind: start + rate * counts[kind] / 1e9 for kind, (start, rate) in _ON_ONE_CORE.items()}


def makespan(steps: Sequence[Step], seconds: Mapping[Step, float], workers: int) -> float:
    """Seconds until all steps are done, each after its parents, by so many workers that take them as `run` does."""
    among, now = set(steps), 0.0
    order = TopologicalSorter({step: among.intersection(step.parents) for step in steps})
    order.prepare()
    numbers, ready, at_work = itertools.count(), list[Step](), list[tuple[float, int, Step]]()
    while order.is_active():
        ready += order.get_ready()
        while ready and len(at_work) < workers:
            step = ready.pop(0)
            heapq.heappush(at_work, (now + seconds[step], next(numbers), step))
        now, _, step = heapq.heappop(at_work)
        order.done(step)
    return now


def told_duration(seconds: float) -> str:
    """Say a time in two digits of its largest units: `45 s`, `3 min`, `2 h 5 min`, `3 d 4 h`."""
    minutes, hours = round(seconds / 60), round(seconds / 3600)
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    if minutes < 100:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def told_size(size: float) -> str:
    """Say a number of bytes in decimal units, as disks are sold: `350 kB`, `1.2 MB`."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 999.5:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"
