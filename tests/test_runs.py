"""Runs opened in a line, figures of records, figures in a column of a journal, and progress by default."""

import io
import re

import equinox as eqx
import jax
import matplotlib
import numpy as np
import pytest
import xarray as xr
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

import rbmflow as rf
import synthetic_results
from rbmflow import _scan, figures, report
from rbmflow._checks import InvalidInput
from rbmflow._files import to_json
from rbmflow.execute import manifest
from rbmflow.likelihood import LogPartition
from rbmflow.runs import side_by_side
from rbmflow.settings import MachineSettings
from rbmflow.steps.restoring import at_rest, untrained
from rbmflow.store import Step, Store

MODEL = rf.ising(rf.square(4))


@pytest.fixture(scope="module")
def records():
    draws = rf.sample(0, MODEL, [1.0, 2.0, 3.0], 50)
    machine, history = rf.train(0, draws, hidden=4, epochs=2, batch=50)
    flow = rf.iterate(0, machine, start=rf.hot(0, MODEL, 10), iterations=3)
    thermometer = rf.Thermometer("energy", rf.equilibrium.exact(MODEL))
    return {
        "draws": draws,
        "machine": machine,
        "history": history,
        "flow": flow,
        "spectrum": rf.decompose(machine),
        "thermometer": thermometer,
    }


@pytest.fixture(scope="module")
def run(records, tmp_path_factory):
    """A run in a store, with the artifacts of one machine and one flow."""
    store = Store(tmp_path_factory.mktemp("open") / "store")
    store.prepare()
    draws = Step("draws", "draws", {})
    machine = Step("machine", "machine V-4 seed 0", {}, (draws,))
    flow = Step("flow", "flow V-4 seed 0 hot", {"start": "hot"}, (machine,))
    rows = [{"label": "V-4 = W-4", "artifacts": [machine.hash]}]
    results = Step("results", "results", {"machines": rows}, (flow,))
    trained = xr.merge([records["machine"].to_dataset(), records["history"].to_dataset()], combine_attrs="override")
    data = {
        draws: records["draws"].to_dataset(),
        machine: trained,
        flow: records["flow"].to_dataset().rename(iteration="snapshot"),
    }
    steps = (draws, machine, flow, results)
    name = f"some-{results.hash[:10]}"
    told = [{"kind": step.kind, "name": step.name, "hash": step.hash} for step in steps]
    record = {"run": name, "name": "some", "started": "2030-01-01T00:00:00+00:00", "steps": told}
    store.run_folder(name).mkdir(parents=True)
    (store.run_folder(name) / "run.json").write_text(to_json(record))
    manifest.write(steps, store.run_folder(name))
    return store, name, data


@pytest.mark.usefixtures("as_people_call")
def test_a_run_has_its_machines_flows_and_draws(run, records, monkeypatch):
    store, name, data = run
    monkeypatch.setattr(Store, "read", lambda self, step: data[step])
    for opened in (rf.open("some", store.path), rf.open(store.run_folder(name))):
        assert opened.name == name
        assert opened.machine("V-4") == opened.machine("W-4", seed=0) == records["machine"]
        np.testing.assert_array_equal(opened.history("V-4").reconstruction, records["history"].reconstruction)
        assert opened.flow("V-4", "hot") == records["flow"]
        assert opened.draws == records["draws"]
    for call, told in (
        (lambda: opened.machine("X"), "machine = 'X' is not allowed: it must be one of V-4 = W-4"),
        (lambda: opened.machine("V-4", 1), "it must be a whole number from 0 to 0"),
        (lambda: opened.flow("V-4", "cold"), "it must be one of 'hot'"),
    ):
        with pytest.raises(InvalidInput, match=told):
            call()
    for nothing in (3, None, ["some"]):
        with pytest.raises(InvalidInput, match="it must be a text or a path"):
            rf.open(nothing, store.path)
    (store.path / "other.zip").write_text("no zip")
    with pytest.raises(InvalidInput, match="a whole zip"):
        rf.open(store.path / "other.zip")
    with pytest.raises(InvalidInput, match="the runs are"):
        rf.open("other", store.path)


