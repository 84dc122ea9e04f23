"""Verdicts: what the numbers of a run say of each claim, by rules that were fixed beforehand."""

from rbmflow.verdict.claims import CLAIMS, Claim, judge
from rbmflow.verdict.judgement import Judgement, Measured, Verdict
from rbmflow.verdict.machines import BlockSpins, Machine, StartedFlow
from rbmflow.verdict.reading import blocks_of, machines_of
from rbmflow.verdict.table import study

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
