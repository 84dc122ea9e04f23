"""Layers of stacks as changes of scale: receptive fields by hand, the step of a run with its controls, the rules."""

import numpy as np
import pytest
import xarray as xr

import rbmflow as rf
from rbmflow._checks import InvalidInput
from rbmflow.claims import CLAIMS, Machine
from rbmflow.renormalization import block_machine, block_share, layer_fields
from rbmflow.spec import parse
from rbmflow.spectrum import participation
from rbmflow.steps import graph
from rbmflow.steps.kind import compute
from rbmflow.store.expected import expected_of

SPEC = {
    "name": "stacked",
    "seeds": 1,
    "lattice": {"length": 16},
    "types": {"C": {"temperatures": [2.269185314213022]}},
    "flow": {"starts": ["hot"], "chains": 10, "iterations": 4},
    "sampling": {"temperatures": [2.269185314213022, 4.0], "draws": 200},
    "machine": {"kind": "stack", "hidden": 64, "layers": [16], "initial_scale": 0.01},
    "training": {"epochs": 1},
    "stability": {"layers": True, "runs": 2, "draws": 2000},
}


def test_fields_of_block_spins_are_blocks():
    machines = [block_machine(rf.ising(rf.square(side))) for side in (8, 4)]
    for place, fields in enumerate(layer_fields(machines), 1):
        np.testing.assert_allclose(64 * participation(fields), 4**place)
        np.testing.assert_allclose(block_share(fields, 8, 2**place), 1)
        np.testing.assert_allclose(block_share(fields, 8, 2 ** (place - 1)), 0.25)


def test_the_share_of_a_block_by_hand():
    """A block across the corner of the torus, half of the square of one site beside it, and a field without any."""
    field = np.zeros((4, 4))
    field[np.ix_([3, 0], [3, 0])] = 1
    field[1, 0] = np.sqrt(4)
    found = block_share(np.stack([field.ravel(), np.ones(16), np.zeros(16)], axis=1), 4, 2)
    np.testing.assert_allclose(found, [6 / 8, 4 / 16, np.nan])


def test_the_step_of_layers(tmp_path):
    steps = {step.kind: step for step in graph(parse(SPEC))}
    drawn = compute(steps["draws"], (), tmp_path / "draws", lambda _: None)
    stack = compute(steps["learner"], (drawn,), tmp_path / "stack", lambda _: None)
    told = []
    data = compute(steps["layers"], (stack,), tmp_path / "layers", told.append)
    assert expected_of("layers", steps["layers"].settings).fault(data) is None
    assert told == [0.25, 0.5, 0.75, 1.0]
    # Block spins of two steps: the first is off by several per cent, the second by the size of the lattice.
    blocks, known = data.sel(change="block spins"), data["layer_known"].values
    assert known.tolist() == [1.0, 1.875]
    assert np.abs(blocks["layer_exponent"].values - known).max() < 0.12
    np.testing.assert_allclose(blocks["layer_participation"], [4, 16])
    np.testing.assert_allclose(blocks["layer_share"], 1)
    random = data.sel(change="random weights")
    assert random["layer_participation"].values[0] == pytest.approx(256 / 3, rel=0.1)
    assert float(random["layer_exponent"].sel(layer=1, sector="even")) < 0.5


@pytest.mark.parametrize(
    ("section", "told"),
    [
        ({"machine": {}}, "stability.layers = True .* a machine of kind 'stack' in units -1/\\+1"),
        ({"machine": {"kind": "stack", "hidden": 64, "units": "0/1"}}, "stability.layers = True .* units -1/\\+1"),
        ({"lattice": {"kind": "triangular", "length": 16}}, "stability.layers = True .* on a square"),
        ({"lattice": {"cells": [16, 8]}}, "stability.layers = True .* on a square"),
        ({"machine": {"kind": "stack", "hidden": 32}}, r"machine.hidden, layers = \(32,\) .* a quarter of the units"),
        ({"machine": {"kind": "stack", "hidden": 64, "layers": [16, 4]}}, "16 at least, from 256 sites on"),
        ({"types": {"C": {"also_hidden": [16]}}}, "a quarter of the units below"),
    ],
)
def test_specs_whose_layers_are_no_changes_of_scale(section, told):
    with pytest.raises(InvalidInput, match=told):
        parse(SPEC | section)


def stack(exponents, participation=(4.0, 16.0), share=1.0, temperature=2.269185314213022):
    """A stack of two layers with five seeds, beside block spins that pass and random weights that do not."""
    change = ["hidden units", "block spins", "random weights"]
    values = np.array([[exponents, (1.0, 1.875), (0.1, 1.875)], [exponents, (0.5, 1.875), (0.1, 1.875)]])
    number = np.array([[participation[layer], 4.0 ** (layer + 1), 80.0] for layer in range(2)])
    spread = 1 + 0.001 * np.arange(-2, 3)[:, None, None]
    told = {
        "layer_exponent_mean": (("layer", "change", "sector"), values),
        "layer_exponent_mean_error": (("layer", "change", "sector"), np.full(values.shape, 0.002)),
        "layer_participation": (("seed", "layer", "change"), number * spread),
        "layer_share": (("seed", "layer", "change"), np.full((5, 2, 3), share) * spread),
        "layer_known": ("sector", [1.0, 1.875]),
        "critical_temperature": 2.269185314213022,
        "recipe": '{"machine.kind": "stack", "temperatures": [%r]}' % temperature,  # noqa: UP031
    }
    return Machine("C", xr.Dataset(told, {"layer": [1, 2], "change": change, "sector": ["even", "odd"]}))


@pytest.mark.parametrize(
    ("exponents", "verdict"),
    [((0.98, 1.87), "holds"), ((0.3, 1.87), "fails"), ((0.98, 1.95), "fails"), ((0.946, 1.87), "holds")],
)
def test_exponents_of_layers_are_judged_where_block_spins_have_theirs(exponents, verdict):
    found = CLAIMS["stack-exponents"]([stack(exponents)])
    assert found.verdict == verdict
    assert "layer 2" in found.judgements[0].measured


def test_exponents_that_random_weights_have_too_decide_nothing():
    machine = stack((0.98, 1.87))
    values = machine.results["layer_exponent_mean"].copy()
    values.loc[{"change": "random weights"}] = [1.0, 1.875]
    assert (
        CLAIMS["stack-exponents"]([Machine("C", machine.results.assign(layer_exponent_mean=values))]).verdict == "open"
    )


@pytest.mark.parametrize(
    ("fields", "verdict"),
    [
        ({}, "holds"),
        ({"participation": (7.9, 8.1), "share": 0.51}, "holds"),
        ({"participation": (4.0, 80.0)}, "fails"),
        ({"share": 0.4}, "fails"),
        ({"temperature": 4.0}, "not tested"),
    ],
)
def test_fields_are_judged_against_blocks(fields, verdict):
    assert CLAIMS["stack-fields-blocks"]([stack((1.0, 1.875), **fields)]).verdict == verdict
