"""Transfer matrices of models that are tables: ln Z against known values, draws against all configurations."""

import jax
import numpy as np
import pytest

import rbmflow as rf
from rbmflow._checks import InvalidInput
from rbmflow.equilibrium.enumerated import all_states
from rbmflow.exact.slice_transfer import slice_transfer
from rbmflow.sampler import method_for

POTTS_3, POTTS_4 = (1 / np.log(1 + np.sqrt(q)) for q in (3, 4))
KNOWN = [
    (rf.potts(rf.square(3), 3), POTTS_3, 19.688939732),
    (rf.potts(rf.square(4), 3), POTTS_3, 34.172608138),
    (rf.potts(rf.square(4), 4), POTTS_4, 37.498931787),
    (rf.ising(rf.triangular(4)), 4 / np.log(3), 14.710241472),
    (rf.ising(rf.honeycomb(3)), 2 / np.log(2 + np.sqrt(3)), 19.088733979),
    (rf.clock(rf.square(4), 4), 1 / np.log(1 + np.sqrt(2)), 31.043830918),
    (rf.blume_capel(rf.square(4), 1.0), 1.4, 14.779718173),
    (rf.ising(rf.square(4), field=0.5), 2.5, 16.582274669),
]
DIAGONALS = rf.Lattice((3, 2), [(0, 0, (0, 1), 0), (0, 0, (1, 0), 1), (0, 0, (-1, 1), 2)])
SMALL = [
    rf.potts(rf.square(2, 3), 3),
    rf.clock(rf.triangular(2, 3), 3),
    rf.clock(rf.chain(5), 6),
    rf.ising(rf.honeycomb(2, 3), field=0.4),
    rf.ising(rf.kagome(2), couplings=(1.0, -0.5, 0.3)),
    rf.ising(rf.cubic(2, 2, 3), couplings=-1.0),
    rf.blume_capel(rf.square(3, 2), 0.7),
    rf.Model(DIAGONALS, (0, 1, 3), [np.diag([0, 1.0, 2]), np.ones((3, 3)), -np.eye(3)], (0, 0.2, 0.5), [[0], [1], [3]]),
]


@pytest.mark.parametrize(("model", "temperature", "known"), KNOWN, ids=lambda one: str(one)[:20])
def test_partition_functions_of_physics(model, temperature, known):
    assert slice_transfer(model).log_partition(temperature) == pytest.approx(known, abs=1e-8)


def test_the_maximum_of_the_specific_heat():
    """Of physics for the square torus; that of 3 x 3 Potts spins is the sum over all configurations."""
    six = rf.ising(rf.square(6))
    assert slice_transfer(six).specific_heat_peak(2.3) == pytest.approx(2.38971, abs=2e-3)
    three = rf.potts(rf.square(3), 3)
    truth = rf.equilibrium.enumerated(three)
    assert slice_transfer(three).specific_heat(0.9) == pytest.approx(float(truth.specific_heat(0.9)), rel=1e-5)
    assert slice_transfer(three).specific_heat_peak(1.0) == pytest.approx(truth.specific_heat_peak()[0], abs=2e-3)


@pytest.mark.parametrize("model", SMALL, ids=str)
def test_draws_have_the_frequencies_of_all_configurations(model):
    temperature, draws = 1.3, 40_000
    every = all_states(model)
    energies = np.asarray(model.energy(every), float) * model.lattice.sites
    weight = np.exp(-(energies - energies.min()) / temperature)
    log_sum = np.log(weight.sum()) - energies.min() / temperature
    assert slice_transfer(model).log_partition(temperature) == pytest.approx(log_sum, abs=1e-5)

    drawn = rf.sample(jax.random.key(1), model, [temperature], draws, rf.TableTransferMatrix())
    assert drawn.chains[0].ess == draws
    base = len(model.states) ** np.arange(model.lattice.sites)
    numbers = [np.searchsorted(model.states, one.reshape(len(one), -1)) @ base for one in (every, drawn.spins[0])]
    law = np.zeros(len(model.states) ** model.lattice.sites)
    law[numbers[0]] = weight / weight.sum()
    # Neighbouring configurations in order of probability share a cell of at least 20 expected draws.
    order = np.argsort(law)
    cell = np.empty(order.size, int)
    cell[order] = np.floor(np.cumsum(law[order]) * draws / 20 - 1e-9).astype(int)
    cell = np.unique(cell, return_inverse=True)[1]
    expected = np.bincount(cell, law) * draws
    seen = np.bincount(cell[numbers[1]], minlength=expected.size)
    large = expected > 5
    statistic, freedom = ((seen - expected)[large] ** 2 / expected[large]).sum(), large.sum() - 1
    assert abs(statistic - freedom) < 5 * np.sqrt(2 * freedom)


def test_draws_in_blocks_have_the_same_law(monkeypatch):
    model = rf.ising(rf.square(6), field=0.1)
    generators = [np.random.default_rng(2) for _ in range(2)]
    whole = rf.TableTransferMatrix().draw(generators[0], model, 2.0, 50)
    monkeypatch.setattr("rbmflow.sampler.table_transfer_matrix.BLOCK_ENTRIES", 1)
    apart = rf.TableTransferMatrix().draw(generators[1], model, 2.0, 50)
    assert whole.shape == apart.shape == (50, 6, 6)
    energies = [np.asarray(model.energy(one), float) for one in (whole, apart)]
    assert abs(energies[0].mean() - energies[1].mean()) < 5 * np.hypot(*(one.std() for one in energies)) / np.sqrt(50)


def test_auto_draws_exactly_where_slices_are_small():
    taken = [method_for(rf.ising(rf.square(length), field=0.1), 2.0, "auto", 500)[0].name for length in (6, 10, 16)]
    assert taken[:2] == ["table-transfer-matrix"] * 2
    assert taken[2] != "table-transfer-matrix"
    # Weights underflow: chains.
    assert method_for(rf.ising(rf.square(10), field=0.1), 0.05, "auto", 500)[0].name != "table-transfer-matrix"
    # Deep in the ordered phase chains that start against a weak field stay there, which they can only flag.
    drawn = rf.sample(2, rf.ising(rf.square(4), field=0.3), 0.75, 4000)
    assert drawn.flags == ()


@pytest.mark.parametrize(
    ("model", "temperature", "told"),
    [
        (rf.ising(rf.cubic(4)), 4.0, r"a slice of at most 4096 states, and this one has 2\^16"),
        (rf.ising(rf.Lattice((6, 6), [(0, 0, (0, 1)), (0, 0, (2, 0))])), 2.0, "no further than to the next slice"),
        (rf.ising(rf.square(6), field=0.1), 0.01, "weights of this model are 0 in double precision"),
    ],
    ids=["wide", "far", "cold"],
)
def test_what_cannot_be_drawn_is_refused(model, temperature, told):
    with pytest.raises(InvalidInput, match=told):
        rf.sample(0, model, [temperature], 10, "table-transfer-matrix")
