"""What a shipped spec is a study of: the paper, its claims, its numbers, and what was found."""

import math
import re
from dataclasses import dataclass, field

from rbmflow._checks import Problems

ARXIV = re.compile(r"\d{4}\.\d{4,5}|[a-z-]+(\.[A-Z]{2})?/\d{7}")
"""Numbers of arXiv, since 2007 and before."""


@dataclass(frozen=True)
class StudyNumber:
    """A number of a paper, and the variable of the results that is held against it."""

    ours: str
    """The variable of the results."""
    ours_error: str
    """The variable that has its standard error."""
    at: dict = field(default_factory=dict)
    """Where on its axes, or at which value of a swept field: `{ machine = "V-64", start = "cold" }`."""
    theirs: float = math.nan
    """The number of the paper; nan where it is not known."""
    theirs_error: float = math.nan
    """Its standard error; nan where none is told."""
    source: str = ""
    """Where it stands: "abstract", "table 1", "from memory, not checked against the text"."""

    def __post_init__(self):
        problems = Problems()
        problems.unless(bool(self.ours), "ours", self.ours, "it must name a variable of the results")
        told = "a number of others must say where it stands"
        problems.unless(math.isnan(self.theirs) or bool(self.source), "source", self.source, told)
        problems.done()


@dataclass(frozen=True)
class Study:
    """The table `[study]` of a shipped spec. Nothing of it is part of the run: no hash moves with it."""

    claims: tuple[str, ...]
    """Ids of the claims that the study is to decide, the foremost first."""
    found: str
    """What came out when it was run, in one sentence; "not run yet" before."""
    paper: str = ""
    """arXiv number of the paper that is replicated; empty where the study is none of others."""
    authors: str = ""
    """Its authors, as one cites them."""
    numbers: dict[str, StudyNumber] = field(default_factory=dict)
    """Its numbers that ours are held against, each called by what it is."""
    took: str = ""
    """What it took when it was run for its page: "7 min 01 s", or "3 min of CPU"; empty where that was not kept."""

    def __post_init__(self):
        problems = Problems()
        allowed = "it must be an arXiv number such as '1801.07172', or empty"
        problems.unless(not self.paper or bool(ARXIV.fullmatch(self.paper)), "paper", self.paper, allowed)
        problems.unless(bool(self.claims), "claims", self.claims, "it must name at least one claim")
        told = "it must say what came out, or 'not run yet'"
        problems.unless(bool(self.found), "found", self.found, told)
        problems.done()
