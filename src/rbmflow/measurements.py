"""What is measured on every configuration along a flow, thermometers aside."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float32, Float64, Int, Int8, Int32
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from rbmflow._doors import Configurations, spins_of
from rbmflow._record import Held, Record, arrays_of, attribute, dataset_of
from rbmflow._types import Spins
from rbmflow.correlations import longest_wave, structure_factor
from rbmflow.diagnostics import mean_and_error
from rbmflow.lattice import square
from rbmflow.model import bond_sums

if TYPE_CHECKING:
    import xarray as xr

SPINS_AT_ONCE = 1 << 24
"""Spins whose waves are in memory at once."""

LABELLED_AT_ONCE = 1 << 22
"""Spins whose domains are labelled at once."""

_CHAINS, _PLANES = "iteration chain", "iteration dy dx"
_LAYOUT = {
    "energy": Held(_CHAINS, "total energy", "J", "int32"),
    "magnetization": Held(_CHAINS, "total magnetization", "1", "int32"),
    "long_wave": Held(_CHAINS, "structure factor at the smallest wave vector", "1"),
    "domains": Held(_CHAINS, "domains", "1", "int32"),
    "overturned": Held(_CHAINS, "spins that differ from the iteration before", "1", "int32"),
    "correlation": Held(_PLANES, "two-point function", "1"),
    "correlation_error": Held(_PLANES, "standard error of the two-point function over chains", "1"),
}


class Measurements(Record):
    """Numbers along a flow, chain by chain; the two-point function is averaged over the chains.

    Displacements go from 0 to half the sides, since it is even in both; `overturned` is -1 at the start of a flow.
    """

    energy: Int32[np.ndarray, "iteration chain"]
    magnetization: Int32[np.ndarray, "iteration chain"]
    long_wave: Float32[np.ndarray, "iteration chain"]
    domains: Int32[np.ndarray, "iteration chain"]
    overturned: Int32[np.ndarray, "iteration chain"]
    correlation: Float32[np.ndarray, "iteration dy dx"]
    correlation_error: Float32[np.ndarray, "iteration dy dx"]
    sites: int = eqx.field(static=True, converter=int)

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
        return cls(*map(np.concatenate, leaves), sites=parts[0].sites)

    def to_dataset(self) -> xr.Dataset:
        """Labelled copy."""
        return dataset_of(_LAYOUT, (getattr(self, name) for name in _LAYOUT), sites=self.sites)

    @classmethod
    def from_dataset(cls, dataset: xr.Dataset) -> Measurements:
        """Measurements from the data written by `to_dataset`."""
        return cls(*arrays_of(dataset, _LAYOUT), sites=int(attribute(dataset, "sites")))  # pyright: ignore


def observe(spins: Configurations, before: Configurations = None) -> Measurements:
    """Measure configurations [iteration, chain, y, x] of successive iterations, such as a `Flow`.

    The ones `before` the first [chain, y, x] tell its overturned spins; the start of a flow has none. What is no such
    array of -1/+1 is refused (`InvalidInput`).

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> up = jnp.ones((1, 2, 4, 4), jnp.int8)
    >>> measured = observe(up)
    >>> measured.energy.tolist(), measured.domains.tolist(), measured.overturned.tolist()
    ([[-32, -32]], [[1, 1]], [[-1, -1]])
    """
    array = np.asarray(spins_of(spins, axes=4))
    last = None if before is None else np.asarray(spins_of(before, array.shape[1:], "before", axes=3))
    some = max(1, SPINS_AT_ONCE // array[0].size)
    parts = []
    for at in range(0, len(array), some):
        parts.append(_observed(array[at : at + some], last))
        last = array[at : at + some][-1]
    return Measurements.joined(parts)


def _observed(
    array: Int8[np.ndarray, "iteration chain y x"], before: Int8[np.ndarray, "chain y x"] | None
) -> Measurements:
    """Measurements of a few iterations; their chains may still be more than fit the memory at once."""
    sites = array.shape[-2] * array.shape[-1]
    overturned = np.full(array.shape[:2], -1, np.int32)
    for row, one in enumerate(array):
        if before is not None:
            overturned[row] = np.count_nonzero(one != before, axis=(-2, -1))
        before = one
    some = max(1, SPINS_AT_ONCE // (len(array) * sites))
    blocks = [array[:, at : at + some] for at in range(0, array.shape[1], some)]
    energy, magnetization, long_wave, mean, error = _over_blocks([_sums(jnp.asarray(block)) for block in blocks])
    counts = np.concatenate([domains(block) for block in blocks], axis=1).astype(np.int32)
    return Measurements(energy, magnetization, long_wave, counts, overturned, mean, error, sites=sites)


def _over_blocks(sums: list[tuple[Array, ...]]) -> list[np.ndarray]:
    """What `_sums` has of blocks of chains as it would have it of all: means and errors are joined in float64."""
    *per_chain, means, errors = (list(part) for part in zip(*sums, strict=True))
    joined = [np.concatenate(part, axis=1) for part in per_chain]
    if len(sums) == 1:
        return [*joined, np.asarray(means[0]), np.asarray(errors[0])]
    count = np.array([one.shape[1] for one in per_chain[0]], np.float64)[:, None, None, None]
    mean, error = np.asarray(means, np.float64), np.asarray(errors, np.float64)
    # A block of one chain has no scatter of its own.
    squares = np.where(count > 1, error**2 * count * (count - 1), 0.0) + count * mean**2
    total = count.sum()
    middle = (count * mean).sum(axis=0) / total
    scatter = np.maximum(squares.sum(axis=0) - total * middle**2, 0.0) / (total - 1)
    return [*joined, middle.astype(np.float32), np.sqrt(scatter / total).astype(np.float32)]


@jax.jit
def _sums(spins: Spins) -> tuple[Array, ...]:
    factor = structure_factor(spins)
    # The inverse transform of S is G; a displacement (dy, -dx) is as good as (dy, dx).
    whole, (ly, lx), chains = jnp.fft.ifft2(factor).real, spins.shape[-2:], spins.shape[1]
    both = whole, jnp.roll(whole[..., ::-1], 1, axis=-1)
    one, other = (half[..., : ly // 2 + 1, : lx // 2 + 1] for half in both)
    correlation = (one + other) / 2
    scatter = jnp.std(correlation, axis=1, ddof=1) if chains > 1 else correlation[:, 0] * jnp.nan
    magnetization = jnp.sum(spins, axis=(-2, -1), dtype=jnp.int32)
    energy = -jnp.sum(bond_sums(square(ly, lx), spins), axis=-1, dtype=jnp.int32)
    means = jnp.mean(correlation, axis=1), scatter / jnp.sqrt(float(chains))
    return energy, magnetization, longest_wave(factor), *means


def domains(spins: Configurations) -> Int[np.ndarray, "*batch"]:
    """Number of domains of configurations [..., y, x]: sets of equal spins connected by bonds of the torus.

    Examples
    --------
    >>> import numpy as np
    >>> int(domains(np.array([[1, -1, 1, 1], [1, -1, 1, 1], [1, -1, -1, 1]])))
    2
    """
    own = np.asarray(spins_of(spins))
    stack = own.reshape(-1, *own.shape[-2:])
    some = max(1, LABELLED_AT_ONCE // stack[0].size)
    found = [_domains(stack[at : at + some]) for at in range(0, len(stack), some)]
    return np.concatenate(found).reshape(own.shape[:-2])


def _domains(stack: Int8[np.ndarray, "n y x"]) -> Int[np.ndarray, " n"]:
    inside = np.zeros((3, 3, 3), int)
    inside[1] = ndimage.generate_binary_structure(2, 1)
    (up, count), (down, more) = (cast(tuple, ndimage.label(there, inside)) for there in (stack > 0, stack < 0))
    label = np.where(stack > 0, up, down + count) - 1
    # What is left to join are the bonds round the torus.
    rounds = (
        (label[:, 0], label[:, -1], stack[:, 0] == stack[:, -1]),
        (label[:, :, 0], label[:, :, -1], stack[:, :, 0] == stack[:, :, -1]),
    )
    one = np.concatenate([near[equal] for near, _, equal in rounds])
    other = np.concatenate([far[equal] for _, far, equal in rounds])
    total = count + more
    # Bonds of one pair of sets are added up: in eight bits 256 of them would be none.
    bonds = coo_array((np.ones(one.size, np.int32), (one, other)), shape=(total, total))
    found, component = connected_components(bonds, directed=False)
    lattice = np.empty(found, np.int64)
    lattice[component[label.ravel()]] = np.repeat(np.arange(len(stack)), stack[0].size)
    return np.bincount(lattice, minlength=len(stack))
