"""Changes of a machine that leave the probability of every configuration as it was."""

import h5py
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra.numpy import arrays

from rbmflow import enumeration
from rbmflow._checks import InvalidInput
from rbmflow.likelihood import exact_log_partition, free_energy
from rbmflow.rbm import RBM

VISIBLE, HIDDEN = 4, 3
# Multiples of 1/64 of moderate size, so that float32 holds every product of the conversions exactly.
NUMBERS = st.integers(-160, 160).map(lambda number: number / 64)
UNITS = ("-1/+1", "0/1")


# Machines are made in the tests, since shape checks draw random numbers, which strategies must not.
PARAMETERS = st.tuples(
    arrays(np.float64, (VISIBLE, HIDDEN), elements=NUMBERS),
    arrays(np.float64, VISIBLE, elements=NUMBERS),
    arrays(np.float64, HIDDEN, elements=NUMBERS),
    st.sampled_from(UNITS),
)


def foreign(parameters) -> RBM:
    *arrays, units = parameters
    return RBM.from_weights(*arrays, units=units)


def log_p(machine: RBM) -> np.ndarray:
    return enumeration.visible_log_probability(machine)


@settings(max_examples=40, deadline=None)
@given(PARAMETERS, st.sampled_from(UNITS))
def test_units_do_not_change_the_probability_and_convert_back_exactly(parameters, name):
    machine = foreign(parameters)
    other = machine.in_units(name)
    assert other.units.name == name
    np.testing.assert_allclose(log_p(other), log_p(machine), atol=1e-10)
    back = other.in_units(machine.units.name)
    for leaf, again in zip(jax.tree.leaves(machine), jax.tree.leaves(back), strict=True):
        np.testing.assert_array_equal(leaf, again)


@settings(max_examples=40, deadline=None)
@given(PARAMETERS, st.permutations(range(HIDDEN)))
def test_hidden_units_may_be_reordered(parameters, order):
    machine = foreign(parameters)
    at = jnp.array(order)
    reordered = RBM(machine.weights[:, at], machine.visible_bias, machine.hidden_bias[at], machine.units)
    np.testing.assert_allclose(log_p(reordered), log_p(machine), atol=1e-10)


@settings(max_examples=40, deadline=None)
@given(PARAMETERS, st.lists(st.booleans(), min_size=HIDDEN, max_size=HIDDEN))
def test_hidden_units_may_be_turned_over(parameters, turned):
    """The sign gauge of units -1/+1, in any units: h_j -> -h_j with its weights and its bias."""
    machine = foreign(parameters)
    spins = machine.in_units("-1/+1")
    signs = jnp.where(jnp.array(turned), -1.0, 1.0)
    flipped = RBM(spins.weights * signs[None, :], spins.visible_bias, spins.hidden_bias * signs, spins.units)
    np.testing.assert_allclose(log_p(flipped.in_units(machine.units.name)), log_p(machine), atol=1e-10)


@settings(max_examples=40, deadline=None)
@given(PARAMETERS, arrays(np.float64, VISIBLE, elements=NUMBERS), arrays(np.float64, HIDDEN, elements=NUMBERS))
def test_centred_writing_is_the_same_machine(parameters, mean_visible, mean_hidden):
    """The energy -(v - mu) W (h - lambda) - b' v - c' h with b' = b + W lambda, c' = c + W^T mu."""
    machine = foreign(parameters)
    weights, b, c = (np.asarray(leaf, np.float64) for leaf in jax.tree.leaves(machine))
    visible, hidden = (machine.units.listed(count) for count in weights.shape)
    centred = (visible - mean_visible) @ weights @ (hidden - mean_hidden).T
    joint = centred + (visible @ (b + weights @ mean_hidden))[:, None] + hidden @ (c + weights.T @ mean_visible)
    weight = np.exp(joint - joint.max()).sum(axis=1)
    np.testing.assert_allclose(np.log(weight / weight.sum()), log_p(machine), atol=1e-10)


@settings(max_examples=40, deadline=None)
@given(PARAMETERS)
def test_without_biases_spins_may_all_be_turned_over(parameters):
    machine = foreign(parameters)
    spins = RBM.from_weights(machine.weights, None, None, units="-1/+1", axes="visible, hidden")
    np.testing.assert_allclose(log_p(spins), log_p(spins)[::-1], atol=1e-12)


@settings(max_examples=20, deadline=None)
@given(PARAMETERS)
def test_probabilities_sum_to_one(parameters):
    machine = foreign(parameters)
    states = machine.units.listed(VISIBLE)
    total = np.exp(-free_energy(machine, states) - exact_log_partition(machine).value).sum()
    assert total == pytest.approx(1, abs=1e-12)


def test_weights_from_elsewhere_are_kept():
    weights = np.arange(12).reshape(4, 3)
    machine = RBM.from_weights(weights, None, np.arange(1, 4), units="0/1")
    np.testing.assert_array_equal(machine.weights, weights)
    np.testing.assert_array_equal(machine.visible_bias, np.zeros(4))
    np.testing.assert_array_equal(machine.hidden_bias, [1, 2, 3])
    assert machine.units.name == "0/1"


def rbms_file(path, kind):
    """Checkpoints as rbms/io.py of the package rbms writes them."""
    with h5py.File(path, "w") as file:
        for update in (5, 20):
            checkpoint = file.create_group(f"update_{update}")
            params = checkpoint.create_group("params")
            for name, shape in (("weight_matrix", (4, 3)), ("vbias", (4,)), ("hbias", (3,))):
                params[name] = np.full(shape, update, np.float32)
                checkpoint[name] = params[name]
            checkpoint["torch_rng_state"] = np.zeros(16, np.uint8)
            checkpoint["numpy_rng_arg0"] = "MT19937"
            checkpoint["time"] = 1.5
            checkpoint.create_group("flags")["checkpoint"] = True
        file["parallel_chains"] = np.zeros((7, 4), np.float32)
        file["model_type"] = kind
    return path


