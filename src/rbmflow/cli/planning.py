"""`rbmflow plan`: what a run would compute, in which time, here or by jobs of a cluster."""

from __future__ import annotations

import argparse
import contextlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rich.table import Column, Table

from rbmflow import execute
from rbmflow._checks import InvalidInput, plain
from rbmflow.cli.fitting import default_workers, refuse_what_does_not_fit
from rbmflow.cli.pages import MOST_REPORTS
from rbmflow.cli.running import ANSWER, asked
from rbmflow.cli.telling import console
from rbmflow.execute import estimate, manifest, recording
from rbmflow.execute.slurm import cut
from rbmflow.store import Damaged, Step, Store

if TYPE_CHECKING:
    from rbmflow.spec import Sweep

_MOST_NAMES = 20
"""Steps that are called by name."""

_RUNS_OF_PACE = 3
"""Latest runs that tell how fast this machine is."""


def plan(arguments: argparse.Namespace) -> int:
    """Tell what `run` would compute, how long that takes, and whether it fits this machine."""
    if arguments.spec == ANSWER:
        from rbmflow.cli import answering

        return answering.plan(arguments)
    cluster = None if arguments.slurm is None else execute.load_slurm(arguments.slurm)
    sweep, graphs, steps = asked(arguments)
    store = Store(arguments.store)
    # From one look at the folders: most steps of a large plan are missing.
    known = {found.hash for found in (*store.artifacts(), *store.running())}
    states = {step: store.state(step) if step.hash in known else "missing" for step in steps}
    wanted = execute.missing(steps, lambda step: states[step] == "done")
    there = [step for step in steps if states[step] == "done"]
    pace = pace_of(store) if wanted else 1.0
    seconds = seconds_of(sweep, graphs, pace)
    counts = [Counter(step.kind for step in some) for some in (steps, there, wanted)]
    columns = {"all": counts[0], "there": counts[1], "to compute": counts[2]}
    cost = ""
    if cluster is not None:
        as_jobs, took = _as_jobs(wanted, seconds, cluster)
        columns |= as_jobs
        cost = f"{estimate.told_duration(took)} where no job waits in the queue, {_told_disk(wanted, store)}"
    _print_table(columns)
    if not sweep.single:
        print(f"sweep of {len(sweep.points)} points; steps that they share are computed once")
    if wanted:
        print(f"estimate: {cost or told_cost(wanted, seconds, store, pages_of(sweep, pace))}")
        print(f"  by the work in the settings, at {pace:.2g} times the seconds of the machine that was measured")
        for line in _not_counted(sweep, wanted):
            print(plain(f"  {line}"))
    for step in wanted[:_MOST_NAMES]:
        print(f"to compute: {step.name}{' (under way)' if states[step] == 'running' else ''}")
    if len(wanted) > _MOST_NAMES:
        print(f"and {len(wanted) - _MOST_NAMES} more")
    try:
        refuse_what_does_not_fit(sweep, graphs, store, elsewhere=cluster is not None)
    except InvalidInput as refused:
        print(plain(f"warning: this machine is too small: {refused}"))
    if arguments.record:
        store.prepare()
        record = recording.begin(sweep, graphs, store, datetime.now(UTC))
        print(plain(store.run_folder(record["run"]) / manifest.FILE))
    return 0


def _not_counted(sweep: Sweep, wanted: Sequence[Step]) -> Iterator[str]:
    """What the estimate cannot know: what code of others takes, maps with their flows, and where patience ends."""
    foreign = {step for step in wanted if any("source" in name for name in step.settings)}
    foreign |= {step for step in wanted if not foreign.isdisjoint(step.parents) and step.kind == "flow"}
    if foreign:
        kinds = dict.fromkeys(step.kind for step in wanted if step in foreign)
        yield f"not in it is what code of your own takes: {', '.join(kinds)}"
    if any(point.spec.training.patience for point in sweep.points):
        yield "it counts all epochs, of which training.patience may leave out some"


