r"""A transfer matrix in blocks, one for every wave vector of a slice, as it is the same for a slice and its translates.

Of every class of translates :math:`\alpha` there is one state. The block of the wave vector k is

.. math:: M^{(k)}_{\alpha\beta} = \sum_{b \in \beta} M_{\alpha b}\, e^{-i k x_b},

with b the translate of the state of :math:`\beta` by :math:`x_b`; powers of M have the sum of the traces of theirs.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Complex128, Float64, Inexact, Int


@dataclass(frozen=True, eq=False)
class SliceBlocks:
    """The blocks of the transfer matrix at any coupling, complex ones included."""

    energies: Float64[np.ndarray, "orbit orbit *shift"]
    """From the state of each class to all translates of the state of each class."""
    first: Int[np.ndarray, " orbit"]
    """The state of each class, by its number among all."""
    shared: Int[np.ndarray, " orbit"]
    """Translations that leave the state of a class as it is."""
    times: Int[np.ndarray, " wave"]
    """Wave vectors whose block has the same trace, counted with the first of them; 0 of the others."""
    slices: int

    @classmethod
    def of(
        cls,
        energies: Float64[np.ndarray, "state state"],
        places: Int[np.ndarray, "state site"],
        cells: Sequence[int],
        slices: int,
    ) -> "SliceBlocks":
        """The blocks of a matrix exp(-K energies), with the places of the sites of a slice of so many cells."""
        where = np.indices(cells).reshape(len(cells), math.prod(cells))
        size = np.array(cells, int)[:, None]
        across = np.array([math.prod(cells[axis + 1 :]) for axis in range(len(cells))], int)
        by_cell = places.reshape(len(places), where.shape[1], -1)
        values = (places.max() + 1) ** np.arange(places.shape[1])
        moved = [across @ ((where + step[:, None]) % size) for step in where.T]
        images = np.stack([by_cell[:, cell].reshape(places.shape) @ values for cell in moved])
        first = np.flatnonzero(images.min(axis=0) == np.arange(len(places)))
        translates = images[:, first]
        opposite = across @ (-where % size)
        mirrored = by_cell[:, opposite].reshape(places.shape) @ values
        waves = np.arange(opposite.size)
        times = np.ones_like(waves)
        if np.array_equal(energies[mirrored][:, mirrored], energies):
            times = np.where(waves < opposite, 2, waves == opposite)
        rows = energies[first][:, translates.T].reshape(first.size, first.size, *cells)
        return cls(rows, first, (translates == first).sum(axis=0), times, slices)

    @property
    def work(self) -> float:
        """Floating-point operations that one sum takes, roughly."""
        return products(self.slices) * (self.times > 0).sum() * 8.0 * len(self.shared) ** 3

    def log_sum(self, coupling: complex) -> complex:
        """Logarithm of the trace of the power of M at a coupling 1/T, which may be complex."""
        return self._log_trace(self._at(coupling))

    def log_sums(
        self, coupling: complex, phases: Complex128[np.ndarray, "wave orbit"]
    ) -> Complex128[np.ndarray, " wave"]:
        """The same of M with the weights of states multiplied by phases, which translations must leave as they are."""
        blocks = self._at(coupling)
        with np.errstate(divide="ignore"):  # with phases a sum may be 0
            return np.array([self._log_trace(blocks * one) for one in phases])

    def _at(self, coupling: complex) -> Complex128[np.ndarray, "wave orbit orbit"]:
        """The blocks of the wave vectors that are counted."""
        blocks = np.exp(-coupling * self.energies).astype(complex)
        if blocks.ndim > 2:
            blocks = np.fft.fftn(blocks, axes=range(2, blocks.ndim))
        return np.moveaxis(blocks.reshape(*blocks.shape[:2], -1)[..., self.times > 0], -1, 0) / self.shared

    def _log_trace(self, blocks: Complex128[np.ndarray, "wave orbit orbit"]) -> complex:
        half, scale = scaled_power(blocks, self.slices // 2)
        other = half @ blocks if self.slices % 2 else half
        return complex(np.log(np.einsum("kab,kba->k", half, other) @ self.times[self.times > 0])) + 2 * scale


def products(power: int) -> int:
    """Products of matrices that half a power takes."""
    return power.bit_length() - 2 + (power // 2).bit_count()


def scaled_power(blocks: Inexact[np.ndarray, "... row row"], power: int) -> tuple[np.ndarray, float]:
    """A power of a matrix, or of all blocks, over its largest number, and ln of that."""
    if power == 1:
        return blocks, 0.0
    half, scale = scaled_power(blocks, power // 2)
    raised, scale = half @ half, 2 * scale
    if power % 2:
        raised = raised @ blocks
    largest = float(np.abs(raised).max()) or 1.0  # of free spins with signs a power is 0
    return raised / largest, scale + math.log(largest)
