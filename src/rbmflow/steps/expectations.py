"""What the data of each kind of step must hold, stated from its settings without the science that computes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rbmflow.settings import (
    FlowSettings,
    MachineSettings,
    ModelSettings,
    RenormalizationSettings,
    SamplingSettings,
    ThermometerSettings,
    TrainingSettings,
)
from rbmflow.store.expected import EXPECTED, Expected

type Settings = Mapping[str, Any]


def _lattice(settings: Settings) -> tuple[int, dict[str, int]]:
    """Number of sites, and the lengths of the dimensions that the lattice decides."""
    side = ModelSettings(**settings["model"]).length
    half = side // 2 + 1
    return side**2, {"y": side, "x": side, "dy": half, "dx": half, "visible": side**2}


def _draws(settings: Settings) -> Expected:
    asked = SamplingSettings(**settings["sampling"])
    _, sizes = _lattice(settings)
    rows = "spins: spin[temperature draw y x]\ntau_int ess thinning discarded: real[temperature] 0 inf"
    return Expected(rows, sizes | {"draw": asked.draws}, {"temperature": asked.temperatures})


def _thermometer(settings: Settings) -> Expected:
    asked = ThermometerSettings(**settings["thermometer"])
    rows = """
        hidden_weights: real[visible hidden]
        hidden_bias: real[hidden]
        class_weights: real[hidden bin]
        class_bias: real[bin]
        mean_class: real[temperature]
    """
    return Expected(rows, _lattice(settings)[1] | {"hidden": asked.hidden}, {"bin": settings["temperatures"]})


def _calibration(settings: Settings) -> Expected:
    rows = """
        calibration calibration_error: real[temperature thermometer] 0 inf
        accuracy: real[classifier] 0 1
        cross_entropy: real[classifier] 0 inf
    """
    return Expected(rows, {"classifier": 2}, {"temperature": settings["temperatures"]})


def _correlation(settings: Settings) -> Expected:
    rows = "two_point: real[temperature y x] -1 1"
    return Expected(rows, _lattice(settings)[1], {"temperature": settings["temperatures"]})


def _null(settings: Settings) -> Expected:
    rows = """
        null_temperature: real[thermometer] 0 inf
        null_probability: real[classifier bin] 0 1
        null_energy: real[] -2 2
        null_abs_magnetization: real[] 0 1
        null_correlation: real[dy dx] -1 1
    """
    return Expected(rows, _lattice(settings)[1] | {"classifier": 2}, {"bin": settings["temperatures"]})


_WEIGHTS = """
    weights: real[visible hidden]
    visible_bias: real[visible]
    hidden_bias: real[hidden]
"""


def _machine(settings: Settings) -> Expected:
    hidden, epochs = MachineSettings(**settings["machine"]).hidden, TrainingSettings(**settings["training"]).epochs
    sites, sizes = _lattice(settings)
    rows = """
        update: integer[checkpoint] 0 inf
        checkpoint_weights: real[checkpoint visible hidden]
        pseudo_likelihood: real[checkpoint]
        checkpoint_singular_value: real[checkpoint mode] 0 inf
        reconstruction weight_norm: real[epoch] 0 inf
    """
    sizes |= {"hidden": hidden, "mode": min(sites, hidden)}
    return Expected(_WEIGHTS + rows, sizes, {"epoch": range(1, epochs + 1)})


def _control(settings: Settings) -> Expected:
    return Expected(_WEIGHTS, _lattice(settings)[1] | {"hidden": MachineSettings(**settings["machine"]).hidden})


def _spectrum(settings: Settings) -> Expected:
    rows = """
        singular_value: real[mode] 0 inf
        visible_vector: real[visible mode] -1 1
        hidden_vector: real[hidden mode] -1 1
        mode_power: real[mode shell] 0 1
        projection: real[temperature mode]
        measure_of_rung: real[rung measure]
        update: integer[rung] 0 inf
    """
    return Expected(rows, _lattice(settings)[1])


def _likelihood(settings: Settings) -> Expected:
    rows = """
        excess log_partition: real[]
        excess_error log_partition_error tau_energy tau_abs_magnetization: real[] 0 inf
        energy_overlap abs_magnetization_overlap cold_and_hot_agree: real[] 0 1
        checkpoint_update checkpoint_excess_error: real[checkpoint] 0 inf
    """
    return Expected(rows)


def _ladder(settings: Settings) -> Expected:
    asked = FlowSettings(**settings["flow"])
    rows = """
        ladder_energy: real[checkpoint start stage] -2 2
        ladder_abs_magnetization: real[checkpoint start stage] 0 1
        ladder_temperature_read: real[checkpoint start stage] 0 inf
        ladder_update: integer[checkpoint] 0 inf
    """
    return Expected(rows, {"start": len(asked.starts), "stage": 3})


def _flow(settings: Settings) -> Expected:
    asked = FlowSettings(**settings["flow"])
    sites, sizes = _lattice(settings)
    rows = f"""
        spins: spin[snapshot chain y x]
        energy: integer[iteration chain] {-2 * sites} {2 * sites}
        magnetization: integer[iteration chain] {-sites} {sites}
        long_wave: real[iteration chain] 0 inf
        correlation: real[iteration dy dx] -1 1
        diverged: truth[]
    """
    kept = asked.keep or range(asked.iterations + 1)
    return Expected(rows, sizes | {"chain": asked.chains, "iteration": asked.iterations + 1}, {"snapshot": kept})


def _reading(settings: Settings) -> Expected:
    rows = """
        temperature_read: real[iteration thermometer] 0 inf
        probability: real[iteration classifier bin] 0 1
        energy: real[iteration] -2 2
        abs_magnetization magnetization_2 magnetization_4: real[iteration] 0 1
        correlation: real[iteration dy dx] -1 1
        off_p_value: real[compared feature] 0 1
        was_read: truth[iteration thermometer]
    """
    return Expected(rows, _lattice(settings)[1] | {"classifier": 2}, {"bin": settings["temperatures"]})


def _renormalization(settings: Settings) -> Expected:
    asked = RenormalizationSettings(**settings["renormalization"])
    rows = """
        blocked_read: real[rule side blocked_temperature thermometer] 0 inf
        blocked_energy: real[rule side blocked_temperature] -2 2
        blocked_abs_magnetization: real[rule side blocked_temperature] 0 1
    """
    return Expected(rows, {"rule": 2}, {"blocked_temperature": asked.temperatures})


def _results(settings: Settings) -> Expected:
    rows = """
        temperature_read: real[machine seed start iteration thermometer] 0 inf
        end_temperature: real[machine start thermometer] 0 inf
        energy_mean: real[machine start iteration] -2 2
        abs_magnetization_mean: real[machine start iteration] 0 1
        converged: truth[machine thermometer]
        example: spin[machine start snapshot y x]
    """
    machines = [machine["label"] for machine in settings["machines"]]
    named = {"machine": machines, "start": settings["starts"], "temperature": settings["temperatures"]}
    return Expected(rows, _lattice(settings)[1] | {"seed": len(settings["machines"][0]["artifacts"])}, named)


EXPECTED |= {
    "draws": _draws,
    "thermometer": _thermometer,
    "calibration": _calibration,
    "correlation": _correlation,
    "null": _null,
    "machine": _machine,
    "control": _control,
    "spectrum": _spectrum,
    "likelihood": _likelihood,
    "ladder": _ladder,
    "flow": _flow,
    "reading": _reading,
    "renormalization": _renormalization,
    "results": _results,
}
