"""Two-point functions of the data, at every temperature."""

from typing import Any

from rbmflow.settings import SOURCES
from rbmflow.steps.kind import Task, step


@step(
    version=1,
    takes="model sampling.temperatures",
    holds="two_point: real[temperature {lattice}] -1 1",
    along=lambda settings: {"temperature": settings["temperatures"]},
)
def correlation(task: Task) -> dict[str, Any]:
    """The exact one where that is possible, else the mean over the draws."""
    import numpy as np

    from rbmflow import exact
    from rbmflow.dataset import Draws

    model, temperatures = task.model, task.settings["temperatures"]
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
        task.flag("sampled", f"{'none is known' if 'data' in task.settings else large}: it is the mean over the draws")
    return {"temperature": temperatures, "two_point": values}
