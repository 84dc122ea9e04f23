"""Anything in the place of a spec, a command line, a record, an artifact: a sentence and exit code 2, or an answer.

Never a traceback, and nothing written. Few cases by default; with `RBMFLOW_FUZZ=100000` in the environment,
`pytest -n 0 -m slow tests/test_fuzz.py` has so many of each kind. Every case goes through the readers, and one in
`WHOLE` through the command line too, which takes most of the time.
"""

import contextlib
import io
import json
import os
import random
import re
import shutil
import sys
import tomllib
from hashlib import sha256

import pytest
import tomli_w

import fake_report
import fake_science
import rbmflow
from rbmflow import spec
from rbmflow._checks import InvalidInput
from rbmflow.cli import main
from rbmflow.execute import manifest
from rbmflow.spec import toml_files
from rbmflow.store import Damaged, Store, parcels

CASES = int(os.environ.get("RBMFLOW_FUZZ", "0"))
FEW = 100
WHOLE = 20

QUICK = toml_files.shipped_text("quick")
ODD_TEXT = [
    "",
    "\x1b[31mred\x1b[0m",
    "[/b]",
    "../../x",
    "a" * 5000,
    "\u202eabc",
    "\x00",
    "inf",
    "nan",
    "0",
    "\udcff",
    "é",
    '"><script>',
]
ODD_NUMBERS = [0, -1, 1, 2**31, 2**63, -(2**63), 10**5000, 0.5, 1e308, -1e-320, float("inf"), float("nan")]
HASH = "0" * 64


def odd(rng, depth=3):
    """A value that no field expects."""
    kind = rng.randrange(9 if depth else 6)
    if kind < 2:
        return rng.choice(ODD_TEXT)
    if kind < 4:
        return rng.choice(ODD_NUMBERS)
    if kind < 6:
        return rng.choice([None, True, False, [], {}])
    if kind == 6:
        return [odd(rng, depth - 1) for _ in range(rng.randrange(4))]
    if kind == 7:
        return {rng.choice(ODD_TEXT): odd(rng, depth - 1) for _ in range(rng.randrange(4))}
    nested = 1
    for _ in range(rng.choice([2, 20, 900])):
        nested = [nested] if rng.random() < 0.5 else {"a": nested}
    return nested


def mutated(rng, value):
    """The value with one part of it, at any depth, taken away, doubled, or made odd."""
    if rng.random() < 0.15 or not isinstance(value, dict | list) or not value:
        return odd(rng)
    if isinstance(value, dict):
        key, changed = rng.choice(list(value)), dict(value)
    else:
        key, changed = rng.randrange(len(value)), list(value)
    action = rng.random()
    if action < 0.12:
        del changed[key]
    elif action < 0.2 and isinstance(changed, dict):
        changed[rng.choice(ODD_TEXT)] = odd(rng)
    elif action < 0.2:
        changed.append(changed[key])
    else:
        changed[key] = mutated(rng, value[key])
    return changed


def mutated_bytes(rng, content):
    """The bytes with a part cut out, written over or put in."""
    if rng.random() < 0.1:
        return rng.randbytes(rng.randrange(80))
    for _ in range(rng.randint(1, 3)):
        first = rng.randrange(len(content) + 1)
        last = min(len(content), first + rng.choice([0, 1, 1, 4, 30, 2000]))
        content = content[:first] + rng.randbytes(rng.choice([0, 1, 1, 4, 30])) + content[last:]
    return content


def as_json(value):
    sys.set_int_max_str_digits(0)
    try:
        return json.dumps(value, ensure_ascii=True).encode()
    except RecursionError:
        return b"[" * 5000
    finally:
        sys.set_int_max_str_digits(4300)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with the fake science and a store that has a run, a sweep, a step under way and one that failed."""
    # So deep that "../../x" is in a folder of this test too: what another run has left there must not be read.
    folder = tmp_path_factory.mktemp("fuzz") / "home" / "here"
    folder.mkdir(parents=True)
    with pytest.MonkeyPatch.context() as patch:
        for name, module in {"steps": fake_science, "report": fake_report}.items():
            patch.setitem(sys.modules, f"rbmflow.{name}", module)
            patch.setattr(rbmflow, name, module, raising=False)
        patch.setattr("rbmflow.cli.running.default_workers", lambda: 1)
        patch.chdir(folder)
        (folder / "sweep.toml").write_text('name = "many"\nseeds = 1\n[sweep.product]\ntraining.epochs = [1, 2]\n')
        for words in (["run", "--seeds", "1", "--training.epochs", "2"], ["run", "sweep.toml"]):
            assert told(*words)[0] == 0
        store = Store("rbmflow-store")
        step = fake_science.graph(spec.load("quick", {"seeds": "7"}))[3]
        store.report_progress(step, 0.5)
        store.report_failure(step, "a reason")
        yield folder


def told(*words):
    """Exit code and what was said by a command line; anything but these is a traceback, and a failed test."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main(list(words))
        except SystemExit as end:
            code = end.code
    text = out.getvalue() + err.getvalue()
    assert "\x1b" not in text
    assert "Traceback" not in text
    assert len(err.getvalue()) < 300_000
    return code, out.getvalue(), err.getvalue()


