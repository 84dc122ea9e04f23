"""From a spec to the graph of steps that answers it; nothing is computed here."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rbmflow.store import Step

if TYPE_CHECKING:
    from rbmflow.spec import Spec

VERSIONS = {
    "draws": 2,
    "thermometer": 2,
    "calibration": 2,
    "null": 2,
    "machine": 2,
    "spectrum": 1,
    "flow": 2,
    "reading": 1,
    "results": 1,
}
"""Version of each kind of step, a part of its hash: raised whenever the same settings give other numbers."""


def _step(kind: str, name: str, settings: dict[str, Any], *parents: Step) -> Step:
    return Step(kind, name, settings, parents, VERSIONS[kind])


def graph(spec: Spec) -> tuple[Step, ...]:
    """All steps of a run, parents before children; the last one is its results.

    Parameters
    ----------
    spec
        What to run.

    Returns
    -------
    tuple of Step
        Draws, thermometer, its calibration, a mixture null for each type, and for every machine (type, size, seed)
        its training, its spectrum, one flow a start and one reading a flow.
    """
    model = asdict(spec.model)
    grid = list(spec.sampling.temperatures)
    draws = _step("draws", "draws", {"seed": spec.seed, "model": model, "sampling": asdict(spec.sampling)})
    of_thermometer = {"seed": spec.seed, "model": model, "temperatures": grid, "thermometer": asdict(spec.thermometer)}
    thermometer = _step("thermometer", "thermometer", of_thermometer)
    fresh = {"seed": spec.seed, "model": model, "temperatures": grid, "draws": spec.sampling.draws}
    calibration = _step("calibration", "thermometer check", fresh, thermometer)
    steps = [draws, thermometer, calibration]
    gathered = [calibration]
    machines = []
    for name in spec.types:
        null = _null(spec, name, thermometer)
        steps.append(null)
        for hidden in spec.hidden_units(name):
            machines.append({"label": f"{name}-{hidden}", "type": name, "hidden": hidden})
            gathered.append(null)
            for seed in range(spec.seeds):
                branch = _machine_branch(spec, name, hidden, seed, draws, thermometer)
                steps += branch
                # Configurations are shown for the first seed only, so only its flows are read again.
                gathered += [step for step in branch if step.kind != "flow" or seed == 0]
    layout = {"machines": machines, "seeds": spec.seeds, "starts": [start_label(s) for s in spec.flow.starts]}
    settings = {"model": model, "temperatures": grid, "chains": spec.flow.chains, **layout}
    return (*steps, _step("results", "results", settings, *gathered))


def start_label(start: str | float) -> str:
    """Name of a start in figures and tables."""
    return start if isinstance(start, str) else f"T = {start:g}"


def _null(spec: Spec, name: str, thermometer: Step) -> Step:
    settings = {
        "seed": spec.seed,
        "model": asdict(spec.model),
        "temperatures": list(spec.sampling.temperatures),
        "mixture": list(spec.type_temperatures(name)),
        "draws": spec.sampling.draws,
    }
    return _step("null", f"mixture null {name}", settings, thermometer)


def _machine_branch(spec: Spec, name: str, hidden: int, seed: int, draws: Step, thermometer: Step) -> list[Step]:
    """Training, spectrum, and flow and reading for every start, of one machine."""
    label = f"{name}-{hidden} seed {seed}"
    of_machine = {
        "seed": spec.seed,
        "replica": seed,
        "temperatures": list(spec.type_temperatures(name)),
        "machine": asdict(spec.machine) | {"hidden": hidden},
        "training": asdict(spec.training),
    }
    machine = _step("machine", f"machine {label}", of_machine, draws)
    branch = [machine, _step("spectrum", f"spectrum {label}", {}, machine)]
    model = asdict(spec.model)
    for start in spec.flow.starts:
        of_flow = {
            "seed": spec.seed,
            "model": model,
            "start": start,
            "chains": spec.flow.chains,
            "iterations": spec.flow.iterations,
        }
        flow = _step("flow", f"flow {label} {start_label(start)}", of_flow, machine)
        of_reading = {"model": model, "temperatures": list(spec.sampling.temperatures)}
        reading = _step("reading", f"reading {label} {start_label(start)}", of_reading, flow, thermometer)
        branch += [flow, reading]
    return branch
