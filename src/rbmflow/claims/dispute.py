"""What later works say of the flow; the rules were written before the studies were run."""

import itertools
import math
from collections.abc import Sequence

import numpy as np

from rbmflow.claims.declaration import claim
from rbmflow.claims.judgement import LEVEL, SIGNIFICANCE, Judgement, Measured, Side, equality, pooled, within
from rbmflow.claims.machines import Machine
from rbmflow.claims.rules import (
    ENDS,
    MIXTURE,
    MIXTURE_WINDOW,
    NARROW,
    WINDOW,
    about_ends,
    about_neural,
    alike_but_for,
    alike_in,
    at_infinite_size,
    each,
    end_at,
    neural_at_critical,
    paper_machines,
)
from rbmflow.convergence import SIGMAS
from rbmflow.settings import CRITICAL

UNSUSPICIOUS = 0.05
"""Probability from which on a test speaks for what it could have rejected."""

ESTIMATION = ("training.estimator", "training.steps", "training.rungs", "training.swap_acceptance")
"""Settings of the estimator of the gradient."""


@about_ends(id="some-cases", words="T_c is reached in some cases only; parameters decide", source="2111.11166")
def some_cases(machines: Sequence[Machine]) -> list[Judgement]:
    """Verdict on `V-to-Tc` over all machines of the run whose data include T_c. Supports: some machines support, some
    contradict. Contradicts: all machines that decide agree.
    """
    of_ising = at_infinite_size(m for m in machines if m.is_ising)
    around = [m for m in of_ising if not m.has_gap and m.temperatures[0] < m.critical < m.temperatures[-1]]
    sides = [row.side for row in each(around, end_at("critical_temperature", WINDOW))]
    at, away = sides.count("supports"), sides.count("contradicts")
    side: Side = "supports" if at and away else "contradicts" if at + away > 1 else "open"
    told = f"{at} at T_c, {away} elsewhere, {len(sides) - at - away} open"
    return [Judgement("all machines", side, told)] if sides else []


@about_ends(
    id="to-specific-heat",
    words="The end is the maximum of the specific heat, not T_c",
    source="1810.08179",
    excludes=("V-to-Tc",),
)
def to_specific_heat(machines: Sequence[Machine]) -> list[Judgement]:
    """T* of type V. Supports: within 0.02 and three errors of T_C(L), and outside 0.02 of T_c by more than its error.
    Contradicts: outside 0.02 of T_C(L) by more than its error.
    """
    peak = "specific_heat_peak_temperature"
    at_peak = end_at(peak, NARROW, SIGMAS)
    at_critical = end_at("critical_temperature", NARROW, SIGMAS)

    def rule(machine: Machine) -> tuple[Side, str]:
        side, told = at_peak(machine)
        both = side == "supports" and at_critical(machine)[0] != "contradicts"
        return "open" if both else side, f"{told}; the maximum is at {machine.number(peak):.3f}"

    return each(paper_machines(machines), rule)


@about_ends(
    id="any-network",
    words="RBMs, autoencoders and variational autoencoders that learn the same configurations end at one temperature",
    source="2102.05219",
)
def any_network(machines: Sequence[Machine]) -> list[Judgement]:
    """T* of every two kinds of machine that learnt the same configurations, of each kind the mean of its recipes with
    their spread. Supports: within 0.125 of each other. Contradicts: further apart than that by more than the error.
    """
    found = []
    for group in alike_in("model", "lattice", "temperatures", "data", "sampling.draws", machines=machines):
        by_kind: dict[str, list[Measured]] = {}
        for machine in group:
            if machine.end is not None:
                by_kind.setdefault(machine.network, []).append(machine.end)
        means = {kind: pooled(ends) for kind, ends in by_kind.items()}
        for (one, of_one), (other, of_other) in itertools.combinations(means.items(), 2):
            told = f"T* = {of_one} and {of_other}"
            found.append(Judgement(f"{one} and {other}", within(of_one.minus(of_other), 0.0, WINDOW), told))
        kinds = {machine.network for machine in group}
        if len(kinds) > 1:
            found += [Judgement(kind, "open", "no machine has converged") for kind in sorted(kinds - set(means))]
    return found


@about_ends(
    id="autoencoder-recipe",
    words="Where the flow of an autoencoder ends depends strongly on its hyperparameters",
    source="2203.06652",
)
def autoencoder_recipe(machines: Sequence[Machine]) -> list[Judgement]:
    """T(E) at the end from each start, of all pairs of autoencoders of a kind that learnt the same configurations.
    Supports: a pair is apart by more than 0.125 and its error at a level shared by all pairs. Contradicts: no pair is
    apart by more than 0.125. Infinite ends, and single seeds, are left aside.
    """
    found = []
    coders = [machine for machine in machines if machine.network != "rbm" and machine.seeds > 1]
    for group in alike_in("model", "lattice", "temperatures", "data", "machine.kind", machines=coders):
        for start in dict.fromkeys(flow.start for machine in group for flow in machine.flows):
            ends = [flow.end for machine in group for flow in machine.flows if flow.start == start]
            finite = [end for end in ends if math.isfinite(end.value)]
            apart = [abs(one.minus(other)) for one, other in itertools.combinations(finite, 2)]
            if not apart:
                continue
            level = LEVEL.get() / len(apart)
            beyond = any(one.value - WINDOW > one.at_level(level) for one in apart)
            together = all(one.value <= WINDOW for one in apart)
            side: Side = "supports" if beyond else "contradicts" if together else "open"
            of = f"{len(finite)} of kind {group[0].network} from {start}"
            low, high = min(finite, key=lambda end: end.value), max(finite, key=lambda end: end.value)
            found.append(Judgement(of, side, f"ends from {low} to {high}, {len(ends) - len(finite)} infinite"))
    return found


