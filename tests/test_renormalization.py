"""Block spins by hand, and the known fixed points of the coupling transformations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import brentq

import rbmflow as rf
from rbmflow._checks import InvalidInput
from rbmflow.renormalization import decimate, decimated_coupling, majority_rule, migdal_kadanoff_coupling


def test_majority_follows_the_block_sums():
    spins = jnp.array([[1, 1, -1, -1], [1, -1, -1, -1], [1, 1, -1, -1], [1, 1, 1, -1]], jnp.int8)
    assert majority_rule(jax.random.key(0), spins).tolist() == [[1, -1], [1, -1]]


def test_ties_are_broken_evenly():
    tied = jnp.tile(jnp.array([[1, -1], [-1, 1]], jnp.int8), (100, 50))
    blocks = np.asarray(majority_rule(jax.random.key(1), tied))
    assert set(np.unique(blocks)) == {-1, 1}
    assert abs(blocks.mean()) < 5 / np.sqrt(blocks.size)


def test_decimation_keeps_one_spin_of_each_block():
    spins = np.random.default_rng(0).choice([-1, 1], (5, 6, 6))
    np.testing.assert_array_equal(decimate(spins, 3), spins[:, ::3, ::3])


def test_a_block_must_divide_the_lattice():
    with pytest.raises(InvalidInput, match="block = 3 is not allowed"):
        decimate(jnp.ones((4, 4), jnp.int8), 3)


def test_decimated_chain_against_the_sum_over_the_middle_spin():
    coupling = np.array([0.1, 0.7, 2.0])
    aligned, opposed = 2 * np.cosh(2 * coupling), 2.0
    np.testing.assert_allclose(decimated_coupling(coupling), 0.5 * np.log(aligned / opposed), atol=1e-14)
    assert np.isfinite(decimated_coupling(1e4))


def test_migdal_kadanoff_fixed_point_and_exponent():
    fixed = brentq(lambda k: float(migdal_kadanoff_coupling(k)) - k, 0.1, 1.0, xtol=1e-13)
    assert fixed == pytest.approx(0.3047, abs=1e-4)
    slope = (migdal_kadanoff_coupling(fixed + 1e-6) - migdal_kadanoff_coupling(fixed - 1e-6)) / 2e-6
    assert np.log2(slope) == pytest.approx(0.747, abs=1e-3)


def test_block_spins_of_any_model_are_the_most_frequent_states():
    model = rf.potts(rf.honeycomb(4), 3)
    spins = np.random.default_rng(0).integers(0, 3, (4000, *model.lattice.shape)).astype(np.int8)
    blocks = np.asarray(majority_rule(jax.random.key(2), spins, 2, model))
    inner = spins.reshape(4000, 2, 2, 2, 2, 2).transpose(0, 1, 3, 5, 2, 4).reshape(4000, 2, 2, 2, 4)
    votes = np.stack([(inner == state).sum(axis=-1) for state in range(3)], axis=-1)
    assert (np.take_along_axis(votes, blocks[..., None].astype(int), -1)[..., 0] == votes.max(axis=-1)).all()
    tied = blocks[(votes == [2, 2, 0]).all(axis=-1)]
    assert abs(tied.mean() - 0.5) < 2.5 / np.sqrt(tied.size)
    np.testing.assert_array_equal(decimate(spins, 2, model), inner[..., 0])
