"""The weights of all machines side by side: averages over seeds, and images."""

import math
from collections.abc import Sequence

import numpy as np
import xarray as xr

from rbmflow.diagnostics import mean_and_error
from rbmflow.lattice import Lattice
from rbmflow.rbm import RBM
from rbmflow.spectrum import MEASURES, Spectrum, covariance_waves, displacement_classes
from rbmflow.spectrum.modes import DisplacementClasses
from rbmflow.steps.kinds.cascade_step import LEADING
from rbmflow.steps.kinds.results_step import MOST_PAIRED
from rbmflow.steps.kinds.spectrum_step import FINAL_MEASURES

OF_SEEDS = (
    *("singular_value", "predicted_gain", "gain", "gain_error", "growth_sampled", "growth_mean_field"),
    *("mode_participation", "initial_edge_lower", "initial_edge_upper", "weight_measure", "weight_final"),
    "leading_uniformity",
)
"""What is shown of every seed."""


def weights_of_all(
    lattice: Lattice, by_machine: Sequence[Sequence[xr.Dataset]], machines: Sequence[xr.Dataset]
) -> xr.Dataset:
    """Weights of all machines side by side, averaged over the spectra of their seeds; images of the first seed."""
    classes = displacement_classes(lattice)
    rows = [xr.concat([_of_one(one, classes) for one in row], "seed", join="outer") for row in by_machine]
    every = xr.concat(rows, "machine", join="outer")
    # NaN where modes, at most as many as sites, or checkpoints are fewer.
    every = every.reindex(mode=np.arange(by_machine[0][0].sizes["visible"])).drop_vars("mode")
    every = every.transpose("machine", "seed", "mode", "checkpoint", ...)
    leading = every["projection"].pad({"mode": (0, LEADING)}, constant_values=np.nan).isel(mode=slice(LEADING))
    averaged = {}
    for name in ("product_profile", "projection", "weight_measure", "weight_final"):
        values = leading.rename(mode="leading") if name == "projection" else every[name]
        mean, error = mean_and_error(values.values, axis=1)
        dims = ("machine", *values.dims[2:])
        averaged |= {f"{name}_mean": (dims, mean), f"{name}_error": (dims, error)}
    pairs = zip(by_machine, machines, strict=True)
    of_first = xr.concat([_of_first(lattice, classes, row[0], machine) for row, machine in pairs], "machine")
    whole = every.drop_vars(["product_profile", "projection"]).assign(
        **averaged,
        mode_power=every["mode_power"].mean("seed", skipna=False),
        update=every["update"].isel(seed=0),
    )
    return whole.merge(of_first).assign_coords(
        final_measure=[*MEASURES, *FINAL_MEASURES],
        meaning=("final_measure", [*MEASURES.values(), *FINAL_MEASURES.values()]),
    )


def _of_one(spectrum: xr.Dataset, classes: DisplacementClasses) -> xr.Dataset:
    """What is averaged or shown of one seed, in float64."""
    measured = spectrum["measure_of_checkpoint"]
    final = [*measured.values[-1], *(float(spectrum[name]) for name in FINAL_MEASURES)]
    found = spectrum.rename(measure_of_checkpoint="weight_measure").assign(
        weight_final=("final_measure", final),
        leading_uniformity=measured.sel(measure="leading_uniformity", drop=True).isel(checkpoint=-1),
        product_profile=("displacement", classes.average(spectrum["product_displacement"].values)),
    )
    kept = found[[*OF_SEEDS, "product_profile", "projection", "mode_power", "update"]].astype(np.float64)
    axes = {name: np.arange(kept.sizes[name]) for name in ("mode", "checkpoint")}
    distance = ("displacement", classes.distance, {"units": "lattice spacings"})
    return kept.assign_coords({**axes, "distance": distance})


def _of_first(lattice: Lattice, classes: DisplacementClasses, spectrum: xr.Dataset, machine: xr.Dataset) -> xr.Dataset:
    """What is shown of the first seed alone: W W^T, the data, and images.

    Images are of the leading modes, and of the weights and correlators of the hidden units with the largest weights:
    planes below one another, sites of a cell side by side, of several numbers a site the first.
    """
    own = RBM.from_dataset(machine).in_units("-1/+1")
    weights, components = np.asarray(own.weights, np.float64), own.units.components
    strongest = np.argsort(-np.sum(weights**2, axis=0), kind="stable")[:LEADING]
    columns = {
        "leading_vector": spectrum["visible_vector"].values[:, :LEADING],
        "receptive_field": weights[:, strongest],
        "receptive_correlator": spectrum["correlator"].values[:, strongest],
    }
    plane = math.prod(lattice.cells[:-1]), lattice.cells[-1] * lattice.basis
    images = {name: np.full((LEADING, *plane), np.nan) for name in columns}
    for name, values in columns.items():
        images[name][: values.shape[1]] = values[::components].T.reshape(-1, *plane)
    product = Spectrum.from_dataset(spectrum.isel(visible=slice(MOST_PAIRED * components))).product
    by_site = product.reshape(len(product) // components, components, -1, components)
    two_point, of_data = spectrum["mixture_two_point"].values, "mixture_eigenvalue"
    known = of_data in spectrum
    eigenvalues = spectrum[of_data].values if known else covariance_waves(two_point, lattice).eigenvalue.ravel()
    fewer = spectrum.sizes["visible"] - eigenvalues.size
    return xr.Dataset(
        {
            "two_point_profile": ("displacement", classes.average(two_point)),
            "data_eigenvalue": ("mode", np.pad(np.sort(eigenvalues)[::-1], (0, fewer), constant_values=np.nan)),
            "weight_product": (("visible", "visible_other"), np.trace(by_site, axis1=1, axis2=3)),
            **{name: (("leading", "y", "x"), image) for name, image in images.items()},
        }
    )
