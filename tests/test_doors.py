"""What public calls take in: right in any form, refused in a sentence otherwise."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rbmflow as rf
from rbmflow._checks import InvalidInput
from rbmflow._doors import key_of, rows_of, spins_of, temperatures_of

SPINS = np.random.default_rng(0).choice([-1, 1], (3, 5, 4, 4)).astype(np.int8)


@pytest.mark.parametrize("dtype", ["int8", "int16", "int64", "float16", "float32", "float64"])
def test_spins_of_any_signed_type_are_the_same_spins(dtype):
    for given in (SPINS.astype(dtype), SPINS.astype(dtype).tolist(), jnp.asarray(SPINS, jnp.dtype("float32"))):
        found = spins_of(given, (4, 4))
        assert found.dtype == np.int8
        np.testing.assert_array_equal(found, SPINS)


def test_records_and_single_configurations_are_spins():
    draws = rf.Draws(SPINS, [1.0, 2.0, 3.0])
    np.testing.assert_array_equal(spins_of(draws, (4, 4)), SPINS)
    np.testing.assert_array_equal(spins_of(rf.Flow((0, 1, 2), jnp.asarray(SPINS))), SPINS)
    assert spins_of(SPINS[0, 0], (4, 4)).shape == (4, 4)
    assert rows_of(draws, 16).shape == (15, 16)
    assert rows_of(SPINS.reshape(-1, 16), 16).shape == (15, 16)


@pytest.mark.parametrize(
    "given",
    [
        (SPINS + 1) // 2,
        SPINS > 0,
        ((SPINS + 1) // 2).astype(np.uint8),
        SPINS.astype(np.uint8),
        np.where(SPINS > 0, np.nan, -1.0),
        SPINS * 0.5,
        SPINS.astype(complex),
        np.full((2, 4, 4), "up"),
        np.ma.masked_equal(SPINS, 1),
        np.ones((2, 8, 8)),
        np.ones((0, 4, 4)),
        np.ones(4),
        None,
        "spins",
        [[1, -1], [1]],
    ],
)
def test_what_are_no_spins_of_the_lattice_is_refused(given):
    with pytest.raises(InvalidInput):
        spins_of(given, (4, 4))


def test_data_of_zeros_and_ones_are_told_how_to_be_read():
    with pytest.raises(InvalidInput, match=r"0/1 here: pass 2 \* x - 1"):
        spins_of((SPINS + 1) // 2)


def test_traced_spins_are_read_by_shape():
    assert jax.jit(lambda spins: spins_of(spins, (4, 4)))(jnp.asarray(SPINS)).dtype == jnp.int8
    with pytest.raises(InvalidInput, match="shape of spins"):
        jax.jit(lambda spins: spins_of(spins, (4, 5)))(jnp.asarray(SPINS))


def test_keys_of_either_kind_and_whole_numbers_are_keys():
    wanted = jax.random.key_data(jax.random.key(3))
    for given in (3, np.int64(3), jnp.asarray(3), jax.random.PRNGKey(3), np.asarray(jax.random.PRNGKey(3))):
        np.testing.assert_array_equal(jax.random.key_data(key_of(given)), wanted)


@pytest.mark.parametrize(
    "given",
    [None, -1, 2**32, 1.5, True, "0", np.random.default_rng(0), jnp.zeros(3), jax.random.split(jax.random.key(0))],
)
def test_what_is_no_key_is_refused(given):
    with pytest.raises(InvalidInput, match="key"):
        key_of(given)


def test_temperatures_come_in_many_forms():
    for given in (2, 2.0, np.float32(2), jnp.asarray(2.0), [2.0], (t for t in [2.0]), map(float, ["2"]), np.array([2])):
        assert temperatures_of(given) == (2.0,)
    for given in ([3.0, 2.0], [2.0, 2.0], [-1.0], [float("nan")], "12", None, [[1.0], [2.0]], [], [None]):
        with pytest.raises(InvalidInput, match="temperatures"):
            temperatures_of(given)
