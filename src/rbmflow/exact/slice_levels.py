r"""The ln g(E) of any model whose slices have few states, from its transfer matrix at complex temperatures.

Where all energies are :math:`E_n = E_0 + n \delta`, the probability of one of them at K = 1/T is a Fourier coefficient,

.. math:: p_n = \frac1W \sum_{j=0}^{W-1} e^{i \theta_j (E_n - E_0) / \delta}\,
    \frac{Z(K + i \theta_j / \delta)\, e^{i \theta_j E_0 / \delta}}{Z(K)}, \qquad \theta_j = \frac{2\pi j}{W},

if W is wider than the distribution by so much that nothing is folded back. Rounding leaves what is far from the mean
undetermined, so each n is taken from that one of a sequence of couplings at which it is most probable.

Where the vectors of the states are numbers in steps of :math:`\mu`, so that :math:`M = M_0 + \mu r`, a phase at every
site tells M as well, and the mean of :math:`|M|` at given energy comes from such sums by its own Fourier coefficients,

.. math:: p_n\, \langle |M| \rangle_n = \frac1W \sum_j e^{i \theta_j (E_n - E_0) / \delta} \sum_k c_k\,
    \frac{Z(K + i \theta_j / \delta, \varphi_k)\, e^{i \theta_j E_0 / \delta}}{Z(K)}, \qquad
    |M_0 + \mu r| = \sum_k c_k e^{i \varphi_k r}.
"""

import functools
import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Complex128, Float64, Int
from scipy import fft

from rbmflow._checks import InvalidInput, Problem
from rbmflow._doors import Numbers
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
    return _common_step([*model.pair, model.site])


def _common_step(tables: Iterable[Numbers]) -> float:
    """Largest step of which the numbers of each table differ by multiples."""
    found = 0.0
    for table in tables:
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


def no_orders(model: Model) -> str | None:
    """Why |M| at given energy is not found by the transfer matrix of a model, or None if it is."""
    told = "|M| at given energy needs states whose vectors are single numbers, in steps of one"
    return no_levels(model) or (None if _order_steps(model) else told)


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
    logs = np.full(_count(model), -math.inf)
    for window in _windows(model):
        logs[window.levels] = window.logs
    there = np.isfinite(logs)
    lowest = model.energy_bounds[0] * model.lattice.sites
    return (lowest + level_step(model) * np.flatnonzero(there)).round(9), logs[there]


@functools.lru_cache(maxsize=4)
def mean_orders(model: Model) -> Float64[np.ndarray, " level"]:
    """Mean of |M| over the configurations of each of the levels of `log_levels`, to ten digits in means over them.

    Raises
    ------
    InvalidInput
        If the model has no such levels, or vectors of several components or without a common step.
    """
    reason = no_orders(model)
    if reason is not None:
        raise InvalidInput(Problem("model", model, reason))
    found, (angles, parts) = np.full(_count(model), np.nan), _waves(model)
    transfer = slice_transfer(model)
    steps = np.array(_order_steps(model))[transfer.places[transfer.blocks.first]].sum(axis=1)
    phases = np.exp(1j * np.outer(angles, steps))
    for window in _windows(model):
        sums = np.array([transfer.blocks.log_sums(coupling, phases) for coupling in window.couplings])
        folded = np.fft.irfft(np.exp(sums - window.log_sum) @ parts, window.width)
        found[window.levels] = folded[window.places] / window.probability
    return found[np.isfinite(found)]


class _Window(NamedTuple):
    """What one coupling tells best."""

    couplings: list[complex]
    """K + i theta / delta."""
    width: int
    log_sum: float
    """ln Z at K, with the energies of slices counted from the least."""
    levels: Int[np.ndarray, " told"]
    """The n that are more probable here than at all couplings before."""
    places: Int[np.ndarray, " told"]
    """Where transforms have them."""
    probability: Float64[np.ndarray, " told"]
    logs: Float64[np.ndarray, " told"]
    """ln g of them."""


