r"""Operators: what couplings multiply in an energy, as sums over the lattice of products of nearby sites.

With v the vector of the state of a site (the label itself of Ising spins), a set of k sites has the product

.. math:: \prod_{\text{pairs}} v_i \cdot v_j \quad (k \text{ even}), \qquad
    v_l \prod_{\text{pairs}} v_i \cdot v_j \quad (k \text{ odd}),

the mean over all ways to pair its sites. It is :math:`s_1 \dots s_k` of Ising spins; of Potts spins a pair has
:math:`\delta(s_i, s_j)` but for a factor and a constant. Symmetries that turn the vectors leave even operators as they
are and turn odd ones.
"""

import functools
import itertools
import operator
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float32, Int8

from rbmflow._checks import Problems, listed
from rbmflow.lattice import Lattice
from rbmflow.model import Model

type Place = tuple[int, tuple[int, ...]]
"""A site by its number in its cell and the displacement of that."""

WALK = 6
"""Steps of the walks whose number tells pairs of sites apart."""

REACH = 2
"""Most bonds between any two of more than two sites."""


@dataclass(frozen=True)
class Operator:
    """A sum over all cells of the products of sets of sites, each of as many.

    Parameters
    ----------
    name
        How it is called.
    sets
        The sets of sites of a cell, each site a number in the basis and a displacement in cells.

    Raises
    ------
    InvalidInput
        If there is no name, or there are no such sets of as many sites each.

    Examples
    --------
    The bonds of a square lattice:

    >>> Operator("bonds", (((0, (0, 0)), (0, (0, 1))), ((0, (0, 0)), (0, (1, 0))))).odd
    False
    """

    name: str
    sets: tuple[tuple[Place, ...], ...]

    def __post_init__(self):
        sets, problems = _as_sets(self.sets), Problems()
        problems.unless(isinstance(self.name, str) and bool(self.name), "name", self.name, "it must be a text")
        alike = len({len(one) for one in sets}) == 1 and len({len(cell) for one in sets for _, cell in one}) == 1
        told = "it must hold sets of as many sites each, as (((0, (0, 0)), (0, (0, 1))),) does"
        problems.unless(alike, "sets", self.sets, told)
        problems.done()
        object.__setattr__(self, "sets", sets)

    @property
    def odd(self) -> bool:
        """Whether its products have an odd number of sites."""
        return bool(len(self.sets[0]) % 2)


def _as_sets(given: Any) -> tuple[tuple[Place, ...], ...]:
    """Sets of sites as tuples, so that they can be told apart; none of what has another form."""
    try:
        return tuple(
            tuple((operator.index(site), tuple(map(operator.index, cell))) for site, cell in places) for places in given
        )
    except (TypeError, ValueError):
        return ()


def require_operators(given: Any, lattice: Lattice) -> tuple[Operator, ...]:
    """Operators of a lattice in a list; what has other sites, or is no operator, is refused."""
    rows = listed(given)
    known = bool(rows) and all(isinstance(one, Operator) for one in rows)
    Problems.only(known, "chosen", given, "it must hold operators, such as operators(lattice) returns")
    for one in rows or ():
        places = [place for places in one.sets for place in places]
        fits = all(0 <= site < lattice.basis and len(cell) == len(lattice.cells) for site, cell in places)
        told = f"its sites must be of a lattice of {len(lattice.cells)} axes with {lattice.basis} sites a cell"
        Problems.only(fits, f"sets of {one.name}", one.sets, told)
    return rows or ()


def operators(lattice: Lattice, pairs: int = 5, fours: int = 2, threes: int = 3) -> tuple[Operator, ...]:
    """The closest operators of a lattice: even ones of two and four sites, odd ones of one and three.

    Sites are told apart by the table of bonds alone: the number of walks of six steps from one to the other, each step
    along a bond or none. Sets of sites that have the same numbers are one operator, and those with more walks are
    closer. On the square lattice these are the pairs (0, 1), (1, 1), (0, 2), (1, 2) and (2, 2), the plaquette and the T
    of four sites, the spin, and three sites round a corner, in a row, and (0, 0), (1, 1), (0, 2): seven even and four
    odd ones, after Swendsen, whose choice may have been another.

    Parameters
    ----------
    pairs, fours, threes
        At most so many operators of two, four and three sites. Of three and four any two are at most two bonds apart.

    References
    ----------
    R. H. Swendsen, Phys. Rev. Lett. 42, 859 (1979), doi:10.1103/PhysRevLett.42.859.

    Examples
    --------
    >>> import rbmflow as rf
    >>> [operator.name for operator in operators(rf.triangular(8), pairs=2, fours=1, threes=1)]
    ['pair 1', 'pair 2', 'four 1', 'spin 1', 'three 1']
    """
    problems = Problems()
    problems.kind("lattice", lattice, Lattice, "lattice, such as square(10)")
    most = {"pair": pairs, "four": fours, "spin": 1, "three": threes}
    for name, count in most.items():
        problems.whole(f"{name}s", count, int(name == "pair"))
    problems.done()
    # The number of cells plays no part.
    bonds = tuple((bond.start, bond.end, bond.displacement) for bond in lattice.bonds)
    sizes = {"pair": 2, "four": 4, "spin": 1, "three": 3}
    return tuple(
        Operator(f"{name} {place + 1}", sets)
        for name, count in most.items()
        for place, sets in enumerate(_classes(bonds, lattice.basis, sizes[name])[:count])
    )


