"""From a spec to the graph of steps that answers it; nothing is computed here."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rbmflow._registry import Registry
from rbmflow.settings import (
    CONTROLS,
    MACHINES,
    OBSERVABLES,
    RECIPES,
    SOURCES,
    THERMOMETERS,
    LatticeSettings,
    is_summed,
    start_label,
)
from rbmflow.steps.given_files import given_data, given_machines
from rbmflow.steps.kinds.calibration_step import calibration
from rbmflow.steps.kinds.cascade_step import cascade
from rbmflow.steps.kinds.checkpoint_flow_step import checkpoint_flow
from rbmflow.steps.kinds.control_step import control
from rbmflow.steps.kinds.correlation_step import correlation
from rbmflow.steps.kinds.correlators_step import correlators
from rbmflow.steps.kinds.couplings_step import couplings
from rbmflow.steps.kinds.draws_step import UNSEEN, draws
from rbmflow.steps.kinds.drift_step import drift
from rbmflow.steps.kinds.equilibrium_step import equilibrium
from rbmflow.steps.kinds.flow_step import flow
from rbmflow.steps.kinds.given_step import given
from rbmflow.steps.kinds.layers_step import layers
from rbmflow.steps.kinds.learner_step import learner
from rbmflow.steps.kinds.likelihood_step import likelihood
from rbmflow.steps.kinds.machine_step import machine
from rbmflow.steps.kinds.null_step import null
from rbmflow.steps.kinds.prediction_step import prediction
from rbmflow.steps.kinds.reading_step import reading
from rbmflow.steps.kinds.renormalization_step import renormalization
from rbmflow.steps.kinds.results_step import results
from rbmflow.steps.kinds.scaling_step import scaling
from rbmflow.steps.kinds.spectrum_step import spectrum
from rbmflow.steps.kinds.stability_step import stability
from rbmflow.steps.kinds.thermodynamics_step import thermodynamics
from rbmflow.steps.kinds.thermometer_step import thermometer
from rbmflow.store import Step

if TYPE_CHECKING:
    from rbmflow.spec import Spec, Variant


NOT_OF_FLOWS = ("along_training", "from_exact", "predicted")
"""Settings of flows that ask for other steps."""


def graph(spec: Spec) -> tuple[Step, ...]:
    """All steps of a run, parents before children; the last one is its results.

    Draws (a type with data of its own has its own), the neural thermometer, equilibrium draws if a curve is not known
    exactly, the check of all thermometers, two-point functions, a mixture null for each type, for every machine (type,
    size, seed) its training, the control that stands in for it if its type is one, of an RBM a spectrum and the
    cascade of waves that it learnt, its likelihood if it was trained on configurations of the model, thermodynamics
    and couplings if these were of one temperature, one flow a start and one reading a flow, block spins, and the
    stability matrix of these; if asked for, the layers of stacks as changes of scale, the scaling dimensions of every
    flow, the correlators of hidden units, the stationary law that theory predicts along the training, and what becomes
    of exact configurations.
    """
    instruments, read_by = _instruments(spec), _read_by(spec)
    check = calibration.of(spec, "thermometer check", *instruments, **read_by)
    drawn = draws.of(spec, "draws")
    steps, gathered = [drawn, *instruments, check], [check]
    if not spec.square_ising:
        gathered += instruments[1:]  # They tell the maximum of the specific heat.
    machines: dict[tuple[str, ...], dict[str, Any]] = {}
    for one in spec.variants:
        files = given_machines(spec, one.type)
        one = one._replace(hidden=files[0]["machine"].hidden) if files else one
        data, read = _data_of(spec, one.type), {"mixture": one.temperatures, **read_by}
        expected = null.of(spec, f"mixture null {one.type}{one.at}", *instruments, **read, **data)
        learnt = _draws_of_type(spec, one.type, drawn)
        steps += [expected, learnt]
        gathered.append(expected)
        artifacts = []
        for seed in range(spec.seeds):
            branch = _machine_branch(spec, one, seed, learnt, instruments, *files[seed : seed + 1])
            steps += branch
            # Configurations are shown for the first seed only, so only its flows are read again.
            gathered += [step for step in branch if step.kind != "flow" or seed == 0]
            artifacts.append(next(step.parents[0].hash for step in branch if step.kind == "flow"))
        # A machine is its artifacts: types that share one have one row, with both names.
        row = machines.setdefault(tuple(artifacts), {"null": expected.hash, "artifacts": artifacts})
        for key, own in (("type", one.type), ("label", one.label)):
            row[key] = f"{row[key]} = {own}" if key in row else own
    if spec.renormalization.length:
        larger = _larger_curves(spec)
        asked = {"classes": spec.sampling.temperatures, **read_by}
        steps += [*larger, renormalization.of(spec, "block spins", *instruments, *larger, **asked)]
        gathered.append(steps[-1])
    if spec.stability.length:
        steps.append(stability.of(spec, "stability of block spins", stability=spec.stability.differing("layers")))
        gathered.append(steps[-1])
    # Types that differ in their weights alone share their trained machines.
    once: dict[str, Step] = {}
    for step in steps:
        once.setdefault(step.hash, step)
    starts = list(map(start_label, spec.flow.starts))
    whole = results.of(spec, "results", *dict.fromkeys(gathered), machines=list(machines.values()), starts=starts)
    return (*once.values(), whole)


def _machine_branch(
    spec: Spec, variant: Variant, seed: int, drawn: Step, instruments: tuple[Step, ...], *of_file: dict[str, Any]
) -> list[Step]:
    """Training and what is measured of it, and flow and reading for every start, of one machine."""
    label, about = f"{variant.label} seed {seed}", replace(spec.machine, hidden=variant.hidden)
    learning = {"temperatures": variant.temperatures, "machine": about, "replica": seed}
    if about.kind == "rbm":
        if of_file:
            first = given.of(spec, f"given machine {label}", drawn, temperatures=variant.temperatures, **of_file[0])
        else:
            recipe = _source_of(RECIPES, spec.training.estimator)
            first = machine.of(spec, f"machine {label}", drawn, **learning, **recipe)
        branch = _rbm_branch(spec, variant, label, first, drawn, instruments)
        one = next(step for step in reversed(branch) if step.kind in ("machine", "given", "control"))
    else:
        recipe = _source_of(RECIPES, spec.training.estimator)
        own = {**_source_of(MACHINES, about.kind), **({"recipe_source": recipe["source"]} if recipe else {})}
        branch = [one := learner.of(spec, f"{about.kind} {label}", drawn, **learning, **own)]
        if about.kind == "stack" and about.units == "-1/+1":
            branch += _correlators_of(spec, label, one)
        if spec.stability.layers:
            asked = spec.stability.differing("length", "steps", "layers")
            branch.append(layers.of(spec, f"layers {label}", one, stability=asked))
    # The record names what is kept wherever that is not all.
    kept = spec.flow.kept(spec.lattice.sites)
    named = replace(spec.flow, keep=() if len(kept) > spec.flow.iterations else kept)
    for start in spec.flow.starts:
        of_start, asked = f"{label} {start_label(start)}", named.differing(*NOT_OF_FLOWS, "starts")
        branch.append(flowed := flow.of(spec, f"flow {of_start}", one, start=start, flow=asked))
        branch.append(reading.of(spec, f"reading {of_start}", flowed, *instruments, **_read_by(spec)))
        if spec.scaling.asked_for:
            windows = spec.scaling.differing("draws")
            branch.append(scaling.of(spec, f"scaling dimensions {of_start}", flowed, scaling=windows))
    return branch


def _rbm_branch(
    spec: Spec, variant: Variant, label: str, one: Step, drawn: Step, instruments: tuple[Step, ...]
) -> list[Step]:
    """One RBM, or the control that stands in its place, and what is measured of its weights."""
    kind, grid = spec.types[variant.type], variant.temperatures
    trained, branch = kind.weights == "trained", [one]
    if not trained:
        own = {"machine": one.settings["machine"], "weights": kind.weights, **_source_of(CONTROLS, kind.weights)}
        branch.append(one := control.of(spec, f"{kind.weights} weights {label}", one, **own))
    two_points = correlation.of(spec, "two-point functions", draws.of(spec, "draws"))
    called = f"two-point functions {variant.type}{variant.at}"
    mixture = correlation.of(spec, called, drawn, temperatures=grid, **_data_of(spec, variant.type))
    # The units of a site with two states have one number, whatever the machine.
    coded: dict[str, Any] = {"machine": one.settings["machine"]} if len(spec.model.states) > 2 else {}
    branch += [two_points, mixture]
    branch.append(spectrum.of(spec, f"spectrum {label}", one, two_points, mixture, drawn, temperatures=grid, **coded))
    if trained and kind.machine == "new":
        branch.append(cascade.of(spec, f"cascade {label}", one, mixture))
    branch += _correlators_of(spec, label, one)
    # Equilibrium draws where these, or the levels beside them, tell the energy.
    curves = instruments[1:] if _by_levels(spec) else ()
    if trained and kind.data == "ising":
        branch += _against_model(spec, variant, label, one, drawn, curves)
    if trained and spec.flow.along_training and kind.machine == "new":
        asked = spec.flow.differing(*NOT_OF_FLOWS, "halves", "keep")
        branch.append(checkpoint_flow.of(spec, f"flows of checkpoints {label}", one, *curves, flow=asked))
    return branch


def _correlators_of(spec: Spec, label: str, one: Step) -> list[Step]:
    """Correlators of the hidden units of a machine, those of the highest layer of a stack, if they are asked for."""
    if not (spec.has_blocks and spec.scaling.asked_for):
        return []
    drawn_at_critical = spec.scaling.differing("spin_window", "energy_window")
    return [correlators.of(spec, f"correlators {label}", one, scaling=drawn_at_critical)]


def _against_model(
    spec: Spec, variant: Variant, label: str, one: Step, drawn: Step, curves: tuple[Step, ...]
) -> list[Step]:
    """Likelihood and drift of a machine, and of one of a single temperature what it has in place of its model there."""
    unseen, grid = _unseen_draws(spec, variant.type), variant.temperatures
    branch = [unseen, likelihood.of(spec, f"likelihood {label}", one, unseen, *curves, mixture=grid)]
    if len(grid) == 1 and 0 < grid[0] < math.inf:
        at: dict[str, Any] = {"temperature": grid[0]}
        own = at | _by_levels(spec)
        branch.append(thermodynamics.of(spec, f"thermodynamics {label}", one, unseen, branch[-1], **own))
        branch += [couplings.of(spec, f"couplings {label}", one, **at)] if spec.model.kind == "ising" else []
    if spec.flow.predicted and spec.types[variant.type].machine == "new":
        branch.append(prediction.of(spec, f"prediction {label}", one, drawn, *curves, temperatures=grid))
    if spec.flow.from_exact:
        branch += [drift.of(spec, f"drift {label}", one, unseen, *curves, mixture=grid)]
    return branch


def _draws_of_type(spec: Spec, name: str, drawn: Step) -> Step:
    """Draws that a type learns from: those of the run, unless its training configurations are not among them."""
    kind, temperatures = spec.types[name], spec.type_temperatures(name)
    if kind.data == "ising" and set(temperatures) <= set(spec.sampling.temperatures):
        return drawn
    sampling = replace(spec.sampling, temperatures=temperatures)
    return draws.of(spec, f"draws {name}", sampling=sampling, **_data_of(spec, name))


def _unseen_draws(spec: Spec, name: str) -> Step:
    """Configurations that no machine is trained on; all types share those of the run's temperatures."""
    grid, own = spec.sampling.temperatures, spec.type_temperatures(name)
    among = set(own) <= set(grid)
    sampling = replace(spec.sampling, temperatures=grid if among else own, draws=UNSEEN)
    return draws.of(spec, "unseen draws" if among else f"unseen draws {name}", sampling=sampling, purpose="unseen")


