"""Symmetries of models, against counting, and trainings that go by them."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rbmflow as rf
from rbmflow._checks import InvalidInput
from rbmflow.settings import MachineSettings, TrainingSettings
from rbmflow.spec import parse
from rbmflow.symmetry import Symmetries, point_group
from rbmflow.training import train_ensemble, train_map

MODELS = {
    "chain": (rf.ising(rf.chain(6)), 2, 2),
    "square": (rf.ising(rf.square(4)), 8, 2),
    "rectangle": (rf.ising(rf.square(4, 6)), 4, 2),
    "anisotropic": (rf.ising(rf.square(4), couplings=[1.0, 0.5]), 4, 2),
    "field": (rf.ising(rf.square(4), field=0.3), 8, 1),
    "triangular": (rf.potts(rf.triangular(4), 3), 12, 6),
    "honeycomb": (rf.clock(rf.honeycomb(3), 4), 12, 8),
    "kagome": (rf.ising(rf.kagome(3)), 12, 2),
    "cubic": (rf.blume_capel(rf.cubic(3), 0.5), 48, 2),
    "hypercubic": (rf.ising(rf.hypercubic((3, 3, 3, 3))), 384, 2),
    "bonds along a diagonal": (
        rf.ising(rf.Lattice((4, 4), [(0, 0, (0, 1)), (0, 0, (1, 0)), (0, 0, (1, 1), 1)]), couplings=[1.0, -0.4]),
        4,
        2,
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_symmetries_change_no_energy(name):
    model, turned, permuted = MODELS[name]
    own = Symmetries.of(model)
    assert (len(own.turned), len(own.permuted)) == (turned, permuted)
    assert all(sorted(one) == list(range(model.lattice.sites)) for one in point_group(model).tolist())
    states = np.array(model.states, np.int8)
    spins = np.random.default_rng(1).choice(states, (50, *model.lattice.shape))
    moved = own.moved(jax.random.key(2), jnp.asarray(spins))
    assert (np.asarray(moved) != spins).any()
    np.testing.assert_allclose(model.total_energy(moved), model.total_energy(spins), atol=1e-4)
    np.testing.assert_allclose(
        model.total_energy(spins.reshape(-1, model.lattice.sites)[:, point_group(model)].reshape(-1, *spins.shape[1:])),
        np.repeat(model.total_energy(spins), turned),
        atol=1e-4,
    )


def test_all_images_of_a_configuration_come_equally_often():
    model, draws = rf.ising(rf.square(3)), 40_000
    spins = np.array([[1, 1, -1], [-1, 1, -1], [-1, -1, -1]], np.int8)
    images = set()
    for flip, turn, mirror, y, x in itertools.product((1, -1), range(4), (1, -1), range(3), range(3)):
        image = np.roll(np.rot90(flip * spins, turn)[:, ::mirror], (y, x), (0, 1))
        images.add(image.tobytes())
    moved = np.asarray(Symmetries.of(model).moved(jax.random.key(3), jnp.tile(spins, (draws, 1, 1))))
    found, counts = np.unique(moved.reshape(draws, -1), axis=0, return_counts=True)
    assert {one.tobytes() for one in found} == images
    share = 1 / len(images)
    assert (np.abs(counts / draws - share) < 5 * np.sqrt(share * (1 - share) / draws)).all()


def test_one_configuration_and_its_symmetries_teach_all_its_images():
    # The data are one configuration; what is learnt by its symmetries is the law that is uniform over its 32 images.
    model = rf.ising(rf.square(4))
    spins = np.ones((1, 4, 4), np.int8)
    spins[0, 0, 0] = -1
    data = np.repeat(spins, 64, axis=0)
    settings = {"hidden": 12, "epochs": 400, "batch": 64, "learning_rate": 0.1, "steps": 5, "checkpoints": 2}
    machine, _ = rf.train(4, data, symmetries=model, **settings)
    images = np.concatenate(
        [sign * np.roll(spins, (y, x), (1, 2)) for sign in (1, -1) for y in range(4) for x in range(4)]
    )
    told, alone = (
        -np.asarray(one.free_energy(jnp.asarray(images.reshape(32, -1), jnp.float32)))
        for one in (machine, rf.train(4, data, **settings)[0])
    )
    assert np.ptp(told) < 1 < 5 < np.ptp(alone)


def test_trainings_go_by_the_symmetries_of_the_model_alone():
    model = rf.ising(rf.square(4))
    draws = rf.sample(5, model, [2.0], 40)
    with pytest.raises(InvalidInput, match=r"symmetries = .*data of 16 sites must be of a model with as many"):
        rf.train(6, draws, epochs=1, batch=10, symmetries=rf.ising(rf.square(5)))
    with pytest.raises(InvalidInput, match="they are of another lattice"):
        rf.train(6, draws, epochs=1, batch=10, symmetries=rf.ising(rf.triangular(4)))
    with pytest.raises(InvalidInput, match="hidden units, from which the upper machines learn"):
        rf.train_stack(6, draws, (4, 2), epochs=1, batch=10, symmetries=model)
    training = TrainingSettings(epochs=2, batch=10, symmetries=True)
    with pytest.raises(InvalidInput, match=r"symmetries = None .*a model"):
        train_ensemble([6], draws, MachineSettings(hidden=4), training)
    alone, _ = rf.train(6, draws, hidden=4, epochs=2, batch=10, symmetries=model)
    ((together, _),) = train_ensemble([6], draws, MachineSettings(hidden=4), training, model)
    np.testing.assert_allclose(alone.weights, together.weights, atol=1e-5)
    untrained = rf.Autoencoder.random(0, model, MachineSettings(kind="autoencoder", hidden=4, width=8))
    moved, still = (
        train_map(7, untrained, draws, TrainingSettings(epochs=2, batch=10, symmetries=on), model=model)[0]
        for on in (True, False)
    )
    assert any(
        (a != b).any() for a, b in zip(*map(jax.tree.leaves, (moved, still)), strict=True) if hasattr(a, "shape")
    )


def test_a_spec_refuses_symmetries_of_what_has_none():
    told = r"training.symmetries = True is not allowed: hidden units of a stack have none, so it must be false"
    with pytest.raises(InvalidInput, match=told):
        parse({"name": "x", "machine": {"kind": "stack", "layers": [4]}, "training": {"symmetries": True}})
