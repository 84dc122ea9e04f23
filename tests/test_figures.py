"""The figures show the numbers of the dataset, name their axes, and survive runs of unusual shape."""

from __future__ import annotations

import contextlib
import io
import re
import xml.etree.ElementTree as ET

import matplotlib
import numpy as np
import pytest
from matplotlib.axis import Axis
from matplotlib.cbook import Grouper
from matplotlib.colors import to_hex
from matplotlib.mathtext import MathTextParser
from matplotlib.text import Text

import synthetic_results
from rbmflow import figures
from rbmflow._checks import InvalidInput
from rbmflow.figures import svg_text
from rbmflow.figures.marks import spread
from rbmflow.figures.panels import shown_iterations
from rbmflow.figures.style import tints

SMALL = {"machines": ("V-16", "L-8"), "length": 4, "iterations": 11}
OF_A_RUN = [name for name, plot in figures.FIGURES.items() if plot.page == "run"]


@pytest.fixture(scope="module")
def results():
    return synthetic_results.results(**SMALL)


def chosen(name, results):
    return {"classifier": str(results["classifier"].values[0])} if name == "class_probabilities" else {}


def draw(name, results):
    return figures.FIGURES[name](results, **chosen(name, results))


def drawn_numbers(axes):
    """Every number that the artists of a panel carry."""
    lines = [np.asarray(line.get_ydata(), float) for line in axes.lines]
    images = [np.asarray(image.get_array(), float).ravel() for image in axes.images]
    return np.concatenate([*lines, *images, []])


def panels(figure):
    return [axes for axes in figure.axes if axes.get_label() != "<colorbar>"]


UNUSUAL = {
    "as little as there can be": {
        "machines": ("$odd_name{-8",),  # what looks like a formula is a name
        "seeds": 1,
        "starts": ("cold",),
        "thermometers": ("bayes", "energy"),
        "length": 4,
        "iterations": 2,
        "temperatures": (0.0, np.inf),
    },
    "many starts, two seeds": {
        "machines": ("L-64",),
        "seeds": 2,
        "starts": ("cold", "hot", *(f"T = {t}" for t in range(1, 7))),
        "iterations": 11,
    },
}


@pytest.mark.parametrize("name", OF_A_RUN)
def test_every_panel_shows_numbers_and_names_its_axes(results, name):
    """Drawn of nothing but the variables that it says it needs."""
    needed = figures.FIGURES[name].needs
    figure = draw(name, results.drop_vars([variable for variable in results.data_vars if variable not in needed]))
    assert panels(figure)
    for axes in panels(figure):
        assert np.isfinite(drawn_numbers(axes)).any()
    if name not in (
        "leading_vectors",
        "receptive_fields",
        "layer_fields",
        "configurations",
    ):  # images of the lattice have no axes to name
        names = [axes.get_xlabel() for axes in panels(figure)], [axes.get_ylabel() for axes in panels(figure)]
        assert any(names[0])
        assert any(names[1]) or name == "flow_ends"


@pytest.mark.parametrize("shape", UNUSUAL.values(), ids=UNUSUAL)
def test_runs_of_unusual_shape_can_be_drawn(shape):
    results = synthetic_results.results(**shape)
    for name in OF_A_RUN:
        figure = draw(name, results)
        figure.get_layout_engine().execute(figure)  # a layout that does not fit warns, which is an error here
        assert len(figures.FIGURES[name].table(results, **chosen(name, results))) > 0


def test_temperature_flow_draws_the_means_their_bands_and_the_references(results):
    axes = figures.temperature_flow(results).axes[2]  # first machine, third thermometer
    here = results.isel(machine=0, thermometer=2)
    curves = [line for line in axes.lines if line.get_color() == figures.start_looks(results)["hot"].colour]
    np.testing.assert_array_equal(curves[0].get_ydata(), here["temperature_mean"].sel(start="hot"))
    band = axes.collections[0].get_paths()[0].vertices
    cold = here.sel(start="cold", iteration=5)
    at_five = band[band[:, 0] == 5][:, 1]
    np.testing.assert_allclose(at_five.max() - at_five.min(), 2 * cold["temperature_error"], rtol=1e-6)
    levels = [line.get_ydata()[0] for line in axes.lines[:3]]
    assert levels == [synthetic_results.T_C, synthetic_results.C_MAX, float(here["null_temperature"])]


def test_infinite_readings_become_triangles_and_missing_ones_gaps(results):
    changed = results.copy(deep=True)
    mean = changed["temperature_mean"]
    mean.loc[{"start": "cold"}] = 2.0
    mean.loc[{"start": "cold", "iteration": [3, 4, 5]}] = np.inf
    mean.loc[{"start": "cold", "iteration": 8}] = np.nan
    axes = figures.temperature_flow(changed).axes[0]
    cold = [line for line in axes.lines if line.get_color() == figures.start_looks(results)["cold"].colour]
    triangles = [line for line in cold if line.get_marker() == "^"]
    assert [list(line.get_xdata()) for line in triangles] == [[3, 4, 5]]
    assert set(triangles[0].get_ydata()) == {axes.get_ylim()[1]}
    assert np.flatnonzero(np.isnan(cold[0].get_ydata())).tolist() == [3, 4, 5, 8]


