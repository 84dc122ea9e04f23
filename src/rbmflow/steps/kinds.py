"""What each kind of step computes: labelled data of the parents in, labelled data out."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import xarray as xr

from rbmflow import exact, sampler
from rbmflow.dataset import Draws, configurations
from rbmflow.diagnostics import mean_and_error
from rbmflow.flow import Flow, iterate
from rbmflow.lattice import Square
from rbmflow.model import Ising
from rbmflow.rbm import RBM
from rbmflow.settings import MachineSettings, SamplingSettings, ThermometerSettings, TrainingSettings
from rbmflow.spectrum import decompose
from rbmflow.steps.checkpoint import train_with_checkpoints
from rbmflow.steps.likelihood import likelihood
from rbmflow.steps.results import gather
from rbmflow.store import Step
from rbmflow.thermometer import (
    BayesThermometer,
    EnergyThermometer,
    MagnetizationThermometer,
    NeuralThermometer,
    accuracy,
    cross_entropy,
    train_thermometer,
)
from rbmflow.training import History

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
        The result; quality flags are in `attrs["flags"]`, a JSON list of {"where", "what", "message"}.
    """
    match step.kind:
        case "draws":
            return _draws(step, progress)
        case "thermometer":
            return _thermometer(step, progress)
        case "calibration":
            return _calibration(step, parents)
        case "null":
            return _null(step, parents)
        case "machine":
            return _machine(step, parents, work, progress)
        case "spectrum" | "likelihood":
            return _weighed(step, parents[0])
        case "flow":
            return _flow(step, parents, progress)
        case "reading":
            return _reading(step, parents)
        case "results":
            return gather(step, parents)
        case _:
            raise ValueError(f"{step.kind} is not a kind of step")


def step_key(step: Step) -> jax.Array:
    """Random key of a step: the root seed folded with the step's hash, so that no step moves another's stream."""
    key = jax.random.key(step.settings["seed"])
    for at in range(0, 32, 8):
        key = jax.random.fold_in(key, int(step.hash[at : at + 8], 16))
    return key


def _model(settings: Any) -> Ising:
    return Ising(Square(settings["length"]))


def flag(where: str, what: str, message: str) -> dict[str, str]:
    """One quality flag: the step, the kind of doubt, a sentence."""
    return {"where": where, "what": what, "message": message}


def _flagged(dataset: xr.Dataset, flags: list[dict[str, str]]) -> xr.Dataset:
    return dataset.assign_attrs(flags=json.dumps(flags))


def _draws(step: Step, progress: Progress) -> xr.Dataset:
    asked = SamplingSettings(**step.settings["sampling"])
    model = _model(step.settings["model"])
    draws = sampler.sample(step_key(step), model, asked.temperatures, asked.draws, asked.method, progress=progress)
    return _flagged(draws.to_dataset(), [flag(step.name, "sampling", text) for text in draws.flags])


def _thermometer(step: Step, progress: Progress) -> xr.Dataset:
    settings = ThermometerSettings(**step.settings["thermometer"])
    model, temperatures = _model(step.settings["model"]), step.settings["temperatures"]
    thermometer, _ = train_thermometer(step_key(step), model, temperatures, settings, progress=progress)
    return thermometer.to_dataset()


def thermometers(model: Ising, temperatures: list[float], neural: xr.Dataset) -> dict[str, Any]:
    """All thermometers of a run by name, in the order in which they are shown."""
    known = {
        "neural": NeuralThermometer.from_dataset(neural),
        "bayes": BayesThermometer(model, temperatures),
        "energy": EnergyThermometer(model),
    }
    if exact.magnetization_known(model):
        known["magnetization"] = MagnetizationThermometer(model)
    return known


CLASSIFIERS = ("neural", "bayes")

SATURATED_WEIGHT = 3.0
"""A unit in the field of such a weight follows it with a probability of more than 0.997."""


def _read_all(known: dict[str, Any], spins: Any) -> dict[str, Any]:
    """Variables `temperature_read` and its error, last axis thermometer, for spins [..., chain, y, x]."""
    readings = [thermometer.temperature(spins) for thermometer in known.values()]
    read = np.stack([np.asarray(reading.temperature) for reading in readings], axis=-1)
    error = np.stack([np.asarray(reading.error) for reading in readings], axis=-1)
    return {"temperature_read": read, "temperature_read_error": error}


def _calibration(step: Step, parents: Parents) -> xr.Dataset:
    model, temperatures = _model(step.settings["model"]), step.settings["temperatures"]
    known = thermometers(model, temperatures, parents[0])
    draws = sampler.sample(step_key(step), model, temperatures, step.settings["draws"])
    read = _read_all(known, draws.spins)
    true_class = np.broadcast_to(np.arange(len(temperatures))[:, None], draws.spins.shape[:2])
    posterior = {name: np.asarray(known[name].read(draws.spins)) for name in CLASSIFIERS}
    nats = {name: float(cross_entropy(posterior[name], true_class)) for name in CLASSIFIERS}
    dims = ("temperature", "thermometer")
    dataset = xr.Dataset(
        {
            "calibration": (dims, read["temperature_read"]),
            "calibration_error": (dims, read["temperature_read_error"]),
            "cross_entropy": ("classifier", [nats[name] for name in CLASSIFIERS]),
            "accuracy": ("classifier", [float(accuracy(posterior[name], true_class)) for name in CLASSIFIERS]),
            "bayes_cross_entropy_exact": exact.bayes_cross_entropy(model, temperatures),
            "bayes_accuracy_exact": exact.bayes_accuracy(model, temperatures),
        },
        {"temperature": temperatures, "thermometer": list(known), "classifier": list(CLASSIFIERS)},
    )
    excess = nats["neural"] - nats["bayes"]
    text = f"the neural thermometer is {excess:.3f} nats above the exact posterior (0.03 is the limit)"
    return _flagged(dataset, [flag(step.name, "thermometer", text)] if excess > 0.03 else [])