def test_a_run_of_another_map_has_it(run, monkeypatch):
    store = run[0]
    settings, key = MachineSettings(kind="autoencoder", hidden=4), jax.random.key(1)
    made = untrained(key, MODEL, settings, None)
    kept = at_rest(made, key, settings, None)
    monkeypatch.setattr(Store, "read", lambda self, step: kept)
    opened = rf.open("some", store.path)
    opened.record["spec_toml"] = 'name = "some"\n[lattice]\nlength = 4\n'
    assert eqx.tree_equal(opened.machine("V-4"), made)
    epochs = {"reconstruction": ("epoch", np.array([0.5, 0.2])), "weight_norm": ("epoch", np.array([0.1, 0.3]))}
    monkeypatch.setattr(Store, "read", lambda self, step: kept.assign(epochs))
    seen = opened.history("V-4")
    np.testing.assert_allclose((seen.reconstruction, seen.weight_norm), [[0.5, 0.2], [0.1, 0.3]])
    monkeypatch.setattr(Store, "read", lambda self, step: kept)
    kept["leaf_0"] = kept["leaf_0"] + np.nan
    with pytest.raises(InvalidInput, match="its training must not have diverged"):
        opened.machine("V-4")


def test_points_of_a_sweep_are_one_dataset_on_the_axes_of_its_fields():
    two = [synthetic_results.results(machines=(name,), length=4, iterations=5) for name in ("V-16", "V-8")]
    two = [one.assign(mean_end=one["fixed_point"], mean_end_error=one["fixed_point_error"]) for one in two]
    values = [{"machine.hidden": hidden, "seed": seed} for hidden in (16, 8) for seed in (0, 1)]
    whole = side_by_side(values, [two[0], two[0], two[1], two[1]])
    assert whole.sizes["machine"] == 1
    at = whole["fixed_point"].sel({"machine": "V", "machine.hidden": 8})
    np.testing.assert_array_equal(at.transpose("spec.seed", ...)[1], two[1]["fixed_point"][0])
    drawn = figures.FIGURES["swept_temperatures"](whole)
    assert [axes.get_xlabel() for axes in drawn.axes] == ["machine.hidden", "spec.seed"]
    poorer = two[0].drop_dims("checkpoint").assign_coords(recipe=("machine", ["{}"]))
    kinds = side_by_side([{"machine.kind": "rbm"}, {"machine.kind": "vae"}], [two[0], poorer])
    assert kinds["recipe"].sel({"machine.kind": "vae"}).values.tolist() == ["{}"]
    assert kinds["weight_measure_mean"].sel({"machine.kind": "vae"}).isnull().all()
    loose = side_by_side(values[:3], [two[0], two[0], two[1]])
    assert loose["machine.hidden"].dims == ("point",)
    assert loose["machine.hidden"].attrs["long_name"].startswith("Hidden units")


def test_records_draw_themselves_and_tell_themselves_in_a_few_lines(records):
    for name, record in records.items():
        assert "<svg" in record._repr_html_(), name
        assert len(repr(record).splitlines()) <= 8
        axes = Figure().subplots()
        assert record.plot(ax=axes) is axes.figure
        assert axes.lines or axes.images
    drawn = records["flow"].plot(records["thermometer"], width="column")
    reading = records["thermometer"].temperature(records["flow"])
    shown = drawn.axes[0].lines[0].get_ydata()
    np.testing.assert_array_equal(shown, np.where(np.isfinite(reading.temperature), reading.temperature, np.nan))


@pytest.mark.parametrize("name", ["temperature_flow", "weights_along_training", "leading_vectors", "flow_ends"])
def test_a_figure_fits_a_column_of_a_journal(name):
    results = synthetic_results.results(machines=("V-16",), length=4, iterations=11)
    drawn = figures.FIGURES[name](results, width="column")
    canvas = FigureCanvasAgg(drawn)
    canvas.draw()
    assert 2.54 * drawn.get_figwidth() <= 8.6 + 1e-9
    assert all(text.get_fontsize() >= 7 for text in drawn.findobj(Text) if text.get_text())
    assert matplotlib.rcParams["font.size"] == 10
    with pytest.raises(InvalidInput, match="it must be one of page, column"):
        figures.FIGURES[name](results, width="poster")
    with pytest.raises(InvalidInput, match="has several panels"):
        figures.FIGURES[name](results, ax=drawn.axes[0])


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_long_calls_tell_how_far_they_are_where_somebody_reads(monkeypatch):
    terminal, now = Terminal(), [100.0]
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setattr(_scan.time, "monotonic", lambda: now[0])
    told = _scan.watched(None, "training")
    for fraction in (0.1, 0.3, 1.0):
        told(fraction)
        now[0] += 3.0
    assert "training: 30 %, 7 s left" in terminal.getvalue()
    assert terminal.getvalue().endswith("\r")
    assert "10 %" not in terminal.getvalue()
    monkeypatch.setattr("sys.stderr", io.StringIO())
    _scan.watched(None, "training")(0.5)
    assert _scan.watched(told, "training") is told


