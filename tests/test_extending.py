"""The files of docs/extending.md, each through the three doors."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rbmflow._registry import forget_files, load_files, loaded_files
from rbmflow.cli import main
from rbmflow.execute import recording
from rbmflow.store import Store

FILES = sorted((Path(__file__).parents[1] / "docs" / "extending").glob("*.py"))
TINY = """
name = "tiny"
seeds = 1
lattice.length = 4
sampling = { temperatures = [0.0, 2.0, 4.0], draws = 50 }
machine.hidden = 4
types.S.data = "shuffled"
types.P = { data = "shuffled", weights = "permuted" }
training = { epochs = 2, batch = 50, estimator = "mean-field CD", steps = 2 }
flow = { starts = ["hot"], chains = 20, iterations = 3 }
thermometer = { draws = 20, epochs = 1, hidden = 4, batch = 20 }
reading = { thermometers = ["neural", "bayes", "energy", "diagonal"], draws = 20 }
"""


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("tiny.toml").write_text(TINY)
    for file in FILES:
        shutil.copy(file, tmp_path)
    return [word for file in FILES for word in ("--with", file.name)]


def call(capsys, *words):
    code = main([str(word) for word in words])
    return (code, *capsys.readouterr())


def called(*words, env=None):
    command = [sys.executable, "-m", "rbmflow", *words]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


def to_compute(out):
    return {row[0]: int(row[3]) for line in out.replace("│", " ").splitlines() if len(row := line.split()) == 4}


def test_a_run_with_the_files_keeps_them_and_is_drawn_anew_without_the_originals(tiny, tmp_path, capsys):
    done = called("run", "tiny.toml", *tiny, "--workers", "1")
    assert done.returncode == 0, done.stderr
    page = Path(done.stdout.splitlines()[-1])
    record = json.loads((page.parent / "run.json").read_text())
    assert [row["name"] for row in record["extensions"]] == [file.name for file in FILES]
    for file in FILES:
        assert (page.parent / "with" / file.name).read_bytes() == file.read_bytes()
        Path(file.name).unlink()
    page.unlink()
    done = called("report", "tiny")
    assert (done.returncode, done.stdout) == (0, f"{page}\n"), done.stderr
    for told in ("S-4", "diagonal", "Share of the squared weights that the leading", "Flows end in the ordered phase"):
        assert told in page.read_text()
    assert loaded_files() == ()

    # Exactly what an edited file computes is computed anew.
    store = page.parent / "with"
    for name, lost in {
        "mean_field_cd.py": "machine control cascade spectrum flow reading results",
        "permuted.py": "",
    }.items():
        shutil.copy(store / name, tmp_path / name)
        with open(tmp_path / name, "a") as file:
            file.write("# edited\n")
        files = [word for file in FILES for word in ("--with", name if file.name == name else store / file.name)]
        code, out, err = call(capsys, "plan", "tiny.toml", *files)
        assert code == 0, err
        again = {kind for kind, count in to_compute(out).items() if count}
        if lost:
            assert again - {"all"} == set(lost.split())
        else:
            assert to_compute(out)["control"] == 1
            assert to_compute(out)["machine"] == 0

    (store / "permuted.py").write_text("raise SystemExit('not the file of the record')")
    code, _, err = call(capsys, "report", "tiny")
    assert code == 2
    assert "it must be the file that was handed over to the run" in err


MAPS = """
name = "maps"
seeds = 1
lattice.length = 4
sampling = { temperatures = [0.0, 2.0, 4.0], draws = 50 }
machine.hidden = 4
types.V = {}
training = { epochs = 2, batch = 50, optimiser = "adam" }
flow = { starts = ["hot", "cold"], chains = 20, iterations = 5 }
thermometer = { draws = 20, epochs = 1, hidden = 4, batch = 20 }
[sweep.product]
"machine.kind" = ["tied autoencoder", "quenched"]
"""


def test_a_plan_names_the_steps_that_run_code_of_others(tiny, capsys):
    Path("maps.toml").write_text(MAPS)
    code, out, err = call(capsys, "plan", "maps.toml", *tiny)
    assert code == 0, err
    assert "  not in it is what code of your own takes: learner, flow\n" in out
    assert call(capsys, "plan", "quick")[1].count("not in it") == 0


@pytest.mark.slow
def test_maps_of_others_go_through_the_whole_report(tiny, capsys):
    Path("maps.toml").write_text(MAPS)
    done = called("run", "maps.toml", *tiny, "--workers", "1")
    assert done.returncode == 0, done.stderr
    pages = [page.read_text() for page in Path().rglob("report.html")]
    assert len(pages) == 3
    for page in pages:
        assert "tied autoencoder" in page or "quenched" in page
        assert 'id="weights"' not in page
    edited = Path("tied_autoencoder.py")
    edited.write_text(edited.read_text() + "# edited")
    code, out, err = call(capsys, "plan", "maps.toml", *tiny)
    assert code == 0, err
    assert to_compute(out)["learner"] == 1


@pytest.fixture
def installed(tiny, tmp_path):
    """The environment of processes that find the files as a package with entry points, and nowhere else."""
    package, info = tmp_path / "site" / "my_flows", tmp_path / "site" / "my_flows-1.dist-info"
    info.mkdir(parents=True)
    package.mkdir()
    for file in FILES:
        Path(file.name).rename(package / file.name)
    (package / "__init__.py").write_text("")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-flows\nVersion: 1\n")
    points = "".join(f"{file.stem} = my_flows.{file.stem}\n" for file in FILES)
    (info / "entry_points.txt").write_text(f"[rbmflow.extensions]\n{points}")
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path / "site"), str(Path(__file__).parent)])}


@pytest.mark.slow
def test_a_whole_report_has_the_figure_and_the_claim_of_an_installed_package(installed):
    done = called("run", "tiny.toml", "--workers", "1", env=installed)
    assert done.returncode == 0, done.stderr
    page = Path(done.stdout.splitlines()[-1])
    assert "Share of the squared weights that the leading" in page.read_text()
    assert "Flows end in the ordered phase" in page.read_text()
    assert "extensions" not in json.loads((page.parent / "run.json").read_text())


def test_as_values_and_as_an_installed_package(installed, tmp_path):
    script = """
