r"""Monte Carlo renormalization group: the stability matrix of a change of scale, from configurations alone.

A change of scale takes configurations with couplings :math:`K^{(n)}` and operators :math:`S^{(n)}` to those with
:math:`K^{(n+1)}` and :math:`S^{(n+1)}`. Since

.. math:: \langle S_a^{(n+1)} S_b^{(n)} \rangle_c
    = \sum_c \langle S_a^{(n+1)} S_c^{(n+1)} \rangle_c \, T_{cb}, \qquad
    T_{cb} = \partial K_c^{(n+1)} / \partial K_b^{(n)},

both covariances tell T. At a fixed point its eigenvalues are :math:`\lambda = b^y`, with b the change of scale.
"""

import math
from collections.abc import Callable, Iterable, Sequence, Sized
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float64

from rbmflow._checks import InvalidInput, Problem, Problems, listed
from rbmflow._doors import AnyKey, Configurations, key_of
from rbmflow._own_settings import own_settings
from rbmflow._scan import watched
from rbmflow._types import Array, Key
from rbmflow.lattice import Lattice
from rbmflow.model import Model, model_of
from rbmflow.random import fold_in, key_for
from rbmflow.renormalization.block_spins import majority_rule
from rbmflow.renormalization.operators import Operator, operators, require_operators, sums_of

type Rule = Callable[[Key, Model, Array], Array]
"""A change of scale: key, model and configurations [n, lattice ...] to those on a lattice of fewer cells."""

SPINS_AT_ONCE = 2**22

DEPENDENT = 1e-9
"""Part of the largest eigenvalue of the correlations of operators below which one depends on the others."""


class Covariances(NamedTuple):
    """Covariances of the operators of one run, after a step with one another and with those before it."""

    cells: tuple[int, ...]
    """Cells after the step."""
    scale: float
    """Change of the length scale b."""
    inner: tuple[Float64[np.ndarray, "operator operator"], ...]
    """After the step, of even and of odd operators."""
    outer: tuple[Float64[np.ndarray, "operator operator"], ...]
    """After it (first axis) with before it."""


class Eigenvalues(NamedTuple):
    """Moduli of the eigenvalues of stability matrices, the largest first."""

    value: Float64[np.ndarray, "step rank"]
    error: Float64[np.ndarray, "step rank"]
    """Standard error by the jackknife over runs, NaN of a single one."""
    exponent: Float64[np.ndarray, "step rank"]
    r""":math:`y = \ln |\lambda| / \ln b`."""
    exponent_error: Float64[np.ndarray, "step rank"]


class Stability(NamedTuple):
    """What `stability` found, each step by itself."""

    cells: tuple[tuple[int, ...], ...]
    """Cells of the lattice after each step."""
    scale: tuple[float, ...]
    """Change of scale b of each step."""
    even: Eigenvalues
    """Of couplings that keep the symmetry, as the temperature does: y_T comes first."""
    odd: Eigenvalues
    """Of couplings that break it, as a field does: y_h comes first."""

    def __repr__(self) -> str:
        sectors = [(name, one) for name, one in (("y_T", self.even), ("y_h", self.odd)) if one.value.size]
        told = [
            ", ".join(f"{name} {one.exponent[step, 0]:.3f}({one.exponent_error[step, 0]:.3f})" for name, one in sectors)
            for step in range(len(self.scale))
        ]
        return f"Stability({', '.join(f'to {cells}: {at}' for cells, at in zip(self.cells, told, strict=True))})"


def blocks_of_two(key: Key, model: Model, spins: Array) -> Array:
    """The majority rule on blocks of two cells along each side."""
    return majority_rule(key, spins, 2, model)


