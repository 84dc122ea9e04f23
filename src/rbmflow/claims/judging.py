"""The claims of arXiv:1801.07172 and of the works that followed, each with the rule that decides it.

The rules stand, in words, in the page *Claims* of the documentation; they were written before the studies were run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rbmflow.claims import ends, learning
from rbmflow.claims.judgement import Judgement, Verdict, weigh
from rbmflow.claims.machines import BlockSpins, Machine


@dataclass(frozen=True)
class Claim:
    """A statement of the literature, or of theory, and what decides it."""

    id: str
    claim: str
    source: str
    rule: str
    """What supports it, in short."""
    judge: Callable[[Sequence[Machine]], list[Judgement]] | None
    figure: str = ""


_RECALLED = "1801.07172, recollection"

AGAINST_RG = Claim(
    "against-RG",
    "The direction is opposite to that of the renormalization group",
    "1801.07172",
    "block spins leave T_c on both sides, machines approach it from both",
    None,
    "block_spins",
)

CLAIMS = (
    Claim(
        "V-to-Tc",
        "The flow of a machine trained on T = 0 to 6 goes to T_c, from both sides",
        "1801.07172",
        "converged, T* within 0.125 of T_c",
        ends.v_to_tc,
        "flow_ends",
    ),
    Claim(
        "V-to-Tc-neural",
        "The same, as its own thermometer sees it",
        "1801.07172",
        "neural class 2.25 or 2.5 from every start",
        ends.v_to_tc_neural,
        "class_probabilities",
    ),
    Claim(
        "H-to-hot",
        "Trained on high temperatures only, the flow goes to high temperature",
        _RECALLED,
        "T(E) above 4 from every start",
        ends.h_to_hot,
        "flow_ends",
    ),
    Claim(
        "L-to-zero",
        "Trained on T = 0 only, the flow goes to T = 0",
        _RECALLED,
        "T(E) at most 1.25 from every start",
        ends.l_to_zero,
        "flow_ends",
    ),
    Claim(
        "start-forgotten",
        "The end does not depend on the start",
        _RECALLED,
        "all starts end together and none drifts",
        ends.start_forgotten,
        "temperature_flow",
    ),
    Claim(
        "N_h-moves-end",
        "For N_h > N_v the flow is slower and its end moves",
        _RECALLED,
        "end and hot iterations above N_v differ from those below",
        ends.hidden_units_move_end,
        "flow_ends",
    ),
    AGAINST_RG,
    Claim(
        "WWt-correlations",
        "W Wᵀ of type V resembles the spin correlations of its data",
        _RECALLED,
        "correlation over displacements at least 0.9",
        learning.product_resembles_correlations,
        "weight_products",
    ),
    Claim(
        "spectrum-V",
        "The eigenvalues of V's W Wᵀ decay gradually",
        _RECALLED,
        "largest share below 1/2, at least five above the random-matrix edge",
        learning.spectrum_of_v,
        "spectra",
    ),
    Claim(
        "spectrum-H",
        "Those of H are flat",
        _RECALLED,
        "participation ratio at least 0.8 of a random matrix's",
        learning.spectrum_of_h,
        "spectra",
    ),
    Claim(
        "spectrum-L",
        "L has one large eigenvalue",
        _RECALLED,
        "largest share above 1/2",
        learning.spectrum_of_l,
        "spectra",
    ),
    Claim(
        "leading-magnetization",
        "The leading mode of V is the magnetization",
        _RECALLED,
        "overlap with the uniform vector at least 0.95",
        learning.leading_is_magnetization,
        "leading_vectors",
    ),
    Claim(
        "some-cases",
        "T_c is reached in some cases only; parameters decide",
        "2111.11166",
        "some machines reach T_c, others do not",
        ends.some_cases,
        "flow_ends",
    ),
    Claim(
        "to-specific-heat",
        "The end is the maximum of the specific heat, not T_c",
        "1810.08179",
        "T* within 0.02 and its error of that maximum, and not of T_c",
        ends.to_specific_heat,
        "flow_ends",
    ),
    Claim(
        "topology-free",
        "Machines trained on data without the lattice (T = 0 and T = infinity states only; mean-field configurations) "
        "reach T_c as well, by a neural thermometer",
        "2006.10176",
        "neural class 2.25 or 2.5 from every start",
        learning.topology_free,
        "class_probabilities",
    ),
    Claim(
        "neural-cannot-tell",
        "A neural thermometer at T_c does not certify Ising configurations at T_c",
        "2006.10176",
        "where it sees T_c, a two-sample test rejects (p < 0.0027, every seed)",
        learning.neural_cannot_tell,
        "manifold",
    ),
    Claim(
        "recipe-moves-end",
        "The end depends on the hyperparameters of the training",
        "2203.06652 (of autoencoders)",
        "equal ends over recipes, or over training time, are rejected",
        ends.recipe_moves_end,
        "training_time",
    ),
    Claim(
        "small-k-off-equilibrium",
        "Training with few Gibbs steps leaves machines whose equilibrium is not the data",
        "2105.13889",
        "E of CD-1 leaves the mixture, and more than that of the longest k",
        learning.small_k_is_off_equilibrium,
        "energy_flow",
    ),
    Claim("other-models", "Potts and clock flows end at their critical points", "2102.05219", "not tested", None),
    Claim("field", "In an external field the flow follows the specific heat", "1810.08179", "not tested", None),
    Claim(
        "hidden-correlators",
        "Correlators of visible and hidden spins look like those of the RG",
        "1906.05212, 2002.02664",
        "shown without a rule",
        None,
    ),
    Claim(
        "perfect-ends-in-mixture",
        "A machine that has learnt its data perfectly ends in the training mixture",
        "theory",
        "at most 0.05 excess nats: E within 0.05 of the mixture; excess and distance go together",
        learning.perfect_ends_in_mixture,
        "excess",
    ),
    Claim(
        "follows-Tc",
        "T* stays at T_c when the training grid moves (0..6, 0..12, 0..3, 2.5..4.5, and 0..1.75 with 4..6)",
        "this study",
        "T* of each grid within 0.125 of T_c",
        ends.follows_tc,
        "flow_ends",
    ),
    Claim(
        "follows-mixture",
        "T* is that of the training mixture of each grid",
        "this study",
        "T* of each grid within 0.125 of its mixture",
        ends.follows_mixture,
        "flow_ends",
    ),
    Claim(
        "follows-specific-heat",
        "T* follows T_C(L), L = 6, 8, 10, 12, 16",
        "this study",
        "T* of each size within 0.02 and its error of that maximum",
        ends.follows_specific_heat,
        "flow_ends",
    ),
)
"""Every claim, in the order of the documentation."""


def judge(machines: Sequence[Machine], blocks: Sequence[BlockSpins] = ()) -> list[Verdict]:
    """Apply every rule to the machines of a run, or of all points of a sweep.

    Parameters
    ----------
    machines
        What was measured of each machine.
    blocks
        Block-spin flows of the same lattices, where there are any.

    Returns
    -------
    list of Verdict
        One for each of `CLAIMS`; `not tested` where the run has nothing that a rule could decide on.

    Examples
    --------
    >>> {verdict.verdict for verdict in judge([])}
    {'not tested'}
    """
    verdicts = []
    for claim in CLAIMS:
        if claim is AGAINST_RG:
            found = learning.against_rg(machines, blocks)
        else:
            found = claim.judge(machines) if claim.judge else []
        verdicts.append(
            Verdict(claim.id, claim.claim, claim.source, claim.rule, weigh(found), tuple(found), claim.figure)
        )
    return verdicts
