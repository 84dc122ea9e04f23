"""Markov chains of every method against exact values; replicas, reproducibility, choice of method, records."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import curve_fit

import rbmflow as rf
from rbmflow import exact
from rbmflow._checks import InvalidInput
from rbmflow.dataset import Draws
from rbmflow.diagnostics import tau_int
from rbmflow.random import Streams
from rbmflow.sampler import (
    HeatBath,
    Metropolis,
    SwendsenWang,
    TableTransferMatrix,
    TransferMatrix,
    Wolff,
    chains,
    method_for,
    sample,
    sharing,
)
from rbmflow.sampler.method import Kernel
from rbmflow.sampler.multispin import below, counts, digits, unpack

CRITICAL = exact.critical_temperature()
FEW = [1.8, CRITICAL, 2.6, 5.0]
TEN = [1.0, 1.5, 2.0, 2.2, CRITICAL, 2.35, 2.5, 3.0, 4.0, 6.0]
METHODS = [Metropolis(), HeatBath(), SwendsenWang(), Wolff(2)]


def ready(method):
    if method.refusal(rf.ising(rf.square(4))) is not None:
        pytest.skip("numba is not installed")
    return method


def deviations(draws, model):
    """(mean - exact) / error of E, E^2, |m|, m^2, m^4 and three two-point functions, errors by the measured ESS.

    At every temperature; of magnetization and two-point functions the exact values are known up to a side of 12.
    """
    temperatures = np.array(draws.temperatures)
    energy = np.asarray(model.energy(draws.spins), float)
    m = np.asarray(model.magnetization(draws.spins), float)
    mean = exact.energy(model, temperatures)
    square = mean**2 + temperatures**2 * exact.specific_heat(model, temperatures) / model.lattice.sites
    pairs = [(energy, mean), (energy**2, square)]
    if min(model.lattice.shape) <= 12:
        pairs.append((np.abs(m), exact.abs_magnetization(model, temperatures)))
        pairs += [(m**power, exact.magnetization_moment(model, temperatures, power)) for power in (2, 4)]
        two_point = exact.two_point(model, temperatures)
        ly, lx = model.lattice.shape
        for y, x in {(1, 1), (0, 2 % lx), (ly // 2, lx // 2)} - {(0, 0)}:
            moved = np.roll(draws.spins, (y, x), (-2, -1))
            pairs.append(((draws.spins * moved).mean(axis=(-2, -1)), two_point[:, y, x]))
    ess = np.array([one.ess for one in draws.chains])
    return np.array([(x.mean(axis=1) - y) / (x.std(axis=1) / np.sqrt(ess)) for x, y in pairs])


def agree(method, shape, temperatures, draws):
    model = rf.ising(rf.square(*shape))
    drawn = sample(jax.random.key(sum(shape)), model, temperatures, draws, ready(method))
    away = deviations(drawn, model)
    assert np.abs(away).max() < 5
    # The errors are honest: over 40 keys this mean is 1. What is measured at one temperature varies together, so that
    # four temperatures are four numbers: above 5 once in 2000.
    assert 0.1 < (away**2).mean() < 5
    assert drawn.flags == ()
    assert all(one.ess > 0.8 * draws for one in drawn.chains)


@pytest.mark.parametrize("shape", [(9, 9), (6, 4)])
@pytest.mark.parametrize("method", METHODS, ids=lambda one: one.name)
def test_moments_of_small_lattices(method, shape):
    agree(method, shape, FEW, 4096)


@pytest.mark.slow
@pytest.mark.parametrize("length", [8, 9, 10, 16])
@pytest.mark.parametrize("method", METHODS, ids=lambda one: one.name)
def test_moments_at_ten_temperatures(method, length):
    agree(method, (length, length), TEN, 20_000)


@pytest.mark.slow
@pytest.mark.parametrize("length", [64, 128])
def test_energies_of_large_lattices(length):
    agree_model = rf.ising(rf.square(length))
    drawn = sample(jax.random.key(1), agree_model, [1.8, 2.2, CRITICAL, 2.35, 3.0], 512)
    assert np.abs(deviations(drawn, agree_model)).max() < 5
    assert drawn.flags == ()


@pytest.mark.parametrize("method", METHODS, ids=lambda one: one.name)
def test_the_smallest_lattice(method):
    agree(method, (2, 2), FEW, 4096)


def test_clusters_that_turn_everything_over_and_over_are_thinned():
    """Wolff in a weak field alternates in sign: autocorrelations of either sign count."""
    drawn = sample(jax.random.key(4), rf.ising(rf.square(4), 0.01), [1.0], 4096, ready(Wolff()))
    assert abs(drawn.chains[0].correlation) < 0.1
    assert drawn.flags == ()
    with pytest.raises(InvalidInput, match="clusters = 0"):
        Wolff(0)


@pytest.mark.parametrize("method", METHODS, ids=lambda one: one.name)
def test_moments_in_a_field(method):
    """Against the sum over all states of 3 x 4 sites; at T = 2 the reversed phase still weighs 4 %."""
    field = -0.3
    model = rf.ising(rf.square(3, 4), field)
    spins = (((np.arange(4096)[:, None] >> np.arange(12)) & 1) * 2 - 1).reshape(-1, 3, 4).astype(np.int8)
    m = spins.mean(axis=(1, 2))
    energy = np.asarray(rf.ising(rf.square(3, 4)).energy(spins), float) - field * m
    temperatures = [2.0, 2.5, 5.0]
    drawn = sample(jax.random.key(3), model, temperatures, 4096, ready(method))
    for index, temperature in enumerate(temperatures):
        weight = np.exp(-12 * (energy - energy.min()) / temperature)
        weight /= weight.sum()
        for seen, value in (
            (model.magnetization(drawn.spins[index]), m),
            (model.energy(drawn.spins[index]), energy),
        ):
            error = np.std(seen) / np.sqrt(drawn.chains[index].ess)
            assert abs(np.mean(np.asarray(seen, float)) - weight @ value) < 5 * error


@pytest.mark.parametrize(
    ("lattice", "temperature"),
    [(rf.triangular(3), 3.64), (rf.honeycomb(2), 1.52), (rf.cubic(2), 4.5), (rf.chain(9), 1.0), (rf.square(3, 4), 2.3)],
    ids=str,
)
@pytest.mark.parametrize(("coupling", "field"), [(1.0, 0.0), (-0.7, 0.2)])
def test_single_spin_sweeps_of_other_lattices(lattice, temperature, coupling, field):
    """Means and energies of 8192 replicas against the sum over all states, ferromagnet and antiferromagnet."""
    model = rf.ising(lattice, field, coupling)
    states = rf.equilibrium.enumerated(model).spins
    energies = np.asarray(model.energy(states), float)
    weight = np.exp(-lattice.sites * (energies - energies.min()) / temperature)
    means = weight @ np.stack([energies, np.asarray(model.magnetization(states), float) ** 2]).T / weight.sum()
    for method in (Metropolis(), HeatBath()):
        kernel = method.sweep(model, temperature)
        planes = kernel.planes(kernel.advance(kernel.start(jax.random.key(1), 32 * 256, None), 200))
        seen = kernel.observe(planes)
        assert np.allclose(seen[0], model.energy(kernel.spins(planes)), atol=1e-5)
        for values, mean in zip((seen[0], seen[1] ** 2), means, strict=True):
            assert abs(values.mean() - mean) < 5 * values.std() / np.sqrt(values.size)


def test_replicas_of_a_word_are_uncorrelated():
    """Bits of one word share no random number: correlations of their energies stay at the noise of their number."""
    model = rf.ising(rf.square(6))
    kernel = Metropolis().sweep(model, CRITICAL)
    state = kernel.advance(kernel.start(jax.random.key(2), 32 * 512, np.ones(32 * 512, np.int8)), 100)
    energy, magnetization = kernel.observe(kernel.planes(state))
    for series in (energy, magnetization, np.abs(magnetization)):
        words = series.reshape(512, 32)
        correlation = np.corrcoef(words.T)[~np.eye(32, dtype=bool)]
        assert np.abs(correlation).max() < 5 / np.sqrt(512)
        assert (correlation**2).mean() * 512 == pytest.approx(1, abs=0.25)


def test_same_key_same_bits_however_the_sweeps_are_divided():
    model = rf.ising(rf.square(5, 6))
    for method in (Metropolis(), *(one for one in METHODS[2:] if one.refusal(model) is None)):
        kernel = method.sweep(model, 2.0)
        start = kernel.start(jax.random.key(2), 64, None)
        once = kernel.advance(start, 12)
        parts = start
        for count in (1, 7, 4):
            parts = kernel.advance(parts, count)
        assert np.array_equal(kernel.planes(once), kernel.planes(parts))
        later, recorded = kernel.record(start, 4, 3)
        assert np.array_equal(kernel.planes(later), kernel.planes(once))
        assert np.array_equal(recorded[:, 2], kernel.planes(once))
        assert np.array_equal(recorded[:, 0], kernel.planes(kernel.advance(start, 4)))
    one, two, other = (sample(jax.random.key(k), model, [2.0], 100, "metropolis").spins for k in (1, 1, 2))
    assert np.array_equal(one, two)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("cores", ["2", "3"])
def test_same_bits_however_many_cores_share_the_replicas(cores, monkeypatch):
    model = rf.ising(rf.square(5, 6))
    for method in ("metropolis", *(one.name for one in METHODS[2:] if one.refusal(model) is None)):
        monkeypatch.setenv("NPROC", "1")
        alone = sample(jax.random.key(2), model, [2.0], 10_000, method)
        monkeypatch.setenv("NPROC", cores)
        shared = sample(jax.random.key(2), model, [2.0], 10_000, method)
        assert np.array_equal(alone.spins, shared.spins)
        assert alone.chains == shared.chains


def test_each_core_gets_one_block(monkeypatch):
    monkeypatch.setenv("NPROC", "3")
    assert sharing.share_out(lambda block: (block.start, block.stop), 8) == [(0, 2), (2, 5), (5, 8)]
    assert sharing.share_out(lambda block: (block.start, block.stop), 2) == [(0, 1), (1, 2)]


def test_bit_planes():
    probabilities = np.array([0.0, 0.25, 1 / 3, 0.9, 1.0])
    streams = Streams.seeded(jax.random.key(1), (500, 64))
    words = below(streams.at(3), digits(probabilities))
    share = np.array([np.unpackbits(np.asarray(word).view(np.uint8)).mean() for word in words])
    assert np.all(np.abs(share - probabilities) <= 5 * np.sqrt(probabilities * (1 - probabilities) / (500 * 64 * 32)))
    # One random number for all of them: a smaller probability never says yes where a larger one says no.
    for small, large in itertools.pairwise(words):
        assert not np.any(np.asarray(small) & ~np.asarray(large))


def test_words_and_counts():
    spins = np.random.default_rng(0).choice(np.array([-1, 1], np.int8), (96, 35))
    words = np.ascontiguousarray(np.packbits((spins > 0).T, axis=1, bitorder="little")).view(np.uint32)
    assert np.array_equal(unpack(words), spins)
    assert np.array_equal(counts(jnp.asarray(words)), (spins > 0).sum(axis=1))


def test_observables_are_those_of_the_model():
    model = rf.ising(rf.square(3, 4), 0.2)
    for method in METHODS:
        if method.refusal(model) is None:
            kernel = method.sweep(model, 3.0)
            state = kernel.advance(kernel.start(jax.random.key(1), kernel.bundle, None), 3)
            planes = kernel.planes(state)
            energy, magnetization = kernel.observe(planes)
            assert np.allclose(energy, model.energy(kernel.spins(planes)), atol=1e-6)
            assert np.allclose(magnetization, model.magnetization(kernel.spins(planes)), atol=1e-6)


def test_automatic_choice_says_why():
    small, large, field = rf.ising(rf.square(10)), rf.ising(rf.square(128)), rf.ising(rf.square(10), 0.1)
    assert method_for(small, 2.0, draws=1000)[0] == TransferMatrix()
    assert method_for(large, 4.0, draws=1000)[0] == Metropolis()
    assert method_for(large, 1e3, draws=1000)[0] == HeatBath()
    assert method_for(field, 2.0, draws=1000)[0] == TableTransferMatrix()
    assert method_for(rf.ising(rf.square(32)), 2.6, draws=1000)[0] == Metropolis()
    assert method_for(small, CRITICAL, draws=10_000_000)[0] in (Metropolis(), Wolff())
    assert method_for(rf.ising(rf.square(12)), CRITICAL, draws=1000)[0] == TransferMatrix()
    triangular = rf.ising(rf.triangular(32))
    assert method_for(triangular, 6.0, draws=1000)[0] == Metropolis()
    # Measured: 54 ms against 73 ms by sweeps.
    assert method_for(triangular, 3.641, draws=1000)[0] == Wolff() or Wolff().refusal(triangular)
    chosen, why = method_for(large, CRITICAL, draws=1000)
    assert chosen == Wolff() or Wolff().refusal(large)
    assert "the least of" in why
    # Where domains are far smaller than the lattice, and yet large, clusters of all sites win.
    assert method_for(rf.ising(rf.square(2048)), 2.3)[0] == SwendsenWang() or Wolff().refusal(large)
    drawn = sample(jax.random.key(0), rf.ising(rf.square(14)), [0.0, 3.0, math.inf], 40)
    assert [name.split()[0] for name in drawn.methods] == ["metropolis"] * 3
    assert np.all(np.abs(np.asarray(drawn.spins[0], float).mean(axis=(1, 2))) == 1)


def test_signs_are_symmetrised():
    drawn = sample(jax.random.key(4), rf.ising(rf.square(14)), [1.0], 2000)
    sign = np.sign(np.asarray(drawn.spins, float).mean(axis=(2, 3)))
    assert abs(sign.mean()) < 5 / np.sqrt(2000)


class Frozen(Kernel):
    """An update that never moves and starts its replicas apart; every word of its planes is what a replica shows."""

    bundle, points, model = 32, 32, rf.ising(rf.square(4))

    def start(self, key, replicas, up):
        return np.tile(np.array([1, 2, 3, 4], np.uint32), replicas // 4)

    def record(self, state, every, count):
        return state, jnp.asarray(np.tile(state, (1, 32, 1)))

    def spins(self, planes):
        return np.ones((planes.size, 4, 4), np.int8)

    def observe(self, planes):
        return np.tile(np.asarray(planes, float).ravel(), (2, 1))


class Jumping(Frozen):
    """Replicas of white noise that all jump by 0.6 of their scatter in the middle of every window."""

    def start(self, key, replicas, up):
        return 0

    def record(self, state, every, count):
        noise = np.random.default_rng(state).normal(1e6, 1000, (1, 32, 32))
        jump = 600 * (np.arange(32)[:, None] >= 16)
        return state + 32 * every, jnp.asarray((noise + jump).astype(np.uint32))


@pytest.mark.parametrize(
    ("model", "method"),
    [
        (rf.ising(rf.square(10), 0.1), "metropolis"),
        (rf.ising(rf.square(10), 0.3), "table-heat-bath"),
        (rf.potts(rf.square(8), 4), "table-heat-bath"),
        (rf.potts(rf.square(8), 3), "table-wolff"),
        (rf.clock(rf.square(8), 3), "table-wolff"),
    ],
)
def test_a_frozen_phase_is_drawn_at_once(model, method):
    """Draws that are all alike are uncorrelated, whatever rounding makes of their mean and of the order of each."""
    temperature = 0.25 if model.field else 0.1
    chains = rf.sample(jax.random.key(0), model, temperature, 500, method).chains[0]
    assert chains.flags == ()
    assert chains.ess == 500
    assert chains.discarded < 1000


def test_broken_promises_are_flagged(monkeypatch):
    monkeypatch.setattr(chains, "LONGEST", 1000)
    report = chains.run(jax.random.key(0), Frozen.model, Frozen(), 2.0, 100, 1.0, lambda _: None)
    assert [flag.split(":")[0] for flag in report.flags] == [
        "not thermalised",
        "successive draws are correlated",
        "groups of replicas disagree",
    ]
    drawn = Draws(jnp.ones((1, 2, 4, 4), jnp.int8), (2.0,), ("x",), (report,))
    assert drawn.flags[0].startswith("T = 2: not thermalised")


def test_what_drifts_is_not_thermal(monkeypatch):
    monkeypatch.setattr(chains, "LONGEST", 100)
    ensemble = chains.Ensemble(jax.random.key(0), Jumping.model, Jumping(), 2.0, 100)
    *_, flags = chains.thermalise(ensemble, 1.0)
    assert "differ by" in flags[0]


def test_draws_keep_what_was_measured(tmp_path):
    drawn = sample(jax.random.key(4), rf.ising(rf.square(6)), [1.0, 2.0, 3.0], 100, "heat-bath")
    assert all(name == "heat-bath (asked for)" for name in drawn.methods)
    drawn.save(tmp_path / "draws.nc")
    again = Draws.load(tmp_path / "draws.nc")
    assert (again.methods, again.chains, again.method) == (drawn.methods, drawn.chains, drawn.method)
    assert np.array_equal(again.spins, drawn.spins)
    assert drawn.select(1.5, 2.5).chains == drawn.chains[1:2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"draws": 0}, "draws = 0"),
        ({"temperatures": [2.0, 1.0]}, "temperatures"),
        ({"method": "ising-machine"}, "method = 'ising-machine' .*wolff"),
    ],
)
def test_bad_input(arguments, message):
    given = {"temperatures": [2.0], "draws": 3} | arguments
    with pytest.raises(InvalidInput, match=message):
        sample(jax.random.key(0), rf.ising(rf.square(4)), **given)


def test_field_must_be_finite():
    with pytest.raises(InvalidInput, match="field = nan"):
        rf.ising(rf.square(4), math.nan)


def autocorrelation_times(method, replicas):
    """Sizes L, and tau_int(m^2) at T_c with its error: each over 1500 steps or 150 Metropolis tau of 256 chains."""
    sizes, taus = np.array([8, 16, 32, 64]), []
    for length in sizes.tolist():
        model = rf.ising(rf.square(length))
        kernel = ready(method).sweep(model, CRITICAL)
        guess = 0.022 * length**2.17 if isinstance(method, Metropolis) else 10
        every = max(1, int(guess / 10))
        state = kernel.start(jax.random.key(length), replicas, None)
        state = kernel.advance(state, int(40 * guess) + 50)
        squares = np.empty((replicas, int(150 * guess / every)))
        for at in range(squares.shape[1]):
            state = kernel.advance(state, every)
            squares[:, at] = kernel.observe(kernel.planes(state))[1] ** 2
        parts = [every * tau_int(part) for part in np.array_split(squares, 8)]
        taus.append((every * tau_int(squares), np.std(parts, ddof=1) / np.sqrt(8)))
    return sizes, *np.transpose(taus)


@pytest.mark.slow
def test_dynamic_exponent_of_metropolis():
    """tau_int = a L^z + b: the slow mode, and a share of faster ones, without which a power law does not fit.

    The slope of ln tau against ln L alone is 1.94(2) for these sizes, with chi-squared 21 at two degrees of freedom.
    """
    sizes, tau, error = autocorrelation_times(Metropolis(), 256)
    fit = {"p0": (0.02, 2.1, 0.5), "sigma": error, "absolute_sigma": True}
    (_, z, _), covariance = curve_fit(lambda length, a, z, b: a * length**z + b, sizes, tau, **fit)
    assert np.sqrt(covariance[1, 1]) < 0.07
    assert abs(z - 2.17) < 0.15


@pytest.mark.slow
def test_dynamic_exponent_of_swendsen_wang():
    sizes, tau, _ = autocorrelation_times(SwendsenWang(), 64)
    assert 0 < np.polyfit(np.log(sizes), np.log(tau), 1)[0] < 0.5
