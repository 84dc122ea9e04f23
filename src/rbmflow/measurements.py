"""What is measured on every configuration along a flow, thermometers aside."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float32, Float64, Int, Int8, Int32, Num
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from rbmflow._checks import Problems
from rbmflow._doors import Configurations
from rbmflow._record import Held, Record, arrays_of, attribute, dataset_of
from rbmflow.correlations import factor_of, longest_wave, wave_products
from rbmflow.diagnostics import mean_and_error
from rbmflow.lattice import Lattice
from rbmflow.model import Model, model_of

if TYPE_CHECKING:
    import xarray as xr

SPINS_AT_ONCE = 1 << 24
"""Spins whose waves are in memory at once."""

LABELLED_AT_ONCE = 1 << 22
"""Spins whose domains are labelled at once."""

MOST_SWEPT, FEWEST_SWEPT = 576, 100
"""Most sites of a lattice, and fewest configurations, whose domains are found by sweeps, in a tenth to all of the time
that a graph takes."""

_LAYOUT = {
    "energy": Held("iteration chain", "total energy", "J", "int32"),
    "magnetization": Held("iteration chain", "total magnetization", "1", "int32"),
    "long_wave": Held("iteration chain", "structure factor at the smallest wave vector", "1"),
    "domains": Held("iteration chain", "domains", "1", "int32"),
    "overturned": Held("iteration chain", "sites that differ from the iteration before", "1", "int32"),
    "correlation": Held("iteration", "two-point function", "1"),
    "correlation_error": Held("iteration", "standard error of the two-point function over chains", "1"),
}
"""Of Ising spins without a field; totals that are no whole numbers are float32."""


def _layout(displacement_axes: Sequence[str], types: Mapping[str, Any]) -> dict[str, Held]:
    """How measurements are written: on the axes of a displacement, and totals in a type of whole numbers or not."""
    found = {}
    for name, held in _LAYOUT.items():
        if held.dims == "iteration":
            held = held._replace(dims=" ".join(("iteration", *displacement_axes)))
        whole = held.dtype == "float32" or np.dtype(types[name]).kind in "iu"
        found[name] = held if whole else held._replace(dtype="float32")
    return found


class Measurements(Record):
    """Numbers along a flow, chain by chain; the two-point function is averaged over the chains.

    Displacements are those of `Lattice.displacements`; `overturned` is -1 at the start of a flow.
    """

    energy: Num[np.ndarray, "iteration chain"]
    magnetization: Num[np.ndarray, "iteration chain"]
    long_wave: Float32[np.ndarray, "iteration chain"]
    domains: Int32[np.ndarray, "iteration chain"]
    overturned: Int32[np.ndarray, "iteration chain"]
    correlation: Float32[np.ndarray, "iteration *displacement"]
    correlation_error: Float32[np.ndarray, "iteration *displacement"]
    sites: int = eqx.field(static=True, converter=int)
    displacement_axes: tuple[str, ...] = eqx.field(static=True, converter=tuple)

    def averages(self) -> dict[str, tuple[Float64[np.ndarray, " iteration"], Float64[np.ndarray, " iteration"]]]:
        """Means over the chains with their standard errors, per site: energy, powers of m, domains, step distance."""
        size = np.abs(self.magnetization) / self.sites
        values = {
            "energy": self.energy / self.sites,
            "abs_magnetization": size,
            "magnetization_2": size**2,
            "magnetization_4": size**4,
            "domains": self.domains / self.sites,
            "step_distance": np.where(self.overturned < 0, np.nan, self.overturned / self.sites),
        }
        return {name: mean_and_error(array, axis=1) for name, array in values.items()}

    @classmethod
    def joined(cls, parts: list[Measurements]) -> Measurements:
        """Successive parts of one flow as a whole."""
        leaves = zip(*map(jax.tree.leaves, parts), strict=True)
        about = parts[0].sites, parts[0].displacement_axes
        return cls(*map(np.concatenate, leaves), *about)  # pyright: ignore[reportCallIssue]

    def to_dataset(self) -> xr.Dataset:
        """Labelled copy."""
        arrays = {name: getattr(self, name) for name in _LAYOUT}
        layout = _layout(self.displacement_axes, {name: array.dtype for name, array in arrays.items()})
        axes = " ".join(self.displacement_axes)
        return dataset_of(layout, arrays.values(), sites=self.sites, displacement_axes=axes)

    @classmethod
    def from_dataset(cls, dataset: xr.Dataset) -> Measurements:
        """Measurements from the data written by `to_dataset`."""
        axes = str(dataset.attrs.get("displacement_axes", "dy dx")).split()  # Earlier data do not tell them.
        types = {name: dataset[name].dtype if name in dataset else "int32" for name in _LAYOUT}
        return cls(*arrays_of(dataset, _layout(axes, types)), int(attribute(dataset, "sites")), axes)  # pyright: ignore


def observe(model: Model, spins: Configurations, before: Configurations = None) -> Measurements:
    """Measure configurations [iteration, chain, lattice ...] of a model at successive iterations, such as a `Flow`.

    The ones `before` the first [chain, lattice ...] tell its overturned sites; the start of a flow has none. What are
    no such configurations is refused (`InvalidInput`).

    Examples
    --------
    >>> import jax.numpy as jnp, rbmflow as rf
    >>> up = jnp.ones((1, 2, 4, 4), jnp.int8)
    >>> measured = observe(rf.ising(rf.square(4)), up)
    >>> measured.energy.tolist(), measured.domains.tolist(), measured.overturned.tolist()
    ([[-32, -32]], [[1, 1]], [[-1, -1]])
    """
    array = np.asarray(model_of(model).own(spins, axes=2))
    last = None if before is None else np.asarray(model.own(before, "before", axes=1))
    same = last is None or last.shape == array.shape[1:]
    told = "there must be as many chains as at the iterations that follow"
    Problems.only(same, "shape of before", getattr(last, "shape", None), told)
    some = max(1, SPINS_AT_ONCE // array[0].size)
    parts = []
    for at in range(0, len(array), some):
        parts.append(_observed(model, array[at : at + some], last))
        last = array[at : at + some][-1]
    return Measurements.joined(parts)


def _observed(
    model: Model, array: Int8[np.ndarray, "iteration chain *lattice"], before: Int8[np.ndarray, "chain *lattice"] | None
) -> Measurements:
    """Measurements of a few iterations; their chains may still be more than fit the memory at once."""
    lattice = model.lattice
    overturned = np.full(array.shape[:2], -1, np.int32)
    for row, one in enumerate(array):
        if before is not None:
            overturned[row] = np.count_nonzero((one != before).reshape(len(one), -1), axis=1)
        before = one
    some = max(1, SPINS_AT_ONCE // (len(array) * lattice.sites * lattice.basis))
    blocks = [array[:, at : at + some] for at in range(0, array.shape[1], some)]
    energy, magnetization, long_wave, mean, error = _over_blocks([sums(model, jnp.asarray(one)) for one in blocks])
    counts = np.concatenate([domains(model, block) for block in blocks], axis=1).astype(np.int32)
    axes = lattice.displacement_axes
    return Measurements(energy, magnetization, long_wave, counts, overturned, mean, error, lattice.sites, axes)


def _over_blocks(sums: list[tuple[Array, ...]]) -> list[np.ndarray]:
    """What `sums` has of blocks of chains as it would have it of all: means and errors are joined in float64."""
    *per_chain, means, errors = (list(part) for part in zip(*sums, strict=True))
    joined = [np.concatenate(part, axis=1) for part in per_chain]
    if len(sums) == 1:
        return [*joined, np.asarray(means[0]), np.asarray(errors[0])]
    mean, error = np.asarray(means, np.float64), np.asarray(errors, np.float64)
    count = np.array([one.shape[1] for one in per_chain[0]], np.float64).reshape(-1, *[1] * (mean.ndim - 1))
    # A block of one chain has no scatter of its own.
    squares = np.where(count > 1, error**2 * count * (count - 1), 0.0) + count * mean**2
    total = count.sum()
    middle = (count * mean).sum(axis=0) / total
    scatter = np.maximum(squares.sum(axis=0) - total * middle**2, 0.0) / (total - 1)
    return [*joined, middle.astype(np.float32), np.sqrt(scatter / total).astype(np.float32)]


@functools.partial(jax.jit, static_argnums=0)
def sums(model: Model, spins: Int8[Array, "iteration chain *lattice"]) -> tuple[Array, ...]:
    """Sums over sites that `observe` gives: E, M, the longest wave, and the two-point function with its errors."""
    lattice, chains = model.lattice, spins.shape[1]
    cells = tuple(range(2, 2 + len(lattice.cells)))
    products = wave_products(model, spins)
    # The inverse transform of the products is G.
    correlation = jnp.fft.ifftn(products, axes=cells).real.reshape(*spins.shape[:2], *lattice.cells, *_pair(lattice))
    if lattice.mirrored:
        for axis, side in zip(cells, lattice.cells, strict=True):
            # A displacement is as good as the one that is reversed along one axis.
            reversed_one = jnp.roll(jnp.flip(correlation, axis), 1, axis)
            correlation = jnp.take((correlation + reversed_one) / 2, np.arange(side // 2 + 1), axis)
    scatter = jnp.std(correlation, axis=1, ddof=1) if chains > 1 else correlation[:, 0] * jnp.nan
    means = jnp.mean(correlation, axis=1), scatter / jnp.sqrt(float(chains))
    return (
        model.total_energy(spins),
        model.total_magnetization(spins),
        longest_wave(lattice, factor_of(products)),
        *means,
    )


def _pair(lattice: Lattice) -> tuple[int, ...]:
    return () if lattice.basis == 1 else (lattice.basis, lattice.basis)


def domains(model: Model, spins: Configurations) -> Int[np.ndarray, "*batch"]:
    """Number of domains of configurations of a model: sets of sites in one state that bonds connect.

    Examples
    --------
    >>> import rbmflow as rf
    >>> int(domains(rf.ising(rf.square(3, 4)), [[1, -1, 1, 1], [1, -1, 1, 1], [1, -1, -1, 1]]))
    2
    """
    own, lattice = np.asarray(model_of(model).own(spins)), model.lattice
    stack = own.reshape(-1, lattice.sites)
    some = max(1, LABELLED_AT_ONCE // lattice.sites)
    count = _by_sweeps if lattice.sites <= MOST_SWEPT and len(stack) >= FEWEST_SWEPT else _by_graph
    found = [count(lattice, stack[at : at + some]) for at in range(0, len(stack), some)]
    return np.concatenate(found).reshape(own.shape[: own.ndim - len(lattice.shape)])


def _bonds(lattice: Lattice) -> tuple[Int[np.ndarray, " bond"], Int[np.ndarray, " bond"]]:
    """The sites that bonds connect, the lower number first, in the order of these."""
    start, place = np.nonzero(lattice.neighbours > np.arange(lattice.sites)[:, None])
    return start, lattice.neighbours[start, place]


def _by_sweeps(lattice: Lattice, stack: Int8[np.ndarray, "n site"]) -> Int[np.ndarray, " n"]:
    """Every site takes the lowest number in its domain, by sweeps over the bonds to and fro, of all configurations.

    Domains of a small lattice need about ten, and what is done at a bond goes over all configurations at once.
    """
    (start, end), spins = _bonds(lattice), np.ascontiguousarray(stack.T)
    # Between sites in different states all bits are set, and such a number is never the lowest.
    walls = np.where(spins[start] == spins[end], np.uint16(0), np.uint16(2**16 - 1))
    own = np.arange(lattice.sites, dtype=np.uint16)[:, None]
    label, seen = np.repeat(own, len(stack), axis=1), np.empty(len(stack), np.uint16)
    bonds, total = [*zip(start.tolist(), end.tolist(), walls, strict=True)], -1
    while total != (total := int(label.sum(dtype=np.int64))):
        for one, other, wall in bonds:
            for mine, theirs in ((label[one], label[other]), (label[other], label[one])):
                np.minimum(mine, np.bitwise_or(theirs, wall, out=seen), out=mine)
        bonds.reverse()
    return np.count_nonzero(label == own, axis=0)


def _by_graph(lattice: Lattice, stack: Int8[np.ndarray, "n site"]) -> Int[np.ndarray, " n"]:
    """The components of one graph of all configurations."""
    (start, end), first = _bonds(lattice), np.arange(len(stack))[:, None] * lattice.sites
    same = stack[:, start] == stack[:, end]
    bonds = np.bincount((first + start)[same], minlength=stack.size)
    rows = np.append(0, np.cumsum(bonds)).astype(np.int32)
    graph = csr_array((np.ones(rows[-1], np.int8), (first + end)[same].astype(np.int32), rows), (stack.size,) * 2)
    found, component = connected_components(graph, directed=False)
    owner = np.empty(found, np.int64)
    owner[component] = np.repeat(np.arange(len(stack)), lattice.sites)
    return np.bincount(owner, minlength=len(stack))
