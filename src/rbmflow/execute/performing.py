"""Performing steps: read their parents, compute them, publish them."""

import contextlib
import json
import os
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from types import ModuleType
from typing import Any, Literal, NamedTuple

from rbmflow._checks import in_a_line, let_go
from rbmflow._registry import load_files
from rbmflow.execute.surroundings import about_here, compute_in_one_thread, device, forget_peak_memory, peak_memory
from rbmflow.store import Address, Damaged, Step, Store, Unreachable

SIGN_OF_LIFE = 5.0
"""Seconds between signs of life of a step under way."""

_NEWS = 0.5
"""Seconds between notes of progress."""

type OnProgress = Callable[[float], None]


class Outcome(NamedTuple):
    """What became of a step."""

    what: Literal["done", "failed", "damaged"]
    reason: str = ""
    damaged: Address | None = None
    """The parent that could not be used."""


@dataclass(frozen=True)
class Science:
    """What computes steps, in whichever process they are computed: a module, and files that are run before."""

    module: str
    """Name of the module whose `compute(step, parents, work, progress)` computes a step, and whose
    `compute_together(steps, parents, progress)` several that have the same `group(step)`, if it has these."""
    files: tuple[str, ...] = ()
    """Files whose decorators register what steps name."""

    def load(self) -> ModuleType:
        """Run the files and import the module."""
        load_files(self.files)
        return import_module(self.module)


@dataclass(frozen=True)
class Perform:
    """Computes steps where it is called, which may be another process or machine, and publishes what comes out.

    What goes wrong in the science is told as an outcome, with its traceback in the step's work folder.
    """

    store: str
    """Path of the store."""
    science: Science
    about: Mapping[str, Any] | None = None
    """What provenance tells of the installation; looked up where it is called if not given."""

    def __call__(self, steps: Sequence[Step], tell: OnProgress = lambda fraction: None) -> list[Outcome]:
        """Compute each step unless it is there already, in one thread if JAX is not in use here yet."""
        compute_in_one_thread()
        store = Store(self.store)
        return [Outcome("done") if store.state(step) == "done" else self.together([step], tell)[0] for step in steps]

    def together(self, steps: Sequence[Step], tell: OnProgress) -> list[Outcome]:
        """Compute a step, or several of one group at once, whose time is shared out evenly.

        If anything goes wrong with several, they are computed one after another, so that each has its own outcome.
        """
        started, clock, cpu, store = datetime.now(UTC), time.perf_counter(), cpu_seconds(), Store(self.store)
        forget_peak_memory()
        try:
            about = self.about or about_here()
            module = self.science.load()  # It knows what its data must hold, which reading checks.
            parents = tuple(store.read(parent) for parent in steps[0].parents)
            with _under_way(steps, store, tell) as report:
                if len(steps) == 1:
                    datasets = [module.compute(steps[0], parents, store.work(steps[0]), report)]
                else:
                    datasets = module.compute_together(steps, parents, report)
            provenance = {
                **about,
                **({"computed_at_once": len(steps)} if len(steps) > 1 else {}),
                "device": device(),
                "started": started.isoformat(timespec="seconds"),
                "seconds": round((time.perf_counter() - clock) / len(steps), 3),
                "cpu_seconds": round((cpu_seconds() - cpu) / len(steps), 3),
                "peak_memory_bytes": peak_memory(),
            }
            if not compute_in_one_thread():
                provenance["own_flags"] = provenance["own_flags"] | {"threads": "those of a process of its user's"}
            for step, dataset in zip(steps, datasets, strict=True):
                store.publish(step, dataset, provenance | {"flags": json.loads(dataset.attrs.get("flags", "[]"))})
        except (Exception, SystemExit) as error:  # Functions of others may ask Python to end.
            let_go(error)
            if len(steps) == 1:
                return [_what_happened(error, steps[0], store)]
            return self(steps, tell)
        return [Outcome("done")] * len(steps)

    def checkpoint(self, steps: Sequence[Step]) -> Any:
        """Tell submitit, when Slurm takes the machine away, to queue the steps again.

        What is done is in the store, and so is the checkpoint of the step under way.
        """
        from submitit.helpers import DelayedSubmission  # pyright: ignore[reportMissingImports]

        return DelayedSubmission(self, steps)


def cpu_seconds() -> float:
    """CPU time of this process and of its children that have ended, such as another Python in which a map runs."""
    return sum(os.times()[:4])


def _what_happened(error: BaseException, step: Step, store: Store) -> Outcome:
    """Say in one line what went wrong; the traceback of what the science raised is left in the step's work folder."""
    if isinstance(error, Unreachable):
        return Outcome("failed", str(error))
    if isinstance(error, Damaged):
        return Outcome("damaged", error.reason, Address(error.artifact.kind, error.artifact.hash))
    # Another process that published first has deleted the work folder that this one was using.
    if store.state(step) == "done":
        return Outcome("done")
    reason = in_a_line(error)
    with contextlib.suppress(OSError):
        path = store.work(step) / "traceback.txt"
        path.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
        reason += f" (traceback in {path})"
    return Outcome("failed", reason)


@contextlib.contextmanager
def _under_way(steps: Sequence[Step], store: Store, tell: OnProgress) -> Iterator[OnProgress]:
    """Keep the notes of progress of steps fresh until the end; yields the function that takes their progress."""
    fraction, told, stop = 0.0, -_NEWS, threading.Event()

    def report(done: float) -> None:
        nonlocal fraction, told
        fraction = float(done)
        if time.monotonic() - told >= _NEWS or fraction >= 1:
            told = time.monotonic()
            note()
            tell(fraction)

    def note() -> None:
        for step in steps:
            with contextlib.suppress(OSError):
                store.report_progress(step, fraction)

    def beat() -> None:
        while not stop.wait(SIGN_OF_LIFE):
            note()

    note()
    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield report
    finally:
        stop.set()
        thread.join()
        for step in steps:
            with contextlib.suppress(OSError):
                store.end_progress(step)
