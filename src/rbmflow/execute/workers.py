"""Workers: who computes steps, this very process or several others."""

from __future__ import annotations

import contextlib
import importlib
import math
import multiprocessing
import os
import signal
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing import connection, resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess

from rbmflow._checks import Problems
from rbmflow.execute.performing import Outcome, perform, perform_together
from rbmflow.execute.surroundings import compute_in_one_thread, environment, one_thread, resident_memory
from rbmflow.store import Step, Store

type OnProgress = Callable[[Step, float], None]


class Workers(ABC):
    """Those who compute steps."""

    @property
    @abstractmethod
    def free(self) -> bool:
        """Whether one more step can be started."""

    @property
    @abstractmethod
    def busy(self) -> bool:
        """Whether an outcome can be waited for."""

    @abstractmethod
    def start(self, step: Step) -> None:
        """Start a step."""

    @abstractmethod
    def wait(self, seconds: float) -> list[tuple[Step, Outcome]]:
        """Wait for outcomes, so long at most."""

    @abstractmethod
    def close(self) -> None:
        """End everything at once."""


@dataclass(frozen=True)
class Limits:
    """What one step may take in a process of its own; what takes more is killed and counts as failed.

    Raises
    ------
    InvalidInput
        If a limit is not above zero.
    """

    seconds: float = math.inf
    """Time from start to end."""
    memory: float = math.inf
    """Resident bytes of its process, where the system tells them (Linux)."""

    def __post_init__(self):
        problems = Problems()
        for name in ("seconds", "memory"):
            problems.unless(getattr(self, name) > 0, name, getattr(self, name), "it must be a number above 0")
        problems.done()

    def breach(self, seconds: float, process: int) -> str | None:
        """Say which limit a step has passed that runs for so long in the process of that number, if any."""
        if seconds > self.seconds:
            return f"it ran past its limit of {self.seconds:g} s and was killed"
        if self.memory < math.inf and (resident := resident_memory(process)) > self.memory:
            return f"it took {resident / 1e6:.0f} MB, past its limit of {self.memory / 1e6:.0f} MB, and was killed"
        return None


class ThisProcess(Workers):
    """The steps one after another, in this process.

    Parameters
    ----------
    store, science, about, on_progress
        As for `perform`.
    at_once
        Most steps that are computed at once, where the science can: its `group` gives them the same label. A GPU is
        full only then; a CPU gains nothing.
    """

    def __init__(
        self, store: Store, science: str, about: Mapping[str, object], on_progress: OnProgress, at_once: int = 1
    ):
        self._store = store
        self._science = science
        self._about = about
        self._on_progress = on_progress
        self._at_once = at_once
        self._steps: list[Step] = []
        compute_in_one_thread()

    @property
    def free(self) -> bool:
        """Whether fewer steps wait than can be computed at once."""
        return len(self._steps) < self._at_once

    @property
    def busy(self) -> bool:
        """Whether a step waits."""
        return bool(self._steps)

    def start(self, step: Step) -> None:
        """Take a step; `wait` computes it."""
        self._steps.append(step)

    def wait(self, seconds: float) -> list[tuple[Step, Outcome]]:
        """Compute the step that has waited longest and those that go with it, however long that takes."""
        if not self._steps:
            return []
        first = self._steps[0]
        label = self._group(first) if len(self._steps) > 1 else None
        if label is None:
            del self._steps[0]
            news = lambda fraction: self._on_progress(first, fraction)  # noqa: E731
            return [(first, perform(first, self._store, self._science, self._about, news))]
        chosen = [step for step in self._steps if self._group(step) == label]
        self._steps = [step for step in self._steps if step not in chosen]
        outcomes = perform_together(chosen, self._store, self._science, self._about, self._on_progress)
        return list(zip(chosen, outcomes, strict=True))

    def _group(self, step: Step) -> str | None:
        """Label of the science for a step, where it has any; what else is wrong with a science shows in computing."""
        try:
            return importlib.import_module(self._science).group(step)
        except (ImportError, AttributeError):
            return None

    def close(self) -> None:
        """Do nothing: nothing is left over."""


@dataclass(eq=False)
class _Worker:
    process: SpawnProcess
    connection: Connection
    step: Step | None = None
    since: float = math.inf
    """When its step began; a process that is still starting has not begun."""


