"""What a spec may name, and the limits of what it may ask for."""

from typing import Any, Literal

from rbmflow._registry import Registry

# Names as they are written in a spec; that of an estimator is one of `RECIPES`.
type UnitsName = Literal["-1/+1", "0/1"]
type CodeName = Literal["one-hot", "clock", "labels"]
type EstimatorName = str
type OptimiserName = Literal["sgd", "momentum", "adam", "natural"]
type ScheduleName = Literal["constant", "linear", "cosine"]
type OriginName = Literal["new", "file"]
type HalvesName = Literal["sampled", "mean-hidden", "mean-field"]
type OutputName = Literal["sampled", "rounded", "mean"]
type NoiseName = Literal["flipped", "masked"]
type SplitName = Literal["none", "temperature"]
type ModelName = Literal["ising", "potts", "clock", "blume-capel"]
type LatticeName = Literal["square", "chain", "triangular", "honeycomb", "kagome", "cubic", "hypercubic"]
type MethodName = Literal[
    "auto",
    "transfer-matrix",
    "table-transfer-matrix",
    "metropolis",
    "heat-bath",
    "swendsen-wang",
    "wolff",
    "table-heat-bath",
    "table-wolff",
]

# What a spec may name: what types learn from, what thermometers read, what is trained and how, what stands in for it.
SOURCES: Registry[Any] = Registry("data source", ("rbmflow.data_sources",), default="ising")
OBSERVABLES: Registry[Any] = Registry("observable", ("rbmflow.observables",))
CONTROLS: Registry[Any] = Registry("control", ("rbmflow.controls",))
MACHINES: Registry[Any] = Registry("machine", ("rbmflow.maps",), default="rbm")
RECIPES: Registry[Any] = Registry("recipe", ("rbmflow.training",), default="CD")

GIVEN = "given "
"""How the kind of a map begins that came in as a value, and has no other name."""

LARGEST_SUMMED_LAYER = 20
"""Units of the smaller layer of a machine whose states are summed exactly."""

NO_SWAPS = "swaps are those of an RBM, whose probabilities are known"
"""Why the guard by swaps is refused to other maps."""

NO_METRIC = "the natural gradient is that of an RBM, so it must be 'sgd', 'momentum' or 'adam'"
"""Why this optimiser is refused to other maps."""

HELD_FOR_PATIENCE = "of a map that is no RBM some are held out for training.patience alone, so it must be 0 without it"
"""Why nothing else may be held out of the configurations of other maps."""

FEWEST_RUNGS = 5
"""Rungs that the ladder of "PTT" has before training, the untrained machine included."""

PAPER_GRID = tuple(k / 4 for k in range(25))
"""0, 0.25, ..., 6: the range of the abstract of arXiv:1801.07172, with the step of the code of arXiv:2006.10176."""

CRITICAL = 2.269185314213022
"""T_c of the infinite square lattice in J/k_B, which `exact.critical_temperature` computes."""

MOST_STATES = 2**20
"""Configurations of a model that are summed, at most: they are held in memory."""

LONGEST_SIDE = 256
"""Largest L of a run: the ln g(E) of larger lattices takes minutes."""

LARGEST_ROW = 4096
"""Most states of a row of the lattice for the exact sampler."""

LONGEST_EXACT_ROW = 12
"""Largest shorter side for the exact sampler."""

LARGEST_ENERGY = 1e6
"""Largest energy of a bond or a site, but for its sign."""

TOO_MANY_SITES = 2**31
"""Sites of a lattice that are more than their numbers of 32 bits can tell apart."""

MOST_HIDDEN = 100_000
"""Largest number of hidden units: the weights of one machine then fill most memories."""