@functools.cache
def _walks(bonds: tuple[tuple[int, int, tuple[int, ...]], ...], start: int, steps: int) -> Counter[Place]:
    """Number of walks of so many steps, along bonds or at rest, from a site of the infinite lattice to every other."""
    ends: dict[int, list[Place]] = {}
    for here, there, displacement in bonds:
        ends.setdefault(here, []).append((there, displacement))
        ends.setdefault(there, []).append((here, tuple(-step for step in displacement)))
    rest = (0,) * len(bonds[0][2])
    walks: Counter[Place] = Counter({(start, rest): 1})
    for _ in range(steps):
        further: Counter[Place] = Counter()
        for (site, cell), number in walks.items():
            for end, step in [(site, rest), *ends[site]]:
                further[end, tuple(map(sum, zip(cell, step, strict=True)))] += number
        walks = further
    return walks


def _classes(bonds: tuple[Any, ...], basis: int, sites: int) -> list[tuple[tuple[Place, ...], ...]]:
    """Sets of so many sites, those that are alike together, the closest first; each once for a cell."""
    found: dict[tuple[int, ...], set[tuple[Place, ...]]] = {}
    rest = (0,) * len(bonds[0][2])
    for start in range(basis):
        near = sorted(set(_walks(bonds, start, WALK if sites == 2 else REACH)) - {(start, rest)})
        for others in itertools.combinations(near, sites - 1):
            places = ((start, rest), *others)
            numbers = [_between(bonds, one, other, WALK) for one, other in itertools.combinations(places, 2)]
            close = all(_between(bonds, *pair, REACH) for pair in itertools.combinations(places, 2))
            if sites == 2 or close:
                found.setdefault(tuple(sorted(numbers)), set()).add(_moved_home(places))
    ranked = sorted(found, key=lambda numbers: (-sum(numbers), numbers))
    return [tuple(sorted(found[numbers])) for numbers in ranked]


def _between(bonds: tuple[Any, ...], one: Place, other: Place, steps: int) -> int:
    displacement = tuple(b - a for a, b in zip(one[1], other[1], strict=True))
    return _walks(bonds, one[0], steps)[other[0], displacement]


def _moved_home(places: tuple[Place, ...]) -> tuple[Place, ...]:
    """The same set of sites with its first in the cell at the origin."""
    first = min(places, key=lambda place: (place[1], place[0]))[1]
    return tuple(sorted((site, tuple(b - a for a, b in zip(first, cell, strict=True))) for site, cell in places))


def _pairings(sites: tuple[int, ...]) -> Iterator[tuple[list[tuple[int, int]], tuple[int, ...]]]:
    """All ways to pair sites, each with the one that is left of an odd number."""
    if len(sites) < 2:
        yield [], sites
        return
    for left in sites if len(sites) % 2 else ():
        yield from ((pairs, (left,)) for pairs, _ in _pairings(tuple(site for site in sites if site != left)))
    if len(sites) % 2 == 0:
        for place in range(1, len(sites)):
            for pairs, _ in _pairings(sites[1:place] + sites[place + 1 :]):
                yield [(sites[0], sites[place]), *pairs], ()


def vectors_of(model: Model) -> np.ndarray:
    """Vectors of the states about their mean, in as few components as they need, [state, component]."""
    centred = np.array(model.vectors) - np.mean(model.vectors, axis=0)
    left, lengths, _ = np.linalg.svd(centred, full_matrices=False)
    kept = lengths > 1e-9 * lengths[0]
    return centred if centred.shape[1] == kept.sum() else left[:, kept] * lengths[kept]


@functools.partial(jax.jit, static_argnums=(0, 1))
def sums_of(
    model: Model, chosen: tuple[Operator, ...], own: Int8[Array, "n *lattice"]
) -> tuple[Float32[Array, "n even"], Float32[Array, "n odd component"]]:
    """Even and odd operators of configurations of a model."""
    lattice, table = model.lattice, jnp.asarray(vectors_of(model), jnp.float32)
    cells = tuple(range(len(lattice.cells)))
    # Configurations last, so that moving cells moves stretches of memory.
    by_site = jnp.moveaxis(model.places(own).reshape(len(own), *lattice.cells, lattice.basis), 0, -1)
    columns = [column[by_site] for column in table.T]

    @functools.cache
    def at(place: Place) -> list[Array]:
        site, displacement = place
        return [jnp.roll(column[..., site, :], [-step for step in displacement], cells) for column in columns]

    def product(places: tuple[Place, ...]) -> list[Array]:
        if len(columns) == 1:
            return [functools.reduce(jnp.multiply, (at(place)[0] for place in places))]
        terms = []
        for pairs, left in _pairings(tuple(range(len(places)))):
            scalars = [sum(a * b for a, b in zip(at(places[i]), at(places[j]), strict=True)) for i, j in pairs]
            scalar = functools.reduce(jnp.multiply, scalars, jnp.float32(1.0))
            terms.append([scalar * one for one in at(places[left[0]])] if left else [scalar])
        return [functools.reduce(jnp.add, parts) / len(terms) for parts in zip(*terms, strict=True)]

    def total(one: Operator) -> Array:
        sums = [[jnp.sum(part, cells) for part in product(places)] for places in one.sets]
        return jnp.stack([functools.reduce(jnp.add, parts) for parts in zip(*sums, strict=True)], axis=-1)

    even, odd = ([total(one) for one in chosen if one.odd is kind] for kind in (False, True))
    nothing = jnp.zeros((len(own), 0, len(columns)), jnp.float32)
    return (
        jnp.concatenate(even, axis=-1) if even else nothing[..., 0],
        jnp.stack(odd, axis=1) if odd else nothing,
    )
