"""The mean field of any model against closed forms, its configurations, and what runs make of them."""

import math

import jax
import numpy as np
import pytest
from scipy.optimize import brentq

import rbmflow as rf
from rbmflow._checks import InvalidInput
from rbmflow.settings import SOURCES
from rbmflow.spec import parse
from rbmflow.steps import compute, graph


def mean_field_phases(model, temperatures):
    """The function of this name; all sources are found before, so that their order is always the same."""
    assert "mean-field" in SOURCES
    from rbmflow.data_sources import mean_field

    return mean_field.mean_field_phases(model, temperatures)


def order(model, temperature):
    """Sizes of the order parameter of the phases."""
    (laws,) = mean_field_phases(model, [temperature])
    return np.linalg.norm(laws @ np.array(model.vectors), axis=1)


@pytest.mark.parametrize(
    ("lattice", "couplings", "strength"),
    [
        (rf.square(4), 1.0, 4),
        (rf.chain(8), 3.5, 7),
        (rf.triangular(4), (1.0, 2.0, 0.0), 6),
        (rf.honeycomb(3), (1.0, 2.0, 0.5), 3.5),
        (rf.kagome(2), 1.0, 4),
        (rf.cubic(2), 1.0, 6),
    ],
)
@pytest.mark.parametrize("field", [0.0, 0.3])
def test_ising_spins_have_the_magnetization_of_curie_and_weiss(lattice, couplings, strength, field):
    model = rf.ising(lattice, field, couplings)
    for part in (0.2, 0.7, 0.99, 0.9999, 1.01, 2.0):
        temperature = strength * part
        (laws,) = mean_field_phases(model, [temperature])
        m = laws @ [-1, 1]
        np.testing.assert_allclose(m, np.tanh((strength * m + field) / temperature), atol=1e-12)
        ordered = part < 1 or field > 0
        assert (np.abs(m) > 0.01).all() if ordered else (m == 0).all()
        assert np.ptp(m) < 1e-9 if field else m.sum() == pytest.approx(0, abs=1e-12)
    ends = [laws @ [-1, 1] for laws in mean_field_phases(model, [0.0, math.inf])]
    assert ends[0].tolist() == ([1.0] if field else [-1.0, 1.0])
    assert (ends[1] == 0).all()


@pytest.mark.parametrize("q", [3, 4, 6])
def test_potts_spins_order_at_once_at_the_transition_of_their_mean_field(q):
    """It is at z (q - 2) / (2 (q - 1) ln(q - 1)), where m jumps to (q - 2) / (q - 1): Wu 1982, equation 1.21."""
    model = rf.potts(rf.triangular(4), q)
    transition, jump = 6 * (q - 2) / (2 * (q - 1) * math.log(q - 1)), (q - 2) / (q - 1)
    assert (order(model, 1.0001 * transition) < 1e-9).all()
    assert order(model, (1 - 1e-7) * transition) == pytest.approx([jump] * q, abs=1e-5)
    assert order(model, 0.0) == pytest.approx([1] * q)


def test_blume_capel_spins_order_by_both_sorts_of_transition():
    """By degrees at 2 z / T = 2 + exp(D / T) up to D = 0.4621 z, at once above; of the mean field of z neighbours."""
    model = rf.blume_capel(rf.cubic(2), 1.0)
    transition = float(brentq(lambda t: 12 / t - 2 - math.exp(1 / t), 1, 6))  # pyright: ignore
    assert (order(model, 1.0001 * transition) < 1e-9).all()
    found = order(model, 0.9 * transition)
    assert len(found) == 2
    law = (
        2
        * np.sinh(6 * found / (0.9 * transition))
        / (2 * np.cosh(6 * found / (0.9 * transition)) + math.exp(1 / (0.9 * transition)))
    )
    np.testing.assert_allclose(found, law, atol=1e-12)
    # At D / z = 0.475, above the tricritical 0.4621, the order vanishes from more than a half.
    sizes = [order(rf.blume_capel(rf.square(4), 1.9), t)[0] for t in np.linspace(0.9, 1.3, 81)]
    at = int(np.argmax(-np.diff(sizes)))
    assert sizes[at] > 0.5
    assert sizes[at + 1] < 1e-9
    # With D = z / 2 all three uniform configurations are ground states.
    assert sorted(mean_field_phases(rf.blume_capel(rf.square(4), 2.0), [0.0])[0].tolist()) == np.eye(3)[::-1].tolist()


def test_four_clock_states_are_two_ising_spins_in_the_mean_field_too():
    model, temperature = rf.clock(rf.square(4), 4), 1.3
    (laws,) = mean_field_phases(model, [temperature])
    m = float(brentq(lambda m: m - math.tanh(2 * m / temperature), 0.1, 1))  # pyright: ignore
    like, beside, opposite = ((1 + m) / 2) ** 2, (1 - m**2) / 4, ((1 - m) / 2) ** 2
    np.testing.assert_allclose(laws[0], [like, beside, opposite, beside], atol=1e-12)
    np.testing.assert_allclose(laws, [np.roll(laws[0], place) for place in range(4)], atol=1e-12)


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (rf.ising(rf.square(4), couplings=-1.0), "bonds that all prefer like states"),
        (rf.ising(rf.triangular(4), couplings=(1.0, 1.0, -0.1)), "bonds that all prefer like states"),
        (rf.ising(rf.kagome(2), couplings=(1.0, 2.0, 1.0)), "bonds that are as strong at every site"),
    ],
)
def test_models_that_may_order_in_sublattices_are_refused(model, told):
    with pytest.raises(InvalidInput, match=told):
        mean_field_phases(model, [1.0])


