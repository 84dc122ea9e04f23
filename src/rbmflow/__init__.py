"""A laboratory for RBM flows on lattice spin models.

The same path in a notebook, from temperatures to weights, is seven calls: `sample`, `train`, `hot` or `cold`,
`iterate`, a thermometer's `read`, and `decompose`; `exact` has the finite-size formulas beside them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rbmflow import exact
    from rbmflow._scan import Interrupted
    from rbmflow.convergence import FlowEnds, end_of_flows
    from rbmflow.dataset import Draws
    from rbmflow.flow import Flow, iterate
    from rbmflow.lattice import Square
    from rbmflow.likelihood import (
        LogPartition,
        excess_nats,
        log_partition,
        log_probability,
        machine_mean,
        trajectory_log_partition,
    )
    from rbmflow.model import Ising
    from rbmflow.rbm import RBM
    from rbmflow.sampler import HeatBath, Metropolis, SwendsenWang, TransferMatrix, Wolff, cold, hot, sample, thermal
    from rbmflow.sampler.on_disk import sample_to
    from rbmflow.spectrum import Spectrum, decompose
    from rbmflow.thermometer import (
        BayesThermometer,
        CorrelationThermometer,
        EnergyThermometer,
        MagnetizationThermometer,
        NeuralThermometer,
        train_thermometer,
    )
    from rbmflow.training import CD, PCD, PTT, Exact, History, train, train_ensemble

__version__ = "0.1.0"

_PLACES = {
    "FlowEnds": "convergence",
    "end_of_flows": "convergence",
    "Interrupted": "_scan",
    "Draws": "dataset",
    "Flow": "flow",
    "iterate": "flow",
    "Square": "lattice",
    "Ising": "model",
    "RBM": "rbm",
    "HeatBath": "sampler",
    "Metropolis": "sampler",
    "SwendsenWang": "sampler",
    "TransferMatrix": "sampler",
    "Wolff": "sampler",
    "sample_to": "sampler.on_disk",
    "cold": "sampler",
    "hot": "sampler",
    "sample": "sampler",
    "thermal": "sampler",
    "Spectrum": "spectrum",
    "decompose": "spectrum",
    "BayesThermometer": "thermometer",
    "CorrelationThermometer": "thermometer",
    "EnergyThermometer": "thermometer",
    "MagnetizationThermometer": "thermometer",
    "NeuralThermometer": "thermometer",
    "train_thermometer": "thermometer",
    "CD": "training",
    "Exact": "training",
    "PCD": "training",
    "PTT": "training",
    "History": "training",
    "train": "training",
    "train_ensemble": "training",
    "LogPartition": "likelihood",
    "machine_mean": "likelihood",
    "excess_nats": "likelihood",
    "log_partition": "likelihood",
    "log_probability": "likelihood",
    "trajectory_log_partition": "likelihood",
}

__all__ = [
    "CD",
    "PCD",
    "PTT",
    "RBM",
    "BayesThermometer",
    "CorrelationThermometer",
    "Draws",
    "EnergyThermometer",
    "Exact",
    "Flow",
    "FlowEnds",
    "HeatBath",
    "History",
    "Interrupted",
    "Ising",
    "LogPartition",
    "MagnetizationThermometer",
    "Metropolis",
    "NeuralThermometer",
    "Spectrum",
    "Square",
    "SwendsenWang",
    "TransferMatrix",
    "Wolff",
    "cold",
    "decompose",
    "end_of_flows",
    "exact",
    "excess_nats",
    "hot",
    "iterate",
    "log_partition",
    "log_probability",
    "machine_mean",
    "sample",
    "sample_to",
    "thermal",
    "train",
    "train_ensemble",
    "train_thermometer",
    "trajectory_log_partition",
]


def __getattr__(name: str) -> Any:
    # Public names are imported on first use, so that `rbmflow --help` does not wait for jax.
    if name == "exact":
        return import_module("rbmflow.exact")
    if name in _PLACES:
        return getattr(import_module(f"rbmflow.{_PLACES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
