"""What decides between the candidates for T*; the rules were written before the studies were run."""

import math
from collections.abc import Callable, Sequence
from functools import partial

from rbmflow.claims.declaration import claim
from rbmflow.claims.judgement import LEVEL, Judgement, Measured, Side, within
from rbmflow.claims.machines import Machine
from rbmflow.claims.rules import (
    MIXTURE,
    MIXTURE_WINDOW,
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

LEARNT = 0.3
"""Part of the divergence of the mixture from the best Ising model, of which a machine of one temperature has all."""

about_laws = partial(
    claim,
    source="this study",
    needs=("stationary_temperature_mean", "stationary_temperature_mean_error", "excess_mean", "ising_divergence"),
    figure=("study_candidates", "study_law"),
)
"""Declares a claim on T* of the stationary law, which needs no flow."""


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


@about_laws(id="law-at-Tc", words="T* of the stationary law is T_c, however a machine was trained on T = 0 to 6")
def law_at_critical(machines: Sequence[Machine]) -> list[Judgement]:
    """T* of the stationary law of every machine of T = 0 to 6. Supports: within 0.125 of T_c. Contradicts: outside by
    more than its error.
    """

    def rule(machine: Machine) -> tuple[Side, str]:
        star = machine.measured("stationary_temperature_mean")
        return within(star, machine.critical, WINDOW), f"T* of p(v) = {star}"

    return each(at_infinite_size(_with_law(paper_machines(machines))), rule)


@about_laws(
    id="law-nearest-mixture",
    words="Of T_c, the maximum of C and the training mixture, the last is nearest to T* of the stationary law of a "
    "machine that has learnt it, whatever the grid",
    excludes=("law-at-Tc",),
)
def law_nearest_mixture(machines: Sequence[Machine]) -> list[Judgement]:
    """T* of the stationary law of machines with at most 0.3 of the excess that the best Ising model at one temperature
    has. Supports: nearer to T_mix than to T_c and to T_C(L), those within 0.02 of it aside, by more than its error.
    Contradicts: nearer to one of these by more than its error.
    """
    return each([m for m in _learnt(machines) if m.is_ising], _nearest_mixture)


@about_laws(
    id="law-of-other-models",
    words="So it is on other lattices, of Potts, clock and Blume-Capel models, and in a field",
)
def law_of_other_models(machines: Sequence[Machine]) -> list[Judgement]:
    """The same of machines of other models than the square Ising one, the best single temperature being one of theirs.
    Supports: nearer to T_mix than to T_c, where there is one, and to T_C(L), those within 0.02 of it aside, by more
    than its error. Contradicts: nearer to one of these by more than its error.
    """
    own = [m for m in _learnt(machines) if m.data == "ising" and not m.is_of_square_ising]
    return each([m for m in own if not m.is_topology_free], _nearest_mixture)


def _nearest_mixture(machine: Machine) -> tuple[Side, str]:
    """Whether T* of the stationary law is nearer to the mixture than to the other candidates."""
    star, mixture = machine.measured("stationary_temperature_mean"), machine.number("null_temperature")
    critical, peak = machine.critical, machine.number("specific_heat_peak_temperature")
    # How far it is on the mixture's side of the middle between the two.
    nearer = [
        math.copysign(1.0, mixture - other) * (star.value - (mixture + other) / 2)
        for other in (critical, peak)
        if abs(mixture - other) > NARROW
    ]
    least = Measured(min(nearer, default=0.0), star.error, star.freedom)
    side: Side = "open" if not least.differs else "supports" if least.value > 0 else "contradicts"
    return side, f"T* of p(v) = {star}, mixture {mixture:.3f}"


def _learnt(machines: Sequence[Machine]) -> list[Machine]:
    """Those that have learnt their mixture by a part of what tells it from one temperature, and whose law is known."""
    return [m for m in _with_law(machines) if m.number("excess_mean") <= LEARNT * m.number("ising_divergence")]


def _with_law(machines: Sequence[Machine]) -> list[Machine]:
    """Those whose stationary law is known of every seed."""
    return [m for m in machines if math.isfinite(m.number("stationary_temperature_mean"))]


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
    excludes=("follows-mixture",),
)
def follows_tc(machines: Sequence[Machine]) -> list[Judgement]:
    """T* of each grid, same recipe. Supports: T* within 0.125 of T_c. Contradicts: outside by more than its error."""
    return each(at_infinite_size(_grids(machines)), end_at("critical_temperature", WINDOW))


@about_ends(
    id="follows-mixture",
    words="T* is that of the training mixture of each grid",
    source="this study",
    excludes=("follows-Tc",),
)
def follows_mixture(machines: Sequence[Machine]) -> list[Judgement]:
    """The same. Supports: T* within 0.125 of T_mix of its grid. Contradicts: outside by more than its error."""
    return each(_grids(machines), end_at("null_temperature", WINDOW))


@about_ends(
    id="follows-specific-heat",
    words="T* follows T_C(L), L = 6, 8, 10, 12, 16",
    source="this study",
    excludes=("follows-Tc", "follows-mixture"),
)
def follows_specific_heat(machines: Sequence[Machine]) -> list[Judgement]:
    """T* of each size. Supports: T* within 0.02 and three errors of T_C(L). Contradicts: outside 0.02 by more than its
    error.
    """
    chosen = [m for m in paper_machines(machines) if abs(m.hidden / m.length**2 - 0.64) < 0.01]
    alike = alike_but_for(chosen, "lattice.length", "machine.hidden", "temperatures", "seed")
    sizes = _most(alike, lambda machine: machine.length, 2)
    return each(sizes, end_at("specific_heat_peak_temperature", NARROW, SIGMAS))
