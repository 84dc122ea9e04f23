"""The mixture null: the equal mixture of what a type is trained on, read as a flow is."""

from typing import Any

from rbmflow.settings import CLASSIFIERS, SOURCES, SamplingSettings
from rbmflow.steps.kind import Task, step


@step(
    version=4,
    takes="seed model sampling.temperatures sampling.draws",
    holds="""
        null_temperature: real[thermometer] 0 inf
        null_probability: real[classifier bin] 0 1
        null_energy: real[] -{e} {e}
        null_abs_magnetization: real[] 0 1
        null_correlation: real[{displacement}] -1 1
    """,
    along=lambda settings: {"classifier": 2, "bin": settings["temperatures"]},
)
def null(task: Task) -> dict[str, Any]:
    """Read the mixture: exact for data of the model but for the network's probabilities."""
    import numpy as np

    from rbmflow import sampler
    from rbmflow.data_sources import drawn
    from rbmflow.measurements import observe
    from rbmflow.observables import ENERGY, MAGNETIZATION
    from rbmflow.steps.thermometers import Instruments, per_site

    model, temperatures, kept = task.model, task.settings["temperatures"], task.settings["mixture"]
    known, count = Instruments(task, temperatures, *task.parents), task.settings["draws"]
    if task.settings.get("data", "ising") == "ising":
        draws = sampler.sample(task.key, model, kept, count)
        values, energy = known.of_mixture(kept), known.best.mixture(ENERGY, kept)
        sized = known.source_of(MAGNETIZATION)
        abs_magnetization = sized.mixture(MAGNETIZATION, kept) if sized else np.nan
        mixed = known.best.distribution(kept).mean(axis=0)
        bayes = mixed @ known.best.posterior_of_energy(known.best.levels().energy, temperatures)
        spins = draws.spins.reshape(1, -1, *draws.spins.shape[2:])
    else:
        source = task.named(SOURCES, "data")
        further = {"path": task.file("data_file")} if "data_file" in task.settings else {}
        draws = drawn(source, task.key, model, SamplingSettings(tuple(kept), count), **further)
        if further:
            told = "the training configurations are those of a file, and nothing tells how independent they are"
            task.flag("data", f"{told}: {draws.method}")
        spins = draws.spins.reshape(1, -1, *draws.spins.shape[2:])
        values = known.read_spins(spins)[0][0]
        energy, abs_magnetization = (float(one.mean()) for one in per_site(model, draws.spins))
        two_point = source.two_point_known(model, kept)
        if two_point is not None and model.couplings and not any(model.site):
            of_bonds = [model.couplings[bond.kind] * two_point[:, *bond.displacement] for bond in model.lattice.bonds]
            energy = float(-np.mean(sum(of_bonds)))
        bayes = known.best.posterior(spins[0], temperatures).mean(axis=0)
    return {
        "thermometer": known.names,
        "classifier": CLASSIFIERS,
        "bin": temperatures,
        "null_temperature": values,
        "null_probability": [np.asarray(known.neural.read(spins[0]), np.float64).mean(axis=0), bayes],
        "null_energy": energy,
        "null_abs_magnetization": abs_magnetization,
        "null_correlation": observe(model, spins).correlation[0],
    }
