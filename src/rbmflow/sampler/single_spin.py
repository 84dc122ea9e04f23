"""Single-spin updates: the probability with which a spin flips, given its neighbours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.special import expit

from rbmflow.model import Ising
from rbmflow.sampler.multispin import LocalSweep

FEW_SITES = 32
"""Sites up to which configurations that Metropolis cannot leave have a weight."""

TRIED = 0.75
"""Probability with which a move is tried there."""


def energy_of_a_flip(model: Ising) -> Float[np.ndarray, "2 5"]:
    r"""Energy that flipping a spin costs, by spin (down, up) and number of aligned neighbours a.

    .. math:: \Delta E = 2 (2 a - 4) + 2 h s
    """
    aligned, spin = np.arange(5), np.array([-1.0, 1.0])
    return 2.0 * (2 * aligned - 4) + 2 * model.field * spin[:, None]


@dataclass(frozen=True)
class Metropolis:
    r"""Metropolis sweeps, one colour of sites after another, 32 replicas in the bits of a word.

    .. math:: p_{\mathrm{flip}} = \min(1, e^{-\Delta E / T})

    Every site of one colour is tried at once (they are not neighbours), so a sweep is a sequence of detailed-balance
    moves and leaves the Boltzmann distribution unchanged. Even sides make a checkerboard; an odd side takes three
    colours. Moves that cost nothing are always made, so that some configurations, each of whose sites has as many
    neighbours up as down, turn into each other alone; they have a weight of about 2^-N, and on lattices of up to 32
    sites, where they would be missed, every move is made with 3/4 of its probability. Probabilities are rounded to
    24 bits: absolute error at most 2^-25.

    References
    ----------
    N. Metropolis et al., J. Chem. Phys. 21, 1087 (1953), doi:10.1063/1.1699114.
    """

    name = "metropolis"

    def refusal(self, model: Ising) -> str | None:
        """None: this method draws from any lattice and field."""
        return None

    def flip_probability(self, model: Ising, temperature: float) -> Float[np.ndarray, "2 5"]:
        """Probability of a flip by spin (down, up) and number of aligned neighbours."""
        tried = TRIED if model.lattice.sites <= FEW_SITES else 1.0
        return tried * np.exp(np.minimum(0, -energy_of_a_flip(model) / temperature))

    def sweep(self, model: Ising, temperature: float) -> LocalSweep:
        """The compiled update at a temperature above 0."""
        return LocalSweep.of(model, self.flip_probability(model, temperature))


@dataclass(frozen=True)
class HeatBath:
    r"""Heat-bath sweeps (Gibbs sampling, Glauber rates), laid out as `Metropolis`.

    .. math:: p_{\mathrm{flip}} = \frac{1}{1 + e^{\Delta E / T}}

    At high temperature it decorrelates in one sweep, where Metropolis flips nearly every spin each time.

    References
    ----------
    R. J. Glauber, J. Math. Phys. 4, 294 (1963), doi:10.1063/1.1703954.
    """

    name = "heat-bath"

    def refusal(self, model: Ising) -> str | None:
        """None: this method draws from any lattice and field."""
        return None

    def flip_probability(self, model: Ising, temperature: float) -> Float[np.ndarray, "2 5"]:
        """Probability of a flip by spin (down, up) and number of aligned neighbours."""
        return expit(-energy_of_a_flip(model) / temperature)

    def sweep(self, model: Ising, temperature: float) -> LocalSweep:
        """The compiled update at a temperature above 0."""
        return LocalSweep.of(model, self.flip_probability(model, temperature))
