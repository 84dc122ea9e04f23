"""The report: its numbers, its page in a browser, and the file on disk."""

from __future__ import annotations

import base64
import csv
import gzip
import hashlib
import html
import io
import json
import math
import re
import runpy
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace

import matplotlib.figure
import numpy as np
import pytest
import xarray as xr

import synthetic_results
from rbmflow import report
from rbmflow._checks import InvalidInput
from rbmflow._format import with_error
from rbmflow.claims import Judgement, Verdict
from rbmflow.cli import pages
from rbmflow.execute.children import Lost
from rbmflow.figures import FIGURES, Plot
from rbmflow.report import document, illustrations
from rbmflow.report.explorer import explorer_data
from rbmflow.store import Store

MACHINES = ("V-9", "</script>-4")
DRAWN = sum({"machine": len(MACHINES), "classifier": 2}.get(p.by, 1) for p in FIGURES.values() if p.page == "run")


@pytest.fixture(scope="module")
def results():
    return synthetic_results.results(machines=MACHINES, length=4, iterations=11)


@pytest.fixture(scope="module")
def page(results):
    verdicts = [
        Verdict(
            "to-it",
            "The end is T_c",
            "p",
            ("read", "at it", "not so"),
            "open",
            (Judgement("V-9", "open", "T* = 2.3"),),
            ("flow_ends",),
        ),
        Verdict(
            "beside",
            "Flows are slow",
            "p",
            ("read", "slow", "not so"),
            "holds",
            (Judgement("V-9", "supports", "10"),),
            (),
        ),
        Verdict("unasked", "Something else", "p", ("read", "it is", "not so"), "not tested", (), ()),
        Verdict(
            "from-it",
            "The end is elsewhere",
            "p",
            ("read", "not at it", "not so"),
            "depends",
            (Judgement("V-9", "supports", "T* = 3"), Judgement("V-16", "contradicts", "T* = 2.27")),
            (),
            excludes=("to-it",),
        ),
    ]
    answer = ["Do the flows go to T_c? Not decided.", "How sure: not at all.", "V-9 rests."]
    return report.render(results, synthetic_results.run(), verdicts, answer=answer)


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (2.4123, 0.0153, "2.412(15)"),
        (2.4123, 0.2, "2.41(20)"),
        (2.4123, 0.0996, "2.41(10)"),
        (2.4123, 0.00004, "2.412300(40)"),
        (2.4123, 1.27, "2.4(1.3)"),
        (24.1, 13.0, "24(13)"),
        (0.0, 0.0, "0.000(0)"),
        (-1e-18, 0.0, "0.000(0)"),
        (-0.001, 0.2, "0.00(20)"),
        (2.4123, math.nan, "2.412(n/a)"),
        (math.nan, 0.1, "no reading"),
        (math.inf, 0.1, "inf"),
        (2.4123, math.inf, "2.412(inf)"),
        (-0.0312, 0.011, "-0.031(11)"),
    ],
)
def test_values_carry_their_error_in_parentheses(value, error, text):
    assert with_error(value, error) == text


def test_ends_table_tells_ends_nulls_and_refusals():
    results = synthetic_results.results()
    header, rows = report.ends_table(results)
    assert header == ["machine", "start", "neural", "Bayes", "T(E)", "T(|m|)", "T(xi/L)"]
    assert len(rows) == 4 * (3 + 2)
    assert all(len(row) == len(header) for row in rows)
    value, error = (float(results[k].isel(machine=0, start=1, thermometer=2)) for k in ("end_temperature", "end_error"))
    told = re.fullmatch(r"(\d\.\d+)\((\d+)\)", rows[1][4])
    assert told
    assert float(told[1]) == pytest.approx(value, abs=1e-3)
    assert float(told[2]) / 1000 == pytest.approx(error, abs=1e-3)
    assert rows[3][:3] == ["V-64", "training mixture (what a perfect machine gives)", "2.560"]
    assert rows[4][:2] == ["V-64", "T*"]
    assert rows[4][4] == with_error(float(results["fixed_point"].sel(machine="V-64", thermometer="energy")), 0.02)
    assert rows[9] == ["V-16", "T*", *["not converged: cold and hot differ"] * 5]