@pytest.mark.parametrize(
    "model",
    [
        rf.ising(rf.square(6)),
        rf.ising(rf.honeycomb(4), 0.2),
        rf.potts(rf.triangular(6), 3),
        rf.clock(rf.chain(8), 5),
        rf.blume_capel(rf.square(6), 1.0),
    ],
    ids=lambda model: model.name,
)
def test_mean_field_configurations_have_the_law_of_a_site_and_no_neighbours(model):
    temperatures, count = (0.0, 0.6, 1.2, 5.0, math.inf), 4000
    draws = SOURCES["mean-field"].draw(jax.random.key(3), model, temperatures, count)
    assert (draws.states, draws.lattice_axes) == (model.states, model.lattice.axes)
    for laws, spins in zip(mean_field_phases(model, temperatures), draws.spins, strict=True):
        sites = spins.reshape(count, -1)
        for state, chance in zip(model.states, laws.T, strict=True):
            part = (sites == state).mean(axis=1)
            assert abs(part.mean() - chance.mean()) < 5 * part.std() / np.sqrt(count) + 1e-9
            for place in (1, 5):
                both = (sites == state) & (np.roll(sites, place, axis=1) == state)
                part = both.mean(axis=1)
                assert abs(part.mean() - (chance**2).mean()) < 5 * part.std() / np.sqrt(count) + 1e-9


class NoInstruments:
    """Stands for thermometers where none is asked."""

    def __init__(self, *given):
        self.names, self.neural, self.best = ["energy"], self, self

    def read_spins(self, spins):
        return [[np.ones(1)]]

    def read(self, spins):
        return np.full((len(spins), 3), 1 / 3)

    def posterior(self, spins, temperatures):
        return self.read(spins)


@pytest.mark.parametrize(
    ("system", "model"),
    [
        ({"lattice": {"kind": "triangular", "length": 4}}, rf.ising(rf.triangular(4))),
        (
            {"lattice": {"cells": [4, 6]}, "model": {"couplings": [2.0, 0.5]}},
            rf.ising(rf.square(4, 6), couplings=(2.0, 0.5)),
        ),
        ({"lattice": {"length": 4}, "model": {"field": 0.3}}, rf.ising(rf.square(4), 0.3)),
        ({"lattice": {"kind": "honeycomb", "length": 3}}, rf.ising(rf.honeycomb(3))),
        ({"lattice": {"kind": "chain", "length": 9}, "model": {"kind": "potts", "q": 3}}, rf.potts(rf.chain(9), 3)),
        (
            {"lattice": {"length": 3}, "model": {"kind": "blume-capel", "crystal_field": 0.5}},
            rf.blume_capel(rf.square(3), 0.5),
        ),
    ],
    ids=["triangular", "anisotropic", "field", "honeycomb", "potts", "blume-capel"],
)
def test_the_null_of_a_run_has_the_energy_of_independent_sites(tmp_path, monkeypatch, system, model):
    grid = [0.4, 1.5, 6.0]
    monkeypatch.setattr("rbmflow.steps.thermometers.Instruments", NoInstruments)
    spec = parse(
        {
            "name": "x",
            "seeds": 1,
            "sampling": {"temperatures": grid, "draws": 3000},
            "types": {"M": {"data": "mean-field"}},
            "flow": {"starts": ["hot"], "chains": 20, "iterations": 4},
            "thermometer": {"hidden": 4, "draws": 60, "epochs": 1, "batch": 60},
            **system,
        }
    )
    steps = {step.name: step for step in graph(spec)}
    drawn = compute(steps["draws M"], (), tmp_path, lambda part: None)
    own, found = (
        compute(steps[f"{name} M"], (drawn,), tmp_path, lambda part: None)
        for name in ("two-point functions", "mixture null")
    )
    bonds = [np.array(model.pair[bond.kind]) for bond in model.lattice.bonds]
    energies, squares = [], []
    for laws in mean_field_phases(model, grid):
        energies.append(
            np.mean([sum(law @ bond @ law for bond in bonds) / model.lattice.basis + law @ model.site for law in laws])
        )
        squares.append(np.mean([np.sum((law @ np.array(model.vectors)) ** 2) for law in laws]))
    each = np.asarray(model.energy(drawn["spins"].values), float)
    known = model.states == (-1, 1) and model.field == 0 and model.lattice.basis == 1
    error = 1e-9 if known else each.std(axis=1).mean() / np.sqrt(each.size) + 1e-6
    assert abs(float(found["null_energy"]) - np.mean(energies)) < 5 * error
    # Far from a site, as near to it, the two-point function is m^2.
    if len(model.states) == 2:
        far = own["two_point"].values.reshape(3, -1)[:, -1]
        np.testing.assert_allclose(far, squares, atol=1e-9 if known else 0.1)
