"""Steps given to somebody else's executor: a process pool, dask, MPI, submitit, anything with `submit`."""

from __future__ import annotations

import contextlib
import threading
from typing import Any, Protocol, runtime_checkable

from rbmflow.execute.performing import Outcome, perform
from rbmflow.execute.surroundings import about_here, compute_in_one_thread
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
        self._waiting: list[Step] = []
        self._futures: dict[Step, Any] = {}
        self._refused: list[tuple[Step, Outcome]] = []
        self._news = threading.Event()

    @property
    def free(self) -> bool:
        """Whether one more step can be submitted."""
        return len(self._futures) + len(self._waiting) < _IN_FLIGHT

    @property
    def busy(self) -> bool:
        """Whether an outcome can be waited for."""
        return bool(self._futures or self._waiting or self._refused)

    def start(self, step: Step) -> None:
        """Take a step; `wait` submits it, together with the others that can start now."""
        self._waiting.append(step)

    def _submit(self) -> None:
        """Submit what waits, as one array where the executor has batches; an executor that refuses makes it fail."""
        steps, self._waiting = self._waiting, []
        work = PerformThere(str(self._store.path), self._science)
        try:
            batch = getattr(self._executor, "batch", contextlib.nullcontext)
            with batch():
                submitted = {step: self._executor.submit(work, step) for step in steps}
        except Exception as error:
            self._refused += [(step, _failed(error)) for step in steps]
            return
        self._futures |= submitted
        for future in submitted.values():
            # Not every future calls back; those that do not are looked at in turn.
            if hasattr(future, "add_done_callback"):
                future.add_done_callback(lambda _: self._news.set())

    def wait(self, seconds: float) -> list[tuple[Step, Outcome]]:
        """Wait for news, and gather the outcomes that are there."""
        if self._waiting:
            self._submit()
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


class PerformThere:
    """Computes steps where it is called, in one thread if JAX is not in use there yet.

    Parameters
    ----------
    store
        Path of the store.
    science
        Name of the module that computes.
    """

    def __init__(self, store: str, science: str):
        self.store = store
        self.science = science

    def __call__(self, step: Step) -> Outcome:
        """Compute one step."""
        compute_in_one_thread()
        return perform(step, Store(self.store), self.science, about_here(), lambda fraction: None)

    def checkpoint(self, step: Step) -> Any:
        """Tell submitit, when Slurm takes the machine away, to queue the step again; its checkpoint is in the store."""
        from submitit.helpers import DelayedSubmission  # pyright: ignore[reportMissingImports]

        return DelayedSubmission(self, step)


def _failed(error: Exception) -> Outcome:
    lines = str(error).strip().splitlines() or ["no message"]
    return Outcome("failed", f"the executor lost it ({type(error).__name__}: {lines[0]})")
