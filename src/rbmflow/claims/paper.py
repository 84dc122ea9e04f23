"""The claims of arXiv:1801.07172; the rules were written before the studies were run."""

import math
from collections.abc import Sequence
from functools import partial

import numpy as np
from scipy.special import stdtrit

from rbmflow import exact
from rbmflow.claims.declaration import claim
from rbmflow.claims.judgement import LEVEL, Judgement, Measured, Side, above, averaged
from rbmflow.claims.machines import Machine
from rbmflow.claims.rules import (
    ENDS,
    WINDOW,
    about_ends,
    about_neural,
    alike_but_for,
    at_infinite_size,
    at_least,
    each,
    end_at,
    from_every_start,
    ground_state_machines,
    neural_at_critical,
    of_window,
    paper_machines,
)
from rbmflow.convergence import CONFIDENCE, TOLERANCE
from rbmflow.lattice import square
from rbmflow.spin_models import ising

PAPER = "1801.07172"
RECALLED = f"{PAPER}, from memory, not checked against the text"

COLDEST = 1.25
"""T(E) up to which a flow has gone to T = 0: classes that configurations of L = 10 hardly tell apart."""

about_weights = partial(claim, source=RECALLED, needs=("weight_final_mean", "weight_final_error"))
"""Declares a claim on the weights."""


@about_ends(
    id="V-to-Tc", words="The flow of a machine trained on T = 0 to 6 goes to T_c, from both sides", source=PAPER
)
def v_to_tc(machines: Sequence[Machine]) -> list[Judgement]:
    """T* of type V, of sizes whose specific heat has its maximum within 0.125 of T_c (L = 6 and more). Supports:
    converged, and T* within 0.125 of T_c. Contradicts: T*, or all ends of a machine that is not open, outside that
    window by more than the error.
    """
    return each(at_infinite_size(paper_machines(machines)), end_at("critical_temperature", WINDOW))


@about_neural(
    id="V-to-Tc-neural", words="The flow of such a machine goes to T_c, as its own thermometer sees it", source=PAPER
)
def v_to_tc_neural(machines: Sequence[Machine]) -> list[Judgement]:
    """Class of the largest averaged probability at the last iteration, all starts. Supports: it is 2.25 or 2.5 from
    every start. Contradicts: it is another class from every start.
    """
    return each(paper_machines(machines), neural_at_critical)


@about_ends(
    id="H-to-hot", words="Trained on high temperatures only, the flow goes to high temperature", source=RECALLED
)
def h_to_hot(machines: Sequence[Machine]) -> list[Judgement]:
    """T(E) at the end, type H. Supports: from every start above 4, the lowest training temperature. Contradicts: from
    every start below 4.
    """

    def rule(machine: Machine) -> tuple[Side, str]:
        lowest = machine.temperatures[0]
        sides: set[Side] = {above(flow.end, lowest, lowest - flow.end.margin) for flow in machine.flows}
        return sides.pop() if len(sides) == 1 else "open", machine.told_ends

    return each(of_window(machines, 4), rule)


@about_ends(id="L-to-zero", words="Trained on T = 0 only, the flow goes to T = 0", source=RECALLED)
def l_to_zero(machines: Sequence[Machine]) -> list[Judgement]:
    """T(E) at the end, type L. Supports: from every start at most 1.25 (five lowest classes, which configurations of
    this size hardly tell apart). Contradicts: from every start above 1.25.
    """

    def rule(machine: Machine) -> tuple[Side, str]:
        return from_every_start([flow.end.value <= COLDEST for flow in machine.flows]), machine.told_ends

    return each(ground_state_machines(machines), rule)


@about_ends(id="start-forgotten", words="Within the flow the end no longer depends on the start", source=RECALLED)
def start_forgotten(machines: Sequence[Machine]) -> list[Judgement]:
    """Differences between starts at the end, and the exponential time of that of hot and cold. That the end does not
    depend on the start at all is a theorem: a Gibbs chain with finite weights is irreducible. Supports: all starts are
    together within 0.02, and none drifts by as much, at 95 %. Contradicts: starts are apart by more than 0.02 by more
    than the error, which says that the relaxation takes longer than the flow.
    """

    def rule(machine: Machine) -> tuple[Side, str]:
        apart, time = machine.measured("start_difference"), machine.measured("relaxation_time")
        beyond = apart.differs and apart.value - TOLERANCE > apart.margin
        side: Side = "contradicts" if beyond else "open" if machine.doubts - {"one_sided"} else "supports"
        return side, f"{machine.told_ends}; apart by {apart}, relaxation time {time}, flow of {machine.effort[1]}"

    return each([m for m in machines if m.is_ising and len(m.flows) > 1], rule)


