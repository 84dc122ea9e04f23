"""Every public call that takes configurations, keys, counts or totals: the right answer in any form, or a refusal."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings, strategies as st

import rbmflow as rf
from rbmflow import enumeration, exact, renormalization, spectrum, two_sample
from rbmflow._checks import InvalidInput
from rbmflow.correlations import longest_wave, structure_factor
from rbmflow.likelihood import LogPartition, annealed_log_partition, log_mixture_probability
from rbmflow.measurements import domains, observe
from rbmflow.relaxation import overlap, relax
from rbmflow.settings import (
    FlowSettings,
    MachineSettings,
    SamplingSettings,
    Settings,
    ThermometerSettings,
    TrainingSettings,
)
from rbmflow.thermometer import accuracy, cross_entropy
from rbmflow.thermometer.neural import Network

pytestmark = pytest.mark.usefixtures("as_people_call")

MODEL = rf.ising(rf.square(4))
GRID = (1.0, 2.0, 3.0)
SPINS = np.random.default_rng(0).choice([-1, 1], (3, 5, 4, 4)).astype(np.int8)
KEY = jax.random.key(0)


@pytest.fixture(scope="module")
def machine() -> rf.RBM:
    rng = np.random.default_rng(1)
    arrays = rng.normal(size=(16, 3)) / 4, rng.normal(size=16) / 4, rng.normal(size=3) / 4
    return rf.RBM.from_weights(*arrays, units="0/1")


@pytest.fixture(scope="module")
def doors(machine):
    """Functions of configurations [temperature, draw, y, x], by name; those of a second table take any lattice."""
    known = rf.equilibrium.exact(MODEL)
    curve = known.curve(known.mean_class(GRID))
    neural = rf.NeuralThermometer(Network.untrained(KEY, 16, 3, 3), curve, MODEL, GRID)
    size = rf.OBSERVABLES["magnetization"]
    partition = LogPartition(0.0)
    small = {"hidden": 2, "epochs": 1, "batch": 5}
    of_lattice = {
        "total_energy": MODEL.total_energy,
        "total_magnetization": MODEL.total_magnetization,
        "energy": MODEL.energy,
        "magnetization": MODEL.magnetization,
        "T(E)": rf.Thermometer("energy", known).temperature,
        "T(m)": rf.Thermometer("magnetization", known).temperature,
        "T(xi)": rf.Thermometer("correlation", known).temperature,
        "bayes": rf.Thermometer(known.mean_class(GRID), known).temperature,
        "posterior": lambda x: known.posterior(x, GRID),
        "values": lambda x: size.values(MODEL, x),
        "mean": lambda x: size.mean(MODEL, x),
        "neural": neural.temperature,
        "neural.read": neural.read,
        "log_probability": lambda x: rf.log_probability(machine, x, partition),
        "log_mixture_probability": lambda x: log_mixture_probability(MODEL, GRID, x),
        "excess_nats": lambda x: rf.excess_nats(machine, MODEL, rf.Draws(x, GRID), partition),
        "observe": lambda x: observe(MODEL, x),
        "structure_factor": lambda x: structure_factor(MODEL, x),
        "domains": lambda x: domains(MODEL, x),
        "field_correlators": lambda x: spectrum.field_correlators(machine, x),
    }
    of_any = {
        "majority_rule": lambda x: renormalization.majority_rule(KEY, x),
        "decimate": renormalization.decimate,
        "Draws": lambda x: rf.Draws(x, GRID),
        "train": lambda x: rf.train(KEY, x, **small)[0],
        "train_ensemble": lambda x: rf.train_ensemble([0], x, MachineSettings(2), TrainingSettings(1, 5))[0][0],
    }
    return of_lattice, of_any


def same(one, other) -> None:
    for leaf, again in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_array_equal(leaf, again)


LABELLED = xr.DataArray(SPINS, dims=("temperature", "draw", "y", "x"))
RIGHT = {
    "int64": SPINS.astype(np.int64),
    "float16": SPINS.astype(np.float16),
    "float64": SPINS.astype(np.float64),
    "jax": jnp.asarray(SPINS, jnp.float32),
    "lists": SPINS.tolist(),
    "draws": rf.Draws(SPINS, GRID),
    "flow": rf.Flow((0, 1, 2), jnp.asarray(SPINS)),
    "other order of axes": LABELLED.transpose("x", "temperature", "y", "draw"),
}
WRONG = {
    "0/1": (SPINS + 1) // 2,
    "truth values": SPINS > 0,
    "unsigned 0/1": ((SPINS + 1) // 2).astype(np.uint8),
    "unsigned": SPINS.astype(np.uint8),
    "unsigned of JAX": jnp.asarray(SPINS.astype(np.uint8)),
    "NaN": np.where(SPINS > 0, np.nan, -1.0),
    "halves": SPINS / 2,
    "complex": SPINS.astype(complex),
    "text": SPINS.astype(str),
    "masked": np.ma.masked_equal(SPINS, 1),
    "one zero": SPINS * (np.arange(240).reshape(SPINS.shape) > 0),
    "empty": SPINS[:, :0],
    "flat": SPINS.ravel(),
    "nothing": None,
    "a model": MODEL,
}


def test_every_right_form_gives_the_same_answer(doors):
    for name, door in (doors[0] | doors[1]).items():
        wanted = door(SPINS)
        # The first and the last two cover the ways in; types are those of one door and are drawn below.
        for form in RIGHT if name in ("energy", "bayes", "domains") else ("float64", "draws", "other order of axes"):
            same(door(RIGHT[form]), wanted)


def test_every_wrong_form_is_refused(doors):
    of_lattice, of_any = doors
    lattices = {"other sides": np.ones((3, 5, 4, 5)), "turned": np.ones((3, 5, 2, 8)), "larger": np.ones((3, 5, 8, 8))}
    for table, forms in ((of_lattice, WRONG | lattices), (of_any, WRONG)):
        for name, door in table.items():
            for form, given_ in forms.items():
                if form == "turned" and name in ("log_probability", "field_correlators"):
                    continue  # A machine made of weights knows the number of its sites alone.
                try:
                    answer = door(given_)
                except InvalidInput:
                    continue
                raise AssertionError(f"{name} takes {form}: {answer}")


SHAPES = st.sampled_from([(4, 4), (5, 4, 4), (3, 5, 4, 4), (3, 5, 5, 4), (4,), (5, 16)])
VALUES = st.sampled_from([-1, 1, 0, 2, 0.5, float("nan"), float("inf")])
TYPES = st.sampled_from(["int8", "uint8", "int32", "float16", "float32", "float64", "bool"])


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    st.data(), VALUES, VALUES, TYPES, st.sampled_from([(4, 4), (5, 4, 4), (3, 5, 4, 4), (3, 5, 5, 4), (4,), (5, 16)])
)
def test_an_answer_that_is_right_or_a_refusal(doors, data, low, high, dtype, shape):
    with np.errstate(invalid="ignore"):
        array = np.where(np.random.default_rng(2).random(shape) < 0.5, low, high).astype(dtype)
    light = {name: door for name, door in (doors[0] | doors[1]).items() if not name.startswith("train")}
    name = data.draw(st.sampled_from(sorted(light)))
    try:
        answer = light[name](array)
    except InvalidInput:
        return
    assert array.dtype != bool
    np.testing.assert_array_equal(np.abs(array.astype(float)), 1)
    same(answer, light[name](array.astype(np.int8)))
    assert shape[-2:] == (4, 4) or name in doors[1] or name.startswith(("log", "excess", "field"))


def test_one_configuration_is_an_ensemble_of_one_chain(doors):
    for name in ("T(E)", "T(m)", "T(xi)", "bayes", "neural"):
        reading = doors[0][name](SPINS[0, 0])
        assert reading.temperature.shape == ()
        assert np.isnan(reading.error)
    same(doors[0]["posterior"](SPINS[0, 0]), doors[0]["posterior"](SPINS)[0, 0])


def test_starts_of_flows_are_looked_at(machine):
    wanted = rf.iterate(KEY, machine, SPINS[0], 2)
    same(rf.iterate(0, machine, SPINS[0].tolist(), np.int64(2), keep=range(3)), wanted)
    assert rf.iterate(KEY, machine, SPINS[0, 0], 1).spins.shape == (1, 4, 4)
    for form, wrong in WRONG.items():
        for call in (rf.iterate, spectrum.mode_growth):
            with pytest.raises(InvalidInput):
                call(KEY, machine, wrong if form in ("flat", "nothing", "a model") else wrong[0], 1)
    for wrong in (SPINS, np.ones((5, 4, 5)), rf.Draws(SPINS, GRID)):
        with pytest.raises(InvalidInput, match="shape of start"):
            rf.iterate(KEY, machine, wrong, 1)


def test_totals_are_totals_and_values_have_their_parts():
    known = rf.equilibrium.exact(MODEL)
    total = np.asarray(MODEL.total_energy(SPINS))
    same(known.posterior_of_energy(total.tolist(), GRID), known.posterior(SPINS, GRID))
    for wrong in (total / 16, total + 2, total * 4, [np.nan], "cold", None, 3):
        with pytest.raises(InvalidInput):
            known.posterior_of_energy(wrong, GRID)
    energy, ratio = rf.Thermometer("energy", known), rf.Thermometer("correlation", known)
    same(energy.of_values((total[None] / 16).tolist()), energy.temperature(SPINS))
    for wrong in (total / 16, [[np.nan, 1.0]], total[None], total[None] / 16 - 3, "cold", None, 3, np.ones((2, 5))):
        with pytest.raises(InvalidInput):
            energy.of_values(wrong)
    for wrong in (total, np.ones((1, 5)), -np.ones((2, 5))):
        with pytest.raises(InvalidInput):
            ratio.of_values(wrong)


def test_what_an_observable_of_others_returns_is_looked_at():
    for wrong in (lambda m, s: s, lambda m, s: np.full(len(s), np.nan), lambda m, s: 1.0, lambda m, s: s[0, 99]):
        with pytest.raises(InvalidInput, match="odd"):
            rf.Observable("odd", "x", of=wrong).values(MODEL, SPINS)
    for wrong in ({"name": ""}, {"label": 3}, {"of": None}, {"over": 1.0}):
        with pytest.raises(InvalidInput):
            rf.Observable(**({"name": "a", "label": "b", "of": len} | wrong))


def keyed(machine):
    """Functions of a key, by name."""
    start = SPINS[0]
    return {
        "sample": lambda key: rf.sample(key, MODEL, 2.0, 3),
        "hot": lambda key: rf.hot(key, MODEL, 3),
        "iterate": lambda key: rf.iterate(key, machine, start, 1),
        "random": lambda key: rf.RBM.random(key, 16, MachineSettings(2)),
        "majority_rule": lambda key: renormalization.majority_rule(key, SPINS),
        "compare": lambda key: two_sample.compare(key, np.eye(3), np.ones((4, 3)), 9),
        "annealed": lambda key: annealed_log_partition(key, machine, chains=4, levels=2, equilibration=1),
        "relax": lambda key: relax(key, machine, MODEL, GRID, chains=4, iterations=8),
        "mode_growth": lambda key: spectrum.mode_growth(key, machine, start, 1),
    }


def test_keys_are_read_in_any_form_or_refused(machine):
    for door in keyed(machine).values():
        for wrong in (None, 1.5, "0", True, -1, np.random.default_rng(0), jnp.zeros(3), MODEL, jax.random.split(KEY)):
            with pytest.raises(InvalidInput, match="key"):
                door(wrong)
    for name in ("hot", "iterate", "random", "majority_rule"):
        wanted = keyed(machine)[name](jax.random.key(7))
        for same_key in (7, np.uint32(7), jnp.asarray(7), jax.random.PRNGKey(7)):
            same(keyed(machine)[name](same_key), wanted)
    for wrong in ([], None, KEY, jax.random.PRNGKey(0), [None], 3):
        with pytest.raises(InvalidInput, match="key"):
            rf.train_ensemble(wrong, SPINS, MachineSettings(2), TrainingSettings(1, 5))


def test_counts_and_flags_are_plain_numbers_or_refused(machine):
    for three in (3, np.int8(3), np.array(3), jnp.asarray(3)):
        assert rf.hot(0, MODEL, three).shape == (3, 4, 4)
        assert type(rf.square(three).shape[1]) is int
        assert type(TrainingSettings(epochs=three).epochs) is int
    for yes in (True, np.True_, jnp.asarray(True)):
        assert MachineSettings(biases=yes).biases is True
    assert FlowSettings(keep=np.arange(3)).keep == (0, 1, 2)
    assert SamplingSettings(temperatures=np.float32(2)).temperatures == (2.0,)
    assert type(rf.ising(rf.square(4), np.float32(1)).field) is float
    for wrong in (True, 2.5, "3", None, -1, KEY):
        for door in (
            lambda n: rf.hot(0, MODEL, n),
            lambda n: rf.iterate(0, machine, SPINS[0], n),
            lambda n: renormalization.decimate(SPINS, n),
            lambda n: rf.square(4, n) if n is not None else rf.square(n),
            lambda n: ThermometerSettings(hidden=n),
            lambda n: FlowSettings(keep=n),
            lambda n: rf.train(0, SPINS, epochs=n),
            lambda n: machine.units.listed(n),
        ):
            with pytest.raises(InvalidInput):
                door(wrong)


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda m: rf.sample(MODEL, KEY, [2.0], 3), "key"),
        (lambda m: rf.sample(KEY, [2.0], MODEL, 3), "model"),
        (lambda m: rf.iterate(m, KEY, SPINS[0], 1), "map"),
        (lambda m: rf.iterate(KEY, SPINS[0], m, 1), "map"),
        (lambda m: rf.iterate(KEY, (m, None), SPINS[0], 1), "map"),
        (lambda m: rf.iterate(KEY, m, SPINS[0], 3, keep=3), "keep"),
        (lambda m: rf.iterate(KEY, m, SPINS[0], 3, keep=()), "keep"),
        (lambda m: rf.iterate(KEY, m, SPINS[0], 3, progress=True), "progress"),
        (lambda m: rf.iterate(KEY, m, SPINS[0], 3, watch=True), "watch"),
        (lambda m: rf.train(KEY, SPINS, progress=True), "progress"),
        (lambda m: rf.sample(KEY, MODEL, [2.0], 3, progress=True), "progress"),
        (lambda m: rf.sample(KEY, MODEL, [3.0, 2.0], 3), "temperatures"),
        (lambda m: rf.thermal(KEY, MODEL, [2.0, 3.0], 3), "temperature"),
        (lambda m: rf.ising(10), "lattice"),
        (lambda m: rf.square(4, 0), "cells"),
        (lambda m: rf.Thermometer("energy", MODEL), "equilibrium"),
        (lambda m: rf.Thermometer("heat", rf.equilibrium.exact(MODEL)), "observable"),
        (lambda m: rf.Thermometer(MODEL, rf.equilibrium.exact(MODEL)), "observable"),
        (lambda m: rf.equilibrium.exact(rf.square(4)), "model"),
        (lambda m: rf.equilibrium.enumerated(rf.ising(rf.square(5))), "lattice"),
        (lambda m: rf.equilibrium.MeasuredDraws.of(MODEL, SPINS, []), "draws"),
        (lambda m: rf.decompose(np.ones((4, 2))), "machine"),
        (lambda m: rf.log_probability(m, SPINS, 1.0), "partition"),
        (lambda m: rf.excess_nats(m, MODEL, SPINS, LogPartition(0.0)), "draws"),
        (lambda m: overlap([1, 2], [0.5, 0.4]), "sum of probability"),
        (lambda m: overlap([0, 0], [0.5, 0.5]), "counts"),
        (lambda m: cross_entropy([[0.5, 0.6]], [0]), "sum of probabilities"),
        (lambda m: accuracy([[0.5, 0.5]], [2]), "true_class"),
        (lambda m: accuracy([[0.5, 0.5]], [[0]]), "shape of true_class"),
        (lambda m: longest_wave(MODEL.lattice, np.ones((1, 4))), "shape of factor"),
        (lambda m: observe(MODEL, SPINS, SPINS), "shape of before"),
        (lambda m: two_sample.compare(KEY, np.full((3, 2), np.nan), np.ones((3, 2))), "one"),
        (lambda m: spectrum.measures(m, rf.square(3), np.ones((3, 3)), 0.1), "lattice of two_point"),
        (lambda m: spectrum.fourier_power(np.ones((16, 1)), rf.square(4, 5)), "shape of vectors"),
        (lambda m: spectrum.projections(np.ones((16, 1)), SPINS[0], rf.square(4)), "two_point"),
        (lambda m: spectrum.mean_field_map(m, 2 * np.ones((1, 16))), "visible"),
        (lambda m: enumeration.expected_contrastive_divergence(m, -np.ones((1, 16)), 1), "units"),
        (lambda m: rf.excess_nats(m, MODEL, rf.Draws(SPINS, GRID), 1.0), "partition"),
        (lambda m: rf.machine_mean(m, MODEL, rf.Draws(SPINS, GRID), "abc"), "type of values"),
        (lambda m: rf.machine_mean(m, MODEL, rf.Draws(SPINS, GRID), np.full((3, 5), np.nan)), "values"),
        (lambda m: rf.verdicts(None), "results"),
        (lambda m: rf.host(len, "ab"), "states"),
        (lambda m: rf.host(len, 3), "states"),
        (lambda m: rf.Stack(None), "machines"),
        (lambda m: rf.BlockSpins(None), "block"),
        (lambda m: rf.BlockSpins(2, "ising"), "model"),
        (lambda m: rf.Draws(SPINS, GRID, states="ab"), "states"),
        (lambda m: rf.Draws(SPINS, GRID, states=None), "states"),
        (lambda m: rf.Draws(SPINS, GRID, lattice_axes=None), "lattice_axes"),
        (lambda m: rf.Draws(SPINS, GRID, 3), "methods"),
        (lambda m: rf.Draws(SPINS, GRID, chains=[3] * 3), "chains"),
        (lambda m: rf.Draws(SPINS, GRID).select("a"), "minimum"),
        (lambda m: rf.Draws.from_dataset(None), "data"),
        (lambda m: rf.RBM.from_dataset(3), "data"),
        (lambda m: exact.magnetization_moment(MODEL, 2.0, -1), "power"),
    ],
)
def test_arguments_of_the_wrong_kind_are_named(machine, call, field):
    with pytest.raises(InvalidInput) as caught:
        call(machine)
    assert field in [problem.field for problem in caught.value.problems]


def test_settings_of_an_extension_are_settled_however_it_writes_its_types():
    @dataclasses.dataclass(frozen=True)
    class Evaluated(Settings):
        rate: float = 1
        rates: tuple[float, ...] = (2,)

    @dataclasses.dataclass(frozen=True)
    class Postponed(Settings):
        rate: "float" = 1
        rates: "tuple[float, ...]" = (2,)

    for kind in (Evaluated, Postponed):
        one = kind(rate=3, rates=4)
        assert (type(one.rate), one.rates, type(one.rates[0])) == (float, (4.0,), float)
