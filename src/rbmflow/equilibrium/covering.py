"""Temperatures at which draws tell a whole curve."""

import math

import numpy as np

from rbmflow.exact.kaufman import log_excitations
from rbmflow.model import Ising, free_lattice

SPACING = 2.0
"""Standard deviations of the energy between the means of neighbours."""


def covering(model: Ising, spacing: float = SPACING) -> tuple[float, ...]:
    r"""Temperatures from 0 to inf whose distributions of the energy overlap.

    Neighbours are :math:`\Delta K = d / \sigma_E` apart, so their number grows as L: 10 at L = 16, 33 at 64, 65 at 128.

    Parameters
    ----------
    model
        The model without a field.
    spacing
        The distance d of the mean energies of neighbours, in standard deviations.

    Raises
    ------
    InvalidInput
        If there is a field.

    Examples
    --------
    >>> from rbmflow.lattice import Square
    >>> [round(t, 2) for t in covering(Ising(Square(4)))]
    [0.0, 1.43, 2.83, inf]
    """
    lattice, coupling = free_lattice(model), 0.0
    found = []
    while True:
        found.append(1 / coupling if coupling else math.inf)
        excited = log_excitations(lattice, np.array(coupling))
        # Less than one excitation in ten configurations.
        if -excited.slope < 0.8:
            return (0.0, *found[::-1])
        coupling += min(0.5, spacing / math.sqrt(excited.curvature))