@about_ends(id="N_h-moves-end", words="For N_h > N_v the flow is slower and its end moves", source=RECALLED)
def hidden_units_move_end(machines: Sequence[Machine]) -> list[Judgement]:
    """Relaxation time; T* of machines that have converged; N_h > N_v against N_h <= N_v, of every set of machines that
    differ in N_h alone. Supports: both means differ, the time upwards. Contradicts: T* does not, and moves by less than
    0.125 at 95 %, or the time falls. Open without a converged machine on either side: the end of a flow that is too
    short is no end.
    """
    alike = alike_but_for(paper_machines(machines), "machine.hidden", "temperatures", "seed")
    return [told for group in alike for told in _few_and_many(group)]


def _few_and_many(group: Sequence[Machine]) -> list[Judgement]:
    """What machines that differ in N_h alone say, if some have more hidden than visible units and some have not."""
    few = [m for m in group if m.hidden <= m.length**2]
    many = [m for m in group if m.hidden > m.length**2]
    if not few or not many:
        return []
    of = f"L = {group[0].length}, N_h > N_v ({len(many)} machines) against N_h <= N_v ({len(few)})"
    times = [[m.measured("relaxation_time") for m in side] for side in (many, few)]
    # Where a difference does not fall within the flow, its time is only known to be long.
    known = [time for side in times for time in side if math.isfinite(time.value)]
    if len(known) < len(group):
        return [Judgement(of, "open", f"{len(group) - len(known)} machines with a relaxation longer than the flow")]
    slower = averaged(times[0]).minus(averaged(times[1]))
    stars = [[m.end for m in side if m.end is not None] for side in (many, few)]
    if not all(stars):
        return [Judgement(of, "open", f"no machine has converged on one side; relaxation time by {slower}")]
    ends = averaged(stars[0]).minus(averaged(stars[1]))
    faster, later = slower.differs and slower.value < 0, slower.differs and slower.value > 0
    stays = ends.is_below(WINDOW) and not ends.differs
    side: Side = "supports" if ends.differs and later else "contradicts" if stays or faster else "open"
    return [Judgement(of, side, f"T* moves by {ends}, relaxation time by {slower}")]


@claim(
    id="against-RG",
    words="The direction is opposite to that of the renormalization group",
    source=PAPER,
    needs=(*ENDS, "drift_energy_mean", "drift_energy_error", "blocked_read", "blocked_read_error"),
    figure="renormalization",
)
def against_rg(machines: Sequence[Machine]) -> list[Judgement]:
    """Change of E in ten iterations from exact configurations at T_c and at T*, as a temperature; block-spin flows
    (majority rule, 40 to 20 to 10) from below and above T_c. The RG is fixed at T_c and leads away from it on both
    sides. Supports: the machine leaves exact configurations at T_c within 0.02 of it at 95 %, and the block spins
    leave T_c on both sides. Contradicts: the machine leads away from T_c by more than its error, as the RG does beside
    it, or the block spins return from one side.
    """

    def rule(machine: Machine) -> tuple[Side, str]:
        blocks = _changes_of_block_spins(machine)
        leaves = all(change.differs and change.value > 0 for change in blocks.values())
        returns = any(change.differs and change.value < 0 for change in blocks.values())
        told = ", ".join(f"{name} {change}" for name, change in blocks.items())
        drift = _drift_at(machine, machine.critical)
        still = abs(drift.value) + drift.error * stdtrit(drift.freedom, CONFIDENCE) < TOLERANCE
        side: Side = "contradicts" if drift.differs or returns else "supports" if still and leaves else "open"
        star = machine.mean_end.value
        at_star = f", at T(E) = {star:.3f} {_drift_at(machine, star)}" if math.isfinite(star) else ""
        return side, f"drift at T_c {drift}{at_star}; block spins: {told}"

    # Decimation of the square lattice has no fixed point, so it has no direction from T_c.
    return each([m for m in paper_machines(machines) if "majority" in m.results["rule"].values], rule)


def _drift_at(machine: Machine, temperature: float) -> Measured:
    """Change of T(E) in ten iterations from exact configurations, from those of the temperatures on either side."""
    model, here = ising(square(machine.length)), machine.results.isel(horizon=-1)
    at = here["drift_temperature"].values
    known = np.isfinite(at) & np.isfinite(here["drift_energy_mean"].values)
    if not known.sum() > 1:
        return Measured(math.nan, math.nan)
    change, error = (
        float(np.interp(temperature, at[known], here[f"drift_energy_{name}"].values[known]))
        for name in ("mean", "error")
    )
    slope = float(exact.specific_heat(model, temperature))
    return Measured(change / slope, error / slope, machine.seeds - 1)


