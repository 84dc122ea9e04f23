"""Shipped studies of papers: `rbmflow studies` lists them, `rbmflow replicate` runs one."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.table import Table

from rbmflow._checks import Problems, one_of, plain
from rbmflow.cli.planning import pace_of, pages_of, seconds_of, told_cost
from rbmflow.cli.running import asked, run_of
from rbmflow.cli.telling import cell, console
from rbmflow.runs import opened
from rbmflow.spec import Study, toml_files
from rbmflow.store import Store

if TYPE_CHECKING:
    from rbmflow.claims import Verdict

_MOST_JUDGEMENTS = 4
"""Machines on one side of a claim that are told by name and number."""


def studies(arguments: argparse.Namespace) -> int:
    """List the shipped studies: the paper, its claims, what it costs on this machine, and what was found."""
    from rbmflow.steps import verdicts_of

    words = {verdict.id: verdict.words for verdict in verdicts_of()}
    for name, study, cost in _with_costs(Store(arguments.store)):
        print(f"{name}: {_told(study)}")
        for claim in study.claims:
            print(f"  claim: {words[claim]} ({claim})")
        print(f"  costs here: {cost} by the estimate{f'; took {study.took}' if study.took else ''}")
        print(f"  found: {study.found}")
    return 0


def _with_costs(store: Store) -> Iterator[tuple[str, Study, str]]:
    """Every shipped study by name, with what is left of it to be computed here."""
    pace, published = pace_of(store), store.published()
    for name, study in toml_files.studies().items():
        sweep, graphs, steps = asked(argparse.Namespace(spec=name, files=[], overrides={}))
        left = [step for step in steps if step.hash not in published]
        cost = told_cost(left, seconds_of(sweep, graphs, pace), store, pages_of(sweep, pace))
        yield name, study, cost if left else "nothing, it is there"


def _list_papers(store: Store) -> None:
    """Print a row for each paper that there is a study of: what it claims, and what its study costs here."""
    from rbmflow.steps import verdicts_of

    words = {verdict.id: verdict.words for verdict in verdicts_of()}
    table = Table("paper", "by", "what it claims", "study", "costs here")
    for name, study, cost in _with_costs(store):
        if study.paper:
            claims = "; ".join(words[claim] for claim in study.claims)
            table.add_row(study.paper, cell(study.authors), cell(claims), name, cost)
    console().print(table)


def _told(study: Study) -> str:
    return f"{study.authors}, arXiv:{study.paper}" if study.paper else "a study of this laboratory"


def replicate(arguments: argparse.Namespace) -> int:
    """Run the study of a paper; print their numbers beside ours, and a verdict on each of its claims."""
    by_paper = {study.paper: name for name, study in toml_files.studies().items() if study.paper}
    if arguments.list:
        _list_papers(Store(arguments.store))
        return 0
    paper = (arguments.paper or "").lower().removeprefix("arxiv:")
    told = one_of(arguments.paper, by_paper, "; `rbmflow studies` tells what they claim")
    Problems.only(paper in by_paper, "paper", arguments.paper, told)
    arguments.spec = by_paper[paper]
    code, record = run_of(arguments)
    if code:
        return code
    study, run = toml_files.studies()[arguments.spec], opened(record, Store(arguments.store))
    print(f"{_told(study)}, replicated by the study {arguments.spec}")
    if study.numbers:
        from rbmflow.report import numbers_table

        header, rows = numbers_table(study.numbers, run.results)
        table = Table(*header)
        for row in rows:
            table.add_row(*map(cell, row))
        console().print(table)
    else:
        print("No number of theirs is known here that could be held against ours.")
    verdicts = {verdict.id: verdict for verdict in run.verdicts}
    for claim in study.claims:
        _print_verdict(verdicts[claim])
    print(plain(f"Found when the study was run for its page: {study.found}"))
    return 0


def _print_verdict(verdict: Verdict) -> None:
    """Print a claim with its verdict, and the machines on each side."""
    print(plain(f"{verdict.verdict.upper()}: {verdict.words} ({verdict.id})"))
    sides = (verdict.of("supports"), verdict.of("contradicts"), verdict.of("open"))
    for told, rows in zip(("for", "against", "open"), sides, strict=True):
        for row in rows[:_MOST_JUDGEMENTS]:
            print(plain(f"  {told}: {row.of}: {row.measured}"))
        if len(rows) > _MOST_JUDGEMENTS:
            print(f"  {told}: {len(rows) - _MOST_JUDGEMENTS} more")
