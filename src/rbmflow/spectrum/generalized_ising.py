"""A machine over spins written out as an Ising model with couplings of every order."""

import jax
import numpy as np
from jaxtyping import Float64, Int

from rbmflow._checks import Problems
from rbmflow._doors import Numbers, numbers_of
from rbmflow._scan import watched
from rbmflow.lattice import Lattice
from rbmflow.model import Model
from rbmflow.rbm import RBM, machine_of

BEYOND = 20.0
"""Fields beyond the largest one of a hidden unit that the sum over nodes keeps apart: ln cosh is straight there."""

LAST_NODE = 26.0
"""Where the integral ends: what is left is below exp(-40)."""

STRONGEST = 1e4
"""Fields on a hidden unit up to which the sum is done; those of machines that have learnt are below 100."""

AT_ONCE = 2**22
"""Numbers of nodes and clusters held in memory."""

CLUSTERS = {
    "field": "field of a site",
    "bond": "coupling on a bond",
    "other pairs": "coupling of a pair without a bond",
    "corner": "three-body coupling of the corner of a plaquette",
    "plaquette": "four-body coupling of a plaquette",
}
"""Clusters whose couplings are told of every machine, see `clusters`."""


def effective_couplings(machine: RBM, sites: Numbers) -> Float64[np.ndarray, "*cluster"]:
    r"""Couplings of the Ising model of all orders that a machine over spins is, exact at every size.

    With the hidden units summed out, and a spin being -1 for the first state of a site and +1 for the second,

    .. math:: \ln p(s) = \sum_A J_A \prod_{i \in A} s_i, \qquad
        J_A = b_i\, \delta_{A, \{i\}}
            + \sum_a \Big\langle \prod_{i \in A} s_i\, \ln\cosh\big(c_a + \textstyle\sum_j W_{ja} s_j\big) \Big\rangle,

    the mean being that over all configurations with equal weight. A machine that has learnt an Ising model at T has 1/T
    on its bonds and 0 elsewhere. Expansions in W, or in units 0/1 about the empty configuration, give other numbers.
    The mean over the spins outside of A, which the reference takes for Gaussian, is done here by the
    Fourier transform of ln cosh, for n sites as

    .. math:: - \int_0^\infty \frac{\cos(k c_a + n \pi / 2)}{k \sinh(\pi k / 2)}
        \prod_{i \in A} \sin(k W_{ia}) \prod_{j \notin A} \cos(k W_{ja})\, dk,

    whose sum over equidistant nodes is exact to rounding.

    Parameters
    ----------
    machine
        Of two states a site.
    sites : [..., n]
        Numbers of the n sites of each cluster, such as those of `Lattice.translates`: n = 1 for fields, 2 for pairs.

    Returns
    -------
    float64 [...]
        J of every cluster, in units of k_B T; NaN of weights that are not finite, or so large that a hidden unit may
        have a field beyond 10^4, as after a training that diverged.

    Raises
    ------
    InvalidInput
        If a site has more than two states, or a cluster has a site twice or one that is not there.

    References
    ----------
    A. Decelle, C. Furtlehner, A. J. Navas Gomez, B. Seoane, SciPost Phys. 16, 095 (2024), arXiv:2309.02292.

    Examples
    --------
    >>> import numpy as np, rbmflow as rf
    >>> w = np.arccosh(np.exp(2 * 0.4)) / 2  # One hidden unit on a bond of K = 0.4.
    >>> bond = rf.RBM.from_weights([[w], [w], [0.0]], np.zeros(3), None, units="-1/+1")
    >>> effective_couplings(bond, [[0, 1], [1, 2]]).round(6).tolist()
    [0.4, 0.0]
    """
    own = machine_of(machine)
    two = own.units.two_valued
    Problems.only(two, "units of the machine", own.units.name, "a site must have two states and one number")
    clusters = _clusters(sites, own.sites)
    leaves = jax.tree.leaves(own.in_units("-1/+1"))
    weights, visible_bias, hidden_bias = (np.asarray(leaf, np.float64) for leaf in leaves)
    if not own.finite or (np.abs(weights).sum(axis=0) + np.abs(hidden_bias)).max() > STRONGEST:
        return np.full(clusters.shape[:-1], np.nan)
    rows = clusters.reshape(-1, clusters.shape[-1])
    found = visible_bias[rows[:, 0]] if rows.shape[1] == 1 else np.zeros(len(rows))
    told = watched(None, "couplings")
    for number, (column, bias) in enumerate(zip(weights.T, hidden_bias, strict=True)):
        found = found + _of_hidden_unit(column, float(bias), rows)
        told((number + 1) / len(hidden_bias))
    return found.reshape(clusters.shape[:-1])


