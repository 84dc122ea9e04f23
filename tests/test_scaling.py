"""Scaling dimensions against closed forms: exact two-point functions, Gaussian fields, and Ising models at T_c."""

import json

import jax
import numpy as np
import pytest
import xarray as xr

import rbmflow as rf
from rbmflow._checks import InvalidInput
from rbmflow.claims import CLAIMS, Machine
from rbmflow.renormalization import block_machine, majority_rule
from rbmflow.scaling import axis_correlations, bond_energies, correlated_fit
from rbmflow.settings import MachineSettings
from rbmflow.spec import parse
from rbmflow.spectrum import displacement_classes, receptive_correlators
from rbmflow.steps import graph
from rbmflow.steps.kind import compute
from rbmflow.steps.restoring import at_rest
from rbmflow.store.expected import expected_of


def test_products_along_the_axes_by_hand():
    model = rf.potts(rf.triangular(4, 6), 3)
    spins = rf.hot(0, model, 5)
    vectors = np.array(model.vectors)[spins]
    along = [
        [(vectors * np.roll(vectors, -r, axis)).sum(axis=-1).mean(axis=(1, 2)) for r in range(3)] for axis in (1, 2)
    ]
    np.testing.assert_allclose(axis_correlations(model, spins), np.mean(along, axis=0).T, atol=1e-6)
    energies = bond_energies(model, spins)
    np.testing.assert_allclose(energies.sum(axis=(1, 2)), model.total_energy(spins))
    away = energies - energies.mean()
    along = [[(away * np.roll(away, -r, axis)).mean(axis=(1, 2)) for r in range(3)] for axis in (1, 2)]
    np.testing.assert_allclose(axis_correlations(model, spins, "energy"), np.mean(along, axis=0).T, atol=1e-12)


def test_the_correlated_fit_of_a_power_law_that_is_known():
    """Logarithms with Gaussian noise that is correlated over distances: the pulls have unit width."""
    generator, distance = np.random.default_rng(0), np.arange(2, 8)
    law = np.log(0.7) - 2 * 0.3 * np.log(distance) + 0.02 * distance
    noise = np.linalg.cholesky(0.8 ** np.abs(np.subtract.outer(distance, distance)))
    design = np.stack([np.ones(6), -2 * np.log(distance), distance], axis=1)
    pulls, squares = [], []
    for _ in range(200):
        groups = 0.02 * generator.normal(size=(100, 6)) @ noise.T
        mean = groups.mean(axis=0)
        curves = np.exp(law + np.concatenate([mean[None], mean + (mean - groups) / 99]))
        found = correlated_fit(distance, curves, design)
        pulls.append((found.value - 0.3) / found.error)
        squares.append(found.chi_squared)
    assert abs(np.mean(pulls)) < 5 / np.sqrt(200)
    assert abs(np.std(pulls) - 1) < 5 / np.sqrt(400)
    assert abs(np.mean(squares) - 3) < 5 * np.sqrt(6 / 200)


def test_ising_spins_at_t_c_have_their_dimensions():
    model = rf.ising(rf.square(32))
    spins = rf.sample(1, model, rf.critical_temperature(model), 1500).spins[0]
    spin = rf.scaling_dimension(model, spins, (3, 8), correction=1.0)
    energy = rf.scaling_dimension(model, spins, (2, 6), "energy")
    for found, known in ((spin, 1 / 8), (energy, 1.0)):
        assert abs(found.value - known) < 5 * found.error
        assert found.probability > 1e-4
    assert spin.error < 0.005
    assert energy.error < 0.05
    assert spin.covariance.shape == (6, 6)