def _windows(model: Model) -> Iterator[_Window]:
    """Windows from the strongest coupling to none; of what two tell the later is better."""
    reason = no_levels(model)
    if reason is not None:
        raise InvalidInput(Problem("model", model, reason))
    transfer, step, count = slice_transfer(model), level_step(model), _count(model)
    lowest = model.energy_bounds[0] * model.lattice.sites
    blocks, offset = transfer.blocks, round((transfer.least * len(transfer.sites) - lowest) / step)
    likely, told = np.full(count, _TOLD), watched(None, "energy levels")
    strongest = coupling = _strongest(model, float(transfer.energies.max()))
    near = 1e-4 / step
    while coupling >= 0:
        below, here, above = (blocks.log_sum(coupling + change).real for change in (-near, 0.0, near))
        mean = offset + (below - above) / (2 * near * step)
        deviation = math.sqrt(max(above - 2 * here + below, 0.0)) / (near * step)
        spread = int(_WIDTH * deviation + _EXCITATIONS * model.gap / step) + 16
        width: int = fft.next_fast_len(min(spread, count), real=True)  # pyright: ignore[reportAssignmentType]
        couplings = [coupling + 2j * np.pi * j / (width * step) for j in range(width // 2 + 1)]
        sums = [blocks.log_sum(one) for one in couplings[1:]]
        folded = np.fft.irfft(np.exp(np.array([0.0, *(one - here for one in sums)])), width)
        first = max(0, round(mean) - width // 2)
        n = np.arange(first, min(count, first + width))
        probability = folded[(n - offset) % width]
        relative = probability / probability.max()
        better = relative > likely[n]
        likely[n] = np.maximum(likely[n], relative)
        n, probability = n[better], probability[better]
        logs = np.log(probability) + here + coupling * step * (n - offset)
        yield _Window(couplings, width, here, n, (n - offset) % width, probability, logs)
        if coupling == strongest and likely[likely > _TOLD][0] < _SURE:
            raise InvalidInput(Problem("model", model, "its ground states must be within reach of double precision"))
        told(1 - coupling / strongest)
        weaker = coupling - min(strongest / 4, _APART / (deviation * step + 1e-9))
        coupling = -1.0 if coupling == 0 else max(0.0, weaker)


def _count(model: Model) -> int:
    """Levels from the lower bound of the energy to the upper one."""
    low, high = model.energy_bounds
    return 1 + round((high - low) * model.lattice.sites / level_step(model))


def _strongest(model: Model, largest: float) -> float:
    """Coupling at which a few sites in all are excited, but for which weights are no zeros in double precision."""
    few = math.log(model.lattice.sites * len(model.states)) / model.gap
    return few if model.ground_states else min(few, 600 / (largest * max(model.lattice.cells)))


def _order_steps(model: Model) -> tuple[int, ...]:
    """Steps of the vector of each state above the least; none where vectors are no numbers in steps, or all alike."""
    vectors = np.array(model.vectors)[:, 0] - np.min(model.vectors)
    step = _common_step([vectors])
    whole = np.ptp(vectors) > 0 and np.ptp(vectors) / step * model.lattice.sites <= MOST_LEVELS
    return tuple((vectors / step).round().astype(int).tolist()) if len(model.vectors[0]) == 1 and whole else ()


def _waves(model: Model) -> tuple[Float64[np.ndarray, " wave"], Complex128[np.ndarray, " wave"]]:
    """The angles and the parts of the waves that add up to |M| against M, those that are nothing left out."""
    steps, sites = _order_steps(model), model.lattice.sites
    vectors = np.ravel(model.vectors)
    values = np.abs(np.linspace(vectors.min(), vectors.max(), 1 + max(steps) * sites)) * sites
    # With as much |M| at both ends one of them can stand for both, which leaves odd waves alone where M has both signs.
    values = values[: values.size - (values[0] == values[-1])]
    parts, waves = np.fft.fft(values) / values.size, np.arange(values.size)
    turned = any(np.array_equal(vectors[order], -vectors) for order in model.symmetries)
    if turned:
        parts = np.where(waves == -waves % waves.size, 1, np.where(waves < -waves % waves.size, 2, 0)) * parts
    there = np.abs(parts) > 1e-12 * values.max()
    return 2 * np.pi * waves[there] / waves.size, parts[there]
