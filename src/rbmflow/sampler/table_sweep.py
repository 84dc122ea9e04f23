r"""Heat-bath sweeps of any model: the law of a site's new state is looked up by the states of its neighbours.

It depends on how many neighbours are in each state, for each distinct table of bonds. A site rests as the power of a
radix that stands for its state (0 for the last), so that the sum over its neighbours is an index that tells these
numbers. New states are drawn by the alias method: one entry of a table and one random word, however many states.

References
----------
A. J. Walker, ACM Trans. Math. Softw. 3, 253 (1977), doi:10.1145/355744.355749 (aliases).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float64, Int8, Int32, UInt32

from rbmflow._types import Key
from rbmflow.model import Model
from rbmflow.random import Generator, split
from rbmflow.sampler.colour_sweep import BUNDLE, Bundle, ColourSweep, by_colour
from rbmflow.sampler.method import POINTS, RECORD_BYTES, ChainMethod, extent

MOST_ENTRIES = 1 << 23
"""Entries of the largest table of laws."""

BITS = 24
"""Bits of a probability in an entry; the eight below are the alias."""

SECONDS = 2.5e-9
"""An update of a site on one core."""

_alone = jax.lax.optimization_barrier
"""Keeps looking up out of the loops around it, which then use whole vector registers: together three times as fast."""


class Neighbourhoods(NamedTuple):
    """How an index tells the numbers of neighbours in each state, and what the bonds to them cost."""

    digits: tuple[int, ...]
    """What a neighbour in each state adds to the index ..."""
    scale: Int32[np.ndarray, "site end"]
    """... times this, by the table of its bond; 0 where there is no bond."""
    first: Int32[np.ndarray, " site"]
    """First index of each site: sites of other numbers of bonds have others."""
    energy: Float64[np.ndarray, "index state"]
    """Energy of all bonds of a site, in each state of it."""


def _tables(model: Model) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distinct tables of bonds [table, state, state], table of each end [basis, end] or -1, numbers [basis, table]."""
    tables, of_kind = np.unique(np.array(model.pair), axis=0, return_inverse=True)
    kinds = model.lattice.neighbour_kinds[: model.lattice.basis]
    of_end = np.where(kinds < 0, -1, of_kind.ravel()[kinds])
    return tables, of_end, (of_end[..., None] == np.arange(len(tables))).sum(axis=1)


def entries_of(model: Model) -> int:
    """Entries of the table of laws of a model."""
    tables, _, numbers = _tables(model)
    places = len(tables) * (len(model.states) - 1)
    return len(np.unique(numbers, axis=0)) * (int(numbers.max()) + 1) ** places * len(model.states)