import hashlib, importlib, sys
from pathlib import Path
from rbmflow import execute, spec, steps, store
graph = steps.graph(spec.load("tiny.toml"))
[draws] = [step for step in graph if step.name == "draws S"]
[machine] = [step for step in graph if step.kind == "machine"]
for step, file in ((draws, "shuffled"), (machine, "mean_field_cd")):
    source = hashlib.sha256(Path(f"site/my_flows/{file}.py").read_bytes()).hexdigest()
    assert step.settings["source"] == source, step.settings
assert "source" not in graph[0].settings and "source" not in graph[-1].settings
# In another process, which finds the package as this one does.
execute.run([draws, machine], store.Store("store"), limits=execute.Limits(seconds=600))

import jax, numpy as np, rbmflow as rf
from my_flows.shuffled import shuffled
from my_flows.permuted import permuted
from my_flows.mean_field_cd import MeanFieldCD
key, model = jax.random.key(0), rf.ising(rf.square(4))
data = shuffled(key, model, [0.0, 2.0], 200)
assert data.spins.shape == (2, 200, 4, 4) and abs(data.spins[0].mean(axis=(1, 2))).min() == 1
energy = np.asarray(model.energy(data.spins[1]))
magnetization = np.asarray(model.magnetization(data.spins[1]), float)
exact = -2 * ((16 * magnetization**2 - 1) / 15)  # Of a pair of sites drawn at random.
assert abs((energy - exact).mean()) < 5 * (energy - exact).std() / 200**0.5
trained, history = rf.train(key, data, hidden=4, epochs=3, estimator=MeanFieldCD(steps=2))
named, _ = rf.train(key, data, hidden=4, epochs=3, estimator="mean-field CD", steps=2)
assert np.array_equal(trained.weights, named.weights), (trained, named)
assert 0 < history.reconstruction[-1] < 1
other = permuted(key, trained, None)
assert sorted(np.ravel(other.weights)) == sorted(np.ravel(trained.weights)) and other != trained
assert rf.iterate(key, other, data.spins[1], 2).spins.shape[-2:] == (4, 4)

from my_flows.diagonal import diagonal
measured = rf.equilibrium.measured(key, model, [diagonal], rf.equilibrium.covering(model), 400)
thermometer = rf.Thermometer(diagonal, rf.equilibrium.reweighted(measured))
read = thermometer.temperature(rf.thermal(jax.random.key(1), model, 2.5, 1000))
assert abs(read.temperature - 2.5) < 5 * read.error and read.error < 0.2, read
exact = rf.Thermometer(diagonal, rf.equilibrium.enumerated(model)).curve
at = exact.temperature_of(thermometer.equilibrium.mean(diagonal, [2.5])[0])
assert abs(at - 2.5) < 0.2, at

import xarray as xr
from my_flows.cumulative_spectrum import cumulative_spectrum
from my_flows.ends_ordered import ends_ordered
values = xr.DataArray([[[3.0, 4.0]]], dims=("machine", "seed", "mode"), coords={"machine": ["V-2"]})
drawn = cumulative_spectrum(values.to_dataset(name="singular_value"))
assert np.allclose(drawn.axes[0].lines[0].get_ydata(), [9 / 25, 1])
try:
    cumulative_spectrum(values.to_dataset(name="other"))
