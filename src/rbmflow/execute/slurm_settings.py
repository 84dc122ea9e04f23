"""A Slurm cluster: what its jobs ask for."""

import dataclasses
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rbmflow._checks import InvalidInput, Problem, Problems
from rbmflow.execute.surroundings import THREADS

_WORD = re.compile(r"[A-Za-z0-9_.,:&|*+\[\]()=-]*")

_BEFORE_PYTHON = tuple(f"export {name}=1" for name in ("PYTHONSAFEPATH", *THREADS))
"""What a job sets before Python starts: a `types.py` in the working folder is not Python's, and sums of NumPy's
products depend on the number of threads."""

_KINDS = {str: "text", int: "a whole number", float: "a number"}


@dataclass(frozen=True)
class Slurm:
    """How jobs are submitted to Slurm; every empty text leaves the choice to the cluster.

    Raises
    ------
    InvalidInput
        With every problem found.

    References
    ----------
    Slurm's `sbatch` for the meaning of partition, account, QOS, constraint, time and memory.
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
    """Computing time that the steps of one job shall have together, by the estimate of `rbmflow plan`."""
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
        problems.whole("minutes", self.minutes, 1)
        problems.positive("memory_gb", self.memory_gb)
        problems.whole("gpus", self.gpus, 0)
        problems.positive("group_minutes", self.group_minutes)
        problems.whole("jobs", self.jobs, 1, 1000)
        problems.whole("tries", self.tries, 1)
        problems.whole("requeues", self.requeues, 0)
        problems.done()
        problems.unless(
            self.group_minutes <= self.minutes,
            "group_minutes",
            self.group_minutes,
            f"it must be at most the time limit of a job, minutes = {self.minutes}",
        )
        problems.done()

    def parameters(self) -> dict[str, object]:
        """What submitit's executor for Slurm is to be told."""
        told = {
            "partition": self.partition,
            "account": self.account,
            "qos": self.qos,
            "constraint": self.constraint,
            "gpus_per_node": self.gpus,
            "setup": [*_BEFORE_PYTHON, *self.setup],
        }
        return {name: value for name, value in told.items() if value} | {
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
    """Read the settings of a cluster from a TOML file.

    Parameters
    ----------
    path
        The file; its entries are the fields of `Slurm`.

    Raises
    ------
    InvalidInput
        If it cannot be read, is not TOML, or has something else in it.
    """
    try:
        data = tomllib.loads(Path(path).read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        allowed = f"it must be a TOML file with the settings of a cluster ({why})"
        raise InvalidInput(Problem("slurm", str(path), allowed)) from error
    defaults = {field.name: field.default for field in dataclasses.fields(Slurm)}
    problems = Problems()
    for name, value in data.items():
        if name not in defaults:
            problems.unless(False, name, value, f"there is no such field; a cluster has {', '.join(defaults)}")
        elif isinstance(defaults[name], tuple):
            lines = isinstance(value, list) and all(isinstance(line, str) for line in value)
            problems.unless(lines, name, value, "it must be a list of lines of shell")
        else:
            wanted = (int, float) if isinstance(defaults[name], float) else type(defaults[name])
            fits = isinstance(value, wanted) and not isinstance(value, bool)
            problems.unless(fits, name, value, f"it must be {_KINDS[type(defaults[name])]}")
    problems.done()
    given: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in data.items()}
    return Slurm(**given)