def test_a_panel_without_any_reading_says_so(results):
    changed = results.copy(deep=True)
    changed["temperature_mean"].loc[{"thermometer": "bayes"}] = np.nan
    figure = figures.temperature_flow(changed)
    empty = ["no reading" in [text.get_text() for text in axes.texts] for axes in figure.axes[:4]]
    assert empty == [False, True, False, False]


def test_ends_are_open_where_flows_have_not_converged(results):
    changed = results.copy(deep=True)
    changed["converged"].values[:] = [[True, False, True, True, True], [True] * 5]
    axes = figures.flow_ends(changed).axes[0]
    symbols = [c.lines[0] for c in axes.containers]
    ends = changed["end_temperature"].isel(machine=0)
    np.testing.assert_allclose(
        [s.get_xdata()[0] for s in symbols], ends.transpose("thermometer", "start").values.ravel()
    )
    faces = [s.get_markerfacecolor() == "white" for s in symbols]
    assert faces == [False] * 3 + [True] * 3 + [False] * 9


def test_a_start_has_one_colour_everywhere():
    results = synthetic_results.results(**{**SMALL, "starts": ("T = 1.5", "hot", "cold", "T = 3")})
    looks = figures.start_looks(results)
    assert list(looks) == ["T = 1.5", "hot", "cold", "T = 3"]
    assert looks["cold"].colour == "#0072B2"
    assert looks["hot"].colour == "#D55E00"
    assert len({look.colour for look in looks.values()}) == 4
    for name in ("temperature_flow", "energy_flow"):
        colours = {line.get_color() for axes in draw(name, results).axes for line in axes.lines}
        assert {look.colour for look in looks.values()} <= colours


def test_tints_go_from_light_to_dark():
    lightness = [sum(int(c[i : i + 2], 16) for i in (1, 3, 5)) for c in tints("#0072B2", 6)]
    assert lightness == sorted(lightness, reverse=True)
    assert to_hex("#0072B2") not in (tints("#0072B2", 6)[0], tints("#0072B2", 6)[-1])


@pytest.mark.parametrize(
    ("iterations", "shown"),
    [(41, [0, 1, 2, 5, 10, 20, 40]), (2, [0, 1]), (12, [0, 1, 2, 5, 11]), (101, [0, 1, 2, 5, 10, 20, 50, 100])],
)
def test_shown_iterations_grow_geometrically_to_the_last(iterations, shown):
    assert shown_iterations(synthetic_results.results(machines=("L-2",), length=2, iterations=iterations)) == shown


def test_class_probabilities_draw_the_shown_iterations_from_light_to_dark(results):
    axes = figures.class_probabilities(results, classifier="bayes").axes[0]
    here = results.sel(classifier="bayes").isel(machine=0, start=0)
    iterations = shown_iterations(results)
    curves = [line for line in axes.lines if len(line.get_xdata()) == results.sizes["bin"]]
    np.testing.assert_array_equal(curves[0].get_ydata(), here["null_probability"])
    for curve, iteration in zip(curves[1:], iterations, strict=True):
        np.testing.assert_array_equal(curve.get_ydata(), here["probability_mean"].sel(iteration=iteration))


def test_spread_keeps_order_distance_and_what_already_fits():
    rng = np.random.default_rng(0)
    for _ in range(200):
        wanted = rng.uniform(0, 1, rng.integers(1, 7))
        placed = spread(wanted, 0.1)
        order = np.argsort(wanted)
        assert (np.diff(placed[order]) >= 0.1 - 1e-12).all()
        assert placed.mean() == pytest.approx(wanted.mean())
    np.testing.assert_array_equal(spread([0.9, 0.1, 0.5], 0.2), [0.9, 0.1, 0.5])
    np.testing.assert_allclose(spread([0.5, 0.5], 0.2), [0.4, 0.6])


def test_svg_is_the_same_every_time_and_can_share_a_page(results):
    one, two = (figures.to_svg(figures.spectra(results), "a") for _ in range(2))
    assert one == two
    root = ET.fromstring(one)
    assert root.attrib["viewBox"]
    assert "width" not in root.attrib
    identifiers = re.findall(r'\bid="([^"]*)"', one)
    assert len(set(identifiers)) == len(identifiers) > 0
    assert not set(identifiers) & set(re.findall(r'\bid="([^"]*)"', figures.to_svg(figures.spectra(results), "b")))
    referred = set(re.findall(r'href="#([^"]*)"|url\(#([^)]*)\)', one))
    assert {a or b for a, b in referred} <= set(identifiers)


