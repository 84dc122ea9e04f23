"""Scheduling: which steps are computed, in which order, and what happens when something goes wrong."""

import contextlib
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rbmflow._registry import load_files
from rbmflow.execute import recording
from rbmflow.execute.performing import Science
from rbmflow.execute.slurm import SlurmJobs
from rbmflow.execute.slurm_settings import Slurm
from rbmflow.execute.submitting import Executor, Submitted
from rbmflow.execute.surroundings import about_here, compute_in_one_thread, has_gpu
from rbmflow.execute.workers import Limits, Processes, ThisProcess, Workers
from rbmflow.store import Artifact, Damaged, Step, Store, Unreachable

_POLL = 0.2
"""Seconds between looks at what other runs do."""

_REPEATS = 3
"""Times that one artifact may be found damaged before its step counts as failed."""


NO_LIMITS = Limits()

AT_ONCE = 256
"""Most machines that a GPU trains at once."""


@dataclass(frozen=True)
class Event:
    """Something that a person who waits wants to know."""

    what: Literal["planned", "started", "progress", "done", "failed", "warning"]
    step: Step | None = None
    fraction: float = 0.0
    """How far the step is, from 0 to 1 (of "progress")."""
    count: int = 0
    """Number of steps to be computed (of "planned")."""
    message: str = ""
    """What went wrong (of "failed" and "warning")."""


type OnEvent = Callable[[Event], None]


class ExecutionFailed(Exception):
    """Some steps failed; everything that does not build on them is done.

    Parameters
    ----------
    failures
        The steps that failed, with one line of reason each.
    left
        Number of steps that were not computed because they build on them.
    """

    def __init__(self, failures: Sequence[tuple[Step, str]], left: int):
        self.failures = tuple(failures)
        self.left = left
        told = "; ".join(f"{step.name}: {reason}" for step, reason in failures)
        building = f"; {left} more build on them and were not computed" if left else ""
        super().__init__(f"{len(failures)} of the steps failed: {told}{building}")


def run(
    steps: Sequence[Step],
    store: Store,
    workers: int | Slurm | Executor = 1,
    on_event: OnEvent = lambda event: None,
    science: str = "rbmflow.steps",
    limits: Limits = NO_LIMITS,
    name: str | None = "steps",
    files: Iterable[str | Path] = (),
) -> None:
    """Compute the steps whose results are missing, each after its parents.

    Only what the last results need is computed: where they are there and whole, nothing is. A damaged artifact is
    told of, moved aside and computed anew; one that cannot be read fails its step and stays as it is. A step that
    fails does not stop the others. Another run that shares the store is not repeated but waited for.

    Parameters
    ----------
    steps
        The graph, parents before children.
    store
        Where results are and go to.
    workers
        Number of processes, each with one thread; 1 computes in this process if that has one thread or a GPU. A step
        whose process dies is given to another, three at most. An executor, such as a
        `concurrent.futures.ProcessPoolExecutor` or a dask `Client`, takes the steps where it will; its processes must
        see the store's folder under this name, and must not be
        forks of one that computes with JAX. `Slurm` settings have jobs of a cluster compute groups of steps, under
        the same condition.
    on_event
        Told of everything that happens.
    science
        Name of the module whose `compute(step, parents, work, progress)` computes a step.
    limits
        What one step may take. Limits have steps computed in other processes even with one worker; an executor and
        a cluster have their own.
    name
        The run is recorded under this name and the beginning of a hash of its results, so that `rbmflow store gc`
        keeps them; None where the caller records it.
    files
        Files whose decorators register what the steps name; they are run once in every process that computes. The
        record of the run has a copy, from which that is done.

    Raises
    ------
    ExecutionFailed
        After everything else is done, if steps failed.
    InvalidInput
        If the store cannot be written, or one of the files cannot be run.
    """
    told = tuple(str(Path(file).absolute()) for file in files)
    load_files(told)
    store.prepare()
    if name is not None and steps:
        told = recording.files_of(recording.begin_steps(name, steps, store), store)
    work = Science(science, told)
    failures: dict[Step, str] = {}
    damages: Counter[str] = Counter()

    def usable(step: Step) -> bool:
        return _usable(step, store, failures, damages, on_event)

    while True:
        wanted = missing(steps, usable)
        for step in wanted:
            if damages[step.hash] >= _REPEATS and step not in failures:
                failures[step] = "its artifact was damaged again and again"
                store.report_failure(step, failures[step])
        todo = _possible(wanted, failures)
        if not todo:
            break
        on_event(Event("planned", count=len(todo)))
        with (
            _interrupts() as check,
            contextlib.closing(_crew(workers, len(todo), store, work, on_event, limits, check)) as crew,
        ):
            met_damage = _round(_Queue(todo), crew, store, on_event, failures, damages, check)
        if not met_damage:
            break
    if failures:
        raise ExecutionFailed(list(failures.items()), len(missing(steps, usable)) - len(failures))


def missing(steps: Sequence[Step], usable: Callable[[Step], bool]) -> list[Step]:
    """Steps to be computed for the last results, parents before children.

    A step is needed if nothing builds on it, or if something to be computed does; it is to be computed if it is
    needed and its result is not usable.

    Parameters
    ----------
    steps
        The graph, parents before children.
    usable
        Tells whether the result of a step is there; asked once about every step that is needed.
    """
    parents = {parent for step in steps for parent in step.parents}
    needed = {step for step in steps if step not in parents}
    if strangers := parents.difference(steps):
        raise ValueError(f"the graph lacks {len(strangers)} parents of its steps, {strangers.pop().name!r} among them")
    wanted = []
    # Of a step that comes twice the first place counts: in the second it may stand behind its children.
    for step in reversed(dict.fromkeys(steps)):
        if step in needed and not usable(step):
            wanted.append(step)
            needed.update(step.parents)
    return wanted[::-1]


