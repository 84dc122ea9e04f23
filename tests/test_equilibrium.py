"""Equilibrium from its three sources against one another; the inverse of curves, the ideal classifier, the mixtures."""

import functools
import json

import numpy as np
import pytest

import rbmflow as rf
from rbmflow import equilibrium, exact
from rbmflow._checks import InvalidInput
from rbmflow.critical import temperature_scale
from rbmflow.equilibrium.closed_forms import SERIES, depth_series
from rbmflow.observables import CORRELATION, ENERGY, MAGNETIZATION

CLASSES = np.arange(25) / 4
TEN = rf.ising(rf.square(10))


def energy_curve(model):
    return equilibrium.exact(model).curve(ENERGY)


@pytest.mark.parametrize("shape", [(2, 2), (3, 5), (10, 10), (4, 64), (64, 64)])
def test_temperature_of_energy(shape):
    model = rf.ising(rf.square(*shape))
    curve = energy_curve(model)
    temperatures = np.concatenate([np.linspace(0.5, 6, 60), [2.269185314213022, 2.26, 2.28]])
    found = curve.temperature_of(exact.energy(model, temperatures))
    np.testing.assert_allclose(found, temperatures, rtol=0, atol=5e-10)
    hot = np.array([20.0, 100.0])
    np.testing.assert_allclose(curve.temperature_of(exact.energy(model, hot)), hot, rtol=1e-9)
    cold = np.array([0.25, 0.3, 0.4])
    np.testing.assert_allclose(curve.temperature_of(exact.energy(model, cold)), cold, rtol=0, atol=1e-5)


def test_temperature_of_energy_is_monotone():
    temperatures = energy_curve(TEN).temperature_of(np.linspace(-2, 0, 100_001))
    assert temperatures[0] == 0
    assert temperatures[-1] == np.inf
    assert (np.diff(temperatures) > 0).all()


def test_ends_of_the_inverses():
    model = rf.ising(rf.square(4))
    found = energy_curve(model).temperature_of([-2, -2.5, 0, 0.3, np.nan])
    np.testing.assert_array_equal(found, [0, 0, np.inf, np.inf, np.nan])
    curve = equilibrium.exact(model).curve(MAGNETIZATION)
    found = curve.temperature_of([1, 1.1, exact.abs_magnetization(model, np.inf), 0.1, np.nan])
    np.testing.assert_array_equal(found, [0, 0, np.inf, np.inf, np.nan])
    assert energy_curve(model).temperature_of([[-1.0, -0.5]]).shape == (1, 2)


@pytest.mark.parametrize("shape", [(2, 2), (3, 5), (6, 6)])
def test_temperature_of_abs_magnetization(shape):
    model = rf.ising(rf.square(*shape))
    temperatures = np.linspace(0.5, 6, 23)
    curve = equilibrium.exact(model).curve(MAGNETIZATION)
    found = curve.temperature_of(exact.abs_magnetization(model, temperatures))
    np.testing.assert_allclose(found, temperatures, rtol=0, atol=1e-6)


LONG = [pytest.param(side, marks=pytest.mark.slow) for side in (11, 12)]


@pytest.mark.parametrize("side", [8, 10, *LONG])
@pytest.mark.parametrize("observable", [MAGNETIZATION, CORRELATION], ids=str)
def test_kept_series_are_those_of_the_formulas(observable, side):
    """Of the smallest side found anew, 1e-9 being what rounding leaves of a depth; of others at a few temperatures."""
    kept, truth = json.loads(SERIES.read_text("utf-8")), equilibrium.exact(rf.ising(rf.square(side)))
    assert sorted(kept) == sorted(
        f"{name} {side}" for name in ("magnetization", "correlation") for side in range(8, 13)
    )
    if side == 8:
        expected = depth_series(truth, observable).coef
        np.testing.assert_allclose(kept[f"{observable.name} 8"], expected, rtol=0, atol=1e-9)
    between = [1.7, 2.3, 4.1]
    found, (expected, _) = truth.curve(observable).mean_at(np.array(between)), truth.mean(observable, between)
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_curve_is_read_where_one_temperature_has_the_mean():
    """A hump: its ends lie at 1 and 0, its top at T = 2, so that only means below 1 have one temperature."""
    t = np.array([0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 12.0, np.inf])
    hump = np.array([1.0, 1.5, 2.0, 2.5, 3.0, 2.0, 1.5, 0.9, 0.5, 0.0])
    curve = equilibrium.Curve(t, hump, np.zeros(t.size))
    np.testing.assert_allclose(curve.temperature_of(hump[[7, 8]]), [6.0, 12.0], rtol=1e-9)
    assert np.isnan(curve.temperature_of([1.0, 1.2, 2.0, 3.5, -0.1])).all()
    noisy = equilibrium.Curve(t, hump, np.full(t.size, 2.0))
    assert np.isfinite(noisy.temperature_of([0.9])).all()
    part = equilibrium.Curve(t[2:5], hump[2:5], np.zeros(3))
    found = part.temperature_of([1.9, 2.0, 2.5, 3.0, 3.1])
    np.testing.assert_allclose(found, [np.nan, 1.0, 1.5, 2.0, np.nan])
    assert np.isnan(equilibrium.Curve(t, np.ones(t.size), np.zeros(t.size)).temperature_of([1.0])).all()


