"""The answer of a run to the question of the house, whether flows go to T_c, in words made from the rules."""

import math
from collections.abc import Sequence

import xarray as xr

from rbmflow._format import made_of
from rbmflow.claims.judgement import SIGNIFICANCE, Measured, Side, Verdict, few
from rbmflow.claims.judging import distinct, machines_of, verdicts
from rbmflow.claims.machines import Machine
from rbmflow.claims.rules import WINDOW, at_infinite_size, paper_machines
from rbmflow.convergence import SIGMAS

QUESTION = "V-to-Tc"
"""The claim that asks it."""

WORDS = {"holds": "Yes", "fails": "No", "depends": "It depends on the machine", "open": "Not decided"}
"""What a verdict on it comes to; of a claim that was not tested nothing is said."""

SIDES: dict[Side, tuple[str, str]] = {
    "supports": ("does", "do"),
    "contradicts": ("does not", "do not"),
    "open": ("is undecided", "are undecided"),
}
"""What is said of one machine on each side, and of several."""


def answer(results: xr.Dataset, judged: Sequence[Verdict] | None = None) -> list[str]:
    """Whether the flows of a run go to T_c by the verdict on `V-to-Tc`, how sure that is, and where its machines are.

    A machine at rest is told by T* and its distance from T_c in errors, any other by T(E) at the end of its flows, and
    by T* of its stationary law where that is known. Machines that have learnt from a file, or another source from
    outside, are told with the others, and decide nothing. Empty where no machine was trained on either. `judged` are
    all verdicts on these results, where they are known.
    """
    every = distinct(machines_of(results))
    machines = [machine for machine in every if machine.is_ising]
    others = [machine for machine in every if machine.is_from_outside and machine.is_of_square_ising]
    if not machines and others:
        where = f"Do the flows go to T_c = {others[0].critical:.4f}? Not asked of machines of other configurations."
        sure = "How sure: rules judge machines of configurations that were drawn here; where these are has its error."
        return [where, sure, *map(_where, others)]
    if not machines:
        return []
    if math.isnan(machines[0].critical):
        unknown = ["No T_c of this model is known.", "How sure: without it nothing is decided."]
        return [*unknown, *map(_where, machines)]
    verdict = next(row for row in (verdicts(results) if judged is None else judged) if row.id == QUESTION)
    word = _by_machine(verdict) if verdict.verdict in WORDS else _not_asked(machines)
    first = f"Do the flows go to T_c = {machines[0].critical:.4f}? {word}"
    return [first, _how_sure(verdict, machines[0]), *map(_where, (*machines, *others))]


def _by_machine(verdict: Verdict) -> str:
    """What the verdict comes to, and which machines do so; none where all are undecided."""
    told = []
    for side, (one, several) in SIDES.items():
        of = [row.of for row in verdict.of(side)]
        told += [f"{few(of)} {one if len(of) == 1 else several}"] if of else []
    decided = len(verdict.of("open")) < len(verdict.judgements)
    return f"{WORDS[verdict.verdict]}{f': {", ".join(told)}' if decided else ''}."


def _not_asked(machines: Sequence[Machine]) -> str:
    """Why the rule has nothing to say."""
    of_window = paper_machines(machines)
    if of_window and not at_infinite_size(of_window):
        return f"Not asked: the rule is for L = 6 and more, and this is L = {of_window[0].length}."
    return "Not asked: the rule is for machines of T = 0 to 6, and none is here."


def _how_sure(verdict: Verdict, machine: Machine) -> str:
    """What the answer rests on."""
    if not verdict.judgements:
        return "How sure: nothing is decided; where the flows end is told below."
    of = f"errors are those of {machine.seeds} seed{'s' * (machine.seeds > 1)} and {machine.effort[2]} chains"
    wrongly = f"a report decides wrongly by chance in {100 * SIGNIFICANCE:.2g} % of cases"
    return f"How sure: T* within {WINDOW} of T_c counts; {wrongly}; {of}."


def _where(machine: Machine) -> str:
    """Where a machine is, with what it has learnt from and its size."""
    name = f"{machine.name} ({made_of(machine.recipe)})"
    alone = "" if machine.seeds > 1 else "; one seed, which decides nothing"
    if machine.end is not None:
        return f"{name} rests at {_beside(machine.end, machine.critical)}{alone}."
    ends = ", ".join(f"{flow.end} from {flow.start}" for flow in machine.flows)
    law = machine.measured("stationary_temperature_mean")
    known = f"; its stationary law has {_beside(law, machine.critical)}" if math.isfinite(law.value) else ""
    after = f"T(E) = {ends} after {machine.effort[1]} iterations"
    return f"{name} has {machine.why_moving}, {after}{known}{alone}."


def _beside(star: Measured, critical: float) -> str:
    """T* and how far it is from T_c, if the errors tell."""
    away = (star.value - critical) / star.error if star.error > 0 else math.nan
    if math.isnan(away):
        return f"T* = {star}"
    if abs(away) <= SIGMAS:
        return f"T* = {star}, within three errors of T_c"
    return f"T* = {star}, {abs(away):.0f} errors {'above' if away > 0 else 'below'} T_c"
