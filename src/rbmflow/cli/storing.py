"""Care of a store in a shell: `rbmflow store ls`, `verify`, `gc`, `export`, `import`."""

import argparse
import sys
from collections import Counter
from pathlib import Path

from rich.table import Table

from rbmflow._checks import InvalidInput, Problem, Problems, plain
from rbmflow.cli.pages import write_page
from rbmflow.cli.telling import cell, console
from rbmflow.execute.estimate import told_duration, told_size
from rbmflow.store import Address, Damaged, Store, Unreachable, hygiene, layout


def ls(arguments: argparse.Namespace) -> int:
    """List how many artifacts of each kind there are, or every artifact of one kind."""
    store = Store(arguments.store)
    if arguments.kind is None:
        counts, sizes = Counter[str](), Counter[str]()
        for artifact in store.artifacts():
            counts[artifact.kind] += 1
            sizes[artifact.kind] += layout.size(store.folder(artifact))
        table = Table("kind", "artifacts", "disk")
        for kind, count in counts.items():
            table.add_row(kind, str(count), told_size(sizes[kind]))
        table.add_section()
        table.add_row("all", str(counts.total()), told_size(sizes.total()))
    else:
        names = {row["hash"]: row["name"] for record in store.runs() for row in record["steps"]}
        table = Table("hash", "name", "computed", "time", "disk")
        for artifact in store.artifacts(arguments.kind):
            try:
                about = store.provenance(artifact)
                name, seconds = cell(names.get(artifact.hash, "")), about.get("seconds", 0)
                cells = [name, about.get("started", ""), told_duration(seconds)]
            except Damaged as damage:
                cells = [f"DAMAGED: {cell(damage.reason)}", "", ""]
            table.add_row(artifact.hash[:12], *cells, told_size(layout.size(store.folder(artifact))))
    console().print(table)
    return 0


def verify(arguments: argparse.Namespace) -> int:
    """Check the checksums of everything; name what is damaged."""
    found = Counter[type]()
    for artifact in hygiene.damages(Store(arguments.store)):
        found[type(artifact)] += 1
        if isinstance(artifact, Damaged):
            print(plain(artifact))
    damaged, unreachable = found[Damaged], found[Unreachable]
    told = [f"{found[Address]} artifacts are whole, {damaged} damaged"]
    told += ["a run that needs them recomputes them"] * (damaged > 0)
    told += [f"{unreachable} cannot be read, and stay as they are"] * (unreachable > 0)
    print("; ".join(told))
    return 1 if damaged or unreachable else 0


def gc(arguments: argparse.Namespace) -> int:
    """Name what no run needs, and with --delete take it away."""
    store, problems = Store(arguments.store), Problems()
    problems.not_negative("older-than", arguments.older_than)
    problems.done()
    count = size = left = 0
    for found in hygiene.waste(store, hygiene.DAY * arguments.older_than):
        told = plain(f"{found.path.relative_to(store.path)} ({told_size(found.size)}): {found.why}")
        try:
            if arguments.delete:
                hygiene.remove(found)
        except OSError as error:
            left += 1
            print(f"{told}; it stays ({error.strerror})")
        else:
            count, size = count + 1, size + found.size
            print(told)
    ending = "gone" if arguments.delete else "that no run needs; --delete takes them away"
    print(f"{count} files and folders, {told_size(size)}, {ending}")
    return 1 if left else 0


def export(arguments: argparse.Namespace) -> int:
    """Write a run with its artifacts to one file."""
    store = Store(arguments.store)
    record = store.find_run(arguments.run)
    try:
        there, steps = hygiene.pack(store, record, Path(arguments.file))
    except Damaged as damage:
        print(plain(f"{damage}; `rbmflow run` computes it anew"), file=sys.stderr)
        return 1
    print(plain(f"{arguments.file}: {record['run']}, {there} of {steps} artifacts"))
    return 0


def take_in(arguments: argparse.Namespace) -> int:
    """Take in the runs and artifacts of such a file."""
    parcel = Path(arguments.file)
    if not parcel.is_file():
        raise InvalidInput(Problem("file", arguments.file, "it must be a file that `rbmflow store export` has written"))
    store = Store(arguments.store)
    artifacts, runs = hygiene.unpack(store, parcel)
    print(f"{artifacts} artifacts and {len(runs)} runs are new here")
    records = [store.read_run(run) for run in runs]
    inside = {point["run"] for record in records for point in record.get("points", ())}
    for record in records:
        if record["run"] not in inside:
            try:
                print(plain(write_page(record, store)))
            except Exception as error:  # Labels and numbers of strangers may break any figure.
                print(plain(f"{record['run']} is taken in without a report: {error}"), file=sys.stderr)
    return 0
