"""Exact formulas hold without a field: a model in one is refused by each of them, never read as the free one."""

import inspect

import numpy as np
import pytest

import rbmflow as rf
from rbmflow import exact
from rbmflow._checks import InvalidInput

pytestmark = pytest.mark.usefixtures("as_people_call")

IN_FIELD = rf.ising(rf.square(4), field=1.0)
FURTHER = {
    "temperature": 2.0,
    "temperatures": [1.0, 2.0],
    "energy_per_site": -1.5,
    "value": 0.5,
    "power": 2,
}
FORMULAS = [
    name
    for name in vars(exact)
    if callable(getattr(exact, name)) and "model" in inspect.signature(getattr(exact, name)).parameters
]


@pytest.mark.parametrize("name", FORMULAS)
def test_every_formula_refuses_a_field(name):
    formula = getattr(exact, name)
    rest = [FURTHER[one] for one in list(inspect.signature(formula).parameters)[1:]]
    if name.endswith("_known"):
        assert not formula(IN_FIELD)
        return
    with pytest.raises(InvalidInput, match=r"field = 1\.0"):
        formula(IN_FIELD, *rest)


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize("wrong", [None, 10, rf.square(4), "ising", [1.0]])
def test_every_formula_refuses_what_is_no_model(name, wrong):
    formula = getattr(exact, name)
    with pytest.raises(InvalidInput, match="model ="):
        formula(wrong, *(FURTHER[one] for one in list(inspect.signature(formula).parameters)[1:]))


def test_at_least_the_formulas_known_today_are_looked_at():
    assert len(FORMULAS) >= 16


def test_temperatures_come_in_any_form_or_are_refused():
    model = rf.ising(rf.square(4))
    wanted = exact.energy(model, [1.0, 2.0])
    for given in ((1, 2), np.array([1, 2]), map(float, "12"), (t for t in (1.0, 2.0)), np.array([1, 2], np.float32)):
        np.testing.assert_array_equal(exact.energy(model, given), wanted)
    for given in (None, "cold", [1.0, None], 1j, [[1.0], [1.0, 2.0]], True, -1.0, float("nan"), model):
        with pytest.raises(InvalidInput, match="temperature"):
            exact.energy(model, given)
        with pytest.raises(InvalidInput, match="temperature"):
            exact.infinite.energy(given)
