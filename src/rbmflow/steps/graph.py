"""From a spec to the graph of steps that answers it; nothing is computed here."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rbmflow.settings import start_label
from rbmflow.store import Step

if TYPE_CHECKING:
    from rbmflow.settings import TypeSettings
    from rbmflow.spec import Spec

VERSIONS = {
    "draws": 3,
    "thermometer": 3,
    "calibration": 4,
    "null": 3,
    "correlation": 1,
    "machine": 4,
    "control": 1,
    "spectrum": 2,
    "likelihood": 2,
    "ladder": 2,
    "flow": 5,
    "reading": 4,
    "renormalization": 1,
    "results": 5,
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
        Draws (a type with data of its own has its own), thermometer, its calibration, two-point functions, a mixture
        null for each type, for every machine (type, size, seed) its training, the control that stands in for it if
        its type is one, its spectrum, its likelihood if it was trained on Ising configurations, one flow a start and
        one reading a flow, and block spins.
    """
    model = spec.model.differing()
    grid = list(spec.sampling.temperatures)
    draws = _step("draws", "draws", {"seed": spec.seed, "model": model, "sampling": spec.sampling.differing()})
    of_thermometer = {"seed": spec.seed, "model": model, "temperatures": grid}
    of_thermometer["thermometer"] = spec.thermometer.differing()
    thermometer = _step("thermometer", "thermometer", of_thermometer)
    fresh = {"seed": spec.seed, "model": model, "temperatures": grid, "draws": spec.sampling.draws}
    calibration = _step("calibration", "thermometer check", fresh, thermometer)
    correlation = _correlation(model, grid, "two-point functions", draws)
    steps = [draws, thermometer, calibration, correlation]
    gathered = [calibration]
    machines: dict[tuple[str, ...], dict[str, Any]] = {}
    for name in spec.types:
        null = _null(spec, name, thermometer)
        data = _own_draws(spec, name) or draws
        steps += [null, data]
        for hidden in spec.hidden_units(name):
            gathered.append(null)
            artifacts = []
            for seed in range(spec.seeds):
                branch = _machine_branch(spec, name, hidden, seed, data, correlation, thermometer)
                steps += branch
                # Configurations are shown for the first seed only, so only its flows are read again.
                gathered += [step for step in branch if step.kind != "flow" or seed == 0]
                artifacts += [step.parents[0].hash for step in branch if step.kind == "spectrum"]
            # A machine is its artifacts: types that share one have one row, with both names.
            row = machines.setdefault(tuple(artifacts), {"type": name, "null": null.hash, "artifacts": artifacts})
            row["label"] = " = ".join([*filter(None, [row.get("label")]), f"{name}-{hidden}"])
    if spec.renormalization.length:
        blocked = {"seed": spec.seed, "model": model, "classes": grid}
        blocked["renormalization"] = spec.renormalization.differing()
        gathered.append(_step("renormalization", "block spins", blocked, thermometer))
        steps.append(gathered[-1])
    layout = {"machines": list(machines.values()), "starts": [start_label(start) for start in spec.flow.starts]}
    settings = {"model": model, "temperatures": grid, "chains": spec.flow.chains, **layout}
    # Types that differ in their weights alone share their trained machines.
    once: dict[str, Step] = {}
    for step in steps:
        once.setdefault(step.hash, step)
    return (*once.values(), _step("results", "results", settings, *dict.fromkeys(gathered)))


def group(step: Step) -> str | None:
    """Label that steps have in common which `compute_together` can compute at once; None if it must stand alone.

    These are machines that differ in their seed only.
    """
    if step.kind != "machine":
        return None
    shared = {name: value for name, value in step.settings.items() if name != "replica"}
    return json.dumps([step.version, shared, [parent.hash for parent in step.parents]], sort_keys=True)


def _own_draws(spec: Spec, name: str) -> Step | None:
    """Draws of a type whose training configurations are not among those of the run."""
    kind, temperatures = spec.types[name], spec.type_temperatures(name)
    if kind.data == "ising" and set(temperatures) <= set(spec.sampling.temperatures):
        return None
    sampling = replace(spec.sampling, temperatures=temperatures).differing()
    settings = {"seed": spec.seed, "model": spec.model.differing(), "sampling": sampling}
    return _step("draws", f"draws {name}", settings | _data(kind))


