"""Maps: what a flow iterates, whatever it is."""

import importlib.util
import itertools
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rbmflow as rf
from rbmflow._checks import InvalidInput
from rbmflow.settings import MachineSettings, TrainingSettings
from rbmflow.spec import parse
from rbmflow.steps import compute, graph
from rbmflow.steps.restoring import at_rest, restored
from rbmflow.steps.resuming import FILE, save_state, train_resuming
from rbmflow.training import MapTraining, Reconstruction, fit
from rbmflow.training.map_training import output_divergence

MODEL = rf.ising(rf.square(4))
START = rf.hot(jax.random.key(1), MODEL, 6)
POTTS = rf.potts(rf.triangular(4), 3)


class Identity(eqx.Module):
    def start(self, spins):
        return spins

    def step(self, key, state):
        return state, state


class Clock(eqx.Module):
    """A map that is wrong from one iteration on: what it returns then is `wrong`."""

    from_iteration: int
    wrong: float

    def start(self, spins):
        return jnp.asarray(spins, jnp.float32), 0

    def step(self, key, state):
        spins, done = state
        after = jnp.where(done + 1 >= self.from_iteration, self.wrong, spins)
        return (spins, done + 1), after


def test_the_identity_never_moves():
    for still in (Identity(), rf.host(lambda generator, spins: spins)):
        flow = rf.iterate(0, still, START, 45, keep=(0, 3, 45))
        assert (flow.configurations == np.asarray(START)).all()


def test_any_lattice_and_any_labels(tmp_path):
    start = rf.hot(jax.random.key(2), POTTS, 5)
    flow = rf.iterate(0, rf.host(lambda generator, spins: (spins + 1) % 3), start, 3, model=POTTS)
    np.testing.assert_array_equal(flow.at(2), (np.asarray(start) + 2) % 3)
    assert (flow.states, flow.lattice_axes) == (POTTS.states, POTTS.lattice.axes)
    flow.save(tmp_path / "flow.nc")
    assert rf.Flow.load(tmp_path / "flow.nc") == flow
    cubes = np.ones((2, 2, 3, 4), np.int8)
    assert rf.iterate(0, Identity(), cubes, 1).to_dataset()["spins"].dims[2:] == ("z", "y", "x")


def test_random_numbers_are_those_of_the_key_and_the_iteration():
    drawn = rf.host(lambda generator, spins: generator.choice([-1, 1], spins.shape))
    one, again = (rf.iterate(5, drawn, START, 3).configurations for _ in range(2))
    np.testing.assert_array_equal(one, again)
    assert (one[1] != one[2]).any()


def third_call(wrong):
    """A map that returns what it is given, but at its third call."""
    calls = []

    def function(generator, spins):
        calls.append(0)
        return wrong(spins) if len(calls) == 3 else spins

    return rf.host(function)


def raising(spins):
    raise ValueError("no more")


class Speechless(Exception):
    def __str__(self):
        raise ValueError


def speechless(spins):
    raise Speechless


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (Clock(3, float("nan")), "it returned nan"),
        (Clock(3, 2.0), "it returned 2.0"),
        (third_call(raising), "ValueError: no more' is not allowed: no step may fail, "),
        (third_call(lambda spins: spins[:, 1:]), "shape of spins = (6, 3, 4), it must be [6, 4, 4]"),
        (third_call(lambda spins: None), "function = None, it must return the next configurations"),
        (third_call(lambda spins: spins.astype(str)), "it returned an array of type <U4"),
        (third_call(lambda spins: np.ma.masked_equal(spins, 1)), "no site may be masked"),
        (third_call(lambda spins: sys.exit(3)), "SystemExit: 3"),
        (third_call(speechless), "Speechless: no message"),
    ],
)
def test_what_a_bad_map_did_before_is_kept(bad, told):
    seen = []
    with pytest.raises(rf.MapFailed, match="at iteration 3") as caught:
        rf.iterate(0, bad, START, 30, keep=(0, 2, 30), watch=lambda stretch: seen.append(len(stretch)))
    assert told in str(caught.value)
    assert caught.value.result is not None
    assert caught.value.result.iterations == (0, 2)
    assert sum(seen) == 3


