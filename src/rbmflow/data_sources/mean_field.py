r"""Configurations without neighbours: independent sites that know only the mean field of the bonds of a site.

A machine trained on them has seen a phase transition (of Ising spins at T = z J, with z neighbours) but no lattice.

References
----------
R. Veiga, R. Vicente, arXiv:2006.10176 (the control).
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float64
from scipy.special import entr, softmax

from rbmflow._checks import Problems
from rbmflow._types import Key
from rbmflow.data_sources import data_source
from rbmflow.dataset import Draws
from rbmflow.model import Model, model_of
from rbmflow.random import host_generator, key_for

ALIKE = 1e-12
"""Part of an energy that is rounding."""

RESOLVED = 1e-5
"""Probabilities so near to those without order are the same: near T_c rounding hides what solves the equation."""

STEPS = 200
"""Iterations of the equation of the mean field, then at most so many Newton steps."""


def no_mean_field(model: Model) -> str | None:
    """Why the mean field of a model is not one law for all sites; None if it is.

    Where every bond prefers like states, and sites are alike, independent sites have the least free energy if all have
    the same law; elsewhere they may order in sublattices.
    """
    pair, of_site = np.array(model_of(model).pair), _bonds_of_site(model)
    rounding = ALIKE * np.abs(of_site).max()
    if np.abs(of_site - of_site[0]).max() > rounding:
        return "a mean field needs bonds that are as strong at every site"
    unlike = np.eye(len(model.states)) - 1 / len(model.states)
    repelled = np.linalg.eigvalsh(unlike @ pair @ unlike).max() > rounding
    return "a mean field needs bonds that all prefer like states" if repelled else None


def mean_field_phases(
    model: Model, temperatures: Sequence[float] | np.ndarray
) -> list[Float64[np.ndarray, "phase state"]]:
    r"""Laws p(s) of a site in the mean field of its neighbours, at each temperature one for each way to be ordered.

    .. math:: p(s) \propto e^{-(\sum_{s'} Q_{ss'} p(s') + \epsilon_s) / T}, \qquad
        f = \sum_s p(s) \left( \tfrac12 \sum_{s'} Q_{ss'} p(s') + \epsilon_s + T \ln p(s) \right)

    with Q the energies of all bonds of a site, and :math:`\epsilon` its own. Of several solutions, as there are at
    transitions of first order, those with the lowest free energy f are taken.

    Raises
    ------
    InvalidInput
        If sites have unlike bonds, or not every bond prefers like states.

    Examples
    --------
    >>> import rbmflow as rf
    >>> of_ising = mean_field_phases(rf.ising(rf.square(4)), [0.0, 2.0, 4.0])
    >>> [(laws @ [-1, 1]).round(6).tolist() for laws in of_ising]
    [[-1.0, 1.0], [-0.957504, 0.957504], [0.0, 0.0]]
    """
    reason = no_mean_field(model)
    Problems.only(reason is None, "model", model, f"{reason}")
    bonds, site, every = _bonds_of_site(model)[0], np.array(model.site), np.eye(len(model.states))
    # Symmetries make the solution that begins in one state from that of another.
    first = model.symmetries.min(axis=0)
    orders = [next(order for order in model.symmetries if order[state] == one) for state, one in enumerate(first)]
    found = []
    for temperature in temperatures:
        if temperature == 0:
            free = np.diag(bonds) / 2 + site
            found.append(every[_least(free, free)])
            continue
        fields = -bonds / temperature, -site / temperature
        of_first = {one: _solution(*fields, every[one]) for one in set(first.tolist())}
        ordered = np.stack([of_first[one][order] for one, order in zip(first.tolist(), orders, strict=True)])
        disordered = _solution(*fields, every.mean(axis=0))
        ordered[np.abs(ordered - disordered).max(axis=1) < RESOLVED] = disordered
        free, least = _free_energy(*fields, ordered), _free_energy(*fields, disordered)
        found.append(ordered[_least(free, free)] if _least(free, least).any() else disordered[None])
    return found


def _bonds_of_site(model: Model) -> Float64[np.ndarray, "basis state state"]:
    """Sum of the energies of all bonds of each site of a cell."""
    kinds = model.lattice.neighbour_kinds[: model.lattice.basis]
    return np.stack([np.array(model.pair)[row[row >= 0]].sum(axis=0) for row in kinds])


def _least(free: np.ndarray, of: np.ndarray) -> Bool[np.ndarray, "..."]:
    """Which free energies are not above the least of others."""
    return free <= of.min() + ALIKE * np.abs(of).max()


def _free_energy(bonds: np.ndarray, site: np.ndarray, law: np.ndarray) -> Float64[np.ndarray, "*batch"]:
    """Free energy of a site over T, with tables of -Q / T and of its own energy over -T."""
    return np.asarray(-(law * (law @ bonds / 2 + site) + entr(law)).sum(axis=-1))


def _solution(bonds: np.ndarray, site: np.ndarray, law: np.ndarray) -> Float64[np.ndarray, " state"]:
    """The solution downhill from a law: no iteration of the equation itself adds to the free energy."""
    for _ in range(STEPS):
        law = softmax(bonds @ law + site)
    for _ in range(STEPS):
        image = softmax(bonds @ law + site)
        if np.abs(image - law).max() < np.finfo(float).eps:
            return image
        slope = (np.diag(image) - np.outer(image, image)) @ bonds
        newton = np.maximum(law + np.linalg.lstsq(np.eye(len(law)) - slope, image - law)[0], 0)
        newton = newton / newton.sum()
        nearer = _free_energy(bonds, site, newton) <= _free_energy(bonds, site, law)
        law = newton if nearer else image
    return law


def _two_point(model: Model, temperatures: Sequence[float]) -> Float64[np.ndarray, "temperature *displacement"]:
    """m^2 at every displacement but zero."""
    square = [np.mean((laws @ model.states) ** 2) for laws in mean_field_phases(model, temperatures)]
    values = np.multiply.outer(square, np.ones(model.lattice.shape))
    values.reshape(len(values), -1)[:, 0] = 1.0
    return values


@data_source("mean-field", two_point=_two_point)
def sample_mean_field(key: Key, model: Model, temperatures: Sequence[float], draws: int) -> Draws:
    r"""Draw configurations of independent sites, each in state s with probability p(s).

    The way in which it is ordered, such as the sign of the magnetization, is drawn for every configuration; the laws
    are those of `mean_field_phases`.

    Parameters
    ----------
    key
        JAX random key.
    model
        The spin model, of which only the energies and the number of the bonds of a site matter.
    temperatures
        In J/k_B, increasing; 0 and infinity included.
    draws
        Configurations at each temperature.

    Raises
    ------
    InvalidInput
        If the temperatures are not increasing, there are no draws, or the mean field is not one law for all sites.

    References
    ----------
    R. Veiga, R. Vicente, arXiv:2006.10176.

    Examples
    --------
    >>> import jax
    >>> import rbmflow as rf
    >>> sample_mean_field(jax.random.key(0), rf.potts(rf.honeycomb(4), 3), [0.0, 5.0], 3).spins.shape
    (2, 3, 4, 4, 2)
    """
    problems = Problems()
    problems.temperatures("temperatures", temperatures)
    problems.whole("draws", draws, 1)
    problems.done()
    generator, shape = host_generator(key_for(key, "sample_mean_field")), model_of(model).lattice.shape
    phases = mean_field_phases(model, temperatures)
    laws = [laws[generator.integers(0, len(laws), draws)] for laws in phases]
    spins = np.empty((len(phases), draws, *shape), np.int8)
    for row, law in zip(spins, laws, strict=True):
        level, above = generator.random(row.shape), np.zeros((draws, *[1] * len(shape)))
        row[...] = model.states[0]
        for place in range(len(model.states) - 1, 0, -1):
            chance = law[:, place].reshape(above.shape)
            row[(level >= above) & (level < above + chance)] = model.states[place]
            above = above + chance
    return Draws(
        spins,
        temperatures,
        ["mean-field (independent sites)"] * len(phases),
        states=model.states,
        lattice_axes=model.lattice.axes,
    )
