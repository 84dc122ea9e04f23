"""Identity: what a hash holds, so that the same hash always means the same numbers."""

import dataclasses
import json
import math
import os
from pathlib import Path

import pytest

from rbmflow._checks import InvalidInput
from rbmflow.spec import Spec, parse
from rbmflow.steps import graph
from rbmflow.steps.graph import VERSIONS
from rbmflow.store import Step

SPEC = parse(
    {
        "name": "identity",
        "seeds": 2,
        "model": {"length": 4},
        "sampling": {"temperatures": [0.0, 2.0, 4.0, float("inf")], "draws": 50},
        "types": {"V": {"also_hidden": [4]}, "R": {"weights": "gaussian"}, "M": {"data": "mean-field"}},
        "training": {"epochs": 2, "batch": 20},
        "flow": {"chains": 20, "iterations": 8, "starts": ["cold", 2.0], "along_training": True},
        "thermometer": {"draws": 100, "batch": 50},
        "renormalization": {"length": 8},
    }
)
"""A spec with every kind of step."""

SECTIONS = {entry.name: type(getattr(SPEC, entry.name)) for entry in dataclasses.fields(Spec) if entry.name != "types"}
SECTIONS = {name: kind for name, kind in SECTIONS.items() if dataclasses.is_dataclass(kind)}


def hashes(spec):
    return [step.hash for step in graph(spec)]


@pytest.mark.parametrize("section", SECTIONS)
def test_a_new_field_with_a_default_has_nothing_recomputed(section):
    @dataclasses.dataclass(frozen=True)
    class Wider(SECTIONS[section]):
        later: float = 0.5

    before = getattr(SPEC, section)
    given = {entry.name: getattr(before, entry.name) for entry in dataclasses.fields(before)}
    assert hashes(dataclasses.replace(SPEC, **{section: Wider(**given)})) == hashes(SPEC)
    assert hashes(dataclasses.replace(SPEC, **{section: Wider(**given, later=0.25)})) != hashes(SPEC)


def test_settings_hold_what_differs_from_the_defaults_alone():
    machine = next(step for step in graph(SPEC) if step.kind == "machine")
    assert machine.settings["training"] == {"epochs": 2, "batch": 20}
    assert machine.settings["machine"] == {}


def test_numbers_that_are_equal_have_one_hash():
    """One setting written in several ways: whole and real, minus zero, in another order, after JSON."""
    flow = dataclasses.replace(SPEC.flow, starts=("cold", 2), keep=(8, 0, 8))
    ordered = dataclasses.replace(SPEC.flow, keep=(0, 8))
    assert hashes(dataclasses.replace(SPEC, flow=flow)) == hashes(dataclasses.replace(SPEC, flow=ordered))
    sampling = dataclasses.replace(SPEC.sampling, temperatures=(-0.0, 2, 4, math.inf))
    assert hashes(dataclasses.replace(SPEC, sampling=sampling)) == hashes(SPEC)
    training = dataclasses.replace(SPEC.training, learning_rate=1, weight_decay=-0.0)
    other = dataclasses.replace(SPEC.training, learning_rate=1.0)
    assert hashes(dataclasses.replace(SPEC, training=training)) == hashes(dataclasses.replace(SPEC, training=other))
    with pytest.raises(InvalidInput, match="seed = True is not allowed"):
        dataclasses.replace(SPEC, seed=True)
    for step in graph(SPEC):
        read = json.loads(json.dumps(step.settings))
        assert Step(step.kind, "", read, step.parents, step.version) == step


DEFAULTS = Path(__file__).with_name("defaults.json")


def test_golden_defaults_change_only_with_the_version_of_what_it_is_a_setting_of():
    """Defaults are not in the hashes: a changed one would be reused in silence.

    After a version was raised or settings got new fields, RBMFLOW_RENEW_GOLDEN=1 has the new table written.
    """
    steps = graph(SPEC)
    assert {step.kind for step in steps} == set(VERSIONS)
    now = {}
    for section, kind in SECTIONS.items():
        fields = {entry.name: json.loads(json.dumps(entry.default)) for entry in dataclasses.fields(kind)}
        readers = sorted({step.kind for step in steps if section in step.settings})
        now[section] = {"defaults": fields, "versions": {reader: VERSIONS[reader] for reader in readers}}
    known = json.loads(DEFAULTS.read_text()) if DEFAULTS.exists() else {}
    for section, row in known.items():
        moved = [name for name, value in row["defaults"].items() if now[section]["defaults"].get(name) != value]
        for reader, version in row["versions"].items() if moved else ():
            told = f"{', '.join(moved)} of {section} has another default: raise the version of {reader}"
            assert VERSIONS[reader] > version, told
    if "RBMFLOW_RENEW_GOLDEN" in os.environ:
        DEFAULTS.write_text(json.dumps(now, indent=1) + "\n")
        known = now
    assert now == known, "defaults or versions are others than in defaults.json: renew it"
