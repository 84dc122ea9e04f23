"""The bit generator against the published algorithm, and the quality of its lanes."""

import zlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import rbmflow as rf
from rbmflow.random import Generator, Shuffles, Streams, key_for, random_spins, split, threefry_words

ONES = 0xFFFFFFFF


def rotate(x, k):
    return ((x << k) | (x >> (32 - k))) & ONES


def reference(state, count):
    """xoshiro128++ 1.0 of Blackman and Vigna in plain integers."""
    s = list(state)
    words = []
    for _ in range(count):
        words.append((rotate((s[0] + s[3]) & ONES, 7) + s[0]) & ONES)
        t = (s[1] << 9) & ONES
        s[2] ^= s[0]
        s[3] ^= s[1]
        s[1] ^= s[2]
        s[0] ^= s[3]
        s[2] ^= t
        s[3] = rotate(s[3], 11)
    return words


def draw(generator, count):
    def step(at, _):
        return at.words()

    return np.asarray(jax.lax.scan(step, generator, length=count)[1])


@pytest.mark.parametrize(("most", "few"), [(0, 0), (2**20, 0), (2**20, 16), (2**20, 2**20)])
def test_the_host_makes_the_words_of_jax(monkeypatch, most, few):
    monkeypatch.setattr("rbmflow.random.MOST_ON_HOST", most)
    monkeypatch.setattr("rbmflow.random.FEW_WORDS", few)
    for key in (jax.random.key(0), jax.random.key(2**32 - 1), jax.random.key(1, impl="rbg")):
        np.testing.assert_array_equal(threefry_words(key, (4, 5, 3)), jax.random.bits(key, (4, 5, 3)))
        np.testing.assert_array_equal(random_spins(key, (4, 50)), jax.random.rademacher(key, (4, 50), np.int8))
        folded = jax.random.fold_in(key, zlib.crc32(b"purpose"))
        pairs = [*zip(split(key, 3), jax.random.split(key, 3), strict=True), (key_for(key, "purpose"), folded)]
        for one, other in pairs:
            assert one.dtype == other.dtype == key.dtype
            np.testing.assert_array_equal(jax.random.key_data(one), jax.random.key_data(other))


def test_words_are_those_of_the_published_algorithm():
    states = [(1, 2, 3, 4), (0xDEADBEEF, 1, ONES, 0x80000000)]
    generator = Generator(*(jnp.asarray(column, jnp.uint32) for column in zip(*states, strict=True)))
    words = draw(generator, 100)
    # The first outputs of state (1, 2, 3, 4), as printed in other implementations of xoshiro128++.
    assert words[:3, 0].tolist() == [641, 1573767, 3222811527]
    for lane, state in enumerate(states):
        assert words[:, lane].tolist() == reference(state, 100)


def test_streams_start_the_published_algorithm_from_the_hashed_counter():
    streams = Streams.seeded(jax.random.key(1), (5,))
    generator = streams.at(12)
    state = [int(np.asarray(part)[3]) for part in (generator.first, generator.second, generator.third)]
    state.append(int(np.asarray(generator.fourth)[3]))
    assert draw(generator, 20)[:, 3].tolist() == reference(state, 20)


