"""Rules on what machines have learnt: their weights, their likelihood, the controls, and the direction of the flow."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from rbmflow._checks import same_temperature
from rbmflow.claims.ends import alike_but_for, neural_at_tc, paper_machines
from rbmflow.claims.judgement import SIGNIFICANCE, Judgement, Measured, Side, above
from rbmflow.claims.machines import BlockSpins, Machine

PERFECT = 0.05
"""Excess nats up to which a machine counts as perfect."""

ESTIMATION = ("training.estimator", "training.steps", "training.rungs", "training.swap_acceptance")
"""Settings of the estimator of the gradient."""

MIXTURE_WINDOW = 0.05
"""Energy per site within which the end of a flow is that of the mixture, in J."""


def against_rg(machines: Sequence[Machine], blocks: Sequence[BlockSpins]) -> list[Judgement]:
    """Block spins leave T_c on both sides, and the machine approaches it from both sides."""
    # Decimation of the square lattice has no fixed point, so it has no direction from T_c.
    majority = {block.length: block for block in blocks if block.rule == "majority"}
    found = []
    for machine in paper_machines(machines):
        block = majority.get(machine.length)
        if block is None:
            continue
        leaves = all(change.differs and change.value > 0 for change in block.changes.values())
        returns = any(change.differs and change.value < 0 for change in block.changes.values())
        told = ", ".join(f"{name} {change}" for name, change in block.changes.items())
        nearer, further = _approach(machine)
        side: Side = "contradicts" if further or returns else "supports" if nearer and leaves else "open"
        found.append(Judgement(machine.name, side, f"{machine.told_ends}; block spins: {told}"))
    return found


def _approach(machine: Machine) -> tuple[bool, bool]:
    """Whether flows from both sides of T_c end nearer to it than they began; whether any ends further away."""
    changes, below = [], set()
    for flow in machine.flows:
        begin = flow.begin - machine.critical
        if begin != 0:
            distance = abs(flow.end.value - machine.critical)
            # From infinite temperature every finite end is nearer.
            changes.append(Measured(distance - min(abs(begin), 1e6), flow.end.error))
            below.add(begin < 0)
    nearer = len(below) == 2 and all(change.differs and change.value < 0 for change in changes)
    return nearer, any(change.differs and change.value > 0 for change in changes)


def _each(
    machines: Sequence[Machine],
    chosen: Callable[[Machine], bool],
    rule: Callable[[Machine], tuple[Side, str]],
) -> list[Judgement]:
    return [Judgement(machine.name, *rule(machine)) for machine in machines if chosen(machine)]


def product_resembles_correlations(machines: Sequence[Machine]) -> list[Judgement]:
    """W W^T against the exact two-point function of the training mixture."""

    def rule(machine: Machine) -> tuple[Side, str]:
        return above(machine.resemblance, 0.9, 0.5), f"correlation {machine.resemblance}"

    return _each(paper_machines(machines), lambda machine: True, rule)


def spectrum_of_v(machines: Sequence[Machine]) -> list[Judgement]:
    """No single eigenvalue dominates and several are above the random-matrix edge."""

    def rule(machine: Machine) -> tuple[Side, str]:
        share, number = machine.largest_share, machine.above_edge
        gradual = share.value < 0.5 and number.value >= 5
        single = share.value > 0.5 or number.value < 3
        side: Side = "supports" if gradual else "contradicts" if single else "open"
        return side, f"largest share {share}, {number} above the edge"

    return _each(paper_machines(machines), lambda machine: True, rule)


def spectrum_of_h(machines: Sequence[Machine]) -> list[Judgement]:
    """The participation ratio of the eigenvalues is close to that of a random matrix."""

    def chosen(machine: Machine) -> bool:
        return machine.is_ising and same_temperature(machine.lowest, 4) and not machine.has_gap

    def rule(machine: Machine) -> tuple[Side, str]:
        return above(machine.flatness, 0.8, 0.5), f"participation over random {machine.flatness}"

    return _each(machines, chosen, rule)


def spectrum_of_l(machines: Sequence[Machine]) -> list[Judgement]:
    """One eigenvalue has most of the trace."""

    def rule(machine: Machine) -> tuple[Side, str]:
        return above(machine.largest_share, 0.5, 0.25), f"largest share {machine.largest_share}"

    return _each(machines, lambda machine: machine.is_ising and same_temperature(machine.highest, 0), rule)


def leading_is_magnetization(machines: Sequence[Machine]) -> list[Judgement]:
    """The leading visible vector is uniform."""

    def rule(machine: Machine) -> tuple[Side, str]:
        return above(machine.leading_overlap, 0.95, 0.8), f"overlap {machine.leading_overlap}"

    return _each(paper_machines(machines), lambda machine: True, rule)


def topology_free(machines: Sequence[Machine]) -> list[Judgement]:
    """Controls without the lattice in their data reach T_c by the neural thermometer."""
    return [neural_at_tc(machine) for machine in machines if machine.is_topology_free]


def neural_cannot_tell(machines: Sequence[Machine]) -> list[Judgement]:
    """Where the neural thermometer sees T_c, a two-sample test tells the flow from Ising configurations."""
    found = []
    for machine in machines:
        if neural_at_tc(machine).side != "supports" or not machine.two_sample:
            continue
        worst, best = max(machine.two_sample), min(machine.two_sample)
        side: Side = "supports" if worst < SIGNIFICANCE else "contradicts" if best > 0.05 else "open"
        found.append(Judgement(machine.name, side, f"p from {best:.1e} to {worst:.1e}"))
    return found


def small_k_is_off_equilibrium(machines: Sequence[Machine]) -> list[Judgement]:
    """CD-1 ends further from its training mixture than the longest chains do."""
    found = []
    for group in alike_but_for(paper_machines(machines), *ESTIMATION):
        of_k = {machine.gibbs_steps: machine for machine in group if machine.estimator == "CD"}
        if 1 not in of_k or len(of_k) < 2:
            continue
        near, far = of_k[1].energy_from_mixture, of_k[max(of_k)].energy_from_mixture
        gap = Measured(abs(near.value), near.error).minus(Measured(abs(far.value), far.error))
        refuted = not near.differs
        side: Side = "contradicts" if refuted else "supports" if gap.differs and gap.value > 0 else "open"
        told = f"E from the mixture: CD-1 {near}, CD-{max(of_k)} {far}"
        persistent = [m for m in group if m.estimator in ("PCD", "PTT")]
        told += "".join(f", {m.estimator}-{m.gibbs_steps} {m.energy_from_mixture}" for m in persistent)
        found.append(Judgement(f"N_h = {group[0].hidden}, L = {group[0].length}", side, told))
    return found


def perfect_ends_in_mixture(machines: Sequence[Machine]) -> list[Judgement]:
    """Machines with few excess nats end at the energy of their mixture."""
    known = [m for m in machines if m.is_ising and not m.is_control and math.isfinite(m.excess.value)]
    found = []
    for machine in known:
        if machine.excess.value > PERFECT:
            continue
        away = machine.energy_from_mixture
        inside = abs(away.value) <= MIXTURE_WINDOW
        out = abs(away.value) > MIXTURE_WINDOW + away.margin
        side: Side = "supports" if inside else "contradicts" if out else "open"
        found.append(Judgement(machine.name, side, f"excess {machine.excess}, E from the mixture {away}"))
    of_type_v = [m for m in paper_machines(known) if math.isfinite(m.energy_from_mixture.value)]
    if len(of_type_v) > 3:
        found.append(_rank(of_type_v))
    return found


def _rank(machines: Sequence[Machine]) -> Judgement:
    """Rank correlation of excess nats with the distance of the end from the mixture."""
    from scipy import stats

    excess = np.array([machine.excess.value for machine in machines])
    distance = np.array([abs(machine.energy_from_mixture.value) for machine in machines])
    rank, probability = stats.spearmanr(excess, distance)
    significant = probability < SIGNIFICANCE
    side: Side = "supports" if significant and rank > 0 else "contradicts" if significant else "open"
    of = f"rank correlation over {len(machines)} machines"
    return Judgement(of, side, f"excess nats with distance from the mixture {rank:.2f}, p = {probability:.1e}")
