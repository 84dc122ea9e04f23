"""How far the configurations of a flow are from true ones at their own temperature of the energy."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float64

from rbmflow import sampler
from rbmflow._types import Key
from rbmflow.measurements import Measurements, sums
from rbmflow.model import Model
from rbmflow.random import split
from rbmflow.two_sample import compare

MOST_CHAINS = 500
"""Most chains of a flow that are compared with true configurations, and as many of these."""

FEATURES = {"energy": [0], "abs_magnetization": [1], "joint": [0, 1, 2]}
"""What is compared, by columns of `_columns`; "joint" is both together with the longest wave's structure factor."""


def off_manifold(
    key: Key, model: Model, measured: Measurements, compared: Sequence[int], temperature: np.ndarray
) -> Float64[np.ndarray, "compared feature 3"]:
    """Distance, floor and p-value at some iterations, by T(E) at all; one configuration a chain, so all independent.

    NaN of one chain, and where T(E) is not known.
    """
    chains = min(MOST_CHAINS, measured.energy.shape[1])
    found = np.full((len(compared), len(FEATURES), 3), np.nan)
    if chains < 2:
        return found
    sites = model.lattice.sites
    ours = _columns(sites, measured.energy, measured.magnetization, measured.long_wave)[list(compared), :chains]
    # Where no temperature has the energy there are no true configurations to compare with.
    for row, at in ((row, at) for row, at in enumerate(compared) if not np.isnan(temperature[at])):
        for_draws, *for_tests = split(jax.random.fold_in(key, at), 1 + len(FEATURES))
        true = sampler.thermal(for_draws, model, float(temperature[at]), chains)
        energy, magnetization, wave, *_ = map(np.asarray, sums(model, jnp.asarray(true)[None]))
        theirs = _columns(sites, energy, magnetization, wave)[0]
        for place, columns in enumerate(FEATURES.values()):
            found[row, place] = compare(for_tests[place], ours[row][:, columns], theirs[:, columns])
    return found


def _columns(
    sites: int, energy: np.ndarray, magnetization: np.ndarray, long_wave: np.ndarray
) -> Float64[np.ndarray, "iteration chain 3"]:
    """Energy and |m| per site and the logarithm of the longest wave, which is that of 1/N where there is none."""
    wave = np.log(np.maximum(long_wave.astype(np.float64), 1 / sites))
    return np.stack([energy / sites, np.abs(magnetization) / sites, wave], axis=-1)
