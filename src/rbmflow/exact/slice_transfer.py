r"""The transfer matrix of any model on any lattice, slice by slice along its longest side.

.. math:: Z = \mathrm{Tr}\, M^L, \qquad
    M_{ab} = \exp\Bigl(-\tfrac1T \bigl(\textstyle\sum_{\text{between}} \text{pair}[a_i, b_j]
    + \sum_{\text{within}} \text{pair}[b_i, b_j] + \sum_i \text{site}[b_i]\bigr)\Bigr)

with a and b the states of two slices that follow one another. Bonds may lead to the next slice but not beyond.

References
----------
H. A. Kramers, G. H. Wannier, Phys. Rev. 60, 252 (1941), doi:10.1103/PhysRev.60.252.
"""

import functools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64, Int
from scipy.optimize import minimize_scalar

from rbmflow._checks import InvalidInput, Problem, Problems
from rbmflow.exact._temperature import around_maximum
from rbmflow.exact.slice_blocks import SliceBlocks, scaled_power
from rbmflow.model import Model, all_places
from rbmflow.settings import LARGEST_ROW, is_few

DEEPEST = 600.0
"""Largest difference of the energies of two slices in units of T: e^-745 is 0 in double precision."""

STEP = 2e-3
"""Of 1/T in differences of ln Z, where 1/T is about 0.44: sums of 1e3 then have six digits of the specific heat."""


@dataclass(frozen=True, eq=False)
class SliceTransfer:
    """Energies of a slice and of two that follow one another, for every state of them."""

    sites: Int[np.ndarray, "slice site"]
    """Site numbers of the lattice, slice by slice."""
    places: Int[np.ndarray, "state site"]
    """Places of the labels of a slice in each of its states."""
    energies: Float64[np.ndarray, "state state"]
    """Energy of the bonds from the one to the other, and of the other alone; the least is 0."""
    least: float
    """What was taken off."""
    cells: tuple[int, ...]
    """Cells of a slice along its sides."""
    coldest: float
    """Lowest temperature, in J/k_B, at which no weight is 0 in double precision."""

    def weights(self, temperature: float) -> Float64[np.ndarray, "state state"]:
        """M at a temperature in J/k_B, times exp(least / T).

        Raises
        ------
        InvalidInput
            If the temperature is so low that weights are 0 in double precision.
        """
        self.require(temperature)
        return np.exp(-self.energies / temperature)

    def require(self, temperature: float) -> None:
        """Refuse a temperature at which weights are 0."""
        told = f"it must be at least {self.coldest:.3g}, or weights of this model are 0 in double precision"
        Problems.only(bool(temperature >= self.coldest), "temperature", temperature, told)

    @functools.cached_property
    def blocks(self) -> SliceBlocks:
        """The matrix in blocks, by which powers of it are much quicker."""
        return SliceBlocks.of(self.energies, self.places, self.cells, len(self.sites))

    def log_partition(self, temperature: float) -> float:
        """Logarithm ln Z of the partition function at a temperature in J/k_B, see `weights`."""
        self.require(temperature)
        return self.blocks.log_sum(1 / temperature).real - len(self.sites) * self.least / temperature

    def specific_heat(self, temperature: float) -> float:
        r"""Specific heat per site, :math:`T^{-2}\, \partial^2 \ln Z / \partial (1/T)^2 / N`, by differences of ln Z."""
        coupling = 1 / temperature
        step = STEP * 16.0 ** round(math.log(coupling / 0.44, 16))
        below, here, above = (self.log_partition(1 / (coupling + change)) for change in (-step, 0.0, step))
        return (above - 2 * here + below) / step**2 * coupling**2 / self.sites.size

    def specific_heat_peak(self, near: float) -> float:
        """Temperature of the maximum of the specific heat, looked for from one on, to 1e-4 of that."""
        lowest = 1.05 * self.coldest
        near = max(near, 3 * lowest)

        def of(grid: Float64[np.ndarray, " t"]) -> Float64[np.ndarray, " t"]:
            return np.array([self.specific_heat(t) if t > lowest else np.nan for t in grid.tolist()])

        below, _, above = around_maximum(of, near * np.geomspace(1 / 3, 3, 17))
        bounds, to = (max(below, lowest), above), {"xatol": 1e-4 * near}
        best: Any = minimize_scalar(lambda t: -self.specific_heat(t), bounds=bounds, method="bounded", options=to)
        return float(best.x)


