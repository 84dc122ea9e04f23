"""Specs: everything a run is determined by, from TOML and back to TOML."""

from rbmflow.settings import (
    FlowSettings,
    MachineSettings,
    ModelSettings,
    SamplingSettings,
    ThermometerSettings,
    TrainingSettings,
    TypeSettings,
)
from rbmflow.spec.contents import Spec
from rbmflow.spec.reading import Field, fields, load, parse, shipped, to_toml

__all__ = [
    "Field",
    "FlowSettings",
    "MachineSettings",
    "ModelSettings",
    "SamplingSettings",
    "Spec",
    "ThermometerSettings",
    "TrainingSettings",
    "TypeSettings",
    "fields",
    "load",
    "parse",
    "shipped",
    "to_toml",
]
