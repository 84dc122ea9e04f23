"""Settings of what is done with machines: flows, thermometers, changes of scale."""

import math
from dataclasses import dataclass
from typing import get_args

from rbmflow._checks import Problems, is_number, listed
from rbmflow.settings.checking import Settings, checked
from rbmflow.settings.choices import CRITICAL, LONGEST_EXACT_ROW, OBSERVABLES, HalvesName
from rbmflow.settings.system_settings import LatticeSettings, ModelSettings, is_square_ising, is_summed


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
    from_exact: bool = checked(False, Problems.true_or_false)
    """Whether exact configurations of every temperature are iterated too: drift fields, and the balance of CD-k."""
    predicted: bool = checked(False, Problems.true_or_false)
    """Whether T* of the stationary law of all checkpoints is predicted too, from the training data alone."""

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
    """Block-spin transformations of configurations of the model, to hold the flow of machines against."""

    length: int = checked(0, Problems.whole, 0)
    """Cells along the first side before the first step, a power of two times those of the lattice, whose other sides
    grow alike; 0 for no such flow."""
    temperatures: tuple[float, ...] = checked((1.8, 2.1, CRITICAL, 2.45, 3.0), Problems.temperatures)
    """Temperatures of the configurations, none of them 0 or inf, as sampling.temperatures; to be given of other models
    than the Ising model on the square."""
    draws: int = checked(1000, Problems.whole, 2)
    """Configurations at each temperature."""

    def compare(self, problems: Problems) -> None:
        """Note what does not fit."""
        between = all(is_number(t) and 0 < t < math.inf for t in listed(self.temperatures) or ())
        problems.unless(between, "temperatures", self.temperatures, "they must be finite and above 0")


@dataclass(frozen=True)
class StabilitySettings(Settings):
    """The stability matrix of block spins at T_c, from large configurations of the model of the run, and of stacks."""

    length: int = checked(0, Problems.whole, 0)
    """Cells along each side before the first step; 0 for no such matrix."""
    steps: int = checked(3, Problems.whole, 1, 8)
    """How often blocks of two cells along each side become one; at least 4 cells must be left."""
    runs: int = checked(5, Problems.whole, 2)
    """Independent runs; error bars come from them."""
    draws: int = checked(4000, Problems.whole, 100)
    """Configurations of each run."""
    layers: bool = checked(False, Problems.true_or_false)
    """Whether the layers of every stack are measured as changes of scale too, from as many configurations of the
    lattice of the run; each must have a quarter of the units below it."""

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


@dataclass(frozen=True)
class ScalingSettings(Settings):
    """Scale invariance: dimensions of spin and energy along the flows, and correlators of hidden units at T_c."""

    spin_window: tuple[int, ...] = ()
    """First and last distance, in cells, of fits to the two-point function of the spins; nothing is fitted without."""
    energy_window: tuple[int, ...] = ()
    """The same of the energy; there are both or none."""
    draws: int = checked(4000, Problems.whole, 100)
    """Configurations at T_c over which the correlators of hidden units are means."""

    @property
    def asked_for(self) -> bool:
        """Whether anything is measured."""
        return bool(self.spin_window)

    def compare(self, problems: Problems) -> None:
        """Note what does not fit."""
        for name, least in FEWEST_DISTANCES.items():
            window = getattr(self, f"{name}_window")
            rows = problems.wholes(f"{name}_window", window, 1)
            fits = not rows or (len(rows) == 2 and rows[1] - rows[0] + 1 >= least)
            told = f"it must be the first and the last of at least {least} distances"
            problems.unless(fits, f"{name}_window", window, told)
        if not problems.found:
            both = bool(self.spin_window) == bool(self.energy_window)
            problems.unless(both, "energy_window", self.energy_window, "it must be there if spin_window is, else not")


FEWEST_DISTANCES = {"spin": 4, "energy": 3}
"""Distances of a fit, by what it is of: one more than it has parameters, so that it can be tested."""


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
        if not by_formula and is_summed(model, lattice):
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
