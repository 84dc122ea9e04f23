"""The mixture null: the equal mixture of what a type is trained on, read as a flow is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rbmflow.settings import CLASSIFIERS, SOURCES, SamplingSettings
from rbmflow.steps.kind import Task, of_run, step
from rbmflow.steps.kinds.draws_step import data_of
from rbmflow.steps.kinds.equilibrium_step import read_by
from rbmflow.store import Step

if TYPE_CHECKING:
    import xarray as xr

    from rbmflow.spec import Spec


@step(
    version=3,
    holds="""
        null_temperature: real[thermometer] 0 inf
        null_probability: real[classifier bin] 0 1
        null_energy: real[] -2 2
        null_abs_magnetization: real[] 0 1
        null_correlation: real[dy dx] -1 1
    """,
    along=lambda settings: {"classifier": 2, "bin": settings["temperatures"]},
)
def null(task: Task) -> xr.Dataset:
    """Read the mixture: exact for Ising data but for the network's probabilities."""
    import numpy as np
    import xarray as xr

    from rbmflow import sampler
    from rbmflow.data_sources import drawn
    from rbmflow.measurements import observe
    from rbmflow.observables import ENERGY, MAGNETIZATION
    from rbmflow.steps.thermometers import Instruments

    model, temperatures, kept = task.model, task.settings["temperatures"], task.settings["mixture"]
    known = Instruments(task, temperatures, *task.parents)
    ising = task.settings.get("data", "ising") == "ising"
    if ising:
        draws = sampler.sample(task.key, model, kept, task.settings["draws"])
        values, energy = known.of_mixture(kept), known.exact.mixture(ENERGY, kept)
        sized = known.source_of(MAGNETIZATION)
        abs_magnetization = sized.mixture(MAGNETIZATION, kept) if sized else np.nan
    else:
        source = task.named(SOURCES, "data")
        draws = drawn(source, task.key, model, SamplingSettings(tuple(kept), task.settings["draws"]))
        read, _ = known.read_spins(draws.spins.reshape(1, -1, *draws.spins.shape[2:]))
        values = read[0].tolist()
        if source.two_point is None:
            energy = float(np.asarray(model.energy(draws.spins), np.float64).mean())
        else:
            two_point = source.two_point(model, kept)
            energy = float(-np.mean(two_point[:, 0, 1] + two_point[:, 1, 0]))
        abs_magnetization = float(np.abs(np.asarray(model.magnetization(draws.spins), np.float64)).mean())
    spins = draws.spins.reshape(1, -1, *draws.spins.shape[2:])
    if ising:
        mixed = known.exact.distribution(kept).mean(axis=0)
        bayes = mixed @ known.exact.posterior_of_energy(known.exact.levels().energy, temperatures)
    else:
        bayes = known.exact.posterior(spins[0], temperatures).mean(axis=0)
    posterior = np.stack([np.asarray(known.neural.read(spins[0]), np.float64).mean(axis=0), bayes])
    return xr.Dataset(
        {
            "null_temperature": ("thermometer", values),
            "null_probability": (("classifier", "bin"), posterior),
            "null_energy": energy,
            "null_abs_magnetization": abs_magnetization,
            "null_correlation": (("dy", "dx"), observe(spins).correlation[0]),
        },
        {"thermometer": known.names, "classifier": list(CLASSIFIERS), "bin": temperatures},
    )


def null_of(spec: Spec, name: str, *instruments: Step) -> Step:
    """That of a type."""
    settings = {
        **of_run(spec),
        "temperatures": list(spec.sampling.temperatures),
        "mixture": list(spec.type_temperatures(name)),
        "draws": spec.sampling.draws,
        **data_of(spec.types[name]),
        **read_by(spec),
    }
    return null.step(f"mixture null {name}", settings, *instruments)
