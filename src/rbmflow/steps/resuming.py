"""Training that survives a kill: its state is written between chunks and read back on the next try."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from rbmflow._files import replacing
from rbmflow._types import Key
from rbmflow.training import Epochs, FitState, MapTraining, Training

FILE = "training.npz"


def train_resuming[T: (Training, MapTraining)](
    key: Key, whole: T, work: Path, progress: Callable[[float], None]
) -> tuple[Any, Any]:
    """What the training gives at its end, going on from the state that is saved in `work` if there is one.

    The states do not depend on where the training was interrupted: the result has the bits of an undisturbed one, and
    processes that compute the same step may share the folder.
    """
    fresh, epochs = whole.start(key), whole.settings.epochs
    done, state, parts = load_state(work / FILE, fresh, epochs) or (0, fresh, [])
    for later, now, info in whole.chunks(state, done):
        state, parts = now, [*parts, info]
        save_state(work / FILE, later, state, parts)
        progress(later / epochs)
    return whole.finished(state, parts)


def save_state(path: Path, done: int, state: FitState, parts: list[Epochs]) -> None:
    """Write epochs done, state and history so far."""
    joined = jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *parts)
    arrays = jax.tree.leaves(eqx.filter((state, joined), eqx.is_array))
    named: dict[str, Any] = {f"leaf_{number}": np.asarray(leaf) for number, leaf in enumerate(arrays)}
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as draft, open(draft, "xb") as file:
        np.savez(file, **named, done=np.array(done))


def load_state(path: Path, fresh: FitState, epochs: int) -> tuple[int, FitState, list[Epochs]] | None:
    """Epochs done, state and history; None if nothing is saved, or, which is told, nothing that can be used."""
    try:
        with open(path, "rb") as opened, np.load(opened, allow_pickle=False) as file:
            done = int(file["done"])
            if not 0 < done <= epochs:
                raise ValueError(f"it says {done} epochs of {epochs}")
            like = eqx.filter((fresh, Epochs(*[jnp.zeros(done)] * 3)), eqx.is_array)
            leaves, structure = jax.tree.flatten(like)
            arrays = [file[f"leaf_{number}"] for number in range(len(leaves))]
        pairs = zip(arrays, leaves, strict=True)
        if any(found.shape != leaf.shape or found.dtype != leaf.dtype for found, leaf in pairs):
            raise ValueError("its arrays are not those of this training")
    except FileNotFoundError:
        return None
    except Exception as error:  # Of bytes that nobody has written numpy raises what it will.
        warnings.warn(f"{path} cannot be used ({error}): the training starts anew", stacklevel=2)
        return None
    state, seen = jax.tree.unflatten(structure, map(jnp.asarray, arrays))
    return done, eqx.combine(state, fresh), [seen]
