"""A null model of the data: Model configurations whose spins are shuffled, so that the magnetization stays alone."""

import jax
import numpy as np

import rbmflow as rf


@rf.data_source("shuffled")
def shuffled(key, model, temperatures, draws):
    for_draws, for_orders = jax.random.split(key)
    spins = rf.sample(for_draws, model, temperatures, draws).spins
    rows = spins.reshape(-1, model.lattice.sites)
    mixed = jax.random.permutation(for_orders, rows, axis=1, independent=True)
    return rf.Draws(np.asarray(mixed).reshape(spins.shape), temperatures)