except ValueError as refused:
    assert "cumulative_spectrum needs" in str(refused)
assert rf.verdicts(claims=[ends_ordered])[0].verdict == "not tested"

from my_flows.quenched import quenched
from my_flows.tied_autoencoder import TiedAutoencoder
start, asked = data.spins[1], spec.load("tiny.toml")
of_machine = asked.machine
tied, _ = rf.train_map(key, TiedAutoencoder(key, model, of_machine), data, asked.training)
for machine in (tied, quenched(key, model, of_machine)):
    assert set(np.unique(rf.iterate(key, machine, start, 2).spins)) == {-1, 1}

# What is installed is in every report, without being named.
registry = importlib.import_module("rbmflow._registry")
assert "cumulative_spectrum" in registry.FIGURES and "ends-ordered" in steps.claims()
assert "ends-ordered" in [verdict.id for verdict in rf.verdicts()]
import json
import synthetic_results
from rbmflow import report, settings
parts = {name: getattr(asked, name) for name in ("model", "lattice", "sampling", "machine", "training")}
recipe = {**settings.dotted(**parts), "temperatures": [0.0, 2.0, 4.0], "data": "ising", "weights": "trained"}
results = synthetic_results.results(machines=("V-16",), length=4, iterations=11)
results = results.assign_coords(recipe=("machine", [json.dumps(recipe)]))
plots = [plot for plot in report.plots_of("run") if plot.name in ("cumulative_spectrum", "spectra")]
page = report.render(results, synthetic_results.run(), steps.verdicts_of(results), plots)
assert page.count("<figure ") == 2 and "Share of the squared weights that the leading" in page
assert "Flows end in the ordered phase" in page
"""
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=tmp_path, env=installed, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("import rbmflow as rf\nrf.contrl", "it must be Python that runs: AttributeError: .* (line 2)"),
        ("def x(:", "SyntaxError"),
        ("import rbmflow as rf\nrf.control('gaussian')(print)", "the name is taken: bad.py and rbmflow register it"),
        ("import rbmflow as rf\nrf.control('permuted')(print)", "the name is taken: bad.py and permuted.py register"),
        (None, "bad.py' is not allowed: it must be a file that can be read"),
    ],
)
def test_a_faulty_file_is_one_sentence_and_nothing_is_written(tiny, tmp_path, capsys, text, sentence):
    if text is not None:
        Path("bad.py").write_text(text)
    before = sorted(tmp_path.rglob("*"))
    code, out, err = call(capsys, "run", "tiny.toml", *tiny, "--with", "bad.py")
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert all(part in err for part in sentence.split(" .* "))
    assert sorted(tmp_path.rglob("*")) == before


def test_names_that_nothing_is_registered_under_are_told_with_those_there_are(tiny, capsys):
    code, out, err = call(capsys, "plan", "tiny.toml")
    assert (code, out) == (2, "")
    assert "types.S.data = 'shuffled' is not allowed: it must be one of file, ising, mean-field" in err
    assert "types.P.weights = 'permuted' is not allowed: it must be one of trained, gaussian, initial" in err
    assert "training.estimator = 'mean-field CD' is not allowed: it must be one of " in err


def test_a_recorded_file_that_others_may_write_is_not_run(tiny, tmp_path, capsys):
    code, _, err = call(capsys, "plan", "tiny.toml", *tiny, "--record")
    assert code == 0, err
    store = Store("rbmflow-store")
    record = store.find_run("tiny")
    assert len(recording.files_of(record, store)) == len(FILES)
    store.run_folder(record["run"]).joinpath("with", "permuted.py").chmod(0o666)
    code, _, err = call(capsys, "step", record["steps"][0]["hash"])
    assert code == 2
    assert "nobody else may own or write it" in err


def test_files_are_run_in_every_process_that_computes(tmp_path, monkeypatch, request):
    import fake_science
    from rbmflow import execute, spec

    monkeypatch.setenv("FAKE_TRACE", str(tmp_path / "trace"))
    told = tmp_path / "told.py"
    told.write_text("import fake_science, os\nfake_science.trace(f'told {os.getpid()}')\n")
    steps = fake_science.graph(spec.parse({"name": "small", "seeds": 3}))
    store = Store(tmp_path / "store")
    request.addfinalizer(lambda: forget_files(["told.py"]))
    execute.run(steps, store, 2, science="fake_science", files=[told])
    processes = [line for line in fake_science.traced() if line.startswith("told")]
    assert len(processes) == len(set(processes)) >= 2
    assert f"told {os.getpid()}" in processes
    [run] = store.runs()
    assert recording.files_of(run, store) == (str(store.run_folder(run["run"]) / "with" / "told.py"),)
    assert load_files([told]) == loaded_files()
