"""Settings of what learns, from what, and how."""

import math
from dataclasses import dataclass
from typing import get_args

from rbmflow._checks import Problems, between_temperatures, find_temperature, is_number
from rbmflow.settings.checking import Settings, checked
from rbmflow.settings.choices import (
    CONTROLS,
    FEWEST_RUNGS,
    MACHINES,
    MOST_HIDDEN,
    RECIPES,
    SOURCES,
    CodeName,
    EstimatorName,
    NoiseName,
    OptimiserName,
    OriginName,
    OutputName,
    ScheduleName,
    SplitName,
    UnitsName,
)
from rbmflow.settings.system_settings import ModelSettings


@dataclass(frozen=True)
class MachineSettings(Settings):
    """The machine before training."""

    hidden: int = checked(64, Problems.whole, 1, MOST_HIDDEN)
    """Hidden units N_h of every type's main machine, or of its code."""
    units: UnitsName = checked("-1/+1", Problems.one_of, get_args(UnitsName.__value__))
    """The two values of a unit: of both layers if a site has two states, else of the hidden one."""
    biases: bool = checked(False, Problems.true_or_false)
    """Whether visible and hidden units have biases; without them the machine keeps the sign symmetry."""
    initial_scale: float = checked(0.1, Problems.not_negative)
    """Standard deviation of the normal distribution of the initial weights."""
    code: CodeName = checked("one-hot", Problems.one_of, get_args(CodeName.__value__))
    """Numbers of a site with more than two states: "one-hot", "clock" (cosine and sine of 2 pi k / q) or "labels"."""
    kind: str = checked("rbm", Problems.one_of, MACHINES)
    """A restricted Boltzmann machine "rbm", or another map, "stack", "autoencoder", "vae" or "denoiser"; or one of an
    extension."""
    width: int = checked(128, Problems.whole, 1)
    """Units of each further layer of an autoencoder."""
    depth: int = checked(1, Problems.whole, 0)
    """Further layers between configurations and code of an autoencoder, and as many on the way back."""
    output: OutputName = checked("sampled", Problems.one_of, get_args(OutputName.__value__))
    """What an autoencoder hands on: configurations "sampled" or "rounded" from its output, or the "mean" itself."""
    flipped: float = checked(0.0, Problems.below_one)
    """Fraction of sites that get a random label before an autoencoder sees them."""
    noise: NoiseName = checked("flipped", Problems.one_of, get_args(NoiseName.__value__))
    """Noise of a denoiser: sites are "flipped" to a random label, or "masked", and then only these change."""
    noise_levels: tuple[float, ...] = checked((), Problems.fractions)
    """Fractions of sites that the noise of a denoiser hits, one for each iteration, the last for all later ones."""
    layers: tuple[int, ...] = checked((), Problems.wholes, 1, MOST_HIDDEN)
    """Hidden units of the machines of a stack above the first, which has `hidden`, the lowest of them first."""

    def components(self, model: ModelSettings) -> int:
        """Numbers of a site in the visible layer."""
        return {"one-hot": len(model.states), "clock": 2, "labels": 1}[self.code] if len(model.states) > 2 else 1

    def compare(self, problems: Problems) -> None:
        """Note what an RBM does not have, and what only it has."""
        own, of_noise = ("units", "biases", "initial_scale", "code", "layers"), ("noise", "noise_levels")
        of_others = ("width", "depth", "output", "flipped", *of_noise)
        coder = (*own, *of_noise)
        known = {"rbm": (*of_others, "layers"), "stack": of_others, "autoencoder": coder, "vae": coder}
        foreign = (known | {"denoiser": (*own, "flipped")}).get(self.kind, own)
        for name in set(self.differing()) & set(foreign):
            told = f"a machine of kind {self.kind!r} has none, so it must be left out"
            problems.unless(False, name, getattr(self, name), told)
        told = "a denoiser has a noise level for the first iteration at least"
        problems.unless(self.kind != "denoiser" or self.noise_levels != (), "noise_levels", self.noise_levels, told)


