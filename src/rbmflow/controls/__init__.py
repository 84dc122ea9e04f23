"""Controls: machines that take the place of a trained one, to tell what its training has done; one file a control."""

from collections.abc import Callable

from rbmflow._types import Key
from rbmflow.rbm import RBM
from rbmflow.settings import CONTROLS, MachineSettings

type Control = Callable[[Key, RBM, MachineSettings], RBM]
"""`control(key, trained, machine)`: the machine that takes the place of the trained one, made of the same settings."""


def control(name: str) -> Callable[[Control], Control]:
    """Register a function that makes a machine to stand in for a trained one, which `types.X.weights` of a spec names.

    Parameters
    ----------
    name
        Its name in specs.

    Raises
    ------
    InvalidInput
        If another place has registered the name.

    Examples
    --------
    >>> import equinox as eqx, rbmflow as rf
    >>> @rf.control("opposite")
    ... def opposite(key, trained, machine):
    ...     return eqx.tree_at(lambda rbm: rbm.weights, trained, -trained.weights)
    """
    return lambda function: CONTROLS.add(name, function)
