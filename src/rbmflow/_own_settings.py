"""Public calls compute under settings of their own, whatever the caller has set for JAX and NumPy."""

import functools
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import jax
import numpy as np


def own_settings[**P, R](function: Callable[P, R]) -> Callable[P, R]:
    """Have a function compute in true single precision, so that it gives the same numbers everywhere.

    Double precision and strict promotion change types and last bits; by JAX's default a GPU rounds the factors of a
    product to the 10 bits of TF32, which makes local fields wrong by 1e-3. Checks for NaN, leaks, used keys and
    floating-point errors stop at what is meant: NaN stands for "no such number", one key serves many purposes
    (`random.key_for`), and weights may underflow. Callbacks are called under the same settings.
    """

    @functools.wraps(function)
    def computed(*args: P.args, **kwargs: P.kwargs) -> R:
        if jax.config.jax_enable_x64:  # pyright: ignore[reportAttributeAccessIssue]
            args, kwargs = jax.tree.map(_single, (args, kwargs))
        with ExitStack() as stack:
            for setting in (
                jax.enable_x64(False),
                jax.numpy_dtype_promotion("standard"),
                jax.default_matmul_precision("float32"),
                jax.debug_nans(False),
                jax.debug_infs(False),
                jax.debug_key_reuse(False),
                jax.check_tracer_leaks(False),
                np.errstate(divide="warn", over="warn", invalid="warn", under="ignore"),
            ):
                stack.enter_context(setting)
            return function(*args, **kwargs)

    return computed


def _single(leaf: Any) -> Any:
    """A JAX array of double precision, such as the weights of a machine, in single; anything else as it is."""
    double = isinstance(leaf, jax.Array) and leaf.dtype == np.float64
    return leaf.astype(np.float32) if double else leaf
