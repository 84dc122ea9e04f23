"""`rbmflow run answer`: all studies that the answer rests on, from nothing or from where they stand."""

from __future__ import annotations

import argparse

from rbmflow._checks import InvalidInput, Problem, plain
from rbmflow.cli.planning import pace_of, pages_of, seconds_of, told_cost
from rbmflow.cli.running import asked, run_of
from rbmflow.store import Step, Store

PARTS = ("paper", "fixed-point", "recipes", "candidates", "good", "why", "learning", "left-open", "estimators")
"""The studies, in the order in which they are run; what they share is computed once."""


def run(arguments: argparse.Namespace) -> int:
    """Run every study after the other; one that fails does not stop the others, and a second call goes on."""
    _refuse(arguments, "overrides")
    return max(int(run_of(_part(arguments, name))[0]) for name in PARTS)


def plan(arguments: argparse.Namespace) -> int:
    """Tell what each study would compute, and what all together cost."""
    _refuse(arguments, "overrides", "slurm", "record")
    store = Store(arguments.store)
    pace, published = pace_of(store), store.published()
    every: dict[Step, float] = {}
    pages = 0.0
    for name in PARTS:
        sweep, graphs, steps = asked(_part(arguments, name))
        left = [step for step in steps if step.hash not in published]
        seconds, own = seconds_of(sweep, graphs, pace), pages_of(sweep, pace)
        every |= {step: seconds[step] for step in left}
        pages += own if left else 0.0
        cost = told_cost(left, seconds, store, own) if left else "nothing, it is there"
        print(plain(f"{name}: {len(left)} of {len(steps)} steps to compute, {cost}"))
    print(f"all: {told_cost(list(every), every, store, pages) if every else 'nothing, it is there'}")
    return 0


def _part(arguments: argparse.Namespace, name: str) -> argparse.Namespace:
    return argparse.Namespace(**vars(arguments) | {"spec": name})


def _refuse(arguments: argparse.Namespace, *names: str) -> None:
    """Refuse what is not for several studies at once."""
    given = [name for name in names if getattr(arguments, name)]
    if given:
        told = f"`answer` is the studies {', '.join(PARTS)} as they are; each of them takes this by itself"
        raise InvalidInput(Problem(given[0], getattr(arguments, given[0]), told))
