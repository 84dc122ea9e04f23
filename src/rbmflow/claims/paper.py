"""The claims of arXiv:1801.07172; the rules were written before the studies were run."""

import math
from collections.abc import Sequence
from functools import partial

import numpy as np

from rbmflow.claims.declaration import claim
from rbmflow.claims.judgement import Judgement, Measured, Side, above, joined
from rbmflow.claims.machines import Machine
from rbmflow.claims.rules import (
    ENDS,
    WINDOW,
    about_ends,
    about_neural,
    alike_but_for,
    at_least,
    each,
    end_at,
    from_every_start,
    ground_state_machines,
    neural_at_critical,
    of_window,
    paper_machines,
)

PAPER = "1801.07172"
RECALLED = f"{PAPER}, recollection"

COLDEST = 1.25
"""T(E) up to which a flow has gone to T = 0: classes that configurations of L = 10 hardly tell apart."""

about_weights = partial(claim, source=RECALLED, needs=("weight_final_mean", "weight_final_error"))
"""Declares a claim on the weights."""


@about_ends(
    id="V-to-Tc", words="The flow of a machine trained on T = 0 to 6 goes to T_c, from both sides", source=PAPER
)
def v_to_tc(machines: Sequence[Machine]) -> list[Judgement]:
    """T* of type V. Supports: converged, and T* within 0.125 of T_c. Contradicts: T*, or all ends of a machine that is
    not open, outside that window by more than the error.
    """
    return each(paper_machines(machines), end_at("critical_temperature", WINDOW))


@about_neural(id="V-to-Tc-neural", words="The same, as its own thermometer sees it", source=PAPER)
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


@claim(
    id="start-forgotten",
    words="The end does not depend on the start",
    source=RECALLED,
    needs=ENDS,
    figure=("temperature_flow", "study_ends"),
)
def start_forgotten(machines: Sequence[Machine]) -> list[Judgement]:
    """Ends of one machine. Supports: all starts end together and none drifts. Contradicts: starts end apart and none
    drifts.
    """

    def rule(machine: Machine) -> tuple[Side, str]:
        moving = bool(machine.doubts & {"drift", "range"})
        side: Side = "open" if moving else "contradicts" if "apart" in machine.doubts else "supports"
        return side, machine.told_ends

    return each([m for m in machines if m.is_ising and len(m.flows) > 1], rule)


@about_ends(id="N_h-moves-end", words="For N_h > N_v the flow is slower and its end moves", source=RECALLED)
def hidden_units_move_end(machines: Sequence[Machine]) -> list[Judgement]:
    """Iterations that the hot start needs; T(E) at the end, cold and hot averaged; N_h > N_v against N_h <= N_v.
    Supports: both means differ, the iterations upwards. Contradicts: both are within three errors, or the
    iterations fall.
    """
    alike = alike_but_for(paper_machines(machines), "machine.hidden", "temperatures", "seed")
    chosen = max(alike, key=len, default=[])
    few = [m for m in chosen if m.hidden <= m.length**2]
    many = [m for m in chosen if m.hidden > m.length**2]
    if not few or not many:
        return []
    ends = _pooled([m.mean_end for m in many]).minus(_pooled([m.mean_end for m in few]))
    slower = _pooled(list(map(_hot_iterations, many))).minus(_pooled(list(map(_hot_iterations, few))))
    # Iterations of one machine have no known error: two of them neither differ nor agree.
    differ, later = slower.differs, slower.value > 0
    neither = ends.vanishes and (slower.vanishes or (differ and not later))
    side: Side = "supports" if ends.differs and differ and later else "contradicts" if neither else "open"
    measured = f"end moves by {ends}, iterations by {slower}"
    return [Judgement(f"N_h > N_v ({len(many)} machines) against N_h <= N_v ({len(few)})", side, measured)]


def _hot_iterations(machine: Machine) -> Measured:
    """Of the hottest start; whole numbers told from seeds together, so their error is not known."""
    hottest = max(machine.flows, key=lambda flow: flow.begin)
    return Measured(machine.number("iterations_needed", start=hottest.start), math.nan)


def _pooled(numbers: Sequence[Measured]) -> Measured:
    """Mean over machines, with the larger of the propagated error and the spread of the machines, as far as known."""
    count, values = len(numbers), [number.value for number in numbers]
    error, freedom = joined(*((number.error / count, number.freedom) for number in numbers))
    spread = float(np.std(values, ddof=1)) / math.sqrt(count) if count > 1 else math.nan
    if spread > error or math.isnan(error):
        error, freedom = spread, count - 1
    return Measured(float(np.mean(values)), error, freedom)


@claim(
    id="against-RG",
    words="The direction is opposite to that of the renormalization group",
    source=PAPER,
    needs=(*ENDS, "temperature_mean", "blocked_read", "blocked_read_error"),
    figure="renormalization",
)
def against_rg(machines: Sequence[Machine]) -> list[Judgement]:
    """abs(T(E) - T_c) along the flow of V machines, and along block-spin flows (majority rule, 40 to 20 to 10), from
    starts below and above T_c. Supports: block spins: it grows from both sides; the machine: it is smaller at the end
    than at the start from both sides. Contradicts: the machine's grows from one side, or the block spins' falls from
    one side.
    """

    def rule(machine: Machine) -> tuple[Side, str]:
        changes = _changes_of_block_spins(machine)
        leaves = all(change.differs and change.value > 0 for change in changes.values())
        returns = any(change.differs and change.value < 0 for change in changes.values())
        told = ", ".join(f"{name} {change}" for name, change in changes.items())
        nearer, further = _approach(machine)
        side: Side = "contradicts" if further or returns else "supports" if nearer and leaves else "open"
        return side, f"{machine.told_ends}; block spins: {told}"

    # Decimation of the square lattice has no fixed point, so it has no direction from T_c.
    return each([m for m in paper_machines(machines) if "majority" in m.results["rule"].values], rule)


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


def _approach(machine: Machine) -> tuple[bool, bool]:
    """Whether flows from both sides of T_c end nearer to it than they began; whether any ends further away."""
    changes, below = [], set()
    for flow in machine.flows:
        begin = flow.begin - machine.critical
        if begin != 0:
            distance = abs(flow.end.value - machine.critical)
            # From infinite temperature every finite end is nearer.
            changes.append(Measured(distance - min(abs(begin), 1e6), flow.end.error, flow.end.freedom))
            below.add(begin < 0)
    nearer = len(below) == 2 and all(change.differs and change.value < 0 for change in changes)
    return nearer, any(change.differs and change.value > 0 for change in changes)


@about_weights(
    id="WWt-correlations", words="W Wᵀ of type V resembles the spin correlations of its data", figure="weight_products"
)
def product_resembles_correlations(machines: Sequence[Machine]) -> list[Judgement]:
    """Pearson correlation, over lattice displacements other than 0, of the translation average of W Wᵀ with the exact
    two-point function of the training mixture. Supports: at least 0.9. Contradicts: below 0.5.
    """
    return each(paper_machines(machines), at_least("resemblance", 0.9, 0.5, "correlation"))


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


@about_weights(id="spectrum-H", words="Those of H are flat", figure="spectra")
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
