r"""The exact ln g(E) of tori too large for big integers: Kaufman's sum at complex y, turned into probabilities of E.

With n = (E + 2N) / 4 half the number of broken bonds and :math:`f(y) = \sum_n g_n y^{2n}` the sum of `energy_levels`,
the probability of n at coupling K is a Fourier coefficient,

.. math:: p_n = \frac1M \sum_{j=0}^{M-1} e^{-2\pi i n j / M} \frac{f(y e^{i \pi j / M})}{f(y)}, \qquad y = e^{-2K},

if M is wider than the distribution by so much that nothing is folded back. Rounding leaves what is far from the mean
undetermined, so each n is taken from that one of a sequence of couplings at which it is most probable. The upper half
is the mirror image of the lower one if both sides are even. With an odd side it ends where free spins hardly ever come:
for negative couplings the four sectors nearly cancel.
"""

import math

import numpy as np
from jaxtyping import Complex128, Float64, Shaped
from scipy import fft

from rbmflow.exact._temperature import vanishing
from rbmflow.exact.kaufman import momenta
from rbmflow.lattice import Lattice

_STRONGEST = 4.0
"""Coupling at which the ground states have nearly all the weight."""
_STEP = 5.0
"""Standard deviations of E from one window to the next."""
_TOLD = 1e-9
"""Probability, against the largest one of a window, down to which rounding leaves it at least six digits."""
_FACTORS = 64
"""Factors multiplied before a logarithm is taken."""


@vanishing
def windowed_logs(lattice: Lattice) -> Float64[np.ndarray, " level"]:
    """Values of ln g at E = -2N, -2N + 4, ..., to about 1e-9; -inf where no configuration has the energy."""
    sites = lattice.sites
    sectors = [_modes(lattice, *odd) for odd in ((1, 1), (1, 0), (0, 1), (0, 0))]
    logs, likely = np.full(sites + 1, -math.inf), np.full(sites + 1, _TOLD)
    coupling, near = _STRONGEST, np.exp([-1e-4, 0.0, 1e-4])
    while coupling >= 0:
        y = math.exp(-2 * coupling)
        below, here, above = np.real(_log_sum(sectors, y * near)).tolist()
        mean, deviation = (above - below) / 4e-4, math.sqrt(max((above - 2 * here + below) / 4e-8, 0.0))
        width: int = fft.next_fast_len(int(20 * deviation) + 64)  # pyright: ignore  # ten deviations on each side
        phase = np.exp(1j * np.pi * np.arange(width // 2 + 1) / width)
        folded = np.fft.irfft(np.exp(_log_sum(sectors, y * phase) - here).conj(), width)
        n = np.arange(max(0, round(mean) - width // 2), min(sites, round(mean) + width // 2 - 1) + 1)
        probability = folded[n % width]
        relative = probability / probability.max()
        better = relative > likely[n]
        with np.errstate(divide="ignore", invalid="ignore"):
            logs[n[better]] = (np.log(probability) + here + 4 * coupling * n)[better]
        likely[n] = np.maximum(likely[n], relative)
        step = min(0.25, _STEP / (4 * deviation + 1e-9))
        coupling = -1.0 if coupling == 0 else max(0.0, coupling - step)
    if any(side % 2 for side in lattice.shape):
        return logs[: np.flatnonzero(np.isfinite(logs))[-1] + 1]
    return np.where(np.arange(sites + 1) > sites // 2, logs[::-1], logs)


type _Sector = tuple[tuple[int, np.ndarray], ...]
"""u of the modes of one sector by how often each occurs as a pair; those that are their own opposites come as 0."""


def _modes(lattice: Lattice, odd_y: int, odd_x: int) -> _Sector:
    ly, lx = lattice.shape
    (gap_y, count_y), (gap_x, count_x) = momenta(ly, odd_y), momenta(lx, odd_x)
    u, count = (4 - 4 * np.add.outer(gap_y, gap_x)).ravel(), np.outer(count_y, count_x).ravel().astype(int) // 2
    return tuple((times, u[count == times]) for times in (0, 1, 2))


def _log_sum(sectors: list[_Sector], y: Shaped[np.ndarray, " k"]) -> Complex128[np.ndarray, " k"]:
    """Logarithm of f at points y, some of which may be negative or complex."""
    size = 1 + np.abs(y) ** 2  # keeps the products within bounds
    pair, odd = ((1 + y**2) / size) ** 2, y * (1 - y**2) / size**2
    logs = []
    for (_, alone), *pairs in sectors:
        single = (1 - alone[:, None] / 2 * y + (1 - np.abs(alone[:, None]) / 2) * y**2) / size
        total = np.log(np.prod(single + 0j, axis=0))
        for times, u in pairs:
            for first in range(0, u.size, _FACTORS):
                factors = pair - u[first : first + _FACTORS, None] * odd
                total = total + times * np.log(np.prod(factors + 0j, axis=0))
        logs.append(total)
    top = np.max(np.real(logs), axis=0)
    modes = sum(alone.size + 2 * sum(times * u.size for times, u in pairs) for (_, alone), *pairs in sectors[:1])
    return top + modes * np.log(size) + np.log(np.exp(logs - top).sum(axis=0) / 2)
