"""The spin model of the run itself, in equilibrium at each temperature."""

from rbmflow.data_sources import data_source
from rbmflow.sampler import sample

data_source("ising")(sample)
