"""Watching a run: a bar and one line a running step on a terminal, plain lines elsewhere."""

import sys
import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from rbmflow._checks import plain
from rbmflow.cli.telling import cell
from rbmflow.execute import Event
from rbmflow.store import Step


class Watch:
    """Shows the events of a run on the standard error, and knows the steps that were computed under it."""

    def __init__(self):
        console = Console(stderr=True, highlight=False)
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
        self.bars = Progress(*columns, console=console, disable=not console.is_terminal)
        """The context in which they move; where there is no terminal, they count unseen."""
        self.computed: set[Step] = set()
        self._all = self.bars.add_task("all steps", visible=False)
        self._under_way: dict[Step, TaskID] = {}

    def __call__(self, event: Event) -> None:
        """Tell one event, and have the bars move."""
        line = self._move(event)
        if event.message and not self.bars.disable:
            self.bars.console.print(cell(line))
        elif line and self.bars.disable:
            print(time.strftime("%H:%M:%S"), plain(line), file=sys.stderr, flush=True)

    def _move(self, event: Event) -> str:
        """Move the bars, and return the line that stands for the event; progress within a step has none."""
        what, step = event.what, event.step
        if what == "planned":
            self.bars.reset(self._all, total=event.count, visible=True)
            return f"{event.count} steps to compute"
        if step is None or what == "warning":
            return f"{what}: {f'{step.name}: ' if step else ''}{event.message}"
        if what == "started":
            if step not in self._under_way:
                self._under_way[step] = self.bars.add_task(f"  {cell(step.name)}", total=100)
            return f"started: {step.name}"
        bar = self._under_way.get(step)
        if what == "progress":
            if bar is not None:
                self.bars.update(bar, completed=round(100 * event.fraction))
            return ""
        if bar is not None:
            self.bars.remove_task(self._under_way.pop(step))
        if what == "failed":
            return f"failed: {step.name}: {event.message}"
        if bar is not None:  # What was not started here was computed by another run.
            self.computed.add(step)
        self.bars.advance(self._all)
        every = self.bars.tasks[0]
        return f"done {every.completed}/{every.total}: {step.name}"
