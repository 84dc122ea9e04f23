"""The likelihood of a machine: its partition function, and its distance from the truth in nats."""

from rbmflow.likelihood.annealing import annealed_log_partition
from rbmflow.likelihood.importance import (
    Nats,
    effective_share,
    excess_nats,
    log_partition,
    log_weights,
    machine_mean,
)
from rbmflow.likelihood.partition import LogPartition, bennett, exact_log_partition, free_energy
from rbmflow.likelihood.probability import log_mixture_probability, log_probability
from rbmflow.likelihood.trajectory import trajectory_log_partition

__all__ = [
    "LogPartition",
    "Nats",
    "annealed_log_partition",
    "bennett",
    "effective_share",
    "exact_log_partition",
    "excess_nats",
    "free_energy",
    "log_mixture_probability",
    "log_partition",
    "log_probability",
    "log_weights",
    "machine_mean",
    "trajectory_log_partition",
]