def _print_table(columns: Mapping[str, Mapping[str, float]]) -> None:
    """Print numbers by kind of step, with their sums."""
    table = Table("step", *(Column(header, justify="right") for header in columns))
    for kind in columns["all"]:
        table.add_row(kind, *(_told(numbers[kind]) for numbers in columns.values()))
    table.add_section()
    table.add_row("all", *(_told(sum(numbers.values())) for numbers in columns.values()))
    console().print(table)


def _told(number: float) -> str:
    return str(number) if isinstance(number, int) else f"{number:.2f}"


def _as_jobs(
    wanted: Sequence[Step], seconds: Mapping[Step, float], cluster: execute.Slurm
) -> tuple[dict[str, Mapping[str, float]], float]:
    """Jobs and core-hours by kind of step, and the seconds that all take in which none waits in the queue.

    The steps of a kind that can be computed at once are cut into groups at once, one generation after another.
    """
    depth, generations = dict[Step, int](), defaultdict[int, dict[str, list[Step]]](lambda: defaultdict(list))
    for step in wanted:
        depth[step] = 1 + max((depth.get(parent, 0) for parent in step.parents), default=0)
        generations[depth[step]][step.kind].append(step)
    jobs, hours, took = Counter[str](), defaultdict[str, float](float), 0.0
    for by_kind in generations.values():
        groups = []
        for kind, some in by_kind.items():
            whole = sum(seconds[step] for step in some)
            groups += (cutting := cut(some, {kind: whole / len(some)}, cluster))
            jobs[kind] += len(cutting)
            hours[kind] += whole / 3600
        lengths = [sum(seconds[step] for step in group) for group in groups]
        took += max(*lengths, sum(lengths) / cluster.jobs)
    return {"jobs": jobs, "core-hours": hours}, took


def told_cost(wanted: Sequence[Step], seconds: Mapping[Step, float], store: Store, pages: float) -> str:
    """Say what the steps to be computed, and the pages of them, will take on this machine."""
    workers = default_workers()
    took = estimate.told_duration(estimate.makespan(wanted, seconds, workers) + pages)
    return f"{took} on {workers} worker{'s' if workers > 1 else ''}, {_told_disk(wanted, store)}"


def _told_disk(wanted: Sequence[Step], store: Store) -> str:
    costs = estimate.costs((step.kind for step in wanted), store)
    return f"{estimate.told_size(sum(costs[step.kind].size for step in wanted))} of disk"


def seconds_of(sweep: Sweep, graphs: Sequence[Sequence[Step]], pace: float) -> dict[Step, float]:
    """Seconds of every step by the work that the settings ask for, at a pace; see `pace_of`."""
    points = zip((point.spec for point in sweep.points), graphs, strict=True)
    return {step: pace * each for step, each in estimate.modelled(points, default_workers()).items()}


def pages_of(sweep: Sweep, pace: float) -> float:
    """Seconds that its pages take on this machine; of many points none has its own."""
    drawn = sweep.points if len(sweep.points) <= MOST_REPORTS else ()
    return pace * estimate.of_pages((point.spec for point in drawn), default_workers())


def pace_of(store: Store) -> float:
    """How many times as long as on the machine that was measured the steps of the latest finished runs took here."""
    from rbmflow import spec, steps

    took = told = 0.0
    finished = [record for record in store.runs() if recording.finished(record) and "spec_toml" in record]
    for record in finished[-_RUNS_OF_PACE:]:
        with contextlib.suppress(InvalidInput):  # It may name what only a file of its own knows.
            one = spec.parse(spec.parse_toml(record["spec_toml"]))
            for step, seconds in estimate.modelled([(one, steps.graph(one))], default_workers()).items():
                with contextlib.suppress(Damaged, KeyError):
                    took += estimate.computing_seconds(store.provenance(step))
                    told += seconds
    return took / told if told else 1.0
