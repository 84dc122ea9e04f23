"""A report of one line, for the tests of orchestration; FAKE_DRAW has each take so many seconds."""

import json
import os
import time

from fake_science import trace


def flags(results, run):
    found = [*json.loads(results.attrs["flags"]), *run.get("flags", ())]
    return [{"where": "results", **flag} for flag in found]


def write(path, results, run, verdicts, answer, draw, live):
    if "FAKE_DRAW" in os.environ:
        trace("drawing")
        time.sleep(float(os.environ["FAKE_DRAW"]))
    path.write_text(f"<html>{run['run']} {float(results['value'][0])}</html>")


def summary(results, run):
    found = {"run": run["run"], "value": float(results["value"][0]), "flags": flags(results, run)}
    return found | {"references": {"critical_temperature": 2.269}}


def ends_table(results):
    return ["machine", "end"], [["V", f"{float(results['value'][0]):.3f}"]]


def rest_table(results, brief=False):
    return ends_table(results)


def plots_of(page):
    return []


def write_sweep(path, record, points, verdicts, machines, swept):
    there = [point["summary"]["value"] for point in points if point["summary"]]
    path.write_text(f"<html>{len(there)} of {len(points)}, {[point['left'] for point in points]}</html>")
