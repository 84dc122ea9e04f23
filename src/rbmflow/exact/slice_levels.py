r"""The ln g(E) of any model whose slices have few states, from its transfer matrix at complex temperatures.

Where all energies are :math:`E_n = E_0 + n \delta`, the probability of one of them at K = 1/T is a Fourier coefficient,

.. math:: p_n = \frac1W \sum_{j=0}^{W-1} e^{i \theta_j (E_n - E_0) / \delta}\,
    \frac{Z(K + i \theta_j / \delta)\, e^{i \theta_j E_0 / \delta}}{Z(K)}, \qquad \theta_j = \frac{2\pi j}{W},

if W is wider than the distribution by so much that nothing is folded back. Rounding leaves what is far from the mean
undetermined, so each n is taken from that one of a sequence of couplings at which it is most probable.
"""

import functools
import math

import numpy as np
from jaxtyping import Float64
from scipy import fft

from rbmflow._checks import InvalidInput, Problem
from rbmflow._scan import watched
from rbmflow.exact.slice_blocks import products
from rbmflow.exact.slice_transfer import cross_cells, no_slices, slice_states, slice_transfer
from rbmflow.model import Model

MOST_LEVELS = 2**14
"""Levels of a model, at most."""
_APART, _WIDTH = 6.0, 14.0
"""Standard deviations of E from one window to the next, and of a whole one."""
_EXCITATIONS = 4.0
"""Energies to change a site by which a window is wider than that."""
_TOLD = 1e-9
"""Probability, against the largest one of a window, down to which rounding leaves it at least six digits."""
_SURE = 1e-6
"""Probability of the lowest level at the strongest coupling by which there is none below it."""


def level_step(model: Model) -> float:
    """Largest step of which all differences of energies are multiples; next to nothing where there is none."""
    found = 0.0
    for table in (*model.pair, (model.site,)):
        values = np.unique(table)
        for gap in (values - values[0])[1:].tolist():
            while gap > 1e-7:
                found, gap = gap, abs(found - round(found / gap) * gap)
    return found or 1.0


def no_levels(model: Model) -> str | None:
    """Why the levels of a model are not found by its transfer matrix, or None if they are."""
    reason = no_slices(model)
    if reason is None and _count(model) > MOST_LEVELS:
        reason = f"its energies must be multiples of one step, at most {MOST_LEVELS} of it"
    return reason


def seconds(model: Model) -> float:
    """Rough CPU time of `log_levels`; infinite where there is none."""
    if no_levels(model) is not None:
        return math.inf
    return 1.3 * _count(model) * trace_seconds(model)


def trace_seconds(model: Model) -> float:
    """Rough CPU time of one trace of a model with slices."""
    shifts, slices = math.prod(cross_cells(model)), max(model.lattice.cells)
    orbits = slice_states(model) / shifts
    return shifts * (7e-10 * products(slices) * orbits**3 + 5e-8 * orbits**2)


@functools.lru_cache(maxsize=4)
def log_levels(model: Model) -> tuple[Float64[np.ndarray, " level"], Float64[np.ndarray, " level"]]:
    """Total energies that configurations have, in increasing order, and ln g.

    Left out are those that at no T from 0 to infinity have a part of 1e-9 of the most probable one. Numbers of
    configurations have at least six digits, and means over all levels ten.

    Raises
    ------
    InvalidInput
        If the model has no slices that are small enough, its energies have no common step, or its ground states are
        out of reach.
    """
    reason = no_levels(model)
    if reason is not None:
        raise InvalidInput(Problem("model", model, reason))
    transfer, step, count = slice_transfer(model), level_step(model), _count(model)
    lowest = model.energy_bounds[0] * model.lattice.sites
    blocks, offset = transfer.blocks, round((transfer.least * len(transfer.sites) - lowest) / step)
    logs, likely, told = np.full(count, -math.inf), np.full(count, _TOLD), watched(None, "energy levels")
    strongest = coupling = _strongest(model, float(transfer.energies.max()))
    near = 1e-4 / step
    while coupling >= 0:
        below, here, above = (blocks.log_sum(coupling + change).real for change in (-near, 0.0, near))
        mean = offset + (below - above) / (2 * near * step)
        deviation = math.sqrt(max(above - 2 * here + below, 0.0)) / (near * step)
        spread = int(_WIDTH * deviation + _EXCITATIONS * model.gap / step) + 16
        width: int = fft.next_fast_len(min(spread, count), real=True)  # pyright: ignore[reportAssignmentType]
        sums = [blocks.log_sum(coupling + 2j * np.pi * j / (width * step)) for j in range(1, width // 2 + 1)]
        folded = np.fft.irfft(np.exp(np.array([0.0, *(one - here for one in sums)])), width)
        first = max(0, round(mean) - width // 2)
        n = np.arange(first, min(count, first + width))
        probability = folded[(n - offset) % width]
        relative = probability / probability.max()
        better = relative > likely[n]
        logs[n[better]] = np.log(probability[better]) + here + coupling * step * (n[better] - offset)
        likely[n] = np.maximum(likely[n], relative)
        if coupling == strongest and likely[np.isfinite(logs)][0] < _SURE:
            raise InvalidInput(Problem("model", model, "its ground states must be within reach of double precision"))
        told(1 - coupling / strongest)
        weaker = coupling - min(strongest / 4, _APART / (deviation * step + 1e-9))
        coupling = -1.0 if coupling == 0 else max(0.0, weaker)
    there = np.isfinite(logs)
    return (lowest + step * np.flatnonzero(there)).round(9), logs[there]


def _count(model: Model) -> int:
    """Levels from the lower bound of the energy to the upper one."""
    low, high = model.energy_bounds
    return 1 + round((high - low) * model.lattice.sites / level_step(model))


def _strongest(model: Model, largest: float) -> float:
    """Coupling at which a few sites in all are excited, but for which weights are no zeros in double precision."""
    few = math.log(model.lattice.sites * len(model.states)) / model.gap
    return few if model.ground_states else min(few, 600 / (largest * max(model.lattice.cells)))