def test_hidden_units_that_see_a_block_have_one_map():
    blocks = block_machine(rf.ising(rf.square(6)))
    signs = (-1.0) ** np.arange(9)
    machine = rf.RBM.from_weights(
        np.array(blocks.weights) / 50 * signs, np.zeros(36), np.zeros(9), units="-1/+1", shape=(6, 6)
    )
    maps = receptive_correlators(machine, rf.hot(0, rf.ising(rf.square(6)), 40_000))
    assert maps.shape == (9, 6, 6)
    # One free spin times the tanh of the sum of it and three others.
    wanted = np.zeros((6, 6))
    wanted[:2, :2] = (2 * np.tanh(4) + 4 * np.tanh(2)) / 16
    assert np.abs(maps - wanted).max() < 5 / np.sqrt(40_000)
    free = rf.RBM.from_weights(np.eye(4)[:, :3], np.zeros(4), np.zeros(3), units="-1/+1")
    with pytest.raises(InvalidInput, match="must know the lattice"):
        receptive_correlators(free, np.ones((1, 4)))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"window": (0, 4)}, "window"),
        ({"window": (1, 5)}, "window"),
        ({"window": (2, 2)}, "first and the last of at least 2 distances, up to 4"),
        ({"window": (1, 2), "correction": 1.0}, "at least 3 distances"),
        ({"of": "magnetization"}, "of = 'magnetization'"),
        ({"correction": -1.0}, "correction"),
        ({"spins": np.ones((10, 8, 8))}, "there must be at least 20, five for each distance"),
        ({"spins": np.tile([1, -1], (30, 8, 4))}, "above zero"),
    ],
)
def test_fits_that_cannot_be_are_refused(given, told):
    model = rf.ising(rf.square(8))
    asked = {"spins": rf.hot(0, model, 100), "window": (1, 4)} | given
    with pytest.raises(InvalidInput, match=told):
        rf.scaling_dimension(model, **asked)


@pytest.mark.usefixtures("as_people_call")
@pytest.mark.parametrize(
    ("spins", "window", "more", "told"),
    [
        (np.ones((50, 8, 8)), (1, 3), {}, "too much alike"),
        (None, (1, 4), {"correction": 1e9}, "correction = 1000000000.0 .* no constant"),
        (None, (1, 4), {"correction": 1e-12}, "correction = 1e-12 .* no constant"),
        (None, None, {}, "window = None"),
        (None, (1, 50), {}, r"window = \(1, 50\)"),
    ],
)
def test_fits_that_have_no_answer_are_refused(spins, window, more, told):
    """None of them is a singular matrix, a warning, or a number without an error."""
    model = rf.ising(rf.square(8))
    given = rf.sample(0, model, 2.3, 200).spins[0] if spins is None else spins
    with pytest.raises(InvalidInput, match=told):
        rf.scaling_dimension(model, given, window, **more)
    few = np.tile(rf.sample(0, model, 2.3, 2).spins[0], (25, 1, 1))
    with pytest.raises(InvalidInput, match="too much alike"):
        rf.scaling_dimension(model, few, (1, 3))


def test_a_covariance_needs_five_groups_for_each_distance():
    model = rf.ising(rf.chain(100))
    with pytest.raises(InvalidInput, match="up to 50 and at most 40"):
        rf.scaling_dimension(model, rf.hot(0, model, 300), (1, 45))


SPEC = {
    "name": "scale",
    "seeds": 2,
    "lattice": {"length": 8},
    "types": {"V": {}},
    "machine": {"hidden": 16},
    "sampling": {"temperatures": [1.0, 2.269185314213022, 4.0], "draws": 50},
    "flow": {"starts": ["cold", 2.269185314213022], "iterations": 2, "chains": 400, "keep": [0, 2]},
    "thermometer": {"epochs": 1, "draws": 50, "batch": 50, "hidden": 4},
    "scaling": {"spin_window": [1, 4], "energy_window": [1, 3], "draws": 2000},
}


def test_the_dimensions_of_a_run(tmp_path):
    """Of a map that learns nothing, from ground states and from exact configurations at T_c."""
    made, spec = {}, parse(SPEC | {"machine": {"kind": "block spins"}, "seeds": 1})
    for step in graph(spec):
        made[step.hash] = compute(step, tuple(made[one.hash] for one in step.parents), tmp_path, lambda _: None)
        if step.kind == "scaling":
            assert expected_of(step.kind, step.settings).fault(made[step.hash]) is None
    results = made[graph(spec)[-1].hash]
    assert results["scaling_known"].values.tolist() == [0.125, 1.0]
    here = results.isel(machine=0).sel(start="T = 2.26919", fitted=0, field="spin")
    # So small a lattice is off by a little.
    assert abs(float(here["scaling_dimension_mean"]) - 1 / 8) < 5 * float(here["scaling_dimension_mean_error"]) + 0.03
    curve, error = (here[f"axis_correlation_{name}"].values for name in ("mean", "mean_error"))
    exact = rf.exact.two_point(rf.ising(rf.square(8)), [2.269185314213022])[0, :5, 0]
    assert curve[0] == pytest.approx(1)
    assert (np.abs(curve[1:] - exact[1:]) < 5 * error[1:]).all()
    # Ground states have nothing to fit.
    assert np.isnan(results["scaling_dimension"].sel(start="cold", fitted=0)).all()


