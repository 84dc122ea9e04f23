"""Lattices as lines of sites, along which clusters spread by bitwise operations, and the other ends of their bonds."""

import functools
from typing import NamedTuple

import numpy as np
from jaxtyping import Int64, UInt32

from rbmflow.lattice import Lattice


class Lines(NamedTuple):
    """The sites that follow one another along the last side, basis included, as lines; a bond is [of cell, cell]."""

    starts: UInt32[np.ndarray, "bond cell"]
    """Site at one end of every bond ..."""
    ends: UInt32[np.ndarray, "bond cell"]
    """... and at the other."""
    along: UInt32[np.ndarray, "line x"]
    """Number of the bond from each site to the next in its line, of all bonds one after another, or one beyond them."""
    across: UInt32[np.ndarray, "line end x"]
    """Numbers of the bonds at the other ends of each site."""
    neighbours: UInt32[np.ndarray, "line end x"]
    """Sites that these lead to."""
    beside: Int64[np.ndarray, "line other"]
    """Lines that they lead to, repeated if there are fewer than elsewhere."""
    folded: bool
    """Whether such ends join sites of one line."""


@functools.lru_cache(maxsize=8)
def lines_of(lattice: Lattice) -> Lines:
    """The lines of a lattice."""
    sites = np.arange(lattice.sites).reshape(*lattice.cells, lattice.basis)
    axes, length = tuple(range(len(lattice.cells))), lattice.cells[-1] * lattice.basis
    following = np.roll(sites.reshape(-1, length), -1, axis=1).ravel()
    moved = ([-step for step in bond.displacement] for bond in lattice.bonds)
    starts = np.stack([sites[..., bond.start].ravel() for bond in lattice.bonds])
    ends = np.stack(
        [np.roll(sites[..., bond.end], back, axes).ravel() for bond, back in zip(lattice.bonds, moved, strict=True)]
    )
    none = starts.size
    along, slots = np.full(lattice.sites, none), np.zeros(lattice.sites, int)
    others: list[np.ndarray] = []
    for first, here, there in zip(range(0, none, starts.shape[1]), starts, ends, strict=True):
        number, free = first + np.arange(here.size), np.ones(here.size, bool)
        for one, two in ((here, there), (there, here)):
            taken = free & (following[one] == two) & (along[one] == none)
            along[one[taken]] = number[taken]
            free &= ~taken
        for one, two in ((here[free], there[free]), (there[free], here[free])):
            others.append(np.stack([slots[one], one, two, number[free]]))
            slots[one] += 1
    slot, site, other, number = np.concatenate(others, axis=1)
    across = np.full((slots.max(), lattice.sites), none)
    neighbours = np.tile(np.arange(lattice.sites), (slots.max(), 1))
    across[slot, site], neighbours[slot, site] = number, other
    lines = lattice.sites // length

    def by_line(table: np.ndarray) -> UInt32[np.ndarray, "line end x"]:
        return np.ascontiguousarray(table.reshape(len(table), lines, length).swapaxes(0, 1), np.uint32)

    return Lines(
        starts.astype(np.uint32),
        ends.astype(np.uint32),
        along.reshape(lines, length).astype(np.uint32),
        by_line(across),
        by_line(neighbours),
        _beside(site // length, other // length, lines),
        bool((site // length == other // length).any()),
    )


def _beside(line: np.ndarray, other: np.ndarray, lines: int) -> Int64[np.ndarray, "line other"]:
    """Other lines that each line leads to."""
    pairs = np.unique(np.stack([line, other])[:, line != other], axis=1)
    found = [pairs[1, pairs[0] == one] for one in range(lines)]
    most = max(map(len, found))
    return np.stack([np.resize(one, most) if one.size else np.full(most, at) for at, one in enumerate(found)])
