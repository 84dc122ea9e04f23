"""Figures of single records: draws, a machine, its training, its flow, its spectrum, and the curve of a thermometer."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import xarray as xr
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap

from rbmflow.figures import marks, style
from rbmflow.figures.plot import figure

MOST_IMAGES = 8
"""Images that stand beside one another."""


def _side_by_side(axes: Axes, images: Iterable[np.ndarray], names: Iterable[str], **look: Any) -> None:
    """Draw images [y, x], or rows [x], beside one another, a name above each; of further axes the first entries."""
    flat = []
    for image in images:
        while image.ndim > 2:
            image = image[0]
        flat.append(np.atleast_2d(image).astype(float))
    width = flat[0].shape[1] + 1
    shown = np.hstack([np.pad(image, ((0, 0), (0, 1)), constant_values=np.nan) for image in flat])[:, :-1]
    axes.imshow(shown, aspect="equal", **look)
    axes.xaxis.tick_top()
    axes.set_xticks(np.arange(len(flat)) * width + (width - 2) / 2, list(names))
    axes.set_yticks([])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _few(count: int) -> np.ndarray:
    """Numbers of at most so many entries as are shown, spread evenly from the first to the last."""
    return np.unique(np.linspace(0, count - 1, min(count, MOST_IMAGES)).round().astype(int))


@figure(
    section="record",
    page="record",
    panel=(7.0, 1.2),
    needs="spins",
    caption="The first configuration at some of the temperatures of draws, or the first chain at some iterations of a "
    "flow. Of spins dark is up, light down.",
)
def record_configurations(record: xr.Dataset, axes: Axes) -> None:
    """The first configuration of draws at some of the temperatures, or of a flow at some iterations."""
    along, of = map(str, record["spins"].dims[:2])
    shown = _few(record.sizes[along])
    spins = record["spins"].isel({along: shown, of: 0}).values
    low, high = int(record["spins"].min()), int(record["spins"].max())
    if low < 0 and not (spins == 0).any():
        look: dict[str, Any] = {"cmap": ListedColormap(style.SPIN_COLOURS), "vmin": -1, "vmax": 1}
    else:
        look = {"cmap": colormaps["cividis"].resampled(high - low + 1), "vmin": low, "vmax": high}
    first, *others = (f"{entry:g}" for entry in record[along].values[shown])
    _side_by_side(axes, spins, [f"T = {first}" if along == "temperature" else f"{along} {first}", *others], **look)


@figure(
    section="record",
    page="record",
    panel=(7.0, 1.2),
    needs="weights",
    caption="Weights of the hidden units with the largest ones, as images of the lattice, each on a scale of its own.",
)
def machine_weights(machine: xr.Dataset, axes: Axes) -> None:
    """Weights of the hidden units with the largest ones, as images of the lattice."""
    weights = machine["weights"].transpose("hidden", "visible").values
    strongest = np.argsort(-(weights**2).sum(axis=1), kind="stable")[:MOST_IMAGES]
    largest = np.abs(weights[strongest]).max(axis=1)
    shape = [int(side) for side in np.ravel(machine.attrs.get("shape", weights.shape[1]))]
    # Units of several numbers a site, such as one-hot ones, have as many rows of images.
    scaled = weights[strongest] / np.where(largest > 0, largest, 1.0)[:, None]
    images = np.moveaxis(scaled.reshape(len(strongest), *shape, -1), -1, 1)[:, 0]
    names = [f"± {one:.2g}" for one in largest]
    _side_by_side(axes, images, names, cmap=style.DIVERGING, vmin=-1, vmax=1)


@figure(
    section="record",
    page="record",
    panel=(4.0, 2.2),
    needs="reconstruction",
    caption="Reconstruction error against the epoch of training.",
)
def history_reconstruction(history: xr.Dataset, axes: Axes) -> None:
    """Reconstruction error against the epoch of training."""
    axes.plot(history["epoch"].values, history["reconstruction"].values, color=style.NEUTRAL)
    axes.set(xlabel="epoch", ylabel="reconstruction error")


@figure(
    section="record",
    page="record",
    panel=(4.0, 2.2),
    needs="singular_value",
    caption="Eigenvalues of W Wᵀ against their index, largest first, logarithmic axis.",
)
def spectrum_eigenvalues(spectrum: xr.Dataset, axes: Axes) -> None:
    """Eigenvalues of W W^T against their index, largest first."""
    squares = spectrum["singular_value"].values ** 2
    index = np.arange(1, squares.size + 1)
    axes.semilogy(index, np.where(squares > 0, squares, np.nan), ".-", color=style.NEUTRAL, linewidth=0.7)
    axes.set(xlabel="index $k$", ylabel="eigenvalue")


@figure(
    section="record",
    page="record",
    panel=(4.0, 2.2),
    needs="temperature error",
    caption="Temperature that a thermometer reads of the chains of a flow, with its standard error, against the "
    "iteration. Solid line T_c, where it is known.",
)
def flow_temperature(flow: xr.Dataset, axes: Axes) -> None:
    """Temperature that a thermometer reads of the chains of a flow, against the iteration."""
    values = flow["temperature"].values
    finite = values[np.isfinite(values)]
    if finite.size:
        margin = 0.05 * max(float(np.ptp(finite)), 0.1)
        axes.set_ylim(finite.min() - margin, finite.max() + margin)
    look = style.Look(style.NEUTRAL, "o")
    marks.draw_readings(axes, flow["iteration"].values, values, flow["error"].values, look)
    if "critical_temperature" in flow:
        critical = float(flow["critical_temperature"])
        axes.axhline(critical, **marks.CRITICAL)
        marks.side_labels(axes, {marks.T_C: critical})
    marks.say_empty(axes, values)
    axes.set(xlabel="iteration", ylabel="temperature $(J/k_B)$")


@figure(
    section="record",
    page="record",
    panel=(4.0, 2.2),
    needs="mean",
    caption="Equilibrium mean of what a thermometer reads, against the temperature.",
)
def thermometer_curve(curve: xr.Dataset, axes: Axes) -> None:
    """Equilibrium mean of what a thermometer reads, against the temperature."""
    axes.plot(curve["temperature"].values, curve["mean"].values, color=style.NEUTRAL)
    axes.set(xlabel="temperature $(J/k_B)$", ylabel=marks.plain(curve["mean"].attrs["long_name"]))
