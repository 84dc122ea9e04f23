"""Settings of what is drawn from: a model on a lattice, at some temperatures."""

import math
from dataclasses import dataclass, replace
from typing import get_args

from rbmflow._checks import Problems, is_number, listed
from rbmflow.settings.checking import Settings, checked
from rbmflow.settings.choices import (
    LARGEST_ENERGY,
    LONGEST_SIDE,
    MOST_STATES,
    PAPER_GRID,
    TOO_MANY_SITES,
    LatticeName,
    MethodName,
    ModelName,
)

AXES = "uvwzyx"
"""Names of up to six axes of cells: the last are z, y, x."""

_CELLS = {
    "square": (2, 1, 2),
    "chain": (1, 1, 1),
    "triangular": (2, 1, 3),
    "honeycomb": (2, 2, 3),
    "kagome": (2, 3, 3),
    "cubic": (3, 1, 3),
}
"""Axes of cells, sites of a cell, and kinds of bonds, of the lattices whose number of axes is fixed."""


@dataclass(frozen=True)
class ModelSettings(Settings):
    """The spin model: what a site can be, and what bonds and sites cost."""

    kind: ModelName = checked("ising", Problems.one_of, get_args(ModelName.__value__))
    """Spin model: "ising", E = -sum J s s' - h sum s; "potts", E = -sum delta(s, s');
    "clock", E = -sum cos(2 pi (s - s') / q); "blume-capel", E = -sum s s' + D sum s^2."""
    q: int = checked(0, Problems.whole, 0, 128)
    """States of a site of "potts" and "clock", at least 2; 0 for the others."""
    field: float = checked(0.0, Problems.finite, LARGEST_ENERGY)
    """Field h of "ising"."""
    couplings: tuple[float, ...] = ()
    """J of every kind of bond of "ising", or one for all; 1 if none is given."""
    crystal_field: float = checked(0.0, Problems.finite, LARGEST_ENERGY)
    """Crystal field D of "blume-capel"."""

    def compare(self, problems: Problems) -> None:
        """Note what the kind of model does not have."""
        with_q = self.kind in ("potts", "clock")
        least = f"{self.kind} needs at least 2 states" if with_q else f"{self.kind} has no q; leave it out"
        if isinstance(self.q, int) and self.q in range(129):  # others are told of already
            problems.unless(self.q >= 2 if with_q else self.q == 0, "q", self.q, least)
        own = {"field": "ising", "couplings": "ising", "crystal_field": "blume-capel"}
        for name, kind in own.items():
            given = getattr(self, name) not in (0, ())
            told = f"it belongs to the kind {kind} alone; leave it out"
            problems.unless(self.kind == kind or not given, name, getattr(self, name), told)
        rows = listed(self.couplings)
        strengths = rows is not None and all(is_number(j) and abs(j) <= LARGEST_ENERGY for j in rows)
        limits = f"they must be finite numbers from {-LARGEST_ENERGY:g} to {LARGEST_ENERGY:g}, in a list"
        problems.unless(strengths, "couplings", self.couplings, limits)
        told = "without a field one at least must differ from 0, or all configurations have one energy"
        problems.unless(self.field != 0 or rows == () or any(rows or (1,)), "couplings", self.couplings, told)

    @property
    def states(self) -> tuple[int, ...]:
        """Labels of the states."""
        return {"ising": (-1, 1), "blume-capel": (-1, 0, 1)}.get(self.kind, tuple(range(self.q)))

    @property
    def components(self) -> int:
        """Components of the vector of a state, as `model.vectors` has them."""
        return {"potts": self.q, "clock": 2}.get(self.kind, 1)

    @property
    def whole(self) -> bool:
        """Whether all energies are whole numbers."""
        alone = (*self.couplings, self.field, self.crystal_field)
        return (self.kind != "clock" or self.q in (2, 4)) and all(value % 1 == 0 for value in alone)

    @property
    def largest_coupling(self) -> float:
        """Largest energy of a bond but for its sign."""
        return max(map(abs, self.couplings), default=1.0)


