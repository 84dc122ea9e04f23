"""Couplings read from weights, against machines that are Ising models and against sums over all states."""

from itertools import combinations

import numpy as np
import pytest

import rbmflow as rf
from rbmflow._checks import InvalidInput
from rbmflow.enumeration import visible_log_probability


@pytest.mark.parametrize("lattice", [rf.square(10), rf.triangular(4), rf.honeycomb(3)], ids=str)
def test_a_machine_with_a_unit_on_each_bond_has_K_there_and_nothing_elsewhere(lattice):
    """Each bond of K has a hidden unit of weights arccosh(e^2K) / 2."""
    coupling = 0.44
    ends = np.repeat(np.arange(lattice.sites), lattice.neighbours.shape[1])
    bonds = np.unique(np.sort(np.stack([ends, lattice.neighbours.ravel()], axis=1), axis=1), axis=0)
    weights = np.zeros((lattice.sites, len(bonds)))
    np.add.at(weights, (bonds, np.arange(len(bonds))[:, None]), np.arccosh(np.exp(2 * coupling)) / 2)
    machine = rf.RBM.from_weights(weights, None, None, units="-1/+1", axes="visible, hidden")
    pairs = np.array(list(combinations(range(lattice.sites), 2)))
    bound = (pairs[:, None] == bonds).all(axis=-1).any(axis=1)
    np.testing.assert_allclose(rf.effective_couplings(machine, pairs), np.where(bound, coupling, 0), atol=1e-6)
    for order in (1, 3, 4):
        sites = np.random.default_rng(order).permuted(np.tile(np.arange(lattice.sites), (50, 1)), axis=1)[:, :order]
        np.testing.assert_allclose(rf.effective_couplings(machine, sites), 0, atol=1e-6)


@pytest.mark.parametrize("units", ["-1/+1", "0/1"])
@pytest.mark.parametrize("scale", [0.05, 1.0, 6.0])
def test_couplings_of_any_machine_are_those_of_the_sum_over_all_states(units, scale):
    random = np.random.default_rng(1)
    arrays = random.normal(0, scale, (8, 5)), random.normal(size=8), random.normal(size=5)
    machine = rf.RBM.from_weights(*arrays, units=units)
    spins = np.where(machine.units.listed(8) > 0, 1, -1)
    log_probability = visible_log_probability(machine)
    for order in (1, 2, 3, 4, 8):
        clusters = np.array(list(combinations(range(8), order)))
        summed = np.mean(spins[:, clusters].prod(axis=-1) * log_probability[:, None], axis=0)
        np.testing.assert_allclose(rf.effective_couplings(machine, clusters), summed, atol=2e-6)


def test_translates_are_the_cluster_at_every_cell():
    plaquettes = rf.square(3, 4).translates((0, 0), (0, 1), (1, 0), (1, 1))
    assert plaquettes.shape == (12, 4)
    assert plaquettes[11].tolist() == [11, 8, 3, 0]
    honeycomb = rf.honeycomb(3)
    bonds = np.concatenate([honeycomb.translates((0, 0, 0), (*step, 1)) for step in ((0, 0), (0, -1), (-1, 0))])
    ends = np.stack([np.repeat(np.arange(18), 3), honeycomb.neighbours.ravel()], axis=1)
    assert {tuple(bond) for bond in np.sort(bonds).tolist()} == {tuple(pair) for pair in np.sort(ends).tolist()}


FREE = rf.RBM.from_weights(np.zeros((9, 2)), np.zeros(9), None, units="-1/+1")


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: rf.effective_couplings(FREE, [[0, 9]]), "sites = 9 "),
        (lambda: rf.effective_couplings(FREE, [[3, 3]]), "no site may be twice in a cluster"),
        (lambda: rf.effective_couplings(FREE, [[0.5, 1]]), "whole numbers"),
        (lambda: rf.effective_couplings(FREE, np.zeros((4, 0))), "every cluster must have a site"),
        (lambda: rf.square(4).translates((0, 0), (1,)), "the 2 numbers of y, x"),
        (lambda: rf.honeycomb(4).translates((0, 0, 2)), "the 3 numbers of y, x, basis"),
    ],
)
def test_what_is_no_cluster_is_refused(call, told):
    with pytest.raises(InvalidInput, match=told):
        call()


def test_weights_that_are_not_finite_have_no_couplings_and_potts_machines_are_refused():
    broken = rf.RBM(np.full((4, 2), np.nan), np.zeros(4), np.zeros(2))
    assert np.isnan(rf.effective_couplings(broken, [[0, 1]])).all()
    one_hot = rf.Units("one-hot", (0, 1, 2), np.eye(3))
    with pytest.raises(InvalidInput, match="two states"):
        rf.effective_couplings(rf.RBM(np.zeros((12, 2)), np.zeros(12), np.zeros(2), one_hot), [[0, 1]])


def test_weights_beyond_any_that_were_learnt_have_no_couplings():
    """The sum would take more memory than there is."""
    for weight in (1e6, 1e30):
        machine = rf.RBM.from_weights([[weight], [weight], [0.0]], np.zeros(3), None, units="-1/+1")
        assert np.isnan(rf.effective_couplings(machine, [[0, 1]])).all()


@pytest.mark.parametrize(
    ("sites", "told"), [([[0, 9]], "sites = 9 "), ([[1, 1]], r"sites = \[\[1, 1\]\]"), ([[0.5, 1]], "0.5")]
)
def test_numbers_of_sites_are_told_as_they_were_given(sites, told):
    machine = rf.RBM.from_weights([[1.0], [1.0], [0.0]], np.zeros(3), None, units="-1/+1")
    with pytest.raises(InvalidInput, match=told):
        rf.effective_couplings(machine, sites)
