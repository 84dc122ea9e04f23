"""The likelihood of a machine: its partition function, and its distance from the truth in nats."""

from rbmflow.likelihood.annealing import annealed_log_partition as annealed_log_partition
from rbmflow.likelihood.importance import (
    Nats as Nats,
    effective_share as effective_share,
    excess_nats as excess_nats,
    log_partition as log_partition,
    log_weights as log_weights,
    machine_mean as machine_mean,
)
from rbmflow.likelihood.partition import (
    LogPartition as LogPartition,
    bennett as bennett,
    exact_log_partition as exact_log_partition,
    free_energy as free_energy,
    log_mixture_probability as log_mixture_probability,
    log_probability as log_probability,
)
from rbmflow.likelihood.stationary import (
    Stationary as Stationary,
    ising_divergence as ising_divergence,
    stationary_law as stationary_law,
)
from rbmflow.likelihood.trajectory import trajectory_log_partition as trajectory_log_partition