def diagonal(weights: Float64[np.ndarray, "state state"], power: int) -> tuple[float, Float64[np.ndarray, " state"]]:
    """Diagonal of a power, at least 2, of a matrix without negative numbers, after ln of a factor left out."""
    half, scale = scaled_power(weights, power // 2)
    other = half @ weights if power % 2 else half
    return 2 * scale, np.einsum("ab,ba->a", half, other)


def no_slices(model: Model, most: int = LARGEST_ROW) -> str | None:
    """Why a model has no such matrix of at most so many states, or None if it has."""
    axis, within = _axis(model), _within(model)
    if any(abs(bond.displacement[axis]) > 1 for bond in model.lattice.bonds):
        return "the transfer matrix needs bonds that lead no further than to the next slice"
    if not is_few(len(model.states), within, most):
        states = f"{len(model.states)}^{within}"
        return f"the transfer matrix needs a slice of at most {most} states, and this one has {states}"
    return None


def slice_states(model: Model) -> int:
    """States of a slice of a model that is not refused by `no_slices`."""
    return len(model.states) ** _within(model)


def coldest(model: Model) -> float:
    """Lowest temperature, in J/k_B, at which no weight is 0 in double precision, from bounds of the energy."""
    low, high = model.energy_bounds
    return (high - low) * _within(model) / DEEPEST


@functools.lru_cache(maxsize=2)
def slice_transfer(model: Model) -> SliceTransfer:
    """The energies of a model's slices.

    Raises
    ------
    InvalidInput
        If bonds lead beyond the next slice, or a slice has more than 4096 states.
    """
    reason = no_slices(model)
    if reason is not None:
        raise InvalidInput(Problem("model", model, reason))
    lattice, axis = model.lattice, _axis(model)
    sites = np.moveaxis(np.arange(lattice.sites).reshape(*lattice.cells, lattice.basis), axis, 0)
    sites = sites.reshape(lattice.cells[axis], -1)
    within = sites.shape[1]
    places = all_places(len(model.states), within)
    alone = np.array(model.site)[places].sum(axis=1)
    between = np.zeros((len(places), len(places)))
    one_slice = np.arange(within).reshape(*lattice.cells[:axis], 1, *lattice.cells[axis + 1 :], lattice.basis)
    for bond in lattice.bonds:
        back = [-step for step in bond.displacement]
        here = one_slice[..., bond.start].ravel()
        there = np.roll(one_slice[..., bond.end], back, range(len(back))).ravel()
        pair, step = np.array(model.pair[bond.kind]), bond.displacement[axis]
        for one, other in zip(here, there, strict=True):
            if step == 0:
                alone += pair[places[:, one], places[:, other]]
            else:
                first, second = (one, other) if step == 1 else (other, one)
                between += pair[places[:, first][:, None], places[:, second]]
    between += alone
    least = float(between.min())
    between -= least
    return SliceTransfer(sites, places, between, least, cross_cells(model), coldest(model))


def cross_cells(model: Model) -> tuple[int, ...]:
    """Cells of a slice along its sides."""
    cells, axis = model.lattice.cells, _axis(model)
    return (*cells[:axis], *cells[axis + 1 :])


def _axis(model: Model) -> int:
    """The longest side."""
    return int(np.argmax(model.lattice.cells))


def _within(model: Model) -> int:
    """Sites of a slice."""
    return model.lattice.sites // max(model.lattice.cells)