def _clusters(given: Numbers, count: int) -> Int[np.ndarray, "*cluster site"]:
    """Site numbers, looked at."""
    values = numbers_of(given, "sites", ("...", "site"), lowest=0, highest=count - 1)
    numbers, problems = values.astype(np.int64), Problems()
    whole = bool((numbers == values).all())
    told = (numbers if whole else values).tolist() if values.size < 8 else f"an array of shape {values.shape}"
    problems.unless(values.size > 0, "sites", told, "every cluster must have a site")
    problems.unless(whole, "sites", told, "they must be whole numbers")
    ordered = np.sort(numbers, axis=-1)
    apart = bool((np.diff(ordered, axis=-1) > 0).all())
    problems.unless(apart, "sites", told, "no site may be twice in a cluster")
    problems.done()
    return numbers


def _of_hidden_unit(
    weights: Float64[np.ndarray, " visible"], bias: float, rows: Int[np.ndarray, "cluster site"]
) -> Float64[np.ndarray, " cluster"]:
    """What one hidden unit gives to every coupling: the integral of `effective_couplings` by midpoints.

    The sum over midpoints of width h is that over ln cosh at fields shifted by multiples of 2 pi / h with alternating
    signs (Poisson), which cancel where it is straight.
    """
    width = 2 * np.pi / (np.abs(weights).sum() + abs(bias) + BEYOND)
    nodes = width * (np.arange(np.ceil(LAST_NODE / width)) + 0.5)
    angles, order = nodes[:, None] * weights, rows.shape[1]
    cosines, found = np.cos(angles), np.empty(len(rows))
    outer = -width * np.cos(nodes * bias + order * np.pi / 2) / (nodes * np.sinh(np.pi * nodes / 2))
    outer, tangents = outer * cosines.prod(axis=1), np.tan(angles)
    some = max(1, AT_ONCE // nodes.size)
    for start in range(0, len(rows), some):
        block = rows[start : start + some]
        inner = tangents[:, block[:, 0]]
        for site in block.T[1:]:
            inner = inner * tangents[:, site]
        found[start : start + some] = outer @ inner
    return found


def clusters(lattice: Lattice) -> dict[str, Int[np.ndarray, "cluster site"]]:
    """Sites of all clusters of each sort of `CLUSTERS`; a lattice with one axis or a basis has no plaquettes here."""
    zero, last = (
        (0,) * len(lattice.cells),
        [(0,) * (len(lattice.cells) - 2) + step for step in ((0, 1), (1, 0), (1, 1))],
    )
    basis = [() if lattice.basis == 1 else (site,) for site in range(lattice.basis)]
    ends = [lattice.translates(zero + basis[b.start], b.displacement + basis[b.end]) for b in lattice.bonds]
    bonds = np.unique(np.sort(np.concatenate(ends), axis=1), axis=0)
    pairs = np.stack(np.triu_indices(lattice.sites, 1), axis=1)
    apart = np.isin(pairs @ [lattice.sites, 1], bonds @ [lattice.sites, 1], invert=True)
    found = {"field": np.arange(lattice.sites)[:, None], "bond": bonds, "other pairs": pairs[apart]}
    if lattice.basis == 1 and len(lattice.cells) > 1:
        found |= {"corner": lattice.translates(zero, *last[:2]), "plaquette": lattice.translates(zero, *last)}
    return {name: sites for name, sites in found.items() if len(sites)}


def couplings_of(model: Model, temperature: float) -> dict[str, float]:
    """Means over the same clusters of the couplings of an Ising model at a temperature; NaN of other models."""
    strengths, lattice = model.couplings or (float("nan"),) * model.lattice.kinds, model.lattice
    bonds = sum(strengths[bond.kind] for bond in lattice.bonds) * lattice.sites / lattice.basis
    mean = bonds / len(clusters(lattice)["bond"])  # Both bonds count where a pair has two.
    return dict.fromkeys(CLUSTERS, 0.0) | {"field": model.field / temperature, "bond": mean / temperature}