class Processes(Workers):
    """Up to `count` other processes, each with one thread, started as they are needed."""

    def __init__(
        self,
        count: int,
        store: Store,
        science: str,
        about: Mapping[str, object],
        on_progress: OnProgress,
        limits: Limits,
    ):
        self._count = count
        self._limits = limits
        self._arguments = (str(store.path), science, about, os.getpid())
        self._on_progress = on_progress
        self._workers: list[_Worker] = []

    @property
    def free(self) -> bool:
        """Whether a process is idle or may be started."""
        return len(self._workers) < self._count or any(worker.step is None for worker in self._workers)

    @property
    def busy(self) -> bool:
        """Whether a process computes."""
        return any(worker.step is not None for worker in self._workers)

    def start(self, step: Step) -> None:
        """Give a step to an idle process, or to a new one."""
        idle = [worker for worker in self._workers if worker.step is None]
        worker = idle[0] if idle else self._hire()
        worker.step, worker.since = step, math.inf
        worker.connection.send(step)

    def _hire(self) -> _Worker:
        here, there = multiprocessing.Pipe()
        process = multiprocessing.get_context("spawn").Process(
            target=_serve, args=(there, *self._arguments), daemon=True
        )
        # The terminal sends Ctrl-C to every process: a worker blocks it from its birth on, and the master decides.
        # The tracker must run before, because starting it lifts the block.
        resource_tracker.ensure_running()
        with environment(one_thread()):
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            try:
                process.start()
            finally:
                signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        there.close()
        worker = _Worker(process, here)
        self._workers.append(worker)
        return worker

    def wait(self, seconds: float) -> list[tuple[Step, Outcome]]:
        """Pass on progress and gather outcomes; a process that has died makes its step fail."""
        busy = {worker.connection: worker for worker in self._workers if worker.step is not None}
        outcomes = []
        for ready in connection.wait(list(busy), seconds):
            worker = busy[ready]  # pyright: ignore[reportArgumentType]
            step = worker.step
            assert step is not None
            try:
                news = worker.connection.recv()
            except (EOFError, OSError):
                outcomes.append((step, Outcome("failed", self._bury(worker))))
                continue
            if news is None:
                worker.since = time.monotonic()
            elif isinstance(news, Outcome):
                worker.step = None
                outcomes.append((step, news))
            else:
                self._on_progress(step, news)
        return outcomes + self._breaches()

    def _breaches(self) -> list[tuple[Step, Outcome]]:
        """Kill what takes more than it may."""
        outcomes = []
        for worker in [worker for worker in self._workers if worker.step is not None]:
            reason = self._limits.breach(time.monotonic() - worker.since, worker.process.pid or 0)
            if reason and worker.step is not None:
                worker.process.kill()
                self._bury(worker)
                outcomes.append((worker.step, Outcome("failed", reason)))
        return outcomes

    def _bury(self, worker: _Worker) -> str:
        """Remove a worker that has died, and tell how it died."""
        worker.connection.close()
        worker.process.join()
        self._workers.remove(worker)
        code = worker.process.exitcode or 0
        if code == -signal.SIGKILL:
            return "its process was killed, perhaps because memory ran out"
        return f"its process ended with {f'signal {-code}' if code < 0 else f'exit code {code}'}"

    def close(self) -> None:
        """Terminate every process and wait for its end."""
        for worker in self._workers:
            worker.process.terminate()
        for worker in self._workers:
            worker.process.join(5)
            worker.process.kill()
            worker.process.join()
            worker.connection.close()
        self._workers.clear()


def _serve(channel: Connection, store: str, science: str, about: Mapping[str, object], master: int) -> None:
    """Compute the steps that come through the channel until it closes."""
    threading.Thread(target=_end_with, args=(master,), daemon=True).start()
    with contextlib.suppress(
        Exception
    ):  # It is imported before the clock of the first step runs; errors are the step's.
        _ = importlib.import_module(science).compute
    while True:
        try:
            step = channel.recv()
            channel.send(None)  # It begins.
            channel.send(perform(step, Store(store), science, about, channel.send))
        except (EOFError, BrokenPipeError):
            return


def _end_with(master: int) -> None:
    """End this process once its master is gone, even in the middle of a step."""
    while os.getppid() == master:
        time.sleep(0.5)
    os._exit(1)