@dataclass(frozen=True)
class LatticeSettings(Settings):
    """The lattice, a torus of cells."""

    kind: LatticeName = checked("square", Problems.one_of, get_args(LatticeName.__value__))
    """Lattice: "square", "chain", "triangular", "honeycomb", "kagome", "cubic" or "hypercubic"."""
    length: int = checked(10, Problems.whole, 2, LONGEST_SIDE)
    """Cells L along each side; a machine on the square lattice has L^2 visible units."""
    cells: tuple[int, ...] = checked((), Problems.wholes, 2, LONGEST_SIDE)
    """Cells along every side, x last, if they are not L each; "hypercubic" needs them."""

    def compare(self, problems: Problems) -> None:
        """Note what does not fit the kind of lattice."""
        cells = self.cells if isinstance(self.cells, tuple) else ()
        hyper = self.kind == "hypercubic"
        wanted = (
            range(1, len(AXES) + 1) if hyper else (0, _CELLS[self.kind][0]) if self.kind in _CELLS else (len(cells),)
        )
        allowed = f"{self.kind} takes {wanted[-1]} sides" if not hyper else f"hypercubic needs 1 to {len(AXES)} sides"
        problems.unless(len(cells) in wanted, "cells", self.cells, allowed)
        if len(cells) in wanted and all(map(is_number, cells)):  # others are told of already
            few = math.prod(cells) * self.basis < TOO_MANY_SITES
            problems.unless(few, "cells", self.cells, "there must be fewer than 2^31 sites")

    @property
    def sides(self) -> tuple[int, ...]:
        """Cells along every side."""
        return self.cells or (self.length,) * _CELLS[self.kind][0]

    def enlarged(self, ratio: int) -> "LatticeSettings":
        """The lattice with so many times the cells along every side."""
        if self.cells:
            return replace(self, cells=tuple(ratio * side for side in self.cells))
        return replace(self, length=ratio * self.length)

    @property
    def basis(self) -> int:
        """Sites of a cell."""
        return _CELLS.get(self.kind, (0, 1, 0))[1]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a configuration."""
        return self.sides if self.basis == 1 else (*self.sides, self.basis)

    @property
    def sites(self) -> int:
        """Number of sites."""
        return math.prod(self.shape)

    @property
    def kinds(self) -> int:
        """Kinds of bonds."""
        return _CELLS[self.kind][2] if self.kind in _CELLS else len(self.sides)

    @property
    def bonds(self) -> float:
        """Bonds a site."""
        return {"honeycomb": 1.5, "kagome": 2.0}.get(self.kind, float(self.kinds))

    @property
    def axes(self) -> tuple[str, ...]:
        """Names of the axes of a configuration."""
        return (*AXES[-len(self.sides) :], "basis")[: len(self.shape)]

    @property
    def displacements(self) -> dict[str, int]:
        """Lengths of the axes of what depends on the displacement of two sites, as `Lattice.displacements` has them."""
        mirrored = self.kind in ("chain", "square", "cubic", "hypercubic")
        steps = {
            f"d{name}": side // 2 + 1 if mirrored else side for name, side in zip(self.axes, self.sides, strict=False)
        }
        return steps if self.basis == 1 else steps | {"basis": self.basis, "basis_other": self.basis}


def is_square_ising(model: ModelSettings, lattice: LatticeSettings) -> bool:
    """Whether it is the Ising model with J = 1 and no field on the square torus, of which formulas tell everything."""
    plain = model.kind == "ising" and model.field == 0 and set(model.couplings) <= {1.0}
    return plain and lattice.kind == "square" and len(set(lattice.sides)) == 1


def is_summed(model: ModelSettings, lattice: LatticeSettings) -> bool:
    """Whether it has so few configurations that sums over all of them tell everything."""
    return is_few(len(model.states), lattice.sites)


def is_few(states: int, sites: int, most: int = MOST_STATES) -> bool:
    """Whether so many sites have at most so many configurations; no power of millions of digits is taken to tell."""
    return sites <= most.bit_length() and states**sites <= most


@dataclass(frozen=True)
class SamplingSettings(Settings):
    """The spin configurations that the machines and the neural thermometer learn from."""

    temperatures: tuple[float, ...] = checked(PAPER_GRID, Problems.temperatures)
    """Temperatures in J/k_B, increasing; 0 and inf are allowed. Or evenly spaced ones,
    {from = 0.0, to = 2.65, count = 25, unit = "T_c"}, in units of the model's T_c where it is known, of the maximum of
    its specific heat on its lattice, "C_max", of a number of J/k_B, or of "J/k_B"."""
    draws: int = checked(1000, Problems.whole, 1)
    """Configurations drawn at each temperature."""
    method: MethodName = checked("auto", Problems.one_of, get_args(MethodName.__value__))
    """How configurations are drawn; "auto" takes the exact sampler where the lattice is small enough."""