@dataclass(frozen=True)
class TypeSettings(Settings):
    """One type of machine: what it is trained on, and whether it is trained at all."""

    minimum: float = 0.0
    """Lowest temperature of the training configurations."""
    maximum: float = math.inf
    """Highest temperature of the training configurations."""
    temperatures: tuple[float, ...] = ()
    """Training temperatures, if they are not those of `sampling.temperatures` between minimum and maximum."""
    data: str = checked("ising", Problems.one_of, SOURCES)
    """Training configurations: "ising", "mean-field", independent sites with the law of a site in the mean field of its
    bonds, "file", or a data source of an extension."""
    data_file: str = ""
    """Path of the configurations of data = "file", which must have these temperatures, as `Draws.read` takes it."""
    machine: OriginName = checked("new", Problems.one_of, get_args(OriginName.__value__))
    """"new" is made and trained here; "file" was trained elsewhere, on the configurations that this type says."""
    machine_files: tuple[str, ...] = ()
    """Paths of machine = "file", one for each of the seeds, as `RBM.read` takes them."""
    machine_units: str = ""
    """Units of machine = "file", "-1/+1" or "0/1", which nothing else can tell: those of PyTorch are mostly 0/1."""
    machine_axes: str = ""
    """"visible, hidden" or "hidden, visible", where neither biases nor format tell of machine = "file"."""
    weights: str = "trained"
    """"initial" is the machine before training, "gaussian" has random weights of the trained one's norm, "rotated"
    another basis of its hidden side; or a control of an extension."""
    also_hidden: tuple[int, ...] = checked((), Problems.wholes, 1, MOST_HIDDEN)
    """Further numbers of hidden units; one more machine of this type for each."""
    split: SplitName = checked("none", Problems.one_of, get_args(SplitName.__value__))
    """"temperature" makes one machine of each training temperature, and "none" one of all."""

    def compare(self, problems: Problems) -> None:
        """Note what does not fit."""
        for name, value in (("minimum", self.minimum), ("maximum", self.maximum)):
            problems.unless(is_number(value) and value >= 0, name, value, "it must be a number of at least 0")
        if self.temperatures:
            problems.temperatures("temperatures", self.temperatures)
            window = (self.minimum, self.maximum) == (0.0, math.inf)
            allowed = "minimum and maximum must be left out where temperatures are given"
            problems.unless(window, "temperatures", self.temperatures, allowed)
        if self.weights != "trained":
            problems.one_of("weights", self.weights, ("trained", *CONTROLS))
        self._compare_files(problems)

    def _compare_files(self, problems: Problems) -> None:
        """Note what files need, and what is said of a file where there is none."""
        told = 'it must be a path where data = "file", and be left out elsewhere'
        problems.unless((self.data == "file") == bool(self.data_file), "data_file", self.data_file, told)
        read = self.machine == "file"
        told = 'there must be a path for each seed where machine = "file", and none elsewhere'
        problems.unless(read == bool(self.machine_files), "machine_files", self.machine_files, told)
        units = get_args(UnitsName.__value__) if read else ("",)
        told = 'it must be "-1/+1" or "0/1" where machine = "file", and be left out elsewhere'
        problems.unless(self.machine_units in units, "machine_units", self.machine_units, told)
        axes = ("", "visible, hidden", "hidden, visible") if read else ("",)
        told = 'it must be "visible, hidden" or "hidden, visible", and be left out where machine = "new"'
        problems.unless(self.machine_axes in axes, "machine_axes", self.machine_axes, told)
        own = not read or (self.also_hidden, self.split, self.weights != "initial") == ((), "none", True)
        told = "a machine of a file is one, and nobody knows its weights before training"
        problems.unless(own, "also_hidden, split, weights", (self.also_hidden, self.split, self.weights), told)

    def chosen(self, grid: tuple[float, ...]) -> tuple[float, ...]:
        """Training temperatures in J/k_B, those of the grid unless the type has its own.

        One that is the same as one of the grid is written as there, so that whoever looks it up finds it.
        """
        if not self.temperatures:
            return tuple(t for t in grid if between_temperatures(t, self.minimum, self.maximum))
        places = [find_temperature(t, grid) for t in self.temperatures]
        return tuple(t if at is None else grid[at] for t, at in zip(self.temperatures, places, strict=True))


