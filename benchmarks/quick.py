"""What `rbmflow run quick` takes, in seconds of CPU, by kind of step and by what they are spent on.

python benchmarks/quick.py [SPEC]    in a fresh store, first with no compiled program kept from before, then with those

Seconds of CPU hold on a busy machine too, if not to the last tenth; each table has the wall time of its run below it.
"""

import builtins
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from importlib import import_module
from pathlib import Path

NOTES = "RBMFLOW_BENCHMARK_NOTES"
"""Variable with the folder in which processes note what they spend."""

EVENTS = {
    "/jax/core/compile/jaxpr_trace_duration": "tracing",
    "/jax/core/compile/jaxpr_to_mlir_module_duration": "tracing",
    "/jax/core/compile/backend_compile_duration": "compiling",
    "/jax/compilation_cache/cache_retrieval_time_sec": "loading",
}

PARTS = ("importing", "tracing", "compiling", "loading", "reading", "writing")


class Meter:
    """Wall time by part in a process of one thread; of what lies inside another part only that inside counts."""

    def __init__(self):
        self.spent, self.programs = defaultdict(float), 0
        self._ended = []
        # The process began when it had used no CPU.
        self._last = 0.0, time.perf_counter() - time.process_time()

    def event(self, part, seconds):
        """Something has just ended that took so long."""
        start, inside = time.perf_counter() - seconds, 0.0
        while self._ended and self._ended[-1][0] >= start:
            inside += self._ended.pop()[1]
        self._ended.append((start, seconds))
        self.spent[part] += max(0.0, seconds - inside)

    def listen(self, event, seconds, **_):
        """What JAX tells of its own doing."""
        if part := EVENTS.get(event):
            self.programs += part == "compiling"
            self.event(part, seconds)

    def timed(self, part, function):
        """The same function, whose time is that of a part."""

        def call(*args, **kwargs):
            start = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                self.event(part, time.perf_counter() - start)

        return call

    def note(self, kind):
        """Write down what was spent since the last note, as seconds of CPU."""
        now = time.process_time(), time.perf_counter()
        cpu, wall = (after - before for after, before in zip(now, self._last, strict=True))
        share = min(1.0, cpu / wall)
        row = {"kind": kind, "CPU": cpu, "programs": self.programs}
        row |= {part: share * seconds for part, seconds in self.spent.items()}
        with open(Path(os.environ[NOTES]) / f"{os.getpid()}.jsonl", "a") as file:
            file.write(json.dumps(row) + "\n")
        self._last, self.programs = now, 0
        self.spent.clear()


METER = Meter()


def meter_this_process():
    """Time imports, reading and writing of artifacts from now on, and note each step that is published."""
    from rbmflow.store import Store

    METER.event("importing", time.process_time())
    publish, outer, deep = METER.timed("writing", Store.publish), builtins.__import__, []

    def published(self, step, dataset, provenance):
        publish(self, step, dataset, provenance)
        METER.note(step.kind)

    def imported(name, *args, **kwargs):
        if deep or name in sys.modules:
            return outer(name, *args, **kwargs)
        deep.append(name)
        try:
            return METER.timed("importing", outer)(name, *args, **kwargs)
        finally:
            deep.pop()

    Store.read, Store.publish, builtins.__import__ = METER.timed("reading", Store.read), published, imported


def compute(step, parents, work, progress):
    """The science of the metered run."""
    if "jax" not in sys.modules:
        import jax

        jax.monitoring.register_event_duration_secs_listener(METER.listen)
    return import_module("rbmflow.steps").compute(step, parents, work, progress)


def used(who):
    spent = resource.getrusage(who)
    return spent.ru_utime + spent.ru_stime


def run(arguments):
    """Run the command in this process, with this module as the science, and note what it takes besides the steps."""
    from rbmflow import execute
    from rbmflow.cli import main

    plain, spent = execute.run, {}

    def metered(*args, **kwargs):
        plain(*args, **kwargs, science="quick")
        spent.update(here=used(resource.RUSAGE_SELF), workers=used(resource.RUSAGE_CHILDREN))

    execute.run = metered
    code = main(arguments)
    whole = used(resource.RUSAGE_SELF) + used(resource.RUSAGE_CHILDREN)
    told = {"master": spent["here"], "report": whole - spent["here"] - spent["workers"]}
    (Path(os.environ[NOTES]) / "besides.json").write_text(json.dumps(told))
    return code


def measured(spec, cache):
    """Rows of all steps, what the run takes besides, and the wall time."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        environment |= {NOTES: folder, "XDG_CACHE_HOME": cache}
        command = [sys.executable, __file__, "run", spec, "--store", f"{folder}/store"]
        clock = time.perf_counter()
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        wall = time.perf_counter() - clock
        assert done.returncode == 0, done.stderr
        rows = [json.loads(line) for path in Path(folder).glob("*.jsonl") for line in path.read_text().splitlines()]
        return rows, json.loads((Path(folder) / "besides.json").read_text()), wall


def print_table(rows, besides, wall):
    sums = defaultdict(lambda: defaultdict(float))
    for row in rows:
        for name in (row["kind"], "all steps"):
            sums[name]["steps"] += 1
            for part, value in row.items():
                sums[name][part] += value if part != "kind" else 0
    print(f"| kind | steps | programs | CPU | {' | '.join(PARTS)} | computing |")
    print("|---" * (5 + len(PARTS)) + "|")
    for kind, row in sorted(sums.items(), key=lambda item: -item[1]["CPU"]):
        seconds = [row["CPU"], *(row[part] for part in PARTS), row["CPU"] - sum(row[part] for part in PARTS)]
        cells = [f"{row['steps']:.0f}", f"{row['programs']:.0f}", *(f"{value:.1f}" for value in seconds)]
        print(f"| {kind} | {' | '.join(cells)} |")
    whole = sums["all steps"]["CPU"] + sum(besides.values())
    told = ", ".join(f"{name} {value:.1f} s" for name, value in besides.items())
    print(f"\nBesides: {told}. In all {whole:.0f} s of CPU; {wall:.0f} s of wall time.\n", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["run"]:
        sys.exit(run(sys.argv[1:]))
    with tempfile.TemporaryDirectory() as cache:
        for what in ("No compiled program is there", "Compiled programs are there"):
            print(f"{what}:\n")
            print_table(*measured(sys.argv[1] if sys.argv[1:] else "quick", cache))
elif NOTES in os.environ:
    meter_this_process()