def test_ends_table_of_one_seed_has_no_errors():
    results = synthetic_results.results(machines=("odd-4",), seeds=1, length=4, thermometers=("bayes", "energy"))
    header, rows = report.ends_table(results)
    assert header[2:] == ["Bayes", "T(E)"]
    assert all(cell.endswith("(n/a)") for cell in rows[0][2:])


def test_summary_is_strict_json_with_the_numbers_of_the_dataset():
    results = synthetic_results.results(machines=("V-9", "my type-4"), length=4).copy(deep=True)
    results["end_temperature"].values[0, 1, 3] = np.inf
    results["end_error"].values[0, 1, 3] = np.nan
    told = json.loads(json.dumps(report.summary(results, synthetic_results.run()), allow_nan=False))
    assert told["run"] == "quick-0123456789"
    assert told["references"]["critical_temperature"] == synthetic_results.T_C
    assert [m["type"] for m in told["machines"]] == ["V", "my type"]
    hot = told["machines"][0]["flows"][1]
    assert hot["start"] == "hot"
    assert hot["end"]["magnetization"]["temperature"] == "inf"
    assert hot["end"]["magnetization"]["error"] is None
    expected = float(results["end_temperature"].sel(machine="V-9", start="hot", thermometer="energy"))
    assert hot["end"]["energy"]["temperature"] == expected
    assert told["machines"][1]["hidden"] == 4
    assert told["flags"][0]["what"] == "not converged"


def test_summary_and_its_documentation_name_the_same_keys(results):
    docs = Path(__file__).parents[1] / "docs"
    text = (docs / "show-json.md").read_text("utf-8")
    made = runpy.run_path(str(docs / "made.py"))["PAGES"]
    text += "".join(made[name]() for name in re.findall(r"\{include\} made/(\S+)\.md", text))

    def keys(value):
        if isinstance(value, dict):
            for key, inner in value.items():
                yield key
                # The keys of a recipe are the fields of a spec.
                yield from keys(inner if key != "recipe" else None)
        elif isinstance(value, list):
            for inner in value:
                yield from keys(inner)

    for key in set(keys(report.summary(results, synthetic_results.run()))):
        assert f"`{key}`" in text, f"docs/show-json.md does not name {key}"


def test_machines_of_one_name_are_rows_of_their_own():
    """In tables, summary, slider and figures a machine is its row; names are for people."""
    results = synthetic_results.results(machines=("V-9", "H-9"), length=4, iterations=11)
    twins = results.assign_coords(machine=["same", "same"])
    assert [row[1:] for row in report.ends_table(twins)[1]] == [row[1:] for row in report.ends_table(results)[1]]
    of_twins, of_each = (report.summary(one, {})["machines"] for one in (twins, results))
    assert [row | {"machine": ""} for row in of_twins] == [row | {"machine": ""} for row in of_each]
    assert explorer_data(twins)["temperature"] == explorer_data(results)["temperature"]
    for name in ("flow_ends", "spectra", "energy_flow"):
        drawn, expected = (FIGURES[name](one) for one in (twins, results))
        for ours, theirs in zip(drawn.axes, expected.axes, strict=True):
            for line, expected_line in zip(ours.lines, theirs.lines, strict=True):
                np.testing.assert_array_equal(line.get_xydata(), expected_line.get_xydata())
    assert len(FIGURES["spectra"](twins, machine="same").axes) == 2
    assert FIGURES["spectra"].table(twins)["singular_value"].equals(FIGURES["spectra"].table(results)["singular_value"])
    page = report.render(twins, synthetic_results.run(), figures=[])
    for row in report.ends_table(results)[1]:
        assert all(f">{cell}<" in page for cell in row[2:])


def test_a_swept_field_of_any_type_that_shares_a_machine_is_told(results):
    shared = report.summary(results, {"run": "s"})
    shared["machines"] = [shared["machines"][0] | {"type": "V = W"}]
    values = {"types.W.maximum": 4.0, "types.H.minimum": 4.0}
    header, rows = report.sweep_table([{"run": "s", "values": values, "summary": shared}])
    assert header[1:3] == list(values)
    assert {tuple(row[1:3]) for row in rows} == {(4.0, None)}


