"""Identity: what a hash holds, so that the same hash always means the same numbers."""

import dataclasses
import hashlib
import json
import math
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from rbmflow._checks import InvalidInput
from rbmflow.execute.surroundings import about_here, one_thread
from rbmflow.settings import TypeSettings
from rbmflow.spec import Spec, parse, parse_sweep, to_toml
from rbmflow.steps import graph
from rbmflow.store import Damaged, Step, Store, parcels
from rbmflow.store.expected import KINDS

EXTRAS = ("along_training", "from_exact", "predicted")

SPEC = parse(
    {
        "name": "identity",
        "seeds": 2,
        "lattice": {"length": 4},
        "sampling": {"temperatures": [0.0, 2.0, 4.0, float("inf")], "draws": 50},
        "types": {
            "V": {"also_hidden": [4]},
            "R": {"weights": "gaussian"},
            "M": {"data": "mean-field"},
            "warm": {"split": "temperature", "temperatures": [2.0]},
        },
        "training": {"epochs": 2, "batch": 20},
        "flow": {"chains": 20, "iterations": 8, "starts": ["cold", 2.0], **dict.fromkeys(EXTRAS, True)},
        "thermometer": {"draws": 100, "batch": 50},
        "renormalization": {"length": 8},
        "stability": {"length": 16, "steps": 2},
    }
)
"""A spec with every kind of step but those of scale invariance."""

SCALED = parse(
    {
        "name": "scaled",
        "lattice": {"length": 8},
        "scaling": {"spin_window": [1, 4], "energy_window": [1, 3]},
    }
)
"""A spec with those, for which the other lattice is too small."""

SECTIONS = {entry.name: type(getattr(SPEC, entry.name)) for entry in dataclasses.fields(Spec) if entry.name != "types"}
SECTIONS = {name: kind for name, kind in SECTIONS.items() if dataclasses.is_dataclass(kind)}


def hashes(spec):
    return [step.hash for step in graph(spec)]


@pytest.mark.parametrize("section", SECTIONS)
def test_a_new_field_with_a_default_has_nothing_recomputed(section):
    @dataclasses.dataclass(frozen=True)
    class Wider(SECTIONS[section]):
        later: float = 0.5

    spec = SCALED if section == "scaling" else SPEC
    before = getattr(spec, section)
    given = {entry.name: getattr(before, entry.name) for entry in dataclasses.fields(before)}
    assert hashes(dataclasses.replace(spec, **{section: Wider(**given)})) == hashes(spec)
    assert hashes(dataclasses.replace(spec, **{section: Wider(**given, later=0.25)})) != hashes(spec)


@pytest.mark.parametrize("kind", [*SECTIONS.values(), TypeSettings], ids=lambda kind: kind.__name__)
def test_every_field_of_settings_is_checked(as_people_call, kind):
    for entry in dataclasses.fields(kind):
        with pytest.raises(InvalidInput, match=entry.name):
            kind(**{entry.name: object()})


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


SWEEPS = {
    "types of cases in a spec without types": {"cases": [{"types": {"X": {"maximum": 2.0}}}, {"seed": 1}]},
    "types of cases beside types": {
        "types": {"V": {}},
        "cases": [{"types": {"X": {"data": "mean-field"}}}, {"seed": 2}],
    },
    "a product of types": {"product": {"types.X.minimum": [0.0, 1.0]}},
    "values that go together": {"zip": {"training.epochs": [1, 2], "training.learning_rate": [1, 0.5]}},
    "all at once": {
        "product": {"machine.hidden": [4, 8]},
        "zip": {"seed": [0, 1]},
        "cases": [{"flow": {"starts": ["cold", 2]}}, {"types": {"X": {"temperatures": [0.5, math.inf]}}}],
    },
}


@pytest.mark.parametrize("what", SWEEPS)
def test_a_saved_sweep_is_the_one_that_is_computed(what):
    asked = dict(SWEEPS[what])
    own = {"types": asked.pop("types")} if "types" in asked else {}
    sweep = parse_sweep({"name": "saved", "sweep": asked, **own})
    again = parse_sweep(tomllib.loads(sweep.toml))
    assert [hashes(point.spec) for point in again.points] == [hashes(point.spec) for point in sweep.points]
    assert again.toml == sweep.toml


def test_a_saved_spec_is_the_one_that_is_computed():
    training = dataclasses.replace(SPEC.training, learning_rate=1, held_out=0)
    flow = dataclasses.replace(SPEC.flow, starts=(2, "hot"), keep=(3, 1, 3))
    spec = dataclasses.replace(SPEC, training=training, flow=flow)
    assert hashes(parse(tomllib.loads(to_toml(spec)))) == hashes(spec)


def test_what_would_be_another_spec_when_saved_is_refused():
    @dataclasses.dataclass(frozen=True)
    class Wider(type(SPEC.training)):
        later: float = 0.5

    with pytest.raises(InvalidInput, match="later"):
        to_toml(dataclasses.replace(SPEC, training=Wider(epochs=2, batch=20)))
    with pytest.raises(InvalidInput, match=r"sweep.cases\[0\].types.X = {} is not allowed"):
        parse_sweep({"name": "saved", "sweep": {"cases": [{"types": {"X": {}}, "seed": 1}]}})


