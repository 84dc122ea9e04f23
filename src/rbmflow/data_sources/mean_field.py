r"""Configurations without neighbours: independent spins that know only the Curie-Weiss magnetization.

A machine trained on them has seen a phase transition (at T = 4, the number of neighbours) but no lattice.

References
----------
R. Veiga, R. Vicente, arXiv:2006.10176 (the control).
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64

from rbmflow._checks import Problems
from rbmflow._types import Key
from rbmflow.data_sources import data_source
from rbmflow.dataset import Draws
from rbmflow.model import Model, square_ising
from rbmflow.random import host_generator, key_for

NEIGHBOURS = 4


def curie_weiss_magnetization(temperatures: Sequence[float] | np.ndarray) -> Float64[np.ndarray, " temperature"]:
    r"""Spontaneous magnetization of the mean field of four neighbours, :math:`m = \tanh(4 m / T)`; 0 from T = 4 up.

    Examples
    --------
    >>> curie_weiss_magnetization([0.0, 2.0, 4.0]).round(6).tolist()
    [1.0, 0.957504, 0.0]
    """
    temperature = np.asarray(temperatures, np.float64)
    low, high = np.full(temperature.shape, 1e-9), np.ones(temperature.shape)
    with np.errstate(divide="ignore"):
        for _ in range(60):
            middle = (low + high) / 2
            rises = np.tanh(NEIGHBOURS * middle / temperature) > middle
            low, high = np.where(rises, middle, low), np.where(rises, high, middle)
    return np.where(temperature < NEIGHBOURS, (low + high) / 2, 0.0)


def _two_point(model: Model, temperatures: Sequence[float]) -> Float64[np.ndarray, "temperature dy dx"]:
    """m^2 at every displacement but zero."""
    values = np.tile(curie_weiss_magnetization(temperatures)[:, None, None] ** 2, (1, *model.lattice.shape))
    values[:, 0, 0] = 1.0
    return values


@data_source("mean-field", two_point=_two_point)
def sample_mean_field(key: Key, model: Model, temperatures: Sequence[float], draws: int) -> Draws:
    r"""Draw configurations of independent spins, each :math:`\pm 1` with mean :math:`\sigma m(T)`.

    The sign :math:`\sigma` is drawn for every configuration; m is `curie_weiss_magnetization`.

    Parameters
    ----------
    key
        JAX random key.
    model
        The spin model, of which only the shape of its lattice matters.
    temperatures
        In J/k_B, increasing; 0 and infinity included.
    draws
        Configurations at each temperature.

    Raises
    ------
    InvalidInput
        If the temperatures are not increasing or there are no draws.

    References
    ----------
    R. Veiga, R. Vicente, arXiv:2006.10176.

    Examples
    --------
    >>> import jax
    >>> import rbmflow as rf
    >>> sample_mean_field(jax.random.key(0), rf.ising(rf.square(4)), [0.0, 5.0], 3).spins.shape
    (2, 3, 4, 4)
    """
    square_ising(model, "the mean field is that of Ising spins with four neighbours")
    problems = Problems()
    problems.temperatures("temperatures", temperatures)
    problems.whole("draws", draws, 1)
    problems.done()
    generator = host_generator(key_for(key, "sample_mean_field"))
    mean = curie_weiss_magnetization(temperatures)[:, None, None, None]
    shape = (len(temperatures), draws, *model.lattice.shape)
    sign = generator.choice([-1.0, 1.0], (*shape[:2], 1, 1))
    spins = np.where(generator.random(shape) < (1 + sign * mean) / 2, 1, -1).astype(np.int8)
    return Draws(spins, temperatures, ["mean-field (independent spins)"] * len(temperatures))
