"""Workers: who computes steps, this very process, several others, or somebody else's executor."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, Protocol, runtime_checkable

from rbmflow._checks import in_a_line
from rbmflow.execute.children import Children, Limits, Lost
from rbmflow.execute.performing import Outcome, Perform
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

        def tell(fraction: float) -> None:
            for step in chosen:
                self._tell(step, fraction)

        return list(zip(chosen, self._work.together(chosen, tell), strict=True))

    def _group(self, step: Step) -> str | None:
        """Label of the science for a step, where it has any; what else is wrong with a science shows in computing."""
        try:
            return self._work.science.load().group(step)
        except (ImportError, AttributeError, ValueError):
            return None

    def close(self) -> None:
        """Do nothing: nothing is left over."""


@runtime_checkable
class Executor(Protocol):
    """What an executor must have: that of `concurrent.futures.Executor` and of dask's `Client`."""

    def submit(self, fn: Any, /, *args: Any) -> Any:
        """Have `fn(*args)` computed somewhere; return something with `done()`, `result()` and `cancel()`."""
        ...


class Submitted(Workers):
    """Steps computed wherever an executor has them computed; its processes must reach the folder of the store."""

    def __init__(self, executor: Executor, work: Perform, most: int = _IN_FLIGHT):
        super().__init__(most)
        self._executor, self._work = executor, work
        self._futures: dict[Step, Any] = {}
        self._ended = threading.Event()

    def start(self, step: Step) -> None:
        """Submit a step; an executor that refuses makes it fail."""
        super().start(step)
        try:
            future = self.submit(step)
        except Exception as error:
            (future := Future()).set_exception(error)
        self._futures[step] = future
        # Not every future calls back; those that do not are looked at in turn.
        if hasattr(future, "add_done_callback"):
            future.add_done_callback(lambda _: self._ended.set())

    def submit(self, step: Step) -> Any:
        """Hand one step over; return its future."""
        return self._executor.submit(self._work, [step])

    def outcomes(self, seconds: float) -> list[tuple[Step, Outcome]]:
        """Wait for news, and gather the outcomes that are there."""
        self._ended.wait(seconds)
        self._ended.clear()
        outcomes = []
        for step in [step for step, future in self._futures.items() if future.done()]:
            try:
                outcomes.append((step, self._futures.pop(step).result()[0]))
            except Exception as error:
                outcomes.append((step, Outcome("failed", self.reason(error))))
        return outcomes

    def reason(self, error: Exception) -> str:
        """Say why there is no answer."""
        return str(error) if isinstance(error, Lost) else f"the executor lost it ({in_a_line(error)})"

    def close(self) -> None:
        """Cancel what has not begun; what has begun is somebody else's to end."""
        for future in self._futures.values():
            future.cancel()


class Processes(Submitted):
    """Other processes of this machine, each with one thread; what befalls them, and how far they are, is told."""

    def __init__(self, most: int, work: Perform, tell: Tell, limits: Limits):
        self._children = Children(most, work.science, limits)
        super().__init__(self._children, work, most)
        self._tell, self._news = tell, SimpleQueue[tuple[Step, float | str]]()

    def submit(self, step: Step) -> Any:
        """Give a step to an idle process, or to a new one; somebody else may finish it while that dies or is silent."""
        return self._children.submit(self._work, [step], tell=lambda news: self._news.put((step, news)))

    def outcomes(self, seconds: float) -> list[tuple[Step, Outcome]]:
        """Gather outcomes, and pass on what the processes have told meanwhile."""
        outcomes = super().outcomes(seconds)
        while not self._news.empty():
            self._tell(*self._news.get())
        return outcomes

    def close(self) -> None:
        """End every process."""
        self._children.close()
