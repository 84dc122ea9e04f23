"""Memory and time of whole runs on large lattices, through the public command.

    python benchmarks/memory.py 64                  V-100 at L = 64, at most 4 GB
    python benchmarks/memory.py 128                 V-256 at L = 128, at most 8 GB
    python benchmarks/memory.py 16 --draws 50 --chains 50 --epochs 1        a small one, to see that it runs

Each has 1000 draws at 25 temperatures, 1000 chains and 40 iterations from a cold and a hot start, one seed, two
processes at a time. Peaks of steps are those of their provenance; that of the whole is the sum over all processes of
the run, looked at twice a second, each page counted once (Linux). The exit code is 1 beyond the limit. The store
stays.
"""

from __future__ import annotations

import argparse
import datetime
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rbmflow.store import Address, Store

RESULTS = Path(__file__).parent / "results"
LARGE = {64: (100, 4e9), 128: (256, 8e9)}
"""Hidden units and most bytes by length."""

SPEC = """
name = "memory-{length}"
seeds = 1
[lattice]
length = {length}
[sampling]
draws = {draws}
[machine]
hidden = {hidden}
[types.V]
[training]
epochs = {epochs}
checkpoints = 4
[flow]
starts = ["cold", "hot"]
chains = {chains}
[thermometer]
epochs = {epochs}
"""


def processes(root):
    """The process and all that descend from it."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents.setdefault(int(stat.read_text().rpartition(")")[2].split()[1]), []).append(int(stat.parent.name))
        except OSError:
            continue
    found = [root]
    for one in found:
        found += parents.get(one, [])
    return found


def memory(process):
    """Bytes that a process has in memory, its share of pages that it has in common with others."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


def measured(words):
    """Seconds, and the peak of the memory of all processes, of a command."""
    started, peak = time.perf_counter(), 0
    command = subprocess.Popen([sys.executable, "-m", "rbmflow", *words])
    while command.poll() is None:
        peak = max(peak, sum(map(memory, processes(command.pid))))
        time.sleep(0.5)
    if command.returncode:
        sys.exit(f"the run has failed with exit code {command.returncode}, at a peak of {peak / 1e9:.2f} GB until then")
    return time.perf_counter() - started, peak


def by_kind(store):
    """Rows of the kinds of steps: how many, their seconds together, the largest peak."""
    kinds = {}
    for one in Store(store).artifacts():
        about = Store(store).provenance(Address(one.kind, one.hash))
        kinds.setdefault(one.kind, []).append((about["seconds"], about["peak_memory_bytes"]))
    for kind, rows in sorted(kinds.items(), key=lambda item: -max(peak for _, peak in item[1])):
        seconds, peaks = zip(*rows, strict=True)
        yield f"| {kind} | {len(rows)} | {sum(seconds):.0f} | {max(peaks) / 1e9:.2f} |"


def main():
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("length", type=int)
    parser.add_argument("--hidden", type=int, help="hidden units; those of the description by default")
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--chains", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--store", type=Path, help="where results go; a new temporary folder by default")
    asked = parser.parse_args()
    hidden, limit = LARGE.get(asked.length, (64, 4e9))
    hidden, store = asked.hidden or hidden, asked.store or Path(tempfile.mkdtemp(prefix="rbmflow-memory-"))
    store.mkdir(parents=True, exist_ok=True)
    spec = store.with_name(f"{store.name}.toml")
    settings = {name: getattr(asked, name) for name in ("length", "draws", "chains", "epochs")}
    spec.write_text(SPEC.format(**settings, hidden=hidden))
    seconds, peak = measured(["run", str(spec), "--workers", str(asked.workers), "--store", str(store)])
    place = f"{datetime.datetime.now(datetime.UTC).date()}, {platform.machine()}, {asked.workers} processes"
    size = sum(path.stat().st_size for path in store.rglob("*") if path.is_file())
    lines = [
        f"L = {asked.length}, {hidden} hidden units, {asked.draws} draws, {asked.chains} chains, "
        f"{asked.epochs} epochs:",
        f"peak {peak / 1e9:.2f} GB of at most {limit / 1e9:g} GB, {seconds / 60:.1f} min, "
        f"{size / 1e9:.2f} GB on disk ({place}).",
        "",
        "| step | how many | seconds | peak GB |",
        "|---|---|---|---|",
        *by_kind(store),
    ]
    print("\n".join(lines), f"\nthe store is {store}")
    if asked.length in LARGE:
        (RESULTS / f"memory-{asked.length}.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return int(peak > limit)


if __name__ == "__main__":
    sys.exit(main())