def _instruments(spec: Spec) -> tuple[Step, ...]:
    """The steps that a thermometer may need: the neural one, and draws for curves that are not known exactly."""
    neural, names = thermometer.of(spec, "thermometer"), spec.reading.measured(spec.model, spec.lattice)
    if not names:
        return (neural,)
    own: dict[str, Any] = _by_levels(spec) | _sources_of(names)
    return neural, equilibrium.of(spec, "equilibrium draws", observables=names, **own)


def _larger_curves(spec: Spec) -> list[Step]:
    """Equilibrium draws of the lattices that block spins lead through, where these tell the energy."""
    found, ratio = [], spec.renormalization.length // spec.lattice.sides[0]
    while ratio > 1:
        lattice, ratio = spec.lattice.enlarged(ratio), ratio // 2
        if own := _by_levels(spec, lattice):
            called = f"equilibrium draws {' x '.join(map(str, lattice.sides))}"
            found.append(equilibrium.of(spec, called, lattice=lattice, observables=("energy",), **own))
    return found


def _by_levels(spec: Spec, lattice: LatticeSettings | None = None) -> dict[str, Any]:
    """What has to be said where a transfer matrix may tell the levels: nothing, where formulas or a sum do."""
    return {} if spec.square_ising or is_summed(spec.model, lattice or spec.lattice) else {"levels": 1}


def _data_of(spec: Spec, name: str) -> dict[str, Any]:
    """What has to be said of the data of a type: nothing, if they are the usual ones."""
    kind = spec.types[name].data
    return {} if kind == "ising" else {"data": kind, **_source_of(SOURCES, kind), **given_data(spec, name)}


def _read_by(spec: Spec) -> dict[str, Any]:
    """What has to be said of the thermometers of a run: nothing, if they are the usual ones."""
    asked = spec.reading.differing("draws")
    told: dict[str, Any] = {"reading": asked} if asked else {}
    # The version of what is read of energies that single precision rounds.
    return told | ({} if spec.model.whole else {"rounding": 1}) | _sources_of(spec.reading.thermometers)


def _sources_of(names: tuple[str, ...]) -> dict[str, dict[str, str]]:
    """Hashes of the files that define observables of others."""
    found = {name: _source_of(OBSERVABLES, name) for name in names if name not in THERMOMETERS}
    known = {name: source["source"] for name, source in found.items() if source}
    return {"sources": known} if known else {}


def _source_of(registry: Registry[Any], name: str) -> dict[str, Any]:
    """The hash of the file that registers a thing of an extension."""
    source = registry.source(name)
    return {} if source is None else {"source": source}
