"""Plain netCDF-4 files by HDF5 alone, in a seventh of the time of h5netcdf, which looks all up dozens of times.

Variables are read as they stand in the file, and translated by xarray, as it does those that h5netcdf reads.
"""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import xarray as xr

DIMENSION_ONLY = b"This is a netCDF dimension but not a netCDF variable."

_HIDDEN = {"REFERENCE_LIST", "CLASS", "DIMENSION_LIST", "NAME", "_Netcdf4Dimid", "_Netcdf4Coordinates", "_NCProperties"}

_RENAMED = "_nc4_non_coord_"
"""What stands before the name of a variable that shares it with an axis of others."""

_PACKED = {"compression": "gzip", "compression_opts": 1}

_FEWEST_PACKED = 65
"""Integers that are compressed."""


def to_bytes(dataset: xr.Dataset) -> bytes:
    """A dataset as one netCDF-4 file, integers (spins above all) compressed; the same data give the same bytes.

    It is made in memory, since HDF5 does not survive a write that fails.
    """
    import h5py
    from xarray.conventions import cf_encoder, encode_dataset_coordinates

    if not all(_plain(dataset, str(name)) for name in dataset.variables):
        return bytes(dataset.to_netcdf(engine="h5netcdf"))
    variables, attributes = cf_encoder(*encode_dataset_coordinates(dataset))
    buffer = BytesIO()
    # A reader tells the order of dimensions and variables by that of their creation.
    with h5py.File(buffer, "w", track_order=True) as file:
        alone = {name: size for name, size in dataset.sizes.items() if name not in variables}
        for name, size in alone.items():
            file.create_dataset(name, (size,), ">f4")
        written = {name: _written(file, name, variable) for name, variable in variables.items()}
        scales: dict[Any, Any] = {name: file[name] for name in dataset.sizes}
        for name, scale in scales.items():
            scale.make_scale(DIMENSION_ONLY + b"%10d" % alone[name] if name in alone else name)
        for name, variable in variables.items():
            if name not in scales:
                for axis, dim in zip(written[name].dims, variable.dims, strict=True):
                    axis.attach_scale(scales[dim])
        file.attrs.update(attributes)
    return buffer.getvalue()


def _plain(dataset: xr.Dataset, name: str) -> bool:
    """Whether a variable is a number, a truth value or text, and shares its name with no axis of others."""
    variable = dataset.variables[name]
    own = name not in dataset.sizes or variable.dims == (name,)
    return own and variable.dtype.kind in "biufU" and "/" not in name


def _written(file: Any, name: Any, variable: xr.Variable) -> Any:
    """Make a variable, with its attributes."""
    import h5py
    import numpy as np

    values = np.asarray(variable.data)
    dtype = h5py.string_dtype() if values.dtype.kind in "UO" else values.dtype
    packed = _PACKED if values.dtype.kind == "i" and values.size >= _FEWEST_PACKED else {}
    fill = variable.attrs.get("_FillValue")
    written = file.create_dataset(name, data=values.astype(dtype), dtype=dtype, fillvalue=fill, **packed)
    for key, value in variable.attrs.items():
        # The C library wants an array here.
        written.attrs[key] = np.array([value], values.dtype) if key == "_FillValue" else value
    return written


def read(file: Any) -> xr.Dataset | None:
    """What a file holds, with its data; None if there are types or axes that `to_bytes` does not write."""
    import h5py
    import numpy as np
    import xarray as xr

    def address(part: Any) -> Any:
        return h5py.h5o.get_info(part).addr  # pyright: ignore[reportAttributeAccessIssue]

    parts = {name: part for name, part in file.items() if isinstance(part, h5py.Dataset)}
    attributes: dict[str, dict[str, Any]] = {name: dict(part.attrs) for name, part in parts.items()}
    scales = {address(parts[name].id): name for name, about in attributes.items() if "CLASS" in about}
    variables = {}
    for name, part in parts.items():
        about = attributes[name]
        if bytes(about.get("NAME", b"")).startswith(DIMENSION_ONLY):
            continue
        if name.startswith(_RENAMED):
            return None
        if "CLASS" in about:
            dims = [name]
        else:
            listed = about.get("DIMENSION_LIST", ())
            dims = [scales.get(address(h5py.h5r.dereference(one[0], file.id))) for one in listed]
        text = h5py.check_string_dtype(part.dtype)
        plain = text.length is None if text else part.dtype.kind in "iuf"
        if not plain or part.shape != tuple(parts[dim].size if dim else -1 for dim in dims):
            return None
        values = np.asarray(part.asstr()[()], str) if text else part[()]
        variables[name] = dims, values, {key: _attribute(value) for key, value in about.items() if key not in _HIDDEN}
    whole = {key: _attribute(value) for key, value in file.attrs.items() if key not in _HIDDEN}
    return xr.decode_cf(xr.Dataset(variables, attrs=whole), decode_times=False).load()


def _attribute(value: Any) -> Any:
    """An attribute as h5netcdf gives it: one number of one, text of bytes, a list of texts."""
    import numpy as np

    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    if isinstance(value, np.ndarray):
        value = value.tolist() if value.dtype.kind in "SO" else value
        return value[0] if len(value) == 1 else value
    return value