@pytest.mark.parametrize(("kind", "units"), [("BBRBM", "0/1"), ("IIRBM", "-1/+1")])
def test_checkpoints_of_rbms_are_read(tmp_path, kind, units):
    path = rbms_file(tmp_path / "rbm.h5", kind)
    last, first = RBM.read(path, units=units), RBM.read(path, units=units, part="update_5")
    assert last.units.name == units
    np.testing.assert_array_equal(last.weights, np.full((4, 3), 20))
    np.testing.assert_array_equal(first.hidden_bias, np.full(3, 5))
    with pytest.raises(InvalidInput, match="update_5, update_20"):
        RBM.read(path, units=units, part="update_6")
    with pytest.raises(InvalidInput, match="the file says that they are"):
        RBM.read(path, units={"0/1": "-1/+1", "-1/+1": "0/1"}[units])


def test_the_last_whole_checkpoint_of_rbms_is_read(tmp_path):
    path = rbms_file(tmp_path / "rbm.h5", "BBRBM")
    with h5py.File(path, "a") as file:
        last = max(file, key=lambda name: int(name[7:]) if name.startswith("update_") else -1)
        del file[last]["params"]["hbias"], file[last]["hbias"]
    last, first = RBM.read(path, units="0/1"), RBM.read(path, units="0/1", part="update_5")
    assert jnp.array_equal(last.weights, first.weights)
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(InvalidInput, match="it must be a whole HDF5 file"):
        RBM.read(path, units="0/1")


def test_parameters_of_torch_that_need_a_gradient_are_read():
    class Parameter:
        """What torch does: no array until the gradient is left behind."""

        def __array__(self, *_, **__):
            raise RuntimeError("Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.")

        def detach(self):
            return self

        def cpu(self):
            return np.ones((4, 2), np.float32)

    assert RBM.from_weights(Parameter(), np.zeros(4), None, units="0/1").weights.shape == (4, 2)


def test_other_machines_of_rbms_are_refused(tmp_path):
    with pytest.raises(InvalidInput, match="PBRBM"):
        RBM.read(rbms_file(tmp_path / "rbm.h5", "PBRBM"), units="0/1")


def test_weights_stored_the_other_way_round_are_told_by_their_biases():
    weights, visible, hidden = np.arange(12).reshape(3, 4), np.arange(4), np.arange(3)
    turned = weights.T
    for matrix, axes in ((weights, None), (turned, None), (weights, "hidden, visible"), (turned, "visible, hidden")):
        machine = RBM.from_weights(matrix, visible, hidden, units="0/1", axes=axes)
        np.testing.assert_array_equal(machine.weights, weights.T)
        np.testing.assert_array_equal(machine.visible_bias, visible)


@pytest.mark.usefixtures("as_people_call")
@pytest.mark.parametrize(
    ("weights", "visible", "hidden"),
    [
        (np.zeros((4, 4)), np.zeros(4), np.zeros(4)),
        (np.zeros((4, 3)), None, None),
        (np.zeros((4, 4)), None, np.zeros(4)),
    ],
)
def test_weights_that_fit_both_ways_are_asked_for_their_axes(weights, visible, hidden):
    with pytest.raises(InvalidInput, match=r"axes = None .* fits both ways"):
        RBM.from_weights(weights, visible, hidden, units="0/1")
    assert (
        RBM.from_weights(weights, visible, hidden, units="0/1", axes="visible, hidden").weights.shape == weights.shape
    )
    with pytest.raises(InvalidInput, match=r"axes = 'rows' .* 'visible, hidden' or 'hidden, visible'"):
        RBM.from_weights(weights, visible, hidden, units="0/1", axes="rows")


@pytest.mark.usefixtures("as_people_call")
def test_units_and_biases_of_foreign_weights_must_be_said():
    for rest in ({}, {"units": "0/1"}):
        with pytest.raises(TypeError, match="missing"):
            RBM.from_weights(np.zeros((4, 3)), **rest)
    for rest in ({}, {"units": None}):
        with pytest.raises(InvalidInput, match="units = None is not allowed: they must be given"):
            RBM.from_weights(np.zeros((4, 3)), np.zeros(4), np.zeros(3), **rest)


@pytest.mark.parametrize(
    ("weights", "visible", "hidden", "field"),
    [
        (np.zeros(3), None, None, "shape of weights"),
        (np.zeros((4, 3)), np.zeros(5), None, "sizes of visible_bias and hidden_bias"),
        (np.zeros((4, 3)), np.zeros(3), np.zeros(3), "sizes of visible_bias and hidden_bias"),
        (np.zeros((4, 3)), np.zeros((4, 1)), None, "shape of visible_bias"),
        (np.zeros((4, 3)), None, np.array([0, np.nan, 0]), "hidden_bias"),
        (np.full((4, 3), np.inf), None, None, "weights"),
        (np.full((4, 3), 1e300), None, None, "weights"),
    ],
)
def test_weights_that_cannot_be_used_are_named(weights, visible, hidden, field):
    with pytest.raises(InvalidInput) as caught:
        RBM.from_weights(weights, visible, hidden, units="-1/+1")
    assert field in [problem.field for problem in caught.value.problems]
