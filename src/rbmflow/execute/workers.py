"""Workers: who computes steps, this very process or several others."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rbmflow._checks import Problems
from rbmflow.execute.children import Answer, Children, Lost
from rbmflow.execute.performing import OnProgress, Outcome, Perform, Science, perform
from rbmflow.execute.surroundings import resident_memory
from rbmflow.store import Step, Store


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
    most
        Most steps that are computed at once, where the science can. A GPU is full only then; a CPU gains nothing.
    store, science, about, on_progress
        As for `perform`.
    """

    def __init__(self, most: int, store: Store, science: Science, about: Mapping[str, object], on_progress: OnProgress):
        super().__init__(most)
        self._science = science
        self._perform = lambda steps: perform(steps, store, science, about, on_progress)

    def outcomes(self, seconds: float) -> list[tuple[Step, Outcome]]:
        """Compute the step that has waited longest and those that go with it, however long that takes."""
        first, *others = self.taken
        label = self._group(first) if others else None
        chosen = [first, *(step for step in others if label is not None and self._group(step) == label)]
        return list(zip(chosen, self._perform(chosen), strict=True))

    def _group(self, step: Step) -> str | None:
        """Label of the science for a step, where it has any; what else is wrong with a science shows in computing."""
        try:
            return self._science.load().group(step)
        except (ImportError, AttributeError, ValueError):
            return None

    def close(self) -> None:
        """Do nothing: nothing is left over."""


class Processes(Workers):
    """Other processes, each with one thread; one that dies is replaced.

    Parameters
    ----------
    most, limits
        How many, and what a step may take.
    store, science, about, on_progress
        As for `perform`.
    on_trouble
        Told of a process that died and of how.
    """

    def __init__(
        self,
        most: int,
        store: Store,
        science: Science,
        about: Mapping[str, object],
        on_progress: OnProgress,
        on_trouble: Callable[[Step, str], None],
        limits: Limits,
    ):
        super().__init__(most)
        self._work = Perform(str(store.path), science, about)
        self._children = Children[Step](most, science)
        self._on_progress, self._on_trouble, self._limits = on_progress, on_trouble, limits

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
