"""Claims of the literature, and what the numbers of a run say of each, by rules that were fixed beforehand."""

from rbmflow.claims.answer import answer
from rbmflow.claims.declaration import CLAIMS, Claim, claim
from rbmflow.claims.judgement import Judgement, Measured, Verdict
from rbmflow.claims.judging import distinct, machines_of, named, study, verdicts
from rbmflow.claims.machines import Machine, StartedFlow

__all__ = [
    "CLAIMS",
    "Claim",
    "Judgement",
    "Machine",
    "Measured",
    "StartedFlow",
    "Verdict",
    "answer",
    "claim",
    "distinct",
    "machines_of",
    "named",
    "study",
    "verdicts",
]
