"""Two-point functions of the data, at every temperature."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rbmflow.settings import SOURCES
from rbmflow.steps.kind import Task, step

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr

    from rbmflow.units import Units


@step(
    version=1,
    takes="model sampling.temperatures",
    holds="two_point: real[temperature {torus}] -1 1",
    along=lambda settings: {"temperature": settings["temperatures"]},
)
def correlation(task: Task) -> Any:
    """The exact one where that is possible, else the mean over the draws, with the covariance of states behind it."""
    import numpy as np
    import xarray as xr

    from rbmflow import exact
    from rbmflow.correlations import state_covariance
    from rbmflow.dataset import Draws
    from rbmflow.model import has_formulas
    from rbmflow.spectrum import in_units, two_point_of
    from rbmflow.units import units_named

    model, temperatures = task.model, task.settings["temperatures"]
    lattice, known = model.lattice, task.named(SOURCES, "data", "ising").two_point_known(model, temperatures)
    if known is not None:
        return {"temperature": temperatures, "two_point": known}
    if "data" not in task.settings and exact.magnetization_known(model):
        return {"temperature": temperatures, "two_point": exact.two_point(model, temperatures)}
    by_formula = "data" not in task.settings and has_formulas(model)
    large = "the lattice is too large for the exact two-point function"
    task.flag("sampled", f"{large if by_formula else 'none is known'}: it is the mean over the draws")
    # One temperature at a time: the waves of all would take many times the memory of the draws.
    drawn = Draws.from_dataset(task.parents[0]).at(temperatures).spins
    axes = tuple(range(1, 1 + len(lattice.cells)))
    if model.states == (-1, 1) and lattice.basis == 1:
        waves = (np.fft.fftn(one.astype(np.float32), axes=axes) for one in drawn)
        power = np.stack([(np.abs(one) ** 2).mean(axis=0, dtype=np.float64) for one in waves])
        return {"temperature": temperatures, "two_point": np.fft.ifftn(power / lattice.sites, axes=axes).real}
    covariance = np.stack([state_covariance(model, one) for one in drawn])
    own = units_named("-1/+1", model.states)
    cells, pair = lattice.axes[: len(axes)], ("basis", "basis_other") if lattice.basis > 1 else ()
    found = {
        "two_point": (("temperature", *cells, *pair), two_point_of(own, in_units(own, covariance))),
        "covariance": (("temperature", *cells, "number", "number_other"), covariance),
        "draws": drawn.shape[1],
    }
    return xr.Dataset(found, {"temperature": list(temperatures)})


def covariance_in(units: Units, of: xr.Dataset) -> np.ndarray:
    """Covariances of the free numbers of units [temperature, cells ...] from the data of this step."""
    from rbmflow.spectrum import in_units

    return in_units(units, of["covariance"].values) if "covariance" in of else of["two_point"].values
