"""The machine as it was before training, of weights of its own."""

from rbmflow._types import Key
from rbmflow.controls import control
from rbmflow.rbm import RBM
from rbmflow.settings import MachineSettings


@control("initial")
def initial(key: Key, trained: RBM, machine: MachineSettings) -> RBM:
    """Weights as training starts from."""
    return RBM.random(key, trained.sites, machine, trained.units.states)
