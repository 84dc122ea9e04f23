"""Claims of the literature, and what the numbers of a run say of each, by rules that were fixed beforehand."""

from rbmflow.claims.answer import answer as answer
from rbmflow.claims.declaration import CLAIMS as CLAIMS, Claim as Claim, claim as claim
from rbmflow.claims.judgement import Judgement as Judgement, Measured as Measured, Verdict as Verdict
from rbmflow.claims.judging import (
    distinct as distinct,
    machines_of as machines_of,
    named as named,
    study as study,
    verdicts as verdicts,
)
from rbmflow.claims.machines import Machine as Machine, StartedFlow as StartedFlow
