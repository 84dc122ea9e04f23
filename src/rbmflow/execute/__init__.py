"""Execution: compute the steps that are missing, in any number of processes."""

from rbmflow.execute.scheduling import Event, ExecutionFailed, missing, run
from rbmflow.execute.surroundings import available_cores, versions

__all__ = ["Event", "ExecutionFailed", "available_cores", "missing", "run", "versions"]