def neighbourhoods(model: Model) -> Neighbourhoods:
    """Those of a model."""
    tables, of_end, numbers = _tables(model)
    radix, states, cells = int(numbers.max()) + 1, len(model.states), model.lattice.sites // model.lattice.basis
    digits = (*(radix**state for state in range(states - 1)), 0)
    scale = np.where(of_end < 0, 0, radix ** (np.maximum(of_end, 0) * (states - 1)))
    powers = radix ** np.arange(len(tables) * (states - 1))
    index = np.arange(radix * powers[-1])
    met = (index[:, None] // powers % radix).reshape(index.size, len(tables), states - 1)
    alike, which = np.unique(numbers, axis=0, return_inverse=True)
    # Indices that no neighbours have would leave the last state a negative number of them.
    last = np.maximum(alike[:, None] - met.sum(axis=-1), 0)
    energy = np.einsum("itn,tsn->is", met, tables[..., :-1]) + np.einsum("cit,ts->cis", last, tables[..., -1])
    first = which.ravel() * index.size
    scale, first = np.tile(scale, (cells, 1)).astype(np.int32), np.tile(first, cells).astype(np.int32)
    return Neighbourhoods(digits, scale, first, energy.reshape(-1, states))


def aliases(probabilities: Float64[np.ndarray, "law state"]) -> UInt32[np.ndarray, " entry"]:
    """Entries of the alias method: a state has its slot with this probability, else the slot has its alias.

    Probabilities are rounded to 24 bits of a slot.
    """
    laws, states = probabilities.shape
    left, open_ = probabilities * states, np.ones((laws, states), bool)
    kept, alias, row = np.ones((laws, states)), np.tile(np.arange(states), (laws, 1)), np.arange(laws)
    for _ in range(states - 1):
        poor = np.where(open_, left, np.inf).argmin(axis=1)
        rich = np.where(open_, left, -np.inf).argmax(axis=1)
        kept[row, poor], alias[row, poor] = left[row, poor], rich
        left[row, rich] -= 1 - left[row, poor]
        open_[row, poor] = False
    level = np.rint(kept * 2**BITS).astype(np.int64)
    alias = np.where(level >= 2**BITS, np.arange(states), alias)
    return ((np.minimum(level, 2**BITS - 1) << 8) | alias).astype(np.uint32).ravel()


class TableSweep(ColourSweep):
    """One heat-bath sweep of any model; at each site stands what it adds to the index of its neighbours.

    Parameters
    ----------
    digits
        What a site adds to that index, by its state.
    scale, first
        For each colour the parts of `Neighbourhoods`.
    laws
        Entries of the alias method, by index and slot.
    energy
        Energy of a site, with half of that of its bonds, by index and state.
    """

    digits: tuple[int, ...] = eqx.field(static=True)
    scale: tuple[Int32[Array, "_ end"], ...]
    first: tuple[Int32[Array, " _"], ...]
    laws: UInt32[Array, " entry"]
    energy: Float[Array, " entry"]

    @classmethod
    def of(cls, model: Model, temperature: float) -> TableSweep:
        """The sweep at a temperature above 0."""
        digits, scale, first, bonds = neighbourhoods(model)
        excess = bonds + np.array(model.site)
        weight = np.exp(-(excess - excess.min(axis=1, keepdims=True)) / temperature)
        laws = aliases(weight / weight.sum(axis=1, keepdims=True))
        scale, first = (
            tuple(jax.device_put(table[sites]) for sites in model.lattice.colours) for table in (scale, first)
        )
        energy = (bonds / 2 + np.array(model.site)).astype(np.float32).ravel()
        tables = map(jax.device_put, (laws, energy))
        return cls(model, *by_colour(model.lattice), digits, scale, first, *tables)

    @property
    def points(self) -> int:
        """States of a bundle that are recorded by one call; a label is a byte."""
        return max(1, min(POINTS, RECORD_BYTES // (self.rows.size * self.bundle)))

    def start(self, key: Key, replicas: int, first: Int8[np.ndarray, " replica"] | None) -> Bundle:
        """The first state."""
        *keys, last = split(key, len(self.neighbours) + 1)
        shape = (self.rows.size, replicas)
        if first is None:
            place = jax.random.randint(last, shape, 0, len(self.digits))
        else:
            place = jnp.broadcast_to(np.searchsorted(self.model.states, first).astype(np.int32), shape)
        return self.seeded(keys, self._digit(place))

    def updated(self, sites: Array, colour: int, own: Array, generator: Generator) -> Array:
        """What new states add, drawn whatever stood there."""
        index = self._index(sites, colour)
        return self._digit(self._drawn(index, _alone(generator.words()[1])))

    def planes(self, state: Bundle) -> Int8[Array, "row replica"]:
        """Which state each site is in, in the kernel's order."""
        return _chosen(state.sites, self.digits, range(len(self.digits))).astype(jnp.int8)

    def _index(self, digits: Int32[Array, "row n"], colour: int) -> Int32[Array, "_ n"]:
        ends, scale = self.neighbours[colour], self.scale[colour]
        summands = (scale[:, end, None] * digits[ends[:, end]] for end in range(ends.shape[1]))
        return sum(summands, self.first[colour][:, None])

    def _drawn(self, index: Int32[Array, "_ n"], word: UInt32[Array, "_ n"]) -> Int32[Array, "_ n"]:
        slot, _ = _slot_and_rest(word, len(self.digits))
        entry = _alone(self.laws[_alone(index * len(self.digits) + slot)])
        slot, rest = _slot_and_rest(word, len(self.digits))
        return jnp.where(rest < entry >> 8, slot, (entry & 0xFF).astype(jnp.int32))

    def _digit(self, place: Int32[Array, "..."]) -> Int32[Array, "..."]:
        return _chosen(place, range(len(self.digits)), self.digits)

    def spins(self, planes: Int8[Array | np.ndarray, "row point replica"]) -> Int8[np.ndarray, "n *lattice"]:
        """Configurations of all that was recorded."""
        places = np.asarray(planes).reshape(len(planes), -1)[np.asarray(self.rows)].T
        return np.array(self.model.states, np.int8)[places].reshape(-1, *self.model.lattice.shape)

    def observe(self, planes: Int8[Array | np.ndarray, "row point replica"]) -> Float[np.ndarray, "2 n"]:
        """Energy per site, and magnetization, of several components its length."""
        energy, occupied = _sums(self, planes)
        return np.stack([np.asarray(energy, np.float64), self.model.order_of(occupied.T)]) / len(planes)


@jax.jit
def _sums(kernel: TableSweep, planes: Int8[Array, "row point replica"]) -> tuple[Array, Array]:
    """Energy, and sites in each state, of all that was recorded."""
    place = planes.reshape(len(planes), -1).astype(jnp.int32)
    digits = kernel._digit(place)
    index = jnp.concatenate([kernel._index(digits, colour) for colour in range(len(kernel.neighbours))])
    energy = _alone(kernel.energy[_alone(index * len(kernel.digits) + place)])
    return jnp.sum(energy, axis=0), jnp.stack([jnp.sum(place == one, axis=0) for one in range(len(kernel.digits))])


def _slot_and_rest(word: UInt32[Array, "..."], slots: int) -> tuple[Int32[Array, "..."], UInt32[Array, "..."]]:
    """The whole and the first 24 bits of the fractional part of a number uniform in [0, slots)."""
    low = (word & 0xFFFF) * slots
    high = (word >> 16) * slots + (low >> 16)
    return (high >> 16).astype(jnp.int32), ((high & 0xFFFF) << 8) | ((low & 0xFFFF) >> 8)


def _chosen(values: Int32[Array, "..."], keys: range | tuple[int, ...], chosen: range | tuple[int, ...]) -> Array:
    """For each value what stands where it is among the keys: a few comparisons are faster than looking up."""
    found = jnp.full_like(values, chosen[-1])
    for key, one in zip(keys[:-1], chosen[:-1], strict=True):
        found = jnp.where(values == key, one, found)
    return found


@dataclass(frozen=True)
class TableHeatBath(ChainMethod):
    r"""Heat-bath sweeps (Gibbs sampling) of any model on any lattice, one colour of sites after another.

    .. math:: p(s_i \to s) \propto \exp\bigl(-(\text{site}[s] + \textstyle\sum_j \text{pair}[k_{ij}, s, s_j]) / T\bigr)

    The probabilities of all neighbourhoods are in one table, which must have at most 2^23 entries: up to 9 states on
    the square lattice, 7 on the triangular one. They are rounded to 24 bits.

    References
    ----------
    S. Geman, D. Geman, IEEE Trans. Pattern Anal. Mach. Intell. 6, 721 (1984), doi:10.1109/TPAMI.1984.4767596.
    """

    name = "table-heat-bath"
    bundle = BUNDLE

    def refusal(self, model: Model) -> str | None:
        """That the table would be too large, or None."""
        number = entries_of(model)
        return None if number <= MOST_ENTRIES else f"its table would have {number} entries, more than {MOST_ENTRIES}"

    def sweep(self, model: Model, temperature: float) -> TableSweep:
        """The compiled update at a temperature above 0."""
        return TableSweep.of(model, temperature)

    def expected(self, model: Model, temperature: float) -> tuple[float, float]:
        """The time of a step; autocorrelations are those of Ising models at the same T / T_c."""
        return 1 + 0.055 * extent(model, temperature) ** 2.17, SECONDS * model.lattice.sites
