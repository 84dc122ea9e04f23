"""The weights of all machines side by side: averages over seeds, and images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from rbmflow.diagnostics import mean_and_error
from rbmflow.rbm import RBM
from rbmflow.spectrum import MEASURES, Spectrum, covariance_eigenvalues, displacement_classes
from rbmflow.steps.kinds.spectrum_step import FINAL_MEASURES

LEADING = 6
"""Modes, and hidden units, that are shown one by one."""

MOST_PAIRED = 1024
"""Visible units whose pairs are shown, the first ones of a larger lattice."""


def weights_of_all(by_machine: Sequence[Sequence[xr.Dataset]], machines: Sequence[xr.Dataset]) -> xr.Dataset:
    """Weights of all machines side by side, averaged over seeds; images of the first seed.

    Parameters
    ----------
    by_machine
        The spectra of the seeds of each machine.
    machines
        Each one, of the first seed.
    """
    shape = (len(by_machine), len(by_machine[0]))
    first, spectra = [row[0] for row in by_machine], [one for row in by_machine for one in row]
    ly, lx = spectra[0].sizes["y"], spectra[0].sizes["x"]
    found = _by_seed(spectra, shape)
    classes = displacement_classes(ly, lx)
    profile = np.array([classes.average(one["product_displacement"].values) for one in spectra])
    waves = [np.sort(covariance_eigenvalues(one["mixture_two_point"].values).ravel())[::-1] for one in first]
    with_errors = {
        "product_profile": (("displacement",), profile.reshape(*shape, -1)),
        "projection": (("leading", "temperature"), _padded(spectra, "projection", ("mode", "temperature"), shape)),
        "weight_measure": found["weight_measure"],
        "weight_final": found["weight_final"],
    }
    averaged = {}
    for name, (dims, values) in with_errors.items():
        dims = [dim for dim in dims if dim not in ("machine", "seed")]
        values = _leading(values) if name == "projection" else values
        mean, error = mean_and_error(values, axis=1)
        averaged |= {f"{name}_mean": (("machine", *dims), mean), f"{name}_error": (("machine", *dims), error)}
    power = _padded(spectra, "mode_power", ("mode", "shell"), shape).mean(axis=1)
    images = [_images(spectrum, machine, ly, lx) for spectrum, machine in zip(first, machines, strict=True)]
    return xr.Dataset(
        {
            **found,
            **averaged,
            "two_point_profile": (
                ("machine", "displacement"),
                np.array([classes.average(one["mixture_two_point"].values) for one in first]),
            ),
            "data_eigenvalue": (("machine", "mode"), np.array(waves)),
            "mode_power": (("machine", "mode", "shell"), power),
            "weight_product": (
                ("machine", "visible", "visible_other"),
                np.array([Spectrum.from_dataset(one.isel(visible=slice(MOST_PAIRED))).product for one in first]),
            ),
            **{
                name: (("machine", "leading", "y", "x"), np.array([image[name] for image in images]))
                for name in ("leading_vector", "receptive_field", "receptive_correlator")
            },
        },
        {
            "distance": ("displacement", classes.distance, {"units": "lattice spacings"}),
            "wavenumber": spectra[0]["wavenumber"],
            "temperature": spectra[0]["temperature"],
            "measure": list(MEASURES),
            "checkpoint": np.arange(found["weight_update"][1].shape[1]),
            "final_measure": [*MEASURES, *FINAL_MEASURES],
            "meaning": ("final_measure", [*MEASURES.values(), *FINAL_MEASURES.values()]),
        },
    )


def _by_seed(spectra: Sequence[xr.Dataset], shape: tuple[int, int]) -> dict[str, tuple[tuple[str, ...], np.ndarray]]:
    """What every seed has: mode by mode, and the measures along the training and at its end."""
    axes = {
        "singular_value": ("mode",),
        "predicted_gain": ("mode",),
        "gain": ("mode",),
        "gain_error": ("mode",),
        "growth_sampled": ("mode", "growth_iteration"),
        "growth_mean_field": ("mode", "growth_iteration"),
        "mode_participation": ("mode",),
        "initial_edge_lower": (),
        "initial_edge_upper": (),
    }
    found = {name: (("machine", "seed", *dims), _padded(spectra, name, dims, shape)) for name, dims in axes.items()}
    last = [
        [*one["measure_of_checkpoint"].values[-1], *(float(one[name]) for name in FINAL_MEASURES)] for one in spectra
    ]
    final = np.array(last).reshape(*shape, -1)
    uniformity = final[..., list(MEASURES).index("leading_uniformity")]
    along = _padded(spectra, "measure_of_checkpoint", ("checkpoint", "measure"), shape)
    updates = _padded(spectra, "update", ("checkpoint",), shape)[:, 0]
    return found | {
        "weight_measure": (("machine", "seed", "checkpoint", "measure"), along),
        "weight_final": (("machine", "seed", "final_measure"), final),
        "weight_update": (("machine", "checkpoint"), updates),
        "leading_uniformity": (("machine", "seed"), uniformity),
    }


def _padded(spectra: Sequence[xr.Dataset], name: str, dims: tuple[str, ...], shape: tuple[int, int]) -> np.ndarray:
    """One variable of all machines and seeds; NaN where modes, at most as many as sites, or checkpoints are fewer."""
    values = [one[name].transpose(*dims).values for one in spectra]
    if not dims:
        return np.array(values, float).reshape(shape)
    longest = spectra[0].sizes["visible"] if dims[0] == "mode" else max(map(len, values))
    padded = np.full((len(values), longest, *values[0].shape[1:]), np.nan)
    for row, one in zip(padded, values, strict=True):
        row[: len(one)] = one
    return padded.reshape(*shape, *padded.shape[1:])


def _leading(values: np.ndarray) -> np.ndarray:
    """The leading modes of [machine, seed, mode, ...]; NaN where a lattice has fewer sites than that."""
    missing = max(0, LEADING - values.shape[2])
    widths = [(0, 0), (0, 0), (0, missing), *[(0, 0)] * (values.ndim - 3)]
    return np.pad(values[:, :, :LEADING], widths, constant_values=np.nan)


def _images(spectrum: xr.Dataset, machine: xr.Dataset, ly: int, lx: int) -> dict[str, np.ndarray]:
    """Leading modes, and the weights and correlators of the hidden units with the largest weights, as images."""
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
    return images