def test_tables_for_latex_hold_the_cells_of_the_report_once_each():
    results = synthetic_results.results(machines=("V-16",), length=4, iterations=11)
    texts = report.latex(results)
    header, rows = report.ends_table(results)
    assert texts["ends.tex"].count(r"\\") == 1 + len(rows)
    assert f"\\csname rbmflow:v-16:cold:energy\\endcsname{{{rows[0][header.index('T(E)')]}}}" in texts["numbers.tex"]
    keys = re.findall(r"\\csname rbmflow:([a-z0-9:-]+)\\endcsname{", texts["numbers.tex"])
    assert len(keys) == len(set(keys)) > len(rows)
    assert {"v-16:star:energy", "v-16:mixture:bayes", "drift:v-16:hot:energy", "relaxation:v-16:energy"} <= set(keys)
    assert "weights:first-share:v-16" in keys
    assert max(map(len, keys)) < 40
    assert not re.search(r"(?<!\\)[%&#_]", "".join(texts["ends.tex"].split("&")))


def test_tables_for_latex_compile():
    """What pdflatex stops at: a brace that is not closed, rows of other lengths, signs that it does not have."""
    results = synthetic_results.results(machines=("V-16",), length=4, iterations=11)
    results = results.assign_coords(machine=["α_x & y%"])
    for name, text in report.latex(results).items():
        assert text.isascii()
        plain = re.sub(r"\\[{}\\]", "", text)
        assert plain.count("{") == plain.count("}")
        if name == "numbers.tex":
            continue
        columns = re.match(r"\\begin{tabular}{([lr]+)}\n\\toprule\n", text)
        assert columns
        assert [line for line in text.splitlines() if line.endswith("rule")] == [
            r"\toprule",
            r"\midrule",
            r"\bottomrule",
        ]
        rows = [line for line in text.splitlines() if line.endswith(r"\\")]
        assert {len(re.findall(r"(?<!\\)&", row)) for row in rows} == {len(columns[1]) - 1}
    assert r"$\alpha$" in report.latex(results)["ends.tex"]


def test_calls_without_a_loop_of_their_own_tell_how_far_they_are_too(monkeypatch, records):
    """The sums, ratios and fits that take long on larger machines."""
    told = {}
    monkeypatch.setattr("sys.stderr", Terminal())
    monkeypatch.setattr(_scan, "_Line", lambda what, stream: told.setdefault(what, []).append)
    machine, draws = records["machine"], records["draws"]
    wide = rf.RBM.random(0, 36, MachineSettings(hidden=24))
    ladder = jax.tree.map(lambda leaf: np.stack([0 * leaf, leaf]), machine)
    model = rf.ising(rf.square(8))
    runs = [rf.sample(seed, model, 2.3, 60).spins[0] for seed in range(2)]
    spin = [rf.operators(model.lattice)[5 + 2]]
    calls = {
        "annealing": lambda: rf.log_partition(0, wide, chains=4, steps=10),
        "sum over states": lambda: rf.log_partition(0, machine),
        "log-probabilities": lambda: rf.excess_nats(machine, MODEL, draws, LogPartition(0.0)),
        "tempering": lambda: rf.trajectory_log_partition(0, ladder, chains=4, sweeps=4, burn_in=4),
        "couplings": lambda: rf.effective_couplings(machine, [[0, 1]]),
        "stability": lambda: rf.stability(0, model, runs, chosen=spin),
        "two-point functions": lambda: rf.scaling_dimension(model, runs[0], (1, 3)),
    }
    for name, call in calls.items():
        call()
        assert told[name] == sorted(told[name])
        assert told[name][-1] == 1.0