@own_settings
def stability(
    key: AnyKey,
    model: Model,
    runs: Iterable[Configurations],
    steps: int = 1,
    rule: Rule | Sequence[Rule] = blocks_of_two,
    chosen: Sequence[Operator] | None = None,
) -> Stability:
    r"""Eigenvalues of the stability matrix of block spins, or of any other change of scale, at every step.

    The matrix T solves :math:`\langle S^{(n+1)} S^{(n+1)} \rangle_c\, T = \langle S^{(n+1)} S^{(n)} \rangle_c`.
    Steps are never averaged: the first ones are off by the couplings that have not died out yet, the last ones by the
    size of the lattice.

    Parameters
    ----------
    key
        For the random numbers of the rule; those of a run and a step do not depend on the others.
    model
        Of the configurations; its lattice, with fewer cells, is also that of the coarse ones.
    runs
        Configurations [draw, lattice ...] of independent runs, at the critical temperature; an iterable is read one run
        at a time.
    steps
        How often the scale is changed.
    rule
        The change of scale, a function of key, model and configurations; or one for each step. A layer of hidden units
        is one: `lambda key, model, spins: hidden(spins).reshape(len(spins), *fewer_cells)`.
    chosen
        The operators; `operators(model.lattice)` if not given.

    Raises
    ------
    InvalidInput
        If a rule returns what is no configuration of the model on fewer cells, if operators are of another lattice, or
        if they depend on one another on the smallest lattice or in the configurations that there are.

    References
    ----------
    R. H. Swendsen, Phys. Rev. Lett. 42, 859 (1979), doi:10.1103/PhysRevLett.42.859.

    Examples
    --------
    >>> import rbmflow as rf
    >>> model = rf.ising(rf.square(8))
    >>> runs = [rf.sample(seed, model, 2.269185, 2000).spins[0] for seed in range(2)]
    >>> found = rf.stability(0, model, runs, steps=1)
    >>> found.even.value.shape, found.odd.value.shape, found.scale
    ((1, 7), (1, 4), (2.0,))
    """
    key, model = key_of(key), model_of(model)
    problems = Problems()
    steps = problems.whole("steps", steps, 1)
    rules = [rule] * steps if callable(rule) else list(listed(rule) or ())
    told = f"it must be a function of key, model and configurations, or {steps} of them"
    problems.unless(len(rules) == steps and all(map(callable, rules)), "rule", rule, told)
    several = isinstance(runs, Iterable) and not isinstance(runs, str | bytes | dict)
    told = "they must be configurations [draw, lattice ...] in a list, one entry for each run"
    problems.unless(several, "runs", type(runs).__name__, told)
    problems.done()
    table = operators(model.lattice) if chosen is None else require_operators(chosen, model.lattice)
    stream = key_for(key, "stability")
    found, told = [], watched(None, "stability")
    count = len(runs) if isinstance(runs, Sized) else 0
    for number, run in enumerate(runs):
        own = np.asarray(model.own(run, "runs", axes=1))
        found.append(covariances(fold_in(stream, number), model, own, rules, table))
        if count:  # What comes one at a time has no end that is known.
            told(len(found) / count)
    Problems.only(bool(found), "runs", (), "there must be at least one run")
    return eigenvalues(found)