def _null(step: Step, parents: Parents) -> xr.Dataset:
    """The equal mixture of the training temperatures: exact, but for the network's probabilities on fresh draws."""
    model, temperatures = _model(step.settings["model"]), step.settings["temperatures"]
    kept = step.settings["mixture"]
    known = thermometers(model, temperatures, parents[0])
    mixture = exact.mixture(model, kept)
    draws = sampler.sample(step_key(step), model, kept, step.settings["draws"])
    spins = draws.spins.reshape(-1, *draws.spins.shape[2:])
    values = {name: known[name].curve.of_mixture(kept) for name in CLASSIFIERS}
    values["energy"] = mixture.temperature_of_energy
    abs_magnetization = math.nan
    if "magnetization" in known:
        values["magnetization"] = mixture.temperature_of_abs_magnetization
        abs_magnetization = mixture.abs_magnetization
    neural = np.asarray(known["neural"].read(spins), np.float64).mean(axis=0)
    return xr.Dataset(
        {
            "null_temperature": ("thermometer", [values[name] for name in known]),
            "null_probability": (("classifier", "bin"), np.stack([neural, mixture.posterior(temperatures)])),
            "null_energy": mixture.energy,
            "null_abs_magnetization": abs_magnetization,
        },
        {"thermometer": list(known), "classifier": list(CLASSIFIERS), "bin": temperatures},
    )


def _machine(step: Step, parents: Parents, work: Path, progress: Progress) -> xr.Dataset:
    kept = step.settings["temperatures"]
    data = configurations(Draws.from_dataset(parents[0]).select(min(kept), max(kept)))
    of_machine = MachineSettings(**step.settings["machine"])
    of_training = TrainingSettings(**step.settings["training"])
    machine, history = train_with_checkpoints(step_key(step), data, of_machine, of_training, work, progress)
    flags = _training_flags(step, history)
    return _flagged(xr.merge([machine.to_dataset(), history.to_dataset()], combine_attrs="override"), flags)


def _weighed(step: Step, trained: xr.Dataset) -> xr.Dataset:
    """What is read off a trained machine itself: its singular values, or its likelihood."""
    if step.kind == "spectrum":
        return decompose(RBM.from_dataset(trained)).to_dataset()
    return likelihood(step_key(step), trained, _model(step.settings["model"]), step.settings["mixture"])


def _training_flags(step: Step, history: History) -> list[dict[str, str]]:
    """What went wrong along the ladder of checkpoints, with the update by which it had."""
    flags = []
    largest, updates = np.asarray(history.ladder.largest_weight), np.asarray(history.ladder.update)
    if (broken := ~np.isfinite(largest)).any():
        text = f"the weights are no longer finite by update {updates[broken][0]}; use a smaller learning rate"
        flags.append(flag(step.name, "diverged", text))
    with np.errstate(invalid="ignore"):
        saturated = largest > SATURATED_WEIGHT
    if saturated.any() and np.isfinite(largest[-1]):
        text = f"a weight has grown to {largest[-1]:.1f}, past {SATURATED_WEIGHT:g} by update {updates[saturated][0]}"
        flags.append(flag(step.name, "saturated", f"{text}: a hidden unit copies a single spin, which CD cannot see"))
    if history.trajectory is not None and len(history.trajectory.acceptance) == step.settings["training"]["rungs"]:
        text = f"the ladder of PTT is full; its last swaps are accepted at {history.trajectory.acceptance[-2]:.2f}"
        flags.append(flag(step.name, "tempering", text))
    return flags


def _flow(step: Step, parents: Parents, progress: Progress) -> xr.Dataset:
    settings = step.settings
    named = {"cold": 0.0, "hot": math.inf}
    start = named[settings["start"]] if settings["start"] in named else float(settings["start"])
    for_start, for_flow = jax.random.split(step_key(step))
    spins = sampler.thermal(for_start, _model(settings["model"]), start, settings["chains"])
    machine = RBM.from_dataset(parents[0])
    return iterate(for_flow, machine, spins, settings["iterations"], progress=progress).to_dataset()


def _reading(step: Step, parents: Parents) -> xr.Dataset:
    """Every thermometer and the plain observables at every iteration of a flow."""
    model, temperatures = _model(step.settings["model"]), step.settings["temperatures"]
    flow = Flow.from_dataset(parents[0])
    known = thermometers(model, temperatures, parents[1])
    spins = flow.configurations
    read = _read_all(known, spins)
    posterior = np.stack([np.asarray(known[n].read(spins), np.float64).mean(axis=1) for n in CLASSIFIERS], axis=1)
    energy, energy_error = mean_and_error(np.asarray(model.energy(spins), np.float64), axis=1)
    magnetization = np.abs(np.asarray(model.magnetization(spins), np.float64))
    abs_magnetization, abs_magnetization_error = mean_and_error(magnetization, axis=1)
    return xr.Dataset(
        {name: (("iteration", "thermometer"), values) for name, values in read.items()}
        | {
            "probability": (("iteration", "classifier", "bin"), posterior),
            "energy": ("iteration", energy),
            "energy_error": ("iteration", energy_error),
            "abs_magnetization": ("iteration", abs_magnetization),
            "abs_magnetization_error": ("iteration", abs_magnetization_error),
        },
        {
            "iteration": np.array(flow.iterations),
            "thermometer": list(known),
            "classifier": list(CLASSIFIERS),
            "bin": temperatures,
        },
    )