def listing(folder):
    """Every file with its time of change, which tells whether anything was written."""
    return {
        path: os.stat(path).st_mtime_ns for top, _, names in os.walk(folder) for path in (f"{top}/{n}" for n in names)
    }


def seeds(kind):
    count = CASES or FEW
    # A base of its own for each kind: the same case comes back by its number.
    return ((number, random.Random(f"{kind} {number}")) for number in range(count))


slow_if_many = pytest.mark.slow if CASES else lambda test: test


def changed_spec(rng, tables, names):
    """Bytes of a spec, and overrides."""
    if rng.random() < 0.4:
        return mutated_bytes(rng, QUICK.encode()), {}
    if rng.random() < 0.3:
        return QUICK.encode(), {
            rng.choice(names): rng.choice([*ODD_TEXT, "[" * 900, "9" * 5000, "[1, 2]", "{a = 1}", "inf"])
        }
    for _ in range(rng.randint(1, 3)):
        tables = mutated(rng, tables)
    sys.set_int_max_str_digits(0)
    try:
        return tomli_w.dumps(tables).encode("utf-8", "replace"), {}
    except (TypeError, ValueError, AttributeError, RecursionError):  # There is no TOML for it.
        return b"a = " + b"[" * 900, {}
    finally:
        sys.set_int_max_str_digits(4300)


def refused(path, overrides):
    """What is wrong with a spec, in sentences."""
    try:
        spec.load_sweep(path, overrides)
    except InvalidInput as error:
        return tuple(map(str, error.problems)) or ("nothing",)
    return ()


@slow_if_many
def test_specs(place):
    tables, names = tomllib.loads(QUICK), [field.name.replace("<type>", "V") for field in spec.fields()]
    names += ["sweep.product.seed", "sweep.zip", "sweep.cases", ".".join("a" * 2000)]
    path, before = place / "fuzz.toml", listing(place / "rbmflow-store")
    for number, rng in seeds("specs"):
        content, overrides = changed_spec(rng, tables, names)
        path.write_bytes(content)
        problems = refused(path, overrides)
        good = problems == ()
        assert all(re.fullmatch(r".* = .* is not allowed: .+", problem) for problem in problems), number
        assert all(len(problem) < 4000 for problem in problems), number
        if number % WHOLE == 0:
            words = [f"--{name}={value}" for name, value in overrides.items()]
            code, out, err = told("plan", str(path), *words)
            assert (code, out == "", err == "") == ((0, False, True) if good else (2, True, False)), number
    path.unlink()
    assert listing(place / "rbmflow-store") == before


VERBS = ["run", "plan", "step", "status", "show", "report", "store", "cite", "nonsense", ""]
WORDS = ["ls", "verify", "gc", "publish", "open", "--json", "--record", "--watch", "--every", "--workers", "--slurm"]
WORDS += [
    "--step-seconds",
    "--step-memory",
    "--store",
    "--older",
    "quick",
    "many",
    "x.tar",
    "0",
    "-1",
    "800M",
    "nan",
    "--",
    "-h",
]
WORDS += [
    "--machine.hidden",
    "--seed=3",
    "--types.V.minimum",
    "--flow.starts",
    "[1, 2]",
    "--sweep.product.seed",
    "/dev/null",
]


