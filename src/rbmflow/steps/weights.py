"""The weights of all machines side by side: averages over seeds, and images."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from rbmflow.diagnostics import mean_and_error
from rbmflow.rbm import RBM
from rbmflow.spectrum import MEASURES, Spectrum, covariance_eigenvalues, displacement_classes
from rbmflow.steps.kinds.cascade_step import LEADING
from rbmflow.steps.kinds.results_step import MOST_PAIRED
from rbmflow.steps.kinds.spectrum_step import FINAL_MEASURES

OF_SEEDS = (
    *("singular_value", "predicted_gain", "gain", "gain_error", "growth_sampled", "growth_mean_field"),
    *("mode_participation", "initial_edge_lower", "initial_edge_upper", "weight_measure", "weight_final"),
    "leading_uniformity",
)
"""What is shown of every seed."""


def weights_of_all(by_machine: Sequence[Sequence[xr.Dataset]], machines: Sequence[xr.Dataset]) -> xr.Dataset:
    """Weights of all machines side by side, averaged over the spectra of their seeds; images of the first seed."""
    rows = [xr.concat(list(map(_of_one, row)), "seed", join="outer") for row in by_machine]
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
    of_first = xr.concat([_of_first(row[0], machine) for row, machine in pairs], "machine")
    whole = every.drop_vars(["product_profile", "projection"]).assign(
        **averaged,
        mode_power=every["mode_power"].mean("seed", skipna=False),
        update=every["update"].isel(seed=0),
    )
    return whole.merge(of_first).assign_coords(
        final_measure=[*MEASURES, *FINAL_MEASURES],
        meaning=("final_measure", [*MEASURES.values(), *FINAL_MEASURES.values()]),
    )


def _of_one(spectrum: xr.Dataset) -> xr.Dataset:
    """What is averaged or shown of one seed, in float64."""
    measured = spectrum["measure_of_checkpoint"]
    final = [*measured.values[-1], *(float(spectrum[name]) for name in FINAL_MEASURES)]
    classes = displacement_classes(spectrum.sizes["y"], spectrum.sizes["x"])
    found = spectrum.rename(measure_of_checkpoint="weight_measure").assign(
        weight_final=("final_measure", final),
        leading_uniformity=measured.sel(measure="leading_uniformity", drop=True).isel(checkpoint=-1),
        product_profile=("displacement", classes.average(spectrum["product_displacement"].values)),
    )
    kept = found[[*OF_SEEDS, "product_profile", "projection", "mode_power", "update"]].astype(np.float64)
    axes = {name: np.arange(kept.sizes[name]) for name in ("mode", "checkpoint")}
    distance = ("displacement", classes.distance, {"units": "lattice spacings"})
    return kept.assign_coords({**axes, "distance": distance})


def _of_first(spectrum: xr.Dataset, machine: xr.Dataset) -> xr.Dataset:
    """What is shown of the first seed alone: W W^T, the data, and images.

    Images are of the leading modes, and of the weights and correlators of the hidden units with the largest weights.
    """
    ly, lx = spectrum.sizes["y"], spectrum.sizes["x"]
    two_point = spectrum["mixture_two_point"].values
    weights = np.asarray(RBM.from_dataset(machine).in_units("-1/+1").weights, np.float64)
    strongest = np.argsort(-np.sum(weights**2, axis=0), kind="stable")[:LEADING]
    columns = {
        "leading_vector": spectrum["visible_vector"].values[:, :LEADING],
        "receptive_field": weights[:, strongest],
        "receptive_correlator": spectrum["correlator"].values[:, strongest],
    }
    images = {name: np.full((LEADING, ly, lx), np.nan) for name in columns}
    for name, values in columns.items():
        images[name][: values.shape[1]] = values.T.reshape(-1, ly, lx)
    product = Spectrum.from_dataset(spectrum.isel(visible=slice(MOST_PAIRED))).product
    return xr.Dataset(
        {
            "two_point_profile": ("displacement", displacement_classes(ly, lx).average(two_point)),
            "data_eigenvalue": ("mode", np.sort(covariance_eigenvalues(two_point).ravel())[::-1]),
            "weight_product": (("visible", "visible_other"), product),
            **{name: (("leading", "y", "x"), image) for name, image in images.items()},
        }
    )
