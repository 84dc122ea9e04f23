"""Performing steps: read their parents, compute them, publish them."""

from __future__ import annotations

import contextlib
import importlib
import json
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, NamedTuple

from rbmflow.execute.surroundings import compute_in_one_thread, device, forget_peak_memory, peak_memory
from rbmflow.store import Address, Damaged, Step, Store, Unreachable

if TYPE_CHECKING:
    import xarray as xr

SIGN_OF_LIFE = 5.0
"""Seconds between signs of life of a step under way."""

_NEWS = 0.5
"""Seconds between notes of progress."""


class Outcome(NamedTuple):
    """What became of a step."""

    what: Literal["done", "failed", "damaged"]
    reason: str = ""
    damaged: Address | None = None
    """The parent that could not be used."""


def perform(
    step: Step,
    store: Store,
    science: str,
    about: Mapping[str, object],
    on_progress: Callable[[float], None],
) -> Outcome:
    """Compute one step with `compute` of the module named `science`, and publish its result.

    What goes wrong in the science is told as an outcome, with its traceback in the step's work folder.
    """
    started, clock = datetime.now(UTC), time.perf_counter()
    forget_peak_memory()
    try:
        module = importlib.import_module(science)  # It knows what its data must hold, which reading checks.
        parents = tuple(store.read(parent) for parent in step.parents)
        with _under_way(step, store, on_progress) as report:
            dataset = module.compute(step, parents, store.work(step), report)
        _publish(step, dataset, store, about, started, time.perf_counter() - clock)
    except Unreachable as unreachable:
        return Outcome("failed", str(unreachable))
    except Damaged as damage:
        return Outcome("damaged", damage.reason, Address(damage.artifact.kind, damage.artifact.hash))
    except Exception as error:
        # Another process that published first has deleted the work folder that this one was using.
        if store.state(step) == "done":
            return Outcome("done")
        return Outcome("failed", _reason(error, step, store))
    return Outcome("done")


def perform_together(
    steps: Sequence[Step],
    store: Store,
    science: str,
    about: Mapping[str, object],
    on_progress: Callable[[Step, float], None],
) -> list[Outcome]:
    """Compute steps at once with `compute_together` of the science, and publish each as `perform` does.

    Their time is shared out evenly. If anything goes wrong, they are computed one after another, so that each has its
    own outcome.
    """
    started, clock = datetime.now(UTC), time.perf_counter()
    forget_peak_memory()
    try:
        module = importlib.import_module(science)
        parents = tuple(store.read(parent) for parent in steps[0].parents)
        with contextlib.ExitStack() as stack:
            reports = [
                stack.enter_context(_under_way(step, store, lambda done, step=step: on_progress(step, done)))
                for step in steps
            ]

            def report(done: float) -> None:
                for one in reports:
                    one(done)

            datasets = module.compute_together(steps, parents, report)
        seconds, about = (time.perf_counter() - clock) / len(steps), {**about, "computed_at_once": len(steps)}
        for step, dataset in zip(steps, datasets, strict=True):
            _publish(step, dataset, store, about, started, seconds)
    except Exception:
        return [
            Outcome("done")
            if store.state(step) == "done"
            else perform(step, store, science, about, lambda done, step=step: on_progress(step, done))
            for step in steps
        ]
    return [Outcome("done")] * len(steps)


def _publish(
    step: Step, dataset: xr.Dataset, store: Store, about: Mapping[str, object], started: datetime, seconds: float
) -> None:
    """Publish a result with its provenance."""
    threads = {} if compute_in_one_thread() else {"threads": "those of a process of its user's"}
    provenance = {
        **about,
        "own_flags": {**about.get("own_flags", {}), **threads},  # pyright: ignore[reportGeneralTypeIssues]
        "device": device(),
        "started": started.isoformat(timespec="seconds"),
        "seconds": round(seconds, 3),
        "peak_memory_bytes": peak_memory(),
        "flags": json.loads(dataset.attrs.get("flags", "[]")),
    }
    store.publish(step, dataset, provenance)


def _reason(error: Exception, step: Step, store: Store) -> str:
    """Say in one line what went wrong, and leave the traceback in the step's work folder."""
    lines = str(error).strip().splitlines() or ["no message"]
    reason = f"{type(error).__name__}: {lines[0]}"
    try:
        path = store.work(step) / "traceback.txt"
        path.write_text(traceback.format_exc(), encoding="utf-8")
    except OSError:
        return reason
    return f"{reason} (traceback in {path})"


@contextlib.contextmanager
def _under_way(step: Step, store: Store, on_progress: Callable[[float], None]) -> Iterator[Callable[[float], None]]:
    """Keep the step's note of progress fresh until the end; yields the function that takes its progress."""
    fraction, told, stop = 0.0, -_NEWS, threading.Event()

    def report(done: float) -> None:
        nonlocal fraction, told
        fraction = float(done)
        if time.monotonic() - told >= _NEWS or fraction >= 1:
            told = time.monotonic()
            note()
            on_progress(fraction)

    def note() -> None:
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
        with contextlib.suppress(OSError):
            store.end_progress(step)
