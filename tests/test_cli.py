import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path

import pytest

import fake_report
import fake_science
import rbmflow
from rbmflow import execute, spec
from rbmflow.cli import main
from rbmflow.cli.arguments import split_overrides
from rbmflow.execute import recording
from rbmflow.store import Store

SMALL = ("--seeds", "2", "--training.epochs", "3")


def tree(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(autouse=True)
def fakes(monkeypatch, tmp_path):
    for name, module in {"steps": fake_science, "report": fake_report}.items():
        monkeypatch.setitem(sys.modules, f"rbmflow.{name}", module)
        monkeypatch.setattr(rbmflow, name, module, raising=False)
    # Other processes would import the real steps.
    for module in ("running", "planning", "pages", "publishing"):
        monkeypatch.setattr(f"rbmflow.cli.{module}.default_workers", lambda: 1)
    monkeypatch.setenv("FAKE_TRACE", str(tmp_path / "trace"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def call(capsys):
    """Function that runs a command and returns its exit code, standard output and standard error."""

    def call(*words):
        try:
            code = main([str(word) for word in words])
        except SystemExit as end:
            code = end.code
        return (code, *capsys.readouterr())

    return call


def test_help_imports_nothing_heavy():
    script = (
        "import sys\nfrom rbmflow.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit as end:\n    assert not end.code\n"
        "print(sorted({'jax', 'numpy', 'xarray', 'pydantic', 'rich', 'matplotlib'}.intersection(sys.modules)))\n"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "usage: rbmflow" in ended.stdout
    assert ended.stdout.splitlines()[-1] == "[]"


def test_shipped_specs_are_listed_and_printed(call, tmp_path):
    assert call("specs")[1].splitlines()[0].split()[0] == spec.shipped()[0]
    (tmp_path / "my.toml").write_text(call("spec", "quick")[1])
    assert spec.load(tmp_path / "my.toml") == spec.load("quick")
    assert call("spec", "nonsense")[0] == 2
    assert "shipped specs" not in call()[1]
    assert call()[1].startswith("usage: rbmflow")


def test_planning_and_asking_import_no_jax(tmp_path):
    # With the real steps: the graph of a spec is made without the science.
    script = (
        "import sys\nfrom rbmflow.cli import main\n"
        "assert main(['plan']) == main(['specs']) == main(['cite']) == 0\n"
        "print(sorted({'jax', 'xarray', 'pydantic', 'matplotlib'}.intersection(sys.modules)))\n"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert ended.stdout.splitlines()[-1] == "[]"
    assert not (tmp_path / "rbmflow-store").exists()


FINISHED = """
import sys
sys.path.insert(0, %r)
import fake_report, xarray as xr
from datetime import UTC, datetime
from rbmflow import spec, steps
from rbmflow.cli import points
from rbmflow.execute import recording
from rbmflow.store import Store
sys.modules["rbmflow.report"], steps.answer_of = fake_report, lambda _: ["answered"]
sweep, store = spec.load_sweep("quick", {}), Store("rbmflow-store")
graph = steps.graph(sweep.points[0].spec)
store.prepare()
results = xr.Dataset({"value": ("n", [1.0])}, attrs={"flags": "[]"})
store.publish(graph[-1], results, {})
record = recording.begin(sweep, [graph], store, datetime.now(UTC))
record = recording.finish(sweep.points[0].spec, graph, store, datetime.now(UTC), 1.0, ())
(store.run_folder(record["run"]) / "report.html").write_text("x")
points.note(results, record, store)
"""

TOLD_AGAIN = """
import sys
from rbmflow.cli import main
assert main(["run"]) == main(["show", "quick"]) == main(["show", "quick", "--json"]) == main(["status"]) == 0
print(sorted({"jax", "numpy", "scipy", "xarray", "pandas", "h5py", "matplotlib"}.intersection(sys.modules)))
"""


def test_a_finished_run_is_told_without_the_libraries_that_compute(tmp_path):
    # With the real steps. The numbers stand beside the record, the results are only compared with their checksums.
    for script in (FINISHED % str(Path(__file__).parent), TOLD_AGAIN):
        ended = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=tmp_path
        )
        assert ended.returncode == 0, ended.stderr
    assert "nothing to compute" in ended.stdout
    assert ended.stdout.splitlines()[-1] == "[]"


def test_numbers_that_are_not_of_these_results_and_this_record_are_not_told(call, monkeypatch):
    folder = Path(call("run", *SMALL)[1].splitlines()[-1]).parent
    told, text = call("show", "quick"), (folder / "numbers.json").read_text()
    row = json.loads(text)
    for false in ("", "{", json.dumps(row | {"of": 64 * "0"}), json.dumps(row | {"summary": {"seeds": math.nan}})):
        (folder / "numbers.json").write_text(false)
        assert call("show", "quick") == told
    assert call("report", "quick")[0] == 0
    assert (folder / "numbers.json").read_text() == text
    monkeypatch.setattr("rbmflow.cli.points.__version__", "0.0.9")
    (folder / "numbers.json").write_text(text.replace("2.269", "9.999"))
    assert call("show", "quick") == told


def test_run_writes_the_run_and_ends_with_its_report(call, tmp_path):
    code, out, err = call("run", *SMALL)
    assert code == 0
    lines = out.splitlines()
    page = Path(lines[-1])
    folder = page.parent
    assert page == tmp_path / "rbmflow-store" / "runs" / folder.name / "report.html"
    assert any("machine" in line and "end" in line for line in lines)
    assert "flag: results: made by a test" in lines
    assert "6 of 6 steps computed" in out
    assert "done 6/6: results" in err
    record = json.loads((folder / "run.json").read_text())
    asked = spec.load("quick", {"seeds": "2", "training.epochs": "3"})
    last = fake_science.graph(asked)[-1]
    assert record["run"] == f"quick-{last.hash[:10]}" == folder.name
    assert record["spec_toml"] == (folder / "spec.toml").read_text() == spec.to_toml(asked)
    keys = "name run spec_toml started seconds compute_seconds cpu_seconds steps versions flags device cores platform"
    assert set(record) == {*keys.split(), "revision", "seed"}
    assert record["flags"] == []
    assert [row["name"] for row in record["steps"]] == [step.name for step in fake_science.graph(asked)]
    assert set(record["steps"][0]) == {"kind", "name", "hash", "seconds", "cpu_seconds", "cached", "device", "flags"}
    assert not any(row["cached"] for row in record["steps"])
    assert record["compute_seconds"] == pytest.approx(sum(row["seconds"] for row in record["steps"]))
    assert record["cpu_seconds"] == pytest.approx(sum(row["cpu_seconds"] for row in record["steps"]))
    assert call("show", record["run"])[1].splitlines()[0].endswith(f"{record['cpu_seconds']:.0f} s of CPU time")
    # Artifacts of before CPU time was kept tell none.
    assert recording.total_seconds([1.0, 2.5]) == 3.5
    assert recording.total_seconds([1.0, None]) is None


def test_a_second_run_computes_and_writes_nothing(call, tmp_path):
    first = call("run", *SMALL)[1].splitlines()
    before = tree(tmp_path)
    code, out, err = call("run", *SMALL)
    assert (code, err) == (0, "")
    assert "nothing to compute" in out
    assert out.splitlines()[-1] == first[-1]
    assert tree(tmp_path) == before


def test_several_versions_over_the_steps_of_a_run_are_a_flag(call, tmp_path, monkeypatch):
    place, older = Store(tmp_path / "rbmflow-store"), {"rbmflow": "0.0.9", "jax": "0.11"}
    steps = fake_science.graph(spec.load("quick", {"seeds": "2", "training.epochs": "3"}))
    with monkeypatch.context() as before:
        before.setattr("rbmflow.execute.surroundings.versions", lambda: older)
        before.setenv("JAX_DEFAULT_MATMUL_PRECISION", "bfloat16")
        execute.run(steps[:1], place, science="fake_science")
    code, out, _ = call("run", *SMALL)
    assert code == 0
    told = [line for line in out.splitlines() if "steps were made with" in line]
    assert "flag: run: steps were made with rbmflow 0.0.9 and 0.1.0" in told
    assert "flag: run: steps were made with JAX_DEFAULT_MATMUL_PRECISION bfloat16 and unset" in told
    record = place.find_run("quick")
    assert {flag["what"] for flag in record["flags"]} == {"several versions"}
    assert record["versions"]["rbmflow"] == "0.0.9 and 0.1.0"
    assert [row["cached"] for row in record["steps"]] == [True] + [False] * (len(steps) - 1)


def test_steps_of_another_master_do_not_count_as_computed_here(call, tmp_path):
    place = Store(tmp_path / "rbmflow-store")
    steps = fake_science.graph(spec.load("quick", {"seeds": "2", "training.epochs": "3"}))
    place.prepare()
    place.report_progress(steps[0], 0.5)  # As a master does that is at this step.

    def finish():
        execute.run(steps[:1], other, science="fake_science", name=None)
        place.folder(steps[0]).parent.mkdir(parents=True, exist_ok=True)
        other.folder(steps[0]).rename(place.folder(steps[0]))
        place.end_progress(steps[0])

    other = Store(tmp_path / "other")
    threading.Timer(1.0, finish).start()
    code, out, _ = call("run", *SMALL, "--workers", "1")
    assert code == 0
    assert f"{len(steps) - 1} of {len(steps)} steps computed" in out
    cached = {row["name"]: row["cached"] for row in place.find_run("quick")["steps"]}
    assert [name for name, there in cached.items() if there] == [steps[0].name]


@pytest.mark.parametrize("sweep", ["", "[sweep.product]\n'training.epochs' = [2, 3]\n"], ids=["run", "sweep"])
def test_what_a_power_cut_has_emptied_is_written_anew(call, tmp_path, sweep):
    Path("mine.toml").write_text(f"name = 'mine'\nseeds = 1\n{sweep}")
    call("run", "mine.toml")
    paths = [path for path in tmp_path.glob("rbmflow-store/runs/*/*") if path.name != "table.csv"]
    for path in paths:
        path.write_text("")
        assert call("run", "mine.toml")[0] == 0
        assert path.stat().st_size
    for path in paths:
        path.write_text("")
    assert call("store", "gc", "--delete", "--older-than", "0")[0] == 2
    code, out, _ = call("run", "mine.toml")
    assert code == 0
    assert "nothing to compute" in out or ": 0 of" in out
    assert all(path.stat().st_size for path in paths)
    assert call("store", "gc", "--older-than", "0")[1].startswith("0 files")
    assert call("run", "mine.toml")[0] == 0


def test_a_second_run_needs_no_jax(call, tmp_path):
    call("run", *SMALL)
    script = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import fake_cli\n"
        f"from rbmflow.cli import main\nassert main(['run', *{SMALL!r}]) == 0\nprint('jax' in sys.modules)\n"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert ended.stdout.splitlines()[-1] == "False"


def test_a_run_after_a_damage_says_what_was_there(call, tmp_path):
    page = Path(call("run", *SMALL)[1].splitlines()[-1])
    steps = fake_science.graph(spec.load("quick", {"seeds": "2", "training.epochs": "3"}))
    path = Store(tmp_path / "rbmflow-store").folder(steps[-1]) / "data.nc"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    code, out, err = call("run", *SMALL)
    assert code == 0
    assert "warning: results: the artifact results/" in err
    assert "data.nc and SHA256SUMS do not agree" in err
    assert path.read_bytes() == whole
    assert "1 of 6 steps computed" in out
    record = json.loads((page.parent / "run.json").read_text())
    assert [row["name"] for row in record["steps"] if not row["cached"]] == ["results"]


def test_a_lost_report_comes_back(call):
    page = Path(call("run", *SMALL)[1].splitlines()[-1])
    text = page.read_text()
    page.unlink()
    assert call("run", *SMALL)[0] == 0
    page.write_text("old")
    code, out, _ = call("report", "quick")
    assert (code, out) == (0, f"{page}\n")
    assert page.read_text() == text


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("sampling.draws", 10**9),
        ("machine.hidden", 10**5),
        ("flow.chains", 10**10),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_computed(call, tmp_path, monkeypatch, field, value):
    monkeypatch.setattr("rbmflow.cli.fitting.available_memory", lambda: 300_000_000)
    code, out, err = call("run", *SMALL, f"--{field}", value)
    assert (code, out) == (2, "")
    assert re.match(
        rf"{field} = {value} is not allowed: .* would take .* of memory or more, and 300 MB are free\n", err
    )
    assert not (tmp_path / "rbmflow-store").exists()
    code, out, _ = call("plan", *SMALL, f"--{field}", value)
    assert code == 0
    assert f"warning: this machine is too small: {field} = {value} is not allowed" in out


def test_a_method_that_is_not_installed_is_refused_before_anything_is_computed(call, tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    code, _, err = call("run", *SMALL, "--sampling.method", "wolff")
    assert (code, err) == (
        2,
        "sampling.method = 'wolff' is not allowed: clusters need the package numba, which is not installed\n",
    )
    assert not (tmp_path / "rbmflow-store").exists()


def test_a_store_of_any_name_is_told_as_it_stands_in_ascii_too(tmp_path):
    # A terminal of ASCII cannot show an umlaut; the run must not end with an error after all is computed.
    script = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import fake_cli\n"
        "from rbmflow.cli import main\n"
        "for name in sys.argv[1:]:\n"
        "    for words, code in (['status'], 2), (['run', '--seeds', '1', '--workers', '1'], 0), (['status'], 0):\n"
        "        assert main([*words, '--store', name]) == code\n"
    )
    names = ["x[/y]", "[bold]", "größe", "esc\x1b[31m"]
    words = [sys.executable, "-c", script, *names]
    ended = subprocess.run(words, capture_output=True, cwd=tmp_path, env=os.environ | {"PYTHONIOENCODING": "ascii"})
    assert ended.returncode == 0, ended.stderr
    assert b"\x1b" not in ended.stdout + ended.stderr
    assert all((tmp_path / name / "runs").is_dir() for name in names)


def test_plan_tells_and_writes_nothing(call, tmp_path):
    code, out, _ = call("plan", *SMALL)
    assert code == 0
    assert not (tmp_path / "rbmflow-store").exists()
    row = next(line for line in out.splitlines() if "machine" in line)
    assert row.replace("│", "").split() == ["machine", "2", "0", "2"]
    call("run", *SMALL)
    before = tree(tmp_path)
    _, out, _ = call("plan", "--seeds", "3", "--training.epochs", "3")
    assert [line for line in out.splitlines() if line.startswith("to compute")] == [
        "to compute: machine 2",
        "to compute: flow 2",
        "to compute: results",
    ]
    assert tree(tmp_path) == before


def test_status_tells_runs_and_steps_under_way(call, tmp_path):
    code, out, err = call("status")
    assert (code, out) == (2, "")
    assert "it must be the folder of a store" in err
    assert list(tmp_path.iterdir()) == []
    call("run", *SMALL)
    steps = fake_science.graph(spec.load("quick", {"seeds": "9"}))
    Store("rbmflow-store").report_progress(steps[1], 0.25)
    before = tree(tmp_path)
    code, out, _ = call("status")
    assert code == 0
    assert "6 of 6" in out
    assert "machine 0" in out
    assert "25 %" in out
    assert tree(tmp_path) == before


def test_status_tells_what_failed_and_how_to_go_on(call, monkeypatch):
    monkeypatch.setenv("FAKE_FAIL", "machine 1")
    call("run", *SMALL)
    code, out, _ = call("status")
    assert code == 0
    assert "3 of 6" in out or "4 of 6" in out
    failed = next(line for line in out.splitlines() if "ArithmeticError" in line)
    assert "machine 1" in failed
    assert "Nobody works on what is left" in out
    assert "`rbmflow step HASH` one" in out
    hash_ = Store("rbmflow-store").failures()[0].hash
    code, out, err = call("step", hash_[:10])
    assert (code, out) == (1, "")
    assert err.startswith("machine 1 failed: ArithmeticError: made to fail")
    monkeypatch.delenv("FAKE_FAIL")
    assert call("step", hash_[:10]) == (0, "machine 1 is computed\n", "")
    assert call("step", hash_) == (0, "machine 1 is there\n", "")
    assert "ArithmeticError" not in call("status")[1]


def test_nothing_is_left_of_a_run_whose_results_are_there(call):
    """A zip of `publish` has part of the steps; a run that has its results computes none of the others."""
    call("run", *SMALL)
    store = Store("rbmflow-store")
    [draws] = store.artifacts("draws")
    shutil.rmtree(store.folder(draws))
    assert "none, the results are there" in call("status")[1]
    assert "Nobody works" not in call("status", "--watch")[1]
    [results] = store.artifacts("results")
    shutil.rmtree(store.folder(results))
    assert "Nobody works on what is left" in call("status")[1]


def test_status_of_a_sweep_is_one_row_with_its_rate(call):
    call("run", *SWEEP)
    out = call("status")[1]
    assert "13 of 13" in out
    assert "4 of 4" in out
    assert len([line for line in out.splitlines() if "quick" in line]) == 1
    call("plan", *SMALL, "--record", "--seed", "7")
    store = Store("rbmflow-store")
    unfinished = next(record for record in store.runs() if "points" not in record and "seconds" not in record)
    rows = unfinished["steps"]
    draws = fake_science.graph(spec.load("quick", {"seed": "7"}))[0]
    assert call("step", draws.hash)[0] == 0
    machine = next(row for row in rows if row["kind"] == "machine")
    store.report_progress(fake_science.graph(spec.load("quick", {"seed": "7", "training.epochs": "3"}))[1], 0.25)
    row = next(line for line in call("status")[1].splitlines() if unfinished["run"] in line).replace("│", " ").split()
    assert row[2:5] == ["1", "of", "6"]
    assert float(row[5]) > 0
    assert (row[6], row[-1]) == ("about", "s")
    assert machine["hash"][:12] in call("status")[1]


def test_watching_ends_when_everything_is_done(call, monkeypatch):
    call("run", *SMALL)
    assert "6 of 6" in call("status", "--watch")[1]
    call("plan", *SMALL, "--record", "--seed", "7")

    def leave(seconds):
        assert seconds == 0.5
        raise KeyboardInterrupt

    monkeypatch.setattr("rbmflow.cli.standing.time.sleep", leave)
    code, out, _ = call("status", "--watch", "--every", "0.5")
    assert code == 0
    assert "0 of 6" in out


def test_a_recorded_run_is_computed_step_by_step(call, tmp_path):
    code, out, _ = call("plan", *SMALL, "--record")
    assert code == 0
    rows = [json.loads(line) for line in Path(out.splitlines()[-1]).read_text().splitlines()]
    assert [row["name"] for row in rows] == ["draws", "machine 0", "machine 1", "flow 0", "flow 1", "results"]
    code, out, err = call("step", rows[-1]["hash"])
    assert (code, out) == (2, "")
    assert "2 of its parents are missing: flow 0 (" in err
    for row in rows:
        assert call("step", row["hash"][:12])[0] == 0
    assert "nothing to compute" in call("run", *SMALL)[1]
    store = Store("rbmflow-store")
    machine, flow = (next(row for row in rows if row["kind"] == kind) for kind in ("machine", "flow"))
    shutil.rmtree(store.path / "artifacts" / "flow" / flow["hash"])
    path = store.path / "artifacts" / "machine" / machine["hash"] / "data.nc"
    path.write_bytes(path.read_bytes()[:-1])
    assert call("step", flow["hash"]) == (0, "flow 0 is computed\n", "")
    assert call("step", machine["hash"]) == (0, "machine 0 is there\n", "")
    assert len(list((store.path / "damaged" / "machine").iterdir())) == 1


def test_show(call):
    call("run", *SMALL)
    run = Store("rbmflow-store").runs()[0]["run"]
    for wanted in (run, run[:-1], "quick"):
        code, out, err = call("show", wanted, "--json")
        assert (code, err) == (0, "")
        assert json.loads(out)["run"] == run
    code, out, _ = call("show", "quick")
    assert code == 0
    assert "critical temperature: 2.2690" in out
    code, out, err = call("show", "quick-zz", "--json")
    assert (code, out) == (2, "")
    assert err.startswith("run = 'quick-zz' is not allowed")
    assert len(err.splitlines()) == 1


def test_show_of_a_run_that_is_not_finished(call, monkeypatch):
    monkeypatch.setenv("FAKE_FAIL", "machine 1")
    assert call("run", *SMALL)[0] == 1
    code, _, err = call("show", "quick")
    assert code == 2
    assert "its results must be there" in err


def test_a_failed_step_is_told_and_tried_again(call, monkeypatch):
    monkeypatch.setenv("FAKE_FAIL", "machine 1")
    code, out, err = call("run", *SMALL)
    assert code == 1
    assert re.fullmatch(r"quick-\w+: 3 of 6 steps computed, [\d.]+ s\n", out)
    assert "machine 1 failed: ArithmeticError: made to fail (traceback in " in err
    assert "2 further steps build on what failed" in err
    assert "Traceback (most" not in err
    monkeypatch.delenv("FAKE_FAIL")
    assert "3 of 6 steps computed" in call("run", *SMALL)[1]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--machine.hidden", "0"], "machine.hidden = 0 is not allowed: it must be a whole number from 1 to 100000"),
        (["--machine.hidden=many"], "machine.hidden = 'many' is not allowed: it must be a whole number"),
        (["--machine.hiden", "3"], "did you mean machine.hidden?"),
        (["--lattice.length", "1"], "lattice.length = 1 is not allowed: it must be a whole number from 2 to 256"),
        (["--sampling.temperatures", "[-1, 2]"], "sampling.temperatures = [-1, 2] is not allowed"),
        (["--sampling.temperatures", "[nan]"], "sampling.temperatures = [nan] is not allowed"),
        (["--sampling.temperatures", "[2, 1]"], "sampling.temperatures = [2, 1] is not allowed"),
        (["--sampling.temperatures", "[]"], "sampling.temperatures = [] is not allowed"),
        (["--types.X.minimum", "7"], "types.X = {'minimum': 7} is not allowed: it must keep at least one of"),
        (["--machine.hidden"], "machine.hidden = '' is not allowed: a value must follow --machine.hidden"),
        (["--workers", "0"], "workers = 0 is not allowed: it must be a whole number of at least 1"),
        (["--workers", "two"], "argument --workers: invalid int value: 'two'"),
        (["--step-seconds", "0"], "seconds = 0.0 is not allowed: it must be a number above 0"),
        (["--step-memory", "lots"], "argument --step-memory: 'lots' is no number of bytes such as 800M or 4G"),
        (["--wrokers", "2"], "unrecognized arguments: --wrokers; `rbmflow --help` tells"),
        (
            ["nowhere.toml"],
            "spec = 'nowhere.toml' is not allowed: it must be one of " + ", ".join(spec.shipped()),
        ),
        (
            ["."],
            "spec = '.' is not allowed: it must be one of " + ", ".join(spec.shipped()),
        ),
        (["broken.toml"], "spec = 'broken.toml' is not allowed: it must be TOML: Expected '=' after a key"),
        (["latin.toml"], "it must be TOML, which is UTF-8 text, and byte 8 is not"),
        (["--store", "broken.toml"], "store = 'broken.toml' is not allowed: it must be a folder"),
        (["--store", "broken.toml/store"], "it must be a folder, or a path where one can be made"),
        (["--store", "/proc/store"], "store = '/proc/store' is not allowed: it must be a folder that can be written"),
    ],
)
@pytest.mark.parametrize("there", [False, True])
def test_bad_input_is_one_sentence_and_writes_nothing(call, tmp_path, words, sentence, there):
    (tmp_path / "broken.toml").write_text('name = "x"\nseed 4\n')
    (tmp_path / "latin.toml").write_bytes(b'name = "\xff"')
    if there:
        (tmp_path / "rbmflow-store" / "runs").mkdir(parents=True)
    before = sorted(tmp_path.rglob("*")), tree(tmp_path)
    code, out, err = call("run", *words)
    assert (code, out) == (2, "")
    assert sentence in err
    assert len(err.splitlines()) == 1
    assert (sorted(tmp_path.rglob("*")), tree(tmp_path)) == before


def test_every_problem_gets_its_line(call):
    code, _, err = call("run", "--machine.hidden", "0", "--lattice.length", "1", "--seed=-1")
    assert code == 2
    assert [line.split(" = ")[0] for line in err.splitlines()] == ["lattice.length", "machine.hidden", "seed"]


def test_help_of_run_lists_every_field(call):
    code, out, _ = call("run", "--help")
    assert not code
    for field in spec.fields():
        assert f"--{field.name}\n" in out
    assert f"shipped specs: {', '.join(spec.shipped())}" in " ".join(out.split())
    assert "(default: 64)" in out


@pytest.mark.parametrize("fault", [False, True])
def test_doctor_looks_where_steps_are_computed(call, tmp_path, monkeypatch, fault):
    """In a worker, under the settings and in the folder of who asks."""
    here = Path(__file__).resolve().parent
    monkeypatch.setenv("PYTHONPATH", f"{here / 'faked'}{os.pathsep}{here}")
    monkeypatch.setenv("JAX_ENABLE_CHECKS", "0")
    if fault:
        monkeypatch.setenv("FAKE_FAULT", "1")
    code, out, _ = call("doctor")
    assert code == fault
    assert ("FAULT" in out) == fault
    assert ('pip install --upgrade "jax>=0.11.2"' if fault else "All is well.") in out
    for part in (
        "NPROC = 1",
        "XLA_FLAGS = ",
        "cores: ",
        "device: ",
        "jax ",
        "JAX_ENABLE_CHECKS = 0",
        "the checks took ",
    ):
        assert part in out


def test_doctor_says_why_no_worker_begins(call, tmp_path, monkeypatch):
    monkeypatch.setattr("rbmflow.execute.children._path", lambda module: [])
    code, out, _ = call("doctor")
    assert code == 1
    assert "its process ended with exit code 1" in out


def test_cite_and_version(call):
    code, out, _ = call("cite")
    assert code == 0
    assert "eprint        = {1801.07172}" in out
    assert out.count("{") == out.count("}")
    assert call("--version")[1] == "rbmflow 0.1.0\n"


def test_a_reader_that_goes_away_is_no_traceback(tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "rbmflow", "cite"]
    ended = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, cwd=tmp_path)
    os.close(writer)
    assert (ended.returncode, ended.stderr) == (1, b"")


def test_a_broken_pipe_that_is_not_the_reader_is_told(call, monkeypatch):
    def break_(_):
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr("rbmflow.cli.installation.cite", break_)
    code, _, err = call("cite")
    assert code == 1
    assert err == "The system refused (Broken pipe); what is done stays, the same command goes on.\n"


@pytest.mark.parametrize(("streams", "code"), [(">&- 2>/dev/full", 0), (">/dev/full 2>&-", 1)])
def test_what_cannot_be_told_is_dropped_and_everything_is_computed(tmp_path, streams, code):
    program = f"{sys.executable} {Path(__file__).parent / 'fake_cli.py'}"
    command = f"exec {program} run --seeds=1 --training.epochs=2 --workers=1 {streams}"
    assert subprocess.run(["bash", "-c", command], cwd=tmp_path).returncode == code
    steps = fake_science.graph(spec.load("quick", {"seeds": "1", "training.epochs": "2"}))
    store = Store(tmp_path / "rbmflow-store")
    for step in steps:
        store.read(step)
    assert list(tmp_path.glob("rbmflow-store/runs/*/report.html"))


@pytest.mark.parametrize("seconds", ["-1", "0", "nan", "inf", "1e300", "soon"])
def test_only_what_can_be_waited_is_a_pause(call, seconds):
    code, out, err = call("status", "--every", seconds)
    assert (code, out) == (2, "")
    assert f"argument --every: {seconds!r} is no number of seconds from 0.01 to 86400" in err


def test_an_empty_word_names_nothing(call, tmp_path):
    call("run", *SMALL)
    before = tree(tmp_path)
    for words in (
        ["show", ""],
        ["report", ""],
        ["step", ""],
        ["publish", ""],
        ["open", ""],
        ["run", ""],
        ["run", "--slurm", ""],
        ["status", "--store", ""],
    ):
        code, out, err = call(*words)
        assert (code, out) == (2, ""), words
        assert len(err.splitlines()) == 1, words
        assert "is not allowed" in err
    assert tree(tmp_path) == before


def test_a_run_is_published_and_opened_elsewhere(call, tmp_path):
    call("run", *SMALL)
    record = Store(tmp_path / "rbmflow-store").find_run("quick")
    code, out, _ = call("publish", "quick", "--author", "A. B.", "--flows")
    parcel = tmp_path / f"{record['run']}.zip"
    assert (code, out.split(", ")[1:]) == (0, ["6 of 6 artifacts\n"])
    assert call("publish", "quick", "-o", "light.zip")[1].endswith(
        "4 of 6 artifacts; --flows puts in the others that are there\n"
    )
    with zipfile.ZipFile(parcel) as file:
        names = file.namelist()
        readme, citation = (file.read(name).decode() for name in ("README.md", "CITATION.cff"))
        assert file.read("LICENSE").startswith(b"MIT License")
        assert file.read("spec.toml").decode() == record["spec_toml"]
        assert file.read("ends.csv").decode().splitlines()[0] == "machine,end"
    assert names[0] == "README.md"
    assert {"report.html", "results.nc", "numbers.json", "steps.jsonl", "ro-crate-metadata.json"} < set(names)
    assert f"# {record['run']}" in readme
    assert "results.nc" in readme
    assert '  - name: "A. B."' in citation
    code, out, err = call("open", parcel, "--store", "other")
    assert (code, err) == (0, "")
    assert f"6 artifacts and 1 runs are new in {tmp_path / 'other'}" in out
    assert call("show", "quick")[1] in out
    assert out.splitlines()[-1] == str(tmp_path / "other" / "runs" / record["run"] / "report.html")
    assert call("run", *SMALL, "--store", "other")[1].count("nothing to compute") == 1
    for words, told in (
        (["publish", "quick"], "it must be a new file, and this one is there"),
        (["publish", "quick", "-o", "x.zip", "--licence", "nowhere"], "it must be a text file that can be read"),
    ):
        code, out, err = call(*words)
        assert (code, out) == (2, "")
        assert told in err
    assert not (tmp_path / "x.zip").exists()


def test_a_sweep_is_published_with_its_points(call, tmp_path):
    call("run", *SMALL, "--sweep.product.seed", "[0, 1]")
    record = Store(tmp_path / "rbmflow-store").find_run("quick")
    assert call("publish", "quick", "-o", "sweep.zip")[0] == 0
    with zipfile.ZipFile(tmp_path / "sweep.zip") as file:
        names = set(file.namelist())
        rows = file.read("ends.csv").decode().splitlines()
        assert "A sweep over seed: 2 of 2 points are there." in file.read("README.md").decode()
    assert [row.split(",")[:2] for row in rows[1:]] == [
        [point["run"], str(n)] for n, point in enumerate(record["points"])
    ]
    assert {"sweep/report.html", "sweep/spec.toml"} < names
    assert {f"{point['run']}/{name}" for point in record["points"] for name in ("results.nc", "report.html")} < names
    code, out, _ = call("open", "sweep.zip", "--store", "other")
    assert code == 0
    assert f"{record['run']}: 2 of 2 points are there" in out


def test_a_shell_completes_commands_fields_and_names(call, tmp_path):
    script, rest = tmp_path / "completion.sh", 'COMPREPLY=(); _shtab_rbmflow; echo "${COMPREPLY[*]}"'
    (tmp_path / "rbmflow-store" / "runs" / "quick-0123456789").mkdir(parents=True)
    (tmp_path / "own.toml").touch()
    script.write_text(call("completion", "bash")[1])
    expected = {
        "rbmflow publ": "publish",
        "rbmflow store g": "gc",
        "rbmflow run qu": "quick",
        "rbmflow run ow": "own.toml",
        "rbmflow run --machine.hid": "--machine.hidden",
        "rbmflow show qu": "quick-0123456789",
        "rbmflow replicate 2006": "2006.10176",
        "rbmflow report --format s": "svg",
    }
    typed = "".join(f"COMP_WORDS=({line}); COMP_CWORD={len(line.split()) - 1}; {rest}\n" for line in expected)
    bash = subprocess.run(["bash", "-c", f"source {script}\n{typed}"], capture_output=True, text=True, check=True)
    assert dict(zip(expected, bash.stdout.splitlines(), strict=True)) == expected
    for shell in ("zsh", "tcsh"):
        assert "publish" in call("completion", shell)[1]
    code, _, err = call("completion", "fish")
    assert code == 2
    assert "invalid choice: 'fish'" in err


def test_overrides_are_told_from_options():
    words = ["run", "mine.toml", "--machine.hidden", "-3", "--store=./a.b", "--flow.starts=[1.0]", "--name", "x"]
    overrides = {"machine.hidden": "-3", "flow.starts": "[1.0]", "name": "x"}
    assert split_overrides(words) == (["run", "mine.toml", "--store=./a.b"], overrides)


@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c(tmp_path, workers):
    command = [sys.executable, str(Path(__file__).parent / "fake_cli.py"), "run", "--seeds=2", "--training.epochs=100"]
    environment = {**os.environ, "FAKE_HOLD": "20"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    run = subprocess.Popen(
        [*command, "--workers", str(workers)], env=environment, start_new_session=True, cwd=tmp_path, **pipes
    )
    end = time.monotonic() + 60
    while not fake_science.held(workers) and time.monotonic() < end:
        time.sleep(0.05)
    os.killpg(run.pid, signal.SIGINT)
    out, err = run.communicate(timeout=30)
    assert (run.returncode, out) == (130, "")
    assert err.splitlines()[-1] == "Interrupted. Nothing is lost: the same command goes on from here."
    assert "Traceback" not in err


def test_a_master_that_ends_while_reports_are_drawn_leaves_no_process(call, tmp_path):
    call("run", *SWEEP)
    for page in tmp_path.glob("rbmflow-store/runs/*/report.html"):
        page.unlink()
    command = [sys.executable, str(Path(__file__).parent / "fake_cli.py"), "run", *SWEEP, "--workers=2"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    variables = {**os.environ, "FAKE_DRAW": "600"}
    run = subprocess.Popen(command, env=variables, start_new_session=True, cwd=tmp_path, **pipes)

    def living():
        listed = subprocess.run(["ps", "-o", "stat=", "-s", str(run.pid)], capture_output=True, text=True).stdout
        return sum(not row.startswith("Z") for row in listed.splitlines())

    end = time.monotonic() + 60
    while fake_science.traced().count("drawing") < 2 and time.monotonic() < end:
        time.sleep(0.05)
    assert living() == 3
    run.kill()
    assert run.wait(10) == -signal.SIGKILL
    end = time.monotonic() + 10
    while living() and time.monotonic() < end:
        time.sleep(0.05)
    assert not living()
    run.communicate()


SWEEP = (*SMALL, "--sweep.product.seeds", "[1, 2]", "--sweep.product.training.epochs", "[3, 4]")


def test_a_sweep_shares_what_its_points_have_in_common(call, tmp_path):
    code, out, err = call("plan", *SWEEP)
    assert code == 0
    # One data set for all; machine 0 is shared between the points of one and two seeds.
    kinds = {line.split()[0]: line.split()[1:] for line in out.replace("│", "").splitlines() if len(line.split()) > 3}
    assert [kinds[kind][0] for kind in ("draws", "machine", "flow", "results", "all")] == ["1", "4", "4", "4", "13"]
    assert "sweep of 4 points" in out
    assert re.search(r"estimate: \d+ (s|min) on 1 worker, 13 MB of disk", out)
    assert "by the work in the settings, at 1 times the seconds of the machine that was measured" in out
    code, out, err = call("run", *SWEEP)
    assert code == 0, err
    assert "13 of 13 steps computed" in out
    page = Path(out.splitlines()[-1])
    assert page.read_text() == "<html>4 of 4, [0, 0, 0, 0]</html>"
    store = Store(tmp_path / "rbmflow-store")
    points = store.read_run(page.parent.name)["points"]
    assert [row["values"] for row in points] == [{"seeds": s, "training.epochs": e} for s in (1, 2) for e in (3, 4)]
    assert all((store.run_folder(row["run"]) / "report.html").exists() for row in points)
    # A point is the run that its values would have made alone.
    alone = call("run", "--name", "quick-0", "--seeds", "1", "--training.epochs", "3")[1]
    assert "nothing to compute" in alone
    assert alone.splitlines()[-1] == str(store.run_folder(points[0]["run"]) / "report.html")
    out = call("plan", *SWEEP, "--seed", "1")[1]
    assert re.search(r"estimate: \d+ (s|min) on 1 worker, [\d.]+ kB of disk", out)
    assert "at 1 times" not in out
    before = tree(tmp_path)
    assert "nothing to compute" in call("run", *SWEEP)[1]
    assert tree(tmp_path) == before


def test_a_sweep_of_many_points_leaves_their_reports_to_be_asked_for(call, tmp_path, monkeypatch):
    monkeypatch.setattr("rbmflow.cli.pages.MOST_REPORTS", 3)
    code, out, err = call("run", *SWEEP)
    assert code == 0, err
    assert Path(out.splitlines()[-1]).exists()
    store = Store(tmp_path / "rbmflow-store")
    points = store.read_run(Path(out.splitlines()[-1]).parent.name)["points"]
    pages = [store.run_folder(row["run"]) / "report.html" for row in points]
    assert not any(page.exists() for page in pages)
    assert call("report", points[0]["run"])[0] == 0
    assert [page.exists() for page in pages] == [True, False, False, False]


def test_a_sweep_is_reported_on_while_it_lacks_points(call, monkeypatch):
    monkeypatch.setenv("FAKE_FAIL", "machine 1")
    code, out, err = call("run", *SWEEP)
    assert code == 1
    assert err.count("machine 1 failed: ArithmeticError") == 2
    page = Path(out.splitlines()[-1])
    assert page.read_text() == "<html>2 of 4, [0, 0, 3, 3]</html>"
    code, out, _ = call("show", "quick")
    assert code == 0
    assert "2 of 4 points are there" in out
    assert out.count("missing: 3 steps are left") == 2
    assert out.count("to T_c?") == 1
    rows = json.loads(call("show", page.parent.name, "--json")[1])["points"]
    assert ["numbers" in row for row in rows] == [True, True, False, False]
    monkeypatch.delenv("FAKE_FAIL")
    assert "6 of 13 steps computed" in call("run", *SWEEP)[1]
    page.unlink()
    assert call("report", page.parent.name) == (0, f"{page}\n", "")
    assert page.read_text() == "<html>4 of 4, [0, 0, 0, 0]</html>"
