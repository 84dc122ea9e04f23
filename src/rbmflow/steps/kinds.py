"""What each kind of step computes: labelled data of the parents in, labelled data out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import xarray as xr
from jaxtyping import Array, Int8

from rbmflow import sampler
from rbmflow._doors import rows_of
from rbmflow.data_sources.mean_field import sample_mean_field
from rbmflow.dataset import Draws
from rbmflow.flow import iterate
from rbmflow.measurements import Measurements, observe
from rbmflow.rbm import RBM, on_lattice
from rbmflow.settings import (
    CONTROLS,
    FlowSettings,
    MachineSettings,
    SamplingSettings,
    ThermometerSettings,
    TrainingSettings,
)
from rbmflow.steps import reading
from rbmflow.steps.checkpoint import train_with_checkpoints
from rbmflow.steps.ladder import flows_along, temperature_of
from rbmflow.steps.likelihood import likelihood
from rbmflow.steps.results import gather
from rbmflow.steps.streams import flagged, model_of, step_key
from rbmflow.steps.weights import correlation, spectrum
from rbmflow.store import Step
from rbmflow.thermometer import train_thermometer
from rbmflow.training import History, train_ensemble

type Progress = Callable[[float], None]
type Parents = tuple[xr.Dataset, ...]


def compute(step: Step, parents: Parents, work: Path, progress: Progress) -> xr.Dataset:
    """Run one step.

    Parameters
    ----------
    step
        What to compute.
    parents
        The data of its parents, in its order.
    work
        Folder for checkpoints; what is written there depends on the step alone.
    progress
        Called now and then with the fraction done.

    Returns
    -------
    xr.Dataset
        The result; quality flags are in `attrs["flags"]`, a JSON list of {"what", "message"}. Data hold
        no names for people: the same step is called otherwise in other runs.
    """
    match step.kind:
        case "draws":
            return _draws(step, progress)
        case "thermometer":
            return _thermometer(step, progress)
        case "machine":
            return _machine(step, parents, work, progress)
        case "flow":
            return _flow(step, parents, progress)
        case "ladder":
            asked = FlowSettings(**step.settings["flow"])
            return flows_along(step_key(step), model_of(step), parents[0], asked, progress)
        case _ if step.kind in _QUICK:
            return _QUICK[step.kind](step, parents)
        case _:
            raise ValueError(f"{step.kind} is not a kind of step")


def _draws(step: Step, progress: Progress) -> xr.Dataset:
    asked = SamplingSettings(**step.settings["sampling"])
    model = model_of(step)
    if step.settings.get("data", "ising") == "mean-field":
        return sample_mean_field(step_key(step), model, asked.temperatures, asked.draws).to_dataset()
    draws = sampler.sample(step_key(step), model, asked.temperatures, asked.draws, asked.method, progress=progress)
    return flagged(draws.to_dataset(), *(("sampling", text) for text in draws.flags))


def _thermometer(step: Step, progress: Progress) -> xr.Dataset:
    settings = ThermometerSettings(**step.settings["thermometer"])
    model, temperatures = model_of(step), step.settings["temperatures"]
    thermometer, _ = train_thermometer(step_key(step), model, temperatures, settings, progress=progress)
    return thermometer.to_dataset()


def _machine(step: Step, parents: Parents, work: Path, progress: Progress) -> xr.Dataset:
    trained = train_with_checkpoints(step_key(step), *_training_of(step, parents), work, progress)
    return _trained(step, parents, *trained)


def _training_of(
    step: Step, parents: Parents
) -> tuple[Int8[Array, "sample visible"], MachineSettings, TrainingSettings]:
    """Training configurations, machine and training that a step asks for."""
    data = jnp.asarray(rows_of(Draws.from_dataset(parents[0]).at(step.settings["temperatures"])))
    return data, MachineSettings(**step.settings["machine"]), TrainingSettings(**step.settings["training"])


def compute_together(steps: Sequence[Step], parents: Parents, progress: Progress) -> list[xr.Dataset]:
    """Train machines that differ in their seed only, at once, as `compute` does one by one but for rounding.

    Parameters
    ----------
    steps
        Steps of one `group`.
    parents
        The data of their parents, which they share.
    progress
        Called now and then with the fraction done.
    """
    asked = _training_of(steps[0], parents)
    trained = train_ensemble([step_key(step) for step in steps], *asked, progress=progress)
    return [_trained(step, parents, *one) for step, one in zip(steps, trained, strict=True)]


def _trained(step: Step, parents: Parents, machine: RBM, history: History) -> xr.Dataset:
    sizes = parents[0].sizes
    machine, history = on_lattice((machine, history), (sizes["y"], sizes["x"]))
    whole = xr.merge([machine.to_dataset(), history.to_dataset()], combine_attrs="override")
    return flagged(whole, *_training_flags(step, history))


def _control(step: Step, parents: Parents) -> xr.Dataset:
    """The machine before its training, or one of random weights with the norm of the trained one."""
    of_machine = MachineSettings(**step.settings["machine"])
    trained = RBM.from_dataset(parents[0])
    machine = CONTROLS[step.settings["weights"]](step_key(step), trained, of_machine)
    return on_lattice(machine, trained.sides).to_dataset()


def _likelihood(step: Step, parents: Parents) -> xr.Dataset:
    trained, unseen = parents
    mixture = step.settings["mixture"]
    return likelihood(step_key(step), trained, unseen, model_of(step), mixture)


def _training_flags(step: Step, history: History) -> list[tuple[str, str]]:
    """What went wrong along the ladder of checkpoints."""
    flags = list(history.ladder.flags.items())
    rungs = TrainingSettings(**step.settings["training"]).rungs
    if history.trajectory is not None and len(history.trajectory.acceptance) == rungs:
        text = f"the ladder of PTT is full; its last swaps are accepted at {history.trajectory.acceptance[-2]:.2f}"
        flags.append(("tempering", text))
    return flags


def _flow(step: Step, parents: Parents, progress: Progress) -> xr.Dataset:
    asked, machine = FlowSettings(**step.settings["flow"]), RBM.from_dataset(parents[0])
    start = temperature_of(step.settings["start"])
    for_start, for_flow = jax.random.split(step_key(step))
    spins = sampler.thermal(for_start, model_of(step), start, asked.chains)
    measured, last = [], []

    def watch(stretch: Any) -> None:
        measured.append(observe(stretch, last[-1] if last else None))
        last[:] = [stretch[-1]]

    flow = iterate(
        for_flow,
        # A machine that diverged has no flow: what stands in its place is not read.
        machine.or_free(),
        spins,
        asked.iterations,
        keep=asked.keep or None,
        halves=asked.halves,
        watch=watch,
        progress=progress,
    )
    kept = flow.to_dataset().rename(iteration="snapshot")
    whole = xr.merge([Measurements.joined(measured).to_dataset(), kept], combine_attrs="override")
    return whole.assign(diverged=not machine.finite)


_QUICK = {
    "calibration": reading.calibration,
    "null": reading.null,
    "correlation": correlation,
    "control": _control,
    "spectrum": spectrum,
    "likelihood": _likelihood,
    "reading": reading.reading,
    "renormalization": reading.renormalization,
    "results": gather,
}
"""Steps that are over too soon to tell how far they are."""
