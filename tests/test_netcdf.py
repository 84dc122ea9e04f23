"""Files that mean harm are refused from their headers: nothing outside them is opened, nothing giant is made."""

import io
from hashlib import sha256

import h5py
import numpy as np
import pytest
import xarray as xr

from rbmflow._checks import InvalidInput
from rbmflow._hdf5 import to_bytes
from rbmflow._netcdf import inspect, load
from rbmflow.store import Damaged, Step, Store

STEP = Step("draws", "draws", {"seed": 0})


def external(file, secret):
    file.create_dataset("x", (8,), "i1", external=[(str(secret), 0, 8)])


def linked(file, secret):
    file["x"] = h5py.ExternalLink(str(secret), "/x")


def soft(file, secret):
    file["x"] = h5py.SoftLink("/y")


def virtual(file, secret):
    layout = h5py.VirtualLayout((8,), "i1")
    layout[:] = h5py.VirtualSource(str(secret), "x", (8,))
    file.create_virtual_dataset("x", layout)


def giant(file, secret):
    file.create_dataset("x", (2 * 10**12,), "f8", chunks=(10**6,), compression="gzip")


def giant_unpacked(file, secret):
    file.create_dataset("x", (2 * 10**12,), "f8")


def many(file, secret):
    values = np.zeros(10**6, np.int8)
    for number in range(3):
        file.create_dataset(f"x{number}", data=values, chunks=(10**6,), compression="gzip", compression_opts=9)
        file.create_dataset(f"y{number}", (10**9,), "i1", chunks=(10**6,), compression="gzip")


@pytest.mark.parametrize("harm", [external, linked, soft, virtual, giant, giant_unpacked, many])
def test_harm_is_seen_before_anything_is_read(tmp_path, harm):
    secret = tmp_path / "secret"
    secret.write_bytes(b"password")
    with h5py.File(tmp_path / "x.nc", "w") as file:
        harm(file, secret)
    with pytest.raises(InvalidInput, match=r"must stand in the file itself|cannot hold them"):
        inspect(tmp_path / "x.nc")
    store = Store(tmp_path / "store")
    store.publish(STEP, xr.Dataset({"x": ("n", np.arange(9))}), {})
    folder = store.folder(STEP)
    (folder / "data.nc").write_bytes((tmp_path / "x.nc").read_bytes())
    lines = [f"{sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in ("data.nc", "provenance.json")]
    (folder / "SHA256SUMS").write_text("".join(lines))
    with pytest.raises(Damaged, match=r"must stand in the file itself|cannot hold them"):
        store.read(STEP)


def test_what_the_house_writes_passes(tmp_path):
    small = xr.Dataset({"x": ("n", np.zeros(10**7, np.int8)), "name": ("m", ["a", "b"]), "one": ((), 1.0)})
    small.to_netcdf(tmp_path / "x.nc", engine="h5netcdf", encoding={"x": {"zlib": True, "complevel": 9}})
    inspect(tmp_path / "x.nc")
    inspect(io.BytesIO((tmp_path / "x.nc").read_bytes()))


@pytest.mark.parametrize("content", [b"", b"x", b"\x89HDF\r\n\x1a\n" + bytes(500), b"CDF\x01" + bytes(50)])
def test_what_is_no_such_file_is_refused(content):
    with pytest.raises(InvalidInput, match="whole HDF5 file"):
        inspect(io.BytesIO(content))


ORDINARY = {
    "numbers": xr.Dataset({"x": (("n", "m"), np.arange(200.0).reshape(2, 100), {"units": "J", "length": [4, 4]})}),
    "integers": xr.Dataset(
        {"x": ("n", np.arange(100, dtype=np.int8))}, {"n": np.arange(100), "k": ("n", np.ones(100))}
    ),
    "text and truth": xr.Dataset({"x": ("n", [True, False])}, {"n": ["V = ü", ""]}, {"flags": "[]", "one": [1.5]}),
    "numbers alone": xr.Dataset({"x": ((), 1.5), "name": ((), "a"), "missing": ((), np.nan)}),
    "none": xr.Dataset({"x": ("n", np.zeros(0))}),
    "texts of nothing": xr.Dataset({"x": ("n", np.array(["a", None], object))}),
    "an axis of that name": xr.Dataset({"n": (("y", "x"), np.ones((2, 3))), "v": ("n", np.ones(4))}),
}


@pytest.mark.parametrize("dataset", ORDINARY.values(), ids=ORDINARY)
def test_files_are_those_of_h5netcdf_to_every_reader(dataset):
    theirs = xr.load_dataset(io.BytesIO(bytes(dataset.to_netcdf(engine="h5netcdf"))), engine="h5netcdf")
    ours = to_bytes(dataset)
    assert ours == to_bytes(dataset)
    for read in (load(io.BytesIO(ours)), xr.load_dataset(io.BytesIO(ours), engine="h5netcdf")):
        xr.testing.assert_identical(read, theirs)
        assert list(read.variables) == list(theirs.variables)
    xr.testing.assert_identical(load(io.BytesIO(bytes(dataset.to_netcdf(engine="h5netcdf")))), theirs)


def test_files_of_others_are_read_by_xarray():
    file = io.BytesIO()
    with h5py.File(file, "w") as made:
        made["n"] = np.arange(2.0)
        made["n"].make_scale("n")
        made.create_dataset("kind", data=[0, 1], dtype=h5py.enum_dtype({"a": 0, "b": 1}, "i1")).dims[0].attach_scale(
            made["n"]
        )
        made.create_dataset("packed", data=np.array([1, -1], "i2")).dims[0].attach_scale(made["n"])
        made["packed"].attrs.update(scale_factor=0.5, _FillValue=np.array([-1], "i2"))
    read = load(file)
    assert read["kind"].values.tolist() == [0, 1]
    np.testing.assert_array_equal(read["packed"], [0.5, np.nan])


@pytest.mark.parametrize("shared", [False, True], ids=["by HDF5", "by xarray"])
def test_what_was_read_is_written_again_with_other_records_beside_it(tmp_path, shared):
    """A text that was read is no bound on the length of those that are joined with it."""
    axes = {"y": ("x", np.arange(2))} if shared else {}  # A name that an axis of another has is left to xarray.
    records = [xr.Dataset({"recipe": ("machine", [text])}, axes) for text in ("short", "much longer")]
    if shared:
        records = [one.assign(z=("y", np.zeros(3))) for one in records]
    read = [load(io.BytesIO(to_bytes(one))) for one in records]
    whole = xr.concat(read, "machine", data_vars="minimal")
    whole.to_netcdf(tmp_path / "whole.nc", engine="h5netcdf")
    assert load(tmp_path / "whole.nc").identical(whole)
    assert to_bytes(read[0]) == to_bytes(records[0])
