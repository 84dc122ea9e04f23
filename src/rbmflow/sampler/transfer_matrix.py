"""Exact independent configurations of small lattices, by the row transfer matrix taken site by site."""

import functools
from dataclasses import dataclass

import numpy as np

from rbmflow._checks import InvalidInput, Problem
from rbmflow.lattice import square
from rbmflow.model import Model
from rbmflow.sampler.method import ExactMethod
from rbmflow.settings import LONGEST_EXACT_ROW
from rbmflow.spin_models import ising

BLOCK_ENTRIES = 8_000_000
"""Probabilities that are in memory at a time, in 4 bytes each."""
KEPT = 32
"""Temperatures of small lattices whose probabilities are kept, at most a block each."""


@dataclass(frozen=True)
class TransferMatrix(ExactMethod):
    r"""Draw whole configurations from the Boltzmann distribution, without a Markov chain.

    The partition function is a trace over row states, :math:`Z = \mathrm{Tr}\, M^{L_y}`. The first row is drawn from
    the diagonal of that product, then every further site from its exact conditional given all sites before it. The
    conditional needs only the frontier: the row drawn so far, completed by the row above, a word of `lx` bits, and
    the backward sums :math:`\beta` over all that is still to come,

    .. math:: \beta_i(f) = \sum_{s = \pm 1} e^{K s\, u_i(f)}\, \beta_{i+1}(f_{x \to s}),

    with :math:`u_i` the sum of the neighbours of site i that are known by then. The first row is drawn as the
    representative of its class under translations, reflection and spin flip, and one random member of that group is
    applied to the whole configuration. Arithmetic is float64, conditionals are rounded to float32 (an error of at most
    2^-25); those of a small lattice at the last temperatures are kept for the next call. The shorter side is the row
    and may have up to 12 sites.

    References
    ----------
    H. A. Kramers, G. H. Wannier, Phys. Rev. 60, 252 (1941), doi:10.1103/PhysRev.60.252 (transfer matrix).
    """

    name = "transfer-matrix"

    def refusal(self, model: Model) -> str | None:
        """Why this method cannot draw from the model, or None if it can."""
        reason = super().refusal(model)
        if reason is not None:
            return reason
        if model.field != 0:
            return f"the exact sampler draws without a field, not at field {model.field:g}"
        if min(model.lattice.shape) > LONGEST_EXACT_ROW:
            return f"the exact sampler needs a side of at most {LONGEST_EXACT_ROW}"
        return None

    def seconds(self, model: Model, temperature: float, draws: int) -> float:
        """Rough CPU time of draws at one temperature."""
        row, rows = sorted(model.lattice.shape)
        # One class of first rows has 4 row of them, about; beyond one block of tables they are made twice.
        entries = rows * 2.0 ** (2 * row) / 4
        return 8e-9 * entries * (1 if entries < BLOCK_ENTRIES else 2) + 10e-9 * row * rows * draws

    def draw(self, generator: np.random.Generator, model: Model, temperature: float, draws: int) -> np.ndarray:
        """Independent configurations int8 [draw, y, x] at one temperature in J/k_B, neither 0 nor infinity.

        Raises
        ------
        InvalidInput
            If both sides of the lattice are longer than 12 or there is a field.
        """
        reason = self.refusal(model)
        if reason is not None:
            raise InvalidInput(Problem("lattice", model.lattice.shape, reason))
        ly, lx = model.lattice.shape
        if lx > ly:
            return self.draw(generator, ising(square(lx, ly)), temperature, draws).swapaxes(1, 2)
        return _draw_rows(generator, ly, lx, 1 / temperature, draws)