def test_a_dataset_read_back_from_disk_tells_the_same(results, tmp_path):
    results.to_netcdf(tmp_path / "data.nc", engine="h5netcdf")
    read = xr.load_dataset(tmp_path / "data.nc", engine="h5netcdf")
    run = synthetic_results.run()
    assert report.summary(read, run) == report.summary(results, run)
    assert report.ends_table(read) == report.ends_table(results)
    stars = [[machine, *row] for machine, start, *row in report.ends_table(results)[1] if start == "T*"]
    assert report.rest_table(results) == (["machine", *report.ends_table(results)[0][2:]], stars)
    ends = {"mean_end": results["end_temperature"].mean("start"), "mean_end_error": results["end_error"].mean("start")}
    brief = [cell for row in report.rest_table(results.assign(ends), brief=True)[1] for cell in row[1:]]
    assert [cell.startswith("[") for cell in brief] == [star.startswith("not") for row in stars for star in row[1:]]
    assert explorer_data(read) == explorer_data(results)


def test_a_dataset_that_lacks_something_is_refused_by_name(results):
    lacking = results.drop_vars(["drift", "end_error"])
    with pytest.raises(InvalidInput, match=r"\['drift', 'end_error'\] is not allowed"):
        report.render(lacking, synthetic_results.run())


def test_explorer_data_holds_probabilities_and_configurations(results):
    data = json.loads(json.dumps(explorer_data(results), allow_nan=False))
    expected = results["probability_mean"].transpose("machine", "classifier", "start", "iteration", "bin").values
    np.testing.assert_allclose(np.array(data["probability"]) * data["unit"], expected, atol=0.5001 * data["unit"])
    spins = np.array([1 if c == "1" else -1 for c in data["configurations"][1][2][3]]).reshape(data["lattice"])
    np.testing.assert_array_equal(spins, results["example"].isel(machine=1, start=2, snapshot=3))


def test_page_is_self_contained_and_escapes_what_it_is_given(page):
    assert not re.search(r'(?:src|href)="(?!#|data:)[^"]+"', page.replace('xlink:href="#', ""))
    assert "@import" not in page
    assert "reads 2.31(1) at T = 2.25 &lt;held out&gt;" in page
    assert "hidden = 64  # &lt;units&gt;" in page
    assert page.count("</script>") == 2  # the data and the script: the name of the second machine is escaped
    for missing in ("None", "nan", "Undefined"):
        assert f">{missing}<" not in page


