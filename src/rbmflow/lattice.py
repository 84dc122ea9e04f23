"""Lattices are tables: unit cells on a torus, and the bonds that repeat from cell to cell."""

import functools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int32
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from rbmflow._checks import Problems, listed
from rbmflow.settings import AXES, TOO_MANY_SITES


class Bond(NamedTuple):
    """A bond of every cell: from one of its sites to a site of the cell that is `displacement` away."""

    start: int
    end: int
    displacement: tuple[int, ...]
    kind: int = 0

    def both_ways(self) -> Iterator[tuple[int, int, tuple[int, ...]]]:
        """From each of its ends: the basis site here and there, and the displacement in cells."""
        yield self.start, self.end, self.displacement
        yield self.end, self.start, tuple(-step for step in self.displacement)


@dataclass(frozen=True, repr=False)
class Lattice:
    """Unit cells on a torus, each with the same sites (its basis) and the same bonds to itself and to other cells.

    Arrays have the lattice's `shape` as last axes: the numbers of cells, [y, x] or [z, y, x], and the basis if a cell
    has more sites than one, [y, x, basis]. Every side has at least two cells; where one has two, both bonds between a
    pair of sites count, whatever the lattice.

    Parameters
    ----------
    cells
        Numbers of cells, x last.
    bonds
        Rows `(from basis site, to basis site, displacement in cells, kind)`, each bond once; kinds are numbered from 0
        and have couplings of their own. Several bonds may have one kind.
    basis
        Sites of a cell.

    Raises
    ------
    InvalidInput
        If a bond leads to a site that is not there or to its own start, or is there twice.

    Examples
    --------
    The square lattice with its diagonals, whose kind is 1:

    >>> import rbmflow as rf
    >>> diagonals = rf.Lattice((4, 4), [(0, 0, (0, 1), 0), (0, 0, (1, 0), 0), (0, 0, (1, 1), 1), (0, 0, (1, -1), 1)])
    >>> diagonals
    Lattice(cells=(4, 4), bonds=4 a cell of 2 kinds, basis=1)
    >>> diagonals.neighbours[0].tolist()
    [1, 4, 5, 7, 3, 12, 15, 13]
    """

    cells: tuple[int, ...]
    bonds: tuple[Bond, ...]
    basis: int = 1
    name: str = field(default="", compare=False)

    def __init__(self, cells: Sequence[int], bonds: Iterable[Sequence[Any]], basis: int = 1, name: str = ""):
        problems, given = Problems(), cells
        cells = problems.wholes("cells", given, 2)
        sides = bool(problems.found) or 0 < len(cells) <= len(AXES)
        problems.unless(sides, "cells", cells, f"there must be 1 to {len(AXES)} sides")
        torus = None if problems.found else cells
        sites = problems.whole("basis", basis, 1)
        few = math.prod(cells) * sites < TOO_MANY_SITES
        problems.unless(few, "cells", given, "with the basis there must be fewer than 2^31 sites")
        problems.kind("name", name, str, "text")
        rows = tuple(bonds) if listed(bonds) else ()
        listed_rows = bool(rows) and all(map(listed, rows))
        told = "there must be at least one bond, in a list of rows (from, to, displacement, kind)"
        problems.unless(listed_rows, "bonds", bonds, told)
        rows = rows if listed_rows and cells else ()
        # What is told of bonds does not follow from a fault of the cells or of the basis.
        within = None if problems.found else sites
        found = [_bond(row, len(cells), torus, within, problems) for row in rows]
        table = tuple(bond for bond in found if bond)
        ends = [pair for bond in table for pair in bond.both_ways()]
        problems.unless(len(set(ends)) == len(ends), "bonds", rows, "each must be there once, from one of its ends")
        kinds = {bond.kind for bond in table}
        whole = kinds == set(range(len(kinds))) or len(table) < len(found)
        problems.unless(whole, "kinds", sorted(kinds), "they must be numbered from 0 on")
        problems.done()
        for attribute, value in zip(fields(self), (cells, table, sites, name), strict=True):
            object.__setattr__(self, attribute.name, value)

    def __repr__(self) -> str:
        told = f"{len(self.bonds)} a cell of {self.kinds} kinds"
        return self.name or f"Lattice(cells={self.cells}, bonds={told}, basis={self.basis})"

    @property
    def shape(self) -> tuple[int, ...]:
        """Last axes of configurations: the cells, and the basis if it has several sites."""
        return self.cells if self.basis == 1 else (*self.cells, self.basis)

    @property
    def axes(self) -> tuple[str, ...]:
        """Names of these axes, such as y, x, basis."""
        return (*AXES[-len(self.cells) :], "basis")[: len(self.shape)]

    @property
    def sites(self) -> int:
        """Number of sites N."""
        return math.prod(self.shape)

    @property
    def kinds(self) -> int:
        """How many kinds of bonds there are."""
        return 1 + max(bond.kind for bond in self.bonds)

    @property
    def is_square(self) -> bool:
        """Whether it is the square torus, whatever the kinds of its two bonds."""
        two = {frozenset(bond.both_ways()) for bond in self.bonds}
        right_down = {frozenset(Bond(0, 0, step).both_ways()) for step in ((0, 1), (1, 0))}
        return len(self.cells) == 2 and self.basis == 1 and two == right_down

    @functools.cached_property
    def _ends(self) -> Int32[np.ndarray, "2 site end"]:
        sites = np.arange(self.sites, dtype=np.int32).reshape(*self.cells, self.basis)
        ends: list[list[np.ndarray]] = [[] for _ in range(self.basis)]
        for sign in (1, -1):
            for bond in self.bonds:
                here, there = (bond.start, bond.end)[::sign]
                moved = np.roll(sites[..., there], [-sign * step for step in bond.displacement], range(len(self.cells)))
                ends[here].append(np.stack([moved, np.full_like(moved, bond.kind)]))
        table = np.empty((2, *sites.shape, max(map(len, ends))), np.int32)
        table[0], table[1] = sites[..., None], -1
        for here, found in enumerate(ends):
            for number, end in enumerate(found):
                table[..., here, number] = end
        table.flags.writeable = False
        return table.reshape(2, self.sites, -1)

    @property
    def neighbours(self) -> Int32[np.ndarray, "site end"]:
        """Site numbers at the other ends of the bonds of each site, those that start there first.

        On a side of length 2 a neighbour is named twice, once for each of its two bonds. A site with fewer bonds than
        others names itself in their place, with `neighbour_kinds` -1.
        """
        return self._ends[0]

    @property
    def neighbour_kinds(self) -> Int32[np.ndarray, "site end"]:
        """Kinds of the bonds to `neighbours`, -1 where there is none."""
        return self._ends[1]

    @functools.cached_property
    def joined(self) -> str:
        """Which sites bonds join, whatever their kinds and their order: rows of from, to and displacement in cells."""
        rows = sorted(min((here, there, *step) for here, there, step in bond.both_ways()) for bond in self.bonds)
        return "; ".join(" ".join(map(str, row)) for row in rows)

    @functools.cached_property
    def connected(self) -> bool:
        """Whether bonds lead from every site to every other."""
        place = np.repeat(np.arange(self.sites), self.neighbours.shape[1])
        bonds = coo_array((np.ones(place.size), (place, self.neighbours.ravel())), shape=(self.sites, self.sites))
        return connected_components(bonds, directed=False)[0] == 1

    @functools.cached_property
    def colours(self) -> tuple[np.ndarray, ...]:
        """Site numbers by colour: no two neighbours have the same, so one colour can be updated at once.

        Where that is a colouring: the sum modulo n of numbers that alternate 0, 1 along every side and end in 2 on an
        odd one, n = 2 if all sides are even, else 3. Elsewhere each site in turn has the first colour that none of its
        neighbours has, at most one more than there are bonds at a site.
        """
        count = 2 if all(side % 2 == 0 for side in self.cells) else 3
        steps = [np.append(np.arange(side - 1) % 2, 1 + side % 2) for side in self.cells]
        colour = np.repeat(functools.reduce(np.add.outer, steps).ravel() % count, self.basis)
        there = self.neighbour_kinds >= 0
        if (there & (colour[self.neighbours] == colour[:, None])).any():
            colour = np.array(_greedy(self.neighbours))
        return tuple(np.flatnonzero(colour == number) for number in range(colour.max() + 1))

    @functools.cached_property
    def displacements(self) -> tuple[int, ...]:
        """Shape of what depends on two sites by their displacement alone: that in cells, then their two basis sites.

        Where reversing any single axis of cells maps bonds onto bonds, as on the square, displacements go from 0 to
        half the sides: functions of them are even in each.
        """
        pair = () if self.basis == 1 else (self.basis, self.basis)
        return (*(side // 2 + 1 for side in self.cells), *pair) if self.mirrored else (*self.cells, *pair)

    @property
    def displacement_axes(self) -> tuple[str, ...]:
        """Names of these axes, such as dy, dx."""
        steps = [f"d{name}" for name in self.axes[: len(self.cells)]]
        return (*steps, "basis", "basis_other")[: len(self.displacements)]

    @functools.cached_property
    def mirrored(self) -> bool:
        """Whether sites are alone in their cells, and reversing any single axis maps bonds onto bonds of their kind."""
        ends = {(end, bond.kind) for bond in self.bonds for end in bond.both_ways()}
        flips = 1 - 2 * np.eye(len(self.cells), dtype=int)
        turned = [{((a, b, tuple((flip * step).tolist())), kind) for (a, b, step), kind in ends} for flip in flips]
        return self.basis == 1 and all(one == ends for one in turned)

    def translates(self, *places: Sequence[int]) -> Int32[np.ndarray, "cell place"]:
        """Site numbers of a cluster of sites and its translates, one for every cell.

        Parameters
        ----------
        places
            Displacements in cells, such as (0, 0), (0, 1); with the basis site as last number where a cell has several.

        Examples
        --------
        >>> import rbmflow as rf
        >>> rf.square(3).translates((0, 0), (0, 1), (1, 0), (1, 1))[0].tolist()
        [0, 1, 3, 4]
        """
        problems, axes = Problems(), tuple(range(len(self.cells)))
        rows = [problems.wholes(f"places[{number}]", place, -(2**15), 2**15) for number, place in enumerate(places)]
        fits = [len(row) == len(self.shape) and (self.basis == 1 or 0 <= row[-1] < self.basis) for row in rows]
        told = f"there must be at least one, each with the {len(self.shape)} numbers of {', '.join(self.axes)}"
        problems.unless(bool(rows) and all(fits), "places", places, told)
        problems.done()
        sites = np.arange(self.sites, dtype=np.int32).reshape(*self.cells, self.basis)
        ends = [(row[: len(axes)], row[-1] if self.basis > 1 else 0) for row in rows]
        moved = [np.roll(sites[..., basis], [-step for step in steps], axes) for steps, basis in ends]
        return np.stack(moved, axis=-1).reshape(-1, len(moved))

    def across(self, bond: Bond, values: Array) -> tuple[Array, Array]:
        """Values at both ends of a bond of every cell, [..., cells]; the last axes given are the lattice's."""
        by_site = values.reshape(*values.shape[: values.ndim - len(self.shape)], *self.cells, self.basis)
        axes = tuple(range(-len(self.cells), 0))
        back = tuple(-step for step in bond.displacement)
        return by_site[..., bond.start], jnp.roll(by_site[..., bond.end], back, axes)


def _bond(
    row: Sequence[Any], sides: int, cells: tuple[int, ...] | None, basis: int | None, problems: Problems
) -> Bond | None:
    """A row of the table, None with its problem noted; cells and a basis that are at fault themselves are None."""
    parts: tuple[Any, ...] = listed(row) or ()
    inner = Problems()
    if len(parts) in (3, 4):
        start, end = (inner.whole("site", site, 0, basis and basis - 1) for site in parts[:2])
        steps = inner.wholes("displacement", parts[2], -(2**15), 2**15)
        kind = inner.whole("kind", (*parts, 0)[3], 0)
        if not inner.found and len(steps) == sides:
            loop = start == end and not any(np.mod(steps, cells or np.inf))
            problems.unless(not loop, "bond", row, f"on {cells or 'any'} cells it joins a site to itself")
            return None if loop else Bond(start, end, steps, kind)
    sites = {None: "sites of a cell", 1: "site 0, the only one of a cell"}
    there = sites.get(basis) or f"sites 0 to {basis - 1} of a cell"  # pyright: ignore[reportOptionalOperand]
    told = f"(from, to, displacement, kind) must join {there}, by {sides} numbers of cells, and its kind be a number"
    problems.unless(False, "bond", row, told)
    return None


def _greedy(neighbours: Int32[np.ndarray, "site end"]) -> list[int]:
    colour = [-1] * len(neighbours)
    for site, ends in enumerate(neighbours.tolist()):
        taken = {colour[end] for end in ends}
        colour[site] = next(number for number in range(len(ends) + 1) if number not in taken)
    return colour


def _torus(name: str, sides: tuple[Any, ...], rows: Sequence[Sequence[Any]], basis: int = 1) -> Lattice:
    """A lattice of this house, of which sides that are None are as long as the first."""
    problems = Problems()
    cells = problems.wholes("cells", [sides[0] if side is None else side for side in sides], 2)
    problems.done()
    told = cells[:1] if len(set(cells)) == 1 else cells
    return Lattice(cells, rows, basis, f"{name}({', '.join(map(str, told))})")


def chain(length: int) -> Lattice:
    """Chain [x] of sites with a bond to the right.

    Examples
    --------
    >>> chain(64)
    chain(64)
    """
    return _torus("chain", (length,), [(0, 0, (1,))])


def square(ly: int, lx: int | None = None) -> Lattice:
    """Square lattice [y, x], each site with a bond to the right (kind 0) and one down (kind 1).

    Examples
    --------
    >>> square(10).sites
    100
    >>> square(4, 6).shape
    (4, 6)
    """
    return _torus("square", (ly, lx), [(0, 0, (0, 1), 0), (0, 0, (1, 0), 1)])


def triangular(ly: int, lx: int | None = None) -> Lattice:
    """Triangular lattice [y, x]: bonds to the right, down, and down to the left (kinds 0, 1, 2).

    Examples
    --------
    >>> triangular(8).neighbours.shape
    (64, 6)
    """
    return _torus("triangular", (ly, lx), [(0, 0, (0, 1), 0), (0, 0, (1, 0), 1), (0, 0, (1, -1), 2)])


def honeycomb(ly: int, lx: int | None = None) -> Lattice:
    """Honeycomb lattice [y, x, basis]: site 0 of a cell is bound to site 1 of it (kind 0) and of those left and above.

    Examples
    --------
    >>> honeycomb(6).shape
    (6, 6, 2)
    """
    return _torus("honeycomb", (ly, lx), [(0, 1, (0, 0), 0), (0, 1, (0, -1), 1), (0, 1, (-1, 0), 2)], 2)


def kagome(ly: int, lx: int | None = None) -> Lattice:
    """Kagome lattice [y, x, basis]: site 0 at the corner of a cell, 1 and 2 halfway to the right and down.

    Kinds of bonds are their three directions.

    Examples
    --------
    >>> len(kagome(6).colours)
    3
    """
    inside = [(0, 1, (0, 0), 0), (0, 2, (0, 0), 1), (1, 2, (0, 0), 2)]
    outside = [(1, 0, (0, 1), 0), (2, 0, (1, 0), 1), (1, 2, (-1, 1), 2)]
    return _torus("kagome", (ly, lx), inside + outside, 3)


def cubic(lz: int, ly: int | None = None, lx: int | None = None) -> Lattice:
    """Cubic lattice [z, y, x] with bonds along x, y and z (kinds 0, 1, 2).

    Examples
    --------
    >>> cubic(6).axes
    ('z', 'y', 'x')
    """
    return _torus("cubic", (lz, ly, lx), _along_axes(3))


def hypercubic(cells: Sequence[int]) -> Lattice:
    """Hypercubic lattice of any number of axes up to six, with bonds along each, the last one first.

    Examples
    --------
    >>> hypercubic((4, 4, 4, 4)).axes
    ('w', 'z', 'y', 'x')
    """
    sides = listed(cells) or ()
    Problems.only(bool(sides), "cells", cells, "they must be the sides, such as (4, 4, 4, 4)")
    return _torus("hypercubic", sides, _along_axes(len(sides)))


def _along_axes(dimensions: int) -> list[Sequence[Any]]:
    steps = np.eye(dimensions, dtype=int)[::-1].tolist()
    return [(0, 0, step, kind) for kind, step in enumerate(steps)]
