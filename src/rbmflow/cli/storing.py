"""Care of a store in a shell: `rbmflow store ls`, `verify`, `gc`."""

import argparse
from collections import Counter

from rich.table import Table

from rbmflow._checks import Problems, one_of, plain
from rbmflow.cli.telling import cell, console
from rbmflow.execute.estimate import told_duration, told_size
from rbmflow.store import Address, Damaged, Store, Unreachable, hygiene, layout


def ls(arguments: argparse.Namespace) -> int:
    """List how many artifacts of each kind there are, or every artifact of one kind."""
    store = existing(arguments)
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
        kinds = sorted({artifact.kind for artifact in store.artifacts()})
        Problems.only(arguments.kind in kinds, "kind", arguments.kind, one_of(arguments.kind, kinds))
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


def existing(arguments: argparse.Namespace) -> Store:
    """The store, which must be there: that all of nothing is whole says nothing."""
    store = Store(arguments.store)
    allowed = "it must be the folder of a store, which `rbmflow run` makes"
    Problems.only(store.path.is_dir(), "store", arguments.store, allowed)
    return store


def verify(arguments: argparse.Namespace) -> int:
    """Check the checksums of everything; name what is damaged."""
    found = Counter[type]()
    for artifact in hygiene.damages(existing(arguments)):
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
