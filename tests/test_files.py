"""Files are there whole or not at all."""

import os

import numpy as np
import pytest
import xarray as xr

from rbmflow import _files
from rbmflow._netcdf import read_dataset, write_dataset


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path):
    path = tmp_path / ("ü" * 100)
    _files.write_text(path, "old")
    with pytest.raises(UnicodeEncodeError):
        _files.write_text(path, "\udc80")
    with pytest.raises(UnicodeEncodeError), _files.replacing(path) as draft:
        draft.write_text("\udc80", encoding="utf-8")
    assert path.read_text() == "old"
    _files.write_text(path, "new")
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["fsync", "replace"])
def test_what_the_disk_refuses_leaves_the_old_file(tmp_path, monkeypatch, name):
    path, data = tmp_path / "data.nc", xr.Dataset({"x": ("n", np.arange(9.0))})
    write_dataset(data, path)

    def refuse(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, name, refuse)
    with pytest.raises(OSError, match="No space left"):
        write_dataset(data + 1, path)
    assert read_dataset(path).identical(data)
    assert list(tmp_path.iterdir()) == [path]
