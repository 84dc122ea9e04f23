"""Scheduling: which steps are computed, in which order, and what happens when something goes wrong."""

import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Literal

from rbmflow._registry import load_files
from rbmflow.execute import recording
from rbmflow.execute.children import NO_LIMITS, Limits
from rbmflow.execute.dask import DaskWorkers, is_dask
from rbmflow.execute.performing import Perform, Science
from rbmflow.execute.slurm import Slurm, SlurmJobs
from rbmflow.execute.surroundings import about_here, compute_in_one_thread, has_gpu
from rbmflow.execute.workers import Executor, Processes, Submitted, Tell, ThisProcess, Workers
from rbmflow.store import Artifact, Damaged, Step, Store, Unreachable

_POLL = 0.2
"""Seconds between looks at what other runs do."""

_REPEATS = 3
"""Times that one artifact may be found damaged before its step counts as failed."""

_AT_ONCE = 256
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
    """Some steps failed, each with a line of reason; `left` more build on them, and everything else is done."""

    def __init__(self, failures: Sequence[tuple[Step, str]], left: int):
        self.failures, self.left = tuple(failures), left
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
    workers
        Number of processes, each with one thread; 1 computes in this process if that has one thread or a GPU. A step
        whose process dies is given to another, three at most. An executor, such as a
        `concurrent.futures.ProcessPoolExecutor` or a dask `Client`, takes the steps where it will; its processes must
        see the store's folder under this name, and must not be forks of one that computes with JAX. `Slurm` settings
        have jobs of a cluster compute groups of steps, under the same condition.
    science
        Module that computes, see `Science`.
    limits
        They have steps computed in other processes even with one worker; an executor and a cluster have their own.
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
    work, this, again = Perform(str(store.path), Science(science, told)), _Run(store, on_event), True
    while again and (todo := this.possible(missing(steps, this.usable))):
        on_event(Event("planned", count=len(todo)))
        with _interrupts() as this.check, closing(_crew(workers, len(todo), work, limits, this.tell)) as crew:
            again = this.round(todo, crew)
    if this.failures:
        raise ExecutionFailed(list(this.failures.items()), len(missing(steps, this.usable)) - len(this.failures))


def missing(steps: Sequence[Step], usable: Callable[[Step], bool]) -> list[Step]:
    """Steps to be computed for the last results, parents before children.

    A step is needed if nothing builds on it, or if something to be computed does; it is to be computed if it is
    needed and `usable`, which is asked once about every step that is needed, says that its result is not there.
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


class _Run:
    """What failed in a run under way, and how often each artifact was found damaged."""

    def __init__(self, store: Store, on_event: OnEvent):
        self._store, self._on_event = store, on_event
        self.failures: dict[Step, str] = {}
        self._damages: Counter[str] = Counter()
        self.check: Callable[[], None] = lambda: None
        """Raises `KeyboardInterrupt` where there was a Ctrl-C."""

    def tell(self, step: Step, news: float | str) -> None:
        """Pass on what workers tell of a step."""
        self.check()
        warning = isinstance(news, str)
        self._on_event(Event("warning", step, message=news) if warning else Event("progress", step, news))

    def usable(self, step: Step) -> bool:
        """Tell whether the result of a step is there and whole; what is damaged is moved aside, if that can be."""
        if self._store.state(step) not in ("done", "damaged"):
            return False
        try:
            self._store.read(step)
        except Unreachable as unreachable:
            self.failures[step] = str(unreachable)
        except Damaged as damage:
            if refusal := self._discard(step, damage.reason):
                self.failures[step] = refusal
        else:
            return True
        return False

    def _discard(self, artifact: Artifact, reason: str) -> str | None:
        """Move a damaged artifact aside; say why it cannot be, if so."""
        self._damages[artifact.hash] += 1
        try:
            self._store.discard(artifact)
        except OSError as error:
            return f"its artifact is damaged ({reason}) and cannot be moved aside ({error.strerror})"
        message = f"the artifact {artifact.kind}/{artifact.hash[:10]} is moved aside and computed anew: {reason}"
        self._on_event(Event("warning", artifact if isinstance(artifact, Step) else None, message=message))
        return None

    def _fail(self, step: Step, reason: str) -> None:
        self.failures[step] = reason
        self._store.report_failure(step, reason)
        self._on_event(Event("failed", step, message=reason))

    def possible(self, wanted: Sequence[Step]) -> list[Step]:
        """Leave out what failed and what builds on it."""
        for step in wanted:
            if self._damages[step.hash] >= _REPEATS and step not in self.failures:
                self._fail(step, "its artifact was damaged again and again")
        impossible = set(self.failures)
        for step in wanted:
            if not impossible.isdisjoint(step.parents):
                impossible.add(step)
        return [step for step in wanted if step not in impossible]

    def round(self, todo: Sequence[Step], crew: Workers) -> bool:
        """Compute what can be computed; tell whether a damaged artifact was met, so that another round is due."""
        among, met_damage = set(todo), False
        order = TopologicalSorter({step: among.intersection(step.parents) for step in todo})
        order.prepare()
        ready = dict.fromkeys(order.get_ready())
        while ready or crew.busy:
            for step in self._start(ready, crew):
                order.done(step)
            if not crew.busy:
                time.sleep(_POLL if ready else 0)
            outcomes = crew.wait(_POLL)
            self.check()
            for step, outcome in outcomes:
                if outcome.what == "done":
                    order.done(step)
                    self._on_event(Event("done", step))
                elif outcome.what == "failed":
                    self._fail(step, outcome.reason)
                elif outcome.damaged is not None:
                    met_damage = True
                    self._discard(outcome.damaged, outcome.reason)
            ready |= dict.fromkeys(order.get_ready())
        return met_damage

    def _start(self, ready: dict[Step, None], crew: Workers) -> Iterator[Step]:
        """Start steps while there is room; leave those that another run is at, and yield what one has done."""
        for step in list(ready):
            if not crew.free:
                return
            state = self._store.state(step)
            if state == "running":
                continue
            del ready[step]
            if state == "done":
                self._on_event(Event("done", step))
                yield step
            else:
                self._on_event(Event("started", step))
                crew.start(step)


@contextmanager
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


def _crew(workers: int | Slurm | Executor, steps: int, work: Perform, limits: Limits, tell: Tell) -> Workers:
    if isinstance(workers, Slurm):
        return SlurmJobs(workers, work)
    if not isinstance(workers, int):
        return (DaskWorkers if is_dask(workers) else Submitted)(workers, work)
    work = replace(work, about=about_here())
    # A GPU trains many machines at once only in one process, and a caller that uses JAX has most of its memory.
    if min(workers, steps) == 1 and limits == NO_LIMITS and (compute_in_one_thread() or has_gpu()):
        return ThisProcess(_AT_ONCE if has_gpu() else 1, work, tell)
    return Processes(min(workers, steps), work, tell, limits)
