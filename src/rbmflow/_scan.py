"""The one driver of every iteration: a compiled loop in chunks, with the caller in between."""

import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

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


SILENT = 2.0
"""Seconds for which a call says nothing."""

_BETWEEN = 0.2


class _Line:
    """A line of a notebook or a terminal that tells how far a call has come, and is taken away at its end."""

    def __init__(self, what: str, stream: Any):
        self.what, self.stream, self.begun, self.last = what, stream, time.monotonic(), 0.0

    def __call__(self, fraction: float) -> None:
        now = time.monotonic()
        took, ended = now - self.begun, fraction >= 1.0
        if took < SILENT or (now - self.last < _BETWEEN and not ended) or fraction <= 0.0:
            return
        told = f"{self.what}: {100 * fraction:.0f} %, {took * (1 / fraction - 1):.0f} s left"
        self.stream.write(f"\r{'' if ended else told:60}" + "\r" * ended)
        self.stream.flush()
        self.last = now


def watched(progress: Callable[[float], None] | None, what: str) -> Callable[[float], None]:
    """What is called with the fraction done: what the caller gave, else a line where somebody may be reading."""
    if progress is not None:
        return progress
    # A notebook shows its standard error in red.
    stream = sys.stdout if "ipykernel" in sys.modules else sys.stderr
    read = "ipykernel" in sys.modules or (stream is not None and stream.isatty())
    return _Line(what, stream) if read else lambda fraction: None


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
    """Iterate `step` from `done` to `total` in chunks of `size`, of which the states do not depend.

    After each comes (iterations so far, the state after them, the infos of this chunk along a new first axis): then the
    caller may show progress, write a checkpoint, or stop, as nothing can inside the compiled loop. A step whose
    `compiled` is False is called as it is, one at a time.
    """
    if not getattr(step, "compiled", True):
        for at in range(done, total):
            state, info = step(state)
            yield at + 1, state, jax.tree.map(lambda leaf: np.asarray(leaf)[None], info)
        return
    while done < total:
        count = min(size, total - done)
        # Waited for, so that progress is true and a Ctrl-C is heard within a chunk.
        state, info = jax.block_until_ready(_run(step, state, jax.device_put(np.int32(count)), size))
        done += count
        yield done, state, info if count == size else jax.tree.map(lambda leaf, count=count: leaf[:count], info)