DEFAULTS = Path(__file__).with_name("defaults.json")


def test_golden_defaults_change_only_with_the_version_of_what_it_is_a_setting_of():
    """Defaults are not in the hashes: a changed one would be reused in silence.

    After a version was raised or settings got new fields, RBMFLOW_RENEW_GOLDEN=1 has the new table written.
    """
    stack = {"machine": {"kind": "stack", "hidden": 25}, "stability": {"layers": True}}
    steps = graph(SPEC) + graph(SCALED) + graph(parse({"name": "stacks", **stack}))
    # All settings of equilibrium draws stand in their steps; a given machine is that of a file.
    assert {step.kind for step in steps} == set(KINDS) - {"equilibrium", "given"}
    now = {}
    for section, kind in SECTIONS.items():
        fields = {entry.name: json.loads(json.dumps(entry.default)) for entry in dataclasses.fields(kind)}
        table = "model" if section == "lattice" else section  # Steps have both in one table.
        readers = sorted({step.kind for step in steps if table in step.settings})
        now[section] = {"defaults": fields, "versions": {reader: KINDS[reader].version for reader in readers}}
    known = json.loads(DEFAULTS.read_text()) if DEFAULTS.exists() else {}
    for section, row in known.items():
        moved = [name for name, value in row["defaults"].items() if now[section]["defaults"].get(name) != value]
        for reader, version in row["versions"].items() if moved else ():
            told = f"{', '.join(moved)} of {section} has another default: raise the version of {reader}"
            assert KINDS[reader].version > version, told
    if "RBMFLOW_RENEW_GOLDEN" in os.environ:
        DEFAULTS.write_text(json.dumps(now, indent=1) + "\n")
        known = now
    assert now == known, "defaults or versions are others than in defaults.json: renew it"


def step_of(kind):
    return next(step for step in graph(SPEC) if step.kind == kind)


def drawn(change=lambda data: data):
    """Data as those of the draws of the spec, with something changed."""
    rows = {name: ("temperature", np.ones(4)) for name in ("tau_int", "ess", "thinning", "discarded")}
    spins = np.where(np.arange(4 * 50 * 16).reshape(4, 50, 4, 4) % 3 == 0, 1, -1).astype(np.int8)
    data = xr.Dataset(rows | {"spins": (("temperature", "draw", "y", "x"), spins)})
    return change(data.assign_coords(temperature=[0.0, 2.0, 4.0, math.inf]))


def learnt(hidden):
    """Data as those of a machine with so many hidden units."""
    dims = {
        "weights": ("visible", "hidden"),
        "visible_bias": ("visible",),
        "hidden_bias": ("hidden",),
        "checkpoint_weights": ("checkpoint", "visible", "hidden"),
        "pseudo_likelihood": ("checkpoint",),
        "checkpoint_singular_value": ("checkpoint", "mode"),
        "reconstruction": ("epoch",),
        "weight_norm": ("epoch",),
    }
    sizes = {"visible": 16, "hidden": hidden, "mode": min(16, hidden), "checkpoint": 3, "epoch": 2}
    data = xr.Dataset({name: (of, np.ones([sizes[dim] for dim in of], np.float32)) for name, of in dims.items()})
    return data.assign(update=("checkpoint", np.arange(3))).assign_coords(epoch=[1, 2])


def forge(store, step, change):
    """Rewrite a file of an artifact, with fresh checksums."""
    folder = store.folder(step)
    change(folder)
    names = ("data.nc", "provenance.json")
    sums = [f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in names]
    (folder / "SHA256SUMS").write_text("".join(sums))


def of_provenance(**entries):
    def change(folder):
        path = folder / "provenance.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | entries))

    return change


FALSE_DATA = {
    "spins of 7": ("spins holds others than the states -1, 1", lambda data: data.assign(spins=data["spins"] * 7)),
    "spins of 0": ("spins holds others than the states -1, 1", lambda data: data.assign(spins=data["spins"] * 0)),
    "real spins": ("spins is float64", lambda data: data.assign(spins=data["spins"] * 1.0)),
    "half the draws": ("draw has length 25 in place of 50", lambda data: data.isel(draw=slice(25))),
    "temperatures reversed": ("temperature is not", lambda data: data.assign_coords(temperature=[math.inf, 4, 2, 0])),
    "no temperatures": ("temperature is not", lambda data: data.drop_vars("temperature")),
    "no spins": ("spins is missing", lambda data: data.drop_vars("spins")),
    "a transposed lattice": ("spins is int8", lambda data: data.transpose("temperature", "draw", "x", "y")),
    "a number out of range": ("tau_int holds numbers outside 0", lambda data: data.assign(tau_int=-data["tau_int"])),
}


@pytest.mark.parametrize("what", FALSE_DATA)
def test_data_that_are_not_what_the_settings_say_are_refused(tmp_path, what):
    store, step = Store(tmp_path), step_of("draws")
    told, change = FALSE_DATA[what]
    store.publish(step, drawn(change), {})
    for look in (store.read, store.read):
        with pytest.raises(Damaged, match=told):
            look(step)


