"""What submitting to Slurm needs on this machine: its commands, submitit, and a folder that nobody else can write."""

import importlib.util
import os
import shutil
import stat
from pathlib import Path

from rbmflow._checks import InvalidInput, Problem, Problems
from rbmflow.execute.slurm_settings import Slurm


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
