"""Verdicts: what the numbers of a run say of each claim, by rules that were fixed beforehand."""

from rbmflow.claims.judgement import Judgement, Measured, Verdict
from rbmflow.claims.judging import CLAIMS, Claim, judge
from rbmflow.claims.machines import BlockSpins, Machine, StartedFlow
from rbmflow.claims.measured import blocks_of, machines_of
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
    "blocks_of",
    "judge",
    "machines_of",
    "study",
]
