"""One sweep of every update on tiny lattices, summed over all its random choices: Boltzmann is stationary."""

import functools

import jax
import numpy as np
import pytest
from scipy import stats
from scipy.sparse import csgraph

from rbmflow.lattice import square
from rbmflow.sampler import HeatBath, Metropolis, SwendsenWang, Wolff
from rbmflow.sampler.cluster_update import ClusterUpdate
from rbmflow.spin_models import ising

LATTICES = [(2, 2), (2, 3), (3, 3)]


def states(sites):
    return ((np.arange(2**sites)[:, None] >> np.arange(sites)) & 1) * 2 - 1


def boltzmann(model, temperature):
    spins = states(model.lattice.sites)
    bonds = (spins[:, model.lattice.neighbours[:, :2]] * spins[:, :, None]).sum(axis=(1, 2))
    energy = -bonds - model.field * spins.sum(axis=1)
    weight = np.exp(-(energy - energy.min()) / temperature)
    return weight / weight.sum()


def local_matrix(method, model, temperature):
    """Transition matrix of one sweep: sites of one colour at once, colour after colour."""
    sites = model.lattice.sites
    flip = method.flip_probability(model, temperature)
    spins = states(sites)
    total = np.eye(2**sites)
    for colour in model.lattice.colours:
        step = np.eye(2**sites)
        for site in colour:
            aligned = (spins[:, model.lattice.neighbours[site]] == spins[:, [site]]).sum(axis=1)
            p = flip[(spins[:, site] > 0).astype(int), aligned]
            single = np.diag(1 - p)
            single[np.arange(2**sites), np.arange(2**sites) ^ (1 << site)] = p
            step = step @ single
        total = total @ step
    return total


@functools.cache
def partitions(lattice):
    """Every way to connect the sites by bonds: labels of the clusters -> number of bond sets by their size."""
    bonds = [(site, int(end)) for site in range(lattice.sites) for end in lattice.neighbours[site, :2]]
    found = {tuple(range(lattice.sites)): {0: 1}}
    for one, other in bonds:
        further = {labels: dict(sizes) for labels, sizes in found.items()}
        for labels, sizes in found.items():
            low, high = sorted((labels[one], labels[other]))
            merged = tuple(low if label == high else label for label in labels)
            into = further.setdefault(merged, {})
            for size, ways in sizes.items():
                into[size + 1] = into.get(size + 1, 0) + ways
        found = further
    return found


def cluster_matrix(update, model, one_cluster):
    """Transition matrix of Swendsen-Wang or Wolff, summed over all sets of bonds and ghost ties."""
    sites, spins = model.lattice.sites, states(model.lattice.sites)
    p, ghost = update.bond_probability, update.ghost_probability
    aligned = (spins[:, model.lattice.neighbours[:, :2]] == spins[:, :, None]).sum(axis=(1, 2))
    along = (spins == (1 if model.field > 0 else -1)) & (model.field != 0)
    total = np.zeros((2**sites, 2**sites))
    for labels, sizes in partitions(model.lattice).items():
        masks = [sum(1 << site for site in range(sites) if labels[site] == label) for label in sorted(set(labels))]
        members = [np.flatnonzero(np.array(labels) == label) for label in sorted(set(labels))]
        whole = np.all([np.ptp(spins[:, member], axis=1) == 0 for member in members], axis=0)
        state = np.flatnonzero(whole)
        weight = sum(n * p**size * (1 - p) ** (aligned[state] - size) for size, n in sizes.items())
        free = [(1 - ghost) ** along[state][:, member].sum(axis=1) for member in members]
        if one_cluster:
            for mask, member, loose in zip(masks, members, free, strict=True):
                share = weight * member.size / sites
                total[state, state ^ mask] += share * loose
                total[state, state] += share * (1 - loose)
            continue
        # Cluster after cluster: the flips made so far, and the chance of them from each state.
        chances = {0: weight}
        for mask, loose in zip(masks, free, strict=True):
            stay, turn = 1 - loose / 2, loose / 2
            flipped = {flips | mask: chance * turn for flips, chance in chances.items()}
            chances = {flips: chance * stay for flips, chance in chances.items()} | flipped
        for flips, chance in chances.items():
            total[state, state ^ flips] += chance
    return total


def matrix_of(method, model, temperature):
    if isinstance(method, Metropolis | HeatBath):
        return local_matrix(method, model, temperature)
    update = ClusterUpdate(model, temperature, lambda *_: None)
    return cluster_matrix(update, model, isinstance(method, Wolff))


@pytest.mark.parametrize("field", [0.0, 0.4])
@pytest.mark.parametrize("shape", LATTICES)
@pytest.mark.parametrize("method", [Metropolis(), HeatBath(), SwendsenWang(), Wolff()], ids=lambda one: one.name)
def test_boltzmann_is_stationary(method, shape, field):
    model = ising(square(*shape), field)
    for temperature in (1.2, 2.269185):
        matrix = matrix_of(method, model, temperature)
        probability = boltzmann(model, temperature)
        assert np.abs(matrix.sum(axis=1) - 1).max() < 1e-12
        assert np.abs(probability @ matrix - probability).max() < 1e-12
        if isinstance(method, SwendsenWang | Wolff):
            flow = probability[:, None] * matrix
            assert np.abs(flow - flow.T).max() < 1e-12


@pytest.mark.parametrize("field", [0.0, 0.4])
@pytest.mark.parametrize("shape", [*LATTICES, (2, 4), (4, 2)])
@pytest.mark.parametrize("method", [Metropolis(), HeatBath(), SwendsenWang(), Wolff()], ids=lambda one: one.name)
def test_every_configuration_can_be_reached_from_every_other(method, shape, field):
    matrix = matrix_of(method, ising(square(*shape), field), 2.0)
    # What has a probability below that of all 24 bits is never seen.
    classes, _ = csgraph.connected_components(matrix > 2.0**-24 if shape == (2, 2) else matrix > 0, connection="strong")
    assert classes == 1


@pytest.mark.parametrize("field", [0.0, -0.4])
@pytest.mark.parametrize("shape", LATTICES[:2])
@pytest.mark.parametrize("method", [Metropolis(), HeatBath(), SwendsenWang(), Wolff()], ids=lambda one: one.name)
def test_the_update_itself_makes_these_transitions(method, shape, field):
    """One sweep of the compiled update from given states, counted, against the rows of the matrix."""
    model = ising(square(*shape), field)
    if method.refusal(model) is not None:
        pytest.skip(method.refusal(model))
    temperature, sites = 2.5, model.lattice.sites
    matrix = matrix_of(method, model, temperature)
    kernel = method.sweep(model, temperature)
    replicas = 32 * 1024
    key = jax.random.key(5)
    # Random starts hold every state many times over.
    before = kernel.start(key, replicas, None)
    after = kernel.spins(kernel.planes(kernel.advance(before, 1))).reshape(replicas, sites)
    before = kernel.spins(kernel.planes(before)).reshape(replicas, sites)
    powers = 1 << np.arange(sites)
    start, end = (before > 0) @ powers, (after > 0) @ powers
    seen = np.zeros_like(matrix)
    np.add.at(seen, (start, end), 1)
    expected = matrix * seen.sum(axis=1, keepdims=True)
    assert seen[matrix == 0].sum() == 0
    big = expected > 8
    statistic = ((seen - expected)[big] ** 2 / expected[big]).sum()
    freedom = big.sum() - 2**sites
    assert stats.chi2.sf(statistic, freedom) > 1e-6
    assert stats.chi2.cdf(statistic, freedom) > 1e-6
