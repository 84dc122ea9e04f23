r"""Critical temperatures of infinite lattices, where they are known.

A model in which a bond costs :math:`\varepsilon` more between unlike states than between like ones is the q-state Potts
model with :math:`K = \varepsilon / T`; Ising spins are q = 2 with :math:`\varepsilon = 2J`, and the clock model of four
states is two of these with :math:`\varepsilon = 1`. With :math:`v = e^K - 1` it is critical at

.. math:: v^2 = q, \qquad v^3 + 3 v^2 = q, \qquad v^3 = 3 q v + q^2

on the square, triangular and honeycomb lattices. Kagome: :math:`4 / \ln(3 + 2\sqrt 3)` for Ising spins; cubic:
K_c = 0.221654626(5) by Monte Carlo.

References
----------
F. Y. Wu, Rev. Mod. Phys. 54, 235 (1982), doi:10.1103/RevModPhys.54.235.
I. Syozi, Prog. Theor. Phys. 6, 306 (1951), doi:10.1143/ptp/6.3.306.
A. M. Ferrenberg, J. Xu, D. P. Landau, Phys. Rev. E 97, 043301 (2018), doi:10.1103/PhysRevE.97.043301.
"""

import functools

import numpy as np

from rbmflow import lattice as lattices
from rbmflow._checks import Problems
from rbmflow.lattice import Lattice
from rbmflow.model import Model, model_of

_POLYNOMIALS = {
    "square": lambda q: [1, 0, -q],
    "triangular": lambda q: [1, 3, 0, -q],
    "honeycomb": lambda q: [1, 0, -3 * q, -(q**2)],
}
"""Of v, whose largest root is critical."""

_OF_ISING = {"kagome": np.log(3 + 2 * np.sqrt(3)) / 2, "cubic": 2 * 0.221654626}
"""K of q = 2 elsewhere."""


def critical_temperature(model: Model) -> float | None:
    """T_c of the model on the infinite lattice, None where there is none or it is not known.

    Examples
    --------
    >>> import rbmflow as rf
    >>> models = rf.ising(rf.square(10)), rf.ising(rf.triangular(8)), rf.potts(rf.square(6), 3)
    >>> [round(rf.critical_temperature(model), 6) for model in models]
    [2.269185, 3.640957, 0.994973]
    """
    told = _of_potts(model_of(model))
    free = len(set(model.site)) == 1
    return None if told is None or not free else told


_EXPONENTS = {
    (2, 2): (1.0, 15 / 8),
    (2, 3): (6 / 5, 28 / 15),
    (2, 4): (3 / 2, 15 / 8),
    (3, 2): (1.587375, 2.481851),
}
"""y_T and y_h by dimension and states of the Potts model with bonds that prefer like states; Ising spins have two."""


def critical_exponents(model: Model) -> tuple[float, float] | None:
    r"""Exponents :math:`y_T = 1/\nu` and :math:`y_h` by which temperature and field grow, None if they are not known.

    Under a change of scale b both are multiplied by :math:`b^y`. Those of Ising spins in two dimensions are 1 and 15/8,
    of three-state Potts spins 6/5 and 28/15; with four states there are logarithms beside them.

    References
    ----------
    F. Y. Wu, Rev. Mod. Phys. 54, 235 (1982), doi:10.1103/RevModPhys.54.235; F. Kos, D. Poland, D. Simmons-Duffin,
    A. Vichi, J. High Energy Phys. 08, 036 (2016), doi:10.1007/JHEP08(2016)036 (Ising spins in three dimensions).

    Examples
    --------
    >>> import rbmflow as rf
    >>> critical_exponents(rf.ising(rf.triangular(8)))
    (1.0, 1.875)
    """
    if critical_temperature(model) is None:
        return None
    # The clock model of four states is two Ising models, and the sum of their vectors its order.
    states = len(np.unique(np.array(model.pair[0])[0])) if len(model.states) == 4 else 0
    return _EXPONENTS.get((len(model.lattice.cells), 2 if states == 3 else len(model.states)))


@functools.lru_cache
def temperature_scale(model: Model) -> float:
    """Where a model orders, roughly: T_c without its field, or else 0.3 times what the bonds of a site can cost.

    Where bonds cost nothing it is 0.4 times what a site can cost, about the maximum of C of a spin in a field.
    """
    spread = np.mean([np.ptp(np.array(model.pair[bond.kind])) for bond in model.lattice.bonds])
    bonds = 2 * len(model.lattice.bonds) / model.lattice.basis
    return _of_potts(model) or float(0.3 * bonds * spread) or float(0.4 * np.ptp(model.site)) or 1.0


def require_heat(model: Model) -> None:
    """Refuse a model whose configurations all have one energy: its specific heat is 0 and has no maximum."""
    lowest, highest = model_of(model).energy_bounds
    told = "all its energies are the same, so its specific heat has no maximum"
    Problems.only(lowest < highest, "model", model, told)


def _of_potts(model: Model) -> float | None:
    pair, states = np.array(model.pair), len(model.states)
    like = np.eye(states, dtype=bool)
    cost = pair[0, 0, 1] - pair[0, 0, 0]
    if np.ptp(pair, axis=0).any() or cost <= 0:
        return None
    two_isings = -cost * np.array([[1, 0, -1, 0], [0, 1, 0, -1], [-1, 0, 1, 0], [0, -1, 0, 1]])
    if np.ptp(pair[0][like]) == 0 and np.ptp(pair[0][~like]) == 0:
        coupling = _coupling(model.lattice, states)
    elif np.array_equal(pair[0], two_isings):
        coupling = _coupling(model.lattice, 2)
    else:
        return None
    return None if coupling is None else float(cost / coupling)


def _coupling(lattice: Lattice, q: int) -> float | None:
    """Critical K of the Potts model on a lattice of this house."""
    for name in (*_POLYNOMIALS, *_OF_ISING):
        named = getattr(lattices, name)
        if lattice.is_square if name == "square" else _is(lattice, named):
            if name in _OF_ISING:
                return float(_OF_ISING[name]) if q == 2 else None
            roots = np.roots(_POLYNOMIALS[name](q))
            return float(np.log1p(roots[np.isreal(roots)].real.max()))
    return None


def _is(lattice: Lattice, named) -> bool:
    return len(lattice.cells) == (3 if named is lattices.cubic else 2) and lattice == named(*lattice.cells)
