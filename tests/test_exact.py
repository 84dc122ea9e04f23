"""Finite tori against enumeration, against each other and against published numbers."""

import itertools

import numpy as np
import pytest

from rbmflow import exact
from rbmflow._checks import InvalidInput
from rbmflow.exact.energy_windows import windowed_logs
from rbmflow.lattice import square
from rbmflow.spin_models import ising

CRITICAL = 2.269185314213022
SMALL = [(2, 2), (2, 3), (3, 2), (3, 3), (3, 4), (4, 3), (4, 4)]
TEMPERATURES = np.array([0.3, 1.0, 1.7, CRITICAL, 2.6, 5.0, 80.0])


def model_on(*shape):
    return ising(square(*shape))


def enumerated(shape):
    """Number of configurations with each (energy, magnetization), from a list of bonds."""
    ly, lx = shape
    sites = list(itertools.product(range(ly), range(lx)))
    spins = 1 - 2 * ((np.arange(2 ** len(sites))[:, None] >> np.arange(len(sites))) & 1)
    energy = np.zeros(len(spins), int)
    for y, x in sites:
        here = spins[:, y * lx + x]
        energy -= here * spins[:, y * lx + (x + 1) % lx] + here * spins[:, (y + 1) % ly * lx + x]
    pairs, counts = np.unique(np.stack([energy, spins.sum(axis=1)]), axis=1, return_counts=True)
    return pairs[0], pairs[1], counts


@pytest.mark.parametrize("shape", SMALL)
def test_everything_against_enumeration(shape):
    energies, magnetizations, counts = enumerated(shape)
    model, sites = model_on(*shape), shape[0] * shape[1]
    levels, states = exact.density_of_states(model)
    assert states.tolist() == [int(counts[energies == level].sum()) for level in levels]
    assert levels[-1] == energies.max()
    totals, at_all = exact.magnetization_distribution(model, TEMPERATURES)
    for k, t in enumerate(TEMPERATURES):
        weight = counts * np.exp(-(energies + 2 * sites) / t)
        z = weight.sum()
        p = weight / z
        mean = p @ energies
        assert exact.log_partition(model, t) == pytest.approx(np.log(z) + 2 * sites / t, rel=1e-13)
        assert exact.energy(model, t) == pytest.approx(mean / sites, rel=1e-12)
        variance = p @ (energies - mean) ** 2
        assert exact.specific_heat(model, t) == pytest.approx(variance / t**2 / sites, rel=1e-9, abs=1e-15)
        expected = [p[magnetizations == total].sum() for total in totals]
        np.testing.assert_allclose(at_all[k], expected, rtol=1e-11, atol=1e-300)
        distribution = [p[energies == level].sum() for level in levels]
        np.testing.assert_allclose(exact.energy_distribution(model, t), distribution, rtol=1e-11)
        m = magnetizations / sites
        assert exact.abs_magnetization(model, t) == pytest.approx(p @ abs(m), rel=1e-12)
        binder = 1 - (p @ m**4) / (3 * (p @ m**2) ** 2)
        assert exact.binder(model, t) == pytest.approx(binder, rel=1e-11)


def test_published_density_of_states():
    levels, counts = exact.density_of_states(model_on(4))
    assert counts[:7].tolist() == [2, 0, 32, 64, 424, 1728, 6688]
    assert counts[levels == 0].tolist() == [20524]
    levels, counts = exact.density_of_states(model_on(10))
    assert levels[:2].tolist() == [-200, -196]
    assert counts[:7].tolist() == [2, 0, 200, 400, 10900, 42400, 470800]


