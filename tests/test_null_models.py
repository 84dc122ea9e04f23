"""The null models and the block spins of a run, and a machine trained and iterated by plain NumPy."""

from __future__ import annotations

import dataclasses
import math

import jax
import numpy as np
import pytest

import rbmflow as rf
from rbmflow._checks import InvalidInput
from rbmflow.settings import (
    FlowSettings,
    LatticeSettings,
    MachineSettings,
    RenormalizationSettings,
    SamplingSettings,
    ThermometerSettings,
    TrainingSettings,
    TypeSettings,
)
from rbmflow.spec import Spec, parse
from rbmflow.steps import compute, graph

SMALL = Spec(
    name="small",
    seeds=1,
    lattice=LatticeSettings(length=4),
    sampling=SamplingSettings(temperatures=(0.0, 2.0, 2.5, 6.0), draws=200),
    machine=MachineSettings(hidden=8),
    types={
        "V": TypeSettings(),
        "untrained": TypeSettings(weights="initial"),
        "gaussian": TypeSettings(weights="gaussian"),
        "rotated": TypeSettings(weights="rotated"),
        "mean-field": TypeSettings(data="mean-field"),
        "ends": TypeSettings(temperatures=(0.0, math.inf)),
        "hole": TypeSettings(temperatures=(0.0, 6.0)),
    },
    training=TrainingSettings(epochs=3, batch=20),
    flow=FlowSettings(starts=("cold", "hot"), chains=60, iterations=8, keep=(0, 2, 7, 8), from_exact=True),
    thermometer=ThermometerSettings(hidden=8, draws=100, epochs=2, batch=50),
    renormalization=RenormalizationSettings(length=8, temperatures=(2.0, 3.0), draws=40),
)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Every artifact of the small run by the name of its step."""
    by_hash, by_name = {}, {}
    for step in graph(SMALL):
        parents = tuple(by_hash[parent.hash] for parent in step.parents)
        by_hash[step.hash] = by_name[step.name] = compute(step, parents, tmp_path_factory.mktemp("w"), lambda _: None)
    return by_name


def test_types_of_one_training_share_their_machines():
    steps = [step for step in graph(SMALL) if step.kind == "machine"]
    assert [step.name for step in steps] == [f"machine {name}-8 seed 0" for name in ("V", "mean-field", "ends", "hole")]
    own = [step.name for step in graph(SMALL) if step.kind == "draws"]
    assert sorted(own) == ["draws", "draws ends", "draws mean-field", "unseen draws", "unseen draws ends"]


def test_rotated_weights_have_the_products_of_the_trained_ones(made):
    trained, rotated = (
        made[name]["weights"].values for name in ("machine V-8 seed 0", "rotated weights rotated-8 seed 0")
    )
    np.testing.assert_allclose(rotated @ rotated.T, trained @ trained.T, atol=1e-5)
    assert np.abs(rotated - trained).max() > 0.01


def test_results_hold_what_becomes_of_exact_configurations(made):
    results, small = made["results"], made["drift V-8 seed 0"]
    own = results.sel(machine="V-8")
    temperatures = [0.0, 2.0, rf.exact.critical_temperature(), 2.5, 6.0]
    np.testing.assert_allclose(results["drift_temperature"], [*temperatures, np.inf])
    np.testing.assert_array_equal(own["drift_off_curve_mean"][:-1], small["drift_off_curve"])
    np.testing.assert_array_equal(own["balance_mean"], small["balance"])
    # A machine that has hardly learnt heats what is cold.
    assert float(own["drift_energy_mean"].sel(horizon=1)[0]) > 0 > float(small["drift_abs_magnetization"][0, 0])
    assert np.isnan(results.sel(machine="gaussian-8")["balance_mean"]).all()
    assert own["drift_energy_vanishes"].dims == ("horizon",)


def test_random_weights_have_the_norm_of_the_trained_ones(made):
    trained = made["machine V-8 seed 0"]["weights"].values
    gaussian = made["gaussian weights gaussian-8 seed 0"]["weights"].values
    untrained = made["initial weights untrained-8 seed 0"]["weights"].values
    assert np.linalg.norm(gaussian) == pytest.approx(np.linalg.norm(trained), rel=1e-5)
    assert abs(np.linalg.norm(untrained) / np.sqrt(untrained.size) - 0.1) < 0.03
    assert abs(np.corrcoef(gaussian.ravel(), trained.ravel())[0, 1]) < 5 / np.sqrt(gaussian.size)
    assert np.isnan(made["results"]["weight_norm"].sel(machine="gaussian-8")).all()


def test_neural_readings_are_there_where_configurations_were_kept(made):
    results = made["results"]
    read = np.isfinite(results["temperature_read"].sel(machine="V-8", start="cold", thermometer="energy")).all("seed")
    assert read.values.all()
    flow = made["flow V-8 seed 0 cold"]
    assert flow["snapshot"].values.tolist() == [0, 2, 7, 8]
    assert flow.sizes["iteration"] == 9
    neural = made["reading V-8 seed 0 cold"]["probability"].sel(classifier="neural").sum("bin", skipna=False)
    assert np.flatnonzero(np.isfinite(neural)).tolist() == [0, 2, 7, 8]
    spins = flow["spins"].sel(snapshot=7).values.astype(int)
    np.testing.assert_array_equal(flow["magnetization"].sel(iteration=7), spins.sum(axis=(1, 2)))


def test_block_spins_are_read_at_every_size(made):
    results = made["results"].sel(thermometer="energy")
    assert results["side"].values.tolist() == [8, 4]
    first = results["blocked_read"].isel(side=0, rule=0)
    error = results["blocked_read_error"].isel(side=0, rule=0)
    assert np.all(np.abs(first - [2.0, 3.0]) < 5 * error)
    np.testing.assert_array_equal(first, results["blocked_read"].isel(side=0, rule=1))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"renormalization": RenormalizationSettings(length=12)}, "renormalization.length = 12 is not allowed"),
        ({"types": {"V": TypeSettings(minimum=7.0)}}, "types.V"),
    ],
)
def test_what_does_not_fit_is_refused(change, message):
    with pytest.raises(InvalidInput, match=message):
        dataclasses.replace(SMALL, **change)


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"temperatures": (2.0, 1.0)}, "temperatures"),
        ({"temperatures": (1.0, 2.0), "minimum": 1.5}, "temperatures"),
    ],
)
def test_types_check_themselves(settings, field):
    with pytest.raises(InvalidInput, match=f"{field} = .* is not allowed"):
        TypeSettings(**settings)


@pytest.mark.parametrize(("field", "value"), [("data", "potts"), ("weights", "old")])
def test_types_know_their_choices(field, value):
    with pytest.raises(InvalidInput, match=f"types.V.{field} = '{value}' is not allowed"):
        parse({"name": "x", "types": {"V": {field: value}}})


def test_halves_replaced_by_means_give_the_means_of_enumeration():
    """Mean visible spin after one step from a fixed start: by the sum over all hidden states, or by their mean."""
    machine = rf.RBM.random(jax.random.key(0), 4, MachineSettings(hidden=3, initial_scale=0.7))
    weights, start = np.asarray(machine.weights, np.float64), np.array([1, 1, -1, 1])
    hidden = np.array(np.meshgrid(*[[-1, 1]] * 3, indexing="ij")).reshape(3, -1).T
    p = np.prod((1 + hidden * np.tanh(start @ weights)) / 2, axis=1)
    expected = {
        "sampled": p @ np.tanh(hidden @ weights.T),
        "mean-hidden": np.tanh(weights @ np.tanh(start @ weights)),
        "mean-field": np.tanh(weights @ np.tanh(np.tanh(weights @ np.tanh(start @ weights)) @ weights)),
    }
    chains = 40_000
    starts = np.broadcast_to(start.reshape(2, 2), (chains, 2, 2)).astype(np.int8)
    for halves, mean in expected.items():
        steps = 2 if halves == "mean-field" else 1
        flow = rf.iterate(jax.random.key(1), rf.Gibbs(machine, halves), starts, steps)
        found = np.asarray(flow.spins, np.float64).reshape(chains, 4)
        error = np.sqrt((1 - mean**2) / chains)
        assert np.all(np.abs(found.mean(axis=0) - mean) < 5 * error), halves


@pytest.mark.slow
def test_block_spins_leave_the_critical_point_on_both_sides():
    """Majority rule from L = 40: away from T_c on both sides at every step, and slower at T_c than anywhere else."""
    from rbmflow.renormalization import majority_rule
    from rbmflow.sampler import Wolff

    model = rf.ising(rf.square(40))
    temperatures = (1.8, 2.1, rf.exact.critical_temperature(), 2.45, 3.0)
    method = "auto" if Wolff().refusal(model) else Wolff()
    spins = np.asarray(rf.sample(jax.random.key(5), model, temperatures, 2000, method).spins)
    read = [rf.Thermometer("energy", rf.equilibrium.exact(model)).temperature(spins)]
    for side in (20, 10):
        spins = np.asarray(majority_rule(jax.random.key(side), spins))
        read.append(rf.Thermometer("energy", rf.equilibrium.exact(rf.ising(rf.square(side)))).temperature(spins))
    steps = np.diff([reading.temperature for reading in read], axis=0)
    errors = [np.hypot(read[i].error, read[i + 1].error) for i in range(2)]
    assert np.all(steps[:, :2] < -5 * np.array(errors)[:, :2])
    assert np.all(steps[:, 3:] > 5 * np.array(errors)[:, 3:])
    assert np.all(np.abs(steps[:, 2]) < 0.25 * np.min(np.abs(steps[:, [1, 3]]), axis=1))


def plain_numpy_end(hidden: int, seed: int, epochs: int) -> float:
    """T(E) at the end of the flow from hot of a type V machine, in plain NumPy but for the data and the exact T(E)."""
    model, rng = rf.ising(rf.square(10)), np.random.default_rng(seed)
    draws = rf.sample(jax.random.key(100 + seed), model, (np.arange(25) / 4).tolist(), 1000)
    data = np.asarray(draws.spins).reshape(-1, 100).astype(np.float32)
    w = (0.1 * rng.standard_normal((100, hidden))).astype(np.float32)

    def up(mean):
        return np.where(rng.random(mean.shape, np.float32) < (1 + mean) / 2, np.float32(1), np.float32(-1))

    for _ in range(epochs):
        order = rng.permutation(len(data))
        for rows in order.reshape(-1, 100):
            v = data[rows]
            mean = np.tanh(v @ w)
            again = up(np.tanh(up(mean) @ w.T))
            w += np.float32(0.01 / 100) * (v.T @ mean - again.T @ np.tanh(again @ w))
    v, ends = up(np.zeros((1000, 100), np.float32)), []
    for iteration in range(40):
        v = up(np.tanh(up(np.tanh(v @ w)) @ w.T))
        if iteration >= 30:
            s = v.reshape(-1, 10, 10)
            ends.append(-(s * (np.roll(s, 1, 1) + np.roll(s, 1, 2))).mean())
    return float(rf.equilibrium.exact(model).curve(rf.OBSERVABLES["energy"]).temperature_of(np.mean(ends)))


@pytest.mark.slow
@pytest.mark.parametrize("hidden", [64, 16])
def test_the_end_of_the_flow_is_that_of_plain_numpy(hidden):
    """Five seeds of each program, data and all drawn anew; their means within five errors over seeds."""
    model, epochs = rf.ising(rf.square(10)), 30
    ours = []
    for seed in range(5):
        for_data, for_training, for_start, for_flow = jax.random.split(jax.random.key(seed), 4)
        draws = rf.sample(for_data, model, (np.arange(25) / 4).tolist(), 1000)
        machine, _ = rf.train(for_training, draws, hidden=hidden, epochs=epochs, batch=100, learning_rate=0.01)
        flow = rf.iterate(for_flow, machine, rf.hot(for_start, model, 1000), 40)
        energy = float(np.asarray(model.energy(flow.configurations[31:]), np.float64).mean())
        ours.append(float(rf.equilibrium.exact(model).curve(rf.OBSERVABLES["energy"]).temperature_of(energy)))
    theirs = [plain_numpy_end(hidden, seed, epochs) for seed in range(5)]
    error = np.sqrt((np.var(ours, ddof=1) + np.var(theirs, ddof=1)) / 5)
    assert abs(np.mean(ours) - np.mean(theirs)) < 5 * error, (ours, theirs)
    assert error < 0.05
