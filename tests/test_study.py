"""The machines of a study: each once, told apart by what it was made with."""

import pytest

from rbmflow.claims import distinct, named
from test_claims import GRID, machine


@pytest.mark.parametrize(
    ("setting", "value", "told"),
    [
        ("temperatures", [0.0, 0.25, 0.5], " (T = 0..0.5)"),
        ("temperatures", [0.0, 0.25, 4.0, 4.25, 6.0], " (T = 0..0.25 and 4..4.25 and 6)"),
        ("learning_rate", 0.02, " (learning_rate 0.02)"),
        ("gibbs_steps", 10, " (k = 10)"),
        ("estimator", "PCD", " (PCD)"),
        ("seed", 3, " (seed 3)"),
        ("machine.units", "0/1", " (units 0/1)"),
        ("training.optimiser", "adam", " (optimiser adam)"),
        ("training.weight_decay", 0.001, " (weight_decay 0.001)"),
    ],
)
def test_a_machine_is_called_by_what_sets_it_apart_from_most_of_its_type(setting, value, told):
    other = machine(kind="H", temperatures=GRID[16:], name="H-64")
    machines = [machine(), machine(hidden=16, name="V-16"), machine(**{setting: value}), other]
    assert [one.name for one in named(machines)] == ["V-64", "V-16", f"V-64{told}", "H-64"]


def test_different_machines_never_have_one_name():
    twins = [machine(), machine(artifact="123456789"), machine(hidden=16, name="V-16")]
    assert [one.name for one in named(twins)][1:] == ["V-64 #123456", "V-16"]


def test_a_machine_is_its_hash():
    """One that several points have is there once, as it was measured with most behind it, whatever it is called."""
    short = machine()
    longer = machine(name="W-64", flow=400)
    other = machine(gibbs_steps=10)
    assert distinct([short, other, longer, short]) == [longer, other]
