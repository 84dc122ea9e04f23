"""Equilibrium draws: observables at temperatures that cover all energies, for curves that no formula gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rbmflow.settings import OBSERVABLES, THERMOMETERS
from rbmflow.steps.kind import Task, of_run, step
from rbmflow.steps.kinds.thermometer_step import thermometer_of
from rbmflow.store import Step

if TYPE_CHECKING:
    import xarray as xr

    from rbmflow.spec import Spec


@step(
    version=1,
    holds="""
        drawn_energy: real[temperature draw]
        drawn_value: real[observable part temperature draw]
        ess: real[temperature] 0 inf
    """,
    along=lambda settings: {"observable": len(settings["observables"]), "draw": settings["draws"]},
)
def equilibrium(task: Task) -> xr.Dataset:
    """Draw at every temperature and measure, holding the configurations of one temperature at a time."""
    from rbmflow.equilibrium import covering, measured

    observables = [OBSERVABLES[name] for name in task.settings["observables"]]
    asked = (covering(task.model), task.settings["draws"])
    return measured(task.key, task.model, observables, *asked, progress=task.progress).to_dataset()


def instruments_of(spec: Spec) -> tuple[Step, ...]:
    """The steps that a thermometer may need: the neural one, and draws for curves that are not known exactly."""
    names = spec.reading.measured(spec.model.length)
    if not names:
        return (thermometer_of(spec),)
    settings = {**of_run(spec), "observables": list(names), "draws": spec.reading.draws, **_sources(names)}
    return thermometer_of(spec), equilibrium.step("equilibrium draws", settings)


def read_by(spec: Spec) -> dict[str, Any]:
    """What has to be said of the thermometers of a run: nothing, if they are the usual ones."""
    asked = spec.reading.differing("draws")
    return ({"reading": asked} if asked else {}) | _sources(spec.reading.thermometers)


def _sources(names: tuple[str, ...]) -> dict[str, dict[str, str]]:
    """Hashes of the files that define observables of others."""
    others = {name: OBSERVABLES.source(name) for name in names if name not in THERMOMETERS}
    known = {name: source for name, source in others.items() if source is not None}
    return {"sources": known} if known else {}
