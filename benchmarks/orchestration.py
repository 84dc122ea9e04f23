"""Cost of orchestration, on an otherwise idle machine.

python benchmarks/orchestration.py scale [STEPS]    planning and watching a sweep of 100 000 steps
python benchmarks/orchestration.py overhead         time per step of no work in a warm worker
python benchmarks/orchestration.py throughput       how busy a sweep of 64 small machines keeps two cores
"""

import contextlib
import io
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import xarray as xr

from rbmflow import execute
from rbmflow.cli import main
from rbmflow.store import Address, Step, Store

SPEC = """
name = "large"
[sweep.product]
training.learning_rate = [{rates}]
machine.hidden = [{hidden}]
"""


SMALL = """
name = "small"
seeds = 1
[lattice]
length = 8
[sampling]
draws = 250
[types.V]
[training]
epochs = 60
[flow]
starts = ["cold", "hot"]
chains = 400
iterations = 20
[thermometer]
draws = 500
epochs = 20
[sweep.product]
machine.hidden = [4, 8, 12, 16]
training.learning_rate = [
    0.0025, 0.005, 0.0075, 0.01, 0.0125, 0.015, 0.0175, 0.02, 0.0225, 0.025, 0.0275, 0.03, 0.0325, 0.035, 0.0375, 0.04
]
"""


def compute(step, parents, work, progress):
    """A step that does nothing."""
    return xr.Dataset({"x": ("n", [1.0])})


def timed(words):
    """Seconds that a command takes, of wall and of CPU, and what it prints."""
    clock, cpu, out = time.perf_counter(), time.process_time(), io.StringIO()
    with contextlib.redirect_stdout(out):
        assert main(words) == 0
    return f"{time.perf_counter() - clock:.1f} s (CPU {time.process_time() - cpu:.1f} s)", out.getvalue()


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
    print(f"plan of {row.split('│')[2].strip()} steps: {seconds}, peak memory {peak():.2f} GB")
    seconds, _ = timed(["plan", str(path), "--store", store, "--record"])
    print(f"plan and record: {seconds}, peak memory {peak():.2f} GB")
    (record,) = Store(store).runs()
    for number, line in enumerate(record["steps"]):
        if number % 10:
            (Path(store) / "artifacts" / line["kind"] / line["hash"]).mkdir(parents=True)
    seconds, _ = timed(["status", "--store", store])
    print(f"status of it: {seconds}, peak memory {peak():.2f} GB")
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


def busy_seconds():
    """Seconds that all cores of this machine have worked so far (Linux)."""
    user, nice, system, *_ = map(int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:])
    return (user + nice + system) / os.sysconf("SC_CLK_TCK")


def throughput(folder):
    """Run a sweep of 64 small machines on two processes, and compare how long the cores worked with the wall time."""
    (folder / "small.toml").write_text(SMALL)
    store, log = folder / "store", folder / "log"
    words = ["run", str(folder / "small.toml"), "--workers", "2", "--store", str(store)]
    # Nothing is compiled before, as for a person who starts such a sweep for the first time.
    environment = os.environ | {"JAX_COMPILATION_CACHE_DIR": str(folder / "compiled")}
    before, clock, steps = busy_seconds(), time.perf_counter(), None
    with open(log, "w") as file:
        process = subprocess.Popen([sys.executable, "-m", "rbmflow", *words], stdout=file, stderr=file, env=environment)
        while process.poll() is None:
            time.sleep(0.2)
            if steps is None and (counted := re.findall(r" done (\d+)/(\d+): ", log.read_text())):
                done, of_all = counted[-1]
                steps = (time.perf_counter() - clock, busy_seconds() - before) if done == of_all else None
    assert process.returncode == 0, log.read_text()
    whole = (time.perf_counter() - clock, busy_seconds() - before)
    for what, (wall, worked) in (("steps", steps), ("steps and reports", whole)):
        print(f"64 small machines, {what}: {wall:.0f} s, two cores {100 * worked / (2 * wall):.0f} % busy")
    (run,) = [record for record in Store(store).runs() if "points" in record]
    seconds = Counter()
    for row in run["steps"]:
        seconds[row["kind"]] += Store(store).provenance(Address(row["kind"], row["hash"]))["seconds"]
    print("  seconds of steps:", ", ".join(f"{kind} {value:.1f}" for kind, value in seconds.items()))


if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    what = sys.argv[1:2] or ["scale", "overhead", "throughput"]
    with tempfile.TemporaryDirectory() as name:
        if "scale" in what:
            scale(Path(name), int(sys.argv[2]) if len(sys.argv) > 2 else 100_000)
        if "overhead" in what:
            for count in (1, 2):
                overhead(Path(name), count)
        if "throughput" in what:
            throughput(Path(name))
