"""Rules on where flows end: T_c, its rivals, and whether the start, the size and the recipe matter."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from rbmflow._checks import same_temperature
from rbmflow.claims.judgement import SIGNIFICANCE, Judgement, Measured, Side, above, within
from rbmflow.claims.machines import Machine

WINDOW = 0.125
"""Half a class of the paper's thermometer, in J/k_B."""

NARROW = 0.02
"""Window where candidates are set against each other, in J/k_B."""

NEURAL_CLASSES = (2.25, 2.5)
"""Classes of the paper's thermometer that count as T_c."""

COLDEST = 1.25
"""T(E) up to which a flow has gone to T = 0: classes that configurations of L = 10 hardly tell apart."""

type Rule = Callable[[Sequence[Machine]], list[Judgement]]


def paper_machines(machines: Iterable[Machine]) -> list[Machine]:
    """Machines trained on Ising configurations of the paper's range, whatever their size and recipe."""
    return [
        m
        for m in machines
        if m.is_ising and same_temperature(m.lowest, 0) and same_temperature(m.highest, 6) and not m.has_gap
    ]


def alike_but_for(machines: Iterable[Machine], *names: str) -> list[list[Machine]]:
    """Machines in groups that were made with the same settings but for these, which can be compared in them."""
    groups: dict[str, list[Machine]] = {}
    for machine in machines:
        groups.setdefault(machine.apart_from(*names), []).append(machine)
    return list(groups.values())


def end_at(machine: Machine, target: float, window: float, narrow: bool = False) -> Judgement:
    """Whether T* of a machine is in a window about a target.

    A machine that has not converged contradicts if all its starts ended on one side of the window, and going on for
    as many iterations again at their present drift would not bring one of them in.
    """
    star = machine.end
    if star is None:
        return Judgement(machine.name, _heading(machine, target, window), f"no T*, {machine.told_ends}")
    # "Within 0.02 and its error": the error is a part of the narrow window already.
    near: Side = "supports" if abs(star.value - target) <= window + star.margin else "contradicts"
    return Judgement(machine.name, near if narrow else within(star, target, window), f"T* = {star}")


def _heading(machine: Machine, target: float, window: float) -> Side:
    sides = set()
    for start in machine.flows:
        # The drift is that over a quarter of the flow, so four of them make as many iterations again.
        later = start.end.value + 4 * start.drift.value
        for value in (start.end.value, later):
            distance = value - target
            outside = math.isfinite(distance) and abs(distance) > window + start.end.margin
            sides.add(math.copysign(1, distance) if outside or math.isinf(distance) else 0.0)
    return "contradicts" if sides in ({1.0}, {-1.0}) else "open"


def v_to_tc(machines: Sequence[Machine]) -> list[Judgement]:
    """T* of the paper's machines within half a class of T_c."""
    return [end_at(machine, machine.critical, WINDOW) for machine in paper_machines(machines)]


def neural_at_tc(machine: Machine) -> Judgement:
    """Whether the paper's thermometer sees its T_c classes from every start."""
    classes = [flow.neural_class for flow in machine.flows]
    told = ", ".join(f"{flow.start} {flow.neural_class:g}" for flow in machine.flows)
    inside = [value in NEURAL_CLASSES for value in classes]
    side: Side = "supports" if all(inside) else "open" if any(inside) else "contradicts"
    return Judgement(machine.name, side, f"class {told}")


def v_to_tc_neural(machines: Sequence[Machine]) -> list[Judgement]:
    """The same by the class of the largest averaged probability."""
    return [neural_at_tc(machine) for machine in paper_machines(machines)]


def h_to_hot(machines: Sequence[Machine]) -> list[Judgement]:
    """Type H ends above its lowest training temperature from every start."""
    found = []
    for machine in machines:
        if machine.is_ising and same_temperature(machine.lowest, 4) and not machine.has_gap:
            sides: list[Side] = [
                above(flow.end, machine.lowest, machine.lowest - flow.end.margin) for flow in machine.flows
            ]
            side: Side = sides[0] if len(set(sides)) == 1 else "open"
            found.append(Judgement(machine.name, side, machine.told_ends))
    return found


