"""Figures of lattices: the leading modes of the weights, the weights of hidden units, configurations along a flow."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from rbmflow.figures import panels, style
from rbmflow.figures.plot import figure


def _image_rows(results: xr.Dataset, rows: int, most: float, left: float) -> tuple[Figure, NDArray]:
    """A figure of images of the lattice, so many rows of the leading ones, each at most so wide."""
    count = results.sizes["leading"]
    side = min(7.8 / count, most)
    height = side * results.sizes["y"] / results.sizes["x"] * 0.94 + 0.28
    drawn = panels.new_figure(0.1 + rows * height, left + side * count)
    return drawn, drawn.subplots(rows, count, squeeze=False)


def _image(axes: Axes, values: NDArray[np.float64], title: str, otherwise: str) -> None:
    """Draw one image of the lattice with a scale of its own, symmetric about zero."""
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    if not np.isfinite(values).all():
        axes.text(0.5, 0.5, otherwise, ha="center", va="center", color="#999999", fontsize=7)
        return
    scale = float(np.abs(values).max()) or 1.0
    axes.imshow(values, cmap=style.DIVERGING, vmin=-scale, vmax=scale)
    axes.set_title(title, fontsize=7.5)


@figure(
    section="vectors",
    padded=1,
    needs=("leading_vector", "singular_value"),
    caption="The leading visible singular vectors of W, first seed, as images of the lattice, with their squared "
    "singular values. Each has its own colour scale about zero (white); the sign of a vector is free. Look whether "
    "the first is uniform (the magnetization) and the next are long waves.",
)
def leading_vectors(results: xr.Dataset) -> Figure:
    """Leading visible singular vectors of every machine's first seed, as images of the lattice."""
    machines = panels.by_machine(results)
    drawn, grid = _image_rows(results, len(machines), 2.0, 0.3)
    for row, (name, here) in zip(grid, machines, strict=True):
        values = here["singular_value"].isel(seed=0).values
        for k, axes in enumerate(row):
            vector = here["leading_vector"].isel(leading=k).transpose("y", "x").values
            _image(axes, vector, f"k = {k + 1}, σ² = {values[k] ** 2:.3g}" if k < len(values) else "", "no such mode")
        row[0].set_ylabel(name)
    return drawn


@figure(
    section="hidden",
    padded=1,
    needs=("receptive_field", "receptive_correlator"),
    caption="The hidden units with the largest weights, first seed: above their weights W, below their correlators ⟨v "
    "h⟩ with the visible units over the training configurations, as images of the lattice. Each has its own colour "
    "scale, symmetric about zero, whose end stands above. Look whether a unit watches a single site, a block, or the "
    "whole lattice.",
)
def receptive_fields(results: xr.Dataset) -> Figure:
    """Weights of the strongest hidden units (largest norm) of every machine's first seed, and their correlators."""
    names = {"receptive_field": "$W$", "receptive_correlator": "$\\langle v h\\rangle$"}
    rows = [(machine, here[one], told) for machine, here in panels.by_machine(results) for one, told in names.items()]
    drawn, grid = _image_rows(results, len(rows), 1.15, 0.5)
    for row, (machine, images, told) in zip(grid, rows, strict=True):
        for axes, values in zip(row, images.transpose("leading", "y", "x").values, strict=True):
            _image(axes, values, f"± {np.abs(values).max():.2g}", "no such unit")
        row[0].set_ylabel(f"{machine}\n{told}")
    return drawn


@figure(
    section="examples",
    by="machine",
    needs=("example",),
    caption="One chain of the first seed, the same whatever it does. Dark is spin up, light spin down; rows are "
    "starts, columns iterations.",
)
def configurations(results: xr.Dataset) -> Figure:
    """One chain of a machine's first seed along the flow: one row a start, one column a snapshot."""
    [(_, here)] = panels.by_machine(results)[:1]
    looks, snapshots = style.start_looks(results), [int(s) for s in results["snapshot"].values]
    pitch = 1.1  # from one lattice to the next, in widths of a lattice
    columns, rows = pitch * np.arange(len(snapshots)), pitch * np.arange(len(looks))
    height = results.sizes["y"] / results.sizes["x"]
    side = min(9.5 / (pitch * len(snapshots)), 1.2)
    drawn = panels.new_figure(0.35 + side * height * pitch * len(looks), 0.4 + side * pitch * len(snapshots))
    axes = drawn.subplots()
    colours = ListedColormap(style.SPIN_COLOURS)
    for row, (_, look, flow) in zip(rows, panels.by_start(here), strict=True):
        for column, spins in zip(columns, flow["example"].transpose("snapshot", "y", "x").values, strict=True):
            corner = column, row * height
            extent = (column, column + 1, corner[1] + height, corner[1])
            axes.imshow(spins, cmap=colours, vmin=-1, vmax=1, extent=extent)
            axes.add_patch(Rectangle(corner, 1, height, fill=False, edgecolor=look.colour, linewidth=1.0))
    axes.set_xlim(-0.01, columns[-1] + 1.01)
    axes.set_ylim((rows[-1] + 1.01) * height, -0.01 * height)
    axes.xaxis.tick_top()
    axes.set_xticks(columns + 0.5, [f"iteration {snapshots[0]}", *map(str, snapshots[1:])])
    axes.set_yticks((rows + 0.5) * height, [f"from {s}" for s in looks], rotation=90, va="center")
    for text, look in zip(axes.get_yticklabels(), looks.values(), strict=True):
        text.set_color(look.colour)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return drawn