def test_a_process_that_knows_the_store_alone_refuses_false_data(tmp_path):
    store, step = Store(tmp_path), step_of("draws")
    store.publish(step, drawn(lambda data: data.isel(draw=slice(25))), {})
    script = f"from rbmflow.store import *; Store({str(tmp_path)!r}).read(Address({step.kind!r}, {step.hash!r}))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert "draw has length 25 in place of 50" in done.stderr


def test_data_that_are_what_the_settings_say_are_read(tmp_path):
    store, step = Store(tmp_path), step_of("draws")
    store.publish(step, drawn(), {})
    assert xr.load_dataset(store.folder(step) / "data.nc").attrs["step"] == step.hash
    store.read(step)
    machine = step_of("machine")
    store.publish(machine, learnt(64), {})
    store.read(machine)


def test_a_machine_of_another_size_is_refused(tmp_path):
    store, step = Store(tmp_path), step_of("machine")
    store.publish(step, learnt(3), {})
    with pytest.raises(Damaged, match="hidden has length 3 in place of 64"):
        store.read(step)


FALSE_FILES = {
    "another kind": of_provenance(kind="machine"),
    "another version": of_provenance(version=1),
    "other settings": of_provenance(settings={}),
    "other parents": of_provenance(parents=[{"kind": "draws", "hash": "0" * 64}]),
    "no netCDF": lambda folder: (folder / "data.nc").write_bytes(b"something else"),
    "data of another step": lambda folder: drawn().to_netcdf(folder / "data.nc", engine="h5netcdf"),
}


@pytest.mark.parametrize("what", FALSE_FILES)
def test_a_forged_artifact_with_fresh_checksums_is_refused_at_read_and_import(tmp_path, what):
    store, step = Store(tmp_path / "store"), step_of("draws")
    store.publish(step, drawn(), {})
    parcel = tmp_path / "parcel.zip"
    rows = [{"kind": step.kind, "name": step.name, "hash": step.hash}]
    record = {"run": "a-run", "started": "2030-01-01T00:00:00+00:00", "steps": rows}
    forge(store, step, FALSE_FILES[what])
    for look in (store.read, lambda _: parcels.pack(store, record, parcel)):
        with pytest.raises(Damaged):
            look(step)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Store, "read", lambda *_: None)
        parcels.pack(store, record, parcel)
    other = Store(tmp_path / "other")
    with pytest.raises(InvalidInput, match="nothing was taken"):
        parcels.unpack(other, parcel)
    assert list(other.artifacts()) == []


def test_an_artifact_under_another_kind_is_refused(tmp_path):
    store, step = Store(tmp_path), step_of("draws")
    store.publish(step, drawn(), {})
    moved = step_of("draws")
    object.__setattr__(moved, "kind", "machine")
    store.folder(moved).parent.mkdir()
    store.folder(step).rename(store.folder(moved))
    with pytest.raises(Damaged, match="names another step"):
        store.read(moved)


def test_artifacts_hold_no_names_for_people(tmp_path):
    """The same draws serve types of any name: what is said of them names the step of the run that reads it."""
    store, step = Store(tmp_path), step_of("draws")
    called = Step(step.kind, "draws of my-secret-type", step.settings, step.parents, step.version)
    store.publish(called, drawn(), {"flags": [{"what": "sampling", "message": "slow"}]})
    for path in store.folder(step).iterdir():
        assert b"secret" not in path.read_bytes()


def test_flags_that_move_bits_are_refused_or_told(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false --xla_cpu_enable_fast_math=false")
    monkeypatch.setenv("JAX_DEFAULT_MATMUL_PRECISION", "bfloat16")
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    monkeypatch.setenv("TF_VAR_password", "secret")  # Terraform's
    monkeypatch.setenv("TF_XLA_FLAGS", "--tf_xla_auto_jit=2")
    told = about_here()["own_flags"]
    assert told["XLA_FLAGS"] == "--xla_cpu_enable_fast_math=false"
    assert told["JAX_DEFAULT_MATMUL_PRECISION"] == "bfloat16"
    assert told["TF_XLA_FLAGS"] == "--tf_xla_auto_jit=2"
    assert not {"JAX_PLATFORMS", "TF_VAR_password"} & set(told)
    monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_enable_fast_math=true")
    with pytest.raises(InvalidInput, match="fast mathematics"):
        about_here()


def test_processes_that_compute_pin_the_random_numbers(monkeypatch):
    monkeypatch.setenv("JAX_DEFAULT_PRNG_IMPL", "rbg")
    monkeypatch.setenv("JAX_THREEFRY_PARTITIONABLE", "false")
    monkeypatch.setenv("JAX_ENABLE_X64", "true")
    pinned = one_thread()
    assert pinned["JAX_DEFAULT_PRNG_IMPL"] == "threefry2x32"
    assert (pinned["JAX_THREEFRY_PARTITIONABLE"], pinned["JAX_ENABLE_X64"]) == ("true", "false")