def l_to_zero(machines: Sequence[Machine]) -> list[Judgement]:
    """Type L ends among the lowest classes from every start."""
    found = []
    for machine in machines:
        if machine.is_ising and same_temperature(machine.highest, 0):
            cold = [flow.end.value <= COLDEST for flow in machine.flows]
            side: Side = "supports" if all(cold) else "open" if any(cold) else "contradicts"
            found.append(Judgement(machine.name, side, machine.told_ends))
    return found


def start_forgotten(machines: Sequence[Machine]) -> list[Judgement]:
    """All starts of a machine end together."""
    found = []
    for machine in machines:
        if machine.is_control or len(machine.flows) < 2:
            continue
        side: Side = "open" if machine.doubts & {"drift", "range"} else "supports"
        if side == "supports" and "apart" in machine.doubts:
            side = "contradicts"
        found.append(Judgement(machine.name, side, machine.told_ends))
    return found


def hidden_units_move_end(machines: Sequence[Machine]) -> list[Judgement]:
    """Above N_v hidden units the hot flow is slower and ends elsewhere."""
    alike = alike_but_for(paper_machines(machines), "machine.hidden", "temperatures", "seed")
    chosen = max(alike, key=len, default=[])
    few = [m for m in chosen if m.hidden <= m.length**2]
    many = [m for m in chosen if m.hidden > m.length**2]
    if not few or not many:
        return []
    ends = _pooled([m.mean_end for m in many]).minus(_pooled([m.mean_end for m in few]))
    slower = _pooled([m.hot_iterations for m in many]).minus(_pooled([m.hot_iterations for m in few]))
    moved, later = ends.differs, slower.differs and slower.value > 0
    side: Side = "supports" if moved and later else "open" if moved or later else "contradicts"
    measured = f"end moves by {ends}, iterations by {slower}"
    return [Judgement(f"N_h > N_v ({len(many)} machines) against N_h <= N_v ({len(few)})", side, measured)]


def _pooled(numbers: Sequence[Measured]) -> Measured:
    """Mean over machines, with the larger of the propagated error and the spread of the machines."""
    values = np.array([number.value for number in numbers])
    propagated = math.sqrt(sum(n.error**2 for n in numbers if math.isfinite(n.error))) / len(numbers)
    spread = values.std(ddof=1) / math.sqrt(len(values)) if len(values) > 1 else 0.0
    return Measured(float(values.mean()), max(propagated, float(spread)))


def some_cases(machines: Sequence[Machine]) -> list[Judgement]:
    """T_c is reached by some machines whose data include it, and not by others."""
    chosen = [m for m in machines if m.is_ising and not m.is_control and m.holds_critical]
    sides = [end_at(machine, machine.critical, WINDOW).side for machine in chosen]
    at, away = sides.count("supports"), sides.count("contradicts")
    if not chosen:
        return []
    side: Side = "supports" if at and away else "contradicts" if at + away > 1 else "open"
    return [Judgement("all machines", side, f"{at} at T_c, {away} elsewhere, {len(chosen) - at - away} open")]


def to_specific_heat(machines: Sequence[Machine]) -> list[Judgement]:
    """T* at the maximum of the specific heat of this size and not at T_c."""
    found = []
    for machine in paper_machines(machines):
        peak = end_at(machine, machine.specific_heat_peak, NARROW, narrow=True)
        at_critical = end_at(machine, machine.critical, NARROW, narrow=True)
        side: Side = "open" if peak.side == at_critical.side == "supports" else peak.side
        measured = f"{peak.measured}; the maximum is at {machine.specific_heat_peak:.3f}"
        found.append(Judgement(machine.name, side, measured))
    return found