def test_ideal_classifier():
    ten = equilibrium.exact(TEN)
    assert ten.best_cross_entropy(CLASSES) == pytest.approx(2.1251, abs=5e-5)
    assert ten.best_accuracy(CLASSES) == pytest.approx(0.1885, abs=5e-5)
    assert ten.best_cross_entropy([2.0]) == 0
    assert ten.best_accuracy([2.0]) == pytest.approx(1)
    # two indistinguishable classes: chance
    assert ten.best_cross_entropy([0.0, 0.01]) == pytest.approx(np.log(2))


def test_posterior_is_bayes_rule():
    temperatures = np.array([0.0, 1.5, 2.3, 4.0, np.inf])
    ten = equilibrium.exact(TEN)
    given_class = exact.energy_distribution(TEN, temperatures)
    posterior = ten.posterior_of_energy(ten.levels().energy, temperatures)
    possible = given_class.sum(axis=0) > 1e-250
    expected = (given_class / given_class.sum(axis=0, where=possible, initial=1e-300)).T
    np.testing.assert_allclose(posterior[possible], expected[possible], rtol=1e-9, atol=1e-40)
    np.testing.assert_allclose(posterior.sum(axis=1), 1, rtol=1e-13)


def test_a_ground_state_whose_energy_is_rounded_is_one_of_zero_temperature():
    """Sums in single precision may lie above the lowest energy or below it."""
    off = []
    for field in (0.1, 0.3, 0.4, 0.7, 1.1):
        model = rf.ising(rf.square(3), field)
        truth, up = equilibrium.enumerated(model), np.ones((3, 3), np.int8)
        off.append(float(model.total_energy(up)) - truth.ground_energy)
        warm = np.exp(-truth.ground_energy / 2 - truth.log_partition(2.0))
        np.testing.assert_allclose(truth.posterior(up[None], [0.0, 2.0])[0], [1 / (1 + warm), warm / (1 + warm)])
        up[0, 0] = -1
        np.testing.assert_array_equal(truth.posterior(up[None], [0.0, 2.0])[0], [0.0, 1.0])
    assert min(off) < 0 < max(off)


@pytest.mark.parametrize(
    ("temperatures", "abs_magnetization", "energy"),
    [(CLASSES, 0.5068, -1.1190), (CLASSES[16:], 0.1387, -0.4385), ([0.0], 1, -2)],
)
def test_mixture_numbers(temperatures, abs_magnetization, energy):
    ten = equilibrium.exact(TEN)
    found = ten.mixture(ENERGY, temperatures)
    assert found == pytest.approx(energy, abs=5e-5)
    assert ten.mixture(MAGNETIZATION, temperatures) == pytest.approx(abs_magnetization, abs=5e-5)
    mixed = ten.distribution(temperatures).mean(axis=0)
    assert mixed @ ten.levels().energy / 100 == pytest.approx(found, rel=1e-12)
    assert (mixed @ ten.posterior_of_energy(ten.levels().energy, temperatures)).tolist() == pytest.approx(
        [1 / len(temperatures)] * len(temperatures)
    )


