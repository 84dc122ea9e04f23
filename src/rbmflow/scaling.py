r"""Scaling dimensions from two-point functions, which fall as :math:`r^{-2x}` where the lattice has the only length."""

import math
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float64, Int, Int8
from scipy.special import chdtrc

from rbmflow._checks import Problems
from rbmflow._doors import Configurations
from rbmflow._format import with_error
from rbmflow._scan import watched
from rbmflow.correlations import wave_products
from rbmflow.lattice import Lattice
from rbmflow.model import Model, model_of

SPINS_AT_ONCE = 2**22

FLATTEST = 1e7
"""Condition of the terms of a fit up to which they are told apart."""

DEPENDENT = 1e-9
"""Eigenvalue of the correlations of distances below which one depends on the others."""

GROUPS = 200
"""Most groups of configurations that the jackknife leaves out, one at a time."""


class ScalingDimension(NamedTuple):
    """A scaling dimension with its error, and the fit that it comes from."""

    value: float
    error: float
    """Standard error: that of the correlated fit."""
    chi_squared: float
    freedom: int
    """Distances less parameters."""
    probability: float
    """Of a chi-squared at least as large if the law holds; NaN without freedom."""
    distance: Float64[np.ndarray, " distance"]
    """Distances of the window, in cells."""
    mean: Float64[np.ndarray, " distance"]
    """Two-point function at these, over all axes of cells."""
    covariance: Float64[np.ndarray, "distance distance"]
    """Of these means, by the jackknife."""

    def __repr__(self) -> str:
        told = f"chi-squared {self.chi_squared:.1f} of {self.freedom}"
        return f"ScalingDimension({with_error(self.value, self.error)}, {told})"


