"""A laboratory for RBM flows on lattice spin models."""

from rbmflow.lattice import Square
from rbmflow.model import Ising
from rbmflow.dataset import Draws
from rbmflow.sampler import cold, hot, sample, thermal, TransferMatrix
from rbmflow.rbm import RBM
from rbmflow.training import train
from rbmflow.flow import iterate
from rbmflow.spectrum import decompose
