"""Steps computed by jobs of a Slurm cluster: groups of minutes, one job each, submitted as arrays by submitit.

What a job has done is read from the store and from its answer; whether it still lives, from `squeue`, which every
cluster has, while the accounting that `sacct` reads may be off.
"""

import contextlib
import os
import subprocess
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rbmflow.execute import estimate
from rbmflow.execute.performing import Outcome, Perform
from rbmflow.execute.slurm import Slurm, private_folder, require_slurm
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

_IN_HAND = 100_000
"""Steps that wait here or are with jobs at a time."""


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
    """

    def __init__(self, cluster: Slurm, work: Perform):
        super().__init__(_IN_HAND)
        require_slurm()
        from submitit import SlurmExecutor  # pyright: ignore[reportMissingImports]

        self._executor = SlurmExecutor(private_folder(cluster), max_num_timeout=cluster.requeues)
        self._executor.update_parameters(**cluster.parameters())
        self._cluster, self._work, self._store = cluster, work, Store(work.store)
        self._waiting: list[Step] = []
        self._groups: list[list[Step]] = []
        self._jobs: list[_Job] = []
        self._lost: Counter[str] = Counter()
        self._refused: list[tuple[Step, Outcome]] = []
        self._refusals = 0
        self._next_look = self._since = self._not_before = 0.0

    def start(self, step: Step) -> None:
        """Take a step; `wait` submits it in a group."""
        super().start(step)
        if not self._waiting:
            self._since = time.monotonic()
        self._waiting.append(step)

    def outcomes(self, seconds: float) -> list[tuple[Step, Outcome]]:
        """Submit what is due, and gather what the jobs have answered."""
        room = self._cluster.jobs - len(self._jobs)
        if self._waiting and room > len(self._groups) and (not self._jobs or time.monotonic() - self._since >= _GATHER):
            # The estimate learns from what was computed meanwhile.
            costs = estimate.costs((step.kind for step in self._waiting), self._store)
            cost = {kind: cost.seconds for kind, cost in costs.items()}
            groups, self._waiting = cut(self._waiting, cost, self._cluster, room - len(self._groups))
            self._groups += groups
        if self._groups and room > 0 and time.monotonic() >= self._not_before:
            self._submit(room)
        if not self._refused and time.monotonic() < self._next_look:
            time.sleep(seconds)
            return []
        self._next_look = time.monotonic() + _LOOK
        outcomes, self._refused = self._refused, []
        return outcomes + self._answers() + self._losses()

    def _submit(self, room: int) -> None:
        """Submit so many groups as one array; what Slurm refuses again and again has failed."""
        groups, self._groups = self._groups[:room], self._groups[room:]
        try:
            with self._executor.batch():
                handles = [self._executor.submit(self._work, steps) for steps in groups]
        except Exception as error:
            self._refusals += 1
            if self._refusals < self._cluster.tries:  # The controller may be restarting.
                self._groups = groups + self._groups
                self._not_before = time.monotonic() + _PAUSE * self._refusals
                return
            lines = str(error).strip().splitlines() or [type(error).__name__]
            refused = Outcome("failed", f"Slurm refused its job ({lines[-1]})")
            self._refused += [(step, refused) for steps in groups for step in steps]
            return
        self._refusals = 0
        self._jobs += map(_Job, handles, groups)

    def _answers(self) -> list[tuple[Step, Outcome]]:
        """Outcomes of the jobs that have come to their end."""
        outcomes = []
        for job in [job for job in self._jobs if job.handle.paths.result_pickle.exists()]:
            self._jobs.remove(job)
            try:
                outcomes += list(zip(job.steps, job.handle.result(), strict=True))
            except Exception as error:
                lines = str(error).strip().splitlines()
                why = next((line for line in reversed(lines) if line and not line.startswith("-")), "no message")
                outcomes += self._lose(job, f"its job {job.handle.job_id} broke down ({why})")
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
        reason = f"{why}, the last of {self._cluster.tries}; its log is in {job.handle.paths.stderr}"
        outcomes, again = [], []
        for step in job.steps:
            if self._store.state(step) == "done":
                outcomes.append((step, Outcome("done")))
                continue
            self._lost[step.hash] += 1
            if self._lost[step.hash] < self._cluster.tries:
                again.append(step)
            else:
                outcomes.append((step, Outcome("failed", reason)))
        self._groups += [group for group in (again[:1], again[1:]) if group]
        return outcomes

    def close(self) -> None:
        """Cancel the jobs that are left."""
        if self._jobs:
            subprocess.run(["scancel", *(job.handle.job_id for job in self._jobs)], check=False)
        self._jobs.clear()


def cut(
    steps: Sequence[Step], seconds: Mapping[str, float], cluster: Slurm, room: int
) -> tuple[list[list[Step]], list[Step]]:
    """Cut steps that may be computed in any order into groups for one job each; return the groups and what is left.

    A group has as many steps as make up `group_minutes` by the seconds for a step of each kind, and at least one.
    There are at most `room` groups.
    """
    groups: list[list[Step]] = []
    filled = 0.0
    for number, step in enumerate(steps):
        longer = filled + seconds[step.kind]
        if groups and longer <= 60 * cluster.group_minutes:
            groups[-1].append(step)
            filled = longer
        elif len(groups) == room:
            return groups, list(steps[number:])
        else:
            groups.append([step])
            filled = seconds[step.kind]
    return groups, []


def _queue() -> frozenset[str] | None:
    """Ids of all jobs of this user that wait or run; None where the controller does not answer."""
    command = ["squeue", "--noheader", "--array", f"--user={os.getuid()}", "--format=%i"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return None
    return frozenset(answer.stdout.split())
