"""What every step has of its own: its random stream, its spin model and its flags."""

from __future__ import annotations

import json

import jax
import xarray as xr

from rbmflow.lattice import Square
from rbmflow.model import Ising
from rbmflow.settings import ModelSettings
from rbmflow.store import Step


def step_key(step: Step) -> jax.Array:
    """Random key of a step: the root seed folded with the step's hash, so that no step moves another's stream."""
    key = jax.random.key(step.settings["seed"], impl="threefry2x32")
    for at in range(0, 32, 8):
        key = jax.random.fold_in(key, int(step.hash[at : at + 8], 16))
    return key


def model_of(step: Step) -> Ising:
    """Spin model of a step."""
    return Ising(Square(ModelSettings(**step.settings["model"]).length))


def flagged(dataset: xr.Dataset, *flags: tuple[str, str]) -> xr.Dataset:
    """Data with quality flags, each the kind of doubt and a sentence."""
    return dataset.assign_attrs(flags=json.dumps([{"what": what, "message": text} for what, text in flags]))
