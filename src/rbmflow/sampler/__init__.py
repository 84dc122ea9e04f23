"""Sampling: configurations of a model at given temperatures, exact ones or by Markov chains."""

from rbmflow.sampler.choice import method_for as method_for
from rbmflow.sampler.cluster_update import SwendsenWang as SwendsenWang, Wolff as Wolff
from rbmflow.sampler.drawing import cold as cold, hot as hot, sample as sample, thermal as thermal
from rbmflow.sampler.single_spin import HeatBath as HeatBath, Metropolis as Metropolis
from rbmflow.sampler.table_sweep import TableHeatBath as TableHeatBath
from rbmflow.sampler.table_transfer_matrix import TableTransferMatrix as TableTransferMatrix
from rbmflow.sampler.table_wolff import TableWolff as TableWolff
from rbmflow.sampler.transfer_matrix import TransferMatrix as TransferMatrix