class Failing(eqx.Module):
    """A compiled map that does what it is told of state and spins."""

    what: Callable[..., Any] = eqx.field(static=True)

    def start(self, spins):
        return jnp.asarray(spins), jnp.zeros((), jnp.int32)

    def step(self, key, state):
        return self.what(*state)


@pytest.mark.parametrize(
    ("what", "told"),
    [
        (lambda spins, done: ((spins[1:], done), spins), "from int8[6, 4, 4] to int8[5, 4, 4]"),
        (lambda spins, done: ((spins, done * 1.0), spins), "from int32[] to float32[]"),
        (lambda spins, done: spins, "it must be a state and configurations"),
        (lambda spins, done: ((spins, done), [spins]), "shape of spins = list"),
        (lambda spins, done: eqx.error_if(((spins, done), spins), done == 0, "bad\nluck"), "EquinoxRuntimeError: bad'"),
    ],
)
def test_a_compiled_map_that_fails_is_told_in_a_sentence(what, told):
    with pytest.raises(rf.MapFailed, match="at iteration 1") as caught:
        rf.iterate(0, Failing(what), START, 3)
    assert told in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.usefixtures("as_people_call")
def test_what_is_no_map_is_refused():
    for given in (3, Identity, object()):
        with pytest.raises(InvalidInput, match="start"):
            rf.iterate(0, given, START, 1)  # pyright: ignore[reportArgumentType]


@pytest.mark.usefixtures("as_people_call")
def test_the_halves_of_a_machine_are_those_of_its_map():
    machine = rf.RBM.from_weights(0.1 * np.ones((16, 3)), np.zeros(16), np.zeros(3), units="-1/+1")
    flow = rf.iterate(0, machine, START, 2)
    assert flow == rf.iterate(0, rf.Gibbs(machine), START, 2)
    state, spins = rf.Gibbs(machine).step(jax.random.key(0), rf.Gibbs(machine).start(np.asarray(START)))
    assert spins.shape == START.shape
    assert state.noise is None
    with pytest.raises(InvalidInput, match="halves"):
        rf.Gibbs(machine, "thirds")  # pyright: ignore[reportArgumentType]


def coder(kind=rf.Autoencoder, model=MODEL, **further):
    name = "vae" if kind is rf.VAE else "autoencoder"
    return kind.random(7, model, MachineSettings(kind=name, hidden=6, width=12, **further))


def test_training_of_an_autoencoder_goes_on_with_the_same_bits(tmp_path, monkeypatch):
    monkeypatch.setattr(fit, "UPDATES_IN_A_CHUNK", 12)
    settings = TrainingSettings(epochs=6, batch=50, learning_rate=0.01, optimiser="adam")
    rows = rf.sample(1, MODEL, [2.0], 300).spins.reshape(-1, 4, 4)
    whole, key = MapTraining.of(coder(), rows, settings, "Reconstruction"), jax.random.key(3)
    undisturbed = train_resuming(key, whole, tmp_path / "one", lambda _: None)
    done, state, seen = next(whole.chunks(whole.start(key)))
    save_state(tmp_path / "two" / FILE, done, state, [seen])
    fractions = []
    resumed = train_resuming(key, whole, tmp_path / "two", fractions.append)
    assert fractions == [4 / 6, 1.0]
    assert eqx.tree_equal(undisturbed, resumed)
    dataset = at_rest(resumed[0], jax.random.key(7), MachineSettings(kind="autoencoder", hidden=6, width=12), None)
    back, diverged = restored(dataset, MODEL, "sampled")
    assert eqx.tree_equal(back, resumed[0])
    assert not diverged


LEARNT = {"Denoising": (rf.Autoencoder, {"flipped": 0.2}), "ELBO": (rf.VAE, {})}