def test_labels_of_strangers_make_no_markup_and_no_script_runs_but_ours(results, monkeypatch):
    evil = '"><script>alert(1)</script>'
    labels = {name: [f"{evil}{name} {n}" for n in range(results.sizes[name])] for name in ("machine", "classifier")}
    foreign = results.assign_coords({name: (name, values) for name, values in labels.items()})
    verdict = Verdict(evil, evil, evil, (evil,) * 3, evil, (Judgement(evil, "open", evil),), (evil,), evil)
    monkeypatch.setattr("rbmflow.figures.to_svg", lambda *_: "<svg/>")
    plots = [FIGURES["class_probabilities"], FIGURES["configurations"], FIGURES["training_curves"]]
    page = report.render(foreign, synthetic_results.run() | {"run": evil, "name": evil}, [verdict], plots)
    assert "<script>alert" not in page
    identifiers = re.findall(r'\bid="([^"]*)"', page)
    assert all(re.fullmatch("[a-z0-9-]+", one) for one in identifiers)
    assert len(set(identifiers)) == len(identifiers)
    (script,) = re.findall("<script>(.*?)</script>", page, re.DOTALL)
    runs = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    (policy,) = re.findall('http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert f"script-src 'sha256-{runs}'" in html.unescape(policy)


@pytest.mark.parametrize("text", ["{", "3", "[3]", "[{}]", "[" * 10**5])
def test_flags_that_are_none_are_refused(results, text):
    with pytest.raises(InvalidInput, match=r"flags = .* is not allowed: it must be a JSON list"):
        report.render(results.assign_attrs(flags=text), synthetic_results.run(), figures=[])


def test_a_run_of_which_little_is_known_can_be_reported(results):
    page = report.render(results, {"name": "bare"}, figures=[])
    assert "unknown" in page
    assert "<figure " not in page


def test_data_too_long_for_a_link_are_pointed_to(results, monkeypatch):
    monkeypatch.setattr(illustrations, "LARGEST_LINK", 100)
    [one], _ = illustrations.draw_all(results, [FIGURES["spectra"]])
    assert one.data is None
    assert one.rows > 0


def test_a_figure_that_lacks_a_variable_or_fails_is_left_out_with_a_sentence(results):
    def broken(results):
        raise ZeroDivisionError("by <zero>\nand more")

    def mine(results):
        return matplotlib.figure.Figure()

    about = {"section": "My numbers", "shows": "", "needs": ("mean_end",)}
    plots = [FIGURES["spectra"], FIGURES["energy_flow"]]
    plots += [Plot("mine", mine, caption="By {n} as {x}: T_c.", **about), Plot("broken", broken, caption="", **about)]
    without = results.drop_vars("null_energy").assign(mean_end=results["end_temperature"])
    page = report.render(without, synthetic_results.run(), figures=plots)
    assert "the figure energy_flow needs <code>null_energy</code>, which the results do not have." in page
    assert "the figure broken could not be drawn: ZeroDivisionError: by &lt;zero&gt;." in page
    assert 'id="further-my-numbers"' in page
    assert "By 3 seeds as {x}: T<sub>c</sub>." in page
    assert page.count("<figure ") == 2


def test_figures_that_another_process_could_not_draw_are_drawn_here(results, tmp_path, monkeypatch):
    def drawn(data, plots, words):
        return [illustrations.Drawing(p.name, p.name, p.section, "", "<svg/>", "", None, 0) for p in plots], []

    def crew(last, dies):
        """A child that has begun with the last figures, and draws them or dies of each."""

        def submit(function, *arguments):
            future = Future()
            if function is pages.draw_there and arguments[0] in last:
                future.set_running_or_notify_cancel()
                told = Lost("it died") if dies else drawn(results, [FIGURES[arguments[0]]], {})
                (future.set_exception if dies else future.set_result)(told)
            return future

        return SimpleNamespace(submit=submit, close=lambda: None)

    order = [plot.name for plot in report.plots_of("run")]
    monkeypatch.setattr(pages, "results_of", lambda *_: results)
    monkeypatch.setattr(pages, "note", lambda *_: None)
    monkeypatch.setattr(report, "draw_all", drawn)
    monkeypatch.setattr("rbmflow.steps.verdicts_of", lambda *_: [])
    monkeypatch.setattr("rbmflow.steps.answer_of", lambda *_: ["answered"])
    written = set()
    for one in (crew(order[5:], False), crew(order[-1:], False), crew([], False), crew(order[-2:], True)):
        monkeypatch.setattr(pages, "Children", lambda *_, one=one: one)
        pages.write_run(tmp_path / "page.html", synthetic_results.run(), Store(tmp_path), 2)
        written.add((tmp_path / "page.html").read_text("utf-8"))
    [page] = written
    assert "no machine runs in this page: the manifest of the run is not whole" in page
    assert page.count("<figure ") == len(report.plots_of("run"))


def test_writing_replaces_the_file_at_once_or_not_at_all(results, page, tmp_path, monkeypatch):
    path = tmp_path / "report.html"
    path.write_text("old")
    monkeypatch.setattr(document, "render", lambda *_: page)
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OSError, match="full"):
        report.write(path, results, {})
    assert path.read_text() == "old"
    monkeypatch.undo()
    monkeypatch.setattr(document, "render", lambda *_: page)
    report.write(path, results, {})
    assert path.read_text("utf-8") == page
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]


def test_page_in_a_browser(browser_page, results):
    tab = browser_page
    boxes = [figure.bounding_box() for figure in tab.locator("figure .drawing:not(.narrow) svg").all()]
    assert len(boxes) == DRAWN
    assert all(box and box["width"] > 200 and box["height"] > 60 for box in boxes)
    assert tab.evaluate("document.documentElement.scrollWidth") <= 1200
    for link in tab.locator("nav a").all():
        assert tab.locator(str(link.get_attribute("href"))).count() == 1
    identifiers = tab.evaluate("[...document.querySelectorAll('[id]')].map((e) => e.id)")
    assert len(set(identifiers)) == len(identifiers)

    tab.locator("#explorer").wait_for()
    assert not tab.locator("#explorer-still").is_visible()
    slider, now = tab.locator("#explorer-iteration"), tab.locator("#explorer-now")
    drawing = "document.getElementById('explorer-plot').innerHTML"
    before, readings = tab.evaluate(drawing), tab.locator("#explorer-examples").inner_text()
    slider.focus()
    for _ in range(6):
        tab.keyboard.press("ArrowRight")
    assert now.inner_text() == "iteration 6"
    assert tab.evaluate(drawing) != before
    assert tab.locator("#explorer-examples").inner_text() != readings
    assert "kept at iteration 5" in tab.locator("#explorer-examples").inner_text()
    before = tab.evaluate(drawing)
    tab.select_option("#explorer-machine", label=MACHINES[1])
    assert tab.evaluate(drawing) != before
    tab.locator("#explorer-play").click()
    # The page's policy forbids the evaluation of text, which waiting for a function would need.
    now.filter(has_text=re.compile("^iteration 10$")).wait_for(timeout=10_000)

    text = tab.evaluate("fetch(document.getElementById('explorer-csv').href).then((r) => r.text())")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == results["probability_mean"].size
    row = next(r for r in rows if r["machine"] == MACHINES[1] and r["start"] == "hot" and r["iteration"] == "7")
    place = {"machine": MACHINES[1], "start": "hot", "iteration": 7, "classifier": row["classifier"]}
    place["bin"] = float(row["bin"])
    expected = float(results["probability_mean"].sel(place))
    assert float(row["probability_mean"]) == pytest.approx(expected, abs=1e-5)