@slow_if_many
def test_command_lines(place, monkeypatch):
    monkeypatch.setattr("rbmflow.execute.run", lambda *_, **__: pytest.skip("nothing is to be computed"))
    typed = WORDS + [text for text in ODD_TEXT if "\0" not in text]  # No system passes that one on.
    before = listing(place)
    for number, rng in seeds("command lines"):
        words = [rng.choice(VERBS), *(rng.choice(typed) for _ in range(rng.randrange(6)))]
        if words[0] == "run":
            words.append("--seeds=0")  # It must not come to computing, not even in a sweep over seeds.
        if "--watch" in words or "--delete" in words:
            continue
        code, _, _ = told(*words)
        assert code in (0, 1, 2), number
        for written in (place / "x.tar", place / "../../x"):
            written.unlink(missing_ok=True)
        for name in set(os.listdir(place)) - {"rbmflow-store", "sweep.toml", "fuzz.toml"}:
            assert words[0] in ("plan", "store", "report"), (number, name)
            shutil.rmtree(place / name, ignore_errors=True) if (place / name).is_dir() else (place / name).unlink()
    assert {path for path in listing(place) if "/runs/" not in path} == {
        path for path in before if "/runs/" not in path
    }


READERS = (
    ["status"],
    ["show", "quick"],
    ["show", "many"],
    ["show", "many", "--json"],
    ["store", "ls"],
    ["store", "ls", "draws"],
)
READERS += (
    ["store", "gc"],
    ["plan", "--seeds", "1"],
    ["report", "quick"],
    ["report", "many"],
    ["step", "000000"],
    ["store", "verify"],
)


def readable(store, changed):
    """What is in a store is read by each of its readers: it is there, or named, or left out."""
    count = len(store.runs()) + len(store.unreadable_runs())
    assert count == len(os.listdir(store.path / "runs"))
    assert len(store.running()) <= 1
    assert len(store.failures()) <= 1
    if changed.name == manifest.FILE:
        with contextlib.suppress(InvalidInput):
            manifest.read(changed.parent)


@slow_if_many
def test_records(place):
    store = place / "rbmflow-store"
    records = sorted({*store.glob("runs/*/*.json*"), *store.glob("work/*/*.json"), *store.glob("runs/*/spec.toml")})
    assert len(records) >= 7
    outside = listing(place.parent)
    for number, rng in seeds("records"):
        path = rng.choice(records)
        whole = path.read_bytes()
        if rng.random() < 0.3 or path.suffix != ".json":
            path.write_bytes(mutated_bytes(rng, whole))
        else:
            path.write_bytes(as_json(mutated(rng, json.loads(whole))))
        readable(Store(store), path)
        for words in rng.sample(READERS, 2) if number % WHOLE == 0 else ():
            code, _, err = told(*words)
            assert code in (0, 1, 2), (number, words)
            assert code == 0 or err or words[1:] == ["verify"], (number, words)
        path.write_bytes(whole)
    assert set(listing(place.parent)) == set(outside)


def resealed(folder):
    """Checksums of what is there now: a stranger can make them as well as we."""
    names = ("data.nc", "provenance.json")
    lines = [f"{sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in names]
    (folder / "SHA256SUMS").write_text("".join(lines))


@slow_if_many
def test_artifacts(place, tmp_path):
    store = Store(place / "rbmflow-store")
    artifacts = list(store.artifacts())
    parcel = tmp_path / "whole.zip"
    parcels.pack(store, store.find_run("quick"), parcel)
    packed = parcel.read_bytes()
    for number, rng in seeds("artifacts"):
        if rng.random() < 0.3:
            bad, other = tmp_path / "bad.zip", tmp_path / "other"
            bad.write_bytes(mutated_bytes(rng, packed))
            code, _, err = told("open", str(bad), "--store", str(other))
            assert code in (0, 1, 2), number
            assert code == 0 or err, number
            shutil.rmtree(other, ignore_errors=True)
            continue
        artifact = rng.choice(artifacts)
        folder = store.folder(artifact)
        path = folder / rng.choice(["data.nc", "data.nc", "provenance.json", "SHA256SUMS"])
        whole = {name: (folder / name).read_bytes() for name in os.listdir(folder)}
        if path.suffix == ".json" and rng.random() < 0.7:
            path.write_bytes(as_json(mutated(rng, json.loads(whole[path.name]))))
        else:
            path.write_bytes(mutated_bytes(rng, whole[path.name]))
        if path.name != "SHA256SUMS":
            resealed(folder)
        with contextlib.suppress(Damaged):
            store.read(artifact)
        if number % WHOLE == 0:
            words = rng.choice([["store", "ls", artifact.kind], ["show", "quick"], ["store", "verify"], ["plan"]])
            assert told(*words)[0] in (0, 1, 2), (number, words)
        for name, content in whole.items():
            (folder / name).write_bytes(content)
