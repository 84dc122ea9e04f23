"""What rules have in common: windows, which machines a claim is about, and which of them can be compared."""

import math
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from rbmflow._checks import same_temperature
from rbmflow.claims.declaration import claim
from rbmflow.claims.judgement import Judgement, Side, above, within
from rbmflow.claims.machines import Machine

WINDOW = 0.125
"""Half a class of the paper's thermometer, in J/k_B."""

MIXTURE_WINDOW = 0.05
"""Energy per site within which the end of a flow is that of the mixture, in J."""

NARROW = 0.02
"""Window where candidates are set against each other, in J/k_B."""

NEURAL_CLASSES = (2.25, 2.5)
"""Classes of the paper's thermometer that count as T_c."""

ENDS = (
    *("end_temperature", "end_error", "drift", "drift_error", "mean_end", "mean_end_error"),
    *("start_difference", "start_difference_error", "relaxation_time", "relaxation_time_error"),
    *("doubt_range", "doubt_drift", "doubt_apart", "doubt_one_sided"),
    *("critical_temperature", "specific_heat_peak_temperature", "null_temperature"),
)
"""Variables of the results that say where flows end, whether and how fast they have, and where they might."""

about_ends = partial(claim, needs=ENDS, figure=("flow_ends", "study_ends"))
"""Declares a claim on where flows end."""

about_neural = partial(claim, needs=("probability_mean",), figure="class_probabilities")
"""Declares a claim on what the paper's thermometer sees."""

MIXTURE = ("energy_mean", "energy_error", "null_energy")
"""Those that say how far that is from the training mixture."""

type Rule = Callable[[Machine], tuple[Side, str]]


def each(machines: Iterable[Machine], rule: Rule) -> list[Judgement]:
    """Apply a rule to every machine by itself; a single seed decides nothing, as nobody knows what others would do."""
    found = []
    for machine in machines:
        side, told = rule(machine)
        alone = machine.seeds < 2
        found.append(Judgement(machine.name, "open" if alone else side, f"{told}; one seed" if alone else told))
    return found


def of_window(machines: Iterable[Machine], lowest: float) -> list[Machine]:
    """Machines trained on Ising configurations from a lowest temperature on, without a hole."""
    return [m for m in machines if m.is_ising and same_temperature(m.temperatures[0], lowest) and not m.has_gap]


def paper_machines(machines: Iterable[Machine]) -> list[Machine]:
    """Machines trained on Ising configurations of the paper's range, whatever their size and recipe."""
    return [m for m in of_window(machines, 0) if same_temperature(m.temperatures[-1], 6)]


def at_infinite_size(machines: Iterable[Machine]) -> list[Machine]:
    """Machines of lattices so large that T_c of the infinite one is theirs: the C maximum is within the window of it.

    L = 6 and more; at L = 4 it is 0.17 above.
    """
    return [m for m in machines if abs(m.number("specific_heat_peak_temperature") - m.critical) <= WINDOW]


def ground_state_machines(machines: Iterable[Machine]) -> list[Machine]:
    """Machines trained on ground states alone."""
    return [m for m in machines if m.is_ising and same_temperature(m.temperatures[-1], 0)]


def alike_but_for(machines: Iterable[Machine], *names: str) -> list[list[Machine]]:
    """Machines in groups that were made with the same settings but for these, which can be compared in them."""
    groups: dict[str, list[Machine]] = {}
    for machine in machines:
        groups.setdefault(machine.apart_from(*names), []).append(machine)
    return list(groups.values())


def alike_in(*names: str, machines: Iterable[Machine]) -> list[list[Machine]]:
    """Machines in groups that have the same of these settings, or sections, whatever else they were made with."""
    groups: dict[str, list[Machine]] = {}
    for machine in machines:
        same = {name: value for name, value in machine.recipe.items() if {name, name.partition(".")[0]} & set(names)}
        groups.setdefault(str(sorted(same.items())), []).append(machine)
    return list(groups.values())


def end_at(target: str, window: float, errors: float = 0.0) -> Rule:
    """Whether T* of a machine is in a window, widened by some errors, about a variable of its results.

    A machine that has not converged contradicts if all its starts ended on one side of the window, and going on for
    as many iterations again at their present drift would not bring one of them in.
    """

    def rule(machine: Machine) -> tuple[Side, str]:
        star, at = machine.end, machine.number(target)
        if star is None:
            return _heading(machine, at, window), f"{machine.why_moving}, {machine.told_ends}"
        return within(star, at, window, errors), f"T* = {star}"

    return rule


def _heading(machine: Machine, target: float, window: float) -> Side:
    sides = set()
    for flow in machine.flows:
        # The drift is that over a quarter of the flow, so four of them make as many iterations again.
        later = flow.end.value + 4 * machine.number("drift", start=flow.start)
        for value in (flow.end.value, later):
            distance = value - target
            outside = math.isfinite(distance) and abs(distance) > window + flow.end.margin
            sides.add(math.copysign(1, distance) if outside or math.isinf(distance) else 0.0)
    return "contradicts" if sides in ({1.0}, {-1.0}) else "open"


def at_least(measure: str, least: float, below: float, told: str) -> Rule:
    """Whether a measure of the weights is at least a bound, and refuted below another."""

    def rule(machine: Machine) -> tuple[Side, str]:
        found = machine.measured("weight_final_mean", final_measure=measure)
        return above(found, least, below), f"{told} {found}"

    return rule


def from_every_start(sides: Sequence[bool]) -> Side:
    """Supported if all starts agree that it is so, refuted if all agree that it is not."""
    return "supports" if all(sides) else "open" if any(sides) else "contradicts"


def neural_at_critical(machine: Machine) -> tuple[Side, str]:
    """Whether the paper's thermometer sees its T_c classes from every start."""
    if "neural" not in machine.results["classifier"].values:
        return "open", "no neural thermometer"
    last = machine.results["probability_mean"].sel(classifier="neural").isel(iteration=-1)
    classes = dict(zip(last["start"].values, last["bin"].values[last.values.argmax(axis=-1)], strict=True))
    told = f"class {', '.join(f'{start} {seen:g}' for start, seen in classes.items())}"
    return from_every_start([seen in NEURAL_CLASSES for seen in classes.values()]), told
