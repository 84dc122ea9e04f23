"""The machine in the page of a run: what it is given, and what it computes in a browser against what Python does."""

from __future__ import annotations

import base64
import csv
import html
import io
import re

import jax
import numpy as np
import pytest

import rbmflow as rf
import synthetic_results
from rbmflow import report, spec, steps
from rbmflow.observables import ENERGY
from rbmflow.report.live import live_data
from rbmflow.steps.live_machines import live_machines
from rbmflow.store import Damaged

MODEL = rf.ising(rf.square(6))
STARTS = (1.8, 3.5)
ITERATIONS = 4
CHAINS = 3000


def machine_of(units, hidden):
    """A machine whose flow goes somewhere within a few iterations, with biases of both layers."""
    rng = np.random.default_rng(hidden)
    weights = 0.1 + 0.3 * rng.normal(size=(36, hidden))
    visible_bias, hidden_bias = (0.1 * rng.normal(size=size) for size in (36, hidden))
    return rf.RBM.from_weights(weights, visible_bias, hidden_bias, units=units, axes="visible, hidden")


MACHINES = {"V-9": machine_of("-1/+1", 9), "</script>-4": machine_of("0/1", 4)}


@pytest.fixture(scope="module")
def live():
    return live_machines(MODEL, MACHINES, rf.equilibrium.exact(MODEL))


@pytest.fixture(scope="module")
def page(live):
    results = synthetic_results.results(machines=tuple(MACHINES), length=6, iterations=11)
    return report.render(results, synthetic_results.run(), figures=[], live=live)


def readings(tab):
    """What the page has read along the flow at hand, once it has come to its end."""
    tab.locator("#live-sentence[aria-busy=false]").wait_for(timeout=20_000)
    text = tab.evaluate("fetch(document.getElementById('live-csv').href).then((answer) => answer.text())")
    return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(io.StringIO(text))]


def test_flows_of_the_page_are_those_of_python(browser_page):
    """Starts have the exact energy, and energy and |m| after each iteration are those of `iterate`, in both units."""
    tab, exact = browser_page, rf.equilibrium.exact(MODEL)
    for_starts, for_flow = jax.random.split(jax.random.key(1))
    begin = np.concatenate([rf.thermal(for_starts, MODEL, start, CHAINS) for start in STARTS])
    for name, machine in MACHINES.items():
        flow = rf.iterate(for_flow, machine, begin, ITERATIONS)
        spins = np.stack([flow.at(iteration) for iteration in range(ITERATIONS + 1)])
        values = np.stack([MODEL.energy(spins), np.abs(MODEL.magnetization(spins))], axis=-1).astype(np.float64)
        tab.select_option("#live-machine", label=name)
        for start, of_start in zip(STARTS, np.split(values, len(STARTS), axis=1), strict=True):
            tab.locator("#live-start").fill(str(start))
            found = readings(tab)
            for k, observable in enumerate(("energy", "abs_magnetization")):
                mean, error = np.array([[row[observable], row[f"{observable}_error"]] for row in found]).T
                expected = of_start[..., k].mean(axis=1)
                noise = of_start[..., k].std(axis=1) / np.sqrt(CHAINS)
                away = (mean[: ITERATIONS + 1] - expected) / np.hypot(error[: ITERATIONS + 1], noise)
                assert np.abs(away).max() < 5
            assert abs(found[0]["energy"] - float(exact.mean(ENERGY, start)[0])) < 5 * found[0]["energy_error"]
            assert found[0]["temperature"] == pytest.approx(start, abs=5 * found[0]["temperature_error"])


