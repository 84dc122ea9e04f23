"""Steps given to somebody else's executor: a process pool, dask, MPI, submitit, anything with `submit`."""

import contextlib
import threading
from typing import Any, Protocol, runtime_checkable

from rbmflow.execute.performing import Outcome, Perform, Science
from rbmflow.execute.workers import Workers
from rbmflow.store import Step, Store

_IN_FLIGHT = 1000
"""Steps that are submitted at a time, so that an executor is never flooded."""


@runtime_checkable
class Executor(Protocol):
    """What an executor must have: that of `concurrent.futures.Executor` and of dask's `Client`."""

    def submit(self, fn: Any, /, *args: Any) -> Any:
        """Have `fn(*args)` computed somewhere; return something with `done()`, `result()` and `cancel()`."""
        ...


class Submitted(Workers):
    """Steps computed wherever an executor has them computed; its processes must reach the folder of the store."""

    def __init__(self, executor: Executor, store: Store, science: Science):
        super().__init__(_IN_FLIGHT)
        self._executor = executor
        self._work = Perform(str(store.path), science)
        self._futures: dict[Step, Any] = {}
        self._news = threading.Event()

    def _submit(self) -> list[tuple[Step, Outcome]]:
        """Submit what waits, as one array where the executor has batches; an executor that refuses makes it fail."""
        steps = [step for step in self.taken if step not in self._futures]
        try:
            with getattr(self._executor, "batch", contextlib.nullcontext)():
                submitted = {step: self._executor.submit(self._work, [step]) for step in steps}
        except Exception as error:
            return [(step, _failed(error)) for step in steps]
        self._futures |= submitted
        for future in submitted.values():
            # Not every future calls back; those that do not are looked at in turn.
            if hasattr(future, "add_done_callback"):
                future.add_done_callback(lambda _: self._news.set())
        return []

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
                outcomes.append((step, _failed(error)))
        return outcomes

    def close(self) -> None:
        """Cancel what has not begun; what has begun is somebody else's to end."""
        for future in self._futures.values():
            future.cancel()
        self._futures.clear()


def _failed(error: Exception) -> Outcome:
    lines = str(error).strip().splitlines() or ["no message"]
    return Outcome("failed", f"the executor lost it ({type(error).__name__}: {lines[0]})")