@pytest.mark.parametrize("recipe", LEARNT)
def test_a_map_stops_at_a_plateau_of_held_out_configurations_killed_or_not(tmp_path, monkeypatch, recipe):
    monkeypatch.setattr(fit, "UPDATES_IN_A_CHUNK", 2)  # One epoch.
    kind, further = LEARNT[recipe]
    course: dict[str, Any] = {"batch": 10, "learning_rate": 0.1, "optimiser": "adam", "held_out": 0.4, "patience": 3}
    rows, key = rf.sample(1, MODEL, [2.5], 35).spins.reshape(-1, 4, 4), jax.random.key(3)
    whole = MapTraining.of(coder(kind, **further), rows, TrainingSettings(epochs=200, **course), recipe)
    trained, seen = train_resuming(key, whole, tmp_path / "one", lambda _: None)
    done = seen.reconstruction.size
    assert 3 < done < 200
    scores = []
    for epochs, state, parts in whole.chunks(whole.start(key)):
        scores.append(float(whole.score(state.learner)))
        save_state(tmp_path / f"at {epochs}" / FILE, epochs, state, [parts])
    assert int(np.argmax(scores)) == done - 4
    resumed = train_resuming(key, whole, tmp_path / "at 1", lambda _: None)
    assert eqx.tree_equal(resumed[0], trained)


@pytest.mark.parametrize("kind", ["rbm", "autoencoder"])
def test_a_step_tells_of_a_training_that_ended_early(tmp_path, kind):
    course = {"epochs": 300, "batch": 10, "learning_rate": 0.5, "held_out": 0.3, "patience": 2}
    tables = {"name": "plateau", "seeds": 1, "lattice": {"length": 4}, "types": {"V": {}}, "training": course}
    machine = {"kind": kind, "hidden": 6}
    whole = parse(
        {**tables, "machine": machine, "sampling": {"temperatures": [2.5], "draws": 40}, "flow": {"starts": ["hot"]}}
    )
    steps = {step.kind: step for step in graph(whole)}
    trained = steps["machine" if kind == "rbm" else "learner"]
    drawn = compute(trained.parents[0], (), tmp_path, lambda _: None)
    told = compute(trained, (drawn,), tmp_path / "one", lambda _: None)
    done = int(told["update"][-1]) // 2  # 28 configurations are trained on.
    assert 2 < done < 300
    assert told.sizes["epoch"] == 300
    assert int(np.isfinite(told["reconstruction"]).sum()) == done
    assert f"stopped after {done} of 300 epochs" in told.attrs["flags"]
    if kind == "rbm":
        history = rf.History.from_dataset(told)
        assert (history.plateau, history.epochs_asked, history.reconstruction.size) == (True, 300, done)


def test_what_a_map_makes_moves_no_further_than_the_limit():
    spins, key = jnp.asarray(START), jax.random.key(5)
    before, after = coder(), coder(output="rounded")
    after = eqx.tree_at(lambda one: one.decoder.layers[-1].bias, after, 0.7 * jnp.ones(16))
    p, q = (np.exp(np.asarray(one.logits(key, spins), np.float64)) for one in (before, after))
    exact = sum((one * np.log(one / other)).sum() for one, other in zip(p, q, strict=True)) / len(spins)
    assert float(output_divergence(key, before, after, spins)) == pytest.approx(exact, rel=1e-4)
    course = TrainingSettings(epochs=1, batch=6, learning_rate=0.5, optimiser="adam")
    free, _ = rf.train_map(0, before, spins, course)
    limited, _ = rf.train_map(0, before, spins, replace(course, kl_limit=1e-3))
    assert float(output_divergence(key, before, free, spins)) > 1
    assert float(output_divergence(key, before, limited, spins)) == pytest.approx(1e-3, rel=0.15)


