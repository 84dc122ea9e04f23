"""Steps computed by jobs of a Slurm cluster: groups of minutes, one job each, submitted as arrays by submitit.

What a job has done is read from the store and from its answer; whether it still lives, from `squeue`, which every
cluster has, while the accounting that `sacct` reads may be off.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import stat
import subprocess
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rbmflow._checks import InvalidInput, Problem, Problems
from rbmflow.execute import estimate
from rbmflow.execute.cluster import Slurm, cut
from rbmflow.execute.performing import Outcome
from rbmflow.execute.submitting import PerformThere
from rbmflow.execute.workers import Workers
from rbmflow.store import Step, Store

_GATHER = 3.0
"""Seconds that steps wait for others to form groups with."""

_LOOK = 2.0
"""Seconds between looks at the jobs."""

_GRACE = 15.0
"""Seconds that the answer of a job which has left the queue may take to show through a network file system."""

_PAUSE = 5.0
"""Seconds before a submission that Slurm refused is tried again; twice as many the next time."""

_WAITING = 100_000
"""Steps that wait here at a time."""


class PerformGroup:
    """Computes steps one after another where it is called, each unless it is there already.

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

    def __call__(self, steps: Sequence[Step]) -> list[Outcome]:
        """Compute the steps."""
        store, perform = Store(self.store), PerformThere(self.store, self.science)
        return [Outcome("done") if store.state(step) == "done" else perform(step) for step in steps]

    def checkpoint(self, steps: Sequence[Step]) -> Any:
        """Tell submitit, when Slurm takes the machine away, to queue the group again.

        What is done is in the store, and so is the checkpoint of the step under way.
        """
        from submitit.helpers import DelayedSubmission  # pyright: ignore[reportMissingImports]

        return DelayedSubmission(self, steps)


@dataclass(eq=False)
class _Job:
    handle: Any
    """What submitit knows of it."""
    steps: list[Step]
    gone_since: float | None = None
    """When it was first seen to have left the queue without an answer."""


class SlurmJobs(Workers):
    """Steps computed by jobs of a cluster, whose nodes must see the folder of the store under the same name.

    A job that ends without an answer (cancelled, killed, its node lost) is replaced by two: the step that it may have
    died of alone, and its other steps.

    Raises
    ------
    InvalidInput
        If there is no Slurm here, or no submitit, or somebody else can write into the folder of jobs.
    """

    def __init__(self, cluster: Slurm, store: Store, science: str):
        require_slurm()
        from submitit import SlurmExecutor  # pyright: ignore[reportMissingImports]

        self._executor = SlurmExecutor(private_folder(cluster), max_num_timeout=cluster.requeues)
        self._executor.update_parameters(**cluster.parameters())
        self._cluster = cluster
        self._store = store
        self._work = PerformGroup(str(store.path), science)
        self._waiting: list[Step] = []
        self._groups: list[list[Step]] = []
        self._jobs: list[_Job] = []
        self._lost: Counter[str] = Counter()
        self._refused: list[tuple[Step, Outcome]] = []
        self._refusals = 0
        self._next_look = self._since = self._not_before = 0.0

    @property
    def free(self) -> bool:
        """Whether one more step can be taken."""
        return len(self._waiting) < _WAITING

    @property
    def busy(self) -> bool:
        """Whether an outcome can be waited for."""
        return bool(self._waiting or self._groups or self._jobs or self._refused)

    def start(self, step: Step) -> None:
        """Take a step; `wait` submits it in a group."""
        if not self._waiting:
            self._since = time.monotonic()
        self._waiting.append(step)

    def wait(self, seconds: float) -> list[tuple[Step, Outcome]]:
        """Submit what is due, and gather what the jobs have answered."""
        room = self._cluster.jobs - len(self._jobs)
        if self._waiting and room > len(self._groups) and (not self._jobs or time.monotonic() - self._since >= _GATHER):
            self._cut(room - len(self._groups))
        if self._groups and room > 0 and time.monotonic() >= self._not_before:
            self._submit(room)
        if not self._refused and time.monotonic() < self._next_look:
            time.sleep(seconds)
            return []
        self._next_look = time.monotonic() + _LOOK
        outcomes, self._refused = self._refused, []
        return outcomes + self._answers() + self._losses()

    def _cut(self, room: int) -> None:
        """Make groups of the steps that wait; the estimate learns from what was computed meanwhile."""
        costs = estimate.costs((step.kind for step in self._waiting), self._store)
        seconds = {kind: cost.seconds for kind, cost in costs.items()}
        groups, self._waiting = cut(self._waiting, seconds, self._cluster, room)
        self._groups += groups

    def _submit(self, room: int) -> None:
        """Submit so many groups as one array; what Slurm refuses again and again has failed."""
        groups, self._groups = self._groups[:room], self._groups[room:]
        try:
            with self._executor.batch():
                handles = [self._executor.submit(self._work, steps) for steps in groups]
        except Exception as error:
            self._refusals += 1
            if self._refusals < self._cluster.tries:
                # The controller may be restarting.
                self._groups = groups + self._groups
                self._not_before = time.monotonic() + _PAUSE * self._refusals
                return
            lines = str(error).strip().splitlines() or [type(error).__name__]
            reason = f"Slurm refused its job ({lines[-1]})"
            self._refused += [(step, Outcome("failed", reason)) for steps in groups for step in steps]
            return
        self._refusals = 0
        self._jobs += [_Job(handle, steps) for handle, steps in zip(handles, groups, strict=True)]

    def _answers(self) -> list[tuple[Step, Outcome]]:
        """Outcomes of the jobs that have come to their end."""
        outcomes = []
        for job in [job for job in self._jobs if job.handle.paths.result_pickle.exists()]:
            self._jobs.remove(job)
            try:
                answers = job.handle.result()
            except Exception as error:
                lines = str(error).strip().splitlines()
                why = next((line for line in reversed(lines) if line and not line.startswith("-")), "no message")
                outcomes += self._lose(job, f"its job {job.handle.job_id} broke down ({why})")
            else:
                outcomes += zip(job.steps, answers, strict=True)
        return outcomes

    def _losses(self) -> list[tuple[Step, Outcome]]:
        """Find the jobs that have left the queue without an answer."""
        living = _queue() if self._jobs else None
        outcomes = []
        for job in list(self._jobs) if living is not None else ():
            if job.handle.job_id in living:
                job.gone_since = None
            elif job.gone_since is None:
                job.gone_since = time.monotonic()
                # A change of the folder has a network file system show what is new in it.
                with contextlib.suppress(OSError):
                    job.handle.paths.folder.chmod(0o700)
            elif time.monotonic() - job.gone_since > _GRACE:
                self._jobs.remove(job)
                outcomes += self._lose(job, f"its job {job.handle.job_id} ended without an answer")
        return outcomes

    def _lose(self, job: _Job, why: str) -> list[tuple[Step, Outcome]]:
        """Put what a lost job has not done into new jobs, unless that was tried often enough."""
        done = [step for step in job.steps if self._store.state(step) == "done"]
        left = [step for step in job.steps if step not in done]
        self._lost.update(step.hash for step in left)
        again = [step for step in left if self._lost[step.hash] < self._cluster.tries]
        self._groups += [group for group in (again[:1], again[1:]) if group]
        reason = f"{why}, the last of {self._cluster.tries}; its log is in {job.handle.paths.stderr}"
        failed = [step for step in left if step not in again]
        return [(step, Outcome("done")) for step in done] + [(step, Outcome("failed", reason)) for step in failed]

    def close(self) -> None:
        """Cancel the jobs that are left."""
        if self._jobs:
            subprocess.run(["scancel", *(job.handle.job_id for job in self._jobs)], check=False)
        self._jobs.clear()


