"""Thermodynamics of machines of one temperature, against a machine that is the model."""

import json

import jax
import numpy as np
import pytest
import xarray as xr

import rbmflow as rf
from rbmflow._checks import InvalidInput
from rbmflow.claims import CLAIMS, Machine
from rbmflow.one_temperature import thermodynamics, thermodynamics_of
from rbmflow.spectrum import clusters, couplings_of, effective_couplings

MODEL, T = rf.ising(rf.square(4)), 2.5


def exact_machine(model, temperature):
    """One hidden unit on each bond, of weights arccosh(e^2K) / 2."""
    bonds = clusters(model.lattice)["bond"]
    weights = np.zeros((model.lattice.sites, len(bonds)))
    np.add.at(weights, (bonds, np.arange(len(bonds))[:, None]), np.arccosh(np.exp(2 / temperature)) / 2)
    return rf.RBM.from_weights(weights, None, None, units="-1/+1", axes="visible, hidden", shape=model.lattice.shape)


def test_the_exact_machine_has_the_thermodynamics_and_the_couplings_of_its_model():
    machine = exact_machine(MODEL, T)
    start = rf.thermal(jax.random.key(0), MODEL, T, 1000)
    found = thermodynamics(1, machine, MODEL, start, T, partition=rf.log_partition(0, machine))
    exact = thermodynamics_of(MODEL, T)
    for name in ("energy", "abs_magnetization", "specific_heat", "susceptibility", "entropy"):
        value, error = found[name]
        assert abs(value - exact[name]) < 5 * error < 0.05, name
    assert found["pseudo_entropy"][0] < exact["entropy"]
    sites, expected = clusters(MODEL.lattice), couplings_of(MODEL, T)
    for name, rows in sites.items():
        np.testing.assert_allclose(effective_couplings(machine, rows), expected[name], atol=1e-6)


def test_what_a_model_has_comes_from_formulas_and_from_a_sum_alike():
    field = rf.ising(rf.square(4), field=1e-9)  # Known by a sum over all states.
    by_sum, by_formulas = thermodynamics_of(field, T), thermodynamics_of(MODEL, T)
    assert by_sum == pytest.approx(by_formulas, abs=1e-6)
    assert by_formulas["energy"] == pytest.approx(float(rf.exact.energy(MODEL, T)))
    assert all(np.isnan(value) for value in thermodynamics_of(rf.potts(rf.square(8), 3), 1.0).values())


@pytest.mark.parametrize(
    ("lattice", "of_all"),
    [
        (rf.square(2), {"field": 4, "bond": 4, "other pairs": 2, "corner": 4, "plaquette": 4}),
        (rf.triangular(4), {"field": 16, "bond": 48, "other pairs": 72, "corner": 16, "plaquette": 16}),
        (rf.honeycomb(3), {"field": 18, "bond": 27, "other pairs": 126}),
        (rf.chain(5), {"field": 5, "bond": 5, "other pairs": 5}),
    ],
    ids=str,
)
def test_clusters_of_any_lattice_are_counted(lattice, of_all):
    assert {name: len(sites) for name, sites in clusters(lattice).items()} == of_all
    # Two bonds join a pair on a side of length 2.
    assert couplings_of(rf.ising(lattice), T)["bond"] == pytest.approx((2 if lattice == rf.square(2) else 1) / T)


def test_a_temperature_that_nothing_can_be_learnt_at_is_refused():
    start = rf.hot(0, MODEL, 4)
    with pytest.raises(InvalidInput, match="temperature = 0"):
        thermodynamics(0, exact_machine(MODEL, T), MODEL, start, 0.0)


@pytest.mark.usefixtures("as_people_call")
def test_one_chain_tells_no_error_and_is_refused():
    machine = exact_machine(MODEL, T)
    with pytest.raises(InvalidInput, match=r"chains of start = 1 .* two at least"):
        thermodynamics(0, machine, MODEL, rf.hot(0, MODEL, 1), T)
    with pytest.raises(InvalidInput, match=r"partition = 1\.0"):
        thermodynamics(0, machine, MODEL, rf.hot(0, MODEL, 4), T, partition=1.0)


GRID = (1.6, 1.8, 2.0, 2.2, 2.4, 2.6, 2.8, 3.0)


def machines_with(indicator, seeds=3, temperatures=GRID):
    """Machines whose largest eigenvalue is a function of the temperature, its share the same, other numbers level."""
    made = []
    for temperature in temperatures:
        noise = 0.001 * np.arange(seeds)[:, None] * np.ones((1, 3))
        values = np.array([indicator(temperature), indicator(temperature), indicator(temperature)]) + noise
        recipe = {"weights": "trained", "data": "ising", "temperatures": [temperature]}
        recipe |= {"machine.hidden": 36, "lattice.length": 6}
        results = xr.Dataset(
            {
                "weight_final": (("seed", "final_measure"), values),
                "thermodynamics_mean": ("quantity", [-1.5]),
                "specific_heat_peak_temperature": 2.4,
                "update": ("checkpoint", [0, 100]),
                "recipe": json.dumps(recipe),
            },
            {"final_measure": ["largest_eigenvalue", "first_share", "effective_modes"], "quantity": ["energy"]},
        )
        made.append(Machine(f"T-36 at {temperature:g}", results.assign_coords(seed=range(seeds))))
    return made


@pytest.mark.parametrize(
    ("machines", "verdict", "told"),
    [
        (machines_with(lambda t: -((t - 2.43) ** 2)), "holds", "largest at 2.43"),
        (machines_with(lambda t: (t - 2.37) ** 2), "holds", "smallest at 2.37"),
        (machines_with(lambda t: np.tanh((2.3 - t) / 0.1)), "holds", "steepest at 2.30"),
        (machines_with(lambda t: 1 / t), "fails", "steepest at 1.70"),
        (machines_with(lambda t: -((t - 2.0) ** 2)), "fails", "largest at 2.00"),
        (machines_with(lambda t: 1 / t, seeds=1), "open", "steepest"),
    ],
)
def test_marks_in_the_weights_are_judged_by_where_they_are(machines, verdict, told):
    found = CLAIMS["weight-indicators"](machines[::-1])
    assert found.verdict == verdict
    assert found.judgements[0].measured.startswith(told)


def test_marks_need_temperatures_on_both_sides():
    assert CLAIMS["weight-indicators"](machines_with(lambda t: t)[:5]).verdict == "not tested"
    assert CLAIMS["weight-indicators"](machines_with(lambda t: t, temperatures=GRID[4:] * 2)).verdict == "not tested"