def test_mixture_read_as_a_temperature():
    read = [rf.Thermometer(one, equilibrium.exact(TEN)) for one in (ENERGY, MAGNETIZATION, CORRELATION)]
    assert [one.of_mixture(CLASSES) for one in read] == pytest.approx([2.561614, 2.536488, 2.336461], abs=1e-6)
    assert [one.of_mixture([0.0]) for one in read] == [0, 0, 0]


def test_large_lattices_are_known_by_their_energy():
    """At L = 100: the posterior of an energy, and the curve of its mean class, undone by its inverse."""
    model = rf.ising(rf.square(100))
    known, grid = equilibrium.exact(model), [1.0, 2.0, 2.25, 2.5, 4.0]
    assert known.posterior_of_energy(-20000, grid)[0] == pytest.approx(1)
    between = np.array([1.5, 2.1, 2.3])
    bayes = known.mean_class(grid)
    np.testing.assert_allclose(known.curve(bayes).temperature_of(known.mean(bayes, between)[0]), between, rtol=1e-6)
    assert not known.knows(MAGNETIZATION)
    with pytest.raises(InvalidInput, match="observable = 'magnetization'"):
        rf.Thermometer("magnetization", known)


@pytest.mark.parametrize("temperatures", [[], [2.0, 1.0], [-1.0], [float("nan")]])
def test_mixtures_and_classes_are_checked(temperatures):
    ten = equilibrium.exact(TEN)
    calls = (ten.mean_class, ten.best_accuracy, ten.best_cross_entropy, lambda t: ten.mixture(ENERGY, t))
    for call in (*calls, lambda t: ten.posterior_of_energy(0, t)):
        with pytest.raises(InvalidInput, match="temperatures = "):
            call(temperatures)


def test_all_configurations_agree_with_formulas():
    model = rf.ising(rf.square(4))
    counted, known = equilibrium.enumerated(model), equilibrium.exact(model)
    temperatures = [0.0, 1.0, 2.269185314213022, 5.0, np.inf]
    for one in (ENERGY, MAGNETIZATION, CORRELATION):
        np.testing.assert_allclose(counted.mean(one, temperatures)[0], known.mean(one, temperatures)[0], rtol=1e-7)
    np.testing.assert_allclose(counted.log_partition(temperatures), known.log_partition(temperatures), rtol=1e-12)
    np.testing.assert_allclose(
        counted.posterior_of_energy([-32, -8, 0], temperatures), known.posterior_of_energy([-32, -8, 0], temperatures)
    )


def test_a_field_is_told_by_all_configurations_and_by_draws():
    """Numbers of the enumeration: ln Z = 16.582274669, m = 0.888748823 at h = 0.5, T = 2.5."""
    model = rf.ising(rf.square(4), field=0.5)
    counted = equilibrium.enumerated(model)
    signed = rf.Observable("signed", "m", of=lambda model, spins: model.magnetization(spins))
    assert float(counted.log_partition(2.5)) == pytest.approx(16.582274669, abs=1e-8)
    assert float(counted.mean(signed, 2.5)[0]) == pytest.approx(0.888748823, abs=1e-8)
    # Exact draws: the sampler has tests of its own.
    temperatures, random = np.array([2.0, 3.0, 5.0, np.inf]), np.random.default_rng(3)
    spins = counted.spins  # pyright: ignore
    energy = np.asarray(model.total_energy(spins), np.float64)
    weight = np.exp(-(energy - energy.min()) / temperatures[:, None])
    rows = [random.choice(energy.size, 400, p=one / one.sum()) for one in weight]
    draws = rf.Draws(spins[np.stack(rows)], temperatures)
    found = equilibrium.reweighted(equilibrium.MeasuredDraws.of(model, draws, [signed]))
    for one in (signed, ENERGY):
        mean, error = found.mean(one, [2.3, 2.5, 4.0])
        assert np.all(np.abs(mean - counted.mean(one, [2.3, 2.5, 4.0])[0]) < 5 * error)
        assert np.all(error < 0.05)
    with pytest.raises(InvalidInput, match=r"field = 0\.5"):
        equilibrium.exact(model)


