"""Two-point functions of the data, at every temperature."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rbmflow.settings import SOURCES
from rbmflow.steps.kind import Task, flagged, step
from rbmflow.steps.kinds.draws_step import data_of
from rbmflow.store import Step

if TYPE_CHECKING:
    import xarray as xr

    from rbmflow.spec import Spec


@step(
    version=1,
    holds="two_point: real[temperature y x] -1 1",
    along=lambda settings: {"temperature": settings["temperatures"]},
)
def correlation(task: Task) -> xr.Dataset:
    """The exact one where that is possible, else the mean over the draws."""
    import numpy as np
    import xarray as xr

    from rbmflow import exact
    from rbmflow.dataset import Draws

    model, temperatures = task.model, task.settings["temperatures"]
    flags = []
    known = task.named(SOURCES, "data", "ising").two_point
    if known is not None:
        values = known(model, temperatures)
    elif "data" not in task.settings and exact.magnetization_known(model):
        values = exact.two_point(model, temperatures)
    else:
        # One temperature at a time: the waves of all would take many times the memory of the draws.
        drawn = Draws.from_dataset(task.parents[0]).at(temperatures).spins
        power = [(np.abs(np.fft.fft2(one.astype(np.float32))) ** 2).mean(axis=0, dtype=np.float64) for one in drawn]
        values = np.fft.ifft2(np.stack(power) / model.lattice.sites).real
        large = "the lattice is too large for the exact two-point function"
        message = f"{'none is known' if 'data' in task.settings else large}: it is the mean over the draws"
        flags.append(("sampled", message))
    whole = xr.Dataset(
        {"two_point": (("temperature", "y", "x"), values, {"long_name": "two-point function of the spins"})},
        {"temperature": temperatures},
    )
    return flagged(whole, *flags)


def correlation_of_run(spec: Spec, draws: Step) -> Step:
    """That at the temperatures of the run."""
    settings = {"model": spec.model.differing(), "temperatures": list(spec.sampling.temperatures)}
    return correlation.step("two-point functions", settings, draws)


def correlation_of_type(spec: Spec, name: str, draws: Step) -> Step:
    """That of what a type learns from."""
    temperatures = list(spec.type_temperatures(name))
    settings = {"model": spec.model.differing(), "temperatures": temperatures, **data_of(spec.types[name])}
    return correlation.step(f"two-point functions {name}", settings, draws)