@pytest.mark.parametrize("shape", [(5, 5), (7, 7), (2, 9), (6, 11), (10, 10), (16, 16)])
def test_density_of_states_sums(shape):
    model, (ly, lx) = model_on(*shape), shape
    levels, counts = exact.density_of_states(model)
    assert sum(counts) == 2 ** (ly * lx)
    assert all(isinstance(count, int) and count >= 0 for count in counts)
    # each odd row or column holds at least one satisfied bond
    assert levels[-1] == 2 * ly * lx - 2 * (lx * (ly % 2) + ly * (lx % 2))
    if ly % 2 == lx % 2 == 0:
        assert counts.tolist() == counts[::-1].tolist()
    # infinite temperature: <E> = 0, <E^2> = 2 N, or 4 N where bonds of a side of length 2 are doubled
    second = sum(int(e) ** 2 * c for e, c in zip(levels, counts, strict=True))
    assert sum(int(e) * c for e, c in zip(levels, counts, strict=True)) == 0
    assert second == 2 ** (ly * lx) * ly * lx * (2 + (ly == 2) + (lx == 2))


@pytest.mark.parametrize("size", [5, 7, 10, 16])
def test_kaufman_against_density_of_states(size):
    model, sites = model_on(size), size**2
    temperatures = np.array([0.2, 0.7, 1.5, 2.2, CRITICAL, 2.3, 3.0, 10.0, 100.0])
    levels, logs = exact.log_density_of_states(model)
    exponent = logs - (levels + 2 * sites) / temperatures[:, None]
    top = exponent.max(axis=1)
    z = np.exp(exponent - top[:, None]).sum(axis=1)
    expected = top + np.log(z) + 2 * sites / temperatures
    np.testing.assert_allclose(exact.log_partition(model, temperatures), expected, rtol=1e-13)
    p = exact.energy_distribution(model, temperatures)
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-13)
    mean = p @ levels
    np.testing.assert_allclose(exact.energy(model, temperatures), mean / sites, rtol=1e-11)
    variance = np.sum(p * (levels - mean[:, None]) ** 2, axis=1)
    heat = variance / temperatures**2 / sites
    np.testing.assert_allclose(exact.specific_heat(model, temperatures), heat, rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize(
    ("size", "log_partition", "energy"),
    [
        (4, 15.5219154588, -1.565623788),
        (8, 60.1417807891, -1.491589107),
        (10, 93.6103005102, -1.476242908),
    ],
)
def test_critical_point_numbers(size, log_partition, energy):
    assert exact.log_partition(model_on(size), CRITICAL) == pytest.approx(log_partition, abs=1e-9)
    assert exact.energy(model_on(size), CRITICAL) == pytest.approx(energy, abs=1e-8)


def test_specific_heat_peak():
    temperature, height = exact.specific_heat_peak(model_on(10))
    assert temperature == pytest.approx(2.3445, abs=1e-3)
    assert height == pytest.approx(1.3091, abs=1e-4)
    around = exact.specific_heat(model_on(10), [temperature - 1e-3, temperature + 1e-3])
    assert (around < height).all()


@pytest.mark.parametrize("shape", [(8, 8), (9, 9), (64, 64), (128, 128), (3, 50)])
def test_stable_at_all_temperatures(shape):
    model = model_on(*shape)
    temperatures = np.geomspace(0.1, 100, 120)
    energy, heat = exact.energy(model, temperatures), exact.specific_heat(model, temperatures)
    log_partition = exact.log_partition(model, temperatures)
    for values in (energy, heat, log_partition):
        assert np.isfinite(values).all()
    assert (np.diff(energy) >= 0).all()
    assert (np.diff(energy)[temperatures[1:] > 0.3] > 0).all()
    assert (heat >= 0).all()
    assert (np.diff(log_partition) < 0).all()
    step = 1e-4 * temperatures
    slope = (exact.energy(model, temperatures + step) - exact.energy(model, temperatures - step)) / (2 * step)
    np.testing.assert_allclose(heat, slope, rtol=2e-3 if shape[0] == 128 else 2e-4, atol=1e-11)


@pytest.mark.parametrize("shape", [(9, 9), (10, 10), (64, 64), (3, 50)])
def test_smooth_through_the_critical_point(shape):
    model = model_on(*shape)
    temperatures = CRITICAL * (1 + np.array([-1e-6, -1e-9, -1e-12, 0, 1e-12, 1e-9, 1e-6]))
    for function in (exact.energy, exact.specific_heat):
        values = function(model, temperatures)
        np.testing.assert_allclose(values, values[3], rtol=1e-4)
        np.testing.assert_allclose(values[1:-1], values[3], rtol=1e-7)


def test_large_torus_approaches_the_infinite_lattice():
    temperatures = np.array([1.5, 2.0, 2.6, 4.0])
    model = model_on(128)
    degeneracy = np.where(temperatures < CRITICAL, np.log(2), 0)
    per_site = (exact.log_partition(model, temperatures) - degeneracy) / 128**2
    np.testing.assert_allclose(per_site, exact.infinite.log_partition(temperatures), rtol=1e-12)
    np.testing.assert_allclose(exact.energy(model, temperatures), exact.infinite.energy(temperatures), rtol=1e-9)
    np.testing.assert_allclose(
        exact.specific_heat(model, temperatures), exact.infinite.specific_heat(temperatures), rtol=1e-6
    )


def test_limits_of_temperature():
    model = model_on(6, 4)
    np.testing.assert_allclose(exact.log_partition(model, [0, np.inf]), [np.inf, 24 * np.log(2)], rtol=1e-15)
    assert exact.energy(model, [0, np.inf]).tolist() == [-2, 0]
    assert exact.specific_heat(model, [0, np.inf]).tolist() == [0, 0]
    assert exact.abs_magnetization(model, 0) == 1
    assert exact.binder(model, 0) == pytest.approx(2 / 3, rel=1e-15)
    binomial = [1, 4, 6, 4, 1]
    assert exact.magnetization_distribution(model_on(2), np.inf)[1] * 16 == pytest.approx(binomial, rel=1e-14)


def test_extreme_temperatures_give_no_warnings():
    model, extremes = model_on(4, 5), np.array([1e-200, 1e-3, 1e9, 1e200])
    functions = [exact.log_partition, exact.energy, exact.specific_heat, exact.abs_magnetization, exact.binder]
    for function in functions:
        assert np.isfinite(function(model, extremes)).all()
    for function in (exact.infinite.energy, exact.infinite.specific_heat, exact.infinite.entropy):
        assert np.isfinite(function(extremes)).all()
    np.testing.assert_allclose(exact.energy_distribution(model, extremes).sum(axis=1), 1, rtol=1e-13)


def test_magnetization_numbers():
    model = model_on(10)
    assert exact.abs_magnetization(model, CRITICAL) == pytest.approx(0.756274, abs=1e-6)
    assert exact.binder(model, CRITICAL) == pytest.approx(0.612341, abs=1e-6)
    expected = [0.911122, 0.538393, 0.166270, 0.120838, 0.079589]
    values = exact.abs_magnetization(model, [2, 2.5, 4, 6, np.inf])
    np.testing.assert_allclose(values, expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize(("shape", "turned"), [((5, 8), (8, 5)), ((3, 7), (7, 3))])
def test_the_two_directions_are_equivalent(shape, turned):
    a, b = model_on(*shape), model_on(*turned)
    assert exact.log_partition(a, 2.1) == pytest.approx(exact.log_partition(b, 2.1), rel=1e-14)
    assert exact.density_of_states(a)[1].tolist() == exact.density_of_states(b)[1].tolist()
    np.testing.assert_array_equal(
        exact.magnetization_distribution(a, 2.1)[1], exact.magnetization_distribution(b, 2.1)[1]
    )


@pytest.mark.parametrize("shape", [(4, 9), (7, 5), (6, 8), (11, 3)])
def test_row_transfer_against_dense_transfer_matrix(shape):
    """Second moment of M as the second derivative of the trace in a small field."""
    width, length = sorted(shape)
    states = 1 - 2 * ((np.arange(2**width)[:, None] >> np.arange(width)) & 1)
    within = np.sum(states * np.roll(states, 1, axis=1), axis=1)
    temperature = 2.4

    def log_trace(field):
        row = within / temperature + field * states.sum(axis=1)
        matrix = np.exp(states @ states.T / temperature + (row[:, None] + row) / 2)
        return np.log(np.sum(np.linalg.eigvalsh(matrix / matrix.max()) ** length)) + length * np.log(matrix.max())

    step = 2e-3
    second = (log_trace(step) - 2 * log_trace(0) + log_trace(-step)) / step**2
    moment = exact.magnetization_moment(model_on(*shape), temperature, 2) * (width * length) ** 2
    assert moment == pytest.approx(second, rel=2e-3)
    assert exact.log_partition(model_on(*shape), temperature) == pytest.approx(log_trace(0), rel=1e-12)


def test_shapes_follow_the_temperatures():
    model, grid = model_on(4), np.linspace(1, 4, 6).reshape(2, 3)
    functions = [exact.log_partition, exact.energy, exact.specific_heat, exact.abs_magnetization, exact.binder]
    for function in functions:
        assert function(model, grid).shape == (2, 3)
        assert isinstance(function(model, 2.0), np.float64)
        assert function(model, 2.0) == function(model, [2.0])[0]
    assert exact.energy_distribution(model, grid).shape == (2, 3, 17)
    assert exact.magnetization_distribution(model, grid)[1].shape == (2, 3, 17)
    assert exact.energy(model, []).shape == (0,)
    assert exact.magnetization_distribution(model, [])[1].shape == (0, 17)


@pytest.mark.parametrize("temperature", [-1.0, float("nan"), [1.0, -0.5]])
def test_temperatures_are_checked(temperature):
    model = model_on(4)
    functions = [exact.log_partition, exact.energy, exact.specific_heat, exact.energy_distribution, exact.binder]
    for function in functions:
        with pytest.raises(InvalidInput, match="temperature = "):
            function(model, temperature)
    with pytest.raises(InvalidInput, match="temperature = "):
        exact.infinite.energy(temperature)


def test_sizes_are_checked():
    with pytest.raises(InvalidInput, match="lattice = square"):
        exact.abs_magnetization(model_on(13), 2.0)
    with pytest.raises(InvalidInput, match="lattice = square"):
        exact.log_density_of_states(model_on(300))
    with pytest.raises(InvalidInput, match="lattice = square"):
        exact.density_of_states(model_on(40))


@pytest.mark.parametrize("shape", [(10, 10), (7, 7), (4, 20), (32, 32)])
def test_windows_find_the_logarithms_of_the_integers(shape):
    energies, logs = exact.log_density_of_states(ising(square(*shape)))
    found = windowed_logs(square(*shape))[: len(logs)]
    np.testing.assert_array_equal(np.isfinite(found), np.isfinite(logs[: len(found)]))
    reached = np.isfinite(logs) & (energies <= 0)
    np.testing.assert_allclose(found[reached[: len(found)]], logs[reached], rtol=0, atol=1e-8)


@pytest.mark.parametrize("shape", [(64, 64), (33, 40)])
def test_large_density_of_states_sums_to_kaufmans_partition_function(shape):
    model = ising(square(*shape))
    energies, logs = exact.log_density_of_states(model)
    for temperature in (0.8, 2.0, 2.269185314213022, 3.0, 6.0, 1e9):
        total = np.logaddexp.reduce(logs - energies / temperature)
        assert total == pytest.approx(exact.log_partition(model, temperature), abs=1e-8)
    mean = exact.energy_distribution(model, 2.4) @ energies / model.lattice.sites
    assert mean == pytest.approx(exact.energy(model, 2.4), abs=1e-10)