@pytest.mark.parametrize(
    "model", [rf.potts(rf.square(3), 3), rf.ising(rf.triangular(4)), rf.blume_capel(rf.honeycomb(2), 0.5)], ids=repr
)
def test_any_model_is_told_by_draws_as_by_all_configurations(model):
    """Temperatures are placed by a few draws; ln Z is anchored at T = inf, whatever the number of states."""
    counted = equilibrium.enumerated(model)
    found = equilibrium.reweighted(equilibrium.measured(1, model, [MAGNETIZATION], equilibrium.covering(model), 400))
    again = equilibrium.reweighted(equilibrium.MeasuredDraws.from_dataset(found.measured.to_dataset()))
    assert again.model == model
    temperatures = temperature_scale(model) * np.array([0.7, 1.0, 1.5, 4.0])
    for one in (ENERGY, MAGNETIZATION):
        mean, error = again.mean(one, temperatures)
        assert np.all(np.abs(mean - counted.mean(one, temperatures)[0]) < 5 * error)
    assert np.all(np.abs(again.log_partition(temperatures) - counted.log_partition(temperatures)) < 0.3)
    peak, error = again.specific_heat_peak()
    assert abs(peak - counted.specific_heat_peak()[0]) < 5 * error
    spins = rf.thermal(3, model, temperatures[1], 500)
    for one in (counted, again):
        reading = rf.Thermometer("energy", one).temperature(spins)
        assert abs(reading.temperature - temperatures[1]) < 5 * reading.error


def test_critical_temperatures_of_the_literature():
    known = {
        rf.ising(rf.square(4)): 2.269185314213022,
        rf.ising(rf.triangular(4)): 3.640956907,
        rf.ising(rf.honeycomb(4)): 1.518651435,
        rf.ising(rf.kagome(4)): 2.143319440,
        rf.ising(rf.cubic(4)): 4.511523,
        rf.potts(rf.square(4), 4): 0.910239227,
        rf.clock(rf.square(4), 3): 1.492459292,
        rf.clock(rf.square(4), 4): 1.134592657,
    }
    for model, temperature in known.items():
        assert rf.critical_temperature(model) == pytest.approx(temperature, abs=1e-6)
    unknown = rf.ising(rf.square(4), field=0.1), rf.clock(rf.square(4), 5), rf.ising(rf.triangular(4), couplings=-1)
    assert [rf.critical_temperature(model) for model in unknown] == [None] * 3


@functools.cache
def drawn(side: int) -> equilibrium.MeasuredDraws:
    model = rf.ising(rf.square(side))
    if side == 10:
        return equilibrium.measured(10, model, [MAGNETIZATION, CORRELATION], equilibrium.covering(model), 1000)
    known, grid, random = equilibrium.exact(model), [2.5, 2.6, 2.7], np.random.default_rng(side)
    energy = np.stack([random.choice(known.levels().energy, 100, p=one) for one in known.distribution(grid)])
    return equilibrium.MeasuredDraws(energy, np.empty((0, 2, 3, 100)), np.full(3, 100.0), model, grid, [])


def _squared(model, total):
    return (np.asarray(total) / model.lattice.sites) ** 2


SQUARED = rf.Observable("squared", "e^2", of=lambda model, spins: spins, of_energy=_squared)


@pytest.mark.parametrize("side", [10, 32])
def test_reweighted_draws_agree_with_formulas(side):
    """Energy, its square (so the specific heat) and |m|, in units of their errors."""
    known, found = equilibrium.exact(rf.ising(rf.square(side))), equilibrium.reweighted(drawn(side))
    temperatures = np.array([1.2, 1.8, 2.1, 2.269, 2.5, 3.2, 5.0, 20.0] if side == 10 else [2.52, 2.57, 2.65])
    for one in [ENERGY, SQUARED] + [MAGNETIZATION] * (side == 10):
        mean, error = found.mean(one, temperatures)
        pull = (mean - known.mean(one, temperatures)[0]) / error
        assert np.all(np.abs(pull) < 5), (one.name, pull)
    if side == 10:  # anchored at T = inf
        assert np.all(np.abs(found.log_partition(temperatures) - known.log_partition(temperatures)) < 0.3)


