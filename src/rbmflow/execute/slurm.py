"""Steps computed by jobs of a Slurm cluster: groups of minutes, one job each, submitted as arrays by submitit.

What a job has done is read from the store and from its answer; whether it still lives, from `squeue`, which every
cluster has, while the accounting that `sacct` reads may be off.
"""

import contextlib
import importlib.util
import math
import os
import re
import shutil
import stat
import subprocess
import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rbmflow import spec
from rbmflow._checks import InvalidInput, Problem, Problems
from rbmflow.execute import estimate
from rbmflow.execute.performing import Outcome, Perform
from rbmflow.execute.surroundings import THREADS
from rbmflow.execute.workers import Workers
from rbmflow.settings import Settings, checked
from rbmflow.store import Step, Store

_LOOK = 3.0
"""Seconds between looks at the jobs; steps that can be computed meanwhile form groups."""

_GRACE = 15.0
"""Seconds that the answer of a job which has left the queue may take to show through a network file system."""

_PAUSE = 5.0
"""Seconds before a submission that Slurm refused is tried again; twice as many the next time."""

_IN_HAND = 100_000
"""Steps that wait here or are with jobs at a time."""

_WORD = re.compile(r"[A-Za-z0-9_.,:&|*+\[\]()=-]*")

_BEFORE_PYTHON = tuple(f"export {name}=1" for name in ("PYTHONSAFEPATH", *THREADS))
"""What a job sets before Python starts: a `types.py` in the working folder is not Python's, and sums of NumPy's
products depend on the number of threads."""


def _name(problems: Problems, name: str, value: str) -> None:
    named = _WORD.fullmatch(value) is not None
    problems.unless(named, name, value, "it must be a name of Slurm's, without spaces")


@dataclass(frozen=True)
class Slurm(Settings):
    """How jobs are submitted to Slurm; every empty text leaves the choice to the cluster.

    Slurm's `sbatch` has the meaning of partition, account, QOS, constraint, time and memory.
    """

    partition: str = checked("", _name)
    """Partition, or several with commas between."""
    account: str = checked("", _name)
    """Account that the time is charged to."""
    qos: str = checked("", _name)
    """Quality of service."""
    constraint: str = checked("", _name)
    """Features that a node must have."""
    minutes: int = checked(60, Problems.whole, 1)
    """Time limit of a job; a longer training goes on from its checkpoint in the next job."""
    memory_gb: float = checked(2.0, Problems.positive)
    """Memory of a job."""
    gpus: int = checked(0, Problems.whole, 0)
    """GPUs of a job."""
    group_minutes: float = checked(10.0, Problems.positive)
    """Computing time that the steps of one job shall have together, by what their kinds take in the store."""
    jobs: int = checked(200, Problems.whole, 1, 1000)
    """Jobs that are submitted at a time; an array is never longer."""
    tries: int = checked(3, Problems.whole, 1)
    """Jobs that a step may be lost with before it counts as failed."""
    requeues: int = checked(100, Problems.whole, 0)
    """Time limits that a job may run into; at each but the last it is queued again."""
    setup: tuple[str, ...] = ()
    """Lines of shell that a job runs before Python, such as `module load`."""
    folder: str = ""
    """Absolute path of the folder of submissions, answers and logs, which all nodes see and only this user can write;
    `.local/state/rbmflow/slurm` in the home where it is empty."""

    def compare(self, problems: Problems) -> None:
        """Note what does not fit."""
        absolute = not self.folder or Path(self.folder).is_absolute()
        problems.unless(absolute and self.folder.isprintable(), "folder", self.folder, "it must be an absolute path")
        told = f"it must be at most the time limit of a job, minutes = {self.minutes}"
        fits = bool(problems.found) or self.group_minutes <= self.minutes
        problems.unless(fits, "group_minutes", self.group_minutes, told)

    def parameters(self) -> dict[str, object]:
        """What submitit's executor for Slurm is to be told."""
        told = {name: getattr(self, name) for name in ("partition", "account", "qos", "constraint")}
        told["gpus_per_node"] = self.gpus
        return {name: value for name, value in told.items() if value} | {
            "setup": [*_BEFORE_PYTHON, *self.setup],
            "job_name": "rbmflow",
            "time": self.minutes,
            "mem": f"{max(1, round(self.memory_gb * 1000))}M",
            "nodes": 1,
            "ntasks_per_node": 1,
            "cpus_per_task": 1,
            "array_parallelism": self.jobs,
            "additional_parameters": {"requeue": True},
        }


def load_slurm(path: str | Path) -> Slurm:
    """Read the settings of a cluster from a TOML file whose entries are the fields of `Slurm`."""
    data = spec.read_toml(Path(path), "slurm", path, "it must be a TOML file with the settings of a cluster")
    return spec.settings_from(Slurm, data, "a cluster")


def require_slurm() -> None:
    """See that jobs can be submitted from here: Slurm's commands and submitit are there."""
    problems = Problems()
    commands = " and ".join(name for name in ("sbatch", "srun", "squeue") if shutil.which(name) is None)
    problems.unless(not commands, "slurm", "on", f"Slurm's commands must be here, and {commands} cannot be found")
    there = importlib.util.find_spec("submitit") is not None
    problems.unless(there, "slurm", "on", "submitit must be installed: pip install rbmflow[slurm]")
    problems.done()


