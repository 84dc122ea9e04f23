"""What a claim is: a statement with its source, and the rule that decides it; the claims that there are."""

import inspect
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import update_wrapper

from rbmflow._checks import in_a_line
from rbmflow._registry import Registry
from rbmflow.claims.judgement import LEVEL, SIGNIFICANCE, Judgement, Verdict, weigh
from rbmflow.claims.machines import Machine

type Judge = Callable[[Sequence[Machine]], list[Judgement]]


@dataclass(eq=False)
class Claim:
    """A statement of the literature, or of theory, and what decides it; called with machines, it judges them.

    Parameters
    ----------
    id
        What it is called by.
    words
        The statement.
    source
        Where it is made.
    judge
        From all machines to what each that the claim is about, or each comparison of several, says of it. Its
        docstring has the rule: what is measured, then `Supports:` and `Contradicts:`.
    needs
        Variables of the results that the judge looks at beyond those that every machine has.
    figure
        Name of the figure that shows it, or of several, of which a page links the first that it has.
    excludes
        Ids of claims that cannot be true of a machine of which this one is: it leaves them open then. A page shows them
        side by side.
    """

    id: str
    words: str
    source: str
    judge: Judge
    needs: tuple[str, ...] = ()
    figure: str | tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()

    def __post_init__(self):
        update_wrapper(self, self.judge)

    def __call__(self, machines: Sequence[Machine], level: float = SIGNIFICANCE) -> Verdict:
        """Apply the rule with tests at a level; `not tested` where there is nothing that it could decide on."""
        lacking = [[name for name in self.needs if name not in machine.results.variables] for machine in machines]
        judged = [machine for machine, names in zip(machines, lacking, strict=True) if not names]
        told = ", ".join(f"`{name}`" for name in dict.fromkeys(name for names in lacking for name in names))
        note = f"{len(judged)} of {len(machines)} machines judged: the others have no {told}" if told else ""
        before = LEVEL.set(level)
        try:
            found = tuple(self.judge(judged))
            verdict = weigh(found)
        except (Exception, SystemExit) as error:
            # A claim from outside that fails shall not cost the others.
            if self.judge.__module__.startswith("rbmflow."):
                raise
            found, verdict, note = (), "not tested", f"its rule failed: {in_a_line(error)}"
        finally:
            LEVEL.reset(before)
        figures = (self.figure,) if isinstance(self.figure, str) else tuple(self.figure)
        return Verdict(
            self.id, self.words, self.source, self.in_full, verdict, found, figures, note, level, self.excludes
        )

    @property
    def in_full(self) -> tuple[str, str, str]:
        """What is measured, what supports the claim, and what contradicts it; empty where nothing is said."""
        text = " ".join(inspect.cleandoc(self.judge.__doc__ or "").split())
        told = [part.strip().removesuffix(".") for part in re.split(r"Supports: |Contradicts: ", text)]
        return (*told, "", "")[:3]  # pyright: ignore[reportReturnType]


TABLES = ("paper", "dispute", "candidates", "learning", "universality", "at_temperature")
"""Modules with the claims of this package."""

CLAIMS: Registry[Claim] = Registry(
    "claim",
    (*(f"rbmflow.claims.{name}" for name in TABLES), "rbmflow.claims"),
)
"""Every claim by its id, those of this package in the order of the documentation, then those that others register."""


def claim(
    *,
    id: str,
    words: str,
    source: str,
    needs: tuple[str, ...] = (),
    figure: str | tuple[str, ...] = (),
    excludes: tuple[str, ...] = (),
) -> Callable[[Judge], Claim]:
    """Declare a claim beside its judge: every report has a verdict on it from then on.

    The decorator makes a `Claim` of a function from machines to judgements; see there for the parameters.

    Raises
    ------
    InvalidInput
        If another claim has the id.

    Examples
    --------
    >>> @claim(id="cold-end", words="Flows end cold", source="example")
    ... def cold_end(machines):
    ...     "T* of each machine. Supports: below 1. Contradicts: at least 1."
    ...     return [Judgement(m.name, "supports" if m.end.value < 1 else "contradicts", str(m.end)) for m in machines]
    >>> cold_end([]).verdict
    'not tested'
    """

    def declared(judge: Judge) -> Claim:
        needed = (needs,) if isinstance(needs, str) else tuple(needs)
        return CLAIMS.add(id, Claim(id, words, source, judge, needed, figure, excludes))

    return declared