def private_folder(cluster: Slurm) -> Path:
    """Make the folder of jobs, into which nobody else can put anything: answers are pickles, which run code when read.

    It is not in the store, which several people may share.

    Raises
    ------
    InvalidInput
        If it cannot be made, or if somebody else owns it or can write or swap it.
    """
    try:
        states = Path(os.environ.get("XDG_STATE_HOME") or "~/.local/state").expanduser()
        folder = Path(cluster.folder or states / "rbmflow" / "slurm")
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = folder.resolve()
        loose = [place for place in (folder, *folder.parents) if _loose(place.stat(), place == folder)]
    except (OSError, RuntimeError) as error:  # A user without a home has none.
        allowed = f"it must be a path where a folder can be made ({error})"
        raise InvalidInput(Problem("folder", cluster.folder, allowed)) from error
    problems = Problems()
    told = f"nobody else may own or write it, and {', '.join(map(str, loose))} is open to others"
    problems.unless(not loose, "folder", str(folder), told)
    problems.done()
    return folder


def _loose(found: os.stat_result, itself: bool) -> bool:
    """Whether somebody else, but for root, can write into the folder of jobs itself or swap what a folder above has."""
    if itself:
        return found.st_uid != os.getuid() or bool(found.st_mode & 0o022)
    others_swap = found.st_mode & 0o022 and not found.st_mode & stat.S_ISVTX
    return found.st_uid not in (0, os.getuid()) or bool(others_swap)


def require_slurm() -> None:
    """See that jobs can be submitted from here.

    Raises
    ------
    InvalidInput
        If Slurm's commands or submitit are missing.
    """
    problems = Problems()
    commands = " and ".join(name for name in ("sbatch", "srun", "squeue") if shutil.which(name) is None)
    problems.unless(not commands, "slurm", "on", f"Slurm's commands must be here, and {commands} cannot be found")
    there = importlib.util.find_spec("submitit") is not None
    problems.unless(there, "slurm", "on", "submitit must be installed: pip install rbmflow[slurm]")
    problems.done()


def _queue() -> frozenset[str] | None:
    """Ids of all jobs of this user that wait or run; None where the controller does not answer."""
    command = ["squeue", "--noheader", "--array", f"--user={os.getuid()}", "--format=%i"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return None
    return frozenset(answer.stdout.split())