@pytest.mark.parametrize("source", ["generator", "streams"])
def test_every_bit_is_fair_and_lanes_are_uncorrelated(source):
    lanes, count = 64, 4096
    if source == "generator":
        words = draw(Generator.seeded(jax.random.key(2), (lanes,)), count)
    else:
        streams = Streams.seeded(jax.random.key(2), (lanes,))
        draws = jax.jit(jax.vmap(lambda at: jax.lax.scan(lambda g, _: g.words(), streams.at(at), length=16)[1]))
        words = np.asarray(draws(jnp.arange(count // 16, dtype=jnp.uint32))).reshape(count, lanes)
    bits = np.unpackbits(words.view(np.uint8), bitorder="little").reshape(count, lanes * 32) * np.float32(2) - 1
    assert np.abs(bits.mean(axis=0)).max() < 6 / np.sqrt(count)
    for lag in (0, 1, 16):
        pairs = ~np.eye(lanes * 32, dtype=bool) if lag == 0 else slice(None)
        correlation = (bits[: count - lag].T @ bits[lag:] / (count - lag))[pairs]
        # 4 million pairs: the largest of that many normal deviates stays below 6.5.
        assert np.abs(correlation).max() < 6.5 / np.sqrt(count - lag)
        assert (correlation**2).mean() * (count - lag) == pytest.approx(1, abs=5 * np.sqrt(4 / correlation.size))


def test_uniform_and_symmetric_fill_their_ranges():
    generator = Generator.seeded(jax.random.key(3), (1000,))
    uniform, symmetric = [], []
    for _ in range(100):
        generator, u = generator.uniform()
        generator, v = generator.symmetric()
        uniform.append(np.asarray(u))
        symmetric.append(np.asarray(v))
    uniform, symmetric = np.concatenate(uniform), np.concatenate(symmetric)
    assert uniform.min() >= 0
    assert uniform.max() < 1
    assert symmetric.min() >= -1
    assert symmetric.max() < 1
    assert stats.kstest(uniform, "uniform").pvalue > 1e-6
    assert stats.kstest(symmetric, "uniform", (-1, 2)).pvalue > 1e-6
    assert np.all(uniform * 2**24 == np.round(uniform * 2**24))


def test_the_range_of_the_extreme_words():
    # A state whose next word is 0 or all ones: (s0 + s3) rotated plus s0.
    for first, fourth, word in ((0, 0, 0), (0, ONES, ONES)):
        one = Generator(*(jnp.asarray([part], jnp.uint32) for part in (first, 1, 1, fourth)))
        assert int(one.words()[1][0]) == word
        assert 0 <= float(one.uniform()[1][0]) < 1
        assert -1 <= float(one.symmetric()[1][0]) < 1


def test_same_key_same_words_other_key_others():
    one, two, other = (draw(Generator.seeded(jax.random.key(k), (4,)), 8) for k in (5, 5, 6))
    assert np.array_equal(one, two)
    assert not np.any(one == other)


@pytest.mark.parametrize("size", [1, 2, 7, 1000, 25_000])
def test_shuffles_are_permutations_that_change(size):
    shuffles = Shuffles.seeded(jax.random.key(1))
    orders = [np.asarray(shuffles.at(count, size)) for count in range(3)]
    for order in orders:
        np.testing.assert_array_equal(np.sort(order), np.arange(size))
    assert size < 100 or (np.mean(orders[0] == orders[1]) < 0.01 and np.mean(orders[1] == orders[2]) < 0.01)


def test_shuffles_put_every_pair_anywhere():
    """Uniform ordered pairs of places over counts and keys: chi^2 within five sigma."""
    size = 12
    draw = jax.jit(jax.vmap(lambda key: jax.vmap(lambda count: Shuffles.seeded(key).at(count, size))(jnp.arange(200))))
    orders = np.asarray(draw(jax.random.split(jax.random.key(2), 500))).reshape(-1, size)
    for first, second in ((0, 1), (3, 11)):
        counts = np.bincount(orders[:, first] * size + orders[:, second], minlength=size**2)
        counts = counts.reshape(size, size)[~np.eye(size, dtype=bool)]
        expected = len(orders) / counts.size
        chi2 = np.sum((counts - expected) ** 2 / expected)
        assert abs(chi2 - (counts.size - 1)) < 5 * np.sqrt(2 * (counts.size - 1))


def test_a_batch_of_a_sorted_set_is_a_fair_sample():
    """The mean place of a batch has the mean and the spread of draws without replacement."""
    size, batch = 5000, 100
    shuffles = Shuffles.seeded(jax.random.key(3))
    order = jax.jit(lambda count: shuffles.at(count, size))
    means = np.concatenate([np.asarray(order(count)).reshape(-1, batch).mean(axis=1) for count in range(200)])
    spread = np.sqrt((size + 1) * (size - batch) / (12 * batch))
    assert abs(means[::2].mean() - (size - 1) / 2) < 5 * spread / np.sqrt(len(means) / 2)
    assert means.std() == pytest.approx(spread, rel=5 / np.sqrt(2 * len(means)))


def test_one_key_for_two_uses_gives_two_streams():
    """Chains that share their random numbers meet: the flows of a machine that is nearly free would be the same."""
    key, model = jax.random.key(4), rf.ising(rf.square(4))
    cold, hot = rf.cold(key, model, 200), rf.hot(key, model, 200)
    assert np.mean(np.asarray(cold) == np.asarray(hot)) == pytest.approx(0.5, abs=0.2)
    machine, other = (rf.RBM(jnp.full((16, 3), w), jnp.zeros(16), jnp.zeros(3)) for w in (0.0, 0.001))
    flows = [rf.iterate(key, *one, 2).spins for one in ((machine, cold), (machine, hot), (other, cold))]
    for number, flow in enumerate(flows):
        for another in flows[:number]:
            assert float(jnp.mean(flow == another)) == pytest.approx(0.5, abs=5 / np.sqrt(4 * flow.size))
    np.testing.assert_array_equal(flows[0], rf.iterate(key, machine, cold, 2).spins)
