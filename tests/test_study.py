"""The names by which a study tells its machines apart."""

import pytest
import xarray as xr

from rbmflow.steps import study


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ([0.0, 0.25, 0.5], "0..0.5"),
        ([0.0, 0.25, 4.0, 4.25, 6.0], "0..0.25 and 4..4.25 and 6..6"),
        (0.01, "0.01"),
        (None, "none"),
        ("PCD", "PCD"),
    ],
)
def test_a_swept_value_is_told_in_short(value, told):
    assert study._value(value) == told


def test_machines_are_named_by_what_sets_their_point_apart(monkeypatch):
    """The commonest value is not said, and which other machines a point has never is."""
    named = []
    monkeypatch.setattr(study, "machines_of", lambda results, name: named.append(name) or [])
    monkeypatch.setattr(study, "blocks_of", lambda results: [])
    monkeypatch.setattr(study, "judge", lambda machines, blocks: [])
    monkeypatch.setattr(study, "study", lambda machines: xr.Dataset())
    points = [
        {"types.V.also_hidden": [12, 16], "training.steps": 1, "types.V.maximum": 6.0},
        {"types.V.also_hidden": [], "training.steps": 10, "types.V.maximum": 6.0},
        {"types.V.also_hidden": [], "training.steps": 1, "types.V.maximum": 3.0},
    ]
    study.verdicts_of_sweep([(values, xr.Dataset()) for values in points])
    assert named == ["", " (k = 10)", " (T <= 3)"]