def axis_correlations(model: Model, spins: Configurations, of: str = "spin") -> Float64[np.ndarray, "n distance"]:
    r"""Products along the axes of cells of each configuration, at distances 0 to half the shortest side.

    Of spins these are :math:`v_R \cdot v_{R + r}`, those of the sites of a cell added up; of the energy
    :math:`(e_R - \bar e)(e_{R + r} - \bar e)` with :math:`e_R` the energy of the bonds that start in a cell and
    :math:`\bar e` its mean over the ensemble. A row is the mean over cells and axes of one configuration.
    """
    lattice, own = model_of(model).lattice, model.own(spins, axes=1)
    some = max(1, SPINS_AT_ONCE // lattice.sites)
    parts = [own[at : at + some] for at in range(0, len(own), some)]
    if of == "spin":
        powers = (np.asarray(_spin_power(model, part), np.float64) for part in parts)
    else:
        energies = [bond_energies(model, part) for part in parts]
        mean = sum(part.sum() for part in energies) / sum(part.size for part in energies)
        cells = tuple(range(1, 1 + len(lattice.cells)))
        powers = (np.abs(np.fft.fftn(part - mean, axes=cells)) ** 2 / math.prod(lattice.cells) for part in energies)
    found, told = [], watched(None, "two-point functions")
    for power in powers:
        found.append(_of_waves(lattice, power))
        told(len(found) / len(parts))
    return np.concatenate(found)


def _spin_power(model: Model, own: Int8[Array | np.ndarray, "n *lattice"]) -> Float[Array, "n *cells"]:
    return jnp.trace(wave_products(model, own), axis1=-2, axis2=-1).real


def _of_waves(lattice: Lattice, power: Float[np.ndarray, "n *cells"]) -> Float64[np.ndarray, "n distance"]:
    """Two-point functions along the axes from the power in all waves."""
    axes, half = range(1, 1 + len(lattice.cells)), min(lattice.cells) // 2 + 1
    values = np.fft.ifftn(power, axes=tuple(axes))
    along = [np.moveaxis(values, axis, 1).reshape(len(values), values.shape[axis], -1)[:, :half, 0] for axis in axes]
    return np.mean(along, axis=0).real


def bond_energies(model: Model, spins: Configurations) -> Float64[np.ndarray, "*batch"]:
    """Energy of the bonds that start in each cell, [..., cells]."""
    places = model.places(jnp.asarray(model.own(spins)))
    ends = [map(np.asarray, model.lattice.across(bond, places)) for bond in model.lattice.bonds]
    pairs = [np.array(model.pair[bond.kind]) for bond in model.lattice.bonds]
    return np.sum([pair[here, there] for pair, (here, there) in zip(pairs, ends, strict=True)], axis=0)


def scaling_dimension(
    model: Model,
    spins: Configurations,
    window: tuple[int, int],
    of: str = "spin",
    correction: float | None = None,
) -> ScalingDimension:
    r"""Scaling dimension x by a correlated fit of the two-point function of an ensemble, in a window of distances.

    .. math:: \ln G(r) = a - 2x \ln r + c\, r^p, \qquad
        \chi^2 = \sum_{r r'} \delta(r)\, C^{-1}_{r r'}\, \delta(r')

    with G along the axes of cells, of the energy less its square mean, and C the covariance of the logarithms by a
    jackknife over groups of independent configurations. On a torus at T_c the finite side L gives corrections of
    relative size r / L to the spins of an Ising model and (r / L)^2 to its energy, so that p = 1 and 2. In two
    dimensions x is 1/8 for the spin and 1 for the energy. Along a flow, call it once for each iteration.

    Parameters
    ----------
    model
        Of the configurations.
    spins
        Independent configurations [n, lattice ...], at least five for each distance.
    window
        First and last distance r in cells, of at most 40.
    of
        "spin", the vectors of the states, or "energy", that of the bonds of a cell.
    correction
        The power p; None for none.

    Raises
    ------
    InvalidInput
        If the window is not within half the shortest side or holds too few distances or too many, if configurations
        are too few or too much alike for a covariance, if G is not above zero in the window, or if the power is so
        small or large that its term is told from no other.

    References
    ----------
    J. Hartlap, P. Simon, P. Schneider, Astron. Astrophys. 464, 399 (2007), doi:10.1051/0004-6361:20066170 (the inverse
    of a measured covariance).

    Examples
    --------
    >>> import rbmflow as rf
    >>> model = rf.ising(rf.square(10))
    >>> spins = rf.sample(0, model, 2.269185, 4000).spins[0]
    >>> rf.scaling_dimension(model, spins, (1, 4), correction=1.0).freedom
    1
    """
    problems = Problems()
    problems.one_of("of", of, ("spin", "energy"))
    problems.done()
    products = axis_correlations(model, spins, of)
    count, half = products.shape[0], products.shape[1] - 1
    rows = problems.wholes("window", window, 1, half)
    parameters, most = 2 + (correction is not None), GROUPS // 5
    told = f"it must be the first and the last of at least {parameters} distances, up to {half} and at most {most}"
    fits = len(rows) == 2 and parameters <= rows[1] - rows[0] + 1 <= most
    problems.unless(fits or not rows, "window", window, told)
    if correction is not None:
        problems.positive("correction", correction)
    problems.done()
    distance = np.arange(rows[0], rows[1] + 1)
    least = f"there must be at least {5 * distance.size}, five for each distance"
    Problems.only(count >= 5 * distance.size, "configurations", count, least)
    curves = _left_out(products[:, distance])
    Problems.only(bool((curves > 0).all()), "window", window, "the two-point function must be above zero in all of it")
    with np.errstate(over="ignore"):
        powers = [] if correction is None else [distance.astype(float) ** float(correction)]
    design = np.stack([np.ones(distance.size), -2 * np.log(distance), *powers], axis=1)
    apart = np.isfinite(design).all() and np.linalg.cond(design / np.abs(design).max(axis=0)) < FLATTEST
    told = "the power must be such that its term is no constant and no logarithm in this window"
    Problems.only(bool(apart), "correction", correction, told)
    return correlated_fit(distance, curves, design)


def _left_out(products: Float64[np.ndarray, "n distance"]) -> Float64[np.ndarray, "curve distance"]:
    """Mean over all configurations, then with each group of them left out."""
    groups = np.array_split(products, min(GROUPS, len(products)))
    sums, sizes = np.stack([group.sum(axis=0) for group in groups]), np.array([[len(group)] for group in groups])
    return np.concatenate([products.mean(axis=0)[None], (sums.sum(axis=0) - sums) / (len(products) - sizes)])


def correlated_fit(
    distance: Int[np.ndarray, " distance"],
    curves: Float64[np.ndarray, "curve distance"],
    design: Float64[np.ndarray, "distance parameter"],
) -> ScalingDimension:
    """Correlated least squares of the logarithms; x is the second parameter."""
    (count, size), logarithms = (curves.shape[0] - 1, curves.shape[1]), np.log(curves)
    away = logarithms[1:] - logarithms[1:].mean(axis=0)
    covariance = (count - 1) / count * away.T @ away
    size_of = np.sqrt(np.diag(covariance))
    scatter = size_of.min() > 0 and np.linalg.eigvalsh(covariance / np.outer(size_of, size_of))[0] > DEPENDENT
    told = "the two-point functions of these configurations must scatter independently; they are too much alike"
    Problems.only(bool(scatter), "configurations", f"in {count} groups", told)
    # The inverse of a covariance from so many groups is too large by this factor (Hartlap et al.).
    inverse = np.linalg.inv(covariance) * (count - size - 2) / (count - 1)
    of_parameters = np.linalg.inv(design.T @ inverse @ design)
    found = of_parameters @ design.T @ inverse @ logarithms[0]
    left = logarithms[0] - design @ found
    chi_squared, freedom = float(left @ inverse @ left), size - design.shape[1]
    probability = float(chdtrc(freedom, chi_squared)) if freedom else math.nan
    told = float(found[1]), float(np.sqrt(of_parameters[1, 1])), chi_squared, freedom, probability
    return ScalingDimension(*told, distance.astype(float), curves[0], covariance * np.outer(curves[0], curves[0]))
