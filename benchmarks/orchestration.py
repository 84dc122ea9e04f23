"""Cost of orchestration: planning and watching a sweep of 100 000 steps, and overhead per step in a warm worker.

python benchmarks/orchestration.py [STEPS]
"""

import contextlib
import io
import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

import xarray as xr

from rbmflow import execute
from rbmflow.cli import main
from rbmflow.store import Step, Store

SPEC = """
name = "large"
[sweep.product]
training.learning_rate = [{rates}]
machine.hidden = [{hidden}]
"""


def compute(step, parents, work, progress):
    """A step that does nothing."""
    return xr.Dataset({"x": ("n", [1.0])})


def timed(words):
    """Seconds that a command takes, and what it prints."""
    clock, out = time.perf_counter(), io.StringIO()
    with contextlib.redirect_stdout(out):
        assert main(words) == 0
    return time.perf_counter() - clock, out.getvalue()


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def scale(folder, steps):
    """Plan a sweep of so many steps, record it, mark nine tenths of it done, and ask for its status."""
    # Three types, three seeds, three starts: 72 steps of machines and the results; the rest is shared.
    points = steps / 73
    path = folder / "large.toml"
    rates = ", ".join(f"{number / 1e6}" for number in range(1, round(points / 10) + 1))
    path.write_text(SPEC.format(rates=rates, hidden=", ".join(map(str, range(1, 11)))))
    store = str(folder / "store")
    seconds, out = timed(["plan", str(path), "--store", store])
    row = next(line for line in out.splitlines() if line.startswith("│ all"))
    print(f"plan of {row.split('│')[2].strip()} steps: {seconds:.1f} s, peak memory {peak():.2f} GB")
    seconds, _ = timed(["plan", str(path), "--store", store, "--record"])
    print(f"plan and record: {seconds:.1f} s, peak memory {peak():.2f} GB")
    (record,) = Store(store).runs()
    for number, line in enumerate(record["steps"]):
        if number % 10:
            (Path(store) / "artifacts" / line["kind"] / line["hash"]).mkdir(parents=True)
    seconds, _ = timed(["status", "--store", store])
    print(f"status of it: {seconds:.1f} s, peak memory {peak():.2f} GB")
    size = sum(path.stat().st_size for path in (Path(store) / "runs").rglob("*") if path.is_file())
    print(f"its record and manifest: {size / 1e6:.0f} MB; run.json {len(json.dumps(record)) / 1e6:.0f} MB")


def overhead(folder, workers, steps=400):
    """Seconds per step, in warm workers, that a step of no work takes from start to publication."""
    graph = [Step("probe", str(number), {"number": number}) for number in range(steps)]
    times = []

    def note(event):
        if event.what == "done":
            times.append(time.perf_counter())

    execute.run(graph, Store(folder / f"store-{workers}"), workers, note, science="orchestration")
    warm = len(times) // 4
    each = (times[-1] - times[warm]) / (len(times) - 1 - warm)
    print(f"overhead per step, {workers} worker{'s' if workers > 1 else ''}: {1e3 * each * workers:.1f} ms a worker")


if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    with tempfile.TemporaryDirectory() as name:
        scale(Path(name), int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
        for count in (1, 2):
            overhead(Path(name), count)
