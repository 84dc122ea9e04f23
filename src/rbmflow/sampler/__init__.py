"""Sampling: configurations of a model at given temperatures, exact ones or by Markov chains."""

from rbmflow.sampler.choice import method_for
from rbmflow.sampler.cluster_update import SwendsenWang, Wolff
from rbmflow.sampler.drawing import cold, hot, sample, thermal
from rbmflow.sampler.single_spin import HeatBath, Metropolis
from rbmflow.sampler.table_sweep import TableHeatBath
from rbmflow.sampler.table_transfer_matrix import TableTransferMatrix
from rbmflow.sampler.table_wolff import TableWolff
from rbmflow.sampler.transfer_matrix import TransferMatrix

__all__ = [
    "HeatBath",
    "Metropolis",
    "SwendsenWang",
    "TableHeatBath",
    "TableTransferMatrix",
    "TableWolff",
    "TransferMatrix",
    "Wolff",
    "cold",
    "hot",
    "method_for",
    "sample",
    "thermal",
]
