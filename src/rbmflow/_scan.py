"""The one driver of every iteration: a compiled loop in chunks, with the caller in between."""

from collections.abc import Callable, Iterator
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

type Step = Callable[[Any], tuple[Any, Any]]
"""One iteration: state to (state, info), pure, a hashable function or an `equinox.Module`."""


class Interrupted(KeyboardInterrupt):
    """A long call that Ctrl-C has ended, with what it had done.

    It ends a script as every Ctrl-C does. Who catches it has `result`, of the kind that the call returns but shorter;
    in a notebook it is `sys.last_value.result` afterwards. A second Ctrl-C, or one before anything was done, leaves
    nothing.

    """

    def __init__(self, message: str, result: Any):
        super().__init__(f"{message}; `result` of this exception has what was done")
        self.result = result


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
    step, state
        `step(state) -> (state, info)` of a pytree of arrays (random generators included).
    total, size, done
        Iterations in all, in a chunk, and those that `state` has already gone through.

    Yields
    ------
    done, state, info
        Iterations so far, the state after them, and the infos of this chunk stacked along a new first axis.
    """
    while done < total:
        count = min(size, total - done)
        # Waited for, so that progress is true and a Ctrl-C is heard within a chunk.
        state, info = jax.block_until_ready(_run(step, state, jnp.asarray(count), size))
        done += count
        yield done, state, jax.tree.map(lambda leaf, count=count: leaf[:count], info)


def gathered[R](
    chunks: Iterator[tuple[int, Any, Any]],
    total: int,
    finish: Callable[[Any, list[Any]], R],
    progress: Callable[[float], None] | None,
) -> R:
    """What `finish(state, infos)` makes of all chunks.

    Raises
    ------
    Interrupted
        On Ctrl-C, with what it makes of those that are done.
    """
    done, state, infos = 0, None, []
    try:
        for later, now, info in chunks:
            done, state, infos = later, now, [*infos, info]
            if progress is not None:
                progress(done / total)
        return finish(state, infos)
    except KeyboardInterrupt:
        if 0 < done < total:
            raise Interrupted(f"stopped after {done} of {total} epochs", finish(state, infos)) from None
        raise
