"""The mixture null: the equal mixture of what a type is trained on, read as a flow is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rbmflow.steps.kind import Task, of_run, step
from rbmflow.steps.kinds.draws_step import data_of
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

    from rbmflow import exact, sampler
    from rbmflow.data_sources.mean_field import curie_weiss_magnetization, sample_mean_field
    from rbmflow.measurements import observe
    from rbmflow.steps.thermometers import CLASSIFIERS, exact_mixture, read_spins, thermometers

    model, temperatures, kept = task.model, task.settings["temperatures"], task.settings["mixture"]
    known = thermometers(model, temperatures, task.parents[0])
    ising = task.settings.get("data", "ising") == "ising"
    if ising:
        draws = sampler.sample(task.key, model, kept, task.settings["draws"])
        values, energy, abs_magnetization = exact_mixture(known, model, kept)
    else:
        draws = sample_mean_field(task.key, model, kept, task.settings["draws"])
        read, _ = read_spins(known, draws.spins.reshape(1, -1, *draws.spins.shape[2:]))
        values = dict(zip(known, read[0].tolist(), strict=True))
        energy = float(-2 * np.mean(curie_weiss_magnetization(kept) ** 2))
        abs_magnetization = float(np.abs(np.asarray(model.magnetization(draws.spins), np.float64)).mean())
    spins = draws.spins.reshape(1, -1, *draws.spins.shape[2:])
    posterior = np.stack([np.asarray(known[name].read(spins[0]), np.float64).mean(axis=0) for name in CLASSIFIERS])
    if ising:
        posterior[1] = exact.mixture(model, kept).posterior(temperatures)
    return xr.Dataset(
        {
            "null_temperature": ("thermometer", [values[name] for name in known]),
            "null_probability": (("classifier", "bin"), posterior),
            "null_energy": energy,
            "null_abs_magnetization": abs_magnetization,
            "null_correlation": (("dy", "dx"), observe(spins).correlation[0]),
        },
        {"thermometer": list(known), "classifier": list(CLASSIFIERS), "bin": temperatures},
    )


def null_of(spec: Spec, name: str, thermometer: Step) -> Step:
    """That of a type."""
    settings = {
        **of_run(spec),
        "temperatures": list(spec.sampling.temperatures),
        "mixture": list(spec.type_temperatures(name)),
        "draws": spec.sampling.draws,
        **data_of(spec.types[name]),
    }
    return null.step(f"mixture null {name}", settings, thermometer)
