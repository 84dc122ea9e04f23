"""Models are tables: the states of a site, the energies of a bond and of a site, and the vectors of the order."""

import functools
import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float64, Int, Int8, Int32

from rbmflow._checks import Problems, listed
from rbmflow._doors import Configurations, Numbers, numbers_of, spins_of
from rbmflow.lattice import Lattice
from rbmflow.settings import LARGEST_ENERGY

LARGEST_PRODUCT = 127
"""Largest product of two labels that eight bits hold."""


@dataclass(frozen=True, repr=False)
class Model:
    r"""A spin model: what the bonds and the sites of a lattice cost in every state.

    .. math:: E = \sum_{\text{bonds } ij} \text{pair}[k_{ij}, s_i, s_j] + \sum_i \text{site}[s_i]

    with k the kind of a bond, in units of J. Configurations are arrays of the labels in `states`, whose last axes are
    the shape of the lattice, in any form (an array, lists, `Draws`, `Flow`); other values and other shapes are refused
    (`InvalidInput`).

    Parameters
    ----------
    lattice
        The lattice.
    states
        Labels of the states, increasing whole numbers of eight bits.
    pair : [kind, state, state] or [state, state]
        Energy of a bond of each kind, or of all, symmetric.
    site : [state]
        Energy of a site.
    vectors : [state, component]
        What each state adds to the order parameter.

    Raises
    ------
    InvalidInput
        If a table does not fit the states and the kinds of bonds, or the energy of a bond is not symmetric.

    Examples
    --------
    Spins whose bonds prefer that both are up:

    >>> import rbmflow as rf
    >>> model = rf.Model(rf.square(4), (0, 1), [[0, 0], [0, -1]], (0, 0.5), [[0], [1]])
    >>> float(model.energy([[1] * 4] * 4))
    -1.5
    """

    lattice: Lattice
    states: tuple[int, ...]
    pair: tuple[tuple[tuple[float, ...], ...], ...]
    site: tuple[float, ...]
    vectors: tuple[tuple[float, ...], ...]
    name: str = field(default="", compare=False)
    convention: str = field(default="", compare=False)

    def __init__(
        self,
        lattice: Lattice,
        states: Sequence[int],
        pair: Numbers,
        site: Numbers,
        vectors: Numbers,
        name: str = "",
        convention: str = "E = sum pair[kind, s, s'] + sum site[s]",
    ):
        problems = Problems()
        problems.kind("lattice", lattice, Lattice, "lattice, such as square(10)")
        whole = Problems()
        labels = whole.wholes("states", states, -128, 127)
        ordered = len(labels) > 1 and all(a < b for a, b in itertools.pairwise(labels))
        whole.unless(ordered, "states", states, "there must be at least two labels, increasing")
        problems.found += whole.found[:1]
        count = len(labels)
        if count < 2:
            problems.done()
        bonds = _table(problems, "pair", pair, ("...", count, count))
        symmetric = np.array_equal(bonds, bonds.swapaxes(-1, -2))
        problems.unless(symmetric, "pair", bonds.tolist(), "a bond must cost the same from both ends")
        if isinstance(lattice, Lattice):
            bonds = np.broadcast_to(bonds, (lattice.kinds, count, count)) if bonds.ndim == 2 else bonds
            kinds = f"it must be [kind, state, state] with {lattice.kinds} kinds of bonds"
            problems.unless(bonds.shape == (lattice.kinds, count, count), "shape of pair", bonds.shape, kinds)
        alone = _table(problems, "site", site, (count,))
        order = _table(problems, "vectors", vectors, (count, "component"))
        problems.unless(order.size > 0 or order.ndim < 2, "shape of vectors", order.shape, "there must be a component")
        problems.kind("name", name, str, "text")
        problems.kind("convention", convention, str, "text")
        problems.done()
        tables = lattice, labels, _nested(bonds), _nested(alone), _nested(order), name, convention
        for attribute, value in zip(fields(self), tables, strict=True):
            object.__setattr__(self, attribute.name, value)

    def __repr__(self) -> str:
        return f"{self.name or f'Model({self.lattice}, states={self.states})'}: {self.convention}"

    @functools.cached_property
    def couplings(self) -> tuple[float, ...] | None:
        """J of each kind of bond if the energy of a bond is -J s s' in the labels themselves, else None."""
        pair, product = np.array(self.pair), np.multiply.outer(self.states, self.states)
        if np.abs(product).max() > LARGEST_PRODUCT:
            return None
        strength = -(pair * product).sum(axis=(1, 2)) / (product**2).sum()
        return tuple(strength.tolist()) if np.array_equal(pair, -strength[:, None, None] * product) else None

    @property
    def coupling(self) -> float:
        """J of the first kind of bonds, NaN if bonds have none."""
        return self.couplings[0] if self.couplings else float("nan")

    @property
    def field(self) -> float:
        """Field h that adds -h s to the energy of an Ising spin; 0 without one."""
        return (self.site[0] - self.site[1]) / 2 if self.states == (-1, 1) else 0.0

    @functools.cached_property
    def symmetries(self) -> Int[np.ndarray, "symmetry state"]:
        """Permutations of the states that change no energy, among the rotations and reflections of their order."""
        turned = np.add.outer(np.arange(len(self.states)), np.arange(len(self.states))) % len(self.states)
        pair, site = np.array(self.pair), np.array(self.site)
        kept = [
            order
            for order in np.unique(np.concatenate([turned, turned[:, ::-1]]), axis=0)[::-1]
            if np.allclose(pair[:, order][:, :, order], pair, atol=1e-12) and np.allclose(site[order], site, atol=1e-12)
        ]
        return np.array(kept)

    @property
    def energy_bounds(self) -> tuple[float, float]:
        """No configuration has less or more energy per site; both need not be reached."""
        bonds = [np.array(self.pair[bond.kind]) for bond in self.lattice.bonds]
        lowest, highest = (sum(map(of, bonds)) / self.lattice.basis + of(self.site) for of in (np.min, np.max))
        return float(lowest), float(highest)

    @functools.cached_property
    def uniform_energies(self) -> Float64[np.ndarray, " state"]:
        """Total energy of the configuration in which all sites are in one state, for each."""
        bonds = sum(np.diag(self.pair[bond.kind]) for bond in self.lattice.bonds)
        return bonds * (self.lattice.sites // self.lattice.basis) + np.array(self.site) * self.lattice.sites

    @functools.cached_property
    def ground_states(self) -> tuple[int, ...]:
        """Labels of the uniform configurations that are the ground states; empty if others are or may be ground states.

        With the energy of sites shared out among their bonds, every bond is in its lowest state there and only there.
        """
        bonds_at = (self.lattice.neighbour_kinds[: self.lattice.basis] >= 0).sum(axis=1)
        site, lowest = np.array(self.site), np.ones(len(self.states), bool)
        for bond in self.lattice.bonds:
            alone = np.add.outer(site / bonds_at[bond.start], site / bonds_at[bond.end])
            excess = np.array(self.pair[bond.kind]) + alone
            excess -= excess.min()
            lowest &= np.diag(excess) < 1e-12
            if (excess[~np.eye(len(site), dtype=bool)] < 1e-12).any():
                return ()
        labels = tuple(label for label, low in zip(self.states, lowest, strict=True) if low)
        return labels if self.lattice.connected else ()

    @functools.cached_property
    def step(self) -> float:
        """Smallest change, but none, of the energy of its bonds that one site can make."""
        pair, changes = np.array(self.pair), set()
        for kinds in self.lattice.neighbour_kinds[: self.lattice.basis]:
            sums = {(0.0,) * len(self.states)}
            for kind in kinds[kinds >= 0]:
                sums = {tuple((one + of).round(9)) for one in map(np.array, sums) for of in pair[kind]}
            changes |= {abs(a - b) for one in sums for a in one for b in one}
        return min((change for change in changes if change > 1e-9), default=1.0)

    @functools.cached_property
    def gap(self) -> float:
        """Least energy to change one site of a uniform ground state; of models without such, the smallest `step`."""
        pair, site, costs = np.array(self.pair), np.array(self.site), []
        for ground in np.flatnonzero(np.isin(self.states, self.ground_states)):
            for kinds in self.lattice.neighbour_kinds[: self.lattice.basis]:
                cost = (pair[kinds[kinds >= 0], ground] - pair[kinds[kinds >= 0], ground, ground][:, None]).sum(axis=0)
                costs.append(np.delete(cost + site - site[ground], ground).min())
        return float(min(costs, default=self.step))

    def with_cells(self, cells: Sequence[int]) -> "Model":
        """The same model on a torus of so many cells, as many numbers as it has sides."""
        sides, own = len(listed(cells) or ()), len(self.lattice.cells)
        Problems.only(sides == own, "cells", cells, f"there must be {own} numbers of cells, as {self.lattice} has")
        return replace(self, lattice=Lattice(cells, self.lattice.bonds, self.lattice.basis), name="")

    def terms(self, spins: Configurations) -> tuple[Int[Array, "*batch term"], Float64[np.ndarray, " term"]]:
        """Numbers int32 and energies whose products add up to the total energy of each configuration, exactly."""
        return _numbers(self, jnp.asarray(self.own(spins))), np.array(_energies(self))

    def total_energy(self, spins: Configurations) -> Int[Array, "*batch"] | Float[Array, "*batch"]:
        """Energy of each configuration in units of J: an int32 if those of the tables are whole, else a float32."""
        energies = np.array(_energies(self))
        if (energies == energies.round()).all():
            return _whole_energy(self, jnp.asarray(self.own(spins)))
        return self.terms(spins)[0].astype(np.float32) @ energies.astype(np.float32)

    def exact_energy(self, spins: Configurations) -> Float64[np.ndarray, "*batch"]:
        """Total energies in double precision: equal ones are the same number."""
        numbers, energies = self.terms(spins)
        return (np.asarray(numbers) @ energies).round(9)

    def order_of(self, occupied: Numbers) -> Float64[np.ndarray, "*batch"]:
        """Length of the sum of vectors, or the sum if they have one component, for numbers of sites in each state.

        In double precision: configurations that a symmetry makes of one another have the same number.
        """
        total = np.asarray(occupied, np.float64) @ np.array(self.vectors)
        return (total[..., 0] if total.shape[-1] == 1 else np.linalg.norm(total, axis=-1)).round(9)

    def occupied(self, spins: Configurations) -> Int[Array, "*batch state"]:
        """Numbers of sites in each state."""
        return _occupied(self, jnp.asarray(self.own(spins)))

    def total_order(self, spins: Configurations) -> Float[Array, "*batch component"]:
        """Sum of the vectors of all sites of each configuration."""
        return self.occupied(spins).astype(jnp.float32) @ np.array(self.vectors, np.float32)

    def total_magnetization(self, spins: Configurations) -> Int[Array, "*batch"] | Float[Array, "*batch"]:
        """Sum of the vectors: an int32 where these are the labels, as of spins; of several components its length."""
        if self._vectors_are_labels:
            return jnp.sum(jnp.asarray(self.own(spins)), axis=self._axes, dtype=jnp.int32)
        total = self.total_order(spins)
        return total[..., 0] if total.shape[-1] == 1 else jnp.linalg.norm(total, axis=-1)

    def energy(self, spins: Configurations) -> Float[Array, "*batch"]:
        """Energy per site of each configuration."""
        return self.total_energy(spins) / self.lattice.sites

    def magnetization(self, spins: Configurations) -> Float[Array, "*batch"]:
        """Magnetization per site of each configuration, see `total_magnetization`."""
        return self.total_magnetization(spins) / self.lattice.sites

    @property
    def _axes(self) -> tuple[int, ...]:
        return tuple(range(-len(self.lattice.shape), 0))

    def own(
        self, spins: Configurations, name: str = "spins", *, axes: int | None = None
    ) -> Int8[Array | np.ndarray, "..."]:
        """Configurations of this model as int8, of so many axes before those of its lattice; others are refused."""
        self.require_lattice(spins, name)
        shape = self.lattice.shape
        number = None if axes is None else axes + len(shape)
        return spins_of(spins, shape, name, axes=number, states=self.states)

    def require_lattice(self, given: Any, name: str) -> None:
        """Refuse configurations that tell of other bonds than those of the model; arrays tell of none."""
        known, own = getattr(given, "joined", None), self.lattice.joined
        told = f"they are of another lattice, and must be of one with these (from, to, displacement): {own}"
        Problems.only(known in (None, own), f"bonds of {name}", known, told)

    def components(self, spins: Configurations) -> Iterator[Float[Array, "..."]]:
        """Components of the vectors of all sites, float32 arrays one after the other."""
        own = jnp.asarray(self.own(spins))
        if self._vectors_are_labels:
            yield own.astype(jnp.float32)
            return
        places = self.places(own)
        for component in np.array(self.vectors, np.float32).T:
            yield jnp.asarray(component)[places]

    def places(self, own: Int8[Array, "..."]) -> Int32[Array, "..."]:
        """Places of the labels of configurations among the states."""
        states = np.array(self.states)
        place = np.searchsorted(states, np.arange(states[0], states[-1] + 1)).astype(np.int32)
        return jnp.asarray(place)[own.astype(jnp.int32) - states[0]]

    @functools.cached_property
    def _vectors_are_labels(self) -> bool:
        return self.vectors == tuple((float(label),) for label in self.states)

    def told(self) -> dict[str, str]:
        """The tables as an attribute of labelled data, which `model_in` reads."""
        lattice = [getattr(self.lattice, one.name) for one in fields(self.lattice)]
        return {"spin_model": json.dumps([lattice, *(getattr(self, one.name) for one in fields(self)[1:])])}


def all_places(states: int, sites: int) -> Int[np.ndarray, "state site"]:
    """Places among so many states of so many sites, in every combination; the first site changes fastest."""
    return np.arange(states**sites)[:, None] // states ** np.arange(sites) % states


def _table(problems: Problems, name: str, given: Numbers, axes: tuple[int | str, ...]) -> Float64[np.ndarray, "..."]:
    """A table of finite numbers, with its problems noted."""
    found = problems.of(numbers_of, given, name, axes, lowest=-LARGEST_ENERGY, highest=LARGEST_ENERGY)
    return np.zeros([axis for axis in axes if isinstance(axis, int)]) if found is None else found


def _nested(table: Any) -> Any:
    return tuple(map(_nested, table)) if table.ndim else float(table)


def _energies(model: Model) -> list[float]:
    """Energies of what `_numbers` counts."""
    bonds = [value for table in model.pair for value in np.unique(table)]
    if model.couplings is not None:
        bonds = [-strength for strength in model.couplings]
    return [*bonds, *model.site] if any(model.site) else bonds


@functools.partial(jax.jit, static_argnums=0)
def _numbers(model: Model, own: Int8[Array, "..."]) -> Int[Array, "..."]:
    """Sums of products over the bonds of each kind, or numbers of bonds by energy; then sites by state."""
    bonds = _bonds_by_energy(model, own) if model.couplings is None else bond_sums(model.lattice, own)
    return jnp.concatenate([bonds, _occupied(model, own)], axis=-1) if any(model.site) else bonds


@functools.partial(jax.jit, static_argnums=0)
def _whole_energy(model: Model, own: Int8[Array, "..."]) -> Int[Array, "*batch"]:
    """Total energies where those of the tables are whole, in one program."""
    return _numbers(model, own) @ np.array(_energies(model), np.int32)


def _bonds_by_energy(model: Model, own: Int8[Array, "..."]) -> Int[Array, "..."]:
    places, numbers = model.places(own), []
    for kind, table in enumerate(model.pair):
        energies, which = np.unique(table, return_inverse=True)
        ends = [model.lattice.across(bond, places) for bond in model.lattice.bonds if bond.kind == kind]
        met = [jnp.asarray(which.ravel().astype(np.int8))[here * len(model.states) + there] for here, there in ends]
        cells = tuple(range(-len(model.lattice.cells), 0))
        numbers += [sum(jnp.sum(one == number, cells, jnp.int32) for one in met) for number in range(energies.size)]
    return jnp.stack(numbers, axis=-1)


@functools.partial(jax.jit, static_argnums=0)
def _occupied(model: Model, own: Int8[Array, "..."]) -> Int[Array, "*batch state"]:
    axes = tuple(range(-len(model.lattice.shape), 0))
    return jnp.stack([jnp.sum(own == label, axes, jnp.int32) for label in model.states], axis=-1)


@functools.partial(jax.jit, static_argnums=0)
def bond_sums(lattice: Lattice, spins: Int8[Array, "..."]) -> Int[Array, "*batch kind"]:
    """Sums of the products s s' over the bonds of each kind; compiled, so that no products of all spins are kept."""
    cells = tuple(range(-len(lattice.cells), 0))
    sums: list[Any] = [0] * lattice.kinds
    for bond in lattice.bonds:
        here, there = lattice.across(bond, spins)
        sums[bond.kind] = sums[bond.kind] + jnp.sum(here * there, cells, jnp.int32)
    return jnp.stack(sums, axis=-1)


def model_of(given: Model, name: str = "model") -> Model:
    """A model; anything else that stands in its place is refused."""
    problems = Problems()
    problems.kind(name, given, Model, "model, such as ising(square(10))")
    problems.done()
    return given


def no_even_ising(model: Model) -> str | None:
    """Why a model is not the Ising model with one coupling for all bonds, as many at each site; None if it is."""
    couplings = model_of(model).couplings if model.states == (-1, 1) and model.site[0] == -model.site[1] else None
    if couplings is None or len(set(couplings)) > 1:
        return "it needs the Ising model with one coupling"
    return None if (model.lattice.neighbour_kinds >= 0).all() else "it needs as many bonds at each site"


def no_square_ising(model: Model) -> str | None:
    """Why a model is not the ferromagnetic Ising model with J = 1 on the square torus, in a field or not; else None."""
    if not model_of(model).lattice.is_square:
        return "it needs the square lattice"
    return "it needs the Ising model with J = 1" if no_even_ising(model) or model.coupling != 1 else None


def has_formulas(model: Model) -> bool:
    """Whether it is the Ising model with J = 1 and no field on the square torus, of which all is known exactly."""
    return no_square_ising(model) is None and model.field == 0


def square_ising(model: Model, what: str) -> Model:
    """The model, refused where something is done for Ising spins on the square torus alone."""
    reason = no_square_ising(model)
    Problems.only(reason is None, "model", model, f"{what}: {reason}")
    return model


def free_lattice(model: Model) -> Lattice:
    """Lattice of a model without a field, others being refused: every exact formula gets its lattice here."""
    field = square_ising(model, "the exact formulas are those of the Ising model on the square torus").field
    Problems.only(field == 0, "field", field, "the exact formulas are those of the model without a field")
    return model.lattice