def test_guards_that_a_map_cannot_have_are_refused():
    class Bare(Identity):
        weight: jax.Array = eqx.field(default_factory=lambda: jnp.ones((2, 2)))

    for settings, told in (
        (TrainingSettings(batch=2, kl_limit=0.1), "logits"),
        (TrainingSettings(batch=2, swap_limit=0.1), "swaps are those of an RBM"),
        (TrainingSettings(batch=2, optimiser="natural"), "natural gradient is that of an RBM"),
        (TrainingSettings(batch=2, held_out=0.5), "patience"),
        (TrainingSettings(batch=2, held_out=0.1, patience=2), "holds out none of the 6 configurations"),
    ):
        with pytest.raises(InvalidInput, match=told):
            rf.train_map(0, Bare(), np.asarray(START), settings)


def test_every_layer_of_a_stack_stops_at_its_own_plateau():
    data = rf.sample(0, MODEL, [2.5], 60).spins[0]
    course: dict[str, Any] = {"batch": 10, "learning_rate": 0.5, "held_out": 0.3, "patience": 2, "epochs": 400}
    _, histories = rf.train_stack(1, data, (6, 3), **course)
    assert all(one.plateau for one in histories)


@pytest.mark.parametrize("output", ["sampled", "rounded", "mean"])
def test_outputs_of_an_autoencoder(output):
    potts = coder(model=POTTS, output=output)
    start = rf.hot(jax.random.key(2), POTTS, 4000)
    flow = rf.iterate(0, potts, start, 1, model=POTTS)
    log_probability = np.asarray(potts.logits(jax.random.key(0), np.asarray(start)))
    drawn = flow.spins.reshape(4000, -1)
    if output == "rounded":
        np.testing.assert_array_equal(drawn, log_probability.argmax(axis=-1))
    else:
        for state in range(3):
            expected = np.exp(log_probability[..., state])
            error = np.sqrt((expected * (1 - expected)).sum()) / drawn.size
            assert abs((drawn == state).mean() - expected.mean()) < 5 * error


def test_coders_learn_two_patterns():
    pattern = np.asarray(rf.hot(jax.random.key(5), MODEL, 1))
    data = np.concatenate([pattern, -pattern]).repeat(100, axis=0)
    settings = TrainingSettings(epochs=40, batch=20, learning_rate=0.02, optimiser="adam")
    for kind, recipe, further in (
        (rf.VAE, "ELBO", {}),
        (rf.Autoencoder, "Denoising", {"flipped": 0.3}),
    ):
        trained, epochs = rf.train_map(1, coder(kind, **further), data, settings, recipe)
        assert epochs.reconstruction[-1] < 0.01
        ends = rf.iterate(2, trained, rf.hot(3, MODEL, 50), 30).spins
        overlap = np.abs((ends * pattern).mean(axis=(1, 2)))
        assert overlap.mean() > 0.9, recipe


def denoiser(model, noise="flipped", levels=(0.8, 0.2), **further):
    settings = MachineSettings(kind="denoiser", hidden=18, width=18, noise=noise, noise_levels=levels, **further)
    return rf.Denoiser.random(0, model, settings)


@pytest.mark.parametrize("noise", ["flipped", "masked"])
def test_a_denoiser_learns_the_posterior_of_independent_sites(noise):
    """Its cross-entropy on fresh configurations is the conditional entropy, and flows end in the law of the data."""
    up, generator, model = 0.8, np.random.default_rng(0), rf.ising(rf.chain(6))
    data, fresh = np.where(generator.random((2, 3000, 6)) < up, 1, -1).astype(np.int8)
    course = TrainingSettings(epochs=12, batch=50, learning_rate=0.01, optimiser="adam", schedule="linear")
    trained, _ = rf.train_map(1, denoiser(model, noise), data, course)
    law = {1: up, -1: 1 - up}
    for level in (0.8, 0.2):
        told = trained.guess(jax.random.key(2), trained.certain(fresh), jnp.full(3000, level))
        nats = -np.sum(np.asarray(trained.certain(fresh)) * np.asarray(told), axis=-1).mean(axis=1)
        if noise == "masked":
            entropy = -level * sum(p * np.log(p) for p in law.values())
        else:  # A hit site has its old label again in half of all cases.
            seen = {pair: law[pair[0]] * ((1 - level) * (pair[0] == pair[1]) + level / 2) for pair in PAIRS}
            of_noisy = {noisy: seen[1, noisy] + seen[-1, noisy] for noisy in law}
            entropy = -sum(p * np.log(p / of_noisy[noisy]) for (_, noisy), p in seen.items())
        error = nats.std() / np.sqrt(3000)
        assert -5 * error < nats.mean() - entropy < 5 * error + 0.02
    ends = rf.iterate(3, trained, rf.hot(4, model, 2000), 30).spins
    assert ends.mean() == pytest.approx(2 * up - 1, abs=0.05)


