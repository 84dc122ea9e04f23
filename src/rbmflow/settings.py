"""Settings: what each part of a run needs to know, checked as soon as it is made."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args, get_type_hints

from rbmflow._checks import Problems, between_temperatures, find_temperature, is_number, listed, plain_number
from rbmflow._registry import Registry

# Names as they are written in a spec; that of an estimator is one of `RECIPES`.
type UnitsName = Literal["-1/+1", "0/1"]
type CodeName = Literal["one-hot", "clock", "labels"]
type EstimatorName = str
type OptimiserName = Literal["sgd", "momentum", "adam"]
type ScheduleName = Literal["constant", "linear", "cosine"]
type OriginName = Literal["new", "file"]
type HalvesName = Literal["sampled", "mean-hidden", "mean-field"]
type OutputName = Literal["sampled", "rounded", "mean"]
type SplitName = Literal["none", "temperature"]
type ModelName = Literal["ising", "potts", "clock", "blume-capel"]
type LatticeName = Literal["square", "chain", "triangular", "honeycomb", "kagome", "cubic", "hypercubic"]
type MethodName = Literal[
    "auto", "transfer-matrix", "metropolis", "heat-bath", "swendsen-wang", "wolff", "table-heat-bath", "table-wolff"
]

# What a spec may name: what types learn from, what thermometers read, what is trained and how, what stands in for it.
SOURCES: Registry[Any] = Registry("data source", ("rbmflow.data_sources",), default="ising")
OBSERVABLES: Registry[Any] = Registry("observable", ("rbmflow.observables",))
CONTROLS: Registry[Any] = Registry("control", ("rbmflow.controls",))
MACHINES: Registry[Any] = Registry("machine", ("rbmflow.maps",), default="rbm")
RECIPES: Registry[Any] = Registry("recipe", ("rbmflow.training",), default="CD")

LARGEST_SUMMED_LAYER = 20
"""Units of the smaller layer of a machine whose states are summed exactly."""

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

MOST_HIDDEN = 100_000
"""Largest number of hidden units: the weights of one machine then fill most memories."""


AXES = "uvwzyx"
"""Names of up to six axes of cells: the last are z, y, x."""

_CELLS = {
    "square": (2, 1, 2),
    "chain": (1, 1, 1),
    "triangular": (2, 1, 3),
    "honeycomb": (2, 2, 3),
    "kagome": (2, 3, 3),
    "cubic": (3, 1, 3),
}
"""Axes of cells, sites of a cell, and kinds of bonds, of the lattices whose number of axes is fixed."""


def _plain(value: Any) -> Any:
    """Plain numbers and tuples of them, whatever kind of number or list came in."""
    plain = plain_number(value)
    rows = listed(plain)
    return plain if rows is None else tuple(map(plain_number, rows))


_SETTLED = {
    float: lambda value: float(value) + 0.0,  # There is one zero.
    tuple[float, ...]: lambda values: tuple(float(value) + 0.0 for value in values),
    tuple[str | float, ...]: lambda values: tuple(v if isinstance(v, str) else float(v) + 0.0 for v in values),
}
"""How numbers are kept by the type of their field, so that 1 and 1.0 are the same settings with one hash."""


class Settings:
    """What all settings have in common: they hold plain numbers and are checked when made."""

    def __post_init__(self):
        kinds = get_type_hints(type(self))
        for one in fields(self):  # pyright: ignore[reportArgumentType]
            value = _plain(getattr(self, one.name))
            single = kinds[one.name] == tuple[float, ...] and is_number(value)
            object.__setattr__(self, one.name, (value,) if single else value)
        problems = Problems()
        for one in fields(self):  # pyright: ignore[reportArgumentType]
            one.metadata.get("check", lambda *_: None)(problems, one.name, getattr(self, one.name))
        self.compare(problems)
        problems.done()
        for one in fields(self):  # pyright: ignore[reportArgumentType]
            settle = _SETTLED.get(kinds[one.name], lambda value: value)
            object.__setattr__(self, one.name, settle(getattr(self, one.name)))

    def differing(self, *apart: str) -> dict[str, Any]:
        """What the hash of a step has of settings: the fields that differ from their defaults, but for those apart.

        So a new field with a default moves no hash. A default that changes would move none either, although the
        numbers change: it takes a new version of every kind of step that has these settings.
        """
        named = [(one, getattr(self, one.name)) for one in fields(self)]  # pyright: ignore[reportArgumentType]
        return {one.name: value for one, value in named if value != one.default and one.name not in apart}

    def compare(self, problems: Problems) -> None:
        """Note what does not fit, beyond what is said of each field by itself."""


def checked(default: Any, check: Callable[..., Any], *limits: Any) -> Any:
    """A field of settings with its default, the method of `Problems` that checks it, and the limits for that."""
    return field(default=default, metadata={"check": lambda problems, *named: check(problems, *named, *limits)})


@dataclass(frozen=True)
class ModelSettings(Settings):
    """The spin model: what a site can be, and what bonds and sites cost."""

    kind: ModelName = checked("ising", Problems.one_of, get_args(ModelName.__value__))
    """Spin model: "ising", E = -sum J s s' - h sum s; "potts", E = -sum delta(s, s');
    "clock", E = -sum cos(2 pi (s - s') / q); "blume-capel", E = -sum s s' + D sum s^2."""
    q: int = checked(0, Problems.whole, 0, 128)
    """States of a site of "potts" and "clock", at least 2; 0 for the others."""
    field: float = checked(0.0, Problems.finite)
    """Field h of "ising"."""
    couplings: tuple[float, ...] = ()
    """J of every kind of bond of "ising", or one for all; 1 if none is given."""
    crystal_field: float = checked(0.0, Problems.finite)
    """Crystal field D of "blume-capel"."""

    def compare(self, problems: Problems) -> None:
        """Note what the kind of model does not have."""
        with_q = self.kind in ("potts", "clock")
        least = f"{self.kind} needs at least 2 states" if with_q else f"{self.kind} has no q; leave it out"
        fits = not is_number(self.q) or self.q > 128 or (self.q >= 2 if with_q else self.q == 0)
        problems.unless(fits, "q", self.q, least)
        own = {"field": "ising", "couplings": "ising", "crystal_field": "blume-capel"}
        for name, kind in own.items():
            given = getattr(self, name) not in (0, ())
            told = f"it belongs to the kind {kind} alone; leave it out"
            problems.unless(self.kind == kind or not given, name, getattr(self, name), told)
        rows = listed(self.couplings)
        strengths = rows is not None and all(is_number(j) and math.isfinite(j) for j in rows)
        problems.unless(strengths, "couplings", self.couplings, "they must be finite numbers, in a list")

    @property
    def states(self) -> tuple[int, ...]:
        """Labels of the states."""
        return {"ising": (-1, 1), "blume-capel": (-1, 0, 1)}.get(self.kind, tuple(range(self.q)))

    @property
    def components(self) -> int:
        """Components of the vector of a state, as `model.vectors` has them."""
        return {"potts": self.q, "clock": 2}.get(self.kind, 1)

    @property
    def largest_coupling(self) -> float:
        """Largest energy of a bond but for its sign."""
        return max(map(abs, self.couplings), default=1.0)


@dataclass(frozen=True)
class LatticeSettings(Settings):
    """The lattice, a torus of cells."""

    kind: LatticeName = checked("square", Problems.one_of, get_args(LatticeName.__value__))
    """Lattice: "square", "chain", "triangular", "honeycomb", "kagome", "cubic" or "hypercubic"."""
    length: int = checked(10, Problems.whole, 2, LONGEST_SIDE)
    """Cells L along each side; a machine on the square lattice has L^2 visible units."""
    cells: tuple[int, ...] = checked((), Problems.wholes, 2, LONGEST_SIDE)
    """Cells along every side, x last, if they are not L each; "hypercubic" needs them."""

    def compare(self, problems: Problems) -> None:
        """Note what does not fit the kind of lattice."""
        cells = self.cells if isinstance(self.cells, tuple) else ()
        hyper = self.kind == "hypercubic"
        wanted = (
            range(1, len(AXES) + 1) if hyper else (0, _CELLS[self.kind][0]) if self.kind in _CELLS else (len(cells),)
        )
        allowed = f"{self.kind} takes {wanted[-1]} sides" if not hyper else f"hypercubic needs 1 to {len(AXES)} sides"
        problems.unless(len(cells) in wanted, "cells", self.cells, allowed)

    @property
    def sides(self) -> tuple[int, ...]:
        """Cells along every side."""
        return self.cells or (self.length,) * _CELLS[self.kind][0]

    @property
    def basis(self) -> int:
        """Sites of a cell."""
        return _CELLS.get(self.kind, (0, 1, 0))[1]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a configuration."""
        return self.sides if self.basis == 1 else (*self.sides, self.basis)

    @property
    def sites(self) -> int:
        """Number of sites."""
        return math.prod(self.shape)

    @property
    def kinds(self) -> int:
        """Kinds of bonds."""
        return _CELLS[self.kind][2] if self.kind in _CELLS else len(self.sides)

    @property
    def bonds(self) -> float:
        """Bonds a site."""
        return {"honeycomb": 1.5, "kagome": 2.0}.get(self.kind, float(self.kinds))

    @property
    def axes(self) -> tuple[str, ...]:
        """Names of the axes of a configuration."""
        return (*AXES[-len(self.sides) :], "basis")[: len(self.shape)]

    @property
    def displacements(self) -> dict[str, int]:
        """Lengths of the axes of what depends on the displacement of two sites, as `Lattice.displacements` has them."""
        mirrored = self.kind in ("chain", "square", "cubic", "hypercubic")
        steps = {
            f"d{name}": side // 2 + 1 if mirrored else side for name, side in zip(self.axes, self.sides, strict=False)
        }
        return steps if self.basis == 1 else steps | {"basis": self.basis, "basis_other": self.basis}


def is_square_ising(model: ModelSettings, lattice: LatticeSettings) -> bool:
    """Whether it is the Ising model with J = 1 and no field on the square torus, of which formulas tell everything."""
    plain = model.kind == "ising" and model.field == 0 and set(model.couplings) <= {1.0}
    return plain and lattice.kind == "square" and len(set(lattice.sides)) == 1


@dataclass(frozen=True)
class SamplingSettings(Settings):
    """The spin configurations that the machines and the neural thermometer learn from."""

    temperatures: tuple[float, ...] = checked(PAPER_GRID, Problems.temperatures)
    """Temperatures in J/k_B, increasing; 0 and inf are allowed. Or evenly spaced ones,
    {from = 0.0, to = 2.65, count = 25, unit = "T_c"}, in units of the model's T_c where it is known, else "J/k_B"."""
    draws: int = checked(1000, Problems.whole, 1)
    """Configurations drawn at each temperature."""
    method: MethodName = checked("auto", Problems.one_of, get_args(MethodName.__value__))
    """How configurations are drawn; "auto" takes the exact sampler where the lattice is small enough."""


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
    """A restricted Boltzmann machine "rbm", or another map, "autoencoder" or "vae"; or a machine of an extension."""
    width: int = checked(128, Problems.whole, 1)
    """Units of each further layer of an autoencoder."""
    depth: int = checked(1, Problems.whole, 0)
    """Further layers between configurations and code of an autoencoder, and as many on the way back."""
    output: OutputName = checked("sampled", Problems.one_of, get_args(OutputName.__value__))
    """What an autoencoder hands on: configurations "sampled" or "rounded" from its output, or the "mean" itself."""
    flipped: float = checked(0.0, Problems.below_one)
    """Fraction of sites that get a random label before an autoencoder sees them."""

    def components(self, model: ModelSettings) -> int:
        """Numbers of a site in the visible layer."""
        return {"one-hot": len(model.states), "clock": 2, "labels": 1}[self.code] if len(model.states) > 2 else 1

    def compare(self, problems: Problems) -> None:
        """Note what an RBM does not have, and what only it has."""
        own = ("units", "biases", "initial_scale", "code")
        foreign = ("width", "depth", "output", "flipped") if self.kind == "rbm" else own
        for name in set(self.differing()) & set(foreign):
            told = f"a machine of kind {self.kind!r} has none, so it must be left out"
            problems.unless(False, name, getattr(self, name), told)


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
    """Training configurations: "ising", "mean-field", independent spins with the Curie-Weiss magnetization, "file", or
    a data source of an extension."""
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
    """"initial" is the machine before training, "gaussian" has random weights of the trained one's norm; or a control
    of an extension."""
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
    """Plain stochastic gradient ascent "sgd", with momentum 0.9 "momentum", or "adam"."""
    schedule: ScheduleName = checked("constant", Problems.one_of, get_args(ScheduleName.__value__))
    """Course of the learning rate; "linear" and "cosine" fall to zero at the last update."""
    weight_decay: float = checked(0.0, Problems.not_negative)
    """Shrinks the weights by this times the learning rate in every update; biases are left alone."""
    held_out: float = checked(0.0, Problems.below_one)
    """Fraction of the configurations that is not trained on; the free-energy gap needs some."""
    checkpoints: int = checked(16, Problems.whole, 2)
    """Machines kept along the training at most, evenly in the logarithm of the updates, first and last included."""


def start_label(start: str | float) -> str:
    """Name of a start in figures and tables."""
    return start if isinstance(start, str) else f"T = {start:g}"


MOST_KEPT_BYTES = 128_000_000
"""Most that the configurations of one flow take unless more are asked for."""

FEWEST_KEPT = 4
"""Iterations that are kept however large the lattice is: the start, an early one, and two of the last half."""


@dataclass(frozen=True)
class FlowSettings(Settings):
    """The flow v -> h -> v -> ... of a trained machine."""

    starts: tuple[str | float, ...] = ("cold", "hot", 2.25)
    """Where flows start: "cold" (T = 0), "hot" (T = inf) or one of the temperatures that are sampled."""
    chains: int = checked(1000, Problems.whole, 1)
    """Independent chains of every flow."""
    iterations: int = checked(40, Problems.whole, 1)
    """Iterations v -> h -> v of every chain."""
    halves: HalvesName = checked("sampled", Problems.one_of, get_args(HalvesName.__value__))
    """Both layers "sampled"; the hidden one replaced by its mean, "mean-hidden"; or both replaced, "mean-field"."""
    keep: tuple[int, ...] = ()
    """Iterations whose configurations are kept; if none is named all, or as many as fit 128 MB. Observables are kept
    at every one."""
    along_training: bool = checked(False, Problems.true_or_false)
    """Whether the machines of all checkpoints are iterated too, so that the ends are known against training time."""

    def compare(self, problems: Problems) -> None:
        """Note what does not fit."""
        starts = self.starts if isinstance(self.starts, tuple) else ()
        problems.unless(len(starts) > 0, "starts", self.starts, "it must hold at least one start")
        for index, start in enumerate(starts):
            known = is_number(start) or start in ("cold", "hot")
            allowed = 'it must be "cold", "hot" or one of the temperatures in sampling.temperatures'
            problems.unless(known, f"starts[{index}]", start, allowed)
        labels = [start_label(start) for start in starts if is_number(start) or isinstance(start, str)]
        allowed = "no start may come twice, and six digits must tell them apart"
        problems.unless(len(set(labels)) == len(labels), "starts", self.starts, allowed)
        problems.wholes("keep", self.keep, 0, Problems().whole("iterations", self.iterations, 1))

    def kept(self, sites: int) -> tuple[int, ...]:
        """Iterations whose configurations are kept on a lattice of so many sites, in their order.

        Where not all have room, they are the start, some spaced evenly in the logarithm up to the middle, and twice as
        many spaced evenly after it: the end is read from the last half.

        Examples
        --------
        >>> len(FlowSettings().kept(1024)), FlowSettings().kept(128**2)
        (41, (0, 1, 20, 25, 30, 35, 40))
        """
        room = max(FEWEST_KEPT, MOST_KEPT_BYTES // (self.chains * sites))
        if self.keep or self.iterations < room:
            return tuple(sorted(set(self.keep or range(self.iterations + 1))))
        before, middle = (room - 1) // 3, self.iterations / 2
        early = [round(middle ** (at / max(1, before - 1))) for at in range(before)]
        late = [round(middle * (1 + at / (room - 1 - before))) for at in range(1, room - before)]
        return tuple(sorted({0, *early, *late}))


@dataclass(frozen=True)
class RenormalizationSettings(Settings):
    """Block-spin transformations of Ising configurations, to hold the flow of machines against."""

    length: int = checked(0, Problems.whole, 0)
    """Side of the configurations before the first step, a power of two times lattice.length; 0 for no such flow."""
    temperatures: tuple[float, ...] = checked((1.8, 2.1, CRITICAL, 2.45, 3.0), Problems.temperatures)
    """Temperatures of the configurations, none of them 0 or inf."""
    draws: int = checked(1000, Problems.whole, 2)
    """Configurations at each temperature."""

    def compare(self, problems: Problems) -> None:
        """Note what does not fit."""
        between = all(is_number(t) and 0 < t < math.inf for t in listed(self.temperatures) or ())
        problems.unless(between, "temperatures", self.temperatures, "they must be finite and above 0")


@dataclass(frozen=True)
class StabilitySettings(Settings):
    """The stability matrix of block spins at T_c, from large configurations of the model of the run."""

    length: int = checked(0, Problems.whole, 0)
    """Cells along each side before the first step; 0 for no such matrix."""
    steps: int = checked(3, Problems.whole, 1, 8)
    """How often blocks of two cells along each side become one; at least 4 cells must be left."""
    runs: int = checked(5, Problems.whole, 2)
    """Independent runs; error bars come from them."""
    draws: int = checked(4000, Problems.whole, 100)
    """Configurations of each run."""

    def compare(self, problems: Problems) -> None:
        """Note what does not fit."""
        if problems.found:
            return
        divided = self.length % 2**self.steps == 0 and (self.length == 0 or self.length >= 4 * 2**self.steps)
        allowed = (
            f"it must be 0, or a multiple of {2**self.steps} of at least {4 * 2**self.steps} for {self.steps} steps"
        )
        problems.unless(divided, "length", self.length, allowed)

    @property
    def sides(self) -> tuple[int, ...]:
        """Cells along each side after every step."""
        return tuple(self.length // 2**step for step in range(1, self.steps + 1))


CLASSIFIERS = ("neural", "bayes")
"""Thermometers that give every configuration probabilities of the temperatures."""

THERMOMETERS = (*CLASSIFIERS, "energy", "magnetization", "correlation")
"""Thermometers of a run that asks for no others."""


@dataclass(frozen=True)
class ReadingSettings(Settings):
    """What is read off the configurations of a flow."""

    thermometers: tuple[str, ...] = THERMOMETERS
    """Thermometers in the order in which they are shown: "neural", "bayes" and observables by name."""
    draws: int = checked(400, Problems.whole, 20)
    """Equilibrium draws at each temperature for the curve of an observable that is not known exactly."""

    def compare(self, problems: Problems) -> None:
        """Note unknown thermometers, and that those are missing which results cannot do without."""
        given = self.thermometers if isinstance(self.thermometers, tuple) else ()
        names = tuple(name for name in given if isinstance(name, str))
        for place, name in enumerate(given):
            if name not in THERMOMETERS:
                problems.one_of(f"thermometers[{place}]", name, (*CLASSIFIERS, *OBSERVABLES))
        once = len(set(names)) == len(names) and {*CLASSIFIERS, "energy"} <= set(names)
        problems.unless(
            once, "thermometers", self.thermometers, "each may be there once, and neural, bayes and energy must be"
        )

    def measured(self, model: ModelSettings, lattice: LatticeSettings) -> tuple[str, ...]:
        """Observables whose curves are not known exactly, the energy among them where no density of states is."""
        by_formula = is_square_ising(model, lattice)
        if not by_formula and len(model.states) ** lattice.sites <= MOST_STATES:
            return ()
        narrow = {"magnetization": 2, "correlation": 3}
        known = {name for name, least in narrow.items() if least <= min(lattice.sides) <= LONGEST_EXACT_ROW}
        known = known | {"energy"} if by_formula else set()
        return tuple(name for name in self.thermometers if name not in {*CLASSIFIERS, *known})


@dataclass(frozen=True)
class ThermometerSettings(Settings):
    """The neural thermometer: a classifier of configurations by temperature."""

    hidden: int = checked(256, Problems.whole, 1)
    """Hidden units of its one tanh layer."""
    draws: int = checked(2000, Problems.whole, 1)
    """Training configurations at each temperature, drawn apart from those of the machines."""
    epochs: int = checked(100, Problems.whole, 1)
    """Passes through its training configurations."""
    batch: int = checked(500, Problems.whole, 1)
    """Configurations in one gradient step."""
    learning_rate: float = checked(0.005, Problems.positive)
    """Step length of the Adam optimizer."""
