"""Execution: compute the steps that are missing, in any number of processes."""

from rbmflow.execute.children import Limits
from rbmflow.execute.dask import connect_dask
from rbmflow.execute.scheduling import Event, ExecutionFailed, missing, run
from rbmflow.execute.slurm import Slurm, load_slurm
from rbmflow.execute.surroundings import available_cores, available_memory, compute_in_one_thread, has_gpu, versions
from rbmflow.execute.workers import Executor

__all__ = [
    "Event",
    "ExecutionFailed",
    "Executor",
    "Limits",
    "Slurm",
    "available_cores",
    "available_memory",
    "compute_in_one_thread",
    "connect_dask",
    "has_gpu",
    "load_slurm",
    "missing",
    "run",
    "versions",
]