def test_page_in_a_browser_without_scripts(browser_page):
    still = browser_page.context.browser.new_context(java_script_enabled=False).new_page()
    still.goto(browser_page.url)
    assert still.locator("#explorer-still").is_visible()
    assert not still.locator("#explorer").is_visible()
    assert all(svg.is_visible() for svg in still.locator("figure .drawing:not(.narrow) svg").all())


SMALLEST = """() => Math.min(
  ...[...document.querySelectorAll('figure svg g[transform*=scale]')].filter((g) => g.getClientRects().length)
    .map((g) => [g.transform.baseVal.consolidate().matrix, g.ownerSVGElement.getScreenCTM().a])
    .map(([{ a, b }, scale]) => 100 * Math.hypot(a, b) * scale),
  ...[...document.querySelectorAll('main :not(svg *)')].filter((e) => e.textContent.trim())
    .map((e) => parseFloat(getComputedStyle(e).fontSize)))"""
"""Size in pixels of the smallest letter; those of figures are paths whose unit is a hundredth of their size."""


def test_the_first_screen_answers_at_any_width(browser_page):
    tab = browser_page
    assert tab.locator("h1").inner_text() == "Do the flows go to Tc? Not decided."
    for width, height in ((1400, 900), (390, 844)):
        tab.set_viewport_size({"width": width, "height": height})
        [lead] = [svg for svg in tab.locator("#energy-temperature-1 svg").all() if svg.is_visible()]
        for part in (tab.locator("h1"), tab.locator("#answer .sure"), lead):
            box = part.bounding_box()
            assert box["y"] + box["height"] < height
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= width
        assert tab.evaluate("document.documentElement.scrollWidth") == width
        assert tab.evaluate(SMALLEST) > 9.99
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.getAttribute('href')") == "#main"


def test_the_page_is_dark_where_one_wants_it_dark_and_prints_on_few_sheets(browser_page):
    def light(what, of):
        rgb = re.findall(r"\d+", browser_page.evaluate(f"getComputedStyle(document.querySelector('{of}')).{what}"))
        return sum(map(int, rgb[:3])) / 765

    for scheme, dark in (("light", False), ("dark", True)):
        browser_page.emulate_media(color_scheme=scheme)
        assert (light("backgroundColor", "body") < 0.2) == dark
        for of in ("h1", "figcaption", "a", ".verdict", ".note", "pre"):
            assert abs(light("color", of) - light("backgroundColor", "body")) > 0.4, of
        turned = browser_page.evaluate("getComputedStyle(document.querySelector('figure svg')).filter") != "none"
        assert turned == dark
    # This page has every figure there is; that of a run has fewer.
    assert len(re.findall(rb"/Type\s*/Page\b(?!s)", browser_page.pdf(format="A4"))) <= 19


def test_numbers_and_pictures_can_be_saved_from_the_page(browser_page, results):
    figure = browser_page.locator("#energy-flow-1")
    saved = {}
    for press in (figure.locator("a.csv"), *figure.locator("button").all()):
        with browser_page.expect_download() as download:
            press.click()
        saved[download.value.suggested_filename] = Path(download.value.path()).read_bytes()
    names = [f"{synthetic_results.run()['run']}-energy-flow-1.csv", "energy-flow-1.svg", "energy-flow-1.png"]
    assert list(saved) == names
    assert len(list(csv.DictReader(io.StringIO(saved[names[0]].decode())))) == results["energy_mean"].size
    assert saved[names[1]].startswith(b'<svg xmlns="http://www.w3.org/2000/svg"')
    assert b' width="960"' in saved[names[1]]
    assert saved[names[2]].startswith(b"\x89PNG")
    assert len(saved[names[2]]) > 20_000


