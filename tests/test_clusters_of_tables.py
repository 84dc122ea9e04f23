"""Cluster updates of models that are tables, against all configurations."""

import jax
import numpy as np
import pytest

import rbmflow as rf
from rbmflow._checks import InvalidInput
from rbmflow.equilibrium.enumerated import all_states
from rbmflow.sampler import method_for
from rbmflow.sampler.table_wolff import reflections

pytest.importorskip("numba")

MODELS = [
    rf.potts(rf.square(2, 3), 3),
    rf.clock(rf.triangular(2, 3), 4),
    rf.clock(rf.chain(5), 6),
    rf.ising(rf.honeycomb(2, 3)),
    rf.ising(rf.square(3, 4), couplings=(1.0, -0.5)),
    rf.ising(rf.triangular(3), couplings=-1.0),
]
LATTICES = [
    (rf.ising(rf.chain(7)), 2.0),
    (rf.ising(rf.square(3, 4), couplings=-1.5), 5.0),
    (rf.ising(rf.triangular(3, 4), field=0.2), 5.0),
    (rf.ising(rf.triangular(3), couplings=-1.0), 2.0),
    (rf.ising(rf.honeycomb(2, 3)), 2.5),
    (rf.ising(rf.kagome(2), field=-0.3), 3.0),
    (rf.ising(rf.kagome(2), couplings=-1.0), 2.0),
    (rf.ising(rf.cubic(2, 2, 3)), 7.0),
    (rf.ising(rf.Lattice((3, 4), [(0, 0, (0, 1)), (0, 0, (0, 2)), (0, 0, (1, 0))])), 5.0),
]
"""Wolff updates flip all spins at low temperatures, every time: these are above."""
UPDATES = [*((rf.TableWolff(), model, 1.3) for model in MODELS), *((rf.Wolff(), *told) for told in LATTICES)]


@pytest.mark.parametrize(("method", "model", "temperature"), UPDATES, ids=str)
def test_clusters_leave_the_law_of_configurations_alone_and_lead_to_it(method, model, temperature):
    """Chains from one configuration come to the frequencies of all energies, and of the states of two sites."""
    replicas = 64 * 250
    every = all_states(model)
    energies = np.asarray(model.energy(every), float)
    weight = np.exp(-(energies - energies.min()) * model.lattice.sites / temperature)
    law = weight / weight.sum()
    kernel = method.sweep(model, temperature)
    first = np.full(replicas, model.states[0], np.int8)
    state = kernel.start(jax.random.key(3), replicas, first)
    spins = kernel.spins(kernel.planes(kernel.advance(state, 60)))
    q, sites = len(model.states), model.lattice.sites
    places = np.searchsorted(model.states, spins.reshape(replicas, -1)).astype(np.int64) @ q ** np.arange(sites)
    for values in (
        energies.round(6),
        every.reshape(len(every), -1)[:, 0] * 100.0 + every.reshape(len(every), -1)[:, -1],
    ):
        classes, of = np.unique(values, return_inverse=True)
        expected = np.bincount(of, law)
        seen = np.bincount(of[places], minlength=len(classes)) / replicas
        assert (np.abs(seen - expected) < 5 * np.sqrt(expected / replicas) + 1e-4).all()


def test_a_clock_of_even_states_needs_both_kinds_of_reflections():
    images = reflections(rf.clock(rf.square(3), 4))
    kept = (images == np.arange(4)).sum(axis=1)
    assert sorted(kept.tolist()) == [0, 0, 2, 2]
    assert len(reflections(rf.potts(rf.square(3), 3))) == 3


@pytest.mark.parametrize(
    "model", [rf.ising(rf.triangular(4), field=0.3), rf.blume_capel(rf.square(4), 0.5)], ids=["field", "blume-capel"]
)
def test_models_whose_states_no_reflections_connect_are_refused(model):
    with pytest.raises(InvalidInput, match="no reflections"):
        rf.sample(0, model, [2.0], 10, rf.TableWolff())


def test_auto_takes_clusters_where_domains_are_large_and_sweeps_where_they_are_small():
    model = rf.potts(rf.square(128), 3)
    critical = 1 / np.log(1 + np.sqrt(3))
    taken = [method_for(model, critical * factor, "auto", 1000)[0].name for factor in (1.0, 3.0)]
    assert taken == ["table-wolff", "table-heat-bath"]
    honeycomb = rf.ising(rf.honeycomb(24))
    taken = [method_for(honeycomb, temperature, "auto", 1000)[0].name for temperature in (1.519, 4.0)]
    assert taken == ["wolff", "metropolis"]
    small = rf.potts(rf.square(6), 3)
    draws = rf.sample(1, small, [0.995], 4000, rf.TableWolff())
    swept = rf.sample(2, small, [0.995], 4000, rf.TableHeatBath())
    assert draws.flags == ()
    one, other = (np.asarray(small.energy(of.spins)) for of in (draws, swept))
    assert abs(one.mean() - other.mean()) < 5 * np.hypot(one.std(), other.std()) / np.sqrt(4000 * 0.9)