PAIRS = tuple(itertools.product((1, -1), repeat=2))


def test_every_iteration_of_a_denoiser_has_its_noise_level():
    """Masked sites of a network whose weights are 0 get any label, so the share that changes is half the level."""
    untrained = denoiser(POTTS, "masked", (1.0, 0.5, 0.1))
    nothing = jax.tree.map(lambda leaf: 0 * leaf if eqx.is_inexact_array(leaf) else leaf, untrained)
    spins = rf.iterate(0, nothing, rf.hot(1, POTTS, 3000), 5, model=POTTS).configurations
    changed = (spins[1:] != spins[:-1]).mean(axis=(1, 2, 3))
    for share, level in zip(changed, (1.0, 0.5, 0.1, 0.1, 0.1), strict=True):
        expected = level * 2 / 3
        assert abs(share - expected) < 5 * np.sqrt(expected * (1 - expected) / (3000 * 16))
    assert np.isfinite(np.asarray(untrained.logits(jax.random.key(0), spins[0]))).all()


def test_a_denoiser_of_a_spec_comes_back_from_the_store(tmp_path):
    machine = {"kind": "denoiser", "hidden": 4, "width": 6, "noise": "masked", "noise_levels": [0.9, 0.3]}
    tables = {"name": "noisy", "seeds": 1, "lattice": {"length": 4}, "types": {"V": {}}, "machine": machine}
    sampling, training = {"temperatures": [2.5], "draws": 40}, {"epochs": 2, "batch": 20}
    whole = parse({**tables, "sampling": sampling, "training": training, "flow": {"starts": ["hot"], "chains": 5}})
    steps = {step.kind: step for step in graph(whole)}
    drawn = compute(steps["draws"], (), tmp_path, lambda _: None)
    trained = compute(steps["learner"], (drawn,), tmp_path, lambda _: None)
    back, _ = restored(trained, MODEL, "sampled")
    assert (back.noise, back.noise_levels) == ("masked", (0.9, 0.3))
    assert compute(steps["flow"], (trained,), tmp_path, lambda _: None).sizes["iteration"] == 41


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"kind": "autoencoder", "units": "0/1"}, "units"),
        ({"depth": 2}, "depth"),
        ({"kind": "denoiser"}, "noise_levels"),
        ({"kind": "denoiser", "noise_levels": (0.5, 0.0)}, "noise_levels"),
        ({"kind": "denoiser", "noise_levels": (0.5,), "flipped": 0.1}, "flipped"),
        ({"kind": "autoencoder", "noise_levels": (0.5,)}, "noise_levels"),
        ({"kind": "transformer"}, "kind"),
    ],
)
def test_settings_that_a_machine_does_not_have(settings, field):
    with pytest.raises(InvalidInput) as caught:
        MachineSettings(**settings)
    assert [problem.field for problem in caught.value.problems] == [field]


