"""Execution: compute the steps that are missing, in any number of processes."""

from rbmflow.execute.children import Limits as Limits
from rbmflow.execute.dask import connect_dask as connect_dask
from rbmflow.execute.scheduling import (
    Event as Event,
    ExecutionFailed as ExecutionFailed,
    missing as missing,
    run as run,
)
from rbmflow.execute.slurm import Slurm as Slurm, load_slurm as load_slurm
from rbmflow.execute.surroundings import (
    available_cores as available_cores,
    available_memory as available_memory,
    compute_in_one_thread as compute_in_one_thread,
    has_gpu as has_gpu,
    versions as versions,
)
from rbmflow.execute.workers import Executor as Executor
