"""The law of a machine from its weights alone: at given magnetization its waves are Gaussian."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import gammaln, logsumexp

from rbmflow._checks import InvalidInput, Problem, Problems
from rbmflow.lattice import Lattice
from rbmflow.model import Model, model_of
from rbmflow.rbm import RBM

NODES, NODE_WEIGHTS = np.polynomial.hermite_e.hermegauss(11)
NODE_WEIGHTS = NODE_WEIGHTS / NODE_WEIGHTS.sum()
"""Gauss-Hermite quadrature of a normal variable."""

TOLERANCE, MOST_ROUNDS, MOST_STEPS = 1e-5, 100, 50
"""Change of the structure factors at which they are consistent, rounds for that, and steps for the sphere of each."""


class GaussianLaw(NamedTuple):
    """A law that is even in the spins, by its absolute magnetization and by its waves at each value of that."""

    magnetization: Float[np.ndarray, " m"]
    """Absolute total magnetization, 0 or 1 to N."""
    probability: Float[np.ndarray, " m"]
    structure: Float[np.ndarray, "m wave"]
    """Mean of abs(v_k)^2 of every wave but the uniform one, the waves in the order of `numpy.fft.fftn`."""

    def energy(self, model: Model) -> float:
        """Mean energy per site, by the two-point function that the structure factors sum to."""
        lattice = ferromagnet(model)
        uniform = self.probability @ self.magnetization**2 / lattice.sites
        factors = np.concatenate([[uniform], self.probability @ self.structure]).reshape(lattice.shape)
        two_point = np.real(np.fft.ifftn(factors))
        strengths = model.couplings or ()
        return -sum(strengths[bond.kind] * float(two_point[bond.displacement]) for bond in lattice.bonds)


class Means(NamedTuple):
    """Means over a wave's Gaussian inputs to the hidden units, at each magnetization."""

    tanh: Float[np.ndarray, "m hidden"]
    slope: Float[np.ndarray, "m hidden"]
    """Of sech^2."""


def gaussian_law(machine: RBM, model: Model) -> GaussianLaw:
    r"""Law of a machine without biases from its weights alone, its waves being Gaussian at given magnetization.

    With :math:`\hat W_{kj} = \tfrac{1}{\sqrt N} \sum_r e^{-ikr} W_{rj}`, a hidden unit has the input
    :math:`x_j = \hat W_{0j} M / \sqrt N + y_j` with normal :math:`y_j`, and at each magnetization M

    .. math:: S_k(M) = \frac{1}{\mu - \sum_j |\hat W_{kj}|^2 \langle \mathrm{sech}^2 x_j \rangle}, \qquad
        \sum_{k \ne 0} S_k(M) = N - M^2 / N, \qquad
        P(M) \propto \binom{N}{\frac{N + M}{2}} \exp \Big[ \sum_j \langle \ln 2 \cosh x_j \rangle
        + \tfrac12 \sum_{k \ne 0} \ln \frac{S_k (N - 1)}{N - M^2 / N} \Big].

    The first is the stationary point of the Gaussian variational free energy in the spins' sphere, the factor before it
    counts configurations as they are. It leaves out that two waves may share a hidden unit.

    Parameters
    ----------
    machine
        An RBM in units -1/+1 without biases, or zero ones.
    model
        A ferromagnetic Ising model without a field, on a lattice with one site in a cell.

    Raises
    ------
    InvalidInput
        If the machine has biases, other units or other sites, or the model is another one.

    References
    ----------
    T. H. Berlin, M. Kac, Phys. Rev. 86, 821 (1952) (spins on a sphere); the law at given magnetization is ours.

    Examples
    --------
    >>> import jax, rbmflow as rf
    >>> from rbmflow.settings import MachineSettings
    >>> model = rf.ising(rf.square(4))
    >>> free = rf.RBM.random(jax.random.key(1), 16, MachineSettings(hidden=4, initial_scale=0.0))
    >>> abs(rf.gaussian_law(free, model).energy(model)) < 1e-9
    True
    """
    uniform, sizes = waves_of(machine, model)
    return conditional(uniform, sizes)[0]


def waves_of(machine: RBM, model: Model) -> tuple[Float[np.ndarray, " hidden"], Float[np.ndarray, "wave hidden"]]:
    """Weights on the uniform wave, and the sizes of those on all others."""
    lattice = ferromagnet(model)
    if machine.sites != lattice.sites:
        raise InvalidInput(Problem("machine", machine.sites, f"it must have the {lattice.sites} sites of the lattice"))
    if (refused := no_gaussian_law(machine)) is not None:
        raise InvalidInput(Problem(*refused))
    weights = np.asarray(machine.weights, np.float64).reshape(*lattice.shape, -1)
    waves = np.fft.fftn(weights, axes=tuple(range(len(lattice.shape))), norm="ortho").reshape(lattice.sites, -1)
    return np.real(waves[0]), np.abs(waves[1:])


