"""Claims of the literature, and what the numbers of a run say of each, by rules that were fixed beforehand."""

from rbmflow.claims.declaration import CLAIMS, Claim, claim
from rbmflow.claims.from_results import machines_of
from rbmflow.claims.judgement import Judgement, Measured, Verdict
from rbmflow.claims.judging import distinct, judge, named
from rbmflow.claims.machines import BlockSpins, Machine, StartedFlow
from rbmflow.claims.side_by_side import study

__all__ = [
    "CLAIMS",
    "BlockSpins",
    "Claim",
    "Judgement",
    "Machine",
    "Measured",
    "StartedFlow",
    "Verdict",
    "claim",
    "distinct",
    "judge",
    "machines_of",
    "named",
    "study",
]