@about_neural(
    id="topology-free",
    words="Machines trained on data without the lattice (T = 0 and T = infinity states only; mean-field "
    "configurations) reach T_c as well, by a neural thermometer",
    source="2006.10176",
)
def topology_free(machines: Sequence[Machine]) -> list[Judgement]:
    """The neural class, as `V-to-Tc-neural`, of the controls on the square. Supports: it is 2.25 or 2.5 from every
    start. Contradicts: it is another class from every start.
    """
    return each([m for m in machines if m.is_topology_free and m.is_of_square_ising], neural_at_critical)


@claim(
    id="neural-cannot-tell",
    words="A neural thermometer at T_c does not certify Ising configurations at T_c",
    source="2006.10176",
    needs=("probability_mean", "off_p_of_seed"),
    figure=("off_manifold", "study_ends"),
)
def neural_cannot_tell(machines: Sequence[Machine]) -> list[Judgement]:
    """Machines on the square, controls included, whose neural class is 2.25 or 2.5 from every start: two-sample test of
    their configurations against true ones at the nearest temperature. Supports: the test rejects them (p < 0.0027,
    every seed). Contradicts: it does not reject them (p > 0.05, every seed).
    """

    def rule(machine: Machine) -> tuple[Side, str]:
        seen = machine.results["off_p_of_seed"].values
        worst, best = np.nanmax(seen), np.nanmin(seen)
        # Seeds are independent: that all of them are below the worst has that many factors of it.
        every = worst ** np.isfinite(seen).sum()
        rejected = worst < SIGNIFICANCE and every < LEVEL.get()
        side: Side = "supports" if rejected else "contradicts" if best > UNSUSPICIOUS else "open"
        least, most = f"{best:.1e}", f"{worst:.1e}"
        return side, f"p = {least}" if least == most else f"p from {least} to {most}"

    of_square = [machine for machine in machines if machine.is_of_square_ising]
    tested = [machine for machine in of_square if machine.results["off_p_of_seed"].notnull().any()]
    return each([m for m in tested if neural_at_critical(m)[0] == "supports"], rule)


@claim(
    id="recipe-moves-end",
    words="The end depends on the hyperparameters of the training",
    source="2203.06652 (of autoencoders)",
    needs=ENDS,
    figure=("training_time", "study_training_time"),
)
def recipe_moves_end(machines: Sequence[Machine]) -> list[Judgement]:
    """T(E) at the end of type V against CD-k, PCD, PTT at one N_h; and along the training over its last factor of four.
    Supports: an F test over recipes, or over checkpoints, rejects equal ends. Contradicts: p > 0.05, and the ends span
    less than 0.02.
    """
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
    values = [end.value for end in ends]
    measured = f"ends from {min(values):.3f} to {max(values):.3f}"
    probability = equality(ends)
    if math.isnan(probability):
        return Judgement(of, "open", f"{measured}, not all with an error")
    equal = probability > UNSUSPICIOUS and max(values) - min(values) < NARROW
    side: Side = "supports" if probability < LEVEL.get() else "contradicts" if equal else "open"
    return Judgement(of, side, f"{measured}, p = {probability:.1e}")


@claim(
    id="small-k-off-equilibrium",
    words="Training with few Gibbs steps leaves machines whose equilibrium is not the data",
    source="2105.13889",
    needs=MIXTURE,
    figure=("energy_flow", "study_excess"),
)
def small_k_is_off_equilibrium(machines: Sequence[Machine]) -> list[Judgement]:
    """Distance in E per site of the stationary law, or of the flow's end where it is not known, from the training
    mixture, CD-1, CD-10, CD-100, PCD. Supports: that of CD-1 differs from 0, and is larger than that of the longest k
    by more than the error. Contradicts: that of CD-1 does not, and is below 0.05 at 95 %.
    """
    found = []
    for group in alike_but_for(paper_machines(machines), *ESTIMATION):
        estimators = [(m.recipe["training.estimator"], m.recipe["training.steps"], m) for m in group]
        of_k = {steps: machine for estimator, steps, machine in estimators if estimator == "CD"}
        if 1 not in of_k or len(of_k) < 2:
            continue
        near, far = abs(of_k[1].energy_from_mixture), abs(of_k[max(of_k)].energy_from_mixture)
        gap = near.minus(far)
        supported = near.differs and gap.differs and gap.value > 0
        at_mixture = near.is_below(MIXTURE_WINDOW) and not near.differs
        side: Side = "supports" if supported else "contradicts" if at_mixture else "open"
        told = ", ".join(f"CD-{k} {of_k[k].energy_from_mixture}" for k in (1, max(of_k)))
        persistent = [row for row in estimators if row[0] in ("PCD", "PTT")]
        told += "".join(f", {one}-{steps} {machine.energy_from_mixture}" for one, steps, machine in persistent)
        told = f"E from the mixture: {told}"
        found.append(Judgement(f"N_h = {group[0].hidden}, L = {group[0].length}", side, told))
    return found