def _draw_rows(generator: np.random.Generator, ly: int, lx: int, coupling: float, draws: int) -> np.ndarray:
    """Exact draws on `ly` rows of `lx` sites at inverse temperature `coupling`."""
    rows, sizes = _row_classes(lx)
    block = max(1, BLOCK_ENTRIES // ((ly - 1) * lx * 2**lx))
    parts = range(0, rows.size, block)
    # The tables of small lattices are kept; of others only the first block, until the rows are chosen.
    tables = _kept_tables if len(parts) == 1 else _tables
    first, up = tables(ly, lx, coupling, 0, block)
    log_weights = np.concatenate([first, *(_tables(ly, lx, coupling, at, block)[0] for at in parts[1:])])
    weights = sizes * np.exp(log_weights - log_weights.max())
    chosen = np.sort(generator.choice(rows.size, draws, p=weights / weights.sum()))
    words = np.empty((draws, ly), np.intp)
    for at in parts:
        inside = slice(*np.searchsorted(chosen, [at, at + block]))
        if inside.start < inside.stop:
            conditional = up if at == 0 else _tables(ly, lx, coupling, at, block)[1]
            words[inside] = _draw_given_first_row(generator, rows[at:], conditional, chosen[inside] - at, ly)
    return _random_symmetry(generator, generator.permutation(words), lx)


@functools.cache
def _row_classes(lx: int) -> tuple[np.ndarray, np.ndarray]:
    """Representatives of the rows under translation, reflection and spin flip, and the sizes of their classes."""
    rows, reflected = np.arange(2**lx), _reflected_rows(lx)
    smallest = rows.copy()
    for image in (rows, reflected):
        for shift in range(lx):
            turned = ((image << shift) | (image >> (lx - shift))) & (2**lx - 1)
            smallest = np.minimum(smallest, np.minimum(turned, 2**lx - 1 - turned))
    return np.unique(smallest, return_counts=True)


@functools.cache
def _reflected_rows(lx: int) -> np.ndarray:
    """Every row read from right to left."""
    rows = np.arange(2**lx)
    return np.sum([((rows >> x) & 1) << (lx - 1 - x) for x in range(lx)], axis=0)


def _bit_spin(words: np.ndarray, x: int | np.ndarray) -> np.ndarray:
    return ((words >> x) & 1) * 2 - 1


def _tables(ly: int, lx: int, coupling: float, first: int, block: int) -> tuple[np.ndarray, np.ndarray]:
    """Log weight [first row], and the probability [site after it, first row, frontier] of an up spin.

    Of `block` classes of first rows from one of them on.
    """
    first_rows, frontiers = _row_classes(lx)[0][first : first + block], np.arange(2**lx)
    up = np.empty(((ly - 1) * lx, first_rows.size, 2**lx), np.float32)
    beta = np.ones((first_rows.size, 2**lx))
    bonds = [_bit_spin(first_rows, x) * _bit_spin(first_rows, (x + 1) % lx) for x in range(lx)]
    log_weight = coupling * np.sum(bonds, axis=0, dtype=float)
    for site in reversed(range((ly - 1) * lx)):
        row, x = divmod(site, lx)
        field = _bit_spin(frontiers, x)
        if x > 0:
            field = field + _bit_spin(frontiers, x - 1)
        if x == lx - 1:
            field = field + _bit_spin(frontiers, 0)
        if row == ly - 2:
            field = field + _bit_spin(first_rows, x)[:, None]
        # Weights are taken relative to the largest one, so that low temperatures do not overflow.
        largest = np.abs(field).max()
        plus = np.exp(coupling * (field - largest)) * np.take(beta, frontiers | (1 << x), axis=1)
        total = np.exp(-coupling * (field + largest)) * np.take(beta, frontiers & ~(1 << x), axis=1) + plus
        with np.errstate(invalid="ignore"):
            # A frontier without weight (underflow) is never visited.
            np.divide(plus, total, out=up[site])
        scale = total.max(axis=1)
        with np.errstate(divide="ignore"):
            log_weight += np.log(scale) + coupling * largest
        beta = total / np.where(scale > 0, scale, 1)[:, None]
    with np.errstate(divide="ignore"):
        # The last frontier is the first row itself.
        return log_weight + np.log(beta[np.arange(first_rows.size), first_rows]), up


_kept_tables = functools.lru_cache(KEPT)(_tables)


def _draw_given_first_row(
    generator: np.random.Generator, first_rows: np.ndarray, up: np.ndarray, chosen: np.ndarray, ly: int
) -> np.ndarray:
    """Configurations int [draw, y] of row words whose first rows are `first_rows[chosen]`."""
    lx = up.shape[0] // (ly - 1)
    words = np.empty((ly, chosen.size), np.intp)
    words[0] = first_rows[chosen]
    # Where the probability stands: the frontier in the lowest bits, the first row above them.
    at = chosen * up.shape[2] + words[0]
    for site, table in enumerate(up.reshape(up.shape[0], -1)):
        row, x = divmod(site, lx)
        is_up = generator.random(chosen.size) < table.take(at)
        at &= ~(1 << x)
        at |= np.left_shift(is_up, x, dtype=np.intp)
        if x == lx - 1:
            words[row + 1] = at & (up.shape[2] - 1)
    return words.T


def _random_symmetry(generator: np.random.Generator, words: np.ndarray, lx: int) -> np.ndarray:
    """Configurations int8 [draw, y, x], each with its own random translation along x, reflection and spin flip."""
    shift = generator.integers(0, lx, (len(words), 1))
    reflected = generator.integers(0, 2, (len(words), 1)) == 0
    flipped = generator.integers(0, 2, (len(words), 1, 1), np.int8)[:, 0] == 0
    # Site x of the result is site shift +- x of the row: the row turned by the shift, or the reflected one.
    words = np.where(reflected, _reflected_rows(lx)[words], words)
    shift = np.where(reflected, lx - 1 - shift, shift)
    words = ((words >> shift) | (words << (lx - shift))) & (2**lx - 1)
    words = np.where(flipped, words ^ (2**lx - 1), words)
    spins = _bit_spin(np.arange(2**lx)[:, None], np.arange(lx)).astype(np.int8)
    return spins[words]
