"""Equilibrium checks of a machine against its enumerated Gibbs kernel."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rbmflow as rf
from rbmflow import enumeration
from rbmflow._checks import InvalidInput
from rbmflow.rbm import RBM
from rbmflow.relaxation import overlap, relax
from rbmflow.units import PLUS_MINUS

MODEL = rf.ising(rf.square(2, 4))


def coupled(strength: float) -> RBM:
    """One hidden unit that couples all spins to each other."""
    return RBM(jnp.full((8, 1), strength), jnp.zeros(8), jnp.zeros(1))


def exact_tau(machine: RBM, observable: np.ndarray) -> float:
    """Sum over t of the autocorrelation of a stationary chain, from powers of the kernel."""
    p, kernel = np.exp(enumeration.visible_log_probability(machine)), enumeration.gibbs_kernel(machine)
    centred = observable - p @ observable
    rho, moved = [], centred
    for _ in range(200):
        moved = kernel @ moved
        rho.append(p @ (centred * moved) / (p @ centred**2))
    return 0.5 + float(np.sum(rho))


def test_times_and_means_are_those_of_the_enumerated_kernel():
    key = jax.random.key(3)
    machine = RBM(0.85 * jax.random.normal(key, (8, 4)), jnp.zeros(8), jnp.zeros(4))
    states = PLUS_MINUS.listed(8).astype(np.int8).reshape(-1, 2, 4)
    energy, size = np.asarray(MODEL.energy(states), float), np.abs(np.asarray(MODEL.magnetization(states), float))
    p = np.exp(enumeration.visible_log_probability(machine))
    found = relax(jax.random.key(1), machine, MODEL, (2.0, 4.0), chains=2000, iterations=200)
    assert found.agree
    for start in range(2):
        assert abs(found.energy[start] - p @ energy) < 5 * found.energy_error[start]
        assert abs(found.abs_magnetization[start] - p @ size) < 5 * found.abs_magnetization_error[start]
    assert found.tau_energy == pytest.approx(exact_tau(machine, energy), rel=0.1)
    assert found.tau_magnetization == pytest.approx(exact_tau(machine, size), rel=0.1)
    assert exact_tau(machine, energy) > 0.7
    mixture = np.mean([np.exp(-8 * energy / t) / np.exp(-8 * energy / t).sum() for t in (2.0, 4.0)], axis=0)
    for value, observable in ((found.energy_overlap, energy), (found.abs_magnetization_overlap, size)):
        levels, at = np.unique(observable, return_inverse=True)
        sums = [np.bincount(at, weight, minlength=levels.size) for weight in (p, mixture)]
        assert value == pytest.approx(np.minimum(*sums).sum(), abs=0.05)


def test_free_spins_are_the_mixture_at_infinite_temperature():
    found = relax(jax.random.key(1), coupled(0.0), MODEL, (np.inf,), chains=2000, iterations=20)
    assert found.agree
    assert found.tau_energy == pytest.approx(0.5, abs=0.05)
    assert min(found.energy_overlap, found.abs_magnetization_overlap) > 0.97


def test_a_machine_that_copies_each_spin_is_caught():
    copying = RBM(4.0 * jnp.eye(8), jnp.zeros(8), jnp.zeros(8))
    found = relax(jax.random.key(1), copying, MODEL, (2.0,), chains=200, iterations=40)
    assert not found.agree
    assert found.abs_magnetization[0] > 0.9 > 0.5 > found.abs_magnetization[1]
    # What they have together is no number of the machine.
    of_chains = (found.tau_energy, found.tau_magnetization, found.energy_overlap, found.abs_magnetization_overlap)
    assert np.isnan(of_chains).all()


def test_overlap_is_one_minus_the_total_variation():
    counts, p = np.array([2.0, 6.0, 0.0]), np.array([0.5, 0.25, 0.25])
    assert overlap(counts, p) == pytest.approx(1 - 0.5 * np.abs(counts / 8 - p).sum())


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"chains": 1}, "chains"),
        ({"iterations": 7}, "iterations"),
        ({"model": rf.ising(rf.square(3))}, "lattice of model"),
        ({"model": rf.ising(MODEL.lattice, 0.5)}, "field"),
    ],
)
def test_bad_input_names_the_field(change, field):
    with pytest.raises(InvalidInput) as caught:
        relax(**{"key": jax.random.key(0), "machine": coupled(0.1), "model": MODEL, "temperatures": (2.0,)} | change)
    assert [problem.field for problem in caught.value.problems] == [field]
