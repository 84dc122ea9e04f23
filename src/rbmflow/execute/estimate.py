"""Estimates: what steps will take, from counts of their work, or from the steps of their kind that the store has."""

import heapq
import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from graphlib import TopologicalSorter
from statistics import mean
from typing import Any, NamedTuple

from rbmflow.execute import work
from rbmflow.spec import Spec
from rbmflow.store import Damaged, Step, Store, layout

UNKNOWN_SECONDS = 10.0
"""Taken for a step that nothing else is known of."""

UNKNOWN_BYTES = 1_000_000
"""Taken for the artifact of a step of a kind that the store has none of."""

_SAMPLE = 20


class Effort(NamedTuple):
    """What a step of a kind takes on one core of the machine that was measured, in seconds of CPU, beside its work."""

    first: float
    """To compile its programs, once for each number of hidden units if they depend on it."""
    start: float
    """Whatever its size."""


EFFORTS = {
    "draws": Effort(1.5, 0.1),
    "thermometer": Effort(2.0, 1.9),
    "equilibrium": Effort(0.3, 0.2),
    "calibration": Effort(0.6, 0.4),
    "correlation": Effort(0.4, 0.02),
    "null": Effort(0.3, 0.4),
    "machine": Effort(1.2, 0.25),
    "learner": Effort(0.3, 0.5),
    "spectrum": Effort(0.42, 0.1),
    "cascade": Effort(0.0, 0.15),
    "likelihood": Effort(0.9, 0.4),
    "drift": Effort(0.4, 0.3),
    "flow": Effort(0.5, 0.03),
    "reading": Effort(0.5, 0.1),
    "results": Effort(0.2, 0.1),
    "renormalization": Effort(5.0, 0.0),
    "stability": Effort(4.5, 0.0),
    "layers": Effort(6.0, 0.0),
    "checkpoint_flow": Effort(0.5, 0.1),
    "control": Effort(0.0, 0.05),
    "thermodynamics": Effort(1.0, 0.6),
    "couplings": Effort(0.0, 0.1),
    "scaling": Effort(0.3, 0.1),
    "correlators": Effort(0.9, 0.07),
    "prediction": Effort(0.0, 0.5),
    "given": Effort(0.0, 1.0),
}
"""Fitted by `benchmarks/estimate.py` to runs at L = 4 to 128, and rounded; `work` has what grows with settings."""

CHAINS_SECONDS = 4.5
"""In which the programs that move Markov chains are compiled, by the first step of a process that draws by them."""

DRAWING = ("draws", "thermometer", "equilibrium", "calibration", "null", "reading", "stability")
"""Kinds that draw configurations of the model."""

CURVES = {"curves": ("calibration", "null", "reading"), "mixture": ("null", "likelihood")}
"""Exact curves and distributions, which are made once in a process, and the kinds that need them."""

START_SECONDS = 2.5
"""In which a process starts that computes."""

PAGE_SECONDS, MACHINE_ON_A_PAGE = 6.0, 2.0
"""Seconds of CPU that the figures of a page take, and those of each machine on it."""

BY_SIZE = ("machine", "learner", "likelihood", "spectrum", "flow", "checkpoint_flow", "thermodynamics")
"""Kinds whose programs are compiled for each number of hidden units."""


class Cost(NamedTuple):
    """What one step of a kind takes on the average: seconds, bytes on disk."""

    seconds: float
    size: float


def costs(kinds: Iterable[str], store: Store) -> dict[str, Cost]:
    """Estimate what a step of each kind takes, from up to 20 artifacts of it.

    Settings are not compared: where a sweep changes the size of machines, this is the middle of what is there.
    """
    return {kind: _cost(kind, store) for kind in dict.fromkeys(kinds)}


def _cost(kind: str, store: Store) -> Cost:
    rows = []
    for artifact in itertools.islice(store.artifacts(kind), _SAMPLE):
        try:
            rows.append((computing_seconds(store.provenance(artifact)), layout.size(store.folder(artifact))))
        except (Damaged, KeyError):
            continue
    return Cost(*map(mean, zip(*rows, strict=True))) if rows else Cost(UNKNOWN_SECONDS, UNKNOWN_BYTES)


def computing_seconds(about: Mapping[str, Any]) -> float:
    """Seconds that a step took by its provenance: those of CPU where it tells them, which a busy machine moves less.

    On a GPU they are those of the wall.
    """
    on_processor = about.get("device", "").endswith("processor")
    return about["cpu_seconds"] if on_processor and "cpu_seconds" in about else about["seconds"]


def modelled(points: Iterable[tuple[Spec, Sequence[Step]]], workers: int = 1) -> dict[Step, float]:
    """Seconds of every step of a run, or of the points of a sweep, by the work that the specs have for it.

    Programs are compiled with the first steps that need them, as workers share what is compiled; exact curves are made
    once by each of the workers.
    """
    seconds: dict[Step, float] = {}
    once = Counter[tuple[Any, ...]]()
    for spec, steps in points:
        works, made = work.works(spec), programs(spec)
        for step in steps:
            if step in seconds:
                continue
            start = EFFORTS[step.kind].start if step.kind in EFFORTS else UNKNOWN_SECONDS
            seconds[step] = start + work.of_step(spec, step, works) / 1e9
            for program, first in made.get(step.kind, {}).items():
                seconds[step] += first if once[program] < (workers if program[0] in CURVES else 1) else 0.0
                once[program] += 1
    return seconds


def programs(spec: Spec) -> dict[str, dict[tuple[Any, ...], float]]:
    """By kind of step, what its first step in a process makes, and the seconds that this takes."""
    system, sizes = (spec.model, spec.lattice), {one.hidden for one in spec.variants}
    found: dict[str, dict[tuple[Any, ...], float]] = defaultdict(dict)
    for kind, effort in EFFORTS.items():
        for size in sizes if kind in BY_SIZE else [0]:
            found[kind][kind, spec.lattice.sites, size] = effort.first
    for kind in DRAWING if work.by_chains(*system) else ():
        found[kind]["chains", *system] = CHAINS_SECONDS
    for name, made in (("curves", work.curves(spec)), ("mixture", work.mixture(spec))):
        for kind in CURVES[name]:
            found[kind][name, *system] = made / 1e9
    return found


def of_pages(specs: Iterable[Spec], workers: int) -> float:
    """Seconds in which processes start and the pages of runs are drawn, by so many of them."""
    return START_SECONDS + sum(PAGE_SECONDS + MACHINE_ON_A_PAGE * len(spec.variants) for spec in specs) / workers


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
