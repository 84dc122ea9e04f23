"""Steps of runs of any model, against sums over all configurations."""

import itertools
import math

import jax
import numpy as np
import pytest

import rbmflow as rf
from rbmflow._checks import InvalidInput
from rbmflow.drift import drift_field
from rbmflow.model import all_places
from rbmflow.settings import MachineSettings
from rbmflow.spec import parse
from rbmflow.steps import compute, graph
from rbmflow.steps.off_manifold import off_manifold

WORDS = {
    "seeds": 1,
    "sampling": {"temperatures": [0.5, 1.0, 2.0], "draws": 60},
    "types": {"V": {}},
    "flow": {"starts": ["hot"], "chains": 20, "iterations": 4},
    "thermometer": {"hidden": 4, "draws": 60, "epochs": 1, "batch": 60},
}


def blocked(model: rf.Model, temperature: float, block_of_site: np.ndarray) -> dict[str, tuple[float, float]]:
    """Mean energy and abs(m) per site after one step by either rule: all configurations, all ways to break ties."""
    q, count = len(model.states), int(block_of_site.max()) + 1
    places = all_places(q, model.lattice.sites)
    energy = model.exact_energy(np.array(model.states, np.int8)[places].reshape(-1, *model.lattice.shape))
    weight = np.exp(-(energy - energy.min()) / temperature)
    weight /= weight.sum()
    votes = np.stack([(places[:, block_of_site == block, None] == np.arange(q)).sum(axis=1) for block in range(count)])
    most = votes == votes.max(axis=-1, keepdims=True)
    first = places[:, [int(np.flatnonzero(block_of_site == block)[0]) for block in range(count)]].T
    chances = {"majority": most / most.sum(axis=-1, keepdims=True), "decimation": np.eye(q)[first]}
    small = model.with_cells([side // 2 for side in model.lattice.cells])
    states = all_places(q, count)
    labels = np.array(model.states, np.int8)[states].reshape(-1, *small.lattice.shape)
    values = np.asarray(small.energy(labels), float), np.abs(np.asarray(small.magnetization(labels), float))
    found = {}
    for rule, chance in chances.items():
        law = [weight @ np.prod([chance[block, :, s] for block, s in enumerate(row)], axis=0) for row in states]
        assert sum(law) == pytest.approx(1)
        found[rule] = tuple(float(np.dot(law, one)) for one in values)
    return found


@pytest.mark.parametrize(
    ("model", "lattice", "block_of_site"),
    [
        ({"kind": "potts", "q": 3}, {"kind": "chain", "length": 4}, np.arange(8) // 2),
        (
            {"field": 0.3},
            {"kind": "triangular", "length": 2},
            np.array([0, 0, 1, 1, 0, 0, 1, 1, 2, 2, 3, 3, 2, 2, 3, 3]),
        ),
    ],
    ids=["potts", "field"],
)
def test_block_spins_of_a_run_are_those_of_all_configurations(tmp_path, model, lattice, block_of_site):
    grid, before = [4.0, 8.0, 20.0] if "field" in model else [0.7, 1.5, 4.0], 2 * lattice["length"]
    asked = {"renormalization": {"length": before, "temperatures": grid, "draws": 4000}}
    spec = parse({"name": "blocks", "model": model, "lattice": lattice, **WORDS, **asked})
    done = {}
    for step in graph(spec):
        if step.kind in ("thermometer", "equilibrium", "renormalization"):
            parents = tuple(done[parent.hash] for parent in step.parents)
            done[step.hash] = found = compute(step, parents, tmp_path, lambda part: None)
    assert found["side"].values.tolist() == [before, before // 2]
    own = next(step for step in graph(spec) if step.kind == "renormalization").settings
    large = rf.ising(rf.triangular(4), 0.3) if "field" in model else rf.potts(rf.chain(8), 3)
    assert "drawn" in own["model"]
    for temperature, rule in itertools.product(grid, ("majority", "decimation")):
        exact = blocked(large, temperature, block_of_site)[rule]
        here = found.sel(rule=rule, blocked_temperature=temperature).isel(side=1)
        for name, value in zip(("energy", "abs_magnetization"), exact, strict=True):
            error = float(here[f"blocked_{name}_error"])
            assert abs(float(here[f"blocked_{name}"]) - value) < 5 * error, (rule, name, temperature)
    read = found.sel(thermometer="energy").isel(side=0, rule=0)
    assert (np.abs(read["blocked_read"] - grid) < 5 * read["blocked_read_error"]).all()


def test_larger_lattices_are_read_by_draws_of_their_own():
    told = {
        "name": "x",
        "model": {"kind": "potts", "q": 3},
        "lattice": {"kind": "triangular", "cells": [4, 6]},
        **WORDS,
    }
    grid = {"from": 0.9, "to": 1.1, "count": 3, "unit": "T_c"}
    spec = parse({"name": "x", **WORDS, **told, "renormalization": {"length": 16, "temperatures": grid}})
    critical = rf.critical_temperature(rf.potts(rf.triangular(4), 3))
    assert spec.renormalization.temperatures == pytest.approx([0.9 * critical, critical, 1.1 * critical])
    steps = {step.name: step for step in graph(spec)}
    larger = [step.name for step in steps["block spins"].parents if step.kind == "equilibrium"]
    assert larger == ["equilibrium draws", "equilibrium draws 16 x 24", "equilibrium draws 8 x 12"]
    assert steps["equilibrium draws 8 x 12"].settings["model"]["cells"] == (8, 12)


@pytest.mark.parametrize(
    ("told", "field", "words"),
    [
        (
            {"lattice": {"kind": "honeycomb", "length": 5}},
            "length = 15",
            "it must be 0, 10, 20, 40, ..., so that",
        ),
        ({"model": {"couplings": [-1.0]}}, "length = 20", "the sites of a block are not alike"),
        ({"lattice": {"kind": "cubic", "length": 10}}, "temperatures = ", "the square say nothing of this one"),
        ({"model": {"field": 0.1}, "length": 320}, "length = 320", "it must be at most 250, so that no side"),
    ],
    ids=["odd", "antiferromagnet", "temperatures", "large"],
)
def test_block_spins_that_mean_nothing_are_refused(told, field, words):
    length = told.pop("length", 15 if "honeycomb" in str(told) else 20)
    blocks = {"length": length, **({} if "cubic" in str(told) else {"temperatures": [1.0]})}
    with pytest.raises(InvalidInput, match=f"renormalization.{field}.*{words}"):
        parse({"name": "x", **WORDS, "renormalization": blocks, **told})


def test_a_free_machine_takes_exact_configurations_of_any_model_to_infinite_temperature():
    model = rf.potts(rf.chain(6), 3)
    truth = rf.equilibrium.enumerated(model)
    free = rf.RBM.random(jax.random.key(0), 6, MachineSettings(hidden=3, initial_scale=0.0), states=model.states)
    grid = (0.4, 1.0, math.inf)
    spins = rf.sample(jax.random.key(1), model, grid, 3000).spins
    found = drift_field(jax.random.key(2), free, model, spins, (1, 3))
    for name, measured in (("energy", "energy"), ("abs_magnetization", "magnetization")):
        exact = truth.mean(measured, math.inf)[0] - truth.mean(measured, grid)[0]
        change, error = (getattr(found, f"{name}{end}") for end in ("", "_error"))
        assert (np.abs(change - exact[:, None]) < 5 * error).all(), name
    assert (np.abs(found.off_curve) < 5 * found.off_curve_error).all()


def test_draws_tell_how_far_configurations_are_off_the_curve():
    model = rf.potts(rf.chain(6), 3)
    size = rf.OBSERVABLES["magnetization"]
    drawn = rf.equilibrium.measured(3, model, [size], rf.equilibrium.covering(model), 400)
    wide = rf.RBM.random(jax.random.key(4), 6, MachineSettings(hidden=8, initial_scale=0.8), states=model.states)
    spins = rf.sample(jax.random.key(1), model, (0.4, 0.8), 2000).spins
    exact, found = (
        drift_field(jax.random.key(2), wide, model, spins, (1, 3), one)
        for one in (None, rf.equilibrium.reweighted(drawn))
    )
    assert np.abs(exact.off_curve).max() > 5 * exact.off_curve_error.max()
    assert (found.off_curve_error > exact.off_curve_error).all()
    assert (np.abs(found.off_curve - exact.off_curve) < 5 * found.off_curve_error).all()


def test_what_has_no_temperature_is_not_compared_with_true_configurations():
    model = rf.ising(rf.triangular(3))
    spins = np.stack([rf.thermal(seed, model, 3.0, 40) for seed in range(2)])
    told = off_manifold(jax.random.key(0), model, rf.observe(model, spins), [0, 1], np.array([np.nan, 3.0]))
    assert np.isnan(told[0]).all()
    assert np.isfinite(told[1]).all()
