"""Workers: who computes steps, this very process or several others."""

from __future__ import annotations

import importlib
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rbmflow._checks import Problems
from rbmflow.execute.performing import Outcome, perform, perform_together
from rbmflow.execute.spawning import Answer, Children, Lost
from rbmflow.execute.surroundings import resident_memory
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


class Processes(Workers):
    """Up to `count` other processes, each with one thread; one that dies is replaced.

    Parameters
    ----------
    count, limits
        How many, and what a step may take.
    store, science, about, on_progress
        As for `perform`.
    on_trouble
        Told of a process that died and of how.
    """

    def __init__(
        self,
        count: int,
        store: Store,
        science: str,
        about: Mapping[str, object],
        on_progress: OnProgress,
        on_trouble: Callable[[Step, str], None],
        limits: Limits,
    ):
        self._arguments = (str(store.path), science, about)
        self._children = Children[Step](count, science)
        self._on_progress = on_progress
        self._on_trouble = on_trouble
        self._limits = limits

    @property
    def free(self) -> bool:
        """Whether a process is idle or may be started."""
        return self._children.free

    @property
    def busy(self) -> bool:
        """Whether a process computes."""
        return self._children.busy

    def start(self, step: Step) -> None:
        """Give a step to an idle process, or to a new one."""
        self._children.start(step, _perform_unless_there, step, *self._arguments)

    def wait(self, seconds: float) -> list[tuple[Step, Outcome]]:
        """Pass on progress and gather outcomes; kill what takes more than it may."""
        outcomes = []
        for step, news in self._children.wait(seconds):
            if isinstance(news, Answer):
                outcomes.append((step, news.value))
            elif not isinstance(news, Lost):
                self._on_progress(step, news)
            elif news.again:
                self._on_trouble(step, f"{news.reason}; another goes on")
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


def _perform_unless_there(
    step: Step, folder: str, science: str, about: Mapping[str, object], on_progress: Callable[[float], None]
) -> Outcome:
    """Perform a step, unless somebody else has while its first process was dying or silent."""
    store = Store(folder)
    return Outcome("done") if store.state(step) == "done" else perform(step, store, science, about, on_progress)
