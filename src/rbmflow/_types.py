"""Array aliases and axis names shared by every module."""

import numpy as np
from jaxtyping import Array as Array, Float, Int8, Key as _Key

from rbmflow import _forks

# Every module that computes with JAX imports this one.
_forks.refuse()

type Key = _Key[Array, ""]
"""One typed JAX random key, as made by `jax.random.key`."""

type Spins = Int8[Array | np.ndarray, "*batch y x"]
"""Configurations of -1/+1 on a lattice of `y` rows and `x` columns."""

type Visible = Int8[Array | np.ndarray, "*batch visible"]
"""The same configurations flattened: `visible = y * lx + x`."""

type Fields = Float[Array, "*batch units"]
"""Local fields on the units of one RBM layer."""