@pytest.mark.parametrize("name", ["temperature_flow", "spectra", "training_curves"])
def test_what_is_remembered_while_a_figure_is_drawn_changes_nothing_of_it(results, name, monkeypatch):
    patched = [(Axis, "_update_ticks"), (Axis, "get_major_ticks"), (Axis, "get_minor_ticks")]
    patched += [(Text, "_get_layout"), (MathTextParser, "_parse_cached"), (Grouper, "get_siblings")]
    plain = [getattr(*one) for one in patched]
    quick = figures.to_svg(draw(name, results))
    assert [getattr(*one) for one in patched] == plain
    monkeypatch.setattr(svg_text, "remembering", contextlib.nullcontext)
    assert figures.to_svg(draw(name, results)) == quick


def test_a_tick_of_a_drawn_figure_can_be_changed_alone(results):
    drawn = draw("temperature_flow", results)
    figures.to_svg(drawn)
    first, second, third, *_ = drawn.axes[0].get_yticklabels()
    second.set_fontsize(20)
    assert first.get_fontsize() == third.get_fontsize() < 20


def test_tables_hold_the_numbers_of_the_figures(results):
    table = figures.temperature_flow.table(results).set_index(["machine", "start", "iteration", "thermometer"])
    place = {"machine": "V-16", "start": "cold", "iteration": 4, "thermometer": "energy"}
    row = table.loc[tuple(place.values())]
    assert row["temperature_mean"] == float(results["temperature_mean"].sel(place))
    assert row["null_temperature"] == float(results["null_temperature"].sel(machine="V-16", thermometer="energy"))
    assert row["critical_temperature"] == synthetic_results.T_C
    assert len(table) == results["temperature_mean"].size


def test_tables_leave_out_padding_and_the_mirror_image(results):
    spectra = figures.spectra.table(results)
    assert spectra["singular_value"].notna().sum() == 3 * (16 + 8)
    assert len(spectra) == 2 * 3 * 16  # the covariance of the data has as many eigenvalues as there are sites
    fields = figures.fourier_content.table(results)
    assert len(fields) == (16 + 8) * results.sizes["shell"]
    pairs = figures.weight_products.table(results)
    assert len(pairs) == 2 * 16 * 17 // 2
    assert (pairs["visible"] <= pairs["visible_other"]).all()
    shown = figures.class_probabilities.table(results, classifier="neural")["iteration"].unique().tolist()
    assert shown == shown_iterations(results)


def test_what_is_not_there_is_refused_in_a_sentence(results):
    with pytest.raises(InvalidInput, match=r"figure = 'nothing' is not allowed: it must be one of .*temperature_flow"):
        figures.FIGURES["nothing"]
    with pytest.raises(InvalidInput, match="machine = 'W-1' is not allowed: it must be one of V-16, L-8"):
        figures.spectra(results, machine=["V-16", "W-1"])
    with pytest.raises(InvalidInput, match=r"classifier = \['neural', 'bayes'\] is not allowed: one of them must be"):
        figures.class_probabilities(results)
    with pytest.raises(InvalidInput, match=r"results without = \['gain'\] is not allowed: the figure mode_growth"):
        figures.mode_growth(results.drop_vars("gain"))


def test_every_figure_can_be_listed_and_none_is_hidden_by_a_module(results):
    for name, plot in figures.FIGURES.items():
        assert getattr(figures, name) is plot
        assert plot.shows.endswith(".")
        assert plot.caption.endswith((".", "{seed_bars}"))
    by_name = figures.spectra(results, machine="L-8")
    assert [axes.get_title("left") for axes in by_name.axes] == ["L-8"]


def test_drawing_leaves_the_settings_of_the_caller_alone(results):
    before = dict(matplotlib.rcParams)
    figures.to_svg(figures.spectra(results))
    assert dict(matplotlib.rcParams) == before


def test_a_short_svg_has_every_curve_of_the_long_one(results):
    drawn = figures.training_curves(results)
    whole = io.StringIO()
    with matplotlib.rc_context(figures.style.STYLE):
        drawn.savefig(whole, format="svg", dpi=200)
    short = figures.to_svg(drawn, "a")
    assert len(short) < 0.7 * len(whole.getvalue())
    number = r"-?(?:\d+\.?\d*|\.\d+)"
    curves = [
        [
            np.reshape([float(n) for n in re.findall(number, path)], (-1, 2))
            for path in re.findall(r' d="([MmLl\s\d.-]+)"', svg)
        ]
        for svg in (whole.getvalue(), short)
    ]
    long, relative = ([path for path in paths if len(path) > 30] for paths in curves)
    assert len(long) == len(relative) > 6
    for expected, steps in zip(long, relative, strict=True):
        np.testing.assert_allclose(steps.cumsum(axis=0), expected, atol=0.0551)