def test_a_map_learns_by_a_loss_alone_and_from_configurations_of_its_model():
    one = TrainingSettings(epochs=1, batch=5)
    with pytest.raises(InvalidInput, match="loss"):
        rf.train_map(0, coder(), START, one, "PCD")
    for wrong in (np.asarray(START) / 2, np.ones((6, 4, 5))):
        with pytest.raises(InvalidInput, match="data"):
            rf.train_map(0, coder(), wrong, one)
    by_name, by_value = (rf.train_map(0, coder(), START, one, own)[0] for own in ("Reconstruction", Reconstruction()))
    assert eqx.tree_equal(by_name, by_value)


TORCH = Path(__file__).parents[1] / "docs" / "examples" / "torch_map.py"


@pytest.mark.slow
def test_the_example_of_torch_through_the_whole_report(tmp_path):
    """In this Python, or else in that of the system, which may have it from a package of Debian."""
    pythons = [os.environ.get("RBMFLOW_TORCH_PYTHON", sys.executable), sys.executable, "/usr/bin/python3"]
    found = [one for one in pythons if subprocess.run([one, "-c", "import torch"], capture_output=True).returncode == 0]
    if not found:
        pytest.skip("torch is in no Python here: its wheels bring CUDA libraries of gigabytes")
    env = os.environ | ({} if found[0] == sys.executable else {"RBMFLOW_TORCH_PYTHON": found[0]})
    done = subprocess.run([sys.executable, TORCH], check=True, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert "<svg" in (tmp_path / done.stdout.splitlines()[-1]).read_text(encoding="utf-8")


def test_a_map_in_another_process_tells_what_went_wrong_there_and_when(tmp_path, monkeypatch):
    """The other Python has a torch that cannot be imported, answers in time, or is killed."""
    (tmp_path / "torch.py").write_text("print('loading')\nraise ImportError('no such CPU')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    declared = importlib.util.spec_from_file_location("torch_map", TORCH)
    assert declared is not None
    example = importlib.util.module_from_spec(declared)
    declared.loader.exec_module(example)
    with example.Elsewhere(sys.executable) as broken:
        with pytest.raises(rf.MapFailed, match="at iteration 1 RuntimeError: in the other Python ImportError: no such"):
            rf.iterate(0, rf.host(example.drawn(broken)), START, 3)
        broken.process.kill()
        with pytest.raises(rf.MapFailed, match="at iteration 1 RuntimeError: the other Python has ended with code -9"):
            rf.iterate(0, rf.host(example.drawn(broken)), START, 3)
    with example.Elsewhere(sys.executable) as idle:
        pass
    assert idle.process.returncode == 0


def test_a_stack_of_one_machine_is_that_machine():
    """The means of one step over many chains are those of the Gibbs step, by enumeration of the hidden units."""
    weights = 0.3 * np.random.default_rng(0).normal(size=(16, 3))
    machine = rf.RBM.from_weights(weights, 0.1 * np.ones(16), np.zeros(3), units="-1/+1")
    start = np.tile(np.asarray(START)[:1], (20_000, 1, 1))
    spins = rf.iterate(0, rf.Stack((machine,)), start, 1).spins.reshape(-1, 16)
    hidden = np.array(list(itertools.product((-1, 1), repeat=3)))
    law = np.exp(hidden @ (start[0].ravel() @ weights))
    expected = (law / law.sum()) @ np.tanh(hidden @ weights.T + 0.1)
    assert np.all(np.abs(spins.mean(axis=0) - expected) < 5 / np.sqrt(20_000))


@pytest.mark.slow
def test_a_stack_reproduces_two_patterns():
    pattern = np.asarray(rf.hot(jax.random.key(5), MODEL, 1))
    data = np.concatenate([pattern, -pattern]).repeat(100, axis=0)
    stack, histories = rf.train_stack(1, data, (6, 3), epochs=40, batch=20, learning_rate=0.2)
    assert [one.weights.shape for one in stack.machines] == [(16, 6), (6, 3)]
    assert len(histories) == 2
    ends = rf.iterate(2, stack, rf.hot(3, MODEL, 50), 20).spins
    assert np.abs((ends * pattern).mean(axis=(1, 2))).mean() > 0.8
    with pytest.raises(InvalidInput, match="as many visible units"):
        rf.Stack(stack.machines[::-1])


def test_block_spins_are_those_of_the_majority_rule():
    flow = rf.iterate(0, rf.BlockSpins(), START, 2)
    blocks = flow.at(1).reshape(-1, 2, 2, 2, 2).sum(axis=(2, 4))
    sums = np.asarray(START).reshape(-1, 2, 2, 2, 2).sum(axis=(2, 4))
    assert (np.abs(blocks) == 4).all()
    assert (np.sign(blocks) == np.sign(sums))[sums != 0].all()
    np.testing.assert_array_equal(flow.at(1), flow.at(2))


@pytest.mark.slow
@pytest.mark.parametrize("temperature", [2.0, 3.0])
def test_a_map_that_draws_from_equilibrium_ends_at_its_temperature_by_every_thermometer(temperature):
    """The errors that are told of 200 flows, each with its own draws, cover the truth as often as they say."""
    draws = np.asarray(rf.thermal(9, MODEL, temperature, 200 * 2 * 200)).reshape(200, 2, 200, 4, 4)
    exact, start = rf.equilibrium.exact(MODEL), np.ones((200, 4, 4), np.int8)
    steps = iter(draws.reshape(400, 200, 4, 4))
    drawing = rf.host(lambda generator, spins: next(steps))
    ends = [rf.iterate(0, drawing, start, 2).spins for _ in draws]
    for name in ("energy", "magnetization", "correlation"):
        read = [rf.Thermometer(name, exact).temperature(spins) for spins in ends]
        pulls = [(float(one.temperature) - temperature) / float(one.error) for one in read]
        assert abs(np.mean(pulls)) < 5 / np.sqrt(200), name
        assert abs(np.mean(np.abs(pulls) < 1) - 0.683) < 5 * np.sqrt(0.683 * 0.317 / 200), name
    classes = np.array([1.0, temperature, 5.0])
    posterior = np.mean([exact.posterior(spins, classes).mean(axis=0) for spins in ends], axis=0)
    own = np.asarray(exact.posterior(np.asarray(rf.thermal(10, MODEL, temperature, 20_000)), classes)).mean(axis=0)
    np.testing.assert_allclose(posterior, own, atol=0.02)


def test_a_stack_of_a_spec_is_trained_greedily_and_goes_on_in_the_layer_where_it_was_killed(tmp_path):
    learning = {"machine": {"kind": "stack", "hidden": 8, "layers": [4]}, "training": {"epochs": 3, "batch": 20}}
    tables = {"name": "stacked", "seeds": 1, "lattice": {"length": 4}, "types": {"V": {}}, **learning}
    whole = parse({**tables, "sampling": {"temperatures": [2.0], "draws": 60}, "flow": {"starts": ["cold"]}})
    steps = {step.kind: step for step in graph(whole)}
    drawn = compute(steps["draws"], (), tmp_path, lambda _: None)
    undisturbed = compute(steps["learner"], (drawn,), tmp_path / "one", lambda _: None)
    stack, diverged = restored(undisturbed, MODEL, "sampled")
    assert not diverged
    assert [one.weights.shape for one in stack.machines] == [(16, 8), (8, 4)]
    untrained = rf.Stack.random(0, MODEL, MachineSettings(kind="stack", hidden=8, layers=(4,)))
    assert untrained.shape == stack.shape == (4, 4)

    def killed(fraction):
        if fraction > 0.4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compute(steps["learner"], (drawn,), tmp_path / "two", killed)
    resumed = compute(steps["learner"], (drawn,), tmp_path / "two", lambda _: None)
    assert resumed.identical(undisturbed)
    with pytest.raises(InvalidInput, match="layers"):
        MachineSettings(layers=(4,))
    with pytest.raises(InvalidInput, match="width"):
        MachineSettings(kind="stack", width=4)
