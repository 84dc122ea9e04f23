"""The spec: everything a run is determined by."""

import math
import re
from dataclasses import asdict, dataclass, field, fields
from typing import NamedTuple

from rbmflow._checks import Problems, find_temperature
from rbmflow.settings import (
    GIVEN,
    HELD_FOR_PATIENCE,
    LARGEST_SUMMED_LAYER,
    LONGEST_SIDE,
    MACHINES,
    NO_METRIC,
    NO_SWAPS,
    FlowSettings,
    LatticeSettings,
    MachineSettings,
    ModelSettings,
    ReadingSettings,
    RenormalizationSettings,
    SamplingSettings,
    ScalingSettings,
    StabilitySettings,
    ThermometerSettings,
    TrainingSettings,
    TypeSettings,
    is_square_ising,
)

_NAME = re.compile(r"[A-Za-z0-9_-]{1,60}")
_NAME_ALLOWED = "must be 1 to 60 letters, digits, - or _"

FEWEST_CELLS = 4
"""Cells along a side of which the operators of a stability matrix can be told apart."""

MOST_MACHINES = 100_000
"""Machines that one run may train; more is taken for a slip."""


class Variant(NamedTuple):
    """What the machines of a type are, those of all seeds."""

    type: str
    """Name of the type."""
    temperatures: tuple[float, ...]
    """Training temperatures in J/k_B."""
    hidden: int
    """Hidden units."""
    at: str
    """What is told of the temperature in names, nothing unless the type is split by it."""
    sized: bool = True
    """Whether its hidden units are told in names: a map that came in as a value has none that are known."""

    @property
    def label(self) -> str:
        """Name for people."""
        return f"{self.type}-{self.hidden}{self.at}" if self.sized else f"{self.type}{self.at}"


