"""How runs stand: what is done, under way and failed, at what rate, told from the store alone."""

import argparse
import contextlib
import itertools
import math
import time
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table

from rbmflow.cli.storing import existing
from rbmflow.cli.telling import cell, console
from rbmflow.execute import estimate
from rbmflow.store import Progress, Store

_WINDOW = 600.0
"""Seconds back over which the rate is taken."""

_MOST_FAILURES = 20


def status(arguments: argparse.Namespace) -> int:
    """Tell how the runs stand, what is being computed, and what failed; with --watch until all is done."""
    store, on = existing(arguments), console()
    if not arguments.watch:
        for part in _page(store)[1]:
            on.print(part)
        return 0
    complete = False
    with contextlib.suppress(KeyboardInterrupt), Live(console=on, auto_refresh=False) as live:
        while not complete:
            complete, parts = _page(store)
            live.update(Group(*parts), refresh=True)
            if not complete:
                time.sleep(arguments.every)
    return 0


def _page(store: Store) -> tuple[bool, list[RenderableType]]:
    """Whether every run is complete, and what there is to tell."""
    runs, running, failures = store.runs(), store.running(), store.failures()
    # The points of a sweep stand in its row.
    inside = {point["run"] for record in runs for point in record.get("points", ())}
    runs = [record for record in runs if record["run"] not in inside]
    faults: list[RenderableType] = [cell(f"left out: runs/{fault}") for fault in store.unreadable_runs()]
    if not runs and not running:
        return True, [*faults, cell(f"There are no runs in {store.path}.")]
    published = store.published()
    rows = [_row(record, store, published, running) for record in runs]
    complete = all(row[0] for row in rows)
    table = Table("run", "started", "steps done", "points done", "a minute", "time left")
    for _, cells in rows:
        table.add_row(*cells)
    parts: list[RenderableType] = [table]
    if running:
        table = Table("step under way", "hash", "progress", "last sign of life")
        for step in running:
            age = f"{step.age:.0f} s ago" if math.isfinite(step.age) else "in the future"
            table.add_row(cell(step.name), step.hash[:12], f"{100 * step.fraction:.0f} %", age)
        parts.append(table)
    elif not complete:
        parts.append("Nobody works on what is left; `rbmflow run` with the spec.toml in the folder of a run goes on.")
    if failures:
        table = Table("failed step", "hash", "tries", "last", "reason")
        for note in itertools.islice(failures, _MOST_FAILURES):
            table.add_row(cell(note.name), note.hash[:12], str(note.tries), note.when[:19], cell(note.reason))
        parts += [table, f"{len(failures)} failed; `rbmflow run` as before tries them again, `rbmflow step HASH` one."]
    return complete, parts + faults


def _row(
    record: Mapping[str, Any], store: Store, published: Mapping[str, float], running: list[Progress]
) -> tuple[bool, list[str]]:
    """Whether a run is complete, and its row."""
    steps, points = record.get("steps", []), record.get("points", [])
    left = Counter(row["kind"] for row in steps if row["hash"] not in published)
    done = f"{len(steps) - left.total()} of {len(steps)}"
    there = f"{sum(point['results'] in published for point in points)} of {len(points)}" if points else ""
    cells = [record["run"], record["started"], done, there, "", ""]
    # A zip holds what results rest on in part: nothing is computed where these are there.
    wanted = [point["results"] for point in points] or [row["hash"] for row in steps[-1:]]
    if published.keys() >= set(wanted):
        cells[5] = "none, the results are there" if left else ""
        return True, cells
    own = {row["hash"] for row in steps}
    since = max(time.time() - _WINDOW, datetime.fromisoformat(record["started"]).timestamp())
    window = time.time() - since
    recent = sum(published.get(hash_, 0.0) >= since for hash_ in own)
    if window > 0 and recent:  # A clock that was set back shows no rate.
        cells[4] = f"{60 * recent / window:.3g}"
    if under_way := [progress for progress in running if progress.hash in own]:
        seconds = {kind: cost.seconds for kind, cost in estimate.costs(left, store).items()}
        whole = sum(count * seconds[kind] for kind, count in left.items())
        done_of_them = sum(step.fraction * seconds.get(step.kind, 0.0) for step in under_way)
        cells[5] = "about " + estimate.told_duration((whole - done_of_them) / len(under_way))
    return False, cells
