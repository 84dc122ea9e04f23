"""Workers: who computes steps, this very process, several others, or somebody else's executor."""

import contextlib
import math
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from rbmflow._checks import Problems
from rbmflow.execute.children import Answer, Children, Lost
from rbmflow.execute.performing import Outcome, Perform, in_a_line
from rbmflow.execute.surroundings import resident_memory
from rbmflow.store import Step

_IN_FLIGHT = 1000
"""Steps that are submitted at a time, so that an executor is never flooded."""


type Tell = Callable[[Step, float | str], None]
"""Takes the fraction that is done of a step, or a sentence on what befell it."""


class Workers(ABC):
    """Those who compute steps, up to `most` at a time."""

    def __init__(self, most: int):
        self.most = most
        self.taken: dict[Step, None] = {}
        """Steps that were started and have no outcome yet, in that order."""

    @property
    def free(self) -> bool:
        """Whether one more step can be started."""
        return len(self.taken) < self.most

    @property
    def busy(self) -> bool:
        """Whether an outcome can be waited for."""
        return bool(self.taken)

    def start(self, step: Step) -> None:
        """Start a step."""
        self.taken[step] = None

    def wait(self, seconds: float) -> list[tuple[Step, Outcome]]:
        """Wait for outcomes, so long at most."""
        outcomes = self.outcomes(seconds) if self.taken else []
        for step, _ in outcomes:
            del self.taken[step]
        return outcomes

    @abstractmethod
    def outcomes(self, seconds: float) -> list[tuple[Step, Outcome]]:
        """Return what `wait` does, where at least one step is taken."""

    @abstractmethod
    def close(self) -> None:
        """End everything at once."""


@dataclass(frozen=True)
class Limits:
    """What one step may take in a process of its own; what takes more is killed and counts as failed."""

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
    """The steps in this process, up to `most` at once where the science can: a GPU is full only then."""

    def __init__(self, most: int, work: Perform, tell: Tell):
        super().__init__(most)
        self._work, self._tell = work, tell

    def outcomes(self, seconds: float) -> list[tuple[Step, Outcome]]:
        """Compute the step that has waited longest and those that go with it, however long that takes."""
        first, *others = self.taken
        label = self._group(first) if others else None
        chosen = [first, *(step for step in others if label is not None and self._group(step) == label)]
        return list(zip(chosen, self._work.together(chosen, self._tell), strict=True))

    def _group(self, step: Step) -> str | None:
        """Label of the science for a step, where it has any; what else is wrong with a science shows in computing."""
        try:
            return self._work.science.load().group(step)
        except (ImportError, AttributeError, ValueError):
            return None

    def close(self) -> None:
        """Do nothing: nothing is left over."""


class Processes(Workers):
    """Other processes, each with one thread; one that dies is replaced, and how it died is told."""

    def __init__(self, most: int, work: Perform, tell: Tell, limits: Limits):
        super().__init__(most)
        self._work, self._tell, self._limits = work, tell, limits
        self._children = Children[Step](most, work.science)

    def start(self, step: Step) -> None:
        """Give a step to an idle process, or to a new one."""
        super().start(step)
        # Somebody else may have finished it while its first process was dying or silent.
        self._children.start(step, self._work, [step])

    def outcomes(self, seconds: float) -> list[tuple[Step, Outcome]]:
        """Pass on progress and gather outcomes; kill what takes more than it may."""
        outcomes = []
        for step, news in self._children.wait(seconds):
            if isinstance(news, Answer):
                outcomes.append((step, news.value[0]))
            elif not isinstance(news, Lost):
                self._tell(step, news)
            elif news.again:
                self._tell(step, f"{news.reason}; another goes on")
            else:
                outcomes.append((step, Outcome("failed", news.reason)))
        for step, since, process in list(self._children.working()):
            if reason := self._limits.breach(since, process):
                self._children.kill(step)
                outcomes.append((step, Outcome("failed", reason)))
        return outcomes

    def close(self) -> None:
        """End every process."""
        self._children.close()


@runtime_checkable
class Executor(Protocol):
    """What an executor must have: that of `concurrent.futures.Executor` and of dask's `Client`."""

    def submit(self, fn: Any, /, *args: Any) -> Any:
        """Have `fn(*args)` computed somewhere; return something with `done()`, `result()` and `cancel()`."""
        ...


class Submitted(Workers):
    """Steps computed wherever an executor has them computed; its processes must reach the folder of the store."""

    def __init__(self, executor: Executor, work: Perform):
        super().__init__(_IN_FLIGHT)
        self._executor, self._work = executor, work
        self._futures: dict[Step, Any] = {}
        self._news = threading.Event()

    def outcomes(self, seconds: float) -> list[tuple[Step, Outcome]]:
        """Submit what waits, wait for news, and gather the outcomes that are there."""
        outcomes = self._submit() if len(self.taken) > len(self._futures) else []
        if self._futures and not outcomes:
            self._news.wait(seconds)
        self._news.clear()
        for step in [step for step, future in self._futures.items() if future.done()]:
            try:
                outcomes.append((step, self._futures.pop(step).result()[0]))
            except Exception as error:
                outcomes.append((step, _lost(error)))
        return outcomes

    def _submit(self) -> list[tuple[Step, Outcome]]:
        """Submit what waits, as one array where the executor has batches; an executor that refuses makes it fail."""
        steps = [step for step in self.taken if step not in self._futures]
        try:
            with getattr(self._executor, "batch", contextlib.nullcontext)():
                submitted = {step: self._executor.submit(self._work, [step]) for step in steps}
        except Exception as error:
            return [(step, _lost(error)) for step in steps]
        self._futures |= submitted
        for future in submitted.values():
            # Not every future calls back; those that do not are looked at in turn.
            if hasattr(future, "add_done_callback"):
                future.add_done_callback(lambda _: self._news.set())
        return []

    def close(self) -> None:
        """Cancel what has not begun; what has begun is somebody else's to end."""
        for future in self._futures.values():
            future.cancel()


def _lost(error: Exception) -> Outcome:
    return Outcome("failed", f"the executor lost it ({in_a_line(error)})")
