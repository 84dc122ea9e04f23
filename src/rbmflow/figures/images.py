"""Figures of lattices: the leading modes of the weights, the weights of hidden units, configurations along a flow."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from rbmflow.figures import panels, style
from rbmflow.figures.plot import figure

IN_COLUMN = 3
"""Images with titles that stand beside one another in a column of a journal."""


def _table(
    images: NDArray[np.generic], names: Sequence[str], side: float, above: float, **look: Any
) -> tuple[Figure, Axes, NDArray[np.float64]]:
    """Draw images [row, column, y, x], each `side` inches wide and with so many inches above it.

    All stand in one panel, as panels take long. The corners [row, column, (x, y)] are in widths of a lattice.
    """
    if style.in_column():
        side = min(side, (style.COLUMN - 0.6) / (1.1 * images.shape[1]))
    height = images.shape[2] / images.shape[3]
    left, top = 1.1 * np.arange(images.shape[1]), (height + above / side) * np.arange(images.shape[0])
    drawn = panels.new_figure(0.35 + side * (top[-1] + height) + above, 0.5 + side * (left[-1] + 1.1))
    axes = drawn.subplots()
    corners = np.stack(np.meshgrid(left, top), axis=-1)
    for row, of_row in zip(images, corners, strict=True):
        for image, (x, y) in zip(row, of_row, strict=True):
            axes.imshow(image, extent=(x, x + 1, y + height, y), **look)
    axes.set_xlim(-0.01, left[-1] + 1.01)
    axes.set_ylim(top[-1] + height + 0.01, -0.01)
    axes.set_xticks([])
    axes.set_yticks(top + height / 2, names, rotation=90, va="center", ma="center")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return drawn, axes, corners


def _weights(images: NDArray[np.float64], names: Sequence[str], titles: NDArray, most: float, otherwise: str) -> Figure:
    """Draw images, each with a scale of its own that is symmetric about zero, and its title above.

    In a column of a journal as few stand beside one another as have room for their titles.
    """
    if style.in_column() and images.shape[1] % IN_COLUMN == 0:
        rows = images.shape[1] // IN_COLUMN
        names = [text for name in names for text in (name, *[""] * (rows - 1))]
        images, titles = images.reshape(-1, IN_COLUMN, *images.shape[2:]), titles.reshape(-1, IN_COLUMN)
    scale = np.nanmax(np.abs(images), axis=(2, 3), keepdims=True, initial=0.0)
    scaled = images / np.where(scale > 0, scale, 1.0)
    side = min(7.8 / images.shape[1], most)
    drawn, axes, corners = _table(scaled, names, side, 0.22, cmap=style.DIVERGING, vmin=-1, vmax=1)
    for place in np.ndindex(titles.shape):
        x, y = corners[place]
        if np.isfinite(images[place]).all():
            axes.text(x, y - 0.04, str(titles[place]), fontsize=7.5)
        else:
            middle = y + 0.5 * images.shape[2] / images.shape[3]
            axes.text(x + 0.5, middle, otherwise, ha="center", va="center", color=style.FAINT, fontsize=7.5)
    return drawn


@figure(
    section="vectors",
    padded=1,
    needs="leading_vector singular_value",
    caption="The leading visible singular vectors of W, first seed, as images of the lattice (planes below one "
    "another, sites of a cell side by side, of units with several numbers a site the first), with their "
    "squared singular values. Each has its own colour scale about zero (white); the sign of a vector is free."
    " Look whether the first is uniform (the magnetization) and the next are long waves.",
)
def leading_vectors(results: xr.Dataset) -> Figure:
    """Leading visible singular vectors of every machine's first seed, as images of the lattice."""
    images = results["leading_vector"].transpose("machine", "leading", "y", "x").values
    squares = results["singular_value"].isel(seed=0).transpose("machine", "mode").values[:, : images.shape[1]] ** 2
    titles = np.full(images.shape[:2], "", object)
    for (machine, k), square in np.ndenumerate(squares):
        titles[machine, k] = f"k = {k + 1}, σ² = {square:.3g}"
    return _weights(images, [name for name, _ in panels.by_machine(results)], titles, 2.0, "no such mode")


@figure(
    section="hidden",
    padded=1,
    needs="receptive_field receptive_correlator",
    caption="The hidden units with the largest weights, first seed: above their weights W, below their correlators ⟨v"
    " h⟩ with the visible units over the training configurations, as images of the lattice (of units with "
    "several numbers a site the first). Each has its own colour scale, symmetric about zero, whose end stands"
    " above. Look whether a unit watches a single site, a block, or the whole lattice.",
)
def receptive_fields(results: xr.Dataset) -> Figure:
    """Weights of the strongest hidden units (largest norm) of every machine's first seed, and their correlators."""
    told = {"receptive_field": "$W$", "receptive_correlator": "$\\langle v h\\rangle$"}
    rows = [(f"{name}\n{what}", here[one]) for name, here in panels.by_machine(results) for one, what in told.items()]
    images = np.array([values.transpose("leading", "y", "x").values for _, values in rows])
    titles = np.array([[f"± {np.abs(image).max():.2g}" for image in row] for row in images])
    return _weights(images, [name for name, _ in rows], titles, 1.15, "no such unit")


@figure(
    section="Scale invariance",
    padded=1,
    needs="layer_field",
    caption="Receptive fields of the first hidden units of every layer of a stack, first seed: products of the weights "
    "up to the layer, as images of the lattice. Each has its own colour scale, symmetric about zero, whose end stands "
    "above. Look whether they are blocks, of twice the side with every layer.",
)
def layer_fields(results: xr.Dataset) -> Figure:
    """Receptive fields of some hidden units of every layer of stacks."""
    rows = [
        (f"{name}\nlayer {layer}", here["layer_field"].sel(layer=layer).transpose("shown", "y", "x").values)
        for name, here in panels.by_machine(results)
        for layer in results["layer"].values
    ]
    images = np.array([values for _, values in rows])
    titles = np.array([[f"± {np.abs(image).max():.2g}" for image in row] for row in images])
    return _weights(images, [name for name, _ in rows], titles, 1.15, "no such unit")


@figure(
    section="examples",
    by="machine",
    needs="example",
    caption="One chain of the first seed, the same whatever it does. Dark is the highest state, light the lowest; "
    "rows are starts, columns iterations.",
)
def configurations(results: xr.Dataset) -> Figure:
    """One chain of a machine's first seed along the flow: one row a start, one column a snapshot."""
    spins = results["example"].isel(machine=0).transpose("start", "snapshot", "y", "x").values
    looks, snapshots = style.start_looks(results), [int(s) for s in results["snapshot"].values]
    states = results.attrs.get("states", (-1, 1))
    side, colours = (
        min(9.5 / (1.1 * len(snapshots)), 1.2),
        LinearSegmentedColormap.from_list("spins", style.SPIN_COLOURS),
    )
    names = [f"from {start}" for start in looks]
    drawn, axes, corners = _table(spins, names, side, 0.1 * side, cmap=colours, vmin=states[0], vmax=states[-1])
    height = spins.shape[2] / spins.shape[3]
    for row, label, look in zip(corners, axes.get_yticklabels(), looks.values(), strict=True):
        label.set_color(look.colour)
        for corner in row:
            axes.add_patch(Rectangle(tuple(corner), 1, height, fill=False, edgecolor=look.colour, linewidth=1.0))
    axes.xaxis.tick_top()
    axes.set_xticks(corners[0, :, 0] + 0.5, [f"iteration {snapshots[0]}", *map(str, snapshots[1:])])
    return drawn