UNSEEN = 200
"""Configurations at each temperature that likelihoods are averaged over."""


def _unseen(spec: Spec, name: str) -> Step:
    """Configurations that no machine is trained on; all types share those of the run's temperatures."""
    grid, own = spec.sampling.temperatures, spec.type_temperatures(name)
    among = set(own) <= set(grid)
    sampling = replace(spec.sampling, temperatures=grid if among else own, draws=UNSEEN).differing()
    settings = {"seed": spec.seed, "model": spec.model.differing(), "sampling": sampling, "purpose": "unseen"}
    return _step("draws", "unseen draws" if among else f"unseen draws {name}", settings)


def _correlation(
    model: dict[str, Any], temperatures: list[float], name: str, draws: Step, data: dict[str, str] | None = None
) -> Step:
    return _step("correlation", name, {"model": model, "temperatures": temperatures, **(data or {})}, draws)


def _data(kind: TypeSettings) -> dict[str, str]:
    """What has to be said of the data of a type: nothing, if they are the usual ones."""
    return {} if kind.data == "ising" else {"data": kind.data}


def _null(spec: Spec, name: str, thermometer: Step) -> Step:
    settings = {
        "seed": spec.seed,
        "model": spec.model.differing(),
        "temperatures": list(spec.sampling.temperatures),
        "mixture": list(spec.type_temperatures(name)),
        "draws": spec.sampling.draws,
        **_data(spec.types[name]),
    }
    return _step("null", f"mixture null {name}", settings, thermometer)


def _machine_branch(
    spec: Spec, name: str, hidden: int, seed: int, draws: Step, correlation: Step, thermometer: Step
) -> list[Step]:
    """Training, spectrum, likelihood, and flow and reading for every start, of one machine."""
    label = f"{name}-{hidden} seed {seed}"
    of_machine = {
        "seed": spec.seed,
        "model": spec.model.differing(),
        "replica": seed,
        "temperatures": list(spec.type_temperatures(name)),
        "machine": replace(spec.machine, hidden=hidden).differing(),
        "training": spec.training.differing(),
    }
    machine = _step("machine", f"machine {label}", of_machine, draws)
    branch = [machine]
    weights = spec.types[name].weights
    if weights != "trained":
        of_control = {name: of_machine[name] for name in ("seed", "model", "machine")} | {"weights": weights}
        machine = _step("control", f"{weights} weights {label}", of_control, machine)
        branch.append(machine)
    model = of_machine["model"]
    kept = of_machine["temperatures"]
    kind = spec.types[name]
    mixture = _correlation(model, kept, f"two-point functions {name}", draws, _data(kind))
    of_spectrum = {"seed": spec.seed, "model": model, "temperatures": kept}
    branch += [mixture, _step("spectrum", f"spectrum {label}", of_spectrum, machine, correlation, mixture, draws)]
    if kind.data == "ising" and weights == "trained":
        of_likelihood = {"seed": spec.seed, "model": model, "mixture": kept}
        unseen = _unseen(spec, name)
        branch += [unseen, _step("likelihood", f"likelihood {label}", of_likelihood, machine, unseen)]
    if spec.flow.along_training and weights == "trained":
        asked = spec.flow.differing("along_training", "halves", "keep")
        of_ladder = {"seed": spec.seed, "model": model, "flow": asked}
        branch.append(_step("ladder", f"ladder {label}", of_ladder, machine))
    ordered = replace(spec.flow, keep=tuple(sorted(set(spec.flow.keep))))
    asked = ordered.differing("along_training", "starts")
    for start in spec.flow.starts:
        of_flow = {"seed": spec.seed, "model": model, "start": start, "flow": asked}
        flow = _step("flow", f"flow {label} {start_label(start)}", of_flow, machine)
        of_reading = {"seed": spec.seed, "model": model, "temperatures": list(spec.sampling.temperatures)}
        reading = _step("reading", f"reading {label} {start_label(start)}", of_reading, flow, thermometer)
        branch += [flow, reading]
    return branch