def test_the_step_of_correlators(tmp_path):
    model = rf.ising(rf.square(8))
    step = next(step for step in graph(parse(SPEC)) if step.kind == "correlators")
    data = compute(step, (block_machine(model).to_dataset(),), tmp_path, lambda _: None)
    assert expected_of(step.kind, step.settings).fault(data) is None
    assert float(data["block_side"]) == 2.0
    np.testing.assert_array_equal(data["hidden_decay"], data["block_decay"])
    classes, two_point = displacement_classes(rf.square(8)), rf.exact.two_point(model, [2.269185314213022])[0]
    exact = classes.average(two_point)
    np.testing.assert_allclose(data["site_decay"], exact / exact[1], atol=0.05)
    # Nearest neighbours of one of four: half of them are in the block.
    assert 1.0 < float(data["block_decay"][0]) < float(data["site_decay"][0]) - 0.1
    other = compute(step, (block_machine(model, 4).to_dataset(),), tmp_path, lambda _: None)
    assert np.isnan(other["block_decay"]).any() == (other["block_side"] != 4)


def test_the_step_of_correlators_sees_the_highest_layer_of_a_stack(tmp_path):
    """Spins drawn as they are, then blocks of them."""
    model, settings = rf.ising(rf.square(8)), MachineSettings(kind="stack", hidden=64, layers=(16,))
    spec = parse(SPEC | {"machine": {"kind": "stack", "hidden": 64, "layers": [16]}})
    step = next(step for step in graph(spec) if step.kind == "correlators")
    stack = at_rest(rf.Stack([block_machine(model, 1), block_machine(model)]), jax.random.key(0), settings, None)
    data = compute(step, (stack,), tmp_path, lambda _: None)
    assert expected_of(step.kind, step.settings).fault(data) is None
    assert float(data["block_side"]) == 2.0
    np.testing.assert_allclose(data["hidden_decay"], data["block_decay"], rtol=1e-5)


def test_results_of_a_stack_tell_how_far_displacements_are(tmp_path):
    """Nothing else of a stack does: its weights are not taken apart."""
    made = {}
    few = {"machine": {"kind": "stack", "hidden": 4, "layers": [2]}, "seeds": 1, "training": {"epochs": 1}}
    few |= {"flow": {"starts": ["cold"], "iterations": 2, "chains": 20}}
    few |= {"reading": {"thermometers": ["neural", "bayes", "energy"]}}
    for step in graph(parse(SPEC | few)):
        work = tmp_path / step.hash
        work.mkdir()
        made[step] = compute(step, tuple(made[one] for one in step.parents), work, lambda _: None)
    results = made[step]
    assert step.kind == "results"
    classes = displacement_classes(rf.square(8))
    np.testing.assert_array_equal(results["distance"], classes.distance)
    assert results["distance"].dims == results["hidden_decay_mean"].dims[1:] == ("displacement",)
    np.testing.assert_allclose(results["hidden_decay_mean"].sel(displacement=1), 1)


def test_a_machine_that_is_block_spins_has_their_correlators():
    """Hidden means of the machine are means of the majority rule, ties drawn at random."""
    model = rf.ising(rf.square(4))
    spins = rf.thermal(0, model, 2.3, 4000)
    machine = block_machine(model)
    blocks = np.mean([majority_rule(key, spins) for key in range(60)], axis=0).reshape(4000, 4)
    np.testing.assert_allclose(np.tanh(machine.hidden_fields(np.asarray(spins).reshape(4000, 16))), blocks, atol=0.65)
    same = np.asarray(spins).reshape(4000, 16).T @ blocks / 4000
    own = receptive_correlators(machine, spins)
    assert abs(own[0, 0, 0] - same[0, 0]) < 5 * 0.002
    with pytest.raises(InvalidInput, match="block = 3"):
        block_machine(model, 3)
    with pytest.raises(InvalidInput, match="states of the model"):
        block_machine(rf.potts(rf.square(4), 3))


