"""Configurations of a file, made elsewhere."""

from collections.abc import Sequence

from rbmflow._checks import Problems
from rbmflow._types import Key
from rbmflow.data_sources import data_source
from rbmflow.dataset import Draws
from rbmflow.model import Model


@data_source("file")
def read_draws(key: Key, model: Model, temperatures: Sequence[float], draws: int, path: str) -> Draws:
    """The first configurations of a file at each temperature, see `Draws.read`."""
    return first_of(path, model, temperatures, draws)


def first_of(path: str, model: Model, temperatures: Sequence[float], draws: int) -> Draws:
    """The first so many configurations of a file at each of these temperatures."""
    found = Draws.read(path, model).at(temperatures)
    there = found.spins.shape[1]
    Problems.only(draws <= there, "sampling.draws", draws, f"{path} has {there} configurations at each temperature")
    return Draws(found.spins[:, :draws], temperatures, found.methods, (), model.states, model.lattice.axes)
