"""The infinite lattice against published numbers and direct integrals."""

import numpy as np
import pytest
from scipy.integrate import quad

from rbmflow.exact import critical_temperature, infinite

CRITICAL = 2.269185314213022


def test_critical_point():
    assert critical_temperature() == pytest.approx(CRITICAL, abs=1e-12)
    assert 1 / critical_temperature() == pytest.approx(0.440686793509772, abs=1e-12)
    assert np.sinh(2 / critical_temperature()) == pytest.approx(1, abs=1e-14)
    assert infinite.log_partition(CRITICAL) == pytest.approx(0.929695398342, abs=1e-10)
    assert infinite.free_energy(CRITICAL) == pytest.approx(-2.109651144608, abs=1e-10)
    assert infinite.energy(CRITICAL) == pytest.approx(-np.sqrt(2), abs=1e-10)
    assert infinite.entropy(CRITICAL) == pytest.approx(0.306470158201, abs=1e-10)
    # ln z at the critical point is ln(2) / 2 + 2 G / pi with Catalan's constant G
    assert infinite.log_partition(CRITICAL) == pytest.approx(np.log(2) / 2 + 2 * 0.915965594177219 / np.pi, abs=1e-11)


def test_published_values():
    np.testing.assert_allclose(infinite.energy([2, 2.5]), [-1.745564575, -1.106079204], atol=1e-8, rtol=0)
    np.testing.assert_allclose(infinite.magnetization([1.5, 2]), [0.9864996026, 0.9113193779], atol=1e-9, rtol=0)


@pytest.mark.parametrize("temperature", [0.5, 1.8, 2.26, 2.2691853, 2.28, 3.0, 50.0])
def test_log_partition_against_onsagers_integral(temperature):
    k = 1 / temperature
    kappa = 2 * np.sinh(2 * k) / np.cosh(2 * k) ** 2

    def integrand(angle):
        return np.log((1 + np.sqrt(max(1 - (kappa * np.cos(angle)) ** 2, 0))) / 2)

    integral, _ = quad(integrand, 0, np.pi / 2, epsabs=1e-13, epsrel=1e-13, limit=500)
    expected = np.log(2 * np.cosh(2 * k)) + integral / np.pi
    assert infinite.log_partition(temperature) == pytest.approx(expected, abs=1e-11)


@pytest.mark.parametrize("temperature", [0.6, 1.5, 2.2, 2.35, 4.0, 20.0, 60.0, 70.0])
def test_derivatives(temperature):
    k, step = 1 / temperature, 1e-5
    slope = (infinite.log_partition(1 / (k + step)) - infinite.log_partition(1 / (k - step))) / (2 * step)
    assert infinite.energy(temperature) == pytest.approx(-slope, rel=1e-6)
    bend = (infinite.energy(1 / (k + step)) - infinite.energy(1 / (k - step))) / (2 * step)
    assert infinite.specific_heat(temperature) == pytest.approx(-(k**2) * bend, rel=1e-6)
    identity = infinite.energy(temperature) - temperature * infinite.entropy(temperature)
    assert infinite.free_energy(temperature) == pytest.approx(identity, rel=1e-13)


def test_high_temperature_series():
    """u = -2 K - 10 K^3 / 3 ... and c = 2 K^2 + 10 K^4 ..., from ln z = ln 2 + 2 ln cosh K + tanh^4 K ..."""
    k = np.geomspace(1e-8, 3e-4, 20)
    np.testing.assert_allclose(infinite.energy(1 / k), -2 * k - 10 / 3 * k**3, rtol=1e-11)
    np.testing.assert_allclose(infinite.specific_heat(1 / k), 2 * k**2 + 10 * k**4, rtol=1e-11)


def test_limits_and_order():
    np.testing.assert_array_equal(infinite.log_partition([0, np.inf]), [np.inf, np.log(2)])
    np.testing.assert_array_equal(infinite.free_energy([0, np.inf]), [-2, -np.inf])
    np.testing.assert_array_equal(infinite.energy([0, np.inf]), [-2, 0])
    np.testing.assert_array_equal(infinite.entropy([0, np.inf]), [0, np.log(2)])
    np.testing.assert_array_equal(infinite.specific_heat([0, np.inf]), [0, 0])
    np.testing.assert_array_equal(infinite.magnetization([0, CRITICAL + 1e-9, np.inf]), [1, 0, 0])
    temperatures = np.geomspace(0.1, 1e4, 400)
    assert (np.diff(infinite.energy(temperatures)) >= -1e-15).all()
    assert (np.diff(infinite.magnetization(temperatures)) <= 0).all()
    assert (infinite.specific_heat(temperatures) >= 0).all()
    assert infinite.specific_heat(CRITICAL) > 5