BALANCED, UNBALANCED = 0.2, 0.5
"""Parts of the change over 100 Gibbs steps, below which k steps are balanced and above which they are not."""


@claim(
    id="k-step-balance",
    words="CD-k stops where k Gibbs steps leave the correlators of visible and hidden units over the training mixture "
    "as they are, which more steps do not",
    source="theory",
    needs=("balance_mean", "balance_error", "balance_energy_mean"),
    figure="drift_fields",
)
def k_step_balance(machines: Sequence[Machine]) -> list[Judgement]:
    """Norm of the change of <v h> over k steps of machines trained by CD-k without weight decay or L1 penalty,
    k = 1, 3, 10, against that over 100; beside them the changes of E. Supports: less than a fifth of it by more than
    the error. Contradicts: more than half of it by more than the error.
    """

    def rule(machine: Machine) -> tuple[Side, str]:
        steps = machine.recipe["training.steps"]
        near, far = (machine.measured("balance_mean", gibbs_steps=k) for k in (steps, 100))
        energies = [machine.measured("balance_energy_mean", gibbs_steps=k) for k in (steps, 100)]
        told = f"{near} over {steps} steps, {far} over 100; E changes by {energies[0]} and {energies[1]}"

        def apart(part: float) -> Measured:
            return near.minus(Measured(part * far.value, part * far.error, far.freedom))

        below, above = apart(BALANCED), apart(UNBALANCED)
        balanced, not_so = below.differs and below.value < 0, above.differs and above.value > 0
        return "supports" if balanced else "contradicts" if not_so else "open", told

    of_cd = [
        m for m in machines if m.recipe.get("training.estimator") == "CD" and m.recipe["training.steps"] in (1, 3, 10)
    ]
    free = [m for m in of_cd if not (m.recipe["training.weight_decay"] or m.recipe["training.l1_penalty"])]
    chosen = [m for m in free if m.is_ising]
    return each([m for m in chosen if math.isfinite(m.number("balance_mean", gibbs_steps=1))], rule)


def _at_critical(machine: Machine) -> tuple[Side, str]:
    """Whether T* is at T_c, in the window of the paper's thermometer as a part of T_c."""
    return end_at("critical_temperature", WINDOW / CRITICAL * machine.critical)(machine)


def _around_critical(machine: Machine) -> bool:
    """Whether T_c is known and within the training temperatures of a machine of a model without a field."""
    trained = machine.data == "ising" and not machine.recipe.get("model.field")
    return trained and machine.temperatures[0] < machine.critical < machine.temperatures[-1]


@about_ends(id="other-models", words="Potts and clock flows end at their critical points", source="2102.05219")
def other_models(machines: Sequence[Machine]) -> list[Judgement]:
    """T* of machines trained on Potts or clock configurations around a known T_c. Supports: converged, and T* within
    5.5 % of T_c. Contradicts: T*, or all ends of a machine that is not open, outside that by more than its error.
    """
    others = [m for m in machines if m.recipe.get("model.kind") in ("potts", "clock")]
    return each(filter(_around_critical, others), _at_critical)


@about_ends(
    id="other-lattices",
    words="Ising flows end at T_c of their lattice, be it triangular, honeycomb or cubic, whatever the grid",
    source="this study",
)
def other_lattices(machines: Sequence[Machine]) -> list[Judgement]:
    """T* of machines trained on Ising configurations of lattices other than the square, around T_c. Supports:
    converged, and T* within 5.5 % of T_c. Contradicts: T*, or all ends of a machine that is not open, outside that by
    more than its error.
    """
    others = [m for m in machines if m.recipe.get("model.kind", "ising") == "ising"]
    elsewhere = [m for m in others if m.recipe.get("lattice.kind", "square") != "square"]
    return each(filter(_around_critical, elsewhere), _at_critical)


@about_ends(id="field", words="In an external field the flow follows the specific heat", source="1810.08179")
def in_field(machines: Sequence[Machine]) -> list[Judgement]:
    """T* of machines trained in a field. Supports: within 0.02 and three errors of the maximum of the specific heat of
    their field and size. Contradicts: outside 0.02 of it by more than its error.
    """
    at_peak = end_at("specific_heat_peak_temperature", NARROW, SIGMAS)
    return each([m for m in machines if m.recipe.get("model.field") and m.data == "ising"], at_peak)
