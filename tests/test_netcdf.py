"""Files that mean harm are refused from their headers: nothing outside them is opened, nothing giant is made."""

import io
from hashlib import sha256

import h5py
import numpy as np
import pytest
import xarray as xr

from rbmflow._checks import InvalidInput
from rbmflow._netcdf import inspect
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
