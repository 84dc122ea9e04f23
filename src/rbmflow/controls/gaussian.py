"""A machine of independent normal weights that are as large as the trained ones."""

import equinox as eqx
import jax.numpy as jnp

from rbmflow._types import Key
from rbmflow.controls import control
from rbmflow.rbm import RBM
from rbmflow.settings import MachineSettings


@control("gaussian")
def gaussian(key: Key, trained: RBM, machine: MachineSettings) -> RBM:
    """Random weights with the norm of the trained ones."""
    random = RBM.random(key, trained.sites, machine, trained.units.states)
    norm = jnp.linalg.norm(trained.weights) / jnp.linalg.norm(random.weights)
    return eqx.tree_at(lambda rbm: rbm.weights, random, random.weights * norm)
