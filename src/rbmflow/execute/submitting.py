"""Steps given to somebody else's executor: a process pool, dask, MPI, anything with `submit`."""

from __future__ import annotations

import os
import sys
import threading
from typing import Any, Protocol, runtime_checkable

from rbmflow.execute.performing import Outcome, perform
from rbmflow.execute.surroundings import about_here, one_thread
from rbmflow.execute.workers import Workers
from rbmflow.store import Step, Store

_IN_FLIGHT = 1000
"""Steps that are submitted at a time; the rest wait here, so that an executor is never flooded."""


@runtime_checkable
class Executor(Protocol):
    """What an executor must have: that of `concurrent.futures.Executor` and of dask's `Client`."""

    def submit(self, fn: Any, /, *args: Any) -> Any:
        """Have `fn(*args)` computed somewhere; return something with `done()`, `result()` and `cancel()`."""
        ...


class Submitted(Workers):
    """Steps computed wherever an executor has them computed; its processes must reach the folder of the store."""

    def __init__(self, executor: Executor, store: Store, science: str):
        self._executor = executor
        self._store = store
        self._science = science
        self._futures: dict[Step, Any] = {}
        self._refused: list[tuple[Step, Outcome]] = []
        self._news = threading.Event()

    @property
    def free(self) -> bool:
        """Whether one more step can be submitted."""
        return len(self._futures) < _IN_FLIGHT

    @property
    def busy(self) -> bool:
        """Whether an outcome can be waited for."""
        return bool(self._futures or self._refused)

    def start(self, step: Step) -> None:
        """Submit a step; an executor that refuses makes it fail."""
        try:
            future = self._executor.submit(perform_there, str(self._store.path), step, self._science)
        except Exception as error:
            self._refused.append((step, _failed(error)))
            return
        self._futures[step] = future
        # Not every future calls back; those that do not are looked at in turn.
        if hasattr(future, "add_done_callback"):
            future.add_done_callback(lambda _: self._news.set())

    def wait(self, seconds: float) -> list[tuple[Step, Outcome]]:
        """Wait for news, and gather the outcomes that are there."""
        if self._futures and not self._refused:
            self._news.wait(seconds)
        self._news.clear()
        outcomes, self._refused = self._refused, []
        for step in [step for step, future in self._futures.items() if future.done()]:
            try:
                outcomes.append((step, self._futures.pop(step).result()))
            except Exception as error:
                outcomes.append((step, _failed(error)))
        return outcomes

    def close(self) -> None:
        """Cancel what has not begun; what has begun is somebody else's to end."""
        for future in self._futures.values():
            future.cancel()
        self._futures.clear()


def perform_there(store: str, step: Step, science: str) -> Outcome:
    """Compute one step where this is called, in one thread if JAX is not in use there yet."""
    if "jax" not in sys.modules:
        os.environ.update(one_thread())
    return perform(step, Store(store), science, about_here(), lambda fraction: None)


def _failed(error: Exception) -> Outcome:
    lines = str(error).strip().splitlines() or ["no message"]
    return Outcome("failed", f"the executor lost it ({type(error).__name__}: {lines[0]})")
