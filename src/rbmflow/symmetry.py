"""Symmetries of a model on its lattice: what makes of a configuration another one of the same energy."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Int8, Int32

from rbmflow._checks import Problems
from rbmflow._types import Key
from rbmflow.lattice import Lattice
from rbmflow.model import Model, model_of

type End = tuple[int, int, tuple[int, ...]]
"""Sites of a cell that a bond joins, and its displacement in cells."""

type Places = Mapping[int, tuple[int, tuple[int, ...]]]
"""Where the sites of cell 0 go: a site of a cell, and the cell."""


type Ends = Counter[tuple[End, int]]
"""Both ends of all bonds of a cell with a number for their energies."""


def point_group(model: Model) -> Int32[np.ndarray, "symmetry site"]:
    r"""Rotations and reflections that map every bond onto one of the same energies: where each site goes.

    .. math:: (a, c) \to (\pi(a),\, A c + t_a \bmod L)

    with whole matrices A of entries -1, 0 and 1 that map the torus onto itself; on more than two axes only those with
    one entry in each row. There is one of every class up to translations.

    Examples
    --------
    >>> import rbmflow as rf
    >>> lattices = rf.square(4), rf.square(4, 6), rf.triangular(3), rf.honeycomb(3)
    >>> [len(point_group(rf.ising(lattice))) for lattice in lattices]
    [8, 4, 12, 12]
    >>> len(point_group(rf.ising(rf.square(4), couplings=[1.0, 0.5])))
    4
    """
    lattice = model.lattice
    same = [model.pair.index(energies) for energies in model.pair]
    ends = Counter((end, same[bond.kind]) for bond in lattice.bonds for end in bond.both_ways())
    cells = np.array(lattice.cells)
    corners = np.indices(lattice.cells).reshape(len(cells), -1)
    numbers = np.arange(lattice.sites, dtype=np.int32).reshape(-1, lattice.basis)
    found = []
    for matrix in _matrices(cells):
        for places in _completed(lattice, ends, matrix, {}):
            there = np.empty_like(numbers)
            for site, (image, cell) in places.items():
                moved = (matrix @ corners + np.array(cell)[:, None]) % cells[:, None]
                there[:, site] = numbers[np.ravel_multi_index(tuple(moved), lattice.cells), image]
            found.append(there.ravel())
    return np.unique(np.array(found), axis=0)


def _matrices(cells: np.ndarray) -> Iterator[np.ndarray]:
    """Whole matrices that map the torus of these cells onto itself."""
    axes = len(cells)
    if axes > 2:
        of_axes = (np.eye(axes, dtype=int)[list(order)] for order in itertools.permutations(range(axes)))
        every = (one * signs for one in of_axes for signs in itertools.product((1, -1), repeat=axes))
    else:
        every = (np.reshape(one, (axes, axes)) for one in itertools.product((1, 0, -1), repeat=axes**2))
    for matrix in every:
        if abs(round(np.linalg.det(matrix))) == 1 and not (matrix * cells % cells[:, None]).any():
            yield matrix


def _completed(lattice: Lattice, ends: Ends, matrix: np.ndarray, places: Places) -> Iterator[Places]:
    """All ways to put the sites of a cell that are not placed yet so that bonds go onto bonds."""
    origin = (0,) * len(lattice.cells)
    if len(places) == lattice.basis:
        if Counter({(_image(end, matrix, places), kind): n for (end, kind), n in ends.items()}) == ends:
            yield places
        return
    # The next site is one that a bond leads to from a placed one, if there is any: few places are left to it then.
    led = [one for one in ends if one[0][0] in places and one[0][1] not in places]
    if not led:
        site = next(site for site in range(lattice.basis) if site not in places)
        choices = [(image, origin) for image in range(lattice.basis)] if not places else [(site, origin)]
    else:
        (start, site, step), kind = led[0]
        image, cell = places[start]
        leads = [end for end, other in ends if other == kind and end[0] == image]
        choices = [(there, tuple((cell + np.array(away) - matrix @ step).tolist())) for _, there, away in leads]
    for choice in choices:
        if choice[0] not in {image for image, _ in places.values()}:
            yield from _completed(lattice, ends, matrix, {**places, site: choice})


def _image(end: End, matrix: np.ndarray, places: Places) -> End:
    """Where both ends of a bond go."""
    start, stop, step = end
    (here, cell), (there, other) = places[start], places[stop]
    return here, there, tuple((matrix @ step + np.array(other) - np.array(cell)).tolist())


class Symmetries(eqx.Module):
    """Translations, rotations and reflections of a lattice, and permutations of states that change no energy."""

    turned: Int32[Array, "symmetry site"]
    permuted: Int[Array, "order state"]
    model: Model = eqx.field(static=True)

    @classmethod
    def of(cls, model: Model) -> Symmetries:
        """Those of a model."""
        return cls(jax.device_put(point_group(model)), jax.device_put(model.symmetries.astype(np.int32)), model)

    @classmethod
    def asked(cls, wanted: bool, model: Model | None, data: Any, rows: np.ndarray) -> Symmetries | None:
        """Those of a model that rows of data are of, if they are wanted."""
        if not wanted:
            return None
        told = "they are those of a model, which must be given"
        Problems.only(model is not None, "symmetries", model, told)
        own = model_of(model, "symmetries")  # pyright: ignore[reportArgumentType]
        own.require_lattice(data, "data")
        fits = rows[0].size == own.lattice.sites and np.isin(rows, own.states).all()
        told = f"data of {rows[0].size} sites must be of a model with as many, and with their states"
        Problems.only(bool(fits), "symmetries", own, told)
        return cls.of(own)

    def moved(self, key: Key, rows: Int8[Array, "sample *rest"]) -> Int8[Array, "sample *rest"]:
        """Each configuration after a symmetry of its own, drawn from all with equal weight."""
        lattice, count = self.model.lattice, len(rows)
        cells, axes = lattice.cells, len(lattice.cells)
        for_turn, for_states, *for_sides = jax.random.split(key, 2 + axes)
        turn = jax.random.randint(for_turn, (count,), 0, len(self.turned))
        site = self.turned[turn]
        cell, basis = site // lattice.basis, site % lattice.basis
        moved = jnp.zeros_like(cell)
        for axis, for_side in enumerate(for_sides):
            stride = int(np.prod(cells[axis + 1 :], dtype=int))
            shift = jax.random.randint(for_side, (count, 1), 0, cells[axis])
            moved += (cell // stride + shift) % cells[axis] * stride
        flat = rows.reshape(count, -1)
        found = jnp.take_along_axis(flat, moved * lattice.basis + basis, axis=1)
        if len(self.permuted) > 1:
            order = self.permuted[jax.random.randint(for_states, (count,), 0, len(self.permuted))]
            places = jnp.take_along_axis(order, self.model.places(found), axis=1)
            found = jnp.asarray(self.model.states, jnp.int8)[places]
        return found.reshape(rows.shape)