def _changes_of_block_spins(machine: Machine) -> dict[str, Measured]:
    """Change of abs(T(E) - T_c) from the largest lattice to the machine's own, of the nearest start on either side."""
    away = machine.results["blocked_temperature"].values - machine.critical
    read = machine.results[["blocked_read", "blocked_read_error"]].sel(rule="majority", thermometer="energy")
    changes = {}
    for side, gap in (("below", -away), ("above", away)):
        if (gap > 0.01).any():
            here = read.isel(blocked_temperature=int(np.where(gap > 0.01, gap, np.inf).argmin()))
            distance, errors = np.abs(here["blocked_read"].values - machine.critical), here["blocked_read_error"].values
            changes[side] = Measured(float(distance[-1] - distance[0]), math.hypot(errors[0], errors[-1]))
    return changes


@claim(
    id="WWt-correlations",
    words="W Wᵀ of type V resembles the spin correlations of its data",
    source=RECALLED,
    needs=("product_profile_mean", "product_profile_error", "two_point_profile"),
    figure="weight_products",
)
def product_resembles_correlations(machines: Sequence[Machine]) -> list[Judgement]:
    """Decay: the translation average of W Wᵀ at all displacements, over that of nearest neighbours, against the same of
    the exact two-point function of the mixture. Supports: at all displacements within 0.2 of it, at 95 %. Contradicts:
    at some displacement further away by more than its error.
    """
    # Pearson's correlation over displacements is 0.84 for nearest neighbours alone and 0.92 to 1.00 for any decay.
    return each(paper_machines(machines), _decay)


SIMILAR = 0.2
"""Difference of two decays, in parts of the value at nearest neighbours, up to which they resemble each other."""


def _decay(machine: Machine) -> tuple[Side, str]:
    ordered = machine.results.sortby("distance")
    names = ("product_profile_mean", "product_profile_error", "two_point_profile")
    (near, *product), (near_error, *error), (first, *truth) = (ordered[name].values[1:] for name in names)
    ratio = np.array(product) / near
    # Errors of displacements are those of the same seeds: added up, not joined.
    errors = (np.array(error) + np.abs(ratio) * near_error) / abs(near)
    gaps = [
        Measured(float(gap), float(width), machine.seeds - 1)
        for gap, width in zip(ratio - np.array(truth) / first, errors, strict=True)
    ]
    worst = max(gaps, key=lambda gap: abs(gap.value))
    bound = max(abs(gap.value) + gap.error * float(stdtrit(max(gap.freedom, 1), CONFIDENCE)) for gap in gaps)
    # Any of them may be the one that is too far.
    margins = [gap.at_level(LEVEL.get() / len(gaps)) for gap in gaps]
    beyond = any(abs(gap.value) - SIMILAR > margin for gap, margin in zip(gaps, margins, strict=True))
    side: Side = "contradicts" if beyond else "supports" if bound < SIMILAR else "open"
    return side, f"largest deviation of the decay {worst}"


@about_weights(id="spectrum-V", words="The eigenvalues of V's W Wᵀ decay gradually", figure="spectra")
def spectrum_of_v(machines: Sequence[Machine]) -> list[Judgement]:
    """Share of the largest eigenvalue in the trace; eigenvalues above the Marchenko-Pastur edge of the initial weights.
    Supports: share below 1/2 and at least five above the edge. Contradicts: share above 1/2, or fewer than three above
    the edge.
    """

    def rule(machine: Machine) -> tuple[Side, str]:
        share, number = (
            machine.measured("weight_final_mean", final_measure=name) for name in ("first_share", "above_edge")
        )
        gradual = share.value < 0.5 and number.value >= 5
        single = share.value > 0.5 or number.value < 3
        side: Side = "supports" if gradual else "contradicts" if single else "open"
        return side, f"largest share {share}, {number} above the edge"

    return each(paper_machines(machines), rule)


@about_weights(id="spectrum-H", words="The eigenvalues of H's W Wᵀ are flat", figure="spectra")
def spectrum_of_h(machines: Sequence[Machine]) -> list[Judgement]:
    """Participation ratio of the eigenvalues, over that of a random W of the same shape. Supports: at least 0.8.
    Contradicts: below 0.5.
    """
    return each(of_window(machines, 4), at_least("effective_ratio", 0.8, 0.5, "participation over random"))


@about_weights(id="spectrum-L", words="L has one large eigenvalue", figure="spectra")
def spectrum_of_l(machines: Sequence[Machine]) -> list[Judgement]:
    """Share of the largest eigenvalue. Supports: above 1/2. Contradicts: below 1/4."""
    return each(ground_state_machines(machines), at_least("first_share", 0.5, 0.25, "largest share"))


@about_weights(id="leading-magnetization", words="The leading mode of V is the magnetization", figure="leading_vectors")
def leading_is_magnetization(machines: Sequence[Machine]) -> list[Judgement]:
    """Overlap of the leading visible singular vector with the uniform one. Supports: at least 0.95. Contradicts: below
    0.8.
    """
    return each(paper_machines(machines), at_least("leading_uniformity", 0.95, 0.8, "overlap"))