def recipe_moves_end(machines: Sequence[Machine]) -> list[Judgement]:
    """The end differs between estimators at one size, and along the last factor of four of training time."""
    found = []
    groups: dict[tuple, list[Machine]] = {}
    for machine in paper_machines(machines):
        groups.setdefault((machine.hidden, machine.length, machine.temperatures), []).append(machine)
    for (hidden, length, _), group in groups.items():
        recipes = len(alike_but_for(group, "seed"))
        if recipes > 1:
            of = f"{recipes} recipes, N_h = {hidden}, L = {length}"
            found.append(_equal_ends(of, [m.mean_end for m in group]))
    for machine in paper_machines(machines):
        late = [end for update, end in machine.checkpoints if update >= machine.updates / 4]
        if len(late) > 1:
            found.append(_equal_ends(f"training time, {machine.name}", late))
    return found


def _equal_ends(of: str, ends: Sequence[Measured]) -> Judgement:
    """A chi-squared test that numbers are one."""
    from scipy import stats

    values = np.array([end.value for end in ends])
    errors = np.array([end.error for end in ends])
    spread = float(values.max() - values.min())
    measured = f"ends from {values.min():.3f} to {values.max():.3f}"
    if not (np.isfinite(values).all() and np.isfinite(errors).all() and (errors > 0).all()):
        return Judgement(of, "open", f"{measured}, not all with an error")
    mean = np.average(values, weights=errors**-2)
    chi_squared = float((((values - mean) / errors) ** 2).sum())
    freedom = len(ends) - 1
    probability = float(stats.chi2.sf(chi_squared, freedom))
    # Errors from a few seeds are uncertain themselves: an F test allows for that, and is told beside the rule's.
    seeds = min(end.samples for end in ends)
    cautious = float(stats.f.sf(chi_squared / freedom, freedom, len(ends) * max(1, seeds - 1)))
    side: Side = "supports" if probability < SIGNIFICANCE else "contradicts" if spread < NARROW else "open"
    return Judgement(of, side, f"{measured}, p = {probability:.1e} (F test {cautious:.1e})")


def _of_study(machines: Sequence[Machine], target: Callable[[Machine], float], window: float) -> list[Judgement]:
    narrow = window == NARROW
    return [end_at(machine, target(machine), window, narrow) for machine in machines]


def _grids(machines: Sequence[Machine]) -> list[Machine]:
    """One recipe and size on several training grids; none if there is one grid only."""
    chosen = [m for m in machines if m.is_ising and not m.is_control and m.highest > 0 and len(m.temperatures) > 2]
    alike = alike_but_for(chosen, "temperatures", "seed")
    return max(alike, key=_grids_of, default=[]) if max(map(_grids_of, alike), default=0) > 2 else []


def _grids_of(machines: Sequence[Machine]) -> int:
    return len({machine.temperatures for machine in machines})


def follows_tc(machines: Sequence[Machine]) -> list[Judgement]:
    """T* of each training grid within half a class of T_c."""
    return _of_study(_grids(machines), lambda machine: machine.critical, WINDOW)


def follows_mixture(machines: Sequence[Machine]) -> list[Judgement]:
    """T* of each training grid within half a class of its own mixture."""
    return _of_study(_grids(machines), lambda machine: machine.mixture_temperature, WINDOW)


def follows_specific_heat(machines: Sequence[Machine]) -> list[Judgement]:
    """T* of each size at the maximum of its specific heat."""
    chosen = [m for m in paper_machines(machines) if abs(m.hidden / m.length**2 - 0.64) < 0.01]
    alike = alike_but_for(chosen, "model.length", "machine.hidden", "temperatures", "seed")
    largest = max(alike, key=_sizes_of, default=[])
    return _of_study(largest, lambda machine: machine.specific_heat_peak, NARROW) if _sizes_of(largest) > 1 else []


def _sizes_of(machines: Sequence[Machine]) -> int:
    return len({machine.length for machine in machines})