def covariances(
    key: Key, model: Model, spins: np.ndarray, rules: Sequence[Rule], chosen: tuple[Operator, ...]
) -> list[Covariances]:
    """Covariances of the operators of a run at every step, from blocks of its draws."""
    some = max(2, SPINS_AT_ONCE // model.lattice.sites)
    models, sums = [model], [[] for _ in range(len(rules) + 1)]
    for first in range(0, len(spins), some):
        own = jnp.asarray(spins[first : first + some])
        of_block = fold_in(key, first)
        sums[0].append(sums_of(model, chosen, own))
        for step, rule in enumerate(rules):
            given = np.asarray(rule(fold_in(of_block, step), models[step], own))
            if len(models) == step + 1:
                models.append(_coarse(models[step], given, len(own)))
            own = jnp.asarray(models[step + 1].own(given, "what the rule returns", axes=1))
            sums[step + 1].append(sums_of(models[step + 1], chosen, own))
    every = [[np.concatenate(parts).astype(np.float64) for parts in zip(*level, strict=True)] for level in sums]
    told = []
    for (before, after), (fine, coarse) in zip(pairwise(every), pairwise(models), strict=True):
        scale = (fine.lattice.sites / coarse.lattice.sites) ** (1 / len(coarse.lattice.cells))
        inner = tuple(_covariance(one, one) for one in after)
        outer = tuple(_covariance(one, other) for one, other in zip(after, before, strict=True))
        told.append(Covariances(coarse.lattice.cells, scale, inner, outer))
    return told


def _coarse(model: Model, given: np.ndarray, draws: int) -> Model:
    """The model on the lattice of what a rule returned."""
    lattice = model.lattice
    shape = given.shape[1:]
    cells = shape if lattice.basis == 1 else shape[:-1]
    fits = (
        given.ndim == len(lattice.shape) + 1
        and len(given) == draws
        and lattice.shape[len(cells) :] == shape[len(cells) :]
    )
    smaller = fits and math.prod(cells) < math.prod(lattice.cells) and min(cells) > 1
    told = f"it must be [{draws}, {', '.join(lattice.axes)}] with fewer cells than {lattice.cells}, 2 a side at least"
    Problems.only(smaller, "shape of what the rule returns", given.shape, told)
    return replace(model, lattice=Lattice(cells, lattice.bonds, lattice.basis), name="")


def _covariance(one: np.ndarray, other: np.ndarray) -> Float64[np.ndarray, "operator operator"]:
    """Covariance over the first axis, summed over components if there are any."""
    first, second = (values - values.mean(axis=0) for values in (one, other))
    by_component = np.einsum("na...,nb...->ab...", first, second) / len(one)
    return by_component.sum(axis=tuple(range(2, by_component.ndim)))


def eigenvalues(found: Sequence[Sequence[Covariances]]) -> Stability:
    """Eigenvalues of the mean covariances [run][step], with their errors by leaving out one run at a time."""
    steps = list(zip(*found, strict=True))
    even, odd = ([_jackknifed(runs, sector) for runs in steps] for sector in (0, 1))
    cells, scale = zip(*((runs[0].cells, runs[0].scale) for runs in steps), strict=True)

    def told(rows: list[np.ndarray]) -> Eigenvalues:
        value, error = np.stack(rows, axis=1)
        width = np.log(np.array(scale))[:, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            return Eigenvalues(value, error, np.log(value) / width, error / value / width)

    return Stability(cells, scale, told(even), told(odd))


def _jackknifed(runs: Sequence[Covariances], sector: int) -> Float64[np.ndarray, "2 rank"]:
    inner, outer = (np.stack([getattr(run, name)[sector] for run in runs]) for name in ("inner", "outer"))

    def moduli(weights: np.ndarray) -> np.ndarray:
        left, right = (np.tensordot(weights, one, 1) for one in (inner, outer))
        return np.sort(np.abs(np.linalg.eigvals(np.linalg.solve(left, right))))[::-1]

    size = np.sqrt(np.einsum("raa->a", inner))
    size[size == 0] = 1.0  # What is constant depends on nothing else, and its own eigenvalue is 0.
    correlations = inner.sum(axis=0) / np.outer(size, size)
    if size.size and np.linalg.eigvalsh(correlations)[0] < DEPENDENT * size.size:
        told = "they depend on one another on so few cells or in so few draws: fewer steps, fewer operators, more draws"
        raise InvalidInput(Problem("operators", f"{size.size} on {runs[0].cells}", told))
    count = len(runs)
    whole = moduli(np.full(count, 1 / count))
    if count < 2:
        return np.stack([whole, np.full_like(whole, np.nan)])
    left_out = np.stack([moduli((1 - np.eye(count)[run]) / (count - 1)) for run in range(count)])
    return np.stack([whole, left_out.std(axis=0) * math.sqrt(count - 1)])
