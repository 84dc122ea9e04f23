"""Estimates: what steps will take, from counts of their work, or from the steps of their kind that the store has."""

import heapq
import itertools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from graphlib import TopologicalSorter
from statistics import mean
from typing import Any, NamedTuple

from rbmflow.spec import Spec
from rbmflow.store import Damaged, Step, Store, layout

UNKNOWN_SECONDS = 10.0
"""Taken for a step that nothing else is known of."""

UNKNOWN_BYTES = 1_000_000
"""Taken for the artifact of a step of a kind that the store has none of."""

_SAMPLE = 20


class Effort(NamedTuple):
    """What a step of a kind takes on one core of the machine that was measured, in seconds of CPU."""

    first: float
    """To compile its programs, once for each number of hidden units if they depend on it."""
    start: float
    """Whatever its size."""
    rate: float
    """For 1e9 units of its count in `counts`."""


EFFORTS = {
    "draws": Effort(1.5, 0.1, 250),
    "thermometer": Effort(2, 1.9, 0.12),
    "equilibrium": Effort(0.26, 0.22, 140),
    "calibration": Effort(0.4, 0.6, 1.0),
    "correlation": Effort(0.1, 0.03, 7),
    "null": Effort(0.3, 0.5, 0.08),
    "machine": Effort(1.2, 0.42, 0.042),
    "learner": Effort(0.3, 0.5, 0.35),
    "spectrum": Effort(0.42, 0.15, 1.3e4),
    "likelihood": Effort(1, 0.5, 3.1e3),
    "flow": Effort(0.22, 0.1, 0.4),
    "reading": Effort(0.12, 0.26, 0.18),
    "results": Effort(0.24, 0.1, 6e7),
    "renormalization": Effort(2.2, 0, 0),
    "stability": Effort(4.5, 0, 230),
    "layers": Effort(8, 0, 900),
    "checkpoint_flow": Effort(0.22, 0.1, 0.4),
    "control": Effort(0, 0.1, 0),
    "thermodynamics": Effort(1.5, 0.1, 2e5),
    "couplings": Effort(0, 0.1, 1e5),
    "scaling": Effort(1.5, 0.1, 45),
    "correlators": Effort(1.5, 0.1, 250),
    "prediction": Effort(0, 1, 1.5e3),
    "given": Effort(0, 1, 0),
}
"""Fitted by `benchmarks/estimate.py` to runs of up to two thousand steps at L = 4 to 10, and rounded; the rates of
draws and of calibration are those of L = 64 and 128."""

START_SECONDS = 2.5
"""In which a process starts that computes."""

PAGE_SECONDS, MACHINE_ON_A_PAGE = 10.0, 3.0
"""Seconds of CPU that the figures of a page take, and those of each machine on it."""

_UNIT = 50
"""Products of a weight and a state that take as long as one unit does to be drawn."""

_DRAWN_EXACTLY = 1024
"""Most sites for which draws take no time worth counting; larger lattices are drawn by Markov chains."""

_ALL_STATES = 16
"""Most sites for which a likelihood goes through all configurations, 1/75 of what it does with draws for each."""

GAUSSIAN_STEPS = 500
"""Steps of a predicted training, about, each of as many products for every site and magnetization."""

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


def counts(spec: Spec) -> dict[str, float]:
    """Units of work of a step of each kind, in the mean over the types and sizes of machine."""
    sampling, training, flow, neural = spec.sampling, spec.training, spec.flow, spec.thermometer
    sites, blocks = spec.lattice.sites, spec.renormalization
    drawn = sites * len(sampling.temperatures) * sampling.draws
    sizes = [(len(one.temperatures), one.hidden) for one in spec.variants]
    hidden, shown = mean(hidden for _, hidden in sizes), training.epochs * sampling.draws
    iterated, seen = flow.chains * flow.iterations * sites, neural.hidden * sites

    def gibbs_step(size: int) -> float:
        """Work of one Gibbs step."""
        return sites * size + _UNIT * (sites + size)

    def summed(size: int) -> float:
        """Work of all configurations, where they are gone through."""
        return 2**sites * size / 75 if sites <= _ALL_STATES else 0.0

    passed, gibbs = mean(grid * gibbs_step(size) for grid, size in sizes), mean(gibbs_step(size) for _, size in sizes)
    judged = gibbs + mean(summed(size) for _, size in sizes)
    return {
        "draws": drawn if sites > _DRAWN_EXACTLY else 0,
        "correlation": drawn,
        "thermometer": neural.epochs * neural.draws * len(sampling.temperatures) * seen,
        "equilibrium": spec.reading.draws * len(sampling.temperatures) * sites,
        "calibration": len(sampling.temperatures) * sampling.draws * seen,
        "null": iterated * neural.hidden,
        "machine": shown * passed * (1 + training.steps),
        "learner": shown * mean(grid for grid, _ in sizes) * (sites + hidden) * spec.machine.width,
        "control": sites * hidden,
        "given": sites * hidden,
        "likelihood": (training.checkpoints + 12) * judged,
        "spectrum": sites * hidden,
        "thermodynamics": sites * hidden,
        "couplings": sites * hidden,
        "prediction": mean(spec.lattice.sites**2 * size * GAUSSIAN_STEPS for _, size in sizes),
        "scaling": flow.chains * len(flow.kept(sites)) * sites,
        "correlators": spec.scaling.draws * sites,
        "flow": flow.chains * flow.iterations * gibbs,
        "checkpoint_flow": flow.chains * flow.iterations * gibbs * training.checkpoints,
        "reading": iterated * neural.hidden,
        "renormalization": blocks.length**2 * len(blocks.temperatures) * blocks.draws,
        "stability": spec.stability.length ** len(spec.lattice.sides) * spec.stability.runs * spec.stability.draws,
        "layers": sites * spec.stability.runs * spec.stability.draws,
        "results": len(sizes) * spec.seeds * len(flow.starts),
    }


def modelled(points: Iterable[tuple[Spec, Sequence[Step]]], workers: int = 1) -> dict[Step, float]:
    """Seconds of every step of a run, or of the points of a sweep, by the work that the specs have for it.

    Programs are compiled with the first steps that need them, one for each of the workers.
    """
    seconds: dict[Step, float] = {}
    compiled = Counter[tuple[str, int, int]]()
    for spec, steps in points:
        units, sizes = counts(spec), {one.hidden for one in spec.variants}
        for step in steps:
            if step in seconds:
                continue
            first, start, rate = EFFORTS.get(step.kind, Effort(0.0, UNKNOWN_SECONDS, 0.0))
            programs = {(step.kind, spec.lattice.sites, size) for size in (sizes if step.kind in BY_SIZE else [0])}
            new = [program for program in programs if compiled[program] < workers]
            seconds[step] = first * len(new) + start + rate * units.get(step.kind, 0.0) / 1e9
            compiled.update(programs)
    return seconds


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