def _possible(wanted: Iterable[Step], failures: dict[Step, str]) -> list[Step]:
    """Leave out what failed and what builds on it."""
    impossible = set(failures)
    for step in wanted:
        if any(parent in impossible for parent in step.parents):
            impossible.add(step)
    return [step for step in wanted if step not in impossible]


def _usable(step: Step, store: Store, failures: dict[Step, str], damages: Counter[str], on_event: OnEvent) -> bool:
    """Tell whether the result of a step is there and whole; what is damaged is moved aside, if that can be."""
    if store.state(step) not in ("done", "damaged"):
        return False
    try:
        store.read(step)
    except Unreachable as unreachable:
        failures[step] = str(unreachable)
        return False
    except Damaged as damage:
        if refusal := _discard(step, damage.reason, store, damages, on_event):
            failures[step] = refusal
        return False
    return True


def _discard(artifact: Artifact, reason: str, store: Store, damages: Counter[str], on_event: OnEvent) -> str | None:
    """Move a damaged artifact aside; say why it cannot be, if so."""
    damages[artifact.hash] += 1
    try:
        store.discard(artifact)
    except OSError as error:
        return f"its artifact is damaged ({reason}) and cannot be moved aside ({error.strerror})"
    message = f"the artifact {artifact.kind}/{artifact.hash[:10]} is moved aside and computed anew: {reason}"
    on_event(Event("warning", artifact if isinstance(artifact, Step) else None, message=message))
    return None


class _Queue:
    """Steps in the order in which they may start."""

    def __init__(self, todo: Sequence[Step]):
        self._children: dict[Step, list[Step]] = {step: [] for step in todo}
        self._waits_for: dict[Step, int] = {}
        for step in todo:
            parents = [parent for parent in dict.fromkeys(step.parents) if parent in self._children]
            self._waits_for[step] = len(parents)
            for parent in parents:
                self._children[parent].append(step)
        self.ready = [step for step in todo if self._waits_for[step] == 0]

    def done(self, step: Step) -> None:
        """Let those start that waited for this step alone."""
        for child in self._children[step]:
            self._waits_for[child] -= 1
            if self._waits_for[child] == 0:
                self.ready.append(child)


def _round(
    queue: _Queue,
    crew: Workers,
    store: Store,
    on_event: OnEvent,
    failures: dict[Step, str],
    damages: Counter[str],
    check: Callable[[], None],
) -> bool:
    """Compute what can be computed; tell whether a damaged artifact was met, so that another round is due."""
    met_damage = False
    while queue.ready or crew.busy:
        _start(queue, crew, store, on_event)
        if not crew.busy:
            time.sleep(_POLL if queue.ready else 0)
        outcomes = crew.wait(_POLL)
        check()
        for step, outcome in outcomes:
            if outcome.what == "done":
                queue.done(step)
                on_event(Event("done", step))
            elif outcome.what == "failed":
                failures[step] = outcome.reason
                store.report_failure(step, outcome.reason)
                on_event(Event("failed", step, message=outcome.reason))
            elif outcome.damaged is not None:
                met_damage = True
                _discard(outcome.damaged, outcome.reason, store, damages, on_event)
    return met_damage


@contextlib.contextmanager
def _interrupts() -> Iterator[Callable[[], None]]:
    """Yield a function that raises `KeyboardInterrupt` where there was a Ctrl-C.

    The first one is raised by Python where the program stands. In a finalizer or a callback of a library Python prints
    it and goes on, or the library takes it for a failure of its own.
    """
    heard = False

    def hear(number: int, frame: object) -> None:
        nonlocal heard
        heard = True
        raise KeyboardInterrupt

    def check() -> None:
        if heard:
            raise KeyboardInterrupt

    main = threading.current_thread() is threading.main_thread()
    ours = main and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if ours:
        signal.signal(signal.SIGINT, hear)
    try:
        yield check
    finally:
        if ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def _crew(
    workers: int | Slurm | Executor,
    steps: int,
    store: Store,
    science: Science,
    on_event: OnEvent,
    limits: Limits,
    check: Callable[[], None],
) -> Workers:
    def on_progress(step: Step, fraction: float) -> None:
        check()
        on_event(Event("progress", step, fraction))

    def on_trouble(step: Step, message: str) -> None:
        on_event(Event("warning", step, message=message))

    if isinstance(workers, Slurm):
        return SlurmJobs(workers, store, science)
    if not isinstance(workers, int):
        return Submitted(workers, store, science)
    # A GPU trains many machines at once only in one process, and a caller that uses JAX has most of its memory.
    if min(workers, steps) == 1 and limits == NO_LIMITS and (compute_in_one_thread() or has_gpu()):
        return ThisProcess(AT_ONCE if has_gpu() else 1, store, science, about_here(), on_progress)
    return Processes(min(workers, steps), store, science, about_here(), on_progress, on_trouble, limits)


def _start(queue: _Queue, crew: Workers, store: Store, on_event: OnEvent) -> None:
    """Start steps while there is room; leave those that another run is at, and take over what one has done."""
    for step in list(queue.ready):
        if not crew.free:
            return
        state = store.state(step)
        if state == "running":
            continue
        queue.ready.remove(step)
        if state == "done":
            queue.done(step)
            on_event(Event("done", step))
        else:
            on_event(Event("started", step))
            crew.start(step)
