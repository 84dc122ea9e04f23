"""What decides between the candidates for T*; the rules were written before the studies were run."""

import math
from collections.abc import Callable, Sequence

from rbmflow.claims.declaration import claim
from rbmflow.claims.judgement import LEVEL, Judgement, Side, within
from rbmflow.claims.machines import Machine
from rbmflow.claims.rules import (
    MIXTURE,
    NARROW,
    WINDOW,
    about_ends,
    alike_but_for,
    at_infinite_size,
    each,
    end_at,
    paper_machines,
)
from rbmflow.convergence import SIGMAS

PERFECT = 0.05
"""Excess nats up to which a machine counts as perfect."""

MIXTURE_WINDOW = 0.05
"""Energy per site within which the end of a flow is that of the mixture, in J."""


@claim(
    id="perfect-ends-in-mixture",
    words="A machine that has learnt its data perfectly ends in the training mixture",
    source="theory",
    needs=(*MIXTURE, "excess_mean", "excess_mean_error"),
    figure=("study_excess", "likelihood"),
)
def perfect_ends_in_mixture(machines: Sequence[Machine]) -> list[Judgement]:
    """Machines with at most 0.05 excess nats: E of the stationary law, or of the flow's end where that is not known,
    against the mixture; rank correlation of excess nats with that distance, type V machines of each size. Supports: E
    within 0.05 of the mixture's. Contradicts: further away than that by more than its error.
    """

    def rule(machine: Machine) -> tuple[Side, str]:
        away = machine.energy_from_mixture
        told = f"excess {machine.measured('excess_mean')}, E from the mixture {away}"
        return within(away, 0.0, MIXTURE_WINDOW), told

    known = [m for m in machines if m.is_ising and math.isfinite(m.number("excess_mean"))]
    found = each([m for m in known if m.number("excess_mean") <= PERFECT], rule)
    of_type_v = [m for m in paper_machines(known) if math.isfinite(m.energy_from_mixture.value)]
    sizes = [[m for m in of_type_v if m.length == length] for length in dict.fromkeys(m.length for m in of_type_v)]
    return [*found, *(_rank(one) for one in sizes if len(one) > 3)]


def _rank(machines: Sequence[Machine]) -> Judgement:
    """Rank correlation of excess nats with the distance of the end from the mixture."""
    from scipy import stats

    excess = [machine.number("excess_mean") for machine in machines]
    distance = [abs(machine.energy_from_mixture.value) for machine in machines]
    rank, probability = map(float, stats.spearmanr(excess, distance))  # pyright: ignore[reportArgumentType]
    significant = probability < LEVEL.get()
    side: Side = "supports" if significant and rank > 0 else "contradicts" if significant else "open"
    of = f"rank correlation over {len(machines)} machines, L = {machines[0].length}"
    return Judgement(of, side, f"excess nats with distance from the mixture {rank:.2f}, p = {probability:.1e}")


def _grids(machines: Sequence[Machine]) -> list[Machine]:
    """One recipe and size on several training grids; none if there are not three of them."""
    chosen = [m for m in machines if m.is_ising and m.temperatures[-1] > 0 and len(m.temperatures) > 2]
    return _most(alike_but_for(chosen, "temperatures", "seed"), lambda machine: machine.temperatures, 3)


def _most(groups: Sequence[list[Machine]], of: Callable[[Machine], object], least: int) -> list[Machine]:
    """The group with most different values; none if these are fewer than the least."""
    counts = [len(set(map(of, group))) for group in groups]
    return groups[counts.index(max(counts))] if counts and max(counts) >= least else []


@about_ends(
    id="follows-Tc",
    words="T* stays at T_c when the training grid moves (0..6, 0..12, 0..3, 2.5..4.5, and 0..1.75 with 4..6)",
    source="this study",
)
def follows_tc(machines: Sequence[Machine]) -> list[Judgement]:
    """T* of each grid, same recipe. Supports: T* within 0.125 of T_c. Contradicts: outside by more than its error."""
    return each(at_infinite_size(_grids(machines)), end_at("critical_temperature", WINDOW))


@about_ends(id="follows-mixture", words="T* is that of the training mixture of each grid", source="this study")
def follows_mixture(machines: Sequence[Machine]) -> list[Judgement]:
    """The same. Supports: T* within 0.125 of T_mix of its grid. Contradicts: outside by more than its error."""
    return each(_grids(machines), end_at("null_temperature", WINDOW))


@about_ends(id="follows-specific-heat", words="T* follows T_C(L), L = 6, 8, 10, 12, 16", source="this study")
def follows_specific_heat(machines: Sequence[Machine]) -> list[Judgement]:
    """T* of each size. Supports: T* within 0.02 and three errors of T_C(L). Contradicts: outside 0.02 by more than its
    error.
    """
    chosen = [m for m in paper_machines(machines) if abs(m.hidden / m.length**2 - 0.64) < 0.01]
    alike = alike_but_for(chosen, "model.length", "machine.hidden", "temperatures", "seed")
    sizes = _most(alike, lambda machine: machine.length, 2)
    return each(sizes, end_at("specific_heat_peak_temperature", NARROW, SIGMAS))