@dataclass(frozen=True)
class TrainingSettings(Settings):
    """Training of a machine by stochastic gradient ascent of its log-likelihood."""

    epochs: int = checked(100, Problems.whole, 1)
    """Passes through the training configurations."""
    batch: int = checked(100, Problems.whole, 1)
    """Configurations in one gradient step."""
    learning_rate: float = checked(0.01, Problems.positive)
    """Step length of the ascent; with a schedule, that of the first update."""
    steps: int = checked(1, Problems.whole, 1)
    """Gibbs steps of the negative phase, the k of CD-k, PCD-k and PTT."""
    estimator: EstimatorName = checked("CD", Problems.one_of, RECIPES)
    """Estimator of the gradient: "CD" from the batch, "PCD" from persistent chains, "PTT" from persistent chains that
    swap with those of past machines, "Exact" by summing all states; or a recipe of an extension."""
    rungs: int = checked(24, Problems.whole, FEWEST_RUNGS)
    """Most machines on the ladder of "PTT"."""
    swap_acceptance: float = checked(0.25, Problems.below_one)
    """Acceptance of swaps below which the ladder of "PTT" gets another rung."""
    centred: bool = checked(False, Problems.true_or_false)
    """Whether the gradient is that of the machine with centred units; the machine needs biases for it."""
    optimiser: OptimiserName = checked("sgd", Problems.one_of, get_args(OptimiserName.__value__))
    """Plain stochastic gradient ascent "sgd", with momentum 0.9 "momentum", "adam", or "natural", by which all waves of
    an RBM learn at rates of one order."""
    schedule: ScheduleName = checked("constant", Problems.one_of, get_args(ScheduleName.__value__))
    """Course of the learning rate; "linear" and "cosine" fall to zero at the last update."""
    weight_decay: float = checked(0.0, Problems.not_negative)
    """Shrinks the weights by this times the learning rate in every update; biases are left alone."""
    l1_penalty: float = checked(0.0, Problems.not_negative)
    """Takes this times the learning rate off the modulus of every weight in every update, so that most come to 0."""
    held_out: float = checked(0.0, Problems.below_one)
    """Fraction of the configurations that is not trained on; the free-energy gap and `patience` need some."""
    checkpoints: int = checked(16, Problems.whole, 2)
    """Machines kept along the training at most, evenly in the logarithm of the updates, first and last included."""
    kl_limit: float = checked(0.0, Problems.not_negative)
    """Most nats D(before || after) that an update may move the law of a machine, or of what another map makes of a
    configuration; a longer step is shortened, 0 is no limit."""
    swap_limit: float = checked(0.0, Problems.below_one)
    """Least acceptance of swaps between the machines before and after an update; one below is rejected, and the
    learning rate halved for good. 0 rejects none."""
    patience: int = checked(0, Problems.whole, 0)
    """Epochs without a new maximum of the held-out pseudo-likelihood, or of a map that is no RBM without a new minimum
    of the held-out loss, after which training stops; 0 never stops it."""
    symmetries: bool = checked(False, Problems.true_or_false)
    """Whether every configuration of a batch is moved by a symmetry of its model, drawn at random: a translation,
    rotation or reflection of the lattice, and a permutation of the states."""

    def compare(self, problems: Problems) -> None:
        """Note what does not fit."""
        allowed = "something must be held out to stop at its plateau, so it must be 0 where training.held_out is"
        problems.unless(not self.patience or self.held_out > 0, "patience", self.patience, allowed)
        allowed = "swaps take two configurations, so it must be 0 where training.batch is 1"
        problems.unless(not self.swap_limit or self.batch != 1, "swap_limit", self.swap_limit, allowed)