@pytest.mark.parametrize(
    ("section", "told"),
    [
        ({"scaling": {"spin_window": [1, 3], "energy_window": [1, 3]}}, "spin_window = .* at least 4 distances"),
        ({"scaling": {"spin_window": [1, 4]}}, "energy_window = .* there if spin_window is"),
        ({"scaling": {"spin_window": [2, 5], "energy_window": [1, 3]}}, "scaling.spin_window = .* end at 4, half"),
        ({"flow": {"starts": ["hot"], "chains": 19}}, "flow.chains = 19 .* at least 20, five for each"),
        ({"model": {"field": 0.1}}, "scaling.spin_window = .* T_c of this model"),
    ],
)
def test_specs_that_ask_for_fits_that_cannot_be(section, told):
    with pytest.raises(InvalidInput, match=told):
        parse(SPEC | section)


def machine_of(spread=0.001, weights="trained", **values):
    """A made-up machine of five seeds with dimensions at the start at T_c and at the end, and decays."""
    recipe = {"weights": weights, "temperatures": [1.0, 4.0]}
    starts, decay = ["cold", "T = 2.26919"], np.array([1.4, 1.0, 0.9, 0.8])
    told = {"ends": (0.125, 1.0), "exact": (0.125, 1.0), "hidden": decay} | values
    dimensions = np.array([[(np.nan, np.nan), told["ends"]], [told["exact"], told["ends"]]])
    seeds = spread * np.arange(-2, 3)[:, None] * np.array([1.0, 0, 1, -1])
    results = xr.Dataset(
        {
            "scaling_dimension_mean": (("start", "fitted", "field"), dimensions),
            "scaling_dimension_mean_error": (("start", "fitted", "field"), 0 * dimensions + spread),
            "scaling_known": ("field", [0.125, 1.0]),
            "critical_temperature": 2.269185314213022,
            "hidden_decay": (("seed", "displacement"), told["hidden"] + seeds),
            "block_decay": (("seed", "displacement"), np.tile([1.2, 1.0, 0.9, 0.8], (5, 1))),
            "block_side": 2.0,
            "recipe": json.dumps(recipe),
        },
        {"start": starts, "fitted": [0, 40], "field": ["spin", "energy"], "seed": range(5)},
    )
    return Machine("V-16", results.assign_coords(distance=("displacement", [0.0, 1.0, 1.4, 2.0])))


@pytest.mark.parametrize(
    ("machine", "verdict"),
    [
        (machine_of(), "holds"),
        (machine_of(ends=(0.05, 1.0)), "fails"),
        (machine_of(ends=(0.125, 1.9)), "fails"),
        (machine_of(ends=(0.09, 1.0)), "open"),
        (machine_of(ends=(0.05, 1.0), exact=(0.2, 1.0)), "open"),
        (machine_of(ends=(np.nan, np.nan)), "open"),
        (machine_of(weights="gaussian"), "not tested"),
    ],
)
def test_dimensions_are_judged_at_the_end_from_every_start(machine, verdict):
    assert CLAIMS["flow-dimensions"]([machine]).verdict == verdict


@pytest.mark.parametrize(
    ("machine", "verdict"),
    [
        (machine_of(hidden=np.array([1.25, 1.0, 0.9, 0.85])), "holds"),
        (machine_of(), "fails"),
        (machine_of(hidden=np.array([1.02, 1.0, 1.0, 0.99])), "fails"),
        (machine_of(hidden=np.array([1.29, 1.0, 0.9, 0.8]), spread=0.02), "open"),
        (machine_of(weights="initial"), "not tested"),
    ],
)
def test_correlators_are_judged_against_block_spins(machine, verdict):
    assert CLAIMS["hidden-correlators"]([machine]).verdict == verdict