@dataclass(frozen=True)
class Spec:
    """Everything a run is determined by; `InvalidInput` names problems by the dotted names of their fields."""

    name: str
    """Name of the run: letters, digits, - and _."""
    seed: int = 0
    """Root seed of every random stream."""
    seeds: int = 3
    """Independent trainings of every machine; error bars come from them."""
    model: ModelSettings = field(default_factory=ModelSettings)
    """The spin model."""
    lattice: LatticeSettings = field(default_factory=LatticeSettings)
    """The lattice."""
    sampling: SamplingSettings = field(default_factory=SamplingSettings)
    """The spin configurations that are learnt from."""
    machine: MachineSettings = field(default_factory=MachineSettings)
    """The restricted Boltzmann machine before training."""
    types: dict[str, TypeSettings] = field(
        default_factory=lambda: {"V": TypeSettings(), "H": TypeSettings(minimum=4.0), "L": TypeSettings(maximum=0.0)}
    )
    """Types of machine by name; V, H and L of arXiv:1801.07172 when none is given."""
    training: TrainingSettings = field(default_factory=TrainingSettings)
    """Training of a machine."""
    flow: FlowSettings = field(default_factory=FlowSettings)
    """The flow of a trained machine."""
    thermometer: ThermometerSettings = field(default_factory=ThermometerSettings)
    """The neural thermometer."""
    reading: ReadingSettings = field(default_factory=ReadingSettings)
    """What is read off the configurations of a flow."""
    renormalization: RenormalizationSettings = field(default_factory=RenormalizationSettings)
    """Block-spin transformations, read by the same thermometers."""
    stability: StabilitySettings = field(default_factory=StabilitySettings)
    """Eigenvalues of block spins at T_c."""
    scaling: ScalingSettings = field(default_factory=ScalingSettings)
    """Scale invariance of flows and of hidden units."""

    def __post_init__(self):
        problems = Problems()
        self._look_at_kinds(problems)
        problems.unless(bool(_NAME.fullmatch(self.name)), "name", self.name, f"it {_NAME_ALLOWED}")
        object.__setattr__(self, "seed", problems.whole("seed", self.seed, 0, 2**32 - 1))
        object.__setattr__(self, "seeds", problems.whole("seeds", self.seeds, 1))
        problems.unless(len(self.types) > 0, "types", self.types, "it must hold at least one type")
        odd = [name for name in self.types if not _NAME.fullmatch(name)]
        problems.unless(not odd, "types", odd, f"the name of a type {_NAME_ALLOWED}")
        self._compare(problems)
        problems.done()

    def _look_at_kinds(self, problems: Problems) -> None:
        """Refuse sections that are no settings, as Python may hand them over."""
        problems.kind("name", self.name, str, "text")
        for one in fields(self):
            if isinstance(kind := one.default_factory, type):
                problems.kind(one.name, getattr(self, one.name), kind, f"section, such as {kind.__name__}()")
        ok = isinstance(self.types, dict) and all(isinstance(one, TypeSettings) for one in self.types.values())
        problems.unless(ok, "types", self.types, "it must hold TypeSettings by their names")
        problems.done()

    def _compare(self, problems: Problems) -> None:
        """Note where one section does not fit another."""
        trained = len(self.variants) or 1
        most = max(1, MOST_MACHINES // trained)
        allowed = f"it must be at most {most}, so that a run trains no more than {MOST_MACHINES} machines"
        problems.unless(self.seeds <= most, "seeds", self.seeds, allowed)
        grid = self.sampling.temperatures
        keep_one = f"it must keep at least one of sampling.temperatures, from {grid[0]:g} to {grid[-1]:g}"
        for name, kind in self.types.items():
            own = self.type_temperatures(name)
            problems.unless(len(own) > 0, f"types.{name}", asdict(kind), keep_one)
            apart = kind.split == "none" or len({f"{t:g}" for t in own}) == len(own)
            problems.unless(
                apart, f"types.{name}.temperatures", own, "six digits must tell them apart where it is split"
            )
            files = kind.machine_files
            told = f"there must be a file for each of the {self.seeds} seeds, all different and each an RBM"
            fits = len(set(files)) == len(files) == self.seeds and self.machine.kind == "rbm"
            problems.unless(not files or fits, f"types.{name}.machine_files", files, told)
        for index, start in enumerate(self.flow.starts):
            known = isinstance(start, str) or find_temperature(start, grid) is not None
            allowed = "a start that is a number must be one of sampling.temperatures"
            problems.unless(known, f"flow.starts[{index}]", start, allowed)
        self._compare_model(problems)
        self._compare_training(problems)
        trained_here = [one for one in self.variants if self.types[one.type].machine == "new"]
        sizes = ((one.type, self.sampling.draws * len(one.temperatures)) for one in trained_here)
        name, size = min(sizes, key=lambda row: row[1] or math.inf, default=("", 0))
        left = size - round(size * self.training.held_out)
        fits = self.training.batch <= left or size == 0
        kept = ", less those held out" if left < size else ""
        least = f"it must be at most {left}, the training configurations of type {name}{kept}"
        problems.unless(fits, "training.batch", self.training.batch, least)
        size = self.thermometer.draws * len(grid)
        least = f"it must be at most {size}, the training configurations of the thermometer"
        problems.unless(self.thermometer.batch <= size, "thermometer.batch", self.thermometer.batch, least)

    def _compare_model(self, problems: Problems) -> None:
        """Note what a run cannot do with this model on this lattice."""
        model, lattice = self.model, self.lattice
        kinds = f"there must be one number, or one for each of {lattice.kinds} kinds of bonds"
        numbered = len(model.couplings) in (0, 1, lattice.kinds)
        problems.unless(numbered, "model.couplings", model.couplings, kinds)
        if numbered and (reason := self._no_method):
            problems.unless(False, "sampling.method", self.sampling.method, reason)
        cold = 0.0 in self.sampling.temperatures or "cold" in self.flow.starts
        uniform = "with negative ones the ground states may not be uniform: no temperature and no start may be T = 0"
        problems.unless(not cold or min(model.couplings, default=1) > 0, "model.couplings", model.couplings, uniform)
        if self.stability.length and not self._has_critical:
            told = "T_c of this model on this lattice is not known, so it must be 0"
            problems.unless(False, "stability.length", self.stability.length, told)
        self._compare_blocks(problems)
        self._compare_scaling(problems)
        self._compare_layers(problems)
        ferromagnetic = min(model.couplings, default=1) >= 0
        even = model.kind == "ising" and model.field == 0 and ferromagnetic and lattice.basis == 1
        told = "it is done for ferromagnetic Ising models without a field on lattices with one site in a cell alone"
        problems.unless(even or not self.flow.predicted, "flow.predicted", True, told)
        alike = ferromagnetic and (lattice.kind != "kagome" or len(set(model.couplings)) <= 1)
        told = "a mean field needs bonds that all prefer like states, as many of each coupling at every site"
        for name, kind in self.types.items():
            problems.unless(alike or kind.data != "mean-field", f"types.{name}.data", kind.data, told)

    def _compare_blocks(self, problems: Problems) -> None:
        """Note where block spins do not lead to the lattice, or mean nothing."""
        asked, sides = self.renormalization, self.lattice.sides
        before, after = asked.length, sides[0]
        if not before:
            return
        halved = before % after == 0 and before > after and (before // after).bit_count() == 1
        allowed = f"it must be 0, {2 * after}, {4 * after}, {8 * after}, ..., so that halving leads to {after} cells"
        problems.unless(halved, "renormalization.length", before, allowed)
        if self.square_ising:
            return
        most = LONGEST_SIDE // max(sides) * after
        told = f"it must be at most {most}, so that no side has more than {LONGEST_SIDE} cells"
        problems.unless(before <= most, "renormalization.length", before, told)
        alike = self.lattice.basis > 1 or min(self.model.couplings, default=1) >= 0
        told = "with a negative coupling the sites of a block are not alike, so it must be 0"
        problems.unless(alike, "renormalization.length", before, told)
        given = self.has_blocks or "temperatures" in asked.differing()
        told = "those of the Ising model on the square say nothing of this one: others must be given"
        problems.unless(given, "renormalization.temperatures", asked.temperatures, told)

    def _compare_scaling(self, problems: Problems) -> None:
        """Note where scaling dimensions cannot be fitted."""
        if not self.scaling.asked_for:
            return
        told = "T_c of this model on this lattice is not known, so there must be none"
        problems.unless(self._has_critical, "scaling.spin_window", self.scaling.spin_window, told)
        half = min(self.lattice.sides) // 2
        for name in ("spin", "energy"):
            first, last = window = getattr(self.scaling, f"{name}_window")
            problems.unless(last <= half, f"scaling.{name}_window", window, f"it must end at {half}, half a side")
            least = 5 * (last - first + 1)
            told = f"it must be at least {least}, five for each distance of scaling.{name}_window"
            problems.unless(self.flow.chains >= least, "flow.chains", self.flow.chains, told)

    def _compare_layers(self, problems: Problems) -> None:
        """Note where the layers of machines are no changes of scale by two."""
        if not self.stability.layers:
            return
        side, machine = self.lattice.sides[0], self.machine
        fits = machine.kind == "stack" and machine.units == "-1/+1" and self.square_ising
        told = "layers are those of a machine of kind 'stack' in units -1/+1, of the Ising model on a square"
        problems.unless(fits and len(set(self.lattice.sides)) == 1, "stability.layers", True, told)
        wanted = tuple((side >> place) ** 2 for place in range(1, len(machine.layers) + 2))
        halved = side % 2 ** len(wanted) == 0 and side >> len(wanted) >= FEWEST_CELLS
        told = f"each layer must have a quarter of the units below, {FEWEST_CELLS**2} at least, from {side**2} sites on"
        sizes = {units for name in self.types for units in self.hidden_units(name)}
        own = (machine.hidden, *machine.layers)
        problems.unless(halved and own == wanted and sizes == {own[0]}, "machine.hidden, layers", own, told)

    @property
    def has_blocks(self) -> bool:
        """Whether hidden units are set beside block spins: those of Ising spins on the square."""
        alike = self.model.kind == "ising" and len(set(self.model.couplings)) <= 1
        return alike and self.lattice.kind == "square"

    @property
    def _has_critical(self) -> bool:
        """Whether T_c and the exponents are known; JAX is needed to say."""
        from rbmflow.critical import critical_exponents
        from rbmflow.spin_models import from_settings

        return critical_exponents(from_settings(self.model, self.lattice)) is not None

    @property
    def _no_method(self) -> str | None:
        """Why the method asked for cannot draw, None if it can; "auto" always can, and no method has to be imported."""
        if self.sampling.method == "auto":
            return None
        from rbmflow.sampler.choice import METHODS
        from rbmflow.spin_models import from_settings

        return METHODS[self.sampling.method].refusal(from_settings(self.model, self.lattice))

    @property
    def square_ising(self) -> bool:
        """Whether formulas tell everything of its model."""
        return is_square_ising(self.model, self.lattice)

    def _compare_training(self, problems: Problems) -> None:
        """Note where a machine cannot be trained as is asked."""
        allowed = "a centred gradient changes the biases, so machine.biases must be true"
        problems.unless(self.machine.biases or not self.training.centred, "training.centred", True, allowed)
        largest = max((min(self.lattice.sites, max(self.hidden_units(name))) for name in self.types), default=0)
        if self.machine.kind != "rbm":
            self._compare_guards(problems)
            for name, kind in self.types.items():
                told = "only of an RBM weights can stand in for trained ones, so it must be 'trained'"
                problems.unless(kind.weights == "trained", f"types.{name}.weights", kind.weights, told)
            told = "only the checkpoints of an RBM are iterated, so it must be false"
            problems.unless(not self.flow.along_training, "flow.along_training", True, told)
            told = "only of an RBM it is measured what becomes of exact configurations, so it must be false"
            problems.unless(not self.flow.from_exact, "flow.from_exact", True, told)
            told = "only of an RBM the stationary law is predicted, so it must be false"
            problems.unless(not self.flow.predicted, "flow.predicted", True, told)
            halves = self.flow.halves
            told = "only an RBM has halves, so it must be 'sampled'; machine.output may be of use"
            problems.unless(halves == "sampled", "flow.halves", halves, told)
            return
        summed = self.training.estimator != "Exact" or largest <= LARGEST_SUMMED_LAYER
        most = f"with a smaller layer of {largest} units; it sums over at most {LARGEST_SUMMED_LAYER}"
        problems.unless(summed, "training.estimator", "Exact", f'"Exact" cannot train a machine {most}')

    def _compare_guards(self, problems: Problems) -> None:
        """Note the guards of a training that a map which is no RBM cannot have."""
        learns = MACHINES[self.machine.kind].recipe is not None or self.training.estimator != "CD"
        for name in ("kl_limit", "swap_limit", "patience"):
            value, told = getattr(self.training, name), f"a machine of kind {self.machine.kind!r} learns nothing"
            if learns and name == "swap_limit" and self.machine.kind != "stack":
                problems.unless(value == 0, f"training.{name}", value, f"{NO_SWAPS}, so it must be 0")
            problems.unless(learns or value == 0, f"training.{name}", value, f"{told}, so it must be 0")
        moves = learns and self.machine.kind != "stack"
        told = "hidden units of a stack have none" if learns else told
        problems.unless(
            moves or not self.training.symmetries, "training.symmetries", True, f"{told}, so it must be false"
        )
        known = self.training.optimiser != "natural" or self.machine.kind == "stack"
        problems.unless(known, "training.optimiser", self.training.optimiser, NO_METRIC)
        used = self.machine.kind == "stack" or self.training.patience or not self.training.held_out
        problems.unless(bool(used), "training.held_out", self.training.held_out, HELD_FOR_PATIENCE)

    def type_temperatures(self, name: str) -> tuple[float, ...]:
        """Temperatures in J/k_B that machines of this type are trained on."""
        return self.types[name].chosen(self.sampling.temperatures)

    def hidden_units(self, name: str) -> tuple[int, ...]:
        """Numbers of hidden units of this type's machines, the main one first and none twice."""
        return tuple(dict.fromkeys((self.machine.hidden, *self.types[name].also_hidden)))

    @property
    def variants(self) -> tuple[Variant, ...]:
        """All machines but for their seeds, in the order of types, temperatures and numbers of hidden units."""
        found, sized = [], not self.machine.kind.startswith(GIVEN)
        for name, kind in self.types.items():
            grid = self.type_temperatures(name)
            grids = {"": grid} if kind.split == "none" else {f" at {t:g}": (t,) for t in grid}
            sizes = self.hidden_units(name)
            found += [Variant(name, own, size, at, sized) for at, own in grids.items() for size in sizes]
        return tuple(found)
