"""Maps at rest: of a machine its weights; of any other map its arrays, and what is needed to make the rest again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from rbmflow._checks import Problems
from rbmflow._types import Key
from rbmflow.maps import Gibbs, Map, map_of
from rbmflow.rbm import RBM
from rbmflow.settings import MACHINES, HalvesName, MachineSettings

if TYPE_CHECKING:
    from rbmflow.model import Model


def untrained(key: Key, model: Model, settings: MachineSettings, source: str | None) -> Map:
    """A map of the kind that the settings name, refused if its file is another than when the step was planned."""
    found = MACHINES.source(settings.kind)
    told = f"the file that registers it here (sha256 {found}) is not that of the step: {source}"
    Problems.only(found == source, "kind", settings.kind, told)
    return map_of(MACHINES[settings.kind].make(key, model, settings))


def at_rest(trained: Map, key: Key, settings: MachineSettings, source: str | None) -> xr.Dataset:
    """The arrays of a map in their order, and how its like is made: no code and no pickle."""
    leaves = jax.tree.leaves(eqx.filter(trained, eqx.is_array))
    arrays = {
        f"leaf_{number}": ([f"leaf_{number}_{axis}" for axis in range(np.ndim(leaf))], np.asarray(leaf))
        for number, leaf in enumerate(leaves)
    }
    made = {"key": jax.random.key_data(key).tolist(), "settings": settings.differing(), "source": source}
    return xr.Dataset(arrays, attrs={"made": json.dumps(made)})


def restored(dataset: xr.Dataset, model: Model, halves: HalvesName) -> tuple[Map, bool]:
    """The map of a dataset, and whether its training diverged: then zeros stand in its place, which are not read."""
    if "made" not in dataset.attrs:
        machine = RBM.from_dataset(dataset)
        return Gibbs(machine.or_free(), halves), not machine.finite
    made = json.loads(dataset.attrs["made"])
    key = jax.random.wrap_key_data(jnp.asarray(made["key"], jnp.uint32))
    told: dict[str, Any] = {key: tuple(one) if isinstance(one, list) else one for key, one in made["settings"].items()}
    like = untrained(key, model, MachineSettings(**told), made["source"])
    leaves, structure = jax.tree.flatten(eqx.filter(like, eqx.is_array))
    arrays = [dataset[f"leaf_{number}"].values for number in range(len(leaves))]
    diverged = not all(np.isfinite(array).all() for array in arrays)
    known = [jnp.zeros_like(array) if diverged else jnp.asarray(array) for array in arrays]
    return eqx.combine(jax.tree.unflatten(structure, known), like), diverged
