"""A science of a few sums, with checkpoints, for the tests of orchestration.

The environment has machines stop and wait after so many chunks until `release` is called (FAKE_HOLD), has each chunk
take so many seconds (FAKE_PAUSE), has a step fail (FAKE_FAIL, its name) or its process die (FAKE_KILL), and has the
doctor find a fault (FAKE_FAULT), and has everything written down that is done (FAKE_TRACE, a file).
"""

import json
import math
import os
import time
from pathlib import Path

import numpy as np
import xarray as xr

import rbmflow.steps
from rbmflow._files import write_text
from rbmflow.store import Step

__path__ = rbmflow.steps.__path__
"""Where this stands in for the real steps, the store still asks their kinds what data must hold."""


def graph(spec):
    draws = Step("draws", "draws", {"seed": spec.seed, "length": spec.lattice.length})
    machines, flows = [], []
    for replica in range(spec.seeds):
        settings = {"seed": spec.seed, "replica": replica, "chunks": spec.training.epochs}
        machines.append(Step("machine", f"machine {replica}", settings, (draws,)))
        flows.append(Step("flow", f"flow {replica}", {"chunks": 1}, (machines[-1],)))
    return (draws, *machines, *flows, Step("results", "results", {}, tuple(flows)))


def trace(text):
    if "FAKE_TRACE" in os.environ:
        with open(os.environ["FAKE_TRACE"], "a") as file:
            file.write(f"{text}\n")


def traced():
    path = Path(os.environ["FAKE_TRACE"])
    return path.read_text().splitlines() if path.exists() else []


def held(number):
    """Tell whether so many machines have come to the chunk where FAKE_HOLD has them wait."""
    return sum("chunk 19" in line for line in traced()) == number


def release():
    """Have the machines go on that FAKE_HOLD has made wait."""
    Path(f"{os.environ['FAKE_TRACE']}.released").touch()


def released():
    return Path(f"{os.environ['FAKE_TRACE']}.released").exists()


def compute(step, parents, work, progress):
    trace(step.name)
    if step.name == os.environ.get("FAKE_FAIL"):
        raise ArithmeticError("made to fail\nsecond line")
    if step.name == os.environ.get("FAKE_KILL"):
        os.kill(os.getpid(), 9)
    checkpoint = work / "checkpoint.json"
    first, total = json.loads(checkpoint.read_text()) if checkpoint.exists() else (0, 0.0)
    for chunk in range(first, step.settings.get("chunks", 1)):
        while step.kind == "machine" and str(chunk) == os.environ.get("FAKE_HOLD") and not released():
            time.sleep(0.05)
        time.sleep(float(os.environ.get("FAKE_PAUSE", "0")))
        total += math.sin(total + chunk + step.settings.get("replica", 0))
        write_text(checkpoint, json.dumps([chunk + 1, total]))
        trace(f"{step.name} chunk {chunk}")
        progress((chunk + 1) / step.settings.get("chunks", 1))
    total += sum(float(parent["value"].sum()) for parent in parents)
    return _result(step, total)


def _result(step, total):
    where = {"where": step.name} if step.kind == "results" else {}
    flags = json.dumps([where | {"what": "test", "message": "made by a test"}])
    return xr.Dataset({"value": ("x", total + np.arange(50.0))}, attrs={"flags": flags})


def group(step):
    return json.dumps(step.settings["chunks"]) if step.kind == "machine" else None


def compute_together(steps, parents, progress):
    """What `compute` makes of each, with one line in the trace for all."""
    trace(f"together: {', '.join(step.name for step in steps)}")
    if os.environ.get("FAKE_FAIL") in [step.name for step in steps]:
        raise ArithmeticError("made to fail together")
    made = []
    for step in steps:
        total = 0.0
        for chunk in range(step.settings["chunks"]):
            total += math.sin(total + chunk + step.settings["replica"])
        made.append(_result(step, total + sum(float(parent["value"].sum()) for parent in parents)))
    progress(1.0)
    return made


def doctor():
    return [("two and two", 4, 2 + 2, True), ("nothing", 0, 0, "FAKE_FAULT" not in os.environ)]


def answer_of(results, judged=None):
    """What the page and the shell begin with."""
    return ["answered"]


def live_of(results, read):
    """No machines that a page could iterate."""


def verdicts_of(*results):
    """No verdicts: there are no machines."""
    return []


def machines_side_by_side(*results):
    """No machines."""