def test_controls_of_the_live_machine(browser_page):
    """Step, play, pause and reset, the end of the slider, painting by pointer and by keys; all fits on a phone."""
    tab = browser_page
    sentence, spins = tab.locator("#live-sentence"), tab.locator("#live-spins")
    picture = "document.getElementById('live-spins').toDataURL()"
    start = tab.locator("#live-start")
    start.focus()
    tab.keyboard.press("End")
    assert len(readings(tab)) == 21
    assert start.get_attribute("aria-valuetext") == "∞ (hot)"
    assert re.match(r"V-9 from T = ∞ \(hot\): after 20 steps T\(E\) = \d", sentence.inner_text())
    tab.locator("#live-reset").click()
    assert len(readings(tab)) == 1
    tab.locator("#live-step").click()
    sentence.filter(has_text="after 1 step ").wait_for()
    tab.locator("#live-play").click()
    sentence.filter(has_text=re.compile(r"after ([3-9]|\d{2,}) steps")).wait_for()
    tab.get_by_role("button", name="pause").click()
    assert len(readings(tab)) >= 4

    tab.locator("#live-reset").click()
    assert len(readings(tab)) == 1
    before = tab.evaluate(picture)
    spins.click()
    sentence.filter(has_text="V-9 from the painted configuration: at the start").wait_for()
    painted = readings(tab)
    assert painted[0]["energy_error"] == 0
    assert tab.evaluate(picture) != before
    spins.focus()
    for key in ("ArrowRight", "ArrowLeft", " "):
        tab.keyboard.press(key)
    tab.locator("#live-step").click()
    sentence.filter(has_text="after 1 step ").wait_for()
    assert readings(tab)[0]["energy"] != painted[0]["energy"]

    tab.set_viewport_size({"width": 390, "height": 800})
    # In one call: parts come and go while the machine runs.
    right = "[...document.querySelectorAll('#live *')].map(part => part.getBoundingClientRect().right)"
    assert max(tab.evaluate(right)) <= 390
    tab.emulate_media(media="print")
    assert not tab.locator("#live").is_visible()


def test_weights_and_temperatures_travel_as_they_are(live):
    """Weights to half a step of 16 bits, free units left out; T(E) of the table is that of the thermometer."""
    results = synthetic_results.results(machines=tuple(MACHINES), length=6, iterations=11)
    data = live_data(live, results)
    for told, machine in zip(data["machines"], MACHINES.values(), strict=True):
        weights = np.asarray(machine.in_units("-1/+1").weights)
        sent = np.frombuffer(base64.b64decode(told["weights"]), "<i2").reshape(weights.shape) * told["scale"]
        np.testing.assert_allclose(sent, weights, atol=0.51 * told["scale"])
        assert told["scale"] < 1e-4
    energy = np.linspace(-1.999, -0.4, 200)
    asked = -np.log((energy - data["ground_energy"]) / (data["free_energy"] - data["ground_energy"]))
    found = 1 / np.interp(asked, data["depth"], data["coupling"])
    expected = rf.equilibrium.exact(MODEL).curve(ENERGY).temperature_of(energy)
    np.testing.assert_allclose(found, expected, rtol=5e-4)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"model": {"kind": "potts", "q": 3}}, "no machine runs in this page: it has starts of ferromagnetic"),
        (
            {"machine": {"kind": "autoencoder"}},
            "V-64 does not run in this page: it is of kind autoencoder, not rbm",
        ),
        ({"flow": {"halves": "mean-field"}}, "the flows of this run are mean-field"),
        ({"machine": {"hidden": 4096}}, "the machine V-4096 does not run in this page: it has 409600 weights"),
        ({}, "the machine V-64 does not run in this page: it was taken away"),
    ],
)
def test_what_a_page_does_not_iterate_is_told_in_a_sentence(changes, told):
    whole = steps.graph(spec.parse({"name": "small", "types": {"V": {}}, **changes}))

    def read(step):
        raise Damaged(step, "it was taken away")

    found = steps.live_of(whole[-1], read)
    assert "weights" not in found
    assert told in found.attrs["left_out"][0]
    results = synthetic_results.results(length=4, iterations=11)
    page = report.render(results, synthetic_results.run(), figures=[], live=found)
    assert 'id="live"' not in page
    assert html.escape(found.attrs["left_out"][0]) in page


def test_machines_on_another_lattice_travel_with_its_bonds():
    """The page finds both ends of every bond from the rows of a cell, as `Lattice.neighbours` does."""
    model = rf.ising(rf.honeycomb(2, 3), couplings=2.0)
    machine = rf.RBM.from_weights(np.ones((12, 2)), None, None, units="-1/+1", axes="visible, hidden")
    data = live_data(
        live_machines(model, {"V-2": machine}, rf.equilibrium.enumerated(model)),
        synthetic_results.results(machines=("V-2",), length=4),
    )
    assert (data["cells"], data["basis"]) == ([2, 3], 2)
    assert data["bonds"] == [[0, 1, [0, 0], 2.0], [0, 1, [0, -1], 2.0], [0, 1, [-1, 0], 2.0]]
    assert (data["ground_energy"], data["free_energy"]) == pytest.approx((-3.0, 0.0), abs=1e-9)
