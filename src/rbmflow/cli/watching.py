"""Watching a run: a bar and one line a running step on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from rbmflow._checks import plain
from rbmflow.cli.telling import cell
from rbmflow.execute import Event
from rbmflow.store import Step


class Watch:
    """Shows the events of a run on the standard error, and counts them."""

    def __init__(self):
        self.computed: set[Step] = set()
        self._started: set[Step] = set()
        """Steps that were done under this watch."""
        console = Console(stderr=True, highlight=False)
        self._bars = _Bars(console) if console.is_terminal else _Lines()

    def __enter__(self) -> Watch:
        self._bars.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.close()

    def __call__(self, event: Event) -> None:
        """Show one event."""
        if event.what == "started" and event.step is not None:
            self._started.add(event.step)
        if event.what == "done" and event.step is not None and event.step in self._started:
            self.computed.add(event.step)  # What was not started here was computed by another run.
        self._bars.show(event)


class _Lines:
    """One line an event; progress within a step is not told."""

    def __init__(self):
        self._done, self._count = 0, 0

    def open(self) -> None:
        pass

    def close(self) -> None:
        pass

    def show(self, event: Event) -> None:
        """Print the event."""
        name = event.step.name if event.step else ""
        if event.what == "planned":
            self._done, self._count = 0, event.count
            self._print(f"{event.count} steps to compute")
        elif event.what == "done":
            self._done += 1
            self._print(f"done {self._done}/{self._count}: {name}")
        elif event.what == "started":
            self._print(f"started: {name}")
        elif event.what != "progress":
            self._print(f"{event.what}: {name}{': ' if name else ''}{event.message}")

    def _print(self, text: str) -> None:
        print(time.strftime("%H:%M:%S"), plain(text), file=sys.stderr, flush=True)


class _Bars:
    """An overall bar, and one line for every step that is being computed."""

    def __init__(self, console: Console):
        self._progress = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console
        )
        self._all: TaskID | None = None
        self._tasks: dict[Step, TaskID] = {}

    def open(self) -> None:
        self._progress.start()

    def close(self) -> None:
        self._progress.stop()

    def show(self, event: Event) -> None:
        """Move the bars."""
        step = event.step
        if event.what == "planned":
            if self._all is not None:
                self._progress.remove_task(self._all)
            self._all = self._progress.add_task("all steps", total=event.count)
        elif event.what == "started" and step is not None and step not in self._tasks:
            self._tasks[step] = self._progress.add_task(f"  {cell(step.name)}", total=100)
        elif event.what == "progress" and step is not None and step in self._tasks:
            self._progress.update(self._tasks[step], completed=round(100 * event.fraction))
        elif event.what in ("done", "failed") and step is not None:
            if step in self._tasks:
                self._progress.remove_task(self._tasks.pop(step))
            if event.what == "done" and self._all is not None:
                self._progress.advance(self._all)
        if event.message:
            name = f"{step.name}: " if step else ""
            self._progress.console.print(cell(f"{event.what}: {name}{event.message}"))