@pytest.mark.slow
@pytest.mark.parametrize(("side", "draws"), [(10, 200), (32, 100)])
def test_errors_of_reweighted_draws_cover(side, draws):
    """In 68 % of 200 sets of independent draws the exact energy lies within one standard error."""
    known, temperatures = equilibrium.exact(rf.ising(rf.square(side))), np.array([1.9, 2.27, 2.8])
    grid, levels = equilibrium.covering(known.model), known.levels().energy
    given, truth, inside = known.distribution(grid), known.mean(ENERGY, temperatures)[0], []
    for seed in range(200):
        random = np.random.default_rng(seed)
        energy = np.stack([random.choice(levels, draws, p=one) for one in given])
        nothing, worth = np.empty((0, 2, len(grid), draws)), np.full(len(grid), float(draws))
        found = equilibrium.MeasuredDraws(energy, nothing, worth, known.model, grid, [])
        mean, error = equilibrium.reweighted(found).mean(ENERGY, temperatures)
        inside.append(np.abs(mean - truth) < error)
    assert abs(np.mean(inside) - 0.683) < 0.05


def test_draws_with_the_exact_density_of_states():
    """What is known exactly stays so; errors are those of the means at given energy."""
    known = equilibrium.exact(TEN)
    found, alone = equilibrium.reweighted(drawn(10), known), equilibrium.reweighted(drawn(10))
    temperatures = np.array([0.0, 0.6, 1.5, 2.3, 3.0, np.inf])
    np.testing.assert_allclose(found.mean(ENERGY, temperatures)[0], known.mean(ENERGY, temperatures)[0], atol=1e-12)
    for one in (MAGNETIZATION, CORRELATION):
        mean, error = found.mean(one, temperatures[1:])
        assert np.all(np.abs(mean - known.mean(one, temperatures[1:])[0]) < 5 * error)
        assert np.median(error / alone.mean(one, temperatures[1:])[1]) < 1
    assert found.mean(MAGNETIZATION, 0.0) == (1, 0)
    thermometer = rf.Thermometer("magnetization", found)
    reading = thermometer.temperature(rf.thermal(5, TEN, 2.4, 20_000))
    assert abs(reading.temperature - 2.4) < 5 * reading.error
    assert 0.3 * reading.error < reading.curve_error < reading.error


def test_what_draws_do_not_tell_is_refused():
    apart = equilibrium.measured(1, TEN, [MAGNETIZATION], [1.0, 4.0], 100)
    with pytest.raises(InvalidInput, match=r"temperatures = \(1.0, 4.0\) .* energies do not overlap"):
        equilibrium.reweighted(apart)
    with_levels = equilibrium.reweighted(apart, equilibrium.exact(TEN))
    assert np.isnan(with_levels.mean(MAGNETIZATION, [2.0, 2.3])[0]).all()
    assert np.isfinite(with_levels.mean(MAGNETIZATION, [1.0, 4.0])[0]).all()
    narrow = equilibrium.reweighted(equilibrium.measured(2, TEN, [MAGNETIZATION], [2.0, 2.5], 100))
    assert np.isnan(narrow.mean(MAGNETIZATION, [1.5, 3.0])).all()
    with pytest.raises(InvalidInput, match="ln Z is known up to a constant only"):
        narrow.log_partition(2.2)
    with pytest.raises(InvalidInput, match="at least 20 draws"):
        equilibrium.reweighted(equilibrium.measured(2, TEN, [], [2.0], 10))
    with pytest.raises(InvalidInput, match="observable = 'correlation'"):
        narrow.mean(CORRELATION, 2.2)


def test_correlated_draws_count_as_their_effective_number():
    draws = rf.sample(4, TEN, [2.0, 2.5, 3.0], 200)
    worth = [rf.dataset.Chains(ess=50.0)] * 3
    slow = rf.Draws(draws.spins, draws.temperatures, chains=worth)
    of = [equilibrium.MeasuredDraws.of(TEN, one, [MAGNETIZATION]) for one in (draws, slow)]
    assert of[0].ess.tolist() == [200.0] * 3
    assert of[1].ess.tolist() == [50.0] * 3
    means = [equilibrium.reweighted(one).mean(MAGNETIZATION, 2.3)[0] for one in of]
    assert means[0] == pytest.approx(float(means[1]), rel=1e-6)


def test_an_observable_is_told_by_its_name_too():
    four = rf.equilibrium.exact(rf.ising(rf.square(4)))
    for name in ("energy", "magnetization"):
        assert four.mean(name, 2.0) == four.mean(rf.OBSERVABLES[name], 2.0)
        assert four.curve(name) is four.curve(rf.OBSERVABLES[name])
    with pytest.raises(InvalidInput, match=r"observable = 'heat' .*energy"):
        four.mean("heat", 2.0)
