"""Drawings of lattices for these pages: their cell, its bonds and the numbers of its sites, from their tables."""

import itertools
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure

import rbmflow as rf
from rbmflow.figures.style import FAINT, INK, STYLE_FILE
from rbmflow.geometry import realization

SIDE = 3
"""Cells along each side of what is drawn."""

DEPTH = (0.45, 0.29)
"""A step along z on the page, to the right and down."""

KINDS = ("#0072B2", "#D55E00", "#B3589A")
"""Colours of the kinds of bonds."""

RIGHT_DOWN = [(0, 0, (0, 1), 0), (0, 0, (1, 0), 0)]
LATTICES = {
    "rf.chain(3)": rf.chain(SIDE),
    "rf.square(3)": rf.square(SIDE),
    "rf.triangular(3)": rf.triangular(SIDE),
    "rf.honeycomb(3)": rf.honeycomb(SIDE),
    "rf.kagome(3)": rf.kagome(SIDE),
    "rf.cubic(3)": rf.cubic(SIDE),
    "one's own: J1-J2": rf.Lattice((SIDE, SIDE), [*RIGHT_DOWN, (0, 0, (1, 1), 1), (0, 0, (1, -1), 1)]),
}


def draw_cell(axes, lattice):
    """Sites with their numbers and bonds; those of the cell in the middle are bold, and coloured by their kind."""
    positions, metric = realization(lattice)
    # Of the axes x comes last: turned round, cells along x lie level.
    shape = np.linalg.cholesky(metric[::-1, ::-1])

    def place(cell, basis):
        at = np.append((np.array(cell) + positions[basis])[::-1] @ shape, (0.0, 0.0))
        return at[0] + DEPTH[0] * at[2], at[1] + DEPTH[1] * at[2]

    cells = list(itertools.product(*map(range, lattice.cells)))
    middle = tuple(side // 2 for side in lattice.cells)
    for cell, bond in itertools.product(cells, lattice.bonds):
        end = np.add(cell, bond.displacement)
        own = cell == middle
        if own or ((end >= 0) & (end < lattice.cells)).all():
            x, y = zip(place(cell, bond.start), place(end, bond.end), strict=True)
            looks = {"color": KINDS[bond.kind], "linewidth": 3.0} if own else {"color": FAINT, "linewidth": 0.8}
            axes.plot(x, y, zorder=1 + own, solid_capstyle="round", **looks)
    numbers = np.arange(lattice.sites).reshape(*lattice.cells, lattice.basis)
    for cell, basis in itertools.product(cells, range(lattice.basis)):
        x, y = place(cell, basis)
        own = cell == middle
        axes.plot(x, y, "o", color="white", markeredgecolor=INK if own else FAINT, markersize=12, zorder=3)
        axes.text(x, y, str(numbers[cell][basis]), ha="center", va="center", fontsize=7, zorder=4)
    axes.set_aspect("equal")
    axes.invert_yaxis()
    axes.set_axis_off()
    axes.margins(0.12)


def write(folder: Path):
    """Write the drawing of all, which a page includes."""
    with matplotlib.rc_context(fname=STYLE_FILE):
        drawn = Figure(figsize=(10.0, 9.8), layout="constrained")
        panels = drawn.subplot_mosaic("abc;def;.g.")
        for axes, (name, lattice) in zip(panels.values(), LATTICES.items(), strict=True):
            draw_cell(axes, lattice)
            axes.set_title(name)
        drawn.savefig(folder / "lattices.svg", metadata={"Date": None})
