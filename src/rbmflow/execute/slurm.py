"""A Slurm cluster: what its jobs ask for, and what submitting to it needs on this machine."""

import importlib.util
import os
import re
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path

from rbmflow import spec
from rbmflow._checks import InvalidInput, Problem, Problems
from rbmflow.execute.surroundings import THREADS

_WORD = re.compile(r"[A-Za-z0-9_.,:&|*+\[\]()=-]*")

_BEFORE_PYTHON = tuple(f"export {name}=1" for name in ("PYTHONSAFEPATH", *THREADS))
"""What a job sets before Python starts: a `types.py` in the working folder is not Python's, and sums of NumPy's
products depend on the number of threads."""


@dataclass(frozen=True)
class Slurm:
    """How jobs are submitted to Slurm; every empty text leaves the choice to the cluster.

    Slurm's `sbatch` has the meaning of partition, account, QOS, constraint, time and memory.
    """

    partition: str = ""
    """Partition, or several with commas between."""
    account: str = ""
    """Account that the time is charged to."""
    qos: str = ""
    """Quality of service."""
    constraint: str = ""
    """Features that a node must have."""
    minutes: int = 60
    """Time limit of a job; a longer training goes on from its checkpoint in the next job."""
    memory_gb: float = 2.0
    """Memory of a job."""
    gpus: int = 0
    """GPUs of a job."""
    group_minutes: float = 10.0
    """Computing time that the steps of one job shall have together, by what their kinds take in the store."""
    jobs: int = 200
    """Jobs that are submitted at a time; an array is never longer."""
    tries: int = 3
    """Jobs that a step may be lost with before it counts as failed."""
    requeues: int = 100
    """Time limits that a job may run into; at each but the last it is queued again."""
    setup: tuple[str, ...] = ()
    """Lines of shell that a job runs before Python, such as `module load`."""
    folder: str = ""
    """Absolute path of the folder of submissions, answers and logs, which all nodes see and only this user can write;
    `.local/state/rbmflow/slurm` in the home where it is empty."""

    def __post_init__(self):
        problems = Problems()
        for name in ("partition", "account", "qos", "constraint"):
            value = getattr(self, name)
            named = _WORD.fullmatch(value) is not None
            problems.unless(named, name, value, "it must be a name of Slurm's, without spaces")
        absolute = not self.folder or Path(self.folder).is_absolute()
        problems.unless(absolute and self.folder.isprintable(), "folder", self.folder, "it must be an absolute path")
        for name, least in {"minutes": 1, "gpus": 0, "tries": 1, "requeues": 0}.items():
            problems.whole(name, getattr(self, name), least)
        problems.whole("jobs", self.jobs, 1, 1000)
        for name in ("memory_gb", "group_minutes"):
            problems.positive(name, getattr(self, name))
        problems.done()
        told = f"it must be at most the time limit of a job, minutes = {self.minutes}"
        problems.only(self.group_minutes <= self.minutes, "group_minutes", self.group_minutes, told)

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
