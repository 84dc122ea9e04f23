"""Public calls give the same numbers whatever the caller has set for JAX and NumPy."""

from contextlib import ExitStack

import jax
import numpy as np
import pytest

import rbmflow as rf
from rbmflow import enumeration, equilibrium, exact, measurements, renormalization, two_sample
from rbmflow.likelihood import LogPartition, annealed_log_partition, exact_log_partition, log_probability
from rbmflow.observables import CORRELATION
from rbmflow.relaxation import relax
from rbmflow.settings import MachineSettings, ThermometerSettings, TrainingSettings

SETTINGS = {
    "x64": lambda: jax.enable_x64(True),
    "nans": lambda: jax.debug_nans(True),
    "rank": lambda: jax.numpy_rank_promotion("raise"),
    "precision": lambda: jax.default_matmul_precision("highest"),
    "strict": lambda: jax.numpy_dtype_promotion("strict"),
    "leaks": lambda: jax.check_tracer_leaks(True),
    "reuse": lambda: jax.debug_key_reuse(True),
    "numpy": lambda: np.errstate(all="raise"),
}
GRID = (0.0, 2.0, 4.0, np.inf)
RNG = np.random.default_rng(0)
DATA = np.where(RNG.random((60, 16)) < 0.3, -1, 1).astype(np.int8)
WEIGHTS = 0.3 * RNG.normal(size=(16, 22))
START = np.where(RNG.random((10, 4, 4)) < 0.5, -1, 1).astype(np.int8)
VALUES = RNG.normal(size=(2, 20, 2))


def training():
    course = {"hidden": 3, "epochs": 2, "batch": 20, "checkpoints": 3}
    return rf.train(jax.random.key(0), DATA, optimiser="adam", held_out=0.1, weight_decay=0.1, **course)


def further_training():
    course = {"hidden": 3, "epochs": 2, "batch": 20, "checkpoints": 3}
    choices = (
        {"estimator": "PCD", "units": "0/1", "biases": True, "centred": True, "optimiser": "momentum"},
        {"estimator": "PTT", "schedule": "linear"},
        {"estimator": "Exact", "schedule": "cosine"},
    )
    key, keys = jax.random.key(0), jax.random.split(jax.random.key(1))
    shared = MachineSettings(hidden=3), TrainingSettings(epochs=1, batch=20)
    alone = [rf.train(key, DATA, **course, **choice) for choice in choices]
    rungs = alone[1][1].trajectory.machines
    along = rf.trajectory_log_partition(key, rungs, chains=5, sweeps=3, burn_in=2).value
    return alone, rf.train_ensemble(list(keys), DATA, *shared), along


def sampling():
    key, model = jax.random.key(0), rf.ising(rf.square(4))
    starts = rf.cold(key, model, 5), rf.hot(key, model, 5), rf.thermal(key, model, 2.0, 5)
    return rf.sample(key, model, GRID, 50).spins, starts


def chains():
    key, model = jax.random.key(0), rf.ising(rf.square(4))
    return [rf.sample(key, model, (2.0,), 40, method).spins for method in ("metropolis", "heat-bath", "wolff")]


def machines():
    key, model = jax.random.key(0), rf.ising(rf.square(4))
    machine = rf.RBM.from_weights(WEIGHTS, np.zeros(16), np.zeros(22), units="-1/+1")
    flows = [rf.iterate(key, rf.Gibbs(machine, how), START, 3) for how in ("sampled", "mean-hidden", "mean-field")]
    draws = rf.sample(key, model, (2.0, np.inf), 200)
    partition = rf.log_partition(key, machine, model, draws, chains=20, steps=10)
    nats = rf.excess_nats(machine, model, draws, partition), rf.excess_nats(machine, model, draws, LogPartition(9.0))
    annealed = annealed_log_partition(key, machine, chains=20, levels=10, equilibration=5).value
    at_rest = relax(key, machine, model, (2.0, 4.0), chains=20, iterations=8)
    changed = machine.in_units("0/1"), rf.RBM.from_dataset(machine.to_dataset()), machine.finite
    small = rf.RBM.from_weights(WEIGHTS[:9, :3], np.zeros(9), np.zeros(3), units="0/1")
    tiny = exact_log_partition(small).value, enumeration.gibbs_kernel(small), log_probability(machine, DATA, partition)
    read = [getattr(nat, name) for nat in nats for name in ("mean", "error")]
    return flows, partition.value, partition.error, read, annealed, at_rest, changed, tiny, rf.decompose(machine)


def readings():
    key, model = jax.random.key(0), rf.ising(rf.square(4))
    found = []
    known = rf.equilibrium.exact(model)
    for observable in ("energy", "magnetization", "correlation", known.mean_class(GRID)):
        thermometer = rf.Thermometer(observable, known)
        found += [thermometer.temperature(spins) for spins in (START[None], np.ones_like(START)[None])]
    settings = ThermometerSettings(hidden=4, draws=20, epochs=2, batch=20)
    neural, history = rf.train_thermometer(key, model, GRID, settings)
    classes = [one(START) for one in (neural.read, neural.temperature)]
    numbers = [exact.energy(model, GRID), exact.log_partition(model, GRID), exact.abs_magnetization(model, GRID)]
    numbers += [known.posterior(START, GRID), known.best_accuracy(GRID), known.mixture(CORRELATION, GRID)]
    drawn = equilibrium.measured(key, model, [CORRELATION], GRID, 20)
    numbers += [drawn, *equilibrium.reweighted(drawn, known).mean(CORRELATION, 2.0)]
    blocks = renormalization.majority_rule(key, START), renormalization.decimate(START)
    seen = measurements.observe(model, START[None]), model.energy(START), two_sample.compare(key, *VALUES)
    return found, classes, history, numbers, blocks, seen


def leaves(found):
    return [np.asarray(leaf) for leaf in jax.tree.leaves(found)]


def everything() -> ExitStack:
    stack = ExitStack()
    for setting in SETTINGS.values():
        stack.enter_context(setting())
    return stack


@pytest.mark.parametrize("call", [training, sampling, machines, readings], ids=lambda call: call.__name__)
def test_numbers_are_the_same_under_all_settings_at_once(call):
    agrees(call, {"all": everything})


@pytest.mark.slow
@pytest.mark.parametrize(
    "call", [training, further_training, sampling, chains, machines, readings], ids=lambda call: call.__name__
)
def test_numbers_are_the_same_under_any_setting(call):
    agrees(call, SETTINGS | {"all": everything})


def agrees(call, settings):
    usual = leaves(call())
    for name, setting in settings.items():
        with setting():
            found = leaves(call())
        for one, other in zip(usual, found, strict=True):
            assert one.dtype == other.dtype, name
            np.testing.assert_array_equal(one, other, err_msg=name)