def ferromagnet(model: Model) -> Lattice:
    """Lattice of a model whose law is even and orders along the uniform wave alone, others being refused."""
    even = model_of(model).states == (-1, 1) and not any(model.site) and model.lattice.basis == 1
    aligned = even and model.couplings is not None and min(model.couplings) >= 0
    told = "it must be a ferromagnetic Ising model without a field, on a lattice with one site in a cell"
    Problems.only(aligned, "model", model, told)
    return model.lattice


def no_gaussian_law(machine: RBM) -> tuple[str, object, str] | None:
    """What `gaussian_law` refuses in a machine: field, value, and what is allowed; None if it refuses nothing."""
    if machine.units.name != "-1/+1":
        return "units", machine.units.name, "the law at given magnetization is known for units -1/+1"
    if np.any(machine.visible_bias) or np.any(machine.hidden_bias):
        return "biases", True, "the law at given magnetization is known for machines without biases"
    return None


def means_of(
    uniform: Float[np.ndarray, " hidden"],
    sizes: Float[np.ndarray, "wave hidden"],
    magnetization: Float[np.ndarray, " m"],
    structure: Float[np.ndarray, "m wave"],
) -> Means:
    """Means over the inputs of every hidden unit, at each magnetization of as many spins as there are waves."""
    tanh = np.tanh(_inputs(uniform, sizes, magnetization, structure))
    return Means(tanh @ NODE_WEIGHTS, (1 - tanh**2) @ NODE_WEIGHTS)


def _inputs(
    uniform: np.ndarray, sizes: np.ndarray, magnetization: np.ndarray, structure: np.ndarray
) -> Float[np.ndarray, "m hidden node"]:
    along = magnetization[:, None] / np.sqrt(len(sizes) + 1) * uniform
    return along[..., None] + np.sqrt(structure @ sizes**2)[..., None] * NODES


def conditional(
    uniform: Float[np.ndarray, " hidden"],
    sizes: Float[np.ndarray, "wave hidden"],
    guess: Float[np.ndarray, "m wave"] | None = None,
) -> tuple[GaussianLaw, Means]:
    """The law of weights on waves, and its means; a guess of the structure factors makes it quicker."""
    waves = len(sizes)
    sites = waves + 1
    magnetization = np.arange(sites % 2, sites + 1, 2.0)
    rest = sites - magnetization**2 / sites
    inside = rest > 0
    flat = np.repeat(rest[:, None] / waves, waves, axis=1)
    structure = flat if guess is None else guess
    for _ in range(MOST_ROUNDS):
        stiffness = means_of(uniform, sizes, magnetization, structure).slope @ (sizes**2).T
        found = np.zeros_like(structure)
        found[inside] = _on_sphere(stiffness[inside], rest[inside])
        change = np.abs(found - structure).max()
        structure = (structure + found) / 2
        if change < TOLERANCE:
            break
    inputs = _inputs(uniform, sizes, magnetization, structure)
    log_cosh = np.logaddexp(inputs, -inputs) @ NODE_WEIGHTS
    up = (sites + magnetization) / 2
    count = gammaln(sites + 1) - gammaln(up + 1) - gammaln(sites - up + 1) + np.log(2) * (magnetization > 0)
    entropy = np.log(np.where(inside[:, None], structure, 1) / np.where(inside[:, None], flat, 1)).sum(axis=1) / 2
    weight = count + log_cosh.sum(axis=1) + entropy
    law = GaussianLaw(magnetization, np.exp(weight - logsumexp(weight)), structure)
    return law, means_of(uniform, sizes, magnetization, structure)


def _on_sphere(stiffness: Float[np.ndarray, "m wave"], rest: Float[np.ndarray, " m"]) -> Float[np.ndarray, "m wave"]:
    """Structure factors 1 / (mu - A_k) that sum to what is left of the sphere, mu found by Newton's method from below.

    The inverse of the sum is concave in mu and almost straight, so that no step goes too far.
    """
    mu = stiffness.max(axis=1) + 1 / rest
    for _ in range(MOST_STEPS):
        factors = 1 / (mu[:, None] - stiffness)
        total = factors.sum(axis=1)
        step = total * (total / rest - 1) / (factors**2).sum(axis=1)
        mu = mu + step
        if np.all(np.abs(step) < TOLERANCE * mu):
            break
    return 1 / (mu[:, None] - stiffness)
