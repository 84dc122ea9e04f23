"""The likelihood of a machine: its partition function, and its distance from the truth in nats."""

from rbmflow.likelihood.excess import Nats, excess_nats, log_mixture_probability, log_probability
from rbmflow.likelihood.partition import (
    LogPartition,
    annealed_log_partition,
    bennett,
    exact_log_partition,
    free_energy,
    log_partition,
)
from rbmflow.likelihood.trajectory import trajectory_log_partition

__all__ = [
    "LogPartition",
    "Nats",
    "annealed_log_partition",
    "bennett",
    "exact_log_partition",
    "excess_nats",
    "free_energy",
    "log_mixture_probability",
    "log_partition",
    "log_probability",
    "trajectory_log_partition",
]
