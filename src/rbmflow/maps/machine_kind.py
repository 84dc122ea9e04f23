"""Kinds of machines besides the RBM, by the names that `machine.kind` of a spec may have."""

from collections.abc import Callable
from typing import Any, NamedTuple

from rbmflow.settings import MACHINES


class MachineKind(NamedTuple):
    """How a map of this kind is made, and by which recipe it learns if the spec names none."""

    make: Callable[..., Any]
    recipe: str | None


def machine[F: Callable[..., Any]](name: str, recipe: str | None = None) -> Callable[[F], F]:
    """Register a function of (key, model, settings) that returns a map, under a name for `machine.kind`.

    Parameters
    ----------
    name
        The kind.
    recipe
        The recipe by which it learns where `training.estimator` is left as it is, such as "Reconstruction"; None for
        a map that is used as it is made.

    Examples
    --------
    >>> import rbmflow as rf
    >>> @rf.machine("turned over")
    ... def turned_over(key, model, settings):
    ...     return rf.host(lambda generator, spins: -spins)
    """

    def declared(make: F) -> F:
        MACHINES.add(name, MachineKind(make, recipe))
        return make

    return declared
