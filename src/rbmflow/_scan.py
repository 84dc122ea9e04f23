"""The one driver of every iteration: a compiled loop in chunks, with the caller in between."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

type Step = Callable[[Any], tuple[Any, Any]]
"""One iteration: state to (state, info), pure, a hashable function or an `equinox.Module`."""


@eqx.filter_jit
def _run(step: Step, state: Any, count: jax.Array, size: int) -> tuple[Any, Any]:
    """Iterate `count <= size` times; the infos fill the head of arrays of length `size`."""
    _, info = jax.eval_shape(lambda at: step(at), state)
    buffer = jax.tree.map(lambda leaf: jnp.zeros((size, *leaf.shape), leaf.dtype), info)

    def body(index, carry):
        state, buffer = carry
        state, info = step(state)
        return state, jax.tree.map(lambda array, leaf: array.at[index].set(leaf), buffer, info)

    # The trip count is an argument, so that a short last chunk needs no second compilation.
    return jax.lax.fori_loop(0, count, body, (state, buffer))


def chunks(step: Step, state: Any, total: int, size: int, done: int = 0) -> Iterator[tuple[int, Any, Any]]:
    """Iterate `step` from `done` to `total`, handing over after every chunk.

    Between chunks the caller may show progress, write a checkpoint, or stop; nothing of the kind happens inside
    the compiled loop. The states do not depend on `size`.

    Parameters
    ----------
    step
        `step(state) -> (state, info)`.
    state
        A pytree of arrays (random generators included).
    total
        Number of iterations in all.
    size
        Iterations in a chunk.
    done
        Iterations that `state` has already gone through.

    Yields
    ------
    done, state, info
        Iterations so far, the state after them, and the infos of this chunk stacked along a new first axis.
    """
    while done < total:
        count = min(size, total - done)
        state, info = _run(step, state, jnp.asarray(count), size)
        done += count
        yield done, state, jax.tree.map(lambda leaf, count=count: leaf[:count], info)