def test_claims_that_exclude_one_another_stand_side_by_side_and_those_not_tested_are_folded(page):
    [rivals] = re.findall(r'<div class="rivals">(.*?)</div></div>', page, re.DOTALL)
    assert re.findall(r'id="verdict-([a-z-]*)"', rivals + page.split("rivals")[2]) == ["to-it", "from-it"]
    assert page.index("verdict-from-it") < page.index("verdict-beside")
    assert "depends on: holds for V-9, fails for V-16" in page
    folded = page[page.index('<details class="untested">') :]
    assert folded.index("1 claims that were not tested") < folded.index("verdict-unasked") < folded.index("</details>")


def test_every_figure_has_a_name_and_a_text(page):
    figures_of = re.findall(r"<figure .*?</figure>", page, re.DOTALL)
    assert len(figures_of) == DRAWN
    for one in figures_of:
        for opening in re.findall(r"<svg[^>]*>", one):
            assert re.search(r'role="img" aria-label="[^"]{10,}"', opening)
        assert re.search(r"<strong>.{10,}</strong>", one)


def test_every_data_link_holds_the_rows_it_announces(page):
    links = re.findall(r'<a class="csv" href="(data:[^"]*)" download="([^"]*)">data \(CSV\)</a>, (\d+) rows', page)
    assert len(links) == DRAWN
    for address, name, announced in links:
        head, body = address.split(",", 1)
        assert head == "data:application/gzip;base64"
        rows = list(csv.reader(io.StringIO(gzip.decompress(base64.b64decode(body)).decode())))
        assert len(rows) - 1 == int(announced) > 0, name
        assert {len(row) for row in rows} == {len(rows[0])}, name


def test_page_itself_holds_every_figure_and_the_table_of_ends(page, results):
    still = re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)
    assert still.count("<figure ") == still.count('<div class="drawing">') == DRAWN
    for row in report.ends_table(results)[1]:
        assert all(f">{cell}<" in still for cell in row[2:])


def test_the_page_of_a_sweep_has_every_point_that_is_there_and_names_the_others(tmp_path, results):
    numbers = report.summary(results, {"run": "s-0-abc"})
    points = [
        {
            "run": "s-0-abc",
            "values": {"seed": 1, "machine.units": "<0/1>"},
            "left": 0,
            "summary": numbers,
            "report": True,
        },
        {"run": "s-1-def", "values": {"seed": 2, "machine.units": "-1/+1"}, "left": 7, "summary": None},
    ]
    record = {"run": "s-123", "name": "s", "started": "2030-01-01T00:00:00+00:00"}
    report.write_sweep(tmp_path / "report.html", record, points)
    page = (tmp_path / "report.html").read_text()
    assert "1 of 2 points are there; 1 is missing" in page
    _, rows = report.ends_table(results)
    ends = [cell for row in rows if row[1] in results["start"].values for cell in row[2:] if "(n/a)" not in cell]
    assert len(ends) > 3
    for cell in ends:
        assert f">{cell}<" in page
    assert "s-1-def</code>" in page
    assert 'href="../s-0-abc/report.html"' in page
    assert "rbmflow report" not in page
    report.write_sweep(tmp_path / "report.html", record, [points[0] | {"report": False}])
    assert "s-0-abc/report.html" not in (tmp_path / "report.html").read_text()
    assert "rbmflow report" in (tmp_path / "report.html").read_text()
    report.write_sweep(tmp_path / "report.html", record, points)
    assert "7 steps left" in page
    assert "&lt;0/1&gt;" in page
    with open(tmp_path / "table.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == results.sizes["machine"] * results.sizes["start"] * results.sizes["thermometer"]
    first = results.isel(machine=0, start=0, thermometer=0)
    assert float(rows[0]["temperature"]) == pytest.approx(float(first["end_temperature"]))
    assert (rows[0]["run"], rows[0]["seed"], rows[0]["machine"]) == ("s-0-abc", "1", str(first["machine"].values))