def private_folder(cluster: Slurm) -> Path:
    """Make the folder of jobs, into which nobody else can put anything: answers are pickles, which run code when read.

    It is not in the store, which several people may share; one that somebody else owns or can write or swap is refused.
    """
    try:
        states = Path(os.environ.get("XDG_STATE_HOME") or "~/.local/state").expanduser()
        folder = Path(cluster.folder or states / "rbmflow" / "slurm")
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = folder.resolve()
        loose = [str(place) for place in (folder, *folder.parents) if _loose(place.stat(), place == folder)]
    except (OSError, RuntimeError) as error:  # A user without a home has none.
        allowed = f"it must be a path where a folder can be made ({error})"
        raise InvalidInput(Problem("folder", cluster.folder, allowed)) from error
    told = f"nobody else may own or write it, and {', '.join(loose)} is open to others"
    Problems.only(not loose, "folder", str(folder), told)
    return folder


def _loose(found: os.stat_result, itself: bool) -> bool:
    """Whether somebody else, but for root, can write into the folder of jobs itself or swap what a folder above has."""
    if itself:
        return found.st_uid != os.getuid() or bool(found.st_mode & 0o022)
    others_swap = found.st_mode & 0o022 and not found.st_mode & stat.S_ISVTX
    return found.st_uid not in (0, os.getuid()) or bool(others_swap)


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
        self._jobs: list[_Job] = []
        self._lost = Counter[Step]()
        self._suspects = set[Step]()
        """Steps that a job may have died of."""
        self._refusals = 0
        self._next_look = 0.0

    def outcomes(self, seconds: float) -> list[tuple[Step, Outcome]]:
        """Gather what the jobs have answered, and submit what waits."""
        if time.monotonic() < self._next_look:
            time.sleep(seconds)
            return []
        self._next_look = time.monotonic() + _LOOK
        outcomes = self._answers() + self._losses()
        elsewhere = {step for step, _ in outcomes}.union(*(job.steps for job in self._jobs))
        waiting = [step for step in self.taken if step not in elsewhere]
        return outcomes + self._submit(waiting, self._cluster.jobs - len(self._jobs))

    def _submit(self, waiting: Sequence[Step], room: int) -> list[tuple[Step, Outcome]]:
        """Submit so many groups as one array; what Slurm refuses again and again has failed."""
        # The estimate learns from what was computed meanwhile.
        costs = estimate.costs((step.kind for step in waiting), self._store)
        seconds = {kind: cost.seconds for kind, cost in costs.items()}
        groups = cut(waiting, seconds, self._cluster, self._suspects)[:room]
        if not groups:
            return []
        try:
            with self._executor.batch():
                handles = [self._executor.submit(self._work, steps) for steps in groups]
        except Exception as error:
            self._refusals += 1
            if self._refusals < self._cluster.tries:  # The controller may be restarting.
                self._next_look = time.monotonic() + _PAUSE * self._refusals
                return []
            lines = str(error).strip().splitlines() or [type(error).__name__]
            refused = Outcome("failed", f"Slurm refused its job ({lines[-1]})")
            return [(step, refused) for steps in groups for step in steps]
        self._refusals = 0
        self._jobs += map(_Job, handles, groups)
        return []

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
        """Outcomes of a lost job: what it has done, and what was tried often enough; the other steps wait again."""
        reason = f"{why}, the last of {self._cluster.tries}; its log is in {job.handle.paths.stderr}"
        states = {step: self._store.state(step) for step in job.steps}
        left = [step for step in job.steps if states[step] != "done"]
        self._lost.update(left)
        self._suspects.update(left[:1])
        outcomes = [(step, Outcome("done")) for step in job.steps if states[step] == "done"]
        lost = [step for step in left if self._lost[step] == self._cluster.tries]
        return outcomes + [(step, Outcome("failed", reason)) for step in lost]

    def close(self) -> None:
        """Cancel the jobs that are left."""
        if self._jobs:
            subprocess.run(["scancel", *(job.handle.job_id for job in self._jobs)], check=False)
        self._jobs.clear()


def cut(
    steps: Sequence[Step], seconds: Mapping[str, float], cluster: Slurm, alone: Collection[Step] = ()
) -> list[list[Step]]:
    """Cut steps that may be computed in any order into groups for one job each.

    A group has as many steps as make up `group_minutes` by the seconds for a step of each kind, and at least one; those
    of `alone` have their own.
    """
    groups: list[list[Step]] = []
    left = -math.inf
    for step in steps:
        takes = math.inf if step in alone else seconds[step.kind]
        if takes > left:
            groups.append([])
            left = 60 * cluster.group_minutes
        groups[-1].append(step)
        left -= takes
    return groups


def _queue() -> frozenset[str] | None:
    """Ids of all jobs of this user that wait or run; None where the controller does not answer."""
    command = ["squeue", "--noheader", "--array", f"--user={os.getuid()}", "--format=%i"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return None
    return frozenset(answer.stdout.split())
