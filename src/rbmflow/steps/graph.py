"""From a spec to the graph of steps that answers it; nothing is computed here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rbmflow.steps.kinds.calibration_step import calibration_of
from rbmflow.steps.kinds.checkpoint_flow_step import checkpoint_flow_of
from rbmflow.steps.kinds.control_step import control_of
from rbmflow.steps.kinds.correlation_step import correlation_of_run, correlation_of_type
from rbmflow.steps.kinds.draws_step import draws_of_run, draws_of_type
from rbmflow.steps.kinds.equilibrium_step import instruments_of
from rbmflow.steps.kinds.flow_step import flow_of
from rbmflow.steps.kinds.likelihood_step import likelihood_of
from rbmflow.steps.kinds.machine_step import machine_of
from rbmflow.steps.kinds.null_step import null_of
from rbmflow.steps.kinds.reading_step import reading_of
from rbmflow.steps.kinds.renormalization_step import renormalization_of
from rbmflow.steps.kinds.results_step import results_of
from rbmflow.steps.kinds.spectrum_step import spectrum_of
from rbmflow.store import Step

if TYPE_CHECKING:
    from rbmflow.spec import Spec


def graph(spec: Spec) -> tuple[Step, ...]:
    """All steps of a run, parents before children; the last one is its results.

    Parameters
    ----------
    spec
        What to run.

    Returns
    -------
    tuple of Step
        Draws (a type with data of its own has its own), the neural thermometer, equilibrium draws if a curve is not
        known exactly, the check of all thermometers, two-point functions, a mixture
        null for each type, for every machine (type, size, seed) its training, the control that stands in for it if
        its type is one, its spectrum, its likelihood if it was trained on Ising configurations, one flow a start and
        one reading a flow, and block spins.
    """
    draws, instruments = draws_of_run(spec), instruments_of(spec)
    calibration, correlation = calibration_of(spec, *instruments), correlation_of_run(spec, draws)
    steps = [draws, *instruments, calibration, correlation]
    gathered = [calibration]
    machines: dict[tuple[str, ...], dict[str, Any]] = {}
    for name in spec.types:
        null, data = null_of(spec, name, *instruments), draws_of_type(spec, name)
        steps += [null, data]
        for hidden in spec.hidden_units(name):
            gathered.append(null)
            artifacts = []
            for seed in range(spec.seeds):
                branch = _machine_branch(spec, name, hidden, seed, data, correlation, instruments)
                steps += branch
                # Configurations are shown for the first seed only, so only its flows are read again.
                gathered += [step for step in branch if step.kind != "flow" or seed == 0]
                artifacts += [step.parents[0].hash for step in branch if step.kind == "spectrum"]
            # A machine is its artifacts: types that share one have one row, with both names.
            row = machines.setdefault(tuple(artifacts), {"null": null.hash, "artifacts": artifacts})
            for key, own in (("type", name), ("label", f"{name}-{hidden}")):
                row[key] = f"{row[key]} = {own}" if key in row else own
    if spec.renormalization.length:
        gathered.append(renormalization_of(spec, *instruments))
        steps.append(gathered[-1])
    # Types that differ in their weights alone share their trained machines.
    once: dict[str, Step] = {}
    for step in steps:
        once.setdefault(step.hash, step)
    return (*once.values(), results_of(spec, list(machines.values()), gathered))


def _machine_branch(
    spec: Spec, name: str, hidden: int, seed: int, draws: Step, correlation: Step, instruments: tuple[Step, ...]
) -> list[Step]:
    """Training, spectrum, likelihood, and flow and reading for every start, of one machine."""
    label, kind = f"{name}-{hidden} seed {seed}", spec.types[name]
    branch = [machine := machine_of(spec, name, hidden, seed, label, draws)]
    if kind.weights != "trained":
        branch.append(machine := control_of(kind.weights, label, machine))
    mixture = correlation_of_type(spec, name, draws)
    branch += [mixture, spectrum_of(spec, name, label, machine, correlation, mixture, draws)]
    if kind.weights == "trained" and kind.data == "ising":
        branch += likelihood_of(spec, name, label, machine)
    if kind.weights == "trained" and spec.flow.along_training:
        branch.append(checkpoint_flow_of(spec, label, machine))
    for start in spec.flow.starts:
        branch.append(flow := flow_of(spec, label, start, machine))
        branch.append(reading_of(spec, label, start, flow, *instruments))
    return branch
