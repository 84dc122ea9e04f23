"""What later works say of the flow; the rules were written before the studies were run."""

from collections.abc import Sequence

import numpy as np

from rbmflow.claims.declaration import claim
from rbmflow.claims.judgement import SIGNIFICANCE, Judgement, Measured, Side
from rbmflow.claims.machines import Machine
from rbmflow.claims.rules import (
    ENDS,
    MIXTURE,
    NARROW,
    WINDOW,
    about_ends,
    alike_but_for,
    each,
    end_at,
    neural_at_critical,
    paper_machines,
)

ESTIMATION = ("training.estimator", "training.steps", "training.rungs", "training.swap_acceptance")
"""Settings of the estimator of the gradient."""


@about_ends(
    id="some-cases",
    words="T_c is reached in some cases only; parameters decide",
    source="2111.11166",
    rule="some machines reach T_c, others do not",
)
def some_cases(machines: Sequence[Machine]) -> list[Judgement]:
    """Verdict on `V-to-Tc` over all machines of the run whose data include T_c. Supports: some machines support, some
    contradict. Contradicts: all machines that decide agree.
    """
    rule = end_at(lambda machine: machine.critical, WINDOW)
    sides = [rule(machine)[0] for machine in machines if machine.is_ising and machine.holds_critical]
    at, away = sides.count("supports"), sides.count("contradicts")
    side: Side = "supports" if at and away else "contradicts" if at + away > 1 else "open"
    told = f"{at} at T_c, {away} elsewhere, {len(sides) - at - away} open"
    return [Judgement("all machines", side, told)] if sides else []


@about_ends(
    id="to-specific-heat",
    words="The end is the maximum of the specific heat, not T_c",
    source="1810.08179",
    rule="T* within 0.02 and its error of that maximum, and not of T_c",
)
def to_specific_heat(machines: Sequence[Machine]) -> list[Judgement]:
    """T* of type V. Supports: T* within 0.02 and its error of T_C(L), and outside that of T_c. Contradicts: T* outside
    that of T_C(L).
    """
    at_peak = end_at(lambda machine: machine.specific_heat_peak, NARROW, narrow=True)
    at_critical = end_at(lambda machine: machine.critical, NARROW, narrow=True)

    def rule(machine: Machine) -> tuple[Side, str]:
        side, told = at_peak(machine)
        both = side == at_critical(machine)[0] == "supports"
        return "open" if both else side, f"{told}; the maximum is at {machine.specific_heat_peak:.3f}"

    return each(paper_machines(machines), rule)


@claim(
    id="topology-free",
    words="Machines trained on data without the lattice (T = 0 and T = infinity states only; mean-field "
    "configurations) reach T_c as well, by a neural thermometer",
    source="2006.10176",
    rule="neural class 2.25 or 2.5 from every start",
    needs=("probability_mean",),
    figure="class_probabilities",
)
def topology_free(machines: Sequence[Machine]) -> list[Judgement]:
    """The neural class, as `V-to-Tc-neural`, of the controls. Supports: it is 2.25 or 2.5 from every start.
    Contradicts: it is another class from every start.
    """
    return each([machine for machine in machines if machine.is_topology_free], neural_at_critical)


@claim(
    id="neural-cannot-tell",
    words="A neural thermometer at T_c does not certify Ising configurations at T_c",
    source="2006.10176",
    rule="where it sees T_c, a two-sample test rejects (p < 0.0027, every seed)",
    needs=("probability_mean", "off_p_of_seed"),
    figure=("off_manifold", "study_ends"),
)
def neural_cannot_tell(machines: Sequence[Machine]) -> list[Judgement]:
    """Machines, controls included, whose neural class is 2.25 or 2.5 from every start: two-sample test of their
    configurations against true ones at the nearest temperature. Supports: the test rejects them (p < 0.0027, every
    seed). Contradicts: it does not reject them (p > 0.05, every seed).
    """

    def rule(machine: Machine) -> tuple[Side, str]:
        worst, best = max(machine.two_sample), min(machine.two_sample)
        side: Side = "supports" if worst < SIGNIFICANCE else "contradicts" if best > 0.05 else "open"
        return side, f"p from {best:.1e} to {worst:.1e}"

    return each([m for m in machines if m.two_sample and neural_at_critical(m)[0] == "supports"], rule)


@claim(
    id="recipe-moves-end",
    words="The end depends on the hyperparameters of the training",
    source="2203.06652 (of autoencoders)",
    rule="equal ends over recipes, or over training time, are rejected",
    needs=ENDS,
    figure=("training_time", "study_training_time"),
)
def recipe_moves_end(machines: Sequence[Machine]) -> list[Judgement]:
    """T(E) at the end of type V against CD-k, PCD, PTT at one N_h; and along the ladder of training time over its last
    factor of four. Supports: a chi-squared test over recipes, or over rungs, rejects equal ends. Contradicts: neither
    does, and the ends span less than 0.02.
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


@claim(
    id="small-k-off-equilibrium",
    words="Training with few Gibbs steps leaves machines whose equilibrium is not the data",
    source="2105.13889",
    rule="E of CD-1 leaves the mixture, and more than that of the longest k",
    needs=MIXTURE,
    figure=("energy_flow", "study_excess"),
)
def small_k_is_off_equilibrium(machines: Sequence[Machine]) -> list[Judgement]:
    """Distance in E per site of the end from the training mixture, CD-1, CD-10, CD-100, PCD. Supports: that of CD-1
    differs from 0, and is larger than that of the longest k by more than the error. Contradicts: that of CD-1 does not
    differ from 0.
    """
    found = []
    for group in alike_but_for(paper_machines(machines), *ESTIMATION):
        estimators = [(m.recipe["training.estimator"], m.recipe["training.steps"], m) for m in group]
        of_k = {steps: machine for estimator, steps, machine in estimators if estimator == "CD"}
        if 1 not in of_k or len(of_k) < 2:
            continue
        near, far = of_k[1].energy_from_mixture, of_k[max(of_k)].energy_from_mixture
        gap = Measured(abs(near.value), near.error).minus(Measured(abs(far.value), far.error))
        side: Side = "contradicts" if not near.differs else "supports" if gap.differs and gap.value > 0 else "open"
        told = f"E from the mixture: CD-1 {near}, CD-{max(of_k)} {far}"
        persistent = [row for row in estimators if row[0] in ("PCD", "PTT")]
        told += "".join(f", {one}-{steps} {machine.energy_from_mixture}" for one, steps, machine in persistent)
        found.append(Judgement(f"N_h = {group[0].hidden}, L = {group[0].length}", side, told))
    return found


@claim(
    id="other-models",
    words="Potts and clock flows end at their critical points",
    source="2102.05219",
    rule="not tested",
)
def other_models(machines: Sequence[Machine]) -> list[Judgement]:
    """-. Supports: not tested: the library has the Ising model only."""
    return []


@claim(
    id="field",
    words="In an external field the flow follows the specific heat",
    source="1810.08179",
    rule="not tested",
)
def in_field(machines: Sequence[Machine]) -> list[Judgement]:
    """-. Supports: not tested in these studies."""
    return []


@claim(
    id="hidden-correlators",
    words="Correlators of visible and hidden spins look like those of the RG",
    source="1906.05212, 2002.02664",
    rule="shown without a rule",
    figure="receptive_fields",
)
def hidden_correlators(machines: Sequence[Machine]) -> list[Judgement]:
    """-. Supports: shown in the report without a rule: "look like" has none."""
    return []
